"""TNTP files: what is read, what the units make of it, and a sentence for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.importing.tntp_files import read_net, read_nodes, read_trips
from cosim.importing.tntp_layout import laid_out, placed
from cosim.importing.tntp_roads import Choices, Road, make_roads

CASES = Path(__file__).parents[1] / "cases" / "tntp"


def changed(name: str, tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = (CASES / f"{name}.tntp").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = tmp_path / "own.tntp"
    file.write_text(text, encoding="utf-8")
    return file


def roads_of(name: str, **choices: object) -> tuple[dict[str, Road], list[str]]:
    told: list[str] = []
    stated = Choices(**{"time": "min", "period_h": 1.0, **choices})  # type: ignore[arg-type]
    stated.check()
    roads = make_roads(read_net(CASES / f"{name}_net.tntp"), stated, told.append)
    return {road.id: road for road in roads}, told


def test_a_network_and_its_trips() -> None:
    net = read_net(CASES / "centroids_net.tntp")
    assert (net.zones, net.nodes, net.first_thru_node, len(net.links)) == (3, 7, 4, 13)
    assert [(link.line, link.start, link.end, link.capacity) for link in net.links[:2]] == [
        (10, 1, 4, 999_999.0), (11, 4, 2, 999_999.0)]  # fmt: skip
    trips = read_trips(CASES / "centroids_trips.tntp", 3)
    assert trips == {(1, 2): 120, (1, 3): 240, (2, 1): 24, (2, 2): 10, (2, 3): 72, (3, 2): 48}
    assert read_nodes(CASES / "centroids_node.tntp", net)[6] == (8.02, 50.01)


def test_lengths_speeds_and_lanes() -> None:
    roads, told = roads_of("nguyen_dupuis", length="km")
    assert len(roads) == 19
    assert roads["1_5"] == Road("1_5", 1, 5, 630.0, 13.889, 2)
    assert {road.speed_mps for road in roads.values()} == {13.889}
    assert told == []


@pytest.mark.parametrize(("unit", "metres"), [("km", 1000), ("mi", 1609.344), ("ft", 0.3048), ("m", 1)])
def test_units_of_length(unit: str, metres: float) -> None:
    # A kilometre in 0.756 / 0.63 of a unit of time; the unit of time is chosen so that the speed is one of a road.
    time = {"km": "min", "mi": "min", "ft": "0.01h", "m": "s"}[unit]
    net = read_net(CASES / "nguyen_dupuis_net.tntp")
    seconds = {"min": 60, "0.01h": 36, "s": 1}[time]
    if unit in {"ft", "m"}:
        with pytest.raises(InputError, match=r"line 9: with --length-unit .* and 19 of 19 links are outside 5 to 150"):
            make_roads(net, Choices(unit, time, 1.0), print)
    else:
        roads = make_roads(net, Choices(unit, time, 1.0), print)
        assert roads[0].length_m == pytest.approx(0.63 * metres, abs=5e-4)
        assert roads[0].speed_mps == pytest.approx(0.63 * metres / (0.756 * seconds), abs=5e-4)


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("min", 60), ("h", 3600), ("0.01h", 36)])
def test_lengths_that_follow_from_times(unit: str, seconds: float) -> None:
    roads, told = roads_of("nguyen_dupuis", length="time", time=unit, speed_kmh=36.0)
    assert roads["1_5"].length_m == pytest.approx(max(0.756 * seconds * 10, 10))
    assert {road.speed_mps for road in roads.values()} == {10.0}
    assert bool(told) == (unit == "s")


@pytest.mark.parametrize(("period_h", "lanes"), [(1.0, 2), (2200 / 1800, 1), (24.0, 1), (0.2, 6), (0.1, 6)])
def test_lanes_follow_from_capacity_and_period(period_h: float, lanes: int) -> None:
    roads, told = roads_of("nguyen_dupuis", length="km", period_h=period_h)
    assert {road.lanes for road in roads.values()} == {lanes}
    wide = "19 of 19 links carry more than 10800 vehicles/h and get 6 lanes: 1-5, 1-12, 4-5, 4-9, 5-6 and 14 more."
    assert told == ([wide] if 2200 / period_h > 10_800 else [])


def test_times_that_stand_for_none() -> None:
    """Braess' links without a free-flow time."""
    with pytest.raises(InputError) as caught:
        roads_of("braess", length="km")
    assert caught.value.faults == (
        f"{CASES / 'braess_net.tntp'}: line 8: with --length-unit km and --time-unit min link 1-3 is 2000 m long and "
        "takes 6e-07 s, which gives no speed from 5 to 150 km/h, as with 2 of 5 links; say with --speed-kmh how fast "
        "these are.",
    )
    roads, told = roads_of("braess", length="km", speed_kmh=90.0)
    assert [(road.length_m, road.speed_mps) for road in roads.values()] == [
        (2000, 25), (20_000, 6.667), (20_000, 6.667), (5000, 8.333), (2000, 25)]  # fmt: skip
    assert told == ["2 of 5 links have no speed from 5 to 150 km/h in the file and are driven at 90 km/h: 1-3, 4-2."]
    roads, told = roads_of("braess", length="time", speed_kmh=90.0)
    assert [road.length_m for road in roads.values()] == [10, 75_000, 75_000, 15_000, 10]
    assert told == ["2 of 5 links are shorter than 10 m and get that length: 1-3, 4-2."]


