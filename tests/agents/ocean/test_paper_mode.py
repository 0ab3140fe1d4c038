"""The paper's algorithms: what their days lead to, how far they may move, and that training can be repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cosim.scheduling.replay import replay
from cosim_agents.ocean.pile_days import full_power, full_power_to_target, play_piles, state_size
from cosim_agents.ocean.pile_policy import Layers, PilePolicy
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import EFFICIENCY, StationDays, draw_day
from cosim_agents.ocean.theorem2 import exact_radius, printed_radius
from cosim_agents.sca import rules

SMALL = StationDays(piles=4, arrivals_per_pile=4.0)


def batch_of(count: int, kind: StationDays = SMALL):
    days = [draw_day(np.random.default_rng(seed), kind) for seed in range(count)]
    return days, StationBatch.of(days, kind.piles)


def test_piles_play_the_day_that_replay_plays() -> None:
    days, batch = batch_of(5)
    asap, alap = (
        play_piles(batch, act, shielded=True) for act in (full_power, lambda states: 0.0 * full_power(states))
    )
    for d, day in enumerate(days):
        np.testing.assert_allclose(asap.load_kw[:, d], replay(day.site, day.vehicles, rules.eager).charging_kw)
        latest = replay(day.site, day.vehicles, rules.latest_start)
        np.testing.assert_allclose(alap.load_kw[:, d], latest.charging_kw, atol=1e-9)
        np.testing.assert_allclose(alap.load_variance_kwh2(batch.slot_h)[d], latest.cost)
    free = play_piles(batch, full_power_to_target, shielded=False)
    np.testing.assert_allclose(free.load_kw, asap.load_kw, atol=1e-9)
    assert free.short_share == asap.short_share == alap.short_share == 0.0


def test_without_the_shield_batteries_fill_up_or_stay_short() -> None:
    _, batch = batch_of(5)
    full, nothing = (play_piles(batch, lambda s, p=p: p * full_power(s), shielded=False) for p in (1.0, 0.0))
    assert full.short_share == 0.0
    assert nothing.short_share == 1.0
    assert full.lacking.min() >= -1e-9
    # Full power until the battery is full, or for the whole stay.
    assert full.load_kw.sum() > play_piles(batch, full_power, shielded=True).load_kw.sum()
    here = batch.left > 0.0
    needed = batch.new_kw * EFFICIENCY * batch.slot_h / batch.capacity_kwh
    assert nothing.missed.sum() == pytest.approx(needed.sum())
    assert not full.shares[~here].any()


@pytest.mark.parametrize("answer", [0.0, -1.0, 1e9, np.nan])
def test_no_answer_leaves_anybody_short(answer) -> None:
    _, batch = batch_of(250)
    played = play_piles(batch, lambda states: np.full((250, 4), answer), shielded=True)
    assert played.missed.max() <= 1e-9
    # An infeasible vehicle gets full power for all of its stay.
    _, raw = batch_of(20, replace(SMALL, admission="raw"))
    played = play_piles(raw, lambda states: np.full((20, 4), answer), shielded=True)
    best = play_piles(raw, full_power, shielded=True)
    np.testing.assert_allclose(played.missed, best.missed, atol=1e-9)
    assert 0.0 < played.short_share < 1.0


def test_policies_need_no_torch() -> None:
    rng, size = np.random.default_rng(0), state_size(4)
    actor = Layers((rng.standard_normal((size, 8)), rng.standard_normal((8, 4))), (np.zeros(8), np.zeros(4)))
    safety = Layers((rng.standard_normal((size + 4, 4)),), (np.zeros(4),))
    shares = PilePolicy(actor, safety)(rng.random((3, size)))
    assert shares.shape == (3, 4)
    assert ((shares > 0.0) & (shares < 1.0)).all()


class TestTraining:
    torch = pytest.importorskip("torch")

    def test_arrays_are_the_network(self) -> None:
        from cosim_agents.ocean.pile_networks import layers_of, rectified, single

        network = rectified(6, (8, 5), 3, self.torch.Generator().manual_seed(0))
        inputs = np.random.default_rng(0).standard_normal((7, 6))
        with self.torch.no_grad():
            expected = network(single(inputs)).numpy()
        np.testing.assert_allclose(layers_of(network)(inputs), expected, atol=1e-5)

    def test_radii_of_all_vehicles(self) -> None:
        from cosim_agents.ocean.paper_training import radii_kw

        xi, there = np.array([[0.1, 0.2, 0.0], [1.9, 1.9, 1.9]]), np.array([[True, True, False], [True] * 3])
        exact = radii_kw("exact", xi, there, 0.5)
        assert exact[0] == pytest.approx([exact_radius(0.1, 0.5), exact_radius(0.2, 0.5), 0.0])
        printed = radii_kw("printed", xi, there, 0.5)
        assert printed[0] == pytest.approx(printed_radius(0.1, 0.5, dimensions=3), rel=0.01)
        assert not printed[1].any()
        # One vehicle without slack, and nobody moves.
        assert not radii_kw("printed", xi, np.ones((2, 3), dtype=bool), 0.5).any()

    @pytest.mark.parametrize("kind", ["ppo", "ddpg", "pd"])
    def test_baselines_can_be_repeated_and_are_safe_behind_the_shield(self, kind) -> None:
        from cosim_agents.ocean.baseline_training import Settings, train_baseline

        few = Settings(episodes=2, days=2, updates=3)
        first, again = (train_baseline(kind, SMALL, seed=1, settings=few) for _ in range(2))
        assert [w.tobytes() for w in first.actor.weights] == [w.tobytes() for w in again.actor.weights]
        _, batch = batch_of(5)
        assert play_piles(batch, first, shielded=True).short_share == 0.0

    @pytest.mark.parametrize(
        ("projection", "radius"), [("candidates", "exact"), ("candidates", "printed"), ("taylor", "exact")]
    )
    def test_algorithm_1_can_be_repeated_and_is_safe_behind_the_shield(self, projection, radius) -> None:
        from cosim_agents.ocean.paper_training import Algorithm1, train_paper

        few = Algorithm1(episodes=2, days=2, updates=3, projection=projection, radius=radius, shielded=False)
        first, again = (train_paper(SMALL, seed=1, settings=few) for _ in range(2))
        assert first.safety is not None
        assert again.safety is not None
        assert [w.tobytes() for w in first.safety.weights] == [w.tobytes() for w in again.safety.weights]
        _, batch = batch_of(5)
        assert play_piles(batch, first, shielded=True).short_share == 0.0

    def test_a_high_penalty_makes_fewer_vehicles_short(self) -> None:
        from cosim_agents.ocean.baseline_training import Settings, train_baseline

        _, batch = batch_of(20)
        few = Settings(episodes=12, days=8, updates=30, minibatch=128, actor_rate=3e-3)
        cheap, dear = (
            play_piles(batch, train_baseline("ppo", SMALL, settings=replace(few, penalty=penalty)), shielded=False)
            for penalty in (0.0, 1000.0)
        )
        assert dear.missed.sum() < 0.9 * cheap.missed.sum()
