"""From an OSM file to a scenario that runs, through the command line and with the real netconvert and SUMO."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import shutil
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support import ImportedScenario

from cosim.cli import run_command_line
from cosim.results import read_result
from cosim.traffic.network import read_network
from cosim.traffic.places import SHORTEST_EDGE_M

FIXTURE = Path(__file__).parents[1] / "cases" / "osm" / "synthetic_kowloon.osm"


@dataclass(frozen=True)
class Imported(ImportedScenario):
    @property
    def net_xml(self) -> str:
        return gzip.decompress((self.folder / "network.net.xml.gz").read_bytes()).decode()


def command(*arguments: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run_command_line(["import", "osm", *map(str, arguments)])
    return status, out.getvalue(), err.getvalue()


def imported(file: Path, folder: Path, *options: str) -> Imported:
    status, printed, err = command(file, "--out", folder, *options)
    assert (status, err) == (0, "")
    return Imported(folder, printed, read_network(folder / "network.net.xml.gz", name="test"))


def refused(*arguments: object) -> list[str]:
    status, _, err = command(*arguments)
    assert status == 2
    lines = err.splitlines()
    assert lines
    assert all(line.startswith("cosim: ") for line in lines)
    return lines


@pytest.fixture(scope="module")
def kowloon(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    return imported(FIXTURE, tmp_path_factory.mktemp("osm") / "kowloon", "--left-hand")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """A town of our own with signals, without maxspeed, that says it is OpenStreetMap's; a bag of options."""
    folder = tmp_path_factory.mktemp("town")
    file = folder / "my town.osm"
    file.write_text(street_grid(4))
    options = ("--stations", "2", "--grid", "ieee69", "--vehicles-per-h", "90")
    return imported(file, folder / "out", *options)


