"""Who drives from where to where and when: vehicles drawn at random from the seed."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
        How long the vehicle declares to stay at its station; NaN if it leaves once it is charged.
    early_s : ndarray of float, shape (n,)
        How much earlier than declared it leaves; 0 for most.
    """

    vehicle: tuple[str, ...]
    depart_s: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]
    is_ev: NDArray[np.bool_]
    soc_start: NDArray[np.float64]
    parking_s: NDArray[np.float64]
    early_s: NDArray[np.float64]

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
    origin and destination two different edges among those that can all reach one another, uniform or as an OD table
    has it, initial charges uniform.

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
    if scenario.demand.trips == "od-table":
        origin, destination = OdTable.beside(network).draw(count, rng)
    else:
        origin, destination = _any_edges(network, count, rng)
    soc = rng.uniform(scenario.fleet.initial_soc_min, scenario.fleet.initial_soc_max, count)
    parking_s = np.full(count, np.nan)
    if scenario.fleet.parking_share:
        chosen = rng.permutation(np.flatnonzero(is_ev))[: round(evs * scenario.fleet.parking_share)]
        parking_s[chosen] = rng.uniform(scenario.fleet.parking_min_s, scenario.fleet.parking_max_s, len(chosen))
    early_s = np.zeros(count)
    if scenario.fleet.early_share:
        parked = np.flatnonzero(~np.isnan(parking_s))
        hasty = rng.permutation(parked)[: round(len(parked) * scenario.fleet.early_share)]
        early_s[hasty] = rng.uniform(0.0, 0.5, len(hasty)) * parking_s[hasty]
    return Demand(
        vehicle=tuple(f"v{i}" for i in range(count)),
        depart_s=depart_s,
        origin=origin,
        destination=destination,
        is_ev=is_ev,
        soc_start=np.where(is_ev, soc, np.nan),
        parking_s=parking_s,
        early_s=early_s,
    )


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


@dataclass(frozen=True, slots=True)
class WeightedEdges:
    """Edges, and how often trips begin or end at each.

    Attributes
    ----------
    edges : ndarray of int, shape (n,)
        Positions in the network.
    weights : ndarray of float, shape (n,)
        Relative; not all zero.
    """

    edges: NDArray[np.int64]
    weights: NDArray[np.float64]

    def draw(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw edges independently of one another."""
        return self.edges[_draw(self.weights, count, rng)]

    def only(self) -> int | None:
        """Return the edge that is always drawn, or None if there are several."""
        possible = self.edges[self.weights > 0]
        return int(possible[0]) if len(possible) == 1 else None


@dataclass(frozen=True, slots=True)
class OdTable:
    """Trips between zones: how many of each pair, and at which edges the trips of a zone begin and end.

    Beside a network file ``town.net.xml`` lie ``town.od.csv``, whose columns are ``origin,destination,vehicles_per_h``,
    and ``town.taz.xml`` with the zones that these name, as SUMO's traffic assignment zones (``<taz id edges>``, or
    ``<tazSource>`` and ``<tazSink>`` with weights).

    Attributes
    ----------
    origin, destination : tuple of str, length n
        Zones of each pair.
    vehicles_per_h : ndarray of float, shape (n,)
        Trips of each pair.
    sources, sinks : dict of str to WeightedEdges
        Where the trips of each zone begin, and where they end.
    """

    origin: tuple[str, ...]
    destination: tuple[str, ...]
    vehicles_per_h: NDArray[np.float64]
    sources: Mapping[str, WeightedEdges]
    sinks: Mapping[str, WeightedEdges]

    @classmethod
    def beside(cls, network: RoadNetwork) -> OdTable:
        """Read the table and the zones that lie beside a network's file.

        Edges outside the largest set that can all reach one another are left out, as they are for random trips.

        Raises
        ------
        InputError
            If a file is missing, or with one sentence for every fault in it.
        """
        stem = network.net_file.name.partition(".net.xml")[0]
        table, zones = (network.net_file.with_name(stem + ending) for ending in (".od.csv", ".taz.xml"))
        for path in (table, zones):
            if not path.is_file():
                raise InputError(
                    f"[demand] trips = 'od-table': network '{network.name}' has no such table: {path} does not exist."
                )
        sources, sinks = _read_zones(zones, network)
        rows = _read_od_rows(table, sources, sinks)
        return cls(
            origin=tuple(origin for origin, _, _ in rows),
            destination=tuple(destination for _, destination, _ in rows),
            vehicles_per_h=np.array([rate for _, _, rate in rows]),
            sources=sources,
            sinks=sinks,
        )

    def draw(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw origin and destination of each vehicle, two different edges.

        Parameters
        ----------
        count : int
            Number of vehicles.
        rng : numpy.random.Generator
            The stream of the demand.

        Returns
        -------
        origin, destination : ndarray of int, shape (count,)
            Edge positions in the network.
        """
        pair = _draw(self.vehicles_per_h, count, rng)
        ends = []
        for names, zones in ((self.origin, self.sources), (self.destination, self.sinks)):
            chosen = np.empty(count, dtype=np.int64)
            for zone in dict.fromkeys(names):
                here = np.flatnonzero(np.array([name == zone for name in names])[pair])
                chosen[here] = zones[zone].draw(len(here), rng)
            ends.append(chosen)
        origin, destination = ends
        # Within a zone, or where zones overlap, both ends may fall on one edge.
        while len(same := np.flatnonzero(origin == destination)):
            for vehicle in same:
                origin[vehicle] = self.sources[self.origin[pair[vehicle]]].draw(1, rng)[0]
                destination[vehicle] = self.sinks[self.destination[pair[vehicle]]].draw(1, rng)[0]
        return origin, destination


