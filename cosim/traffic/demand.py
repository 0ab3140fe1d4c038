"""Who drives from where to where and when: vehicles drawn at random from the seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scenario import Scenario
    from cosim.traffic.network import RoadNetwork


@dataclass(frozen=True, slots=True)
class Demand:
    """All vehicles of a run, in the order of their departure.

    Attributes
    ----------
    vehicle : tuple of str
        Ids, ``v0`` on.
    depart_s : ndarray of int, shape (n,)
        Planned departure, whole seconds, ascending.
    origin, destination : ndarray of int, shape (n,)
        Edge positions in the network.
    is_ev : ndarray of bool, shape (n,)
        Whether the vehicle asks for a station at departure.
    soc_start : ndarray of float, shape (n,)
        State of charge at departure; NaN for the others.
    parking_s : ndarray of float, shape (n,)
        How long the vehicle stays at its station; NaN if it leaves once it is charged.
    """

    vehicle: tuple[str, ...]
    depart_s: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]
    is_ev: NDArray[np.bool_]
    soc_start: NDArray[np.float64]
    parking_s: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the vehicles."""
        return len(self.vehicle)


def vehicle_counts(scenario: Scenario) -> tuple[int, int, int]:
    """Return how many vehicles depart in the warm-up and in the control period, and how many of the latter are EVs."""
    rate_per_s = scenario.demand.vehicles_per_h / 3600.0
    warmup = round(rate_per_s * scenario.simulation.warmup_s)
    control = round(rate_per_s * scenario.simulation.control_s)
    return warmup, control, round(control * scenario.fleet.ev_share)


def random_demand(scenario: Scenario, network: RoadNetwork, rng: np.random.Generator) -> Demand:
    """Draw the demand of one run.

    The numbers of vehicles and of EVs are fixed by the scenario; departures are uniform whole seconds in each period,
    origin and destination two different edges among those that can all reach one another, initial charges uniform.

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
        If fewer than two edges of the network can reach one another.
    """
    warmup, control, evs = vehicle_counts(scenario)
    start_s = scenario.simulation.warmup_s
    depart_s = np.concatenate(
        [
            np.sort(rng.integers(0, start_s, warmup)) if warmup else np.zeros(0, dtype=np.int64),
            np.sort(rng.integers(start_s, scenario.end_of_control_s, control)),
        ]
    )
    count = warmup + control
    is_ev = np.zeros(count, dtype=np.bool_)
    is_ev[warmup + rng.permutation(control)[:evs]] = True
    candidates = network.largest_component()
    if len(candidates) < 2:
        raise InputError(f"network '{network.name}': no two edges can reach one another, so that there are no trips.")
    origin = rng.integers(0, len(candidates), count)
    # A shift by 1..n-1 is uniform over all other edges, without rejection.
    destination = (origin + rng.integers(1, len(candidates), count)) % len(candidates)
    soc = rng.uniform(scenario.fleet.initial_soc_min, scenario.fleet.initial_soc_max, count)
    parking_s = np.full(count, np.nan)
    if scenario.fleet.parking_share:
        chosen = rng.permutation(np.flatnonzero(is_ev))[: round(evs * scenario.fleet.parking_share)]
        parking_s[chosen] = rng.uniform(scenario.fleet.parking_min_s, scenario.fleet.parking_max_s, len(chosen))
    return Demand(
        vehicle=tuple(f"v{i}" for i in range(count)),
        depart_s=depart_s,
        origin=candidates[origin],
        destination=candidates[destination],
        is_ev=is_ev,
        soc_start=np.where(is_ev, soc, np.nan),
        parking_s=parking_s,
    )
