"""The safe interval: powers that may be held for a while without putting a departure's promise at risk.

The slots of :mod:`cosim.scheduling.shield` made continuous: departures lie anywhere, and a power is held until somebody
is asked again. What flows beyond the target stops by itself, so that only the lower end matters for the promise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def safe_interval_kw(
    energy_kwh: NDArray[np.float64],
    max_power_kw: NDArray[np.float64],
    left_s: NDArray[np.float64],
    hold_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the greatest power that each vehicle may draw until the next decision.

    ``low = max(0, E - P (T - h)) / h`` and ``high = min(P, E / h)`` with the energy E still missing, the greatest power
    P, the time T left and ``h = min(hold, T)``. At ``low`` full power for the rest of the stay reaches the target just
    in time. A vehicle that cannot be served any more gets ``low = high = P``.

    Parameters
    ----------
    energy_kwh : ndarray of float, shape (n,)
        Missing to the target, grid side.
    max_power_kw : ndarray of float, shape (n,)
        What may be drawn.
    left_s : ndarray of float, shape (n,)
        Time to the departure; at most 0 for a vehicle that should be gone.
    hold_s : float
        Time to the next decision, above 0.

    Returns
    -------
    low_kw, high_kw : ndarray of float, shape (n,)
    """
    left_h = np.maximum(left_s, 0.0) / 3600.0
    hold_h = np.minimum(hold_s / 3600.0, left_h)
    later_kwh = max_power_kw * (left_h - hold_h)
    # Without any time left the quotients have no meaning: full power it is.
    held_h = np.where(hold_h > 0.0, hold_h, 1.0)
    high_kw = np.where(hold_h > 0.0, np.minimum(max_power_kw, energy_kwh / held_h), max_power_kw)
    low_kw = np.where(hold_h > 0.0, np.maximum(0.0, energy_kwh - later_kwh) / held_h, max_power_kw)
    return np.minimum(low_kw, high_kw), high_kw
