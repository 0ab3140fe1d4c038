"""One slot after another: layout, packing or search, and the multipliers that prove the bound.

Arrays and units as in :mod:`cosim_agents.ocean.slot_kernels`. numba's cache notices changes only in the file of a
function itself: after an edit in a module whose functions are called here, empty it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from cosim_agents.ocean.dual_kernels import ascend, evaluate, start_ascent
from cosim_agents.ocean.packing_kernels import pack_most
from cosim_agents.ocean.polish_kernels import polish
from cosim_agents.ocean.search_kernels import Solution, build, improve, left_out, start_order
from cosim_agents.ocean.slot_kernels import NEVER, ROUNDING, Slot, lay_out, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray


#: Starts of the search; steps of the dual before the first one and before each other one.
STARTS, FIRST_STEPS, STEPS = 10, 40, 8
#: The search ends when so many starts in turn have closed less than this share of the gap.
IDLE_STARTS, IDLE_SHARE = 3, 0.02
#: Rounds of shifts and swaps of each start.
ROUNDS = 2
#: Steps of the dual that bounds how many tasks are left out.
COUNT_STEPS = 60
#: A bound on a whole number may be rounded up unless it exceeds one by less than this.
WHOLE = 1e-6
#: Why a task is not served; `cosim_agents.ocean.offloading.Reason`.
SERVED, NO_VEHICLE, DEADLINE, EMPTY, PRICE, CAPACITY, BUDGET = range(7)


class Results(NamedTuple):
    """Where `solve_slots` writes; tasks and vehicles in the caller's order, one slot after another.

    Attributes
    ----------
    vehicle : ndarray of int, shape (tasks,)
        Position in the slot's fleet, -1 for the edge server.
    frequency_hz, energy_j : ndarray of float, shape (tasks,)
        0 for what is left out.
    reason : ndarray of int, shape (tasks,)
        0 for what is served.
    task_j : ndarray of float, shape (tasks,)
        Multipliers of the tasks; NaN if the bound needs none.
    per_hz, per_j, count_per_hz, count_per_j : ndarray of float, shape (vehicles of all slots,)
        Multipliers of the vehicles.
    totals : ndarray of float, shape (slots, 4)
        Cost and bound in J, p of the bound in J, fewest tasks left out.
    """

    vehicle: NDArray[np.int64]
    frequency_hz: NDArray[np.float64]
    energy_j: NDArray[np.float64]
    reason: NDArray[np.int64]
    task_j: NDArray[np.float64]
    per_hz: NDArray[np.float64]
    per_j: NDArray[np.float64]
    count_per_hz: NDArray[np.float64]
    count_per_j: NDArray[np.float64]
    totals: NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def typical_price(slot: Slot) -> float:
    """Return one over the average need of a task: a price at which a GHz costs the tasks that it does."""
    count, total = 0, 0.0
    for need_ghz in slot.need_ghz.flat:
        if need_ghz != NEVER:
            count, total = count + 1, total + need_ghz
    return count / total


@njit(cache=True, error_model="numpy")
def search_slot(slot: Slot, target: float) -> Solution:
    """Solve a slot: pack it, or climb the dual and start a search at its prices now and then."""
    count, fleet, price_j = slot.need_ghz.shape[1], len(slot.class_of), slot.price_j
    classes = len(slot.capacity_ghz)
    energy, counting = start_ascent(classes, count, 0.0), start_ascent(classes, count, 0.0)
    at, load_ghz, spent_j = np.full(count, -1), np.zeros(fleet), np.zeros(fleet)
    trial, trial_ghz, trial_j = at.copy(), load_ghz.copy(), spent_j.copy()
    # numba would compile its callees anew for every constant.
    none, count_steps = np.int64(0), np.int64(COUNT_STEPS)
    evaluate(slot, 1.0, price_j, none, energy)
    energy.direction[:] = 0.0
    least_j = np.minimum(energy.best, price_j)
    impossible = left_out(energy.where)
    fewest, starts, counted = impossible, STARTS, False
    if slot.alike:
        possible, starts, counted = count - impossible, 0, True
        # The greatest capacity stands last, and takes whatever any takes.
        most = pack_most(slot.need_ghz[-1], possible, slot.capacity_ghz[slot.class_of], trial, trial_ghz)
        if most < possible:
            fewest = count - most
            # The first task that fits no more asks for the share of the capacity that counts as one task.
            counting.top_lam[:] = 1.0 / smallest(slot.need_ghz[-1], most)
    cost_j, rejected, gap_j, idle = np.inf, count, np.inf, 0
    for start in range(starts + 1):
        if not slot.alike:
            build(
                slot, start_order(slot, energy, fewest > impossible), energy.lam, energy.nu, trial, trial_ghz, trial_j
            )
        # A packing of everything cannot be improved, and the first search only gives the dual something to aim at.
        rounds = ROUNDS if start > 0 else int(not slot.alike or left_out(trial) > impossible)
        found_j = improve(slot, least_j, trial, trial_ghz, trial_j, fewest if counted else count, rounds)
        if found_j < cost_j:
            cost_j, rejected = found_j, left_out(trial)
            at[:], load_ghz[:], spent_j[:] = trial, trial_ghz, trial_j
        if rejected > fewest and start > 0 and not counted:
            counted = True
            counting.lam[:] = typical_price(slot)
            ascend(slot, 0.0, 1.0, none, float(rejected), rejected - 1.0 + 2.0 * WHOLE, count_steps, counting)
            fewest = max(fewest, math.ceil(counting.progress[0] - WHOLE))
        goal_j = cost_j - price_j * (rejected - fewest)
        # Where vehicles are alike the count has their capacities in it; without prices it bounds the energy too.
        steps = int(slot.alike) if start == starts else (STEPS if start > 0 else FIRST_STEPS)
        ascend(slot, 1.0, price_j, fewest, goal_j, cost_j * (1.0 - target), steps, energy)
        open_j = cost_j - energy.progress[0]
        idle = idle + 1 if open_j > gap_j * (1.0 - IDLE_SHARE) else 0
        gap_j = open_j
        if gap_j <= target * cost_j or idle >= IDLE_STARTS:
            break
    return Solution(at, load_ghz, spent_j, fewest, cost_j, energy, counting)


@njit(cache=True, error_model="numpy")
def explain(
    tasks: NDArray[np.float64],
    vehicles: NDArray[np.float64],
    price_j: float,
    assigned: NDArray[np.int64],
    reason: NDArray[np.int64],
) -> None:
    """Tell for each task why it is not served; arrays as for `lay_out` and in `Results`."""
    fleet = vehicles.shape[1]
    load_hz, room = np.zeros(fleet), 1.0 + 10.0 * ROUNDING
    for j in range(len(assigned)):
        if assigned[j] >= 0:
            load_hz[assigned[j]] += tasks[0, j] / (tasks[2, j] - tasks[1, j] / vehicles[0, assigned[j]])
    for j in range(len(assigned)):
        if assigned[j] >= 0:
            reason[j] = SERVED
            continue
        reason[j] = DEADLINE if fleet > 0 else NO_VEHICLE
        for i in range(fleet):
            time_s = tasks[2, j] - tasks[1, j] / vehicles[0, i]
            need_hz = tasks[0, j] / time_s
            energy_j = vehicles[1, i] * tasks[0, j] * need_hz * need_hz
            # The reasons are numbered by how near a task comes to being served.
            if time_s <= 0.0 or need_hz > vehicles[2, i] * room:
                reached = DEADLINE
            elif energy_j > vehicles[3, i] * room:
                reached = EMPTY
            elif energy_j >= price_j:
                reached = PRICE
            elif load_hz[i] + need_hz > vehicles[2, i] * room:
                reached = CAPACITY
            else:
                reached = BUDGET
            reason[j] = max(reason[j], reached)


@njit(cache=True, error_model="numpy")
def leave_out(price_j: float, out: Results) -> None:
    """Leave all tasks to the edge server, for there is no vehicle, or no task either."""
    out.vehicle[:] = -1
    out.frequency_hz[:] = 0.0
    out.energy_j[:] = 0.0
    out.reason[:] = NO_VEHICLE
    out.task_j[:] = np.nan
    out.per_hz[:] = 0.0
    out.per_j[:] = 0.0
    out.count_per_hz[:] = 0.0
    out.count_per_j[:] = 0.0
    totals, count = out.totals[0], len(out.vehicle)
    totals[0], totals[1], totals[2], totals[3] = price_j * count, price_j * count, price_j, count


@njit(cache=True, error_model="numpy")
def write(
    slot: Slot,
    solution: Solution,
    cost_j: float,
    bound_j: float,
    task_order: NDArray[np.int64],
    vehicle_order: NDArray[np.int64],
    out: Results,
) -> None:
    """Write what has been found in the caller's order."""
    for j in range(len(task_order)):
        task, i = task_order[j], solution.at[j]
        c = slot.class_of[max(0, i)]
        out.vehicle[task] = vehicle_order[i] if i >= 0 else -1
        out.frequency_hz[task] = 1e9 * slot.need_ghz[c, j] if i >= 0 else 0.0
        out.energy_j[task] = slot.energy_j[c, j] if i >= 0 else 0.0
    for i in range(len(vehicle_order)):
        vehicle = vehicle_order[i]
        c = slot.class_of[i]
        out.per_hz[vehicle] = 1e-9 * solution.energy.top_lam[c]
        out.per_j[vehicle] = solution.energy.top_nu[c]
        out.count_per_hz[vehicle] = 1e-9 * solution.counting.top_lam[c]
        out.count_per_j[vehicle] = solution.counting.top_nu[c]
    totals = out.totals[0]
    totals[0], totals[1], totals[2] = cost_j, min(bound_j, cost_j), solution.energy.progress[1]
    totals[3] = solution.fewest


