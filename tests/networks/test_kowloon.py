"""Kowloon: exact counts, what can be driven, zones and stations, bytes, and a few minutes of the coupled case."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import cosim
from cosim import registry
from cosim.checking import facts
from cosim.coupling import CoupledSystem, couple
from cosim.errors import InputError
from cosim.grid.feeder import largest_load_buses
from cosim.preparation import draw_demand
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim.traffic.demand import Demand
from cosim.traffic.network import load_network
from cosim.traffic.od_table import OdTable
from cosim_networks.kowloon.cache import cached
from cosim_networks.kowloon.links import LinkGraph, legal_turns, split_to
from cosim_networks.kowloon.roads import Roads, make_roads
from cosim_networks.kowloon.tables import FOLDER, read_streets, read_zones
from cosim_networks.kowloon.zones import edges_of_zones, gravity_table, station_edges


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return cosim.load_scenario("kowloon")


@pytest.fixture(scope="module")
def system(scenario: Scenario) -> CoupledSystem:
    return couple(scenario)


@pytest.fixture(scope="module")
def roads() -> Roads:
    return make_roads(full=False)


@pytest.fixture(scope="module")
def demand(scenario: Scenario, system: CoupledSystem) -> Demand:
    return draw_demand(scenario, system.network, seed=0)


@pytest.mark.parametrize(("name", "nodes", "edges"), [("kowloon", 817, 1072), ("kowloon-full", 367, 947)])
def test_counts_and_connectivity(name: str, nodes: int, edges: int) -> None:
    network = load_network(name=name, file=None)
    assert (len(network.node_xy_m), len(network.edges)) == (nodes, edges)
    assert len(network.largest_component()) == edges, "every edge reaches every other by legal turns"
    text = network.net_file.read_text(encoding="utf-8")
    assert 'lefthand="true"' in re.findall(r"<net [^>]*>", text)[0]
    assert "not for navigation" in text
    assert "generated on" not in text


def test_signals_have_a_cycle_of_60_s(system: CoupledSystem, roads: Roads) -> None:
    logics = ET.parse(system.network.net_file).getroot().findall("tlLogic")
    assert {logic.get("id") for logic in logics} == {roads.node_id[node] for node in roads.signals}
    assert {logic.get("type") for logic in logics} == {"static"}
    assert {sum(float(phase.get("duration", 0)) for phase in logic.findall("phase")) for logic in logics} == {60.0}
    assert len(logics) == 104


def test_the_builder_knows_the_turns_that_sumo_allows() -> None:
    """On the network without mid-block nodes, which hide from the builder that a turn leads back."""
    network, roads = load_network(name="kowloon-full", file=None), make_roads(full=True)
    names = list(roads.edges)
    ours = {(names[i], names[j]) for i, j in legal_turns(list(roads.edges.values()))}
    rows, columns = network.graph.nonzero()
    theirs = {(network.edges[i], network.edges[j]) for i, j in zip(rows, columns, strict=True)}
    # From the end of one carriageway into the beginning of the other, which SUMO takes for turning back.
    assert ours - theirs == {("boundary-street.6", "prince-edward-road-west-east.1")}
    assert theirs < ours


def test_streets_of_the_table_are_the_edges_attributes(system: CoupledSystem, roads: Roads) -> None:
    network = system.network
    assert set(roads.edges) == set(network.edges)
    for name, link in roads.edges.items():
        edge = network.edge_index(name)
        assert network.lanes[edge] == link.street.lanes
        assert network.speed_mps[edge] == pytest.approx(link.street.speed_mps, abs=0.005)
        assert 0.5 * link.line.length_m < network.length_m[edge] < 1.05 * link.line.length_m, "junctions take a part"
    assert {link.street.two_way for name, link in roads.edges.items() if name.startswith("boundary-street")} == {False}
    nathan = [link for name, link in roads.edges.items() if name.startswith("nathan-road.")]
    northward = [link.line.points_m[-1][1] > link.line.points_m[0][1] for link in nathan]
    assert northward == sorted(northward, reverse=True), "numbered along the street, then back"
    assert sum(northward) * 2 == len(northward)


def test_one_way_streets_keep_their_direction() -> None:
    streets = {street.name: street for street in read_streets()}
    prince_edward = streets["Prince Edward Road West (east)"]
    assert not prince_edward.two_way
    assert prince_edward.line.points_m[0][0] > prince_edward.line.points_m[-1][0], "westward"
    assert len(streets) == 168


def test_splitting_beyond_what_the_junctions_allow_is_refused() -> None:
    graph = LinkGraph(np.array([[0.0, 0.0], [100.0, 0.0]]))
    with pytest.raises(ValueError, match="5 nodes and 2 links cannot be reached"):
        split_to(graph, nodes=5, links=2)


def test_built_files_are_the_same_to_the_byte(tmp_path: Path) -> None:
    code = "import sys, pathlib; from cosim_networks.kowloon.cache import write_files; "
    code += "write_files(pathlib.Path(sys.argv[1]), full=False)"
    built = []
    for hash_seed in ("1", "2"):
        folder = tmp_path / hash_seed
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, env=environment)
        built.append([(folder / name).read_bytes() for name in ("net.xml", "taz.xml", "od.csv")])
    net = cached("kowloon", full=False)
    stem = net.name.removesuffix(".net.xml")
    built.append([(net.with_name(f"{stem}.{ending}")).read_bytes() for ending in ("net.xml", "taz.xml", "od.csv")])
    assert built[0] == built[1] == built[2]


def test_built_files_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path))
    first = cached("kowloon", full=False)
    written = first.stat().st_mtime_ns
    assert (cached("kowloon", full=False), first.stat().st_mtime_ns) == (first, written)
    endings = sorted(path.name.partition(".")[2] for path in tmp_path.iterdir())
    assert endings == ["net.xml", "od.csv", "taz.xml"], "no scratch files are left"


def test_zones_hold_every_road_with_doors_once(roads: Roads) -> None:
    zones = edges_of_zones(roads)
    edges = [edge for members in zones.values() for edge in members]
    assert len(zones) == 12
    assert min(len(members) for members in zones.values()) >= 40
    assert len(edges) == len(set(edges))
    closed = {roads.edges[edge].street.name for edge in set(roads.edges) - set(edges)}
    assert closed == {"West Kowloon Highway", "West Kowloon Highway ramp", "Gascoigne Road Flyover", "Hung Hom Bypass"}


def test_gravity_table_keeps_the_zones_productions() -> None:
    zones, shares = read_zones(), gravity_table()
    assert len(shares) == 12 * 11
    assert sum(shares.values()) == pytest.approx(1.0)
    produced = sum(zone.production for zone in zones)
    for zone in zones:
        share = sum(share for (origin, _), share in shares.items() if origin == zone.id)
        assert share == pytest.approx(zone.production / produced)


def test_demand_follows_the_table(scenario: Scenario, system: CoupledSystem) -> None:
    """Chi-square over the 132 pairs of zones, and over the zones' edges, at ten times the vehicles."""
    network = system.network
    many = scenario.model_copy(update={"demand": scenario.demand.model_copy(update={"vehicles_per_h": 44_420.0})})
    drawn = draw_demand(many, network, seed=1)
    table = OdTable.beside(network)
    zone_of = {int(edge): zone for zone, members in table.sources.items() for edge in members.edges}
    counts: dict[tuple[str, str], int] = {}
    for origin, destination in zip(drawn.origin.tolist(), drawn.destination.tolist(), strict=True):
        pair = zone_of[origin], zone_of[destination]
        counts[pair] = counts.get(pair, 0) + 1
    expected = {pair: share * len(drawn) for pair, share in gravity_table().items()}
    assert set(counts) == set(expected), "no trips within a zone"
    assert sum((counts[pair] - value) ** 2 / value for pair, value in expected.items()) < 190, "131 degrees, 0.1 %"
    for ends, zones in ((drawn.origin, table.sources), (drawn.destination, table.sinks)):
        members = zones["5"]
        seen = np.bincount(ends, minlength=len(network.edges))[members.edges]
        wanted = members.weights / members.weights.sum() * seen.sum()
        assert ((seen - wanted) ** 2 / wanted).sum() < 122, "76 degrees, 0.1 %"


