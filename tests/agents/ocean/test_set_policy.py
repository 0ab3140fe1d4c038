"""OCEAN's set policy: safe with any weights, blind to order, the same in torch and NumPy; training can be repeated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import InputError
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import feasible_box
from cosim.scheduling.site import SiteState
from cosim_agents.ocean.set_policy import FEATURES, Ocean, SeenInTraining, SetPolicy, describe, load_ocean, save_ocean
from cosim_agents.ocean.station_days import SCENARIOS, START_H, StationDays, draw_day
from cosim_agents.ocean.usual_load import UsualLoad
from cosim_agents.sca.learned import Network
from cosim_agents.sca.online import rolling_optimum

SMALL = StationDays(piles=4, arrivals_per_pile=4.0)
SEEN = SeenInTraining("R", 25, 0.25, START_H, (6.0, 11.0))


def policy_with(size: float, seed: int = 0) -> SetPolicy:
    rng = np.random.default_rng(seed)
    weights = (size * rng.standard_normal((FEATURES, 8)), size * rng.standard_normal((8, 1)))
    network = Network(np.zeros(FEATURES), np.ones(FEATURES), weights, (rng.standard_normal(8), np.zeros(1)))
    return SetPolicy(network, UsualLoad.of(rng.uniform(0.0, 5.0, 96)), SEEN)


def state_of(rng: np.random.Generator, count: int = 12) -> SiteState:
    left, power_kw = rng.integers(1, 20, count), rng.choice([6.0, 7.7, 11.0], count)
    remaining_kwh = rng.random(count) * power_kw * left * 0.25
    whole = np.zeros(96), np.full(96, np.inf)
    return SiteState(30, 0.25, remaining_kwh, left, power_kw, np.zeros(count, dtype=np.int64), *whole)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.0, 0.3, 1e6, np.nan]))
@settings(max_examples=30, deadline=None)
def test_no_weights_leave_anybody_short(seed, size) -> None:
    rng = np.random.default_rng(seed)
    kind = replace(SMALL, admission=rng.choice(["raw", "clip", "extend", "resample"]), slack=rng.choice([1.0, 1.5]))
    day = draw_day(rng, kind)
    played = replay(day.site, day.vehicles, Ocean(policy_with(size, seed)))
    np.testing.assert_allclose(played.short_kwh, played.unservable_kwh, atol=1e-9)


@pytest.mark.parametrize("answer", [0.0, -1.0, 1e9, np.nan])
def test_no_answer_leaves_anybody_short(answer) -> None:
    for seed in range(20):
        day = draw_day(np.random.default_rng(seed), SMALL)
        played = replay(day.site, day.vehicles, lambda state: np.full(len(state), answer))
        assert played.short_kwh.max(initial=0.0) <= 1e-9


def test_powers_lie_in_the_safe_interval_and_follow_their_vehicles() -> None:
    rng = np.random.default_rng(4)
    state, ocean = state_of(rng), Ocean(policy_with(0.3))
    power_kw, box, order = ocean(state), feasible_box(state), rng.permutation(12)
    assert (power_kw >= box.low_kw).all()
    assert (power_kw <= box.high_kw).all()
    names = ("remaining_kwh", "slots_left", "max_power_kw", "arrival_slot")
    other = replace(state, **{name: getattr(state, name)[order] for name in names})
    np.testing.assert_allclose(ocean(other), power_kw[order], atol=1e-9)
    assert not ocean.notes


def test_rolling_optimum_decides_where_the_policy_is_lost() -> None:
    state = state_of(np.random.default_rng(4))
    others = (
        replace(state, slot_h=0.5),
        replace(state, max_power_kw=state.max_power_kw * 3.0),
        replace(state, base_kw=state.base_kw + 1.0),
    )
    ocean = Ocean(policy_with(0.3), piles=12)
    for other in others:
        np.testing.assert_array_equal(ocean(other), rolling_optimum(other).power_kw)
    assert ocean.notes.total() == len(ocean.notes) == 3
    crowded = Ocean(policy_with(0.3), piles=11)
    crowded(state)
    assert crowded.notes == {"more vehicles than the 11 piles": 1}


def test_stations_of_any_size_look_alike_and_days_may_begin_at_another_hour() -> None:
    state, policy = state_of(np.random.default_rng(4)), policy_with(0.3)
    names = ("remaining_kwh", "slots_left", "max_power_kw", "arrival_slot")
    twice = replace(state, **{name: np.tile(getattr(state, name), 2) for name in names})
    expected = Ocean(policy)(state)
    np.testing.assert_allclose(Ocean(policy, piles=50)(twice), np.tile(expected, 2), atol=1e-9)
    later = replace(state, slot=state.slot - 8)
    np.testing.assert_allclose(Ocean(policy, start_h=START_H + 2.0)(later), expected, atol=1e-9)


def test_a_file_holds_all_of_a_policy(tmp_path: Path) -> None:
    policy, path, state = policy_with(0.3), tmp_path / "ocean.npz", state_of(np.random.default_rng(4))
    save_ocean(path, policy)
    loaded = load_ocean(path)
    assert loaded.seen == policy.seen
    np.testing.assert_array_equal(Ocean(loaded)(state), Ocean(policy)(state))
    bad = replace(policy, network=replace(policy.network, mean=np.zeros(3)))
    save_ocean(path, bad)
    for content in (path.read_bytes(), b"no policy"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"ocean\.npz"):
            load_ocean(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_ocean(tmp_path / "missing.npz")


class TestTraining:
    torch = pytest.importorskip("torch")

    def days(self, count: int = 2):
        from cosim_agents.ocean.set_training import TorchDays
        from cosim_agents.ocean.station_batch import StationBatch

        drawn = [draw_day(np.random.default_rng(seed), SMALL) for seed in range(count)]
        usual = UsualLoad.of(np.linspace(0.0, 5.0, 96))
        batch = StationBatch.of(drawn, SMALL.piles)
        return TorchDays(batch, usual, dtype=self.torch.float64), batch, drawn, usual

    def test_gradient_is_that_of_finite_differences(self) -> None:
        torch = self.torch
        days, *_ = self.days()
        share = torch.full((days.slots, days.days, days.piles), 0.3, dtype=torch.float64, requires_grad=True)

        def loss(values):
            return days.loss(days.play(lambda slot, own, station: values[slot]))

        (slope,) = torch.autograd.grad(loss(share), share)
        rng, step = np.random.default_rng(0), 1e-5
        places = rng.permutation(np.argwhere(slope.numpy() != 0.0))[:20]
        assert len(places) == 20
        for place in map(tuple, places):
            bump = torch.zeros_like(share)
            bump[place] = step
            with torch.no_grad():
                found = (loss(share + bump) - loss(share - bump)) / (2.0 * step)
            assert float(slope[place]) == pytest.approx(float(found), rel=1e-4, abs=1e-10)

    def test_numpy_decides_as_torch(self) -> None:
        from cosim_agents.ocean.set_training import SetFunction, moments, network_arrays
        from cosim_agents.rl.networks import perceptron

        torch = self.torch
        days, batch, drawn, usual = self.days()
        generator = torch.Generator().manual_seed(3)
        network = perceptron(FEATURES, (16, 16), 1, generator, last_gain=1.0).double()
        mean, std = moments(days)
        with torch.no_grad():
            loads = days.play(SetFunction(network, mean, std, days)).numpy()
        policy = SetPolicy(network_arrays(network, mean, std), usual, replace(SEEN, piles=SMALL.piles))
        for d, day in enumerate(drawn):
            played = replay(day.site, day.vehicles, Ocean(policy))
            # A vehicle that torch counts as done may still miss a trace here.
            np.testing.assert_allclose(played.charging_kw, loads[:, d], atol=1e-3)
            np.testing.assert_allclose(played.charging_kw.sum() * day.site.slot_h, batch.energy_kwh[d], rtol=1e-9)

    def test_training_helps_and_can_be_repeated_to_the_last_bit(self) -> None:
        from cosim_agents.ocean.set_training import Schedule, train_ocean

        few = Schedule(iterations=12, days=8)
        first, again = (train_ocean(SMALL, seed=1, schedule=few) for _ in range(2))
        assert [w.tobytes() for w in first.network.weights] == [w.tobytes() for w in again.network.weights]
        assert first.seen.piles == SMALL.piles
        none = train_ocean(SMALL, seed=1, schedule=replace(few, iterations=0))
        ratios = []
        for seed in range(10):
            day = draw_day(np.random.default_rng([2, seed]), SMALL)
            best = offline_optimum(day.site, day.vehicles).cost
            ratios.append([replay(day.site, day.vehicles, Ocean(policy)).cost / best for policy in (first, none)])
        after, before = np.mean(ratios, axis=0)
        assert after < before


def test_what_is_seen_has_the_right_width() -> None:
    state = state_of(np.random.default_rng(0))
    inputs, low_kw, high_kw = describe(state, policy_with(0.1), state.slot, SCENARIOS["R"].piles)
    assert inputs.shape == (12, FEATURES)
    assert np.isfinite(inputs).all()
    assert (low_kw <= high_kw).all()
