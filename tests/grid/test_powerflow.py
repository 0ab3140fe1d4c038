"""Voltages, flows and losses against published figures, closed forms and pandapower."""

from __future__ import annotations

import copy
import math
import sys

import numpy as np
import pandapower as pp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandapower import networks

from cosim.errors import InputError
from cosim.grid.feeder import Feeder, largest_load_buses
from cosim.grid.powerflow import PowerFlow


def solved_by_pandapower(feeder, buses, power_kw):
    """Return a copy of the net with charging loads, solved by runpp: the independent answer."""
    net = copy.deepcopy(feeder.net)
    for bus, kilowatt in zip(buses, power_kw, strict=True):
        pp.create_load(net, bus, p_mw=kilowatt / 1e3)
    pp.runpp(net, numba=False, lightsim2grid=False, tolerance_mva=1e-9)
    return net


def assert_agrees(flow: PowerFlow, feeder: Feeder, buses, power_kw, atol=1e-8):
    """Everything that the power flow tells equals what runpp tells."""
    solution = flow.solve(power_kw)
    branch = flow.branch_results(solution)
    net = solved_by_pandapower(feeder, buses, power_kw)
    np.testing.assert_allclose(solution.vm_pu, net.res_bus["vm_pu"], rtol=0, atol=atol)
    assert solution.mean_pu == pytest.approx(net.res_bus["vm_pu"].mean(), abs=atol)
    assert solution.deviation_pu() == pytest.approx((1 - net.res_bus["vm_pu"]).abs().mean(), abs=atol)
    lowest, row = solution.minimum()
    assert lowest == solution.vm_pu[row] == pytest.approx(net.res_bus["vm_pu"].min(), abs=atol)
    loading = net.res_line["loading_percent"].where(net.line["in_service"] & (net.line["max_i_ka"] < 1e3))
    np.testing.assert_allclose(branch.line_loading_percent, loading, atol=1e-6, rtol=0)
    np.testing.assert_allclose(branch.line_loss_kw, net.res_line["pl_mw"].fillna(0) * 1e3, atol=1e-6, rtol=0)
    assert branch.losses_kw == pytest.approx((net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()) * 1e3, abs=1e-4)
    assert branch.losses_kvar == pytest.approx(
        (net.res_line.ql_mvar.sum() + net.res_trafo.ql_mvar.sum()) * 1e3, abs=1e-4
    )
    assert branch.slack_kw == pytest.approx(net.res_ext_grid["p_mw"].sum() * 1e3, abs=1e-4)
    assert branch.slack_kvar == pytest.approx(net.res_ext_grid["q_mvar"].sum() * 1e3, abs=1e-4)


def test_base_case_has_the_published_figures(case):
    feeder, expected = case
    flow = PowerFlow(feeder, largest_load_buses(feeder, 5))
    assert (flow.engine, flow.engine_note) == ("lightsim2grid", "")
    base, branch = flow.no_load, flow.branch_results(flow.no_load)
    assert branch.losses_kw == pytest.approx(expected["losses_kw"], abs=expected["losses_tolerance_kw"])
    assert branch.losses_kvar == pytest.approx(expected["losses_kvar"], abs=expected["losses_tolerance_kw"])
    lowest, row = base.minimum()
    assert lowest == pytest.approx(expected["minimum_pu"], abs=expected["minimum_tolerance_pu"])
    assert flow.bus_numbers[row] == expected["minimum_bus"]
    assert base.deviation_pu() == pytest.approx(expected["mean_deviation_pu"], abs=5e-6)
    assert (base.vm_pu < 0.95).sum() == expected["buses_below_0_95_pu"]
    assert (base.converged, base.collapsed) == (True, False)
    assert (flow.solves, flow.nonconverged, flow.collapsed) == (0, 0, 0)


def test_closing_the_ties_gives_the_published_optimum(case):
    feeder, expected = case
    wanted = expected["reconfiguration"]
    net = copy.deepcopy(feeder.net)
    net.line["in_service"] = ~net.line.index.isin(wanted["open"])
    flow = PowerFlow(Feeder("reconfigured", net, "test"), [])
    branch = flow.branch_results(flow.no_load)
    assert branch.losses_kw == pytest.approx(wanted["losses_kw"], abs=0.01)
    assert flow.no_load.minimum()[0] == pytest.approx(wanted["minimum_pu"], abs=5e-5)
    off = np.isin(flow.line_numbers, wanted["open"])
    assert np.isnan(branch.line_loading_percent).tolist() == off.tolist()
    assert (branch.line_loss_kw[off] == 0).all()


