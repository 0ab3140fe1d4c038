"""One station's queue, chargers and account: powers within every limit, the bill, and what a controller sees."""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.charging.session import GONE, QUEUED, SECONDS_PER_HOUR
from cosim.control import ComputingController, SiteView
from cosim.errors import CosimError
from cosim.price import Price, StepLoad

if TYPE_CHECKING:
    from cosim.charging.session import Session
    from cosim.control import SiteController, StationInfo

#: A site whose load is this close to its limit is at it.
_AT_LIMIT = 1.0 - 1e-9
#: Differences of infinite offers have no meaning.
_ANYTHING_KW = 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What a station finds at its place.

    Attributes
    ----------
    base : StepLoad
        Load beside the vehicles.
    price : Price
        Of the energy.
    """

    base: StepLoad
    price: Price


#: Of a station on a bus without any load.
NOTHING_AROUND = Surroundings(StepLoad.constant(0.0), Price())


class ChargingSite:
    """One station.

    Parameters
    ----------
    info : StationInfo
        What never changes.
    controller : SiteController or None
        Who sets the powers; without one everybody gets the cap.
    around : Surroundings
        Base load and price.
    efficiency : float
        Battery energy per grid energy.
    open_stay_factor : float
        How long a driver who does not park expects to stay, in terms of the time at the power allowed on plugging in.
    cap_kw : float
        Droop cap of the first control interval.
    begin_s : float
        When the run begins.

    Attributes
    ----------
    queue, plugged
        Vehicles waiting, in the order of coming, and plugged in, in the order of plugging in.
    load_kw : float
        Present load.
    peak_kw, energy_kwh, cost : float
        Greatest load so far; energy drawn and what it added to the bill (Eq. 5) up to the last change of the load.
    """

    __slots__ = (
        "_around", "_asked_s", "_computed_s", "_computes", "_efficiency", "_free", "_offered_kwh", "_open_stay_factor",
        "_seen", "_since_s", "cap_kw", "controller", "cost", "energy_kwh", "info", "load_kw", "peak_kw", "plugged",
        "queue",
    )  # fmt: skip

    def __init__(
        self,
        info: StationInfo,
        controller: SiteController | None,
        around: Surroundings,
        *,
        efficiency: float,
        open_stay_factor: float,
        cap_kw: float,
        begin_s: float = 0.0,
    ) -> None:
        self.info = info
        self.controller = controller
        self.cap_kw = cap_kw
        self.queue: deque[Session] = deque()
        self.plugged: list[Session] = []
        self.load_kw = self.peak_kw = self.energy_kwh = self.cost = 0.0
        self._around = around
        self._efficiency = efficiency
        self._open_stay_factor = open_stay_factor
        self._free = list(range(info.chargers))  # a heap: the lowest number is taken first
        self._since_s = begin_s
        self._asked_s = -1.0
        self._offered_kwh = 0.0
        self._computes = controller if isinstance(controller, ComputingController) else None
        self._computed_s = begin_s
        self._seen = self.view()

    def compute(self, time_s: float) -> None:
        """Let the vehicles compute up to now, if the controller has them do so; called before anything changes."""
        if self._computes is None or time_s <= self._computed_s:
            return
        used_kwh = self._computes.compute(self._computed_s, time_s, self._seen)
        self._computed_s = time_s
        for session in self.plugged:
            session.integrate(time_s)
            session.use(float(used_kwh[session.charger]))

    def account(self, time_s: float) -> None:
        """Book what was drawn and offered since the last call at the present load and cap."""
        base, price = self._around.base, self._around.price
        while self._since_s < time_s:
            until_s = min(time_s, base.next_change_s(self._since_s))
            hours = (until_s - self._since_s) / SECONDS_PER_HOUR
            self._offered_kwh += min(self.cap_kw, self.info.max_power_kw, _ANYTHING_KW) * hours
            if self.load_kw:
                self.energy_kwh += self.load_kw * hours
                self.cost += price.bill(self.load_kw, base.at(self._since_s), hours)
            self._since_s = until_s

    # ---- queue and chargers

    def plug_in(self, time_s: float) -> None:
        """Give free chargers to the heads of the queue."""
        if not (self._free and self.queue):
            return
        self.account(time_s)
        while self._free and self.queue:
            session = self.queue.popleft()
            session.charger = heapq.heappop(self._free)
            session.plug_in_s = session.since_s = time_s
            session.offered_kwh = self._offered_kwh
            session.expected_s = session.departure_s if session.parks else self._expected_s(session, time_s)
            self.plugged.append(session)

    def _expected_s(self, session: Session, time_s: float) -> float:
        allowed_kw = min(session.limit_kw, self.cap_kw) or session.limit_kw
        return time_s + self._open_stay_factor * session.need_kwh * SECONDS_PER_HOUR / (self._efficiency * allowed_kw)

    def remove(self, session: Session, time_s: float) -> None:
        """Let a vehicle leave, from its charger or from the queue."""
        if session.charger == QUEUED:
            self.queue.remove(session)
        else:
            self.account(time_s)
            session.offered_kwh = self._offered_kwh - session.offered_kwh
            session.integrate(time_s)
            session.capped = session.power_kw >= self.cap_kw
            heapq.heappush(self._free, session.charger)
            self.plugged.remove(session)
        session.leave(time_s)

    # ---- powers

    def set_powers(self, time_s: float) -> list[Session]:
        """Set every vehicle's power: what is asked for, within its limits, the cap and the limit of the site.

        The site's limit works as a fuse: a controller that keeps to it is not touched, otherwise all are scaled down.

        Returns
        -------
        list of Session
            Those whose power changed: their ends have to be planned anew.
        """
        self.account(time_s)
        sessions, cap_kw, limit_kw = self.plugged, self.cap_kw, self.info.site_limit_kw
        power_kw = [max(0.0, min(session.asked_kw, session.limit_kw, cap_kw)) for session in sessions]
        # fsum is exact, so that the load does not depend on which charger a vehicle happens to have.
        total_kw = math.fsum(power_kw)
        if total_kw >= _AT_LIMIT * limit_kw:
            if total_kw > limit_kw:
                power_kw = [limit_kw / total_kw * value for value in power_kw]
                total_kw = math.fsum(power_kw)
            for session in sessions:
                session.limited = True
        self.load_kw = total_kw
        self.peak_kw = max(self.peak_kw, total_kw)
        changed = []
        for session, value in zip(sessions, power_kw, strict=True):
            if value == session.power_kw and session.plan:
                continue
            session.integrate(time_s)
            session.power_kw = value
            session.plan += 1
            changed.append(session)
        if self._computes is not None:
            self._seen = self.view()
        return changed

    def ask(self, time_s: float) -> None:
        """Ask the controller, if there is one, what each vehicle should draw.

        Raises
        ------
        CosimError
            If its answer is not one number for each charger.
        """
        if self.controller is None:
            return
        self.compute(time_s)
        self._asked_s = time_s
        for session in self.plugged:
            session.integrate(time_s)
        asked = np.asarray(self.controller.schedule(time_s, self.view()), dtype=np.float64)
        taken = [session.charger for session in self.plugged]
        if asked.shape != (self.info.chargers,) or np.isnan(asked[taken]).any():
            raise CosimError(
                f"the controller of station '{self.info.id}' ({type(self.controller).__name__}) returned an array of "
                f"shape {asked.shape} at {time_s:g} s; expected one number for each of {self.info.chargers} chargers, "
                "none of them NaN where a vehicle is plugged in."
            )
        for session in self.plugged:
            session.asked_kw = float(asked[session.charger])

    def due(self, time_s: float) -> bool:
        """Whether the controller's period is over, and it has not been asked at this very instant."""
        period_s = self.controller.period_s if self.controller is not None else None
        return period_s is not None and bool(self.plugged) and time_s % period_s == 0 and time_s != self._asked_s

    def view(self) -> SiteView:
        """Return what the controller sees; the needs are those of the last event."""
        need_kwh, limit_kw, power_kw, battery_kwh, plug_in_s, departure_s = np.full((6, self.info.chargers), np.nan)
        parks = np.zeros(self.info.chargers, dtype=np.bool_)
        vehicle = np.full(self.info.chargers, -1, dtype=np.int64)
        for session in self.plugged:
            charger = session.charger
            vehicle[charger] = session.vehicle
            need_kwh[charger] = session.need_kwh
            limit_kw[charger] = session.limit_kw
            power_kw[charger] = session.power_kw
            battery_kwh[charger] = session.stored_kwh()
            plug_in_s[charger] = session.plug_in_s
            departure_s[charger] = session.expected_s
            parks[charger] = session.parks
        return SiteView(
            station=self.info,
            occupied=~np.isnan(plug_in_s),
            vehicle=vehicle,
            need_kwh=need_kwh,
            max_power_kw=limit_kw,
            power_kw=power_kw,
            battery_kwh=battery_kwh,
            plug_in_s=plug_in_s,
            parks=parks,
            departure_s=departure_s,
            efficiency=self._efficiency,
            cap_kw=self.cap_kw,
            queued=len(self.queue),
            base=self._around.base,
            price=self._around.price,
        )


def why_short(session: Session) -> str:
    """Say why a vehicle left without what it asked for; the first reason that suffices alone.

    Parameters
    ----------
    session : Session
        Of a vehicle that has left.

    Returns
    -------
    str
        Empty if it was charged.
    """
    if session.charger != GONE or not math.isnan(session.charged_s):
        return ""
    needed_s = session.asked_kwh / session.rated_kw * SECONDS_PER_HOUR
    reasons = (
        (needed_s > session.declared_s - session.arrival_s, "the stay is too short even at full power"),
        (needed_s > session.departure_s - session.arrival_s, "it left earlier than declared"),
        (math.isnan(session.plug_in_s), "no charger became free"),
        (needed_s > session.departure_s - session.plug_in_s, "it waited too long for a charger"),
        (session.asked_kwh > session.offered_kwh, "droop cap"),
        (session.limited, "site limit"),
        (session.departure_s < session.declared_s, "it left earlier than declared"),
        (session.capped, "put off, then held back by the droop cap"),
        (True, "put off by the controller"),
    )
    return next(reason for holds, reason in reasons if holds)
