"""Actor-Critic: REINFORCE with a learned value in place of the rest of the episode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from cosim_agents.rl.algorithms.reinforce import Estimate, Reinforce, minibatches
from cosim_agents.rl.gae import gae, standardised
from cosim_agents.rl.networks import linears
from cosim_agents.rl.normalise import RunningMoments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from cosim_agents.rl.buffer import Batch
    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.networks import StationLayout


class ActorCritic(Reinforce):
    """One pass an epoch along ``grad log pi(a|s) * (r + gamma V(s') - V(s))``, the TD(0) advantage (Eq. 39)."""

    algorithm: ClassVar[str] = "actor-critic"
    signals: ClassVar[tuple[str, ...]] = ("reward",)

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        self._return_moments = {name: RunningMoments((), least_std=1e-6) for name in self.signals}

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        returns = {name: moments.state_dict() for name, moments in self._return_moments.items()}
        return super().state_dict() | {"returns": returns}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        for name, moments in self._return_moments.items():
            moments.load_state_dict(state["returns"][name])

    def _estimate(self, batch: Batch) -> Estimate:
        advantages, targets = {}, {}
        for name, steps in self._signal_steps(batch).items():
            gamma, lam = self._horizon(name)
            pairs = [
                gae(signal, values, gamma, lam, terminated=episode.terminated)
                for signal, values, episode in zip(steps, self._values(name, batch), batch.episodes, strict=True)
            ]
            advantages[name] = np.concatenate([advantage for advantage, _ in pairs])
            targets[name] = self._critic_targets(name, np.concatenate([target for _, target in pairs]))
        return Estimate(torch.from_numpy(self._combine(advantages).astype(np.float32)), targets)

    def _signal_steps(self, batch: Batch) -> dict[str, list[NDArray[np.float64]]]:
        """Return for every critic what it accumulates, one array an episode."""
        return {"reward": [episode.rewards for episode in batch.episodes]}

    def _horizon(self, name: str) -> tuple[float, float]:
        """Return the discount, and lambda of the advantage, of a critic."""
        return (self.config.gamma if name == "reward" else self.config.cost_gamma), 0.0

    def _combine(self, advantages: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Make one advantage of those of all critics, shape (N,)."""
        return standardised(advantages["reward"])

    @torch.no_grad()
    def _values(self, name: str, batch: Batch) -> list[NDArray[np.float64]]:
        """Return the critic's values of each episode's observations, each shape (T + 1,), in the signal's unit."""
        critic, moments = self._critics[name], self._return_moments[name]
        values, last = (
            critic(observations).squeeze(-1).numpy().astype(np.float64) * moments.std + moments.mean
            for observations in (batch.observations, batch.last_observations)
        )
        return [np.append(part, end) for part, end in zip(batch.per_episode(values), last, strict=True)]

    @torch.no_grad()
    def _critic_targets(self, name: str, targets: NDArray[np.float64]) -> torch.Tensor:
        """Bring targets into the critic's unit, taking them into the unit's statistics first."""
        moments = self._return_moments[name]
        if self.config.normalise_returns:
            mean, std = moments.mean, moments.std
            moments.update(targets)
            # The unit moves and the last layer with it, so that the values stay what they were (PopArt, van Hasselt
            # et al. 2016).
            last = linears(self._critics[name])[-1]
            last.weight.mul_(float(std / moments.std))
            last.bias.mul_(float(std / moments.std)).add_(float((mean - moments.mean) / moments.std))
        return torch.from_numpy(((targets - moments.mean) / moments.std).astype(np.float32))

    def _minibatches(self, count: int) -> Iterator[torch.Tensor]:
        return minibatches(count, self.config.batch_size, self._rng)
