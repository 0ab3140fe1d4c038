"""Collecting a training's episodes on the real system, in this process or in workers."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import numpy as np

from cosim.env.recommendation import DRAWN_SEEDS, RecommendationEnv
from cosim.errors import CosimError
from cosim.scenario import Scenario
from cosim_agents.op_srl.augment import PredictedDemand
from cosim_agents.rl.rollout import collect_episode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from cosim.coupling import CoupledSystem
    from cosim_agents.op_srl.forecast import Forecaster
    from cosim_agents.rl.config import Credit
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.policy import PerceptronPolicy

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class ProblemKey(NamedTuple):
    """What tells decision problems apart: the scenario as JSON, whether a forecast is observed, and what else is."""

    scenario: str
    forecast: bool
    extra_obs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class RolloutJob:
    """One episode to collect.

    Attributes
    ----------
    problem : ProblemKey
        What to play.
    policy : PerceptronPolicy
        Decides.
    forecaster : Forecaster or None
        Looks ahead, for a policy that sees a forecast.
    credit : {"step", "vehicle"}
        What a decision is rewarded with.
    seed, epoch, episode : int
        The training's seed, and which episode of which epoch: vehicles, traffic and decisions follow from these alone,
        so that it does not matter who collects an episode, nor after which others.
    """

    problem: ProblemKey
    policy: PerceptronPolicy
    forecaster: Forecaster | None
    credit: Credit
    seed: int
    epoch: int
    episode: int


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The decision problem of a scenario, as this process holds it.

    Attributes
    ----------
    env : RecommendationEnv
        The environment; SUMO is started by its first episode.
    predicted : PredictedDemand or None
        The environment with a forecast in its observation, where there is one.
    """

    env: RecommendationEnv
    predicted: PredictedDemand | None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of each entry of the observation."""
        return tuple((self.predicted or self.env).feature_names)

    @property
    def station_ids(self) -> tuple[str, ...]:
        """Of each action."""
        return tuple(station.id for station in self.env.system.stations)

    @property
    def system(self) -> CoupledSystem:
        """Network, feeder and stations."""
        return self.env.system


#: libsumo holds one simulation per process, and a scenario takes seconds to load: each process keeps the last problem.
_held: Final[dict[ProblemKey, Problem]] = {}


def problem(key: ProblemKey) -> Problem:
    """Return this process' environment for a problem; the one for another problem is closed."""
    if key not in _held:
        release()
        env = RecommendationEnv(Scenario.model_validate_json(key.scenario), extra_obs=key.extra_obs)
        _held[key] = Problem(env, PredictedDemand(env) if key.forecast else None)
    return _held[key]


def release() -> None:
    """Close this process' environment, so that libsumo is free for something else."""
    while _held:
        _held.popitem()[1].env.close()


def collect(job: RolloutJob) -> Episode:
    """Play one episode of a training."""
    held = problem(job.problem)
    if held.predicted is not None and job.forecaster is not None:
        held.predicted.forecaster = job.forecaster
    rng = np.random.default_rng(np.random.SeedSequence([job.seed, job.epoch, job.episode]))
    # Drawn above all evaluation seeds: nobody is tested on what they have learnt.
    seed = int(rng.integers(*DRAWN_SEEDS))
    return collect_episode(held.predicted or held.env, job.policy, rng, seed, job.credit)


def spread(executor: Executor | None, work: Callable[[_In], _Out], jobs: Sequence[_In]) -> list[_Out]:
    """Do the jobs here or in the workers; return what comes of them in their order, whoever was done first."""
    if executor is None:
        return [work(job) for job in jobs]
    futures = [executor.submit(work, job) for job in jobs]
    try:
        return [future.result() for future in futures]
    except BrokenExecutor as error:
        raise CosimError(f"the training stopped: {error}; add --resume to go on from the last epoch.") from error
    finally:
        for future in futures:
            future.cancel()
