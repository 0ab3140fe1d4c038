"""A table of origins and destinations by its path: over zones of another file, or over edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.preparation import draw_demand
from cosim.randomness import stream
from cosim.traffic.network import RoadNetwork
from cosim.traffic.od_table import OdTable

from .conftest import LoadTown

HEADER = "origin,destination,vehicles_per_h\n"
EDGES = HEADER + "way-in,main[0],30\n-12#2,park:1,60\n12#0,way-out,10\n"


def table(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def test_over_edges(town: RoadNetwork, tmp_path: Path) -> None:
    """Every pair with a way may be named, also from where nobody comes back."""
    origin, destination = OdTable.read(town, table(tmp_path, EDGES)).draw(20_000, stream(0, "demand"))
    pairs = [(town.edges[a], town.edges[b]) for a, b in zip(origin, destination, strict=True)]
    shares = {pair: pairs.count(pair) / 20_000 for pair in dict.fromkeys(pairs)}
    expected = {("way-in", "main[0]"): 0.3, ("-12#2", "park:1"): 0.6, ("12#0", "way-out"): 0.1}
    assert shares == pytest.approx(expected, abs=0.02)


def test_over_zones_of_another_file(load_town: LoadTown, town: RoadNetwork) -> None:
    zones = '<additional><taz id="1" edges="12#0 12#1"/><taz id="2" edges="park:0 park:1"/></additional>'
    scenario = load_town(
        {
            "network": {"file": "town.sumocfg"},
            "demand": {"trips": "od-table", "od_file": "mine.csv", "taz_file": "zones.xml", "vehicles_per_h": 3600},
        },
        {"mine.csv": HEADER + "1,2,5\n", "zones.xml": zones},
    )
    demand = draw_demand(scenario, town, 0)
    assert len(demand) == 1500
    assert {town.edges[edge] for edge in demand.origin} == {"12#0", "12#1"}
    assert {town.edges[edge] for edge in demand.destination} == {"park:0", "park:1"}
    assert demand.depart_s.min() >= 25_200
    assert np.isin(demand.depart_s, np.arange(25_200, 26_700)).all()


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        (
            "12#0,12#9,5\n",
            ["row 1: unknown edge '12#9' as destination; did you mean '", "; give taz_file if these are zones."],
        ),
        ("12#0,12#0,5\n", ["row 1: a trip from edge '12#0' to itself is none."]),
        ("12#0,way-in,5\n", ["there is no way from edge '12#0' to edge 'way-in'."]),
        ("12#0,bus-road,5\n", ["row 1: unknown edge 'bus-road' as destination"]),
        ("", ["there are no trips"]),
    ],
)
def test_faults_over_edges(town: RoadNetwork, tmp_path: Path, rows: str, faults: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        OdTable.read(town, table(tmp_path, HEADER + rows))
    assert len(caught.value.faults) == 1
    assert all(part in str(caught.value) for part in faults)


@pytest.mark.parametrize("key", ["od_file", "taz_file"])
def test_files_that_do_not_exist(town: RoadNetwork, tmp_path: Path, key: str) -> None:
    files = {"od_file": table(tmp_path, EDGES), "taz_file": tmp_path / "no.xml"}
    if key == "od_file":
        files["od_file"] = tmp_path / "no.csv"
    with pytest.raises(InputError, match=rf"\[demand\] {key}: the file .*no\.\w+ does not exist"):
        OdTable.read(town, files["od_file"], files["taz_file"])
