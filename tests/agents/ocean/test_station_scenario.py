"""The scenario ``ocean-station``: the paper's days, its bill, tasks in the tables, a policy that is trained on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim import plots, registry
from cosim.cli import run_command_line
from cosim.errors import InputError
from cosim.many_runs import evaluation_seeds
from cosim.scenario_file import load_station_scenario
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.station.comparison import read_station_comparison
from cosim.station.days import open_days
from cosim.station.play import make_controller, play
from cosim_agents.ocean.arrivals import OceanStation
from cosim_agents.ocean.station_days import SCENARIOS, StationDays
from cosim_agents.sca import rules
from cosim_agents.sca.online import rolling_optimum

SEED = evaluation_seeds(1)[0]
#: Few vehicles with few tasks.
TINY = {"arrivals.piles": 4, "controller.ocean.tasks_per_s_min": 2, "controller.ocean.tasks_per_s_max": 6}
SETTINGS = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take half a second each."""
    monkeypatch.setattr(plots, "installed", lambda: False)


def test_scenario_is_that_of_the_paper() -> None:
    scenario = load_station_scenario("ocean-station")
    source = open_days(scenario)
    assert OceanStation(**scenario.arrivals.options).days == SCENARIOS["R"] == StationDays()
    assert (source.chargers, source.site.slots, source.site.slot_s) == (25, 96, 900.0)
    assert scenario.description in registry.describe("scenario", "ocean-station")
    vehicles = source.day(SEED)
    assert set(vehicles.efficiency) == {0.95}
    assert not vehicles.unservable_kwh(0.25).any()
    # The bill is the load variance (Eq. 13).
    load_kw = np.random.default_rng(0).uniform(0.0, 100.0, 96)
    assert source.site.cost(load_kw) == pytest.approx(np.square(0.25 * load_kw).sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("label", "policy"),
    [
        ("average-rate", rules.average_rate),
        ("eager", rules.eager),
        ("oa", lambda state: rolling_optimum(state).power_kw),
    ],
)
def test_bill_is_that_of_the_replay(label: str, policy: Callable) -> None:
    scenario = load_station_scenario("ocean-station")
    source = open_days(scenario)
    vehicles = source.day(SEED)
    played = play(source.site, vehicles, make_controller(scenario, label), chargers=source.chargers)
    expected = replay(source.site, vehicles, policy)
    # The batteries count in energy of their own side.
    assert played.cost == pytest.approx(expected.cost, rel=1e-9)
    np.testing.assert_allclose(played.charging_kw, expected.charging_kw, atol=1e-7)
    np.testing.assert_allclose(played.delivered_kwh, vehicles.energy_kwh, atol=1e-9)
    assert played.short_kwh.max() <= 1e-6
    assert not played.computing_kwh.any()
    assert played.cost >= offline_optimum(source.site, vehicles).cost * (1 - 1e-9)


def test_computing_leaves_nobody_short_and_is_in_the_books() -> None:
    scenario = load_station_scenario("ocean-station", **TINY)
    source = open_days(scenario)
    vehicles = source.day(SEED)
    rng = np.random.default_rng(1)
    played = play(source.site, vehicles, make_controller(scenario, "ocean"), chargers=source.chargers, rng=rng)
    assert played.short_kwh.max() <= 1e-6
    assert played.computing_kwh.sum() > 0.0
    gained_kwh = vehicles.efficiency * played.delivered_kwh - played.computing_kwh
    np.testing.assert_allclose(gained_kwh, vehicles.efficiency * vehicles.energy_kwh, atol=1e-6)
    tasks, computing = played.tables["tasks"], played.tables["computing"]
    np.testing.assert_array_equal(tasks["time_s"], np.arange(86_400))
    assert computing["energy_kwh"].sum() == pytest.approx(played.computing_kwh.sum(), rel=1e-9)
    assert (tasks["relative_gap"] >= 0).all()


def test_shipped_policy_decides_and_is_near_the_optimum() -> None:
    idle = {"controller.ocean.tasks_per_s_min": 0, "controller.ocean.tasks_per_s_max": 0}
    scenario = load_station_scenario("ocean-station", **idle)
    source = open_days(scenario)
    for seed in evaluation_seeds(3):
        vehicles = source.day(seed)
        played = play(source.site, vehicles, make_controller(scenario, "ocean"), chargers=source.chargers)
        assert not played.notes
        assert played.short_kwh.max() <= 1e-6
        assert 1 - 1e-9 <= played.cost / offline_optimum(source.site, vehicles).cost <= 1.02


