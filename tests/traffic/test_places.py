"""Places of stations: every way of giving one, and every way of giving it wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosim.coupling import couple
from cosim.errors import InputError
from cosim.sumo_files import charging_stations
from cosim.tables.stations import StationTable
from cosim.traffic.install import import_binding, sumo_program
from cosim.traffic.network import RoadNetwork, load_network, read_network
from cosim.traffic.places import Place, PlaceFinder, network_coordinates

from .conftest import LoadTown


@pytest.fixture(scope="module")
def finder(town: RoadNetwork, town_folder: Path) -> PlaceFinder:
    return PlaceFinder(town, charging_stations([town_folder / "types.add.xml"]))


def place(finder: PlaceFinder, **keys: Any) -> Place:
    return finder.find(StationTable(id="A", **keys), "s.toml: [[station]] 'A'")


def test_sidewalks_are_no_lanes_for_stations(town: RoadNetwork, finder: PlaceFinder) -> None:
    """Lane 0 is a sidewalk on 34 of the 38 edges, as in many city networks."""
    behind = [edge for edge, lane in zip(town.edges, town.car_lane, strict=True) if not lane.endswith("_0")]
    assert (len(behind), len(town.edges)) == (34, 38)
    assert town.lanes[town.edge_index("main[0]")] == 2
    assert list(town.closed_edges) == ["bus-road"]
    assert place(finder, edge="-12#1").lane == "-12#1_1"


def test_names_of_importers_work(town: RoadNetwork, finder: PlaceFinder) -> None:
    for edge in ("-12#1", "main[0]", "park:1", "a-street_0"):
        assert town.edges[place(finder, edge=edge).edge] == edge


def test_by_lane(finder: PlaceFinder) -> None:
    assert place(finder, lane="main[1]_2", position_m=100) == Place(
        finder.network.edge_index("main[1]"), "main[1]_2", 100.0
    )


def test_by_point_along_a_street(town: RoadNetwork, finder: PlaceFinder) -> None:
    """30 m to the south of a point two thirds along a street that leads east, and beside nothing else."""
    edge = town.edge_index("-12#1")
    start, end = town.lane_shapes_m[edge][0], town.lane_shapes_m[edge][-1]
    for share in (0.3, 0.66):
        x_m, y_m = start + share * (end - start)
        found = place(finder, x_m=float(x_m), y_m=float(y_m))
        assert found.edge == edge
        assert found.centre_m == pytest.approx(share * town.length_m[edge], abs=0.1)
    x_m, y_m = start
    assert place(finder, x_m=float(x_m), y_m=float(y_m)).centre_m == 30.0, "moved to where cars can slow down"


def test_by_degrees_as_sumo_itself_projects_them(town: RoadNetwork, finder: PlaceFinder) -> None:
    lon, lat = 9.7055, 50.8734
    api = import_binding("libsumo")
    api.start([sumo_program("sumo"), "-n", str(town.net_file), "--no-warnings", "true"])
    try:
        x_m, y_m = api.simulation.convertGeo(lon, lat, fromGeo=True)
    finally:
        api.close()
    assert network_coordinates(town.net_file, lon, lat, "") == pytest.approx((x_m, y_m), abs=0.01)
    one, other = place(finder, lon=lon, lat=lat), place(finder, x_m=x_m, y_m=y_m)
    assert (one.edge, one.lane) == (other.edge, other.lane)
    assert one.centre_m == pytest.approx(other.centre_m, abs=0.02)


def test_charging_stations_are_taken_over(finder: PlaceFinder) -> None:
    assert place(finder, charging_station="town-hall") == Place(
        finder.network.edge_index("main[0]"), "main[0]_1", 90.0, "SUMO's charging station town-hall"
    )
    kerb = place(finder, charging_station="kerb")
    assert kerb.centre_m == 30.0
    assert kerb.note == "SUMO's charging station kerb, moved by 22 m to fit"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"edge": "bus-road"}, "edge: edge 'bus-road' of network 'town' is closed to cars; the nearest edge where"),
        ({"edge": "-12#9"}, "edge: unknown edge '-12#9' in network 'town'; did you mean '-12#"),
        ({"edge": ":b2_0"}, "edge: unknown edge ':b2_0' (a name that begins with ':' is SUMO's for the inside of"),
        (
            {"edge": "depot-out"},
            "edge: 'depot-out' is 37.3 m long; a station needs at least 60 m; the nearest edge where one can stand is "
            "'-park:0', 8 m away.",
        ),
        ({"edge": "-12#1", "position_m": 10.0}, "position_m: found 10; on edge '-12#1' (length 239.2 m) it must be"),
        ({"lane": "main[0]_0"}, "lane: lane 'main[0]_0' is closed to cars or not there; cars may use 'main[0]_1', "),
        ({"lane": "main[0]"}, "lane: 'main[0]' is an edge, not a lane; give it as edge, or one of its lanes: 'main"),
        ({"lane": "bus-road_0"}, "lane: edge 'bus-road' of network 'town' is closed to cars; the nearest"),
        ({"x_m": 9000.0, "y_m": 0.0}, "x_m, y_m: the point (9000.0, 0.0) is 8"),
        ({"lon": 9.8, "lat": 50.9}, "lon, lat: the point ("),
        (
            {"charging_station": "townhall"},
            "charging_station: unknown charging station 'townhall'; did you mean 'town-hall'?",
        ),
    ],
)
def test_a_place_that_is_none_is_named(finder: PlaceFinder, keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        place(finder, **keys)
    assert str(caught.value).startswith(f"s.toml: [[station]] 'A' {sentence}")


def test_a_network_without_a_geographic_reference() -> None:
    network = load_network(name="nguyen-dupuis", file=None)
    with pytest.raises(InputError, match="has no geographic reference; give x_m and y_m"):
        network_coordinates(network.net_file, 9.7, 50.8, "s.toml: lon, lat")


@pytest.mark.parametrize(
    ("station", "sentence"),
    [
        (
            {},
            "give its place in exactly one way: edge, lane, x_m and y_m, lon and lat, or charging_station; found none",
        ),
        ({"edge": "-12#1", "lane": "-12#1_1"}, "charging_station; found edge and lane."),
        ({"edge": "-12#1", "charging_station": "kerb"}, "found edge and charging_station."),
        ({"x_m": 1.0}, "give both x_m and y_m, or neither."),
        ({"lon": 9.7, "lat": 95.0}, "lat: found 95.0; input should be less than or equal to 90."),
        ({"charging_station": "kerb", "position_m": 40.0}, "position_m goes with edge or lane, not with charging_st"),
        ({"charging_station": "curb"}, "unknown charging station 'curb'; did you mean 'kerb'"),
    ],
)
def test_one_way_per_station(load_town: LoadTown, station: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        load_town({"station": [{"id": "A"} | station]})
    assert len(caught.value.faults) == 1
    assert sentence in str(caught.value)


def test_all_stations_of_a_file(load_town: LoadTown) -> None:
    """Every charging station of the file becomes one; what the scenario says of one of them stands."""
    own = {"id": "mine", "charging_station": "kerb", "chargers": 3}
    scenario = load_town({"network": {"file": "town.sumocfg", "stations_from": "types.add.xml"}, "station": [own]})
    found = {station.id: station for station in scenario.station}
    assert set(found) == {"mine", "town-hall"}
    assert (found["mine"].chargers, found["mine"].max_power_kw, found["mine"].site_limit_kw) == (3, 22.0, None)
    hall = found["town-hall"]
    assert (hall.chargers, hall.max_power_kw, hall.site_limit_kw) == (8, 50.0, 150.0)
    assert [station.charging_station for station in scenario.station] == ["kerb", "town-hall"]


@pytest.mark.parametrize(
    ("element", "sentence"),
    [
        ("", "stations_from: {file} holds no <chargingStation>."),
        ('<chargingStation id="x"/>', "{file}: chargingStation 'x': lane is missing."),
        ('<chargingStation id="x" lane="main[0]_1" power="0"/>', "power = '0' must be a number above 0, in watts."),
        ('<chargingStation id="x" lane="main[0]_1" endPos="far"/>', "endPos = 'far' must be a number, in metres."),
        ("<chargingStation", "{file}: not a readable SUMO additional file ("),
    ],
)
def test_a_broken_file_of_charging_stations(load_town: LoadTown, element: str, sentence: str) -> None:
    end = "" if element.endswith("Station") else "</additional>"
    with pytest.raises(InputError) as caught:
        load_town(
            {"network": {"file": "town.sumocfg", "stations_from": "c.add.xml"}, "station": []},
            {"c.add.xml": f"<additional>{element}{end}"},
        )
    assert len(caught.value.faults) == 1
    assert sentence.format(file=str(caught.value).split(": ")[2].split(" holds")[0]) in str(caught.value)


def test_a_charging_station_beyond_its_lane(town: RoadNetwork, tmp_path: Path) -> None:
    path = tmp_path / "c.add.xml"
    path.write_text('<additional><chargingStation id="x" lane="main[0]_1" startPos="10" endPos="900"/></additional>')
    finder = PlaceFinder(town, charging_stations([path]))
    with pytest.raises(InputError, match=r"'x' reaches from 10 m to 900 m, but lane 'main\[0\]_1' is 246.0 m long"):
        place(finder, charging_station="x")


def test_an_edge_name_with_a_space_is_refused(town: RoadNetwork, tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "spaced.net.xml"
    path.write_bytes(gzip.decompress(town.net_file.read_bytes()).replace(b"way-in", b"way in"))
    with pytest.raises(InputError, match="edge 'way in': SUMO takes no name with a space in it"):
        read_network(path, name="spaced")


def test_all_faults_of_all_stations_at_once(load_town: LoadTown) -> None:
    wrong = [{"id": "A", "edge": "bus-road"}, {"id": "B", "lane": "main[0]_0"}, {"id": "C", "x_m": -1e5, "y_m": 0.0}]
    with pytest.raises(InputError) as caught:
        couple(load_town({"station": wrong}))
    assert [fault.split("'")[1] for fault in caught.value.faults] == ["A", "B", "C"]
