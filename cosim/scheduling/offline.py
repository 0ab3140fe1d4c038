"""The offline optimum: everything known, the cheapest plan (Eq. 6), with a certificate.

The optimal load is the most even one that the vehicles can make. So it is the same for every price with ``k1 > 0``, and
its peak is the least possible: a site limit (Eq. 3) either does not matter or cannot be met.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.site import check_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles


@dataclass(frozen=True, slots=True, eq=False)
class OfflineOptimum:
    """The cheapest plan.

    Attributes
    ----------
    power_kw : ndarray of float, shape (vehicles, slots)
        What each vehicle draws. The sum over the vehicles is unique, this split is not.
    charging_kw : ndarray of float, shape (slots,)
        Their sum, y of the paper.
    cost : float
        The bill (Eq. 5).
    peak_kw : float
        Greatest total load; no plan has a lower one.
    relative_gap : float
        No plan can cost less than ``cost * (1 - relative_gap)``.
    sweeps : int
        Rounds over the vehicles that it took.
    unservable_kwh : ndarray of float, shape (vehicles,)
        What a vehicle cannot get even at full power, which it then has throughout; the plan delivers the rest.
    within_limits : bool
        Whether the plan keeps the site's limits. If not, none keeps ``limit_kw``; one that keeps ``charging_limit_kw``
        may exist.
    """

    power_kw: NDArray[np.float64]
    charging_kw: NDArray[np.float64]
    cost: float
    peak_kw: float
    relative_gap: float
    sweeps: int
    unservable_kwh: NDArray[np.float64]
    within_limits: bool


def offline_optimum(
    site: Site, vehicles: Vehicles, *, tolerance: float = 1e-10, max_sweeps: int = 10_000
) -> OfflineOptimum:
    """Solve Eq. 6 by exact block-coordinate descent: vehicle by vehicle, water-filling.

    Parameters
    ----------
    site : Site
        Slots, base load, price.
    vehicles : Vehicles
        All of them, the future ones too.
    tolerance : float
        Stop as soon as the gap is at most this share of the cost.
    max_sweeps : int
        Stop after so many rounds; ``relative_gap`` then tells what is left.

    Returns
    -------
    OfflineOptimum
        The plan with its certificate.

    Raises
    ------
    ValueError
        If a vehicle stays longer than the site has slots.
    """
    from cosim.scheduling import water_filling  # noqa: PLC0415 - numba is imported where something is computed

    check_fits(site, vehicles)
    first, last = vehicles.arrival_slot, vehicles.departure_slot
    length = last - first
    windows = np.stack([first, last, np.cumsum(length) - length], axis=1)
    plan_kw = np.zeros(int(length.sum()))
    order = np.lexsort((first, last))
    _, sweeps, gap = water_filling.descend(
        site.base_kw, order, windows, vehicles.max_power_kw, vehicles.energy_kwh / site.slot_h, plan_kw, tolerance,
        max_sweeps,
    )  # fmt: skip
    power_kw = np.zeros((len(vehicles), site.slots))
    slot = np.arange(site.slots)
    power_kw[(slot >= first[:, None]) & (slot < last[:, None])] = plan_kw
    charging_kw = power_kw.sum(axis=0)
    total_kw = site.base_kw + charging_kw
    cost = site.cost(charging_kw)
    # The certificate counts in load squared; a bill without vehicles is optimal as it stands.
    gap_cost = site.price.k1_per_kwh_kw * site.slot_h * gap
    return OfflineOptimum(
        power_kw=power_kw,
        charging_kw=charging_kw,
        cost=cost,
        peak_kw=float(total_kw.max()),
        relative_gap=max(0.0, gap_cost / cost) if cost > 0.0 else 0.0,
        sweeps=sweeps,
        unservable_kwh=vehicles.unservable_kwh(site.slot_h),
        within_limits=bool((charging_kw <= site.headroom_kw * (1.0 + 1e-9)).all()),
    )
