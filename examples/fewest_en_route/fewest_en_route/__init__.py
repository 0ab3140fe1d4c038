"""A recommender of one's own: the station with the fewest vehicles on their way to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cosim.control import Request, SystemInfo, SystemView


class FewestEnRoute:
    """The reachable station with the fewest vehicles on their way, plus ``extra`` for each that waits.

    Parameters
    ----------
    extra : float
        Weight of a waiting vehicle.
    """

    def __init__(self, extra: float = 1.0) -> None:
        self.extra = extra

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Nothing to forget."""

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Compare the stations."""
        busy = view.en_route + self.extra * view.queued
        return int(np.argmin(np.where(view.reachable, busy, np.inf)))
