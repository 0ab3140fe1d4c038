"""The parts of an update against cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from cosim.errors import InputError
from cosim_agents.rl.algorithms import make_learner
from cosim_agents.rl.algorithms.ppo import clipped_objective
from cosim_agents.rl.algorithms.ppo_lagrangian import lagrangian_advantage
from cosim_agents.rl.buffer import Batch, Replay
from cosim_agents.rl.config import preset
from cosim_agents.rl.episode import Episode
from cosim_agents.rl.gae import discounted, gae, standardised
from cosim_agents.rl.lagrange import Multiplier
from cosim_agents.rl.networks import divergences, entropies, log_probabilities
from cosim_agents.rl.normalise import RunningMoments, Standardiser
from cosim_agents.rl.rollout import collect_episode

Env = gymnasium.Env[Any, Any]


def episode(rewards: list[float], costs: list[float], *, terminated: bool = True) -> Episode:
    count = len(rewards)
    return Episode(
        observations=np.arange(2 * count + 2, dtype=np.float32).reshape(count + 1, 2),
        masks=np.ones((count + 1, 2), bool),
        actions=np.arange(count) % 2, log_prob=np.full(count, math.log(0.5)), rewards=np.array(rewards),
        costs=np.array(costs), dt=np.zeros(count), terminated=terminated, seed=0,
    )  # fmt: skip


def test_gae_of_rewards_and_costs_by_hand() -> None:
    # Rewards 1, 2, 3; values .5, 1, 1.5 and .25 after the end; gamma .5, lambda .5, gamma lambda .25.
    values = np.array([0.5, 1.0, 1.5, 0.25])
    rewards = np.array([1.0, 2.0, 3.0])
    # delta = 1 + .5 - .5, 2 + .75 - 1, 3 + 0 - 1.5 = 1, 1.75, 1.5
    advantages, targets = gae(rewards, values, 0.5, 0.5, terminated=True)
    np.testing.assert_allclose(advantages, [1 + 0.25 * 2.125, 1.75 + 0.25 * 1.5, 1.5])
    np.testing.assert_allclose(targets, advantages + values[:3])
    # Cut off instead: the last delta is 3 + .125 - 1.5.
    advantages, _ = gae(rewards, values, 0.5, 0.5, terminated=False)
    np.testing.assert_allclose(advantages[-1], 1.625)
    # Costs .1, 0 with another discount: gamma 1, lambda 1 is the Monte-Carlo return less the value.
    advantages, targets = gae(np.array([0.1, 0.0]), np.array([0.3, 0.2, 9.0]), 1.0, 1.0, terminated=True)
    np.testing.assert_allclose(advantages, [0.1 - 0.3, -0.2])
    np.testing.assert_allclose(targets, [0.1, 0.0], atol=1e-15)


def test_lambda_zero_is_temporal_difference() -> None:
    _, targets = gae(np.array([1.0, 1.0]), np.array([0.0, 4.0, 0.0]), 0.5, 0.0, terminated=True)
    np.testing.assert_allclose(targets, [1 + 0.5 * 4, 1])


def test_returns_and_standardisation() -> None:
    np.testing.assert_allclose(discounted(np.array([1.0, 2.0, 4.0]), 0.5), [3.0, 4.0, 4.0])
    np.testing.assert_allclose(standardised(np.array([1.0, 3.0])), [-1.0, 1.0])
    np.testing.assert_allclose(standardised(np.array([1.0, 5.0]), center_only=True), [-2.0, 2.0])
    assert (standardised(np.full(3, 0.1)) == 0).all()


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [(1.1, 2.0, 2.2), (1.5, 2.0, 2.4), (0.5, 2.0, 1.0), (0.5, -2.0, -1.6), (1.5, -2.0, -3.0), (1.0, 0.0, 0.0)],
)
def test_clipped_objective_by_hand(ratio: float, advantage: float, expected: float) -> None:
    log_prob = torch.tensor([math.log(0.5 * ratio)], requires_grad=True)
    value = clipped_objective(log_prob, torch.tensor([math.log(0.5)]), torch.tensor([advantage]), 0.2)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    value.sum().backward()
    inside = abs(expected - ratio * advantage) < 1e-6
    assert log_prob.grad is not None
    assert log_prob.grad.item() == pytest.approx(ratio * advantage if inside else 0.0, rel=1e-5)


def test_masked_log_probabilities() -> None:
    logits = torch.tensor([[1.0, 2.0, 50.0]], requires_grad=True)
    log_prob = log_probabilities(logits, torch.tensor([[True, True, False]]))
    np.testing.assert_allclose(
        log_prob.detach().exp().numpy(), [[1 / (1 + math.e), math.e / (1 + math.e), 0.0]], rtol=1e-6
    )
    entropies(log_prob).sum().backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert divergences(log_prob, log_prob).item() == 0.0


def test_lagrange_step_sgd_by_hand() -> None:
    multiplier = Multiplier(
        preset("paper", lagrange_update="sgd", lagrange_lr=0.5, lagrange_init=0.1, lagrange_max=3.0), 2.0
    )
    assert multiplier.update(4.0) == pytest.approx(1.1)
    assert multiplier.update(1.0) == pytest.approx(0.6)
    assert multiplier.update(-9.0) == 0.0, "[.]_+"
    assert multiplier.update(99.0) == 3.0, "the bound"


def test_lagrange_step_adam_is_torch_adam() -> None:
    multiplier = Multiplier(preset("paper"), 15.0)
    value = torch.tensor([0.001], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([value], lr=0.035)
    for cost in (20.0, 19.0, 16.0, 12.0):
        optimiser.zero_grad()
        (-value * (cost - 15.0)).sum().backward()
        optimiser.step()
        assert multiplier.update(cost) == pytest.approx(value.item(), rel=1e-9)


def test_lasting_violation_climbs_as_in_the_specification() -> None:
    multiplier = Multiplier(preset("paper"), 0.0)
    for _ in range(200):
        multiplier.update(20.0)
    assert multiplier.value == pytest.approx(7.0, abs=0.01)


def test_lagrange_step_pid_by_hand() -> None:
    multiplier = Multiplier(preset("paper", lagrange_update="pid", pid_gains=(0.1, 0.01, 0.5)), 2.0)
    assert multiplier.update(5.0) == pytest.approx(0.1 * 3 + 0.01 * 3), "no rise at first"
    assert multiplier.update(6.0) == pytest.approx(0.1 * 4 + 0.01 * 7 + 0.5 * 1)
    assert multiplier.update(1.0) == 0.0, "0.1 * -1 + 0.01 * 6 < 0; a fall is not rewarded"


def test_lagrangian_advantage_by_hand() -> None:
    reward, cost = np.array([1.0, -1.0]), np.array([0.5, 1.0])
    np.testing.assert_allclose(lagrangian_advantage(reward, cost, 3.0, divide=True), [-0.125, -1.0])
    np.testing.assert_allclose(lagrangian_advantage(reward, cost, 3.0, divide=False), [-0.5, -4.0])


def test_penalised_reward_by_hand() -> None:
    learner = make_learner("ppo-penalty", 2, 2, preset("paper", penalty=0.5), 0)
    first = episode([1.0, 3.0], [10.0, 30.0])
    learner.update([first])
    # Means 2 and 20, standard deviations 1 and 10.
    (shaped,) = learner._signal_steps(Batch.of([first], learner._standardiser()))["reward"]
    np.testing.assert_allclose(shaped, [-1 + 0.5, 1 - 0.5])


def test_running_moments_are_those_of_everything() -> None:
    rows = np.random.default_rng(0).normal(5.0, 3.0, (300, 4))
    moments = RunningMoments((4,))
    np.testing.assert_array_equal(moments.std, 1.0)
    for part in np.split(rows, [10, 11, 200]):
        moments.update(part)
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0))
    np.testing.assert_allclose(moments.std, rows.std(axis=0))
    scaled = Standardiser.of(moments, 1.0)(np.array([[5.0, 500.0, -500.0, 5.0]], dtype=np.float32))
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled[0, 1:3], [1.0, -1.0])


def test_critic_keeps_its_values_when_the_unit_of_returns_moves() -> None:
    learner = make_learner("ppo", 2, 2, preset("paper", normalise_returns=True), 0)
    batch = Batch.of([episode([1.0, 3.0, 5.0], [0.0] * 3)], learner._standardiser())
    before = learner._values("reward", batch)[0]
    targets = learner._critic_targets("reward", np.array([100.0, 300.0, 500.0]))
    np.testing.assert_allclose(targets.numpy(), standardised(np.array([1.0, 2.0, 3.0])), rtol=1e-6)
    np.testing.assert_allclose(learner._values("reward", batch)[0], before, rtol=1e-4, atol=1e-4)


def test_replay_goes_round_without_mixing_episodes() -> None:
    replay = Replay(10, 2, 2)
    moments = RunningMoments((2,))
    standardiser = Standardiser.of(moments, np.inf)
    for number in range(7):
        one = episode([float(number)] * 3, [0.0] * 3, terminated=number % 2 == 0)
        one.observations[:, 0] = number
        replay.add(one, one.rewards)
    assert len(replay) == 7, "two whole episodes, and what is left of a third"
    observations, actions, rewards, after, _, goes_on = replay.sample(200, standardiser, np.random.default_rng(0))
    assert torch.equal(observations[:, 0], after[:, 0])
    assert torch.equal(after[:, 1], observations[:, 1] + 2)
    assert torch.equal(rewards, observations[:, 0])
    assert torch.equal(actions, ((observations[:, 1] - 1) / 2).long() % 2)
    last = observations[:, 1] == 5
    assert torch.equal(goes_on == 0, last & (rewards % 2 == 0))


def test_rollout_keeps_what_happened(chain: Env) -> None:
    learner = make_learner("ppo", 3, 3, preset("paper"), 0)
    one = collect_episode(chain, learner.policy(), np.random.default_rng(0), seed=4)
    again = collect_episode(chain, learner.policy(), np.random.default_rng(0), seed=4)
    assert (len(one), one.seed, one.terminated, one.metrics) == (8, 4, True, {"TTT": 1.0})
    assert one.observations.shape == (9, 3)
    assert one.masks.shape == (9, 3)
    np.testing.assert_array_equal(one.actions, again.actions)
    np.testing.assert_array_equal(one.dt, 10.0)
    assert one.cost == (one.actions == 1).sum()
    np.testing.assert_allclose(one.log_prob, math.log(0.5), atol=0.02)


def test_rollout_does_without_masks_and_metrics(bandit: Env) -> None:
    learner = make_learner("ppo", 1, 2, preset("paper"), 0)
    one = collect_episode(bandit, learner.policy(), np.random.default_rng(0), seed=0)
    assert one.masks.all()
    assert one.metrics == {}


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: preset("papers"), "did you mean 'paper'"),
        (lambda: preset("paper", gama=1.0), "did you mean 'gamma'"),
        (lambda: preset("paper", gamma=1.5), "gamma is 1.5 but has to be between 0 and 1"),
        (lambda: preset("paper", clip=0.0), "clip is 0.0"),
        (lambda: preset("paper", hidden=()), "hidden is"),
        (lambda: preset("paper", passes=0), "passes is 0"),
        (lambda: preset("paper", lagrange_update="adams"), "did you mean 'adam'"),
        (lambda: preset("paper", cost_limit=math.nan), "cost_limit is nan"),
        (lambda: preset("paper", penalty=-1.0), "penalty is -1.0"),
        (lambda: make_learner("ppo-lagrange", 2, 2, preset("paper"), 0), "did you mean 'ppo-lag'"),
        (lambda: make_learner("ppo-lag", 2, 2, preset("paper", cost_limit="auto"), 0), "replace it by a number"),
        (lambda: make_learner("dqn", 2, 2, preset("paper", replay_size=2), 0).update([episode([0.0] * 3, [0.0] * 3)]),
         "does not hold an episode of 3"),
    ],
)  # fmt: skip
def test_bad_settings_get_one_sentence(act: Callable[[], object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        act()
