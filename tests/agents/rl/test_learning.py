"""Every algorithm on problems whose best policies are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

from cosim_agents.rl.config import preset
from cosim_agents.rl.policy import PerceptronPolicy

FAST: dict[str, Any] = {
    "hidden": (16,), "gamma": 0.99, "cost_gamma": 0.99, "passes": 4, "episodes_per_epoch": 16, "batch_size": 128,
    "learning_rate": 1e-2, "critic_learning_rate": 1e-2, "decay_learning_rate": False,
}  # fmt: skip
Env = gymnasium.Env[Any, Any]
Train = Callable[..., Any]


def mean_of(logs: list[dict[str, float]], key: str, last: int) -> float:
    return float(np.mean([log[key] for log in logs[-last:]]))


def chance_of_work(policy: PerceptronPolicy, *, rested: bool) -> float:
    observation = np.array([rested, not rested, 0.5], dtype=np.float32)
    return float(policy.probabilities(observation, np.array([True, True, False]))[1])


@pytest.mark.parametrize(
    ("name", "epochs", "reward"), [("reinforce", 80, 4.6), ("actor-critic", 60, 4.9), ("ppo", 30, 5.1)]
)
def test_without_a_limit_the_best_is_always_to_work(
    chain: Env, train: Train, name: str, epochs: int, reward: float
) -> None:
    learner, logs, episodes = train(chain, name, preset("paper", **{**FAST, "epochs": epochs}))
    assert mean_of(logs, "reward", 5) > reward, "the optimum is 5.2 at cost 8"
    assert mean_of(logs, "cost", 5) > 6.0
    assert chance_of_work(learner.policy(), rested=False) > 0.6
    assert all((episode.actions != 2).all() for episode in episodes), "masked"


def test_dqn_finds_the_best_without_a_limit(chain: Env, train: Train) -> None:
    config = preset("paper", **{**FAST, "epochs": 24, "replay_start": 100, "target_interval": 50, "batch_size": 64})
    learner, logs, episodes = train(chain, "dqn", config)
    assert learner.exploration == pytest.approx(0.03)
    assert mean_of(logs, "reward", 5) > 4.9
    assert all((episode.actions != 2).all() for episode in episodes), "masked"


def test_lagrangian_rests_where_the_limit_asks_for_it(chain: Env, train: Train) -> None:
    config = preset("paper", **{**FAST, "epochs": 60, "cost_limit": 4.0, "lagrange_lr": 0.1})
    learner, logs, _ = train(chain, "ppo-lag", config)
    assert mean_of(logs, "cost", 10) == pytest.approx(4.0, abs=0.3)
    assert mean_of(logs, "reward", 10) == pytest.approx(4.0, abs=0.2)
    assert chance_of_work(learner.policy(), rested=True) > 0.9
    assert chance_of_work(learner.policy(), rested=False) < 0.1


def test_lagrangian_finds_a_mixed_policy(chain: Env, train: Train) -> None:
    """The integral part alone goes round and round a mixed optimum; the proportional part damps it."""
    config = preset(
        "paper",
        **{**FAST, "epochs": 60, "cost_limit": 2.0, "entropy": 0.05, "learning_rate": 5e-3},
        lagrange_update="pid",
        pid_gains=(0.4, 0.05, 0.0),
    )
    learner, logs, _ = train(chain, "ppo-lag", config)
    assert mean_of(logs, "cost", 30) == pytest.approx(2.0, abs=0.3)
    assert mean_of(logs, "reward", 30) > 0.93 * mean_of(logs, "cost", 30), "no work without rest"
    assert chance_of_work(learner.policy(), rested=False) < 0.1
    assert 0.1 < chance_of_work(learner.policy(), rested=True) < 0.9


def test_lagrangian_plays_a_bandit_as_often_as_allowed(bandit: Env, train: Train) -> None:
    config = preset(
        "paper",
        **{**FAST, "epochs": 100, "cost_limit": 0.3, "entropy": 0.05, "learning_rate": 3e-3, "episodes_per_epoch": 64},
        lagrange_update="pid",
        pid_gains=(3.0, 0.3, 0.0),
    )
    _, logs, _ = train(bandit, "ppo-lag", config)
    assert mean_of(logs, "cost", 50) == pytest.approx(0.3, abs=0.07)
    assert mean_of(logs, "lambda", 30) == pytest.approx(1.0, abs=0.25), "what a unit of cost is worth here"


def test_penalty_stops_at_work_that_is_worth_its_cost(chain: Env, train: Train) -> None:
    _, logs, _ = train(chain, "ppo-penalty", preset("paper", **{**FAST, "epochs": 30}))
    assert mean_of(logs, "cost", 5) < 5.0
    assert mean_of(logs, "reward", 5) > 3.5


def test_standardised_returns_learn_as_well(chain: Env, train: Train) -> None:
    config = preset("paper", **{**FAST, "epochs": 60, "cost_limit": 4.0, "lagrange_lr": 0.1, "normalise_returns": True})
    _, logs, _ = train(chain, "ppo-lag", config)
    assert mean_of(logs, "cost", 10) == pytest.approx(4.0, abs=0.3)
    assert mean_of(logs, "reward", 10) == pytest.approx(4.0, abs=0.3)