def test_links_without_length_or_time_and_links_that_are_doubled() -> None:
    choices = {"length": "mi", "time": "0.01h", "period_h": 24.0}
    with pytest.raises(InputError, match=r"line 15: .* link 3-6 is 0 m long and takes 0 s, .* 2 of 13 links; say with"):
        roads_of("centroids", **choices)
    roads, told = roads_of("centroids", **choices, speed_kmh=36.0)
    assert roads["3_6"] == Road("3_6", 3, 6, 10.0, 10.0, 2)
    assert (roads["4_5"].length_m, roads["4_5"].speed_mps) == (1609.344, 17.882)
    assert (roads["7_4"].speed_mps, roads["7_4_2"].speed_mps) == (17.882, 8.941)
    # 1,800 an hour, a little more, far more; connectors have two lanes whatever their capacity.
    assert [roads[edge].lanes for edge in ("4_5", "5_6", "6_7", "7_4", "1_4")] == [1, 2, 6, 1, 2]
    assert told == [
        "2 of 13 links have no speed from 5 to 150 km/h in the file and are driven at 36 km/h: 3-6, 6-3.",
        "3 of 13 links are shorter than 10 m and get that length: 3-6, 6-3, 7-5.",
        "1 of 13 links carry more than 10800 vehicles/h and get 6 lanes: 6-7.",
    ]


def test_a_way_back() -> None:
    roads, told = roads_of("nguyen_dupuis", length="km", both_ways=True)
    assert len(roads) == 38
    assert (roads["5_1"].length_m, roads["5_1"].lanes) == (630.0, 2)
    assert told == ["19 of 19 links got a way back (--both-ways)."]
    roads, told = roads_of("centroids", length="mi", time="0.01h", speed_kmh=50.0, both_ways=True)
    assert told[0] == "7 of 13 links got a way back (--both-ways)."
    assert len(roads) == 20


def test_choices_are_checked_all_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Choices(length="mile", period_h=0, demand_share=-1, speed_kmh=500, coordinates="meter").check()
    assert caught.value.faults == (
        "--length-unit: found 'mile'; did you mean 'mi'? allowed: 'ft', 'km', 'm', 'mi', 'time'.",
        "--time-unit: say in which unit the free-flow times are, TNTP files do not; one of s, min, h, 0.01h.",
        "--coordinates: found 'meter'; allowed: 'degrees', 'fit', 'ft', 'km', 'm', 'mi'.",
        "--period-h: found 0; it must be above 0 and at most 8784.",
        "--demand-share: found -1; it must be above 0 and at most 100.",
        "--speed-kmh: found 500; it must be from 5 to 150.",
    )
    with pytest.raises(InputError, match="--speed-kmh: with --length-unit time, say how fast the roads are"):
        Choices("time", "min", 1.0).check()


