"""The site's policies plugged into stations: as in the environment, and in a coupled run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import cosim
from cosim import load_scenario, registry
from cosim.charging.site import Surroundings
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import SiteController, StationInfo
from cosim.errors import InputError
from cosim.price import StepLoad
from cosim.scenario import Scenario
from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.replay import replay
from cosim.scheduling.safe import safe_interval_kw
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca import rules
from cosim_agents.sca.controllers import (
    AverageRate,
    Eager,
    EarliestDeadline,
    LatestStart,
    LeastLaxity,
    PredictiveOptimum,
    RollingOptimum,
    SlotController,
)
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

HISTORY = [draw_instance("home", np.random.default_rng([1, day]), vehicles_per_day=15.0)[1] for day in range(5)]


def play(site: Site, vehicles: Vehicles, controller: SiteController) -> ChargingStations:
    """Let a day's vehicles park at a station of the coupled run's kind."""
    info = StationInfo("S", 0, "", 20.0, 40.0, 2, len(vehicles), math.inf, math.inf)
    stations = ChargingStations(
        [info], {0: controller}, efficiency=1.0, vehicle_max_power_kw=math.inf, cap_kw=math.inf,
        surroundings=[Surroundings(StepLoad(site.base_kw, site.slot_s), site.price)],
    )  # fmt: skip
    for slot in range(site.slots + 1):
        now_s = slot * site.slot_s
        arrivals = [
            Arrival(
                now_s, int(i), 0, vehicles.energy_kwh[i], vehicles.departure_slot[i] * site.slot_s,
                max_power_kw=vehicles.max_power_kw[i],
            )
            for i in np.flatnonzero(vehicles.arrival_slot == slot)
        ]  # fmt: skip
        stations.settle(now_s, arrivals)
        stations.run_controllers(now_s)
    stations.sites[0].account(site.slots * site.slot_s)
    return stations


def predict(state: SiteState) -> np.ndarray:
    return predictive_optimum(state, ExpectedArrivals.from_days(HISTORY)).power_kw


@pytest.mark.parametrize(
    ("make", "policy"),
    [
        (Eager, rules.eager),
        (AverageRate, rules.average_rate),
        (LatestStart, rules.latest_start),
        (EarliestDeadline, rules.earliest_deadline),
        (LeastLaxity, rules.least_laxity),
        (RollingOptimum, lambda state: rolling_optimum(state).power_kw),
        (PredictiveOptimum, predict),
    ],
)
def test_a_station_charges_as_the_environment_does(
    make: Callable[..., SlotController], policy: Callable[[SiteState], np.ndarray]
) -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(5), vehicles_per_day=15.0)
    controller = make(period_s=site.slot_s)
    if isinstance(controller, PredictiveOptimum):
        controller.study(HISTORY, site.slot_s)
    stations, expected = play(site, vehicles, controller), replay(site, vehicles, policy)
    assert stations.sites[0].cost == pytest.approx(expected.cost, rel=1e-6)
    delivered_kwh = {session.vehicle: session.drawn_kwh for _, session in stations.visits}
    assert [delivered_kwh[i] for i in range(len(vehicles))] == pytest.approx(expected.delivered_kwh.tolist(), abs=1e-6)
    assert not controller.notes


def test_the_safe_interval_is_the_slots_box_made_continuous() -> None:
    low_kw, high_kw = safe_interval_kw(
        np.array([10.0, 10.0, 1.0, 10.0, 5.0]), np.full(5, 20.0), np.array([3600.0, 2000.0, 7200.0, 900.0, 0.0]), 900.0
    )
    # Half an hour at 20 kW delivers the 10 kWh: with an hour to go nothing has to flow in the first quarter; with
    # 2,000 s to go, 1,100 s at 20 kW are left afterwards, and 10 - 6.11 kWh have to flow in 900 s. The fourth cannot
    # be served, the fifth should be gone.
    assert low_kw == pytest.approx([0.0, (10.0 - 20.0 * 1100 / 3600) * 4, 0.0, 20.0, 20.0])
    assert high_kw == pytest.approx([20.0, 20.0, 4.0, 20.0, 20.0])


class Absurd(SlotController):
    """Answers with anything, behind the shield."""

    def __init__(self, value: float) -> None:
        super().__init__(period_s=300.0)
        self.value = value

    def decide(self, state: SiteState) -> np.ndarray:
        return np.full(len(state), self.value)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e9, math.nan, math.inf])
def test_every_vehicle_that_can_be_served_is_whatever_the_policy_says(value: float) -> None:
    rng = np.random.default_rng(3)
    arrival_s = np.sort(rng.integers(0, 7200, 40)).astype(float)
    stay_s = rng.uniform(600.0, 5000.0, 40)
    need_kwh = rng.uniform(0.0, 30.0, 40)
    info = StationInfo("S", 0, "", 20.0, 40.0, 2, 40, 50.0, math.inf)
    stations = ChargingStations([info], {0: Absurd(value)}, efficiency=0.9, vehicle_max_power_kw=50.0, cap_kw=50.0)
    arrivals = [Arrival(arrival_s[i], i, 0, need_kwh[i], arrival_s[i] + stay_s[i]) for i in range(40)]
    for now_s in range(15_000):
        if stations.next_end_s() <= now_s or now_s in arrival_s or now_s % 300 == 0:
            stations.settle(float(now_s), [arrival for arrival in arrivals if arrival.time_s == now_s])
            stations.run_controllers(float(now_s))
    assert len(stations.visits) == 40
    for _, session in stations.visits:
        unservable_kwh = max(0.0, session.asked_kwh - 50.0 * stay_s[session.vehicle] / 3600.0)
        assert session.short_kwh == pytest.approx(unservable_kwh, abs=1e-6)


def test_vehicles_that_can_be_told_apart_by_their_place_only_get_the_same() -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(8), vehicles_per_day=15.0)
    turned = vehicles.take(np.arange(len(vehicles))[::-1])
    costs = [play(site, some, RollingOptimum(period_s=site.slot_s)).sites[0].cost for some in (vehicles, turned)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-9)


@pytest.fixture(scope="module")
def parked() -> Scenario:
    return load_scenario("nguyen-dupuis", **{
        "simulation.warmup_s": 120, "simulation.control_s": 900, "fleet.parking_share": 0.6,
        "fleet.parking_min_s": 900.0, "fleet.parking_max_s": 3600.0, "droop.enabled": False,
    })  # fmt: skip


def test_a_coupled_run_with_controllers_keeps_every_promise(parked: Scenario) -> None:
    names = ("oa", "average-rate", "latest-start", "mpc", "least-laxity")
    tables = {f"CS{m + 1}": {"name": name} for m, name in enumerate(names)}
    result = cosim.run(Scenario.model_validate(parked.model_dump() | {"controller": tables}))
    sessions = result.sessions
    assert result.counts["arrived"] == result.counts["vehicles"]
    assert 0 < sessions["parks"].sum() < len(sessions)
    possible_kwh = 50.0 * (sessions["departure_s"] - sessions["arrival_s"]).fillna(math.inf) / 3600.0
    expected_kwh = np.maximum(0.0, sessions["asked_kwh"] - possible_kwh)
    np.testing.assert_allclose(sessions["short_kwh"], expected_kwh, atol=1e-6)
    np.testing.assert_allclose(sessions["energy_kwh"] + sessions["short_kwh"], sessions["asked_kwh"], atol=1e-6)
    parks = sessions[sessions["parks"]]
    assert (parks["left_s"] == parks["departure_s"]).all()
    for site, account in result.summary["sites"].items():
        here = sessions[sessions["station"] == site]
        assert account["visits"] == len(here)
        assert account["delivered_kwh"] == pytest.approx(here["energy_kwh"].sum())
        assert account["cost"] > 0.0
    noted = [site for site, account in result.summary["sites"].items() if account["notes"]]
    assert noted == ["CS4"], "mpc has no history to expect anybody from"


def test_parked_vehicles_and_controllers_are_the_same_with_both_backends(parked: Scenario) -> None:
    tables = {"CS1": {"name": "oa"}, "CS3": {"name": "latest-start", "period_s": 120.0}}
    scenario = Scenario.model_validate(parked.model_dump() | {"controller": tables})
    by_socket = scenario.model_copy(update={"simulation": scenario.simulation.model_copy(update={"backend": "traci"})})
    one, other = cosim.run(scenario), cosim.run(by_socket)
    assert one.tables.keys() == other.tables.keys()
    for name, table in one.tables.items():
        assert table.equals(other.tables[name]), name


def test_evening_out_costs_less_than_charging_at_once(parked: Scenario) -> None:
    def bill(name: str) -> float:
        tables = {f"CS{m}": {"name": name} for m in range(1, 6)}
        result = cosim.run(Scenario.model_validate(parked.model_dump() | {"controller": tables}))
        return sum(site["cost"] for site in result.summary["sites"].values())

    assert bill("oa") < bill("average-rate") < bill("eager")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "oa", "period_s": 0.5}, "period_s = 0.5 must be a whole number of seconds"),
        ({"name": "oa", "period": 300.0}, "has no option 'period'; did you mean 'period_s'"),
        ({"name": "calc", "policy": "home"}, "policy: found 'home'; it must be a policy file"),
        ({"name": "calc", "policy": "missing.npz"}, r"missing\.npz: the policy cannot be read"),
    ],
)
def test_wrong_options_are_told_in_one_sentence(parked: Scenario, options: dict[str, object], message: str) -> None:
    scenario = Scenario.model_validate(parked.model_dump() | {"controller": {"CS2": options}})
    with pytest.raises(InputError, match=message) as caught:
        cosim.run(scenario)
    assert "[controller.CS2]" in str(caught.value)


def test_every_controller_is_registered() -> None:
    wanted = {
        "eager", "average-rate", "latest-start", "earliest-deadline", "least-laxity", "equal-share", "oa",
        "oa-constant-base", "mpc", "aem-8", "aem-16", "aem-33", "sca", "calc", "uncontrolled",
    }  # fmt: skip
    assert wanted <= set(registry.names("controller"))
