"""Reading the three text files of a TNTP problem, with file and line for every fault.

A network file and a trips file begin with metadata (``<NUMBER OF ZONES> 24``) up to ``<END OF METADATA>``. ``~`` begins
a comment and ``;`` ends a row or an entry. No file says in which units its numbers are, so none is assumed here.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_NEEDED = ("init_node", "term_node", "capacity", "length", "free_flow_time")
_COLUMNS = (*_NEEDED, "b", "power", "speed", "toll", "link_type")
_METADATA = re.compile(r"<([^>]*)>\s*(.*)")
#: No more faults than these are told; the files have thousands of lines.
_MOST_FAULTS = 20
#: How far the trips' sum may be from <TOTAL OD FLOW>: files round it.
_SUM_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Link:
    """A row of the network file, its numbers in the file's own units.

    Attributes
    ----------
    line : int
        Where it stands in the file.
    start, end : int
        Nodes.
    capacity, length, time : float
        Capacity above 0; length and free-flow time at least 0.
    """

    line: int
    start: int
    end: int
    capacity: float
    length: float
    time: float


@dataclass(frozen=True, slots=True)
class NetFile:
    """A network file.

    Attributes
    ----------
    path : Path
        For messages.
    zones, nodes : int
        Zones are the nodes 1 to ``zones``; nodes are 1 to ``nodes``.
    first_thru_node : int
        Nodes below it are centroids, where trips begin and end but which no trip passes through.
    links : tuple of Link
        In the order of the file.
    """

    path: Path
    zones: int
    nodes: int
    first_thru_node: int
    links: tuple[Link, ...]


class _Faults:
    """The faults of one file, of which not too many are told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sentences: list[str] = []

    def add(self, sentence: str, line: int | None = None) -> None:
        place = f"{self.path}: " if line is None else f"{self.path}: line {line}: "
        self.sentences.append(place + sentence)

    def stop(self) -> None:
        """Raise what there is."""
        more = len(self.sentences) - _MOST_FAULTS
        if more > 0:
            raise InputError([*self.sentences[:_MOST_FAULTS], f"{self.path}: and {more} more faults."])
        if self.sentences:
            raise InputError(self.sentences)


def read_net(path: Path) -> NetFile:
    """Read a network file.

    Parameters
    ----------
    path : Path
        Metadata, then a row per link: ``init_node term_node capacity length free_flow_time b power speed toll
        link_type ;``.

    Raises
    ------
    InputError
        With a sentence for every fault: counts that differ from the metadata, nodes that do not exist, links from a
        node to itself, numbers out of range.
    """
    faults = _Faults(path)
    metadata, rows = _parts(path, faults)
    names = ("NUMBER OF ZONES", "NUMBER OF NODES", "FIRST THRU NODE", "NUMBER OF LINKS")
    zones, nodes, first, count = (_whole_metadata(metadata, name, faults) for name in names)
    faults.stop()
    if zones > nodes:
        faults.add(f"<NUMBER OF ZONES> is {zones}, but there are only {nodes} nodes.")
    if not 1 <= first <= nodes:
        faults.add(f"<FIRST THRU NODE> is {first}; it must be from 1 to {nodes}.")
    links = []
    for line, text in rows:
        link = _link(line, text, nodes, faults)
        if link is not None:
            links.append(link)
    faults.stop()
    if len(links) != count:
        faults.add(f"there are {len(links)} links, but <NUMBER OF LINKS> is {count}; is the file complete?")
    faults.stop()
    return NetFile(path, zones, nodes, first, tuple(links))


def _link(line: int, text: str, nodes: int, faults: _Faults) -> Link | None:
    fields = text.rstrip("; \t").split()
    if len(fields) != len(_COLUMNS):
        faults.add(f"{len(fields)} columns; a link has {len(_COLUMNS)}: {', '.join(_COLUMNS)}.", line)
        return None
    known = len(faults.sentences)
    ends = [_whole(field) for field in fields[:2]]
    for name, field, node in zip(_COLUMNS, fields, ends, strict=False):
        if node is None or not 1 <= node <= nodes:
            faults.add(f"{name} = {field!r} is none of the nodes 1 to {nodes}.", line)
    if ends[0] is not None and ends[0] == ends[1]:
        faults.add(f"the link leads from node {ends[0]} to itself.", line)
    numbers = [_number(field) for field in fields[2:5]]
    for name, field, number in zip(_COLUMNS[2:5], fields[2:5], numbers, strict=True):
        if number is None or number < 0 or (name == "capacity" and number == 0):
            least = "above" if name == "capacity" else "of at least"
            faults.add(f"{name} = {field!r} must be a number {least} 0.", line)
    if len(faults.sentences) > known:
        return None
    return Link(line, ends[0] or 0, ends[1] or 0, *(number or 0.0 for number in numbers))


