"""Inner loops in numba: water-filling and its certificate.

Loads are in kW and energies in kW times slots, so that the length of a slot never appears. A *window* is the half-open
range of slots in which a vehicle may charge. Plans are ragged: a vehicle's powers lie one after another, one for each
slot of its window; a row of ``windows`` holds first slot, last slot + 1 and the position of the first power. All
functions may be called from other compiled code; none checks its arguments.

But for `narrow`, what one function here calls stands in this file too: numba's cache notices no change in another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from numba import njit

from cosim.scheduling.kernels import MAX_STEPS, ROUNDING, narrow

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@njit(cache=True, error_model="numpy")
def _depths(
    load_kw: NDArray[np.float64], first: int, last: int, cap_kw: float, level_kw: float
) -> tuple[int, int, float]:
    """Return how many slots a level fills with full power, how many in part, and the load of the latter."""
    full = partly = 0
    partial_kw = 0.0
    for t in range(first, last):
        depth_kw = level_kw - load_kw[t]
        if depth_kw >= cap_kw:
            full += 1
        elif depth_kw > 0.0:
            partly += 1
            partial_kw += load_kw[t]
    return full, partly, partial_kw


@njit(cache=True, error_model="numpy")
def fill_level(
    load_kw: NDArray[np.float64], first: int, last: int, cap_kw: float, energy: float, guess_kw: float
) -> float:
    """Return the level to which a vehicle fills the slots of its window.

    The level L solves ``sum_t min(cap, max(0, L - load_t)) = energy``: a piecewise linear equation, solved by Newton's
    method inside a shrinking bracket. It ends when a step leaves the set of slots that are partly filled as it was,
    so that the result is exact but for rounding.

    Parameters
    ----------
    load_kw : ndarray of float, shape (slots,)
        Load without the vehicle.
    first, last : int
        Its window, not empty.
    cap_kw : float
        Its greatest power.
    energy : float
        What it needs, kW times slots.
    guess_kw : float
        Where to start; any number, NaN too.

    Returns
    -------
    float
        The level; with no energy the lowest load, with more than fits the level that fills every slot.
    """
    low = high = float(load_kw[first])
    for t in range(first + 1, last):
        low = min(low, float(load_kw[t]))
        high = max(high, float(load_kw[t]))
    high += cap_kw
    if energy <= 0.0:
        return low
    if energy >= cap_kw * (last - first):
        return high
    level = guess_kw if low < guess_kw < high else 0.5 * (low + high)
    for step in range(MAX_STEPS):
        full, partly, partial_kw = _depths(load_kw, first, last, cap_kw, level)
        missing = energy - cap_kw * full
        if partly > 0:
            target = (missing + partial_kw) / partly
        elif missing == 0.0:
            # On a plateau, where every level gives the same.
            target = level
        else:
            target = math.copysign(math.inf, missing)
        if abs(target - level) <= ROUNDING * (abs(level) + cap_kw):
            return target
        low, high, level = narrow(level, target, low, high, step)
        if not low < level < high:
            break
    return level


@njit(cache=True, error_model="numpy")
def optimality_gap(
    load_kw: NDArray[np.float64],
    windows: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    plan_kw: NDArray[np.float64],
) -> float:
    """Bound how much better any plan with the same energies can be, in units of ``sum_t load_t ** 2 / 2``.

    The objective is convex in the total load z and its gradient is z, so no plan x' gains more than ``sum_i <z, x_i -
    x'_i>``. Vehicle i's cheapest filling costs at least ``lambda E_i - cap_i sum_t max(0, lambda - z_t)`` for every
    lambda; with the highest load at which it charges for lambda the bound is zero exactly at the optimum.

    Parameters
    ----------
    load_kw : ndarray of float, shape (slots,)
        Total load z of the plan.
    windows : ndarray of int, shape (vehicles, 3)
        First slot, last slot + 1, position in the plan.
    cap_kw : ndarray of float, shape (vehicles,)
        Greatest powers.
    plan_kw : ndarray of float, ragged
        The plan.

    Returns
    -------
    float
        The duality gap, kW squared times slots; never negative but for rounding.
    """
    gap = 0.0
    for i in range(len(windows)):
        first, last, shift = windows[i, 0], windows[i, 1], windows[i, 2] - windows[i, 0]
        level = -math.inf
        for t in range(first, last):
            if plan_kw[shift + t] > 0.0:
                level = max(level, float(load_kw[t]))
        if level == -math.inf:
            continue
        for t in range(first, last):
            below = level - float(load_kw[t])
            # <z, x> - lambda E = -sum_t (lambda - z_t) x_t
            gap += max(0.0, below) * cap_kw[i] - below * float(plan_kw[shift + t])
    return gap


@njit(cache=True, error_model="numpy")
def descend(
    base_kw: NDArray[np.float64],
    order: NDArray[np.int64],
    windows: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    energy: NDArray[np.float64],
    plan_kw: NDArray[np.float64],
    tolerance: float,
    max_sweeps: int,
) -> tuple[NDArray[np.float64], int, float]:
    """Let one vehicle after another fill up the valleys that the others leave, until nobody can gain (Eq. 6 and 9).

    This is exact block-coordinate descent.

    Parameters
    ----------
    base_kw : ndarray of float, shape (slots,)
        Load without any vehicle.
    order : ndarray of int, shape (vehicles,)
        In which order vehicles take their turn.
    windows : ndarray of int, shape (vehicles, 3)
        First slot, last slot + 1, position in the plan.
    cap_kw : ndarray of float, shape (vehicles,)
        Greatest powers.
    energy : ndarray of float, shape (vehicles,)
        What each needs, kW times slots.
    plan_kw : ndarray of float, ragged
        Where to start, and where the plan goes: zeros, or the plan of a problem that is nearly the same.
    tolerance : float
        Stop at this gap relative to ``sum_t (load_t ** 2 - base_t ** 2) / 2``.
    max_sweeps : int
        Stop after so many rounds in any case.

    Returns
    -------
    load_kw : ndarray of float, shape (slots,)
        Total load of the plan.
    sweeps : int
        Rounds that were made.
    gap : float
        What :func:`optimality_gap` says of the plan.
    """
    load_kw = base_kw.copy()
    for i in range(len(windows)):
        for t in range(windows[i, 0], windows[i, 1]):
            load_kw[t] += plan_kw[windows[i, 2] + t - windows[i, 0]]
    gap, level, sweeps = math.inf, math.nan, 0
    while sweeps < max_sweeps:
        sweeps += 1
        for i in order:
            first, last, shift = windows[i, 0], windows[i, 1], windows[i, 2] - windows[i, 0]
            if first >= last:
                continue
            for t in range(first, last):
                load_kw[t] -= plan_kw[shift + t]
            level = fill_level(load_kw, first, last, cap_kw[i], energy[i], level)
            for t in range(first, last):
                plan_kw[shift + t] = min(cap_kw[i], max(0.0, level - load_kw[t]))
                load_kw[t] += plan_kw[shift + t]
        gap = optimality_gap(load_kw, windows, cap_kw, plan_kw)
        cost = 0.0
        for t in range(len(base_kw)):
            cost += 0.5 * (load_kw[t] + base_kw[t]) * (load_kw[t] - base_kw[t])
        if gap <= tolerance * cost:
            break
    return load_kw, sweeps, gap
