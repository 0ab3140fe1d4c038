"""One vehicle at one station: from joining the queue to the instant its battery reaches the target."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0


@dataclass(slots=True)
class Session:
    """A vehicle's visit.

    Between two calls of :meth:`integrate` the power is constant, so that the end is known exactly (Algorithm 1 of the
    paper without its time step).

    Attributes
    ----------
    vehicle : int
        Its position in the demand.
    arrival_s : float
        When it joined the queue.
    need_kwh : float
        Battery energy missing to the target at ``since_s``.
    limit_kw : float
        What charger and vehicle can take, grid side.
    efficiency : float
        Battery energy per grid energy.
    asked_kw : float
        What the site's controller wants it to draw; ``inf`` without a controller.
    power_kw : float
        What it draws.
    plug_in_s, since_s : float
        When it was plugged in; up to when its energy is accounted for.
    drawn_kwh : float
        Grid energy drawn until ``since_s``.
    charger : int
        Which charger it occupies; -1 while it queues and after it left.
    plan : int
        Number of the last planned end; older plans are void.
    """

    vehicle: int
    arrival_s: float
    need_kwh: float
    limit_kw: float
    efficiency: float
    asked_kw: float = math.inf
    power_kw: float = 0.0
    plug_in_s: float = math.nan
    since_s: float = math.nan
    drawn_kwh: float = 0.0
    charger: int = -1
    plan: int = 0

    def integrate(self, time_s: float) -> None:
        """Account for the energy drawn at constant power up to ``time_s`` (paper, Eq. 9)."""
        drawn_kwh = self.power_kw * (time_s - self.since_s) / SECONDS_PER_HOUR
        self.drawn_kwh += drawn_kwh
        self.need_kwh = max(0.0, self.need_kwh - self.efficiency * drawn_kwh)
        self.since_s = time_s

    def drawn_until_kwh(self, time_s: float) -> float:
        """Return the grid energy drawn until ``time_s``, which is not before the last event."""
        return self.drawn_kwh + self.power_kw * (time_s - self.since_s) / SECONDS_PER_HOUR

    def finish_s(self) -> float:
        """Return when the target is reached at the present power; ``inf`` at zero power."""
        if self.need_kwh <= 0.0:
            return self.since_s
        if self.power_kw <= 0.0:
            return math.inf
        return self.since_s + self.need_kwh * SECONDS_PER_HOUR / (self.efficiency * self.power_kw)

    def complete(self, time_s: float) -> None:
        """End the charging at the planned instant: what was missing has been delivered."""
        self.drawn_kwh += self.need_kwh / self.efficiency
        self.need_kwh = 0.0
        self.since_s = time_s
        self.charger = -1


def battery_need_kwh(soc: float, target_soc: float, battery_kwh: float) -> float:
    """Return the battery energy missing to the target, never negative."""
    return max(0.0, (target_soc - soc) * battery_kwh)
