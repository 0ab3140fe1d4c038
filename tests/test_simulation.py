"""The loop on the real SUMO and a real power flow: invariants, independent recomputation, closed forms."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from support import assert_same_tables

import cosim
from cosim.coupling import CoupledSystem, couple
from cosim.errors import CosimError, InputError, SimulatorError
from cosim.grid.feeder import load_feeder
from cosim.results import Result
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim.traffic.stepper import TrafficStepper
from cosim_agents.heuristics.static import Uniform
from cosim_agents.sites import Uncontrolled

RUNS = ["default_run", "busy_run"]


@pytest.fixture(params=RUNS)
def result(request: pytest.FixtureRequest) -> Result:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def charged(result: Result) -> pd.DataFrame:
    return result.trips[result.trips["is_ev"]]


# ---- vehicles and time


def test_every_vehicle_arrives_and_every_ev_is_charged(result: Result) -> None:
    counts = result.counts
    assert counts["vehicles"] == counts["arrived"] == len(result.trips) == 800
    assert counts["evs"] == counts["charged"] == counts["decisions"] == len(result.decisions) == 300
    assert counts["teleports"] == counts["collisions"] == counts["unreachable"] == counts["missed_station"] == 0
    assert result.trips["arrive_s"].notna().all()
    assert result.summary["complete"] is True


def test_the_times_of_a_trip_add_up(result: Result) -> None:
    trips = result.trips
    total_s = trips["driving_s"] + trips["waiting_s"] + trips["charging_s"]
    assert np.abs(total_s - (trips["arrive_s"] - trips["depart_s"])).max() < 1e-9
    evs = charged(result)
    order = ["depart_s", "arrival_station_s", "plug_in_s", "plug_out_s", "arrive_s"]
    assert (evs[order].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert (evs["request_s"] == evs["depart_s"]).all()
    assert (trips.loc[~trips["is_ev"], ["waiting_s", "charging_s"]] == 0).all(axis=None)


def test_ttt_is_what_sumo_itself_counts(
    short_scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SUMO's own trip records: arrival seconds, route lengths and insertion delays, vehicle by vehicle."""
    original = TrafficStepper._arguments

    def with_tripinfo(self: TrafficStepper, state: Path | None) -> list[str]:
        return [*original(self, state), "--tripinfo-output", str(tmp_path / "tripinfo.xml")]

    monkeypatch.setattr(TrafficStepper, "_arguments", with_tripinfo)
    result = cosim.run(short_scenario, recommender="nearest")
    own = result.trips.set_index("vehicle")
    seen = ET.parse(tmp_path / "tripinfo.xml").getroot().findall("tripinfo")
    assert len(seen) == len(own)
    for info in seen:
        row = own.loc[info.attrib["id"]]
        assert float(info.attrib["arrival"]) == row["arrive_s"]
        assert float(info.attrib["depart"]) - float(info.attrib["departDelay"]) == row["depart_s"]
        assert float(info.attrib["routeLength"]) == pytest.approx(row["distance_m"], abs=0.01)
    total_s = sum(float(info.attrib["duration"]) + float(info.attrib["departDelay"]) for info in seen)
    assert result.metrics["ttt_s"] == total_s


def test_ttt_is_the_vehicle_count_summed_over_the_seconds(result: Result) -> None:
    trips = result.trips
    seconds = np.arange(int(trips["arrive_s"].max()) + 1)
    there = (trips["depart_s"].to_numpy() <= seconds[:, None]) & (trips["arrive_s"].to_numpy() > seconds[:, None])
    assert there.sum() == result.metrics["ttt_s"]


def test_the_mean_drive_is_near_what_the_paper_implies(default_run: Result) -> None:
    assert 290 <= default_run.metrics["mean_driving_s"] <= 390


# ---- stations


