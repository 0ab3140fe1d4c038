"""The scenario file as typed tables: what is simulated, every quantity with its unit in its name.

:func:`load_scenario` reads a shipped name or a TOML file, applies overrides and reports every fault at once, each with
its file, table and key. :func:`to_toml` writes a resolved scenario back; running that file gives the same tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tomli_w
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cosim import registry
from cosim.errors import nearest_name

if TYPE_CHECKING:
    from collections.abc import Sequence

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s/\\]+$")]


def _plugin_name(kind: registry.Kind) -> AfterValidator:
    def check(name: str) -> str:
        if name not in registry.names(kind):
            raise ValueError(f"unknown {kind} '{name}'; {nearest_name(name, registry.names(kind))}")
        return name

    return AfterValidator(check)


def _grid_name(name: str) -> str:
    # Which networks pandapower and SimBench have is asked when one is loaded: importing them takes seconds.
    source, colon, rest = name.partition(":")
    if not colon:
        if name not in registry.names("grid"):
            raise ValueError(f"unknown grid '{name}'; {nearest_name(name, registry.names('grid'))}")
    elif source not in GRID_SOURCES or not rest:
        forms = [f"{known}:{example}" for known, example in GRID_SOURCES.items()]
        raise ValueError(f"unknown grid '{name}'; {nearest_name(name, [*forms, *registry.names('grid')])}")
    return name


def _bus(value: object) -> int | str | None:
    # A union of types would report one fault for each of them.
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return value
    raise ValueError(f"found {value!r}; a bus is given by its number or its name")


def _same(value: Any) -> Any:
    return value


#: For what has a validator of ours: pydantic would look for its own tuple in the JSON list that it makes of ours.
_AS_IT_IS = PlainSerializer(_same, return_type=Any)


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


def _buses(value: object) -> tuple[int | str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not value or None in value:
        raise ValueError(f"found {value!r}; a list of at least one bus is needed, each given by its number or its name")
    return tuple(bus for bus in map(_bus, value) if bus is not None)


#: Feeders of other packages, each with an example of what follows the colon.
GRID_SOURCES = {"pandapower": "create_cigre_network_mv", "simbench": "1-MV-rural--0-sw"}
#: What a station's ``bus`` may say instead of leaving it out.
LARGEST_LOADS = "largest-loads"
#: Departures in each hour of the day: into town in the morning, out of it in the afternoon, few at night. Our own.
HOURLY_SHAPES = {
    "commuter": (0.20, 0.12, 0.08, 0.08, 0.15, 0.50, 1.25, 2.00, 1.85, 1.25, 1.00, 1.05,
                 1.15, 1.15, 1.20, 1.50, 1.95, 2.10, 1.70, 1.25, 0.90, 0.70, 0.50, 0.37),
}  # fmt: skip
#: Shipped shapes of ``[[profile]]`` for each of its kinds.
PROFILE_SHAPES = {"load": ("residential", "commercial", "constant"), "pv": ("clear-sky",)}
#: The shape that stands for all the profiles that came with a SimBench net.
SIMBENCH_PROFILES = "simbench"


class Table(BaseModel):
    """A table of the scenario file: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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


class SourceTable(Table):
    """A table that names a plug-in (``name``) or a file of the user's (``file``), not both."""

    name: str | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SourceTable:
        if (self.name is None) == (self.file is None):
            raise ValueError("give either name (an installed plug-in) or file (a path), one of the two")
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

    name: Annotated[str, _plugin_name("network")] | None = None
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
    hourly: Annotated[tuple[float, ...] | str | None, PlainValidator(_hourly), _AS_IT_IS] = None
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


