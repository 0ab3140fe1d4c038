"""Days of charging at home, at work and in public, drawn at random.

Sources. The household's load is the hourly mean of a Southern California Edison household, as tabulated beside a
public implementation of Gan, Topcu and Low (2013), whose curve the paper says it uses. Arrivals at home follow the
usual fit of the last trip home in the US National Household Travel Survey. Arrivals at work and in public are hourly
shares, rounded to a tenth of a percent, in the shape of the distributions that ElaadNL published for weekdays in the
Netherlands (as found in EV2Gym). Departures, stays, states of charge and the two types of vehicle are assumptions: the
paper shows them only in figures or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError, nearest_name
from cosim.scheduling.sessions import Sessions
from cosim.scheduling.site import SECONDS_PER_HOUR, Price, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cosim.scheduling.site import Vehicles

    Stays = Callable[[np.random.Generator, int], tuple[NDArray[np.float64], NDArray[np.float64]]]

#: Mean load of one household in each hour of the day, from midnight, kW.
HOUSEHOLD_KW = (
    1.505, 1.303, 1.151, 1.036, 0.955, 0.888, 0.867, 0.963, 1.127, 1.348, 1.599, 1.829,
    1.651, 1.887, 2.090, 2.278, 2.392, 2.457, 2.462, 2.377, 2.275, 2.179, 2.001, 1.745,
)  # fmt: skip
#: Share of a day's arrivals in each hour, from midnight, percent.
_WORK_PERCENT = (
    0.0, 0.0, 0.0, 0.0, 0.1, 1.4, 4.3, 14.3, 26.7, 18.1, 7.7, 4.9, 5.4, 5.3, 4.0, 3.0, 2.0, 1.0, 0.6, 0.5, 0.3, 0.1,
    0.1, 0.0,
)  # fmt: skip
_PUBLIC_PERCENT = (
    1.0, 0.5, 0.2, 0.2, 0.2, 0.2, 0.7, 3.2, 7.9, 7.7, 5.1, 4.7, 5.3, 5.3, 5.0, 5.1, 5.7, 8.3, 10.9, 8.1, 5.1, 4.0,
    3.4, 2.3,
)  # fmt: skip
#: A day begins at noon, so that a night lies in the middle of it.
START_H = 12.0
#: State of charge at arrival: mean, standard deviation and range; everybody wants a full battery.
_SOC = (0.5, 0.2, 0.1, 0.95)


@dataclass(frozen=True, slots=True)
class VehicleType:
    """A battery and its charger.

    Attributes
    ----------
    capacity_kwh : float
        Size of the battery.
    max_power_kw : float
        Greatest charging power.
    """

    capacity_kwh: float
    max_power_kw: float


#: The paper compares two types and prints no figure of either.
TYPE_1, TYPE_2 = VehicleType(24.0, 3.3), VehicleType(40.0, 6.6)


def draw_sessions(
    kind: str,
    rng: np.random.Generator,
    *,
    vehicles_per_day: float = 100.0,
    days: int = 2,
    vehicle: VehicleType = TYPE_1,
) -> Sessions:
    """Draw some days of sessions, counted in seconds from noon of the first.

    Parameters
    ----------
    kind : {"home", "public", "work"}
        Who comes when, and for how long.
    rng : numpy.random.Generator
        The only source of randomness.
    vehicles_per_day : float
        Mean of the Poisson distribution of their number.
    days : int
        How many days; a session ends with the last of them.
    vehicle : VehicleType
        Of all vehicles.

    Returns
    -------
    Sessions
        Like recorded sessions, none asks for more than full power could have delivered.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    stays = _STAYS.get(kind)
    if stays is None:
        raise InputError(f"kind of arrivals: unknown '{kind}'; {nearest_name(kind, _STAYS)}.")
    arrivals, departures = [np.zeros(0)], [np.zeros(0)]
    for day in range(days):
        arrival_h, departure_h = stays(rng, int(rng.poisson(vehicles_per_day)))
        since_noon_h = (arrival_h - START_H) % 24.0 + 24.0 * day
        arrivals.append(since_noon_h)
        departures.append(np.minimum(since_noon_h + departure_h - arrival_h, 24.0 * days))
    arrival_h, departure_h = np.concatenate(arrivals), np.concatenate(departures)
    soc = _clipped_normal(rng, len(arrival_h), *_SOC)
    wanted_kwh = (1.0 - soc) * vehicle.capacity_kwh
    return Sessions(
        arrival_s=arrival_h * SECONDS_PER_HOUR,
        departure_s=departure_h * SECONDS_PER_HOUR,
        energy_kwh=np.minimum(wanted_kwh, vehicle.max_power_kw * (departure_h - arrival_h)),
        max_power_kw=np.full(len(soc), vehicle.max_power_kw),
        capacity_kwh=np.full(len(soc), vehicle.capacity_kwh),
        initial_kwh=soc * vehicle.capacity_kwh,
    )