def test_first_in_first_out(result: Result) -> None:
    for _, group in charged(result).groupby("station"):
        ordered = group.assign(number=group.index).sort_values(["arrival_station_s", "number"])
        assert ordered["plug_in_s"].is_monotonic_increasing


def test_chargers_are_never_overbooked_nor_idle_while_somebody_waits(busy_run: Result) -> None:
    assert busy_run.metrics["mean_waiting_s"] > 60
    for _, group in charged(busy_run).groupby("station"):
        for _, row in group.iterrows():
            instant = row["plug_in_s"]
            inside = ((group["plug_in_s"] <= instant) & (group["plug_out_s"] > instant)).sum()
            assert inside <= 12
            if row["waiting_s"] > 0:
                assert inside == 12, "whoever waited took the charger that became free"
    recorded = busy_run.stations
    assert (recorded["charging"] <= 12).all()
    assert (recorded.loc[recorded["queued"] > 0, "charging"] == 12).all()


def test_battery_and_grid_energy_balance(result: Result) -> None:
    evs = charged(result)
    battery_kwh = (evs["soc_end"] - evs["soc_plug_in"]) * 24
    assert np.abs(battery_kwh - 0.9 * evs["energy_kwh"]).max() < 1e-9
    assert np.abs(evs["soc_end"] - 0.8).max() < 1e-12
    leg_kwh = (evs["soc_start"] - evs["soc_plug_in"]) * 24
    assert ((leg_kwh > 0) & (leg_kwh <= 0.15 * evs["distance_m"] / 1000)).all()


def test_power_is_within_droop_and_equals_vehicles_times_cap(result: Result) -> None:
    stations = result.stations
    assert stations["cap_kw"].between(15, 50).all()
    assert np.abs(stations["power_kw"] - stations["charging"] * stations["cap_kw"]).max() < 1e-9


