"""Inner loops in numba of the learned policies: what they see of a site, and a batch of days to learn on.

Loads are in kW and energies in kW times slots. A network for sites of every size sees ratios only: loads are divided by
the mean load that the rolling optimum plans until the last departure. None of the functions checks its arguments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from cosim.scheduling.kernels import shift_for_total
from cosim_agents.sca.one_pass import planned_load

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How many numbers describe a site, and how many more a vehicle.
SITE_FEATURES, VEHICLE_FEATURES = 25, 8
#: How far ahead plan and base load are looked at, and energy due is counted, h.
AHEAD_H = np.array([1.0, 2.0, 4.0, 8.0, 12.0])
DUE_H = np.array([4.0, 8.0, 12.0, 16.0])
#: Least load in which others are expressed, kW: keeps ratios finite where nothing is planned.
_LEAST_KW = 1e-9


@njit(cache=True, error_model="numpy")
def observe(
    base_kw: NDArray[np.float64],
    order: NDArray[np.int64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    need: NDArray[np.float64],
    slot_h: float,
    hour: float,
    features: NDArray[np.float64],
) -> tuple[float, float, float, float]:
    """Describe a site with at least one vehicle in numbers without unit.

    Parameters
    ----------
    base_kw : ndarray of float, shape (slots,)
        Load without vehicles, the present slot first.
    order : ndarray of int, shape (n,)
        Vehicles by increasing ``slots_left``.
    slots_left : ndarray of int, shape (n,)
        Slots until departure, the present one included.
    cap_kw, need : ndarray of float, shape (n,)
        Greatest power; what is missing, kW times slots.
    slot_h : float
        Length of a slot, h.
    hour : float
        Time of day, h.
    features : ndarray of float, shape (SITE_FEATURES,)
        Receives the numbers.

    Returns
    -------
    oa_kw : float
        What the rolling optimum (Eq. 9) gives to all vehicles now.
    scale_kw : float
        Mean load of its plan until the last departure.
    plan : float
        ``sum_t (load_t ** 2 - base_t ** 2) / 2`` of its plan, kW^2 times slots.
    share : float
        What the vehicles need, as a share of that and the energy of the base load until the last departure.
    """
    n = len(order)
    load_kw = planned_load(base_kw, order, slots_left, cap_kw, need, np.empty(n), np.empty(n, dtype=np.int64))
    horizon = slots_left[order[-1]]
    plan = total = base_total = most = 0.0
    for t in range(horizon):
        plan += 0.5 * (load_kw[t] - base_kw[t]) * (load_kw[t] + base_kw[t])
        total += load_kw[t]
        base_total += base_kw[t]
        most = max(most, load_kw[t])
    scale_kw = max(_LEAST_KW, total / horizon)
    low = high = missing = 0.0
    due = np.zeros(len(DUE_H))
    for i in range(len(order)):
        low += min(cap_kw[i], max(0.0, need[i] - cap_kw[i] * (slots_left[i] - 1)))
        high += min(cap_kw[i], need[i])
        missing += need[i]
        for k in range(len(DUE_H)):
            if slots_left[i] * slot_h <= DUE_H[k]:
                due[k] += need[i]
    angle = hour * math.pi / 12.0
    features[0], features[1] = math.sin(angle), math.cos(angle)
    features[2], features[3] = math.sin(2.0 * angle), math.cos(2.0 * angle)
    features[4] = base_kw[0] / scale_kw
    features[5] = (load_kw[0] - base_kw[0]) / scale_kw
    features[6], features[7] = low / scale_kw, high / scale_kw
    for k in range(len(AHEAD_H)):
        t = min(horizon - 1, int(AHEAD_H[k] / slot_h + 0.5))
        features[8 + k] = (load_kw[t] - load_kw[0]) / scale_kw
        features[13 + k] = (base_kw[t] - base_kw[0]) / scale_kw
    day = scale_kw * 24.0 / slot_h
    for k in range(len(DUE_H)):
        features[18 + k] = due[k] / day
    features[22] = missing / day
    features[23] = horizon * slot_h / 24.0
    features[24] = most / scale_kw
    return load_kw[0] - base_kw[0], scale_kw, plan, missing / max(_LEAST_KW, missing + base_total)


@njit(cache=True, error_model="numpy")
def describe_vehicles(
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    need: NDArray[np.float64],
    slot_h: float,
    oa_kw: float,
    features: NDArray[np.float64],
) -> None:
    """Write what tells the vehicles of a site apart, in numbers without unit; shape (n, VEHICLE_FEATURES).

    Beside energy and time there is the power of the rolling optimum's total split in proportion to the even rates:
    what a vehicle would do that knew only its own data and the total.
    """
    even_kw = 0.0
    for i in range(len(need)):
        even_kw += need[i] / slots_left[i]
    share = oa_kw / max(_LEAST_KW, even_kw)
    for i in range(len(need)):
        even = need[i] / (slots_left[i] * cap_kw[i])
        features[i, 0] = even
        features[i, 1] = slots_left[i] * slot_h / 24.0
        features[i, 2] = need[i] * slot_h / (24.0 * cap_kw[i])
        features[i, 3] = (slots_left[i] - need[i] / cap_kw[i]) * slot_h / 24.0
        features[i, 4] = min(1.0, max(0.0, need[i] / cap_kw[i] - (slots_left[i] - 1)))
        features[i, 5] = min(1.0, need[i] / cap_kw[i])
        features[i, 6] = min(1.0, even * share)
        features[i, 7] = math.log(max(0.01, even))


@njit(cache=True, error_model="numpy")
def gather(
    slot: int,
    offsets: NDArray[np.int64],
    arrival: NDArray[np.int64],
    departure: NDArray[np.int64],
    need: NDArray[np.float64],
    done: NDArray[np.float64],
    present: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> int:
    """Find the vehicles that are there and need energy, day after day.

    Parameters
    ----------
    slot : int
        Now.
    offsets : ndarray of int, shape (days + 1,)
        Where the vehicles of each day begin.
    arrival, departure : ndarray of int, shape (vehicles,)
        Of all days, by departure within each.
    need, done : ndarray of float, shape (vehicles,)
        What each needs, and below what it needs nothing, kW times slots.
    present : ndarray of int, shape (vehicles,)
        Receives their positions.
    counts : ndarray of int, shape (days,)
        Receives how many there are in each day.

    Returns
    -------
    int
        How many there are in all.
    """
    found = 0
    for day in range(len(counts)):
        before = found
        for i in range(offsets[day], offsets[day + 1]):
            if arrival[i] <= slot < departure[i] and need[i] > done[i]:
                present[found] = i
                found += 1
        counts[day] = found - before
    return found


@njit(cache=True, error_model="numpy")
def observe_days(
    now: tuple[int, float, float],
    base_kw: NDArray[np.float64],
    counts: NDArray[np.int64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    need: NDArray[np.float64],
    features: NDArray[np.float64],
    facts: NDArray[np.float64],
) -> None:
    """Describe every day's site as it is now; nothing is written but zeros for a day without vehicles.

    Parameters
    ----------
    now : tuple of int, float and float
        The slot, its length in h and the time of day in h.
    base_kw : ndarray of float, shape (days, slots)
        Of each day, from its first slot on.
    counts : ndarray of int, shape (days,)
        How many vehicles of each day there are.
    slots_left, cap_kw, need : ndarray, shape (present,)
        Of the vehicles present, day after day, by departure within each.
    features : ndarray of float, shape (days, SITE_FEATURES)
        Receives the descriptions.
    facts : ndarray of float, shape (days, 4)
        Receives what :func:`observe` returns.
    """
    first = 0
    slot, slot_h, hour = now
    for day in range(len(counts)):
        last = first + counts[day]
        if last == first:
            features[day] = 0.0
            facts[day] = 0.0
            continue
        facts[day] = observe(
            base_kw[day, slot:],
            np.arange(counts[day]),
            slots_left[first:last],
            cap_kw[first:last],
            need[first:last],
            slot_h,
            hour,
            features[day],
        )
        first = last


@njit(cache=True, error_model="numpy")
def split_days(
    totals_kw: NDArray[np.float64],
    counts: NDArray[np.int64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    need: NDArray[np.float64],
    power_kw: NDArray[np.float64],
) -> None:
    """Split a total of each day as ``cosim.scheduling.projection.split_least_laxity`` does, within the feasible box.

    Parameters
    ----------
    totals_kw : ndarray of float, shape (days,)
        One for each day; what the box does not allow is replaced by the nearest that it does.
    counts, slots_left, cap_kw, need
        As for :func:`observe_days`.
    power_kw : ndarray of float, shape (present,)
        Receives the powers.
    """
    first = 0
    for day in range(len(counts)):
        last = first + counts[day]
        if last == first:
            continue
        anchor_kw = need[first:last] - cap_kw[first:last] * (slots_left[first:last] - 1)
        high_kw = np.minimum(cap_kw[first:last], need[first:last])
        low_kw = np.minimum(high_kw, np.maximum(0.0, anchor_kw))
        nu = shift_for_total(anchor_kw, cap_kw[first:last], low_kw, high_kw, totals_kw[day])
        power_kw[first:last] = np.minimum(high_kw, np.maximum(low_kw, anchor_kw + nu * cap_kw[first:last]))
        first = last
