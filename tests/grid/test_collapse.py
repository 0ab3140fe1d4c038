"""Loads without a solution: the answer stays finite, steady and monotone."""

from __future__ import annotations

import copy
import sys

import numpy as np
import pytest
from pandapower import networks

from cosim.errors import PowerFlowError
from cosim.grid.collapse import ImpedanceBelow
from cosim.grid.feeder import Feeder
from cosim.grid.powerflow import PowerFlow

WEAK = [("ieee33", 18), ("ieee33", 33), ("ieee69", 65), ("ieee69", 27)]


@pytest.mark.parametrize(("name", "bus"), WEAK)
def test_voltages_fall_steadily_up_to_15_mw_at_a_weak_bus(request, name, bus):
    flow = PowerFlow(request.getfixturevalue(name), [bus])
    loads = np.arange(0.0, 15_001.0, 50.0)
    solutions = [flow.solve([load]) for load in loads]
    deviation = np.array([solution.deviation_pu() for solution in solutions])
    mean = np.array([solution.mean_pu for solution in solutions])
    lowest = np.array([solution.minimum()[0] for solution in solutions])
    step = np.diff(deviation)
    assert np.isfinite(deviation).all()
    assert (step > 0).all()
    assert (np.diff(mean) < 0).all()
    assert (np.diff(lowest) < 0).all()
    # No jump: 50 kW never move the mean by more than a quarter of a percent, nor by twice what the last 50 kW did.
    assert step.max() < 2.7e-3
    assert (step[1:] < 2 * step[:-1]).all()

    collapsed = np.array([solution.collapsed for solution in solutions])
    converged = np.array([solution.converged for solution in solutions])
    assert (collapsed == (lowest < 0.7)).all()
    assert collapsed[~converged].all()
    assert (flow.collapsed, flow.nonconverged) == (collapsed.sum(), (~converged).sum())


def test_solutions_end_where_six_other_methods_end(case):
    feeder, expected = case
    for bus, load in expected["collapse_load_kw"].items():
        flow = PowerFlow(feeder, [int(bus)])
        assert flow.solve([0.995 * load]).converged
        beyond = flow.solve([1.005 * load])
        assert (beyond.converged, beyond.collapsed) == (False, True)


@pytest.mark.parametrize(("name", "bus"), WEAK)
def test_above_the_threshold_the_loads_have_constant_power(request, name, bus):
    flow = PowerFlow(request.getfixturevalue(name), [bus])
    equations = flow._equations
    for load in (0.0, 500.0, 1500.0):
        drawn = np.zeros(len(equations.voltage), dtype=complex)
        drawn[flow._station_nodes[0]] = load / 1e3 / equations.base_mva
        solution = flow.solve([load])
        assert not solution.collapsed
        voltage = ImpedanceBelow(equations, 0.7).solve(drawn)
        np.testing.assert_allclose(voltage, solution.voltage, rtol=0, atol=1e-8)


def test_below_the_threshold_a_load_is_an_impedance(two_bus_net):
    # 50 MW behind 1 + 0.5j ohm at 10 kV: as an impedance of (0.7 * 10)^2 / 50 ohm, a voltage divider.
    flow = PowerFlow(Feeder("two", two_bus_net, "test"), [3])
    solution = flow.solve([50_000.0])
    impedance = 49 / 50
    expected = abs(impedance / (impedance + 1 + 0.5j))
    assert solution.vm_pu[1] == pytest.approx(expected, abs=1e-8)
    branch = flow.branch_results(solution)
    served_kw = expected**2 * 100 / impedance * 1e3
    assert branch.slack_kw == pytest.approx(served_kw + branch.losses_kw, rel=1e-7)


def test_the_threshold_can_be_moved(ieee33):
    mild = PowerFlow(ieee33, [18], collapse_voltage_pu=0.6).solve([2000.0])
    assert (mild.converged, mild.collapsed) == (True, False)
    strict = PowerFlow(ieee33, [18], collapse_voltage_pu=0.8).solve([2000.0])
    assert (strict.converged, strict.collapsed) == (True, True)
    assert strict.minimum()[0] > mild.minimum()[0]


def test_raising_names_the_bus_and_the_loads(ieee33):
    flow = PowerFlow(ieee33, [18, 25], on_collapse="raise")
    assert not flow.solve([1000.0, 0.0]).collapsed
    with pytest.raises(PowerFlowError) as caught:
        flow.solve([2500.0, 100.0])
    assert str(caught.value) == (
        "the feeder 'ieee33' collapses: bus 18 falls to 0.649 pu, below 0.7 pu; "
        "the largest charging loads are 2500 kW at bus 18, 100 kW at bus 25."
    )
    assert (flow.solves, flow.nonconverged, flow.collapsed) == (2, 1, 1)


def test_base_load_may_collapse_by_itself(two_bus_net, ieee33):
    flow = PowerFlow(ieee33, [18], base_load_scale=3.0)
    assert flow.no_load.collapsed
    assert (flow.collapsed, flow.nonconverged) == (0, 0)
    with pytest.raises(PowerFlowError, match="there is no charging load"):
        PowerFlow(ieee33, [], base_load_scale=3.0, on_collapse="raise")


def test_both_engines_collapse_alike(ieee33, monkeypatch):
    fast = PowerFlow(ieee33, [18, 33])
    monkeypatch.setitem(sys.modules, "lightsim2grid.network", None)
    slow = PowerFlow(ieee33, [18, 33])
    assert (fast.engine, slow.engine) == ("lightsim2grid", "pandapower")
    for power in ([1000.0, 200.0], [1950.0, 0.0], [4000.0, 900.0], [100.0, 100.0]):
        ours, theirs = fast.solve(power), slow.solve(power)
        np.testing.assert_allclose(ours.vm_pu, theirs.vm_pu, rtol=0, atol=1e-8)
        assert (ours.converged, ours.collapsed) == (theirs.converged, theirs.collapsed)


def test_generators_give_up_their_voltage():
    net = networks.case9()
    flow = PowerFlow(Feeder("case9", net, "test"), [int(net.load["bus"].iloc[0])])
    solution = flow.solve([500_000.0])
    assert solution.collapsed
    assert np.isfinite(solution.vm_pu).all()
    regulated = flow._equations.regulated
    assert (np.abs(solution.voltage[regulated]) < np.abs(flow.no_load.voltage[regulated])).all()


def test_what_no_impedance_can_help_is_said(ieee33):
    flow = PowerFlow(ieee33, [18])
    with pytest.raises(PowerFlowError, match=r"not even with impedances for the loads below 0\.7 pu"):
        flow.solve([-1e8])


def test_islands_may_collapse_too(ieee33):
    net = copy.deepcopy(ieee33.net)
    net.bus.loc[22, "in_service"] = False
    solution = PowerFlow(Feeder("cut", net, "test"), [18]).solve([5000.0])
    assert solution.collapsed
    assert np.isnan(solution.vm_pu).nonzero()[0].tolist() == [21]
    assert np.isfinite(solution.mean_pu)
