"""All charging stations of a run: first-in first-out queues, chargers, and the load they put on the grid.

Nothing is stepped: between events every power is constant, ends of charging lie in a heap, and plug-in and completion
instants are exact to the floating-point number.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cosim.charging.session import Session
from cosim.control import SiteView, StationInfo
from cosim.errors import CosimError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim.control import SiteController


@dataclass(frozen=True, slots=True)
class Arrival:
    """A vehicle that left the road at its station."""

    time_s: float
    vehicle: int
    station: int
    need_kwh: float


@dataclass(slots=True)
class PeakLoad:
    """The largest total load held since the last :meth:`ChargingStations.take_peak`; ties go to the latest instant."""

    total_kw: float = -math.inf
    power_kw: tuple[float, ...] = ()


class _Site:
    """One station's queue and chargers."""

    __slots__ = ("cap_kw", "controller", "free", "info", "plugged", "queue")

    def __init__(self, info: StationInfo, controller: SiteController | None, cap_kw: float) -> None:
        self.info = info
        self.controller = controller
        self.cap_kw = cap_kw
        self.queue: deque[Session] = deque()
        self.free = list(range(info.chargers))  # a heap: the lowest number is taken first
        self.plugged: list[Session] = []  # in the order of plugging in


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

    Attributes
    ----------
    periods_s : list of float
        Periods of the controllers that have one.
    queued, charging : list of int
        Vehicles waiting and plugged in.
    load_kw : list of float
        Present load.
    """

    def __init__(
        self,
        stations: Sequence[StationInfo],
        controllers: Mapping[int, SiteController],
        *,
        efficiency: float,
        vehicle_max_power_kw: float,
        cap_kw: float,
    ) -> None:
        count = len(stations)
        self._sites = [_Site(info, controllers.get(m), cap_kw) for m, info in enumerate(stations)]
        self._efficiency = efficiency
        self._vehicle_max_power_kw = vehicle_max_power_kw
        self._ends: list[tuple[float, int, int, int, Session]] = []
        self._clock_s = 0.0
        self._peaks: dict[Literal["decision", "interval"], PeakLoad] = {
            "decision": PeakLoad(),
            "interval": PeakLoad(),
        }
        periods = [controller.period_s for controller in controllers.values()]
        self.periods_s = [period_s for period_s in periods if period_s is not None]
        self.queued = [0] * count
        self.charging = [0] * count
        self.load_kw = [0.0] * count

    # ---- time

    def settle(self, until_s: float, arrivals: Sequence[Arrival] = ()) -> list[tuple[float, int, Session]]:
        """Let everything happen up to and including ``until_s``, in the order of time.

        At one instant, first the chargers whose vehicles are done become free, then arrivals join the queue (those of
        the same second in the order of their numbers), then free chargers take the heads of the queues.

        Parameters
        ----------
        until_s : float
            Now.
        arrivals : sequence of Arrival
            Vehicles that came since the last call.

        Returns
        -------
        list of (plug_out_s, station, Session)
            Vehicles that are done, in the order of time.
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
                _, _, _, m, session = heapq.heappop(self._ends)
                self._unplug(m, session, time_s)
                done.append((time_s, m, session))
                touched.add(m)
            while waiting and waiting[-1].time_s <= time_s:
                arrival = waiting.pop()
                self._enqueue(arrival)
                touched.add(arrival.station)
            for m in sorted(touched):
                self._fill(m, time_s)
        return done

    def next_end_s(self) -> float:
        """Return when the next vehicle is done, ``inf`` if none is charging."""
        ends = self._ends
        while ends and (ends[0][4].plan != ends[0][2] or ends[0][4].charger < 0):
            heapq.heappop(ends)
        return ends[0][0] if ends else math.inf

    def _pass_time(self, time_s: float) -> None:
        """Hold the present load until ``time_s``: offer it to the peaks."""
        if time_s <= self._clock_s:
            return
        total_kw = math.fsum(self.load_kw)
        for peak in self._peaks.values():
            if total_kw >= peak.total_kw:
                peak.total_kw, peak.power_kw = total_kw, tuple(self.load_kw)
        self._clock_s = time_s

    def take_peak(self, which: Literal["decision", "interval"], time_s: float) -> tuple[float, ...]:
        """Return the loads at the largest total load since the last call and before ``time_s``, and begin anew.

        A period without duration (two requests in one second) has the present load.

        Parameters
        ----------
        which : {"decision", "interval"}
            Whose period.
        time_s : float
            Now, the end of the period.
        """
        self._pass_time(time_s)
        peak = self._peaks[which]
        self._peaks[which] = PeakLoad()
        return peak.power_kw or tuple(self.load_kw)

    # ---- queue and chargers

    def _enqueue(self, arrival: Arrival) -> None:
        site = self._sites[arrival.station]
        limit_kw = min(site.info.max_power_kw, self._vehicle_max_power_kw)
        site.queue.append(
            Session(arrival.vehicle, arrival.time_s, arrival.need_kwh, limit_kw, efficiency=self._efficiency)
        )
        self.queued[arrival.station] += 1

    def _unplug(self, m: int, session: Session, time_s: float) -> None:
        site = self._sites[m]
        charger = session.charger
        session.integrate(time_s)
        session.complete(time_s)
        heapq.heappush(site.free, charger)
        site.plugged.remove(session)

    def _fill(self, m: int, time_s: float) -> None:
        """Give free chargers to the heads of the queue, then set powers and load anew."""
        site = self._sites[m]
        while site.free and site.queue:
            session = site.queue.popleft()
            session.charger = heapq.heappop(site.free)
            session.plug_in_s = session.since_s = time_s
            site.plugged.append(session)
        self.queued[m], self.charging[m] = len(site.queue), len(site.plugged)
        if site.controller is not None:
            self._ask(m, time_s)
        self._apply(m, time_s)

    def _apply(self, m: int, time_s: float) -> None:
        """Set every vehicle's power: what is asked for, within its limits, the cap and the limit of the site.

        The site's limit works as a fuse: a controller that keeps to it is not touched, otherwise all are scaled down.
        """
        site = self._sites[m]
        sessions, cap_kw = site.plugged, site.cap_kw
        power_kw = [max(0.0, min(session.asked_kw, session.limit_kw, cap_kw)) for session in sessions]
        # fsum is exact, so that the load does not depend on which charger a vehicle happens to have.
        total_kw = math.fsum(power_kw)
        if total_kw > site.info.site_limit_kw:
            share = site.info.site_limit_kw / total_kw
            power_kw = [share * value for value in power_kw]
            total_kw = math.fsum(power_kw)
        self.load_kw[m] = total_kw
        for session, value in zip(sessions, power_kw, strict=True):
            if value == session.power_kw and session.plan:
                continue
            session.integrate(time_s)
            session.power_kw = value
            session.plan += 1
            finish_s = session.finish_s()
            if finish_s < math.inf:
                heapq.heappush(self._ends, (finish_s, session.vehicle, session.plan, m, session))

    # ---- control

    def set_caps(self, caps_kw: Sequence[float] | NDArray[np.float64], time_s: float) -> None:
        """Apply the droop caps of a new control interval, per charger, one for each station."""
        self._pass_time(time_s)
        for m, site in enumerate(self._sites):
            cap_kw = float(caps_kw[m])
            if cap_kw == site.cap_kw:
                continue
            site.cap_kw = cap_kw
            if site.controller is not None and site.plugged:
                self._ask(m, time_s)
            self._apply(m, time_s)

    def run_controllers(self, time_s: float) -> None:
        """Ask the controllers whose period is due at ``time_s``."""
        if not self.periods_s:
            return
        for m, site in enumerate(self._sites):
            period_s = site.controller.period_s if site.controller is not None else None
            if period_s is not None and time_s % period_s == 0 and site.plugged:
                self._pass_time(time_s)
                self._ask(m, time_s)
                self._apply(m, time_s)

    def _ask(self, m: int, time_s: float) -> None:
        """Ask a station's controller what each vehicle should draw."""
        site = self._sites[m]
        if site.controller is None:
            return
        for session in site.plugged:
            session.integrate(time_s)
        asked = np.asarray(site.controller.schedule(time_s, self.site_view(m)), dtype=np.float64)
        taken = [session.charger for session in site.plugged]
        if asked.shape != (site.info.chargers,) or np.isnan(asked[taken]).any():
            raise CosimError(
                f"the controller of station '{site.info.id}' ({type(site.controller).__name__}) returned an array of "
                f"shape {asked.shape} at {time_s:g} s; expected one number for each of {site.info.chargers} chargers, "
                "none of them NaN where a vehicle is plugged in."
            )
        for session in site.plugged:
            session.asked_kw = float(asked[session.charger])

    # ---- views

    def site_view(self, m: int) -> SiteView:
        """Return what the controller of station ``m`` sees; the needs are those of the last event."""
        site = self._sites[m]
        need_kwh, limit_kw, plug_in_s = np.full((3, site.info.chargers), np.nan)
        for session in site.plugged:
            need_kwh[session.charger] = session.need_kwh
            limit_kw[session.charger] = session.limit_kw
            plug_in_s[session.charger] = session.plug_in_s
        return SiteView(
            station=site.info,
            occupied=~np.isnan(plug_in_s),
            need_kwh=need_kwh,
            max_power_kw=limit_kw,
            plug_in_s=plug_in_s,
            cap_kw=site.cap_kw,
            queued=len(site.queue),
        )

    @property
    def caps_kw(self) -> list[float]:
        """Droop cap per charger at each station."""
        return [site.cap_kw for site in self._sites]

    def present(self, m: int) -> tuple[list[Session], list[Session]]:
        """Return the sessions waiting and plugged in at station ``m``, in the order of coming and of plugging in."""
        site = self._sites[m]
        return list(site.queue), list(site.plugged)
