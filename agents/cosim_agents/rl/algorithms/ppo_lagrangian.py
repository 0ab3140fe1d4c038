"""PPO-Lagrangian: PPO with a second critic for the cost and a multiplier that weighs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cosim.errors import InputError
from cosim_agents.rl.algorithms.ppo import PPO
from cosim_agents.rl.gae import standardised
from cosim_agents.rl.lagrange import Multiplier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.buffer import Batch
    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.networks import StationLayout


class PPOLagrangian(PPO):
    """PPO on ``(A_r - lambda A_c) / (1 + lambda)`` (Eq. 36); lambda moves first in every epoch (Algorithm 2)."""

    algorithm: ClassVar[str] = "ppo-lag"
    signals: ClassVar[tuple[str, ...]] = ("reward", "cost")

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        if config.cost_limit == "auto":
            raise InputError("Hyper-parameter cost_limit is 'auto': replace it by a number before a learner is made.")
        self._multiplier = Multiplier(config, config.cost_limit)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        return super().state_dict() | {"multiplier": self._multiplier.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        self._multiplier.load_state_dict(state["multiplier"])

    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        multiplier = self._multiplier.update(float(np.mean([episode.cost for episode in episodes])))
        return super()._learn(episodes) | {"lambda": multiplier, "cost_limit": self._multiplier.cost_limit}

    def _signal_steps(self, batch: Batch) -> dict[str, list[NDArray[np.float64]]]:
        return super()._signal_steps(batch) | {"cost": [episode.costs for episode in batch.episodes]}

    def _combine(self, advantages: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        cost = standardised(advantages["cost"], center_only=self.config.cost_advantage == "center")
        return lagrangian_advantage(
            standardised(advantages["reward"]), cost, self._multiplier.value, divide=self.config.lagrange_division
        )


def lagrangian_advantage(
    reward: NDArray[np.float64], cost: NDArray[np.float64], multiplier: float, *, divide: bool
) -> NDArray[np.float64]:
    """Return ``A_r - lambda A_c`` (Eq. 36), divided by ``1 + lambda`` where asked, shape (N,)."""
    return (reward - multiplier * cost) / (1.0 + multiplier if divide else 1.0)