def street_grid(
    side: int,
    *,
    place_deg: tuple[float, float] = (51.0, 9.5),
    block_deg: float = 0.002,
    oneway: str = "no",
    kind: str = "primary",
) -> str:
    """Return a grid of streets; the four crossings in its middle are tagged as signals."""
    nodes, ways = [], []
    for row in range(side):
        for column in range(side):
            middle = {row, column} <= {side // 2 - 1, side // 2}
            tag = '<tag k="highway" v="traffic_signals"/>' if middle else ""
            lat_deg, lon_deg = place_deg[0] + row * block_deg, place_deg[1] + column * block_deg * 1.6
            place = f'lat="{lat_deg:.6f}" lon="{lon_deg:.6f}"'
            nodes.append(f'<node id="{row * side + column + 1}" {place}>{tag}</node>')
    lines = [[row * side + column + 1 for column in range(side)] for row in range(side)]
    lines += [[row * side + column + 1 for row in range(side)] for column in range(side)]
    for number, line in enumerate(lines, start=1):
        refs = "".join(f'<nd ref="{node}"/>' for node in line)
        name = f'<tag k="name" v="Street {number} &amp; Co"/>'
        tags = f'<tag k="highway" v="{kind}"/><tag k="oneway" v="{oneway}"/>{name}'
        ways.append(f'<way id="{number}">{refs}{tags}</way>')
    licence = 'license="http://opendatacommons.org/licenses/odbl/1-0/"'
    return "\n".join([f'<osm version="0.6" {licence}>', *nodes, *ways, "</osm>"])


def test_counts_of_the_fixture(kowloon: Imported) -> None:
    network = kowloon.network
    assert (len(network.node_xy_m), len(network.edges), len(network.largest_component())) == (370, 950, 942)
    counts = kowloon.record["counts"]
    assert counts == {
        "osm_nodes": 545, "osm_ways": 168, "osm_highways": 168, "osm_signals": 0, "netconvert_warnings": 18,
        "nodes": 370, "edges": 950, "edges_reaching_one_another": 942, "edges_outside": 8, "lane_km": 281.293,
        "stations": 4,
    }  # fmt: skip
    assert "942 edges reach one another by legal turns, 8 do not" in kowloon.printed
    assert len((kowloon.folder / "netconvert.log").read_text().splitlines()) == 18


def test_left_hand_traffic_and_guessed_signals(kowloon: Imported) -> None:
    assert re.search(r'<net [^>]*lefthand="true"', kowloon.net_xml)
    assert "warning:" not in kowloon.printed
    assert "no node is tagged as a traffic signal: SUMO guesses" in kowloon.printed
    assert "--tls.guess true --lefthand true" in str(kowloon.record["netconvert"])
    assert 'type="traffic_light"' in kowloon.net_xml


def test_stations_stand_where_they_can(kowloon: Imported) -> None:
    network = kowloon.network
    stations = tomllib.loads((kowloon.folder / "scenario.toml").read_text())["station"]
    assert [station["id"] for station in stations] == ["CS1", "CS2", "CS3", "CS4"]
    assert {station["bus"] for station in stations} == {"largest-loads"}
    edges = [network.edge_index(station["edge"]) for station in stations]
    assert set(edges) <= set(network.largest_component().tolist())
    assert (network.length_m[edges] >= SHORTEST_EDGE_M).all()
    places = np.array([network.node_xy_m[network.start_node[edge]] for edge in edges])
    apart_m = np.hypot(*(places[:, None] - places[None, :]).transpose(2, 0, 1))
    # The network is 3.6 km x 3.9 km.
    assert apart_m[np.triu_indices(4, 1)].min() > 1000


def test_progress_is_told_in_stages(kowloon: Imported) -> None:
    stages = re.findall(r"^ +(\d+\.\d) s  (.*)$", kowloon.printed, flags=re.MULTILINE)
    assert [text for _, text in stages] == [
        "Reading synthetic_kowloon.osm ...", "Checking the feeder ...", "Building the network (netconvert) ...",
        "Packing the network ...", "Finding which roads can be reached ...",
        "Placing the stations and writing the scenario ...", "done",
    ]  # fmt: skip
    assert all(float(one) <= float(other) for (one, _), (other, _) in pairwise(stages))
    assert kowloon.printed.splitlines()[-1] == f"run it: python -m cosim run {kowloon.folder / 'scenario.toml'}"


def test_same_bytes_again(kowloon: Imported, tmp_path: Path) -> None:
    odd = tmp_path / "a, b $HOME ~"
    odd.mkdir()
    shutil.copy(FIXTURE, odd)
    status, printed, err = command(odd / FIXTURE.name, "--out", odd / "out", "--left-hand", "--quiet")
    assert (status, printed, err) == (0, f"{odd / 'out' / 'scenario.toml'}\n", "")
    files = sorted(path.name for path in kowloon.folder.iterdir())
    assert files == ["import.json", "netconvert.log", "network.net.xml.gz", "scenario.toml"]
    assert sorted(path.name for path in (odd / "out").iterdir()) == files
    for name in files:
        assert (odd / "out" / name).read_bytes() == (kowloon.folder / name).read_bytes(), name
    for text in (kowloon.net_xml, (kowloon.folder / "import.json").read_text()):
        assert "generated on" not in text
        assert str(FIXTURE.parent) not in text


def test_compressed_and_on_the_wrong_side(tmp_path: Path) -> None:
    file = tmp_path / "kowloon.osm.gz"
    file.write_bytes(gzip.compress(street_grid(4, place_deg=(22.31, 114.17)).encode()))
    found = imported(file, tmp_path / "out")
    warning = "the file's box may lie in Hong Kong, where traffic keeps left, but --left-hand was not given."
    assert f"warning: {warning}" in found.printed
    assert found.record["warnings"] == [warning]
    assert "lefthand" not in found.net_xml
    assert len(found.network.edges) == 48


def test_the_scenario_runs(kowloon: Imported, tmp_path: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = run_command_line(
            ["run", str(kowloon.folder / "scenario.toml"), "--quiet", "--no-report", "--out", str(tmp_path / "run"),
             "--set", "simulation.warmup_s=0", "--set", "simulation.control_s=60", "--set", "fleet.ev_share=0.2",
             "--set", "fleet.initial_soc_min=0.75", "--set", "fleet.initial_soc_max=0.78"]
        )  # fmt: skip
    assert (status, printed.getvalue()) == (0, f"{tmp_path / 'run'}\n")
    counts = read_result(tmp_path / "run").counts
    assert (counts["vehicles"], counts["arrived"]) == (47, 47)
    assert (counts["evs"], counts["charged"]) == (9, 9)
    assert (counts["teleports"], counts["unreachable"]) == (0, 0)


def test_options_and_what_the_file_says(town: Imported) -> None:
    text = (town.folder / "scenario.toml").read_text()
    scenario = tomllib.loads(text)
    assert scenario["name"] == "my-town"
    assert scenario["network"] == {"file": "network.net.xml.gz"}
    assert scenario["grid"] == {"name": "ieee69"}
    assert scenario["demand"]["vehicles_per_h"] == 90
    assert len(scenario["station"]) == 2
    assert len(re.findall(r"^# Street \d & Co\n\[\[station\]\]$", text, flags=re.MULTILINE)) == 2
    assert "openstreetmap.org/copyright" in text
    assert "Open Database License (ODbL) 1.0" in str(town.record["attribution"])


def test_tagged_signals_and_urban_speeds(town: Imported) -> None:
    assert "warning:" not in town.printed
    assert "SUMO guesses" not in town.printed
    assert "--tls.guess-signals true" in str(town.record["netconvert"])
    assert town.net_xml.count('type="traffic_light"') == 4
    # Without the urban types, SUMO drives 100 km/h where a main road has no maxspeed.
    np.testing.assert_allclose(town.network.speed_mps, 50 / 3.6, atol=0.01)


def test_demand_by_size(kowloon: Imported) -> None:
    scenario = tomllib.loads((kowloon.folder / "scenario.toml").read_text())
    assert scenario["demand"]["vehicles_per_h"] == 2810
    assert scenario["fleet"]["ev_share"] == round(4 * 60 / 2810, 4)
    assert "10 for each of the 281.3 km of lane" in str(kowloon.record["vehicles_per_h_rule"])


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (street_grid(3, kind="footway"), (), "no road for cars is left: of 6 ways with a highway tag"),
        (street_grid(3, oneway="yes"), (), "no two roads reach one another by legal turns"),
        (street_grid(3, block_deg=0.0003), (), "--stations: found 4; only 0 edges are at least 60 m long"),
    ],
)
def test_nothing_to_drive_on(tmp_path: Path, content: str, options: tuple[str, ...], words: str) -> None:
    file = tmp_path / "town.osm"
    file.write_text(content)
    (line,) = refused(file, "--out", tmp_path / "new" / "out", *options)
    assert words in line
    assert [path.name for path in tmp_path.iterdir()] == ["town.osm"]


