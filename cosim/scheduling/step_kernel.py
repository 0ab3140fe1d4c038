"""Many sites in step: who stands at which charger, what must and can flow, and one slot of charging, in numba.

Sites with the same number of slots and chargers stand in arrays ``(sites, chargers)`` and all move on by one slot in
one call. The numbers are those of ``shield``, ``projection`` and ``replay``, but for rounding.

Most loops over chargers have no branches, know floats only and stop behind the last one taken, so that they become a
few vector instructions. Who comes and goes is read off lists made beforehand.

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
#: Loops over chargers end at a multiple of this, which leaves no rest that vector instructions cannot take.
_WIDTH = 16
#: Numbers of each site that :class:`Arrays` has in ``constants``: slot, h; price k0, per kWh, and k1, per kWh and kW.
_SLOT_H, _K0, _K1, _LIMITED = range(4)
#: Columns of ``Arrays.diary``: how many have come and left, when the next ones do, and how many chargers to look at.
_COME, _NEXT_COMING, _LEFT, _NEXT_LEAVING, _SPAN = range(5)
#: Columns of ``Arrays.visits``, which holds side by side what is read at once.
PLUG, UNTIL, CHARGER, ENERGY, CAP = range(5)
#: Columns of ``Arrays.leaving``, and a slot of leaving that never comes.
LEAVE, WHERE, WHO = range(3)
_NEVER = 2**62
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
    diary : ndarray of int, shape (sites, 5)
        How many have come, when the next one does, the same for leaving, and behind which charger nobody stands.
    visits : ndarray of float, shape (sites, vehicles, 5)
        By the slot of plugging in: it, that of leaving, charger (-1 where a vehicle leaves at once, and where there is
        none), target and greatest power.
    leaving : ndarray of int, shape (sites, vehicles, 3)
        By the slot of leaving, of those that get a charger: it, charger, and which of ``visits``.
    delivered_kwh : ndarray of float, shape (sites, vehicles)
        What was drawn, in the order of ``visits``; written when a vehicle leaves.
    vehicle : ndarray of int, shape (sites, chargers)
        Who stands there; -1 for nobody.
    until_slot : ndarray of float, shape (sites, chargers)
        When who stands there leaves; 0 for nobody.
    charger_kw, remaining_kwh, target_kwh : ndarray of float, shape (sites, chargers)
        The most that flows into who stands there, what is missing, and what was at first; 0 for nobody.
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
    diary: NDArray[np.int64]
    visits: NDArray[np.float64]
    leaving: NDArray[np.int64]
    delivered_kwh: NDArray[np.float64]
    vehicle: NDArray[np.int64]
    until_slot: NDArray[np.float64]
    charger_kw: NDArray[np.float64]
    remaining_kwh: NDArray[np.float64]
    target_kwh: NDArray[np.float64]
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


@njit(cache=True, error_model="numpy", fastmath={"reassoc", "nsz"})
def _sum(table: NDArray[np.float64], row: int, count: int) -> float:
    """Return the sum of the first numbers of a row; the only thing here whose order LLVM may choose."""
    total = 0.0
    for c in range(count):
        total += table[row, c]
    return total


@njit(cache=True, error_model="numpy")
def _unplug(at: Arrays, slot: int) -> None:
    """Let go who leaves as this slot begins."""
    diary, leaving, vehicle, until_slot = at.diary, at.leaving, at.vehicle, at.until_slot
    charger_kw, remaining_kwh, target_kwh = at.charger_kw, at.remaining_kwh, at.target_kwh
    low_kw, high_kw, chargers, most = at.low_kw, at.high_kw, vehicle.shape[1], leaving.shape[1]
    for k in range(len(at.cost)):
        if diary[k, _NEXT_LEAVING] > slot:
            continue
        left = diary[k, _LEFT]
        while left < most and leaving[k, left, LEAVE] <= slot:
            i, c = leaving[k, left, WHO], leaving[k, left, WHERE]
            at.delivered_kwh[k, i] = target_kwh[k, c] - remaining_kwh[k, c]
            vehicle[k, c], until_slot[k, c], charger_kw[k, c], remaining_kwh[k, c] = -1, 0.0, 0.0, 0.0
            target_kwh[k, c], low_kw[k, c], high_kw[k, c] = 0.0, 0.0, 0.0
            left += 1
        diary[k, _LEFT], diary[k, _NEXT_LEAVING] = left, leaving[k, left, LEAVE] if left < most else _NEVER
        taken = diary[k, _SPAN]
        while taken > 0 and until_slot[k, taken - 1] <= 0.0:
            taken -= 1
        diary[k, _SPAN] = min(chargers, (taken + _WIDTH - 1) // _WIDTH * _WIDTH)


@njit(cache=True, error_model="numpy")
def _plug_in(at: Arrays, slot: int) -> None:
    """Connect who comes as this slot begins."""
    diary, visits, vehicle, until_slot = at.diary, at.visits, at.vehicle, at.until_slot
    charger_kw, remaining_kwh, target_kwh = at.charger_kw, at.remaining_kwh, at.target_kwh
    chargers, most = vehicle.shape[1], visits.shape[1]
    for k in range(len(at.cost)):
        if diary[k, _NEXT_COMING] > slot:
            continue
        i, taken = diary[k, _COME], diary[k, _SPAN]
        while i < most and visits[k, i, PLUG] <= slot:
            c = int(visits[k, i, CHARGER])
            if c >= 0:
                vehicle[k, c], until_slot[k, c], charger_kw[k, c] = i, visits[k, i, UNTIL], visits[k, i, CAP]
                remaining_kwh[k, c] = target_kwh[k, c] = visits[k, i, ENERGY]
                taken = max(taken, c + 1)
            i += 1
        diary[k, _COME], diary[k, _NEXT_COMING] = i, int(visits[k, i, PLUG]) if i < most else _NEVER
        diary[k, _SPAN] = min(chargers, (taken + _WIDTH - 1) // _WIDTH * _WIDTH)


@njit(cache=True, error_model="numpy")
def _bound(at: Arrays, slot: int, shielded: bool) -> None:  # noqa: FBT001 - as above
    """Write the box of a slot: that of ``shield.feasible_box``, or without a lower bound."""
    constants, until_slot, charger_kw, remaining_kwh = at.constants, at.until_slot, at.charger_kw, at.remaining_kwh
    low_kw, high_kw, total_kw, headroom_kw = at.low_kw, at.high_kw, at.total_kw, at.headroom_kw
    later, over = slot + 1.0, slot >= headroom_kw.shape[1]
    for k in range(len(at.cost)):
        span, per_slot = at.diary[k, _SPAN], 1.0 / constants[k, _SLOT_H]
        # Where nobody stands, nothing is missing, and both bounds become 0.
        for c in range(span):
            missing, cap_kw = remaining_kwh[k, c] * per_slot, charger_kw[k, c]
            high_kw[k, c] = min(cap_kw, missing)
        least_kw, most_kw = 0.0, _sum(high_kw, k, span)
        if shielded and most_kw > 0.0 and constants[k, _LIMITED] > 0.0:
            least_kw = _share_limit(
                slot, per_slot, headroom_kw[k], until_slot[k], charger_kw[k], remaining_kwh[k], low_kw[k]
            )
        elif shielded:
            for c in range(span):
                least = remaining_kwh[k, c] * per_slot - charger_kw[k, c] * (until_slot[k, c] - later)
                least = max(0.0, least)
                low_kw[k, c] = min(high_kw[k, c], least)
            least_kw = _sum(low_kw, k, span)
        total_kw[k, 0], total_kw[k, 1] = least_kw, 0.0 if over else min(headroom_kw[k, slot], most_kw)


@njit(cache=True, error_model="numpy")
def _share_limit(
    slot: int,
    per_slot: float,
    headroom_kw: NDArray[np.float64],
    until_slot: NDArray[np.float64],
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
            cap_kw[c], left[c] = charger_kw[c], int(until_slot[c]) - slot
            last, most_kw = max(last, int(until_slot[c])), most_kw + charger_kw[c]
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
    low_kw, high_kw, power_kw, total_kw, chargers = at.low_kw, at.high_kw, at.power_kw, at.total_kw, at.vehicle.shape[1]
    place, anchor_kw, weight = np.empty(chargers, dtype=np.int64), np.empty(chargers), np.empty(chargers)
    least_kw, most_kw = np.empty(chargers), np.empty(chargers)
    for k in range(len(at.cost)):
        per_slot, n = 1.0 / constants[k, _SLOT_H], 0
        power_kw[k] = 0.0
        # Only who takes something: who does not gets nothing, and may have no power to be weighed with.
        for c in range(at.diary[k, _SPAN]):
            if high_kw[k, c] > 0.0:
                place[n], weight[n], least_kw[n], most_kw[n] = c, charger_kw[k, c], low_kw[k, c], high_kw[k, c]
                anchor_kw[n] = remaining_kwh[k, c] * per_slot - weight[n] * (until_slot[k, c] - slot - 1.0)
                n += 1
        # What is no number counts as nothing.
        part = 0.0 if math.isnan(share[k, 0]) else min(1.0, max(0.0, share[k, 0]))
        sum_kw = total_kw[k, 0] + part * (total_kw[k, 1] - total_kw[k, 0])
        nu = shift_for_total(anchor_kw[:n], weight[:n], least_kw[:n], most_kw[:n], sum_kw)
        for j in range(n):
            power_kw[k, place[j]] = min(most_kw[j], max(least_kw[j], anchor_kw[j] + nu * weight[j]))


@njit(cache=True, error_model="numpy")
def _clip(at: Arrays, share: NDArray[np.float64]) -> None:
    """Write the powers nearest to shares of the greatest ones, as ``shield.shield`` does."""
    charger_kw, low_kw, high_kw, power_kw, total_kw = at.charger_kw, at.low_kw, at.high_kw, at.power_kw, at.total_kw
    for k in range(len(at.cost)):
        span = at.diary[k, _SPAN]
        for c in range(span):
            asked_kw = share[k, c] * charger_kw[k, c]
            # What is no number counts as nothing, and so does any share of an empty place.
            asked_kw = 0.0 if math.isnan(asked_kw) else asked_kw
            asked_kw = max(low_kw[k, c], asked_kw)
            power_kw[k, c] = min(high_kw[k, c], asked_kw)
        power_kw[k, span:] = 0.0
        if _sum(power_kw, k, span) > total_kw[k, 1]:
            anchor_kw, low, high = power_kw[k, :span].copy(), low_kw[k, :span], high_kw[k, :span]
            nu = shift_for_total(anchor_kw, np.ones(span), low, high, total_kw[k, 1])
            for c in range(span):
                power_kw[k, c] = min(high[c], max(low[c], anchor_kw[c] + nu))


@njit(cache=True, error_model="numpy")
def _charge(at: Arrays, slot: int) -> None:
    """Let the powers flow for a slot and write the bill (Eq. 5)."""
    constants, remaining_kwh, target_kwh, power_kw = at.constants, at.remaining_kwh, at.target_kwh, at.power_kw
    for k in range(len(at.cost)):
        span, slot_h, k0, k1 = at.diary[k, _SPAN], constants[k, _SLOT_H], constants[k, _K0], constants[k, _K1]
        for c in range(span):
            left_kwh = remaining_kwh[k, c] - power_kw[k, c] * slot_h
            # What rounding leaves is no work for another slot.
            remaining_kwh[k, c] = left_kwh if left_kwh > _DONE * target_kwh[k, c] else 0.0
        sum_kw = _sum(power_kw, k, span)
        at.charging_kw[k, slot] = sum_kw
        at.cost[k] = slot_h * sum_kw * (k0 + k1 * 0.5 * (sum_kw + 2.0 * at.base_kw[k, slot]))


@njit(cache=True, error_model="numpy")
def _observe(at: Arrays, slot: int, scales: Scales, out: NDArray[np.float32]) -> None:
    """Write the features of sites: those of the whole, base load to come, each charger feature for all chargers."""
    constants, base_kw, charging_kw = at.constants, at.base_kw, at.charging_kw
    until_slot, charger_kw, remaining_kwh = at.until_slot, at.charger_kw, at.remaining_kwh
    chargers, slots, now = until_slot.shape[1], at.headroom_kw.shape[1], float(slot)
    per_load, per_price, per_kwh = 1.0 / scales.load_kw, 1.0 / scales.price_per_kwh, 1.0 / scales.energy_kwh
    per_kw, per_slot = 1.0 / scales.power_kw, 1.0 / slots
    here = 5 + base_kw.shape[1] - slots
    rest, left, lax, cap = here + chargers, here + 2 * chargers, here + 3 * chargers, here + 4 * chargers
    turned_h = sine = cosine = 0.0
    for k in range(len(at.cost)):
        span, slot_h = at.diary[k, _SPAN], constants[k, _SLOT_H]
        if slot_h != turned_h:
            angle = 2.0 * math.pi * slot * slot_h / 24.0
            turned_h, sine, cosine = slot_h, math.sin(angle), math.cos(angle)
        out[k, 0], out[k, 1], out[k, 2] = slot * per_slot, sine, cosine
        out[k, 3] = (constants[k, _K0] + constants[k, _K1] * base_kw[k, slot]) * per_price
        out[k, 4] = min(1.0, charging_kw[k, slot - 1] * per_kw / chargers) if slot > 0 else 0.0
        for j in range(5, here):
            out[k, j] = base_kw[k, slot + j - 5] * per_load
        out[k, here:] = 0.0
        # One loop for each feature: LLVM gives up where too many arrays could overlap.
        for c in range(span):
            out[k, here + c] = 1.0 if until_slot[k, c] > now else 0.0
        for c in range(span):
            out[k, rest + c] = remaining_kwh[k, c] * per_kwh
        for c in range(span):
            stays = until_slot[k, c] - now
            out[k, left + c] = stays * per_slot if stays > 0.0 else 0.0
        for c in range(span):
            # Where nobody stands, nothing is missing either.
            stays, power_kw = until_slot[k, c] - now, charger_kw[k, c]
            stays, power_kw = max(0.0, stays), power_kw if power_kw > 0.0 else 1.0
            rests = (stays - remaining_kwh[k, c] / (slot_h * power_kw)) * per_slot
            rests = max(-1.0, rests)
            out[k, lax + c] = min(1.0, rests)
        for c in range(span):
            out[k, cap + c] = charger_kw[k, c] * per_kw


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
    out : ndarray of float32, shape (sites, features) or (0, 0)
        Receives the observations; nobody observes if it is empty.
    """
    if slot >= 0:
        if aggregate:
            _split(at, slot, action)
        else:
            _clip(at, action)
        _charge(at, slot)
    _unplug(at, slot + 1)
    _plug_in(at, slot + 1)
    _bound(at, slot + 1, shielded)
    if len(out) > 0:
        _observe(at, slot + 1, scales, out)
