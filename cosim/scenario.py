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


#: Feeders of other packages, each with an example of what follows the colon.
GRID_SOURCES = {"pandapower": "create_cigre_network_mv", "simbench": "1-MV-rural--0-sw"}
#: What a station's ``bus`` may say instead of leaving it out.
LARGEST_LOADS = "largest-loads"


class Table(BaseModel):
    """A table of the scenario file: frozen, strictly typed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class SimulationTable(Table):
    """``[simulation]``: clock, seed and the traffic simulator's settings.

    Attributes
    ----------
    seed : int
        The one seed of everything random.
    warmup_s, control_s : int
        Duration of the warm-up (nobody asks for a station) and of the control period, seconds.
    time_limit_s : int
        The run ends here even if vehicles are still on their way; the summary then says so.
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
    """``[network]``: the road network, a plug-in's name or a SUMO ``.net.xml`` / ``.net.xml.gz`` file."""

    name: Annotated[str, _plugin_name("network")] | None = None


class DemandTable(Table):
    """``[demand]``: vehicles between random edges, departures uniform in the warm-up and in the control period.

    Attributes
    ----------
    vehicles_per_h : float
        Departures per hour; the number in each period is fixed (rounded), the instants are random.
    trips : {"any-edges", "od-table"}
        ``any-edges``: from any edge to any other one. ``od-table``: between zones, in the proportions of the table of
        origins and destinations that lies beside the network's file (see :class:`cosim.traffic.demand.OdTable`).
    """

    vehicles_per_h: Annotated[float, Field(ge=0, le=1e6)] = 600.0
    trips: Literal["any-edges", "od-table"] = "any-edges"


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

    Attributes
    ----------
    id : str
        Its name in every table.
    edge : str
        The network's edge it stands beside.
    position_m : float, optional
        Where along the edge; the middle if left out.
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
    edge: str
    position_m: NotNegative | None = None
    bus: Annotated[int | str | None, PlainValidator(_bus)] = None
    chargers: Annotated[int, Field(ge=1)] = 60
    max_power_kw: Positive = 50.0
    site_limit_kw: Positive | None = None


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
    def end_of_control_s(self) -> int:
        """When the control period ends; nobody departs later."""
        return self.simulation.warmup_s + self.simulation.control_s


def to_toml(scenario: Table) -> str:
    """Write a scenario with all defaults and overrides filled in."""
    return tomli_w.dumps(scenario.model_dump(mode="python", exclude_none=True))
