"""Polylines on a plane: lengths along them, projections onto them, crossings of two of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Two points nearer to one another than this are one point, metres.
SAME_POINT_M = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Polyline:
    """A line through points.

    Attributes
    ----------
    points_m : ndarray of float, shape (n, 2)
        At least two points, metres.
    at_m : ndarray of float, shape (n,)
        Distance of each point from the first one along the line, metres.
    """

    points_m: NDArray[np.float64]
    at_m: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        """Measure the line."""
        steps_m = np.hypot(*np.diff(self.points_m, axis=0).T)
        object.__setattr__(self, "at_m", np.concatenate([[0.0], np.cumsum(steps_m)]))

    @property
    def length_m(self) -> float:
        """Distance of the last point from the first one along the line."""
        return float(self.at_m[-1])

    def point_at(self, distance_m: float) -> NDArray[np.float64]:
        """Return the point this far along the line."""
        return np.array([np.interp(distance_m, self.at_m, axis) for axis in self.points_m.T])

    def project(self, point_m: NDArray[np.float64]) -> tuple[float, float]:
        """Return how far along the line its nearest point lies, and how far that is from a point."""
        start, step = self.points_m[:-1], np.diff(self.points_m, axis=0)
        square = np.maximum((step**2).sum(axis=1), SAME_POINT_M**2)
        share = np.clip(((point_m - start) * step).sum(axis=1) / square, 0.0, 1.0)
        offset_m = np.hypot(*(point_m - start - share[:, None] * step).T)
        nearest = int(offset_m.argmin())
        return float(self.at_m[nearest] + share[nearest] * np.sqrt(square[nearest])), float(offset_m[nearest])

    def part(self, from_m: float, to_m: float, margin_m: float) -> Polyline:
        """Return the piece between two distances, without bends nearer to its ends than a margin."""
        kept = (self.at_m > from_m + margin_m) & (self.at_m < to_m - margin_m)
        return Polyline(np.vstack([self.point_at(from_m), self.points_m[kept], self.point_at(to_m)]))

    def reversed(self) -> Polyline:
        """Return the same line in the other direction."""
        return Polyline(self.points_m[::-1])

    def with_ends(self, first_m: NDArray[np.float64], last_m: NDArray[np.float64]) -> Polyline:
        """Return the line with its first and last point moved."""
        return Polyline(np.vstack([first_m, self.points_m[1:-1], last_m]))

    def crossings(self, other: Polyline) -> NDArray[np.float64]:
        """Return where two lines meet; of a stretch that they share, where it begins and ends.

        Returns
        -------
        ndarray of float, shape (n, 2)
            Metres, in the order along this line, each point once.
        """
        start, step = self.points_m[:-1, None], np.diff(self.points_m, axis=0)[:, None]
        across, other_step = other.points_m[None, :-1] - start, np.diff(other.points_m, axis=0)[None]
        turn = _cross(step, other_step)
        parallel = np.abs(turn) <= SAME_POINT_M
        safe = np.where(parallel, 1.0, turn)
        share, other_share = _cross(across, other_step) / safe, _cross(across, step) / safe
        # A little more than the segment, so that lines which end on one another meet in spite of rounding.
        slack = SAME_POINT_M
        meet = ~parallel & (np.abs(share - 0.5) <= 0.5 + slack) & (np.abs(other_share - 0.5) <= 0.5 + slack)
        found_m = list((start + share[..., None] * step)[meet])
        found_m += [line.points_m[i] for line, to in ((self, other), (other, self)) for i in _corners_on(line, to)]
        unique: list[NDArray[np.float64]] = []
        for point in sorted(found_m, key=lambda point: self.project(point)[0]):
            if all(np.hypot(*(point - known)) > 1e-3 for known in unique):
                unique.append(point)
        return np.array(unique).reshape(-1, 2)


def _corners_on(line: Polyline, other: Polyline) -> list[int]:
    """Return the points of a line that lie on another one: where parallel pieces begin and end to coincide."""
    return [i for i, point in enumerate(line.points_m) if other.project(point)[1] <= SAME_POINT_M]


def _cross(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
    return product
