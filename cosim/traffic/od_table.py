"""Trips between zones from a table: which pairs, and at which edges the trips of a zone begin and end."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cosim.traffic.network import RoadNetwork


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


class _EdgesByName(Mapping[str, WeightedEdges]):
    """Every edge that cars may use as a zone of its own."""

    def __init__(self, network: RoadNetwork) -> None:
        self._network = network

    def __getitem__(self, name: str) -> WeightedEdges:
        edge = self._network.find_edge(name)
        if edge is None:
            raise KeyError(name)
        return WeightedEdges(np.array([edge]), np.ones(1))

    def __iter__(self) -> Iterator[str]:
        return iter(self._network.edges)

    def __len__(self) -> int:
        return len(self._network.edges)


@dataclass(frozen=True, slots=True)
class OdTable:
    """Trips between zones: how many of each pair, and at which edges the trips of a zone begin and end.

    The table's columns are ``origin,destination,vehicles_per_h``; what these name are SUMO's traffic assignment zones
    (``<taz id edges>``, or ``<tazSource>`` and ``<tazSink>`` with weights) of another file, or edges. Without paths the
    two files are ``town.od.csv`` and ``town.taz.xml`` beside a network file ``town.net.xml``.

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

        Stations stand on the largest set of edges that all reach one another. Edges from which it cannot be reached are
        left out as beginnings of trips, and edges to which it does not lead as ends.

        Raises
        ------
        InputError
            If a file is missing, or with one sentence for every fault in it.
        """
        return cls.read(network)

    @classmethod
    def read(cls, network: RoadNetwork, table: Path | None = None, zones: Path | None = None) -> OdTable:
        """Read a table and its zones; see :meth:`beside`.

        Parameters
        ----------
        network : RoadNetwork
            The roads.
        table : Path, optional
            The table; without it the one beside the network's file.
        zones : Path, optional
            The zones; without them, those beside the network's file if the table lies there too, else the table names
            edges.

        Raises
        ------
        InputError
            If a file is missing, with one sentence for every fault in it, or if there is no way between two edges.
        """
        stem = network.net_file.name.partition(".net.xml")[0]
        beside = {ending: network.net_file.with_name(stem + ending) for ending in (".od.csv", ".taz.xml")}
        for key, path, ending in (("od_file", table, ".od.csv"), ("taz_file", zones, ".taz.xml")):
            if path is not None and not path.is_file():
                raise InputError(f"[demand] {key}: the file {path} does not exist.")
            if path is None and (table is None or key == "od_file") and not beside[ending].is_file():
                raise InputError(
                    f"[demand] trips = 'od-table': network '{network.name}' has no such table: {beside[ending]} does "
                    f"not exist; give {key}."
                )
        if zones is None and table is not None:
            edges = _EdgesByName(network)
            rows = _read_od_rows(table, edges, edges)
            _check_ways(table, rows, network)
            return cls._of(rows, edges, edges)
        sources, sinks = _read_zones(zones or beside[".taz.xml"], network)
        return cls._of(_read_od_rows(table or beside[".od.csv"], sources, sinks), sources, sinks)

    @classmethod
    def _of(
        cls,
        rows: Sequence[tuple[str, str, float]],
        sources: Mapping[str, WeightedEdges],
        sinks: Mapping[str, WeightedEdges],
    ) -> OdTable:
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
            numbers = {zone: number for number, zone in enumerate(dict.fromkeys(names))}
            zone_of_vehicle = np.array([numbers[name] for name in names])[pair]
            for zone, number in numbers.items():
                here = np.flatnonzero(zone_of_vehicle == number)
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
                found = ", ".join(reader.fieldnames or ())
                hint = " with commas between them" if ";" in found or "\t" in found else ""
                raise InputError(f"{path}: the columns are {found}; they must be {', '.join(columns)}{hint}.")
            rows = [(row["origin"], row["destination"], row["vehicles_per_h"] or "") for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from None
    faults: list[str] = []
    noun = "edge" if isinstance(sources, _EdgesByName) else "zone"
    for number, (origin, destination, rate) in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        known = len(faults)
        for what, zone, zones in (("origin", origin, sources), ("destination", destination, sinks)):
            if zone not in zones:
                hint = "; give taz_file if these are zones" if noun == "edge" else ""
                faults.append(f"{where}: unknown {noun} '{zone}' as {what}; {nearest_name(zone, zones)}{hint}.")
        if _amount(rate) is None:
            faults.append(f"{where}: vehicles_per_h = {rate!r} must be a number, at least 0.")
        only = sources[origin].only() if len(faults) == known else None
        if _amount(rate) and only is not None and only == sinks[destination].only():
            faults.append(
                f"{where}: {noun}s '{origin}' and '{destination}' have only the same edge for their trips."
                if noun == "zone"
                else f"{where}: a trip from edge '{origin}' to itself is none."
            )
    trips = [(origin, destination, _amount(rate) or 0.0) for origin, destination, rate in rows if _amount(rate)]
    if not faults and not trips:
        faults.append(f"{path}: there are no trips; at least one row must have vehicles_per_h above 0.")
    if faults:
        raise InputError(faults)
    return trips


def _check_ways(path: Path, rows: Sequence[tuple[str, str, float]], network: RoadNetwork) -> None:
    """Refuse pairs of edges without a way from one to the other."""
    faults = [
        f"{path}: there is no way from edge '{origin}' to edge '{destination}'."
        for origin, destination, _ in rows
        if not network.reaches(network.edge_index(origin), network.edge_index(destination))
    ]
    if faults:
        raise InputError(faults)


def _read_zones(path: Path, network: RoadNetwork) -> tuple[dict[str, WeightedEdges], dict[str, WeightedEdges]]:
    """Read SUMO's traffic assignment zones."""
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as error:
        raise InputError(f"{path}: not a readable file of SUMO zones ({error}).") from None
    faults: list[str] = []
    ends: tuple[dict[str, WeightedEdges], dict[str, WeightedEdges]] = ({}, {})
    tags = ("tazSource", "tazSink")
    usable_at = _usable_edges(network)
    for taz in root.iter("taz"):
        for zones, tag, usable in zip(ends, tags, usable_at, strict=True):
            other = tags[tag == tags[0]]
            if not taz.get("edges") and taz.find(tag) is None and taz.find(other) is not None:
                # Trips only begin in this zone, or only end there.
                continue
            try:
                zones[taz.get("id", "")] = _zone_edges(taz, tag, network, usable, path)
            except InputError as error:
                faults += error.faults
    if faults:
        raise InputError(list(dict.fromkeys(faults)))
    return ends


def _usable_edges(network: RoadNetwork) -> tuple[set[int], set[int]]:
    """Return the edges from which the largest set is reached, and those that are reached from it.

    An edge on which trips only begin (a zone's own way out) need not be reached from others.
    """
    core = network.largest_component()
    hops = np.ones(len(network.edges))
    leading_there, led_from_there = (
        set(np.flatnonzero(np.isfinite(network.path_costs(core[:1], hops, reverse=reverse)[0])).tolist())
        for reverse in (True, False)
    )
    return leading_there, led_from_there


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
