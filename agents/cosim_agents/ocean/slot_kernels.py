"""One slot of offloading laid out for the other kernels: canonical order, classes of vehicles, needs and energies.

Inside the kernels frequencies are in GHz and energies in J. Tasks and vehicles stand in a canonical order that depends
on their data alone, so that their labels cannot matter. Vehicles with the same data form a *class*; a matrix has one
row for each class and one column for each task. No function here checks its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Stands where a class cannot do a task. Finite, for 0 times infinity would be no number.
NEVER = 1e30
#: What counts as fitting, relative to the capacity: room for rounding only.
ROUNDING = 1e-12


class Slot(NamedTuple):
    """What the kernels know of one slot.

    Attributes
    ----------
    need_ghz, energy_j : ndarray of float, shape (classes, tasks)
        Frequency that just meets the deadline (Eq. 33) and its energy (Eq. 10); `NEVER` where a task cannot be done.
    capacity_ghz, budget_j : ndarray of float, shape (classes,)
        Of each vehicle of the class. A budget that nothing can exhaust is ``inf``.
    first : ndarray of int, shape (classes + 1,)
        A class's vehicles are those from ``first[c]`` up to the one before ``first[c + 1]``.
    class_of : ndarray of int, shape (vehicles,)
        The class of each vehicle.
    price_j : float
        Price of a task that is left to the edge server.
    alike : bool
        Whether a task costs the same on every vehicle that can do it, and no budget is in the way.
    """

    need_ghz: NDArray[np.float64]
    energy_j: NDArray[np.float64]
    capacity_ghz: NDArray[np.float64]
    budget_j: NDArray[np.float64]
    first: NDArray[np.int64]
    class_of: NDArray[np.int64]
    price_j: float
    alike: bool


@njit(cache=True, error_model="numpy")
def ascending(keys: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the order of the columns by the first row, then the second and so on (Shell's sort).

    numpy's sorts take numba seconds to compile. Columns that are alike in everything stand in any order.

    Parameters
    ----------
    keys : ndarray of float, shape (keys, items)
        What to sort by.

    Returns
    -------
    ndarray of int, shape (items,)
        Positions in ``keys``.
    """
    rows, items = keys.shape
    order = np.arange(items)
    stride = 1
    while 3 * stride + 1 < items:
        stride = 3 * stride + 1
    while stride > 0:
        for last in range(stride, items):
            item, at = order[last], last
            while at >= stride:
                before, k = order[at - stride], 0
                while k < rows - 1 and keys[k, before] == keys[k, item]:
                    k += 1
                if keys[k, before] <= keys[k, item]:
                    break
                order[at] = before
                at -= stride
            order[at] = item
        stride //= 3
    return order


@njit(cache=True, error_model="numpy")
def smallest(values: NDArray[np.float64], rank: int | np.int64) -> float:
    """Return the value that stands at a place, counted from 0, when they are sorted (Hoare's selection)."""
    v = values.copy()
    low, high = 0, len(v) - 1
    while low < high:
        pivot, i, j = v[(low + high) // 2], low, high
        while i <= j:
            while v[i] < pivot:
                i += 1
            while v[j] > pivot:
                j -= 1
            if i <= j:
                v[i], v[j] = v[j], v[i]
                i += 1
                j -= 1
        if rank <= j:
            high = j
        elif rank >= i:
            low = i
        else:
            break
    return float(v[rank])


@njit(cache=True, error_model="numpy")
def lay_out(
    tasks: NDArray[np.float64], vehicles: NDArray[np.float64], price_j: float
) -> tuple[Slot, NDArray[np.int64], NDArray[np.int64]]:
    """Bring one slot into canonical order.

    Parameters
    ----------
    tasks : ndarray of float, shape (3, tasks)
        Cycles, MB, deadline in s.
    vehicles : ndarray of float, shape (4, vehicles)
        Rate in MB/s, theta, capacity in Hz, budget in J.
    price_j : float
        Price of a task that is left to the edge server.

    Returns
    -------
    slot : Slot
        The slot.
    task_order : ndarray of int, shape (tasks,)
        Position of each column's task in the caller's arrays.
    vehicle_order : ndarray of int, shape (vehicles,)
        Position of each vehicle in the caller's arrays.
    """
    task_order, vehicle_order = ascending(np.ascontiguousarray(tasks)), ascending(np.ascontiguousarray(vehicles))
    count, fleet = len(task_order), len(vehicle_order)
    class_of, first = np.zeros(fleet, dtype=np.int64), np.zeros(fleet + 1, dtype=np.int64)
    classes = 0
    for position in range(fleet):
        new = position == 0
        for k in range(4):
            new = new or vehicles[k, vehicle_order[position]] != vehicles[k, vehicle_order[position - 1]]
        if new:
            first[classes] = position
            classes += 1
        class_of[position] = classes - 1
    first[classes] = fleet
    need_ghz, energy_j = np.empty((classes, count)), np.empty((classes, count))
    capacity_ghz, budget_j = np.empty(classes), np.empty(classes)
    alike = True
    greatest_gc = 1e-9 * tasks[0].max() if count else 0.0
    for c in range(classes):
        vehicle = vehicle_order[first[c]]
        pace, theta = 1.0 / vehicles[0, vehicle], 1e27 * vehicles[1, vehicle]
        capacity, budget = 1e-9 * vehicles[2, vehicle], vehicles[3, vehicle]
        # sum_j theta chi_j f_j^2 <= theta max(chi) F sum_j f_j
        if budget >= theta * greatest_gc * capacity * capacity:
            budget = np.inf
        same = (
            vehicles[0, vehicle] == vehicles[0, vehicle_order[0]]
            and vehicles[1, vehicle] == vehicles[1, vehicle_order[0]]
        )
        alike = alike and same and budget == np.inf
        capacity_ghz[c], budget_j[c] = capacity, budget
        for j in range(count):
            task = task_order[j]
            cycles_gc = 1e-9 * tasks[0, task]
            time_s = tasks[2, task] - tasks[1, task] * pace
            need = cycles_gc / time_s
            energy = theta * cycles_gc * need * need
            possible = time_s > 0.0 and need <= capacity * (1.0 + ROUNDING) and energy <= budget * (1.0 + ROUNDING)
            # Nor is it worth while to do what is cheaper to leave out.
            possible = possible and energy < price_j
            need_ghz[c, j] = need if possible else NEVER
            energy_j[c, j] = energy if possible else NEVER
    return (
        Slot(need_ghz, energy_j, capacity_ghz, budget_j, first[: classes + 1], class_of, price_j, alike),
        task_order,
        vehicle_order,
    )
