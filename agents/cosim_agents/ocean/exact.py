"""SP2-2 to the optimum by mixed-integer programming (HiGHS in SciPy), for small cases and as a yardstick.

Tasks with the same data are counted, not told apart. Where vehicles have the same data too, what one of them takes is
chosen among the maximal *patterns*, numbers of tasks of each kind that fit together: otherwise the solver would lose
itself among equivalent assignments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim_agents.ocean.problem import needs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.problem import ComputingVehicles, Tasks

#: HiGHS allows constraints an error of 1e-6 and the objective one too; in these units both are small enough.
SCALE = 1e3
#: What counts as fitting, relative; as for the kernels.
ROUNDING = 1e-12
#: Greatest violation of a capacity or budget that is let pass, relative.
TOLERANCE = 1e-9
#: With more patterns than this, vehicles are taken one by one.
MAX_PATTERNS = 5000


class _Program:
    """Columns (name of the count, cost, upper bound) and rows of the program, as they come."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.most: list[float] = []
        self.entries: list[tuple[int, int, float]] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def column(self, cost: float, most: float) -> int:
        """Add a variable from 0 to ``most``; return its number."""
        self.cost.append(cost)
        self.most.append(most)
        return len(self.cost) - 1

    def row(self, terms: dict[int, float], low: float, high: float) -> None:
        """Add a constraint on a sum of factors times variables."""
        self.entries += [(len(self.low), column, factor) for column, factor in terms.items()]
        self.low.append(low)
        self.high.append(high)

    def minimise(self) -> tuple[NDArray[np.float64], float]:
        """Return whole numbers for all variables, and the bound that is proved."""
        from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - slow to import, and seldom needed
        from scipy.sparse import csr_array  # noqa: PLC0415

        rows, columns, factors = zip(*self.entries, strict=True)
        matrix = csr_array((factors, (rows, columns)), (len(self.low), len(self.cost)))
        result = milp(
            SCALE * np.array(self.cost),
            integrality=np.ones(len(self.cost), dtype=np.int64),
            bounds=Bounds(0.0, np.array(self.most)),
            constraints=LinearConstraint(matrix, self.low, self.high),
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None or result.status != 0:
            raise RuntimeError(f"HiGHS has found no optimum: {result.message}")
        return np.round(result.x), result.mip_dual_bound / SCALE


def optimum(tasks: Tasks, vehicles: ComputingVehicles, price_j: float) -> tuple[NDArray[np.int64], float]:
    """Find the cheapest assignment.

    Parameters
    ----------
    tasks : Tasks
        At least one.
    vehicles : ComputingVehicles
        At least one.
    price_j : float
        Price of each task left out, J.

    Returns
    -------
    vehicle : ndarray of int, shape (tasks,)
        The vehicle of each task, -1 for the edge server.
    bound_j : float
        What HiGHS has proved, J.

    Raises
    ------
    RuntimeError
        If HiGHS gives up, or takes more liberties with a capacity than 1e-9 of it.
    """
    first, kind, copies = _alike(np.stack([tasks.cycles, tasks.size_mb, tasks.deadline_s]))
    rows = np.stack([vehicles.rate_mb_s, vehicles.theta, vehicles.capacity_hz, vehicles.energy_budget_j])
    representative, model, _ = _alike(rows)
    models = vehicles.take(representative)
    need_hz, energy_j = needs(tasks.take(first), models)
    fits = need_hz <= models.capacity_hz[:, None] * (1.0 + ROUNDING)
    fits &= (energy_j <= models.energy_budget_j[:, None] * (1.0 + ROUNDING)) & (energy_j < price_j)
    program = _Program()
    served: list[dict[int, float]] = [{program.column(price_j, n): 1.0} for n in copies]
    groups: list[_Group] = []
    for c in np.flatnonzero(fits.any(axis=1)):
        kinds, members = np.flatnonzero(fits[c]), np.flatnonzero(model == c)
        shares = need_hz[c : c + 1, kinds] / models.capacity_hz[c]
        if 0.0 < models.energy_budget_j[c] < np.inf:
            shares = np.vstack([shares, energy_j[c, kinds] / models.energy_budget_j[c]])
        patterns = _patterns(shares, copies[kinds]) if len(members) > 1 else None
        for some in [members] if patterns is not None else members[:, None]:
            counts = [program.column(energy_j[c, g], copies[g]) for g in kinds]
            for g, column in zip(kinds, counts, strict=True):
                served[g][column] = 1.0
            groups.append(_Group(some, kinds, counts, *_limit(program, shares, patterns, counts, len(some))))
    for terms, n in zip(served, copies, strict=True):
        program.row(terms, n, n)
    x, bound_j = program.minimise()
    vehicle = np.full(len(tasks), -1)
    waiting = [np.flatnonzero(kind == g).tolist() for g in range(len(copies))]
    for group in groups:
        _deal(group, x.astype(np.int64), waiting, vehicle)
    _check(tasks, vehicles, vehicle)
    return vehicle, bound_j


@dataclass(frozen=True, slots=True)
class _Group:
    """Vehicles with the same data (or one), the kinds they can do, and the columns of their program.

    ``counts`` are how many tasks of each kind they do together, ``times`` how often each pattern occurs.
    """

    members: NDArray[np.int64]
    kinds: NDArray[np.int64]
    counts: list[int]
    times: list[int]
    patterns: NDArray[np.int64]


def _limit(
    program: _Program, shares: NDArray[np.float64], patterns: NDArray[np.int64] | None, counts: list[int], members: int
) -> tuple[list[int], NDArray[np.int64]]:
    """Keep some vehicles' counts within their capacity and budget; return the columns of the patterns, and these."""
    if patterns is None:
        for share in shares:
            program.row(dict(zip(counts, SCALE * share, strict=True)), -np.inf, SCALE)
        return [], np.empty((0, len(counts)), dtype=np.int64)
    times = [program.column(0.0, members) for _ in patterns]
    program.row(dict.fromkeys(times, 1.0), -np.inf, members)
    for k, column in enumerate(counts):
        program.row({column: 1.0, **dict(zip(times, -1.0 * patterns[:, k], strict=True))}, -np.inf, 0.0)
    return times, patterns


def _deal(group: _Group, x: NDArray[np.int64], waiting: list[list[int]], vehicle: NDArray[np.int64]) -> None:
    """Hand a group's tasks to its vehicles, each at most what its pattern has of a kind."""
    left = x[group.counts]
    takes = np.repeat(group.patterns, x[group.times], axis=0) if group.times else left[None, :].copy()
    for i, most in zip(group.members, takes, strict=False):
        for k, g in enumerate(group.kinds):
            number = min(int(most[k]), int(left[k]))
            left[k] -= number
            for _ in range(number):
                vehicle[waiting[g].pop()] = i


def _alike(rows: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return a representative of each kind of columns, each column's kind, and how many of a kind there are."""
    _, first, kind, copies = np.unique(rows, axis=1, return_index=True, return_inverse=True, return_counts=True)
    return first, kind.reshape(-1), copies


def _patterns(shares: NDArray[np.float64], copies: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return the maximal numbers of tasks of each kind that fit together.

    Parameters
    ----------
    shares : ndarray of float, shape (constraints, kinds)
        Of the capacity, and of the budget if there is one.
    copies : ndarray of int, shape (kinds,)
        How many tasks there are.

    Returns
    -------
    ndarray of int, shape (patterns, kinds), or None
        None if they are too many.
    """
    kinds = len(copies)
    partial = [(np.zeros(kinds, dtype=np.int64), np.full(len(shares), 1.0 + ROUNDING))]
    for k in range(kinds):
        extended = []
        for pattern, room in partial:
            most = min(int(copies[k]), int(np.min(room / shares[:, k])))
            # The last kind fills up what the others leave.
            for number in range(most if k == kinds - 1 else 0, most + 1):
                more = pattern.copy()
                more[k] = number
                extended.append((more, room - number * shares[:, k]))
        if len(extended) > MAX_PATTERNS:
            return None
        partial = extended
    whole = [
        pattern
        for pattern, room in partial
        if not any(pattern[k] < copies[k] and (shares[:, k] <= room).all() for k in range(kinds))
    ]
    return np.array(whole, dtype=np.int64).reshape(-1, kinds)


def _check(tasks: Tasks, vehicles: ComputingVehicles, vehicle: NDArray[np.int64]) -> None:
    """Make sure that the solver's tolerances have not been used beyond ours."""
    j = np.flatnonzero(vehicle >= 0)
    need_hz, energy_j = (matrix[vehicle[j], j] for matrix in needs(tasks, vehicles))
    load_hz = np.bincount(vehicle[j], weights=need_hz, minlength=len(vehicles))
    spent_j = np.bincount(vehicle[j], weights=energy_j, minlength=len(vehicles))
    room = 1.0 + TOLERANCE
    if (load_hz > vehicles.capacity_hz * room).any() or (spent_j > vehicles.energy_budget_j * room).any():
        raise RuntimeError(f"HiGHS exceeds a capacity or a budget by more than {TOLERANCE:g} of it")
