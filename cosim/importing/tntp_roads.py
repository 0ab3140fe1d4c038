"""What the links of a TNTP network are in metres, metres per second and lanes, in the units that the user states."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cosim.importing.tntp_files import Link, NetFile

    #: Length in metres, free-flow time in seconds.
    Measure = tuple[float, float]

#: Metres per unit. ``time``: the file's lengths mean nothing, as where they repeat the free-flow times.
LENGTH_UNITS_M = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "ft": 0.3048, "time": math.nan}
COORDINATE_UNITS_M = {"m": 1.0, "km": 1000.0, "mi": 1609.344, "ft": 0.3048}
TIME_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "0.01h": 36.0}
COORDINATES = (*COORDINATE_UNITS_M, "degrees", "fit")
#: A speed outside is no speed of a road: a wrong unit, or a number that stands for "no time at all".
SLOWEST_KMH, FASTEST_KMH = 5.0, 150.0
#: What a lane of a free road carries. A link has as many as its capacity asks for, up to six.
LANE_CAPACITY_PER_H, MOST_LANES = 1800.0, 6
#: Links of a centroid have at most as many: their capacity stands for "no limit", and where wide roads meet they jam.
MOST_CONNECTOR_LANES = 2
#: Shorter links get this length: SUMO moves a vehicle over several of them in a second.
SHORTEST_M = 10.0


@dataclass(frozen=True, slots=True)
class Choices:
    """What the files do not say, and what to make of them.

    Attributes
    ----------
    length : str, optional
        Unit of the lengths, a key of :data:`LENGTH_UNITS_M`; must be given.
    time : str, optional
        Unit of the free-flow times, a key of :data:`TIME_UNITS_S`; must be given.
    period_h : float, optional
        For how many hours capacities and trips stand: 1 if they are per hour, 24 if per day; must be given. It is one
        number for both because the volume-delay functions divide the one by the other.
    demand_share : float
        Which share of the trips is driven.
    speed_kmh : float, optional
        Speed of the links from whose length and time none follows; must be given if there are any, and for
        ``length="time"``.
    coordinates : str
        Unit of the node file: ``m``, ``km``, ``mi``, ``ft``, ``degrees`` (x is longitude), or ``fit``: the drawing is
        scaled to the roads' lengths. Only the drawing depends on it.
    both_ways : bool
        Give each link that has none a way back, with the same numbers.
    """

    length: str | None = None
    time: str | None = None
    period_h: float | None = None
    demand_share: float = 1.0
    speed_kmh: float | None = None
    coordinates: str = "fit"
    both_ways: bool = False

    def check(self) -> None:
        """Refuse what is missing or cannot be.

        Raises
        ------
        InputError
            With a sentence for every fault.
        """
        faults = self._unit_faults()
        if self.period_h is None:
            faults.append(
                "--period-h: say for how many hours the capacities and trips stand, TNTP files do not; 1 if they are "
                "per hour, 24 if per day."
            )
        elif not 0 < self.period_h <= 8784:
            faults.append(f"--period-h: found {self.period_h:g}; it must be above 0 and at most 8784.")
        if not 0 < self.demand_share <= 100:
            faults.append(f"--demand-share: found {self.demand_share:g}; it must be above 0 and at most 100.")
        if self.speed_kmh is not None and not SLOWEST_KMH <= self.speed_kmh <= FASTEST_KMH:
            faults.append(f"--speed-kmh: found {self.speed_kmh:g}; it must be from {SLOWEST_KMH:g} to {FASTEST_KMH:g}.")
        elif self.speed_kmh is None and self.length == "time":
            faults.append("--speed-kmh: with --length-unit time, say how fast the roads are; lengths are time x speed.")
        if faults:
            raise InputError(faults)

    def _unit_faults(self) -> list[str]:
        faults = []
        for option, what, value, units in (
            ("--length-unit", "lengths", self.length, LENGTH_UNITS_M),
            ("--time-unit", "free-flow times", self.time, TIME_UNITS_S),
        ):
            if value is None:
                listed = ", ".join(units)
                faults.append(f"{option}: say in which unit the {what} are, TNTP files do not; one of {listed}.")
            elif value not in units:
                faults.append(f"{option}: found '{value}'; {nearest_name(value, units)}.")
        if self.coordinates not in COORDINATES:
            faults.append(f"--coordinates: found '{self.coordinates}'; {nearest_name(self.coordinates, COORDINATES)}.")
        return faults


@dataclass(frozen=True, slots=True)
class Road:
    """A directed road: edge id, nodes, length as travelled, speed limit and lanes."""

    id: str
    start: int
    end: int
    length_m: float
    speed_mps: float
    lanes: int


def make_roads(net: NetFile, choices: Choices, say: Callable[[str], None]) -> list[Road]:
    """Turn links into roads.

    Length and time give the speed. Where they give none (one of them is 0, or the speed is not from 5 to 150 km/h), the
    link is driven at ``choices.speed_kmh``; a length of 0 then follows from the time. Links below 10 m get 10 m. Lanes:
    capacity per hour / 1,800, rounded up, at most 6, or 2 for links of a node below the first thru node.

    Parameters
    ----------
    net : NetFile
        The links.
    choices : Choices
        Checked already.
    say : callable
        Is told in a sentence what was not taken as it stands.

    Returns
    -------
    list of Road
        Called ``init_term``; a second link between the same nodes ``init_term_2``.

    Raises
    ------
    InputError
        If the speed of some links is missing, or the units cannot be right because most speeds would be absurd.
    """
    links = list(net.links)
    if choices.both_ways:
        there = {(link.start, link.end) for link in links}
        back = [link for link in net.links if (link.end, link.start) not in there]
        links += [type(link)(link.line, link.end, link.start, link.capacity, link.length, link.time) for link in back]
        say(f"{len(back)} of {len(net.links)} links got a way back (--both-ways).")
    metres, seconds = LENGTH_UNITS_M[choices.length or ""], TIME_UNITS_S[choices.time or ""]
    by_time = choices.length == "time"
    measures = [(0.0 if by_time else link.length * metres, link.time * seconds) for link in links]
    usable = [_has_speed(length_m, time_s) for length_m, time_s in measures]
    count = f"of {len(links)} links"
    if not by_time:
        _refuse(net, choices, links, measures, usable)
        if not all(usable):
            names = _named(link for link, good in zip(links, usable, strict=True) if not good)
            say(
                f"{usable.count(False)} {count} have no speed from {SLOWEST_KMH:g} to {FASTEST_KMH:g} km/h in the file "
                f"and are driven at {choices.speed_kmh:g} km/h: {names}."
            )
    given_mps = (choices.speed_kmh or math.nan) / 3.6
    roads: list[Road] = []
    short, wide = [], []
    seen: dict[tuple[int, int], int] = {}
    for link, (length_m, time_s), good in zip(links, measures, usable, strict=True):
        speed_mps = length_m / time_s if good else given_mps
        travelled_m = length_m or time_s * given_mps
        lanes = math.ceil(round(link.capacity / (choices.period_h or 1.0) / LANE_CAPACITY_PER_H, 9))
        if travelled_m < SHORTEST_M:
            short.append(link)
        pair = (link.start, link.end)
        most_lanes = MOST_CONNECTOR_LANES if min(pair) < net.first_thru_node else MOST_LANES
        if lanes > MOST_LANES == most_lanes:
            wide.append(link)
        seen[pair] = seen.get(pair, 0) + 1
        name = f"{link.start}_{link.end}" + (f"_{seen[pair]}" if seen[pair] > 1 else "")
        measure = round(max(travelled_m, SHORTEST_M), 3), round(speed_mps, 3)
        roads.append(Road(name, *pair, *measure, min(max(lanes, 1), most_lanes)))
    if short:
        say(f"{len(short)} {count} are shorter than {SHORTEST_M:g} m and get that length: {_named(short)}.")
    if wide:
        say(
            f"{len(wide)} {count} carry more than {LANE_CAPACITY_PER_H * MOST_LANES:g} vehicles/h and get {MOST_LANES} "
            f"lanes: {_named(wide)}."
        )
    return roads


def _has_speed(length_m: float, time_s: float) -> bool:
    return time_s > 0 and SLOWEST_KMH <= round(length_m / time_s * 3.6, 6) <= FASTEST_KMH


def _refuse(
    net: NetFile, choices: Choices, links: Sequence[Link], measures: Sequence[Measure], usable: Sequence[bool]
) -> None:
    """Refuse units that make most speeds absurd, and links that need a speed if none was given."""

    def described(link: Link, length_m: float, time_s: float) -> str:
        return (
            f"{net.path}: line {link.line}: with --length-unit {choices.length} and --time-unit {choices.time} link "
            f"{link.start}-{link.end} is {length_m:.6g} m long and takes {time_s:.6g} s"
        )

    allowed = f"{SLOWEST_KMH:g} to {FASTEST_KMH:g} km/h"
    absurd = [
        (link, length_m, time_s)
        for link, (length_m, time_s), good in zip(links, measures, usable, strict=True)
        if not good and length_m > 0 and time_s > 0
    ]
    if len(absurd) > len(links) / 2:
        link, length_m, time_s = absurd[0]
        raise InputError(
            f"{described(link, length_m, time_s)}, {length_m / time_s * 3.6:.4g} km/h, and {len(absurd)} of "
            f"{len(links)} links are outside {allowed}; are these the file's units? Where the lengths mean nothing, "
            "say --length-unit time."
        )
    if choices.speed_kmh is None and not all(usable):
        position = usable.index(False)
        raise InputError(
            f"{described(links[position], *measures[position])}, which gives no speed from {allowed}, as with "
            f"{usable.count(False)} of {len(links)} links; say with --speed-kmh how fast these are."
        )


def _named(links: Iterable[Link]) -> str:
    names = [f"{link.start}-{link.end}" for link in links]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
