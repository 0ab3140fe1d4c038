"""Route files of the user's: what departs when, who may be an EV, what is left out, and every fault in the files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import cosim
from cosim.checking import facts
from cosim.errors import InputError
from cosim.randomness import stream
from cosim.scenario import Scenario
from cosim.traffic.demand import Demand, vehicle_counts
from cosim.traffic.install import sumo_program
from cosim.traffic.network import RoadNetwork
from cosim.traffic.route_demand import RouteTraffic, flow_departures
from cosim.traffic.sumo_input import SumoInput
from cosim.traffic.sumo_routes import FlowTimes, read_routes

from .conftest import LoadTown


@pytest.fixture(scope="module")
def scenario(town_folder: Path) -> Scenario:
    """From second 100 on, 100 s of warm-up and 300 s of control."""
    times = {"begin_s": 100, "warmup_s": 100, "control_s": 300, "time_limit_s": 4000}
    return cosim.load_scenario(town_folder / "scenario.toml", **{f"simulation.{k}": v for k, v in times.items()})


def draw(
    scenario: Scenario, town: RoadNetwork, folder: Path, routes: str, additional: str = "", seed: int = 0
) -> Demand:
    given = [folder / "r.rou.xml", folder / "a.add.xml"]
    given[0].write_text(f"<routes>{routes}</routes>")
    given[1].write_text(f"<additional>{additional}</additional>")
    traffic = RouteTraffic(read_routes(SumoInput((given[1],), (given[0],))), town)
    return traffic.draw(scenario, stream(seed, "demand"))


ZONES = ("west", "east")
FLOWS = """
    <flow id="number" from="12#0" to="12#2" begin="10" end="250" number="7"/>
    <flow id="always" from="-park:2" to="-park:0" end="300" period="60"/>
    <flow id="period" from="-12#2" to="-12#0" begin="110" end="300" period="31.5"/>
    <flow id="hourly" from="main[0]" to="main[2]" begin="120" end="260" vehsPerHour="200"/>
    <flow id="both" from="park:0" to="park:2" begin="130" period="17" number="5"/>
"""


def test_flows_depart_as_the_plain_program_lets_them(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    demand = draw(scenario, town, tmp_path, FLOWS)
    out = tmp_path / "trips.xml"
    command = [sumo_program("sumo"), "-n", str(town.net_file), "-r", str(tmp_path / "r.rou.xml"), "--begin", "100"]
    command += ["--end", "2000", "--tripinfo-output", str(out), "--no-step-log", "true", "--xml-validation", "never"]
    subprocess.run(command, check=True, capture_output=True)
    theirs = {
        info.attrib["id"]: float(info.attrib["depart"]) - float(info.attrib["departDelay"])
        for info in ET.parse(out).getroot().iter("tripinfo")
    }
    ours = dict(zip(demand.vehicle, demand.depart_s.tolist(), strict=True))
    assert len(ours) == 28
    assert ours == {name: int(np.ceil(round(time_s, 2))) for name, time_s in theirs.items()}


def test_random_flows_are_drawn_from_the_seed() -> None:
    rng = stream(0, "demand")
    bernoulli = flow_departures(FlowTimes(0, 100_000, probability=0.1), 0, 100_000, rng)
    assert len(bernoulli) == pytest.approx(10_000, abs=300)
    assert set(np.diff(bernoulli) % 1) == {0.0}
    poisson = flow_departures(FlowTimes(None, None, rate_per_s=0.1), 500, 100_500, rng)
    assert len(poisson) == pytest.approx(10_000, abs=300)
    gaps_s = np.diff(poisson)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.05), "exponential"
    assert min(poisson) >= 500
    assert max(poisson) < 100_500
    assert len(flow_departures(FlowTimes(0, 1000, probability=0.5, number=20), 0, 1000, rng)) == 20
    assert flow_departures(FlowTimes(0, 100, number=0), 0, 100, rng) == []
    again = flow_departures(FlowTimes(0, 100_000, probability=0.1), 0, 100_000, stream(0, "demand"))
    assert again == bernoulli


MIXED = """
    <vType id="mine" vClass="passenger"/><vType id="lorry" vClass="truck"/>
    <route id="r" edges="way-in 12#0 12#1"/>
    <trip id="car" type="mine" depart="210" from="12#0" to="12#2"/>
    <vehicle id="routed" type="mine" depart="210.2" route="r"/>
    <vehicle id="choice" depart="211"><routeDistribution>
        <route edges="12#0 12#1" probability="0.3"/><route edges="12#0 b-street_0" probability="0.7"/>
    </routeDistribution></vehicle>
    <trip id="mixed" type="mix" depart="212" from="12#0" to="12#2"/>
    <trip id="lorry" type="lorry" depart="213" from="12#0" to="12#2"/>
    <trip id="stops" depart="214" from="12#0" to="12#2"><stop lane="12#1_1" endPos="100" duration="5"/></trip>
    <trip id="via" depart="215" from="12#0" to="12#2" via="main[1]"/>
    <vehicle id="line" line="5" depart="216" route="r"/>
    <trip id="ridden" depart="217" from="12#0" to="12#2"/>
    <trip id="zones" depart="218" fromTaz="1" toTaz="2"/>
    <trip id="warm" depart="150" from="12#0" to="12#2"/>
    <person id="p" depart="100"><ride from="12#0" to="12#2" lines="ridden"/></person>