def test_the_cap_follows_the_voltage_of_the_interval_before(default_run: Result) -> None:
    caps_kw = default_run.stations[default_run.stations["station"] == "CS1"].set_index("time_s")["cap_kw"]
    assert (caps_kw[caps_kw.index < 600] == 50.0).all(), "nothing is known in the first interval"
    # The interval after it saw no charging: 15 + 700 (0.948456 - 0.9) kW.
    assert caps_kw[600.0] == caps_kw[1200.0] == pytest.approx(48.919, abs=1e-3)
    assert caps_kw.groupby(caps_kw.index // 600).nunique().max() == 1, "a cap is held for ten minutes"
    assert caps_kw.min() < 35


# ---- power flow


def test_recorded_voltages_equal_an_independent_power_flow(default_run: Result) -> None:
    net = load_feeder(name="ieee33", file=None, where="").net
    loads = {m: pp.create_load(net, bus, 0.0) for m, bus in zip(range(1, 6), (24, 32, 7, 25, 8), strict=True)}
    instants = default_run.stations["time_s"].unique()[::7]
    for time_s in instants:
        at = default_run.stations[default_run.stations["time_s"] == time_s].set_index("station")
        for m, load in loads.items():
            net.load.loc[load, "p_mw"] = at.loc[f"CS{m}", "power_kw"] / 1000
        pp.runpp(net, numba=False)
        buses = default_run.buses[default_run.buses["time_s"] == time_s].set_index("bus")["vm_pu"]
        assert np.abs(buses - net.res_bus["vm_pu"]).max() < 1e-6
        lines = default_run.lines[default_run.lines["time_s"] == time_s].set_index("line")
        assert lines["loss_kw"].sum() == pytest.approx(net.res_line["pl_mw"].sum() * 1000, abs=1e-6)
        slack_kw = net.res_ext_grid["p_mw"].sum() * 1000
        assert slack_kw == pytest.approx(net.load["p_mw"].sum() * 1000 + lines["loss_kw"].sum(), abs=1e-4)


def test_the_cost_is_never_below_the_floor_without_charging(result: Result) -> None:
    base = 0.051544  # mean |1 - v| of the IEEE 33-bus feeder without charging
    assert (result.decisions["cost"] >= base - 1e-6).all()
    assert result.metrics["cvv_pu"] == pytest.approx(result.decisions["cost"].sum())
    assert result.metrics["cvv_pu"] > 300 * base


@pytest.mark.parametrize(("cost", "bound"), [("excess", 8.0), ("band", 10.0)])
def test_other_costs(short_scenario: Scenario, cost: str, bound: float) -> None:
    changed = short_scenario.model_copy(update={"reward": short_scenario.reward.model_copy(update={"cost": cost})})
    decisions = cosim.run(changed).decisions
    assert (decisions["cost"] >= -1e-12).all()
    assert 0 < decisions["cost"].sum() < bound


def test_rewards(default_run: Result, scenario: Scenario) -> None:
    """Minus the vehicle seconds of the steps sums to minus TTT; the paper's reward is linear in the mean count."""
    ttt = scenario.reward.model_copy(update={"kind": "ttt"})
    changed = cosim.run(scenario.model_copy(update={"reward": ttt}))
    assert changed.decisions["reward"].sum() == pytest.approx(-changed.metrics["ttt_s"], rel=1e-12)
    decisions, trips = default_run.decisions, default_run.trips
    step = int(np.flatnonzero(np.diff(decisions["time_s"]) > 3)[50])
    start_s, end_s = decisions["time_s"].iloc[step : step + 2]
    seconds = np.arange(start_s, end_s)
    present = [((trips["depart_s"] <= s) & (trips["arrive_s"] > s)).sum() for s in seconds]
    assert decisions["reward"].iloc[step] == pytest.approx(0.01 * (200 - np.mean(present)))


# ---- the published range


def test_uniform_and_merit_order_span_the_published_range(default_run: Result) -> None:
    """Table 3 of the paper runs from 24.06 pu / 24.15 min (REINFORCE) to 18.48 pu / 16.50 min (OP-SRL)."""
    merit = cosim.run("nguyen-dupuis", recommender="merit-order")
    assert 17.5 <= merit.metrics["cvv_pu"] <= 19.5
    assert 13 <= merit.metrics["wct_min"] <= 17
    assert default_run.metrics["cvv_pu"] > merit.metrics["cvv_pu"] + 2.5
    assert default_run.metrics["wct_min"] > merit.metrics["wct_min"] + 3
    split = merit.decisions["station"].value_counts(normalize=True)
    assert 0.65 <= split["CS1"] <= 0.80, "the paper: 75 % at CS1, 25 % at CS4"
    assert split["CS1"] + split["CS4"] == pytest.approx(1.0)


# ---- closed forms


def test_one_ev_alone(scenario: Scenario) -> None:
    """Nobody else: the drive takes its length over its speed, the charge its need over 0.9 * 50 kW."""
    simulation = scenario.simulation.model_copy(update={"warmup_s": 0, "control_s": 600})
    demand = scenario.demand.model_copy(update={"vehicles_per_h": 6})
    fleet = scenario.fleet.model_copy(update={"ev_share": 1.0, "initial_soc_min": 0.7, "initial_soc_max": 0.7})
    droop = scenario.droop.model_copy(update={"enabled": False})
    alone = scenario.model_copy(update={"simulation": simulation, "demand": demand, "fleet": fleet, "droop": droop})
    result = cosim.run(alone, recommender="nearest")
    (row,) = result.trips.to_dict("records")
    assert row["waiting_s"] == 0
    need_kwh = (0.8 - row["soc_plug_in"]) * 24
    assert row["charging_s"] == pytest.approx(need_kwh / (0.9 * 50) * 3600, abs=1e-6)
    # SUMO's drivers keep 0.9-1.1 of the limit, brake for turns, for the station and start again from standstill.
    free_s = row["distance_m"] / (50 / 3.6)
    assert 0.9 * free_s < row["driving_s"] < 1.25 * free_s + 30
    assert result.metrics["ttt_s"] == row["arrive_s"] - row["depart_s"]


# ---- odd ends


def test_without_evs(short_scenario: Scenario) -> None:
    fleet = short_scenario.fleet.model_copy(update={"ev_share": 0.0})
    result = cosim.run(short_scenario.model_copy(update={"fleet": fleet}))
    assert result.counts["decisions"] == result.counts["evs"] == 0
    assert result.counts["arrived"] == result.counts["vehicles"]
    assert result.metrics["cvv_pu"] == 0.0
    assert np.isnan(result.metrics["wct_min"])


def test_without_vehicles(short_scenario: Scenario) -> None:
    demand = short_scenario.demand.model_copy(update={"vehicles_per_h": 0})
    result = cosim.run(short_scenario.model_copy(update={"demand": demand}))
    assert result.summary["voltage"]["lowest_time_s"] is None
    assert result.metrics["ttt_s"] == 0.0
    assert result.summary["complete"] is True


def test_the_time_limit_says_so(short_scenario: Scenario) -> None:
    simulation = short_scenario.simulation.model_copy(update={"time_limit_s": 1260})
    result = cosim.run(short_scenario.model_copy(update={"simulation": simulation}))
    assert result.summary["stop_reason"] == "time limit"
    missing = result.trips["arrive_s"].isna()
    assert missing.sum() == result.counts["vehicles"] - result.counts["arrived"] > 10
    until_s = result.trips["arrive_s"].fillna(1260)
    assert result.metrics["ttt_s"] == (until_s - result.trips["depart_s"]).sum()


def test_collapse_is_flagged_and_the_run_goes_on(short_scenario: Scenario) -> None:
    weak = [station.model_copy(update={"bus": 18, "max_power_kw": 400.0}) for station in short_scenario.station]
    changes = {
        "station": tuple(weak),
        "fleet": short_scenario.fleet.model_copy(update={"max_power_kw": 400.0}),
        "droop": short_scenario.droop.model_copy(update={"enabled": False, "max_power_kw": 400.0}),
    }
    collapsing = short_scenario.model_copy(update=changes)
    result = cosim.run(collapsing)
    assert result.counts["arrived"] == result.counts["vehicles"]
    assert result.counts["nonconverged"] > 0
    assert result.counts["collapsed"] >= result.counts["nonconverged"]
    assert np.isfinite(result.buses["vm_pu"]).all()
    strict = collapsing.model_copy(update={"grid": collapsing.grid.model_copy(update={"on_collapse": "raise"})})
    with pytest.raises(CosimError, match="bus 18"):
        cosim.run(strict)


def test_two_simulations_in_one_process(short_scenario: Scenario, system: CoupledSystem) -> None:
    with Simulation(short_scenario, system=system) as first, Simulation(short_scenario, system=system) as second:
        first.reset()
        with pytest.raises(SimulatorError, match="libsumo holds one simulation per process"):
            second.reset()
        assert first.advance() is not None


def test_a_recommender_that_names_no_station(short_scenario: Scenario) -> None:
    class Wrong(Uniform):
        def recommend(self, request: object, view: object) -> int:
            return 5

    with pytest.raises(CosimError, match=r"chose station 5 for vehicle v\d+; valid are the positions of CS1, CS2"):
        cosim.run(short_scenario, recommender=Wrong())


@pytest.mark.parametrize("answer", [None, True, 1.0, "CS1"])
def test_a_recommender_that_answers_with_no_number(short_scenario: Scenario, answer: object) -> None:
    class Wrong(Uniform):
        def recommend(self, request: object, view: object) -> int:
            return answer  # type: ignore[return-value]

    with pytest.raises(CosimError, match=rf"chose station {answer!r} for vehicle"):
        cosim.run(short_scenario, recommender=Wrong())


def test_an_empty_battery_is_counted(short_scenario: Scenario) -> None:
    thirsty = short_scenario.fleet.model_copy(update={"consumption_kwh_per_km": 5.0})
    result = cosim.run(short_scenario.model_copy(update={"fleet": thirsty}))
    assert result.counts["empty_battery"] == (result.trips["soc_plug_in"] < 0).sum() > 0


def test_chosen_places_are_in_the_resolved_scenario(short_scenario: Scenario, tmp_path: Path) -> None:
    stations = tuple(station.model_copy(update={"bus": None}) for station in short_scenario.station)
    first = cosim.run(short_scenario.model_copy(update={"station": stations}), out=tmp_path / "a")
    again = cosim.load_scenario(tmp_path / "a" / "scenario.toml")
    assert [station.bus for station in again.station] == [24, 25, 32, 7, 8]
    assert all(station.position_m is not None for station in again.station)
    assert_same_tables(first, cosim.run(again))


def test_a_controller_with_an_odd_period(short_scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Uncontrolled, "period_s", 2.5)
    odd = cosim.load_scenario("nguyen-dupuis", **{"controller.CS1.name": "uncontrolled"})
    with pytest.raises(InputError, match=r"\[controller.CS1\]: period_s = 2.5 must be a whole number of seconds"):
        cosim.run(odd)


def test_local_droop_treats_stations_differently(short_scenario: Scenario) -> None:
    droop = short_scenario.droop.model_copy(update={"voltage": "local", "v_ref_low_pu": 0.85, "v_ref_high_pu": 0.98})
    caps_kw = cosim.run(short_scenario.model_copy(update={"droop": droop})).stations.groupby("station")["cap_kw"].min()
    assert caps_kw["CS2"] < caps_kw["CS3"] < caps_kw["CS1"], "bus 32 is the weakest, 24 the strongest"


def test_a_station_nobody_can_leave_is_not_offered(tmp_path: Path) -> None:
    """A dead end with a station: it can be reached but not left, so that it is masked."""
    from cosim.traffic.netconvert import Edge, Node, cached_network

    nodes = [Node("a", 0, 0), Node("b", 500, 0), Node("c", 500, 500), Node("d", 1000, 0)]
    loop = [("ab", "a", "b"), ("bc", "b", "c"), ("ca", "c", "a"), ("bd", "b", "d")]
    edges = [Edge(name, start, end, 500, 13.9) for name, start, end in loop]
    net = cached_network("dead-end", nodes, edges, ["--no-turnarounds", "true"])
    (tmp_path / "a.toml").write_text(
        f"""
        [simulation]
        warmup_s = 0
        control_s = 300
        [network]
        file = "{net}"
        [demand]
        vehicles_per_h = 240
        [grid]
        name = "ieee33"
        [[station]]
        id = "dead end"
        edge = "bd"
        [[station]]
        id = "loop"
        edge = "bc"
        """.replace('"dead end"', '"dead-end"')
    )
    result = cosim.run(tmp_path / "a.toml")
    assert result.counts["arrived"] == result.counts["vehicles"] == 20
    assert set(result.decisions["station"]) == {"loop"}
    only_dead = cosim.load_scenario(tmp_path / "a.toml")
    only_dead = only_dead.model_copy(update={"station": only_dead.station[:1]})
    assert [station.id for station in only_dead.station] == ["dead-end"]
    result = cosim.run(only_dead)
    assert result.counts["unreachable"] == result.counts["evs"] == 10
    assert result.counts["arrived"] == 20


def test_an_own_system_can_be_reused(short_scenario: Scenario, system: CoupledSystem) -> None:
    assert_same_tables(
        cosim.run(short_scenario, system=system), cosim.run(short_scenario, system=couple(short_scenario))
    )


def test_unknown_recommender_in_python(short_scenario: Scenario) -> None:
    with pytest.raises(InputError, match=r"recommender: unknown recommender 'nearst'; did you mean 'nearest'"):
        cosim.run(short_scenario, recommender="nearst")
