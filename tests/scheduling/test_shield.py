"""The shield: whatever a policy asks for, whoever could be served is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.replay import replay
from cosim.scheduling.shield import feasible_box, shield
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca import rules

seeds = st.integers(0, 2**32 - 1)
ABSURD = (np.nan, np.inf, -np.inf, -1.0, 0.0, 1e300, -1e300, 1e-300, 2.0)


def absurd_policy(rng: np.random.Generator) -> Callable[[SiteState], np.ndarray]:
    """Ask for anything, or for the same nonsense always."""
    always = rng.choice(ABSURD) if rng.random() < 0.5 else None

    def ask(state: SiteState) -> np.ndarray:
        return rng.choice(ABSURD, len(state)) if always is None else np.full(len(state), always)

    return ask


@given(seed=seeds, count=st.integers(1, 30))
@settings(deadline=None, max_examples=100)
def test_every_demand_is_met(seed: int, count: int, draw_vehicles: Callable, draw_site: Callable) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, count)
    played = replay(site, vehicles, absurd_policy(rng))
    assert played.short_kwh.max() <= 1e-6
    assert (played.delivered_kwh <= vehicles.energy_kwh + 1e-9).all()


def least_now_kw(state: SiteState) -> float | None:
    """Least sum of the powers now with which everybody can be served within the limit; None if they cannot."""
    slot = np.arange(len(state.headroom_kw))
    i, t = np.nonzero(slot < state.slots_left[:, None])
    of_vehicle, of_slot = np.zeros((len(state), len(i))), np.zeros((len(slot), len(i)))
    of_vehicle[i, np.arange(len(i))] = of_slot[t, np.arange(len(i))] = 1.0
    solution = scipy.optimize.linprog(
        (t == 0).astype(float),
        A_ub=of_slot,
        b_ub=state.headroom_kw,
        A_eq=of_vehicle,
        b_eq=state.remaining_kwh / state.slot_h,
        bounds=[(0.0, power_kw) for power_kw in state.max_power_kw[i]],
    )
    return float(solution.fun) if solution.status == 0 else None


@given(seed=seeds, count=st.integers(1, 12), limit_kw=st.floats(1.0, 60.0))
@settings(deadline=None, max_examples=60)
def test_with_a_limit_all_are_served_who_can_be(seed: int, count: int, limit_kw: float, draw_state: Callable) -> None:
    rng = np.random.default_rng(seed)
    state: SiteState = draw_state(rng, count, limit_kw)
    box = feasible_box(state)
    needed_kw = least_now_kw(state)
    if needed_kw is None:
        assert box.short_kwh.sum() > 0.0
        return
    assert box.short_kwh.max() <= 1e-9
    assert box.total_low_kw == pytest.approx(needed_kw, abs=1e-6)
    site = Site(state.base_kw, 3600.0 * state.slot_h, charging_limit_kw=limit_kw)
    vehicles = Vehicles(np.zeros(count, int), state.slots_left, state.remaining_kwh, state.max_power_kw)
    played = replay(site, vehicles, absurd_policy(rng))
    assert played.short_kwh.max() <= 1e-6
    assert played.charging_kw.max() <= limit_kw + 1e-9


@given(
    seed=seeds,
    count=st.integers(1, 30),
    limit_kw=st.floats(0.5, 60.0),
    limit=st.sampled_from(["limit_kw", "charging_limit_kw"]),
)
@settings(deadline=None, max_examples=60)
def test_a_limit_is_kept_whoever_comes(
    seed: int, count: int, limit_kw: float, limit: str, draw_vehicles: Callable, draw_site: Callable
) -> None:
    rng = np.random.default_rng(seed)
    site = draw_site(rng, **{limit: limit_kw})
    played = replay(site, draw_vehicles(rng, count), absurd_policy(rng))
    assert (played.charging_kw <= site.headroom_kw + 1e-9).all()
    assert (played.power_kw >= 0.0).all()


def test_box_by_hand(draw_state: Callable) -> None:
    # Needs 1, 2.5 and 4 full slots of 2 kW in 3 slots of half an hour, and in the last slot what is left.
    state = SiteState(
        slot=0, slot_h=0.5, remaining_kwh=np.array([1.0, 2.5, 4.0, 0.25]), slots_left=np.array([3, 3, 3, 1]),
        max_power_kw=np.full(4, 2.0), arrival_slot=np.zeros(4, int), base_kw=np.zeros(3),
        headroom_kw=np.full(3, np.inf),
    )  # fmt: skip
    box = feasible_box(state)
    np.testing.assert_allclose(box.low_kw, [0.0, 1.0, 2.0, 0.5])
    np.testing.assert_allclose(box.high_kw, [2.0, 2.0, 2.0, 0.5])
    np.testing.assert_allclose(box.short_kwh, [0.0, 0.0, 1.0, 0.0])
    assert (box.total_low_kw, box.total_high_kw) == (3.5, 6.5)


def test_whoever_cannot_be_served_charges_at_full_power_and_is_reported(draw_site: Callable) -> None:
    site = draw_site(np.random.default_rng(0))
    vehicles = Vehicles([2, 2], [6, 9], [30.0, 3.0], [7.0, 7.0])
    played = replay(site, vehicles, lambda state: np.zeros(len(state)))
    np.testing.assert_array_equal(played.power_kw[0, 2:6], 7.0)
    np.testing.assert_allclose(played.unservable_kwh, [16.0, 0.0])
    np.testing.assert_allclose(played.short_kwh, [16.0, 0.0], atol=1e-9)


def test_vehicles_share_what_an_overloaded_site_cannot_deliver() -> None:
    site = Site(np.zeros(4), 3600.0, charging_limit_kw=3.0)
    vehicles = Vehicles([0, 0], [4, 2], [12.0, 6.0], [3.0, 3.0])
    played = replay(site, vehicles, rules.latest_start)
    np.testing.assert_allclose(played.short_kwh, [3.0, 3.0], atol=1e-9)
    np.testing.assert_allclose(played.unservable_kwh, 0.0)
    np.testing.assert_allclose(played.charging_kw, 3.0)


def test_safe_powers_are_left_alone(draw_state: Callable) -> None:
    state: SiteState = draw_state(np.random.default_rng(8), 20)
    box = feasible_box(state)
    power_kw = 0.3 * box.low_kw + 0.7 * box.high_kw
    np.testing.assert_array_equal(shield(state, power_kw), power_kw)


def test_powers_of_the_wrong_shape_are_refused(draw_state: Callable) -> None:
    with pytest.raises(ValueError, match=r"shape \(2,\) must have one value for each of 3 vehicles"):
        shield(draw_state(np.random.default_rng(0), 3), [1.0, 2.0])