@njit(cache=True, error_model="numpy", nogil=True)
def solve_slots(
    tasks: NDArray[np.float64],
    offsets: NDArray[np.int64],
    vehicles: NDArray[np.float64],
    fleets: NDArray[np.int64],
    price_j: float,
    targets: tuple[float, float],
    out: Results,
) -> None:
    """Solve one slot after another.

    Parameters
    ----------
    tasks : ndarray of float, shape (3, tasks of all slots)
        As for `lay_out`.
    offsets : ndarray of int, shape (slots + 1,)
        Slot s has the tasks from ``offsets[s]`` up to the one before ``offsets[s + 1]``.
    vehicles : ndarray of float, shape (4, vehicles)
        As for `lay_out`.
    fleets : ndarray of int, shape (slots, 2)
        First vehicle of each slot, and last + 1; slots may share vehicles.
    price_j : float
        Price of a task that is left to the edge server.
    targets : tuple of float
        Relative gaps at which the search and the polish end; no polish if the second one is 0.
    out : Results
        Receives everything; multipliers of vehicles one fleet after another.
    """
    written = 0
    for s in range(len(offsets) - 1):
        a, b, first, last = offsets[s], offsets[s + 1], fleets[s, 0], fleets[s, 1]
        c, d = written, written + last - first
        written = d
        one = Results(
            out.vehicle[a:b], out.frequency_hz[a:b], out.energy_j[a:b], out.reason[a:b], out.task_j[a:b],
            out.per_hz[c:d], out.per_j[c:d], out.count_per_hz[c:d], out.count_per_j[c:d], out.totals[s : s + 1],
        )  # fmt: skip
        if a == b or first == last:
            leave_out(price_j, one)
            continue
        slot, task_order, vehicle_order = lay_out(tasks[:, a:b], vehicles[:, first:last], price_j)
        solution = search_slot(slot, targets[0])
        cost_j, bound_j, task_j = solution.cost_j, solution.energy.progress[0], np.full(b - a, np.nan)
        # Nor is there anything to gain where all vehicles are alike: the bound is left to the count of the tasks.
        if not slot.alike and cost_j - bound_j > targets[1] * cost_j and targets[1] > 0.0:
            cost_j, bound_j = polish(slot, solution, targets[1], task_j)
        one.task_j[task_order] = task_j
        write(slot, solution, cost_j, bound_j, task_order, vehicle_order, one)
        explain(tasks[:, a:b], vehicles[:, first:last], price_j, one.vehicle, one.reason)