def test_the_table_beside_the_network_is_the_paper_s_rate(system: CoupledSystem) -> None:
    net = system.network.net_file
    with net.with_name(net.name.replace(".net.xml", ".od.csv")).open() as file:
        assert sum(float(row["vehicles_per_h"]) for row in csv.DictReader(file)) == pytest.approx(4442, abs=0.1)


def test_numbers_are_those_of_the_paper(demand: Demand) -> None:
    warmup = demand.depart_s < 1200
    assert (len(demand), warmup.sum(), demand.is_ev.sum()) == (5923, 1481, 356)
    assert not demand.is_ev[warmup].any()
    assert demand.depart_s.max() < 4800
    assert (demand.origin != demand.destination).all()
    assert np.isnan(demand.parking_s).all()


def test_the_seed_makes_the_demand(scenario: Scenario, system: CoupledSystem, demand: Demand) -> None:
    again, other = (draw_demand(scenario, system.network, seed) for seed in (0, 1))
    for name in ("depart_s", "origin", "destination", "is_ev", "soc_start"):
        assert np.array_equal(getattr(demand, name), getattr(again, name), equal_nan=name == "soc_start")
        assert not np.array_equal(getattr(demand, name), getattr(other, name), equal_nan=name == "soc_start")


def test_vehicles_that_park_draw_the_same_trips(system: CoupledSystem, demand: Demand) -> None:
    parking = cosim.load_scenario("kowloon", **{"fleet.parking_share": 0.5})
    drawn = draw_demand(parking, system.network, seed=0)
    assert np.isfinite(drawn.parking_s).sum() == 178
    assert np.array_equal(drawn.origin, demand.origin)


