"""A SUMO configuration of the user's as it is: times, vehicles, types, files; against the plain ``sumo`` program."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from support import assert_same_tables

import cosim
from cosim.checking import facts
from cosim.coupling import CoupledSystem, couple
from cosim.results import Result
from cosim.runner import run
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim.traffic.install import sumo_program

from .conftest import LoadTown

BEGIN_S, CONTROL_S = 25_200, 600
END_S = BEGIN_S + 300 + CONTROL_S


@pytest.fixture(scope="module")
def scenario(town_folder: Path) -> Scenario:
    """The example, with ten minutes of control instead of twenty."""
    return cosim.load_scenario(town_folder / "scenario.toml", **{"simulation.control_s": CONTROL_S})


@pytest.fixture(scope="module")
def own_system(scenario: Scenario) -> CoupledSystem:
    return couple(scenario)


@pytest.fixture(scope="module")
def result(scenario: Scenario, own_system: CoupledSystem, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return cosim.run(scenario, system=own_system, out=tmp_path_factory.mktemp("runs") / "own")


def plain_sumo(folder: Path, config: Path, seed: int) -> dict[str, dict[str, str]]:
    """Run the configuration with the ``sumo`` program until all have arrived; return what it says of each vehicle."""
    out = folder / "plain.xml"
    options = ["--end", "-1", "--seed", str(seed), "--tripinfo-output", str(out), "--summary-output", "NUL"]
    options += ["--output-prefix", "", "--no-step-log", "true", "--xml-validation", "never", "--no-warnings", "true"]
    done = subprocess.run(
        [sumo_program("sumo"), "-c", str(config), *options], check=False, capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return {info.attrib["id"]: dict(info.attrib) for info in ET.parse(out).getroot().iter("tripinfo")}


def test_times_and_vehicles_come_from_the_configuration(town_folder: Path, result: Result) -> None:
    scenario = cosim.load_scenario(town_folder / "scenario.toml")
    simulation = scenario.simulation
    assert (simulation.begin_s, simulation.warmup_s, simulation.control_s) == (BEGIN_S, 300, 1200)
    assert scenario.demand.trips == "routes"
    trips = result.trips.set_index("vehicle")
    assert trips["depart_s"].between(BEGIN_S, END_S).all()
    assert {"through.0", "in.0", "out.3", "bus7.0", "anyone", "taken", "deliveries.0"} <= set(trips.index)
    assert trips.loc["anyone", "depart_s"] == 25_322, "SUMO inserts it with its first step after 25321.5 s"
    assert trips["arrive_s"].notna().all()
    assert trips["distance_m"].notna().all()
    assert result.stations["time_s"].iloc[0] == BEGIN_S
    assert result.decisions["time_s"].between(BEGIN_S + 300, END_S).all()
    assert result.summary["steps"] == max(trips["arrive_s"]) - BEGIN_S


def test_vehicles_and_energy_are_conserved(scenario: Scenario, result: Result) -> None:
    counts, trips, stations = result.counts, result.trips, result.stations
    assert counts["vehicles"] == counts["arrived"] == len(trips)
    assert counts["evs"] == counts["charged"] == counts["decisions"] == trips["is_ev"].sum() > 25
    assert counts["teleports"] == counts["collisions"] == 0
    evs = trips[trips["is_ev"]]
    assert np.allclose(evs["soc_end"], scenario.fleet.target_soc)
    gained_kwh = (evs["soc_end"] - evs["soc_plug_in"]) * scenario.fleet.battery_kwh / scenario.fleet.efficiency
    assert gained_kwh.sum() == pytest.approx(result.metrics["energy_delivered_kwh"])
    per_site_kwh = sum(site["delivered_kwh"] for site in result.summary["sites"].values())
    assert per_site_kwh == pytest.approx(result.metrics["energy_delivered_kwh"])
    assert (trips["driving_s"] + trips["waiting_s"] + trips["charging_s"]).sum() == pytest.approx(
        result.metrics["ttt_s"]
    )
    present = (stations.groupby("time_s")[["queued", "charging", "en_route"]].sum()).sum(axis=1)
    for time_s, count in present.items():
        asked = evs["request_s"] <= time_s
        assert count == (asked & ~(evs["plug_out_s"] <= time_s)).sum(), (
            f"EVs that asked and have not left at {time_s} s"
        )


def test_only_cars_without_a_duty_become_evs(result: Result) -> None:
    evs = result.trips.loc[result.trips["is_ev"], "vehicle"]
    assert {name.split(".")[0] for name in evs} <= {"through", "in", "out", "cross", "anyone"}
    early = result.trips["depart_s"] < BEGIN_S + 300
    assert not result.trips.loc[early, "is_ev"].any()


def test_traci_gives_the_same_tables(scenario: Scenario, own_system: CoupledSystem, result: Result) -> None:
    simulation = scenario.simulation.model_copy(update={"backend": "traci"})
    other = run(scenario.model_copy(update={"simulation": simulation}), system=own_system)
    assert_same_tables(result, other)


def test_a_run_may_be_repeated_and_asked_after_its_end(scenario: Scenario, own_system: CoupledSystem) -> None:
    """SUMO has to be ended for it to write the trips; a learner's last observation comes after that."""
    few = scenario.model_copy(update={"fleet": scenario.fleet.model_copy(update={"ev_share": 0.03})})
    runs = []
    with Simulation(few, system=own_system) as simulation:
        for _ in range(2):
            simulation.reset()
            while simulation.advance() is not None:
                simulation.answer(0)
            assert not simulation.traffic.is_open
            assert simulation.traffic.vehicles_on_edges().sum() == 0
            assert (simulation.traffic.travel_times_s() > 0).all()
            runs.append(simulation.state.trips.table([station.id for station in own_system.stations]))
    assert runs[0].equals(runs[1])


