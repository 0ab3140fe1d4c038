"""A day of one station whose vehicles compute: batteries that fill and drain (Eq. 11), with the targets kept.

Computing needs little, some 0.001 kWh in a quarter hour, but what it takes from a battery right before the departure
cannot be charged again. So every vehicle reserves a quantity for each slot of its stay: as long as it computes for no
more than that, its target stays within reach whatever the policy does (Eq. 32 repaired). A vehicle without any laxity
reserves nothing and does not compute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.shield import shield
from cosim.scheduling.site import SiteState, check_fits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cosim.scheduling.replay import Policy
    from cosim.scheduling.site import Site, Vehicles

#: 4 W for a quarter hour: more than the tasks of any vehicle draw; kWh.
RESERVE_KWH = 0.001
#: Below this share of its energy a vehicle counts as done, as in ``cosim.scheduling.replay``.
_DONE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class ComputingDay:
    """What came of a day.

    Attributes
    ----------
    power_kw : ndarray of float, shape (vehicles, slots)
        What each vehicle drew from the grid.
    charging_kw : ndarray of float, shape (slots,)
        Their sum.
    cost : float
        The bill; on a site of ``station_days`` the load variance, kWh^2.
    computing_kwh : ndarray of float, shape (vehicles, slots)
        What computing took from each battery.
    gained_kwh : ndarray of float, shape (vehicles, slots + 1)
        Energy in the battery above that at arrival, at the beginning of each slot; constant while away.
    short_kwh : ndarray of float, shape (vehicles,)
        What the battery missed of its target at the departure.
    unservable_kwh : ndarray of float, shape (vehicles,)
        What no policy could have delivered.
    """

    power_kw: NDArray[np.float64]
    charging_kw: NDArray[np.float64]
    cost: float
    computing_kwh: NDArray[np.float64]
    gained_kwh: NDArray[np.float64]
    short_kwh: NDArray[np.float64]
    unservable_kwh: NDArray[np.float64]


def reserves_kwh(vehicles: Vehicles, slot_h: float, reserve_kwh: float = RESERVE_KWH) -> NDArray[np.float64]:
    """Return for how much each vehicle may compute in every slot of its stay, battery side.

    Parameters
    ----------
    vehicles : Vehicles
        Those of a day.
    slot_h : float
        Length of a slot, h.
    reserve_kwh : float
        The most that anybody reserves.

    Returns
    -------
    ndarray of float, shape (vehicles,)
        Less where the stay does not hold so much beside the target; 0 where it holds nothing.
    """
    stay = vehicles.departure_slot - vehicles.arrival_slot
    spare_kwh = vehicles.max_power_kw * slot_h * stay - vehicles.energy_kwh
    each_kwh: NDArray[np.float64] = vehicles.efficiency * np.maximum(0.0, spare_kwh) / np.maximum(stay, 1)
    reserved: NDArray[np.float64] = np.minimum(reserve_kwh, each_kwh)
    return reserved


def play_computing(
    site: Site, vehicles: Vehicles, policy: Policy, asked_kwh: ArrayLike, *, reserve_kwh: float = RESERVE_KWH
) -> ComputingDay:
    """Play a day with a policy behind the shield, while the vehicles compute.

    The policy sees the reserve of a stay's remaining slots as energy that is missing, and sees it again as spare where
    it was not used.

    Parameters
    ----------
    site : Site
        Where.
    vehicles : Vehicles
        Who comes.
    policy : callable
        From a :class:`~cosim.scheduling.site.SiteState` to powers, kW.
    asked_kwh : array of float, shape (vehicles, slots)
        What the tasks would take from each battery, at least 0; scalars are taken for all. No more than the reserve is
        granted, and nothing to who is not there.
    reserve_kwh : float
        The most that anybody reserves for a slot, battery side.

    Returns
    -------
    ComputingDay
        Powers, energies.

    Raises
    ------
    ValueError
        If a vehicle stays longer than the site has slots, or something asked for is negative or no number.
    """
    check_fits(site, vehicles)
    asked = np.broadcast_to(np.asarray(asked_kwh, dtype=np.float64), (len(vehicles), site.slots))
    if not (asked >= 0.0).all():
        raise ValueError("asked_kwh must be at least 0 for every vehicle and slot")
    slot_h, headroom_kw, efficiency = site.slot_h, site.headroom_kw, vehicles.efficiency
    reserve = reserves_kwh(vehicles, slot_h, reserve_kwh)
    power_kw, computing_kwh = np.zeros((len(vehicles), site.slots)), np.zeros((len(vehicles), site.slots))
    gained_kwh = np.zeros((len(vehicles), site.slots + 1))
    for slot in range(site.slots):
        left = vehicles.departure_slot - slot
        there = (vehicles.arrival_slot <= slot) & (left > 0)
        # Grid side: to the target, and for computing from now on.
        missing_kwh = vehicles.energy_kwh + (reserve * left - gained_kwh[:, slot]) / efficiency
        present = np.flatnonzero(there & (missing_kwh > _DONE * vehicles.energy_kwh))
        if present.size:
            state = SiteState(
                slot=slot,
                slot_h=slot_h,
                remaining_kwh=missing_kwh[present],
                slots_left=left[present],
                max_power_kw=vehicles.max_power_kw[present],
                arrival_slot=vehicles.arrival_slot[present],
                base_kw=site.base_kw[slot:],
                headroom_kw=headroom_kw[slot:],
                price=site.price,
            )
            power_kw[present, slot] = shield(state, policy(state))
        computing_kwh[there, slot] = np.minimum(asked[there, slot], reserve[there])
        gained_kwh[:, slot + 1] = gained_kwh[:, slot] + efficiency * slot_h * power_kw[:, slot] - computing_kwh[:, slot]
    charging_kw = power_kw.sum(axis=0)
    return ComputingDay(
        power_kw=power_kw,
        charging_kw=charging_kw,
        cost=site.cost(charging_kw),
        computing_kwh=computing_kwh,
        gained_kwh=gained_kwh,
        short_kwh=np.maximum(0.0, efficiency * vehicles.energy_kwh - gained_kwh[:, -1]),
        unservable_kwh=efficiency * vehicles.unservable_kwh(slot_h),
    )