"""
MIX = """
    <vType id="van" vClass="delivery"/><vTypeDistribution id="mix" vTypes="van DEFAULT_VEHTYPE"/>
    <taz id="1" edges="12#0"/><taz id="2" edges="12#2"/>
"""
CARS = {"car", "routed", "choice", "mixed"}


def test_who_may_be_an_ev(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    all_evs = scenario.model_copy(update={"fleet": scenario.fleet.model_copy(update={"ev_share": 1.0})})
    seen = set()
    for seed in range(8):
        demand = draw(all_evs, town, tmp_path, MIXED, MIX, seed)
        assert demand.vehicle[0] == "warm"
        assert {name for name, ev in zip(demand.vehicle, demand.is_ev, strict=True) if ev} == CARS
        assert demand.vehicle_type is not None
        types = dict(zip(demand.vehicle, demand.vehicle_type, strict=True))
        assert (types["car"], types["routed"], types["mixed"]) == ("mine", "mine", "DEFAULT_VEHTYPE")
        i = demand.vehicle.index("routed")
        assert (town.edges[demand.origin[i]], town.edges[demand.destination[i]]) == ("way-in", "12#1")
        assert demand.depart_s[i] == 211
        seen.add(town.edges[demand.destination[demand.vehicle.index("choice")]])
        rest = ET.fromstring(demand.route_file or "")
        left = {element.get("id") for element in rest if element.tag in {"vehicle", "trip"}}
        assert left == {"warm", "lorry", "stops", "via", "line", "ridden", "zones"}
        assert [element.get("id") for element in rest.iter("person")] == ["p"]
    assert seen == {"12#1", "b-street_0"}


def test_a_share_of_them_is_drawn(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    routes = '<flow id="f" from="12#0" to="12#2" begin="100" end="400" period="1"/>'
    one, again, other = (draw(scenario, town, tmp_path, routes, seed=seed) for seed in (0, 0, 1))
    assert (one.is_ev.sum(), other.is_ev.sum()) == (60, 60), "30 % of those of the control period"
    assert not one.is_ev[:100].any()
    assert np.array_equal(one.is_ev, again.is_ev)
    assert np.array_equal(one.soc_start, again.soc_start, equal_nan=True)
    assert not np.array_equal(one.is_ev, other.is_ev)


def test_given_routes_are_kept_and_trips_are_routed(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    rest = ET.fromstring(draw(scenario, town, tmp_path, MIXED, MIX).route_file or "")
    kept = {
        element.get("id")
        for element in rest
        for param in element.iter("param")
        if (param.get("key"), param.get("value")) == ("has.rerouting.device", "false")
    }
    assert "line" in kept
    assert kept <= {"line", "routed", "choice"}


LEFT_OUT = """
    <trip id="before" depart="99" from="12#0" to="12#2"/>
    <trip id="after" depart="500" from="12#0" to="12#2"/>
    <trip id="inside" depart="300" from="12#0" to="12#2"/>
    <vehicle id="gap" depart="300"><route edges="12#0 12#2"/></vehicle>
    <trip id="no-way" depart="300" from="12#0" to="way-in"/>
    <trip id="closed" depart="300" from="12#0" to="bus-road"/>
    <trip id="bus" type="bus" depart="300" from="12#0" to="bus-road"/>
    <vehicle id="taxi" depart="triggered"><route edges="12#0 12#1"/></vehicle>
    <flow id="long" begin="350" end="9000" period="40" from="12#0" to="12#2"/>
