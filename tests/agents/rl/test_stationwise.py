"""Actors that judge every station by what concerns it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from cosim.env.features import ESTIMATE_FEATURES
from cosim.errors import InputError
from cosim_agents.rl.algorithms import make_learner
from cosim_agents.rl.config import preset
from cosim_agents.rl.networks import stationwise_layout
from cosim_agents.rl.rollout import collect_episode

STATIONS = ("A", "B", "C")
NAMES = ("ev_soc", "density[1-2]", "queued[A]", "queued[B]", "queued[C]", "deviation[A]")
TIMES = tuple(f"{name}[{station}]" for station in STATIONS for name in ESTIMATE_FEATURES)
MASK = np.ones(3, dtype=np.bool_)


class Queues(gymnasium.Env[np.ndarray, int]):
    """Ten decisions; each of three stations has a queue of random length, and that is what choosing it costs."""

    def __init__(self) -> None:
        self.observation_space = Box(0.0, 1.0, (6,), np.float32)
        self.action_space = Discrete(3)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._step = 0
        return self._draw(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        reward = -float(self._state[2 + action])
        self._step += 1
        return self._draw(), reward, self._step == 10, False, {}

    def _draw(self) -> np.ndarray:
        self._state = self.np_random.random(6).astype(np.float32)
        return self._state


def test_a_station_s_row_has_its_own_numbers_those_of_the_vehicle_and_its_place() -> None:
    layout = stationwise_layout(NAMES, STATIONS)
    # Six features, so 6 is the one and 7 the zero; links and buses are left out even if a bus is called like a station.
    assert layout.columns.tolist() == [[2, 0, 6, 7, 7], [3, 0, 7, 6, 7], [4, 0, 7, 7, 6]]
    assert layout.times == slice(0, 0)
    with_times = stationwise_layout((*NAMES, *TIMES), STATIONS)
    first = [(*NAMES, *TIMES)[k] for k in with_times.columns[1][with_times.times]]
    assert first == [f"{name}[B]" for name in ESTIMATE_FEATURES]
    with pytest.raises(InputError, match="the same observed numbers of every station"):
        stationwise_layout(("queued[A]", "queued[B]"), STATIONS)


@pytest.mark.parametrize("actor_hidden", [(), (8,)])
def test_a_stationwise_actor_learns_to_take_the_shortest_queue(actor_hidden: tuple[int, ...]) -> None:
    config = preset(
        "paper", network="stationwise", actor_hidden=actor_hidden, hidden=(16,), gamma=0.0, epochs=20, passes=4,
        learning_rate=3e-2, critic_learning_rate=1e-2, episodes_per_epoch=16,
    )  # fmt: skip
    env = Queues()
    learner = make_learner("ppo", 6, 3, config, 1, layout=stationwise_layout(NAMES, STATIONS))
    rng = np.random.default_rng(1)
    for epoch in range(config.epochs):
        learner.update([collect_episode(env, learner.policy(), rng, 100 * epoch + k) for k in range(16)])
    policy = learner.policy()
    states = rng.random((300, 6), dtype=np.float32)
    right = [policy.best(state, MASK) == np.argmin(state[2:5]) for state in states]
    assert np.mean(right) > 0.9, "by chance it were a third"
    # The same judge for all: exchanging two stations' queues exchanges their scores, but for what is each one's own.
    own = policy.outputs(np.full(6, 0.5, np.float32))
    state = np.array([0.5, 0, 0.1, 0.9, 0.3, 0], np.float32)
    exchanged = state[[0, 1, 3, 2, 4, 5]]
    if not actor_hidden:
        scores, other = policy.outputs(state) - own, policy.outputs(exchanged) - own
        # Standardised by features whose means and deviations differ a little.
        np.testing.assert_allclose(scores[[1, 0, 2]], other, atol=0.1 * np.ptp(scores))


def test_the_prior_prefers_the_station_that_costs_the_least_time() -> None:
    names = (*NAMES, *TIMES)
    layout = stationwise_layout(names, STATIONS)
    config = preset("paper", network="stationwise", prior=3.0)
    learner = make_learner("ppo", len(names), 3, config, 0, layout=layout)
    state = np.zeros(len(names), np.float32)
    state[6:] = [1, 0, 1, 0.5, 0.5, 0, 1, 0.2, 2, 0, 1, 0.1]  # 2.5, 1.7 and 3.1 units of ten minutes
    expected = np.exp(-3.0 * np.array([2.5, 1.7, 3.1]))
    expected /= expected.sum()
    np.testing.assert_allclose(learner.policy().probabilities(state, MASK), expected, atol=0.02)
    # Whatever times were seen, they stay in their unit.
    learner._moments.update(np.random.default_rng(0).random((50, len(names))) * 4)
    np.testing.assert_allclose(learner.policy().probabilities(state, MASK), expected, atol=0.05)
    with pytest.raises(InputError, match="prior needs a stationwise network that observes the block 'estimates'"):
        make_learner("ppo", 6, 3, config, 0, layout=stationwise_layout(NAMES, STATIONS))
    with pytest.raises(InputError, match="the stations' features are not known"):
        make_learner("ppo", 6, 3, preset("paper", network="stationwise"), 0)


def test_credit_by_vehicle_needs_the_delays(chain: gymnasium.Env[Any, Any], train: Callable[..., Any]) -> None:
    learner, _, _ = train(chain, "ppo", preset("paper", epochs=1, passes=1))
    with pytest.raises(InputError, match="needs an environment that tells each decision's delay_s"):
        collect_episode(chain, learner.policy(), np.random.default_rng(0), 0, credit="vehicle")