@pytest.mark.parametrize("name", ["kowloon", "kowloon-full"])
def test_stations_stand_where_the_rule_says(name: str, system: CoupledSystem) -> None:
    scenario, roads = cosim.load_scenario(name), make_roads(full=name == "kowloon-full")
    rule = station_edges(roads)
    assert scenario.network.name == name
    assert [(station.id, station.edge) for station in scenario.station] == [
        (f"CS{zone}", edge) for zone, edge in rule.items()
    ]
    assert all(rule[zone] in members for zone, members in edges_of_zones(roads).items())
    assert [station.bus for station in scenario.station] == list(largest_load_buses(system.feeder))[:12]
    assert {station.chargers for station in scenario.station} == {30}


def test_both_scenarios_differ_in_the_network_only() -> None:
    one, other = (cosim.load_scenario(name).model_dump() for name in ("kowloon", "kowloon-full"))
    for tables in (one, other):
        for key in ("name", "description", "network"):
            tables.pop(key)
        tables["station"] = [{**station, "edge": None} for station in tables["station"]]
    assert one == other


def test_stations_can_be_reached_by_every_car(system: CoupledSystem) -> None:
    network = system.network
    lanes = {lane.get("id"): lane for lane in ET.parse(network.net_file).getroot().iter("lane")}
    for station in system.stations:
        lane = lanes[station.lane]
        assert "passenger" not in lane.get("disallow", "")
        assert lane.get("allow") is None
        assert station.strip_start_m >= 20
        assert station.strip_end_m + 20 <= float(lane.get("length", 0))
    reach_to, reach_from = system.reachable
    assert reach_to.all()
    assert reach_from.all()


def test_the_full_network_takes_its_stations() -> None:
    reach_to, reach_from = couple(cosim.load_scenario("kowloon-full")).reachable
    assert reach_to.all()
    assert reach_from.all()


def test_check_says_what_was_found(scenario: Scenario) -> None:
    lines = dict(facts(scenario))
    assert lines["network"].startswith("kowloon: 817 nodes, 1072 edges, ")
    assert lines["network"].endswith("; 1072 edges reach one another")
    assert "4442 in 3600 s of control, 356 of these are EVs" in lines["demand"]
    assert "base losses 225.00 kW, lowest voltage 0.9092 pu at bus 65" in lines["feeder"]
    assert lines["station CS5"].startswith("edge shanghai-street.")
    assert not any("NOT on the largest component" in line for line in lines.values())


def test_a_few_minutes_of_the_coupled_case() -> None:
    short = {"simulation.warmup_s": 60, "simulation.control_s": 180}
    scenario = cosim.load_scenario("kowloon", **short)
    with Simulation(scenario) as simulation:
        simulation.reset(seed=2)
        while (request := simulation.advance()) is not None:
            view = simulation.observe(request)
            assert view.edge_density_per_km.shape == (1072,)
            assert view.reachable.all()
            simulation.answer(request.step % 12)
        counts = simulation.counts()
    assert (counts["vehicles"], counts["arrived"], counts["evs"], counts["charged"]) == (296, 296, 18, 18)
    assert (counts["decisions"], counts["unreachable"], counts["teleports"], counts["collisions"]) == (18, 0, 0, 0)


@pytest.mark.parametrize("name", ["op-srl", "ppo", "ppo-lag"])
def test_learners_have_a_policy_for_it(name: str, system: CoupledSystem) -> None:
    short = {"simulation.warmup_s": 10, "simulation.control_s": 50, "fleet.ev_share": 0.1}
    result = cosim.run(cosim.load_scenario("kowloon", recommender=name, **short), system=system, seed=1)
    assert (result.counts["charged"], result.counts["evs"]) == (6, 6)


def test_a_policy_for_it_does_not_fit_other_roads() -> None:
    short = {"simulation.warmup_s": 10, "simulation.control_s": 50, "fleet.ev_share": 0.1}
    with pytest.raises(InputError, match=r"trained on 'kowloon' with \d+ observed numbers and does not fit"):
        cosim.run(cosim.load_scenario("kowloon-full", recommender="ppo", **short), seed=1)


def test_both_networks_are_listed() -> None:
    assert "817 nodes, 1,072 directed edges" in registry.describe("network", "kowloon")
    assert "every street" in registry.describe("network", "kowloon-full")
    assert "356 EVs" in registry.describe("scenario", "kowloon")


def test_the_tables_carry_their_source() -> None:
    head = (FOLDER / "streets.csv").read_text(encoding="utf-8").partition("\nname,")[0]
    assert "Transport Department, HKSAR Government" in head
    assert "No OpenStreetMap data" in head
    assert "NOT observed" in (FOLDER / "zones.csv").read_text(encoding="utf-8")
