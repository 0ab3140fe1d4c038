"""The road network as SUMO reads it before netconvert: named nodes and edges, and which junctions have signals."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from cosim_networks.kowloon.junctions import find_junctions
from cosim_networks.kowloon.links import keep_strong_component, link_graph, split_to
from cosim_networks.kowloon.tables import CLASSES, read_streets, to_degrees

if TYPE_CHECKING:
    from cosim_networks.kowloon.links import Link, LinkGraph
    from cosim_networks.kowloon.tables import Street

#: The size of the paper's network (section 5.5).
NODES, EDGES = 817, 1072
#: Left out of ``kowloon`` together with all residential streets: with them the junctions would make more links per node
#: than the paper's 1,072 edges for 817 nodes allow, and mid-block nodes cannot lower that.
_LEFT_OUT = (
    "Hoi Ting Road",
    "La Salle Road",
    "Gillies Avenue North",
    "Embankment Road",
    "Granville Road (east)",
    "Princess Margaret-Wylie link",
    "On Wan Road",
)
#: SUMO's priorities of the classes: who waits for whom where there are no signals.
_PRIORITY = (14, 12, 10, 8, 4)
_NO_ROAD = len(CLASSES)
_SECONDARY, _TERTIARY = CLASSES.index("secondary"), CLASSES.index("tertiary")


@dataclass(frozen=True, slots=True)
class Roads:
    """The built network.

    Attributes
    ----------
    graph : LinkGraph
        Nodes and links.
    node_id : dict of int to str
        SUMO's name of each node: ``n0`` on, from north to south.
    edges : dict of str to Link
        The links by SUMO's name, the street's with a number that counts along it: ``nathan-road.0`` on.
    signals : frozenset of int
        Nodes with traffic lights.
    """

    graph: LinkGraph
    node_id: dict[int, str]
    edges: dict[str, Link]
    signals: frozenset[int]


def make_roads(*, full: bool) -> Roads:
    """Build the network from the street table.

    Parameters
    ----------
    full : bool
        Every street of the table, nodes at junctions only; otherwise the main roads, split to the paper's numbers.
    """
    streets = read_streets()
    if not full:
        streets = [street for street in streets if street.rank <= _TERTIARY and street.name not in _LEFT_OUT]
    graph = link_graph(streets, find_junctions(streets))
    keep_strong_component(graph)
    # Before the split, whose nodes would pass for arms of a junction.
    signals = _signalled(graph)
    if not full:
        split_to(graph, nodes=NODES, links=EDGES)
    north_to_south = sorted(
        graph.nodes,
        key=lambda node: (
            -round(float(graph.position_m[node][1]), 2),
            round(float(graph.position_m[node][0]), 2),
            node,
        ),
    )
    return Roads(graph, {node: f"n{i}" for i, node in enumerate(north_to_south)}, _named(graph, streets), signals)


def _signalled(graph: LinkGraph) -> frozenset[int]:
    """Choose the junctions with signals: three arms or more on the ground, and two roads lead in there that matter."""
    arms: dict[int, set[int]] = {}
    entering: dict[int, list[int]] = {}
    for link in graph.links:
        if not link.street.flyover:
            arms.setdefault(link.start, set()).add(link.end)
            arms.setdefault(link.end, set()).add(link.start)
            entering.setdefault(link.end, []).append(link.street.rank)
    chosen = set()
    for node, ranks in entering.items():
        first, second, *_ = [*sorted(ranks), _NO_ROAD]
        if len(arms[node]) >= 3 and first <= _SECONDARY and second <= _TERTIARY:
            chosen.add(node)
    return frozenset(chosen)


def _named(graph: LinkGraph, streets: list[Street]) -> dict[str, Link]:
    """Name the links: by the rows of the table, first all in the order of a street's points, then all against it."""
    row = {street: i for i, street in enumerate(streets)}

    def along(link: Link) -> tuple[int, bool, int]:
        line = link.street.line
        first_m, last_m = (line.project(link.line.points_m[end])[0] for end in (0, -1))
        backward = first_m > last_m
        middle_cm = round(100 * line.project(link.line.point_at(link.line.length_m / 2))[0])
        return row[link.street], backward, -middle_cm if backward else middle_cm

    counts: dict[str, int] = {}
    named = {}
    for link in sorted(graph.links, key=along):
        name = re.sub(r"[^a-z0-9]+", "-", link.street.name.lower().replace("'", "")).strip("-")
        named[f"{name}.{counts.setdefault(name, 0)}"] = link
        counts[name] += 1
    return named


def node_xml(roads: Roads) -> bytes:
    """Write netconvert's node file, in degrees."""
    root = ET.Element("nodes")
    for node, name in roads.node_id.items():
        longitude, latitude = to_degrees(roads.graph.position_m[node])
        kind = "traffic_light" if node in roads.signals else "priority"
        ET.SubElement(root, "node", {"id": name, "x": f"{longitude:.6f}", "y": f"{latitude:.6f}", "type": kind})
    return ET.tostring(root)


def edge_xml(roads: Roads) -> bytes:
    """Write netconvert's edge file, in degrees."""
    root = ET.Element("edges")
    for name, link in roads.edges.items():
        street = link.street
        attributes = {
            "id": name,
            "from": roads.node_id[link.start],
            "to": roads.node_id[link.end],
            "numLanes": str(street.lanes),
            "speed": f"{street.speed_mps:.2f}",
            "priority": str(_PRIORITY[street.rank]),
            "type": f"highway.{CLASSES[street.rank]}",
            "name": street.name,
        }
        if len(link.line.points_m) > 2:
            points = (to_degrees(point_m) for point_m in link.line.points_m)
            attributes["shape"] = " ".join(f"{longitude:.6f},{latitude:.6f}" for longitude, latitude in points)
        ET.SubElement(root, "edge", attributes)
    return ET.tostring(root)
