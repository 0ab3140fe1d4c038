"""Days of a station side by side, pile by pile: what OCEAN and its baselines are trained on.

Who stands where and for how long does not depend on what is charged, so that a day is a set of arrays; only the energy
that is missing follows from the policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_agents.ocean.station_days import StationDay


@dataclass(frozen=True, slots=True, eq=False)
class StationBatch:
    """Days as arrays; shape (slots, days, piles) unless said otherwise.

    Attributes
    ----------
    slot_h : float
        Length of a slot, h.
    left : ndarray of float
        Slots until who stands there leaves, the present one included; 0 for an empty pile.
    cap_kw : ndarray of float
        The most that may flow; 0 for an empty pile.
    new_kw : ndarray of float
        What a vehicle that comes with this slot needs, in kW times slots; 0 in all others.
    stays : ndarray of float
        1 where a vehicle stood already in the slot before, otherwise 0.
    capacity_kwh, target_soc : ndarray of float
        Battery of who stands there, and its target; 1 for an empty pile.
    vehicle : ndarray of int
        Number of the vehicle in its day; -1 for an empty pile.
    energy_kwh : ndarray of float, shape (days,)
        What all vehicles of each day need together.
    """

    slot_h: float
    left: NDArray[np.float64]
    cap_kw: NDArray[np.float64]
    new_kw: NDArray[np.float64]
    stays: NDArray[np.float64]
    capacity_kwh: NDArray[np.float64]
    target_soc: NDArray[np.float64]
    vehicle: NDArray[np.int64]
    energy_kwh: NDArray[np.float64]

    @classmethod
    def of(cls, days: Sequence[StationDay], piles: int) -> Self:
        """Put days side by side; all need the same slots.

        Parameters
        ----------
        days : sequence of StationDay
            At least one.
        piles : int
            Of the station.
        """
        site = days[0].site
        shape = (site.slots, len(days), piles)
        vehicle = np.full(shape, -1, dtype=np.int64)
        left, cap_kw, new_kw, stays = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape)
        capacity_kwh, target_soc = np.ones(shape), np.ones(shape)
        for d, day in enumerate(days):
            who = day.vehicles
            count = who.departure_slot - who.arrival_slot
            i = np.repeat(np.arange(len(who)), count)
            since = np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
            where = who.arrival_slot[i] + since, d, day.pile[i]
            vehicle[where], left[where], cap_kw[where] = i, count[i] - since, who.max_power_kw[i]
            stays[where] = since > 0
            target_kwh = who.initial_kwh + who.efficiency * who.energy_kwh
            capacity_kwh[where], target_soc[where] = who.capacity_kwh[i], (target_kwh / who.capacity_kwh)[i]
            new_kw[who.arrival_slot, d, day.pile] = who.energy_kwh / site.slot_h
        energy_kwh = np.array([day.vehicles.energy_kwh.sum() for day in days])
        return cls(site.slot_h, left, cap_kw, new_kw, stays, capacity_kwh, target_soc, vehicle, energy_kwh)
