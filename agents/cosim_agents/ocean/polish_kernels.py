"""A tighter bound, and better assignments with it: a knapsack for each vehicle, coupled by prices of the tasks.

Relaxed is here that each task is done once (Eq. 4), not the capacities. If a task pays ``mu_j``, no assignment costs
less than

    sum_j min(p, mu_j) - sum_c n_c (K_c + nu_c B_c) + (P - p) r

where ``K_c`` is the most that one vehicle of class c can earn, ``mu_j - (1 + nu_c) e_cj`` for each task that it takes,
within its capacity. With ``mu_j`` from the dual of the capacities this is at least the bound from there. All functions
may be called from other compiled code; none checks its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from cosim_agents.ocean.search_kernels import Solution, improve, insert, left_out
from cosim_agents.ocean.slot_kernels import ROUNDING, ascending

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.dual_kernels import Ascent
    from cosim_agents.ocean.slot_kernels import Slot

#: Steps of the prices, and branches of one knapsack.
STEPS, BRANCHES = 150, 3000
#: Share of the wanted gap that all knapsacks together may leave open.
SLOPPINESS = 0.05
MEMORY, PATIENCE = 0.7, 8
ROUNDS = 2


@njit(cache=True, error_model="numpy")
def knapsack(
    worth: NDArray[np.float64],
    size: NDArray[np.float64],
    capacity: float,
    near_enough: float,
    taken: NDArray[np.bool_],
) -> float:
    """Choose items of the greatest worth that fit, by branch and bound, depth first.

    Parameters
    ----------
    worth, size : ndarray of float, shape (items,)
        All greater than 0.
    capacity : float
        For the sum of the sizes.
    near_enough : float
        How far below the best the choice may stay.
    taken : ndarray of bool, shape (items,)
        Receives the choice.

    Returns
    -------
    float
        No choice is worth more than this.
    """
    items = len(worth)
    taken[:] = False
    order = ascending((-worth / size).reshape(1, -1))
    w, s = worth[order], size[order]
    limit = capacity * (1.0 + ROUNDING)
    inside, chosen = np.zeros(items, dtype=np.bool_), np.zeros(items, dtype=np.bool_)
    least, most, root = 0.0, 0.0, np.inf
    gained = used = 0.0
    k = branches = 0
    while True:
        # Fill up greedily from here; the first item that does not fit, taken in part, bounds what can be had.
        reach, filled, at = gained, used, k
        while at < items and filled + s[at] <= limit:
            reach += w[at]
            filled += s[at]
            at += 1
        bound = reach if at == items else reach + max(0.0, limit - filled) * w[at] / s[at]
        root = bound if branches == 0 else root
        branches += 1
        if bound > least + near_enough and branches <= BRANCHES:
            while k < at:
                inside[k] = True
                gained += w[k]
                used += s[k]
                k += 1
            # What else fits makes the first choices good ones.
            if gained > least:
                least = gained
                chosen[:k] = inside[:k]
                chosen[k:] = False
            if k < items:
                inside[k] = False
                k += 1
                continue
        else:
            most = max(most, bound)
        # Go back to the last item taken, and leave it.
        k = min(k, items) - 1
        while k >= 0 and not inside[k]:
            k -= 1
        if k < 0 or branches > BRANCHES:
            break
        inside[k] = False
        gained -= w[k]
        used -= s[k]
        k += 1
    taken[order] = chosen
    return root if branches > BRANCHES else max(least, most)


@njit(cache=True, error_model="numpy")
def serve(
    slot: Slot, ascent: Ascent, mu_j: NDArray[np.float64], near_enough: float,
    push: NDArray[np.float64], first_at: NDArray[np.int64],
) -> float:  # fmt: skip
    """Solve all knapsacks; return what is earned, and leave the subgradient and each task's cheapest taker.

    A class's vehicles share one solution; ``first_at`` names a class then, which has to find a vehicle.
    """
    classes, count = slot.need_ghz.shape
    worth, size, which = np.empty(count), np.empty(count), np.empty(count, dtype=np.int64)
    taken = np.empty(count, dtype=np.bool_)
    total = 0.0
    first_at[:] = -1
    for c in range(classes):
        weight, vehicles, items = 1.0 + ascent.top_nu[c], slot.first[c + 1] - slot.first[c], 0
        for j in range(count):
            value = mu_j[j] - weight * slot.energy_j[c, j]
            if value > 0.0:
                worth[items], size[items], which[items] = value, slot.need_ghz[c, j], j
                items += 1
        if slot.budget_j[c] < np.inf:
            total += vehicles * ascent.top_nu[c] * slot.budget_j[c]
        if items == 0:
            continue
        total += vehicles * knapsack(worth[:items], size[:items], slot.capacity_ghz[c], near_enough, taken[:items])
        for item in range(items):
            if taken[item]:
                j = which[item]
                push[j] -= vehicles
                if first_at[j] < 0 or slot.energy_j[c, j] < slot.energy_j[first_at[j], j]:
                    first_at[j] = c
    return total


@njit(cache=True, error_model="numpy")
def repair(
    slot: Slot, ascent: Ascent, taker: NDArray[np.int64], mu_j: NDArray[np.float64],
    at: NDArray[np.int64], load_ghz: NDArray[np.float64], spent_j: NDArray[np.float64],
) -> None:  # fmt: skip
    """Make an assignment of the knapsacks: what they took where it fits, then the rest, the dearest first."""
    at[:] = -1
    load_ghz[:] = 0.0
    spent_j[:] = 0.0
    order = ascending(-mu_j.reshape(1, -1))
    for j in order:
        c = taker[j]
        if c < 0:
            continue
        for i in range(slot.first[c], slot.first[c + 1]):
            load, spent = load_ghz[i] + slot.need_ghz[c, j], spent_j[i] + slot.energy_j[c, j]
            if load <= slot.capacity_ghz[c] * (1.0 + ROUNDING) and spent <= slot.budget_j[c] * (1.0 + ROUNDING):
                at[j], load_ghz[i], spent_j[i] = i, load, spent
                break
    for j in order:
        if at[j] < 0:
            insert(slot, j, ascent.top_lam, ascent.top_nu, at, load_ghz, spent_j)


@njit(cache=True, error_model="numpy")
def first_prices(slot: Slot, ascent: Ascent) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each task costs at the prices of the capacities, and the least that it can cost."""
    classes, count = slot.need_ghz.shape
    mu_j, least_j = np.full(count, ascent.progress[1]), np.full(count, slot.price_j)
    for c in range(classes):
        weight, lam = 1.0 + ascent.top_nu[c], ascent.top_lam[c]
        for j in range(count):
            mu_j[j] = min(mu_j[j], weight * slot.energy_j[c, j] + lam * slot.need_ghz[c, j])
            least_j[j] = min(least_j[j], slot.energy_j[c, j])
    return mu_j, least_j


