"""Many days of one kind of site, played slot by slot side by side: what CALC and SCA learn on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from cosim_agents.sca import learned_kernels as kernels
from cosim_agents.sca.learned import TrainedOn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles

#: Below this share of its energy a vehicle counts as done, as in ``cosim.scheduling.replay``.
_DONE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """All days in one slot; vehicles are those present, day after day, by departure within each.

    Attributes
    ----------
    present : ndarray of int, shape (n,)
        Which vehicles of the batch they are.
    counts : ndarray of int, shape (days,)
        How many of them each day has.
    slots_left : ndarray of int, shape (n,)
    cap_kw, need : ndarray of float, shape (n,)
        Greatest power; what is missing, kW times slots.
    features : ndarray of float, shape (days, SITE_FEATURES)
        Zeros for a day without vehicles.
    oa_kw, scale_kw, plan, share : ndarray of float, shape (days,)
        What ``learned_kernels.observe`` returns.
    """

    present: NDArray[np.int64]
    counts: NDArray[np.int64]
    slots_left: NDArray[np.int64]
    cap_kw: NDArray[np.float64]
    need: NDArray[np.float64]
    features: NDArray[np.float64]
    oa_kw: NDArray[np.float64]
    scale_kw: NDArray[np.float64]
    plan: NDArray[np.float64]
    share: NDArray[np.float64]


class DayBatch:
    """Days that are played together. No site has limits: the shield keeps those, whatever a policy learned.

    Parameters
    ----------
    base_kw : ndarray of float, shape (days, slots)
        Load without vehicles.
    slot_h : float
        Length of a slot, h.
    start_h : float
        Time of day at which slot 0 begins, h.
    offsets : ndarray of int, shape (days + 1,)
        Where the vehicles of each day begin.
    arrival, departure : ndarray of int, shape (vehicles,)
        By departure within each day.
    cap_kw, energy : ndarray of float, shape (vehicles,)
        Greatest power; what each needs, kW times slots.

    Attributes
    ----------
    mean_kw : ndarray of float, shape (days,)
        Mean load of each day with all its vehicles: whatever is done, if everybody is served.
    need : ndarray of float, shape (vehicles,)
        What is missing now, kW times slots.
    """

    def __init__(
        self,
        base_kw: NDArray[np.float64],
        slot_h: float,
        start_h: float,
        offsets: NDArray[np.int64],
        arrival: NDArray[np.int64],
        departure: NDArray[np.int64],
        cap_kw: NDArray[np.float64],
        energy: NDArray[np.float64],
    ) -> None:
        self.base_kw, self.slot_h, self.start_h = base_kw, slot_h, start_h
        self.offsets, self.arrival, self.departure = offsets, arrival, departure
        self.cap_kw, self.energy = cap_kw, energy
        totals = np.add.reduceat(np.append(energy, 0.0), offsets[:-1]) * (np.diff(offsets) > 0)
        self.mean_kw: NDArray[np.float64] = base_kw.mean(axis=1) + totals / base_kw.shape[1]
        self.reset()

    @classmethod
    def of(cls, instances: Sequence[tuple[Site, Vehicles]], start_h: float) -> Self:
        """Put instances side by side; all need the same slots.

        Parameters
        ----------
        instances : sequence of (Site, Vehicles)
            At least one.
        start_h : float
            Time of day at which they begin, h.
        """
        slot_h = instances[0][0].slot_h
        chosen = [vehicles.take(np.argsort(vehicles.departure_slot, kind="stable")) for _, vehicles in instances]
        return cls(
            base_kw=np.stack([site.base_kw for site, _ in instances]),
            slot_h=slot_h,
            start_h=start_h,
            offsets=np.cumsum([0, *(len(vehicles) for vehicles in chosen)]),
            arrival=np.concatenate([vehicles.arrival_slot for vehicles in chosen]),
            departure=np.concatenate([vehicles.departure_slot for vehicles in chosen]),
            cap_kw=np.concatenate([vehicles.max_power_kw for vehicles in chosen]),
            energy=np.concatenate([vehicles.energy_kwh for vehicles in chosen]) / slot_h,
        )

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(self.base_kw)

    @property
    def slots(self) -> int:
        """How many slots each has."""
        return int(self.base_kw.shape[1])

    def reset(self) -> None:
        """Begin the days again."""
        self.need = self.energy.copy()

    def look(self, slot: int) -> View:
        """Return what is there to see in a slot."""
        present, counts = np.empty(len(self.need), dtype=np.int64), np.empty(self.days, dtype=np.int64)
        count = kernels.gather(
            slot, self.offsets, self.arrival, self.departure, self.need, _DONE * self.energy, present, counts
        )
        present = present[:count]
        slots_left, cap_kw, need = self.departure[present] - slot, self.cap_kw[present], self.need[present]
        features, facts = np.empty((self.days, kernels.SITE_FEATURES)), np.empty((self.days, 4))
        hour = (self.start_h + slot * self.slot_h) % 24.0
        now = (slot, self.slot_h, hour)
        kernels.observe_days(now, self.base_kw, counts, slots_left, cap_kw, need, features, facts)
        return View(present, counts, slots_left, cap_kw, need, features, *facts.T)

    def split(self, view: View, totals_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the powers of the vehicles present for a total of each day, split by least laxity; shape (n,)."""
        power_kw = np.empty(len(view.present))
        kernels.split_days(totals_kw, view.counts, view.slots_left, view.cap_kw, view.need, power_kw)
        return power_kw

    def charge(self, view: View, power_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Let vehicles draw powers that lie in their box, shape (n,); return the sum of each day, shape (days,)."""
        self.need[view.present] -= power_kw
        day = np.repeat(np.arange(self.days), view.counts)
        return np.bincount(day, weights=power_kw, minlength=self.days).astype(np.float64, copy=False)

    def increment(self, slot: int, charging_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the vehicles of each day add to ``load ** 2 / 2`` in a slot, shape (days,), kW^2.

        The bill (Eq. 5) is an increasing function of the sum over the slots, since the energy is given.
        """
        return 0.5 * charging_kw * (charging_kw + 2.0 * self.base_kw[:, slot])


def range_of(batch: DayBatch, shares: NDArray[np.float64], present: NDArray[np.bool_], site: str) -> TrainedOn:
    """Note what is seen of sites of one kind.

    Parameters
    ----------
    batch : DayBatch
        Days that a trained policy has played.
    shares : ndarray of float, shape (slots, days)
        The vehicles' share of the energy, as ``learned_kernels.observe`` returns it.
    present : ndarray of bool, shape (slots, days)
        Where there was a vehicle.
    site : str
        What to call the kind of site.
    """
    hour = ((batch.start_h + np.arange(batch.slots) * batch.slot_h) % 24.0).astype(np.int64)
    low, high = np.full(24, np.nan), np.full(24, np.nan)
    for h in range(24):
        share = shares[hour == h][present[hour == h]]
        if share.size:
            low[h], high[h] = share.min(), share.max()
    power_kw = (float(batch.cap_kw.min()), float(batch.cap_kw.max()))
    return TrainedOn(site, batch.slot_h, power_kw, tuple(low.tolist()), tuple(high.tolist()))
