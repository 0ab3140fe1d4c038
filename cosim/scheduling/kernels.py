"""Inner loops in numba: a safeguarded Newton step, the projection on a box, and what must be charged now.

Loads are in kW and energies in kW times slots, so that the length of a slot never appears. All functions may be called
from other compiled code; none checks its arguments. numba's cache of a caller in another file notices no change here:
who changes a function has to delete the ``__pycache__`` of this folder and that of ``cosim_agents/sca``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Newton's steps nearly always end after two to four. Every fourth one halves the bracket, so that this is not reached.
MAX_STEPS = 400
#: Two steps that differ by less are rounded differently, no more.
ROUNDING = 4e-16


@njit(cache=True, error_model="numpy")
def narrow(now: float, target: float, low: float, high: float, step: int) -> tuple[float, float, float]:
    """Return a smaller bracket and the next place to look: Newton's target, or the middle if that helps more.

    Parameters
    ----------
    now : float
        Where the function was evaluated; a bound of the new bracket.
    target : float
        Newton's next step; infinite where the function is flat.
    low, high : float
        The bracket.
    step : int
        How many were made.

    Returns
    -------
    low, high, target : float
        The target is on the bracket's edge only when no number lies between its ends.
    """
    if target < now:
        high = now
    else:
        low = now
    if step % 4 == 3 or not low < target < high:
        target = 0.5 * (low + high)
    return low, high, target


@njit(cache=True, error_model="numpy")
def _moving(
    anchor_kw: NDArray[np.float64],
    weight: NDArray[np.float64],
    low_kw: NDArray[np.float64],
    high_kw: NDArray[np.float64],
    nu: float,
) -> tuple[float, float]:
    """Return the sum at ``nu`` without its part that is proportional to it, and that part's slope."""
    constant_kw = slope = 0.0
    for i in range(len(anchor_kw)):
        wanted_kw = anchor_kw[i] + nu * weight[i]
        if wanted_kw <= low_kw[i]:
            constant_kw += low_kw[i]
        elif wanted_kw >= high_kw[i]:
            constant_kw += high_kw[i]
        else:
            constant_kw += anchor_kw[i]
            slope += weight[i]
    return constant_kw, slope


@njit(cache=True, error_model="numpy")
def shift_for_total(
    anchor_kw: NDArray[np.float64],
    weight: NDArray[np.float64],
    low_kw: NDArray[np.float64],
    high_kw: NDArray[np.float64],
    total_kw: float,
) -> float:
    """Return the nu for which ``min(high, max(low, anchor + nu * weight))`` sums to a total (dual of Eq. 31).

    The same method as in :func:`fill_level`.

    Parameters
    ----------
    anchor_kw, low_kw, high_kw : ndarray of float, shape (vehicles,)
        What is projected, and the box.
    weight : ndarray of float, shape (vehicles,)
        Greater than 0: how fast each gives way.
    total_kw : float
        The sum.

    Returns
    -------
    float
        Infinite where the total is that of a corner of the box, or lies outside of it.
    """
    low, high = math.inf, -math.inf
    least_kw = most_kw = 0.0
    for i in range(len(anchor_kw)):
        low = min(low, (low_kw[i] - anchor_kw[i]) / weight[i])
        high = max(high, (high_kw[i] - anchor_kw[i]) / weight[i])
        least_kw += low_kw[i]
        most_kw += high_kw[i]
    if total_kw <= least_kw:
        return -math.inf
    if total_kw >= most_kw:
        return math.inf
    nu = 0.0 if low < 0.0 < high else 0.5 * (low + high)
    for step in range(MAX_STEPS):
        constant_kw, slope = _moving(anchor_kw, weight, low_kw, high_kw, nu)
        missing_kw = total_kw - constant_kw
        if slope > 0.0:
            target = missing_kw / slope
        elif missing_kw == 0.0:
            target = nu
        else:
            target = math.copysign(math.inf, missing_kw)
        if abs(target - nu) <= ROUNDING * abs(nu):
            return target
        low, high, nu = narrow(nu, target, low, high, step)
        if not low < nu < high:
            break
    return nu


@njit(cache=True, error_model="numpy")
def must_charge(
    headroom_kw: NDArray[np.float64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    missing: NDArray[np.float64],
    low_kw: NDArray[np.float64],
) -> None:
    """Write what each vehicle must charge now because the slots to come cannot hold it.

    The slots to come are filled from the last one back, each as far as it goes and first with the vehicles that need
    the longest at full power. Looked at backwards, vehicles come one after another and all must be done by now, for
    which this rule is optimal: what it leaves for the present has the least sum, and the least part that does not fit
    there either.

    Parameters
    ----------
    headroom_kw : ndarray of float, shape (slots,)
        What the vehicles may draw together in each slot, the present one first; finite.
    slots_left : ndarray of int, shape (vehicles,)
        Slots until departure, the present one included; at least 1.
    cap_kw : ndarray of float, shape (vehicles,)
        Greatest power.
    missing : ndarray of float, shape (vehicles,)
        What is missing, kW times slots. What cannot be delivered any more is left in it.
    low_kw : ndarray of float, shape (vehicles,)
        Receives the power that must flow now; the sum never exceeds ``headroom_kw[0]``.
    """
    nothing_kw = np.zeros(len(missing))
    for t in range(len(headroom_kw) - 1, -1, -1):
        wanted_kw = 0.0
        for i in range(len(missing)):
            low_kw[i] = min(cap_kw[i], missing[i]) if t < slots_left[i] else 0.0
            wanted_kw += low_kw[i]
        if wanted_kw > headroom_kw[t]:
            nu = shift_for_total(missing, cap_kw, nothing_kw, low_kw, headroom_kw[t])
            for i in range(len(missing)):
                low_kw[i] = min(low_kw[i], max(0.0, missing[i] + nu * cap_kw[i]))
        for i in range(len(missing)):
            missing[i] -= low_kw[i]