@njit(cache=True, error_model="numpy")
def move(mu_j: NDArray[np.float64], push: NDArray[np.float64], direction: NDArray[np.float64], reach_j: float) -> bool:
    """Make a deflected subgradient step of Polyak's length; return whether there is a way to go."""
    norm = 0.0
    for j in range(len(mu_j)):
        direction[j] = push[j] + MEMORY * direction[j]
        norm += direction[j] * direction[j]
    if norm == 0.0 or reach_j <= 0.0:
        return False
    for j in range(len(mu_j)):
        mu_j[j] += reach_j / norm * direction[j]
    return True


@njit(cache=True, error_model="numpy")
def bound_at(
    slot: Slot, solution: Solution, mu_j: NDArray[np.float64], near_enough: float,
    push: NDArray[np.float64], taker: NDArray[np.int64],
) -> float:  # fmt: skip
    """Return the bound at prices of the tasks, with its subgradient and each task's cheapest taker."""
    p = solution.energy.progress[1]
    push[:] = 1.0
    earned_j = serve(slot, solution.energy, mu_j, near_enough, push, taker)
    bound_j: float = (slot.price_j - p) * solution.fewest - earned_j
    for j in range(len(mu_j)):
        bound_j += min(p, mu_j[j])
        push[j] -= mu_j[j] > p
    return bound_j


@njit(cache=True, error_model="numpy")
def polish(slot: Slot, solution: Solution, tol: float, top_mu_j: NDArray[np.float64]) -> tuple[float, float]:
    """Raise the bound and lower the cost until they are ``tol`` apart, relative to the cost, or for some steps.

    Parameters
    ----------
    slot : Slot
        The slot.
    solution : Solution
        What the search has found; its assignment is replaced by better ones.
    tol : float
        The gap that is wanted.
    top_mu_j : ndarray of float, shape (tasks,)
        Receives the prices of the bound; left as it is if the bound is no better than the search's.

    Returns
    -------
    cost_j, bound_j : float
        What has become of them.
    """
    at, load_ghz, spent_j, fewest = solution.at, solution.load_ghz, solution.spent_j, solution.fewest
    count, cost_j, bound_j = len(at), solution.cost_j, solution.energy.progress[0]
    mu_j, least_j = first_prices(slot, solution.energy)
    push, direction, taker = np.empty(count), np.zeros(count), np.empty(count, dtype=np.int64)
    trial, trial_ghz, trial_j = at.copy(), load_ghz.copy(), spent_j.copy()
    near_enough, factor, idle = SLOPPINESS * tol * cost_j / len(load_ghz), 1.0, 0
    for step in range(STEPS):
        value_j = bound_at(slot, solution, mu_j, near_enough, push, taker)
        idle += 1
        if value_j > bound_j:
            idle = 0 if value_j > bound_j + 1e-3 * (cost_j - bound_j) else idle
            bound_j = value_j
            top_mu_j[:] = mu_j
        if step % 2 == 0 and cost_j - bound_j > tol * cost_j:
            repair(slot, solution.energy, taker, mu_j, trial, trial_ghz, trial_j)
            found_j = improve(slot, least_j, trial, trial_ghz, trial_j, fewest, np.int64(ROUNDS))
            if found_j < cost_j:
                cost_j = found_j
                at[:], load_ghz[:], spent_j[:] = trial, trial_ghz, trial_j
        if idle >= PATIENCE:
            factor, idle = 0.5 * factor, 0
        reach_j = factor * (cost_j - slot.price_j * (left_out(at) - fewest) - value_j)
        if cost_j - bound_j <= tol * cost_j or not move(mu_j, push, direction, reach_j):
            break
    return cost_j, bound_j
