"""The Lagrange multiplier of a cost limit (Eqs. 33 and 38)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosim_agents.rl.config import Hyperparameters

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


class Multiplier:
    """``lambda <- [lambda + step * (J_c - b)]_+``, once an epoch.

    ``sgd``
        As written, the step is ``lagrange_lr``.
    ``adam``
        The step is Adam's (Kingma and Ba 2015) on the gradient ``b - J_c`` of the loss, as in OmniSafe: a violation
        that lasts moves lambda by about ``lagrange_lr`` an epoch, however large it is.
    ``pid``
        ``lambda = [K_p D + K_i I + K_d dJ]_+`` with ``D = J_c - b``, ``I <- [I + D]_+`` and
        ``dJ = [J_c - J_c(last)]_+`` (Stooke et al. 2020, Algorithm 2).

    Parameters
    ----------
    config : Hyperparameters
        ``lagrange_update``, ``lagrange_lr``, ``lagrange_init``, ``lagrange_max``, ``pid_gains``.
    cost_limit : float
        b: what the mean cost of an episode should not exceed.

    Attributes
    ----------
    value : float
        lambda.
    """

    def __init__(self, config: Hyperparameters, cost_limit: float) -> None:
        self.cost_limit = cost_limit
        self.value = min(config.lagrange_init, config.lagrange_max)
        self._config = config
        self._steps = 0
        # Adam's moments.
        self._mean = 0.0
        self._square = 0.0
        # PID's memory.
        self._integral = 0.0
        self._last_cost = math.inf

    def update(self, cost: float) -> float:
        """Move lambda.

        Parameters
        ----------
        cost : float
            J_c: mean undiscounted cost of an episode, over the epoch.

        Returns
        -------
        float
            The new lambda.
        """
        violation = cost - self.cost_limit
        self._steps += 1
        if self._config.lagrange_update == "pid":
            moved = self._pid(violation, cost)
        elif self._config.lagrange_update == "adam":
            moved = self.value + self._adam(violation)
        else:
            moved = self.value + self._config.lagrange_lr * violation
        self.value = min(max(moved, 0.0), self._config.lagrange_max)
        return self.value

    def state_dict(self) -> dict[str, float]:
        """Return everything as plain data."""
        return {name: float(getattr(self, name)) for name in _STATE}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Take over what `state_dict` returned."""
        for name in _STATE:
            setattr(self, name, float(state[name]))
        self._steps = int(self._steps)

    def _adam(self, violation: float) -> float:
        self._mean = _BETA1 * self._mean + (1 - _BETA1) * violation
        self._square = _BETA2 * self._square + (1 - _BETA2) * violation**2
        mean = self._mean / (1 - _BETA1**self._steps)
        square = self._square / (1 - _BETA2**self._steps)
        return self._config.lagrange_lr * mean / (math.sqrt(square) + _EPSILON)

    def _pid(self, violation: float, cost: float) -> float:
        proportional, integral, derivative = self._config.pid_gains
        self._integral = max(self._integral + violation, 0.0)
        rise = max(cost - self._last_cost, 0.0)
        self._last_cost = cost
        return proportional * violation + integral * self._integral + derivative * rise


_STATE = ("value", "_steps", "_mean", "_square", "_integral", "_last_cost")