"""


def test_what_is_left_out_is_counted_and_named(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    demand = draw(scenario, town, tmp_path, LEFT_OUT, '<vType id="bus" vClass="bus"/>')
    assert demand.vehicle == ("inside", "bus", "long.0", "long.1", "long.2", "long.3")
    notes = demand.notes
    assert notes is not None
    assert (notes.before_begin, notes.after_control, notes.flows_cut, notes.waiting) == (1, 1, 1, 1)
    assert notes.unconnected == (
        "gap: edge '12#2' does not follow edge '12#0' for the class passenger",
        "no-way: there is no way to edge 'way-in' from edge '12#0' for the class passenger",
        "closed: edge 'bus-road' is closed to the class passenger",
    )


@pytest.mark.parametrize(
    ("routes", "faults"),
    [
        ("<trip/>", ["a trip has no id.", "trip '': it has no route, and no from and to.", "trip '': depart: ''"]),
        (
            '<trip id="a" depart="1" from="12#0" to="12#2" type="cra"/><vType id="car"/>',
            ["trip 'a': unknown vehicle type 'cra'; did you mean 'car'?"],
        ),
        ('<vehicle id="a" depart="1" route="x"/>', ["vehicle 'a': unknown route 'x'; the files define none."]),
        ('<trip id="a" depart="soon" from="12#0" to="12#2"/>', ["trip 'a': depart: 'soon' must be a time, such as"]),
        (
            '<trip id="a" depart="1" from="12#0" to="12#2"/><trip id="a" depart="1" from="12#0" to="12#2"/>',
            ["trip 'a': this id is given twice."],
        ),
        (
            '<flow id="f" from="12#0" to="12#2" period="0"/><flow id="g" from="12#0" to="12#2" probability="2"/>',
            ["flow 'f': period = '0' must be above 0.", "flow 'g': probability = 2 must be from 0 to 1."],
        ),
        (
            '<flow id="f" from="12#0" to="12#2"/><flow id="g" from="12#0" to="12#2" period="1" vehsPerHour="2"/>',
            [
                "flow 'f': give one of period, vehsPerHour, probability, or number alone; found none of them.",
                "flow 'g': give one of period, vehsPerHour, probability, or number alone; found period and vehsPer",
            ],
        ),
        ('<flow id="f" from="12#0" to="12#2" number="-3"/>', ["flow 'f': number = '-3' must be a number, at least 0."]),
        ('<vTypeDistribution id="d" vTypes="a"/>', ["vTypeDistribution 'd': unknown vehicle type 'a'; "]),
        (
            '<trip id="a" depart="1" from="12#0" to="12#2"><stop busStop="church"/></trip>',
            ["trip 'a': unknown stop 'church' as busStop; the additional files define none."],
        ),
        (
            '<person id="p" depart="1"><walk from="12#0" busStop="church"/></person>',
            ["person 'p': unknown stop 'church' as busStop; "],
        ),
        ('<flow id="f" fromTaz="west" toTaz="east" period="9"/>', [f"flow 'f': unknown zone '{z}' as " for z in ZONES]),
        ("<trip", ["not a readable SUMO route file ("]),
    ],
)
def test_faults_in_route_files(
    scenario: Scenario, town: RoadNetwork, tmp_path: Path, routes: str, faults: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        draw(scenario, town, tmp_path, routes)
    where = f"{tmp_path / 'r.rou.xml'}: "
    assert len(caught.value.faults) == len(faults)
    for found, expected in zip(caught.value.faults, faults, strict=True):
        assert found.startswith(where + expected)


def test_edges_that_do_not_exist(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    routes = '<trip id="a" depart="200" from="12#8" to="12#2"/>'
    with pytest.raises(
        InputError, match=r"r.rou.xml: trip 'a': unknown edge '12#8' in network 'town'; did you mean '12#"
    ):
        draw(scenario, town, tmp_path, routes)


def test_edges_of_walks_that_do_not_exist(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    routes = '<person id="p" depart="200"><walk edges="12#0 12#8"/></person>'
    with pytest.raises(InputError, match=r"person 'p': unknown edge '12#8' in network 'town'; did you mean '12#"):
        draw(scenario, town, tmp_path, routes)


def test_stops_and_zones_of_additional_files_are_known(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    additional = '<busStop id="church" lane="12#0_1"/><tazs><taz id="west" edges="12#0"/></tazs><taz id="east"/>'
    routes = """
        <trip id="a" depart="200" from="12#0" to="12#2"><stop busStop="church" duration="1"/></trip>
        <trip id="b" depart="200" fromTaz="west" toTaz="east"/>
    """
    assert draw(scenario, town, tmp_path, routes, additional).vehicle == ("a", "b")
    with pytest.raises(InputError, match="unknown zone 'est' as toTaz; did you mean "):
        draw(scenario, town, tmp_path, routes.replace("east", "est"), additional)


def test_a_network_is_no_route_file(tmp_path: Path) -> None:
    (tmp_path / "town.rou.xml").write_text("<net/>")
    with pytest.raises(
        InputError, match=r"town.rou.xml: not a SUMO route file: its root is <net>, it must be <routes>"
    ):
        read_routes(SumoInput((), (tmp_path / "town.rou.xml",)))


def test_nobody_departs(scenario: Scenario, town: RoadNetwork, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no vehicle of the files departs from 100 s to 500 s"):
        draw(scenario, town, tmp_path, '<trip id="a" depart="2000" from="12#0" to="12#2"/>')


AWAY = """<routes>
    <trip id="off" depart="25600" from="way-out" to="way-out"/>
    <trip id="round" depart="25610" from="12#0" to="-park:0"/>
    <trip id="stuck" depart="25620" from="12#0" to="way-in"/>
    <trip id="later" depart="25630" from="d-street_1" to="way-out"/>
