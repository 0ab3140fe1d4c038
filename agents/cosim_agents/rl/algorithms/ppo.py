"""PPO (Schulman et al. 2017): Actor-Critic with several passes over the same decisions, kept near where it began."""

from __future__ import annotations

from typing import ClassVar

import torch

from cosim_agents.rl.algorithms.actor_critic import ActorCritic


class PPO(ActorCritic):
    """The clipped objective (Eq. 35) on generalised advantages (Eq. 37), until the KL divergence is large enough."""

    algorithm: ClassVar[str] = "ppo"

    def _objective(self, log_prob: torch.Tensor, behaviour: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
        return clipped_objective(log_prob, behaviour, advantage, self.config.clip)

    def _horizon(self, name: str) -> tuple[float, float]:
        if name == "reward":
            return self.config.gamma, self.config.gae_lambda
        return self.config.cost_gamma, self.config.cost_gae_lambda

    def _passes(self) -> int:
        return self.config.passes


def clipped_objective(
    log_prob: torch.Tensor, behaviour: torch.Tensor, advantage: torch.Tensor, clip: float
) -> torch.Tensor:
    """Return ``min(zeta A, clip(zeta, 1 - eps, 1 + eps) A)`` (Eq. 35) of each decision, shape (n,).

    Parameters
    ----------
    log_prob, behaviour : Tensor, shape (n,)
        Log-probability of the action taken: now, and when it was drawn; zeta is the ratio of the two probabilities.
    advantage : Tensor, shape (n,)
        A.
    clip : float
        eps.
    """
    ratio = torch.exp(log_prob - behaviour)
    return torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
