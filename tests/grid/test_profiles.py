"""Base load and generation over the day, against pandapower with the loads of the instant put in by hand."""

from __future__ import annotations

import copy
import csv
import math
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest

import cosim.grid
from cosim.errors import InputError
from cosim.grid.feeder import Feeder
from cosim.grid.powerflow import PowerFlow
from cosim.grid.profile_plan import vary_base
from cosim.grid.profile_series import read_series
from cosim.grid.profiles import base_load
from cosim.tables.grid import ProfileTable

DAY_S = 86_400
COMMERCIAL = (7, 24, 25)
STATIONS, POWER_KW = (24, 1), (300.0, 40.0)
NOON_S, EVENING_S = 43_200 + 120, 71_100
#: Two steps' borders among them, the valley, noon, the evening's peak, and the second day.
INSTANTS_S = (0, 899, 900, 12_000, NOON_S, EVENING_S, DAY_S - 1, DAY_S + NOON_S)


def shares(kind: str, column: str) -> list[float]:
    """Read a shipped shape by other means than the code does."""
    text = (Path(cosim.grid.__file__).parent / "shapes" / f"{kind}.csv").read_text()
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return [float(row[column]) for row in rows]


def share_at(kind: str, column: str, time_s: float) -> float:
    return shares(kind, column)[int(time_s % DAY_S) // 900]


def varied(feeder: Feeder, *tables: dict, end_s: int = 3600, scale: float = 1.0, stations=STATIONS) -> PowerFlow:
    own, base = vary_base([ProfileTable(**table) for table in tables], feeder, end_s=end_s, label="a.toml")
    return PowerFlow(own, stations, base=base, base_load_scale=scale)


MIXED = (
    {"shape": "commercial", "buses": COMMERCIAL},
    {"shape": "residential"},
    {"kind": "pv", "shape": "clear-sky", "buses": [18, 1], "peak_kw": 400},
)


def by_hand(feeder: Feeder, time_s: float, *, pv: bool = True, scale: float = 1.0):
    """Return the net of an instant with the loads of MIXED, solved by runpp."""
    net = copy.deepcopy(feeder.net)
    for row, bus in net.load["bus"].items():
        share = share_at("load", "commercial" if bus in COMMERCIAL else "residential", time_s)
        net.load.loc[row, ["p_mw", "q_mvar"]] *= share * scale
    for bus in (18, 1) if pv else ():
        pp.create_sgen(net, bus, p_mw=0.4 * share_at("pv", "clear-sky", time_s))
    for bus, kilowatt in zip(STATIONS, POWER_KW, strict=True):
        pp.create_load(net, bus, p_mw=kilowatt / 1e3)
    pp.runpp(net, numba=False, lightsim2grid=False, tolerance_mva=1e-10)
    return net


@pytest.fixture(scope="module")
def mixed(ieee33) -> PowerFlow:
    return varied(ieee33, *MIXED)


@pytest.mark.parametrize("column", ["residential", "commercial", "clear-sky"])
def test_shipped_shapes_are_days_with_a_peak_of_one(column):
    values = shares("pv" if column == "clear-sky" else "load", column)
    assert len(values) == 96
    assert max(values) == 1.0
    assert min(values) >= 0.0


def test_night_has_no_sun_and_noon_has_all():
    values = shares("pv", "clear-sky")
    assert not any(values[:24] + values[72:])
    assert all(values[24:72])
    assert values == pytest.approx(values[::-1])
    assert max(values) == values[48]


@pytest.mark.parametrize("time_s", INSTANTS_S)
def test_voltages_losses_and_supply_are_those_of_runpp_with_the_loads_of_the_instant(mixed, ieee33, time_s):
    assert mixed.engine == "lightsim2grid"
    solution = mixed.solve(POWER_KW, time_s)
    branch = mixed.branch_results(solution)
    net = by_hand(ieee33, time_s)
    np.testing.assert_allclose(solution.vm_pu, net.res_bus["vm_pu"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(branch.line_loss_kw, net.res_line["pl_mw"].fillna(0) * 1e3, rtol=0, atol=1e-6)
    assert branch.slack_kw == pytest.approx(net.res_ext_grid["p_mw"].sum() * 1e3, abs=1e-4)
    assert branch.slack_kvar == pytest.approx(net.res_ext_grid["q_mvar"].sum() * 1e3, abs=1e-4)


def test_energy_is_balanced(mixed, ieee33):
    """What the external grid and the sun give is what loads, charging and losses take."""
    for time_s in INSTANTS_S:
        branch = mixed.branch_results(mixed.solve(POWER_KW, time_s))
        load = ieee33.net.load
        drawn_kw = sum(
            kilowatt * share_at("load", "commercial" if bus in COMMERCIAL else "residential", time_s)
            for bus, kilowatt in zip(load["bus"], load["p_mw"] * 1e3, strict=True)
        )
        sun_kw = 2 * 400 * share_at("pv", "clear-sky", time_s)
        assert branch.slack_kw + sun_kw == pytest.approx(drawn_kw + sum(POWER_KW) + branch.losses_kw, abs=1e-4)


def test_the_sun_raises_the_voltage_and_is_not_there_at_night(mixed, ieee33):
    dark = varied(ieee33, *MIXED[:2])
    for time_s in (0, EVENING_S):
        np.testing.assert_allclose(
            mixed.solve(POWER_KW, time_s).vm_pu, dark.solve(POWER_KW, time_s).vm_pu, rtol=0, atol=1e-12
        )
    raised = mixed.solve(POWER_KW, NOON_S).vm_pu - dark.solve(POWER_KW, NOON_S).vm_pu
    assert raised[0] == 0.0
    assert (raised[1:] > 0).all()
    assert ieee33.bus_numbers[int(raised.argmax())] == 18


def test_at_the_peak_of_the_shape_the_feeder_is_the_published_one(ieee33):
    flow = varied(ieee33, {"shape": "residential"})
    np.testing.assert_allclose(flow.no_load_at(EVENING_S).vm_pu, flow.no_load.vm_pu, rtol=0, atol=1e-12)
    assert flow.no_load.vm_pu.tolist() == PowerFlow(ieee33, STATIONS).no_load.vm_pu.tolist()
    lowest = [flow.no_load_at(time_s).minimum()[0] for time_s in range(0, DAY_S, 900)]
    assert min(lowest) == lowest[EVENING_S // 900]


def test_a_solution_depends_on_loads_and_instant_alone(ieee33, mixed):
    again = varied(ieee33, *MIXED)
    there = [mixed.solve(POWER_KW, time_s).vm_pu.tolist() for time_s in INSTANTS_S]
    back = [again.solve(POWER_KW, time_s).vm_pu.tolist() for time_s in reversed(INSTANTS_S)]
    assert there == back[::-1]
    assert there[4] == there[-1], "midnight begins the same day again"
    assert there[0] == there[1] != there[2]
    solution = mixed.solve(POWER_KW, NOON_S)
    assert mixed.no_load_of(solution).vm_pu.tolist() == mixed.solve([0.0, 0.0], NOON_S).vm_pu.tolist()
    with pytest.raises(ValueError, match="time_s is needed"):
        mixed.solve(POWER_KW)


def test_base_load_is_scaled_and_generation_is_not(ieee33):
    flow = varied(ieee33, *MIXED, scale=0.7)
    net = by_hand(ieee33, NOON_S, scale=0.7)
    np.testing.assert_allclose(flow.solve(POWER_KW, NOON_S).vm_pu, net.res_bus["vm_pu"], rtol=0, atol=1e-9)


def test_what_a_site_controller_is_told(ieee33):
    own, base = vary_base([ProfileTable(**table) for table in MIXED], ieee33, end_s=DAY_S, label="a.toml")
    at_24, at_18, whole = (base_load(own, base, 0.5, bus) for bus in (24, 18, None))
    for time_s in (*INSTANTS_S, DAY_S + EVENING_S):
        residential, commercial = (share_at("load", column, time_s) for column in ("residential", "commercial"))
        sun_kw = 400 * share_at("pv", "clear-sky", time_s)
        assert at_24.at(time_s) == pytest.approx(0.5 * 420 * commercial, abs=1e-9)
        assert at_18.at(time_s) == pytest.approx(0.5 * 90 * residential - sun_kw, abs=1e-9)
        total_kw = 0.5 * (1040 * commercial + (3715 - 1040) * residential) - 2 * sun_kw
        assert whole.at(time_s) == pytest.approx(total_kw, abs=1e-9)
    assert at_24.next_change_s(0.0) == 900.0
    assert base_load(ieee33, None, 0.5, 24).at(1e9) == 210.0


def test_a_feeder_that_only_pandapower_solves(two_bus_net):
    """Loads that depend on voltage: their stated power varies, and pandapower's answer is kept."""
    pp.create_load(two_bus_net, 3, 2.0, 0.5, const_z_p_percent=60, const_z_q_percent=60)
    pp.create_sgen(two_bus_net, 3, p_mw=1.0, q_mvar=0.2, scaling=0.5)
    feeder = Feeder("mine", two_bus_net, "")
    flow = varied(
        feeder, {"shape": "commercial"}, {"kind": "pv", "shape": "clear-sky", "buses": [3]}, stations=[3], end_s=0
    )
    assert flow.engine == "pandapower"
    for time_s in (0, NOON_S):
        net = copy.deepcopy(two_bus_net)
        net.load[["p_mw", "q_mvar"]] *= share_at("load", "commercial", time_s)
        net.sgen[["p_mw", "q_mvar"]] *= share_at("pv", "clear-sky", time_s)
        pp.create_load(net, 3, p_mw=0.3)
        pp.runpp(net, numba=False, lightsim2grid=False)
        np.testing.assert_allclose(flow.solve([300.0], time_s).vm_pu, net.res_bus["vm_pu"], rtol=0, atol=1e-8)


def test_below_the_collapse_voltage_the_base_of_the_instant_counts(two_bus_net, write):
    """A share of 2 is twice the load, also where loads become impedances."""
    pp.create_load(two_bus_net, 3, 6.0, 2.0)
    feeder = Feeder("mine", two_bus_net, "")
    flow = varied(feeder, {"file": write("time,share\n00:00,1\n12:00,2\n")}, stations=[3])
    twice = PowerFlow(feeder, [3], base_load_scale=2.0)
    for load_kw in (0.0, 4000.0, 12_000.0):
        mine, theirs = flow.solve([load_kw], NOON_S), twice.solve([load_kw])
        assert (mine.converged, mine.collapsed) == (theirs.converged, theirs.collapsed)
        np.testing.assert_allclose(mine.vm_pu, theirs.vm_pu, rtol=0, atol=1e-7)
    assert mine.collapsed


# ---- files


@pytest.fixture
def write(tmp_path):
    def make(text: str) -> str:
        path = tmp_path / "day.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return make


def loads_kw(flow: PowerFlow, feeder: Feeder, bus: int, time_s: float) -> float:
    return base_load(feeder, flow.base, 1.0, bus).at(time_s)


def test_shares_peaks_and_kilowatts_of_a_file(ieee33, write):
    file = write("# mine\ntime_s,school,shop\n0,20,1\n43200,40,3\n")
    for unit, morning_kw, evening_kw in (("share", 420 * 20, 420 * 40), ("peak", 210, 420), ("kw", 20, 40)):
        table = ProfileTable(file=file, column="school", buses=[24], unit=unit)
        _, base = vary_base([table], ieee33, end_s=0, label="a.toml")
        load = base_load(ieee33, base, 1.0, 24)
        assert (load.at(0.0), load.at(NOON_S)) == (pytest.approx(morning_kw), pytest.approx(evening_kw))
        assert base_load(ieee33, base, 1.0, 25).at(NOON_S) == pytest.approx(420), "no profile, no change"
    assert base.power_mva["load"][-1, 22] == pytest.approx(0.040 + 1j * 0.040 * 200 / 420), "the power factor stays"


def test_columns_that_are_named_after_buses(ieee33, write):
    file = write("time,24,18\n00:00,10,1\n06:00,20,2\n12:00,30,3\n18:00,40,4\n")
    both = varied(ieee33, {"file": file, "unit": "kw"}, {"shape": "constant"})
    assert [loads_kw(both, ieee33, 24, h * 3600) for h in (5, 6, 13, 20)] == pytest.approx([10, 20, 30, 40])
    assert [loads_kw(both, ieee33, 18, h * 3600) for h in (5, 6, 13, 20)] == pytest.approx([1, 2, 3, 4])
    one = varied(ieee33, {"file": file, "unit": "kw", "buses": [18]})
    assert loads_kw(one, ieee33, 24, 0) == pytest.approx(420)
    assert loads_kw(one, ieee33, 18, 0) == pytest.approx(1)


def test_measured_generation_and_the_day_to_begin_with(ieee33, write):
    file = write("time_s,roof\n0,0\n43200,50\n86400,0\n129600,70\n")
    for first_day, noons_kw in ((1, [50, 70]), (2, [70, 50])):
        table = ProfileTable(kind="pv", file=file, unit="kw", buses=[18], first_day=first_day)
        own, base = vary_base([table], ieee33, end_s=2 * DAY_S, label="a.toml")
        load = base_load(own, base, 1.0, 18)
        assert [90 - load.at(day * DAY_S + NOON_S) for day in (0, 1)] == pytest.approx(noons_kw)
        assert len(own.net.sgen) == 1
    assert len(ieee33.net.sgen) == 0, "the feeder itself is left alone"


def test_series_of_different_steps_go_together(ieee33, write):
    file = write("time,a\n" + "".join(f"{k // 6:02d}:{k % 6 * 10:02d},{k}\n" for k in range(144)))
    flow = varied(ieee33, {"file": file, "buses": [18]}, {"shape": "residential"})
    assert flow.base.step_s == math.gcd(600, 900)
    assert loads_kw(flow, ieee33, 18, 3599) == pytest.approx(90 * 5)
    assert loads_kw(flow, ieee33, 24, 900) == pytest.approx(420 * shares("load", "residential")[1])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "it is empty"),
        ("hour,a\n0,1\n", "the columns are hour, a; the first must be time_s or time"),
        ("time_s\n0\n", "the first must be time_s or time, and each other one have a name"),
        ("time,a,a\n00:00,1,1\n", "column 'a' is there twice"),
        ("time,a\n", "it has no rows below its header"),
        ("time,a\n00:00,1\n12:00\n", "row 2 has 1 values; there are 2 columns"),
        ("time,a\n00:00,1\n12:00,much\n", "row 2: a = 'much' must be a finite number"),
        ("time,a\n00:00,1\n12:00,nan\n", "row 2: a = 'nan' must be a finite number"),
        ("time,a\n0 h,1\n", "row 1: time = '0 h' must be HH:MM or HH:MM:SS"),
        ("time,a\n25:00,1\n", "row 1: time = '25:00' must be HH:MM or HH:MM:SS"),
        ("time_s,a\n0.5,1\n", "row 1: time_s = '0.5' must be a whole number of seconds"),
        ("time,a\n06:00,1\n18:00,1\n", "row 1: time = '06:00', expected 0 s: the rows are steps of equal length"),
        ("time,a\n00:00,1\n06:00,1\n18:00,1\n", "row 3: time = '18:00', expected 43200 s"),
        ("time,a\n00:00,1\n06:00,1\n", "its 2 rows of 21600 s are 43200 s; whole days of 86400 s are needed"),
        ("time_s,a\n0,1\n30,1\n", "its rows are 30 s apart; whole minutes are needed"),
    ],
)
def test_broken_files_are_told_in_a_sentence(write, text, wanted):
    path = Path(write(text))
    with pytest.raises(InputError) as caught:
        read_series(path, "a.toml: [[profile]] number 1 file")
    assert len(caught.value.faults) == 1
    assert caught.value.faults[0].startswith(f"a.toml: [[profile]] number 1 file: {path}: ")
    assert wanted in caught.value.faults[0]
    assert caught.value.faults[0].endswith(".")


def test_a_missing_file_and_one_that_is_no_text(tmp_path):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_series(path, "here")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_series(tmp_path / "bytes.csv", "here")


@pytest.mark.parametrize(
    ("tables", "wanted"),
    [
        ([{"shape": "commercial", "buses": [99]}], ["number 1 buses: the feeder 'ieee33' has no bus '99'"]),
        ([{"shape": "commercial", "buses": [18, 18]}], ["number 1 buses: bus 18 is given twice."]),
        ([{"shape": "commercial", "buses": [1]}], ["number 1 buses: bus 1 of the feeder 'ieee33' has no load."]),
        (
            [{"shape": "commercial", "buses": [18]}, {"shape": "constant", "buses": [18]}],
            ["number 2: bus 18 already has a profile, by [[profile]] number 1."],
        ),
        ([{"shape": "commercial"}, {"shape": "constant"}], ["number 2: the feeder 'ieee33' has no load that another"]),
        (
            [{"kind": "pv", "shape": "clear-sky", "buses": [18]}],
            ["bus 18 of the feeder 'ieee33' has no static generator; give peak_kw to put one there."],
        ),
        ([{"kind": "pv", "shape": "clear-sky"}], ["the feeder 'ieee33' has no static generator that another"]),
        ([{"shape": "simbench"}], ["number 1 shape: the feeder 'ieee33' has no profiles of SimBench"]),
        (
            [{"shape": "commercial", "buses": ["x"]}, {"file": "none.csv", "buses": [40]}],
            ["number 1 buses: the feeder", "number 2 buses: the feeder", "number 2 file: none.csv cannot be read"],
        ),
    ],
)
def test_tables_that_do_not_fit_the_feeder(ieee33, tables, wanted):
    with pytest.raises(InputError) as caught:
        varied(ieee33, *tables)
    assert len(caught.value.faults) == len(wanted)
    for fault, part in zip(caught.value.faults, wanted, strict=True):
        assert fault.startswith("a.toml: [[profile]] number ")
        assert part in fault


def test_columns_that_do_not_fit(ieee33, write):
    file = write("time,18,19\n00:00,0,1\n")
    for table, wanted in (
        ({"column": "20"}, "number 1 column: .*no column '20'; allowed: '18', '19'"),
        ({"buses": [20]}, "the file has no column for bus 20"),
        ({"column": "18", "unit": "peak"}, "unit: the largest value of '18' is not above 0"),
        ({"column": "19", "unit": "kw", "buses": [18, 1]}, "bus 1 of the feeder 'ieee33' has no load"),
    ):
        with pytest.raises(InputError, match=wanted):
            varied(ieee33, {"file": file} | table)
    with pytest.raises(InputError, match=r"column 'a' \(no column is chosen\): the feeder 'ieee33' has no bus 'a'"):
        varied(ieee33, {"file": write("time,a,18\n00:00,0,1\n")})
    with pytest.raises(InputError, match="column 'bus 18' is a second one for bus 18"):
        varied(ieee33, {"file": write("time,18,bus 18\n00:00,0,1\n")})
    idle = copy.deepcopy(ieee33.net)
    idle.load.loc[idle.load["bus"] == 18, "p_mw"] = 0.0
    with pytest.raises(InputError, match="unit: at bus 18 the stated load is not above 0 kW"):
        varied(Feeder("idle", idle, ""), {"file": write("time,a\n00:00,1\n"), "unit": "kw", "buses": [18]})


def test_a_run_that_ends_after_a_year(ieee33):
    with pytest.raises(InputError, match=r"a.toml: \[\[profile\]\]: the run may last until day 401 .* to day 366"):
        varied(ieee33, {"shape": "constant"}, end_s=400 * DAY_S)


# ---- SimBench


def test_profiles_that_came_with_a_net(two_bus_net):
    """Tables as SimBench lays them out, of two days."""
    import pandas as pd

    pp.create_load(two_bus_net, 3, 1.0, 0.5)
    pp.create_load(two_bus_net, 3, 2.0, 0.5)
    pp.create_sgen(two_bus_net, 3, 1.5, 0.1)
    pp.create_storage(two_bus_net, 3, -0.3, 1.0)
    for element, profile in (("load", "H0-A"), ("sgen", "PV5"), ("storage", "S1")):
        two_bus_net[element]["profile"] = profile
    two_bus_net.load.loc[1, "profile"] = "G0-A"
    count = np.arange(192.0)
    two_bus_net["profiles"] = {
        "load": pd.DataFrame(
            {"H0-A_pload": count, "H0-A_qload": 2 * count, "G0-A_pload": count + 5, "G0-A_qload": count}
        ),
        "renewables": pd.DataFrame({"PV5": 0.5 * count}),
        "storage": pd.DataFrame({"S1": 0.25 * count}),
    }
    feeder = Feeder("mine", two_bus_net, "")
    for first_day in (1, 2):
        table = ProfileTable(shape="simbench", first_day=first_day)
        _, base = vary_base([table], feeder, end_s=0, label="a.toml")
        k = 7 + 96 * (first_day - 1)
        assert base.power_mva["load"][7].tolist() == [k + 0.5j * 2 * k, 2 * (k + 5) + 0.5j * k]
        assert base.power_mva["sgen"][7].tolist() == [1.5 * 0.5 * k + 0.1j]
        assert base.power_mva["storage"][7].tolist() == pytest.approx([-0.3 * 0.25 * k])
    del two_bus_net["profiles"]["renewables"]
    with pytest.raises(InputError, match="shape: the net's profile 'PV5' is missing or no whole days"):
        vary_base([ProfileTable(shape="simbench")], feeder, end_s=0, label="a.toml")


@pytest.mark.filterwarnings("ignore")
def test_simbench_itself():
    simbench = pytest.importorskip("simbench", reason="SimBench is an extra of 90 MB")
    net = simbench.get_simbench_net("1-LV-rural1--2-sw")
    wanted = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    _, base = vary_base([ProfileTable(shape="simbench", first_day=183)], Feeder("sb", net, ""), end_s=0, label="a.toml")
    rows = slice(182 * 96, 183 * 96)
    for (element, column), values in wanted.items():
        if len(net[element]) and element in base.power_mva:
            ours = base.power_mva[element][:96]
            ours = ours.real if column == "p_mw" else ours.imag
            np.testing.assert_allclose(ours, values.to_numpy()[rows], rtol=0, atol=1e-12)
