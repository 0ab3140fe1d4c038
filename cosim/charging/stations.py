"""All charging stations of a run: first-in first-out queues, chargers, and the load they put on the grid.

Nothing is stepped: between events every power is constant, ends of charging lie in a heap, and plug-in and completion
instants are exact to the floating-point number.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cosim.charging.session import GONE, Session
from cosim.charging.site import NOTHING_AROUND, ChargingSite, Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cosim.control import SiteController, SiteView, StationInfo
    from cosim.price import StepLoad

#: In the place of a plan's number: not the end of a charging, but a declared departure. Larger than any of these, so
#: that a vehicle charged at the very instant of its departure leaves charged.
_DEPARTURE = 1 << 62
#: Likewise: the driver says that the departure will be earlier than declared.
_NOTICE = _DEPARTURE + 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vehicle that left the road at its station.

    Attributes
    ----------
    time_s : float
        When.
    vehicle, station : int
        Positions in the demand and among the stations.
    need_kwh : float
        Battery energy missing to its target.
    departure_s : float
        When it leaves, charged or not, as declared; ``inf`` if it leaves once it is charged.
    leaves_s, notice_s : float
        When it really leaves, not after ``departure_s``, and when the driver says so; ``inf`` if it keeps to what it
        declared.
    max_power_kw : float
        What the vehicle can take.
    battery_kwh : float
        Energy in its battery; NaN where nobody knows.
    """

    time_s: float
    vehicle: int
    station: int
    need_kwh: float
    departure_s: float = math.inf
    leaves_s: float = math.inf
    notice_s: float = math.inf
    max_power_kw: float = math.inf
    battery_kwh: float = math.nan


@dataclass(slots=True)
class PeakLoad:
    """The largest total load held since the last :meth:`ChargingStations.take_peak`; ties go to the latest instant.

    Where the feeder's base load varies the total is that of base and charging, and ``time_s`` is an instant at which
    this base holds.
    """

    total_kw: float = -math.inf
    power_kw: tuple[float, ...] = ()
    time_s: float = 0.0