class GridTable(SourceTable):
    """``[grid]``: the feeder, by name or in a file.

    Attributes
    ----------
    name : str, optional
        A plug-in, ``"pandapower:"`` and a function of ``pandapower.networks``, or ``"simbench:"`` and a SimBench code.
    file : str, optional
        pandapower JSON or Excel, a MATPOWER case (``.m``), or a folder with ``buses.csv`` and ``lines.csv``.
    base_load_scale : float
        Factor on every load of the feeder itself.
    band_low_pu, band_high_pu : float
        Voltages outside this band are reported as violations.
    on_collapse : {"impedance", "raise"}
        Below ``collapse_voltage_pu`` a load becomes a constant impedance, which is flagged and counted, or the run
        stops.
    collapse_voltage_pu : float
        See ``on_collapse``.
    """

    name: Annotated[str, AfterValidator(_grid_name)] | None = None
    base_load_scale: NotNegative = 1.0
    band_low_pu: Positive = 0.95
    band_high_pu: Positive = 1.05
    on_collapse: Literal["impedance", "raise"] = "impedance"
    collapse_voltage_pu: Annotated[float, Field(gt=0, lt=1)] = 0.7

    @model_validator(mode="after")
    def _band_order(self) -> GridTable:
        if self.band_low_pu >= self.band_high_pu:
            raise ValueError(f"band_low_pu = {self.band_low_pu} must be below band_high_pu = {self.band_high_pu}")
        return self


class ProfileTable(Table):
    """``[[profile]]``: how load or generation at some buses goes through the day; second 0 of a run is midnight.

    Attributes
    ----------
    kind : {"load", "pv"}
        Loads of the feeder, or static generators.
    shape : str, optional
        ``residential``, ``commercial`` or ``constant`` loads; ``clear-sky`` generation; ``simbench`` for every
        profile that came with the feeder's net, of loads, generators and storages.
    file : str, optional
        Instead of a shape: a CSV table, see :func:`cosim.grid.profile_series.read_series`.
    column : str, optional
        Which column of the file; without it the columns are named after buses, or there is one only.
    buses : list of int or str, optional
        By number or name. Without it: all that no other profile of this kind names.
    peak_kw : float, optional
        Of ``pv``: a new generator with this power at each bus; without it the feeder's own are meant.
    unit : {"share", "peak", "kw"}
        What the file's numbers are: shares of the power that the feeder states; the same once divided by the largest
        of the column; or kilowatts of each bus.
    first_day : int
        The day of the file, or of SimBench's year, with which the run begins, from 1.
    """

    kind: Literal["load", "pv"] = "load"
    shape: str | None = None
    file: str | None = None
    column: str | None = None
    buses: Annotated[tuple[int | str, ...] | None, PlainValidator(_buses), _AS_IT_IS] = None
    peak_kw: Positive | None = None
    unit: Literal["share", "peak", "kw"] = "share"
    first_day: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _consistent(self) -> ProfileTable:
        shapes = PROFILE_SHAPES[self.kind]
        # Not what is written in the file: in a resolved scenario everything is.
        given = {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}
        if (self.shape is None) == (self.file is None):
            raise ValueError("give either shape (a shipped one) or file (a CSV table), one of the two")
        if self.shape == SIMBENCH_PROFILES:
            if superfluous := sorted(given - {"shape", "first_day"}):
                raise ValueError(f"shape = 'simbench' is for the whole feeder: {superfluous[0]} must be left out")
        elif self.shape is not None and self.shape not in shapes:
            allowed = nearest_name(self.shape, (*shapes, SIMBENCH_PROFILES))
            raise ValueError(f"kind '{self.kind}' has no shape '{self.shape}'; {allowed}")
        elif self.shape is not None and (misplaced := sorted(given & {"column", "unit", "first_day"})):
            raise ValueError(f"{misplaced[0]} belongs to a file; the shape '{self.shape}' has none")
        if self.peak_kw is not None and (self.kind == "load" or self.unit == "kw"):
            raise ValueError("peak_kw is for kind = 'pv' whose numbers are not kilowatts")
        if self.buses is None and self.adds_generators:
            raise ValueError("new generators need buses")
        return self

    @property
    def adds_generators(self) -> bool:
        """Whether it brings generators of its own instead of varying the feeder's."""
        return self.kind == "pv" and (self.peak_kw is not None or self.unit == "kw")


