"""Recommenders that look at nothing but the number of stations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cosim.control import Request, SystemInfo, SystemView


class Uniform:
    """Every reachable station with the same probability."""

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:  # noqa: ARG002 - the protocol's
        """Keep the run's random stream."""
        self._rng = rng

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Draw a station."""
        choices = np.flatnonzero(view.reachable)
        return int(choices[self._rng.integers(len(choices))])


class RoundRobin:
    """The stations in turn, leaving out those that cannot be reached."""

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:  # noqa: ARG002 - the protocol's
        """Begin with the first station."""
        self._next = 0

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Take the next reachable station."""
        count = len(view.reachable)
        chosen = next(m for m in ((self._next + k) % count for k in range(count)) if view.reachable[m])
        self._next = (chosen + 1) % count
        return chosen
