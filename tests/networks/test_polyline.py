"""Polylines: projections against brute force, and every way in which two lines meet."""

from __future__ import annotations

import numpy as np
import pytest

from cosim_networks.kowloon.polyline import Polyline


def line(*points: tuple[float, float]) -> Polyline:
    return Polyline(np.array(points, dtype=np.float64))


def test_lengths_and_points() -> None:
    bent = line((0, 0), (3, 4), (3, 10))
    assert bent.length_m == 11
    assert bent.point_at(8) == pytest.approx([3, 7])
    assert bent.part(2.5, 8, 0.1).points_m == pytest.approx(np.array([[1.5, 2.0], [3, 4], [3, 7]]))
    assert bent.part(2.5, 8, 3).points_m == pytest.approx(np.array([[1.5, 2.0], [3, 7]])), "the bend is too near"
    assert bent.reversed().point_at(3) == pytest.approx([3, 7])
    assert bent.with_ends(np.array([1.0, 1.0]), np.array([2.0, 2.0])).points_m[1] == pytest.approx([3, 4])


def test_projection_equals_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        random = Polyline(rng.uniform(0, 100, (6, 2)))
        along_m = np.linspace(0, random.length_m, 200_001)
        dense_m = np.stack([np.interp(along_m, random.at_m, axis) for axis in random.points_m.T], axis=1)
        point_m = rng.uniform(0, 100, 2)
        apart_m = np.hypot(*(dense_m - point_m).T)
        at_m, offset_m = random.project(point_m)
        assert offset_m == pytest.approx(apart_m.min(), abs=1e-3)
        assert np.hypot(*(random.point_at(at_m) - point_m)) == pytest.approx(offset_m)


@pytest.mark.parametrize(
    ("other", "meetings"),
    [
        (line((5, -5), (5, 5)), [(5, 0)]),
        (line((5, 0), (5, 5)), [(5, 0)]),  # ends on the line
        (line((10, 0), (20, 5)), [(10, 0)]),  # end to end
        (line((2, -1), (3, 1), (4, -1)), [(2.5, 0), (3.5, 0)]),  # twice
        (line((4, 1), (5, 0), (6, 1)), [(5, 0)]),  # touches with a bend
        (line((3, 0), (7, 0)), [(3, 0), (7, 0)]),  # along it for a stretch: both ends of that
        (line((0, 1), (10, 1)), []),  # beside it
        (line((11, -5), (11, 5)), []),
    ],
)
def test_crossings(other: Polyline, meetings: list[tuple[float, float]]) -> None:
    straight = line((0, 0), (10, 0))
    for one, two in ((straight, other), (other, straight)):
        found = sorted(map(tuple, one.crossings(two).tolist()))
        assert found == pytest.approx(meetings) if not meetings else np.allclose(found, meetings)
