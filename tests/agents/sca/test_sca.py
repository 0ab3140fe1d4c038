"""SCA: any weights serve everybody and treat vehicles alike; training helps and can be repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import shield
from cosim.scheduling.site import Site, Vehicles
from cosim_agents.sca.learned import Network, SitePolicy, TrainedOn
from cosim_agents.sca.learned_kernels import SITE_FEATURES, VEHICLE_FEATURES
from cosim_agents.sca.online import rolling_optimum
from cosim_agents.sca.sca import Sca

pytest.importorskip("torch")

EVERYWHERE = TrainedOn("everywhere", 0.5, (0.0, 1e3), (0.0,) * 24, (1.0,) * 24)


def draw(rng: np.random.Generator) -> tuple[Site, Vehicles]:
    return draw_instance("home", rng)


def sca_with(size: float, seed: int = 0, trained_on: TrainedOn = EVERYWHERE) -> Sca:
    rng, width = np.random.default_rng(seed), VEHICLE_FEATURES + SITE_FEATURES
    weights = (size * rng.standard_normal((width, 8)), size * rng.standard_normal((8, 1)))
    network = Network(np.zeros(width), np.ones(width), weights, (np.zeros(8), np.zeros(1)))
    return Sca(SitePolicy("sca", network, trained_on))


@given(seed=st.integers(0, 10**6), size=st.sampled_from([0.0, 0.1, 1e6]))
@settings(max_examples=15, deadline=None)
def test_demand_is_met_whatever_the_weights(seed, size, draw_site, draw_vehicles) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, 12)
    result = replay(site, vehicles, sca_with(size, seed))
    np.testing.assert_allclose(result.short_kwh, result.unservable_kwh, atol=1e-9)


@pytest.mark.parametrize("limit_kw", [5.0, np.inf])
def test_powers_need_no_shield_and_follow_their_vehicles(limit_kw, draw_state) -> None:
    rng = np.random.default_rng(3)
    state, sca = draw_state(rng, 9, limit_kw), sca_with(0.3)
    power_kw, order = sca(state), rng.permutation(9)
    np.testing.assert_allclose(shield(state, power_kw), power_kw, atol=1e-9)
    other = replace(
        state, **{name: getattr(state, name)[order] for name in ("remaining_kwh", "slots_left", "max_power_kw")}
    )
    np.testing.assert_allclose(sca(other), power_kw[order], atol=1e-9)


def test_training_helps_and_can_be_repeated_to_the_last_bit() -> None:
    from cosim_agents.sca.sca_training import DEFAULT, train_sca

    few = replace(DEFAULT, iterations=12, days=2, learning_rate=2e-3)
    first, again = (train_sca(draw, site="home", seed=1, settings=few) for _ in range(2))
    assert [w.tobytes() for w in first.network.weights] == [w.tobytes() for w in again.network.weights]
    learned = Sca(replace(first, trained_on=EVERYWHERE))
    bills = []
    for seed in range(4):
        site, vehicles = draw(np.random.default_rng([2, seed]))
        best = offline_optimum(site, vehicles).cost
        bills.append([replay(site, vehicles, policy).cost / best for policy in (learned, sca_with(0.0))])
    after, before = np.mean(bills, axis=0)
    assert after < before


def test_rolling_optimum_decides_where_the_policy_was_not_trained(draw_state) -> None:
    state = draw_state(np.random.default_rng(0), 9)
    sca = sca_with(0.3, trained_on=replace(EVERYWHERE, slot_h=1.0))
    np.testing.assert_array_equal(sca(state), rolling_optimum(state).power_kw)
    assert sca.notes.total() == 1
    with pytest.raises(ValueError, match="kind"):
        Sca(SitePolicy("calc", Network(np.zeros(1), np.ones(1), (), ()), EVERYWHERE))
