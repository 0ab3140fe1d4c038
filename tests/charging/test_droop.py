"""The droop controller against Eq. 13-14."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.charging.droop import cap_kw, slope_kw_per_pu, station_caps_kw
from cosim.tables.grid import DroopTable

PAPER = DroopTable()


@pytest.mark.parametrize(
    ("voltage_pu", "power_kw"),
    # 0.948456 is the mean voltage of the IEEE 33-bus feeder without charging: 15 + 700 * 0.048456.
    [(1.0, 50.0), (0.95, 50.0), (0.925, 32.5), (0.9, 15.0), (0.5, 15.0), (0.948456, 48.9192), (math.nan, 15.0)],
)
def test_published_values(voltage_pu: float, power_kw: float) -> None:
    assert cap_kw(voltage_pu, PAPER) == pytest.approx(power_kw, abs=1e-4)


def test_slope_is_alpha() -> None:
    assert slope_kw_per_pu(PAPER) == pytest.approx(700.0)
    assert slope_kw_per_pu(DroopTable(enabled=False)) == 0.0


@given(st.floats(0, 2), st.floats(0, 2))
def test_in_range_and_monotone(one_pu: float, other_pu: float) -> None:
    low, high = sorted([one_pu, other_pu])
    assert 15.0 <= cap_kw(low, PAPER) <= cap_kw(high, PAPER) <= 50.0


def test_without_droop_the_cap_is_the_maximum() -> None:
    assert cap_kw(0.1, DroopTable(enabled=False)) == 50.0


@pytest.mark.parametrize(
    ("voltage", "expected_kw"),
    [("mean", [29.0, 29.0]), ("minimum", [15.0, 15.0]), ("local", [50.0, 29.0])],
)
def test_which_voltage_counts(voltage: str, expected_kw: list[float]) -> None:
    vm_pu = np.array([0.96, 0.92, 0.88, np.nan])
    droop = DroopTable.model_validate({"voltage": voltage})
    caps_kw = station_caps_kw(vm_pu, np.array([0, 1]), droop)
    assert caps_kw == pytest.approx(expected_kw)
