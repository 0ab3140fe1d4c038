"""Where stations meet the two grids: station <-> edge and station <-> bus, checked before anything runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.control import StationInfo
from cosim.errors import InputError
from cosim.grid.checks import unsupplied_buses
from cosim.grid.feeder import Feeder, feeder_faults, largest_load_buses, read_feeder
from cosim.grid.powerflow import PowerFlow
from cosim.grid.profile_plan import vary_base
from cosim.grid.profiles import base_load
from cosim.tables.stations import LARGEST_LOADS
from cosim.traffic.files import STATION_STRIP_M
from cosim.traffic.network import RoadNetwork, load_network
from cosim.traffic.places import PlaceFinder
from cosim.traffic.route_demand import RouteTraffic
from cosim.traffic.sumo_input import SumoInput
from cosim.traffic.sumo_routes import read_routes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.grid.profiles import VaryingBase
    from cosim.price import StepLoad
    from cosim.scenario import Scenario
    from cosim.sumo_files import ChargingStationElement
    from cosim.tables.stations import StationTable
    from cosim.traffic.places import Place


@dataclass(frozen=True, slots=True)
class CoupledSystem:
    """The two grids and the stations between them; the same for every run of a scenario, one run at a time."""

    network: RoadNetwork
    feeder: Feeder
    stations: tuple[StationInfo, ...]
    power_flow: PowerFlow
    #: ``base_load_scale`` of the scenario.
    load_scale: float
    #: Shortest distance from the beginning of each edge to each station, and from each station to the end of each
    #: edge, shape (n_stations, n_edges), metres; ``inf`` where there is no way.
    distance_to_m: NDArray[np.float64]
    distance_from_m: NDArray[np.float64]
    #: Files of the user's for SUMO beside the network, and the vehicles in them.
    sumo_input: SumoInput = field(default_factory=SumoInput)
    routes: RouteTraffic | None = None
    #: How the place of each station was found, where that needs saying.
    place_notes: tuple[str, ...] = ()

    @property
    def reachable(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each station can be reached from each edge, and each edge from each station."""
        return np.isfinite(self.distance_to_m), np.isfinite(self.distance_from_m)

    def base_load(self, bus: int | None = None) -> StepLoad:
        """Return the base load to come at a bus, or of the whole feeder; see :func:`cosim.grid.profiles.base_load`."""
        return base_load(self.feeder, self.power_flow.base, self.load_scale, bus)


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
    base: VaryingBase | None = None
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
        if usable:
            feeder, base = vary_base(
                scenario.profile,
                feeder,
                end_s=scenario.simulation.begin_s + scenario.simulation.time_limit_s,
                label=label,
            )
    except InputError as error:
        faults.extend(error.faults)
    buses = _station_buses(scenario, feeder, label, faults, usable=usable) if feeder is not None else {}
    sumo_input, elements, routes = _sumo_files(scenario, network, label, faults)
    places, notes = [], []
    if network is not None and sumo_input is not None:
        finder = PlaceFinder(network, elements)
        for station in scenario.station:
            try:
                place = finder.find(station, f"{label}: [[station]] '{station.id}'")
            except InputError as error:
                faults.extend(error.faults)
                continue
            places.append(_station(station, place, buses.get(station.id, 0)))
            notes.append(place.note)
    if faults or network is None or feeder is None or sumo_input is None:
        raise InputError(faults)
    distance_to_m, distance_from_m = path_costs_of_stations(network, places, network.length_m)
    try:
        power_flow = PowerFlow(
            feeder,
            [place.bus for place in places],
            base_load_scale=scenario.grid.base_load_scale,
            on_collapse=scenario.grid.on_collapse,
            collapse_voltage_pu=scenario.grid.collapse_voltage_pu,
            base=base,
        )
    except InputError as error:
        raise InputError([f"{label}: [grid] base_load_scale: {fault}" for fault in error.faults]) from None
    _check_base(power_flow, label)
    return CoupledSystem(
        network,
        feeder,
        tuple(places),
        power_flow,
        scenario.grid.base_load_scale,
        distance_to_m,
        distance_from_m,
        sumo_input=sumo_input,
        routes=routes,
        place_notes=tuple(notes),
    )


def _check_base(power_flow: PowerFlow, label: str) -> None:
    """Refuse profiles with which the feeder has no solution when it draws most, or when it feeds back most."""
    faults = []
    for step in power_flow.extreme_steps():
        time_s = step * power_flow.base.step_s if power_flow.base is not None else 0
        if not power_flow.no_load_at(time_s).converged:
            clock = f"{time_s // 3600 % 24:02d}:{time_s // 60 % 60:02d}"
            faults.append(
                f"{label}: [[profile]]: at {clock} the feeder has no power flow solution without any charging."
            )
    if faults:
        raise InputError(faults)


def _sumo_files(
    scenario: Scenario, network: RoadNetwork | None, label: str, faults: list[str]
) -> tuple[SumoInput | None, dict[str, ChargingStationElement], RouteTraffic | None]:
    """Read what the scenario names for SUMO beside the network: which files, charging stations, vehicles."""
    routes = None
    elements: dict[str, ChargingStationElement] = {}
    try:
        given = SumoInput.of(scenario)
        if any(station.charging_station is not None for station in scenario.station):
            elements = given.charging_stations(scenario)
        if given.route_files and network is not None:
            routes = RouteTraffic(read_routes(given), network)
    except InputError as error:
        faults.extend(f"{label}: {fault}" for fault in error.faults)
        return None, {}, None
    return given, elements, routes


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


def _station(station: StationTable, place: Place, bus: int) -> StationInfo:
    return StationInfo(
        id=station.id,
        edge=place.edge,
        lane=place.lane,
        strip_start_m=round(place.centre_m - STATION_STRIP_M / 2, 2),
        strip_end_m=round(place.centre_m + STATION_STRIP_M / 2, 2),
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
