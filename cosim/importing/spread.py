"""Where stations stand if nobody says so: spread over a road network, the same places each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError
from cosim.traffic.places import SHORTEST_EDGE_M

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.traffic.network import RoadNetwork

#: Where there is a choice, no station stands on a faster road (70 km/h).
_FASTEST_MPS = 19.5
_ROUNDS = 25


def station_edges(network: RoadNetwork, component: NDArray[np.int64], count: int) -> list[int]:
    """Spread stations over a network.

    The edges are divided into as many groups as there are stations, each around the centre of its lane-kilometres
    (k-means, begun with the edges farthest from one another); a station stands on the edge nearest to each centre that
    is long enough for it.

    Parameters
    ----------
    network : RoadNetwork
        The roads.
    component : ndarray of int
        Edges on which a station may stand: those that all reach one another.
    count : int
        How many stations.

    Returns
    -------
    list of int, length count
        Positions in the network's edges, all different, from west to east.

    Raises
    ------
    InputError
        If fewer edges are long enough.
    """
    fitting = component[network.length_m[component] >= SHORTEST_EDGE_M]
    if len(fitting) < count:
        raise InputError(
            f"--stations: found {count}; only {len(fitting)} edges are at least {SHORTEST_EDGE_M:.0f} m long and "
            "reach all others, and each station stands on one of its own."
        )
    slow = fitting[network.speed_mps[fitting] <= _FASTEST_MPS]
    fitting = slow if len(slow) >= count else fitting
    centres = _centres(_middles(network, component), (network.length_m * network.lanes)[component], count)
    middles = _middles(network, fitting)
    chosen: list[int] = []
    for x_m, y_m in sorted(centres.tolist()):
        distance = np.hypot(middles[:, 0] - x_m, middles[:, 1] - y_m)
        distance[chosen] = np.inf
        chosen.append(int(np.argmin(distance)))
    return [int(fitting[place]) for place in chosen]


def _middles(network: RoadNetwork, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the points halfway between the ends of edges, shape (n, 2), metres."""
    ends = [
        [network.node_xy_m[names[edge]] for edge in edges.tolist()] for names in (network.start_node, network.end_node)
    ]
    middles: NDArray[np.float64] = np.mean(np.array(ends), axis=0)
    return middles


def _centres(points: NDArray[np.float64], weight: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the centres of groups of points by Lloyd's algorithm; no random numbers, so that they never change."""
    centres = np.average(points, axis=0, weights=weight)[None, :]
    nearest = np.full(len(points), np.inf)
    first: list[NDArray[np.float64]] = []
    for _ in range(count):
        nearest = np.minimum(nearest, ((points - centres[-1]) ** 2).sum(axis=1))
        first.append(points[np.argmax(nearest)])
        centres = np.array(first)
    for _ in range(_ROUNDS):
        group = np.argmin([((points - centre) ** 2).sum(axis=1) for centre in centres], axis=0)
        total = np.bincount(group, weights=weight, minlength=count)
        sums = np.stack([np.bincount(group, weights=weight * points[:, axis], minlength=count) for axis in (0, 1)], 1)
        # A group may be empty where several edges lie on the same points; its centre stays.
        centres = np.where(total[:, None] > 0, sums / np.maximum(total, 1e-300)[:, None], centres)
    return centres
