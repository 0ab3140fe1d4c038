"""The system as a recommender sees it at one instant; computed on demand, frozen once computed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cosim.charging.droop import slope_kw_per_pu
from cosim.control import FleetInfo, SystemInfo
from cosim.coupling import path_costs_via_stations
from cosim.errors import PowerFlowError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from cosim.charging.session import Session
    from cosim.charging.stations import ChargingStations
    from cosim.control import Request
    from cosim.coupling import CoupledSystem
    from cosim.grid.powerflow import PowerFlow
    from cosim.scenario import Scenario
    from cosim.traffic.stepper import TrafficStepper


class _GridQuestion:
    """Answers ``mean_voltage_pu`` for the present base load, without counting towards the run's own power flows."""

    def __init__(self, power_flow: PowerFlow, clock: Callable[[], float] | None) -> None:
        self._power_flow = power_flow
        self._clock = clock

    def mean_voltage_pu(self, power_kw: NDArray[np.float64]) -> float:
        """Solve one power flow; see ``GridModel``. A question may be about a collapse: then the answer is 0."""
        try:
            return self._power_flow.solve(power_kw, None if self._clock is None else self._clock()).mean_pu
        except PowerFlowError:
            return 0.0


def system_info(scenario: Scenario, system: CoupledSystem, clock: Callable[[], float] | None = None) -> SystemInfo:
    """Collect what a recommender is told before the run.

    Parameters
    ----------
    scenario : Scenario
        Fleet and droop.
    system : CoupledSystem
        Stations and feeder.
    clock : callable, optional
        Tells the present instant of the run, which says what the base load is; needed where that varies.
    """
    fleet = scenario.fleet
    return SystemInfo(
        stations=system.stations,
        fleet=FleetInfo(
            battery_kwh=fleet.battery_kwh,
            consumption_kwh_per_km=fleet.consumption_kwh_per_km,
            efficiency=fleet.efficiency,
            target_soc=fleet.target_soc,
            mean_initial_soc=(fleet.initial_soc_min + fleet.initial_soc_max) / 2,
            max_power_kw=fleet.max_power_kw,
        ),
        grid=_GridQuestion(system.power_flow, clock),
        droop_slope_kw_per_pu=slope_kw_per_pu(scenario.droop),
        end_of_control_s=scenario.end_of_control_s,
        begin_s=scenario.simulation.begin_s,
    )


class Observation:
    """Implements ``SystemView``; valid until the simulation moves on.

    Parameters
    ----------
    request : Request
        Whose question it is.
    system : CoupledSystem
        Network and stations.
    stations : ChargingStations
        Queues and loads.
    en_route : sequence of int, shape (n_stations,)
        Vehicles on their way to each station.
    traffic : TrafficStepper
        Densities and travel times.
    reachable : ndarray of bool, shape (n_stations,)
        Whether the vehicle can drive there and on to its destination.
    """

    def __init__(
        self,
        request: Request,
        system: CoupledSystem,
        stations: ChargingStations,
        en_route: Sequence[int],
        traffic: TrafficStepper,
        reachable: NDArray[np.bool_],
    ) -> None:
        self.request = request
        self._system = system
        self._stations = stations
        self._en_route = en_route
        self._traffic = traffic
        self.reachable = reachable

    @property
    def system(self) -> CoupledSystem:
        """Network, feeder and stations, to be read only."""
        return self._system

    @property
    def time_s(self) -> int:
        """Now."""
        return self.request.time_s

    @cached_property
    def queued(self) -> NDArray[np.int64]:
        """Vehicles waiting for a charger."""
        return _integers(self._stations.queued)

    @cached_property
    def charging(self) -> NDArray[np.int64]:
        """Vehicles plugged in."""
        return _integers(self._stations.charging)

    @cached_property
    def en_route(self) -> NDArray[np.int64]:
        """Vehicles on their way there."""
        return _integers(self._en_route)

    @cached_property
    def power_kw(self) -> NDArray[np.float64]:
        """Charging load."""
        return _floats(self._stations.load_kw)

    @cached_property
    def cap_kw(self) -> NDArray[np.float64]:
        """What one charger may draw in this control interval."""
        return _floats(self._stations.caps_kw)

    @cached_property
    def _times_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        edge_times_s = self._traffic.travel_times_s()
        return path_costs_via_stations(self._system, self.request.edge, self.request.destination, edge_times_s)

    @cached_property
    def distance_to_m(self) -> NDArray[np.float64]:
        """Shortest distance from the vehicle."""
        return _floats(self._system.distance_to_m[:, self.request.edge])

    @cached_property
    def distance_from_m(self) -> NDArray[np.float64]:
        """Shortest distance on to the vehicle's destination."""
        return _floats(self._system.distance_from_m[:, self.request.destination])

    @cached_property
    def time_to_s(self) -> NDArray[np.float64]:
        """Least current travel time from the vehicle."""
        return _floats(self._times_s[0])

    @cached_property
    def time_from_s(self) -> NDArray[np.float64]:
        """Least current travel time on to the vehicle's destination."""
        return _floats(self._times_s[1])

    @cached_property
    def edge_density_per_km(self) -> NDArray[np.float64]:
        """Vehicles per kilometre and lane."""
        network = self._system.network
        return _floats(self._traffic.vehicles_on_edges() / (network.length_m * network.lanes) * 1000.0)

    def present(self, station: int) -> tuple[list[Session], list[Session]]:
        """Return the sessions waiting and plugged in at a station, to be read only."""
        return self._stations.present(station)


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _integers(values: ArrayLike) -> NDArray[np.int64]:
    array = np.array(values, dtype=np.int64)
    array.setflags(write=False)
    return array
