"""Recommenders that look at the feeder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim_agents.heuristics.queueing import LeastTime

if TYPE_CHECKING:
    from cosim.control import Request, SystemInfo, SystemView

#: Load whose effect ranks the stations: small, since it is the slope that counts, and every feeder can bear it.
_PROBE_KW = 1.0


class MeritOrder:
    """The electrically nearest station first, up to its chargers, then the next.

    Electrically near means that a load there lowers the mean voltage little. Vehicles waiting, charging and on their
    way count as occupying a charger.

    Parameters
    ----------
    fill : float
        Share of a station's chargers to fill before the next one is used.
    """

    def __init__(self, fill: float = 1.0) -> None:
        if not fill > 0:
            raise ValueError(f"fill = {fill} must be greater than 0")
        self.fill = fill

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:  # noqa: ARG002 - the protocol's
        """Rank the stations by how much a load there lowers the mean voltage."""
        probes = _PROBE_KW * np.eye(len(system.stations))
        self._order = np.argsort([-system.grid.mean_voltage_pu(probe) for probe in probes], kind="stable")
        self._chargers = np.array([station.chargers for station in system.stations])

    def recommend(self, request: Request, view: SystemView) -> int:  # noqa: ARG002 - the protocol's
        """Take the first station in the ranking with a free charger; if all are full, the least occupied one."""
        occupied = (view.queued + view.charging + view.en_route) / (self.fill * self._chargers)
        for station in self._order:
            if view.reachable[station] and occupied[station] < 1.0:
                return int(station)
        return int(np.argmin(np.where(view.reachable, occupied, np.inf)))


class LeastTimeDroop(LeastTime):
    """The least expected time of all: the vehicle's own plus what its load costs everybody who charges.

    One more vehicle lowers the voltage, the droop controller lowers everybody's power, and everybody charges longer
    (the externality of spec 1.10: ``(N + 1) T dp / p``).

    Parameters
    ----------
    weight : float
        Weight of the externality; 0 is ``least-time``.
    """

    def __init__(self, weight: float = 1.0) -> None:
        if not weight >= 0:
            raise ValueError(f"weight = {weight} must not be negative")
        self.weight = weight

    def recommend(self, request: Request, view: SystemView) -> int:
        """Compare own time plus externality; equal ones go to the first station."""
        total_s = self.expected_time_s(request, view) + self.weight * self._estimates.externality_s(view)
        return int(np.argmin(np.where(view.reachable, total_s, np.inf)))
