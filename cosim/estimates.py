"""What each station would cost a vehicle that asks, and everybody else: closed forms on what is known at the time.

The heuristics decide by these numbers, and a learner may observe them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.control import Request, SystemInfo, SystemView

#: A vehicle that waits finds the chargers partly done: share of a full charging time per place in the queue.
_SHARE_LEFT = 0.9
#: A cap of zero means "not within the hour"; a large finite number keeps comparisons meaningful.
_LEAST_POWER_KW = 1e-3


class OwnTimes(NamedTuple):
    """The expected times of the vehicle that asks (s), each of shape (n_stations,)."""

    driving_to_s: NDArray[np.float64]
    waiting_s: NDArray[np.float64]
    charging_s: NDArray[np.float64]
    driving_on_s: NDArray[np.float64]


class StationEstimates:
    """Expected times over each station at the present speeds, queues and power caps.

    Parameters
    ----------
    system : SystemInfo
        Stations, fleet, feeder.
    """

    def __init__(self, system: SystemInfo) -> None:
        self._system = system
        self._chargers = np.array([station.chargers for station in system.stations])
        self._rating_kw = np.array(
            [min(station.max_power_kw, system.fleet.max_power_kw) for station in system.stations]
        )

    def own_times_s(self, request: Request, view: SystemView) -> OwnTimes:
        """Return the parts of the vehicle's expected travel time (spec of OP-SRL's baselines, LETT).

        Driving times are infinite for stations that cannot be reached.
        """
        reachable_m = np.where(view.reachable, view.distance_to_m, 0.0)
        charging_s = self._charging_s(self._missing_soc(request.soc, reachable_m), self._power_kw(view))
        ahead = np.maximum(view.queued + view.charging + view.en_route - self._chargers + 1, 0)
        waiting_s = ahead * _SHARE_LEFT * self.mean_charging_s(view) / self._chargers
        return OwnTimes(view.time_to_s, waiting_s, charging_s, view.time_from_s)

    def undelayed_s(self, soc: float, distance_to_m: NDArray[np.float64], driving_s: NDArray[np.float64]) -> float:
        """Return how long a trip takes that nobody delays: with a free charger at full power, over the best station.

        Parameters
        ----------
        soc : float
            State of charge when the vehicle asks.
        distance_to_m, driving_s : ndarray of float, shape (n_stations,)
            Distance to each station, and driving time there and on to the destination on free roads; infinite where
            there is no way.
        """
        missing = self._missing_soc(soc, np.where(np.isfinite(distance_to_m), distance_to_m, 0.0))
        return float(np.min(driving_s + self._charging_s(missing, self._rating_kw)))

    def mean_charging_s(self, view: SystemView) -> NDArray[np.float64]:
        """Return the charging time of an average vehicle at the present caps, shape (n_stations,)."""
        fleet = self._system.fleet
        missing = np.full(len(self._chargers), fleet.target_soc - fleet.mean_initial_soc)
        return self._charging_s(missing, self._power_kw(view))

    def externality_s(self, view: SystemView) -> NDArray[np.float64]:
        """Return the charging time that one more vehicle at each station costs all vehicles, shape (n_stations,).

        It lowers the mean voltage, the droop controller lowers everybody's power p, and everybody charges longer:
        ``(N + 1) T dp / p`` with N vehicles charging for T each. One power flow a station, and one more.
        """
        grid = self._system.grid
        power_kw = self._power_kw(view)
        now_pu = grid.mean_voltage_pu(view.power_kw)
        more = np.diag(power_kw) + view.power_kw
        drop_pu = np.array([now_pu - grid.mean_voltage_pu(load_kw) for load_kw in more])
        lost_share = self._system.droop_slope_kw_per_pu * drop_pu / np.maximum(power_kw, _LEAST_POWER_KW)
        cost_s: NDArray[np.float64] = (view.charging.sum() + 1) * self.mean_charging_s(view) * lost_share
        return cost_s

    def _missing_soc(self, soc: float, distance_to_m: NDArray[np.float64]) -> NDArray[np.float64]:
        fleet = self._system.fleet
        arriving = soc - distance_to_m / 1000 * fleet.consumption_kwh_per_km / fleet.battery_kwh
        missing: NDArray[np.float64] = np.maximum(fleet.target_soc - arriving, 0.0)
        return missing

    def _power_kw(self, view: SystemView) -> NDArray[np.float64]:
        power_kw: NDArray[np.float64] = np.minimum(view.cap_kw, self._rating_kw)
        return power_kw

    def _charging_s(self, missing_soc: NDArray[np.float64], power_kw: NDArray[np.float64]) -> NDArray[np.float64]:
        fleet = self._system.fleet
        power_kw = np.maximum(power_kw, _LEAST_POWER_KW)
        return missing_soc * fleet.battery_kwh / (fleet.efficiency * power_kw) * 3600.0
