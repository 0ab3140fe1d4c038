"""The street table and the zone table, read into metres on a plane."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim_networks.kowloon.polyline import Polyline

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDER = Path(__file__).parent
#: Middle of the area (latitude, longitude), where the plane touches it.
_ORIGIN_DEG = (22.31, 114.175)
#: Metres per degree of latitude and of longitude there; over these four kilometres the curvature is below 0.1 %.
_METRES_PER_DEG = (110_740.0, 111_320.0 * math.cos(math.radians(_ORIGIN_DEG[0])))

#: Classes of streets from the most to the least important.
CLASSES = ("motorway", "primary", "secondary", "tertiary", "residential")


@dataclass(frozen=True, slots=True, eq=False)
class Street:
    """A row of the street table.

    Attributes
    ----------
    name : str
        As on the sign, with a hint in brackets where one street has several rows.
    rank : int
        Position of its class in :data:`CLASSES`.
    two_way : bool
        Otherwise it leads in the order of its points.
    lanes : int
        In each direction.
    speed_mps : float
        Speed limit.
    flyover : bool
        Whether it passes above the other streets and meets them only at its ends.
    line : Polyline
        Its centre.
    """

    name: str
    rank: int
    two_way: bool
    lanes: int
    speed_mps: float
    flyover: bool
    line: Polyline


@dataclass(frozen=True, slots=True, eq=False)
class Zone:
    """A row of the zone table: where trips begin and end.

    Attributes
    ----------
    id, name : str
        Its number and its name.
    centre_m : ndarray of float, shape (2,)
        Metres.
    production, attraction : float
        Relative number of trips that begin and that end here; synthetic, not observed.
    """

    id: str
    name: str
    centre_m: NDArray[np.float64]
    production: float
    attraction: float


def read_streets() -> list[Street]:
    """Read all rows of the street table."""
    return [
        Street(
            name=row["name"],
            rank=CLASSES.index(row["class"]),
            two_way=row["dir"] == "B",
            lanes=int(row["lanes"]),
            speed_mps=float(row["kmh"]) / 3.6,
            flyover=row["layer"] == "1",
            line=Polyline(np.array([_to_plane_m(*map(float, point.split())) for point in row["pts"].split(";")])),
        )
        for row in _rows("streets.csv")
    ]


def read_zones() -> list[Zone]:
    """Read the zone table."""
    return [
        Zone(
            id=row["zone"],
            name=row["name"],
            centre_m=np.array(_to_plane_m(float(row["lat"]), float(row["lon"]))),
            production=float(row["prod"]),
            attraction=float(row["attr"]),
        )
        for row in _rows("zones.csv")
    ]


def to_degrees(point_m: NDArray[np.float64]) -> tuple[float, float]:
    """Return longitude and latitude of a point on the plane, degrees (WGS 84)."""
    x_m, y_m = (float(value) for value in point_m)
    return _ORIGIN_DEG[1] + x_m / _METRES_PER_DEG[1], _ORIGIN_DEG[0] + y_m / _METRES_PER_DEG[0]


def _to_plane_m(latitude: float, longitude: float) -> tuple[float, float]:
    return (longitude - _ORIGIN_DEG[1]) * _METRES_PER_DEG[1], (latitude - _ORIGIN_DEG[0]) * _METRES_PER_DEG[0]


def _rows(table: str) -> list[dict[str, str]]:
    with (FOLDER / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
