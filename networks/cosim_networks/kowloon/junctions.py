"""Where the streets of the table meet: crossings and ends, merged into junctions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.csgraph import connected_components

from cosim_networks.kowloon.tables import CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_networks.kowloon.tables import Street

#: A street that ends this near to another one meets it: the table is read by eye, to about 10 m.
_SNAP_M = 28.0
#: Meeting points this near to one another are one junction.
_MERGE_M = 24.0
#: Nothing joins a flyover between its ends, except another flyover that is a ramp; ramps are secondary roads.
_RAMP_RANK = CLASSES.index("secondary")


@dataclass(frozen=True, slots=True)
class Junctions:
    """All junctions and the order in which each street passes them.

    Attributes
    ----------
    position_m : ndarray of float, shape (n, 2)
        Where each one lies.
    along : list of list of (float, int)
        For each street: how far along it, metres, and which junction; ascending, none twice in a row.
    """

    position_m: NDArray[np.float64]
    along: list[list[tuple[float, int]]]


class _Marks:
    """Meeting points as they are found, each on one or two streets."""

    def __init__(self, streets: Sequence[Street]) -> None:
        self._streets = streets
        self.points_m: list[NDArray[np.float64]] = []
        self.ranks: list[int] = []
        #: For each street: distance along it, and position in ``points_m``.
        self.on_street: list[list[tuple[float, int]]] = [[] for _ in streets]

    def add(self, point_m: NDArray[np.float64], *on: tuple[int, float]) -> None:
        """Note a point on one or two streets: each by its position in the table and the distance along it."""
        for street, distance_m in on:
            self.on_street[street].append((distance_m, len(self.points_m)))
        self.points_m.append(point_m)
        self.ranks.append(min(self._streets[street].rank for street, _ in on))


def find_junctions(streets: Sequence[Street]) -> Junctions:
    """Intersect streets of the same layer, snap ends onto streets nearby, and merge what lies close together.

    A merged junction lies in the middle of the meeting points of its most important streets, so that small streets
    move and main roads stay straight.
    """
    marks = _Marks(streets)
    for i in range(len(streets)):
        _mark_ends(marks, streets, i)
        for j in range(i + 1, len(streets)):
            if not streets[i].flyover and not streets[j].flyover and _boxes_overlap(streets[i], streets[j]):
                for point_m in streets[i].line.crossings(streets[j].line):
                    at_m, other_at_m = (streets[k].line.project(point_m)[0] for k in (i, j))
                    marks.add(point_m, (i, at_m), (j, other_at_m))
    points_m, ranks = np.array(marks.points_m), np.array(marks.ranks)
    near = np.hypot(*(points_m[:, None] - points_m[None]).transpose(2, 0, 1)) <= _MERGE_M
    count, junction_of = connected_components(near, directed=False)
    return Junctions(
        position_m=np.array([_middle_m(points_m, ranks, junction_of == junction) for junction in range(count)]),
        along=[_in_order(on_street, junction_of) for on_street in marks.on_street],
    )


def _mark_ends(marks: _Marks, streets: Sequence[Street], i: int) -> None:
    """Mark both ends of a street, on itself and on the streets that it ends at."""
    street = streets[i]
    for end_m in (0.0, street.line.length_m):
        point_m = street.line.point_at(end_m)
        marks.add(point_m, (i, end_m))
        for j, other in enumerate(streets):
            if j == i or not _boxes_overlap(street, other):
                continue
            at_m, offset_m = other.line.project(point_m)
            midway = 1.0 < at_m < other.line.length_m - 1.0
            is_ramp = street.flyover and street.rank == _RAMP_RANK
            if offset_m <= _SNAP_M and not (other.flyover and midway and not is_ramp):
                marks.add(other.line.point_at(at_m), (j, at_m))


def _boxes_overlap(one: Street, other: Street) -> bool:
    """Say quickly whether two streets come near one another at all."""
    a, b = one.line.points_m, other.line.points_m
    return bool((a.min(axis=0) <= b.max(axis=0) + _SNAP_M).all() and (b.min(axis=0) <= a.max(axis=0) + _SNAP_M).all())


def _middle_m(
    points_m: NDArray[np.float64], ranks: NDArray[np.int64], members: NDArray[np.bool_]
) -> NDArray[np.float64]:
    middle: NDArray[np.float64] = points_m[members & (ranks == ranks[members].min())].mean(axis=0)
    return middle


def _in_order(on_street: list[tuple[float, int]], junction_of: NDArray[np.int32]) -> list[tuple[float, int]]:
    passed = sorted((at_m, int(junction_of[point])) for at_m, point in on_street)
    return [mark for k, mark in enumerate(passed) if k == 0 or passed[k - 1][1] != mark[1]]
