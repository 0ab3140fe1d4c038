"""What the voltages are where constant-power loads have no solution.

Towards a charging station at the end of a long line, Newton's method stops finding voltages at some load, and it is
not the method that fails: no voltage exists at which that power arrives. A run must go on and must feel it, so below a
threshold a load is taken to be an impedance, as OpenDSS does below ``Vminpu``: its power shrinks with the square of
the voltage. Such a feeder has a solution at any load. It is the constant-power solution wherever that stays above the
threshold, and it changes steadily with the load beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.grid.equations import Equations

# Each is tried for _SWEEPS / damping sweeps; the smaller, the slower and the surer.
_DAMPINGS = (0.7, 0.5, 0.25, 0.1, 0.03)
_SWEEPS = 400
_TOLERANCE_PU = 1e-9


class ImpedanceBelow:
    """Constant power above a voltage, constant impedance below it.

    The net power of every node but the slack is scaled by ``min(1, (v / threshold)^2)``. The rest of the net keeps the
    power of the base case: generators no longer hold their voltage, and loads that pandapower knows to depend on
    voltage do so below the threshold only.

    Parameters
    ----------
    equations : Equations
        The feeder.
    threshold_pu : float
        Voltage below which power falls.
    """

    def __init__(self, equations: Equations, threshold_pu: float) -> None:
        self._threshold = threshold_pu
        self._slack = equations.slack
        self._slack_voltage = equations.voltage[equations.slack]
        self._nodes = np.flatnonzero(np.arange(len(equations.voltage)) != equations.slack)
        current = np.asarray(equations.admittance @ equations.voltage)
        self._injection = equations.voltage * current.conj()
        rows = equations.admittance[self._nodes].tocsc()
        self._factors = splu(rows[:, self._nodes])
        self._open_circuit = self._factors.solve(-rows[:, [self._slack]].toarray()[:, 0] * self._slack_voltage)

    def solve(self, load: NDArray[np.complex128]) -> NDArray[np.complex128] | None:
        """Find the voltages by a damped fixed point.

        Parameters
        ----------
        load : NDArray, shape (n_node,), complex
            Power drawn beyond the base load, per unit.

        Returns
        -------
        NDArray, shape (n_node,), complex, or None
            Voltages; None if the sweeps do not settle.
        """
        power = (self._injection - load)[self._nodes]
        for damping in _DAMPINGS:
            part = self._settle(power, damping)
            if part is not None:
                voltage = np.empty(len(load), dtype=np.complex128)
                voltage[self._slack] = self._slack_voltage
                voltage[self._nodes] = part
                return voltage
        return None

    def _settle(self, power: NDArray[np.complex128], damping: float) -> NDArray[np.complex128] | None:
        """Sweep ``V <- V + damping * (V0 + Z conj(S(V) / V) - V)`` until the powers agree."""
        voltage = self._open_circuit.copy()
        served = self._served(power, voltage)
        for _ in range(int(_SWEEPS / damping)):
            current = (served / voltage).conj()
            target = self._open_circuit + self._factors.solve(current)
            wanted = self._served(power, target)
            if np.abs(target * current.conj() - wanted).max() < _TOLERANCE_PU:
                return np.asarray(target, dtype=np.complex128)
            voltage += damping * (target - voltage)
            served = self._served(power, voltage)
        return None

    def _served(self, power: NDArray[np.complex128], voltage: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return power * np.minimum(1.0, (np.abs(voltage) / self._threshold) ** 2)