def test_the_resolved_scenario_gives_the_same_tables(result: Result) -> None:
    assert result.folder is not None
    again = cosim.load_scenario(result.folder / "scenario.toml")
    assert [station.lane for station in again.station] == [None, "park:1_1", "main[1]_2", "main[0]_1"]
    assert again.station[3].chargers == 8, "60 m of road"
    assert (again.station[3].max_power_kw, again.station[3].site_limit_kw) == (50.0, 150.0)
    assert_same_tables(result, run(again))


def test_nothing_is_written_beside_the_users_files(town_folder: Path, result: Result) -> None:
    names = {path.name for path in town_folder.iterdir()}
    assert not names & {"tripinfo.xml", "summary.xml", "loop.xml", "edges.xml"}
    assert len(names) == 9


def test_the_plain_program_moves_the_same_vehicles(town_folder: Path, tmp_path: Path, scenario: Scenario) -> None:
    """Without EVs and without flows drawn at random the vehicles are the same ones, and take as long."""
    for path in town_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    routes = tmp_path / "town.rou.xml"
    routes.write_text(routes.read_text().replace('probability="0.05"', 'period="20"'))
    quiet = cosim.load_scenario(tmp_path / "scenario.toml", **{"fleet.ev_share": 0.0})
    with Simulation(quiet) as simulation:
        simulation.reset()
        seed = simulation.traffic.options.seed
    ours = cosim.run(quiet).trips.set_index("vehicle")
    theirs = plain_sumo(tmp_path, tmp_path / "town.sumocfg", seed)
    assert set(ours.index) == set(theirs)
    planned = {name: float(info["depart"]) - float(info["departDelay"]) for name, info in theirs.items()}
    assert np.allclose(ours["depart_s"], [np.ceil(round(planned[name], 2)) for name in ours.index])
    lengths_m = np.array([float(theirs[name]["routeLength"]) for name in ours.index])
    fixed = np.array([re.match(r"through|bus7|taken", name) is not None for name in ours.index])
    assert fixed.sum() > 60
    assert np.allclose(ours["distance_m"][fixed], lengths_m[fixed], atol=15), "lanes differ, routes do not"
    theirs_s = np.mean([float(info["arrival"]) - planned[name] for name, info in theirs.items()])
    assert (ours["arrive_s"] - ours["depart_s"]).mean() == pytest.approx(theirs_s, rel=0.03)


