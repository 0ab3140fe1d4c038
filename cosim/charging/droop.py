"""The voltage droop controller: a weak grid takes charging power away (paper, Eq. 13-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.tables.grid import DroopTable


def slope_kw_per_pu(droop: DroopTable) -> float:
    """Return the control rate alpha of Eq. 14 (which the paper prints with V2 - V2 for V2 - V1); 0 without droop."""
    if not droop.enabled:
        return 0.0
    return (droop.max_power_kw - droop.min_power_kw) / (droop.v_ref_high_pu - droop.v_ref_low_pu)


def cap_kw(voltage_pu: float, droop: DroopTable) -> float:
    """Return the power cap of one charger for a voltage (Eq. 14).

    Parameters
    ----------
    voltage_pu : float
        The controller's input; NaN (no power flow solution) counts as the lowest voltage.
    droop : DroopTable
        References and range.

    Returns
    -------
    float
        Between ``min_power_kw`` and ``max_power_kw``, never falling with the voltage.
    """
    if not droop.enabled or voltage_pu >= droop.v_ref_high_pu:
        return droop.max_power_kw
    if not voltage_pu > droop.v_ref_low_pu:
        return droop.min_power_kw
    power_kw = droop.min_power_kw + slope_kw_per_pu(droop) * (voltage_pu - droop.v_ref_low_pu)
    return min(power_kw, droop.max_power_kw)


def station_caps_kw(
    vm_pu: NDArray[np.float64], station_rows: NDArray[np.int64], droop: DroopTable
) -> NDArray[np.float64]:
    """Return every station's cap from the bus voltages.

    Parameters
    ----------
    vm_pu : ndarray of float, shape (n_buses,)
        Voltages; NaN at buses without supply.
    station_rows : ndarray of int, shape (n_stations,)
        Each station's bus, as a position in ``vm_pu``.
    droop : DroopTable
        Which voltage counts: mean (Eq. 13), minimum, or the station's own.
    """
    if droop.voltage == "local":
        return np.array([cap_kw(float(vm_pu[row]), droop) for row in station_rows])
    energised = vm_pu[~np.isnan(vm_pu)]
    voltage = float(energised.mean() if droop.voltage == "mean" else energised.min()) if len(energised) else np.nan
    return np.full(len(station_rows), cap_kw(voltage, droop))
