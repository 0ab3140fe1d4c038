"""Recommenders that look at the road only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cosim.control import Request, SystemInfo, SystemView


class Nearest:
    """The station with the shortest way from the vehicle."""

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Nothing to forget."""

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Compare the distances; equal ones go to the first station."""
        return int(np.argmin(np.where(view.reachable, view.distance_to_m, np.inf)))


class MinDetour:
    """The station that makes the whole way to the destination shortest."""

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Nothing to forget."""

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Compare the ways over each station; equal ones go to the first station."""
        return int(np.argmin(np.where(view.reachable, view.distance_to_m + view.distance_from_m, np.inf)))
