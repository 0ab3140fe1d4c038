"""Queues, chargers and energy against theory and invariants."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.charging.session import battery_need_kwh
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import SiteController, SiteView, StationInfo
from cosim.errors import CosimError
from cosim.price import Price, StepLoad
from cosim_agents.sites import EqualShare, Uncontrolled

EFFICIENCY = 0.9


def make(
    chargers: int = 2,
    *,
    controller: SiteController | None = None,
    site_limit_kw: float = math.inf,
    cap_kw: float = 50.0,
    stations: int = 1,
    base: StepLoad | None = None,
) -> ChargingStations:
    infos = [StationInfo(f"S{m}", 0, "", 20.0, 40.0, 2, chargers, 50.0, site_limit_kw) for m in range(stations)]
    controllers = {0: controller} if controller is not None else {}
    return ChargingStations(
        infos, controllers, efficiency=EFFICIENCY, vehicle_max_power_kw=50.0, cap_kw=cap_kw, base=base
    )


def test_one_vehicle_alone_charges_at_the_full_rate() -> None:
    stations = make()
    (done,) = stations.settle(1e6, [Arrival(100.0, 7, 0, 9.0)])
    plug_out_s, station, session = done
    # 9 kWh into the battery at 0.9 * 50 kW take a fifth of an hour, not a second more.
    assert (station, session.vehicle, session.plug_in_s) == (0, 7, 100.0)
    assert plug_out_s == pytest.approx(100.0 + 9.0 / 45.0 * 3600.0, abs=1e-9)
    assert session.drawn_kwh == pytest.approx(10.0, rel=1e-12)


def test_the_end_does_not_wait_for_a_whole_second() -> None:
    stations = make(cap_kw=43.21)
    ((plug_out_s, _, _),) = stations.settle(1e6, [Arrival(0.0, 0, 0, 5.0)])
    assert plug_out_s == pytest.approx(5.0 * 3600.0 / (0.9 * 43.21), rel=1e-14)
    assert plug_out_s % 1 > 0.01


def test_a_charger_is_taken_over_at_the_instant_it_becomes_free() -> None:
    stations = make(chargers=1)
    done = stations.settle(1e6, [Arrival(0.0, 0, 0, 1.0), Arrival(3.0, 1, 0, 1.0), Arrival(2.0, 2, 0, 1.0)])
    assert [session.vehicle for _, _, session in done] == [0, 2, 1]
    assert [session.plug_in_s for _, _, session in done] == pytest.approx([0.0, 80.0, 160.0])
    assert done[1][2].plug_in_s == done[0][0]


def test_a_full_battery_leaves_at_once() -> None:
    ((plug_out_s, _, session),) = make().settle(10.0, [Arrival(5.0, 0, 0, 0.0)])
    assert (plug_out_s, session.drawn_kwh) == (5.0, 0.0)


def test_a_new_cap_holds_from_its_instant_on() -> None:
    stations = make()
    assert stations.settle(100.0, [Arrival(0.0, 0, 0, 9.0)]) == []
    stations.set_caps([25.0], 100.0)
    ((plug_out_s, _, session),) = stations.settle(1e6)
    left_kwh = 9.0 - 0.9 * 50.0 * 100 / 3600
    assert plug_out_s == pytest.approx(100.0 + left_kwh / (0.9 * 25.0) * 3600.0)
    assert session.drawn_kwh == pytest.approx(10.0, rel=1e-12)


def test_peak_load_counts_only_loads_that_last() -> None:
    stations = make(chargers=3)
    stations.settle(10.0, [Arrival(0.0, 0, 0, 9.0), Arrival(10.0, 1, 0, 9.0)])
    # The second vehicle came at 10 s: up to then one charger was in use.
    assert stations.take_peak("decision", 10.0)[0] == (50.0,)
    assert stations.take_peak("decision", 10.0) == ((100.0,), 10.0), "a step without duration has the present load"
    stations.settle(20.0)
    assert stations.take_peak("interval", 20.0)[0] == (100.0,)


def test_peak_load_is_that_of_base_and_charging_together() -> None:
    """Three steps of base load, 100, 300 and 120 kW; a vehicle charges from 15 s on, another from 25 s on."""
    stations = make(chargers=3, base=StepLoad(np.array([100.0, 300.0, 120.0]), 10.0))
    stations.settle(15.0, [Arrival(15.0, 0, 0, 9.0)])
    assert stations.take_peak("decision", 15.0) == ((0.0,), 10.0), "the border between the steps counts"
    assert stations.take_peak("decision", 15.0) == ((50.0,), 15.0)
    stations.settle(25.0, [Arrival(25.0, 1, 0, 9.0)])
    stations.settle(30.0)
    assert stations.take_peak("decision", 30.0) == ((50.0,), 15.0), "350 kW, and not the 220 kW of more charging"
    assert stations.take_peak("interval", 40.0) == ((50.0,), 15.0), "each period has a peak of its own"
    assert stations.take_peak("interval", 50.0) == ((100.0,), 40.0)


@settings(max_examples=60, deadline=None)
@given(
    chargers=st.integers(1, 4),
    visits=st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 12), st.integers(0, 1)), min_size=1, max_size=25),
    caps=st.lists(st.tuples(st.integers(1, 4000), st.floats(5, 50)), max_size=5),
)
def test_invariants(chargers: int, visits: list[tuple[int, float, int]], caps: list[tuple[int, float]]) -> None:
    stations = make(chargers, stations=2)
    arrivals = [Arrival(float(t), i, m, need) for i, (t, need, m) in enumerate(visits)]
    done, seen = [], 0
    for time_s, cap_kw in sorted(caps):
        due = [a for a in arrivals if seen <= a.time_s < time_s]
        done += stations.settle(time_s, due)
        seen = time_s
        assert all(count <= chargers for count in stations.charging)
        stations.set_caps([cap_kw, cap_kw], time_s)
    done += stations.settle(1e9, [a for a in arrivals if a.time_s >= seen])
    assert sorted(session.vehicle for _, _, session in done) == list(range(len(visits))), "everybody leaves"
    for m in range(2):
        sessions = sorted((s for _, station, s in done if station == m), key=lambda s: (s.arrival_s, s.vehicle))
        plug_ins = [s.plug_in_s for s in sessions]
        assert plug_ins == sorted(plug_ins), "first in, first out"
        ends = {s.vehicle: t for t, _, s in done}
        for s in sessions:
            inside = sum(o.plug_in_s <= s.plug_in_s < ends[o.vehicle] for o in sessions)
            assert inside <= chargers, "never more plugged in than chargers"
            assert s.plug_in_s >= s.arrival_s
        battery_kwh = sum(visits[s.vehicle][1] for s in sessions)
        assert EFFICIENCY * sum(s.drawn_kwh for s in sessions) == pytest.approx(battery_kwh, rel=1e-9, abs=1e-9)
    assert stations.load_kw == [0.0, 0.0]


def test_md1_queue_waits_as_theory_says() -> None:
    """One charger, Poisson arrivals, equal needs: Pollaczek-Khinchine with deterministic service."""
    rng = np.random.default_rng(1)
    load, service_s, count = 0.8, 720.0, 60_000
    arrivals = np.cumsum(rng.exponential(service_s / load, count))
    stations = make(chargers=1)
    done = stations.settle(1e12, [Arrival(float(t), i, 0, 9.0) for i, t in enumerate(arrivals)])
    waits_s = np.array([session.plug_in_s - session.arrival_s for _, _, session in done])
    # Batch means give the standard error of a correlated sample.
    batches = waits_s.reshape(60, -1).mean(axis=1)
    error_s = batches.std(ddof=1) / math.sqrt(len(batches))
    expected_s = load / (2 * (1 - load)) * service_s
    assert error_s < 0.05 * expected_s
    assert abs(waits_s.mean() - expected_s) < 4 * error_s


def test_the_plugin_uncontrolled_equals_no_controller() -> None:
    arrivals = [Arrival(float(10 * i), i, 0, 2.0 + i % 5) for i in range(30)]
    plain = make(chargers=4).settle(1e6, arrivals)
    controlled = make(chargers=4, controller=Uncontrolled()).settle(1e6, arrivals)
    assert [s.vehicle for _, _, s in controlled] == [s.vehicle for _, _, s in plain]
    assert [t for t, _, _ in controlled] == pytest.approx([t for t, _, _ in plain], abs=1e-6)


def test_equal_share_keeps_the_site_limit() -> None:
    stations = make(chargers=4, controller=EqualShare(), site_limit_kw=100.0)
    stations.settle(1.0, [Arrival(0.0, i, 0, 9.0) for i in range(3)])
    assert stations.load_kw == [pytest.approx(100.0)]
    powers_kw = [session.power_kw for session in stations.present(0)[1]]
    assert powers_kw == pytest.approx([100 / 3] * 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1, 60), min_size=1, max_size=12), st.floats(1, 400), st.floats(5, 50))
def test_equal_share_is_max_min_fair(limits_kw: list[float], limit_kw: float, cap_kw: float) -> None:
    limits = np.array(limits_kw)
    site = SiteView(
        station=StationInfo("A", 0, "", 20.0, 40.0, 2, len(limits), 50.0, limit_kw),
        occupied=np.ones(len(limits), dtype=bool),
        vehicle=np.arange(len(limits)),
        need_kwh=np.ones(len(limits)),
        max_power_kw=limits,
        power_kw=np.zeros(len(limits)),
        battery_kwh=np.full(len(limits), 5.0),
        plug_in_s=np.zeros(len(limits)),
        parks=np.zeros(len(limits), dtype=bool),
        departure_s=np.full(len(limits), 3600.0),
        efficiency=EFFICIENCY,
        cap_kw=cap_kw,
        queued=0,
        base=StepLoad.constant(0.0),
        price=Price(),
    )
    power_kw = EqualShare().schedule(0.0, site)
    most_kw = np.minimum(limits, cap_kw)
    assert power_kw.sum() == pytest.approx(min(limit_kw, most_kw.sum()))
    # Who gets less than they could take gets as much as anybody.
    assert (power_kw[power_kw < most_kw - 1e-9] >= power_kw.max() - 1e-9).all()


def test_a_site_limit_is_a_fuse_for_who_ignores_it() -> None:
    stations = make(chargers=4, controller=Uncontrolled(), site_limit_kw=100.0)
    stations.settle(1.0, [Arrival(0.0, i, 0, 9.0) for i in range(4)])
    assert stations.load_kw == [pytest.approx(100.0)]


class _Greedy:
    period_s = None

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        return np.full(site.station.chargers, 1e9)


def test_droop_caps_whatever_a_controller_asks_for() -> None:
    stations = make(controller=_Greedy(), cap_kw=20.0)
    stations.settle(1.0, [Arrival(0.0, 0, 0, 9.0)])
    assert stations.load_kw == [20.0]


class _TooShort(_Greedy):
    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        return np.zeros(1)


def test_a_wrong_answer_of_a_controller_is_named() -> None:
    stations = make(controller=_TooShort())
    with pytest.raises(CosimError, match=r"controller of station 'S0' \(_TooShort\) returned an array of shape \(1,\)"):
        stations.settle(1.0, [Arrival(0.0, 0, 0, 9.0)])


class _OnOff:
    """Pauses in every other quarter of an hour."""

    period_s = 900.0

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        return np.full(site.station.chargers, 50.0 if time_s // 900 % 2 == 0 else 0.0)


def test_a_controller_may_pause_and_resume() -> None:
    stations = make(controller=_OnOff())
    stations.settle(900.0, [Arrival(600.0, 0, 0, 9.0)])
    stations.run_controllers(900.0)
    assert stations.load_kw == [0.0]
    assert stations.next_end_s() == math.inf
    stations.settle(1800.0)
    stations.run_controllers(1800.0)
    ((plug_out_s, _, _),) = stations.settle(1e6)
    assert plug_out_s == pytest.approx(600.0 + 720.0 + 900.0)


@given(st.floats(0, 1), st.floats(0.1, 1), st.floats(1, 100))
def test_need_is_never_negative(soc: float, target: float, battery_kwh: float) -> None:
    need_kwh = battery_need_kwh(soc, target, battery_kwh)
    assert need_kwh >= 0
    assert soc + need_kwh / battery_kwh == pytest.approx(max(soc, target))
