"""The road network: the published counts, paths, and broken files."""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from cosim.coupling import CoupledSystem, couple
from cosim.errors import InputError, SimulatorError
from cosim.scenario import Scenario
from cosim.traffic.install import missing_library_sentence
from cosim.traffic.netconvert import Edge, Node, cached_network
from cosim.traffic.network import RoadNetwork, load_network, read_network


@pytest.fixture(scope="module")
def network() -> RoadNetwork:
    return load_network(name="nguyen-dupuis", file=None)


def test_nguyen_dupuis_has_its_published_size(network: RoadNetwork) -> None:
    assert len(network.node_xy_m) == 13
    assert len(network.edges) == 38
    assert {edge.split("_")[0] for edge in network.edges} == {str(n) for n in range(1, 14)}
    assert all(f"{b}_{a}" in network.edges for a, b in (edge.split("_") for edge in network.edges))
    assert len(network.largest_component()) == 38, "every edge reaches every other"
    x, y = np.array(list(network.node_xy_m.values())).T
    assert (np.ptp(x), np.ptp(y)) == (2000.0, 1500.0)


def test_roads_are_not_shorter_than_straight_lines_on_average(network: RoadNetwork) -> None:
    straight_m = [
        math.dist(network.node_xy_m[a], network.node_xy_m[b])
        for a, b in zip(network.start_node, network.end_node, strict=True)
    ]
    assert 1.2 < network.length_m.mean() / np.mean(straight_m) < 1.5


def test_paths_equal_brute_force(network: RoadNetwork) -> None:
    cost = np.random.default_rng(0).uniform(1, 10, 38)
    turns = network.graph.toarray() > 0
    best = np.full((38, 38), np.inf)
    best[np.arange(38), np.arange(38)] = cost
    for _ in range(38):  # Bellman-Ford over all pairs
        best = np.minimum(best, (np.where(turns[None], best[:, :, None], np.inf)).min(axis=1) + cost)
    sources = np.arange(38)
    assert network.path_costs(sources, cost) == pytest.approx(best)
    assert network.path_costs(sources, cost, reverse=True) == pytest.approx(best.T)


def test_routes_are_shortest_and_legal(network: RoadNetwork) -> None:
    turns = network.graph.toarray() > 0
    shortest_m = network.path_costs(np.arange(38), network.length_m)
    for origin in range(38):
        for destination in range(38):
            route = network.route(origin, destination)
            assert (route[0], route[-1]) == (origin, destination)
            assert all(turns[one, other] for one, other in itertools.pairwise(route))
            assert network.length_m[route].sum() == pytest.approx(shortest_m[origin, destination])


def test_no_u_turns(network: RoadNetwork) -> None:
    there, back = network.edge_index("6_7"), network.edge_index("7_6")
    assert back not in network.graph.indices[network.graph.indptr[there] : network.graph.indptr[there + 1]]


def test_unknown_edge_names_the_nearest(network: RoadNetwork) -> None:
    with pytest.raises(InputError, match=r"here: unknown edge '12_88' in network 'nguyen-dupuis'; did you mean '12_8'"):
        network.edge_index("12_88", where="here")


def test_built_networks_are_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path))
    nodes = [Node("a", 0, 0), Node("b", 100, 0)]
    first = cached_network("n", nodes, [Edge("ab", "a", "b", 100, 10), Edge("ba", "b", "a", 100, 10)])
    written = first.stat().st_mtime_ns
    again = cached_network("n", nodes, [Edge("ab", "a", "b", 100, 10), Edge("ba", "b", "a", 100, 10)])
    other = cached_network("n", nodes, [Edge("ab", "a", "b", 100, 11), Edge("ba", "b", "a", 100, 10)])
    assert (first, first.stat().st_mtime_ns) == (again, written)
    assert other != first
    assert sorted(path.suffixes for path in tmp_path.iterdir()) == [[".net", ".xml"]] * 2, "no scratch files are left"


def test_netconvert_says_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path))
    with pytest.raises(SimulatorError, match=r"netconvert failed: .*not known"):
        cached_network("n", [Node("a", 0, 0)], [Edge("ab", "a", "b", 100, 10)])


def test_cache_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COSIM_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cache folder for built networks cannot be written .* COSIM_CACHE_DIR"):
        cached_network("n", [Node("a", 0, 0)], [])


def test_missing_system_library_gets_a_cure() -> None:
    text = "libX11.so.6: cannot open shared object file: No such file or directory"
    assert missing_library_sentence(text) == (
        "SUMO needs the system library libX11.so.6, which is not installed; on Debian or Ubuntu run: "
        "apt-get install --no-install-recommends libatomic1 libx11-6 libxext6 libxrender1 libgl1"
    )
    assert missing_library_sentence("No module named 'libsumo'") is None


def test_a_network_file_of_ones_own(network: RoadNetwork, tmp_path: Path) -> None:
    packed = tmp_path / "mine.net.xml.gz"
    packed.write_bytes(gzip.compress(network.net_file.read_bytes()))
    mine = load_network(name=None, file=packed)
    assert (mine.name, mine.edges) == ("mine", network.edges)
    assert mine.length_m == pytest.approx(network.length_m)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<net version='1.20'>\n<edge", "is not a readable SUMO network (unclosed token, line 2)."),
        (b"<net version='1.20'></net>", "holds no edge that cars may use; is it a SUMO .net.xml?"),
        (b"<html></html>", "holds no edge that cars may use; is it a SUMO .net.xml?"),
        (b"<net><edge id='a'/></net>", "is not a complete SUMO network (attribute 'version' is missing)."),
    ],
)
def test_broken_network_files(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.net.xml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_network(path, name="a", where="s.toml: [network] file")
    assert str(caught.value).startswith(f"s.toml: [network] file: {path} ")
    assert sentence in str(caught.value)


def test_missing_network_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the network file .*nope.net.xml does not exist\."):
        load_network(name=None, file=tmp_path / "nope.net.xml")


def test_every_fault_of_the_coupling_at_once(scenario: Scenario) -> None:
    stations = list(scenario.station)
    stations[0] = stations[0].model_copy(update={"edge": "6_77"})
    stations[1] = stations[1].model_copy(update={"bus": 99})
    stations[2] = stations[2].model_copy(update={"position_m": 5.0})
    with pytest.raises(InputError) as caught:
        couple(scenario.model_copy(update={"station": tuple(stations)}), "a.toml")
    assert [fault.split(";")[0] for fault in caught.value.faults] == [
        "a.toml: [[station]] 'CS2' bus: the feeder 'ieee33' has no bus '99'",
        "a.toml: [[station]] 'CS1' edge: unknown edge '6_77' in network 'nguyen-dupuis'",
        "a.toml: [[station]] 'CS3' position_m: found 5",
    ]


def test_stations_without_a_bus_get_the_largest_loads(scenario: Scenario) -> None:
    stations = tuple(station.model_copy(update={"bus": None}) for station in scenario.station)
    coupled = couple(scenario.model_copy(update={"station": stations}))
    assert [station.bus for station in coupled.stations] == [24, 25, 32, 7, 8]


def test_distances_over_a_station_add_up_to_the_edges_lengths(system: CoupledSystem) -> None:
    network = system.network
    station = system.stations[0]
    edge = network.edge_index("6_7")
    assert system.distance_to_m[0, edge] == pytest.approx(station.strip_end_m)
    assert system.distance_from_m[0, edge] == pytest.approx(network.length_m[edge] - station.strip_end_m)