def test_pandapowers_own_case_has_the_same_voltages(ieee33):
    theirs = networks.case33bw()
    pp.runpp(theirs, numba=False)
    np.testing.assert_allclose(PowerFlow(ieee33, []).no_load.vm_pu, theirs.res_bus["vm_pu"], atol=1e-8, rtol=0)
    # Its lines are rated 99999 kA, which is to say not at all.
    flow = PowerFlow(Feeder("33bw", theirs, "test"), [17])
    assert np.isnan(flow.branch_results(flow.solve([100.0])).line_loading_percent).all()


@pytest.mark.parametrize("power_kw", [-2000.0, 0.0, 1.0, 3000.0, 15000.0])
def test_two_buses_follow_the_quadratic(two_bus_net, power_kw):
    reactive_mvar = 0.8
    pp.create_load(two_bus_net, 3, p_mw=0.0, q_mvar=reactive_mvar)
    flow = PowerFlow(Feeder("two", two_bus_net, "test"), [3])
    # V^4 + V^2 (2 (P R + Q X) - V0^2) + (P^2 + Q^2) |Z|^2 = 0, in kV, MW and ohm
    p, q, r, x, v0 = power_kw / 1e3, reactive_mvar, 1.0, 0.5, 10.0
    b = 2 * (p * r + q * x) - v0**2
    square = (-b + math.sqrt(b**2 - 4 * (p**2 + q**2) * (r**2 + x**2))) / 2
    solution = flow.solve([power_kw])
    assert solution.vm_pu.tolist() == pytest.approx([1.0, math.sqrt(square) / v0], abs=1e-9)
    ampere_square = (p**2 + q**2) / (3 * square) * 1e6
    branch = flow.branch_results(solution)
    assert branch.losses_kw == pytest.approx(3 * ampere_square * r / 1e3, abs=1e-6)
    assert branch.line_loading_percent[0] == pytest.approx(math.sqrt(ampere_square) / 300 * 100, abs=1e-6)


def test_what_the_external_grid_supplies_is_load_and_losses(case):
    feeder, expected = case
    buses = largest_load_buses(feeder, 5)
    # A station at the slack bus loads no line.
    flow = PowerFlow(feeder, [*buses, 1], base_load_scale=0.8)
    power = [400.0, 0.0, 250.0, 80.0, -60.0, 1000.0]
    branch = flow.branch_results(flow.solve(power))
    assert branch.slack_kw == pytest.approx(0.8 * expected["active_load_kw"] + sum(power) + branch.losses_kw, abs=1e-5)
    assert branch.slack_kvar == pytest.approx(0.8 * expected["reactive_load_kvar"] + branch.losses_kvar, abs=1e-5)
    assert branch.line_loss_kw.sum() == pytest.approx(branch.losses_kw)
    without = flow.branch_results(flow.solve([*power[:-1], 0.0]))
    assert without.losses_kw == pytest.approx(branch.losses_kw, abs=1e-9)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_station_loads_give_pandapowers_answer(case, data):
    feeder, _ = case
    buses = data.draw(st.lists(st.sampled_from(feeder.bus_numbers), min_size=1, max_size=8))
    power = data.draw(st.lists(st.floats(-300, 300), min_size=len(buses), max_size=len(buses)))
    assert_agrees(PowerFlow(feeder, buses), feeder, buses, power)


