"""Vehicles of SUMO route files: types, routes, vehicles, trips and flows as they are written there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cosim.errors import InputError, nearest_name
from cosim.sumo_files import parse_xml, time_s
from cosim.traffic.sumo_input import silence

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from xml.etree import ElementTree as ET

    from cosim.traffic.sumo_input import SumoInput

#: SUMO's own vehicle types and the class of each.
_DEFAULT_TYPES = {
    "DEFAULT_VEHTYPE": "passenger",
    "DEFAULT_TAXITYPE": "taxi",
    "DEFAULT_BIKETYPE": "bicycle",
    "DEFAULT_RAILTYPE": "rail",
    "DEFAULT_PEDTYPE": "pedestrian",
    "DEFAULT_CONTAINERTYPE": "container",
}
_VEHICLES = ("vehicle", "trip", "flow")
_PERSONS = ("person", "personFlow", "container", "containerFlow")
#: Departures that wait for somebody; only SUMO knows when they take place.
_TRIGGERED = ("triggered", "containerTriggered", "split", "begin")
_POISSON = re.compile(r"exp\((.*)\)")
#: Places of additional files at which vehicles and persons stop; SUMO takes trainStop and busStop for one another.
_STOPS = ("busStop", "trainStop", "containerStop", "chargingStation", "parkingArea", "overheadWireSegment")
#: Roots of files that are no route files, whatever they are called.
_NO_ROUTES = frozenset({"net", "configuration", "sumoConfiguration", "osm", "nodes", "edges", "connections"})
#: As many faults of one kind are told.
_TOLD = 10


@dataclass(frozen=True, slots=True)
class FlowTimes:
    """When the vehicles of a flow depart.

    Attributes
    ----------
    begin_s, end_s : float or None
        The flow's interval, where given; the end is not part of it.
    period_s : float or None
        Between two vehicles.
    rate_per_s : float or None
        Of a Poisson process.
    probability : float or None
        Of a vehicle in each second.
    number : int or None
        How many at most, or, without any of the others, how many evenly over the interval.
    """

    begin_s: float | None
    end_s: float | None
    period_s: float | None = None
    rate_per_s: float | None = None
    probability: float | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class SourceVehicle:
    """A vehicle, trip or flow of a route file.

    Attributes
    ----------
    id : str
        As in the file.
    where : str
        File, kind and id, for messages.
    element : Element
        The element, ready for SUMO.
    depart_s : float
        Planned departure; NaN of a flow.
    times : FlowTimes or None
        Of a flow.
    types : tuple of (str, str, float)
        Type, vehicle class and weight: one, or those of a distribution.
    ways : tuple of (tuple of str, float)
        Edges and weight of each route it may take: all edges if ``routed``, else those it has to pass in this order.
        Empty where it begins or ends at a zone, a junction or a point.
    routed : bool
        Whether its route is given.
    may_charge : bool
        Whether nothing but its class speaks against a detour to a station: no stops, no line, no edges to pass.
    """

    id: str
    where: str
    element: ET.Element
    depart_s: float
    times: FlowTimes | None
    types: tuple[tuple[str, str, float], ...]
    ways: tuple[tuple[tuple[str, ...], float], ...]
    routed: bool
    may_charge: bool


@dataclass(slots=True)
class RouteFiles:
    """All that stands in route files.

    Attributes
    ----------
    head : list of Element
        Types and routes, before everything else.
    vehicles : list of SourceVehicle
        In the order of the files.
    others : list of (float, Element)
        Persons, containers and vehicles that wait for them, with their departure: SUMO alone deals with these.
    waiting : int
        How many of the others are vehicles.
    """

    head: list[ET.Element] = field(default_factory=list)
    vehicles: list[SourceVehicle] = field(default_factory=list)
    others: list[tuple[float, ET.Element]] = field(default_factory=list)
    waiting: int = 0


def read_routes(given: SumoInput) -> RouteFiles:
    """Read the route files of a run, and the vehicle types in its additional files.

    Raises
    ------
    InputError
        With one sentence for every fault: no XML, times that are none, types or routes that are not defined, ids given
        twice.
    """
    return _Reader(given).read()


class _Reader:
    """Reads route files; every fault is collected."""

    def __init__(self, given: SumoInput) -> None:
        self._given = given
        self._faults: list[str] = []
        self._types: dict[str, tuple[tuple[str, str, float], ...]] = {
            name: ((name, vehicle_class, 1.0),) for name, vehicle_class in _DEFAULT_TYPES.items()
        }
        self._routes: dict[str, tuple[tuple[tuple[str, ...], float], ...]] = {}
        self._result = RouteFiles()
        self._ridden: set[str] = set()
        self._seen: set[str] = set()
        self._stops: set[str] = set()
        self._zones: set[str] = set()

    def read(self) -> RouteFiles:
        """Read all files: first what is referred to, then who refers to it."""
        for path in self._given.additional_files:
            for element in self._elements(path, "SUMO additional file"):
                self._define(element, path)
                self._places(element)
        found = [
            (element, path) for path in self._given.route_files for element in self._elements(path, "SUMO route file")
        ]
        for element, path in found:
            self._define(element, path)
            self._places(element)
            if element.tag not in {*_VEHICLES, *_PERSONS}:
                self._result.head.append(element)
            elif element.tag in _PERSONS:
                self._person(element, path)
        for element, path in found:
            self._known_places(element, path)
            if element.tag in _VEHICLES:
                self._vehicle(element, path)
        if self._faults:
            told = list(dict.fromkeys(self._faults))
            more = [f"... and {len(told) - _TOLD} faults more of this kind."] if len(told) > _TOLD else []
            raise InputError(told[:_TOLD] + more)
        return self._result

    def _elements(self, path: Path, what: str) -> list[ET.Element]:
        try:
            root = parse_xml(path, what)
            silence(root, path.parent)
        except InputError as error:
            self._faults += error.faults
            return []
        if what == "SUMO route file" and root.tag in _NO_ROUTES:
            self._faults.append(f"{path}: not a {what}: its root is <{root.tag}>, it must be <routes>.")
            return []
        return list(root)

    # ---- stops and zones

    def _places(self, element: ET.Element) -> None:
        """Note the stops and zones that are defined."""
        for each in element.iter():
            if each.tag in _STOPS and each.get("id"):
                self._stops.add(each.get("id", ""))
            elif each.tag == "taz":
                self._zones.add(each.get("id", ""))

    def _known_places(self, element: ET.Element, path: Path) -> None:
        """Find stops and zones that nobody defines: SUMO would end at its start, or when the vehicle departs."""
        where = f"{path}: {element.tag} '{element.get('id', '')}'"
        # With this option of SUMO's every junction is a zone.
        every_junction = self._given.handed_on.get("junction-taz", "false").lower() in {
            "true",
            "1",
            "yes",
            "on",
            "x",
            "t",
        }
        named = [(key, "stop", self._stops) for key in _STOPS]
        if not every_junction:
            named += [(key, "zone", self._zones) for key in ("fromTaz", "toTaz")]
        for each in element.iter():
            for key, kind, known in named:
                name = each.get(key)
                if name and name not in known:
                    nearest = nearest_name(name, known) if known else "the additional files define none"
                    self._faults.append(f"{where}: unknown {kind} '{name}' as {key}; {nearest}.")

    # ---- types and routes

    def _define(self, element: ET.Element, path: Path) -> None:
        name = element.get("id", "")
        if element.tag == "vType":
            self._types[name] = ((name, element.get("vClass", "passenger"), 1.0),)
        elif element.tag == "vTypeDistribution":
            self._types[name] = tuple(self._members(element, path))
        elif element.tag == "route":
            self._routes[name] = ((_edges(element), 1.0),)
        elif element.tag == "routeDistribution":
            self._routes[name] = self._distribution(element, path)

    def _members(self, element: ET.Element, path: Path) -> Iterable[tuple[str, str, float]]:
        where = f"{path}: vTypeDistribution '{element.get('id', '')}'"
        for child in element.iter("vType"):
            self._define(child, path)
            weight = self._number(child.get("probability", "1"), f"{where}: probability")
            yield child.get("id", ""), child.get("vClass", "passenger"), weight
        names = element.get("vTypes", "").split()
        weights = element.get("probabilities", "").split() or ["1"] * len(names)
        if len(weights) != len(names):
            self._faults.append(f"{where}: {len(names)} vTypes, but {len(weights)} probabilities.")
            return
        for name, text in zip(names, weights, strict=True):
            weight = self._number(text, f"{where}: probabilities")
            for member, vehicle_class, share in self._type(name, where):
                yield member, vehicle_class, share * weight

    def _distribution(self, element: ET.Element, path: Path) -> tuple[tuple[tuple[str, ...], float], ...]:
        where = f"{path}: routeDistribution '{element.get('id', '')}'"
        found: list[tuple[tuple[str, ...], float]] = []
        for child in element.iter("route"):
            weight = self._number(child.get("probability", "1"), f"{where}: probability")
            if child.get("refId"):
                found += [(edges, share * weight) for edges, share in self._route(child.get("refId", ""), where)]
            else:
                found.append((_edges(child), weight))
                if child.get("id"):
                    self._routes[child.get("id", "")] = ((_edges(child), 1.0),)
        names = element.get("routes", "").split()
        weights = element.get("probabilities", "").split() or ["1"] * len(names)
        for name, text in zip(names, weights, strict=False):
            weight = self._number(text, f"{where}: probabilities")
            found += [(edges, share * weight) for edges, share in self._route(name, where)]
        return tuple(found)

    def _type(self, name: str, where: str) -> tuple[tuple[str, str, float], ...]:
        if name not in self._types:
            self._faults.append(f"{where}: unknown vehicle type '{name}'; {nearest_name(name, self._types)}.")
            return ()
        return self._types[name]

    def _route(self, name: str, where: str) -> tuple[tuple[tuple[str, ...], float], ...]:
        if name not in self._routes:
            known = nearest_name(name, self._routes) if self._routes else "the files define none"
            self._faults.append(f"{where}: unknown route '{name}'; {known}.")
            return ()
        return self._routes[name]

    # ---- persons and vehicles

    def _person(self, element: ET.Element, path: Path) -> None:
        for stage in element.iter():
            self._ridden.update(stage.get("lines", "").split())
        text = element.get("depart", element.get("begin", "0"))
        depart_s = -1.0 if text in _TRIGGERED else self._time(text, f"{path}: {element.tag} '{element.get('id', '')}'")
        self._result.others.append((depart_s, element))

    def _vehicle(self, element: ET.Element, path: Path) -> None:
        name = element.get("id", "")
        where = f"{path}: {element.tag} '{name}'"
        if not name:
            self._faults.append(f"{path}: a {element.tag} has no id.")
        elif name in self._seen:
            self._faults.append(f"{where}: this id is given twice.")
        self._seen.add(name)
        types = self._type(element.get("type", "DEFAULT_VEHTYPE"), where)
        ways, routed = self._ways(element, path, where)
        times = self._flow_times(element, where) if element.tag == "flow" else None
        depart = element.get("depart", "")
        if times is None and depart in _TRIGGERED:
            self._result.others.append((-1.0, element))
            self._result.waiting += 1
            return
        depart_s = math.nan if times is not None else self._time(depart, f"{where}: depart")
        busy = element.find("stop") is not None or any(
            element.get(key) for key in ("line", "via", "viaJunctions", "departEdge", "arrivalEdge", "personNumber")
        )
        self._result.vehicles.append(
            SourceVehicle(
                id=name,
                where=where,
                element=element,
                depart_s=depart_s,
                times=times,
                types=types,
                ways=ways,
                routed=routed,
                may_charge=bool(ways) and not busy and name not in self._ridden,
            )
        )

    def _ways(
        self, element: ET.Element, path: Path, where: str
    ) -> tuple[tuple[tuple[tuple[str, ...], float], ...], bool]:
        """Return the ways of a vehicle, and whether they are whole routes."""
        inline, choice = element.find("route"), element.find("routeDistribution")
        if inline is not None:
            return ((_edges(inline), 1.0),), True
        if choice is not None:
            return self._distribution(choice, path), True
        if element.get("route"):
            return self._route(element.get("route", ""), where), True
        if element.get("from") and element.get("to"):
            passed = (element.get("from", ""), *element.get("via", "").split(), element.get("to", ""))
            return ((passed, 1.0),), False
        if not any(key.startswith(("from", "to")) for key in element.keys()):  # noqa: SIM118 - an element is no mapping
            self._faults.append(f"{where}: it has no route, and no from and to.")
        return (), False

    def _flow_times(self, element: ET.Element, where: str) -> FlowTimes:
        def number(key: str) -> float | None:
            text = element.get(key)
            return None if text is None else self._number(text, f"{where}: {key}")

        def time(key: str) -> float | None:
            text = element.get(key)
            return None if text is None else self._time(text, f"{where}: {key}")

        ways = [key for key in ("period", "vehsPerHour", "perHour", "probability") if element.get(key) is not None]
        if len(ways) > 1 or not (ways or element.get("number")):
            found = " and ".join(ways) or "none of them"
            self._faults.append(
                f"{where}: give one of period, vehsPerHour, probability, or number alone; found {found}."
            )
            return FlowTimes(None, None)
        rate, period, poisson = None, None, _POISSON.fullmatch(element.get("period", ""))
        if poisson:
            rate = self._number(poisson[1], f"{where}: period")
        elif "period" in ways:
            period = self._time(element.get("period", ""), f"{where}: period")
        elif ways and ways[0] != "probability":
            hourly = number(ways[0])
            period = 3600.0 / hourly if hourly else math.inf
        if period is not None and period <= 0:
            self._faults.append(f"{where}: period = {element.get('period')!r} must be above 0.")
        probability = number("probability")
        if probability is not None and not probability <= 1:
            self._faults.append(f"{where}: probability = {probability:g} must be from 0 to 1.")
        count = number("number")
        return FlowTimes(time("begin"), time("end"), period, rate, probability, None if count is None else int(count))

    # ---- numbers

    def _time(self, text: str, where: str) -> float:
        try:
            return time_s(text)
        except ValueError:
            self._faults.append(f"{where}: {text!r} must be a time, such as 25200 or 07:00:00.")
            return 0.0

    def _number(self, text: str, where: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            self._faults.append(f"{where} = {text!r} must be a number, at least 0.")
            return 0.0
        return value


def _edges(element: ET.Element) -> tuple[str, ...]:
    return tuple(element.get("edges", "").split())
