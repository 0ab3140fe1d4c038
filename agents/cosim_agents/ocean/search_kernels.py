"""Assignments of a slot: built greedily at given prices, then improved by shifts and swaps.

An assignment is three arrays: ``at`` holds for each task its vehicle's position in canonical order, or -1 for the edge
server; ``load_ghz`` and ``spent_j`` hold what each vehicle has taken on. All functions may be called from other
compiled code; none checks its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from cosim_agents.ocean.slot_kernels import NEVER, ROUNDING, ascending

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.dual_kernels import Ascent
    from cosim_agents.ocean.slot_kernels import Slot

#: Less than this, relative to the price of a task left out, is no gain: rounding must not keep a search going.
GAIN = 1e-13


class Solution(NamedTuple):
    """An assignment in canonical order and what bounds it; arrays as in the modules of their kernels.

    Attributes
    ----------
    at, load_ghz, spent_j : ndarray
        The assignment.
    fewest : int
        At least so many tasks are left out by any assignment.
    cost_j : float
        Energy and the price of what is left out.
    energy, counting : Ascent
        What proves the bound on the cost and `fewest`.
    """

    at: NDArray[np.int64]
    load_ghz: NDArray[np.float64]
    spent_j: NDArray[np.float64]
    fewest: int
    cost_j: float
    energy: Ascent
    counting: Ascent


@njit(cache=True, error_model="numpy")
def room(
    slot: Slot, c: int, need_ghz: float, energy_j: float, load_ghz: NDArray[np.float64], spent_j: NDArray[np.float64]
) -> int:
    """Return the fullest vehicle of a class that still can take a task, or -1."""
    found, fullest = -1, -1.0
    for i in range(slot.first[c], slot.first[c + 1]):
        if (
            load_ghz[i] > fullest
            and load_ghz[i] + need_ghz <= slot.capacity_ghz[c] * (1.0 + ROUNDING)
            and spent_j[i] + energy_j <= slot.budget_j[c] * (1.0 + ROUNDING)
        ):
            found, fullest = i, load_ghz[i]
    return found


@njit(cache=True, error_model="numpy")
def insert(
    slot: Slot,
    j: int,
    lam: NDArray[np.float64],
    nu: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
) -> None:
    """Assign one task to the vehicle with room where energy and prices together are least, if there is any."""
    least = 0.5 * NEVER
    for c in range(len(lam)):
        value = (1.0 + nu[c]) * slot.energy_j[c, j] + lam[c] * slot.need_ghz[c, j]
        if value < least:
            i = room(slot, c, slot.need_ghz[c, j], slot.energy_j[c, j], load_ghz, spent_j)
            if i >= 0:
                at[j], least = i, value
    if at[j] >= 0:
        c = slot.class_of[at[j]]
        load_ghz[at[j]] += slot.need_ghz[c, j]
        spent_j[at[j]] += slot.energy_j[c, j]


@njit(cache=True, error_model="numpy")
def start_order(slot: Slot, ascent: Ascent, crowded: bool) -> NDArray[np.int64]:  # noqa: FBT001
    """Return the order in which `build` is to assign the tasks.

    Parameters
    ----------
    slot : Slot
        The slot.
    ascent : Ascent
        As `dual_kernels.evaluate` left it.
    crowded : bool
        Whether tasks must be left out that could be done. Then those that the bound serves come first, the largest in
        front. If not, those come first that lose most by going to their second best class, for each GHz.
    """
    classes, count = slot.need_ghz.shape
    keys = np.empty((1, count))
    key = keys[0]
    if crowded:
        for j in range(count):
            c = ascent.where[j]
            served = c >= 0 and ascent.best[j] <= ascent.progress[4]
            key[j] = -slot.need_ghz[c, j] if served else ascent.best[j]
        return ascending(keys)
    second = np.full(count, NEVER)
    for c in range(classes):
        weight, lam = 1.0 + ascent.nu[c], ascent.lam[c]
        for j in range(count):
            value = weight * slot.energy_j[c, j] + lam * slot.need_ghz[c, j]
            second[j] = value if c != ascent.where[j] and value < second[j] else second[j]
    for j in range(count):
        key[j] = (ascent.best[j] - second[j]) / slot.need_ghz[max(0, ascent.where[j]), j]
    return ascending(keys)


@njit(cache=True, error_model="numpy")
def build(
    slot: Slot,
    order: NDArray[np.int64],
    lam: NDArray[np.float64],
    nu: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
) -> None:
    """Assign task after task to the vehicle with room where energy and prices together are least."""
    load_ghz[:] = 0.0
    spent_j[:] = 0.0
    at[:] = -1
    for j in order:
        insert(slot, j, lam, nu, at, load_ghz, spent_j)


@njit(cache=True, error_model="numpy")
def left_out(at: NDArray[np.int64]) -> int:
    """Count the negative ones."""
    count = 0
    for vehicle in at:
        count += vehicle < 0
    return count


@njit(cache=True, error_model="numpy")
def total_j(slot: Slot, at: NDArray[np.int64]) -> float:
    """Return the cost: energy, and the price of what is left out."""
    total = 0.0
    for j in range(len(at)):
        total += slot.energy_j[slot.class_of[at[j]], j] if at[j] >= 0 else slot.price_j
    return total


@njit(cache=True, error_model="numpy")
def shift(
    slot: Slot,
    paid_j: NDArray[np.float64],
    least_j: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
) -> bool:
    """Move every task that can be cheaper elsewhere to where it is cheapest."""
    moved, classes = False, len(slot.capacity_ghz)
    threshold = GAIN * slot.price_j
    for j in range(len(at)):
        if paid_j[j] - least_j[j] <= threshold:
            continue
        least, to = paid_j[j] - threshold, -1
        for c in range(classes):
            if slot.energy_j[c, j] < least:
                i = room(slot, c, slot.need_ghz[c, j], slot.energy_j[c, j], load_ghz, spent_j)
                if i >= 0:
                    least, to = slot.energy_j[c, j], i
        if to >= 0:
            if at[j] >= 0:
                load_ghz[at[j]] -= slot.need_ghz[slot.class_of[at[j]], j]
                spent_j[at[j]] -= slot.energy_j[slot.class_of[at[j]], j]
            load_ghz[to] += slot.need_ghz[slot.class_of[to], j]
            spent_j[to] += least
            at[j], paid_j[j], moved = to, least, True
    return moved


@njit(cache=True, error_model="numpy")
def swap(
    slot: Slot,
    paid_j: NDArray[np.float64],
    least_j: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
) -> bool:
    """Exchange pairs of tasks whenever both together get cheaper; a task left out may replace one that is served."""
    moved, threshold = False, GAIN * slot.price_j
    limit_ghz, limit_j = slot.capacity_ghz * (1.0 + ROUNDING), slot.budget_j * (1.0 + ROUNDING)
    for j in range(len(at)):
        for k in range(j):
            here, there = at[j], at[k]
            most = paid_j[j] + paid_j[k] - threshold
            if here == there or least_j[j] + least_j[k] >= most:
                continue
            b, c = slot.class_of[max(0, here)], slot.class_of[max(0, there)]
            new_j = slot.energy_j[c, j] if there >= 0 else slot.price_j
            new_k = slot.energy_j[b, k] if here >= 0 else slot.price_j
            if new_j + new_k >= most:
                continue
            load_here = load_there = spent_here = spent_there = 0.0
            if here >= 0:
                load_here = load_ghz[here] - slot.need_ghz[b, j] + slot.need_ghz[b, k]
                spent_here = spent_j[here] - paid_j[j] + new_k
                if load_here > limit_ghz[b] or spent_here > limit_j[b]:
                    continue
            if there >= 0:
                load_there = load_ghz[there] - slot.need_ghz[c, k] + slot.need_ghz[c, j]
                spent_there = spent_j[there] - paid_j[k] + new_j
                if load_there > limit_ghz[c] or spent_there > limit_j[c]:
                    continue
                load_ghz[there], spent_j[there] = load_there, spent_there
            if here >= 0:
                load_ghz[here], spent_j[here] = load_here, spent_here
            at[j], at[k], paid_j[j], paid_j[k], moved = there, here, new_j, new_k, True
    return moved


@njit(cache=True, error_model="numpy")
def squeeze(
    slot: Slot,
    paid_j: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
) -> bool:
    """Make room for one task that is left out: exchange two others, or shift one, so that it fits beside.

    What is left of the capacities may be enough for it, but spread over many vehicles.
    """
    count = len(at)
    limit_ghz, limit_j = slot.capacity_ghz * (1.0 + ROUNDING), slot.budget_j * (1.0 + ROUNDING)
    for k in range(count):
        if at[k] >= 0:
            continue
        for j in range(count):
            a = at[j]
            if a < 0:
                continue
            ca = slot.class_of[a]
            load_a = load_ghz[a] - slot.need_ghz[ca, j] + slot.need_ghz[ca, k]
            spent_a = spent_j[a] - paid_j[j] + slot.energy_j[ca, k]
            if load_a > limit_ghz[ca] or spent_a > limit_j[ca]:
                continue
            for m in range(count):
                b = at[m]
                if b < 0 or b == a or load_a + slot.need_ghz[ca, m] > limit_ghz[ca]:
                    continue
                cb = slot.class_of[b]
                load_b = load_ghz[b] - slot.need_ghz[cb, m] + slot.need_ghz[cb, j]
                spent_b = spent_j[b] - paid_j[m] + slot.energy_j[cb, j]
                after = slot.energy_j[ca, k] + slot.energy_j[ca, m] + slot.energy_j[cb, j]
                if (
                    load_b <= limit_ghz[cb]
                    and spent_b <= limit_j[cb]
                    and spent_a + slot.energy_j[ca, m] <= limit_j[ca]
                    and after < slot.price_j * (1.0 - GAIN) + paid_j[j] + paid_j[m]
                ):
                    load_ghz[a], spent_j[a] = load_a + slot.need_ghz[ca, m], spent_a + slot.energy_j[ca, m]
                    load_ghz[b], spent_j[b] = load_b, spent_b
                    at[k], at[m], at[j] = a, a, b
                    paid_j[k], paid_j[m], paid_j[j] = slot.energy_j[ca, k], slot.energy_j[ca, m], slot.energy_j[cb, j]
                    return True
    return False


@njit(cache=True, error_model="numpy")
def improve(
    slot: Slot,
    least_j: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
    spent_j: NDArray[np.float64],
    fewest: int,
    rounds: int | np.int64,
) -> float:
    """Shift and swap until nothing gets cheaper, or for some rounds.

    Parameters
    ----------
    slot : Slot
        The slot.
    least_j : ndarray of float, shape (tasks,)
        No task can cost less than this.
    at, load_ghz, spent_j : ndarray
        The assignment.
    fewest : int
        At least so many tasks are left out anyway; room is made only for more.
    rounds : int
        How many.

    Returns
    -------
    float
        The cost.
    """
    paid_j = np.empty(len(at))
    for j in range(len(at)):
        paid_j[j] = slot.energy_j[slot.class_of[at[j]], j] if at[j] >= 0 else slot.price_j
    for last in range(rounds):
        moved = shift(slot, paid_j, least_j, at, load_ghz, spent_j)
        moved = swap(slot, paid_j, least_j, at, load_ghz, spent_j) or moved
        if left_out(at) > fewest and (last == rounds - 1 or not moved):
            moved = squeeze(slot, paid_j, at, load_ghz, spent_j) or moved
        if not moved:
            break
    if rounds > 0:
        # A swap makes room, and whatever fits somewhere must not be left out.
        shift(slot, paid_j, least_j, at, load_ghz, spent_j)
    return total_j(slot, at)
