"""A day at one station: the coupled run's stations give the bill of the slots, and everybody is served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.control import SiteView
from cosim.errors import InputError
from cosim.many_runs import evaluation_seeds
from cosim.price import Price
from cosim.scenario_file import load_station_scenario
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim.station.days import open_days
from cosim.station.experiment import compare_controllers
from cosim.station.play import make_controller, play
from cosim_agents.sca import rules
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

SMALL = {"arrivals.vehicles_per_day": 20}
SEED = evaluation_seeds(1)[0]


@pytest.mark.parametrize("name", ["station-home", "station-work", "station-public"])
@pytest.mark.parametrize(
    ("label", "policy"),
    [
        ("eager", rules.eager),
        ("average-rate", rules.average_rate),
        ("latest-start", rules.latest_start),
        ("oa", lambda state: rolling_optimum(state).power_kw),
    ],
)
def test_bill_is_that_of_the_replay(name: str, label: str, policy: Callable) -> None:
    scenario = load_station_scenario(name, **SMALL)
    source = open_days(scenario)
    site, vehicles = source.site, source.day(SEED)
    played, expected = play(site, vehicles, make_controller(scenario, label)), replay(site, vehicles, policy)
    assert played.cost == pytest.approx(expected.cost, rel=1e-12)
    assert played.peak_kw == pytest.approx(expected.peak_kw, rel=1e-12)
    assert played.load_factor == pytest.approx(expected.load_factor, rel=1e-12)
    np.testing.assert_allclose(played.charging_kw, expected.charging_kw, atol=1e-9)
    np.testing.assert_allclose(played.delivered_kwh, expected.delivered_kwh, atol=1e-9)
    assert played.short_kwh.max() <= 1e-6
    assert played.cost >= offline_optimum(site, vehicles).cost * (1 - 1e-9)


def test_mpc_expects_the_past_days() -> None:
    scenario = load_station_scenario("station-home", **SMALL)
    source = open_days(scenario)
    past = source.past(5)
    expected = ExpectedArrivals.from_days(past)

    def policy(state: SiteState) -> np.ndarray:
        return predictive_optimum(state, expected).power_kw

    vehicles = source.day(SEED)
    played = play(source.site, vehicles, make_controller(scenario, "mpc", past))
    assert played.cost == pytest.approx(replay(source.site, vehicles, policy).cost, rel=1e-9)
    assert not played.notes
    alone = play(source.site, vehicles, make_controller(scenario, "mpc"))
    assert list(alone.notes) == ["no past days to expect arrivals from: decided as OA"]


def test_days_never_overlap() -> None:
    source = open_days(load_station_scenario("station-home", **SMALL))
    rng = np.random.default_rng(0)
    days = [source.day(seed) for seed in (*evaluation_seeds(3), 0, 1)]
    days += [*source.past(3), *(source.draw(rng)[1] for _ in range(3))]
    assert len({day.energy_kwh.tobytes() for day in days}) == len(days)
    assert source.day(SEED).energy_kwh.tobytes() == source.day(SEED).energy_kwh.tobytes()


def site_of(base_kw: list[float], **limits: float) -> Site:
    return Site(np.array(base_kw), 1800.0, Price(), **limits)


class Greedy:
    """Asks for more than there is, at plug-ins only."""

    period_s = None

    def __init__(self) -> None:
        self.notes = Counter({"greedy": 1})

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        return np.full(site.station.chargers, 1e9)


def test_limits_hold_whatever_a_controller_asks_for() -> None:
    vehicles = Vehicles(np.array([0, 0, 1]), np.array([4, 4, 4]), np.array([3.0, 3.0, 3.0]), np.full(3, 6.0))
    site = site_of([4.0, 8.0, 1.0, 0.0], limit_kw=10.0, charging_limit_kw=7.0)
    played = play(site, vehicles, Greedy())
    np.testing.assert_allclose(played.charging_kw, [6.0, 2.0, 7.0, 3.0])
    assert played.peak_kw == pytest.approx(10.0)
    assert played.delivered_kwh.sum() == pytest.approx(9.0)
    assert played.notes == {"greedy": 1}
    assert len(played.decision_s) >= 4


def test_vehicles_queue_for_chargers_and_leave_when_they_said() -> None:
    vehicles = Vehicles(np.array([0, 0, 3]), np.array([2, 3, 3]), np.array([3.0, 9.0, 1.0]), np.full(3, 6.0))
    played = play(site_of([0.0] * 4), vehicles, Greedy(), chargers=1)
    # The second waits for the first to leave, parked though it is charged; the third has no slot at all.
    np.testing.assert_allclose(played.delivered_kwh, [3.0, 3.0, 0.0])
    np.testing.assert_allclose(played.short_kwh, [0.0, 6.0, 1.0])


def test_an_empty_day_costs_nothing() -> None:
    nobody = Vehicles(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0))
    played = play(site_of([1.0, 2.0]), nobody, Greedy())
    assert (played.cost, played.peak_kw, played.load_factor) == (0.0, 2.0, 0.75)


def csv_of(path: Path, days: int) -> Path:
    lines = ["connectionTime,disconnectTime,kWhDelivered,timezone"]
    lines += [
        f"2020-05-{day:02d}T{hour:02d}:10:00+00:00,2020-05-{day:02d}T{hour + 6:02d}:50:00+00:00,{day}.5,UTC"
        for day in range(1, days + 1)
        for hour in (8, 9)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def file_scenario(folder: Path, **station: object) -> Path:
    path = folder / "mine.toml"
    extra = "".join(f"{key} = {value}\n" for key, value in station.items())
    path.write_text(f'[arrivals]\nsessions = "mine.csv"\n[station]\nhouseholds = 3\nstart_h = 0\n{extra}')
    return path


def test_last_third_of_a_file_is_evaluated(tmp_path: Path) -> None:
    csv_of(tmp_path / "mine.csv", 6)
    scenario = load_station_scenario(file_scenario(tmp_path))
    source = open_days(scenario)
    assert source.site.slots == 48
    assert sorted(source.day(seed).energy_kwh[0] for seed in evaluation_seeds(2)) == [5.5, 6.5]
    assert [day.energy_kwh[0] for day in source.past(60)] == [1.5, 2.5, 3.5, 4.5]
    rng = np.random.default_rng(0)
    assert {source.draw(rng)[1].energy_kwh[0] for _ in range(40)} == {1.5, 2.5, 3.5, 4.5}
    comparison = compare_controllers(scenario, ["eager", "oa"], evaluation_seeds(2))
    assert comparison.complete
    assert (comparison.runs["ratio"] >= 1 - 1e-9).all()
    with pytest.raises(InputError, match=r"^seeds: found 3; the recorded sessions have 2 days for the evaluation"):
        compare_controllers(scenario, ["eager"], evaluation_seeds(3))
    # A day that is followed for two has sessions of the next one, which may be kept for the evaluation.
    longer = open_days(load_station_scenario(file_scenario(tmp_path, hours=48)))
    assert [day.energy_kwh.max() for day in longer.past(60)] == [2.5, 3.5, 4.5]


def test_sessions_of_a_coupled_run(tmp_path: Path) -> None:
    table = {
        "station": ["CS1", "CS1", "CS2"], "arrival_s": [100.0, 700.0, 0.0], "left_s": [900.0, np.nan, 5.0],
        "departure_s": [np.nan, 5000.0, np.nan], "max_power_kw": [50.0, 50.0, 50.0], "asked_kwh": [8.0, 9.0, 1.0],
    }  # fmt: skip
    pd.DataFrame(table).to_parquet(tmp_path / "sessions.parquet")
    settings = {"arrivals": {"run": str(tmp_path), "site": "CS1"}, "station": {"slot_s": 300}}
    file = tmp_path / "run.toml"
    file.write_text("[station]\nslot_s = 300\n[arrivals]\n")
    source = open_days(load_station_scenario(file, **settings))
    day = source.day(SEED)
    assert (day.arrival_slot.tolist(), day.departure_slot.tolist()) == ([0, 2], [3, 17])
    assert (day.energy_kwh.tolist(), source.site.slots, source.past(3)) == ([8.0, 9.0], 17, [])
    with pytest.raises(InputError, match=r"no day to learn from"):
        source.draw(np.random.default_rng(0))
    for change, sentence in (
        ({"arrivals.site": "CS11"}, "no session at 'CS11'; did you mean 'CS1'? allowed: 'CS1', 'CS2'"),
        ({"arrivals.run": str(tmp_path / "b")}, "not the folder of a coupled run with sessions"),
    ):
        with pytest.raises(InputError) as caught:
            open_days(load_station_scenario(file, **settings, **change))
        assert sentence in str(caught.value)
