"""CALC and SCA as published (``preset="paper"``): what the paper says, and where it is silent the nearest reading.

Both networks see the price (Eq. 4), which makes the base load visible, and are paid minus the bill (Eq. 14 and 30).
Readings: the price of a slot is that of its base load with the vehicles' load of the slot before, since the decision is
not known yet; it is given as the load that makes it, whose straight function it is. Constraint (13) is the feasible
box. The networks' output is moved so that -1 is no power and 1 is full power.

- **CALC** sees price and the vehicles' load of the slot before (Eq. 29), chooses the vehicles' load up to what all
  could take (Eq. 28b) and splits it by the projection (31) of equal powers.
- **SCA** sees price and states of charge (Eq. 11). One network serves every vehicle and sees the price and its state of
  charge, so that it takes any number of vehicles: a network with a place for each of them takes no more than it has
  places. All vehicles are alike in the paper and want a full battery, so that what is missing stands for the state of
  charge.

With the published low discount both put off whatever they can; ``sca_training`` and ``training`` say what it takes to
learn more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.projection import project
from cosim.scheduling.shield import feasible_box, shield
from cosim_agents.sca.residual import Residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.learned import SitePolicy
    from cosim_agents.sca.residual import View


class Literal(Residual):
    """A policy that remembers what the vehicles drew in the slot before; nothing at first and after a pause.

    Parameters
    ----------
    policy : SitePolicy
        Of this class' kind.
    start_h : float
        Time of day at which slot 0 begins, h.

    Raises
    ------
    ValueError
        If the policy is of another kind.
    """

    def __init__(self, policy: SitePolicy, *, start_h: float = START_H) -> None:
        super().__init__(policy, start_h=start_h)
        self._slot, self._charging_kw, self._before_kw = -1, 0.0, 0.0

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide; whoever asks again in a slot gets the same.

        Parameters
        ----------
        state : SiteState
            Now.

        Returns
        -------
        ndarray of float, shape (n,)
            Powers within the feasible box; vehicles with the same data get the same.
        """
        if state.slot != self._slot:
            self._before_kw = self._charging_kw if state.slot == self._slot + 1 else 0.0
            self._slot = state.slot
        power_kw = super().__call__(state)
        self._charging_kw = float(power_kw.sum())
        return power_kw

    def _load_kw(self, state: SiteState) -> float:
        """Return the load that stands for the price."""
        return float(state.base_kw[0]) + self._before_kw


class LiteralCalc(Literal):
    """The network chooses the load of all vehicles."""

    kind = "paper-calc"

    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:  # noqa: ARG002 - the paper's sees less
        box = feasible_box(state)
        output = self._policy.network(np.array([self._load_kw(state), self._before_kw]))
        total_kw = float(literal_power_kw(output, state.max_power_kw.sum()))
        return project(np.zeros(len(state)), box.low_kw, box.high_kw, min(total_kw, box.total_high_kw))


class LiteralSca(Literal):
    """The network chooses the power of each vehicle, which is then shielded."""

    kind = "paper-sca"

    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:  # noqa: ARG002 - the paper's sees less
        inputs = np.stack([np.full(len(state), self._load_kw(state)), state.remaining_kwh], axis=1)
        return shield(state, literal_power_kw(self._policy.network(inputs), state.max_power_kw))


def literal_power_kw(output: NDArray[np.float64], most_kw: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power that an output of the network stands for, before the box limits it; kW.

    Parameters
    ----------
    output : ndarray of float
        -1 for nothing, 1 for the most.
    most_kw : float or ndarray of float
        Greatest power (Eq. 1 and 28b).
    """
    return np.asarray(0.5 * (1.0 + output) * most_kw, dtype=np.float64)
