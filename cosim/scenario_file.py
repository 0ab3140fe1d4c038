"""Reading a scenario: shipped name or TOML file, overrides, and one clear sentence for every fault."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from cosim import registry
from cosim.errors import InputError, nearest_name
from cosim.scenario import Scenario
from cosim.station_scenario import StationScenario
from cosim.sumo_scenario import take_over_stations, take_over_times
from cosim.tables.base import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

AnyScenario = TypeVar("AnyScenario", bound=Table)

#: Digits and underscores, which TOML would read as one number.
_BARE_WORD = re.compile(r"\w*_\w*")
#: Tables whose string shorthand means their ``name``: ``grid="ieee69"``.
_NAMED_TABLES = ("network", "grid", "recommender")
#: Tables that may name a file by ``name``'s rival ``file``.
_FILE_TABLES = ("network", "grid")
#: Tables with keys that name files or folders, relative to the scenario file.
_PATHS = {
    "network": ("file", "additional_files", "stations_from"),
    "demand": ("od_file", "taz_file", "route_files"),
    "grid": ("file",),
    "profile": ("file",),
    "arrivals": ("sessions", "run"),
}
#: What identifies the entry of a list of tables; where nothing does, its place counts.
_LISTS = {"station": "id", "profile": None}


def load_scenario(source: str | Path, **overrides: Any) -> Scenario:
    """Read a scenario and check everything that needs no simulator.

    Parameters
    ----------
    source : str or Path
        A shipped scenario's name (``"nguyen-dupuis"``) or the path of a TOML file.
    **overrides
        Values that replace the file's: ``seed=3``, ``grid="ieee69"``, ``recommender="nearest"``, whole or partial
        tables ``fleet={"ev_share": 0.3}``, or dotted keys ``**{"fleet.ev_share": 0.3, "station.CS1.bus": 18}``.

    Returns
    -------
    Scenario
        Frozen; paths in it are absolute.

    Raises
    ------
    InputError
        With one sentence for every fault.
    """
    data, path = read_tables(source)
    if _is_station(data):
        raise InputError(
            f"{source}: this is a station scenario ([station] is one table, there is no [network]): controllers are "
            f"compared on it with 'python -m cosim compare {source} --controllers eager,oa', and trained with 'python "
            f"-m cosim train calc {source}'."
        )
    return _resolved(Scenario, data, path, str(source), overrides)


def load_station_scenario(source: str | Path, **overrides: Any) -> StationScenario:
    """Read a station scenario and check everything that needs no data.

    Parameters
    ----------
    source : str or Path
        A shipped scenario's name (``"station-home"``) or the path of a TOML file.
    **overrides
        As for :func:`load_scenario`.

    Returns
    -------
    StationScenario
        Frozen; paths in it are absolute.

    Raises
    ------
    InputError
        With one sentence for every fault.
    """
    data, path = read_tables(source)
    if not _is_station(data):
        raise InputError(
            f"{source}: this is a scenario of coupled networks, not a station scenario, which has one table [station] "
            f"and no [network]; such as {_shipped_stations()}."
        )
    return _resolved(StationScenario, data, path, str(source), overrides)


def is_station_scenario(source: str | Path) -> bool:
    """Return whether a scenario is one of a station by itself.

    Parameters
    ----------
    source : str or Path
        As for :func:`load_scenario`.

    Raises
    ------
    InputError
        If there is no such scenario, or it is not TOML.
    """
    return _is_station(read_tables(source)[0])


def read_tables(source: str | Path) -> tuple[dict[str, Any], Path]:
    """Return the raw tables of a scenario and where they stand.

    Raises
    ------
    InputError
        If there is no such scenario, or it is not TOML.
    """
    path = _locate(source)
    return _read(path, str(source)), path


def _is_station(data: Mapping[str, Any]) -> bool:
    return "network" not in data and (isinstance(data.get("station"), dict) or "arrivals" in data)


def _shipped_stations() -> str:
    return ", ".join(name for name in registry.names("scenario") if is_station_scenario(name)) or "none is installed"


def _resolved(
    kind: type[AnyScenario], data: dict[str, Any], path: Path, label: str, overrides: Mapping[str, Any]
) -> AnyScenario:
    """Fill in what is replaced, and validate."""
    data.setdefault("name", re.sub(r"\s+", "-", path.stem))
    for table in _NAMED_TABLES:
        if isinstance(data.get(table), str):
            data[table] = {"name": data[table]}
    _make_absolute(data, path.parent)
    if kind is Scenario:
        # Before the overrides, which may name these stations; what is wrong is told below.
        take_over_stations(data)
    overridden = set()
    for key, value in overrides.items():
        overridden.add(_override(data, "simulation.seed" if key == "seed" else key, value, label))
    _make_absolute(data, Path.cwd())
    faults = []
    if kind is Scenario:
        faults = [f"{label}: {fault}" for fault in dict.fromkeys([*take_over_times(data), *take_over_stations(data)])]
    try:
        resolved = kind.model_validate(data)
    except ValidationError as error:
        # A station with a fault of its own makes pydantic also report that too few stations are left; and if they
        # could not be taken over from a file, that is what is wrong.
        details = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
        details = [detail for detail in details if not faults or detail["loc"] != ("station",)]
        faults += [_sentence(detail, label, overridden, data, kind) for detail in details]
        raise InputError(list(dict.fromkeys(faults))) from None
    if faults:
        raise InputError(faults)
    return resolved


def _locate(source: str | Path) -> Path:
    text = str(source)
    if text in registry.names("scenario"):
        return Path(registry.load("scenario", text))
    path = Path(text)
    try:
        if path.is_file():
            return path.resolve()
    except OSError as error:
        raise InputError(f"{text[:80]}: not a usable path: {error.strerror}.") from None
    if path.suffix or "/" in text:
        what = "is a folder, not a scenario file" if path.is_dir() else "does not exist"
        raise InputError(f"{text}: the scenario file {what}.")
    raise InputError(
        f"unknown scenario '{text}'; {nearest_name(text, registry.names('scenario'))}, or the path of a TOML file."
    )


def _read(path: Path, label: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{label}: not valid TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{label}: cannot be read: {error}.") from None


def _make_absolute(data: dict[str, Any], folder: Path) -> None:
    for table, keys in _PATHS.items():
        found = data.get(table)
        for entry in found if isinstance(found, list) else [found]:
            for key in keys:
                if not isinstance(entry, dict):
                    continue
                named = entry.get(key)
                if isinstance(named, str):
                    entry[key] = _absolute(named, folder)
                elif isinstance(named, list):
                    entry[key] = [_absolute(each, folder) if isinstance(each, str) else each for each in named]


def _absolute(path: str, folder: Path) -> str:
    return str((folder / Path(path).expanduser()).resolve())


def _override(data: dict[str, Any], key: str, value: Any, label: str) -> str:
    """Put one override into the raw tables; return its dotted key."""
    if key in _NAMED_TABLES and isinstance(value, str):
        # Another plug-in: the options and the file of the old one do not belong to it.
        kept = {k: v for k, v in data.get(key, {}).items() if k not in {"name", "file"}} if key == "grid" else {}
        data[key] = kept | {"name": value}
        return f"{key}.name"
    *tables, last = key.split(".")
    target: Any = data
    for depth, part in enumerate(tables):
        if isinstance(target, dict):
            target = target.setdefault(part, {})
        elif isinstance(target, list):
            target = _station_entry(target, part, f"{label}: --set {key}")
        if not isinstance(target, dict | list):
            raise InputError(f"{label}: --set {key}: '{'.'.join(tables[: depth + 1])}' is not a table.")
    if isinstance(target, list):
        raise InputError(f"{label}: --set {key}: name station and key, as in station.{last}.chargers.")
    if isinstance(value, dict) and isinstance(target.get(last), dict):
        target[last] = target[last] | value
    else:
        target[last] = value
        if key in {f"{table}.{other}" for table in _FILE_TABLES for other in ("name", "file")}:
            target.pop("file" if last == "name" else "name", None)
    return key


def _station_entry(stations: list[Any], name: str, where: str) -> dict[str, Any]:
    for entry in stations:
        if isinstance(entry, dict) and entry.get("id") == name:
            return entry
    ids = [str(entry.get("id")) for entry in stations if isinstance(entry, dict)]
    raise InputError(f"{where}: unknown station '{name}'; {nearest_name(name, ids)}.")


def parse_assignment(text: str) -> tuple[str, Any]:
    """Split ``key.path=value`` of ``--set``; the value is read as TOML, a bare word as a string.

    A bare word with an underscore is a string too, since the edge ``6_7`` is no number here although it is in TOML.

    Raises
    ------
    InputError
        If there is no ``=`` or no key.
    """
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise InputError(f"--set {text}: expected key.path=value, such as fleet.ev_share=0.3.")
    if _BARE_WORD.fullmatch(value):
        return key.strip(), value
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _sentence(
    detail: ErrorDetails, label: str, overridden: set[str], data: Mapping[str, Any], root: type[BaseModel]
) -> str:
    """Say one fault: file, table and key, what was found, what is allowed."""
    location = detail["loc"]
    where = f"{label}: {_place(location, data, root)}"
    if ".".join(str(part) for part in location) in overridden:
        where += " (set on the command line)"
    found = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            allowed = _fields_at(location[:-1], root)
            return f"{where}: unknown key; {nearest_name(str(location[-1]), allowed)}."
        case "too_short":
            return f"{where}: at least one {'station' if location == ('station',) else 'value'} is needed."
        case "dict_type" | "model_type":
            return f"{where}: found {found!r}; a table is needed."
        case "missing":
            return f"{where}: required, but missing."
        case "value_error":
            return f"{where}: {str(detail['ctx']['error']).rstrip('.')}."
        case _:
            expectation = detail["msg"][:1].lower() + detail["msg"][1:]
            return f"{where}: found {found!r}; {expectation}."


def _place(location: tuple[int | str, ...], data: Mapping[str, Any], root: type[BaseModel]) -> str:
    """Write a location as TOML shows it: ``[fleet] ev_share``, ``[[station]] CS1 chargers``."""
    if not location:
        return "the file"
    table, *rest = location
    if table in _LISTS and not _is_table(str(table), root):
        if not rest:
            return f"[[{table}]]"
        index, key, entries = rest[0], _LISTS[str(table)], data.get(str(table))
        name = f"number {index + 1 if isinstance(index, int) else index}"
        entry = entries[index] if isinstance(entries, list) and isinstance(index, int) else None
        if key is not None and isinstance(entry, dict):
            name = f"'{entry.get(key, name)}'"
        return " ".join([f"[[{table}]] {name}", *(str(part) for part in rest[1:2])])
    if table == "controller" and rest:
        return " ".join([f"[controller.{rest[0]}]", *(str(part) for part in rest[1:2])])
    if not _is_table(str(table), root):
        return str(table)
    return " ".join([f"[{table}]", *(str(part) for part in rest[:1])])


def _is_table(name: str, root: type[BaseModel]) -> bool:
    field = root.model_fields.get(name)
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _fields_at(location: tuple[int | str, ...], root: type[BaseModel]) -> list[str]:
    """Return the keys allowed at a place of the scenario."""
    model = root
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:
            continue
        candidates = [field.annotation, *get_args(field.annotation)]
        model = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), model)
    return list(model.model_fields)
