"""Lower bounds of a slot: the Lagrangian dual with prices for capacity and energy.

Let a vehicle of class c ask ``lambda_c`` J for each GHz and charge its energy ``w_c = 1 + nu_c`` times. Then no
assignment costs less than

    sum_j min(p, min_c w_c e_cj + lambda_c f_cj) - sum_c n_c (lambda_c F_c + nu_c B_c) + (P - p) r

for any ``lambda, nu >= 0`` and ``p <= P``, if P is the price of a task left out and no assignment leaves out fewer than
r. The same expression with ``w_c = nu_c`` and P = 1 bounds how many are left out; rounded up, that is r. All functions
may be called from other compiled code; none checks its arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from cosim_agents.ocean.slot_kernels import NEVER, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.slot_kernels import Slot

#: How much of the last direction goes into the next (Camerini's deflection), which damps the zigzag of subgradients.
MEMORY = 0.7
#: After so many evaluations without a better bound the steps are halved.
PATIENCE = 6
#: More than any task costs that can be done, less than `slot_kernels.NEVER`.
MUCH = 1e29


class Ascent(NamedTuple):
    """Where a climb up the dual stands; all arrays are changed in place.

    Attributes
    ----------
    lam, nu : ndarray of float, shape (classes,)
        The present prices.
    top_lam, top_nu : ndarray of float, shape (classes,)
        Those of the best bound.
    best : ndarray of float, shape (tasks,)
        What each task costs at the last prices that were evaluated.
    where : ndarray of int, shape (tasks,)
        In which class; -1 if none can do it.
    direction : ndarray of float, shape (2, classes)
        The last step's direction, for ``lam`` and ``nu``.
    progress : ndarray of float, shape (5,)
        Best bound, its p, step factor, evaluations without a better bound, p of the last evaluation.
    """

    lam: NDArray[np.float64]
    nu: NDArray[np.float64]
    top_lam: NDArray[np.float64]
    top_nu: NDArray[np.float64]
    best: NDArray[np.float64]
    where: NDArray[np.int64]
    direction: NDArray[np.float64]
    progress: NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def start_ascent(classes: int, tasks: int, lam: float) -> Ascent:
    """Return an ascent that begins with the same price of capacity everywhere."""
    progress = np.array([-np.inf, 0.0, 1.0, 0.0, 0.0])
    return Ascent(
        np.full(classes, lam), np.zeros(classes), np.zeros(classes), np.zeros(classes),
        np.empty(tasks), np.empty(tasks, dtype=np.int64), np.zeros((2, classes)), progress,
    )  # fmt: skip


@njit(cache=True, error_model="numpy")
def evaluate(slot: Slot, own: float, price_j: float, fewest: int | np.int64, ascent: Ascent) -> float:
    """Return the bound at the present prices; leave each task's choice and the subgradient in the ascent.

    Parameters
    ----------
    slot : Slot
        The slot.
    own : float
        1 to count the tasks' energies, 0 to bound how many are left out.
    price_j : float
        P.
    fewest : int
        r. If it is greater than 0, p is the best one, the cost of the dearest task that is not left out.
    ascent : Ascent
        Prices; ``direction`` becomes the subgradient plus `MEMORY` times what it was.

    Returns
    -------
    float
        The bound.
    """
    best, where, push = ascent.best, ascent.where, ascent.direction
    count, classes = len(best), len(ascent.lam)
    best[:] = MUCH
    where[:] = -1
    for c in range(classes):
        need, energy = slot.need_ghz[c], slot.energy_j[c]
        weight, lam = own + ascent.nu[c], ascent.lam[c]
        for j in range(count):
            # Without branches this loop runs several tasks at a time.
            value = NEVER if energy[j] >= MUCH else weight * energy[j] + lam * need[j]
            nearer = value < best[j]
            best[j] = value if nearer else best[j]
            where[j] = c if nearer else where[j]
    p = price_j
    if fewest > 0:
        p = min(p, smallest(best, count - fewest - 1)) if fewest < count else 0.0
    bound = (price_j - p) * fewest
    push *= MEMORY
    for c in range(classes):
        vehicles = slot.first[c + 1] - slot.first[c]
        push[0, c] -= vehicles * slot.capacity_ghz[c]
        bound -= vehicles * slot.capacity_ghz[c] * ascent.lam[c]
        if slot.budget_j[c] < np.inf:
            push[1, c] -= vehicles * slot.budget_j[c]
            bound -= vehicles * slot.budget_j[c] * ascent.nu[c]
    for j in range(count):
        if best[j] <= p and where[j] >= 0:
            bound += best[j]
            push[0, where[j]] += slot.need_ghz[where[j], j]
            push[1, where[j]] += slot.energy_j[where[j], j]
        else:
            bound += p
    ascent.progress[4] = p
    return bound


@njit(cache=True, error_model="numpy")
def step(slot: Slot, reach: float, ascent: Ascent) -> bool:
    """Make a step that would raise a linear bound by ``reach``; return whether there is a way to go."""
    push, norm = ascent.direction, 0.0
    for c in range(len(ascent.lam)):
        # Prices at 0 that want to fall stay there and must not shorten the step.
        if ascent.lam[c] <= 0.0 and push[0, c] < 0.0:
            push[0, c] = 0.0
        if slot.budget_j[c] == np.inf or (ascent.nu[c] <= 0.0 and push[1, c] < 0.0):
            push[1, c] = 0.0
        norm += push[0, c] * push[0, c] + push[1, c] * push[1, c]
    if norm == 0.0 or reach <= 0.0:
        return False
    for c in range(len(ascent.lam)):
        ascent.lam[c] = max(0.0, ascent.lam[c] + reach / norm * push[0, c])
        ascent.nu[c] = max(0.0, ascent.nu[c] + reach / norm * push[1, c])
    return True


@njit(cache=True, error_model="numpy")
def ascend(
    slot: Slot, own: float, price_j: float, fewest: int | np.int64, upper: float, enough: float,
    steps: int | np.int64, ascent: Ascent,
) -> None:  # fmt: skip
    """Raise the bound by deflected subgradient steps of Polyak's length.

    Parameters
    ----------
    slot, own, price_j, fewest, ascent
        As for `evaluate`.
    upper : float
        An estimate of the optimum, from above.
    enough : float
        Stop at this bound.
    steps : int
        How many evaluations at most.
    """
    progress = ascent.progress
    for _ in range(steps):
        bound = evaluate(slot, own, price_j, fewest, ascent)
        progress[3] += 1.0
        if bound > progress[0]:
            if bound > progress[0] + 1e-4 * (upper - bound):
                progress[3] = 0.0
            progress[0], progress[1] = bound, progress[4]
            ascent.top_lam[:] = ascent.lam
            ascent.top_nu[:] = ascent.nu
            if bound >= enough:
                break
        if progress[3] >= PATIENCE:
            progress[2] *= 0.5
            progress[3] = 0.0
        if not step(slot, progress[2] * (upper - bound), ascent):
            break
