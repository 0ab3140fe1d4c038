"""Trips between zones from a table beside a network of one's own: what is drawn, and every fault in the files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli_w

import cosim
from cosim.errors import InputError
from cosim.preparation import draw_demand
from cosim.randomness import stream
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim.traffic.netconvert import Edge, Node, cached_network
from cosim.traffic.network import RoadNetwork, load_network
from cosim.traffic.od_table import OdTable

ZONES = """<additional>
  <taz id="west" edges="1_5 5_1 1_12"/>
  <taz id="east"><tazSource id="11_3" weight="3"/><tazSource id="8_2" weight="1"/><tazSink id="3_11"/></taz>
</additional>"""
TABLE = "origin,destination,vehicles_per_h\n# morning\nwest,east,300\neast,west,100\nwest,west,0\n"


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """Nguyen-Dupuis as a file of the user's, with zones and a table beside it."""
    net = tmp_path / "town.net.xml"
    shutil.copy(load_network(name="nguyen-dupuis", file=None).net_file, net)
    (tmp_path / "town.taz.xml").write_text(ZONES)
    (tmp_path / "town.od.csv").write_text(TABLE)
    return net


@pytest.fixture
def network(town: Path) -> RoadNetwork:
    return load_network(name=None, file=town)


def scenario_of(town: Path, short_scenario: Scenario) -> Scenario:
    tables = short_scenario.model_dump(exclude_none=True)
    tables["network"] = {"file": str(town)}
    tables["demand"]["trips"] = "od-table"
    path = town.with_name("s.toml")
    path.write_text(tomli_w.dumps(tables))
    return cosim.load_scenario(path)


def test_pairs_and_edges_are_drawn_by_their_weights(network: RoadNetwork) -> None:
    origin, destination = OdTable.beside(network).draw(40_000, stream(0, "demand"))
    counts = {edge: (origin == i).sum() for i, edge in enumerate(network.edges)}
    assert counts["1_5"] + counts["5_1"] + counts["1_12"] == pytest.approx(30_000, abs=400)
    assert counts["1_5"] == pytest.approx(10_000, abs=400)
    assert (counts["11_3"], counts["8_2"]) == (pytest.approx(7500, abs=350), pytest.approx(2500, abs=200))
    arrivals = {edge: (destination == i).sum() for i, edge in enumerate(network.edges)}
    assert arrivals["3_11"] == counts["1_5"] + counts["5_1"] + counts["1_12"]
    assert arrivals["11_3"] == arrivals["8_2"] == 0


def test_trips_within_a_zone_end_at_another_edge(town: Path, network: RoadNetwork) -> None:
    town.with_name("town.od.csv").write_text("origin,destination,vehicles_per_h\nwest,west,5\n")
    origin, destination = OdTable.beside(network).draw(3000, stream(0, "demand"))
    assert (origin != destination).all()
    assert set(origin) == set(destination)
    assert len(set(origin)) == 3


def test_a_coupled_run_with_a_table(town: Path, short_scenario: Scenario) -> None:
    scenario = scenario_of(town, short_scenario)
    result = cosim.run(scenario)
    assert result.counts["arrived"] == result.counts["vehicles"] == 200
    assert result.counts["evs"] == 75
    with Simulation(scenario) as simulation:
        network = simulation.system.network
        one, again, other = (draw_demand(scenario, network, seed) for seed in (0, 0, 1))
    assert np.array_equal(one.origin, again.origin)
    assert not np.array_equal(one.origin, other.origin)


def test_edges_that_cannot_reach_the_rest_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path))
    nodes = [Node(name, x_m, y_m) for name, x_m, y_m in (("a", 0, 0), ("b", 200, 0), ("c", 200, 200), ("d", 400, 0))]
    pairs = ("ab", "bc", "ca", "bd")
    net = cached_network("trap", nodes, [Edge(pair, pair[0], pair[1], 200, 10) for pair in pairs])
    net.with_name(net.name.replace(".net.xml", ".od.csv")).write_text("origin,destination,vehicles_per_h\n1,1,5\n")
    zones = net.with_name(net.name.replace(".net.xml", ".taz.xml"))
    zones.write_text('<additional><taz id="1" edges="ab bd ca"/></additional>')
    network = load_network(name=None, file=net)
    origin, _ = OdTable.beside(network).draw(200, stream(0, "demand"))
    assert {network.edges[i] for i in origin} == {"ab", "ca"}
    zones.write_text('<additional><taz id="1" edges="bd"/></additional>')
    with pytest.raises(InputError, match=r"zone '1': no tazSource edge of it belongs to those that all reach one ano"):
        OdTable.beside(network)


