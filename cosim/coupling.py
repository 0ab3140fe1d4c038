"""Where stations meet the two grids: station <-> edge and station <-> bus, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.control import StationInfo
from cosim.errors import InputError
from cosim.grid.checks import unsupplied_buses
from cosim.grid.feeder import Feeder, feeder_faults, largest_load_buses, read_feeder
from cosim.grid.powerflow import PowerFlow
from cosim.scenario import LARGEST_LOADS
from cosim.traffic.files import STATION_STRIP_M
from cosim.traffic.network import RoadNetwork, load_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.scenario import Scenario, StationTable

#: Cars need this much road before the strip to slow down to it.
_APPROACH_M = 20.0


@dataclass(frozen=True, slots=True)
class CoupledSystem:
    """The two grids and the stations between them; the same for every run of a scenario, one run at a time."""

    network: RoadNetwork
    feeder: Feeder
    stations: tuple[StationInfo, ...]
    power_flow: PowerFlow
    #: Shortest distance from the beginning of each edge to each station, and from each station to the end of each
    #: edge, shape (n_stations, n_edges), metres; ``inf`` where there is no way.
    distance_to_m: NDArray[np.float64]
    distance_from_m: NDArray[np.float64]

    @property
    def reachable(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each station can be reached from each edge, and each edge from each station."""
        return np.isfinite(self.distance_to_m), np.isfinite(self.distance_from_m)


def couple(scenario: Scenario, source: str | None = None) -> CoupledSystem:
    """Load network and feeder and put the stations onto both.

    Parameters
    ----------
    scenario : Scenario
        What to load.
    source : str, optional
        The scenario's file or name, for messages.

    Raises
    ------
    InputError
        With one sentence for every fault: of the network, of the feeder, of each station's edge, position and bus.
    """
    label = source or scenario.name
    faults: list[str] = []
    network: RoadNetwork | None = None
    feeder: Feeder | None = None
    usable = False
    try:
        network = load_network(
            name=scenario.network.name, file=_path(scenario.network.file), where=f"{label}: [network]"
        )
    except InputError as error:
        faults.extend(error.faults)
    try:
        feeder = read_feeder(name=scenario.grid.name, file=_path(scenario.grid.file), where=f"{label}: [grid]")
        faulty = feeder_faults(feeder, f"{label}: [grid]")
        faults.extend(faulty)
        usable = not faulty
    except InputError as error:
        faults.extend(error.faults)
    buses = _station_buses(scenario, feeder, label, faults, usable=usable) if feeder is not None else {}
    places = []
    for station in scenario.station:
        where = f"{label}: [[station]] '{station.id}'"
        if network is not None:
            try:
                place = _place(station, network, where, buses.get(station.id, 0))
                places.append(place)
            except InputError as error:
                faults.extend(error.faults)
    if faults or network is None or feeder is None:
        raise InputError(faults)
    distance_to_m, distance_from_m = path_costs_of_stations(network, places, network.length_m)
    try:
        power_flow = PowerFlow(
            feeder,
            [place.bus for place in places],
            base_load_scale=scenario.grid.base_load_scale,
            on_collapse=scenario.grid.on_collapse,
            collapse_voltage_pu=scenario.grid.collapse_voltage_pu,
        )
    except InputError as error:
        raise InputError([f"{label}: [grid] base_load_scale: {fault}" for fault in error.faults]) from None
    return CoupledSystem(network, feeder, tuple(places), power_flow, distance_to_m, distance_from_m)


