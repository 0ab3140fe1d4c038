"""Which buses leave their voltage band because of charging, and which had left it before.

On the IEEE feeders many buses are outside a narrow band at base load already (33 buses: 21 are below 0.95 pu), so only
violations beyond the base case tell something about charging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.grid.feeder import Feeder

# EN 50160: ten-minute means within 10 percent of the nominal voltage.
DEFAULT_BAND_PU = (0.9, 1.1)


def voltage_band(feeder: Feeder) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and the highest voltage allowed at each bus.

    Parameters
    ----------
    feeder : Feeder
        Its columns ``min_vm_pu`` and ``max_vm_pu`` of ``net.bus``; :data:`DEFAULT_BAND_PU` where they have no value.

    Returns
    -------
    low_pu, high_pu : NDArray, shape (n_bus,)
        In the order of ``net.bus``.
    """
    band = []
    for column, default in zip(("min_vm_pu", "max_vm_pu"), DEFAULT_BAND_PU, strict=True):
        bus = feeder.net.bus
        limit = bus[column].to_numpy(dtype=np.float64) if column in bus else np.full(len(bus), np.nan)
        band.append(np.where(np.isfinite(limit), limit, default))
    return band[0], band[1]


def violations(
    vm_pu: NDArray[np.float64], low_pu: NDArray[np.float64] | float, high_pu: NDArray[np.float64] | float
) -> NDArray[np.bool_]:
    """Tell which buses are outside their band.

    Parameters
    ----------
    vm_pu : NDArray, shape (..., n_bus)
        Voltages; a bus without voltage (NaN) violates nothing.
    low_pu, high_pu : float or NDArray, shape (n_bus,)
        The band; its limits are inside.
    """
    return (vm_pu < low_pu) | (vm_pu > high_pu)


def new_violations(
    vm_pu: NDArray[np.float64],
    base_vm_pu: NDArray[np.float64],
    low_pu: NDArray[np.float64] | float,
    high_pu: NDArray[np.float64] | float,
) -> NDArray[np.bool_]:
    """Tell which buses are outside their band although they were inside it without charging.

    Parameters
    ----------
    vm_pu : NDArray, shape (..., n_bus)
        Voltages with charging.
    base_vm_pu : NDArray, shape (n_bus,) or (..., n_bus)
        Voltages without, such as ``PowerFlow.no_load.vm_pu``.
    low_pu, high_pu
        As for :func:`violations`.
    """
    return violations(vm_pu, low_pu, high_pu) & ~violations(base_vm_pu, low_pu, high_pu)
