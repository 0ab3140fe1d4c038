"""A trained policy as plain arrays: decides without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.rl.normalise import Standardiser

#: How the outputs of the perceptron become an action: drawn by softmax, or the best one with some exploration.
PolicyKind = Literal["softmax", "greedy"]

#: What a layout finds behind the observation: a one, and a zero.
_CONSTANTS = np.array([1.0, 0.0], dtype=np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PerceptronPolicy:
    """Standardisation, tanh layers, a linear layer, a mask.

    With a `layout` the same small perceptron gives every station its output, each from its own part of the observation.

    Attributes
    ----------
    standardiser : Standardiser
        What is done to an observation first.
    weights : tuple of ndarray of float32
        Of each layer, shape (n_inputs, n_outputs).
    biases : tuple of ndarray of float32
        Of each layer, shape (n_outputs,).
    kind : {"softmax", "greedy"}
        Outputs are log-probabilities up to a constant, or action values.
    exploration : float
        Share of uniformly random decisions; only with ``greedy``.
    layout : ndarray of int64, shape (n_actions, n_inputs), or None
        For each action the positions of the perceptron's inputs in the standardised observation, to which a one and a
        zero are appended; see `cosim_agents.rl.networks.stationwise_layout`. None: the perceptron sees the whole
        observation and has an output for each action.
    direct : ndarray of float32, shape (n_inputs,), or None
        With a layout: weights of the inputs past the perceptron.
    """

    standardiser: Standardiser
    weights: tuple[NDArray[np.float32], ...]
    biases: tuple[NDArray[np.float32], ...]
    kind: PolicyKind = "softmax"
    exploration: float = 0.0
    layout: NDArray[np.int64] | None = None
    direct: NDArray[np.float32] | None = None

    @property
    def n_observations(self) -> int:
        """Length of an observation."""
        return int(self.standardiser.mean.size)

    @property
    def n_actions(self) -> int:
        """Number of actions."""
        return int(self.weights[-1].shape[1]) if self.layout is None else len(self.layout)

    def outputs(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the perceptron's outputs, shape (..., n_actions)."""
        hidden = inputs = self.standardiser(observation)
        if self.layout is not None:
            constants = np.broadcast_to(_CONSTANTS, (*hidden.shape[:-1], 2))
            hidden = inputs = np.concatenate([hidden, constants], axis=-1)[..., self.layout]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.tanh(hidden @ weight + bias)
        result: NDArray[np.float32] = hidden @ self.weights[-1] + self.biases[-1]
        if self.direct is None:
            return result
        scores: NDArray[np.float32] = result[..., 0] + inputs @ self.direct
        return scores

    def probabilities(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return with which probability each action is taken, shape (n_actions,); 0 where the mask forbids it."""
        outputs = np.where(mask, self.outputs(observation), -np.inf).astype(np.float64)
        if self.kind == "greedy":
            shares: NDArray[np.float64] = self.exploration * mask / np.count_nonzero(mask)
            shares[outputs.argmax()] += 1.0 - self.exploration
            return shares
        shares = np.exp(outputs - outputs.max())
        shares /= shares.sum()
        return shares

    def act(
        self, observation: NDArray[np.float32], mask: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[int, float]:
        """Draw an action.

        Parameters
        ----------
        observation : ndarray of float32, shape (n_observations,)
            As the environment gives it.
        mask : ndarray of bool, shape (n_actions,)
            What is allowed; at least one action is.
        rng : numpy.random.Generator
            One number is drawn from it, whatever the policy.

        Returns
        -------
        action : int
        log_prob : float
            Logarithm of its probability.
        """
        shares = self.probabilities(observation, mask)
        cumulated = shares.cumsum()
        # "right" never lands on an action of probability 0.
        action = int(cumulated.searchsorted(rng.random() * cumulated[-1], side="right"))
        return action, float(np.log(shares[action]))

    def best(self, observation: NDArray[np.float32], mask: NDArray[np.bool_]) -> int:
        """Return the action with the largest output among the allowed ones."""
        return int(np.where(mask, self.outputs(observation), -np.inf).argmax())

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by name, as they are saved."""
        named: dict[str, NDArray[Any]] = {"mean": self.standardiser.mean, "std": self.standardiser.std}
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            named |= {f"weight{layer}": weight, f"bias{layer}": bias}
        if self.layout is not None:
            named["layout"] = self.layout
        if self.direct is not None:
            named["direct"] = self.direct
        return named
