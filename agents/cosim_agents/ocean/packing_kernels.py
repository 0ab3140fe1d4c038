"""Slots in which a task costs the same everywhere (equal rates, equal theta): only the capacities matter.

Every assignment that serves all tasks is then optimal, so that the tasks only have to be packed: the largest first. All
functions may be called from other compiled code; none checks its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from cosim_agents.ocean.slot_kernels import ROUNDING, ascending

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: With more of the capacity in use than this, small gaps matter more than even loads.
CROWDED = 0.9
#: How many more tasks to leave out in search of a packing before the rest is left to the general search.
EXTRA = 10


@njit(cache=True, error_model="numpy")
def pack(
    largest_first: NDArray[np.int64],
    need_ghz: NDArray[np.float64],
    room_ghz: NDArray[np.float64],
    even: float,
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
) -> bool:
    """Place tasks, each where it leaves the lowest share in use or else the least room.

    Parameters
    ----------
    largest_first : ndarray of int, shape (chosen,)
        Which tasks, by decreasing need.
    need_ghz : ndarray of float, shape (tasks,)
        Their needs.
    room_ghz : ndarray of float, shape (vehicles,)
        Capacities.
    even : float
        The rule: 1 for even loads, 0 for the least room.
    at : ndarray of int, shape (tasks,)
        Receives the vehicles; -1 for all others.
    load_ghz : ndarray of float, shape (vehicles,)
        Receives the loads.

    Returns
    -------
    bool
        Whether all found a place. If not, the arrays hold those placed before the first that did not.
    """
    at[:] = -1
    load_ghz[:] = 0.0
    for j in largest_first:
        found, least = -1, np.inf
        for i in range(len(room_ghz)):
            load = load_ghz[i] + need_ghz[j]
            if load <= room_ghz[i] * (1.0 + ROUNDING):
                value = load / room_ghz[i] if even > 0.0 else room_ghz[i] - load
                if value < least:
                    found, least = i, value
        if found < 0:
            return False
        at[j] = found
        load_ghz[found] += need_ghz[j]
    return True


@njit(cache=True, error_model="numpy")
def pack_most(
    need_ghz: NDArray[np.float64],
    possible: int,
    room_ghz: NDArray[np.float64],
    at: NDArray[np.int64],
    load_ghz: NDArray[np.float64],
) -> int:
    """Pack as many tasks as can be found to fit, those with the least needs.

    Parameters
    ----------
    need_ghz : ndarray of float, shape (tasks,)
        Needs.
    possible : int
        How many tasks some vehicle can do alone; these have the least needs.
    room_ghz : ndarray of float, shape (vehicles,)
        Capacities.
    at, load_ghz : ndarray
        Receive the packing, as in `pack`.

    Returns
    -------
    int
        No more tasks than this can be served.
    """
    largest_first = ascending(-need_ghz.reshape(1, -1))[len(need_ghz) - possible :]
    total, most = 0.0, 0
    # Divided among vehicles as it may be, the sum of needs must not exceed the sum of the capacities.
    capacity = room_ghz.sum()
    while most < possible and total + need_ghz[largest_first[possible - 1 - most]] <= capacity * (1.0 + ROUNDING):
        total += need_ghz[largest_first[possible - 1 - most]]
        most += 1
    if total <= CROWDED * capacity and pack(largest_first[possible - most :], need_ghz, room_ghz, 1.0, at, load_ghz):
        return most
    for served in range(most, max(0, most - EXTRA) - 1, -1):
        if pack(largest_first[possible - served :], need_ghz, room_ghz, 0.0, at, load_ghz):
            break
    return most
