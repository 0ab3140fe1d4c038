"""REINFORCE (Williams 1992): the policy gradient with Monte-Carlo returns, and the loop that all others keep."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from cosim_agents.rl.buffer import Batch
from cosim_agents.rl.gae import discounted, standardised
from cosim_agents.rl.learner import Learner
from cosim_agents.rl.networks import divergences, entropies, log_probabilities, perceptron

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.networks import StationLayout
    from cosim_agents.rl.policy import PerceptronPolicy


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What the decisions of an epoch were worth.

    Attributes
    ----------
    advantage : Tensor of float32, shape (N,)
        How much better than the policy's average each action was.
    targets : dict of str to Tensor, each shape (N,)
        What each critic should say, in its own unit.
    """

    advantage: torch.Tensor
    targets: dict[str, torch.Tensor]


class Reinforce(Learner):
    """One gradient step an epoch along ``mean(grad log pi(a|s) * G)``, G standardised over the epoch."""

    algorithm: ClassVar[str] = "reinforce"
    #: What there is a critic for.
    signals: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        self._actor = self._scores(last_gain=0.01)
        self._critics = nn.ModuleDict(
            {
                name: perceptron(n_observations, config.hidden, 1, self._generator, last_gain=1.0)
                for name in self.signals
            }
        )
        groups: list[dict[str, Any]] = [{"params": list(self._actor.parameters()), "lr": config.learning_rate}]
        if self.signals:
            groups.append({"params": list(self._critics.parameters()), "lr": config.critic_learning_rate})
        # The networks share no parameter: one optimiser steps them as if each had its own.
        self._optimiser = torch.optim.Adam(groups, fused=True)

    def policy(self) -> PerceptronPolicy:
        """Return a copy of the policy as it is now."""
        return self._export(self._actor, "softmax")

    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        batch = Batch.of(episodes, self._standardiser())
        return self._improve(batch, self._estimate(batch))

    def _estimate(self, batch: Batch) -> Estimate:
        returns = [discounted(episode.rewards, self.config.gamma) for episode in batch.episodes]
        return Estimate(_float32(standardised(np.concatenate(returns))), {})

    def _improve(self, batch: Batch, estimate: Estimate) -> dict[str, float]:
        """Pass through the decisions until the passes are over or the policy has moved far enough."""
        self._set_learning_rate()
        start = self._log_probabilities(batch)
        logs: list[dict[str, float]] = []
        divergence, moving, done = 0.0, True, 0
        for _ in range(self._passes()):
            for rows in self._minibatches(len(batch)):
                losses = self._critic_losses(batch.observations[rows], estimate, rows)
                if moving:
                    losses |= self._actor_losses(batch, estimate, rows)
                self._step(losses)
                logs.append({name: float(loss.detach()) for name, loss in losses.items()})
            if moving:
                done += 1
                divergence = float(divergences(start, self._log_probabilities(batch)).mean())
                moving = divergence <= self.config.target_kl
            if not moving and self.config.stop_critics:
                break
        names = {name for log in logs for name in log}
        means = {name: float(np.mean([log[name] for log in logs if name in log])) for name in sorted(names)}
        return means | {"kl": divergence, "passes": float(done), "entropy": float(entropies(start).mean())}

    def _actor_losses(self, batch: Batch, estimate: Estimate, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        log_prob = log_probabilities(self._actor(batch.observations[rows]), batch.masks[rows])
        taken = log_prob.gather(1, batch.actions[rows, None]).squeeze(1)
        loss = -self._objective(taken, batch.log_prob[rows], estimate.advantage[rows]).mean()
        if self.config.entropy > 0:
            loss = loss - self.config.entropy * entropies(log_prob).mean()
        return {"policy_loss": loss}

    def _objective(self, log_prob: torch.Tensor, behaviour: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - for those that follow
        """Return what is maximised, for each decision, shape (n,).

        Parameters
        ----------
        log_prob, behaviour : Tensor, shape (n,)
            Log-probability of the action taken: now, and when it was drawn.
        advantage : Tensor, shape (n,)
            How good it was.
        """
        return log_prob * advantage

    def _critic_losses(
        self, observations: torch.Tensor, estimate: Estimate, rows: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        losses = {}
        for name, target in estimate.targets.items():
            critic = self._critics[name]
            squares = torch.stack([(parameter**2).sum() for parameter in critic.parameters()]).sum()
            error = critic(observations).squeeze(-1) - target[rows]
            losses[f"{name}_critic_loss"] = (error**2).mean() + self.config.critic_l2 * squares
        return losses

    def _passes(self) -> int:
        return 1

    def _minibatches(self, count: int) -> Iterator[torch.Tensor]:
        yield torch.arange(count)

    def _step(self, losses: dict[str, torch.Tensor]) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        for network in (self._actor, *self._critics.values()):
            nn.utils.clip_grad_norm_(network.parameters(), self.config.max_grad_norm)
        self._optimiser.step()

    def _set_learning_rate(self) -> None:
        left = max(1.0 - self.epoch / self.config.epochs, 0.0) if self.config.decay_learning_rate else 1.0
        self._optimiser.param_groups[0]["lr"] = self.config.learning_rate * left

    @torch.no_grad()
    def _log_probabilities(self, batch: Batch) -> torch.Tensor:
        return log_probabilities(self._actor(batch.observations), batch.masks)

    def _modules(self) -> dict[str, nn.Module]:
        return {"actor": self._actor, "critics": self._critics}

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam": self._optimiser}


def minibatches(count: int, size: int, rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """Deal `count` rows, shuffled, into minibatches; every one has `size` rows, but for the last."""
    order = rng.permutation(count)
    for number in range(math.ceil(count / size)):
        yield torch.from_numpy(order[number * size : (number + 1) * size])


def _float32(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
