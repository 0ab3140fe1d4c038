"""The policies that come with the project, each a recommender under its algorithm's name.

They were trained with ``cosim train ALGORITHM SCENARIO``: ``cosim_agents/policies/ALGORITHM.npz`` on ``nguyen-dupuis``,
``ALGORITHM-SCENARIO.npz`` on another one. The ``.json`` file beside each says with which seed, preset, episodes and
versions.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, ClassVar

from cosim_agents.rl.policy_file import load_policy
from cosim_agents.rl.recommender import Learned

if TYPE_CHECKING:
    import numpy as np

    from cosim.control import SystemInfo


class Shipped(Learned):
    """The policies that come with the project for one algorithm; that of the scenario's stations decides.

    Parameters
    ----------
    policy : str
        Another policy's file ``policy.npz``; the shipped ones if left out.
    sample : bool
        Draw the station with the policy's probabilities instead of taking the most probable one.
    """

    algorithm: ClassVar[str]
    #: Scenarios other than ``nguyen-dupuis`` on which it was trained, too.
    elsewhere: ClassVar[tuple[str, ...]] = ()

    def __init__(self, policy: str = "", sample: bool = False) -> None:  # noqa: FBT001, FBT002 - options by name
        self._choose = not policy
        if policy:
            super().__init__(policy, sample)
            return
        with as_file(files("cosim_agents") / "policies") as folder:
            super().__init__(folder / f"{self.algorithm}.npz", sample)

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Forget the run before, and take the policy that was trained on these stations."""
        ids = tuple(station.id for station in system.stations)
        if self._choose and ids != self._saved.info.station_ids:
            with as_file(files("cosim_agents") / "policies") as folder:
                for scenario in self.elsewhere:
                    path = folder / f"{self.algorithm}-{scenario}.npz"
                    saved = load_policy(path)
                    if saved.info.station_ids == ids:
                        self._path, self._saved = path, saved
        super().reset(system, rng)


class Reinforce(Shipped):
    """Trained by the policy gradient with Monte-Carlo returns."""

    algorithm = "reinforce"


class ActorCritic(Shipped):
    """Trained by the policy gradient with one-step advantages."""

    algorithm = "actor-critic"


class PPO(Shipped):
    """Trained by proximal policy optimisation of travel time alone."""

    algorithm = "ppo"
    elsewhere = ("kowloon",)


class PPOPenalty(Shipped):
    """Trained by PPO on travel time plus a fixed share of the voltage cost."""

    algorithm = "ppo-penalty"


class PPOLagrangian(Shipped):
    """Trained by PPO with a limit of the voltage cost."""

    algorithm = "ppo-lag"
    elsewhere = ("kowloon",)


class OPSRL(Shipped):
    """Trained by PPO with a limit of the voltage cost and a forecast of the charging demand."""

    algorithm = "op-srl"
    elsewhere = ("kowloon",)


class DQN(Shipped):
    """Trained by deep Q-learning."""

    algorithm = "dqn"