@pytest.mark.parametrize("ending", ["od.csv", "taz.xml"])
def test_a_missing_file_is_named(town: Path, short_scenario: Scenario, ending: str) -> None:
    missing = town.with_name(f"town.{ending}")
    missing.unlink()
    with Simulation(scenario_of(town, short_scenario)) as simulation, pytest.raises(InputError) as caught:
        simulation.prepare(0)
    assert str(caught.value) == (
        f"[demand] trips = 'od-table': network 'town' has no such table: {missing} does not exist; "
        f"give {'od_file' if ending == 'od.csv' else 'taz_file'}."
    )


def test_a_kind_of_trips_that_does_not_exist() -> None:
    with pytest.raises(InputError, match=r"\[demand\] trips .*: found 'od'; input should be 'any-edges', 'od-table'"):
        cosim.load_scenario("nguyen-dupuis", **{"demand.trips": "od"})


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (
            "west,easst,5\nwest,east,many\nnorth,east,-1\n",
            [
                "row 1: unknown zone 'easst' as destination; did you mean 'east'? allowed: 'east', 'west'.",
                "row 2: vehicles_per_h = 'many' must be a number, at least 0.",
                "row 3: unknown zone 'north' as origin; allowed: 'east', 'west'.",
                "row 3: vehicles_per_h = '-1' must be a number, at least 0.",
            ],
        ),
        ("west,east,0\n", ["there are no trips; at least one row must have vehicles_per_h above 0."]),
        ("west,east\n", ["row 1: vehicles_per_h = '' must be a number, at least 0."]),
    ],
)
def test_every_fault_of_a_table_at_once(town: Path, network: RoadNetwork, rows: str, faults: list[str]) -> None:
    table = town.with_name("town.od.csv")
    table.write_text(f"origin,destination,vehicles_per_h\n{rows}")
    with pytest.raises(InputError) as caught:
        OdTable.beside(network)
    assert caught.value.faults == tuple(f"{table}: {fault}" for fault in faults)


def test_other_columns_are_refused(town: Path, network: RoadNetwork) -> None:
    town.with_name("town.od.csv").write_text("from,to,flow\nwest,east,5\n")
    with pytest.raises(InputError, match=r"columns are from, to, flow; they must be origin, destination, v"):
        OdTable.beside(network)
    town.with_name("town.od.csv").write_text("origin;destination;vehicles_per_h\nwest;east;5\n")
    with pytest.raises(InputError, match=r"vehicles_per_h with commas between them\."):
        OdTable.beside(network)


@pytest.mark.parametrize(
    ("zones", "fault"),
    [
        ("<additional", "not a readable file of SUMO zones (unclosed token: line 1, column 0)."),
        (
            '<additional><taz id="west" edges="1_55"/></additional>',
            "zone 'west': unknown edge '1_55' in network 'town'",
        ),
        (
            '<additional><taz id="west"><tazSource id="1_5" weight="x"/><tazSink id="1_5"/></taz></additional>',
            "zone 'west': tazSource '1_5': weight = 'x' must be a number, at least 0.",
        ),
        ('<additional><taz id="west"/></additional>', "zone 'west': no tazSource edge of it belongs to"),
    ],
)
def test_faults_of_the_zones(town: Path, network: RoadNetwork, zones: str, fault: str) -> None:
    path = town.with_name("town.taz.xml")
    path.write_text(zones)
    with pytest.raises(InputError) as caught:
        OdTable.beside(network)
    assert caught.value.faults[0].startswith(f"{path}: ")
    assert fault in caught.value.faults[0]


def test_a_pair_with_one_edge_for_both_ends_is_refused(town: Path, network: RoadNetwork) -> None:
    town.with_name("town.taz.xml").write_text('<additional><taz id="west" edges="1_5"/></additional>')
    town.with_name("town.od.csv").write_text("origin,destination,vehicles_per_h\nwest,west,5\n")
    with pytest.raises(InputError, match="row 1: zones 'west' and 'west' have only the same edge for their trips"):
        OdTable.beside(network)