def test_all_faults_at_once(tmp_path: Path) -> None:
    lines = refused(
        tmp_path / "missing.osm", "--out", tmp_path / "out", "--stations", "0", "--grid", "ieee34",
        "--vehicles-per-h", "-1",
    )  # fmt: skip
    assert len(lines) == 4
    for line, words in zip(lines, ("does not exist", "at least 1", "from 0 to", "did you mean 'ieee33'"), strict=True):
        assert words in line
    assert list(tmp_path.iterdir()) == []
    (line,) = refused(FIXTURE, "--out", tmp_path / "out", "--stations", "33")
    assert "has 32 buses with a load" in line
    (line,) = refused(FIXTURE, "--out", tmp_path / "out", "--stations", "1.5")
    assert "must be a whole number" in line
    (line,) = refused(FIXTURE)
    assert "--out" in line


def test_a_folder_that_exists(town: Imported, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    file = town.folder.parent / "my town.osm"
    for name in ("notes.txt", "network.od.csv", "scenario.toml"):
        (folder / name).write_text("mine")
    (line,) = refused(file, "--out", folder)
    assert "the folder exists already; choose another or add --overwrite" in line
    (line,) = refused(tmp_path / "missing.osm", "--out", folder, "--overwrite")
    assert sorted(path.name for path in folder.iterdir()) == ["network.od.csv", "notes.txt", "scenario.toml"]
    assert (folder / "scenario.toml").read_text() == "mine"
    imported(file, folder, "--overwrite", "--stations", "1")
    assert (folder / "notes.txt").read_text() == "mine"
    assert "[network]" in (folder / "scenario.toml").read_text()
    # An earlier import's table of trips belongs to another network.
    assert not (folder / "network.od.csv").exists()
