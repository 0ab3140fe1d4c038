"""The offline and the rolling optimum: against an independent solver, by certificate, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.site import Price, Site, SiteState, Vehicles
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

seeds = st.integers(0, 2**32 - 1)


def squares(load_kw: np.ndarray) -> float:
    """The part of Eq. 5 that a plan can change."""
    return float(load_kw @ load_kw)


@given(seed=seeds, count=st.integers(1, 25))
@settings(deadline=None, max_examples=25)
def test_offline_optimum_is_the_qps(
    seed: int, count: int, draw_vehicles: Callable, draw_site: Callable, qp_load_kw: Callable
) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, count)
    plan = offline_optimum(site, vehicles)
    theirs_kw = qp_load_kw(site.base_kw, vehicles)
    assert plan.cost == pytest.approx(site.cost(theirs_kw), rel=1e-8, abs=1e-10)
    np.testing.assert_allclose(plan.charging_kw, theirs_kw, atol=1e-4)


@given(seed=seeds, count=st.integers(1, 60))
@settings(deadline=None, max_examples=100)
def test_offline_plan_is_feasible_and_certified(
    seed: int, count: int, draw_vehicles: Callable, draw_site: Callable
) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, count)
    plan = offline_optimum(site, vehicles)
    assert plan.relative_gap <= 1e-9
    slot = np.arange(site.slots)
    there = (slot >= vehicles.arrival_slot[:, None]) & (slot < vehicles.departure_slot[:, None])
    assert (plan.power_kw[~there] == 0.0).all()
    assert (plan.power_kw >= 0.0).all()
    assert (plan.power_kw <= vehicles.max_power_kw[:, None]).all()
    np.testing.assert_allclose(plan.power_kw.sum(axis=1) * site.slot_h, vehicles.energy_kwh, rtol=0.0, atol=1e-9)


def test_offline_optimum_is_the_same_at_every_price() -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(5))
    plan = offline_optimum(site, vehicles)
    for price in (Price(0.0, 1.0), Price(5.0, 1e-6)):
        other = offline_optimum(Site(site.base_kw, site.slot_s, price), vehicles)
        np.testing.assert_array_equal(other.power_kw, plan.power_kw)
        assert other.relative_gap <= 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_offline_optimum_has_the_least_peak(seed: int, draw_vehicles: Callable, draw_site: Callable) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, 30)
    slot = np.arange(site.slots)
    i, t = np.nonzero((slot >= vehicles.arrival_slot[:, None]) & (slot < vehicles.departure_slot[:, None]))
    cells = np.arange(len(i))
    of_vehicle, of_slot = np.zeros((len(vehicles), len(i) + 1)), np.zeros((site.slots, len(i) + 1))
    of_vehicle[i, cells] = of_slot[t, cells] = 1.0
    of_slot[:, -1] = -1.0
    least = scipy.optimize.linprog(
        np.append(np.zeros(len(i)), 1.0),
        A_ub=of_slot,
        b_ub=-site.base_kw,
        A_eq=of_vehicle,
        b_eq=vehicles.energy_kwh / site.slot_h,
        bounds=[*((0.0, power_kw) for power_kw in vehicles.max_power_kw[i]), (None, None)],
    )
    assert offline_optimum(site, vehicles).peak_kw == pytest.approx(least.fun, rel=1e-8)


def test_a_limit_below_the_least_peak_is_reported() -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(1))
    peak_kw = offline_optimum(site, vehicles).peak_kw
    for limit_kw, possible in ((peak_kw * 1.001, True), (peak_kw * 0.999, False)):
        limited = Site(site.base_kw, site.slot_s, limit_kw=limit_kw)
        assert offline_optimum(limited, vehicles).within_limits is possible


def test_what_cannot_be_served_is_reported_and_the_rest_planned() -> None:
    vehicles = Vehicles([0, 1, 2], [4, 3, 2], [10.0, 2.5, 1.0], [3.0, 3.0, 3.0])
    plan = offline_optimum(Site(np.zeros(4), 1800.0), vehicles)
    np.testing.assert_allclose(plan.unservable_kwh, [4.0, 0.0, 1.0])
    np.testing.assert_allclose(plan.power_kw, [[3, 3, 3, 3], [0, 2.5, 2.5, 0], [0, 0, 0, 0]])


def test_a_day_without_vehicles_costs_nothing() -> None:
    plan = offline_optimum(Site(np.ones(4), 1800.0), Vehicles([], [], [], []))
    assert (plan.cost, plan.relative_gap, plan.peak_kw) == (0.0, 0.0, 1.0)


@given(seed=seeds, count=st.integers(1, 25))
@settings(deadline=None, max_examples=25)
def test_one_pass_equals_the_qp(seed: int, count: int, draw_state: Callable, qp_load_kw: Callable) -> None:
    state: SiteState = draw_state(np.random.default_rng(seed), count)
    decision = rolling_optimum(state)
    vehicles = Vehicles(np.zeros(count, int), state.slots_left, state.remaining_kwh, state.max_power_kw)
    theirs_kw = qp_load_kw(state.base_kw, vehicles)
    assert squares(state.base_kw + decision.charging_kw) == pytest.approx(squares(state.base_kw + theirs_kw), rel=1e-8)
    np.testing.assert_allclose(decision.charging_kw, theirs_kw, atol=1e-4)


@given(seed=seeds, count=st.integers(1, 80))
@settings(deadline=None, max_examples=100)
def test_one_pass_is_certified_and_is_the_offline_optimum_of_those_present(
    seed: int, count: int, draw_state: Callable
) -> None:
    state: SiteState = draw_state(np.random.default_rng(seed), count)
    decision = rolling_optimum(state)
    assert decision.relative_gap <= 1e-12
    assert decision.power_kw.sum() == pytest.approx(decision.charging_kw[0], abs=1e-9)
    assert (decision.power_kw >= 0.0).all()
    assert (decision.power_kw <= state.wanted_kw + 1e-9).all()
    vehicles = Vehicles(np.zeros(count, int), state.slots_left, state.remaining_kwh, state.max_power_kw)
    plan = offline_optimum(Site(state.base_kw, 3600.0 * state.slot_h), vehicles)
    np.testing.assert_allclose(decision.charging_kw, plan.charging_kw, atol=1e-3)
    assert decision.charging_kw.sum() == pytest.approx(plan.charging_kw.sum())


def test_one_pass_by_hand() -> None:
    # The one that leaves first fills 1, 2, 4 up to 3, 3, 4; the other then 3, 3, 4, 2 up to 4.25.
    state = SiteState(
        slot=0, slot_h=1.0, remaining_kwh=np.array([5.0, 3.0]), slots_left=np.array([4, 3]),
        max_power_kw=np.array([9.0, 9.0]), arrival_slot=np.zeros(2, int), base_kw=np.array([1.0, 2.0, 4.0, 2.0]),
        headroom_kw=np.full(4, np.inf),
    )  # fmt: skip
    decision = rolling_optimum(state)
    np.testing.assert_allclose(decision.power_kw, [1.25, 2.0])
    np.testing.assert_allclose(decision.charging_kw + state.base_kw, 4.25)


def test_one_pass_with_the_base_load_held_constant(draw_state: Callable) -> None:
    state: SiteState = draw_state(np.random.default_rng(3), 20)
    decision = rolling_optimum(state, constant_base=True)
    flat = SiteState(
        state.slot, state.slot_h, state.remaining_kwh, state.slots_left, state.max_power_kw, state.arrival_slot,
        np.full_like(state.base_kw, state.base_kw[0]), state.headroom_kw,
    )  # fmt: skip
    np.testing.assert_array_equal(decision.power_kw, rolling_optimum(flat).power_kw)


def test_expecting_the_truth_is_the_offline_optimum() -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(2), vehicles_per_day=30)
    expected = ExpectedArrivals.from_days([vehicles])
    played = replay(site, vehicles, lambda state: predictive_optimum(state, expected, tolerance=1e-10).power_kw)
    assert played.cost == pytest.approx(offline_optimum(site, vehicles).cost, rel=1e-8)


def test_expected_arrivals_are_an_average_day() -> None:
    days = [Vehicles([1, 1, 5, 7], [3, 3, 6, 7], [1.0, 2.0, 3.0, 9.0], 4.0), Vehicles([1], [3], [5.0], [2.0])]
    expected = ExpectedArrivals.from_days(days, scale=2.0)
    assert expected.arrival_slot.tolist() == [1, 5]
    assert expected.departure_slot.tolist() == [3, 6]
    np.testing.assert_allclose(expected.energy_kwh, [8.0, 3.0])
    np.testing.assert_allclose(expected.max_power_kw, [10.0, 4.0])
    with pytest.raises(ValueError, match="at least one day"):
        ExpectedArrivals.from_days([])


def test_expecting_nobody_is_the_rolling_optimum(draw_state: Callable) -> None:
    state: SiteState = draw_state(np.random.default_rng(4), 20)
    late = ExpectedArrivals.from_days([Vehicles([0], [9], [5.0], [3.0])])
    decision, alone = predictive_optimum(state, late), rolling_optimum(state)
    assert decision.relative_gap <= 1e-12
    np.testing.assert_allclose(decision.charging_kw, alone.charging_kw, atol=1e-9)


def test_expected_arrivals_save_what_the_rolling_optimum_leaves() -> None:
    history = [draw_instance("home", np.random.default_rng([1, day]))[1] for day in range(20)]
    site, vehicles = draw_instance("home", np.random.default_rng(0))
    best = offline_optimum(site, vehicles).cost
    expected = ExpectedArrivals.from_days(history)
    ours = replay(site, vehicles, lambda state: predictive_optimum(state, expected).power_kw).cost
    alone = replay(site, vehicles, lambda state: rolling_optimum(state).power_kw).cost
    assert ours / best < 1.004
    assert 1.02 < alone / best < 1.07
