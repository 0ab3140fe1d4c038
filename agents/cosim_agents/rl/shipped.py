"""The policies that come with the project, each a recommender under its algorithm's name.

They were trained on the scenario ``nguyen-dupuis`` with ``cosim train ALGORITHM nguyen-dupuis``; the ``.json`` file
beside each policy in ``cosim_agents/policies`` says with which seed, preset, episodes and versions.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import ClassVar

from cosim_agents.rl.recommender import Learned


class Shipped(Learned):
    """The policy that comes with the project for one algorithm.

    Parameters
    ----------
    policy : str
        Another policy's file ``policy.npz``; the shipped one if left out.
    sample : bool
        Draw the station with the policy's probabilities instead of taking the most probable one.
    """

    algorithm: ClassVar[str]

    def __init__(self, policy: str = "", sample: bool = False) -> None:  # noqa: FBT001, FBT002 - options by name
        if policy:
            super().__init__(policy, sample)
            return
        folder = files("cosim_agents") / "policies"
        name = self.algorithm
        with as_file(folder / f"{name}.npz") as path, as_file(folder / f"{name}.json"):
            super().__init__(path, sample)


class Reinforce(Shipped):
    """Trained by the policy gradient with Monte-Carlo returns."""

    algorithm = "reinforce"


class ActorCritic(Shipped):
    """Trained by the policy gradient with one-step advantages."""

    algorithm = "actor-critic"


class PPO(Shipped):
    """Trained by proximal policy optimisation of travel time alone."""

    algorithm = "ppo"


class PPOPenalty(Shipped):
    """Trained by PPO on travel time plus a fixed share of the voltage cost."""

    algorithm = "ppo-penalty"


class PPOLagrangian(Shipped):
    """Trained by PPO with a limit of the voltage cost."""

    algorithm = "ppo-lag"


class OPSRL(Shipped):
    """Trained by PPO with a limit of the voltage cost and a forecast of the charging demand."""

    algorithm = "op-srl"


class DQN(Shipped):
    """Trained by deep Q-learning."""

    algorithm = "dqn"
