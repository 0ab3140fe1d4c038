"""The road network as arrays, and shortest paths over it.

SUMO routes the vehicles; the paths here answer a recommender's questions (how far, how long, reachable at all) without
touching the simulator, whose own route query would advance its random numbers.
"""

from __future__ import annotations

import gzip
import xml.sax
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from cosim import registry
from cosim.errors import InputError, nearest_name
from cosim.sumo_files import is_config, read_config

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Jam density used to scale densities, vehicles per kilometre and lane (7.5 m a vehicle).
JAM_DENSITY_PER_KM = 133.0


@dataclass(frozen=True, slots=True)
class RoadNetwork:
    """The edges that cars may use, and which of them follow one another.

    Attributes
    ----------
    name : str
        For tables and messages.
    net_file : Path
        What SUMO loads.
    edges : tuple of str
        Edge ids in the order of the file; every array below has this order.
    length_m, speed_mps : ndarray of float, shape (n_edges,)
        Length as travelled and speed limit.
    lanes : ndarray of int, shape (n_edges,)
        Number of lanes that cars may use.
    car_lane : tuple of str
        The rightmost lane of each edge that cars may use (lane 0 is often a sidewalk).
    start_node, end_node : tuple of str
        Junction ids.
    node_xy_m : dict
        Junction id to ``(x, y)`` in metres.
    graph : csr_array, shape (n_edges, n_edges)
        Stored where a car may turn from the row's edge into the column's; the values are scratch space.
    lane_edges : dict of str to int
        Every lane that cars may use, and its edge's position.
    lane_shapes_m : tuple of ndarray, shape (n_points, 2)
        Line of each edge's ``car_lane``, in the network's coordinates.
    closed_edges : dict of str to (float, float)
        Edges that cars may not use (footpaths, bus roads, tracks), and a point of each in the middle.
    """

    name: str
    net_file: Path
    edges: tuple[str, ...]
    length_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    lanes: NDArray[np.int64]
    car_lane: tuple[str, ...]
    start_node: tuple[str, ...]
    end_node: tuple[str, ...]
    node_xy_m: dict[str, tuple[float, float]]
    graph: csr_array
    lane_edges: dict[str, int]
    lane_shapes_m: tuple[NDArray[np.float64], ...]
    closed_edges: dict[str, tuple[float, float]]
    _index: dict[str, int] = field(init=False)
    _backward: csr_array = field(init=False)
    _next_edges: dict[int, NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        """Index the edges by id, and turn the arcs round for paths that lead to an edge."""
        object.__setattr__(self, "_index", {edge: position for position, edge in enumerate(self.edges)})
        object.__setattr__(self, "_backward", csr_array(self.graph.T))
        object.__setattr__(self, "_next_edges", {})

    def edge_index(self, edge: str, where: str = "") -> int:
        """Return an edge's position in :attr:`edges`.

        Raises
        ------
        InputError
            If cars have no such edge; the nearest id is named.
        """
        try:
            return self._index[edge]
        except KeyError:
            prefix = f"{where}: " if where else ""
            if edge in self.closed_edges:
                raise InputError(f"{prefix}edge '{edge}' of network '{self.name}' is closed to cars.") from None
            inside = " (a name that begins with ':' is SUMO's for the inside of a junction)" * edge.startswith(":")
            raise InputError(
                f"{prefix}unknown edge '{edge}'{inside} in network '{self.name}'; {nearest_name(edge, self.edges)}."
            ) from None

    def find_edge(self, edge: str) -> int | None:
        """Return an edge's position in :attr:`edges`, or None if cars have no such edge."""
        return self._index.get(edge)

    def reaches(self, origin: int, destination: int) -> bool:
        """Return whether cars can drive from an edge to another one."""
        if destination not in self._next_edges:
            self._next_edges[destination] = self._ways_to(destination)
        return origin == destination or bool(self._next_edges[destination][origin] >= 0)

    def largest_component(self) -> NDArray[np.int64]:
        """Return the edges of the largest set within which every edge reaches every other by legal turns."""
        _, labels = connected_components(self.graph, directed=True, connection="strong")
        largest = np.bincount(labels).argmax()
        return np.flatnonzero(labels == largest)

    def path_costs(self, sources: NDArray[np.int64], cost: NDArray[np.float64], *, reverse: bool = False) -> Any:
        """Return the least cost from edges to all edges.

        Parameters
        ----------
        sources : ndarray of int, shape (n,)
            Edges to start from.
        cost : ndarray of float, shape (n_edges,)
            Cost of driving the whole of each edge: metres or seconds.
        reverse : bool
            Ask for the cost *to* the sources instead.

        Returns
        -------
        ndarray of float, shape (n, n_edges)
            Sum of the costs of all edges of the path, first and last included; ``inf`` where there is none.
        """
        # An arc costs what the edge costs that it leads to, so that the far end of the path is included; the near end
        # is added below.
        graph = self._backward if reverse else self.graph
        graph.data[:] = np.maximum(cost[graph.indices], 1e-12)
        return dijkstra(graph, indices=sources) + cost[sources][:, None]

    def route(self, origin: int, destination: int) -> list[int]:
        """Return the shortest way by length, the first and the last edge included.

        Raises
        ------
        ValueError
            If there is no way.
        """
        following = self._next_edges.get(destination)
        if following is None:
            following = self._next_edges[destination] = self._ways_to(destination)
        edges = [origin]
        while edges[-1] != destination:
            if following[edges[-1]] < 0:
                raise ValueError(f"there is no way from {self.edges[origin]} to {self.edges[destination]}")
            edges.append(int(following[edges[-1]]))
        return edges

    def _ways_to(self, destination: int) -> NDArray[np.int64]:
        """Return for each edge which one follows it on the shortest way; negative where there is none."""
        graph = self._backward
        graph.data[:] = self.length_m[graph.indices]
        _, predecessors = dijkstra(graph, indices=np.array([destination]), return_predecessors=True)
        following: NDArray[np.int64] = predecessors[0].astype(np.int64)
        return following


def load_network(*, name: str | None, file: Path | None, where: str = "") -> RoadNetwork:
    """Read a plug-in's network or a SUMO network file.

    Parameters
    ----------
    name : str or None
        A network plug-in; its ``build()`` returns a ``.net.xml``.
    file : path or None
        A ``.net.xml`` or ``.net.xml.gz`` of the user's, or a ``.sumocfg`` that names one.
    where : str
        File and table for messages.

    Raises
    ------
    InputError
        If the name is unknown, or the file is missing, broken or holds no edge for cars.
    """
    if name is not None:
        return read_network(Path(registry.load("network", name, where=f"{where} name")()), name=name, where=where)
    if file is None:
        raise InputError(f"{where}: give a network's name or a file.")
    path = read_config(file).net_file if is_config(file) else file
    return read_network(path, name=path.name.split(".net.xml")[0], where=f"{where} file")


def read_network(path: Path, *, name: str, where: str = "") -> RoadNetwork:
    """Read a SUMO network file; see :func:`load_network`."""
    import sumolib  # noqa: PLC0415 - 0.2 s, only where a network is read

    if not path.is_file():
        fault = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{where}: the network file {path} {fault}.")
    try:
        net = sumolib.net.readNet(str(path), withFoes=False)
    except (xml.sax.SAXException, gzip.BadGzipFile, EOFError, UnicodeDecodeError, zlib.error) as error:
        detail = error.getMessage() if isinstance(error, xml.sax.SAXParseException) else error
        line = f", line {error.getLineNumber()}" if isinstance(error, xml.sax.SAXParseException) else ""
        raise InputError(f"{where}: {path} is not a readable SUMO network ({detail}{line}).") from None
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        what = f"attribute {error} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{where}: {path} is not a complete SUMO network ({what}).") from None
    every = net.getEdges(withInternal=False)
    spaced = [edge.getID() for edge in every if any(letter.isspace() for letter in edge.getID())]
    if spaced:
        raise InputError(f"{where}: {path}: edge '{spaced[0]}': SUMO takes no name with a space in it.")
    edges = [edge for edge in every if edge.allows("passenger")]
    if not edges:
        raise InputError(
            f"{where}: {path} holds no edge that cars may use; is it a SUMO .net.xml? "
            "(python -m cosim import osm makes one of an OpenStreetMap extract.)"
        )
    position = {edge.getID(): i for i, edge in enumerate(edges)}
    turns = [
        (position[edge.getID()], position[successor.getID()])
        for edge in edges
        for successor in edge.getAllowedOutgoing("passenger")
        if successor.getID() in position
    ]
    rows, columns = (np.array(part, dtype=np.int32) for part in zip(*turns, strict=True)) if turns else ([], [])
    count = len(edges)
    car_lanes = [[lane for lane in edge.getLanes() if lane.allows("passenger")] for edge in edges]
    return RoadNetwork(
        name=name,
        net_file=path,
        edges=tuple(position),
        length_m=np.array([edge.getLength() for edge in edges], dtype=np.float64),
        speed_mps=np.array([edge.getSpeed() for edge in edges], dtype=np.float64),
        lanes=np.array([len(lanes) for lanes in car_lanes], dtype=np.int64),
        car_lane=tuple(lanes[0].getID() for lanes in car_lanes),
        start_node=tuple(edge.getFromNode().getID() for edge in edges),
        end_node=tuple(edge.getToNode().getID() for edge in edges),
        node_xy_m={node.getID(): tuple(node.getCoord()[:2]) for node in net.getNodes()},
        graph=csr_array((np.ones(len(turns)), (rows, columns)), shape=(count, count)),
        lane_edges={lane.getID(): i for i, lanes in enumerate(car_lanes) for lane in lanes},
        lane_shapes_m=tuple(np.array([point[:2] for point in lanes[0].getShape()]) for lanes in car_lanes),
        closed_edges={edge.getID(): _middle(edge.getShape()) for edge in every if edge.getID() not in position},
    )


def _middle(shape: list[tuple[float, ...]]) -> tuple[float, float]:
    """Return the point of a line that is halfway in the list."""
    x_m, y_m = shape[len(shape) // 2][:2]
    return x_m, y_m