def test_same_seeds_give_the_same_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "ocean-station", *SETTINGS, "--controllers", "eager,ocean", "--seeds", "1"]
    for name, workers in (("a", "1"), ("b", "2")):
        assert run_command_line([*command, "--workers", workers, "--out", str(tmp_path / name)]) == 0
    told = capsys.readouterr().out
    for words in ("tasks of the edge server", "placed [%]", "mean certified gap [%]"):
        assert words in told
    for table in ("runs.parquet", "loads.parquet", "scenario.toml"):
        assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()
    found = read_station_comparison(tmp_path / "a")
    assert (found.runs["vehicles_short"] == 0).all()
    assert list(found.tasks["controller"]) == ["ocean"]
    own = found.runs[found.runs["controller"] == "ocean"]
    assert (own["tasks"] > 86_400 * 2).all()
    assert own["tasks_rejected"].between(0, own["tasks"]).all()
    # Computing takes a ten thousandth of what is charged.
    assert (own["computing_kwh"] < 1e-3 * own["asked_kwh"]).all()
    assert (found.runs["ratio"] >= 1 - 1e-9).all()


def test_training_gives_a_policy_that_decides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "ocean", "ocean-station", "--set", "arrivals.piles=4", "--episodes", "1"]
    assert run_command_line([*arguments, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out.splitlines()
    policy = tmp_path / "ocean-station.npz"
    assert told[-1] == f"policy: {policy}"
    about = json.loads((tmp_path / "training.json").read_text())
    assert (about["agent"], about["seed"], about["hyperparameters"]["iterations"]) == ("ocean", 0, 1)
    scenario = load_station_scenario("ocean-station", **TINY, **{"controller.ocean.policy": str(policy)})
    source = open_days(scenario)
    controller = make_controller(scenario, "ocean")
    played = play(source.site, source.day(SEED), controller, chargers=source.chargers)
    assert played.short_kwh.max() <= 1e-6
    assert not played.notes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"arrivals.pils": 3}, "[arrivals]: the arrivals 'ocean-station' has no option 'pils'; did you mean 'piles'?"),
        ({"arrivals.piles": 2.5}, "[arrivals]: piles = 2.5 must be a whole number."),
        ({"arrivals.admission": "clp"}, "[arrivals]: admission: unknown 'clp'; did you mean 'clip'?"),
        ({"arrivals.arrivals_per_pile": "x"}, "[arrivals]: arrivals_per_pile = 'x' must be a number."),
        ({"station.slot_s": 7200, "station.start_h": 12}, "[station] start_h = 12: days of the arrivals 'ocean-stat"),
    ],
)
def test_one_sentence_for_one_fault(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        open_days(load_station_scenario("ocean-station", **changes))
    (fault,) = caught.value.faults
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"megacycles": [50.0]}, "megacycles = [50.0] must be two numbers at least 0, the lesser one first"),
        ({"deadline_s": [0.5, 2.0]}, "deadline_s = [0.5, 2.0] must be two numbers from 0 to 1, the lesser one first"),
    ],
)
def test_ranges_of_tasks_are_checked(option: dict[str, list[float]], sentence: str) -> None:
    scenario = load_station_scenario("ocean-station", **{"controller.ocean": option})
    with pytest.raises(InputError) as caught:
        make_controller(scenario, "ocean")
    assert str(caught.value) == f"[controller.ocean]: the controller 'ocean' refuses its options: {sentence}."


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (["ocean-station", "--episodes", "0", "--preset", "x"], ["--preset: found 'x'", "--episodes 0: it must be"]),
        (["station-home"], ["[arrivals]: 'ocean' learns on days of kind = 'ocean-station' only"]),
        (["ocean-station", "--set", "station.limit_kw=9"], ["[station]: 'ocean' learns without base load and limits"]),
        (["ocean-station", "--set", "arrivals.slack=0"], ["[arrivals]: slack = 0 must be at least 1."]),
    ],
)
def test_training_refuses_what_it_cannot_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentences: list[str]
) -> None:
    assert run_command_line(["train", "ocean", *arguments, "--out", str(tmp_path / "a")]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(sentences)
    assert all(sentence in line for sentence, line in zip(sentences, told, strict=True))
    assert not (tmp_path / "a").exists()