OTHERS = {
    "open switches, transformers, cables, phase shift": networks.create_cigre_network_mv,
    "generation": lambda: networks.create_cigre_network_mv(with_der="pv_wind"),
    "closed switches between buses": networks.simple_mv_open_ring_net,
    "low voltage": networks.create_cigre_network_lv,
    "voltage-controlled generators": networks.case9,
    "generators, shunts, tap changers": networks.case14,
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_nets_run_on_the_fast_engine_and_agree(name):
    feeder = Feeder("other", OTHERS[name](), "test")
    buses = largest_load_buses(feeder, 2)
    flow = PowerFlow(feeder, buses)
    assert flow.engine == "lightsim2grid", flow.engine_note
    assert_agrees(flow, feeder, buses, [40.0, 25.0])


def test_parts_without_voltage_are_nan_and_count_in_no_mean(ieee33):
    net = copy.deepcopy(ieee33.net)
    net.line.loc[17, "in_service"] = False
    net.bus.loc[22, "in_service"] = False
    feeder = Feeder("cut", net, "test")
    flow = PowerFlow(feeder, [25, 33])
    assert np.isnan(flow.no_load.vm_pu).nonzero()[0].tolist() == [17, 21]
    assert_agrees(flow, feeder, [25, 33], [500.0, 200.0])


def test_loads_that_depend_on_voltage_are_left_to_pandapower(ieee33):
    net = copy.deepcopy(ieee33.net)
    net.load["const_i_p_percent"] = 50.0
    feeder = Feeder("zip", net, "test")
    flow = PowerFlow(feeder, [18, 25])
    assert flow.engine == "pandapower"
    assert flow.engine_note.startswith("pandapower solves this feeder because lightsim2grid's voltages differ")
    assert_agrees(flow, feeder, [18, 25], [500.0, 200.0])
    assert flow.solve([3500.0, 0.0]).collapsed


def test_without_lightsim2grid_pandapower_solves(ieee33, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightsim2grid.network", None)
    flow = PowerFlow(ieee33, [18, 25])
    assert flow.engine == "pandapower"
    assert flow.engine_note.startswith("pandapower solves this feeder because lightsim2grid cannot: import of")
    assert_agrees(flow, ieee33, [18, 25], [500.0, 200.0])


def test_the_same_loads_give_the_same_bits_whatever_came_before(case):
    feeder, _ = case
    buses = largest_load_buses(feeder, 4)
    rng = np.random.default_rng(7)
    loads = rng.uniform(0, 800, (9, 4))
    loads[3] *= 100  # no solution
    loads[7] *= 10
    wanted = [PowerFlow(feeder, buses).solve(power).voltage for power in loads]
    flow = PowerFlow(feeder, buses)
    for row in [*range(9), *rng.integers(0, 9, 60)]:
        assert (flow.solve(loads[row]).voltage == wanted[row]).all()
    again = flow.solve(np.zeros(4))
    np.testing.assert_allclose(again.vm_pu, flow.no_load.vm_pu, rtol=0, atol=1e-12)
    assert (flow.solves, flow.nonconverged > 0) == (70, True)


def test_a_solution_outlives_the_next(ieee33):
    flow = PowerFlow(ieee33, [18])
    first = flow.solve([400.0])
    voltage, vm_pu = first.voltage.copy(), first.vm_pu.copy()
    flow.solve([800.0])
    assert (first.voltage == voltage).all()
    assert (first.vm_pu == vm_pu).all()


def test_stations_at_one_bus_add_up(ieee33):
    shared = PowerFlow(ieee33, [18, 18, 25]).solve([100.0, 200.0, 50.0])
    single = PowerFlow(ieee33, [18, 25]).solve([300.0, 50.0])
    np.testing.assert_allclose(shared.vm_pu, single.vm_pu, rtol=0, atol=1e-12)


def test_base_load_is_scaled_in_both_powers(ieee33):
    net = copy.deepcopy(ieee33.net)
    net.load[["p_mw", "q_mvar"]] *= 0.6
    scaled = PowerFlow(ieee33, [18], base_load_scale=0.6).solve([200.0])
    np.testing.assert_allclose(scaled.vm_pu, PowerFlow(Feeder("x", net, ""), [18]).solve([200.0]).vm_pu, atol=1e-10)
    with pytest.raises(InputError, match=r"^the feeder 'ieee33' has no power flow solution at 5 times its base"):
        PowerFlow(ieee33, [18], base_load_scale=5.0)


def test_no_station_is_allowed(ieee33):
    flow = PowerFlow(ieee33, [])
    assert (flow.solve([]).vm_pu == flow.solve(np.empty(0)).vm_pu).all()
    assert flow.solves == 2


@pytest.mark.parametrize("power", [[1.0], [1.0, 2.0, 3.0], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_loads_that_are_none_are_refused(ieee33, power):
    flow = PowerFlow(ieee33, [18, 25])
    with pytest.raises(ValueError, match="power_kw must be 2 finite numbers, one a station"):
        flow.solve(power)
    assert flow.solves == 0


def test_the_callers_loads_and_net_are_left_alone(ieee33):
    before = copy.deepcopy(ieee33.net)
    flow = PowerFlow(ieee33, [18], base_load_scale=0.5)
    power = np.array([100.0])
    solution = flow.solve(power)
    power[0] = 999.0
    assert solution.power_kw.tolist() == [100.0]
    assert pp.toolbox.nets_equal(before, ieee33.net)


def test_unknown_station_buses_are_refused(ieee33):
    with pytest.raises(InputError, match="the feeder 'ieee33' has no bus '40'"):
        PowerFlow(ieee33, [18, 40])
