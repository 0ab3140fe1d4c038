"""The shipped day in a short form: around midnight, and around noon; demand and base load by the hour."""

from __future__ import annotations

import copy
import csv
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from support import assert_same_tables

import cosim
import cosim.grid
from cosim import registry
from cosim.checking import facts
from cosim.control import Request, SystemInfo, SystemView
from cosim.coupling import CoupledSystem, couple
from cosim.env.recommendation import RecommendationEnv
from cosim.errors import InputError
from cosim.experiment import compare
from cosim.grid_log import base_cost_pu, decision_cost_pu
from cosim.preparation import draw_demand, surroundings
from cosim.report import write_report
from cosim.report.charts import chart, in_hours, series
from cosim.results import Result
from cosim.scenario import Scenario
from cosim.tables.traffic import HOURLY_SHAPES
from cosim.traffic.demand import vehicle_counts
from cosim_agents.heuristics.static import Uniform

DAY_S, NOON_S = 86_400, 43_200
OFFICES = (7, 8, 14, 24, 25, 29, 30, 31, 32)
ROOFS = (12, 18, 22, 33)
#: Half an hour each, across a border of steps; busier than the shipped day is then, so that something happens.
SHORT = {"simulation.control_s": 1800, "simulation.time_limit_s": 9000, "demand.vehicles_per_h": 400,
         "demand.hourly": [1] * 24, "fleet.ev_share": 0.5}  # fmt: skip


def short(begin_s: int, **overrides: object) -> Scenario:
    return cosim.load_scenario("nguyen-dupuis-day", **SHORT, **{"simulation.begin_s": begin_s}, **overrides)


@pytest.fixture(scope="module")
def system() -> CoupledSystem:
    return couple(cosim.load_scenario("nguyen-dupuis-day"))


@pytest.fixture(scope="module")
def at_noon(system: CoupledSystem, tmp_path_factory: pytest.TempPathFactory) -> Result:
    # Without droop every vehicle draws 50 kW all the time, so that loads follow from the sessions.
    scenario = short(NOON_S - 600, **{"droop.enabled": False})
    return cosim.run(scenario, system=system, out=tmp_path_factory.mktemp("day") / "noon")


