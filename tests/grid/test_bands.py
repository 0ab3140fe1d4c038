"""Voltage bands: what is outside, and what is outside because of charging."""

from __future__ import annotations

import numpy as np

from cosim.grid.bands import new_violations, violations, voltage_band
from cosim.grid.feeder import Feeder
from cosim.grid.powerflow import PowerFlow


def test_band_comes_from_the_net_or_the_standard(ieee33, two_bus_net):
    low, high = voltage_band(ieee33)
    assert (low == 0.9).all()
    assert (high == 1.1).all()
    two_bus_net.bus["min_vm_pu"] = [0.95, np.nan]
    low, high = voltage_band(Feeder("two", two_bus_net, "test"))
    assert (low.tolist(), high.tolist()) == ([0.95, 0.9], [1.1, 1.1])


def test_only_buses_beyond_the_band_violate_it():
    vm = np.array([0.899, 0.9, 1.0, 1.1, 1.101, np.nan])
    assert violations(vm, 0.9, 1.1).tolist() == [True, False, False, False, True, False]


def test_what_was_outside_before_is_not_new():
    base = np.array([0.94, 0.96, 0.96, np.nan])
    now = np.array([[0.93, 0.94, 0.96, np.nan], [0.96, 0.97, 1.06, np.nan]])
    assert new_violations(now, base, 0.95, 1.05).tolist() == [
        [False, True, False, False],
        [False, False, True, False],
    ]


def test_charging_at_the_end_of_the_feeder_adds_violations(ieee33):
    flow = PowerFlow(ieee33, [18])
    low, high = voltage_band(ieee33)
    assert not violations(flow.no_load.vm_pu, low, high).any()
    new = new_violations(flow.solve([500.0]).vm_pu, flow.no_load.vm_pu, low, high)
    assert flow.bus_numbers[new].tolist() == [*range(13, 19)]
