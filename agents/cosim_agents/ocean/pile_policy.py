"""Policies of the paper's kind as plain arrays: one network with a place for every pile, deciding without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """Rectified layers and a linear one.

    Attributes
    ----------
    weights : tuple of ndarray of float
        Of each layer, shape (inputs, outputs).
    biases : tuple of ndarray of float
        Of each layer, shape (outputs,).
    """

    weights: tuple[NDArray[np.float64], ...]
    biases: tuple[NDArray[np.float64], ...]

    def __call__(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return outputs, shape (..., outputs), for inputs, shape (..., inputs)."""
        hidden = inputs
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weight + bias, 0.0)
        result: NDArray[np.float64] = hidden @ self.weights[-1] + self.biases[-1]
        return result


@dataclass(frozen=True, slots=True, eq=False)
class PilePolicy:
    """What ``pile_days.play_piles`` asks.

    Attributes
    ----------
    actor : Layers
        From states to the logits of shares of the greatest powers.
    safety : Layers or None
        The safety layer phi of the paper: from state and the actor's shares to the logits of safe ones. None for the
        baselines, which have none.
    """

    actor: Layers
    safety: Layers | None = None

    def __call__(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return shares, shape (days, piles), for states, shape (days, features)."""
        shares: NDArray[np.float64] = expit(self.actor(states))
        if self.safety is not None:
            shares = expit(self.safety(np.concatenate([states, shares], axis=-1)))
        return shares
