"""Recommenders that look at the queues, and at the time that follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.control import Request, SystemInfo, SystemView

#: A vehicle that waits finds the chargers partly done: share of a full charging time per place in the queue.
_SHARE_LEFT = 0.9


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
        self._system = system
        self._chargers = np.array([station.chargers for station in system.stations])
        self._rating_kw = np.array(
            [min(station.max_power_kw, system.fleet.max_power_kw) for station in system.stations]
        )

    def recommend(self, request: Request, view: SystemView) -> int:
        """Compare the expected times; equal ones go to the first station."""
        return int(np.argmin(np.where(view.reachable, self.expected_time_s(request, view), np.inf)))

    def expected_time_s(self, request: Request, view: SystemView) -> NDArray[np.float64]:
        """Return driving, waiting and charging time over each station, shape (n_stations,)."""
        fleet = self._system.fleet
        power_kw = np.minimum(view.cap_kw, self._rating_kw)
        reachable_m = np.where(view.reachable, view.distance_to_m, 0.0)
        soc = request.soc - reachable_m / 1000 * fleet.consumption_kwh_per_km / fleet.battery_kwh
        charging_s = self._charging_s(np.maximum(fleet.target_soc - soc, 0.0), power_kw)
        ahead = np.maximum(view.queued + view.charging + view.en_route - self._chargers + 1, 0)
        waiting_s = ahead * _SHARE_LEFT * self.mean_charging_s(view) / self._chargers
        total_s: NDArray[np.float64] = view.time_to_s + waiting_s + charging_s + view.time_from_s
        return total_s

    def mean_charging_s(self, view: SystemView) -> NDArray[np.float64]:
        """Return the charging time of an average vehicle at the present caps, shape (n_stations,)."""
        fleet = self._system.fleet
        missing = np.full(len(self._chargers), fleet.target_soc - fleet.mean_initial_soc)
        return self._charging_s(missing, np.minimum(view.cap_kw, self._rating_kw))

    def _charging_s(self, missing_soc: NDArray[np.float64], power_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        fleet = self._system.fleet
        # A cap of zero means "not within the hour"; a large finite number keeps the comparison meaningful.
        return missing_soc * fleet.battery_kwh / (fleet.efficiency * np.maximum(power_kw, 1e-3)) * 3600.0
