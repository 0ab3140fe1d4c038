"""The algorithms by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cosim.errors import InputError, nearest_name
from cosim_agents.rl.algorithms.actor_critic import ActorCritic
from cosim_agents.rl.algorithms.dqn import DQN
from cosim_agents.rl.algorithms.ppo import PPO
from cosim_agents.rl.algorithms.ppo_lagrangian import PPOLagrangian
from cosim_agents.rl.algorithms.ppo_penalty import PPOPenalty
from cosim_agents.rl.algorithms.reinforce import Reinforce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.learner import Learner
    from cosim_agents.rl.networks import StationLayout

ALGORITHMS: dict[str, type[Learner]] = {
    learner.algorithm: learner for learner in (Reinforce, ActorCritic, PPO, PPOPenalty, PPOLagrangian, DQN)
}


def make_learner(
    name: str,
    n_observations: int,
    n_actions: int,
    config: Hyperparameters,
    seed: int,
    learners: Mapping[str, type[Learner]] = ALGORITHMS,
    *,
    layout: StationLayout | None = None,
) -> Learner:
    """Make a learner, and keep torch to one thread: its networks are too small to share.

    Parameters
    ----------
    name : str
        One of `learners`.
    n_observations, n_actions : int
        Sizes of the problem.
    config : Hyperparameters
        All of them.
    seed : int
        Everything random follows from it.
    learners : mapping of str to type of Learner
        Those there are, where more than `ALGORITHMS`.
    layout : StationLayout, optional
        For a stationwise network; `stationwise_layout`.

    Raises
    ------
    InputError
        If no algorithm has this name.
    """
    if name not in learners:
        raise InputError(f"There is no algorithm '{name}': {nearest_name(name, learners)}.")
    torch.set_num_threads(1)
    return learners[name](n_observations, n_actions, config, seed, layout)
