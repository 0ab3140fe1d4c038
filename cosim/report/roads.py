"""The road network as lines on a plane."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosim.control import StationInfo
    from cosim.traffic.network import RoadNetwork

#: Points of a bent road closer together than this are drawn as one, metres.
_FINEST_M = 2.0
#: How far a drawn length may be from the one that is driven.
_TOLERANCE = 0.3


@dataclass(frozen=True, slots=True)
class Roads:
    """How to draw a network.

    Attributes
    ----------
    shapes : list of list of (float, float)
        Of each edge the points that it runs through, metres, y upwards.
    left_hand : bool
        Whether traffic keeps to the left.
    to_scale : bool
        Whether the edges are drawn as long as they are; of networks out of books only the lengths are known, and their
        nodes stand where they fit on the paper.
    """

    shapes: list[list[tuple[float, float]]]
    left_hand: bool
    to_scale: bool


def read_roads(network: RoadNetwork) -> Roads:
    """Read the shapes of the edges that cars may use.

    Parameters
    ----------
    network : RoadNetwork
        Its file holds the shape of every edge that is not straight.
    """
    bent, left_hand = _bent_edges(network)
    shapes = []
    for edge, start, end in zip(network.edges, network.start_node, network.end_node, strict=True):
        points = bent.get(edge, [network.node_xy_m[start], network.node_xy_m[end]])
        shapes.append(_thinned(points))
    drawn_m = np.array([np.hypot(*np.diff(np.array(shape), axis=0).T).sum() for shape in shapes])
    # The junctions at both ends are drawn, but do not count in the length.
    off = np.abs(drawn_m / network.length_m - 1.0) > _TOLERANCE
    return Roads(shapes, left_hand, to_scale=bool(off.mean() < 0.5))


def _bent_edges(network: RoadNetwork) -> tuple[dict[str, list[tuple[float, float]]], bool]:
    # Not through sumolib: all that is wanted here is one attribute, and this takes a tenth of the time.
    path = network.net_file
    bent: dict[str, list[tuple[float, float]]] = {}
    left_hand = False
    with gzip.open(path, "rb") if path.name.endswith(".gz") else path.open("rb") as file:
        for _, element in ET.iterparse(file, events=("start",)):
            if element.tag == "edge":
                shape = element.get("shape")
                if shape:
                    bent[element.get("id", "")] = _points(shape)
            elif element.tag == "net":
                left_hand = element.get("lefthand") in {"true", "1"}
            elif element.tag == "junction":
                # Junctions come after the edges, and after them the connections, which are most of the file.
                break
    return bent, left_hand


def _points(text: str) -> list[tuple[float, float]]:
    parts = (point.split(",") for point in text.split())
    return [(float(part[0]), float(part[1])) for part in parts]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    kept = [points[0]]
    for point in points[1:-1]:
        if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= _FINEST_M:
            kept.append(point)
    return [*kept, points[-1]]


def station_place(
    network: RoadNetwork, shape: Sequence[tuple[float, float]], station: StationInfo
) -> tuple[float, float]:
    """Return where a station stands: as far along its edge's shape as its strip along the lane.

    Parameters
    ----------
    network : RoadNetwork
        For the length of the edge.
    shape : sequence of (float, float)
        Of the station's edge, metres.
    station : StationInfo
        Its strip is given along the lane.
    """
    share = (station.strip_start_m + station.strip_end_m) / 2 / float(network.length_m[station.edge])
    points = np.array(shape, dtype=np.float64)
    along_m = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    place_m = min(max(share, 0.0), 1.0) * along_m[-1]
    return float(np.interp(place_m, along_m, points[:, 0])), float(np.interp(place_m, along_m, points[:, 1]))
