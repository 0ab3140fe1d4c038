"""The projection of Eq. 31 against an independent solver, and the split by laxity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scheduling.projection import project, split_least_laxity
from cosim.scheduling.shield import feasible_box
from cosim.scheduling.site import SiteState

seeds = st.integers(0, 2**32 - 1)


def draw_box(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Powers that are wanted, and a box, in places so narrow that nothing is left to choose."""
    low_kw = rng.uniform(0.0, 2.0, count) * (rng.random(count) < 0.5)
    high_kw = low_kw + rng.uniform(0.0, 5.0, count) * (rng.random(count) < 0.8)
    return rng.normal(2.0, 4.0, count).round(rng.integers(0, 9)), low_kw, high_kw


@given(seed=seeds, count=st.integers(1, 40), share=st.floats(0.01, 0.99))
@settings(deadline=None, max_examples=30)
def test_projection_is_the_qps(seed: int, count: int, share: float, qp_projection: Callable) -> None:
    power_kw, low_kw, high_kw = draw_box(np.random.default_rng(seed), count)
    high_kw += 1e-3  # the solver needs room inside
    total_kw = float((1.0 - share) * low_kw.sum() + share * high_kw.sum())
    ours_kw = project(power_kw, low_kw, high_kw, total_kw)
    np.testing.assert_allclose(ours_kw, qp_projection(power_kw, low_kw, high_kw, total_kw), atol=1e-6)


@given(seed=seeds, count=st.integers(1, 200), share=st.floats(-0.5, 1.5))
@settings(deadline=None, max_examples=200)
def test_projection_keeps_box_and_total_and_is_optimal(seed: int, count: int, share: float) -> None:
    power_kw, low_kw, high_kw = draw_box(np.random.default_rng(seed), count)
    wanted_kw = (1.0 - share) * low_kw.sum() + share * high_kw.sum()
    total_kw = min(max(wanted_kw, low_kw.sum()), high_kw.sum())
    ours_kw = project(power_kw, low_kw, high_kw, wanted_kw)
    assert (low_kw <= ours_kw).all()
    assert (ours_kw <= high_kw).all()
    assert ours_kw.sum() == pytest.approx(total_kw, abs=1e-9)
    # Optimal: who is not at a bound moved by the same amount; who is would have moved further.
    moved_kw = ours_kw - power_kw
    can_fall, can_rise = ours_kw > low_kw, ours_kw < high_kw
    if can_fall.any() and can_rise.any():
        assert moved_kw[can_fall].max() <= moved_kw[can_rise].min() + 1e-9


def test_a_feasible_wish_is_granted() -> None:
    power_kw = np.array([1.0, 2.5, 0.0])
    np.testing.assert_array_equal(project(power_kw, np.zeros(3), np.full(3, 3.0), 3.5), power_kw)


@pytest.mark.parametrize(("total_kw", "expected_kw"), [(-1.0, [0.5, 0.0]), (9.0, [3.0, 2.0]), (3.5, [2.0, 1.5])])
def test_an_impossible_total_becomes_the_nearest(total_kw: float, expected_kw: list[float]) -> None:
    np.testing.assert_allclose(project([1.0, 0.5], [0.5, 0.0], [3.0, 2.0], total_kw), expected_kw)


def test_nobody() -> None:
    assert project([], [], [], 3.0).shape == (0,)


@given(seed=seeds, count=st.integers(1, 60), share=st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=100)
def test_split_leaves_the_greatest_least_laxity(seed: int, count: int, share: float, draw_state: Callable) -> None:
    state: SiteState = draw_state(np.random.default_rng(seed), count)
    box = feasible_box(state)
    total_kw = (1.0 - share) * box.total_low_kw + share * box.total_high_kw
    power_kw = split_least_laxity(state, box.low_kw, box.high_kw, total_kw)
    assert power_kw.sum() == pytest.approx(total_kw, abs=1e-9)
    assert (box.low_kw <= power_kw).all()
    assert (power_kw <= box.high_kw).all()
    missing = state.remaining_kwh / state.slot_h - power_kw
    laxity = state.slots_left - 1 - missing / state.max_power_kw
    # Nobody with more laxity could give power to somebody with less.
    gives, takes = power_kw > box.low_kw + 1e-9, power_kw < box.high_kw - 1e-9
    if gives.any() and takes.any():
        assert laxity[gives].max() <= laxity[takes].min() + 1e-6
