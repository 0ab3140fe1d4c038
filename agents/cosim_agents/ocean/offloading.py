"""Offloading of tasks to charging vehicles (SP2-2, Eq. 33), a generalised assignment problem, with a certified gap.

A task sent to a vehicle takes the least frequency that meets its deadline, so that all is decided by who does what.
Each vehicle has a capacity and maybe an energy budget. The energy of what is served is minimised, plus a price for each
task left to the edge server: with a price above all energy that a further task can cost, most tasks are served first.
Eq. 4 of the paper serves all of them, which is impossible whenever few vehicles are there.

Where a task costs the same on all vehicles (the paper's setting), it is packed largest first, which is optimal whenever
all fit. Otherwise a Lagrangian dual with a price for each class of identical vehicles bounds the cost from below, and
searches start along its path. ``tol`` adds a second dual with a knapsack for each vehicle, ``exact`` HiGHS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cosim_agents.ocean.assignment import Assignment, Multipliers, Reason
from cosim_agents.ocean.problem import ComputingVehicles, Tasks, needs

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cosim_agents.ocean.offloading_kernels import Results

__all__ = [
    "Assignment", "BatchAssignment", "ComputingVehicles", "Multipliers", "Reason", "Tasks", "needs", "solve",
    "solve_batch",
]  # fmt: skip

#: The search ends at this relative gap, which costs it next to nothing to reach where it can be reached at all.
FAST_GAP = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class BatchAssignment:
    """Which vehicle does which task, in many slots.

    Attributes
    ----------
    offsets : ndarray of int, shape (slots + 1,)
        Slot s has the tasks from ``offsets[s]`` up to the one before ``offsets[s + 1]``.
    vehicle, frequency_hz, task_energy_j, reason : ndarray, shape (tasks of all slots,)
        As in `Assignment`; positions of vehicles are those within the slot's fleet.
    energy_j, cost_j, bound_j : ndarray of float, shape (slots,)
        As in `Assignment`.
    rejected : ndarray of int, shape (slots,)
        How many tasks are left out.
    reject_price_j : float
        Price of each task left out.
    """

    offsets: NDArray[np.int64]
    vehicle: NDArray[np.int64]
    frequency_hz: NDArray[np.float64]
    task_energy_j: NDArray[np.float64]
    reason: NDArray[np.int64]
    energy_j: NDArray[np.float64]
    cost_j: NDArray[np.float64]
    bound_j: NDArray[np.float64]
    rejected: NDArray[np.int64]
    reject_price_j: float
    _results: Results
    _fleet_offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.offsets) - 1

    @property
    def relative_gap(self) -> NDArray[np.float64]:
        """By what share of the cost the best assignment may at most be cheaper, shape (slots,)."""
        gap_j = np.maximum(0.0, self.cost_j - self.bound_j)
        return np.divide(gap_j, self.cost_j, out=np.zeros(len(self)), where=self.cost_j > 0.0)

    def slot(self, s: int) -> Assignment:
        """Return one slot's assignment, with its multipliers.

        Parameters
        ----------
        s : int
            Which slot, from 0.
        """
        tasks = slice(int(self.offsets[s]), int(self.offsets[s + 1]))
        fleet = slice(int(self._fleet_offsets[s]), int(self._fleet_offsets[s + 1]))
        results = self._results
        task_j = results.task_j[tasks]
        multipliers = Multipliers(
            capacity_j_per_hz=results.per_hz[fleet],
            budget=results.per_j[fleet],
            dropping_j=float(results.totals[s, 2]),
            fewest_rejected=int(results.totals[s, 3]),
            count_per_hz=results.count_per_hz[fleet],
            count_per_j=results.count_per_j[fleet],
            task_j=None if np.isnan(task_j).any() or not task_j.size else task_j,
        )
        found = Assignment(
            vehicle=self.vehicle[tasks],
            frequency_hz=self.frequency_hz[tasks],
            task_energy_j=self.task_energy_j[tasks],
            reason=self.reason[tasks],
            reject_price_j=self.reject_price_j,
            bound_j=float(self.bound_j[s]),
            multipliers=multipliers,
        )
        # Sums in another order differ in their last digits.
        return replace(found, bound_j=min(found.bound_j, found.cost_j))


def solve(
    tasks: Tasks,
    vehicles: ComputingVehicles,
    *,
    tol: float | None = None,
    exact: bool = False,
    reject_price_j: float = 20.0,
) -> Assignment:
    """Assign the tasks of one slot.

    Parameters
    ----------
    tasks : Tasks
        The tasks; may be none.
    vehicles : ComputingVehicles
        The vehicles; may be none.
    tol : float, optional
        Try for this relative gap with knapsacks, at 10 to 100 times the effort. Whether it is reached, the result says.
    exact : bool
        Solve to the optimum with HiGHS, which takes a fraction of a second for a few vehicles and tasks and anything up
        to hours for dozens.
    reject_price_j : float
        What a task left to the edge server costs, J. The default is above any energy of the paper's tasks; with a
        greater price than all tasks' energies together as many as possible are served, whatever they cost.

    Returns
    -------
    Assignment
        The same energy whatever the order of tasks and vehicles.

    Raises
    ------
    ValueError
        If ``tol`` or ``reject_price_j`` is out of range.
    RuntimeError
        If HiGHS gives up.
    """
    batch = solve_batch(tasks, [0, len(tasks)], vehicles, tol=tol, reject_price_j=reject_price_j)
    found = batch.slot(0)
    if not exact or found.relative_gap == 0.0:
        return found
    from cosim_agents.ocean.exact import optimum  # noqa: PLC0415
    from cosim_agents.ocean.offloading_kernels import explain  # noqa: PLC0415 - numba is imported where it is needed

    vehicle, bound_j = optimum(tasks, vehicles, reject_price_j)
    served = vehicle >= 0
    frequency_hz, energy_j = (
        np.where(served, matrix[vehicle, np.arange(len(tasks))], 0.0) for matrix in needs(tasks, vehicles)
    )
    reason = np.zeros_like(vehicle)
    explain(_task_rows(tasks), _vehicle_rows(vehicles), reject_price_j, vehicle, reason)
    best = Assignment(vehicle, frequency_hz, energy_j, reason, reject_price_j, bound_j, found.multipliers)
    # HiGHS stops within its tolerances, inside which ours may be the better one.
    if found.cost_j < best.cost_j:
        best = found
    bound_j = min(best.cost_j, max(bound_j, found.bound_j))
    return replace(best, bound_j=bound_j)


def solve_batch(
    tasks: Tasks,
    offsets: ArrayLike,
    vehicles: ComputingVehicles,
    *,
    fleets: ArrayLike | None = None,
    tol: float | None = None,
    reject_price_j: float = 20.0,
) -> BatchAssignment:
    """Assign the tasks of many slots, each on its own, in one call; a quarter hour has 900.

    Parameters
    ----------
    tasks : Tasks
        Those of all slots, one slot after another.
    offsets : array_like of int, shape (slots + 1,)
        Slot s has the tasks from ``offsets[s]`` up to the one before ``offsets[s + 1]``.
    vehicles : ComputingVehicles
        The vehicles of every slot; with ``fleets`` those of all slots.
    fleets : array_like of int, shape (slots, 2), optional
        First vehicle of each slot, and last + 1. Slots may share vehicles; budgets are for one slot.
    tol, reject_price_j
        As for `solve`.

    Returns
    -------
    BatchAssignment
        All slots.

    Raises
    ------
    ValueError
        If offsets, fleets, ``tol`` or ``reject_price_j`` are out of range.
    """
    from cosim_agents.ocean.offloading_kernels import Results, solve_slots  # noqa: PLC0415 - numba, as above

    if tol is not None and not 0.0 < tol < 1.0:
        raise ValueError(f"tol = {tol} must be between 0 and 1")
    if not 0.0 < reject_price_j < np.inf:
        raise ValueError(f"reject_price_j = {reject_price_j} must be finite and greater than 0")
    begins = _offsets(offsets, len(tasks))
    slots, count = len(begins) - 1, len(tasks)
    shared = np.tile(np.array([0, len(vehicles)]), (slots, 1))
    members = shared if fleets is None else _fleets(fleets, slots, len(vehicles))
    fleet_offsets = np.append(0, np.cumsum(members[:, 1] - members[:, 0]))
    total = int(fleet_offsets[-1])
    results = Results(
        np.empty(count, dtype=np.int64), np.empty(count), np.empty(count), np.empty(count, dtype=np.int64),
        np.empty(count), np.empty(total), np.empty(total), np.empty(total), np.empty(total), np.empty((slots, 4)),
    )  # fmt: skip
    targets = (FAST_GAP, 0.0) if tol is None else (min(tol, FAST_GAP), tol)
    solve_slots(_task_rows(tasks), begins, _vehicle_rows(vehicles), members, float(reject_price_j), targets, results)
    slot_of = np.repeat(np.arange(slots), np.diff(begins))
    return BatchAssignment(
        offsets=begins,
        vehicle=results.vehicle,
        frequency_hz=results.frequency_hz,
        task_energy_j=results.energy_j,
        reason=results.reason,
        energy_j=np.bincount(slot_of, weights=results.energy_j, minlength=slots).astype(np.float64),
        cost_j=results.totals[:, 0],
        bound_j=results.totals[:, 1],
        rejected=np.bincount(slot_of[results.vehicle < 0], minlength=slots),
        reject_price_j=float(reject_price_j),
        _results=results,
        _fleet_offsets=fleet_offsets,
    )


def _task_rows(tasks: Tasks) -> NDArray[np.float64]:
    """Return the tasks as the kernels want them."""
    return np.stack([tasks.cycles, tasks.size_mb, tasks.deadline_s])


def _vehicle_rows(vehicles: ComputingVehicles) -> NDArray[np.float64]:
    """Return the vehicles as the kernels want them."""
    return np.stack([vehicles.rate_mb_s, vehicles.theta, vehicles.capacity_hz, vehicles.energy_budget_j])


def _offsets(offsets: ArrayLike, count: int) -> NDArray[np.int64]:
    """Check offsets of slots."""
    begins = np.asarray(offsets)
    if begins.ndim != 1 or not begins.size or begins.dtype.kind not in "iu":
        raise ValueError(f"offsets of shape {begins.shape} and type {begins.dtype} must be whole numbers in a row")
    begins = begins.astype(np.int64)
    if begins[0] != 0 or begins[-1] != count or (np.diff(begins) < 0).any():
        raise ValueError(f"offsets from {begins[0]} to {begins[-1]} must rise from 0 to the number of tasks, {count}")
    return begins


def _fleets(fleets: ArrayLike, slots: int, count: int) -> NDArray[np.int64]:
    """Check ranges of vehicles."""
    members = np.asarray(fleets)
    if members.shape != (slots, 2) or members.dtype.kind not in "iu":
        raise ValueError(f"fleets of shape {members.shape} and type {members.dtype} must be two whole numbers a slot")
    members = members.astype(np.int64)
    wrong = (members[:, 0] < 0) | (members[:, 1] < members[:, 0]) | (members[:, 1] > count)
    if wrong.any():
        s = int(np.argmax(wrong))
        raise ValueError(f"slot {s}: fleets = {members[s].tolist()} must be a range of the {count} vehicles")
    return members
