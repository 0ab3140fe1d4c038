"""Many sites in step: who stands at which charger, what must and can flow, and one slot of charging, in numba.

Sites with the same number of slots and chargers stand in arrays ``(sites, chargers)`` and all move on by one slot in
one call. The numbers are those of ``shield``, ``projection`` and ``replay``, but for rounding.

numba's cache of a caller in another file notices no change: who changes ``kernels`` has to delete the ``__pycache__``
beside this file.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from cosim.scheduling.kernels import must_charge, shift_for_total

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Below this share of its energy a vehicle counts as done, as in ``replay``.
_DONE = 1e-12
#: Stands for the power of an empty place: an infinite share of 0 would be no number.
_NO_POWER_KW = 1e-300
#: Numbers of each site that :class:`Arrays` has in ``constants``: slot, h; price k0, per kWh, and k1, per kWh and kW.
_SLOT_H, _K0, _K1, _LIMITED = range(4)
#: Features of the whole site before the base load to come, and of each charger.
SITE_FEATURES = ("time", "day_sin", "day_cos", "price", "charging")
CHARGER_FEATURES = ("occupied", "remaining", "slots_left", "laxity", "max_power")


class Scales(NamedTuple):
    """By what features are divided.

    Attributes
    ----------
    load_kw, price_per_kwh : float
        Base load and price.
    energy_kwh, power_kw : float
        Of one vehicle.
    """

    load_kw: float
    price_per_kwh: float
    energy_kwh: float
    power_kw: float


class Arrays(NamedTuple):
    """What the kernels share.

    Attributes
    ----------
    constants : ndarray of float, shape (sites, 4)
        Length of a slot, h; k0; k1; 1 if there is a site limit.
    base_kw : ndarray of float, shape (sites, slots + lookahead + 1)
        Base load; the last one is held beyond the end.
    headroom_kw, charging_kw : ndarray of float, shape (sites, slots)
        What all vehicles may draw together, and what they drew.
    cost : ndarray of float, shape (sites,)
        Bill of the last slot.
    following : ndarray of int, shape (sites,)
        The next vehicle to plug in.
    plug_slot, leave_slot, charger : ndarray of int, shape (sites, vehicles)
        By ``plug_slot``; ``charger`` is -1 where a vehicle leaves at once, and where there is none.
    energy_kwh, cap_kw, delivered_kwh : ndarray of float, shape (sites, vehicles)
        Target, greatest power, and what was drawn.
    vehicle : ndarray of int, shape (sites, chargers)
        Who stands there; -1 for nobody.
    until_slot : ndarray of int, shape (sites, chargers)
        When who stands there leaves; 0 for nobody.
    charger_kw, remaining_kwh : ndarray of float, shape (sites, chargers)
        The most that flows into who stands there, and what is missing; 0 for nobody.
    low_kw, high_kw, power_kw : ndarray of float, shape (sites, chargers)
        The box of the coming slot, and the powers of the last one.
    total_kw : ndarray of float, shape (sites, 2)
        Bounds of the sum in the coming slot.
    """

    constants: NDArray[np.float64]
    base_kw: NDArray[np.float64]
    headroom_kw: NDArray[np.float64]
    charging_kw: NDArray[np.float64]
    cost: NDArray[np.float64]
    following: NDArray[np.int64]
    plug_slot: NDArray[np.int64]
    leave_slot: NDArray[np.int64]
    charger: NDArray[np.int64]
    energy_kwh: NDArray[np.float64]
    cap_kw: NDArray[np.float64]
    delivered_kwh: NDArray[np.float64]
    vehicle: NDArray[np.int64]
    until_slot: NDArray[np.int64]
    charger_kw: NDArray[np.float64]
    remaining_kwh: NDArray[np.float64]
    low_kw: NDArray[np.float64]
    high_kw: NDArray[np.float64]
    power_kw: NDArray[np.float64]
    total_kw: NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def place(
    arrival_slot: NDArray[np.int64],
    departure_slot: NDArray[np.int64],
    chargers: int,
    wait: bool,  # noqa: FBT001 - numba knows no keyword-only arguments
    plug_slot: NDArray[np.int64],
    charger: NDArray[np.int64],
) -> None:
    """Give each vehicle the first charger that is free. Nobody's stay depends on how much was charged.

    Parameters
    ----------
    arrival_slot, departure_slot : ndarray of int, shape (vehicles,)
        By arrival.
    chargers : int
        How many there are.
    wait : bool
        Wait in line while all are taken, until the departure at the latest; otherwise drive on.
    plug_slot, charger : ndarray of int, shape (vehicles,)
        Receive the first slot at a charger, and which; -1 for a vehicle that gets none.
    """
    free_at = np.zeros(chargers, dtype=np.int64)
    for i in range(len(arrival_slot)):
        plug_slot[i], charger[i] = arrival_slot[i], -1
        start = max(arrival_slot[i], free_at.min()) if wait else arrival_slot[i]
        if start >= departure_slot[i]:
            continue
        for c in range(chargers):
            if free_at[c] <= start:
                plug_slot[i], charger[i], free_at[c] = start, c, departure_slot[i]
                break


# Each helper goes through all sites itself: to hand this many arrays over takes longer than a site's slot.


@njit(cache=True, error_model="numpy")
def _change_places(at: Arrays, slot: int) -> None:
    """Unplug who leaves as this slot begins, and plug in who comes."""
    vehicle, until_slot, charger_kw, remaining_kwh = at.vehicle, at.until_slot, at.charger_kw, at.remaining_kwh
    following, plug_slot = at.following, at.plug_slot
    for k in range(len(following)):
        for c in range(vehicle.shape[1]):
            if until_slot[k, c] <= slot:
                vehicle[k, c], until_slot[k, c], charger_kw[k, c], remaining_kwh[k, c] = -1, 0, 0.0, 0.0
        i = following[k]
        while i < plug_slot.shape[1] and plug_slot[k, i] <= slot:
            c = at.charger[k, i]
            if c >= 0:
                vehicle[k, c], until_slot[k, c] = i, at.leave_slot[k, i]
                charger_kw[k, c], remaining_kwh[k, c] = at.cap_kw[k, i], at.energy_kwh[k, i]
            i += 1
        following[k] = i


@njit(cache=True, error_model="numpy")
def _bound(at: Arrays, slot: int, shielded: bool) -> None:  # noqa: FBT001 - as above
    """Write the box of a slot: that of ``shield.feasible_box``, or without a lower bound."""
    constants, until_slot, charger_kw, remaining_kwh = at.constants, at.until_slot, at.charger_kw, at.remaining_kwh
    low_kw, high_kw, total_kw, headroom_kw = at.low_kw, at.high_kw, at.total_kw, at.headroom_kw
    for k in range(len(constants)):
        per_slot = 1.0 / constants[k, _SLOT_H]
        least_kw = most_kw = 0.0
        # Where nobody stands, nothing is missing, and both bounds become 0.
        for c in range(low_kw.shape[1]):
            missing = remaining_kwh[k, c] * per_slot
            most = min(charger_kw[k, c], missing)
            least = min(most, max(0.0, missing - charger_kw[k, c] * (until_slot[k, c] - slot - 1)))
            least = least if shielded else 0.0
            low_kw[k, c], high_kw[k, c] = least, most
            least_kw += least
            most_kw += most
        if shielded and most_kw > 0.0 and constants[k, _LIMITED] > 0.0:
            least_kw = _share_limit(
                slot, per_slot, headroom_kw[k], until_slot[k], charger_kw[k], remaining_kwh[k], low_kw[k]
            )
        total_kw[k, 0] = least_kw
        total_kw[k, 1] = min(headroom_kw[k, slot], most_kw) if slot < headroom_kw.shape[1] else 0.0


@njit(cache=True, error_model="numpy")
def _share_limit(
    slot: int,
    per_slot: float,
    headroom_kw: NDArray[np.float64],
    until_slot: NDArray[np.int64],
    charger_kw: NDArray[np.float64],
    remaining_kwh: NDArray[np.float64],
    low_kw: NDArray[np.float64],
) -> float:
    """Replace the lower bounds of a site with a limit, and return their sum."""
    chargers, last, most_kw = len(low_kw), slot, 0.0
    missing, left = np.empty(chargers), np.empty(chargers, dtype=np.int64)
    # A place where nothing is missing takes no part: it wants nothing, but needs a power above 0.
    cap_kw = np.ones(chargers)
    for c in range(chargers):
        missing[c], left[c] = remaining_kwh[c] * per_slot, 1
        if remaining_kwh[c] > 0.0:
            cap_kw[c], left[c] = charger_kw[c], until_slot[c] - slot
            last, most_kw = max(last, until_slot[c]), most_kw + charger_kw[c]
    ahead_kw = np.empty(last - slot)
    for j in range(len(ahead_kw)):
        ahead_kw[j] = min(headroom_kw[slot + j], most_kw)
    must_charge(ahead_kw, left, cap_kw, missing, low_kw)
    least_kw = 0.0
    for c in range(chargers):
        least_kw += low_kw[c]
    return least_kw


@njit(cache=True, error_model="numpy")
def _split(at: Arrays, slot: int, share: NDArray[np.float64]) -> None:
    """Write powers of a sum between its bounds, split by least laxity as ``projection.split_least_laxity`` does."""
    constants, until_slot, charger_kw, remaining_kwh = at.constants, at.until_slot, at.charger_kw, at.remaining_kwh
    low_kw, high_kw, power_kw, total_kw = at.low_kw, at.high_kw, at.power_kw, at.total_kw
    anchor_kw, weight = np.empty(low_kw.shape[1]), np.empty(low_kw.shape[1])
    for k in range(len(constants)):
        per_slot = 1.0 / constants[k, _SLOT_H]
        for c in range(len(anchor_kw)):
            # A place that takes nothing gets nothing whatever its weight, but must not divide by 0.
            anchor_kw[c], weight[c] = 0.0, 1.0
            if high_kw[k, c] > 0.0:
                weight[c] = charger_kw[k, c]
                anchor_kw[c] = remaining_kwh[k, c] * per_slot - weight[c] * (until_slot[k, c] - slot - 1)
        # What is no number counts as nothing.
        part = 0.0 if math.isnan(share[k, 0]) else min(1.0, max(0.0, share[k, 0]))
        sum_kw = total_kw[k, 0] + part * (total_kw[k, 1] - total_kw[k, 0])
        nu = shift_for_total(anchor_kw, weight, low_kw[k], high_kw[k], sum_kw)
        for c in range(len(anchor_kw)):
            power_kw[k, c] = min(high_kw[k, c], max(low_kw[k, c], anchor_kw[c] + nu * weight[c]))


@njit(cache=True, error_model="numpy")
def _clip(at: Arrays, share: NDArray[np.float64]) -> None:
    """Write the powers nearest to shares of the greatest ones, as ``shield.shield`` does."""
    charger_kw, low_kw, high_kw, power_kw, total_kw = at.charger_kw, at.low_kw, at.high_kw, at.power_kw, at.total_kw
    anchor_kw, weight = np.empty(low_kw.shape[1]), np.ones(low_kw.shape[1])
    for k in range(len(total_kw)):
        sum_kw = 0.0
        for c in range(len(anchor_kw)):
            # What is no number counts as nothing, and so does any share of an empty place.
            asked_kw = 0.0 if math.isnan(share[k, c]) else share[k, c] * max(charger_kw[k, c], _NO_POWER_KW)
            anchor_kw[c] = min(high_kw[k, c], max(low_kw[k, c], asked_kw))
            power_kw[k, c] = anchor_kw[c]
            sum_kw += anchor_kw[c]
        if sum_kw > total_kw[k, 1]:
            nu = shift_for_total(anchor_kw, weight, low_kw[k], high_kw[k], total_kw[k, 1])
            for c in range(len(anchor_kw)):
                power_kw[k, c] = min(high_kw[k, c], max(low_kw[k, c], anchor_kw[c] + nu))


@njit(cache=True, error_model="numpy")
def _charge(at: Arrays, slot: int) -> None:
    """Let the powers flow for a slot and write the bill (Eq. 5)."""
    constants, vehicle, remaining_kwh, power_kw = at.constants, at.vehicle, at.remaining_kwh, at.power_kw
    delivered_kwh, energy_kwh = at.delivered_kwh, at.energy_kwh
    for k in range(len(constants)):
        slot_h, k0, k1 = constants[k, _SLOT_H], constants[k, _K0], constants[k, _K1]
        sum_kw = 0.0
        for c in range(vehicle.shape[1]):
            if power_kw[k, c] > 0.0:
                i, drawn_kwh = vehicle[k, c], power_kw[k, c] * slot_h
                sum_kw += power_kw[k, c]
                delivered_kwh[k, i] += drawn_kwh
                left_kwh = remaining_kwh[k, c] - drawn_kwh
                # What rounding leaves is no work for another slot.
                remaining_kwh[k, c] = left_kwh if left_kwh > _DONE * energy_kwh[k, i] else 0.0
        at.charging_kw[k, slot] = sum_kw
        at.cost[k] = slot_h * sum_kw * (k0 + k1 * 0.5 * (sum_kw + 2.0 * at.base_kw[k, slot]))


@njit(cache=True, error_model="numpy")
def _observe(at: Arrays, slot: int, scales: Scales, out: NDArray[np.float32]) -> None:
    """Write the features of a site: those of the whole, base load to come, each charger feature for all chargers."""
    constants, base_kw, charging_kw = at.constants, at.base_kw, at.charging_kw
    until_slot, charger_kw, remaining_kwh = at.until_slot, at.charger_kw, at.remaining_kwh
    (sites, chargers), slots = until_slot.shape, at.headroom_kw.shape[1]
    per_load, per_kwh, per_kw, per_slot = (
        1.0 / scales.load_kw,
        1.0 / scales.energy_kwh,
        1.0 / scales.power_kw,
        1.0 / slots,
    )
    first = 5 + base_kw.shape[1] - slots
    for k in range(sites):
        slot_h = constants[k, _SLOT_H]
        angle = 2.0 * math.pi * slot * slot_h / 24.0
        out[k, 0], out[k, 1], out[k, 2] = slot * per_slot, math.sin(angle), math.cos(angle)
        out[k, 3] = (constants[k, _K0] + constants[k, _K1] * base_kw[k, slot]) / scales.price_per_kwh
        out[k, 4] = min(1.0, charging_kw[k, slot - 1] * per_kw / chargers) if slot > 0 else 0.0
        for j in range(5, first):
            out[k, j] = base_kw[k, slot + j - 5] * per_load
        for c in range(chargers):
            here = until_slot[k, c] > slot
            left = until_slot[k, c] - slot if here else 0
            # Where nobody stands, nothing is missing either.
            rest = left - remaining_kwh[k, c] / (slot_h * max(charger_kw[k, c], _NO_POWER_KW))
            out[k, first + c] = 1.0 if here else 0.0
            out[k, first + chargers + c] = remaining_kwh[k, c] * per_kwh
            out[k, first + 2 * chargers + c] = left * per_slot
            out[k, first + 3 * chargers + c] = min(1.0, max(-1.0, rest * per_slot))
            out[k, first + 4 * chargers + c] = charger_kw[k, c] * per_kw


@njit(cache=True, error_model="numpy")
def advance(
    at: Arrays,
    slot: int,
    action: NDArray[np.float64],
    aggregate: bool,  # noqa: FBT001 - as above
    shielded: bool,  # noqa: FBT001 - as above
    scales: Scales,
    out: NDArray[np.float32],
) -> None:
    """Play one slot at all sites and begin the next one.

    Parameters
    ----------
    at : Arrays
        The sites.
    slot : int
        The one to play; -1 to begin the first one. (One function for both halves the time of compiling.)
    action : ndarray of float, shape (sites, chargers) or (sites, 1)
        Shares of the greatest powers, or of the way between the bounds of the sum. Anything when a first slot begins.
    aggregate : bool
        Whether the action is the latter.
    shielded : bool
        Whether what must flow is a lower bound.
    scales : Scales
        Of the features.
    out : ndarray of float32, shape (sites, features)
        Receives the observations.
    """
    if slot >= 0:
        if aggregate:
            _split(at, slot, action)
        else:
            _clip(at, action)
        _charge(at, slot)
    _change_places(at, slot + 1)
    _bound(at, slot + 1, shielded)
    _observe(at, slot + 1, scales, out)
