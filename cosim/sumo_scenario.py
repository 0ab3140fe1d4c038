"""What a scenario leaves to SUMO's files: begin and end of a ``.sumocfg``, its vehicles, charging stations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import InputError
from cosim.sumo_files import charging_stations, is_config, nearest_station, read_config
from cosim.tables.traffic import SimulationTable

if TYPE_CHECKING:
    from cosim.sumo_files import ChargingStationElement, SumoConfig


def take_over_stations(data: dict[str, Any]) -> list[str]:
    """Add a ``[[station]]`` for every charging station of ``[network] stations_from``, and fill in their figures.

    Parameters
    ----------
    data : dict
        The scenario's raw tables with absolute paths; changed in place.

    Returns
    -------
    list of str
        One sentence for every fault, without the scenario's name.
    """
    network = data.get("network")
    stations = data.get("station", [])
    if not isinstance(network, dict) or not isinstance(stations, list):
        return []
    entries = [entry for entry in stations if isinstance(entry, dict)]
    source = network.get("stations_from")
    if not isinstance(source, str) and not any("charging_station" in entry for entry in entries):
        return []
    try:
        taken = _read_stations([Path(source)] if isinstance(source, str) else [], "[network] stations_from")
        known = taken | _read_stations(additional_files(data), "[network]")
    except InputError as error:
        return list(error.faults)
    if isinstance(source, str) and not taken:
        return [f"[network] stations_from: {source} holds no <chargingStation>."]
    named = {entry.get("charging_station") for entry in entries}
    stations += [{"id": name, "charging_station": name} for name in taken if name not in named]
    data["station"] = stations
    return _fill_in(stations, known)


def _read_stations(paths: list[Path], where: str) -> dict[str, ChargingStationElement]:
    try:
        return charging_stations(paths)
    except InputError as error:
        raise InputError([f"{where}: {fault}" for fault in error.faults]) from None


def _fill_in(stations: list[Any], known: dict[str, ChargingStationElement]) -> list[str]:
    """Give stations the figures of the charging stations that they take over, unless the scenario says them."""
    faults = []
    for entry in stations:
        name = entry.get("charging_station") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            continue
        if name not in known:
            faults.append(
                f"[[station]] '{entry.get('id')}' charging_station: unknown charging station '{name}'; "
                f"{nearest_station(name, known)}."
            )
            continue
        element = known[name]
        entry.setdefault("max_power_kw", element.max_power_kw)
        entry.setdefault("chargers", element.places)
        if element.total_kw is not None:
            entry.setdefault("site_limit_kw", element.total_kw)
    return faults


def additional_files(data: dict[str, Any]) -> list[Path]:
    """Name SUMO's additional files of a scenario's raw tables: those given, else those of the ``.sumocfg``.

    Raises
    ------
    InputError
        If the configuration cannot be read.
    """
    network = data["network"]
    given = network.get("additional_files")
    if isinstance(given, list | tuple):
        return [Path(each) for each in given if isinstance(each, str)]
    file = network.get("file")
    if not (isinstance(file, str) and is_config(file)):
        return []
    try:
        return list(read_config(Path(file)).additional_files)
    except InputError as error:
        # Worded as in take_over_times, so that a fault of the configuration is told once.
        raise InputError([f"[network] file: {fault}" for fault in error.faults]) from None


def take_over_times(data: dict[str, Any]) -> list[str]:
    """Fill in what a ``.sumocfg`` says of begin, end and vehicles, unless the scenario says it.

    Parameters
    ----------
    data : dict
        The scenario's raw tables with absolute paths; changed in place.

    Returns
    -------
    list of str
        One sentence for every fault, without the scenario's name.
    """
    network = data.get("network")
    file = network.get("file") if isinstance(network, dict) else None
    simulation, demand = data.setdefault("simulation", {}), data.setdefault("demand", {})
    faults = []
    if isinstance(file, str) and is_config(file) and isinstance(simulation, dict) and isinstance(demand, dict):
        try:
            config = read_config(Path(file))
        except InputError as error:
            return [f"[network] file: {fault}" for fault in error.faults]
        if config.route_files or "route_files" in demand:
            demand.setdefault("trips", "routes")
        faults += _take_times(simulation, config)
        if demand.get("trips") == "routes" and not config.route_files and "route_files" not in demand:
            faults.append(f"[demand] trips = 'routes': {file} names no route-files; give route_files.")
    elif isinstance(demand, dict) and demand.get("trips") == "routes" and "route_files" not in demand:
        faults.append("[demand] trips = 'routes': give route_files, or a .sumocfg that names some as [network] file.")
    return faults


def _take_times(simulation: dict[str, Any], config: SumoConfig) -> list[str]:
    if config.begin_s is not None:
        simulation.setdefault("begin_s", config.begin_s)
    fields = SimulationTable.model_fields
    begin_s, warmup_s = (simulation.get(key, fields[key].default) for key in ("begin_s", "warmup_s"))
    whole = isinstance(begin_s, int) and isinstance(warmup_s, int)
    if config.end_s is None or "control_s" in simulation or not whole:
        return []
    control_s = config.end_s - begin_s - warmup_s
    if control_s <= 0:
        sentence = (
            f"[simulation]: {config.path} ends at {config.end_s} s, which leaves nothing for a control period after "
            f"begin_s = {begin_s} and warmup_s = {warmup_s}; give a shorter warmup_s, or control_s."
        )
        return [sentence]
    simulation["control_s"] = control_s
    limit_s = fields["time_limit_s"].default
    if warmup_s + control_s >= limit_s:
        # Half a day for those who are still on their way, as in the default.
        simulation.setdefault("time_limit_s", warmup_s + control_s + limit_s)
    return []
