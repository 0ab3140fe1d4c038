"""From a TNTP problem to a scenario that runs, through the command line and with the real netconvert and SUMO."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from support import ImportedScenario

import cosim
from cosim.cli import run_command_line
from cosim.errors import InputError
from cosim.importing.ready_scenario import Wishes
from cosim.importing.tntp import _read, import_tntp
from cosim.importing.tntp_roads import Choices
from cosim.preparation import draw_demand
from cosim.traffic.netconvert import Edge, Node, cached_network
from cosim.traffic.network import load_network
from cosim.traffic.od_table import OdTable

CASES = Path(__file__).parents[1] / "cases" / "tntp"
NGUYEN = ("nguyen_dupuis", "--length-unit", "km", "--time-unit", "min", "--period-h", "1", "--both-ways")
CENTROIDS = ("centroids", "--length-unit", "mi", "--time-unit", "0.01h", "--period-h", "24", "--speed-kmh", "36",
             "--demand-share", "10", "--coordinates", "degrees", "--stations", "2")  # fmt: skip
FILES = ["import.json", "network.net.xml", "network.od.csv", "network.taz.xml", "scenario.toml"]


@dataclass(frozen=True)
class Imported(ImportedScenario):
    @property
    def pairs(self) -> dict[tuple[str, str], float]:
        with (self.folder / "network.od.csv").open() as file:
            return {(row["origin"], row["destination"]): float(row["vehicles_per_h"]) for row in csv.DictReader(file)}

    def turns(self, edge: str) -> set[str]:
        row = self.network.edge_index(edge)
        indices, starts = self.network.graph.indices, self.network.graph.indptr
        return {self.network.edges[i] for i in indices[starts[row] : starts[row + 1]]}


def arguments(case: str, *options: str, nodes: bool = True) -> list[str]:
    files = [str(CASES / f"{case}_{what}.tntp") for what in ("net", "trips", *(["node"] if nodes else []))]
    return ["import", "tntp", *files, *options]


def imported(folder: Path, case: str, *options: str, nodes: bool = True) -> Imported:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert run_command_line([*arguments(case, *options, nodes=nodes), "--out", str(folder)]) == 0
    return Imported(folder, printed.getvalue(), load_network(name=None, file=folder / "network.net.xml"))


def refusal(capsys: pytest.CaptureFixture[str], folder: Path, case: str, *options: str, **nodes: bool) -> list[str]:
    assert run_command_line([*arguments(case, *options, **nodes), "--out", str(folder)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("cosim: ") for line in lines)
    return [line.removeprefix("cosim: ") for line in lines]


@pytest.fixture(scope="module")
def nguyen(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return imported(tmp_path_factory.mktemp("tntp") / "nguyen", *NGUYEN)


@pytest.fixture(scope="module")
def centroids(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return imported(tmp_path_factory.mktemp("tntp") / "centroids", *CENTROIDS)


def test_the_roads_are_those_of_the_shipped_network(nguyen: Imported) -> None:
    shipped = load_network(name="nguyen-dupuis", file=None)
    network = nguyen.network
    assert len(network.edges) == 38 + 4
    for position, edge in enumerate(shipped.edges):
        own = network.edge_index(edge)
        assert network.length_m[own] == pytest.approx(shipped.length_m[position], abs=1e-3)
        assert network.speed_mps[own] == pytest.approx(50 / 3.6, abs=1e-3)
        assert network.lanes[own] == 2
        # The same turns, and into a zone's own road.
        following = {shipped.edges[i] for i in shipped.graph.indices[slice(*shipped.graph.indptr[position:][:2])]}
        assert {turn for turn in nguyen.turns(edge) if "zone" not in turn} == following
    assert nguyen.turns("8_2") == {"2_11", "zone2_in"}
    assert nguyen.turns("zone1_out") == {"1_5", "1_12"}
    assert nguyen.turns("zone2_in") == set()
    # The node file is drawn to the scale of the roads: 500 m become 701 m.
    places = np.array([network.node_xy_m[node] for node in ("1", "12")])
    assert np.hypot(*(places[1] - places[0])) == pytest.approx(701, abs=1)


def test_the_trips_begin_and_end_at_their_zones(nguyen: Imported) -> None:
    assert nguyen.pairs == {("1", "2"): 400.0, ("1", "3"): 800.0, ("4", "2"): 600.0, ("4", "3"): 200.0}
    scenario = cosim.load_scenario(nguyen.folder / "scenario.toml")
    assert (scenario.demand.vehicles_per_h, scenario.demand.trips) == (2000.0, "od-table")
    assert len(scenario.station) == 4
    assert not any("zone" in station.edge for station in scenario.station)
    demand = draw_demand(scenario, nguyen.network, 0)
    edges = np.array(nguyen.network.edges)
    assert set(edges[demand.origin]) == {"zone1_out", "zone4_out"}
    assert set(edges[demand.destination]) == {"zone2_in", "zone3_in"}
    assert (edges[demand.origin] == "zone1_out").mean() == pytest.approx(0.6, abs=0.03)


def test_what_is_recorded_and_said(nguyen: Imported, centroids: Imported) -> None:
    assert sorted(path.name for path in nguyen.folder.iterdir()) == FILES
    record = nguyen.record
    assert record["counts"] == {
        "zones": 4, "tntp_nodes": 13, "links": 19, "pairs": 4, "nodes": 17, "edges": 42,
        "edges_reaching_one_another": 38, "edges_outside": 4, "lane_km": pytest.approx(59.04), "stations": 4,
    }  # fmt: skip
    assert record["choices"] == {
        "length": "km", "time": "min", "period_h": 1.0, "demand_share": 1.0, "speed_kmh": None, "coordinates": "fit",
        "both_ways": True,
    }  # fmt: skip
    head = (nguyen.folder / "scenario.toml").read_text()
    assert "# Units, as stated: lengths km, free-flow times min, capacities and trips for 1 h, 1 of the demand." in head
    for folder in (nguyen, centroids):
        assert f"python -m cosim run {folder.folder / 'scenario.toml'}" in folder.printed
        for note in folder.record["notes"]:  # type: ignore[attr-defined]
            assert note in folder.printed
            # Comments are wrapped.
            assert note in (folder.folder / "scenario.toml").read_text().replace("\n# ", " ")
    assert centroids.record["notes"] == [
        "2 of 13 links have no speed from 5 to 150 km/h in the file and are driven at 36 km/h: 3-6, 6-3.",
        "3 of 13 links are shorter than 10 m and get that length: 3-6, 6-3, 7-5.",
        "1 of 13 links carry more than 10800 vehicles/h and get 6 lanes: 6-7.",
        "10 of 514 trips stay within their zone and are left out.",
        "1 of 5 pairs of zones have no way from one to the other by the 6 roads that all reach one another: 2-1; their "
        "trips, 4.76 % of all, are left out.",
    ]


def test_nobody_drives_through_a_centroid(centroids: Imported) -> None:
    """The way 4-2-6 would be the shortest: 0.2 miles instead of 2."""
    assert centroids.turns("4_2") == centroids.turns("6_2") == {"zone2_in"}
    assert centroids.turns("zone2_out") == {"2_4", "2_6"}
    assert centroids.turns("1_4") == {"4_5", "4_2"}
    network = centroids.network
    ends = [network.edge_index(edge) for edge in ("zone1_out", "zone3_in")]
    assert [network.edges[i] for i in network.route(*ends)] == ["zone1_out", "1_4", "4_5", "5_6", "6_3", "zone3_in"]
    component = {network.edges[i] for i in network.largest_component()}
    assert component == {"4_5", "5_6", "6_7", "7_4", "7_4_2", "7_5"}


def test_rates_follow_from_period_and_share(centroids: Imported) -> None:
    """Trips a day, ten times as many: trips x 10 / 24. Zone 1 cannot be reached; trips within zone 2 stay there."""
    assert centroids.pairs == {("1", "2"): 50.0, ("1", "3"): 100.0, ("2", "3"): 30.0, ("3", "2"): 20.0}
    assert cosim.load_scenario(centroids.folder / "scenario.toml").demand.vehicles_per_h == 200.0
    zones = {
        taz.get("id"): [end.tag for end in taz] for taz in ET.parse(centroids.folder / "network.taz.xml").iter("taz")
    }
    assert zones == {"1": ["tazSource"], "2": ["tazSource", "tazSink"], "3": ["tazSource", "tazSink"]}


def test_a_run_from_the_command_line(centroids: Imported, tmp_path: Path) -> None:
    short = ("--set", "simulation.warmup_s=60", "--set", "simulation.control_s=900", "--no-report", "--quiet")
    with contextlib.redirect_stdout(io.StringIO()):
        done = run_command_line(
            ["run", str(centroids.folder / "scenario.toml"), *short, "--out", str(tmp_path / "run")]
        )
    assert done == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["counts"]["arrived"] == summary["counts"]["vehicles"] == 3 + 50
    assert summary["counts"]["charged"] == summary["counts"]["evs"] > 0
    assert summary["counts"]["teleports"] == 0


def test_the_same_bytes_in_another_process(nguyen: Imported, tmp_path: Path) -> None:
    case, *options = NGUYEN
    command = [sys.executable, "-m", "cosim", *arguments(case, *options), "--out", str(tmp_path / "again"), "--quiet"]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path / 'again' / 'scenario.toml'}\n", "")
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (nguyen.folder / name).read_bytes(), name


def test_without_coordinates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    braess = ("braess", "--length-unit", "km", "--time-unit", "min", "--period-h", "0.01", "--speed-kmh", "90")
    # One way, Braess' network is no network of which two roads reach one another.
    assert refusal(capsys, tmp_path / "town", *braess, nodes=False) == [
        f"{CASES / 'braess_net.tntp'}: no two links reach one another, so that no vehicle could drive to a charging "
        "station and on; --both-ways gives each link that has none a way back."
    ]
    assert list(tmp_path.iterdir()) == []
    done = imported(tmp_path / "town", *braess, "--both-ways", nodes=False)
    assert len(done.network.edges) == 12
    assert done.network.length_m[done.network.edge_index("1_4")] == 20_000
    assert "No node file: the network is drawn by the lengths of its links" in done.printed
    assert done.pairs == {("1", "2"): 600.0}


def test_every_missing_unit_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, tmp_path / "town", "nguyen_dupuis", "--stations", "99")
    assert told == [
        "--length-unit: say in which unit the lengths are, TNTP files do not; one of m, km, mi, ft, time.",
        "--time-unit: say in which unit the free-flow times are, TNTP files do not; one of s, min, h, 0.01h.",
        "--period-h: say for how many hours the capacities and trips stand, TNTP files do not; 1 if they are per hour, "
        "24 if per day.",
        "--stations: found 99; feeder 'ieee33' has 32 buses with a load, and each station stands on one of its own.",
    ]
    assert list(tmp_path.iterdir()) == []


def test_faults_of_all_files_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [CASES / name for name in ("nguyen_dupuis_net.tntp", "centroids_trips.tntp", "centroids_node.tntp")]
    units = NGUYEN[1:]
    assert run_command_line(["import", "tntp", *map(str, files), *units, "--out", str(tmp_path / "town")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"cosim: {files[1]}: <NUMBER OF ZONES> is 3, but the network has 4 zones; do the files belong together?",
        f"cosim: {files[2]}: no coordinates for 6 of 13 nodes: 8, 9, 10, 11, 12, 13.",
    ]


@pytest.mark.parametrize(("period_h", "rate"), [(8000.0, "0.25"), (0.001, "2e+06")])
def test_rates_that_cannot_be_meant(period_h: float, rate: str) -> None:
    files = [CASES / f"nguyen_dupuis_{what}.tntp" for what in ("net", "trips", "node")]
    with pytest.raises(InputError) as caught:
        _read(*files, Choices("km", "min", period_h), print)
    assert str(caught.value) == (
        f"{files[1]}: with --period-h {period_h:g} and --demand-share 1 the trips between zones come to {rate} "
        "vehicles/h; it must be from 1 to 1000000."
    )


def test_a_folder_in_use(nguyen: Imported, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (told,) = refusal(capsys, tmp_path, *NGUYEN)
    assert str(tmp_path) in told
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_no_pair_with_a_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the trips to zone 1, into which no link leads."""
    trips = tmp_path / "trips.tntp"
    trips.write_text("<NUMBER OF ZONES> 3\n<END OF METADATA>\nOrigin 2\n 1 : 24;\nOrigin 3\n 1 : 24;\n")
    command = arguments(CENTROIDS[0], *CENTROIDS[1:])
    command[3] = str(trips)
    assert run_command_line([*command, "--out", str(tmp_path / "town")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"cosim: {CASES / 'centroids_net.tntp'}: 2 of 2 pairs of zones have no way from one to the other by the 6 "
        "roads that all reach one another: 2-1, 3-1; no trip is left."
    ]
    assert not (tmp_path / "town").exists()


def test_dead_ends_are_turned_round_in(tmp_path: Path) -> None:
    """Of a line of three nodes all roads reach one another only if vehicles turn round at its ends."""
    (tmp_path / "line_net.tntp").write_text(
        "<NUMBER OF ZONES> 3\n<NUMBER OF NODES> 3\n<FIRST THRU NODE> 1\n<NUMBER OF LINKS> 2\n<END OF METADATA>\n"
        "1 2 1800 1 1 0 0 0 0 1 ;\n2 3 1800 1 1 0 0 0 0 1 ;\n"
    )
    (tmp_path / "trips.tntp").write_text("<NUMBER OF ZONES> 3\n<END OF METADATA>\nOrigin 1\n 3 : 60; 2 : 6;\n")
    choices = Choices("km", "min", 1.0, both_ways=True)
    scenario = import_tntp(
        tmp_path / "line_net.tntp", tmp_path / "trips.tntp", out=tmp_path / "line", choices=choices, wishes=Wishes(1)
    )
    assert cosim.load_scenario(scenario).name == "line"
    network = load_network(name=None, file=tmp_path / "line" / "network.net.xml")
    line = Imported(tmp_path / "line", "", network)
    assert {edge: line.turns(edge) for edge in network.edges} == {
        "1_2": {"2_3", "zone2_in"}, "2_3": {"3_2", "zone3_in"}, "3_2": {"2_1", "zone2_in"}, "2_1": {"1_2"},
        "zone1_out": {"1_2"}, "zone2_in": set(), "zone3_in": set(),
    }  # fmt: skip


def test_ends_of_trips_need_not_reach_one_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that only leads to the others is a beginning of trips, one to which the others lead an end."""
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path))
    nodes = [Node(name, x_m, y_m) for name, x_m, y_m in (("a", 0, 0), ("b", 200, 0), ("c", 200, 200), ("d", 400, 0))]
    pairs = ("ab", "bc", "ca", "bd", "db")
    options = ("--no-turnarounds", "true")
    net = cached_network("ends", nodes, [Edge(pair, pair[0], pair[1], 200, 10) for pair in pairs], options)
    zones = net.with_name(net.name.replace(".net.xml", ".taz.xml"))
    table = net.with_name(net.name.replace(".net.xml", ".od.csv"))
    zones.write_text(
        '<additional><taz id="1"><tazSource id="db"/></taz><taz id="2"><tazSink id="bd"/></taz></additional>'
    )
    table.write_text("origin,destination,vehicles_per_h\n1,2,5\n")
    network = load_network(name=None, file=net)
    read = OdTable.beside(network)
    assert (read.sources.keys(), read.sinks.keys()) == ({"1"}, {"2"})
    table.write_text("origin,destination,vehicles_per_h\n2,1,5\n")
    with pytest.raises(InputError, match="unknown zone '2' as origin"):
        OdTable.beside(network)
    for tag, edge in (("tazSource", "bd"), ("tazSink", "db")):
        zones.write_text(f'<additional><taz id="1"><{tag} id="{edge}"/></taz></additional>')
        with pytest.raises(InputError, match=f"zone '1': no {tag} edge of it belongs to those that all reach"):
            OdTable.beside(network)
