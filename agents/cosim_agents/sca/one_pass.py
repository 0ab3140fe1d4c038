"""The rolling optimum in one pass (Eq. 9), in numba; conventions as in :mod:`cosim.scheduling.water_filling`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@njit(cache=True, error_model="numpy")
def _insert(sorted_kw: NDArray[np.float64], slot: NDArray[np.int64], width: int, load_kw: float) -> int:
    """Insert slot number ``width`` among the first ``width`` ones sorted by load; return where."""
    at = width
    while at > 0 and sorted_kw[at - 1] > load_kw:
        sorted_kw[at], slot[at] = sorted_kw[at - 1], slot[at - 1]
        at -= 1
    sorted_kw[at], slot[at] = load_kw, width
    return at


@njit(cache=True, error_model="numpy")
def _walk_up(sorted_kw: NDArray[np.float64], width: int, cap_kw: float, energy: float) -> tuple[int, int, float]:
    """Return how many of the sorted slots get full power, how many get any, and the level of the highest ones."""
    if energy >= cap_kw * width:
        return width, width, math.inf
    full, wet, level = 0, 1, float(sorted_kw[0])
    while full < width:
        # Slots that were levelled before rise together: to go through them costs much more than to count them.
        while wet < width and sorted_kw[wet] == level:
            wet += 1
        while full < wet and sorted_kw[full] + cap_kw == level:
            full += 1
        # What comes first: another slot gets wet, or the lowest of those that rise is full.
        wetting = float(sorted_kw[wet]) if wet < width else math.inf
        filling = float(sorted_kw[full]) + cap_kw if full < wet else math.inf
        step = (min(wetting, filling) - level) * (wet - full) if full < wet else 0.0
        if full < wet and step >= energy:
            return full, wet, level + energy / (wet - full)
        energy -= step
        level = min(wetting, filling)
        if filling <= wetting:
            full += 1
        else:
            wet += 1
    return width, width, math.inf


@njit(cache=True, error_model="numpy")
def _least(
    load_kw: NDArray[np.float64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    energy: NDArray[np.float64],
    mark: NDArray[np.int64],
) -> float:
    """Bound ``<load, y>`` from below for every plan y with the same energies (the dual of the cheapest filling).

    For each vehicle it is at least ``lambda E - cap sum_t max(0, lambda - load_t)``, whatever lambda; here the load of
    a slot at the vehicle's level.
    """
    least = 0.0
    for i in range(len(mark)):
        if mark[i] < 0:
            continue
        level, below = load_kw[mark[i]], 0.0
        for t in range(slots_left[i]):
            below += max(0.0, level - load_kw[t])
        least += level * min(energy[i], cap_kw[i] * slots_left[i]) - cap_kw[i] * below
    return least


@njit(cache=True, error_model="numpy")
def planned_load(
    base_kw: NDArray[np.float64],
    order: NDArray[np.int64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    energy: NDArray[np.float64],
    now_kw: NDArray[np.float64],
    mark: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the total load of the plan of :func:`fill_in_turn`, without its certificate.

    Parameters
    ----------
    base_kw, order, slots_left, cap_kw, energy, now_kw
        As there.
    mark : ndarray of int, shape (vehicles,)
        Receives one of the slots at each vehicle's level, which is at that level still when all have had their turn; -1
        for a vehicle without energy.

    Returns
    -------
    ndarray of float, shape (slots,)
    """
    level_kw, slot = base_kw.copy(), np.zeros(len(base_kw), dtype=np.int64)
    width = present = 0
    for i in order:
        while width < slots_left[i]:
            at = _insert(level_kw, slot, width, base_kw[width])
            present += at <= present and width > 0
            width += 1
        now_kw[i], mark[i] = 0.0, -1
        if energy[i] <= 0.0:
            continue
        full, wet, level = _walk_up(level_kw, width, cap_kw[i], energy[i])
        if present < full:
            now_kw[i] = cap_kw[i]
        elif present < wet:
            now_kw[i] = level - level_kw[present]
        for k in range(full):
            level_kw[k] += cap_kw[i]
        for k in range(full, wet):
            level_kw[k] = level
        mark[i] = slot[wet - 1]
    load_kw = base_kw.copy()
    for k in range(width):
        load_kw[slot[k]] = level_kw[k]
    return load_kw


@njit(cache=True, error_model="numpy")
def fill_in_turn(
    base_kw: NDArray[np.float64],
    order: NDArray[np.int64],
    slots_left: NDArray[np.int64],
    cap_kw: NDArray[np.float64],
    energy: NDArray[np.float64],
    now_kw: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Solve Eq. 9 in one pass: vehicles that all may charge from now on fill up the load in the order of departure.

    Filling to a level never changes the order of the slots by their load. So the slots stay sorted, a vehicle's level
    is found by walking up, and slots that one vehicle has levelled stay level, which keeps its plan optimal.

    Parameters
    ----------
    base_kw : ndarray of float, shape (slots,)
        Load without vehicles, the present slot first.
    order : ndarray of int, shape (vehicles,)
        By increasing ``slots_left``.
    slots_left : ndarray of int, shape (vehicles,)
        Slots until departure, the present one included; between 1 and ``slots``.
    cap_kw, energy : ndarray of float, shape (vehicles,)
        Greatest power, greater than 0, and what is missing in kW times slots. What does not fit is left out.
    now_kw : ndarray of float, shape (vehicles,)
        Receives the powers of the present slot.

    Returns
    -------
    load_kw : ndarray of float, shape (slots,)
        Total load of the plan.
    gap : float
        No plan with the same energies has a ``sum_t load_t ** 2 / 2`` that is lower by more than this.
    """
    mark = np.empty(len(order), dtype=np.int64)
    load_kw = planned_load(base_kw, order, slots_left, cap_kw, energy, now_kw, mark)
    gap = -_least(load_kw, slots_left, cap_kw, energy, mark)
    for t in range(len(base_kw)):
        gap += load_kw[t] * (load_kw[t] - base_kw[t])
    return load_kw, gap
