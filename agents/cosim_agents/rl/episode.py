"""What a rollout hands to a learner."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One complete episode of T decisions, as plain arrays that travel between processes.

    Attributes
    ----------
    observations : ndarray of float32, shape (T + 1, n_observations)
        As the environment gave them; the last row is what followed the last action.
    masks : ndarray of bool, shape (T + 1, n_actions)
        Actions that were allowed.
    actions : ndarray of int64, shape (T,)
        What was done.
    log_prob : ndarray of float64, shape (T,)
        Logarithm of the probability with which it was drawn.
    rewards, costs : ndarray of float64, shape (T,)
        What followed.
    dt : ndarray of float64, shape (T,)
        Seconds that each decision step lasted; 0 where the environment does not say.
    terminated : bool
        Whether the episode came to its natural end; otherwise it was cut off and its value goes on.
    seed : int
        What the environment was reset with.
    metrics : mapping of str to float
        The environment's ``info["metrics"]`` at the end.
    samples : mapping of str to ndarray
        Whatever a wrapper gathered for another learner: ``info["samples"]`` at the end.
    """

    observations: NDArray[np.float32]
    masks: NDArray[np.bool_]
    actions: NDArray[np.int64]
    log_prob: NDArray[np.float64]
    rewards: NDArray[np.float64]
    costs: NDArray[np.float64]
    dt: NDArray[np.float64]
    terminated: bool
    seed: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of decisions."""
        return len(self.actions)

    @property
    def cost(self) -> float:
        """Undiscounted cost of the episode."""
        return float(np.sum(self.costs))

    @property
    def reward(self) -> float:
        """Undiscounted reward of the episode."""
        return float(np.sum(self.rewards))
