"""The days of a station scenario: those it is evaluated on, past ones for whoever studies, others to learn from.

They never overlap. Days drawn at random come from independent streams of their seeds; of a file of sessions the last
third is kept for the evaluation. Any installed package can bring days of its own (:class:`Arrivals`).
"""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cosim import registry
from cosim.errors import InputError
from cosim.price import Price
from cosim.randomness import stream
from cosim.scheduling.arrivals import VehicleType, draw_sessions, household_load_kw
from cosim.scheduling.recorded import recorded_sessions
from cosim.scheduling.sessions import Sessions, read_sessions
from cosim.scheduling.site import SECONDS_PER_HOUR, Site, Vehicles, check_fits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cosim.station_scenario import StationScenario

#: How many past days a controller may study.
PAST_DAYS = 60
#: Share of the days of a file that are kept for the evaluation, the last ones.
_HELD_OUT = 1 / 3


class Arrivals(Protocol):
    """Days that a package brings: what an entry point in the group ``cosim.arrivals`` makes of its options.

    It is called with the keys of ``[arrivals]`` that the core does not know and, where it takes them, with ``slot_s``
    and ``hours`` of ``[station]``. Base load, price and limits are the scenario's.

    Attributes
    ----------
    start_h, hours : float
        Time of day at which its days begin, and how long they last; the scenario has to say the same.
    chargers : int or None
        How many the station has, if the scenario does not say; None for as many as needed.
    """

    start_h: float
    hours: float
    chargers: int | None

    def draw(self, rng: np.random.Generator) -> Vehicles:
        """Draw the vehicles of a day.

        Parameters
        ----------
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        Vehicles
            In slots of ``slot_s``, all of one efficiency. A controller that lets them compute needs ``initial_kwh``.
        """
        ...


class DaySource(Protocol):
    """Where the days of a station scenario come from.

    Attributes
    ----------
    site : Site
        Slots, base load, price and limits of every day.
    chargers : int or None
        How many vehicles charge at once; None for as many as needed.
    """

    site: Site
    chargers: int | None

    def day(self, seed: int) -> Vehicles:
        """Return the day of an evaluation seed."""
        ...

    def distinct(self, seeds: Sequence[int]) -> int:
        """Return how many different days some evaluation seeds stand for."""
        ...

    def past(self, count: int) -> list[Vehicles]:
        """Return at most so many days that are never evaluated."""
        ...

    def draw(self, rng: np.random.Generator) -> tuple[Site, Vehicles]:
        """Return a day to learn from, which is never evaluated."""
        ...


def open_days(scenario: StationScenario) -> DaySource:
    """Return the days of a scenario.

    Parameters
    ----------
    scenario : StationScenario
        Says where they come from.

    Raises
    ------
    InputError
        If a file of sessions or a run folder cannot be used.
    """
    if scenario.arrivals.plugin is not None:
        return _plugged_in(scenario, scenario.arrivals.plugin)
    if scenario.arrivals.kind is not None:
        return _distributed(scenario)
    run = scenario.arrivals.run
    sessions = recorded_sessions(run, scenario.arrivals.site or "") if run is not None else _from_file(scenario)
    return _Recorded(scenario, sessions)


def _site(scenario: StationScenario, slots: int) -> Site:
    """Return the site with its base load."""
    station, price = scenario.station, scenario.price
    households = station.households or 0.0
    if station.vehicles_per_household is not None:
        households = scenario.arrivals.vehicles_per_day / station.vehicles_per_household
    base_kw = household_load_kw(households, slot_s=station.slot_s, slots=slots, start_h=station.start_h)
    if station.base_kw is not None:
        base_kw = np.resize(np.array(station.base_kw), slots)
    return Site(
        base_kw,
        float(station.slot_s),
        Price(price.k0_per_kwh, price.k1_per_kwh_kw),
        limit_kw=station.limit_kw or math.inf,
        charging_limit_kw=station.charging_limit_kw or math.inf,
    )


def _slots(scenario: StationScenario) -> int:
    return round((scenario.hours or 0.0) * SECONDS_PER_HOUR / scenario.station.slot_s)


def _distributed(scenario: StationScenario) -> DaySource:
    """Return days of one of the core's distributions."""
    arrivals, site = scenario.arrivals, _site(scenario, _slots(scenario))
    vehicle = VehicleType(scenario.vehicle.battery_kwh, scenario.vehicle.max_power_kw)

    def draw(rng: np.random.Generator) -> Vehicles:
        sessions = draw_sessions(
            arrivals.kind or "",
            rng,
            vehicles_per_day=arrivals.vehicles_per_day,
            days=round((scenario.hours or 0.0) / 24.0),
            vehicle=vehicle,
        )
        return sessions.vehicles(0.0, site.slot_s, site.slots)

    return _Drawn(site, draw, scenario.simulation.seed, scenario.station.chargers)