class ChargingStations:
    """Queues, chargers and loads of all stations.

    Life cycle: the loop calls :meth:`settle` with what arrived, at every instant it stops; ``set_caps`` and
    ``run_controllers`` between; it reads the counters and the load at any time.

    Parameters
    ----------
    stations : sequence of StationInfo
        The stations; every list below has this order.
    controllers : mapping of int to SiteController
        Controllers by station; a station without one gives everybody the cap.
    efficiency : float
        Battery energy per grid energy.
    vehicle_max_power_kw : float
        What one vehicle can take.
    cap_kw : float
        Droop cap of the first control interval.
    surroundings : sequence of Surroundings, optional
        Base load and price at each station.
    open_stay_factor : float
        See ``[fleet]`` of the scenario.
    base : StepLoad, optional
        The feeder's base load where it varies: it decides which instant has the peak load.
    begin_s : float
        When the run begins.

    Attributes
    ----------
    periods_s : list of float
        Periods of the controllers that have one.
    queued, charging : list of int
        Vehicles waiting and plugged in.
    load_kw : list of float
        Present load.
    visits : list of (int, Session)
        Station and session of every vehicle that ever came, in the order of coming.
    """

    def __init__(  # noqa: PLR0913 - optional keywords, each with one meaning
        self,
        stations: Sequence[StationInfo],
        controllers: Mapping[int, SiteController],
        *,
        efficiency: float,
        vehicle_max_power_kw: float,
        cap_kw: float,
        surroundings: Sequence[Surroundings] | None = None,
        open_stay_factor: float = 1.2,
        base: StepLoad | None = None,
        begin_s: float = 0.0,
    ) -> None:
        count = len(stations)
        self._base = base
        around = surroundings or [NOTHING_AROUND] * count
        self.sites = [
            ChargingSite(
                info,
                controllers.get(m),
                around[m],
                efficiency=efficiency,
                open_stay_factor=open_stay_factor,
                cap_kw=cap_kw,
                begin_s=begin_s,
            )
            for m, info in enumerate(stations)
        ]
        self._efficiency = efficiency
        self._vehicle_max_power_kw = vehicle_max_power_kw
        self._ends: list[tuple[float, int, int, int, Session]] = []
        self._clock_s = begin_s
        self._peaks: dict[Literal["decision", "interval"], PeakLoad] = {
            "decision": PeakLoad(),
            "interval": PeakLoad(),
        }
        periods = [controller.period_s for controller in controllers.values()]
        self.periods_s = [period_s for period_s in periods if period_s is not None]
        self.queued = [0] * count
        self.charging = [0] * count
        self.load_kw = [0.0] * count
        self.visits: list[tuple[int, Session]] = []

    # ---- time

    def settle(self, until_s: float, arrivals: Sequence[Arrival] = ()) -> list[tuple[float, int, Session]]:
        """Let everything happen up to and including ``until_s``, in the order of time.

        At one instant, first the chargers of vehicles that leave become free, then arrivals join the queue (those of
        the same second in the order of their numbers), then free chargers take the heads of the queues.

        Parameters
        ----------
        until_s : float
            Now.
        arrivals : sequence of Arrival
            Vehicles that came since the last call.

        Returns
        -------
        list of (left_s, station, Session)
            Vehicles that have left, in the order of time.
        """
        if not arrivals and (not self._ends or self._ends[0][0] > until_s):
            return []
        waiting = sorted(arrivals, key=lambda arrival: (arrival.time_s, arrival.vehicle), reverse=True)
        done: list[tuple[float, int, Session]] = []
        while True:
            time_s = min(self.next_end_s(), waiting[-1].time_s if waiting else math.inf)
            if time_s > until_s:
                break
            self._pass_time(time_s)
            touched: set[int] = set()
            while self.next_end_s() <= time_s:
                _, _, plan, m, session = heapq.heappop(self._ends)
                touched.add(m)
                if self._leaves(plan, m, session, time_s):
                    done.append((time_s, m, session))
            while waiting and waiting[-1].time_s <= time_s:
                arrival = waiting.pop()
                self._enqueue(arrival)
                touched.add(arrival.station)
            for m in sorted(touched):
                self._fill(m, time_s)
        return done

    def _leaves(self, plan: int, m: int, session: Session, time_s: float) -> bool:
        """Let an entry of the heap come true; return whether the vehicle leaves."""
        site = self.sites[m]
        site.compute(time_s)
        if plan == _NOTICE:
            session.bring_forward()
            heapq.heappush(self._ends, (session.departure_s, session.vehicle, _DEPARTURE, m, session))
            return False
        if plan != _DEPARTURE:
            if not self._is_charged(m, session, time_s):
                return False
            session.complete(time_s)
            if session.parks:
                return False
        site.remove(session, time_s)
        return True

    def _is_charged(self, m: int, session: Session, time_s: float) -> bool:
        """Whether a planned end of charging holds; what the vehicle has used meanwhile puts it off."""
        used_kwh = session.used_kwh
        session.integrate(time_s)
        if used_kwh == session.planned_used_kwh:
            return True
        self._plan(m, session)
        return False

    def next_end_s(self) -> float:
        """Return when the next vehicle is charged or leaves, ``inf`` if none will."""
        ends = self._ends
        while ends:
            time_s, _, plan, _, session = ends[0]
            if plan < _DEPARTURE:
                holds = session.plan == plan and session.charger >= 0 and session.limit_kw > 0.0
            else:
                # An earlier departure takes the place of the declared one.
                holds = session.charger != GONE and (plan == _NOTICE or time_s == session.departure_s)
            if holds:
                return time_s
            heapq.heappop(ends)
        return math.inf

    def _pass_time(self, time_s: float) -> None:
        """Hold the present load until ``time_s``: offer it to the peaks."""
        if time_s <= self._clock_s:
            return
        charging_kw = math.fsum(self.load_kw)
        if self._base is None:
            self._offer(charging_kw, self._clock_s)
        else:
            since_s = self._clock_s
            while since_s < time_s:
                self._offer(charging_kw + self._base.at(since_s), since_s)
                since_s = self._base.next_change_s(since_s)
        self._clock_s = time_s

    def _offer(self, total_kw: float, time_s: float) -> None:
        for peak in self._peaks.values():
            if total_kw >= peak.total_kw:
                peak.total_kw, peak.power_kw, peak.time_s = total_kw, tuple(self.load_kw), time_s

    def take_peak(self, which: Literal["decision", "interval"], time_s: float) -> tuple[tuple[float, ...], float]:
        """Return the loads at the largest total load since the last call and before ``time_s``, and begin anew.

        A period without duration (two requests in one second) has the present load.

        Parameters
        ----------
        which : {"decision", "interval"}
            Whose period.
        time_s : float
            Now, the end of the period.

        Returns
        -------
        power_kw : tuple of float, length n_stations
            Load of each station.
        time_s : float
            An instant of that load.
        """
        self._pass_time(time_s)
        peak = self._peaks[which]
        self._peaks[which] = PeakLoad()
        return (peak.power_kw, peak.time_s) if peak.power_kw else (tuple(self.load_kw), time_s)

    # ---- queue and chargers

    def _enqueue(self, arrival: Arrival) -> None:
        site = self.sites[arrival.station]
        session = Session(
            arrival.vehicle,
            arrival.time_s,
            arrival.need_kwh,
            min(site.info.max_power_kw, self._vehicle_max_power_kw, arrival.max_power_kw),
            efficiency=self._efficiency,
            departure_s=arrival.departure_s,
            battery_kwh=arrival.battery_kwh,
        )
        if session.parks:
            heapq.heappush(self._ends, (session.departure_s, session.vehicle, _DEPARTURE, arrival.station, session))
            if arrival.leaves_s < session.departure_s:
                session.leaves_s = arrival.leaves_s
                notice_s = min(max(arrival.notice_s, arrival.time_s), arrival.leaves_s)
                heapq.heappush(self._ends, (notice_s, session.vehicle, _NOTICE, arrival.station, session))
        site.queue.append(session)
        self.visits.append((arrival.station, session))

    def _fill(self, m: int, time_s: float) -> None:
        """Give free chargers to the heads of the queue, then set powers and load anew."""
        site = self.sites[m]
        site.compute(time_s)
        site.plug_in(time_s)
        self.queued[m], self.charging[m] = len(site.queue), len(site.plugged)
        site.ask(time_s)
        self._apply(m, time_s)

    def _apply(self, m: int, time_s: float) -> None:
        """Set the powers of a station and plan the ends that follow."""
        site = self.sites[m]
        for session in site.set_powers(time_s):
            self._plan(m, session)
        self.load_kw[m] = site.load_kw

    def _plan(self, m: int, session: Session) -> None:
        """Note when the vehicle will be charged at its present power."""
        finish_s = session.finish_s()
        session.planned_used_kwh = session.used_kwh
        if finish_s < math.inf:
            heapq.heappush(self._ends, (finish_s, session.vehicle, session.plan, m, session))

    # ---- control

    def set_caps(self, caps_kw: Sequence[float] | NDArray[np.float64], time_s: float) -> None:
        """Apply the droop caps of a new control interval, per charger, one for each station."""
        self._pass_time(time_s)
        for m, site in enumerate(self.sites):
            cap_kw = float(caps_kw[m])
            if cap_kw == site.cap_kw:
                continue
            site.compute(time_s)
            site.account(time_s)
            site.cap_kw = cap_kw
            if site.plugged:
                site.ask(time_s)
            self._apply(m, time_s)

    def run_controllers(self, time_s: float) -> None:
        """Ask the controllers whose period is due at ``time_s``."""
        if not self.periods_s:
            return
        for m, site in enumerate(self.sites):
            if site.due(time_s):
                self._pass_time(time_s)
                site.ask(time_s)
                self._apply(m, time_s)

    def finish(self, time_s: float) -> None:
        """Let the vehicles compute to the end of the run."""
        for site in self.sites:
            site.compute(time_s)

    # ---- views

    def site_view(self, m: int) -> SiteView:
        """Return what the controller of station ``m`` sees; the needs are those of the last event."""
        return self.sites[m].view()

    @property
    def caps_kw(self) -> list[float]:
        """Droop cap per charger at each station."""
        return [site.cap_kw for site in self.sites]

    def present(self, m: int) -> tuple[list[Session], list[Session]]:
        """Return the sessions waiting and plugged in at station ``m``, in the order of coming and of plugging in."""
        site = self.sites[m]
        return list(site.queue), list(site.plugged)
