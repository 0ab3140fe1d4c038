"""Feeders of one's own: every kind of source, every kind of element, every fault."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from pandapower import networks
from pandapower.io_utils import to_dict_of_dfs

import cosim
from cosim.coupling import couple
from cosim.errors import InputError
from cosim.grid.checks import net_faults, unsupplied_buses
from cosim.grid.feeder import Feeder, largest_load_buses, load_feeder
from cosim.grid.powerflow import PowerFlow

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases"
TABLES = ROOT / "grids" / "cosim_grids"
MV_CABLE = "NA2XS2Y 1x185 RM/25 12/20 kV"


def to_excel(net, file: Path) -> Path:
    """Write what pandapower.to_excel writes, with the package that reads it."""
    with pd.ExcelWriter(file, engine="openpyxl") as writer:
        for name, table in to_dict_of_dfs(net).items():
            table.to_excel(writer, sheet_name=name)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_feeder(file=file, where="x")
    assert caught.value.exit_status == 2
    message = str(caught.value)
    assert message.startswith("x: ")
    assert file.name in message or f"the feeder '{file.stem}'" in message
    assert "\n" not in message
    return message


def solved(net, buses, power_kw):
    """Return a copy with charging loads, solved by runpp: the independent answer."""
    net = copy.deepcopy(net)
    for bus, kilowatt in zip(buses, power_kw, strict=True):
        pp.create_load(net, bus, p_mw=kilowatt / 1e3)
    pp.runpp(net, numba=False, lightsim2grid=False, tolerance_mva=1e-9)
    return net


# --- Sources ---


def test_excel_gives_the_net_that_was_saved(ieee33, tmp_path):
    mine = load_feeder(file=to_excel(ieee33.net, tmp_path / "mine.xlsx"), where="x")
    assert (mine.name, mine.bus_numbers) == ("mine", ieee33.bus_numbers)
    assert mine.find_bus("bus 18") == 18
    ours = PowerFlow(ieee33, [18, 25]).solve([900.0, 300.0])
    np.testing.assert_allclose(PowerFlow(mine, [18, 25]).solve([900.0, 300.0]).vm_pu, ours.vm_pu, rtol=0, atol=1e-12)


def test_excel_keeps_switches_and_transformers(tmp_path):
    net = networks.create_cigre_network_mv()
    mine = load_feeder(file=to_excel(net, tmp_path / "cigre.xlsx"), where="x")
    flow = PowerFlow(mine, [6, 11])
    wanted = solved(net, [6, 11], [300.0, 200.0])
    np.testing.assert_allclose(flow.solve([300.0, 200.0]).vm_pu, wanted.res_bus["vm_pu"], rtol=0, atol=1e-8)


@pytest.mark.parametrize("ending", ["", "buses.csv", "lines.csv"])
def test_two_tables_by_folder_or_by_one_of_them(ending, ieee69):
    mine = load_feeder(file=TABLES / "ieee69" / ending, where="x")
    assert mine.name == "ieee69"
    assert PowerFlow(mine, []).no_load.vm_pu.tolist() == PowerFlow(ieee69, []).no_load.vm_pu.tolist()


def test_cigre_mv_by_name_with_its_open_switches():
    feeder = load_feeder(name="pandapower:create_cigre_network_mv", where="x")
    assert feeder.source == "pandapower.networks.create_cigre_network_mv"
    assert (~feeder.net.switch["closed"]).sum() == 3
    buses = [feeder.find_bus("Bus 11"), 6, *largest_load_buses(feeder, 1)]
    flow = PowerFlow(feeder, buses)
    assert flow.engine == "lightsim2grid"
    for power in ([0.0, 0.0, 0.0], [900.0, 450.0, 1000.0]):
        solution = flow.solve(power)
        wanted = solved(networks.create_cigre_network_mv(), buses, power)
        np.testing.assert_allclose(solution.vm_pu, wanted.res_bus["vm_pu"], rtol=0, atol=1e-8)
        branch = flow.branch_results(solution)
        np.testing.assert_allclose(branch.line_loading_percent, wanted.res_line["loading_percent"], rtol=0, atol=1e-5)
    closed = copy.deepcopy(feeder.net)
    closed.switch["closed"] = True
    meshed = PowerFlow(Feeder("meshed", closed, ""), buses).no_load.vm_pu
    assert np.abs(meshed - flow.no_load.vm_pu).max() > 0.01, "the switches matter"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "pandapower:create_cigre_network_mw",
            "x: pandapower.networks has no network 'create_cigre_network_mw'; did you mean 'create_cigre_network_mv'",
        ),
        ("pandapower:runpp", "x: pandapower.networks has no network 'runpp'"),
        ("pandapower:__import__", "x: pandapower.networks has no network '__import__'"),
        ("pandapower:zzz", "x: pandapower.networks has no network 'zzz'; it has "),
        (
            "pandapower:create_dickert_lv_feeders",
            "x: pandapower.networks.create_dickert_lv_feeders needs arguments (net, busbar_index); call it yourself",
        ),
        ("pandapower:ieee_european_lv_asymmetric", "has 55 unbalanced elements (asymmetric_load): the power flow is"),
    ],
)
def test_built_in_names_that_cannot_be(name, message):
    with pytest.raises(InputError) as caught:
        load_feeder(name=name, where="x")
    assert message in str(caught.value)


def test_built_in_networks_that_fail(monkeypatch):
    def sorted_from_json():
        raise ValueError("no such thing.\nat all")

    sorted_from_json.__module__ = "pandapower.networks.broken"
    monkeypatch.setattr(networks, "case4gs", sorted_from_json)
    with pytest.raises(InputError, match=r"^x: pandapower\.networks\.case4gs cannot be built: no such thing\.$"):
        load_feeder(name="pandapower:case4gs", where="x")
    none = lambda: None  # noqa: E731
    none.__module__ = "pandapower.networks.broken"
    monkeypatch.setattr(networks, "case4gs", none)
    with pytest.raises(InputError, match=r"case4gs gives a NoneType and no pandapower net\.$"):
        load_feeder(name="pandapower:case4gs", where="x")


def test_simbench_by_its_code(monkeypatch):
    stand_in = SimpleNamespace(
        collect_all_simbench_codes=lambda: ["1-MV-rural--0-sw", "1-MV-urban--0-sw"],
        get_simbench_net=lambda _: networks.create_cigre_network_mv(),
    )
    monkeypatch.setitem(sys.modules, "simbench", stand_in)
    feeder = load_feeder(name="simbench:1-MV-rural--0-sw", where="x")
    assert (feeder.name, feeder.source) == ("simbench:1-MV-rural--0-sw", "SimBench 1-MV-rural--0-sw")
    with pytest.raises(InputError) as caught:
        load_feeder(name="simbench:1-MV-rurl--0-sw", where="x")
    assert str(caught.value).startswith("x: SimBench has no network '1-MV-rurl--0-sw'; did you mean '1-MV-rural--0-sw'")


def test_simbench_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(InputError) as caught:
        load_feeder(name="simbench:1-MV-rural--0-sw", where="x")
    assert "needs the package simbench" in str(caught.value)
    assert str(caught.value).endswith('install it with pip install "cosim-grid[simbench]".')


def test_simbench_itself():
    pytest.importorskip("simbench")
    feeder = load_feeder(name="simbench:1-MV-rural--0-sw", where="x")
    flow = PowerFlow(feeder, largest_load_buses(feeder, 1))
    assert (len(feeder.net.bus), flow.engine) == (97, "lightsim2grid")


# --- Files that are broken ---


def test_a_truncated_json(ieee33, tmp_path):
    file = tmp_path / "cut.json"
    text = pp.to_json(ieee33.net)
    file.write_text(text[: len(text) // 2], encoding="utf-8")
    assert refusal(file) == f"x: '{file}' is not a pandapower JSON file (write one with pandapower.to_json)."


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("builtins", "exec"), ("subprocess", "call")])
def test_no_code_is_run_from_a_json(two_bus_net, tmp_path, module, name):
    document = json.loads(pp.to_json(two_bus_net))
    mark = tmp_path / "mark"
    document["_object"]["extra"] = {"_module": module, "_class": name, "_object": f"touch {mark}"}
    file = tmp_path / "own.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    assert refusal(file).startswith(f"x: pandapower {pp.__version__} cannot read '{file}': ")
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"bus,kind\n1,slack\n", b"PK\x03\x04 and no more"])
def test_an_excel_file_that_is_a_text_file(tmp_path, content):
    file = tmp_path / "own.xlsx"
    file.write_bytes(content)
    assert refusal(file) == (
        f"x: '{file}' is not a pandapower workbook (write one with pandapower.to_excel); it is no Excel file."
    )


def test_a_workbook_of_something_else(tmp_path):
    file = tmp_path / "own.xlsx"
    pd.DataFrame({"a": [1]}).to_excel(file, engine="openpyxl")
    assert refusal(file).endswith("is not a pandapower workbook (write one with pandapower.to_excel); it lacks 'bus'.")


@pytest.mark.parametrize("name", ["own.mat", "own", "own.p", "own.txt"])
def test_kinds_that_are_not_read(tmp_path, name):
    (tmp_path / name).write_bytes(b"{}")
    assert refusal(tmp_path / name).endswith(
        "is of no kind that is read here; allowed: .json, .xlsx, .m, or a folder with buses.csv and lines.csv."
    )


def test_files_that_are_not_there(tmp_path):
    for name in ("none.xlsx", "none.m", "buses.csv"):
        assert refusal(tmp_path / name) == f"x: there is no file '{tmp_path / name}'."


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("buses.csv", (",vn_kv,", ",volts,"), "buses.csv lacks the column vn_kv."),
        ("buses.csv", ("pq,12.66,100.0", "pq,12.66,nan"), "buses.csv line 3: p_kw is 'nan', not a finite number."),
        ("buses.csv", ("\n3,pq", "\n2,pq"), "buses.csv: bus 2 appears more than once."),
        ("buses.csv", ("2,pq,12.66", "2,pq,-1"), "buses.csv: vn_kv of bus 2 is -1; it must be positive."),
        ("buses.csv", ("2,pq,12.66", "2,pq,10"), "lines.csv: line 1 joins buses of 12.66 kV and 10 kV; these tables"),
        ("lines.csv", ("\n4,4,5,", "\n4,4,55,"), "lines.csv: line 4 ends at bus 55, which buses.csv does not have."),
        ("lines.csv", ("\n4,4,5,", "\n4,4,4,"), "lines.csv: line 4 ends where it begins, at bus 4."),
        ("lines.csv", ("0.1941,1,", "0.1941,7,"), "lines.csv: in_service of line 4 is 7; allowed: 0, 1."),
        (
            "lines.csv",
            ("0.1941,1,400", "0.1941,1,400,9"),
            "lines.csv line 5 has more values than the table has columns.",
        ),
        ("lines.csv", ("0.1941,1,400", "0.1941\0"), "lines.csv"),
    ],
)
def test_tables_with_a_fault(tmp_path, file, change, message):
    folder = tmp_path / "own"
    shutil.copytree(TABLES / "ieee33", folder, ignore=shutil.ignore_patterns("__*"))
    text = (folder / file).read_text(encoding="utf-8")
    assert change[0] in text
    (folder / file).write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_feeder(file=folder, where="x")
    assert any(fault.startswith(f"x: {folder}: {message}") for fault in caught.value.faults), caught.value


def test_tables_as_a_spreadsheet_writes_them(tmp_path):
    for name in ("buses.csv", "lines.csv"):
        text = (TABLES / "ieee33" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text("\ufeff" + text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert len(load_feeder(file=tmp_path, where="x").net.bus) == 33
    (tmp_path / "buses.csv").write_text("bus;kind;vn_kv\n1;slack;10\n", encoding="utf-8")
    (tmp_path / "lines.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError) as caught:
        load_feeder(file=tmp_path, where="x")
    semicolons, binary = caught.value.faults
    assert semicolons.endswith("x, y; its values must be separated by commas.")
    assert "lines.csv is no table of comma-separated values (" in binary


# --- Nets that cannot be used ---


def test_all_faults_of_feeder_and_stations_at_once(tmp_path):
    net = networks.create_cigre_network_mv()
    net.switch.loc[net.switch.index[-1], "closed"] = False
    net.line.loc[net.line["to_bus"] == 5, "in_service"] = False
    pp.create_ext_grid(net, 3)
    pp.create_asymmetric_load(net, 3, p_a_mw=0.1)
    net.load.loc[0, "bus"] = 77
    pp.to_json(net, tmp_path / "own.json")
    scenario = cosim.load_scenario(
        "nguyen-dupuis",
        **{"grid.file": str(tmp_path / "own.json"), "station.CS1.bus": "Bus 99", "station.CS2.edge": "none"},
    )
    with pytest.raises(InputError) as caught:
        couple(scenario, "a.toml")
    faults = "\n".join(caught.value.faults)
    assert "a.toml: [grid]: the feeder 'own' has 2 external grids in service (at buses 0, 3)" in faults
    assert "has 1 unbalanced elements (asymmetric_load)" in faults
    assert "has elements at buses that do not exist: load.bus names 77." in faults
    assert "a.toml: [[station]] 'CS1' bus: the feeder 'own' has no bus 'Bus 99'; did you mean 'Bus 9'?" in faults
    assert "a.toml: [[station]] 'CS2' edge" in faults


def test_islands_with_something_on_them_are_refused(ieee33):
    net = copy.deepcopy(ieee33.net)
    net.line.loc[16, "in_service"] = False
    pp.create_sgen(net, 18, 0.1)
    assert unsupplied_buses(net) == {17, 18}
    loads, generators = net_faults(net)
    assert loads == (
        "has elements (load) in service at buses 17, 18, which no external grid supplies; close what cuts them off, or "
        "switch the elements or their buses off."
    )
    assert generators.startswith("has elements (sgen) in service at bus 18, ")
    net.bus.loc[[17, 18], "in_service"] = False
    assert net_faults(net) == []


def test_stations_need_supply(ieee33, tmp_path):
    net = copy.deepcopy(ieee33.net)
    net.bus.loc[18, "in_service"] = False
    pp.to_json(net, tmp_path / "own.json")
    scenario = cosim.load_scenario(
        "nguyen-dupuis", **{"grid.file": str(tmp_path / "own.json"), "station.CS1.bus": 18, "station.CS2.bus": 40}
    )
    with pytest.raises(InputError) as caught:
        couple(scenario, "a.toml")
    assert caught.value.faults == (
        "a.toml: [[station]] 'CS1' bus: bus 18 of the feeder 'own' is out of service or isolated: no station can stand "
        "there.",
        "a.toml: [[station]] 'CS2' bus: the feeder 'own' has no bus '40'; its buses are numbered 1 to 33.",
    )


def test_largest_loads_may_be_asked_for_by_name():
    rule = {f"station.CS{number}.bus": "largest-loads" for number in range(1, 6)}
    buses = {station.id: station.bus for station in couple(cosim.load_scenario("nguyen-dupuis", **rule)).stations}
    assert buses == {"CS1": 24, "CS2": 25, "CS3": 32, "CS4": 7, "CS5": 8}
    mixed = cosim.load_scenario("nguyen-dupuis", **rule | {"station.CS1.bus": 32})
    assert [station.bus for station in couple(mixed).stations] == [32, 24, 25, 7, 8]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("panda:case9", "unknown grid 'panda:case9'; allowed: 'ieee33', 'ieee69', "),
        (
            "pandapower:",
            "unknown grid 'pandapower:'; allowed: 'ieee33', 'ieee69', 'pandapower:create_cigre_network_mv'",
        ),
    ],
)
def test_names_with_a_colon_are_checked_with_the_scenario(name, message):
    with pytest.raises(InputError) as caught:
        cosim.load_scenario("nguyen-dupuis", grid=name)
    assert message in str(caught.value)
    assert "'simbench:1-MV-rural--0-sw'" in str(caught.value)


# --- Elements ---


def feeder_net():
    """Return a 110/20/0.4 kV feeder of cables with loads at buses 2 to 5."""
    net = pp.create_empty_network()
    for number, volt_kv in enumerate((110.0, 20.0, 20.0, 20.0, 20.0, 0.4)):
        pp.create_bus(net, volt_kv, name=f"bus {number}")
    pp.create_ext_grid(net, 0, vm_pu=1.02)
    pp.create_transformer(net, 0, 1, "25 MVA 110/20 kV")
    for first in (1, 2, 3):
        pp.create_line(net, first, first + 1, 4.0, MV_CABLE)
    pp.create_transformer(net, 4, 5, "0.63 MVA 20/0.4 kV")
    for bus, megawatt in ((2, 2.0), (3, 1.0), (4, 0.8), (5, 0.2)):
        pp.create_load(net, bus, megawatt, megawatt / 3)
    return net


def add_three_windings(net):
    at = [pp.create_bus(net, volt_kv) for volt_kv in (20.0, 10.0)]
    pp.create_transformer3w(net, 0, *at, "63/25/38 MVA 110/20/10 kV", tap_pos=3)
    for bus in at:
        pp.create_load(net, bus, 1.0)


def add_open_trafo_switch(net):
    pp.create_transformer(net, 4, 5, "0.63 MVA 20/0.4 kV")
    pp.create_switch(net, 4, 2, "t", closed=False)


def add_open_line_switch(net):
    pp.create_line(net, 1, 4, 5.0, MV_CABLE)
    pp.create_switch(net, 1, 3, "l", closed=False)


def add_bus_switch(net, z_ohm=0.0):
    behind = pp.create_bus(net, 20.0)
    pp.create_switch(net, 4, behind, "b", z_ohm=z_ohm)
    pp.create_load(net, behind, 0.5)


def add_phase_shifter(net):
    columns = ["tap_changer_type", "tap_step_percent", "tap_step_degree", "tap_pos"]
    net.trafo.loc[0, columns] = ["Ideal", np.nan, 2.0, 3]


def add_limited_generator(net):
    pp.create_gen(net, 4, 1.5, vm_pu=1.05, max_q_mvar=0.1, min_q_mvar=-0.1)
    pp.set_user_pf_options(net, enforce_q_lims=True)


def add_taps(net):
    net.trafo["tap_pos"] = [-4, 2]


def add_parallel_cables(net):
    net.line.loc[1, ["parallel", "df"]] = [2, 0.8]


def add_voltage_dependence(net):
    pp.create_load(net, 3, 0.5, 0.1, const_z_p_percent=50, const_i_p_percent=20)


ELEMENTS: dict[str, tuple[str, Callable[..., object]]] = {
    "voltage-controlled generator": ("lightsim2grid", lambda net: pp.create_gen(net, 4, 1.5, vm_pu=1.0)),
    "generator at its limits": ("pandapower", add_limited_generator),
    "tap changers": ("lightsim2grid", add_taps),
    "phase shifter": ("lightsim2grid", add_phase_shifter),
    "three windings": ("lightsim2grid", add_three_windings),
    "open line switch": ("lightsim2grid", add_open_line_switch),
    "open transformer switch": ("lightsim2grid", add_open_trafo_switch),
    "bus switch": ("lightsim2grid", add_bus_switch),
    "bus switch with impedance": ("lightsim2grid", lambda net: add_bus_switch(net, z_ohm=0.5)),
    "PV": ("lightsim2grid", lambda net: pp.create_sgen(net, 4, 3.0, 0.5, scaling=0.8)),
    "storage": ("lightsim2grid", lambda net: pp.create_storage(net, 3, -0.7, 1.0, q_mvar=0.1)),
    "shunt": ("lightsim2grid", lambda net: pp.create_shunt(net, 3, q_mvar=-1.0, p_mw=0.05, step=2)),
    "ward": ("lightsim2grid", lambda net: pp.create_ward(net, 3, 0.3, 0.1, 0.2, 0.1)),
    "extended ward": ("lightsim2grid", lambda net: pp.create_xward(net, 3, 0.3, 0.1, 0.2, 0.1, 0.5, 1.0, 1.0)),
    "impedance": ("lightsim2grid", lambda net: pp.create_impedance(net, 2, 4, 0.02, 0.05, 20.0)),
    "impedance with two faces": (
        "pandapower",
        lambda net: pp.create_impedance(net, 2, 4, 0.02, 0.05, 20.0, rtf_pu=0.03, xtf_pu=0.06),
    ),
    "motor": ("lightsim2grid", lambda net: pp.create_motor(net, 3, 0.5, 0.9, loading_percent=80)),
    "DC line": ("lightsim2grid", lambda net: pp.create_dcline(net, 1, 4, 0.5, 1.0, 0.01, 1.0, 1.0)),
    "parallel cables": ("lightsim2grid", add_parallel_cables),
    "loads that depend on voltage": ("pandapower", add_voltage_dependence),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_kind_of_element_gives_pandapowers_answer(name):
    engine, add = ELEMENTS[name]
    net = feeder_net()
    add(net)
    assert net_faults(net) == []
    buses = [2, 5, 4]
    flow = PowerFlow(Feeder("own", net, "test"), buses)
    assert flow.engine == engine, flow.engine_note
    assert bool(flow.engine_note) == (engine == "pandapower"), "the run says why"
    for power in ([900.0, 120.0, -300.0], [2000.0, 200.0, 2500.0]):
        solution = flow.solve(power)
        branch = flow.branch_results(solution)
        wanted = solved(net, buses, power)
        np.testing.assert_allclose(solution.vm_pu, wanted.res_bus["vm_pu"], rtol=0, atol=1e-8)
        np.testing.assert_allclose(branch.line_loading_percent, wanted.res_line["loading_percent"], rtol=0, atol=1e-5)
        assert branch.slack_kw == pytest.approx(wanted.res_ext_grid["p_mw"].sum() * 1e3, abs=1e-3)
        assert branch.slack_kvar == pytest.approx(wanted.res_ext_grid["q_mvar"].sum() * 1e3, abs=1e-3)


def test_lines_without_rating_have_no_loading(tmp_path):
    net = feeder_net()
    net.line["max_i_ka"] = [np.nan, 0.0, 99999.0]
    some = PowerFlow(Feeder("own", net, "test"), [3])
    del net.line["max_i_ka"]
    pp.to_json(net, tmp_path / "own.json")
    none = PowerFlow(load_feeder(file=tmp_path / "own.json", where="x"), [3])
    for flow in (some, none):
        branch = flow.branch_results(flow.solve([500.0]))
        assert np.isnan(branch.line_loading_percent).all()
        assert branch.line_loss_kw.min() > 0


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("load", "in_service", "yes", "has values of load.in_service that are neither true nor false, at 0."),
        ("load", "in_service", None, "has tables that are incomplete or of other types than pandapower's own: "),
        ("line", "length_km", "long", "has tables that are incomplete or of other types than pandapower's own: "),
        ("load", "p_mw", None, "has numbers that are missing or not finite: load.p_mw of all."),
    ],
)
def test_tables_of_a_net_that_are_incomplete(table, column, value, message):
    net = feeder_net()
    if value is None:
        del net[table][column]
    else:
        net[table][column] = net[table][column].astype(object)
        net[table].loc[0, column] = value
    (fault,) = net_faults(net)
    assert fault.startswith(message)


def test_an_impedance_that_is_no_number(tmp_path):
    net = feeder_net()
    net.line.loc[1, "r_ohm_per_km"] = np.nan
    pp.to_json(net, tmp_path / "own.json")
    assert refusal(tmp_path / "own.json") == (
        "x: the feeder 'own' has numbers that are missing or not finite: line.r_ohm_per_km of 1."
    )
