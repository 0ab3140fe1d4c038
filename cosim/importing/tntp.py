"""Importing a TNTP problem: network, trips and nodes of the transportation test problems' text format.

A node of the file is a junction. Each zone with trips gets a short road of its own, on which its trips begin or end, at
the zone's node: from there a vehicle may take any link, and through nodes below the first thru node nobody may pass.
"""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import InputError
from cosim.importing.ready_scenario import SCENARIO, Origin, Wishes, new_folder, write_ready_scenario
from cosim.importing.tntp_files import read_net, read_nodes, read_trips
from cosim.importing.tntp_layout import laid_out, placed
from cosim.importing.tntp_roads import Choices, Road, make_roads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cosim.importing.tntp_files import NetFile
    from cosim.traffic.network import RoadNetwork

    Trips = dict[tuple[int, int], float]

#: A zone's own road: 50 m at 50 km/h, 3.6 s at each end of a trip, with a lane for each 900 trips per hour, at most 4.
ZONE_ROAD_M, ZONE_ROAD_MPS, _ZONE_LANE_PER_H, _MOST_ZONE_LANES = 50.0, 13.889, 900.0, 4
_MOST_VEHICLES_PER_H = 1e6
_NAMED_PAIRS = 5
_NETCONVERT = ("--no-turnarounds.except-deadend", "true", "--precision", "3", "--no-warnings", "true")


