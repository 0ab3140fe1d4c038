"""Recommenders that look at the queues, and at the time that follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.estimates import StationEstimates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.control import Request, SystemInfo, SystemView


class ShortestQueue:
    """The station with the fewest vehicles per charger, those on their way included."""

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Learn the numbers of chargers; ties are drawn."""
        self._chargers = np.array([station.chargers for station in system.stations])
        self._rng = rng

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Compare vehicles per charger."""
        expected = (view.queued + view.charging + view.en_route) / self._chargers
        expected = np.where(view.reachable, expected, np.inf)
        return int(self._rng.choice(np.flatnonzero(expected == expected.min())))


class LeastTime:
    """The station with the least expected time until the vehicle is at its destination.

    Driving there, waiting, charging and driving on (spec of OP-SRL's baselines, LETT).
    """

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:  # noqa: ARG002 - the protocol's
        """Learn chargers and fleet."""
        self._estimates = StationEstimates(system)

    def recommend(self, request: Request, view: SystemView) -> int:
        """Compare the expected times; equal ones go to the first station."""
        return int(np.argmin(np.where(view.reachable, self.expected_time_s(request, view), np.inf)))

    def expected_time_s(self, request: Request, view: SystemView) -> NDArray[np.float64]:
        """Return driving, waiting and charging time over each station, shape (n_stations,)."""
        times = self._estimates.own_times_s(request, view)
        total_s: NDArray[np.float64] = times.driving_to_s + times.waiting_s + times.charging_s + times.driving_on_s
        return total_s