NAN = (("1\t5\t2200\t0.63", "1\t5\t2200\tnan"),)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ((("<NUMBER OF ZONES> 4\n", ""),), ["<NUMBER OF ZONES> is missing."]),
        ((("ZONES> 4", "ZONES> four"),),
         ["line 1: <NUMBER OF ZONES> is 'four'; it must be a whole number of at least 1."]),
        ((("ZONES> 4", "ZONES> 14"),), ["<NUMBER OF ZONES> is 14, but there are only 13 nodes."]),
        ((("THRU NODE> 1", "THRU NODE> 20"),), ["<FIRST THRU NODE> is 20; it must be from 1 to 13."]),
        ((("LINKS> 19", "LINKS> 76"),), ["there are 19 links, but <NUMBER OF LINKS> is 76; is the file complete?"]),
        ((("<END OF METADATA>", ""),), ["line 9: found '1\\t5\\t2200\\t0.63\\t0.7560\\t3.92857\\t1\\t50\\t0\\t1\\t;' "
                                        "before <END OF METADATA>; is this a TNTP file?"]),
        ((("\t1\t;", "\t;"),), ["line 9: 9 columns; a link has 10: init_node, term_node, capacity, length, "
                                "free_flow_time, b, power, speed, toll, link_type."]),
        (NAN, ["line 9: length = 'nan' must be a number of at least 0."]),
        ((("1\t5\t2200\t0.63\t0.7560", "0\t0.5\t0\tx\t-1"),), [
            "line 9: init_node = '0' is none of the nodes 1 to 13.",
            "line 9: term_node = '0.5' is none of the nodes 1 to 13.",
            "line 9: capacity = '0' must be a number above 0.",
            "line 9: length = 'x' must be a number of at least 0.",
            "line 9: free_flow_time = '-1' must be a number of at least 0."]),
        ((("\t1\t5\t", "\t5\t5\t"), ("\t1\t12\t", "\t1\t14\t")), [
            "line 9: the link leads from node 5 to itself.",
            "line 10: term_node = '14' is none of the nodes 1 to 13."]),
    ],
)  # fmt: skip
def test_broken_networks(changes: tuple[tuple[str, str], ...], faults: list[str], tmp_path: Path) -> None:
    file = changed("nguyen_dupuis_net", tmp_path, *changes)
    with pytest.raises(InputError) as caught:
        read_net(file)
    assert caught.value.faults == tuple(f"{file}: {fault}" for fault in faults)


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ((("ZONES> 4", "ZONES> 24"),), ["<NUMBER OF ZONES> is 24, but the network has 4 zones; do the files belong "
                                        "together?"]),
        ((("2000.0", "360600.0"),), ["the trips come to 2000, but <TOTAL OD FLOW> is 360600; is the file complete?"]),
        ((("2000.0", "all"),), ["line 2: <TOTAL OD FLOW> is 'all'; it must be a number."]),
        ((("Origin \t1\n", ""),), ["line 6: found '2 :    400.0;     3 :    800.0;' where 'Origin' and the number of a "
                                   "zone belong."]),
        ((("Origin \t4", "Origin 5"),), ["line 8: 'Origin 5' names none of the zones 1 to 4."]),
        ((("2 :    400.0;", "2 400.0; 9: 1; 3 : -5; 4 : many;"), ("2 :    600.0", "3 : 1; 3: 2")), [
            "line 7: '2 400.0' is no 'destination : trips;'.",
            "line 7: destination '9' is none of the zones 1 to 4.",
            "line 7: the trips from 1 to 3 are '-5'; they must be a number of at least 0.",
            "line 7: the trips from 1 to 4 are 'many'; they must be a number of at least 0.",
            "line 9: the trips from 4 to 3 appear more than once.",
            "line 9: the trips from 4 to 3 appear more than once."]),
        ((("400.0", "0"), ("800.0", "0"), ("600.0", "0"), ("200.0", "0"), ("<TOTAL OD FLOW> 2000.0", "")),
         ["there are no trips."]),
    ],
)  # fmt: skip
def test_broken_trips(changes: tuple[tuple[str, str], ...], faults: list[str], tmp_path: Path) -> None:
    file = changed("nguyen_dupuis_trips", tmp_path, *changes)
    with pytest.raises(InputError) as caught:
        read_trips(file, 4)
    assert caught.value.faults == tuple(f"{file}: {fault}" for fault in faults)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("\n13\t1000\t0\t;", ""), "no coordinates for 1 of 13 nodes: 13."),
        (("\n13\t", "\n14\t"), "line 14: node '14' is none of the nodes 1 to 13 of nguyen_dupuis_net.tntp."),
        (("\n13\t", "\n12\t"), "line 14: node 12 appears more than once."),
        (("\n13\t1000\t0\t;", "\n13\t1000"), "line 14: found '13\\t1000'; a row is: node x y ;"),
        (
            ("1000\t0\t;", "1000\tinf\t;"),
            "line 14: the coordinates of node 13 are '1000', 'inf'; they must be numbers.",
        ),
    ],
)
def test_broken_nodes(change: tuple[str, str], fault: str, tmp_path: Path) -> None:
    file = changed("nguyen_dupuis_node", tmp_path, change)
    with pytest.raises(InputError) as caught:
        read_nodes(file, read_net(CASES / "nguyen_dupuis_net.tntp"))
    assert caught.value.faults[0] == f"{file}: {fault}"