@dataclass(slots=True)
class _Problem:
    """A problem in metres, seconds and vehicles per hour."""

    net: NetFile
    roads: list[Road]
    place_m: dict[int, tuple[float, float]]
    vehicles_per_h: Trips
    out_per_h: dict[int, float] = field(init=False)
    in_per_h: dict[int, float] = field(init=False)
    leaving: dict[int, list[Road]] = field(init=False)
    entering: dict[int, list[Road]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the roads by their ends, and find the zones whose trips have a road to begin or end at."""
        self.leaving, self.entering = {}, {}
        for road in self.roads:
            self.leaving.setdefault(road.start, []).append(road)
            self.entering.setdefault(road.end, []).append(road)
        self.out_per_h = self._sums(0, self.leaving)
        self.in_per_h = self._sums(1, self.entering)

    def _sums(self, end: int, roads: Mapping[int, list[Road]]) -> dict[int, float]:
        sums: dict[int, float] = {}
        for pair, rate in sorted(self.vehicles_per_h.items()):
            if pair[end] in roads:
                sums[pair[end]] = sums.get(pair[end], 0.0) + rate
        return dict(sorted(sums.items()))


def import_tntp(
    net_file: Path,
    trips_file: Path,
    node_file: Path | None = None,
    *,
    out: Path,
    choices: Choices,
    wishes: Wishes | None = None,
    overwrite: bool = False,
    say: Callable[[str], None] | None = None,
) -> Path:
    """Write a ready scenario of a TNTP problem.

    Parameters
    ----------
    net_file, trips_file : Path
        The network and the trips.
    node_file : Path, optional
        Coordinates of the nodes; the network is laid out by the lengths of its links if left out.
    out : Path
        The folder to write: ``network.net.xml`` with ``network.od.csv`` and ``network.taz.xml``, ``scenario.toml`` and
        ``import.json``. The same files give the same bytes.
    choices : Choices
        Units and shares.
    wishes : Wishes, optional
        Stations and feeder; ``vehicles_per_h`` is the trips' own sum.
    overwrite : bool
        Allow a folder that is not empty.
    say : callable, optional
        Is told, a sentence each, what was not taken as it stands in the files.

    Returns
    -------
    Path
        The scenario file.

    Raises
    ------
    InputError
        With a sentence for every fault: units that are missing or cannot be right, broken files, trips none of which
        can be driven.
    """
    wishes = wishes or Wishes()
    _all_faults(choices.check, wishes.check)
    notes: list[str] = []

    def note(sentence: str) -> None:
        notes.append(sentence)
        if say is not None:
            say(sentence)

    problem, total = _read(Path(net_file), Path(trips_file), node_file and Path(node_file), choices, note)
    with new_folder(Path(out), overwrite=overwrite) as folder:
        from cosim.traffic.network import read_network  # noqa: PLC0415 - heavy, and wrong input is refused without it
        from cosim.traffic.od_table import OdTable  # noqa: PLC0415

        _build(problem, folder)
        network = read_network(folder / "network.net.xml", name="network", where=str(net_file))
        driven = _drivable(problem, network, note)
        (folder / "network.taz.xml").write_bytes(_taz_xml(driven))
        (folder / "network.od.csv").write_text(_od_csv(driven), encoding="utf-8")
        OdTable.beside(network)
        write_ready_scenario(
            folder,
            network,
            replace(wishes, vehicles_per_h=round(sum(driven.values()), 3)),
            _origin(problem, choices, node_file, total, driven, notes),
            trips="od-table",
        )
    return Path(out) / SCENARIO


def _all_faults(*checks: Callable[[], object]) -> None:
    """Run checks, and raise the faults of all of them at once."""
    faults: list[str] = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)


def _read(
    net_file: Path, trips_file: Path, node_file: Path | None, choices: Choices, note: Callable[[str], None]
) -> tuple[_Problem, float]:
    """Read the files and convert them; the second is the sum of the file's trips."""
    net = read_net(net_file)
    trips: Trips = {}
    places: dict[int, tuple[float, float]] = {}
    _all_faults(
        lambda: trips.update(read_trips(trips_file, net.zones)),
        lambda: places.update(read_nodes(node_file, net)) if node_file else None,
    )
    roads = make_roads(net, choices, note)
    if node_file:
        place_m = placed(places, roads, choices.coordinates)
    else:
        note("No node file: the network is drawn by the lengths of its links, not as it lies on a map.")
        place_m = laid_out(roads)
    factor = choices.demand_share / (choices.period_h or 1.0)
    within = sum(flow for (origin, destination), flow in trips.items() if origin == destination)
    if within:
        note(f"{within:g} of {sum(trips.values()):g} trips stay within their zone and are left out.")
    rates = {pair: flow * factor for pair, flow in trips.items() if pair[0] != pair[1]}
    per_h = sum(rates.values())
    if not 1 <= per_h <= _MOST_VEHICLES_PER_H:
        raise InputError(
            f"{trips_file}: with --period-h {choices.period_h:g} and --demand-share {choices.demand_share:g} the trips "
            f"between zones come to {per_h:g} vehicles/h; it must be from 1 to {_MOST_VEHICLES_PER_H:.0f}."
        )
    return _Problem(net, roads, place_m, rates), sum(trips.values())


def _build(problem: _Problem, folder: Path) -> None:
    """Write ``network.net.xml``, the same to the byte each time."""
    from cosim.traffic.install import run_program  # noqa: PLC0415 - not needed for --help

    parts = {"node": ("nodes", _nodes(problem)), "edge": ("edges", _edges(problem))}
    parts["connection"] = ("connections", _connections(problem))
    arguments = []
    for tag, (root_tag, rows) in parts.items():
        root = ET.Element(root_tag)
        for row in rows:
            ET.SubElement(root, tag, {key: str(value) for key, value in row.items()})
        (folder / f"{tag}.xml").write_bytes(ET.tostring(root))
        arguments += [f"--{tag}-files", str(folder / f"{tag}.xml")]
    run_program("netconvert", [*arguments, "-o", str(folder / "built.net.xml"), *_NETCONVERT])
    built = (folder / "built.net.xml").read_text(encoding="utf-8")
    # SUMO writes the date and its command line into a comment.
    net = re.sub(r"<!-- generated on .*?-->\s*", "", built, count=1, flags=re.DOTALL)
    (folder / "network.net.xml").write_text(net, encoding="utf-8")


def _nodes(problem: _Problem) -> Iterable[Mapping[str, object]]:
    for node, (x_m, y_m) in problem.place_m.items():
        yield {"id": node, "x": x_m, "y": y_m, "type": "priority"}
    for zone in sorted(problem.out_per_h.keys() | problem.in_per_h.keys()):
        x_m, y_m = _beside(zone, problem)
        yield {"id": f"zone{zone}", "x": x_m, "y": y_m, "type": "priority"}


def _beside(zone: int, problem: _Problem) -> tuple[float, float]:
    """Return where a zone's own road begins: in the widest gap between the links of its node."""
    x_m, y_m = problem.place_m[zone]
    others = {road.end for road in problem.leaving.get(zone, [])} | {
        road.start for road in problem.entering.get(zone, [])
    }
    angles = sorted(
        math.atan2(problem.place_m[node][1] - y_m, problem.place_m[node][0] - x_m) for node in sorted(others)
    )
    gaps = [(round(later - earlier, 6), earlier) for earlier, later in pairwise([*angles, angles[0] + 2 * math.pi])]
    gap, first = max(gaps)
    angle = first + gap / 2
    return round(x_m + ZONE_ROAD_M * math.cos(angle), 2), round(y_m + ZONE_ROAD_M * math.sin(angle), 2)


def _edges(problem: _Problem) -> Iterable[Mapping[str, object]]:
    for road in problem.roads:
        place = {"id": road.id, "from": road.start, "to": road.end}
        yield {**place, "length": road.length_m, "speed": road.speed_mps, "numLanes": road.lanes}
    for rates, name, ends in ((problem.out_per_h, "out", ("from", "to")), (problem.in_per_h, "in", ("to", "from"))):
        for zone, rate in rates.items():
            lanes = min(max(math.ceil(rate / _ZONE_LANE_PER_H), 1), _MOST_ZONE_LANES)
            measures = {"length": ZONE_ROAD_M, "speed": ZONE_ROAD_MPS, "numLanes": lanes}
            yield {"id": f"zone{zone}_{name}", ends[0]: f"zone{zone}", ends[1]: zone, **measures}


def _connections(problem: _Problem) -> Iterable[Mapping[str, object]]:
    """Yield which road may follow which; netconvert finds the lanes."""
    for road in problem.roads:
        node = road.end
        following = problem.leaving.get(node, []) if node >= problem.net.first_thru_node else []
        # Nobody turns round, unless there is no other way on.
        onward = [after.id for after in following if after.end != road.start] or [after.id for after in following]
        targets = [*onward, *([f"zone{node}_in"] if node in problem.in_per_h else [])]
        # A connection without a target is how netconvert is told that there is none.
        yield from ({"from": road.id, "to": target} for target in targets) if targets else ({"from": road.id},)
    for zone in problem.out_per_h:
        yield from ({"from": f"zone{zone}_out", "to": after.id} for after in problem.leaving[zone])
    for zone in problem.in_per_h:
        yield {"from": f"zone{zone}_in"}


def _drivable(problem: _Problem, network: RoadNetwork, note: Callable[[str], None]) -> Trips:
    """Return the trips that lead through the roads that all reach one another, where the stations stand."""
    core = network.largest_component()
    path = problem.net.path
    if len(core) < 2:
        raise InputError(
            f"{path}: no two links reach one another, so that no vehicle could drive to a charging station and on; "
            "--both-ways gives each link that has none a way back."
        )
    hops = np.ones(len(network.edges))
    to_core = np.isfinite(network.path_costs(core[:1], hops, reverse=True)[0])
    from_core = np.isfinite(network.path_costs(core[:1], hops)[0])
    sources = {zone for zone in problem.out_per_h if to_core[network.edge_index(f"zone{zone}_out")]}
    sinks = {zone for zone in problem.in_per_h if from_core[network.edge_index(f"zone{zone}_in")]}
    driven = {pair: rate for pair, rate in problem.vehicles_per_h.items() if pair[0] in sources and pair[1] in sinks}
    lost = [pair for pair in problem.vehicles_per_h if pair not in driven]
    if lost:
        names = ", ".join(f"{origin}-{destination}" for origin, destination in lost[:_NAMED_PAIRS])
        names += f" and {len(lost) - _NAMED_PAIRS} more" if len(lost) > _NAMED_PAIRS else ""
        said = (
            f"{len(lost)} of {len(problem.vehicles_per_h)} pairs of zones have no way from one to the other by the "
            f"{len(core)} roads that all reach one another: {names}"
        )
        if not driven:
            raise InputError(f"{path}: {said}; no trip is left.")
        share = sum(problem.vehicles_per_h[pair] for pair in lost) / sum(problem.vehicles_per_h.values())
        note(f"{said}; their trips, {100 * share:.3g} % of all, are left out.")
    return driven


def _taz_xml(driven: Trips) -> bytes:
    root = ET.Element("additional")
    origins, destinations = ({pair[end] for pair in driven} for end in (0, 1))
    for zone in sorted(origins | destinations):
        taz = ET.SubElement(root, "taz", {"id": str(zone)})
        if zone in origins:
            ET.SubElement(taz, "tazSource", {"id": f"zone{zone}_out", "weight": "1"})
        if zone in destinations:
            ET.SubElement(taz, "tazSink", {"id": f"zone{zone}_in", "weight": "1"})
    ET.indent(root)
    return ET.tostring(root) + b"\n"


def _od_csv(driven: Trips) -> str:
    rows = [f"{origin},{destination},{rate:.9g}\n" for (origin, destination), rate in sorted(driven.items())]
    return "origin,destination,vehicles_per_h\n" + "".join(rows)


def _origin(
    problem: _Problem, choices: Choices, node_file: Path | None, total: float, driven: Trips, notes: list[str]
) -> Origin:
    net = problem.net
    stem = re.sub(r"_?net$", "", net.path.stem, flags=re.IGNORECASE) or "tntp"
    per_h = sum(driven.values())
    units = (
        f"Units, as stated: lengths {choices.length}, free-flow times {choices.time}, capacities and trips for "
        f"{choices.period_h:g} h, {choices.demand_share:g} of the demand."
    )
    return Origin(
        name=stem,
        description=f"TNTP problem {stem}: {net.nodes} nodes, {len(net.links)} links, {per_h:.6g} vehicles/h",
        remarks=[
            f"Imported from the TNTP network {net.path.name}.",
            units,
            "vehicles_per_h is the sum of network.od.csv: the trips of the file, times share, divided by the period.",
            *notes,
        ],
        record={
            "format": "tntp",
            "network": net.path.name,
            "nodes": None if node_file is None else Path(node_file).name,
            "choices": asdict(choices),
            "first_thru_node": net.first_thru_node,
            "trips_in_file": total,
            "vehicles_per_h_driven": per_h,
            "notes": notes,
            "counts": {"zones": net.zones, "tntp_nodes": net.nodes, "links": len(net.links), "pairs": len(driven)},
        },
    )
