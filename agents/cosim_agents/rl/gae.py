"""Generalised advantage estimation (Schulman et al. 2016) for rewards and costs, and Monte-Carlo returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def gae(
    signal: NDArray[np.float64], values: NDArray[np.floating[Any]], gamma: float, lam: float, *, terminated: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Estimate advantages and the targets of the critic for one episode (Eq. 37).

    ``A_t = sum_k (gamma lam)^k delta_(t+k)`` with ``delta_t = x_t + gamma V(s_(t+1)) - V(s_t)``. The target is
    ``A_t + V(s_t)``, the lambda-return; with ``lam = 0`` both are those of temporal-difference learning (Eq. 39).

    Parameters
    ----------
    signal : ndarray of float, shape (T,)
        x: rewards or costs.
    values : ndarray of float, shape (T + 1,)
        The critic's values of all observations.
    gamma : float
        Discount per decision.
    lam : float
        eta of Eq. 37.
    terminated : bool
        Whether nothing follows the last decision; otherwise the last value stands for what would have followed.

    Returns
    -------
    advantages, targets : ndarray of float64, shape (T,)
    """
    after = np.array(values[1:], dtype=np.float64)
    if terminated:
        after[-1] = 0.0
    delta = signal + gamma * after - values[:-1]
    advantages = discounted(delta, gamma * lam)
    return advantages, advantages + values[:-1]


def discounted(signal: NDArray[np.float64], gamma: float) -> NDArray[np.float64]:
    """Return ``sum_k gamma^k x_(t+k)`` for every t, shape (T,)."""
    result = np.empty(len(signal))
    running = 0.0
    for step in range(len(signal) - 1, -1, -1):
        running = float(signal[step]) + gamma * running
        result[step] = running
    return result


def standardised(values: NDArray[np.float64], *, center_only: bool = False) -> NDArray[np.float64]:
    """Subtract the mean and, unless told not to, divide by the standard deviation."""
    centred: NDArray[np.float64] = values - values.mean()
    if center_only:
        return centred
    # Where all values are the same there is nothing to tell apart: zeros, not rounding errors blown up.
    scale = float(centred.std())
    return centred / scale if scale > 1e-8 else np.zeros_like(centred)
