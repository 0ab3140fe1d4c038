"""PPO with a fixed penalty: the cost is part of the reward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cosim_agents.rl.algorithms.ppo import PPO
from cosim_agents.rl.normalise import RunningMoments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.buffer import Batch
    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.networks import StationLayout


class PPOPenalty(PPO):
    """PPO on ``norm(r) - penalty * norm(c)`` (Eq. 44), standardised by the running moments of all decisions."""

    algorithm: ClassVar[str] = "ppo-penalty"

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        self._step_moments = {name: RunningMoments((), least_std=1e-6) for name in ("reward", "cost")}

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        steps = {name: moments.state_dict() for name, moments in self._step_moments.items()}
        return super().state_dict() | {"steps": steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        for name, moments in self._step_moments.items():
            moments.load_state_dict(state["steps"][name])

    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        self._step_moments["reward"].update(np.concatenate([episode.rewards for episode in episodes]))
        self._step_moments["cost"].update(np.concatenate([episode.costs for episode in episodes]))
        return super()._learn(episodes)

    def _signal_steps(self, batch: Batch) -> dict[str, list[NDArray[np.float64]]]:
        reward, cost = self._step_moments["reward"], self._step_moments["cost"]
        return {
            "reward": [
                (episode.rewards - reward.mean) / reward.std
                - self.config.penalty * (episode.costs - cost.mean) / cost.std
                for episode in batch.episodes
            ]
        }
