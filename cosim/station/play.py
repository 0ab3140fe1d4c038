"""One day of a station with one controller, played by the stations of the coupled run; no droop, no road, no grid."""

from __future__ import annotations

import dataclasses
import inspect
import math
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim import registry
from cosim.charging.site import Surroundings
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import ComputingController, SiteView, StationInfo
from cosim.errors import InputError
from cosim.price import StepLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from cosim.control import SiteController
    from cosim.scheduling.site import Site, Vehicles
    from cosim.station_scenario import StationScenario

#: Less than this is missing through rounding only.
_NOTHING_KWH = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PlayedDay:
    """What came of a day.

    Attributes
    ----------
    cost : float
        The bill that the vehicles cause (Eq. 5).
    peak_kw, load_factor : float
        Greatest total load; mean total load over the greatest.
    charging_kw : ndarray of float, shape (slots,)
        Mean load of all vehicles in each slot.
    delivered_kwh, short_kwh : ndarray of float, shape (vehicles,)
        What each drew, and what it missed; grid side.
    computing_kwh : ndarray of float, shape (vehicles,)
        What computing took from each battery.
    decision_s : ndarray of float, shape (decisions,)
        Processor time of each question to the controller.
    notes : Counter of str
        What the controller had to say.
    tables : dict of str to DataFrame
        What the controller kept.
    """

    cost: float
    peak_kw: float
    load_factor: float
    charging_kw: NDArray[np.float64]
    delivered_kwh: NDArray[np.float64]
    short_kwh: NDArray[np.float64]
    computing_kwh: NDArray[np.float64]
    decision_s: NDArray[np.float64]
    notes: Counter[str]
    tables: dict[str, pd.DataFrame]


def make_controller(scenario: StationScenario, label: str, past: Sequence[Vehicles] = ()) -> SiteController:
    """Make a controller for a scenario.

    It decides once a slot and knows when the day begins, unless the scenario says otherwise. One that takes a
    ``policy`` is offered the scenario's name first, under which one may be shipped; one that has a method
    ``study(days, slot_s)`` is shown the past days.

    Parameters
    ----------
    scenario : StationScenario
        With the options of ``[controller.LABEL]``.
    label : str
        What the controller is called: a plug-in's name or a label of the scenario.
    past : sequence of Vehicles
        Past days.

    Raises
    ------
    InputError
        If there is no such controller, or it refuses its options.
    """
    name, options = scenario.plugin_of(label)
    where = f"[controller.{label}]" if label in scenario.controller else "--controllers"
    parameters = inspect.signature(registry.load("controller", name, where=where)).parameters
    defaults: dict[str, Any] = {"period_s": float(scenario.station.slot_s), "start_h": scenario.station.start_h}
    options = {key: value for key, value in defaults.items() if key in parameters} | options
    controller = _made(name, options, scenario.name if "policy" in parameters else None, where)
    study = getattr(controller, "study", None)
    if study is not None and past:
        try:
            study(past, float(scenario.station.slot_s))
        except ValueError as error:
            raise InputError(f"{where}: '{name}' cannot study the past days: {error}.") from error
    return controller


def _made(name: str, options: dict[str, Any], policy: str | None, where: str) -> SiteController:
    if policy is not None and "policy" not in options:
        try:
            offered: SiteController = registry.instantiate(
                "controller", name, {"policy": policy, **options}, where=where
            )
        except InputError:
            pass  # It knows no policy of that name; what else is wrong shows below.
        else:
            return offered
    made: SiteController = registry.instantiate("controller", name, options, where=where)
    return made


def play(
    site: Site,
    vehicles: Vehicles,
    controller: SiteController,
    *,
    chargers: int | None = None,
    rng: np.random.Generator | None = None,
) -> PlayedDay:
    """Play a day.

    Vehicles plug in at the beginning of their first slot, as far as there are chargers, declare when they leave, and
    leave then.

    Parameters
    ----------
    site : Site
        Where.
    vehicles : Vehicles
        Who comes.
    controller : SiteController
        Who decides: when a vehicle plugs in or leaves, and at every multiple of its period.
    chargers : int, optional
        How many there are; as many as needed if left out.
    rng : numpy.random.Generator, optional
        The only one that the controller may draw from, if it draws; always the same if left out.

    Raises
    ------
    ValueError
        If the vehicles differ in their efficiency.
    """
    info = StationInfo(
        id="station",
        edge=0,
        lane="",
        strip_start_m=0.0,
        strip_end_m=0.0,
        bus=0,
        chargers=_needed(site, vehicles) if chargers is None else chargers,
        max_power_kw=float(vehicles.max_power_kw.max(initial=1.0)),
        site_limit_kw=site.charging_limit_kw,
    )
    efficiency = _common_efficiency(vehicles)
    reset = getattr(controller, "reset", None)
    if reset is not None:
        reset(info, np.random.default_rng(0) if rng is None else rng)
    base = StepLoad(site.base_kw, site.slot_s)
    watched = (
        _WatchedComputing(controller, site, base)
        if isinstance(controller, ComputingController)
        else _Watched(controller, site, base)
    )
    stations = ChargingStations(
        [info],
        {0: watched},
        efficiency=efficiency,
        vehicle_max_power_kw=math.inf,
        cap_kw=math.inf,
        surroundings=[Surroundings(base, site.price)],
    )
    account, peak_kw, drawn_kwh = stations.sites[0], float(site.base_kw.max()), [0.0]
    arrivals = _arrivals(site, vehicles)
    for slot in range(site.slots):
        end_s = (slot + 1) * site.slot_s
        # What ends at the border of two slots was the last instant of the former.
        for time_s in (slot * site.slot_s, *_multiples(watched.period_s, slot * site.slot_s, end_s)):
            while (event_s := stations.next_end_s()) < time_s:
                stations.settle(event_s)
                peak_kw = max(peak_kw, stations.load_kw[0] + base.at(event_s))
            stations.settle(time_s, arrivals.pop(slot, ()))
            stations.run_controllers(time_s)
            peak_kw = max(peak_kw, stations.load_kw[0] + base.at(time_s))
        while (event_s := stations.next_end_s()) < end_s:
            stations.settle(event_s)
            peak_kw = max(peak_kw, stations.load_kw[0] + base.at(event_s))
        account.account(end_s)
        drawn_kwh.append(account.energy_kwh)
    stations.settle(site.slots * site.slot_s)
    stations.finish(site.slots * site.slot_s)
    tables = getattr(controller, "tables", None)
    sessions = {session.vehicle: session for _, session in stations.visits}
    charging_kw = np.diff(drawn_kwh) / site.slot_h
    mean_kw = float((site.base_kw + charging_kw).mean())
    return PlayedDay(
        cost=account.cost,
        peak_kw=peak_kw,
        load_factor=mean_kw / peak_kw if peak_kw > 0.0 else 1.0,
        charging_kw=charging_kw,
        delivered_kwh=np.array([sessions[i].drawn_kwh for i in range(len(vehicles))]),
        short_kwh=np.array([sessions[i].short_kwh for i in range(len(vehicles))]),
        computing_kwh=np.array([sessions[i].used_kwh for i in range(len(vehicles))]),
        decision_s=np.array(watched.decision_s),
        notes=Counter(getattr(controller, "notes", {})),
        tables=dict(tables()) if tables is not None else {},
    )


