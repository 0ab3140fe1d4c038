"""Directed links between junctions: from the streets, reduced to what can be driven in a circle, and split."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_networks.kowloon.junctions import Junctions
    from cosim_networks.kowloon.polyline import Polyline
    from cosim_networks.kowloon.tables import Street

#: Bends nearer than this to a junction are left out: they would only kink the link where the junction already does.
_BEND_MARGIN_M = 8.0
#: The same at a mid-block node, which lies on the line itself.
_SPLIT_MARGIN_M = 5.0
#: A second street between two junctions that keeps nearer than this to the first one is taken for the same road.
_SAME_ROAD_M = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Link:
    """A carriageway from one node to another.

    Attributes
    ----------
    start, end : int
        Nodes.
    street : Street
        The row of the table that it belongs to.
    line : Polyline
        From node to node.
    """

    start: int
    end: int
    street: Street
    line: Polyline


class LinkGraph:
    """Nodes and links, in an order that depends on nothing but the table.

    Parameters
    ----------
    position_m : ndarray of float, shape (n, 2)
        The junctions; nodes added later follow.
    """

    def __init__(self, position_m: NDArray[np.float64]) -> None:
        self.position_m = list(position_m)
        self._links: dict[tuple[int, int], Link] = {}

    @property
    def links(self) -> list[Link]:
        """All links."""
        return list(self._links.values())

    @property
    def nodes(self) -> list[int]:
        """The nodes that links lead to or from, ascending."""
        return sorted({node for key in self._links for node in key})

    def between(self, start: int, end: int) -> Link | None:
        """Return the link from one node to another, or None."""
        return self._links.get((start, end))

    def add_node(self, position_m: NDArray[np.float64]) -> int:
        """Add a node and return its number."""
        self.position_m.append(position_m)
        return len(self.position_m) - 1

    def add(self, link: Link) -> None:
        """Add a link; its line is made to end at its nodes."""
        line = link.line.with_ends(self.position_m[link.start], self.position_m[link.end])
        self._links[link.start, link.end] = replace(link, line=line)

    def remove(self, link: Link) -> None:
        """Take a link away."""
        del self._links[link.start, link.end]

    def split(self, link: Link, nodes: Sequence[int], at_m: Sequence[float]) -> None:
        """Replace a link by its pieces between nodes at distances along it."""
        self.remove(link)
        stops = zip([0.0, *at_m, link.line.length_m], [link.start, *nodes, link.end], strict=True)
        for (from_m, start), (to_m, end) in itertools.pairwise(stops):
            self.add(Link(start, end, link.street, link.line.part(from_m, to_m, _SPLIT_MARGIN_M)))


def link_graph(streets: Sequence[Street], junctions: Junctions) -> LinkGraph:
    """Make the links of all streets between consecutive junctions.

    Where two streets join the same two junctions, the second gets a node of its own in its middle, since SUMO's edges
    and ours are told apart by their ends; unless it is the same road once more.
    """
    graph = LinkGraph(junctions.position_m)
    for street, along in zip(streets, junctions.along, strict=True):
        for (from_m, start), (to_m, end) in itertools.pairwise(along):
            line = street.line.part(from_m, to_m, _BEND_MARGIN_M)
            known = graph.between(start, end) or (graph.between(end, start) if street.two_way else None)
            stops = [(from_m, start), (to_m, end)]
            if known is not None:
                middle_m = street.line.point_at((from_m + to_m) / 2)
                if len(line.points_m) == 2 or known.line.project(middle_m)[1] < _SAME_ROAD_M:
                    continue
                stops.insert(1, ((from_m + to_m) / 2, graph.add_node(middle_m)))
            for (part_from_m, one), (part_to_m, other) in itertools.pairwise(stops):
                piece = street.line.part(part_from_m, part_to_m, _BEND_MARGIN_M)
                graph.add(Link(one, other, street, piece))
                if street.two_way:
                    graph.add(Link(other, one, street, piece.reversed()))
    return graph


def keep_strong_component(graph: LinkGraph) -> None:
    """Remove the links that cannot be reached from, or cannot reach, the rest by legal turns.

    Turning back is legal only where there is no other way on, as netconvert builds it; taking links away may make such
    places, so this repeats until nothing is lost.
    """
    while True:
        links = graph.links
        turns = legal_turns(links)
        _, label = connected_components(
            coo_array((np.ones(len(turns)), tuple(np.array(turns).T)), shape=(len(links), len(links))),
            directed=True,
            connection="strong",
        )
        lost = [link for link, own in zip(links, label, strict=True) if own != np.bincount(label).argmax()]
        if not lost:
            return
        for link in lost:
            graph.remove(link)


def legal_turns(links: Sequence[Link]) -> list[tuple[int, int]]:
    """Return the pairs of links, by position, of which the second may follow the first."""
    leaving: dict[int, list[int]] = {}
    for i, link in enumerate(links):
        leaving.setdefault(link.start, []).append(i)
    turns = []
    for i, link in enumerate(links):
        ways = leaving.get(link.end, [])
        onward = [j for j in ways if links[j].end != link.start]
        turns += [(i, j) for j in onward or ways]
    return turns


def split_to(graph: LinkGraph, *, nodes: int, links: int) -> None:
    """Add mid-block nodes until nodes and links have exactly these numbers.

    A node on one carriageway adds a node and a link, so that links minus nodes is what the junctions made it; one that
    both carriageways share adds a node and two links and raises it by one. As few as needed are shared, on the longest
    two-way streets; the others divide each link into equal pieces, the longest piece first.

    Raises
    ------
    ValueError
        If the graph has too many nodes, or too few links for its nodes.
    """
    shared = (links - nodes) - (len(graph.links) - len(graph.nodes))
    single = nodes - len(graph.nodes) - shared
    if shared < 0 or single < 0:
        raise ValueError(f"{nodes} nodes and {links} links cannot be reached by splitting: leave streets out")
    for _ in range(shared):
        link, back = _longest_pair(graph)
        middle_m = link.line.length_m / 2
        node = graph.add_node(link.line.point_at(middle_m))
        graph.split(link, [node], [middle_m])
        graph.split(back, [node], [back.line.length_m / 2])
    whole = graph.links
    # Whole millimetres: both carriageways of a street are equally long, whatever the last digits say.
    length_mm = [round(link.line.length_m * 1000) for link in whole]
    pieces = [1] * len(whole)
    longest = [(-float(length), i) for i, length in enumerate(length_mm)]
    heapq.heapify(longest)
    for _ in range(single):
        _, i = longest[0]
        pieces[i] += 1
        heapq.heapreplace(longest, (-length_mm[i] / pieces[i], i))
    for link, count in zip(whole, pieces, strict=True):
        at_m = [link.line.length_m * k / count for k in range(1, count)]
        graph.split(link, [graph.add_node(link.line.point_at(here_m)) for here_m in at_m], at_m)


def _longest_pair(graph: LinkGraph) -> tuple[Link, Link]:
    pairs = [(link, graph.between(link.end, link.start)) for link in graph.links if not link.street.flyover]
    both = [(link, back) for link, back in pairs if back is not None]
    return max(both, key=lambda pair: round(pair[0].line.length_m * 1000))