def _draw(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw positions in proportion to their weights."""
    sums = np.cumsum(weights)
    # A draw is below 1, but its product may round to the sum; the last position with a weight takes that.
    last = np.flatnonzero(weights)[-1]
    drawn: NDArray[np.int64] = np.minimum(np.searchsorted(sums, rng.random(count) * sums[-1], side="right"), last)
    return drawn


def _read_od_rows(
    path: Path, sources: Mapping[str, WeightedEdges], sinks: Mapping[str, WeightedEdges]
) -> list[tuple[str, str, float]]:
    """Read the pairs with trips."""
    columns = ["origin", "destination", "vehicles_per_h"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(line for line in file if not line.startswith("#"))
            if list(reader.fieldnames or []) != columns:
                raise InputError(f"{path}: the columns are {reader.fieldnames}; they must be {', '.join(columns)}.")
            rows = [(row["origin"], row["destination"], row["vehicles_per_h"] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from None
    faults: list[str] = []
    for number, (origin, destination, rate) in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        known = len(faults)
        for what, zone, zones in (("origin", origin, sources), ("destination", destination, sinks)):
            if zone not in zones:
                faults.append(f"{where}: unknown zone '{zone}' as {what}; {nearest_name(zone, zones)}.")
        if _amount(rate) is None:
            faults.append(f"{where}: vehicles_per_h = {rate!r} must be a number, at least 0.")
        only = sources[origin].only() if len(faults) == known else None
        if _amount(rate) and only is not None and only == sinks[destination].only():
            faults.append(f"{where}: zones '{origin}' and '{destination}' have only the same edge for their trips.")
    trips = [(origin, destination, _amount(rate) or 0.0) for origin, destination, rate in rows if _amount(rate)]
    if not faults and not trips:
        faults.append(f"{path}: there are no trips; at least one row must have vehicles_per_h above 0.")
    if faults:
        raise InputError(faults)
    return trips


def _read_zones(path: Path, network: RoadNetwork) -> tuple[dict[str, WeightedEdges], dict[str, WeightedEdges]]:
    """Read SUMO's traffic assignment zones."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InputError(f"{path}: not a readable file of SUMO zones ({error}).") from None
    usable = set(network.largest_component().tolist())
    faults: list[str] = []
    ends: tuple[dict[str, WeightedEdges], dict[str, WeightedEdges]] = ({}, {})
    for taz in root.iter("taz"):
        for zones, tag in zip(ends, ("tazSource", "tazSink"), strict=True):
            try:
                zones[taz.get("id", "")] = _zone_edges(taz, tag, network, usable, path)
            except InputError as error:
                faults += error.faults
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return ends


def _zone_edges(taz: ET.Element, tag: str, network: RoadNetwork, usable: set[int], path: Path) -> WeightedEdges:
    """Read where the trips of one zone begin, or where they end."""
    where = f"{path}: zone '{taz.get('id', '')}'"
    listed = [(each.get("id", ""), each.get("weight", "1")) for each in taz.iter(tag)]
    listed = listed or [(edge, "1") for edge in taz.get("edges", "").split()]
    faults, edges, weights = [], [], []
    for edge, text in listed:
        weight = _amount(text)
        if weight is None:
            faults.append(f"{where}: {tag} '{edge}': weight = {text!r} must be a number, at least 0.")
        try:
            position = network.edge_index(edge, where=where)
        except InputError as error:
            faults += error.faults
            continue
        if weight and position in usable:
            edges.append(position)
            weights.append(weight)
    if not faults and not edges:
        faults.append(f"{where}: no {tag} edge of it belongs to those that all reach one another.")
    if faults:
        raise InputError(faults)
    return WeightedEdges(np.array(edges, dtype=np.int64), np.array(weights))


def _amount(text: str | None) -> float | None:
    """Read a finite number that is not negative, or return None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None
