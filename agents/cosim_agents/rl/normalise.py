"""Running mean and standard deviation, of observations, returns, rewards and costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

#: A feature that hardly ever moves is not blown up by more than this.
_LEAST_STD = 1e-2


class RunningMoments:
    """Mean and variance of all rows seen so far, merged batch by batch (Chan et al. 1979).

    Before the first row the mean is 0 and the standard deviation 1, so that standardising changes nothing.

    Parameters
    ----------
    shape : tuple of int
        Shape of one row.
    least_std : float
        Lower bound of the standard deviation.
    """

    def __init__(self, shape: tuple[int, ...], least_std: float = _LEAST_STD) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(shape)
        self._squares: NDArray[np.float64] = np.zeros(shape)
        self._least_std = least_std

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation (ddof 0), not below the least."""
        if self.count == 0:
            return np.ones_like(self.mean)
        return np.maximum(np.sqrt(self._squares / self.count), self._least_std)

    def update(self, rows: ArrayLike) -> None:
        """Take in rows, shape (n, *shape)."""
        batch = np.asarray(rows, dtype=np.float64)
        count = self.count + len(batch)
        delta = batch.mean(axis=0) - self.mean
        self._squares = (
            self._squares + ((batch - batch.mean(axis=0)) ** 2).sum(axis=0) + delta**2 * self.count * len(batch) / count
        )
        self.mean = self.mean + delta * len(batch) / count
        self.count = count

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {"count": self.count, "mean": np.array(self.mean), "squares": np.array(self._squares)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        self.count = int(state["count"])
        self.mean = np.array(state["mean"], dtype=np.float64)
        self._squares = np.array(state["squares"], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Standardiser:
    """A frozen standardisation of observations, in the precision of the networks.

    Attributes
    ----------
    mean, std : ndarray of float32, shape (n_observations,)
        Subtracted, divided by.
    clip : float
        Bound of the result.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    clip: float

    @classmethod
    def of(cls, moments: RunningMoments, clip: float) -> Standardiser:
        """Freeze running moments."""
        return cls(moments.mean.astype(np.float32), moments.std.astype(np.float32), clip)

    def __call__(self, observations: NDArray[np.float32]) -> NDArray[np.float32]:
        """Standardise observations, shape (..., n_observations)."""
        scaled: NDArray[np.float32] = (observations - self.mean) / self.std
        # minimum and maximum cost a third of np.clip on one observation.
        return np.minimum(np.maximum(scaled, -self.clip), self.clip)
