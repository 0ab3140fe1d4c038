"""One vehicle at one station: from joining the queue to the instant it leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0
#: Places of a vehicle that has no charger.
QUEUED, GONE = -1, -2
#: Less than this is missing through rounding only.
_NOTHING_KWH = 1e-9


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
        What charger and vehicle can take, grid side; 0 once the target is reached.
    efficiency : float
        Battery energy per grid energy.
    departure_s, declared_s : float
        When it leaves, charged or not; ``inf`` if it leaves once it is charged. What was declared on arrival.
    leaves_s : float
        When it really leaves, of which nobody knows before the driver gives notice; ``inf`` if as declared.
    asked_kw : float
        What the site's controller wants it to draw; ``inf`` without a controller.
    power_kw : float
        What it draws.
    plug_in_s, since_s : float
        When it was plugged in; up to when its energy is accounted for.
    charged_s, left_s : float
        When the target was reached, and when it left; NaN until then.
    expected_s : float
        When its driver expects to leave: ``departure_s``, or an estimate made when it was plugged in.
    drawn_kwh : float
        Grid energy drawn until ``since_s``.
    used_kwh : float
        Battery energy used by computing.
    battery_kwh : float
        Energy in the battery on arrival; NaN where nobody knows.
    asked_kwh : float
        Grid energy that would reach the target, on arrival.
    rated_kw : float
        ``limit_kw`` on arrival.
    offered_kwh : float
        What the station had offered a charger in all when this vehicle was plugged in, and then while it was.
    limited, capped : bool
        Whether the limit of the site was ever reached while it was plugged in; whether it drew all that the droop cap
        allowed when it left.
    charger : int
        Which charger it occupies; ``QUEUED`` or ``GONE``.
    plan : int
        Number of the last planned end; older plans are void.
    planned_used_kwh : float
        ``used_kwh`` when the end was planned.
    """

    vehicle: int
    arrival_s: float
    need_kwh: float
    limit_kw: float
    efficiency: float
    departure_s: float = math.inf
    asked_kw: float = math.inf
    power_kw: float = 0.0
    plug_in_s: float = math.nan
    since_s: float = math.nan
    charged_s: float = math.nan
    left_s: float = math.nan
    expected_s: float = math.nan
    declared_s: float = math.nan
    leaves_s: float = math.inf
    drawn_kwh: float = 0.0
    used_kwh: float = 0.0
    battery_kwh: float = math.nan
    asked_kwh: float = math.nan
    rated_kw: float = math.nan
    offered_kwh: float = 0.0
    limited: bool = False
    capped: bool = False
    charger: int = QUEUED
    plan: int = 0
    planned_used_kwh: float = 0.0

    def __post_init__(self) -> None:
        """Note what is asked for on arrival."""
        self.asked_kwh = self.need_kwh / self.efficiency
        self.rated_kw = self.limit_kw
        self.declared_s = self.departure_s

    @property
    def parks(self) -> bool:
        """Whether it stays until a declared departure."""
        return self.departure_s < math.inf

    @property
    def short_kwh(self) -> float:
        """Grid energy that was missing to the target up to ``since_s``."""
        return self.need_kwh / self.efficiency

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
        """Return when the target is reached at the present power; ``inf`` at zero power or afterwards."""
        if not math.isnan(self.charged_s):
            return math.inf
        if self.need_kwh <= 0.0:
            return self.since_s
        if self.power_kw <= 0.0:
            return math.inf
        return self.since_s + self.need_kwh * SECONDS_PER_HOUR / (self.efficiency * self.power_kw)

    def complete(self, time_s: float) -> None:
        """End the charging at the planned instant: what was missing has been delivered."""
        self.drawn_kwh += self.need_kwh / self.efficiency
        self.need_kwh = self.limit_kw = 0.0
        self.since_s = self.charged_s = time_s

    def use(self, energy_kwh: float) -> None:
        """Take energy out of the battery; a parked vehicle that had its target is no longer charged."""
        if energy_kwh <= 0.0:
            return
        self.used_kwh += energy_kwh
        self.need_kwh += energy_kwh
        self.charged_s, self.limit_kw = math.nan, self.rated_kw

    def bring_forward(self) -> None:
        """Take in that it will leave earlier than declared."""
        self.departure_s = self.leaves_s
        if not math.isnan(self.expected_s):
            self.expected_s = self.departure_s

    def stored_kwh(self) -> float:
        """Return the energy in the battery at ``since_s``."""
        return self.battery_kwh + self.efficiency * self.drawn_kwh - self.used_kwh

    def leave(self, time_s: float) -> None:
        """End the visit, charged or not; the energy has to be accounted for."""
        if math.isnan(self.charged_s) and self.need_kwh <= _NOTHING_KWH:
            self.complete(time_s)
        self.left_s = time_s
        self.charger = GONE


def battery_need_kwh(soc: float, target_soc: float, battery_kwh: float) -> float:
    """Return the battery energy missing to the target, never negative."""
    return max(0.0, (target_soc - soc) * battery_kwh)
