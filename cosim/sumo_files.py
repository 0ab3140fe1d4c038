"""What a scenario takes from files of SUMO's before anything is simulated: a ``.sumocfg``, charging stations.

Nothing here needs SUMO itself; the files are read as XML.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: SUMO's default of ``<chargingStation power>``, watts.
_DEFAULT_POWER_W = 22_000.0
#: Road that a waiting car takes, by which SUMO counts the places of a charging station.
_PLACE_M = 7.5
#: Other names that SUMO knows these options by.
_SYNONYMS = {
    "net": "net-file",
    "n": "net-file",
    "routes": "route-files",
    "r": "route-files",
    "additional": "additional-files",
    "a": "additional-files",
    "b": "begin",
    "e": "end",
}
#: Options that change how vehicles and pedestrians move and that are handed on to SUMO as they are.
_HANDED_ON = frozenset(
    {
        "step-method.ballistic", "lateral-resolution", "no-internal-links", "ignore-junction-blocker",
        "collision.action", "collision.stoptime", "collision.check-junctions", "collision.check-junctions.mingap",
        "collision.mingap-factor", "intermodal-collision.action", "intermodal-collision.stoptime",
        "time-to-teleport.highways", "time-to-teleport.highways.min-speed", "time-to-teleport.ride",
        "time-to-teleport.bidi", "lanechange.duration", "lanechange.overtake-right", "tls.all-off",
        "tls.actuated.jam-threshold", "tls.actuated.detector-length", "tls.yellow.min-decel", "time-to-impatience",
        "extrapolate-departpos", "default.departspeed", "default.departlane", "default.action-step-length",
        "default.carfollowmodel", "default.speeddev", "default.emergencydecel", "parking.maneuver",
        "waiting-time-memory", "startup-wait-threshold", "junction-taz", "weights.minor-penalty", "weights.tls-penalty",
        "weights.priority-factor", "weights.turnaround-penalty", "weights.reversal-penalty", "pedestrian.model",
        "pedestrian.timegap-crossing", "persontrip.walkfactor", "slope-centered", "eager-insert", "sloppy-insert",
    }
)  # fmt: skip
#: Options that say nothing about traffic: what is written where, and messages.
_OUTPUT = re.compile(
    r"(.*[-.]output(\..*)?|output[-.].*|netstate-dump.*|save-(state|configuration|template).*|configuration-file|verbose"
    r"|no-step-log|step-log.*|duration-log.*|no-warnings|aggregate-warnings|.*log|log\..*|xml-validation.*|precision.*"
    r"|write-.*|human-readable-time|print-options|start|quit-on-end|gui-.*|delay|window-.*|language|threads|route-steps"
    r"|device\.ssm\..*|device\.fcd\..*|device\.emissions\..*|phemlight-.*|game.*|summary.*|registry-.*|alternative-.*)"
)
_OWN = ("net-file", "route-files", "additional-files", "begin", "end")


@dataclass(frozen=True, slots=True)
class SumoConfig:
    """What a run takes from a ``.sumocfg``.

    Attributes
    ----------
    path : Path
        The file.
    net_file : Path
        The network.
    route_files, additional_files : tuple of Path
        Vehicles and persons; everything else.
    begin_s, end_s : int or None
        First and last second, where given.
    handed_on : dict of str to str
        Options that SUMO gets as they are.
    ignored : dict of str to str
        Options that would change the traffic but are not taken over.
    """

    path: Path
    net_file: Path
    route_files: tuple[Path, ...] = ()
    additional_files: tuple[Path, ...] = ()
    begin_s: int | None = None
    end_s: int | None = None
    handed_on: dict[str, str] = field(default_factory=dict)
    ignored: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChargingStationElement:
    """A ``<chargingStation>`` of an additional file.

    Attributes
    ----------
    id, lane : str
        As in the file.
    start_m, end_m : float or None
        Along the lane; negative ones count from its end, None is the lane's begin or end.
    max_power_kw : float
        Its ``power``, which the file has in watts.
    total_kw : float or None
        Its ``totalPower``: what all its vehicles together may draw.
    places : int
        How many cars its length holds.
    """

    id: str
    lane: str
    start_m: float | None
    end_m: float | None
    max_power_kw: float
    total_kw: float | None
    places: int


def is_config(path: str | Path | None) -> bool:
    """Return whether a file's name says that it is a SUMO configuration."""
    return str(path or "").endswith(".sumocfg")


def parse_xml(path: Path, what: str) -> ET.Element:
    """Read an XML file of the user's, packed or not.

    Raises
    ------
    InputError
        If it is missing or no XML.
    """
    import gzip  # noqa: PLC0415 - only for files of one's own

    try:
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                return ET.parse(packed).getroot()
        return ET.parse(path).getroot()
    except FileNotFoundError:
        raise InputError(f"{path}: {what} does not exist.") from None
    except (OSError, EOFError, ET.ParseError) as error:
        raise InputError(f"{path}: not a readable {what} ({error}).") from None


