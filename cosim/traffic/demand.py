"""Who drives from where to where and when: vehicles drawn at random from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError
from cosim.traffic.departures import Departures
from cosim.traffic.od_table import OdTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scenario import Scenario
    from cosim.traffic.network import RoadNetwork


@dataclass(frozen=True, slots=True)
class RouteNotes:
    """What became of the vehicles of route files.

    Attributes
    ----------
    cars : int
        Cars of the control period that may become EVs.
    before_begin, after_control : int
        Vehicles left out because they depart before the run or after its control period.
    flows_cut : int
        Flows that would go on after the control period.
    waiting : int
        Vehicles that depart when somebody boards: SUMO drives them, but they are in no table.
    unconnected : tuple of str
        Vehicles left out because there is no such way: id and reason.
    """

    cars: int
    before_begin: int
    after_control: int
    flows_cut: int
    waiting: int
    unconnected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """All vehicles of a run, in the order of their departure.

    Attributes
    ----------
    vehicle : tuple of str
        Ids, ``v0`` on, or those of the route files.
    depart_s : ndarray of int, shape (n,)
        Planned departure, whole seconds, ascending.
    origin, destination : ndarray of int, shape (n,)
        Edge positions in the network; -1 where a vehicle of route files that is no EV begins or ends elsewhere.
    is_ev : ndarray of bool, shape (n,)
        Whether the vehicle asks for a station at departure.
    soc_start : ndarray of float, shape (n,)
        State of charge at departure; NaN for the others.
    parking_s : ndarray of float, shape (n,)
        How long the vehicle declares to stay at its station; NaN if it leaves once it is charged.
    early_s : ndarray of float, shape (n,)
        How much earlier than declared it leaves; 0 for most.
    vehicle_type : tuple of str, optional
        SUMO's vehicle type of each EV of route files.
    route_file : str, optional
        What SUMO drives besides the EVs, if the vehicles are those of route files: a route file.
    notes : RouteNotes, optional
        What became of the vehicles of route files.
    """

    vehicle: tuple[str, ...]
    depart_s: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]
    is_ev: NDArray[np.bool_]
    soc_start: NDArray[np.float64]
    parking_s: NDArray[np.float64]
    early_s: NDArray[np.float64]
    vehicle_type: tuple[str, ...] | None = None
    route_file: str | None = None
    notes: RouteNotes | None = None

    def __len__(self) -> int:
        """Count the vehicles."""
        return len(self.vehicle)


def vehicle_counts(scenario: Scenario) -> tuple[int, int, int]:
    """Return how many vehicles depart in the warm-up and in the control period, and how many of the latter are EVs."""
    if scenario.demand.trips == "routes":
        from cosim.traffic.route_demand import route_counts  # noqa: PLC0415 - that module makes demands of this one's kind

        return route_counts(scenario)
    rate_per_s = scenario.demand.vehicles_per_h / 3600.0
    warmup_s, control_s = float(scenario.simulation.warmup_s), float(scenario.simulation.control_s)
    if scenario.demand.hourly is not None:
        rate, start_s = Departures.of(scenario), scenario.begin_of_control_s
        warmup_s = rate.amount_s(start_s) - rate.amount_s(scenario.simulation.begin_s)
        control_s = rate.amount_s(scenario.end_of_control_s) - rate.amount_s(start_s)
    warmup = round(rate_per_s * warmup_s)
    control = round(rate_per_s * control_s)
    return warmup, control, round(control * scenario.fleet.ev_share)


def random_demand(scenario: Scenario, network: RoadNetwork, rng: np.random.Generator) -> Demand:
    """Draw the demand of one run.

    The numbers of vehicles and of EVs are fixed by the scenario; departures are whole seconds in each period, uniform
    or as ``hourly`` has it, origin and destination two different edges among those that can all reach one another,
    uniform or as an OD table has it, initial charges uniform.

    Parameters
    ----------
    scenario : Scenario
        Periods, rate and fleet.
    network : RoadNetwork
        Where trips begin and end.
    rng : numpy.random.Generator
        The stream of the demand.

    Raises
    ------
    InputError
        If fewer than two edges of the network can reach one another, or the network's OD table is missing or wrong.
    """
    warmup, control, evs = vehicle_counts(scenario)
    start_s = scenario.begin_of_control_s
    begin_s = scenario.simulation.begin_s
    depart_s = np.concatenate(
        [
            _departures(scenario, begin_s, start_s, warmup, rng),
            _departures(scenario, start_s, scenario.end_of_control_s, control, rng),
        ]
    )
    count = warmup + control
    is_ev = np.zeros(count, dtype=np.bool_)
    is_ev[warmup + rng.permutation(control)[:evs]] = True
    if scenario.demand.trips == "od-table":
        files = (scenario.demand.od_file, scenario.demand.taz_file)
        table, zones = (None if file is None else Path(file) for file in files)
        origin, destination = OdTable.read(network, table, zones).draw(count, rng)
    else:
        origin, destination = _any_edges(network, count, rng)
    soc_start, parking_s, early_s = draw_fleet(scenario, is_ev, rng)
    return Demand(
        vehicle=tuple(f"v{i}" for i in range(count)),
        depart_s=depart_s,
        origin=origin,
        destination=destination,
        is_ev=is_ev,
        soc_start=soc_start,
        parking_s=parking_s,
        early_s=early_s,
    )


def draw_fleet(
    scenario: Scenario, is_ev: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Draw charge and parking of each vehicle: ``soc_start``, ``parking_s`` and ``early_s`` of :class:`Demand`.

    Parameters
    ----------
    scenario : Scenario
        Its fleet.
    is_ev : ndarray of bool, shape (n,)
        Which vehicles are EVs.
    rng : numpy.random.Generator
        The stream of the demand.
    """
    fleet, count = scenario.fleet, len(is_ev)
    soc = rng.uniform(fleet.initial_soc_min, fleet.initial_soc_max, count)
    parking_s = np.full(count, np.nan)
    if fleet.parking_share:
        evs = np.flatnonzero(is_ev)
        chosen = rng.permutation(evs)[: round(len(evs) * fleet.parking_share)]
        parking_s[chosen] = rng.uniform(fleet.parking_min_s, fleet.parking_max_s, len(chosen))
    early_s = np.zeros(count)
    if fleet.early_share:
        parked = np.flatnonzero(~np.isnan(parking_s))
        hasty = rng.permutation(parked)[: round(len(parked) * fleet.early_share)]
        early_s[hasty] = rng.uniform(0.0, 0.5, len(hasty)) * parking_s[hasty]
    return np.where(is_ev, soc, np.nan), parking_s, early_s


def _departures(
    scenario: Scenario, start_s: int, end_s: int, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw the departures of a period, ascending whole seconds."""
    if not count:
        return np.zeros(0, dtype=np.int64)
    if scenario.demand.hourly is None:
        return np.sort(rng.integers(start_s, end_s, count))
    return np.sort(Departures.of(scenario).draw(start_s, end_s, count, rng))


def _any_edges(
    network: RoadNetwork, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw two different edges for each vehicle, uniform over those that can all reach one another."""
    candidates = network.largest_component()
    if len(candidates) < 2:
        raise InputError(f"network '{network.name}': no two edges can reach one another, so that there are no trips.")
    origin = rng.integers(0, len(candidates), count)
    # A shift by 1..n-1 is uniform over all other edges, without rejection.
    destination = (origin + rng.integers(1, len(candidates), count)) % len(candidates)
    return candidates[origin], candidates[destination]
