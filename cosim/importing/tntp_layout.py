"""Where the nodes of a TNTP problem are drawn; how long its roads are to travel is said by the network file alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import dijkstra

from cosim.importing.tntp_roads import COORDINATE_UNITS_M

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim.importing.tntp_roads import Road

    Points = NDArray[np.float64]

_METRES_PER_DEGREE = 111_320.0
#: Nodes at the same point are moved this far apart, since a road needs a direction.
_APART_M = 20.0
_MOST_LANDMARKS = 200


def placed(
    places: Mapping[int, tuple[float, float]], roads: Sequence[Road], unit: str
) -> dict[int, tuple[float, float]]:
    """Turn the coordinates of a node file into metres.

    Parameters
    ----------
    places : mapping of int to (float, float)
        Each node's coordinates in the file's unit.
    roads : sequence of Road
        What connects them.
    unit : str
        A key of :data:`~cosim.importing.tntp_roads.COORDINATE_UNITS_M`; ``"degrees"`` of longitude and latitude; or
        ``"fit"``: whatever unit makes the roads as long in the drawing, all together, as they are to travel.

    Returns
    -------
    dict of int to (float, float)
        Metres, to the centimetre, from the lower left corner; for the nodes that have roads.
    """
    nodes = _nodes(roads)
    points = np.array([places[node] for node in nodes])
    if unit == "degrees":
        points = points * _METRES_PER_DEGREE
        points[:, 0] *= math.cos(math.radians(float(np.mean([places[node][1] for node in nodes]))))
    elif unit == "fit":
        points = _fitted(points, nodes, roads)
    else:
        points = points * COORDINATE_UNITS_M[unit]
    return _finished(points, nodes)


def laid_out(roads: Sequence[Road]) -> dict[int, tuple[float, float]]:
    """Place nodes whose coordinates are unknown by classical scaling of the distances between them along the roads.

    Up to 200 nodes, chosen each as far from the others as can be, are placed by the two largest principal axes, and all
    others by their distances to these (landmark scaling). No random numbers are drawn.

    Parameters
    ----------
    roads : sequence of Road
        With their lengths.

    Returns
    -------
    dict of int to (float, float)
        As :func:`placed`, scaled so that the roads are as long in the drawing, all together, as they are to travel.
    """
    nodes = _nodes(roads)
    distance = _distances(nodes, roads)
    landmarks = np.array([row for row, _ in distance])
    squares = np.array([row for _, row in distance]) ** 2
    inner = squares[:, landmarks]
    means = inner.mean(axis=0)
    centred = -0.5 * (inner - means[:, None] - means[None, :] + inner.mean())
    values, vectors = np.linalg.eigh(centred)
    points = np.zeros((len(nodes), 2))
    for axis in range(min(2, len(landmarks))):
        value, vector = values[-1 - axis], vectors[:, -1 - axis]
        if value > 1e-9 * values[-1]:
            vector = vector * np.sign(vector[np.argmax(np.abs(vector))])
            points[:, axis] = -0.5 * (vector / math.sqrt(value)) @ (squares - means[:, None])
    return _finished(_fitted(points, nodes, roads), nodes)


def _nodes(roads: Sequence[Road]) -> list[int]:
    return sorted({node for road in roads for node in (road.start, road.end)})


def _distances(nodes: list[int], roads: Sequence[Road]) -> list[tuple[int, NDArray[np.float64]]]:
    """Return landmarks, each with its distance along the roads, either way, to all nodes."""
    row = {node: i for i, node in enumerate(nodes)}
    starts, ends = ([row[getattr(road, end)] for road in roads] for end in ("start", "end"))
    shortest: dict[tuple[int, int], float] = {}
    for start, end, road in zip(starts, ends, roads, strict=True):
        pair = (min(start, end), max(start, end))
        shortest[pair] = min(road.length_m, shortest.get(pair, math.inf))
    columns = np.array(list(shortest), dtype=np.int32).T
    graph = csr_array(coo_array((list(shortest.values()), (columns[0], columns[1])), shape=(len(nodes), len(nodes))))
    chosen: list[tuple[int, NDArray[np.float64]]] = []
    nearest = np.full(len(nodes), np.inf)
    while len(chosen) < min(len(nodes), _MOST_LANDMARKS):
        landmark = int(np.argmax(nearest))
        found = dijkstra(graph, directed=False, indices=np.array([landmark]))[0]
        # Parts that nothing connects lie beside one another.
        away = np.where(np.isfinite(found), found, 1.5 * found[np.isfinite(found)].max() + 1.0)
        chosen.append((landmark, away))
        nearest = np.minimum(nearest, away)
        nearest[landmark] = -1.0
    return chosen


def _fitted(points: Points, nodes: list[int], roads: Sequence[Road]) -> Points:
    row = {node: i for i, node in enumerate(nodes)}
    steps = points[[row[road.end] for road in roads]] - points[[row[road.start] for road in roads]]
    drawn = float(np.hypot(steps[:, 0], steps[:, 1]).sum())
    return points * (sum(road.length_m for road in roads) / drawn) if drawn > 0 else points


def _finished(points: Points, nodes: list[int]) -> dict[int, tuple[float, float]]:
    """Move apart what lies at the same point, and round."""
    points = points - points.min(axis=0)
    taken: dict[tuple[int, int], int] = {}
    result = {}
    for node, (x_m, y_m) in zip(nodes, points.tolist(), strict=True):
        here = (round(x_m / 2), round(y_m / 2))
        before = taken.get(here, 0)
        taken[here] = before + 1
        # A spiral by the golden angle.
        radius_m, angle = _APART_M * math.sqrt(before), 2.399963 * before
        result[node] = (round(x_m + radius_m * math.cos(angle), 2), round(y_m + radius_m * math.sin(angle), 2))
    return result