def time_s(text: str) -> float:
    """Read a time as SUMO writes it: seconds, ``h:m:s`` or ``d:h:m:s``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    *longer, seconds = text.split(":")
    if len(longer) not in {0, 2, 3}:
        raise ValueError(text)
    value = float(seconds)
    for part, unit_s in zip(reversed(longer), (60, 3600, 86_400), strict=False):
        value += int(part) * unit_s
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def read_config(path: Path) -> SumoConfig:
    """Read a SUMO configuration.

    Raises
    ------
    InputError
        With one sentence for every fault: no XML, no network, files that do not exist, times that are none.
    """
    root = parse_xml(path, "SUMO configuration")
    values: dict[str, str] = {}
    for element in root.iter():
        value = element.get("value", element.get("v"))
        if value is not None:
            values[_SYNONYMS.get(element.tag, element.tag)] = value.strip()
    faults: list[str] = []
    if not values.get("net-file"):
        faults.append(f"{path}: there is no <net-file value=...>; a network is needed.")
    files = {name: _files(path, name, values, faults) for name in _OWN[:3]}
    times = {name: _whole_s(path, name, values, faults) for name in _OWN[3:]}
    if times["begin"] is not None and times["begin"] < 0:
        faults.append(f"{path}: begin = {values['begin']!r}; it must be at least 0.")
    if faults:
        raise InputError(faults)
    others = {name: value for name, value in values.items() if name not in _OWN and not _OUTPUT.fullmatch(name)}
    end_s = times["end"]
    return SumoConfig(
        path=path,
        net_file=files["net-file"][0],
        route_files=files["route-files"],
        additional_files=files["additional-files"],
        begin_s=times["begin"],
        end_s=end_s if end_s is not None and end_s > 0 else None,
        handed_on={name: value for name, value in others.items() if name in _HANDED_ON},
        ignored={name: value for name, value in others.items() if name not in _HANDED_ON},
    )


def _files(path: Path, name: str, values: dict[str, str], faults: list[str]) -> tuple[Path, ...]:
    """Return the files of an option, relative to the configuration."""
    found = []
    for text in values.get(name, "").split(","):
        if text.strip():
            file = path.parent / text.strip()
            if not file.is_file():
                faults.append(f"{path}: {name}: the file {file} does not exist.")
            found.append(file)
    return tuple(found)


def _whole_s(path: Path, name: str, values: dict[str, str], faults: list[str]) -> int | None:
    """Return a time of the configuration."""
    if name not in values:
        return None
    try:
        value = time_s(values[name])
    except ValueError:
        value = math.nan
    if value != value // 1:
        faults.append(f"{path}: {name} = {values[name]!r}; it must be whole seconds, or as in 07:00:00.")
        return None
    return int(value)


def charging_stations(paths: Iterable[Path]) -> dict[str, ChargingStationElement]:
    """Read all ``<chargingStation>`` elements of additional files, by id.

    Raises
    ------
    InputError
        With one sentence for every fault.
    """
    found: dict[str, ChargingStationElement] = {}
    faults: list[str] = []
    for path in paths:
        try:
            for element in parse_xml(path, "SUMO additional file").iter("chargingStation"):
                station = _charging_station(path, element, faults)
                if station is not None:
                    found.setdefault(station.id, station)
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return found


def _charging_station(path: Path, element: ET.Element, faults: list[str]) -> ChargingStationElement | None:
    name = element.get("id", "")
    where = f"{path}: chargingStation '{name}'"
    before = len(faults)
    faults += [f"{where}: {key} is missing." for key in ("id", "lane") if not element.get(key)]
    numbers: dict[str, float | None] = {}
    for key in ("startPos", "endPos", "power", "totalPower"):
        numbers[key] = _number(element.get(key))
        if element.get(key) is not None and (numbers[key] is None or ("ower" in key and numbers[key] <= 0)):  # type: ignore[operator]
            allowed = "a number above 0, in watts" if "ower" in key else "a number, in metres"
            faults.append(f"{where}: {key} = {element.get(key)!r} must be {allowed}.")
    if len(faults) > before:
        return None
    start_m, end_m, total_w = numbers["startPos"], numbers["endPos"], numbers["totalPower"]
    length_m = end_m - start_m if start_m is not None and end_m is not None and start_m * end_m >= 0 else math.nan
    return ChargingStationElement(
        id=name,
        lane=element.get("lane", ""),
        start_m=start_m,
        end_m=end_m,
        max_power_kw=(numbers["power"] or _DEFAULT_POWER_W) / 1000.0,
        total_kw=None if total_w is None else total_w / 1000.0,
        places=max(1, int(length_m / _PLACE_M)) if length_m > 0 else 1,
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def nearest_station(name: str, stations: dict[str, ChargingStationElement]) -> str:
    """Say which charging stations there are."""
    return nearest_name(name, stations) if stations else "the SUMO files of the scenario hold none"