</routes>"""


def test_a_station_out_of_reach_is_masked(load_town: LoadTown) -> None:
    """Who begins on the way out drives straight on, uncharged; check says so beforehand, of pairs too."""
    scenario = load_town({"fleet": {"ev_share": 1.0}}, {"town.rou.xml": AWAY})
    said = dict(facts(scenario))
    assert said["no station"] == "1 EVs can reach none and drive straight on (off)"
    assert said["left out"] == (
        "vehicles: 1 that have no way "
        "(stuck: there is no way to edge 'way-in' from edge '12#0' for the class passenger)"
    )
    assert vehicle_counts(scenario) == (0, 3, 3)
    result = cosim.run(scenario)
    trips = result.trips.set_index("vehicle")
    assert (result.counts["unreachable"], result.counts["charged"], result.counts["arrived"]) == (1, 2, 3)
    assert trips["station"].to_dict() == {"off": None, "round": "A", "later": "A"}


def test_route_files_with_a_plain_network(load_town: LoadTown, town_folder: Path) -> None:
    """Without a configuration: route files, vehicle types and the beginning as the scenario says."""
    tables = {
        "network": {"file": "town.net.xml.gz", "additional_files": ["types.add.xml"]},
        "demand": {"trips": "routes", "route_files": ["town.rou.xml"]},
        "simulation": {"begin_s": 25_200, "warmup_s": 60, "control_s": 60},
    }
    text = (town_folder / "town.rou.xml").read_text().replace('probability="0.05"', 'probability="0"')
    assert vehicle_counts(load_town(tables, {"town.rou.xml": text}))[:2] == (11, 8), "3 of each flow, a lorry, a bus"


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ({"demand": {"trips": "routes", "route_files": ["no.rou.xml"]}}, "route_files: the file {} does not exist"),
        (
            {"demand": {"trips": "routes", "hourly": [1.0] * 24}},
            "hourly is given, but trips = 'routes' does not use it",
        ),
        ({"demand": {"od_file": "x.csv"}}, "[demand]: od_file is given, but trips = 'routes' does not use it; did you"),
        (
            {"network": {"file": "town.net.xml.gz"}, "demand": {"trips": "routes"}},
            "[demand] trips = 'routes': give route_files, or a .sumocfg that names some as [network] file.",
        ),
        ({"network": {"file": "town.sumocfg", "additional_files": ["no.add.xml"]}}, "additional_files: the file {}"),
        (
            {"simulation": {"warmup_s": 1500}},
            "ends at 26700 s, which leaves nothing for a control period after begin_s",
        ),
    ],
)
def test_files_that_are_missing_or_not_used(load_town: LoadTown, tables: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        SumoInput.of(load_town(tables))
    assert sentence.partition("{}")[0] in str(caught.value)
