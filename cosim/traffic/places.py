"""Where a station stands: on an edge, on a lane, near a point, or where a SUMO charging station is."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import InputError, SimulatorError, nearest_name
from cosim.sumo_files import nearest_station
from cosim.traffic.files import STATION_STRIP_M
from cosim.traffic.install import run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from cosim.sumo_files import ChargingStationElement
    from cosim.tables.stations import StationTable
    from cosim.traffic.network import RoadNetwork

#: Cars need this much road before the strip to slow down to it.
_APPROACH_M = 20.0
#: On a shorter edge no station can stand.
SHORTEST_EDGE_M = STATION_STRIP_M + 2 * _APPROACH_M
#: A point farther than this from every road is taken for a mistake.
FARTHEST_M = 300.0


@dataclass(frozen=True, slots=True)
class Place:
    """A station's place on the roads.

    Attributes
    ----------
    edge : int
        Position in the network's edges.
    lane : str
        Lane beside which it stands.
    centre_m : float
        Middle of its strip along the lane.
    note : str
        How it was found, where that needs saying.
    """

    edge: int
    lane: str
    centre_m: float
    note: str = ""


class PlaceFinder:
    """Finds the places of a scenario's stations.

    Parameters
    ----------
    network : RoadNetwork
        The roads.
    elements : mapping of str to ChargingStationElement
        SUMO's charging stations that may be taken over, by id.
    """

    def __init__(self, network: RoadNetwork, elements: Mapping[str, ChargingStationElement]) -> None:
        self.network = network
        self.elements = dict(elements)
        usable = np.zeros(len(network.edges), dtype=np.bool_)
        usable[network.largest_component()] = True
        self._usable = usable & (network.length_m >= SHORTEST_EDGE_M)

    def find(self, station: StationTable, where: str) -> Place:
        """Find one station's place.

        Raises
        ------
        InputError
            If there is no such edge, lane or charging station, cars may not use it, it is too short, the position is
            not on it, or the point is far from every road.
        """
        if station.edge is not None:
            edge = self._edge(station.edge, f"{where} edge")
            return self._along(edge, self.network.car_lane[edge], station.position_m, where)
        if station.lane is not None:
            edge = self._lane(station.lane, f"{where} lane")
            return self._along(edge, station.lane, station.position_m, where)
        if station.charging_station is not None:
            return self._taken_over(station.charging_station, where)
        if station.x_m is not None and station.y_m is not None:
            return self._near(station.x_m, station.y_m, f"{where} x_m, y_m")
        if station.lon is not None and station.lat is not None:
            x_m, y_m = network_coordinates(self.network.net_file, station.lon, station.lat, f"{where} lon, lat")
            return self._near(x_m, y_m, f"{where} lon, lat")
        raise InputError(f"{where}: no place is given.")

    # ---- edges and lanes

    def _edge(self, name: str, where: str) -> int:
        network = self.network
        if name in network.closed_edges:
            x_m, y_m = network.closed_edges[name]
            raise InputError(
                f"{where}: edge '{name}' of network '{network.name}' is closed to cars{self._instead(x_m, y_m)}."
            )
        edge = network.edge_index(name, where=where)
        self._long_enough(edge, where)
        return edge

    def _lane(self, name: str, where: str) -> int:
        network = self.network
        edge = network.lane_edges.get(name)
        if edge is not None:
            self._long_enough(edge, where)
            return edge
        road, _, index = name.rpartition("_")
        if road in network.closed_edges and index.isdigit():
            return self._edge(road, where)
        if (itself := network.find_edge(name)) is not None:
            own = ", ".join(f"'{lane}'" for lane, i in network.lane_edges.items() if i == itself)
            raise InputError(f"{where}: '{name}' is an edge, not a lane; give it as edge, or one of its lanes: {own}.")
        of_edge = network.find_edge(road)
        if of_edge is None or not index.isdigit():
            raise InputError(
                f"{where}: unknown lane '{name}' in network '{network.name}'; {nearest_name(name, network.lane_edges)}."
            )
        open_lanes = ", ".join(f"'{lane}'" for lane, i in network.lane_edges.items() if i == of_edge)
        raise InputError(f"{where}: lane '{name}' is closed to cars or not there; cars may use {open_lanes}.")

    def _long_enough(self, edge: int, where: str) -> None:
        network = self.network
        length_m = float(network.length_m[edge])
        if length_m < SHORTEST_EDGE_M:
            shape = network.lane_shapes_m[edge]
            x_m, y_m = (float(value) for value in shape[len(shape) // 2])
            raise InputError(
                f"{where}: '{network.edges[edge]}' is {length_m:.1f} m long; a station needs at least "
                f"{SHORTEST_EDGE_M:.0f} m{self._instead(x_m, y_m)}."
            )

    def _instead(self, x_m: float, y_m: float) -> str:
        """Name the nearest edge on which a station could stand."""
        if not self._usable.any():
            return ""
        edge, _, distance_m = self._nearest(x_m, y_m)
        return f"; the nearest edge where one can stand is '{self.network.edges[edge]}', {distance_m:.0f} m away"

    def _along(self, edge: int, lane: str, position_m: float | None, where: str) -> Place:
        network = self.network
        length_m = float(network.length_m[edge])
        centre_m = length_m / 2 if position_m is None else position_m
        first_m, last_m = _APPROACH_M + STATION_STRIP_M / 2, length_m - STATION_STRIP_M / 2
        if not first_m <= centre_m <= last_m:
            raise InputError(
                f"{where} position_m: found {centre_m:g}; on edge '{network.edges[edge]}' (length {length_m:.1f} m) it "
                f"must be from {first_m:g} to {last_m:g}."
            )
        return Place(edge, lane, centre_m)

    # ---- charging stations

    def _taken_over(self, name: str, where: str) -> Place:
        element = self.elements.get(name)
        if element is None:
            raise InputError(
                f"{where} charging_station: unknown charging station '{name}'; {nearest_station(name, self.elements)}."
            )
        edge = self._lane(element.lane, f"{where} charging_station")
        length_m = float(self.network.length_m[edge])
        start_m, end_m = (
            default if value is None else value + length_m if value < 0 else value
            for value, default in ((element.start_m, 0.0), (element.end_m, length_m))
        )
        if not 0 <= start_m < end_m <= length_m + 1:
            raise InputError(
                f"{where} charging_station: '{name}' reaches from {start_m:g} m to {end_m:g} m, but lane "
                f"'{element.lane}' is {length_m:.1f} m long."
            )
        wanted_m = (start_m + end_m) / 2
        centre_m = self._shifted(edge, wanted_m)
        moved_m = abs(centre_m - wanted_m)
        note = f"SUMO's charging station {name}" + (f", moved by {moved_m:.0f} m to fit" if moved_m > 0.5 else "")
        return Place(edge, element.lane, centre_m, note)

    def _shifted(self, edge: int, position_m: float) -> float:
        """Move a position to where the whole strip and the road to slow down before it fit."""
        length_m = float(self.network.length_m[edge])
        return min(max(position_m, _APPROACH_M + STATION_STRIP_M / 2), length_m - STATION_STRIP_M / 2)

    # ---- points

    def _near(self, x_m: float, y_m: float, where: str) -> Place:
        if not self._usable.any():
            raise InputError(
                f"{where}: no edge of network '{self.network.name}' that the others reach is at least "
                f"{SHORTEST_EDGE_M:.0f} m long."
            )
        edge, position_m, distance_m = self._nearest(x_m, y_m)
        name = self.network.edges[edge]
        if distance_m > FARTHEST_M:
            (left_m, bottom_m), (right_m, top_m) = self._box()
            raise InputError(
                f"{where}: the point ({x_m:.1f}, {y_m:.1f}) is {distance_m:.0f} m from the nearest edge where a "
                f"station can stand, '{name}'; allowed are {FARTHEST_M:.0f} m. The network reaches from ({left_m:.0f}, "
                f"{bottom_m:.0f}) to ({right_m:.0f}, {top_m:.0f})."
            )
        centre_m = self._shifted(edge, position_m)
        return Place(edge, self.network.car_lane[edge], centre_m, f"{distance_m:.0f} m from the point given")

    def _box(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        points = np.concatenate(self.network.lane_shapes_m)
        return points.min(axis=0), points.max(axis=0)

    def _nearest(self, x_m: float, y_m: float) -> tuple[int, float, float]:
        """Return the nearest edge where a station can stand, how far along it, and the distance."""
        network = self.network
        point = np.array([x_m, y_m])
        best = (-1, 0.0, np.inf)
        for edge in np.flatnonzero(self._usable):
            shape = network.lane_shapes_m[edge]
            start, step = shape[:-1], np.diff(shape, axis=0)
            pieces_m = np.hypot(*step.T)
            share = np.clip(((point - start) * step).sum(axis=1) / np.maximum(pieces_m, 1e-9) ** 2, 0.0, 1.0)
            distances_m = np.hypot(*(start + share[:, None] * step - point).T)
            k = int(distances_m.argmin())
            if distances_m[k] < best[2]:
                along_m = float(pieces_m[:k].sum() + share[k] * pieces_m[k])
                # A length as travelled may differ from the line as drawn.
                scale = float(network.length_m[edge]) / max(float(pieces_m.sum()), 1e-9)
                best = (int(edge), along_m * scale, float(distances_m[k]))
        return best


def network_coordinates(net_file: Path, lon: float, lat: float, where: str) -> tuple[float, float]:
    """Return a place's coordinates in a network, in metres to the centimetre, as SUMO itself projects it.

    Parameters
    ----------
    net_file : Path
        A network with a geographic reference.
    lon, lat : float
        Degrees, WGS 84.
    where : str
        For messages.

    Raises
    ------
    InputError
        If the network has no geographic reference.
    """
    if _projection(net_file) == "!":
        raise InputError(
            f"{where}: the network {net_file} has no geographic reference; give x_m and y_m, edge or lane instead."
        )
    with tempfile.TemporaryDirectory(prefix="cosim-") as name:
        points, placed = Path(name) / "points.xml", Path(name) / "placed.xml"
        points.write_text(f'<additional><poi id="p" lon="{lon!r}" lat="{lat!r}"/></additional>', encoding="utf-8")
        try:
            # The projection is PROJ's, which SUMO's programs have inside and Python's standard library has not.
            run_program("polyconvert", ["-n", str(net_file), "--xml-files", str(points), "-o", str(placed)])
        except SimulatorError as error:
            raise InputError(f"{where}: ({lon}, {lat}) cannot be projected: {error}") from None
        poi = ET.parse(placed).getroot().find("poi")
    if poi is None:
        raise InputError(f"{where}: ({lon}, {lat}) lies outside what the network's projection covers.")
    return float(poi.get("x", "nan")), float(poi.get("y", "nan"))


def _projection(net_file: Path) -> str:
    """Return how a network's coordinates follow from degrees, "!" for not at all; only the file's beginning is read."""
    with gzip.open(net_file) if net_file.suffix == ".gz" else net_file.open("rb") as file:
        for _, element in ET.iterparse(file):
            if element.tag in {"location", "edge"}:
                return element.get("projParameter", "!")
    return "!"
