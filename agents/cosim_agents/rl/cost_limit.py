"""The limit of an episode's cost: found where it is left open, and compared with what cannot be avoided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cosim.grid_log import base_cost_pu
from cosim.runner import run
from cosim.traffic.demand import vehicle_counts
from cosim_agents.rl.collecting import Problem, ProblemKey, problem, spread

if TYPE_CHECKING:
    from cosim.learning import TrainingPlan, TrainingWatch
    from cosim_agents.rl.config import Hyperparameters

_REFERENCE: Final = "merit-order"
#: Below the evaluation seeds, as the training's own are above.
_VALIDATION_SEEDS: Final = (900_000, 900_001, 900_002)
#: Room above the cost of the reference.
_ROOM: Final = 1.02


def settled_limit(
    config: Hyperparameters, key: ProblemKey, held: Problem, plan: TrainingPlan, watch: TrainingWatch
) -> float:
    """Return the cost limit as a number, and tell the user what is worth knowing about it.

    Parameters
    ----------
    config : Hyperparameters
        Its ``cost_limit`` is a number or "auto".
    key : ProblemKey
        Which problem.
    held : Problem
        The problem.
    plan : TrainingPlan
        Says where the runs of the reference happen.
    watch : TrainingWatch
        Is told.
    """
    limit = config.cost_limit
    if limit == "auto":
        jobs = [(key, seed) for seed in _VALIDATION_SEEDS]
        limit = _ROOM * float(np.mean(spread(plan.executor, _reference_cost, jobs)))
        watch.note(f"cost limit: {limit:.3f} pu, {_ROOM:g} x the mean CVV of {_REFERENCE}")
    floor = vehicle_counts(held.env.scenario)[2] * base_cost_pu(held.env.scenario, held.system.power_flow)
    if limit < floor:
        watch.note(
            f"warning: no policy can keep the cost limit of {limit:g} pu: without any charging an episode costs "
            f"{floor:.2f} pu. The multiplier will rise as long as the training lasts."
        )
    return float(limit)


def _reference_cost(job: tuple[ProblemKey, int]) -> float:
    """Return CVV of the reference on one seed."""
    key, seed = job
    held = problem(key)
    return run(held.env.scenario, recommender=_REFERENCE, seed=seed, system=held.system).metrics["cvv_pu"]