def read_trips(path: Path, zones: int) -> dict[tuple[int, int], float]:
    """Read a trips file.

    Parameters
    ----------
    path : Path
        Metadata, then blocks ``Origin 1`` with entries ``destination : trips ;``.
    zones : int
        How many zones the network has; the file must have as many.

    Returns
    -------
    dict of (int, int) to float
        Origin and destination to trips above 0, in the order of the file.

    Raises
    ------
    InputError
        With a sentence for every fault, a sum that differs from ``<TOTAL OD FLOW>`` by over 1 % included.
    """
    faults = _Faults(path)
    metadata, rows = _parts(path, faults)
    found = _whole_metadata(metadata, "NUMBER OF ZONES", faults)
    faults.stop()
    if found != zones:
        faults.add(f"<NUMBER OF ZONES> is {found}, but the network has {zones} zones; do the files belong together?")
    trips: dict[tuple[int, int], float] = {}
    origin: int | None = None
    for line, text in rows:
        words = text.split()
        if words[0].lower() == "origin":
            origin = _whole(words[1]) if len(words) == 2 else None
            if origin is None or not 1 <= origin <= zones:
                faults.add(f"{text!r} names none of the zones 1 to {zones}.", line)
        elif origin is None:
            faults.add(f"found {text[:40]!r} where 'Origin' and the number of a zone belong.", line)
        else:
            for entry in filter(None, (part.strip() for part in text.split(";"))):
                _add_trips(trips, origin, entry, zones, line, faults)
    faults.stop()
    _check_sum(sum(trips.values()), metadata.get("TOTAL OD FLOW"), faults)
    faults.stop()
    return {pair: flow for pair, flow in trips.items() if flow}


def _check_sum(total: float, stated: tuple[int, str] | None, faults: _Faults) -> None:
    expected = total if stated is None else _number(stated[1])
    if stated is not None and expected is None:
        faults.add(f"<TOTAL OD FLOW> is {stated[1]!r}; it must be a number.", stated[0])
    elif expected is not None and abs(total - expected) > _SUM_TOLERANCE * expected:
        faults.add(f"the trips come to {total:g}, but <TOTAL OD FLOW> is {expected:g}; is the file complete?")
    elif not total:
        faults.add("there are no trips.")


def _add_trips(
    trips: dict[tuple[int, int], float], origin: int, entry: str, zones: int, line: int, faults: _Faults
) -> None:
    name, colon, amount = (part.strip() for part in entry.partition(":"))
    destination, flow = _whole(name), _number(amount)
    if not colon:
        faults.add(f"{entry[:40]!r} is no 'destination : trips;'.", line)
    elif destination is None or not 1 <= destination <= zones:
        faults.add(f"destination {name!r} is none of the zones 1 to {zones}.", line)
    elif flow is None or flow < 0:
        pair = f"the trips from {origin} to {destination}"
        faults.add(f"{pair} are {amount!r}; they must be a number of at least 0.", line)
    elif (origin, destination) in trips:
        faults.add(f"the trips from {origin} to {destination} appear more than once.", line)
    else:
        trips[origin, destination] = flow


def read_nodes(path: Path, net: NetFile) -> dict[int, tuple[float, float]]:
    """Read a node file.

    Parameters
    ----------
    path : Path
        A row per node, ``node x y ;``, below an optional header.
    net : NetFile
        Whose nodes they are; each that has a link needs a place.

    Returns
    -------
    dict of int to (float, float)
        Node to x and y in the file's own units.

    Raises
    ------
    InputError
        With a sentence for every fault.
    """
    faults = _Faults(path)
    places: dict[int, tuple[float, float]] = {}
    for number, (line, text) in enumerate(_lines(path)):
        fields = text.rstrip("; \t").split()
        if text.startswith("<") or (number == 0 and fields and fields[0].lower().startswith("node")):
            continue
        if len(fields) < 3:
            faults.add(f"found {text[:40]!r}; a row is: node x y ;", line)
            continue
        node, x, y = _whole(fields[0]), _number(fields[1]), _number(fields[2])
        if node is None or not 1 <= node <= net.nodes:
            faults.add(f"node {fields[0]!r} is none of the nodes 1 to {net.nodes} of {net.path.name}.", line)
        elif x is None or y is None:
            faults.add(f"the coordinates of node {node} are {fields[1]!r}, {fields[2]!r}; they must be numbers.", line)
        elif node in places:
            faults.add(f"node {node} appears more than once.", line)
        else:
            places[node] = (x, y)
    faults.stop()
    used = {node for link in net.links for node in (link.start, link.end)}
    missing = sorted(used - places.keys())
    if missing:
        listed = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        faults.add(f"no coordinates for {len(missing)} of {len(used)} nodes: {listed}.")
    faults.stop()
    return places


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, without comments, with their numbers."""
    try:
        # Names in comments may be in any encoding; everything that counts is a number.
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.partition("~")[0].strip()
        if content:
            yield number, content


def _parts(path: Path, faults: _Faults) -> tuple[dict[str, tuple[int, str]], Iterator[tuple[int, str]]]:
    """Read the metadata, each with its line, and return the rows below."""
    lines = _lines(path)
    metadata: dict[str, tuple[int, str]] = {}
    for number, line in lines:
        match = _METADATA.match(line)
        if match is None:
            faults.add(f"found {line[:40]!r} before <END OF METADATA>; is this a TNTP file?", number)
            break
        name = " ".join(match[1].upper().split())
        if name == "END OF METADATA":
            break
        metadata[name] = (number, match[2].strip())
    else:
        faults.add("<END OF METADATA> is missing; is this a TNTP file?")
    faults.stop()
    return metadata, lines


def _whole_metadata(metadata: Mapping[str, tuple[int, str]], name: str, faults: _Faults) -> int:
    if name not in metadata:
        faults.add(f"<{name}> is missing.")
        return 0
    line, text = metadata[name]
    value = _whole(text)
    if not value:
        faults.add(f"<{name}> is {text!r}; it must be a whole number of at least 1.", line)
    return value or 0


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
