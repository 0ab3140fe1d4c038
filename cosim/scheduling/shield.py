"""The shield: whatever a policy asks for, every vehicle that could be served is.

Each slot has a box: what a vehicle must draw now because the slots that are left cannot hold it (the paper's Eq. 13,
slot by slot), and what it can use. Powers inside the box keep every promise that can still be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.projection import project

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from cosim.scheduling.site import SiteState


@dataclass(frozen=True, slots=True, eq=False)
class FeasibleBox:
    """Bounds on the powers of one slot; all arrays have shape (n,).

    Attributes
    ----------
    low_kw : ndarray of float
        What must flow now. With a site limit the sum never exceeds it.
    high_kw : ndarray of float
        What can be used: full power, or less if less is missing.
    total_low_kw, total_high_kw : float
        Bounds of the sum, the site limit included.
    short_kwh : ndarray of float
        What can no longer be delivered to a vehicle, whatever is done; 0 for those that can be served. With a site
        limit the sum is the least possible, and vehicles that need equally long at full power share it.
    """

    low_kw: NDArray[np.float64]
    high_kw: NDArray[np.float64]
    total_low_kw: float
    total_high_kw: float
    short_kwh: NDArray[np.float64]


def feasible_box(state: SiteState) -> FeasibleBox:
    """Return what each vehicle must and can draw now so that its target stays within reach.

    Without a site limit these are all the powers that keep it so:
    ``low = max(0, rem - cap * (slots_left - 1))``, ``high = min(cap, rem)`` with ``rem`` in kW times slots. A vehicle
    that cannot be served any more has ``low = high = cap``.

    With a limit the vehicles compete for the slots to come, and many boxes would do. This one has the least sum that
    must flow now, and asks it of the vehicles that need the longest at full power. Powers in it whose sum keeps the
    limit leave everybody's target within reach as long as no further vehicle comes.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    FeasibleBox
        The bounds, and what is lost already.
    """
    cap_kw, remaining = state.max_power_kw, state.remaining_kwh / state.slot_h
    high_kw = np.minimum(cap_kw, remaining)
    if len(state) and np.isfinite(state.headroom_kw).any():
        low_kw, short = _must_charge(state, remaining)
    else:
        left_over = remaining - cap_kw * (state.slots_left - 1)
        low_kw = np.minimum(high_kw, np.maximum(0.0, left_over))
        short = np.maximum(0.0, left_over - cap_kw)
    return FeasibleBox(
        low_kw=low_kw,
        high_kw=high_kw,
        total_low_kw=float(low_kw.sum()),
        total_high_kw=min(float(state.headroom_kw[0]), float(high_kw.sum())),
        short_kwh=short * state.slot_h,
    )


def _must_charge(state: SiteState, remaining: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from cosim.scheduling import kernels  # noqa: PLC0415 - numba is imported where something is computed

    low_kw, short = np.empty_like(remaining), remaining.copy()
    # Nobody charges after the last departure, and a slot without limit holds everybody.
    headroom_kw = np.minimum(state.headroom_kw[: state.slots_left.max()], state.max_power_kw.sum())
    kernels.must_charge(headroom_kw, state.slots_left, state.max_power_kw, short, low_kw)
    return low_kw, short


def shield(state: SiteState, power_kw: ArrayLike) -> NDArray[np.float64]:
    """Return the powers nearest to those asked for that keep every promise and the site's limit.

    Parameters
    ----------
    state : SiteState
        Now.
    power_kw : array of float, shape (n,)
        Anything; NaN counts as nothing.

    Returns
    -------
    ndarray of float, shape (n,)
        Inside :func:`feasible_box`, with a sum that the site allows.

    Raises
    ------
    ValueError
        If there is not one number for each vehicle.
    """
    asked_kw = np.asarray(power_kw, dtype=np.float64)
    if asked_kw.shape != (len(state),):
        raise ValueError(f"power_kw of shape {asked_kw.shape} must have one value for each of {len(state)} vehicles")
    box = feasible_box(state)
    safe_kw = np.clip(np.nan_to_num(asked_kw, nan=0.0, posinf=np.inf, neginf=-np.inf), box.low_kw, box.high_kw)
    if safe_kw.sum() <= box.total_high_kw:
        return safe_kw
    return project(safe_kw, box.low_kw, box.high_kw, box.total_high_kw)
