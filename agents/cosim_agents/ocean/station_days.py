"""Days of a station with piles, drawn as in the paper's section 5.1: quarter hours from 05:00 on.

The paper states battery sizes, powers, states of charge and the stay. It does not state when vehicles arrive, nor what
becomes of the half of them whose stay is too short for their target even at full power; both are chosen here. Whoever
finds no free pile drives on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from scipy.special import ndtr, ndtri

from cosim.errors import InputError, nearest_name
from cosim.scheduling.site import SECONDS_PER_HOUR, Price, Site, Vehicles

if TYPE_CHECKING:
    from numpy.typing import NDArray

Admission: TypeAlias = Literal["raw", "clip", "extend", "resample"]

#: Time of day at which a day begins, h: when the fewest are there.
START_H = 5.0
#: Grid energy to battery energy, eta of Eq. 11.
EFFICIENCY = 0.95
#: Battery, kWh, and greatest power, kW (Table 1): Nissan Leaf, BMW i3, Tesla Model 3, Hyundai Ioniq; equally frequent.
MODELS = ((24.0, 6.0), (33.0, 7.7), (55.0, 11.0), (28.0, 7.0))
#: Scale, h, and shape of the Weibull distribution of the stay.
STAY_H = (2.57, 1.27)
#: Deviation of the state of charge at arrival, and its range; mean, deviation and range of the target.
_INITIAL_SOC, _TARGET_SOC = (0.1, 0.2, 0.8), (0.9, 0.1, 0.85, 0.95)
#: Relative frequency of arrivals in each hour from 05:00 on: a roadside station with two soft peaks.
_HOURLY = (
    0.6, 1.5, 3.0, 4.6, 5.6, 6.0, 6.2, 6.3, 6.2, 6.0, 6.0, 6.4,
    7.0, 7.2, 6.6, 5.4, 4.2, 3.2, 2.4, 1.8, 1.3, 0.9, 0.6, 0.5,
)  # fmt: skip
#: Of a slot: a stay of exactly two slots must not become one through rounding.
_EDGE = 1e-9


@dataclass(frozen=True, slots=True)
class StationDays:
    """What days are like.

    Attributes
    ----------
    piles : int
        Charging piles, N of the paper.
    arrivals_per_pile : float
        Mean number of vehicles per pile and day; of a Poisson distribution.
    admission : {"raw", "clip", "extend", "resample"}
        What becomes of vehicles whose target is out of reach: nothing; the target is lowered; the stay is made longer;
        or it is drawn again until it is long enough.
    slack : float
        How many times longer than at full power a stay has to be to count as long enough; at least 1.
    initial_soc : float
        Mean state of charge at arrival.
    slot_s : float
        Length of a slot, s; it divides the day.

    Raises
    ------
    InputError
        If a number is out of range, or there is no such rule.
    """

    piles: int = 25
    arrivals_per_pile: float = 6.0
    admission: Admission = "resample"
    slack: float = 1.0
    initial_soc: float = 0.5
    slot_s: float = 900.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        faults = []
        if self.admission not in get_args(Admission):
            faults.append(
                f"admission: unknown '{self.admission}'; {nearest_name(self.admission, get_args(Admission))}."
            )
        if self.piles < 1:
            faults.append(f"piles = {self.piles} must be at least 1.")
        if not 0.0 < self.arrivals_per_pile < np.inf:
            faults.append(f"arrivals_per_pile = {self.arrivals_per_pile} must be greater than 0.")
        if not 1.0 <= self.slack < np.inf:
            faults.append(f"slack = {self.slack} must be at least 1.")
        if not _INITIAL_SOC[1] <= self.initial_soc <= _INITIAL_SOC[2]:
            faults.append(f"initial_soc = {self.initial_soc} must be between {_INITIAL_SOC[1]} and {_INITIAL_SOC[2]}.")
        if not self.slot_s > 0.0 or 24.0 * SECONDS_PER_HOUR % self.slot_s > 0.0:
            faults.append(f"slot_s = {self.slot_s} must divide the day.")
        if faults:
            raise InputError(faults)

    @property
    def slot_h(self) -> float:
        """Length of a slot, h."""
        return self.slot_s / SECONDS_PER_HOUR

    @property
    def slots(self) -> int:
        """How many slots a day has."""
        return round(24.0 / self.slot_h)


#: The paper's load; fewer vehicles that stay longer; stays made longer instead of drawn again.
SCENARIOS = {
    "R": StationDays(),
    "S": StationDays(arrivals_per_pile=4.0, slack=1.5),
    "E": StationDays(arrivals_per_pile=4.4, admission="extend"),
}


@dataclass(frozen=True, slots=True, eq=False)
class StationDay:
    """One day.

    Attributes
    ----------
    site : Site
        No base load, no limit; its bill is the load variance, ``sum_t (sum_i p_it dt)^2`` in kWh^2 (Eq. 13).
    vehicles : Vehicles
        Those that found a pile, by arrival. Target state of charge: ``(initial + efficiency * energy) / capacity``.
    pile : ndarray of int, shape (vehicles,)
        Where each stands.
    infeasible : ndarray of bool, shape (vehicles,)
        Whose stay, as first drawn, was too short for the target: before the rule of admission changed anything.
    turned_away : int
        Vehicles that found no free pile, or came too late to be served before the day ends.
    """

    site: Site
    vehicles: Vehicles
    pile: NDArray[np.int64]
    infeasible: NDArray[np.bool_]
    turned_away: int


def variance_site(slots: int, slot_h: float) -> Site:
    """Return a site without base load whose bill is the load variance.

    Parameters
    ----------
    slots : int
        How many.
    slot_h : float
        Length of each, h.
    """
    # Eq. 5 of the bill has half of k1 per hour: this makes it the square of the energy of each slot.
    return Site(np.zeros(slots), slot_h * SECONDS_PER_HOUR, Price(0.0, 2.0 * slot_h))


def draw_day(rng: np.random.Generator, days: StationDays | None = None) -> StationDay:
    """Draw a day.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of randomness.
    days : StationDays, optional
        What days are like; scenario R if left out.

    Returns
    -------
    StationDay
        Unless the rule is ``raw``, every vehicle can reach its target.
    """
    from cosim.scheduling.step_kernel import place  # noqa: PLC0415 - numba is imported where something is computed

    days = SCENARIOS["R"] if days is None else days
    slots, slot_h = days.slots, days.slot_h
    count = int(rng.poisson(days.piles * days.arrivals_per_pile))
    arrival_h = np.sort(rng.choice(24, count, p=np.array(_HOURLY) / sum(_HOURLY)) + rng.random(count))
    capacity_kwh, power_kw = np.array(MODELS)[rng.integers(len(MODELS), size=count)].T
    soc = _truncated_normal(rng, count, days.initial_soc, *_INITIAL_SOC)
    energy_kwh = (_truncated_normal(rng, count, *_TARGET_SOC) - soc) * capacity_kwh / EFFICIENCY
    arrival = (arrival_h / slot_h).astype(np.int64)
    needed = np.ceil(days.slack * energy_kwh / (power_kw * slot_h) - _EDGE).astype(np.int64)
    stay_h = STAY_H[0] * rng.weibull(STAY_H[1], count)
    stay = np.maximum(1, np.floor(stay_h / slot_h + _EDGE).astype(np.int64))
    infeasible = stay < needed
    if days.admission == "resample":
        stay = np.where(infeasible, _long_enough(rng, needed, slot_h), stay)
    elif days.admission == "extend":
        stay = np.maximum(stay, needed)
    departure = np.minimum(arrival + stay, slots)
    if days.admission == "clip":
        energy_kwh = np.minimum(energy_kwh, power_kw * slot_h * (departure - arrival))
    late = days.admission in {"resample", "extend"} and departure - arrival < needed
    pile = np.empty(count, dtype=np.int64)
    # Who could not be served before the day ends takes no pile.
    place(arrival, np.where(late, arrival, departure), days.piles, False, np.empty_like(pile), pile)  # noqa: FBT003
    stays = pile >= 0
    vehicles = Vehicles(
        arrival[stays],
        departure[stays],
        energy_kwh[stays],
        power_kw[stays],
        EFFICIENCY,  # type: ignore[arg-type]  # a scalar, made an array there
        capacity_kwh[stays],
        (soc * capacity_kwh)[stays],
    )
    site = variance_site(slots, slot_h)
    return StationDay(site, vehicles, pile[stays], infeasible[stays], int((~stays).sum()))


def draw_instance(rng: np.random.Generator, days: StationDays | None = None) -> tuple[Site, Vehicles]:
    """Draw a day, and return what the algorithms of ``cosim.scheduling`` need of it; as :func:`draw_day`."""
    day = draw_day(rng, days)
    return day.site, day.vehicles


def _long_enough(rng: np.random.Generator, needed: NDArray[np.int64], slot_h: float) -> NDArray[np.int64]:
    """Draw stays given that they are long enough, in slots.

    With ``H(s) = (s / scale)^shape`` a Weibull variable is ``H^-1(e)``, e exponential; given that it exceeds s it is
    ``H^-1(H(s) + e)``. That is the distribution of drawing again and again.
    """
    scale, shape = STAY_H
    stay_h = scale * ((needed * slot_h / scale) ** shape + rng.standard_exponential(len(needed))) ** (1.0 / shape)
    return np.maximum(needed, np.floor(stay_h / slot_h + _EDGE).astype(np.int64))


def _truncated_normal(
    rng: np.random.Generator, count: int, mean: float, deviation: float, low: float, high: float
) -> NDArray[np.float64]:
    """Draw by the inverse of the distribution function."""
    below, above = ndtr((np.array([low, high]) - mean) / deviation)
    return np.clip(mean + deviation * ndtri(rng.uniform(below, above, count)), low, high)
