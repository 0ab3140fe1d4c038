"""The rules on cases done by hand, and what holds of every policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.projection import project, split_least_laxity
from cosim.scheduling.shield import feasible_box, shield
from cosim.scheduling.site import SiteState, Vehicles
from cosim_agents.sca import rules
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

RULES = [
    rules.eager, rules.average_rate, rules.latest_start, rules.earliest_deadline, rules.least_laxity, rules.equal_share,
]  # fmt: skip
EXPECTED = ExpectedArrivals.from_days([Vehicles([1, 3, 4], [5, 9, 16], [6.0, 5.0, 4.0], [8.0, 3.0, 3.0])])


def split(state: SiteState) -> np.ndarray:
    box = feasible_box(state)
    return split_least_laxity(state, box.low_kw, box.high_kw, 0.5 * (box.total_low_kw + box.total_high_kw))


def projected(state: SiteState) -> np.ndarray:
    box = feasible_box(state)
    return project(state.remaining_kwh, box.low_kw, box.high_kw, 0.5 * (box.total_low_kw + box.total_high_kw))


POLICIES = [
    *RULES,
    lambda state: rolling_optimum(state).power_kw,
    lambda state: rolling_optimum(state, constant_base=True).power_kw,
    lambda state: predictive_optimum(state, EXPECTED).power_kw,
    lambda state: shield(state, np.full(len(state), 1.0)),
    split,
    projected,
]


def state_of(limit_kw: float) -> SiteState:
    """Three vehicles of 4 kW and slots of an hour: laxities 2, 1 and 0."""
    return SiteState(
        slot=7, slot_h=1.0, remaining_kwh=np.array([4.0, 12.0, 2.0]), slots_left=np.array([3, 4, 1]),
        max_power_kw=np.array([4.0, 4.0, 2.0]), arrival_slot=np.array([5, 6, 7]), base_kw=np.zeros(4),
        headroom_kw=np.full(4, limit_kw),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "free_kw", "limited_kw"),
    [
        (rules.eager, [4, 4, 2], [4, 1, 0]),
        (rules.average_rate, [4 / 3, 3, 2], [20 / 19, 45 / 19, 30 / 19]),
        (rules.latest_start, [0, 0, 2], [0, 0, 2]),
        (rules.earliest_deadline, [4, 4, 2], [3, 0, 2]),
        (rules.least_laxity, [4, 4, 2], [0, 3, 2]),
        (rules.equal_share, [4, 4, 2], [5 / 3, 5 / 3, 5 / 3]),
    ],
)
def test_rules_by_hand(rule: Callable, free_kw: list[float], limited_kw: list[float]) -> None:
    np.testing.assert_allclose(rule(state_of(np.inf)), free_kw)
    np.testing.assert_allclose(rule(state_of(5.0)), limited_kw)


def test_latest_start_shares_a_limit_in_proportion() -> None:
    state = replace(state_of(3.0), slots_left=np.array([1, 3, 1]))
    np.testing.assert_allclose(rules.latest_start(state), [1.2, 1.2, 0.6])


def test_equals_share_when_they_come_together() -> None:
    state = replace(state_of(5.0), arrival_slot=np.array([5, 5, 5]))
    np.testing.assert_allclose(rules.eager(state), [2.0, 2.0, 1.0])


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30), limit_kw=st.sampled_from([np.inf, 40.0, 15.0]))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("policy", POLICIES)
def test_permuting_vehicles_permutes_powers(
    policy: Callable, seed: int, count: int, limit_kw: float, draw_state: Callable
) -> None:
    rng = np.random.default_rng(seed)
    state: SiteState = draw_state(rng, count, limit_kw)
    power_kw = policy(state)
    swap = rng.permutation(count)
    swapped = replace(
        state,
        remaining_kwh=state.remaining_kwh[swap],
        slots_left=state.slots_left[swap],
        max_power_kw=state.max_power_kw[swap],
        arrival_slot=state.arrival_slot[swap],
    )
    np.testing.assert_allclose(policy(swapped), power_kw[swap], atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30), limit_kw=st.sampled_from([np.inf, 40.0, 15.0]))
@settings(deadline=None, max_examples=30)
@pytest.mark.parametrize("rule", RULES)
def test_rules_keep_bounds_and_limit(
    rule: Callable, seed: int, count: int, limit_kw: float, draw_state: Callable
) -> None:
    state: SiteState = draw_state(np.random.default_rng(seed), count, limit_kw)
    power_kw = rule(state)
    assert (power_kw >= 0.0).all()
    assert (power_kw <= state.wanted_kw).all()
    assert power_kw.sum() <= state.headroom_kw[0] + 1e-9


def test_rules_without_vehicles() -> None:
    nobody = replace(
        state_of(5.0), remaining_kwh=np.zeros(0), slots_left=np.zeros(0, int), max_power_kw=np.zeros(0),
        arrival_slot=np.zeros(0, int),
    )  # fmt: skip
    for policy in POLICIES:
        assert policy(nobody).shape == (0,)
