"""``[simulation]``, ``[network]``, ``[demand]`` and ``[fleet]``: the clock, the roads and who drives on them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator, model_validator

from cosim.errors import nearest_name
from cosim.tables.base import AS_IT_IS, Fraction, NotNegative, Positive, SourceTable, Table, plugin_name

#: Departures in each hour of the day: into town in the morning, out of it in the afternoon, few at night. Our own.
HOURLY_SHAPES = {
    "commuter": (0.20, 0.12, 0.08, 0.08, 0.15, 0.50, 1.25, 2.00, 1.85, 1.25, 1.00, 1.05,
                 1.15, 1.15, 1.20, 1.50, 1.95, 2.10, 1.70, 1.25, 0.90, 0.70, 0.50, 0.37),
}  # fmt: skip


def _hourly(value: object) -> tuple[float, ...] | str | None:
    if value is None or (isinstance(value, str) and value in HOURLY_SHAPES):
        return value
    if not isinstance(value, list | tuple) or len(value) != 24:
        allowed = nearest_name(value if isinstance(value, str) else "", HOURLY_SHAPES)
        raise ValueError(f"found {value!r}; {allowed}, or a list of 24 numbers")
    if not all(isinstance(part, int | float) and not isinstance(part, bool) and 0 <= part < 1e9 for part in value):
        raise ValueError(f"found {value!r}; each of the 24 must be a number, at least 0")
    if not any(value):
        raise ValueError("at least one of the 24 numbers must be above 0")
    return tuple(float(part) for part in value)


class SimulationTable(Table):
    """``[simulation]``: clock, seed and the traffic simulator's settings.

    Attributes
    ----------
    seed : int
        The one seed of everything random.
    begin_s : int
        SUMO's clock when the run begins; all times in the tables are SUMO's. A ``.sumocfg`` that says when it begins
        gives the default.
    warmup_s, control_s : int
        Duration of the warm-up (nobody asks for a station) and of the control period, seconds. With a ``.sumocfg`` that
        has an end, the control period lasts until then by default.
    time_limit_s : int
        Counted from the beginning: the run ends here even if vehicles are still on their way; the summary then says so.
    record_interval_s : int
        Spacing of the recorded instants of stations, buses and lines.
    backend : {"libsumo", "traci"}
        SUMO in this process, or as a process of its own behind a socket. The tables are the same.
    stepping : {"auto", "second", "event"}
        One simulated second per call, or quiet seconds crossed in one call. ``auto`` is ``second`` for libsumo and
        ``event`` for TraCI. The tables are the same.
    routing : {"dijkstra", "astar"}
        SUMO's routing algorithm; both give shortest paths on current travel times.
    rerouting_interval_s : int
        How often SUMO updates its smoothed travel times.
    teleport_s : float
        A vehicle that stood still this long is moved on by SUMO and counted as a teleport.
    """

    seed: Annotated[int, Field(ge=0)] = 0
    begin_s: Annotated[int, Field(ge=0)] = 0
    warmup_s: Annotated[int, Field(ge=0)] = 1200
    control_s: Annotated[int, Field(gt=0)] = 3600
    time_limit_s: Annotated[int, Field(gt=0)] = 43_200
    record_interval_s: Annotated[int, Field(gt=0)] = 60
    backend: Literal["libsumo", "traci"] = "libsumo"
    stepping: Literal["auto", "second", "event"] = "auto"
    routing: Literal["dijkstra", "astar"] = "dijkstra"
    rerouting_interval_s: Annotated[int, Field(gt=0)] = 10
    teleport_s: Annotated[float, Field(gt=0, le=1e6)] = 300.0

    @model_validator(mode="after")
    def _limit_after_control(self) -> SimulationTable:
        if self.time_limit_s <= self.warmup_s + self.control_s:
            raise ValueError(
                f"time_limit_s = {self.time_limit_s} must exceed "
                f"warmup_s + control_s = {self.warmup_s + self.control_s}"
            )
        return self


class NetworkTable(SourceTable):
    """``[network]``: the road network.

    Attributes
    ----------
    name : str, optional
        A plug-in.
    file : str, optional
        A SUMO ``.net.xml`` or ``.net.xml.gz``, or a ``.sumocfg``: then its network, additional files, begin and end,
        and, unless ``[demand]`` says otherwise, its vehicles.
    additional_files : list of str, optional
        SUMO's additional files: vehicle types, bus stops, signal programs, ...; those of a ``.sumocfg`` if left out.
        What detectors in them would write is not written.
    stations_from : str, optional
        An additional file, every ``<chargingStation>`` of which becomes a station.
    """

    name: Annotated[str, plugin_name("network")] | None = None
    additional_files: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    stations_from: str | None = None


class DemandTable(Table):
    """``[demand]``: vehicles between random edges, departures at random in the warm-up and in the control period.

    Attributes
    ----------
    vehicles_per_h : float
        Departures per hour, on average over a day; the number in each period is fixed (rounded), the instants are
        random.
    hourly : str or list of float, optional
        How departures are shared among the hours of the day, of which second 0 is midnight: ``commuter``, or 24
        numbers whose proportions count. Without it they are uniform.
    trips : {"any-edges", "od-table", "routes"}
        ``any-edges``: from any edge to any other one. ``od-table``: between zones or edges, in the proportions of a
        table of origins and destinations (see :class:`cosim.traffic.od_table.OdTable`). ``routes``: the vehicles of
        SUMO route files; ``vehicles_per_h`` is then not used.
    od_file : str, optional
        The table of ``od-table``; without it the one that lies beside the network's file.
    taz_file : str, optional
        The zones of that table. Without it, and with ``od_file``, origins and destinations are edges.
    route_files : list of str, optional
        The files of ``routes``; those of a ``.sumocfg`` if left out.
    """

    vehicles_per_h: Annotated[float, Field(ge=0, le=1e6)] = 600.0
    hourly: Annotated[tuple[float, ...] | str | None, PlainValidator(_hourly), AS_IT_IS] = None
    trips: Literal["any-edges", "od-table", "routes"] = "any-edges"
    od_file: str | None = None
    taz_file: str | None = None
    route_files: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _files_are_used(self) -> DemandTable:
        for key, trips in (("od_file", "od-table"), ("taz_file", "od-table"), ("route_files", "routes")):
            if getattr(self, key) is not None and self.trips != trips:
                raise ValueError(f"{key} is given, but trips = '{self.trips}' does not use it; did you mean '{trips}'?")
        if self.trips == "routes" and self.hourly is not None:
            raise ValueError(
                "hourly is given, but trips = 'routes' does not use it: the files say when vehicles depart"
            )
        return self


class FleetTable(Table):
    """``[fleet]``: the electric vehicles that ask for a station.

    Attributes
    ----------
    ev_share : float
        Share of the control period's vehicles that are EVs asking for a station at departure.
    battery_kwh : float
        Battery capacity.
    consumption_kwh_per_km : float
        Driving consumption (paper, Eq. 8).
    efficiency : float
        Battery energy per grid energy while charging (paper, Eq. 9).
    initial_soc_min, initial_soc_max : float
        The state of charge at departure is uniform between the two.
    target_soc : float
        Charging ends here.
    max_power_kw : float
        What one vehicle can take.
    parking_share : float
        Share of the EVs that park: each of them stays at its charger until a departure that it declares on arrival,
        charged or not. The others leave once they are charged.
    parking_min_s, parking_max_s : float
        How long a parked vehicle stays, counted from its arrival at the station, is uniform between the two.
    early_share : float
        Share of the parked vehicles that leave earlier than declared, after half of the declared stay at least.
    early_notice_s : float
        How long before they leave they say so.
    open_stay_factor : float
        What a site's controller is told of a vehicle that does not park: that it expects to be charged after this many
        times the duration at the power allowed when it was plugged in.
    """

    ev_share: Fraction = 0.5
    battery_kwh: Positive = 24.0
    consumption_kwh_per_km: NotNegative = 0.15
    efficiency: Annotated[float, Field(gt=0, le=1)] = 0.9
    initial_soc_min: Fraction = 0.3
    initial_soc_max: Fraction = 0.6
    target_soc: Annotated[float, Field(gt=0, le=1)] = 0.8
    max_power_kw: Positive = 50.0
    parking_share: Fraction = 0.0
    parking_min_s: Positive = 3600.0
    parking_max_s: Positive = 14_400.0
    early_share: Fraction = 0.0
    early_notice_s: NotNegative = 900.0
    open_stay_factor: Annotated[float, Field(ge=1)] = 1.2

    @model_validator(mode="after")
    def _soc_order(self) -> FleetTable:
        if self.initial_soc_min > self.initial_soc_max:
            raise ValueError(
                f"initial_soc_min = {self.initial_soc_min} must not exceed initial_soc_max = {self.initial_soc_max}"
            )
        if self.target_soc < self.initial_soc_max:
            raise ValueError(
                f"target_soc = {self.target_soc} is below the initial charge, initial_soc_max = {self.initial_soc_max}"
            )
        if self.parking_min_s > self.parking_max_s:
            raise ValueError(
                f"parking_min_s = {self.parking_min_s} must not exceed parking_max_s = {self.parking_max_s}"
            )
        return self
