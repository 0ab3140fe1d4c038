"""A station scenario as typed tables: one charging station by itself, on which controllers are compared and trained.

A file with one table ``[station]`` and no ``[network]`` is one; ``cosim.scenario_file`` reads both kinds.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from cosim import registry
from cosim.errors import nearest_name
from cosim.tables.base import Identifier, Positive, Table
from cosim.tables.grid import PriceTable

HOURS_PER_DAY = 24.0
#: Distributions of arrivals that need no plug-in (``cosim.scheduling.arrivals``); their days begin at noon.
DISTRIBUTIONS = ("home", "public", "work")


class StationSimulationTable(Table):
    """``[simulation]``: what is random beside the days that are played.

    Attributes
    ----------
    seed : int
        Of the past days that controllers may study.
    """

    seed: Annotated[int, Field(ge=0)] = 0


class ArrivalsTable(Table):
    """``[arrivals]``: who comes when; drawn at random (``kind``) or recorded (``sessions`` or ``run``).

    Where ``kind`` is a plug-in, every key that is not one of these is an option of it.

    Attributes
    ----------
    kind : str, optional
        Which distributions: ``home``, ``public`` or ``work`` (``cosim.scheduling.arrivals``; days begin at noon), or a
        plug-in.
    vehicles_per_day : float
        Mean number of vehicles, for ``home``, ``public`` and ``work``.
    sessions : str, optional
        CSV file with the columns of ACN-Data, relative to the scenario file.
    timezone : str
        Whose days are meant, for ``sessions`` without that column.
    run : str, optional
        Folder of a coupled run, relative to the scenario file; its sessions are one day.
    site : str, optional
        At which station, for ``run``.
    """

    model_config = ConfigDict(extra="allow")

    kind: str | None = None
    vehicles_per_day: Annotated[float, Field(gt=0, le=1e5)] = 100.0
    sessions: str | None = None
    timezone: str = "UTC"
    run: str | None = None
    site: str | None = None

    @property
    def plugin(self) -> str | None:
        """Name of the plug-in that draws the days, if it is one."""
        return None if self.kind in DISTRIBUTIONS else self.kind

    @property
    def options(self) -> dict[str, Any]:
        """What the plug-in is told."""
        return dict(self.model_extra or {})

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str | None) -> str | None:
        known = (*DISTRIBUTIONS, *registry.names("arrivals"))
        if kind is not None and kind not in known:
            raise ValueError(f"found '{kind}'; {nearest_name(kind, known)}")
        return kind

    @model_validator(mode="after")
    def _one_source(self) -> ArrivalsTable:
        if self.plugin is None and self.options:
            unknown = next(iter(self.options))
            raise ValueError(f"unknown key '{unknown}'; {nearest_name(unknown, type(self).model_fields)}")
        if sum(source is not None for source in (self.kind, self.sessions, self.run)) != 1:
            raise ValueError(
                "give kind (drawn at random), sessions (a CSV file) or run (a run folder with site), one of the three"
            )
        if (self.run is None) != (self.site is None):
            raise ValueError("run and site belong together: a run folder and a station of it, such as 'CS1'")
        for key, owner in (("vehicles_per_day", "kind"), ("timezone", "sessions")):
            # A resolved scenario spells the defaults out, whoever needs them.
            if getattr(self, key) != type(self).model_fields[key].default and getattr(self, owner) is None:
                raise ValueError(f"{key} goes with {owner} only")
        if self.plugin is not None and self.vehicles_per_day != type(self).model_fields["vehicles_per_day"].default:
            raise ValueError(f"vehicles_per_day goes with {', '.join(DISTRIBUTIONS)}, not with kind = '{self.kind}'")
        return self


class VehicleTable(Table):
    """``[vehicle]``: the vehicles that are drawn; recorded ones have their own powers where the record tells them.

    Arrivals of a plug-in bring their own vehicles.

    Attributes
    ----------
    battery_kwh : float
        Size of the battery.
    max_power_kw : float
        What charger and vehicle can take.
    """

    battery_kwh: Positive = 24.0
    max_power_kw: Positive = 3.3


class SingleStationTable(Table):
    """``[station]``: the one station, its clock, and the load beside it.

    Attributes
    ----------
    slot_s : int
        Vehicles come and go at the borders of slots of this length, s; controllers with a period decide as often.
    start_h : float
        Time of day at which a day that is played begins; noon for days drawn at random, for those of a plug-in what it
        says.
    hours : float, optional
        How long it lasts; 48 for days drawn at random, 24 for those of a plug-in or a file, as long as needed for a
        run.
    chargers : int, optional
        How many vehicles charge at once; as many as needed if left out, or as a plug-in of arrivals says.
    limit_kw : float, optional
        Greatest load with the base load (Eq. 3).
    charging_limit_kw : float, optional
        Greatest load of all vehicles together.
    vehicles_per_household : float, optional
        How many vehicles come in a day for each household of base load, for days drawn at random.
    households : float, optional
        How many households of base load.
    base_kw : list of float, optional
        Base load of each slot from the start, repeated when it is used up.
    """

    slot_s: Annotated[int, Field(gt=0, le=86_400)] = 1800
    start_h: Annotated[float, Field(ge=0, lt=HOURS_PER_DAY)] = 12.0
    hours: Annotated[float, Field(gt=0, le=24 * 366)] | None = None
    chargers: Annotated[int, Field(ge=1)] | None = None
    limit_kw: Positive | None = None
    charging_limit_kw: Positive | None = None
    vehicles_per_household: Positive | None = None
    households: Positive | None = None
    base_kw: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_base(self) -> SingleStationTable:
        given = [key for key in ("vehicles_per_household", "households", "base_kw") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given; one of them tells the base load")
        return self


class OptionsTable(BaseModel):
    """``[controller.LABEL]``: options of a controller that is compared; every key but ``name`` is one of them.

    Attributes
    ----------
    name : str, optional
        The plug-in; the label if left out, so that one plug-in can take part several times.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class StationScenario(Table):
    """A whole station scenario."""

    name: Identifier
    description: str = ""
    simulation: StationSimulationTable = StationSimulationTable()
    arrivals: ArrivalsTable
    vehicle: VehicleTable = VehicleTable()
    station: SingleStationTable
    price: PriceTable = PriceTable()
    controller: dict[str, OptionsTable] = Field(default_factory=dict)

    @field_validator("station")
    @classmethod
    def _fits_arrivals(cls, station: SingleStationTable, info: ValidationInfo) -> SingleStationTable:
        arrivals: ArrivalsTable | None = info.data.get("arrivals")
        if arrivals is None:
            return station
        if arrivals.kind is None or arrivals.plugin is not None:
            if station.vehicles_per_household is not None:
                origin = "recorded sessions" if arrivals.kind is None else f"arrivals.kind = '{arrivals.kind}'"
                raise ValueError(f"vehicles_per_household needs vehicles_per_day; for {origin} give households")
        elif station.start_h != SingleStationTable.model_fields["start_h"].default:
            raise ValueError(f"start_h = {station.start_h:g}: days drawn at random (arrivals.kind) begin at 12")
        elif (station.hours or HOURS_PER_DAY) % HOURS_PER_DAY:
            raise ValueError(f"hours = {station.hours:g}: days drawn at random (arrivals.kind) are whole, 24 or 48")
        hours = station.hours or (HOURS_PER_DAY if arrivals.run is None else None)
        if hours is not None and (hours * 3600.0) % station.slot_s:
            raise ValueError(f"a day of {hours:g} h is not a whole number of slots of slot_s = {station.slot_s} s")
        return station

    @field_validator("controller")
    @classmethod
    def _known_controllers(cls, controllers: dict[str, OptionsTable]) -> dict[str, OptionsTable]:
        known = registry.names("controller")
        for label, table in controllers.items():
            if (table.name or label) not in known:
                raise ValueError(
                    f"unknown controller '{table.name or label}'; {nearest_name(table.name or label, known)}"
                )
        return controllers

    @property
    def hours(self) -> float | None:
        """How long a day that is played lasts; None for as long as the recorded run needs."""
        if self.station.hours is not None or self.arrivals.run is not None:
            return self.station.hours
        return 2 * HOURS_PER_DAY if self.arrivals.kind in DISTRIBUTIONS else HOURS_PER_DAY

    def plugin_of(self, label: str) -> tuple[str, dict[str, Any]]:
        """Return plug-in and options of a controller by what it is called in a comparison."""
        table = self.controller.get(label)
        return (label, {}) if table is None else (table.name or label, table.options)
