"""CALC: zero weights are the rolling optimum, any weights serve everybody, training helps and can be repeated."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import InputError
from cosim.scheduling.arrivals import START_H, TYPE_2, draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import shield
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca.calc import Calc
from cosim_agents.sca.day_batch import DayBatch
from cosim_agents.sca.learned import Network, SitePolicy, TrainedOn, load_site_policy, save_site_policy, standardised
from cosim_agents.sca.learned_kernels import SITE_FEATURES
from cosim_agents.sca.online import rolling_optimum

torch = pytest.importorskip("torch")

EVERYWHERE = TrainedOn("everywhere", 0.5, (0.0, 1e3), (0.0,) * 24, (1.0,) * 24)


def draw(rng: np.random.Generator) -> tuple[Site, Vehicles]:
    return draw_instance("home", rng)


def network_of(rng: np.random.Generator, size: float) -> Network:
    widths = [(SITE_FEATURES, 16), (16, 1)]
    return Network(
        np.zeros(SITE_FEATURES),
        np.ones(SITE_FEATURES),
        tuple(size * rng.standard_normal(shape) for shape in widths),
        tuple(size * rng.standard_normal(shape[1]) for shape in widths),
    )


def calc_with(size: float, trained_on: TrainedOn = EVERYWHERE) -> Calc:
    return Calc(SitePolicy("calc", network_of(np.random.default_rng(0), size), trained_on))


def oa(state: SiteState) -> np.ndarray:
    return rolling_optimum(state).power_kw


@pytest.fixture(scope="module")
def trained() -> SitePolicy:
    from cosim_agents.sca.training import PPO, train_calc

    return train_calc(draw, site="home", settings=PPO(iterations=40, days=8, learning_rate=2e-3))


def test_zero_network_is_rolling_optimum_split_by_laxity() -> None:
    for seed in range(3):
        site, vehicles = draw(np.random.default_rng([9, seed]))
        calc = calc_with(0.0)
        assert replay(site, vehicles, calc).cost == pytest.approx(replay(site, vehicles, oa).cost, rel=2e-3)
        assert not calc.notes


def test_zero_network_decides_the_total_of_the_rolling_optimum(draw_state) -> None:
    for seed in range(20):
        state = draw_state(np.random.default_rng(seed), 7)
        assert calc_with(0.0)(state).sum() == pytest.approx(oa(state).sum(), abs=1e-9)


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.1, 10.0, 1e6]))
@settings(max_examples=15, deadline=None)
def test_demand_is_met_whatever_the_weights(seed, size, draw_site, draw_vehicles) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, 12)
    result = replay(site, vehicles, Calc(SitePolicy("calc", network_of(rng, size), EVERYWHERE)))
    np.testing.assert_allclose(result.short_kwh, result.unservable_kwh, atol=1e-9)


@pytest.mark.parametrize("limit_kw", [5.0, np.inf])
def test_powers_need_no_shield_and_follow_their_vehicles(limit_kw, draw_state) -> None:
    rng = np.random.default_rng(3)
    state, calc = draw_state(rng, 9, limit_kw), calc_with(0.3)
    power_kw, order = calc(state), rng.permutation(9)
    np.testing.assert_allclose(shield(state, power_kw), power_kw, atol=1e-9)
    other = replace(
        state, **{name: getattr(state, name)[order] for name in ("remaining_kwh", "slots_left", "max_power_kw")}
    )
    np.testing.assert_allclose(calc(other), power_kw[order], atol=1e-9)


def test_nobody_there() -> None:
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    state = SiteState(0, 0.5, nothing, none, nothing, none, np.ones(4), np.full(4, np.inf))
    assert calc_with(1.0)(state).shape == (0,)


def test_batch_plays_as_replay_does(trained) -> None:
    from cosim_agents.sca.training import play_calc

    site, vehicles = draw(np.random.default_rng(5))
    batch = DayBatch.of([draw(np.random.default_rng(4)), (site, vehicles)], START_H)
    played = play_calc(batch, trained.network)
    slot = 20
    batch.reset()
    totals_kw = []
    for t in range(slot + 1):
        view = batch.look(t)
        totals_kw.append(batch.charge(view, batch.split(view, view.oa_kw + view.scale_kw * played.outputs[t])))
    calc = Calc(replace(trained, trained_on=EVERYWHERE))
    charging_kw = replay(site, vehicles, calc).charging_kw
    np.testing.assert_allclose(np.array(totals_kw)[:, 1], charging_kw[: slot + 1], rtol=1e-9, atol=1e-9)
    assert batch.mean_kw[1] == pytest.approx(site.base_kw.mean() + vehicles.energy_kwh.sum() / 48.0)


def test_rewards_rank_days_as_bills_do() -> None:
    from cosim_agents.sca.training import play_calc

    site, vehicles = draw(np.random.default_rng(5))
    batch = DayBatch.of([(site, vehicles)], START_H)
    found = []
    for size in (0.0, 1.0):
        network = network_of(np.random.default_rng(1), size)
        bill = replay(site, vehicles, Calc(SitePolicy("calc", network, EVERYWHERE))).cost
        found.append((play_calc(batch, network).rewards.sum(), bill))
    (reward, bill), (other_reward, other_bill) = found
    per_reward = site.slot_h * site.price.k1_per_kwh_kw * batch.mean_kw[0] ** 2
    assert (reward - other_reward) * per_reward == pytest.approx(other_bill - bill, rel=1e-9)


def test_arrays_decide_as_torch_does() -> None:
    from cosim_agents.sca.training import PPO, Learner

    rng = np.random.default_rng(0)
    mean, std = rng.standard_normal(SITE_FEATURES), rng.uniform(0.5, 2.0, SITE_FEATURES)
    learner = Learner(mean, std, PPO(), torch.Generator().manual_seed(1), rng)
    inputs = rng.standard_normal((50, SITE_FEATURES))
    with torch.no_grad():
        expected = learner.actor(torch.from_numpy(standardised(inputs, mean, std))).squeeze(-1).numpy()
    np.testing.assert_allclose(learner.network()(inputs), expected, atol=1e-6, rtol=0.0)


def test_short_training_halves_the_gap_of_the_rolling_optimum(trained) -> None:
    gaps = []
    for seed in range(8):
        site, vehicles = draw(np.random.default_rng([2, seed]))
        best = offline_optimum(site, vehicles).cost
        gaps.append([replay(site, vehicles, policy).cost / best - 1.0 for policy in (Calc(trained), oa)])
    learned, rolling = np.mean(gaps, axis=0)
    assert learned < 0.5 * rolling


def test_training_can_be_repeated_to_the_last_bit() -> None:
    from cosim_agents.sca.training import PPO, train_calc

    few = PPO(iterations=3, days=2)
    first, again = (train_calc(draw, site="home", seed=1, settings=few).network for _ in range(2))
    assert [weight.tobytes() for weight in first.weights] == [weight.tobytes() for weight in again.weights]


def test_rolling_optimum_decides_where_the_policy_was_not_trained(trained) -> None:
    far_off = {
        "slots": lambda s: replace(s, slot_h=0.25),
        "charging powers": lambda s: replace(s, max_power_kw=np.full(len(s), TYPE_2.max_power_kw)),
        "energy": lambda s: replace(s, base_kw=20.0 * s.base_kw),
    }
    states: list[SiteState] = []
    site, vehicles = draw(np.random.default_rng([2, 0]))
    calc = Calc(trained)
    replay(site, vehicles, lambda state: (states.append(state), calc(state))[1])
    assert calc.notes.total() < 0.6 * len(states)  # A day may be a little beyond all others.
    for word, change in far_off.items():
        calc, state = Calc(trained), change(states[20])
        np.testing.assert_array_equal(calc(state), oa(state))
        assert [word in note for note in calc.notes] == [True]


def test_a_site_once_outside_is_trusted_again_after_a_day(draw_state) -> None:
    state, calc = draw_state(np.random.default_rng(3), 9), calc_with(0.3)
    oa_kw, own_kw = oa(state), calc(state)
    assert np.abs(oa_kw - own_kw).max() > 1e-3
    calc(replace(state, slot_h=0.25, slot=1))
    for slot, expected_kw in ((2, oa_kw), (96, oa_kw), (97 + 48, calc_with(0.3)(replace(state, slot=1)))):
        np.testing.assert_array_equal(calc(replace(state, slot=slot)), expected_kw)
    calc(replace(state, slot_h=0.25, slot=150))
    np.testing.assert_array_equal(calc(state), own_kw)


def test_files_hold_all_and_need_no_torch(trained, tmp_path) -> None:
    path = tmp_path / "home.npz"
    save_site_policy(path, trained)
    loaded = load_site_policy(path)
    assert loaded.trained_on == trained.trained_on
    inputs = np.random.default_rng(0).standard_normal((4, SITE_FEATURES))
    np.testing.assert_array_equal(loaded.network(inputs), trained.network(inputs))
    code = "import sys; from cosim_agents.sca import calc, learned; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_files_are_refused(tmp_path, trained) -> None:
    path = tmp_path / "bad.npz"
    with pytest.raises(InputError, match="cannot be read"):
        load_site_policy(path)
    path.write_bytes(b"no archive")
    with pytest.raises(InputError, match="damaged"):
        load_site_policy(path)
    np.savez(path, weight0=np.zeros(3))
    with pytest.raises(InputError, match="not a policy"):
        load_site_policy(path)
    broken = replace(trained.network, mean=np.zeros(3))
    save_site_policy(path, replace(trained, network=broken))
    with pytest.raises(InputError, match="one network"):
        load_site_policy(path)
    with pytest.raises(ValueError, match="kind"):
        Calc(replace(trained, kind="other"))
