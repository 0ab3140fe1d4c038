"""From one number for the site to powers of its vehicles: the projection of Eq. 31, and a split by laxity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cosim.scheduling.site import SiteState


def project(power_kw: ArrayLike, low_kw: ArrayLike, high_kw: ArrayLike, total_kw: float) -> NDArray[np.float64]:
    """Return the nearest powers that lie in a box and sum to a total (Eq. 31), exactly but for rounding.

    Parameters
    ----------
    power_kw : array of float, shape (n,)
        What is wanted.
    low_kw, high_kw : array of float, shape (n,)
        The box, such as :func:`cosim.scheduling.shield.feasible_box` gives.
    total_kw : float
        The sum; one that the box does not allow is replaced by the nearest that it does.

    Returns
    -------
    ndarray of float, shape (n,)
        ``min(high, max(low, power + nu))`` with one number nu for all.
    """
    anchor_kw = np.ascontiguousarray(power_kw, dtype=np.float64)
    return _weighted(anchor_kw, np.ones_like(anchor_kw), low_kw, high_kw, total_kw)


def split_least_laxity(state: SiteState, low_kw: ArrayLike, high_kw: ArrayLike, total_kw: float) -> NDArray[np.float64]:
    """Split a total so that the least laxity after this slot is as great as can be.

    The laxity of a vehicle is the time it could rest and still get what it needs. Power goes to those that would
    have least of it afterwards, until they are level; so no vehicle is driven into a corner where it must charge at
    full power later.

    Parameters
    ----------
    state : SiteState
        Now.
    low_kw, high_kw, total_kw
        As for :func:`project`.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    cap_kw = np.ascontiguousarray(state.max_power_kw, dtype=np.float64)
    # With power x the laxity afterwards is slots_left - 1 - (remaining - x) / cap; anchor is the x that makes it 0.
    anchor_kw = state.remaining_kwh / state.slot_h - cap_kw * (state.slots_left - 1)
    return _weighted(anchor_kw, cap_kw, low_kw, high_kw, total_kw)


def _weighted(
    anchor_kw: NDArray[np.float64],
    weight: NDArray[np.float64],
    low_kw: ArrayLike,
    high_kw: ArrayLike,
    total_kw: float,
) -> NDArray[np.float64]:
    from cosim.scheduling import kernels  # noqa: PLC0415 - numba is imported where something is computed

    low = np.ascontiguousarray(low_kw, dtype=np.float64)
    high = np.ascontiguousarray(high_kw, dtype=np.float64)
    nu = kernels.shift_for_total(anchor_kw, weight, low, high, float(total_kw))
    return np.clip(anchor_kw + nu * weight, low, high)
