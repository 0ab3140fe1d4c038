"""OCEAN at a station: computing never breaks a promise, and all of it is in the books."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import assert_same_tables

import cosim
from cosim import load_scenario
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import StationInfo
from cosim.errors import InputError
from cosim.scenario import Scenario
from cosim.scheduling.site import SiteState
from cosim_agents.ocean.computing import Pay
from cosim_agents.ocean.controller import OCEAN

EFFICIENCY = 0.95


class Absurd(OCEAN):
    """Answers with anything instead of a policy's powers."""

    def __init__(self, value: float, **options: float) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.value = value

    def decide(self, state: SiteState) -> np.ndarray:
        return np.full(len(state), self.value)


def play(controller: OCEAN, arrivals: list[Arrival], chargers: int, seed: int) -> ChargingStations:
    info = StationInfo("S", 0, "", 20.0, 40.0, 2, chargers, 11.0, math.inf)
    controller.reset(info, np.random.default_rng(seed))
    stations = ChargingStations(
        [info], {0: controller}, efficiency=EFFICIENCY, vehicle_max_power_kw=11.0, cap_kw=50.0
    )  # fmt: skip
    end_s = int(max(arrival.departure_s for arrival in arrivals)) + 1
    times_s = {0, end_s} | set(range(0, end_s, int(controller.period_s or 900)))
    for now_s in sorted(times_s | {math.ceil(arrival.time_s) for arrival in arrivals}):
        while stations.next_end_s() <= now_s:
            stations.settle(math.ceil(stations.next_end_s()))
        stations.settle(float(now_s), [arrival for arrival in arrivals if math.ceil(arrival.time_s) == now_s])
        stations.run_controllers(float(now_s))
    stations.finish(float(end_s))
    return stations


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.0, -1.0, 1e9, math.nan]))
def test_computing_and_absurd_powers_leave_nobody_short(seed: int, value: float) -> None:
    rng = np.random.default_rng(seed)
    arrivals = []
    for i in range(int(rng.integers(1, 7))):
        time_s, stay_s = float(rng.integers(0, 4000)), float(rng.uniform(60.0, 7000.0))
        # Some could not be served even alone, some have to draw full power all the time.
        need_kwh = EFFICIENCY * 11.0 * stay_s / 3600.0 * rng.choice([rng.uniform(0.0, 1.1), 1.0])
        arrivals.append(Arrival(time_s, i, 0, float(need_kwh), time_s + stay_s, battery_kwh=10.0))
    stations = play(Absurd(value, tasks_per_s_min=5, tasks_per_s_max=20), arrivals, 6, seed)
    for _, session in stations.visits:
        arrival = arrivals[session.vehicle]
        possible_kwh = 11.0 * (arrival.departure_s - arrival.time_s) / 3600.0
        unservable_kwh = max(0.0, arrival.need_kwh / EFFICIENCY - possible_kwh)
        assert session.short_kwh == pytest.approx(unservable_kwh, abs=1e-6)
        balance_kwh = arrival.need_kwh + session.used_kwh - EFFICIENCY * session.drawn_kwh
        assert balance_kwh == pytest.approx(session.need_kwh, abs=1e-9)
        if unservable_kwh > 0.0:
            assert session.used_kwh == 0.0, "who cannot be served has nothing to spare for computing"


def test_the_books_agree() -> None:
    arrivals = [Arrival(100.0 * i, i, 0, 5.0, 100.0 * i + 5000.0, battery_kwh=15.0) for i in range(4)]
    controller = OCEAN(tasks_per_s_min=8, tasks_per_s_max=12)
    stations = play(controller, arrivals, 4, 1)
    tasks, computing = controller.tables()["tasks"], controller.tables()["computing"]
    assert (np.diff(tasks["time_s"]) == 1.0).all(), "every second is there once"
    assert tasks["time_s"].iloc[0] == 0.0
    used_kwh = [session.used_kwh for _, session in stations.visits]
    assert computing["energy_kwh"].to_numpy() == pytest.approx(used_kwh, rel=1e-12)
    assert tasks["energy_j"].sum() / 3.6e6 == pytest.approx(sum(used_kwh), rel=1e-9)
    assert computing["tasks"].sum() == (tasks["tasks"] - tasks["rejected"]).sum() > 1000
    alone = tasks[tasks["vehicles"] == 0]
    assert (alone["rejected"] == alone["tasks"]).all()


def test_cycles_lower_the_price_of_charging() -> None:
    pay = Pay(kappa_per_kwh=0.10015, slope_per_cycle=5e-14)
    # The paper's order of magnitude: 3.4e12 cycles in a stay leave 83 % of the price.
    assert pay.price_per_kwh([0.0, 3.4e12, 1e14]) == pytest.approx([0.10015, 0.10015 * 0.83, 0.0])


@pytest.fixture(scope="module")
def short() -> Scenario:
    return load_scenario("nguyen-dupuis", **{
        "simulation.warmup_s": 60, "simulation.control_s": 600, "fleet.parking_share": 0.5,
        "fleet.parking_min_s": 1200.0, "fleet.parking_max_s": 1800.0, "droop.enabled": False,
        "controller.CS3.name": "ocean", "controller.CS3.period_s": 300.0, "controller.CS3.tasks_per_s_max": 80,
    })  # fmt: skip


def test_a_coupled_run_keeps_every_promise_and_its_books(short: Scenario, tmp_path: object) -> None:
    result = cosim.run(short, out=f"{tmp_path}/run")
    sessions, computing = result.sessions, result.tables["computing"]
    assert sessions["short_kwh"].max() <= 1e-6
    here = sessions[sessions["station"] == "CS3"].set_index("vehicle")
    assert computing["energy_kwh"].sum() > 0.0
    assert here["computing_kwh"].sum() == pytest.approx(computing["energy_kwh"].sum())
    assert set(computing["vehicle"]) == set(here.index)
    trips = result.trips.set_index("vehicle").loc[here.index]
    gained_kwh = (trips["soc_end"] - trips["soc_plug_in"]) * 24.0
    np.testing.assert_allclose(gained_kwh, 0.9 * here["energy_kwh"] - here["computing_kwh"], atol=1e-9)
    again = cosim.results.read_result(f"{tmp_path}/run")
    assert_same_tables(result, again)


def test_tasks_are_the_same_over_the_socket(short: Scenario) -> None:
    socket = short.model_copy(update={"simulation": short.simulation.model_copy(update={"backend": "traci"})})
    assert_same_tables(cosim.run(short), cosim.run(socket))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "missing.csv"}, r"\[controller.CS3\]: .*missing\.csv"),
        ({"capacity_ghz": []}, "capacity_ghz"),
        ({"tasks_per_s_min": 90, "tasks_per_s_max": 80}, "tasks_per_s_min = 90 must be from 0 to tasks_per_s_max = 80"),
        ({"theta": 0.0}, r"theta = 0\.0 must be greater than 0"),
        ({"policy": "oceans"}, "policy: found 'oceans'"),
    ],
)
def test_wrong_options_get_one_sentence(short: Scenario, options: dict[str, object], message: str) -> None:
    tables = {"CS3": {"name": "ocean", **options}}
    with pytest.raises(InputError, match=message):
        cosim.run(Scenario.model_validate(short.model_dump() | {"controller": tables}))