def test_a_checkpoint_with_a_begin_time(short_scenario: Scenario, tmp_path: Path) -> None:
    """Our own vehicles, but seven hours later: everything is as it was, and a checkpoint continues exactly."""
    later = short_scenario.model_copy(
        update={"simulation": short_scenario.simulation.model_copy(update={"begin_s": BEGIN_S + 30, "control_s": 60})}
    )
    runs = []
    with Simulation(later, checkpoints=True) as simulation:
        simulation.reset(seed=1)
        simulation.warm_up()
        assert simulation.now_s == BEGIN_S + 330
        saved = simulation.checkpoint(tmp_path / "warm.xml.gz")
        for _ in range(2):
            while simulation.advance() is not None:
                simulation.answer(2)
            runs.append(simulation.state.trips.table([s.id for s in later.station]))
            simulation.restore(saved)
    assert runs[0].equals(runs[1])
    assert runs[0]["arrive_s"].min() > BEGIN_S


def test_check_says_what_is_taken_over_and_what_is_not(scenario: Scenario) -> None:
    said = dict(facts(scenario))
    assert said["clock"] == "begins at 25200 s (07:00); control period from 25500 s to 26100 s"
    assert said["SUMO options"] == "lanechange.duration = 2"
    assert said["not taken over"] == "time-to-teleport = 200, seed = 42"
    assert "20 m from the point given" in said["station park"]
    assert "SUMO's charging station town-hall" in said["station town-hall"]
    assert said["cut"] == "flows that would go on after the control period: 6"


STRANGERS = """<routes>
    <person id="p" depart="25350"><ride from="12#1" to="12#2" lines="called"/></person>
    <vehicle id="called" depart="triggered"><route edges="12#1 12#2"/></vehicle>
    <flow id="ours" begin="25300" end="25700" period="40" from="12#0" to="d-street_1"/>
    <trip id="parks" depart="25400" from="12#0" to="12#2">
        <stop lane="12#1_1" endPos="100" duration="3" parking="true"/>
    </trip>
</routes>"""
CALIBRATOR = """<additional>
    <route id="calibrated" edges="12#0 12#1 12#2 d-street_0"/>
    <calibrator id="c" edge="12#0" pos="20" period="60" output="calibrated.xml">
        <flow begin="25200" end="26000" vehsPerHour="1200" route="calibrated" type="DEFAULT_VEHTYPE"/>
    </calibrator>
    <inductionLoop id="loop" lane="12#1_1" pos="100" period="60" file="loop.xml"/>
    <include href="more.add.xml"/>
</additional>"""


@pytest.mark.parametrize("backend", ["libsumo", "traci"])
def test_vehicles_that_sumo_makes_itself_are_in_no_table(load_town: LoadTown, tmp_path: Path, backend: str) -> None:
    """A taxi that leaves when its passenger comes, vehicles of a calibrator: driven, but not ours to count."""
    tables = {
        "simulation": {"warmup_s": 300, "backend": backend},
        "network": {"file": "town.sumocfg", "additional_files": ["types.add.xml", "calibrators.add.xml"]},
    }
    included = '<additional><edgeData id="e" file="edges.xml"/></additional>'
    files = {"town.rou.xml": STRANGERS, "calibrators.add.xml": CALIBRATOR, "more.add.xml": included}
    scenario = load_town(tables, files)
    before = {path.name for path in tmp_path.iterdir()}
    result = cosim.run(scenario)
    assert sorted(result.trips["vehicle"]) == sorted([*(f"ours.{k}" for k in range(10)), "parks"])
    assert result.counts["arrived"] == result.counts["vehicles"] == 11
    on_edges = result.edges.groupby("edge")["vehicles"].sum()
    assert on_edges["12#1"] > 11 * 2, "the calibrator's vehicles are on the road"
    assert {path.name for path in tmp_path.iterdir()} == before
