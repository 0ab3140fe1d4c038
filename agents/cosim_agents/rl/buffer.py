"""Episodes as torch tensors: one epoch's batch, and DQN's memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.normalise import Standardiser


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """All N decisions of an epoch's E episodes, in order.

    Attributes
    ----------
    episodes : tuple of Episode
        Where they come from.
    observations : Tensor of float32, shape (N, n_observations)
        Standardised.
    last_observations : Tensor of float32, shape (E, n_observations)
        What followed each episode's last action, standardised.
    masks : Tensor of bool, shape (N, n_actions)
        Allowed actions.
    actions : Tensor of int64, shape (N,)
        What was done.
    log_prob : Tensor of float32, shape (N,)
        With which log-probability.
    """

    episodes: tuple[Episode, ...]
    observations: torch.Tensor
    last_observations: torch.Tensor
    masks: torch.Tensor
    actions: torch.Tensor
    log_prob: torch.Tensor

    @classmethod
    def of(cls, episodes: Sequence[Episode], standardiser: Standardiser) -> Batch:
        """Put episodes one after another."""
        return cls(
            episodes=tuple(episodes),
            observations=_tensor(standardiser(np.concatenate([episode.observations[:-1] for episode in episodes]))),
            last_observations=_tensor(standardiser(np.stack([episode.observations[-1] for episode in episodes]))),
            masks=_tensor(np.concatenate([episode.masks[:-1] for episode in episodes])),
            actions=_tensor(np.concatenate([episode.actions for episode in episodes])),
            log_prob=_tensor(np.concatenate([episode.log_prob for episode in episodes]).astype(np.float32)),
        )

    def __len__(self) -> int:
        """Return the number of decisions."""
        return len(self.actions)

    def per_episode(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Cut an array of N rows into one array an episode."""
        return np.split(values, np.cumsum([len(episode) for episode in self.episodes])[:-1])


class Replay:
    """The last observations and what followed them, written round and round.

    An episode takes T + 1 rows, so that the row after a decision's is what followed it and nothing is stored twice.

    Parameters
    ----------
    size : int
        Rows.
    n_observations, n_actions : int
        Widths.
    """

    def __init__(self, size: int, n_observations: int, n_actions: int) -> None:
        self._observations = np.zeros((size, n_observations), dtype=np.float32)
        self._masks = np.ones((size, n_actions), dtype=np.bool_)
        self._actions = np.zeros(size, dtype=np.int64)
        self._rewards = np.zeros(size, dtype=np.float32)
        self._goes_on = np.zeros(size, dtype=np.bool_)
        self._is_decision = np.zeros(size, dtype=np.bool_)
        self._next = 0

    def __len__(self) -> int:
        """Return the number of decisions remembered."""
        return int(np.count_nonzero(self._is_decision))

    def add(self, episode: Episode, rewards: NDArray[np.float64]) -> None:
        """Remember an episode, with these rewards; it has to be shorter than the memory."""
        size = len(self._actions)
        rows = (self._next + np.arange(len(episode) + 1)) % size
        self._observations[rows] = episode.observations
        self._masks[rows] = episode.masks
        self._is_decision[rows] = True
        self._is_decision[rows[-1]] = False
        # The observation that followed what is now overwritten is gone with it; the one before the first row ended an
        # episode, and the ones after the last row are as they were.
        self._actions[rows[:-1]] = episode.actions
        self._rewards[rows[:-1]] = rewards
        self._goes_on[rows[:-1]] = True
        self._goes_on[rows[-2]] = not episode.terminated
        self._next = int(rows[-1] + 1) % size

    def sample(
        self, count: int, standardiser: Standardiser, rng: np.random.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Draw decisions with replacement.

        Returns
        -------
        observations, actions, rewards, next_observations, next_masks, goes_on : Tensor
            Each of `count` rows; ``goes_on`` is 0.0 where the episode terminated.
        """
        candidates = np.flatnonzero(self._is_decision)
        rows = candidates[rng.integers(len(candidates), size=count)]
        after = (rows + 1) % len(self._actions)
        return (
            _tensor(standardiser(self._observations[rows])),
            _tensor(self._actions[rows]),
            _tensor(self._rewards[rows]),
            _tensor(standardiser(self._observations[after])),
            _tensor(self._masks[after]),
            _tensor(self._goes_on[rows].astype(np.float32)),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain data."""
        return {name: getattr(self, f"_{name}").copy() for name in _ARRAYS} | {"next": self._next}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name in _ARRAYS:
            getattr(self, f"_{name}")[...] = np.asarray(state[name])
        self._next = int(state["next"])


_ARRAYS = ("observations", "masks", "actions", "rewards", "goes_on", "is_decision")


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
