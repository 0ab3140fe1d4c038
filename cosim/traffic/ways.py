"""Whether vehicles of any class can drive a given route, or from edge to edge."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from typing import Any

    from cosim.traffic.network import RoadNetwork

#: The class whose roads the network's arrays are about, and the EVs'.
CAR_CLASS = "passenger"
#: As many unknown edges are told.
_TOLD = 10


class WayChecker:
    """Says whether vehicles of a class can drive a route, or from edge to edge."""

    def __init__(self, network: RoadNetwork) -> None:
        self._network = network
        self._roads: dict[str, _ClassRoads] = {}
        self._known: dict[tuple[tuple[str, ...], str, bool], str | None] = {}
        self._unknown: dict[str, str] = {}

    def raise_unknown(self) -> None:
        """Raise if an edge was asked for that does not exist."""
        names = [*self._network.edges, *self._network.closed_edges]
        faults = [
            f"[demand] route_files: {where}: unknown edge '{edge}' in network '{self._network.name}'; "
            f"{nearest_name(edge, names)}."
            for edge, where in list(self._unknown.items())[:_TOLD]
        ]
        if faults:
            raise InputError(faults)

    def note_unknown(self, edge: str, where: str) -> None:
        """Remember an edge if no network knows it; ``raise_unknown`` tells of it."""
        if edge not in self._network.closed_edges and self._network.find_edge(edge) is None:
            self._unknown.setdefault(edge, where)

    def problem(self, edges: tuple[str, ...], vehicle_class: str, *, routed: bool, where: str) -> str | None:
        """Return why there is no such way, or None."""
        key = (edges, vehicle_class, routed)
        if key not in self._known:
            self._known[key] = self._find_problem(edges, vehicle_class, routed=routed, where=where)
        return self._known[key]

    def _find_problem(self, edges: tuple[str, ...], vehicle_class: str, *, routed: bool, where: str) -> str | None:
        if not edges:
            return "its route has no edges"
        roads = self._roads_of(vehicle_class)
        positions = []
        for edge in edges:
            position = roads.index.get(edge)
            if position is None:
                self.note_unknown(edge, where)
                return f"edge '{edge}' is closed to the class {vehicle_class}"
            positions.append(position)
        for k in range(len(edges) - 1):
            a, b = positions[k], positions[k + 1]
            if not (roads.follows(a, b) if routed else roads.reaches(a, b)):
                what = "edge '{}' does not follow" if routed else "there is no way to edge '{}' from"
                return f"{what.format(edges[k + 1])} edge '{edges[k]}' for the class {vehicle_class}"
        return None

    def _roads_of(self, vehicle_class: str) -> _ClassRoads:
        if vehicle_class not in self._roads:
            network = self._network
            if vehicle_class == CAR_CLASS:
                index = {edge: i for i, edge in enumerate(network.edges)}
                self._roads[vehicle_class] = _ClassRoads(index, network.graph)
            else:
                self._roads |= {vehicle_class: _read_class(network, vehicle_class)}
        return self._roads[vehicle_class]


class _ClassRoads:
    """The edges that one class of vehicles may use, and which may follow which."""

    def __init__(self, index: dict[str, int], graph: csr_array) -> None:
        self.index = index
        self._graph = csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
        self._labels = connected_components(self._graph, directed=True, connection="strong")[1]
        self._from: dict[int, frozenset[int]] = {}

    def follows(self, a: int, b: int) -> bool:
        """Return whether one may turn from an edge into another."""
        graph = self._graph
        return bool((graph.indices[graph.indptr[a] : graph.indptr[a + 1]] == b).any())

    def reaches(self, a: int, b: int) -> bool:
        """Return whether one can drive from an edge to another."""
        if self._labels[a] == self._labels[b]:
            return True
        if a not in self._from:
            found = breadth_first_order(self._graph, a, return_predecessors=False)
            self._from[a] = frozenset(found.tolist())
        return b in self._from[a]


def _read_class(network: RoadNetwork, vehicle_class: str) -> _ClassRoads:
    """Read from the network's file what is open to a class other than cars."""
    net = _sumolib_net(str(network.net_file))
    edges = [edge for edge in net.getEdges(withInternal=False) if edge.allows(vehicle_class)]
    index = {edge.getID(): i for i, edge in enumerate(edges)}
    turns = [
        (i, index[successor.getID()])
        for i, edge in enumerate(edges)
        for successor in edge.getAllowedOutgoing(vehicle_class)
        if successor.getID() in index
    ]
    rows, columns = (np.array(part, dtype=np.int32) for part in zip(*turns, strict=True)) if turns else ([], [])
    return _ClassRoads(index, csr_array((np.ones(len(turns)), (rows, columns)), shape=(len(edges), len(edges))))


@functools.lru_cache(maxsize=1)
def _sumolib_net(path: str) -> Any:
    import sumolib  # noqa: PLC0415 - 0.2 s, only where other classes than cars drive

    return sumolib.net.readNet(path, withFoes=False)
