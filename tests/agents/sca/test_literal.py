"""CALC and SCA as published: any weights serve everybody; a low discount teaches both to start as late as possible."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import shield
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca.learned import Network, SitePolicy, TrainedOn, load_site_policy, save_site_policy
from cosim_agents.sca.literal import Literal, LiteralCalc, LiteralSca
from cosim_agents.sca.online import rolling_optimum
from cosim_agents.sca.rules import latest_start

torch = pytest.importorskip("torch")

EVERYWHERE = TrainedOn("everywhere", 0.5, (0.0, 1e3), (0.0,) * 24, (1.0,) * 24)
BOTH = [LiteralCalc, LiteralSca]


def draw(rng: np.random.Generator) -> tuple[Site, Vehicles]:
    return draw_instance("home", rng, vehicles_per_day=25.0)


def policy_with(kind: type[Literal], size: float, seed: int = 0, trained_on: TrainedOn = EVERYWHERE) -> Literal:
    rng = np.random.default_rng(seed)
    weights = (size * rng.standard_normal((2, 8)), size * rng.standard_normal((8, 1)))
    network = Network(np.zeros(2), np.full(2, 10.0), weights, (np.zeros(8), np.zeros(1)), rectified=True)
    return kind(SitePolicy(kind.kind, network, trained_on))


def bills(policy, days: int) -> np.ndarray:
    return np.array([replay(*draw(np.random.default_rng([2, day])), policy).cost for day in range(days)])


@pytest.mark.parametrize("kind", BOTH)
@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.0, 1.0, 1e6]))
@settings(max_examples=10, deadline=None)
def test_demand_is_met_whatever_the_weights(kind, seed, size, draw_site, draw_vehicles) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, 12)
    result = replay(site, vehicles, policy_with(kind, size, seed))
    np.testing.assert_allclose(result.short_kwh, result.unservable_kwh, atol=1e-9)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("limit_kw", [5.0, np.inf])
def test_powers_need_no_shield_and_follow_their_vehicles(kind, limit_kw, draw_state) -> None:
    rng = np.random.default_rng(3)
    state, policy = draw_state(rng, 9, limit_kw), policy_with(kind, 1.0)
    power_kw, order = policy(state), rng.permutation(9)
    np.testing.assert_allclose(shield(state, power_kw), power_kw, atol=1e-9)
    other = replace(
        state, **{name: getattr(state, name)[order] for name in ("remaining_kwh", "slots_left", "max_power_kw")}
    )
    np.testing.assert_allclose(policy(other), power_kw[order], atol=1e-9)


def state_at(slot: int) -> SiteState:
    """Return two vehicles of 4 kW, 8 kWh each within 4 slots of an hour, base load 4 kW."""
    return SiteState(
        slot=slot, slot_h=1.0, remaining_kwh=np.full(2, 8.0), slots_left=np.full(2, 4), max_power_kw=np.full(2, 4.0),
        arrival_slot=np.zeros(2, dtype=np.int64), base_kw=np.full(4, 4.0), headroom_kw=np.full(4, np.inf),
    )  # fmt: skip


def test_the_load_of_the_slot_before_is_seen_and_forgotten_after_a_pause() -> None:
    # The output is the load of the slot before in kW, over 10, less 0.5.
    weights, biases = (np.array([[0.0], [1.0]]), np.ones((1, 1))), (np.zeros(1), np.array([-0.5]))
    network = Network(np.zeros(2), np.array([1.0, 10.0]), weights, biases, rectified=True)
    calc = LiteralCalc(SitePolicy("paper-calc", network, replace(EVERYWHERE, slot_h=1.0)))
    expected_kw = 0.0
    for slot, before_kw in ((3, 0.0), (4, 2.0), (4, 2.0), (5, 2.8), (7, 0.0)):
        expected_kw = 0.5 * (1.0 + before_kw / 10.0 - 0.5) * 8.0
        assert calc(state_at(slot)).sum() == pytest.approx(expected_kw)


def test_vehicles_see_price_and_what_they_miss() -> None:
    network = Network(
        np.zeros(2), np.array([16.0, 32.0]), (np.eye(2), np.ones((2, 1))), (np.zeros(2), np.array([-1.0])),
        rectified=True,
    )  # fmt: skip
    sca = LiteralSca(SitePolicy("paper-sca", network, replace(EVERYWHERE, slot_h=1.0)))
    # 4 kW / 16 and 8 kWh / 32 less 1 is -0.5; then 2 kW more of load before.
    assert sca(state_at(3)) == pytest.approx([1.0, 1.0])
    assert sca(state_at(4)) == pytest.approx([1.25, 1.25])


@pytest.mark.parametrize("kind", BOTH)
def test_a_low_discount_teaches_the_latest_start(kind) -> None:
    from cosim_agents.sca import literal_training
    from cosim_agents.sca.literal_training import A2C

    train = literal_training.train_literal_calc if kind is LiteralCalc else literal_training.train_literal_sca
    few = A2C(iterations=120, days=2, actor_rate=1e-2)
    trained = train(draw, site="home", gamma=0.1, settings=few)
    policy = kind(replace(trained, trained_on=EVERYWHERE))
    late, learned, before = bills(latest_start, 6), bills(policy, 6), bills(policy_with(kind, 0.0), 6)
    np.testing.assert_allclose(learned, late, rtol=1e-4)
    # Half of the power, where the learning began, is another policy.
    assert np.abs(before / late - 1.0).max() > 0.05


@pytest.mark.parametrize("kind", BOTH)
def test_training_can_be_repeated_to_the_last_bit_and_files_hold_all(kind, tmp_path) -> None:
    from cosim_agents.sca import literal_training
    from cosim_agents.sca.literal_training import A2C

    train = literal_training.train_literal_calc if kind is LiteralCalc else literal_training.train_literal_sca
    few = A2C(iterations=3, days=2)
    first, again = (train(draw, site="home", seed=1, gamma=0.99, settings=few) for _ in range(2))
    assert [w.tobytes() for w in first.network.weights] == [w.tobytes() for w in again.network.weights]
    save_site_policy(tmp_path / "home.npz", first)
    loaded = load_site_policy(tmp_path / "home.npz")
    assert loaded.trained_on == first.trained_on
    site, vehicles = draw(np.random.default_rng(1))
    np.testing.assert_array_equal(
        replay(site, vehicles, kind(loaded)).power_kw, replay(site, vehicles, kind(first)).power_kw
    )


def test_arrays_decide_as_torch_does() -> None:
    from cosim_agents.sca.literal_training import _rectified

    module = _rectified(16, 1, torch.Generator().manual_seed(0))
    first, last = module[0], module[2]
    network = Network(
        np.zeros(2),
        np.ones(2),
        tuple(layer.weight.detach().numpy().T for layer in (first, last)),
        tuple(layer.bias.detach().numpy() for layer in (first, last)),
        rectified=True,
    )
    inputs = np.random.default_rng(0).uniform(-4.0, 4.0, (50, 2))
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs)).squeeze(-1).numpy()
    np.testing.assert_allclose(network(inputs), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
def test_rolling_optimum_decides_where_the_policy_was_not_trained(kind, draw_state) -> None:
    state = draw_state(np.random.default_rng(0), 9)
    policy = policy_with(kind, 1.0, trained_on=replace(EVERYWHERE, slot_h=1.0))
    np.testing.assert_array_equal(policy(state), rolling_optimum(state).power_kw)
    assert policy.notes.total() == 1
    other = LiteralSca if kind is LiteralCalc else LiteralCalc
    with pytest.raises(ValueError, match="kind"):
        other(policy._policy)


def test_deciding_needs_no_torch() -> None:
    code = "import sys; from cosim_agents.sca import literal; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
