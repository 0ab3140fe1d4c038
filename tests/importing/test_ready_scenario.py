"""The folder of an import: whole or not at all, and safe whatever its source is called."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError, ResultsError
from cosim.importing.display import ImportDisplay
from cosim.importing.ready_scenario import Origin, Wishes, new_folder, vehicles_by_size, write_ready_scenario
from cosim.importing.spread import station_edges
from cosim.traffic.network import RoadNetwork, load_network


@pytest.fixture(scope="module")
def network() -> RoadNetwork:
    return load_network(name="nguyen-dupuis", file=None)


@pytest.mark.parametrize(("lane_km", "expected"), [(0.1, 60), (12.34, 120), (281.3, 2810), (33_000, 5000)])
def test_vehicles_by_size(lane_km: float, expected: float) -> None:
    assert vehicles_by_size(lane_km) == expected


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_nothing_is_left_of_a_failed_import(tmp_path: Path, error: type[BaseException]) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "a" / "b", overwrite=False) as work:
            (work / "scenario.toml").write_text("half")
            raise error("no")

    with pytest.raises(error):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_only_what_was_made_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError), new_folder(tmp_path / "a" / "b", overwrite=False):
        raise InputError("no")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="this is a file"), new_folder(tmp_path / "file", overwrite=True):
        pytest.fail("a file is no folder")


def test_names_and_remarks_cannot_break_the_file(network: RoadNetwork, tmp_path: Path) -> None:
    origin = Origin(
        name='my "town" \\ north/east\n',
        description='with "quotes",\na line break and \x7f',
        remarks=["first\nsecond = 1\x00", "long " * 60],
        street_names=dict.fromkeys(network.edges, 'Road\n[grid]\nname = "x"'),
    )
    scenario = write_ready_scenario(tmp_path, network, Wishes(stations=3), origin)
    tables = tomllib.loads((tmp_path / "scenario.toml").read_text())
    assert tables["name"] == 'my-"town"-north-east-'
    assert tables["description"] == 'with "quotes", a line break and'
    assert tables["grid"] == {"name": "ieee33"}
    assert "second" not in tables
    assert [station.id for station in scenario.station] == ["CS1", "CS2", "CS3"]
    assert scenario.demand.vehicles_per_h == 300


def test_stations_are_spread_and_always_the_same(network: RoadNetwork) -> None:
    component = network.largest_component()
    for count in (1, 5, len(component)):
        edges = station_edges(network, component, count)
        assert len(set(edges)) == count
        assert edges == station_edges(network, component, count)
    one = station_edges(network, component, 1)[0]
    middle = np.mean([network.node_xy_m[end[one]] for end in (network.start_node, network.end_node)], axis=0)
    # The drawing is 2.0 km x 1.5 km; a single station stands near its middle.
    assert np.hypot(*(middle - np.mean(list(network.node_xy_m.values()), axis=0))) < 400
    with pytest.raises(InputError, match="found 39; only 38 edges are at least 60 m long"):
        station_edges(network, component, 39)


def test_a_line_moves_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ImportDisplay() as display:
        display.stage("Building")
        display.detail("joining [junctions]")
        display._line.refresh()
    assert "Building: joining [junctions]" in capsys.readouterr().out
    monkeypatch.delenv("FORCE_COLOR")
    with ImportDisplay() as display:
        display.stage("Building")
        display.detail("joining")
    assert capsys.readouterr().out == "    0.0 s  Building ...\n"
    with ImportDisplay(quiet=True) as display:
        display.stage("Building")
        display.say("wrong", warning=True)
    assert capsys.readouterr().out == ""
