"""What the offloading solver returns: who does what, why some tasks are left out, and the proof of the bound."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Reason(IntEnum):
    """Why a task goes to the edge server; the numbers rise with how near it came to being served."""

    SERVED = 0
    NO_VEHICLE = 1
    DEADLINE = 2
    NO_ENERGY = 3
    PRICE = 4
    CAPACITY = 5
    BUDGET = 6

    @property
    def sentence(self) -> str:
        """The reason in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.SERVED: "served",
    Reason.NO_VEHICLE: "no vehicle is there",
    Reason.DEADLINE: "no vehicle can meet the deadline",
    Reason.NO_ENERGY: "no energy budget: it alone exceeds that of each vehicle that can meet the deadline",
    Reason.PRICE: "its energy costs more than leaving it to the edge server",
    Reason.CAPACITY: "no capacity left",
    Reason.BUDGET: "no energy budget left where there is capacity",
}


@dataclass(frozen=True, slots=True, eq=False)
class Multipliers:
    """Prices that prove a lower bound on the cost, for anyone to check.

    With f and e from :func:`cosim_agents.ocean.problem.needs`, P the price of a task left out, and pairs that exceed a
    capacity, a budget or P struck out, no assignment costs less than

        sum_j min(p, min_i (1 + nu_i) e_ij + lambda_i f_ij) - sum_i (lambda_i F_i + nu_i B_i) + (P - p) r

    or, if the tasks have prices mu_j, than

        sum_j min(p, mu_j) - sum_i (K_i + nu_i B_i) + (P - p) r

    where K_i is the greatest ``sum_j mu_j - (1 + nu_i) e_ij`` over sets of tasks within F_i. (``nu_i B_i`` is 0 where
    nu_i is.) No assignment leaves out fewer than

        r = ceil(sum_j min(1, min_i nu'_i e_ij + lambda'_i f_ij) - sum_i (lambda'_i F_i + nu'_i B_i))

    tasks, nor fewer than those of which all pairs are struck out.

    Attributes
    ----------
    capacity_j_per_hz : ndarray of float, shape (vehicles,)
        lambda.
    budget : ndarray of float, shape (vehicles,)
        nu.
    dropping_j : float
        p, at most P.
    fewest_rejected : int
        r.
    count_per_hz, count_per_j : ndarray of float, shape (vehicles,)
        lambda' and nu'.
    task_j : ndarray of float, shape (tasks,), or None
        mu, if the second bound is the better one. The reported bound is then lower by what the knapsacks' branch and
        bound left open, at most a twentieth of ``tol``.
    """

    capacity_j_per_hz: NDArray[np.float64]
    budget: NDArray[np.float64]
    dropping_j: float
    fewest_rejected: int
    count_per_hz: NDArray[np.float64]
    count_per_j: NDArray[np.float64]
    task_j: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Which vehicle does which task.

    Attributes
    ----------
    vehicle : ndarray of int, shape (tasks,)
        Position of the vehicle, -1 for the edge server.
    frequency_hz : ndarray of float, shape (tasks,)
        f* (Eq. 33), 0 for what is left out.
    task_energy_j : ndarray of float, shape (tasks,)
        Eq. 10, 0 for what is left out.
    reason : ndarray of int, shape (tasks,)
        Why a task is left out, values of `Reason`.
    reject_price_j : float
        Price of each task left out.
    bound_j : float
        No assignment costs less.
    multipliers : Multipliers
        What proves the bound; with ``exact=True`` a lower one, since the rest of the proof is the solver's search.
    """

    vehicle: NDArray[np.int64]
    frequency_hz: NDArray[np.float64]
    task_energy_j: NDArray[np.float64]
    reason: NDArray[np.int64]
    reject_price_j: float
    bound_j: float
    multipliers: Multipliers

    @property
    def energy_j(self) -> float:
        """Energy of all tasks served, J."""
        # Sorted, so that the labels do not matter even to the last digit.
        return float(np.sort(self.task_energy_j).sum())

    @property
    def rejected(self) -> int:
        """How many tasks are left to the edge server."""
        return int((self.vehicle < 0).sum())

    @property
    def cost_j(self) -> float:
        """Energy, and the price of what is left out: what is minimised."""
        return self.energy_j + self.reject_price_j * self.rejected

    @property
    def relative_gap(self) -> float:
        """By what share of the cost the best assignment may at most be cheaper."""
        cost_j = self.cost_j
        return max(0.0, 1.0 - self.bound_j / cost_j) if cost_j > 0.0 else 0.0

    def reasons(self) -> dict[int, str]:
        """Return in words why tasks are left out, by task."""
        return {int(j): Reason(int(self.reason[j])).sentence for j in np.flatnonzero(self.vehicle < 0)}

    def by_vehicle(self, values: NDArray[np.float64], vehicles: int) -> NDArray[np.float64]:
        """Sum a quantity of the tasks (energies, frequencies, cycles) for each vehicle.

        Parameters
        ----------
        values : ndarray of float, shape (tasks,)
            The quantity.
        vehicles : int
            How many vehicles there are.

        Returns
        -------
        ndarray of float, shape (vehicles,)
            What is left out counts nowhere.
        """
        served = self.vehicle >= 0
        # Of nothing, bincount would return whole numbers.
        return np.bincount(self.vehicle[served], weights=values[served], minlength=vehicles).astype(np.float64)