def _common_efficiency(vehicles: Vehicles) -> float:
    """Return the efficiency of all vehicles: the station has one for whoever plugs in."""
    found = np.unique(vehicles.efficiency)
    if len(found) > 1:
        raise ValueError(f"the vehicles of a station must have one efficiency, found {found[0]:g} to {found[-1]:g}")
    return float(found[0]) if len(found) else 1.0


def _needed(site: Site, vehicles: Vehicles) -> int:
    """Return how many vehicles are there at once at most; one that has no slot takes a charger for an instant."""
    change = np.zeros(site.slots + 2, dtype=np.int64)
    np.add.at(change, vehicles.arrival_slot, 1)
    np.add.at(change, np.maximum(vehicles.departure_slot, vehicles.arrival_slot + 1), -1)
    return max(1, int(np.cumsum(change).max()))


def _arrivals(site: Site, vehicles: Vehicles) -> dict[int, list[Arrival]]:
    by_slot: dict[int, list[Arrival]] = {}
    for i in range(len(vehicles)):
        slot = int(vehicles.arrival_slot[i])
        arrival = Arrival(
            time_s=slot * site.slot_s,
            vehicle=i,
            station=0,
            need_kwh=float(vehicles.efficiency[i] * vehicles.energy_kwh[i]),
            departure_s=int(vehicles.departure_slot[i]) * site.slot_s,
            max_power_kw=float(vehicles.max_power_kw[i]),
            battery_kwh=float(vehicles.initial_kwh[i]),
        )
        by_slot.setdefault(slot, []).append(arrival)
    return by_slot


def _multiples(period_s: float | None, start_s: float, end_s: float) -> list[float]:
    """Return the multiples of a period inside an interval, its ends left out."""
    if period_s is None:
        return []
    first, last = math.floor(start_s / period_s) + 1, math.ceil(end_s / period_s)
    return [period_s * number for number in range(first, last)]


class _Watched:
    """A controller, the time it takes, and the limit on the total load, of which the station itself knows nothing."""

    def __init__(self, controller: SiteController, site: Site, base: StepLoad) -> None:
        self._controller, self._limit_kw, self._base = controller, site.limit_kw, base
        self._charging_limit_kw = site.charging_limit_kw
        self.decision_s: list[float] = []
        self.period_s = controller.period_s
        if math.isfinite(site.limit_kw):
            # What is left to the vehicles changes with the base load.
            period_s = site.slot_s if self.period_s is None else self.period_s
            self.period_s = float(math.gcd(round(period_s), round(site.slot_s)))

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64] | Sequence[float]:
        """Ask the controller, and let nothing exceed the limit of now."""
        limit_kw = self._charging_limit_kw
        if math.isfinite(self._limit_kw):
            limit_kw = min(limit_kw, max(0.0, self._limit_kw - self._base.at(time_s)))
            site = dataclasses.replace(site, station=dataclasses.replace(site.station, site_limit_kw=limit_kw))
        began_s = time.process_time()
        asked_kw = np.asarray(self._controller.schedule(time_s, site), dtype=np.float64)
        took_s = time.process_time() - began_s
        if np.nanmax(site.need_kwh, initial=0.0) > _NOTHING_KWH:
            self.decision_s.append(took_s)
        if math.isinf(self._limit_kw) or asked_kw.shape != site.max_power_kw.shape:
            return asked_kw
        wanted_kw = np.where(site.occupied, np.clip(asked_kw, 0.0, site.max_power_kw), 0.0)
        total_kw = float(wanted_kw.sum())
        return wanted_kw if total_kw <= limit_kw else wanted_kw * (limit_kw / total_kw)


class _WatchedComputing(_Watched):
    """One that also lets the vehicles compute."""

    def __init__(self, controller: ComputingController, site: Site, base: StepLoad) -> None:
        super().__init__(controller, site, base)
        self._computing = controller

    def compute(self, since_s: float, until_s: float, site: SiteView) -> NDArray[np.float64]:
        """Let it do the work of some seconds."""
        return self._computing.compute(since_s, until_s, site)
