"""Decision problems so small that their best policies are known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from cosim_agents.rl.algorithms import make_learner
from cosim_agents.rl.config import Hyperparameters
from cosim_agents.rl.episode import Episode
from cosim_agents.rl.learner import Learner
from cosim_agents.rl.rollout import collect_episode


class Chain(gymnasium.Env[np.ndarray, int]):
    """Two states, T = 8 steps from state 0; action 0 rests (to state 0), action 1 works (to state 1).

    Work costs 1. It yields 1 in state 0 but only 0.6 in state 1, where one has not rested. So without a limit the best
    is always to work: reward 1 + 7 x 0.6 = 5.2 at cost 8. With the limit 4 the best is to rest after every work:
    reward 4. With a limit b < 4 the best reward is b, since no work yields more than its cost: work only when rested,
    and not always. Action 2 is forbidden, and would yield 100.
    """

    steps = 8
    best_reward, best_cost = 5.2, 8.0

    def __init__(self) -> None:
        self.observation_space = Box(0.0, 1.0, (3,), np.float32)
        self.action_space = Discrete(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._state, self._step = 0, 0
        return self._observe(), self._info(0.0)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = {0: 0.0, 1: 0.6 if self._state else 1.0, 2: 100.0}[int(action)]
        self._state = int(action == 1)
        self._step += 1
        info = self._info(float(action == 1))
        done = self._step == self.steps
        if done:
            info["metrics"] = {"TTT": 1.0}
        return self._observe(), reward, done, False, info

    def _observe(self) -> np.ndarray:
        return np.array([self._state == 0, self._state == 1, self._step / self.steps], dtype=np.float32)

    def _info(self, cost: float) -> dict[str, Any]:
        return {"cost": cost, "dt": 10.0, "action_mask": np.array([1, 1, 0], dtype=np.int8)}


class Bandit(gymnasium.Env[np.ndarray, int]):
    """One step: action 0 yields 1 and costs 1, action 1 neither. With a limit b the best policy plays 0 with b."""

    observation_space = Box(0.0, 1.0, (1,), np.float32)
    action_space = Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        return np.ones(1, dtype=np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        gain = 1.0 - float(action)
        return np.ones(1, dtype=np.float32), gain, True, False, {"cost": gain}


Train = Callable[..., tuple[Learner, list[dict[str, float]], list[Episode]]]


@pytest.fixture
def chain() -> Chain:
    return Chain()


@pytest.fixture
def bandit() -> Bandit:
    return Bandit()


@pytest.fixture
def train() -> Train:
    """Run the plainest possible training."""
    return run_training


def run_training(
    env: gymnasium.Env[Any, Any],
    name: str,
    config: Hyperparameters,
    seed: int = 0,
    learner: Learner | None = None,
    epochs: int | None = None,
) -> tuple[Learner, list[dict[str, float]], list[Episode]]:
    if learner is None:
        learner = make_learner(name, env.observation_space.shape[0], int(env.action_space.n), config, seed)
    logs, episodes = [], []
    for epoch in range(learner.epoch, learner.epoch + (epochs or config.epochs)):
        policy = learner.policy()
        episodes = [
            collect_episode(env, policy, np.random.default_rng([seed, epoch, k]), seed=k)
            for k in range(config.episodes_per_epoch)
        ]
        logs.append(learner.update(episodes))
    return learner, logs, episodes