class DroopTable(Table):
    """``[droop]``: the voltage droop controller of every station (paper, Eq. 13-14).

    Attributes
    ----------
    enabled : bool
        Without it the cap is always ``max_power_kw``.
    v_ref_low_pu, v_ref_high_pu : float
        At or below the first the cap is ``min_power_kw``, at or above the second ``max_power_kw``, linear between.
    min_power_kw, max_power_kw : float
        The cap's range, per charger.
    control_interval_s : int
        How long a cap is held.
    voltage : {"mean", "local", "minimum"}
        Which voltage the controller reads: mean of all buses, the station's own bus, or the lowest bus.
    """

    enabled: bool = True
    v_ref_low_pu: Positive = 0.90
    v_ref_high_pu: Positive = 0.95
    min_power_kw: NotNegative = 15.0
    max_power_kw: Positive = 50.0
    control_interval_s: Annotated[int, Field(gt=0)] = 600
    voltage: Literal["mean", "local", "minimum"] = "mean"

    @model_validator(mode="after")
    def _orders(self) -> DroopTable:
        if self.v_ref_low_pu >= self.v_ref_high_pu:
            raise ValueError(f"v_ref_low_pu = {self.v_ref_low_pu} must be below v_ref_high_pu = {self.v_ref_high_pu}")
        if self.min_power_kw > self.max_power_kw:
            raise ValueError(f"min_power_kw = {self.min_power_kw} must not exceed max_power_kw = {self.max_power_kw}")
        return self


class StationTable(Table):
    """``[[station]]``: one charging station, on an edge of the network and a bus of the feeder.

    Its place is given in exactly one way: ``edge``, ``lane``, ``x_m`` and ``y_m``, ``lon`` and ``lat``, or
    ``charging_station``.

    Attributes
    ----------
    id : str
        Its name in every table.
    edge : str, optional
        The network's edge it stands beside: on the rightmost lane that cars may use.
    lane : str, optional
        The lane, such as ``main-street_1``.
    position_m : float, optional
        Where along the edge or lane; the middle if left out.
    x_m, y_m : float, optional
        A point in the network's coordinates; the station stands on the nearest edge that is long enough.
    lon, lat : float, optional
        The same in degrees (WGS 84), for a network with a geographic reference.
    charging_station : str, optional
        A ``<chargingStation>`` of ``[network] stations_from`` or of the additional files, whose place it takes over;
        also its power, the places for vehicles along its length, and its ``totalPower``, unless they are given here.
    bus : int or str, optional
        The feeder's bus, by number or name. Stations without one, or with ``"largest-loads"``, get the buses with the
        largest base loads, the first station the largest.
    chargers : int
        How many vehicles charge at once; everybody else queues, first in, first out.
    max_power_kw : float
        Rating of one charger.
    site_limit_kw : float, optional
        Limit of the whole site: known to its controller, and a fuse that scales all powers down if it does not care.
    """

    id: Identifier
    edge: str | None = None
    lane: str | None = None
    position_m: NotNegative | None = None
    x_m: float | None = None
    y_m: float | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    charging_station: str | None = None
    bus: Annotated[int | str | None, PlainValidator(_bus)] = None
    chargers: Annotated[int, Field(ge=1)] = 60
    max_power_kw: Positive = 50.0
    site_limit_kw: Positive | None = None

    @model_validator(mode="after")
    def _one_place(self) -> StationTable:
        ways = ("edge", "lane", "x_m", "lon", "charging_station")
        for one, other in (("x_m", "y_m"), ("lon", "lat")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"give both {one} and {other}, or neither")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(
                f"give its place in exactly one way: edge, lane, x_m and y_m, lon and lat, or charging_station; "
                f"found {found}"
            )
        if self.position_m is not None and given[0] not in {"edge", "lane"}:
            raise ValueError(f"position_m goes with edge or lane, not with {given[0]}")
        return self


