"""OCEAN as a learner; it brings in torch only when it is called.

The folder of a training holds the policy ``SCENARIO.npz``, ``training.json`` and ``scenario.toml``. The same scenario,
episodes and seed give the same policy file, byte by byte.
"""

from __future__ import annotations

import dataclasses
import time
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cosim._version import __version__
from cosim.errors import InputError, InterruptedRunError, nearest_name
from cosim.learning import LearningCurve, learns_on

if TYPE_CHECKING:
    from pathlib import Path

    from cosim.learning import StationTrainingPlan, TrainingWatch
    from cosim_agents.ocean.station_days import StationDays

_PRESETS = ("tuned",)
_KIND = "ocean-station"


@learns_on("station")
def ocean(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """OCEAN: one network for all vehicles, along the gradient of the load variance through the days."""
    days = _checked(plan)
    from cosim.results import OutputFolder  # noqa: PLC0415 - `cosim list` reads the function's docstring only
    from cosim.scenario import to_toml  # noqa: PLC0415
    from cosim_agents.ocean.set_policy import save_ocean  # noqa: PLC0415
    from cosim_agents.ocean.set_training import Schedule, train_ocean  # noqa: PLC0415 - torch takes seconds

    schedule = Schedule() if plan.episodes is None else Schedule(iterations=plan.episodes)
    policy_name = f"{plan.scenario.name}.npz"
    folder = OutputFolder(plan.out, (policy_name, "training.json", "scenario.toml"), overwrite=plan.overwrite)
    watch.note(f"{schedule.iterations} improvements, {schedule.days} new days for each")
    began_s = time.process_time()
    try:
        curve = LearningCurve("loss", schedule.iterations, watch)
        policy = train_ocean(days, name=plan.scenario.name, seed=plan.seed, schedule=schedule, watch=curve)
        took_s = time.process_time() - began_s
        folder.write_text("scenario.toml", to_toml(plan.scenario))
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted; nothing is kept.") from None
    finally:
        folder.release()
    save_ocean(plan.out / policy_name, policy)
    facts = {"agent": "ocean", "kind": "ocean", "preset": plan.preset, "scenario": plan.scenario.name}
    versions = {"cosim": __version__} | {name: metadata.version(name) for name in ("numpy", "numba", "torch")}
    folder.write_json(
        "training.json",
        {
            **facts,
            "seed": plan.seed,
            "hyperparameters": dataclasses.asdict(schedule),
            "losses": curve.values,
            "cpu_s": took_s,
            "versions": versions,
        },
    )
    watch.note(f"trained in {took_s:.1f} s of processor time")
    return plan.out / policy_name


def _checked(plan: StationTrainingPlan) -> StationDays:
    """Return what the days are like, or report everything that is wrong with a plan at once."""
    faults = []
    if find_spec("torch") is None:
        faults.append(
            'Training needs torch, not installed here: pip install -e ".[train]" (a trained policy runs without).'
        )
    if plan.preset not in _PRESETS:
        faults.append(f"--preset: found '{plan.preset}'; {nearest_name(plan.preset, _PRESETS)}.")
    if plan.episodes is not None and plan.episodes < 1:
        faults.append(f"--episodes {plan.episodes}: it must be at least 1.")
    if plan.seed < 0:
        faults.append(f"--seed: found {plan.seed}; it must be a whole number, at least 0.")
    station = plan.scenario.station
    if plan.scenario.arrivals.plugin != _KIND:
        faults.append(f"[arrivals]: 'ocean' learns on days of kind = '{_KIND}' only.")
    if station.base_kw is not None or station.households is not None or station.charging_limit_kw or station.limit_kw:
        faults.append("[station]: 'ocean' learns without base load and limits; leave them out.")
    if faults:
        raise InputError(faults)
    from cosim.station.days import open_days  # noqa: PLC0415
    from cosim_agents.ocean.arrivals import OceanStation  # noqa: PLC0415

    open_days(plan.scenario)  # reports what does not fit
    return OceanStation(**plan.scenario.arrivals.options, slot_s=float(station.slot_s)).days