@pytest.fixture(scope="module")
def at_midnight(system: CoupledSystem, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return cosim.run(short(DAY_S - 1200), system=system, out=tmp_path_factory.mktemp("day") / "midnight")


def share_at(kind: str, column: str, time_s: float) -> float:
    text = (Path(cosim.grid.__file__).parent / "shapes" / f"{kind}.csv").read_text()
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return float(list(rows)[int(time_s % DAY_S) // 900][column])


def assert_voltages_are_those_of_runpp(result: Result, system: CoupledSystem, instants_s: list[float]) -> None:
    recorded = result.buses.set_index("time_s")["vm_pu"]
    power_kw = result.stations.set_index("time_s")["power_kw"]
    for time_s in instants_s:
        net = copy.deepcopy(system.feeder.net)
        for row, bus in net.load["bus"].items():
            share = share_at("load", "commercial" if bus in OFFICES else "residential", time_s)
            net.load.loc[row, ["p_mw", "q_mvar"]] *= share
        assert not net.sgen["p_mw"].any(), "the sun comes from the profile alone"
        for bus in ROOFS:
            pp.create_sgen(net, bus, p_mw=0.25 * share_at("pv", "clear-sky", time_s))
        for station, kilowatt in zip(system.stations, power_kw.loc[time_s], strict=True):
            pp.create_load(net, station.bus, p_mw=kilowatt / 1e3)
        pp.runpp(net, numba=False, lightsim2grid=False, tolerance_mva=1e-10)
        np.testing.assert_allclose(recorded.loc[time_s], net.res_bus["vm_pu"], rtol=0, atol=1e-9)


def test_recorded_voltages_are_those_of_runpp_with_the_loads_of_the_instant(at_noon, at_midnight, system):
    assert at_noon.counts["charged"] == at_noon.counts["evs"] == 100
    assert at_noon.counts["arrived"] == at_noon.counts["vehicles"] == 200
    assert at_noon.stations["power_kw"].max() > 100
    # Before and at a border of steps, and before, at and after midnight.
    assert_voltages_are_those_of_runpp(at_noon, system, [NOON_S - 60, NOON_S, NOON_S + 900])
    assert_voltages_are_those_of_runpp(at_midnight, system, [DAY_S - 60, DAY_S, DAY_S + 1200])


def test_decision_costs_are_those_of_the_largest_total_load(at_noon, system):
    """Worked out anew from the sessions: between two requests, the instant with the largest base and charging load."""
    sessions, decisions = at_noon.sessions, at_noon.decisions
    base = system.base_load()
    names = [station.id for station in system.stations]
    events_s = np.sort(np.concatenate([sessions["plug_in_s"], sessions["left_s"], np.arange(0, DAY_S, 900.0)]))
    ends_s = [*decisions["time_s"].iloc[1:], at_noon.trips["arrive_s"].max()]
    bordering = 0
    for begin_s, end_s, cost in zip(decisions["time_s"], ends_s, decisions["cost"], strict=True):
        if begin_s == end_s:
            continue
        inside = [begin_s, *events_s[(events_s > begin_s) & (events_s < end_s)]]
        peak_kw, instant_s, loads_kw = -1.0, 0.0, []
        for time_s in inside:
            here = sessions[(sessions["plug_in_s"] <= time_s) & (sessions["left_s"] > time_s)]
            at_stations_kw = [50.0 * (here["station"] == name).sum() for name in names]
            total_kw = sum(at_stations_kw) + base.at(time_s)
            if total_kw >= peak_kw:
                peak_kw, instant_s, loads_kw = total_kw, time_s, at_stations_kw
        bordering += instant_s % 900 == 0
        assert cost == pytest.approx(system.power_flow.solve(loads_kw, instant_s).deviation_pu(), abs=1e-12)
    assert bordering, "some peak begins with a step of the base load"


def test_excess_cost_leaves_the_base_of_the_instant_out(system):
    scenario = cosim.load_scenario("nguyen-dupuis-day", **{"reward.cost": "excess"})
    flow = system.power_flow
    for time_s in (0, NOON_S, 70_000):
        idle, busy = flow.solve([0.0] * 5, time_s), flow.solve([200.0] * 5, time_s)
        assert decision_cost_pu(idle, flow, scenario) == 0.0
        wanted = busy.deviation_pu() - idle.deviation_pu()
        assert decision_cost_pu(busy, flow, scenario) == pytest.approx(wanted, abs=1e-15)
    assert base_cost_pu(scenario, flow) == 0.0


def test_what_no_recommendation_can_avoid(at_midnight, system):
    """The floor of a comparison: the mean over the decisions of the cost without charging."""
    scenario = short(DAY_S - 1200)
    times_s = at_midnight.decisions["time_s"].tolist()
    wanted = np.mean([system.power_flow.no_load_at(time_s).deviation_pu() for time_s in times_s])
    assert base_cost_pu(scenario, system.power_flow, times_s) == pytest.approx(wanted, rel=1e-12)
    assert base_cost_pu(scenario, system.power_flow) == pytest.approx(wanted, rel=0.01)
    (row,) = compare(scenario, ["uniform"], seeds=[0]).runs.to_dict("records")
    assert row["cvv_floor_pu"] == pytest.approx(wanted * len(times_s), rel=1e-12)
    assert 0 < row["cvv_above_floor_pu"] < row["cvv_pu"]


def test_the_resolved_scenario_gives_the_same_tables(at_midnight):
    assert_same_tables(at_midnight, cosim.run(at_midnight.folder / "scenario.toml"))


def test_a_site_controller_sees_the_base_load_to_come(system):
    scenario = cosim.load_scenario("nguyen-dupuis-day")
    for station, around in zip(system.stations, surroundings(scenario, system), strict=True):
        stated_kw = system.feeder.base_load_kw(station.bus)
        for time_s in (0, NOON_S, DAY_S + NOON_S):
            assert around.base.at(time_s) == pytest.approx(stated_kw * share_at("load", "commercial", time_s))


def test_a_recommender_asks_about_the_present_base_load(system):
    scenario = short(NOON_S - 600)
    env = RecommendationEnv(scenario, extra_obs=["voltage"])
    try:
        state, _ = env.reset(seed=0)
        assert sum(name.startswith("deviation[") for name in env.feature_names) == 33
        assert env.observation_space.contains(state)
    finally:
        env.close()

    class Asking(Uniform):
        def reset(self, info: SystemInfo, rng: np.random.Generator) -> None:
            self.grid, self.answers = info.grid, []
            super().reset(info, rng)

        def recommend(self, request: Request, view: SystemView) -> int:
            self.answers.append((request.time_s, self.grid.mean_voltage_pu(np.zeros(5))))
            return super().recommend(request, view)

    asking = Asking()
    cosim.run(scenario, recommender=asking, system=system)
    assert len(asking.answers) == 100
    for time_s, answer_pu in asking.answers:
        assert answer_pu == system.power_flow.no_load_at(time_s).mean_pu
    assert len({answer_pu for _, answer_pu in asking.answers}) == 3, "three steps of base load"


def test_check_tells_the_range_of_the_base_load():
    told = dict(facts(cosim.load_scenario("nguyen-dupuis-day")))
    assert told["base load"].startswith("in steps of 15 min, less generation: 1233 kW at 03:00 to 2906 kW at 18:00; ")
    assert "lowest voltage without charging 0.9316 pu at 18:30" in told["base load"]
    assert "base losses 202.68 kW, lowest voltage 0.9131 pu at bus 18" in told["feeder"], "the published base case"
    assert "7200 vehicles" in told["demand"]


def test_the_page_of_a_day(at_noon, tmp_path):
    page = write_report([at_noon.folder], out=tmp_path / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "Load of the feeder" in text
    assert '"baseVmPu": null' not in text
    assert page.stat().st_size < 3e6


def test_long_runs_have_an_axis_of_hours():
    lines = [series("a", [1, 2, 3]), series("b", [1, 2], x=[30, 90])]
    drawn = in_hours(chart("t", "kW", lines, x=[0, 60, 1440], moves=True))
    assert (drawn["x"], drawn["lines"][1]["x"]) == ([0, 1, 24], [0.5, 1.5])
    assert (drawn["xLabel"], drawn["xS"]) == ("time [h]", 3600.0)
    still = chart("t", "kW", lines, x=[0, 60, 1440])
    assert in_hours(still) == still


# ---- demand by the hour


def test_departures_follow_the_hours_of_the_day(system):
    scenario = cosim.load_scenario("nguyen-dupuis-day")
    demand = draw_demand(scenario, system.network, 7)
    assert len(demand) == 7200
    weights = np.array(HOURLY_SHAPES["commuter"])
    wanted = 7200 * weights / weights.sum()
    found = np.bincount(demand.depart_s // 3600, minlength=24)
    # Chi squared with 23 degrees of freedom: one draw in 10,000 exceeds 54.
    assert ((found - wanted) ** 2 / wanted).sum() < 54
    assert (np.diff(demand.depart_s) >= 0).all()
    assert (demand.depart_s % 3600).mean() == pytest.approx(1800, abs=60), "even within the hours"
    assert (draw_demand(scenario, system.network, 7).depart_s == demand.depart_s).all()


def test_numbers_of_each_period_are_those_of_its_hours(system):
    hourly = [0.0] * 24
    hourly[7], hourly[8] = 3.0, 1.0
    scenario = cosim.load_scenario(
        "nguyen-dupuis-day",
        **{"demand.hourly": hourly, "simulation.begin_s": 7 * 3600, "simulation.warmup_s": 1800,
           "simulation.control_s": 5400, "demand.vehicles_per_h": 100},
    )  # fmt: skip
    # 2,400 vehicles a day, three quarters of them from seven to eight.
    assert vehicle_counts(scenario)[:2] == (900, 1500)
    demand = draw_demand(scenario, system.network, 0)
    assert demand.depart_s[899] < 7.5 * 3600 <= demand.depart_s[900]
    assert (demand.depart_s < 8 * 3600).sum() == pytest.approx(1800, abs=5 * 15)
    assert demand.depart_s.max() < 9 * 3600
    next_day = scenario.model_copy(update={"simulation": scenario.simulation.model_copy(update={"begin_s": 31 * 3600})})
    assert vehicle_counts(next_day) == vehicle_counts(scenario), "every day is the same"
    even = scenario.model_copy(update={"demand": scenario.demand.model_copy(update={"hourly": (1.0,) * 24})})
    assert vehicle_counts(even)[:2] == (50, 150)


# ---- what can be wrong


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [
        ({"demand.hourly": "comuter"}, "[demand] hourly (set on the command line): found 'comuter'; did you"),
        ({"demand.hourly": [1, 2]}, "[demand] hourly (set on the command line): found [1, 2]; allowed: 'commuter', or"),
        ({"demand.hourly": [0] * 24}, "at least one of the 24 numbers must be above 0"),
        ({"demand.hourly": [-1] * 24}, "each of the 24 must be a number, at least 0"),
        (
            {"profile": [{"shape": "residental"}]},
            "[[profile]] number 1: kind 'load' has no shape 'residental'; did you",
        ),
        ({"profile": [{"shape": "constant"}, {}]}, "[[profile]] number 2: give either shape"),
        ({"profile": [{"shape": "constant", "file": "a.csv"}]}, "[[profile]] number 1: give either shape"),
        (
            {"profile": [{"shape": "constant", "column": "a"}]},
            "column belongs to a file; the shape 'constant' has none",
        ),
        ({"profile": [{"shape": "constant", "peak_kw": 1}]}, "peak_kw is for kind = 'pv'"),
        ({"profile": [{"kind": "pv", "shape": "clear-sky", "peak_kw": 1}]}, "new generators need buses"),
        ({"profile": [{"shape": "constant", "buses": []}]}, "[[profile]] number 1 buses: found []; a list of at least"),
        ({"profile": [{"shape": "constant", "buses": [1.5]}]}, "[[profile]] number 1 buses: found 1.5; a bus is given"),
        (
            {"profile": [{"shape": "constant", "bus": 3}]},
            "[[profile]] number 1 bus: unknown key; did you mean 'buses'?",
        ),
        ({"profile": [{"shape": "simbench", "buses": [3]}]}, "is for the whole feeder: buses must be left out"),
        ({"profile": [{"kind": "wind", "shape": "x"}]}, "[[profile]] number 1 kind: found 'wind'; input should be"),
    ],
)
def test_broken_tables_are_told_in_a_sentence(overrides, wanted):
    with pytest.raises(InputError) as caught:
        cosim.load_scenario("nguyen-dupuis-day", **overrides)
    (fault,) = caught.value.faults
    assert fault.startswith("nguyen-dupuis-day: ")
    assert wanted in fault


def test_files_are_relative_to_the_scenario_and_faults_name_them(tmp_path):
    own = tmp_path / "own.toml"
    text = Path(registry.load("scenario", "nguyen-dupuis-day")).read_text(encoding="utf-8")
    own.write_text(text.replace('shape = "residential"', 'file = "homes.csv"'), encoding="utf-8")
    with pytest.raises(InputError, match=rf"number 2 file: {tmp_path}/homes.csv cannot be read"):
        couple(cosim.load_scenario(own))
    (tmp_path / "homes.csv").write_text("time,homes\n00:00,0.5\n12:00,40\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"\[\[profile\]\]: at 1\d:\d\d the feeder has no power flow solution"):
        couple(cosim.load_scenario(own))
    (tmp_path / "homes.csv").write_text("time,homes\n00:00,0.5\n", encoding="utf-8")
    assert couple(cosim.load_scenario(own)).base_load(18).at(NOON_S) == pytest.approx(
        45 - 250 * share_at("pv", "clear-sky", NOON_S)
    )
