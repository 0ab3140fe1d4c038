"""Vehicles that park until a declared departure, beside vehicles that leave when charged; the account of a site."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.charging.site import Surroundings, why_short
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import SiteController, SiteView, StationInfo
from cosim.price import Price, StepLoad

EFFICIENCY = 0.9


class Constant:
    """Asks for the same power for everybody, and remembers what it saw."""

    period_s = 600.0

    def __init__(self, power_kw: float) -> None:
        self.power_kw = power_kw
        self.asked_s: list[float] = []
        self.views: list[SiteView] = []

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        self.asked_s.append(time_s)
        self.views.append(site)
        return np.full(site.station.chargers, self.power_kw)


def make(
    chargers: int = 2,
    controller: SiteController | None = None,
    around: Surroundings | None = None,
    *,
    cap_kw: float = 50.0,
    site_limit_kw: float = math.inf,
) -> ChargingStations:
    info = StationInfo("S", 0, "", 20.0, 40.0, 2, chargers, 50.0, site_limit_kw)
    return ChargingStations(
        [info],
        {} if controller is None else {0: controller},
        efficiency=EFFICIENCY,
        vehicle_max_power_kw=50.0,
        cap_kw=cap_kw,
        surroundings=None if around is None else [around],
    )


def test_a_parked_vehicle_keeps_its_charger_until_it_leaves() -> None:
    stations = make(chargers=1)
    arrivals = [Arrival(0.0, 0, 0, 9.0, departure_s=3600.0), Arrival(1.0, 1, 0, 9.0)]
    done = stations.settle(1e6, arrivals)
    # 10 kWh at 50 kW: charged after 12 min, gone after an hour; then the next one.
    assert [(left_s, session.vehicle) for left_s, _, session in done] == [(3600.0, 0), (pytest.approx(4320.0), 1)]
    parked = done[0][2]
    assert parked.charged_s == pytest.approx(720.0)
    assert parked.drawn_kwh == pytest.approx(10.0, rel=1e-12)
    assert done[1][2].plug_in_s == 3600.0


def test_the_load_ends_with_the_charging_not_with_the_stay() -> None:
    stations = make()
    stations.settle(719.0, [Arrival(0.0, 0, 0, 9.0, departure_s=3600.0)])
    assert stations.load_kw == [50.0]
    stations.settle(721.0)
    assert (stations.load_kw, stations.charging) == ([0.0], [1])
    stations.settle(3600.0)
    assert stations.charging == [0]


def test_a_parked_vehicle_leaves_short_and_the_reason_is_the_stay() -> None:
    ((left_s, _, session),) = make().settle(1e6, [Arrival(0.0, 0, 0, 9.0, departure_s=360.0)])
    assert left_s == 360.0
    assert session.drawn_kwh == pytest.approx(5.0, rel=1e-12)
    assert session.short_kwh == pytest.approx(5.0, rel=1e-12)
    assert math.isnan(session.charged_s)
    assert why_short(session) == "the stay is too short even at full power"


def test_a_vehicle_charged_at_the_instant_of_its_departure_is_charged() -> None:
    ((left_s, _, session),) = make().settle(1e6, [Arrival(0.0, 0, 0, 9.0, departure_s=720.0)])
    assert (left_s, session.charged_s, why_short(session)) == (720.0, pytest.approx(720.0), "")


def test_who_waits_until_the_departure_leaves_from_the_queue() -> None:
    stations = make(chargers=1)
    arrivals = [
        Arrival(0.0, 0, 0, 9.0, departure_s=3600.0),
        Arrival(1.0, 1, 0, 9.0, departure_s=1800.0),
        Arrival(2.0, 2, 0, 9.0, departure_s=4000.0),
    ]
    done = {session.vehicle: session for _, _, session in stations.settle(1e6, arrivals)}
    assert math.isnan(done[1].plug_in_s)
    assert (done[1].left_s, done[1].drawn_kwh) == (1800.0, 0.0)
    assert why_short(done[1]) == "no charger became free"
    assert done[2].plug_in_s == 3600.0
    assert why_short(done[2]) == "it waited too long for a charger"
    assert stations.queued == [0]


def test_the_droop_cap_is_named_where_it_alone_explains_the_shortage() -> None:
    stations = make(cap_kw=20.0)
    ((_, _, session),) = stations.settle(1e6, [Arrival(0.0, 0, 0, 9.0, departure_s=1200.0)])
    assert session.offered_kwh == pytest.approx(20.0 / 3)
    assert why_short(session) == "droop cap"


def test_the_site_limit_is_named() -> None:
    stations = make(site_limit_kw=50.0)
    arrivals = [Arrival(0.0, i, 0, 9.0, departure_s=800.0) for i in range(2)]
    assert {why_short(session) for _, _, session in stations.settle(1e6, arrivals)} == {"site limit"}


def test_the_controller_is_named_that_put_a_vehicle_off() -> None:
    stations = make(controller=Constant(1.0))
    ((_, _, session),) = stations.settle(1e6, [Arrival(0.0, 0, 0, 9.0, departure_s=3600.0)])
    assert why_short(session) == "put off by the controller"


def test_a_cap_that_falls_on_a_vehicle_put_off_is_named() -> None:
    controller = Constant(0.0)
    stations = make(controller=controller)
    stations.settle(0.0, [Arrival(0.0, 0, 0, 9.0, departure_s=3600.0)])
    stations.settle(3000.0)
    controller.power_kw = 50.0
    stations.set_caps([20.0], 3000.0)
    ((_, _, session),) = stations.settle(3600.0)
    assert why_short(session) == "put off, then held back by the droop cap"


def test_a_controller_is_asked_when_somebody_comes_is_charged_or_leaves_and_once_at_an_instant() -> None:
    controller = Constant(50.0)
    stations = make(controller=controller)
    stations.settle(600.0, [Arrival(600.0, 0, 0, 9.0, departure_s=3000.0)])
    stations.run_controllers(600.0)
    stations.settle(5000.0)
    assert controller.asked_s == [600.0, pytest.approx(1320.0), 3000.0]


def test_the_view_tells_declared_and_estimated_departures() -> None:
    controller = Constant(50.0)
    stations = make(controller=controller, cap_kw=30.0)
    stations.settle(0.0, [Arrival(0.0, 0, 0, 9.0, departure_s=7000.0), Arrival(0.0, 1, 0, 9.0)])
    view = controller.views[-1]
    assert view.parks.tolist() == [True, False]
    # 10 kWh at 30 kW take 1,200 s; 1.2 times as long is the default of [fleet] open_stay_factor.
    assert view.departure_s.tolist() == [7000.0, pytest.approx(1440.0)]


def test_the_bill_is_that_of_the_paper() -> None:
    # Two steps of base load; one vehicle at 30 kW over the border between them (Eq. 5 by hand).
    around = Surroundings(StepLoad(np.array([100.0, 40.0]), 600.0), Price(0.1, 0.01))
    stations = make(controller=Constant(30.0), around=around)
    stations.settle(300.0, [Arrival(300.0, 0, 0, 9.0)])
    stations.settle(1e5)
    site = stations.sites[0]
    hours = (300 / 3600, 900 / 3600)
    expected = sum(
        h * (0.1 * 30 + 0.005 * ((base + 30) ** 2 - base**2)) for h, base in zip(hours, (100, 40), strict=True)
    )
    assert site.cost == pytest.approx(expected, rel=1e-12)
    assert site.energy_kwh == pytest.approx(10.0, rel=1e-12)
    assert site.peak_kw == 30.0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_energy_vehicles_and_order_are_kept(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    cap_kw = data.draw(st.floats(5.0, 60.0))
    limit_kw = data.draw(st.sampled_from([math.inf, 60.0]))
    arrivals = []
    for i in range(count):
        time_s = float(data.draw(st.integers(0, 5000)))
        stay_s = data.draw(st.one_of(st.just(math.inf), st.floats(0.0, 5000.0)))
        arrivals.append(Arrival(time_s, i, 0, data.draw(st.floats(0.0, 15.0)), time_s + stay_s))
    stations = make(data.draw(st.integers(1, 4)), cap_kw=cap_kw, site_limit_kw=limit_kw)
    done = stations.settle(1e7, arrivals)
    sessions = sorted((session for _, _, session in done), key=lambda session: session.vehicle)
    assert [session.vehicle for session in sessions] == list(range(count))
    stations.sites[0].account(1e7)
    assert stations.sites[0].energy_kwh == pytest.approx(math.fsum(session.drawn_kwh for session in sessions), abs=1e-8)
    for arrival, session in zip(arrivals, sessions, strict=True):
        assert session.drawn_kwh + session.short_kwh == pytest.approx(arrival.need_kwh / EFFICIENCY, abs=1e-8)
        assert bool(why_short(session)) == math.isnan(session.charged_s)
        assert session.left_s <= arrival.departure_s
        if session.parks:
            assert session.left_s == arrival.departure_s
    plugged = [session for session in sessions if not math.isnan(session.plug_in_s)]
    by_plug = sorted(plugged, key=lambda session: (session.plug_in_s, session.arrival_s, session.vehicle))
    assert [s.vehicle for s in by_plug] == [s.vehicle for s in sorted(plugged, key=lambda s: (s.arrival_s, s.vehicle))]


class Computes(Constant):
    """Lets every vehicle use 2 kW for computing, in whole seconds."""

    def __init__(self, power_kw: float) -> None:
        super().__init__(power_kw)
        self.spans_s: list[tuple[float, float]] = []

    def compute(self, since_s: float, until_s: float, site: SiteView) -> np.ndarray:
        self.spans_s.append((since_s, until_s))
        seconds = math.ceil(until_s) - math.ceil(since_s)
        return np.where(site.occupied, 2.0 * seconds / 3600.0, 0.0)


def test_computing_drains_the_battery_and_the_balance_holds() -> None:
    controller = Computes(20.0)
    stations = make(controller=controller)
    arrivals = [Arrival(100.0, 0, 0, 9.0, 4000.0, battery_kwh=5.0), Arrival(150.5, 1, 0, 3.0, battery_kwh=8.0)]
    done = {}
    for now_s in range(0, 6000, 600):
        due = [arrival for arrival in arrivals if now_s - 600 < arrival.time_s <= now_s]
        done |= {session.vehicle: session for _, _, session in stations.settle(float(now_s), due)}
        stations.run_controllers(float(now_s))
    stations.finish(6000.0)
    # Spans follow one another without a gap, from the start to the end.
    assert [end_s for _, end_s in controller.spans_s[:-1]] == [since_s for since_s, _ in controller.spans_s[1:]]
    assert (controller.spans_s[0][0], controller.spans_s[-1][1]) == (0.0, 6000.0)
    # 18 kW arrive in the battery and 2 kW go; the second leaves as soon as it is charged.
    assert done[1].left_s - done[1].plug_in_s == pytest.approx(3.0 / 16.0 * 3600.0, abs=1.0)
    assert done[1].used_kwh == pytest.approx(2.0 * (done[1].left_s - 151.0) / 3600.0, abs=2.0 / 3600.0)
    assert done[0].used_kwh == pytest.approx(2.0 * 3900.0 / 3600.0)
    for arrival in arrivals:
        session = done[arrival.vehicle]
        missing_kwh = arrival.need_kwh + session.used_kwh - EFFICIENCY * session.drawn_kwh
        assert missing_kwh == pytest.approx(session.need_kwh, abs=1e-9)
    # Whenever the controller is asked, it goes on charging what computing takes.
    assert done[0].short_kwh < 2.0 / 3600.0 * 600.0 / EFFICIENCY


def test_who_leaves_early_says_so_and_the_controller_knows() -> None:
    controller = Constant(5.0)
    stations = make(controller=controller)
    early = Arrival(0.0, 0, 0, 9.0, departure_s=7200.0, leaves_s=3000.0, notice_s=2000.0)
    ((left_s, _, session),) = stations.settle(1e5, [early])
    assert left_s == 3000.0
    departures_s = {
        time_s: view.departure_s[0] for time_s, view in zip(controller.asked_s, controller.views, strict=True)
    }
    assert departures_s[0.0] == 7200.0
    assert departures_s[2000.0] == 3000.0
    assert why_short(session) == "it left earlier than declared"
    assert session.declared_s == 7200.0


def test_who_leaves_early_is_charged_if_the_notice_leaves_the_time() -> None:
    from cosim_agents.sca.controllers import LatestStart

    # 10 kWh take 12 minutes: a notice of a quarter of an hour is enough even for who puts everything off.
    stations = make(controller=LatestStart(period_s=300.0))
    early = [Arrival(0.0, 0, 0, 9.0, 7200.0, leaves_s=3000.0, notice_s=2100.0),
             Arrival(0.0, 1, 0, 9.0, 7200.0, leaves_s=3000.0, notice_s=2700.0)]  # fmt: skip
    done = {}
    for now_s in range(0, 7500, 300):
        arrivals = early if now_s == 0 else []
        done |= {session.vehicle: session for _, _, session in stations.settle(float(now_s), arrivals)}
        stations.run_controllers(float(now_s))
    assert (done[0].short_kwh, done[0].left_s) == (pytest.approx(0.0, abs=1e-9), 3000.0)
    assert done[1].short_kwh == pytest.approx(10.0 - 50.0 * 300.0 / 3600.0)
    assert why_short(done[1]) == "it left earlier than declared"


def test_who_leaves_the_queue_early_is_gone() -> None:
    stations = make(chargers=1)
    arrivals = [Arrival(0.0, 0, 0, 9.0, 3600.0), Arrival(1.0, 1, 0, 9.0, 9000.0, leaves_s=1800.0, notice_s=900.0)]
    done = {session.vehicle: session for _, _, session in stations.settle(1e5, arrivals)}
    assert done[1].left_s == 1800.0
    assert stations.queued == [0]