def _plugged_in(scenario: StationScenario, kind: str) -> DaySource:
    """Return days that a plug-in draws.

    Raises
    ------
    InputError
        If it refuses its options, or its days are others than those of the scenario.
    """
    station, where = scenario.station, "[arrivals]"
    parameters = inspect.signature(registry.load("arrivals", kind, where=where)).parameters
    given = {"slot_s": float(station.slot_s), "hours": scenario.hours}
    told_twice = [key for key in given if key in scenario.arrivals.options]
    if told_twice:
        raise InputError(f"{where} {told_twice[0]}: it belongs into [station].")
    options = {key: value for key, value in given.items() if key in parameters} | scenario.arrivals.options
    plugin: Arrivals = registry.instantiate("arrivals", kind, options, where=where)
    faults = [
        f"[station] {key} = {told:g}: days of the arrivals '{kind}' {must} {own:g}."
        for key, told, must, own in (
            ("start_h", station.start_h, "begin at", plugin.start_h),
            ("hours", scenario.hours or 0.0, "last", plugin.hours),
        )
        if told != own
    ]
    if faults:
        raise InputError(faults)
    site = _site(scenario, _slots(scenario))

    def draw(rng: np.random.Generator) -> Vehicles:
        try:
            vehicles = plugin.draw(rng)
            check_fits(site, vehicles)
        except ValueError as error:
            raise InputError(f"{where}: the arrivals '{kind}' cannot be played: {error}.") from error
        return vehicles

    return _Drawn(site, draw, scenario.simulation.seed, station.chargers or plugin.chargers)


class _Drawn:
    """Days drawn at random."""

    def __init__(
        self, site: Site, vehicles: Callable[[np.random.Generator], Vehicles], seed: int, chargers: int | None
    ) -> None:
        self.site, self.chargers = site, chargers
        self._vehicles, self._seed = vehicles, seed

    def day(self, seed: int) -> Vehicles:
        return self._vehicles(stream(seed, "station day"))

    def distinct(self, seeds: Sequence[int]) -> int:
        return len(set(seeds))

    def past(self, count: int) -> list[Vehicles]:
        rng = stream(self._seed, "past station days")
        return [self._vehicles(rng) for _ in range(count)]

    def draw(self, rng: np.random.Generator) -> tuple[Site, Vehicles]:
        return self.site, self._vehicles(rng)


class _Recorded:
    """Days that were recorded."""

    def __init__(self, scenario: StationScenario, sessions: Sessions) -> None:
        station = scenario.station
        self._label = scenario.arrivals.sessions or scenario.arrivals.run
        if scenario.hours is None:
            slots = max(1, math.ceil(float(sessions.departure_s.max(initial=0.0)) / station.slot_s))
            self._held_out, self._past = [sessions.vehicles(0.0, station.slot_s, slots)], list[Vehicles]()
        else:
            slots = round(scenario.hours * SECONDS_PER_HOUR / station.slot_s)
            if scenario.arrivals.run is not None:
                days = [sessions.vehicles(0.0, station.slot_s, slots)]
            else:
                days = list(sessions.days(station.slot_s, start_h=station.start_h, hours=scenario.hours).values())
            kept = len(days) - max(1, round(_HELD_OUT * len(days)))
            # A day that is followed for longer than 24 hours holds the sessions of the next ones too.
            self._held_out, self._past = days[kept:], days[: max(0, kept - math.ceil(scenario.hours / 24.0) + 1)]
        if not sum(map(len, self._held_out)):
            raise InputError(f"{self._label}: there is no session to play.")
        self.site, self.chargers = _site(scenario, slots), station.chargers

    def day(self, seed: int) -> Vehicles:
        return self._held_out[seed % len(self._held_out)]

    def distinct(self, seeds: Sequence[int]) -> int:
        return len({seed % len(self._held_out) for seed in seeds})

    def past(self, count: int) -> list[Vehicles]:
        return self._past[-count:]

    def draw(self, rng: np.random.Generator) -> tuple[Site, Vehicles]:
        if not self._past:
            raise InputError(f"{self._label}: there is no day to learn from beside those kept for the evaluation.")
        return self.site, self._past[int(rng.integers(len(self._past)))]


def _from_file(scenario: StationScenario) -> Sessions:
    return read_sessions(
        scenario.arrivals.sessions or "",
        timezone=scenario.arrivals.timezone,
        max_power_kw=scenario.vehicle.max_power_kw,
    )
