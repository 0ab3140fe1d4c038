"""Many days: seeds times controllers, in this process or in many.

Every controller meets the same seeds, that is, the same vehicles. A day depends on scenario, controller and seed alone,
so that the results are the same however the days are spread.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cosim import plots
from cosim._version import __version__
from cosim.errors import CosimError, InputError, nearest_name
from cosim.many_runs import as_they_end, check_seeds, reason_of, repeated
from cosim.randomness import stream
from cosim.scheduling.offline import offline_optimum
from cosim.station.comparison import OPTIMUM, FailedDay, StationComparison, StationFolder, sum_of
from cosim.station.days import PAST_DAYS, DaySource, open_days
from cosim.station.play import make_controller, play
from cosim.station.plots import write_plots
from cosim.station_scenario import StationScenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles
    from cosim.station.play import PlayedDay

#: Less than this is missing through rounding only.
_NOTHING_KWH = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class DayOutcome:
    """What became of one day.

    Attributes
    ----------
    controller, seed
        Which day.
    row : dict
        Its row of ``StationComparison.runs``; empty if it failed.
    charging_kw, optimum_kw : ndarray of float, shape (slots,), or None
        Load of the vehicles, with this controller and in the offline optimum.
    decision_ms : float
        Median processor time of a decision; NaN where none was needed.
    notes : Counter of str
        What the controller had to say.
    failure : str
        Why it failed; empty if it did not.
    """

    controller: str
    seed: int
    row: dict[str, Any] = field(default_factory=dict)
    charging_kw: NDArray[np.float64] | None = None
    optimum_kw: NDArray[np.float64] | None = None
    decision_ms: float = math.nan
    notes: Counter[str] = field(default_factory=Counter)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """One day to play; the scenario as JSON, which says whether a process has its days loaded already."""

    scenario: str
    controller: str
    seed: int


def compare_controllers(
    scenario: StationScenario,
    controllers: Sequence[str],
    seeds: Iterable[int],
    *,
    executor: Executor | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    reference: str | None = None,
    on_day: Callable[[DayOutcome], None] | None = None,
) -> StationComparison:
    """Let several controllers charge the same days and compare them with one another and with the offline optimum.

    Parameters
    ----------
    scenario : StationScenario
        Options in its ``[controller.NAME]`` hold for the one of that name.
    controllers : sequence of str
        Names of plug-ins, or labels of the scenario.
    seeds : iterable of int
        Such as ``cosim.many_runs.evaluation_seeds(40)``.
    executor : concurrent.futures.Executor, optional
        Where the days are played, processes (``cosim.workers.WorkerProcesses``); here, one after the other, without.
    out : path, optional
        Comparison folder to write, anew after every tenth of the days; without it nothing is written. Where matplotlib
        is installed, pictures are added at the end.
    overwrite : bool
        Allow a folder that exists.
    reference : str, optional
        With whom the others are compared; the one with the lowest mean bill if left out.
    on_day : callable, optional
        Called with a ``DayOutcome`` after every day.

    Returns
    -------
    StationComparison
        A day that failed is among its ``failures`` and the others are there.

    Raises
    ------
    InputError
        If scenario, controllers, seeds, reference or folder cannot be used; one sentence for every fault.
    KeyboardInterrupt
        What was there is written first.
    """
    names = tuple(controllers)
    text = scenario.model_dump_json()
    source, _ = _load(text)
    numbers = _check(scenario, source, names, tuple(seeds), reference)
    folder = StationFolder(Path(out), overwrite=overwrite) if out is not None else None
    comparison = StationComparison(
        scenario=scenario,
        controllers=names,
        seeds=numbers,
        asked_reference=reference,
        versions={"cosim": __version__} | {name: metadata.version(name) for name in ("numpy", "numba")},
        folder=folder.path if folder is not None else None,
    )
    # Seed by seed, so that what an interrupted comparison has can be compared.
    jobs = [_Job(text, name, seed) for seed in numbers for name in names]
    outcomes: dict[tuple[str, int], DayOutcome] = {}
    if folder is not None:
        folder.write_scenario(scenario)
        folder.write(comparison, with_intervals=False)
    try:
        for outcome in as_they_end(jobs, _attempt, _lost, executor):
            outcomes[outcome.controller, outcome.seed] = outcome
            # A day takes less time than writing all of them.
            if folder is not None and len(outcomes) % max(1, len(jobs) // 10) == 0:
                folder.write(_fill(comparison, source.site, outcomes), with_intervals=False)
            if on_day is not None:
                on_day(outcome)
    finally:
        comparison = _fill(comparison, source.site, outcomes)
        if folder is not None:
            folder.write(comparison, with_intervals=True)
    if folder is not None and plots.installed() and not comparison.loads.empty:
        write_plots(comparison, folder.path)
    return comparison


def day_row(label: str, seed: int, site: Site, vehicles: Vehicles, played: PlayedDay) -> dict[str, Any]:
    """Return a day's row of ``StationComparison.runs``, the offline optimum's columns left out.

    Parameters
    ----------
    label, seed
        Which day.
    site, vehicles : Site, Vehicles
        What was played.
    played : PlayedDay
        What came of it.
    """
    unservable_kwh = vehicles.unservable_kwh(site.slot_h)
    asked_kwh, delivered_kwh = float(vehicles.energy_kwh.sum()), float(played.delivered_kwh.sum())
    # What computing took had to be drawn, too, but nobody had asked for it.
    kept_kwh = delivered_kwh - float((played.computing_kwh / vehicles.efficiency).sum())
    return {
        "controller": label,
        "seed": seed,
        "vehicles": len(vehicles),
        "cost": played.cost,
        "peak_kw": played.peak_kw,
        "load_factor": played.load_factor,
        "asked_kwh": asked_kwh,
        "delivered_kwh": delivered_kwh,
        "demand_met": kept_kwh / asked_kwh if asked_kwh > 0.0 else 1.0,
        "short_kwh": float(played.short_kwh.sum()),
        "unservable_kwh": float(unservable_kwh.sum()),
        "vehicles_short": int((played.short_kwh > unservable_kwh + _NOTHING_KWH).sum()),
        "decisions": len(played.decision_s),
        **_computed(played),
    }


def _computed(played: PlayedDay) -> dict[str, Any]:
    """Return what a row says of computing; of no task and no gap where nothing was computed."""
    tasks = played.tables.get("tasks")
    computing_kwh = float(played.computing_kwh.sum())
    if tasks is None or not {"tasks", "rejected", "relative_gap"} <= set(tasks.columns):
        return {"tasks": 0, "tasks_rejected": 0, "task_gap": math.nan, "computing_kwh": computing_kwh}
    # Where there was no task there was nothing to decide.
    gaps = tasks.loc[tasks["tasks"] > 0, "relative_gap"]
    return {
        "tasks": int(tasks["tasks"].sum()),
        "tasks_rejected": int(tasks["rejected"].sum()),
        "task_gap": float(gaps.mean()) if len(gaps) else math.nan,
        "computing_kwh": computing_kwh,
    }


def _check(
    scenario: StationScenario,
    source: DaySource,
    names: tuple[str, ...],
    seeds: tuple[int, ...],
    reference: str | None,
) -> tuple[int, ...]:
    """Return the seeds if all is well; report all faults at once."""
    faults = [f"controllers: '{name}' is given twice." for name in repeated(names)]
    if not names:
        faults.append("controllers: none is given; name at least one, such as eager.")
    for name in dict.fromkeys(names):
        try:
            make_controller(scenario, name)
        except InputError as error:
            faults.extend(error.faults)
    if reference is not None and reference not in names:
        faults.append(f"reference: '{reference}' is not among the controllers; {nearest_name(reference, names)}.")
    numbers = check_seeds(seeds, faults)
    if not faults and (days := source.distinct(numbers)) < len(numbers):
        faults.append(
            f"seeds: found {len(numbers)}; the recorded sessions have {days} {'day' if days == 1 else 'days'} for the "
            "evaluation, and no more can be played."
        )
    if faults:
        raise InputError(faults)
    return numbers


def _lost(job: _Job, reason: str) -> DayOutcome:
    return DayOutcome(job.controller, job.seed, failure=reason)


def _attempt(job: _Job) -> DayOutcome:
    """Play one day; whatever goes wrong in it becomes a sentence, so that the other days go on."""
    try:
        source, past = _load(job.scenario)
        scenario = StationScenario.model_validate_json(job.scenario)
        site, vehicles = source.site, source.day(job.seed)
        controller = make_controller(scenario, job.controller, past)
        rng = stream(job.seed, "controller station")
        played = play(site, vehicles, controller, chargers=source.chargers, rng=rng)
        best = offline_optimum(site, vehicles)
    except CosimError as error:
        return _lost(job, " ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001 - a fault in a plug-in must not take the others' days along
        return _lost(job, reason_of(error))
    row = day_row(job.controller, job.seed, site, vehicles, played)
    best_kw = site.base_kw + best.charging_kw
    row |= {
        "optimum_cost": best.cost,
        "optimum_peak_kw": best.peak_kw,
        "optimum_load_factor": float(best_kw.mean()) / best.peak_kw if best.peak_kw > 0.0 else 1.0,
        "optimum_gap": best.relative_gap,
        "optimum_within_limits": best.within_limits,
        "ratio": played.cost / best.cost if best.cost > 0.0 else math.nan,
    }
    decision_ms = 1e3 * float(np.median(played.decision_s)) if len(played.decision_s) else math.nan
    return DayOutcome(
        job.controller, job.seed, row, played.charging_kw, best.charging_kw, decision_ms, played.notes
    )  # fmt: skip


@functools.lru_cache(maxsize=1)
def _load(text: str) -> tuple[DaySource, list[Vehicles]]:
    """Load the days once per process; they are the same for every controller."""
    source = open_days(StationScenario.model_validate_json(text))
    return source, source.past(PAST_DAYS)


def _fill(blank: StationComparison, site: Site, outcomes: Mapping[tuple[str, int], DayOutcome]) -> StationComparison:
    """Put what is there into a comparison, in its order: nothing must depend on which day was done first."""
    keys = [(name, seed) for name in blank.controllers for seed in blank.seeds]
    done = [outcomes[key] for key in keys if key in outcomes]
    played = [one for one in done if not one.failure]
    loads: list[pd.DataFrame] = []
    decision_ms: dict[str, float] = {}
    notes: dict[str, dict[str, int]] = {}
    for name in blank.controllers:
        own = [one for one in played if one.controller == name]
        loads += _mean_load(name, site, [one.charging_kw for one in own if one.charging_kw is not None])
        times_ms = [one.decision_ms for one in own if math.isfinite(one.decision_ms)]
        if times_ms:
            decision_ms[name] = float(np.mean(times_ms))
        if said := sum_of([one.notes for one in own]):
            notes[name] = said
    by_seed = {one.seed: one.optimum_kw for one in played if one.optimum_kw is not None}
    loads += _mean_load(OPTIMUM, site, [by_seed[seed] for seed in blank.seeds if seed in by_seed])
    return dataclasses.replace(
        blank,
        runs=pd.DataFrame([one.row for one in played]) if played else blank.runs,
        loads=pd.concat(loads, ignore_index=True) if loads else blank.loads,
        decision_ms=decision_ms,
        notes=notes,
        failures=tuple(FailedDay(one.controller, one.seed, one.failure) for one in done if one.failure),
    )


def _mean_load(name: str, site: Site, loads_kw: list[NDArray[np.float64]]) -> list[pd.DataFrame]:
    """Return the mean day of one controller, if it has any."""
    if not loads_kw:
        return []
    slots, charging_kw = np.arange(site.slots), np.mean(loads_kw, axis=0)
    table = {
        "controller": name,
        "slot": slots,
        "time_s": slots * site.slot_s,
        "base_kw": site.base_kw,
        "charging_kw": charging_kw,
        "total_kw": site.base_kw + charging_kw,
    }
    return [pd.DataFrame(table)]
