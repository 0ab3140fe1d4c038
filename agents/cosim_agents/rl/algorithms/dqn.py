"""DQN (Mnih et al. 2015): values of actions learned from a memory, with masks; it does not see the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from cosim.errors import InputError
from cosim_agents.rl.buffer import Replay
from cosim_agents.rl.learner import Learner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.networks import StationLayout
    from cosim_agents.rl.policy import PerceptronPolicy


class DQN(Learner):
    """``Q(s, a) -> r + gamma max_allowed Q'(s', a')`` with a target network Q' and exploration that falls linearly.

    It learns between epochs, `updates_per_decision` gradient steps for each decision that the epoch added.
    """

    algorithm: ClassVar[str] = "dqn"

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        self._values = self._scores(last_gain=1.0)
        self._target = self._scores(last_gain=1.0)
        self._target.load_state_dict(self._values.state_dict())
        self._optimiser = torch.optim.Adam(self._values.parameters(), lr=config.critic_learning_rate, fused=True)
        self._replay = Replay(config.replay_size, n_observations, n_actions)
        self._steps = 0
        self._owed = 0.0

    @property
    def exploration(self) -> float:
        """Share of random decisions in the next epoch."""
        config = self.config
        falling = config.exploration_share * config.epochs
        passed = min(self.epoch / falling, 1.0) if falling > 0 else 1.0
        return 1.0 + passed * (config.exploration_end - 1.0)

    def policy(self) -> PerceptronPolicy:
        """Return a copy of the policy as it is now, exploration included."""
        return self._export(self._values, "greedy", self.exploration)

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on; the memory is the most of it."""
        return super().state_dict() | {
            "replay": self._replay.state_dict(),
            "steps": self._steps,
            "owed": self._owed,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        self._replay.load_state_dict(state["replay"])
        self._steps = int(state["steps"])
        self._owed = float(state["owed"])

    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        exploration = self.exploration
        for episode in episodes:
            if len(episode) >= self.config.replay_size:
                raise InputError(
                    f"Hyper-parameter replay_size is {self.config.replay_size}, "
                    f"which does not hold an episode of {len(episode)} decisions."
                )
            self._replay.add(episode, episode.rewards)
        losses: list[float] = []
        if len(self._replay) >= self.config.replay_start:
            self._owed += self.config.updates_per_decision * sum(len(episode) for episode in episodes)
            while self._owed >= 1.0:
                losses.append(self._gradient_step())
                self._owed -= 1.0
        return {"value_loss": float(np.mean(losses)) if losses else 0.0, "exploration": exploration}

    def _gradient_step(self) -> float:
        observations, actions, rewards, after, masks, goes_on = self._replay.sample(
            self.config.batch_size, self._standardiser(), self._rng
        )
        with torch.no_grad():
            best = self._target(after).masked_fill(~masks, -torch.inf).max(dim=1).values
            target = rewards + self.config.gamma * torch.where(goes_on > 0, best, 0.0)
        taken = self._values(observations).gather(1, actions[:, None]).squeeze(1)
        loss = nn.functional.smooth_l1_loss(taken, target)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._values.parameters(), self.config.max_grad_norm)
        self._optimiser.step()
        self._steps += 1
        if self._steps % self.config.target_interval == 0:
            self._target.load_state_dict(self._values.state_dict())
        return float(loss.detach())

    def _modules(self) -> dict[str, nn.Module]:
        return {"values": self._values, "target": self._target}

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"adam": self._optimiser}