@pytest.mark.parametrize("content", [b"", b"\x00\x01\xff\n", b"<html>\n<body>", "Straße".encode("latin-1")])
def test_files_that_are_no_tntp(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "own.tntp"
    file.write_bytes(content)
    for read in (read_net, lambda path: read_trips(path, 4)):
        with pytest.raises(InputError, match="is this a TNTP file"):
            read(file)
    with pytest.raises(InputError, match=r"gone.tntp: cannot be read: No such file or directory"):
        read_net(tmp_path / "gone.tntp")


def test_not_every_fault_of_thousands_is_told(tmp_path: Path) -> None:
    file = tmp_path / "own.tntp"
    text = (CASES / "nguyen_dupuis_net.tntp").read_text(encoding="utf-8")
    file.write_text(text + "1 2 3\n" * 500)
    with pytest.raises(InputError) as caught:
        read_net(file)
    assert len(caught.value.faults) == 21
    assert caught.value.faults[-1] == f"{file}: and 480 more faults."


def ring(count: int) -> list[Road]:
    ends = [(node + 1, (node + 1) % count + 1) for node in range(count)]
    return [Road(f"{start}_{end}", start, end, 100.0, 10.0, 1) for start, end in ends]


def test_the_layout_of_a_ring_is_a_ring() -> None:
    places = np.array(list(laid_out(ring(12)).values()))
    radii = np.hypot(*(places - places.mean(axis=0)).T)
    assert radii == pytest.approx(np.full(12, radii.mean()), rel=1e-3)
    drawn = np.hypot(*(places - np.roll(places, 1, axis=0)).T)
    assert drawn == pytest.approx(np.full(12, 100), rel=1e-3)


def test_the_layout_of_a_line_of_more_nodes_than_landmarks() -> None:
    roads = [Road(f"{i}", i, i + 1, 50.0, 10.0, 1) for i in range(1, 400)]
    places = np.array(list(laid_out(roads).values()))
    steps = np.hypot(*np.diff(places, axis=0).T)
    assert steps == pytest.approx(np.full(399, 50), abs=0.02)


def test_parts_and_twins_are_laid_out_apart() -> None:
    twins = [Road(f"{a}_{b}", a, b, 100.0, 10.0, 1) for a, b in ((1, 2), (1, 3), (1, 4), (1, 5), (6, 7))]
    places = laid_out(twins)
    assert len(set(places.values())) == 7
    assert np.isfinite(list(places.values())).all()


def test_units_of_coordinates() -> None:
    roads, _ = roads_of("centroids", length="mi", time="0.01h", speed_kmh=50.0)
    places = read_nodes(CASES / "centroids_node.tntp", read_net(CASES / "centroids_net.tntp"))
    degrees = placed(places, list(roads.values()), "degrees")
    assert degrees[4] == (0.0, 0.0)
    assert degrees[7] == pytest.approx((0, 1113.2))
    assert degrees[5] == pytest.approx((0.02 * 111_320 * np.cos(np.radians(50.00557)), 0), abs=0.1)
    assert placed(places, list(roads.values()), "km")[6] == (20.0, 10.0)
    assert placed(places, list(roads.values()), "mi")[6] == pytest.approx((32.19, 16.09))
    fitted = placed(places, list(roads.values()), "fit")
    drawn = sum(np.hypot(*np.subtract(fitted[road.end], fitted[road.start])) for road in roads.values())
    assert drawn == pytest.approx(sum(road.length_m for road in roads.values()), rel=1e-4)
