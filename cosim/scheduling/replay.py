"""One day of one site, slot by slot, with any policy: what each vehicle draws, what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.shield import shield
from cosim.scheduling.site import SiteState, check_fits

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles

    Policy = Callable[[SiteState], NDArray[np.float64]]

#: Below this share of its energy a vehicle counts as done: what rounding leaves is no work for another slot.
_DONE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What came of a day.

    Attributes
    ----------
    power_kw : ndarray of float, shape (vehicles, slots)
        What each vehicle drew.
    charging_kw : ndarray of float, shape (slots,)
        Their sum.
    cost : float
        The bill (Eq. 5).
    peak_kw : float
        Greatest total load.
    load_factor : float
        Mean total load over the greatest.
    delivered_kwh, short_kwh : ndarray of float, shape (vehicles,)
        What each drew, and what it missed of its target.
    unservable_kwh : ndarray of float, shape (vehicles,)
        The part of ``short_kwh`` that no policy could have delivered even without limits.
    """

    power_kw: NDArray[np.float64]
    charging_kw: NDArray[np.float64]
    cost: float
    peak_kw: float
    load_factor: float
    delivered_kwh: NDArray[np.float64]
    short_kwh: NDArray[np.float64]
    unservable_kwh: NDArray[np.float64]


def replay(site: Site, vehicles: Vehicles, policy: Policy) -> Replay:
    """Play a day with a policy behind the shield.

    In each slot the policy sees the vehicles present that still need energy, in their order, and the base load to come;
    never a vehicle that has not arrived. It is not asked where there is none.

    Parameters
    ----------
    site : Site
        Where.
    vehicles : Vehicles
        Who comes.
    policy : callable
        From a :class:`~cosim.scheduling.site.SiteState` to powers [kW], one for each vehicle of the state.

    Returns
    -------
    Replay
        Powers, bill, energies.

    Raises
    ------
    ValueError
        If a vehicle stays longer than the site has slots, or the policy returns another number of powers.
    """
    check_fits(site, vehicles)
    slot_h, headroom_kw = site.slot_h, site.headroom_kw
    remaining_kwh = vehicles.energy_kwh.copy()
    done_kwh = _DONE * vehicles.energy_kwh
    power_kw = np.zeros((len(vehicles), site.slots))
    for slot in range(site.slots):
        here = (vehicles.arrival_slot <= slot) & (slot < vehicles.departure_slot) & (remaining_kwh > done_kwh)
        present = np.flatnonzero(here)
        if not present.size:
            continue
        state = SiteState(
            slot=slot,
            slot_h=slot_h,
            remaining_kwh=remaining_kwh[present],
            slots_left=vehicles.departure_slot[present] - slot,
            max_power_kw=vehicles.max_power_kw[present],
            arrival_slot=vehicles.arrival_slot[present],
            base_kw=site.base_kw[slot:],
            headroom_kw=headroom_kw[slot:],
            price=site.price,
        )
        power_kw[present, slot] = shield(state, policy(state))
        remaining_kwh[present] -= power_kw[present, slot] * slot_h
    charging_kw = power_kw.sum(axis=0)
    total_kw = site.base_kw + charging_kw
    peak_kw = float(total_kw.max())
    delivered_kwh = power_kw.sum(axis=1) * slot_h
    return Replay(
        power_kw=power_kw,
        charging_kw=charging_kw,
        cost=site.cost(charging_kw),
        peak_kw=peak_kw,
        load_factor=float(total_kw.mean()) / peak_kw if peak_kw > 0.0 else 1.0,
        delivered_kwh=delivered_kwh,
        short_kwh=np.maximum(0.0, vehicles.energy_kwh - delivered_kwh),
        unservable_kwh=vehicles.unservable_kwh(slot_h),
    )