class PriceTable(Table):
    """``[price]``: what energy costs at a station, which rises with the load of its bus (SCA and CALC paper, Eq. 4-5).

    Attributes
    ----------
    k0_per_kwh : float
        Price without load, in any currency.
    k1_per_kwh_kw : float
        By how much it rises with each kW of base and charging load.
    """

    k0_per_kwh: NotNegative = 1e-4
    k1_per_kwh_kw: Positive = 1.2e-4


class RewardTable(Table):
    """``[reward]``: what ``decisions.parquet`` records as reward and cost of a decision.

    Attributes
    ----------
    kind : {"paper", "ttt"}
        ``paper``: ``scale * (maximum - mean number of vehicles)``, and for the last decision
        ``scale * (maximum - last_weight_per_s * vehicle seconds)`` (paper, Eq. 25-26). ``ttt``: minus the vehicle
        seconds of the step, the first step's counted from the start of the run, so that the sum is minus the total
        travel time.
    scale, maximum, last_weight_per_s : float
        w1, R_max and w2 of Eq. 25-26; the paper does not publish them.
    cost : {"paper", "excess", "band"}
        Mean over the buses of ``|1 - v|`` (Eq. 27); the same minus its value without any charging; or of how far the
        voltage lies outside the feeder's band.
    """

    kind: Literal["paper", "ttt"] = "paper"
    scale: Positive = 0.01
    maximum: float = 200.0
    last_weight_per_s: NotNegative = 1 / 600
    cost: Literal["paper", "excess", "band"] = "paper"


class PluginTable(BaseModel):
    """A plug-in's name; every other key is one of its options."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class RecommenderTable(PluginTable):
    """``[recommender]``: who answers the charging requests."""

    name: Annotated[str, _plugin_name("recommender")] = "uniform"


class ControllerTable(PluginTable):
    """``[controller.STATION]``: who sets the power of each vehicle at that station."""

    name: Annotated[str, _plugin_name("controller")] = "uncontrolled"


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts CS2 before CS10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


class Scenario(Table):
    """A whole scenario. Stations are sorted by id, so that their order in the file does not matter."""

    name: Identifier
    description: str = ""
    simulation: SimulationTable = SimulationTable()
    network: NetworkTable
    demand: DemandTable = DemandTable()
    fleet: FleetTable = FleetTable()
    grid: GridTable
    profile: Annotated[tuple[ProfileTable, ...], Field(strict=False)] = ()
    droop: DroopTable = DroopTable()
    price: PriceTable = PriceTable()
    station: Annotated[tuple[StationTable, ...], Field(strict=False, min_length=1)]
    recommender: RecommenderTable = RecommenderTable()
    controller: dict[str, ControllerTable] = {}
    reward: RewardTable = RewardTable()

    @field_validator("station")
    @classmethod
    def _unique_ids(cls, stations: tuple[StationTable, ...]) -> tuple[StationTable, ...]:
        ids = [station.id for station in stations]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise ValueError(f"two stations have the id '{repeated[0]}'; every station needs an id of its own")
        return tuple(sorted(stations, key=lambda station: _natural(station.id)))

    @field_validator("controller")
    @classmethod
    def _known_sites(cls, controllers: dict[str, ControllerTable], info: ValidationInfo) -> dict[str, ControllerTable]:
        stations: Sequence[StationTable] | None = info.data.get("station")
        if stations is not None:
            ids = [station.id for station in stations]
            for site in controllers:
                if site not in ids:
                    raise ValueError(f"unknown station '{site}'; {nearest_name(site, ids)}")
        return controllers

    @property
    def begin_of_control_s(self) -> int:
        """When the warm-up is over, on SUMO's clock."""
        return self.simulation.begin_s + self.simulation.warmup_s

    @property
    def end_of_control_s(self) -> int:
        """When the control period ends, on SUMO's clock; nobody departs later."""
        return self.begin_of_control_s + self.simulation.control_s


def to_toml(scenario: Table) -> str:
    """Write a scenario with all defaults and overrides filled in."""
    tables = scenario.model_dump(mode="python", exclude_none=True)
    # What may be left out altogether: a run without profiles says nothing of them.
    return tomli_w.dumps({name: table for name, table in tables.items() if table != ()})