def path_costs_of_stations(
    network: RoadNetwork, stations: Sequence[StationInfo], cost: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least cost of driving to each station from every edge, and from it on to every edge.

    Parameters
    ----------
    network : RoadNetwork
        The roads.
    stations : sequence of StationInfo
        On these roads.
    cost : ndarray of float, shape (n_edges,)
        Cost of the whole of each edge, such as metres.

    Returns
    -------
    to_station, from_station : ndarray of float, shape (n_stations, n_edges)
        ``inf`` where there is no way.
    """
    edges = np.array([station.edge for station in stations], dtype=np.int64)
    behind, before = _to_and_from_strip(network, stations, cost)
    to_station = network.path_costs(edges, cost, reverse=True) - behind[:, None]
    return to_station, network.path_costs(edges, cost) - before[:, None]


def _to_and_from_strip(
    network: RoadNetwork, stations: Sequence[StationInfo], cost: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cost of each station's edge behind the station and before it."""
    edges = np.array([station.edge for station in stations], dtype=np.int64)
    share = np.array([station.strip_end_m for station in stations]) / network.length_m[edges]
    return (1 - share) * cost[edges], share * cost[edges]


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _station_buses(
    scenario: Scenario, feeder: Feeder, label: str, faults: list[str], *, usable: bool
) -> dict[str, int]:
    """Find each station's bus; those without one get the largest loads that are left.

    Of a feeder that is not usable, which is told already, only the buses' names and numbers are looked up.
    """
    buses: dict[str, int] = {}
    dead = unsupplied_buses(feeder.net) if usable else frozenset()
    unplaced = []
    for station in scenario.station:
        if station.bus is None or station.bus == LARGEST_LOADS:
            unplaced.append(station.id)
        else:
            where = f"{label}: [[station]] '{station.id}' bus"
            try:
                buses[station.id] = bus = feeder.find_bus(station.bus, where=where)
            except InputError as error:
                faults.extend(error.faults)
                continue
            if bus in dead:
                faults.append(
                    f"{where}: bus {bus} of the feeder '{feeder.name}' is out of service or isolated: no station can "
                    "stand there."
                )
    if unplaced and usable:
        ranked = [bus for bus in largest_load_buses(feeder) if bus not in buses.values()]
        if len(ranked) < len(unplaced):
            faults.append(
                f"{label}: [[station]] bus: {len(unplaced)} stations have no bus, but only {len(ranked)} buses of "
                f"feeder '{feeder.name}' carry a load; give each station its bus."
            )
        buses |= dict(zip(unplaced, ranked, strict=False))
    return buses


def _place(station: StationTable, network: RoadNetwork, where: str, bus: int) -> StationInfo:
    edge = network.edge_index(station.edge, where=f"{where} edge")
    length_m = float(network.length_m[edge])
    shortest_m = STATION_STRIP_M + 2 * _APPROACH_M
    if length_m < shortest_m:
        raise InputError(
            f"{where} edge: '{station.edge}' is {length_m:.1f} m long; a station needs at least {shortest_m:.0f} m."
        )
    centre_m = length_m / 2 if station.position_m is None else station.position_m
    first_m, last_m = _APPROACH_M + STATION_STRIP_M / 2, length_m - STATION_STRIP_M / 2
    if not first_m <= centre_m <= last_m:
        raise InputError(
            f"{where} position_m: found {centre_m:g}; on edge '{station.edge}' (length {length_m:.1f} m) it must be "
            f"from {first_m:g} to {last_m:g}."
        )
    return StationInfo(
        id=station.id,
        edge=edge,
        lane=network.car_lane[edge],
        strip_start_m=round(centre_m - STATION_STRIP_M / 2, 2),
        strip_end_m=round(centre_m + STATION_STRIP_M / 2, 2),
        bus=bus,
        chargers=station.chargers,
        max_power_kw=station.max_power_kw,
        site_limit_kw=math.inf if station.site_limit_kw is None else station.site_limit_kw,
    )


def path_costs_via_stations(
    system: CoupledSystem, origin: int, destination: int, cost: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least cost of driving to each station and on from there.

    Parameters
    ----------
    system : CoupledSystem
        Network and stations.
    origin, destination : int
        Edges; a trip begins where the origin begins and ends where the destination ends.
    cost : ndarray of float, shape (n_edges,)
        Cost of the whole of each edge, such as seconds.

    Returns
    -------
    to_station, from_station : ndarray of float, shape (n_stations,)
        ``inf`` where there is no way.
    """
    network = system.network
    edges = np.array([station.edge for station in system.stations], dtype=np.int64)
    behind, before = _to_and_from_strip(network, system.stations, cost)
    forward = network.path_costs(np.array([origin]), cost)[0, edges]
    backward = network.path_costs(np.array([destination]), cost, reverse=True)[0, edges]
    return forward - behind, backward - before
