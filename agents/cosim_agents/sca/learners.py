"""CALC, SCA and AEM as learners: one function each, which brings in torch only when it is called and needs it.

The folder of a training holds the policy ``KIND-SCENARIO.npz``, ``training.json`` (what it was trained with, and what
the iterations brought) and ``scenario.toml``. The same scenario, preset, episodes and seed give the same policy file,
byte by byte.
"""

from __future__ import annotations

import dataclasses
import time
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cosim._version import __version__
from cosim.errors import InputError, InterruptedRunError, nearest_name
from cosim.learning import LearningCurve, learns_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cosim.learning import StationTrainingPlan, TrainingWatch
    from cosim_agents.sca.aem import AemPolicy
    from cosim_agents.sca.learned import SitePolicy
    from cosim_agents.sca.training import Draw

_PRESETS = ("tuned", "paper")


@learns_on("station")
def calc(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """CALC: PPO of a network that corrects the rolling optimum's total."""
    return _train("calc", plan, watch)


@learns_on("station")
def sca(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """SCA: PPO of a network that every vehicle shares."""
    return _train("sca", plan, watch)


@learns_on("station")
def aem_8(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """AEM with 8 levels: Q-learning of the site's total load in a table."""
    return _train("aem-8", plan, watch)


@learns_on("station")
def aem_16(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """AEM with 16 levels: Q-learning of the site's total load in a table."""
    return _train("aem-16", plan, watch)


@learns_on("station")
def aem_33(plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """AEM with 33 levels: Q-learning of the site's total load in a table."""
    return _train("aem-33", plan, watch)


def _train(agent: str, plan: StationTrainingPlan, watch: TrainingWatch) -> Path:
    """Train a policy and write its folder; see ``cosim.learning.Train``."""
    aem = agent.startswith("aem-")
    _check(agent, plan, aem=aem)
    from cosim.results import OutputFolder  # noqa: PLC0415 - `cosim list` reads the functions above only
    from cosim.scenario import to_toml  # noqa: PLC0415
    from cosim.station.days import open_days  # noqa: PLC0415

    source = open_days(plan.scenario)
    kind = f"paper-{agent}" if plan.preset == "paper" else agent
    policy_name = f"{kind}-{plan.scenario.name}.npz"
    folder = OutputFolder(plan.out, (policy_name, "training.json", "scenario.toml"), overwrite=plan.overwrite)
    learn = _aem if aem else _paper if plan.preset == "paper" else _tuned
    began_s = time.process_time()
    try:
        save, about = learn(agent, plan, source.draw, watch)
        took_s = time.process_time() - began_s
        folder.write_text("scenario.toml", to_toml(plan.scenario))
    except KeyboardInterrupt:
        raise InterruptedRunError("interrupted; nothing is kept.") from None
    finally:
        folder.release()
    save(plan.out / policy_name)
    packages = ("numpy", "numba") if aem else ("numpy", "numba", "torch")
    facts = {"agent": agent, "kind": kind, "preset": plan.preset, "scenario": plan.scenario.name, "seed": plan.seed}
    versions = {"cosim": __version__} | {name: metadata.version(name) for name in packages}
    folder.write_json("training.json", {**facts, **about, "cpu_s": took_s, "versions": versions})
    watch.note(f"trained in {took_s:.1f} s of processor time")
    return plan.out / policy_name


def _check(agent: str, plan: StationTrainingPlan, *, aem: bool) -> None:
    """Report everything that is wrong with a plan at once."""
    faults = []
    if not aem and find_spec("torch") is None:
        faults.append(
            'Training needs torch, not installed here: pip install -e ".[train]" (a trained policy runs without).'
        )
    if plan.preset not in _PRESETS:
        faults.append(f"--preset: found '{plan.preset}'; {nearest_name(plan.preset, _PRESETS)}.")
    elif aem and plan.preset != "tuned":
        faults.append(f"--preset: '{agent}' has 'tuned' only; its publication prints neither states nor rewards.")
    if plan.episodes is not None and plan.episodes < 1:
        faults.append(f"--episodes {plan.episodes}: it must be at least 1.")
    if plan.seed < 0:
        faults.append(f"--seed: found {plan.seed}; it must be a whole number, at least 0.")
    if faults:
        raise InputError(faults)


def _tuned(
    agent: str, plan: StationTrainingPlan, draw: Draw, watch: TrainingWatch
) -> tuple[Callable[[Path], None], dict[str, Any]]:
    from cosim_agents.sca.sca_training import DEFAULT, train_sca  # noqa: PLC0415 - torch takes seconds
    from cosim_agents.sca.training import PPO, train_calc  # noqa: PLC0415

    settings = PPO() if agent == "calc" else DEFAULT
    if plan.episodes is not None:
        settings = dataclasses.replace(settings, iterations=plan.episodes)
    progress = LearningCurve("return", settings.iterations, watch)
    train = train_calc if agent == "calc" else train_sca
    policy = train(
        draw,
        site=plan.scenario.name,
        seed=plan.seed,
        settings=settings,
        start_h=plan.scenario.station.start_h,
        watch=progress,
    )
    return _saving(policy), {"hyperparameters": dataclasses.asdict(settings), "returns": progress.values}


def _paper(
    agent: str, plan: StationTrainingPlan, draw: Draw, watch: TrainingWatch
) -> tuple[Callable[[Path], None], dict[str, Any]]:
    from cosim_agents.sca.literal_training import (  # noqa: PLC0415 - torch takes seconds
        A2C,
        train_literal_calc,
        train_literal_sca,
    )

    settings = A2C() if plan.episodes is None else A2C(iterations=plan.episodes)
    progress = LearningCurve("return", settings.iterations, watch)
    train = train_literal_calc if agent == "calc" else train_literal_sca
    policy = train(
        draw,
        site=plan.scenario.name,
        seed=plan.seed,
        settings=settings,
        start_h=plan.scenario.station.start_h,
        watch=progress,
    )
    return _saving(policy), {"hyperparameters": dataclasses.asdict(settings), "returns": progress.values}


def _aem(
    agent: str, plan: StationTrainingPlan, draw: Draw, watch: TrainingWatch
) -> tuple[Callable[[Path], None], dict[str, Any]]:
    from cosim_agents.sca.aem_training import train_aem  # noqa: PLC0415 - numba is imported where it is needed

    more = {} if plan.episodes is None else {"episodes": plan.episodes}
    levels = int(agent.removeprefix("aem-"))
    watch.note("days are drawn first, then played; a first training compiles, too")
    policy = train_aem(
        draw,
        site=plan.scenario.name,
        levels=levels,
        seed=plan.seed,
        start_h=plan.scenario.station.start_h,
        **more,
    )
    return _saving(policy), {"hyperparameters": {"levels": levels, **more}}


def _saving(policy: SitePolicy | AemPolicy) -> Callable[[Path], None]:
    """Return what writes a policy."""
    from cosim_agents.sca.aem import AemPolicy, save_aem_policy  # noqa: PLC0415
    from cosim_agents.sca.learned import save_site_policy  # noqa: PLC0415

    def save(path: Path) -> None:
        if isinstance(policy, AemPolicy):
            save_aem_policy(path, policy)
        else:
            save_site_policy(path, policy)

    return save