def household_load_kw(
    households: float, *, slot_s: float = 1800.0, slots: int = 96, start_h: float = START_H
) -> NDArray[np.float64]:
    """Return the load of some households, by default from noon on.

    Parameters
    ----------
    households : float
        How many.
    slot_s : float
        Length of a slot, s.
    slots : int
        How many.
    start_h : float
        Time of day at which the first one begins, h.

    Returns
    -------
    ndarray of float, shape (slots,)
        The hourly values, each held for its hour, kW.
    """
    hour = (start_h + np.arange(slots) * slot_s / SECONDS_PER_HOUR).astype(np.int64) % 24
    return households * np.array(HOUSEHOLD_KW)[hour]


def draw_instance(
    kind: str,
    rng: np.random.Generator,
    *,
    vehicles_per_day: float = 100.0,
    vehicles_per_household: float = 2.0,
    vehicle: VehicleType = TYPE_1,
    price: Price | None = None,
) -> tuple[Site, Vehicles]:
    """Draw one instance of the paper's problem: two days of half-hour slots from noon on.

    Parameters
    ----------
    kind, rng, vehicles_per_day, vehicle
        As for :func:`draw_sessions`.
    vehicles_per_household : float
        How many vehicles come each day for one household of base load; ``inf`` for no base load.
    price : Price, optional
        Of the energy; the default one if left out.

    Returns
    -------
    site : Site
        With 96 slots.
    vehicles : Vehicles
        In the order of the draw, not of arrival.
    """
    base_kw = household_load_kw(vehicles_per_day / vehicles_per_household)
    site = Site(base_kw, 1800.0, Price() if price is None else price)
    sessions = draw_sessions(kind, rng, vehicles_per_day=vehicles_per_day, vehicle=vehicle)
    return site, sessions.vehicles(0.0, site.slot_s, site.slots)


def _clipped_normal(
    rng: np.random.Generator, count: int, mean: float, deviation: float, low: float, high: float
) -> NDArray[np.float64]:
    return np.clip(rng.normal(mean, deviation, count), low, high)


def _home(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return hours since midnight: from the last trip home, at 02:00 at the latest, to a departure next morning."""
    arrival_h = _clipped_normal(rng, count, 17.6, 3.4, 12.0, 26.0)
    return arrival_h, 24.0 + _clipped_normal(rng, count, 7.5, 1.5, 4.5, 11.5)


def _work(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return hours since midnight: about a working day."""
    arrival_h = _hourly(rng, count, _WORK_PERCENT)
    return arrival_h, arrival_h + _clipped_normal(rng, count, 8.0, 1.75, 1.0, 14.0)


def _public(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return hours since midnight: half stay for less than three hours, a few overnight."""
    arrival_h = _hourly(rng, count, _PUBLIC_PERCENT)
    return arrival_h, arrival_h + np.clip(3.0 * np.exp(rng.normal(0.0, 0.55, count)), 0.5, 24.0)


def _hourly(rng: np.random.Generator, count: int, percent: tuple[float, ...]) -> NDArray[np.float64]:
    share = np.array(percent) / sum(percent)
    return rng.choice(24, count, p=share) + rng.random(count)


_STAYS: dict[str, Stays] = {"home": _home, "work": _work, "public": _public}
