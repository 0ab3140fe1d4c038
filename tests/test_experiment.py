"""Many runs, and what is concluded from them; on the real simulators where runs are made."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats

import cosim
from cosim import experiment, registry
from cosim.comparison import Comparison, read_comparison
from cosim.errors import InputError, ResultsError
from cosim.experiment import EVALUATION_SEED_START, compare, evaluation_seeds, parse_seeds
from cosim.scenario import Scenario
from cosim.statistics import (
    SUMMARISED,
    best_recommender,
    bootstrap_interval,
    mean_over_runs,
    paired_differences,
    relative_gaps,
    summary_table,
)
from cosim.workers import WorkerProcesses

NAMES = ("uniform", "merit-order", "nearest")
SEEDS = evaluation_seeds(2)
FILES = (
    "comparison.json", "runs.parquet", "stations.parquet", "scenario.toml", "occupancy.png", "charging_power.png",
)  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> Scenario:
    """50 vehicles, 20 EVs."""
    return cosim.load_scenario("nguyen-dupuis", **{"simulation.warmup_s": 60, "simulation.control_s": 240})


@pytest.fixture(scope="module")
def comparison(tiny: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(tiny, NAMES, SEEDS, out=tmp_path_factory.mktemp("comparison") / "here")


# ---- runs


def test_rows_are_the_runs(comparison: Comparison, tiny: Scenario) -> None:
    assert list(zip(comparison.runs["recommender"], comparison.runs["seed"], strict=True)) == [
        (name, seed) for name in NAMES for seed in SEEDS
    ]
    alone = cosim.run(tiny, recommender="merit-order", seed=SEEDS[1])
    row = comparison.runs.iloc[3]
    assert {name: row[name] for name in alone.metrics} == alone.metrics
    assert {name: row[name] for name in alone.counts} == alone.counts
    lowest_pu = alone.buses.pivot_table(index="time_s", columns="bus", values="vm_pu").min(axis="columns")
    assert row["share_below_095"] == (lowest_pu < 0.95).sum() / len(lowest_pu) == 1.0
    assert row["share_below_090"] == (lowest_pu < 0.90).sum() / len(lowest_pu)
    assert comparison.complete


def test_floor_is_the_base_deviation_of_every_decision(comparison: Comparison) -> None:
    assert comparison.floor_pu == pytest.approx(20 * 0.05154, rel=1e-4)
    assert (comparison.runs["cvv_floor_pu"] == comparison.floor_pu).all()
    assert (comparison.runs["cvv_above_floor_pu"] > 0).all()


@pytest.mark.parametrize("cost", ["excess", "band"])
def test_floor_follows_the_cost(tiny: Scenario, cost: str) -> None:
    nobody_charges = {"fleet.initial_soc_min": 0.8, "fleet.initial_soc_max": 0.8, "fleet.consumption_kwh_per_km": 0.0}
    short = {"simulation.warmup_s": 0, "simulation.control_s": 60, "reward.cost": cost}
    idle = cosim.load_scenario("nguyen-dupuis", **nobody_charges, **short)
    found = compare(idle, ["nearest"], [0])
    assert found.runs["cvv_pu"][0] == pytest.approx(found.floor_pu, abs=1e-12)
    assert (found.floor_pu == 0.0) == (cost == "excess")


def test_stations_are_averaged_over_the_seeds(comparison: Comparison, tiny: Scenario) -> None:
    runs = [cosim.run(tiny, recommender="nearest", seed=seed).stations for seed in SEEDS]
    mine = comparison.stations[comparison.stations["recommender"] == "nearest"].set_index(["time_s", "station"])
    both = [table.set_index(["time_s", "station"]) for table in runs]
    for key in [(300.0, "CS1"), (900.0, "CS3"), (1200.0, "CS5")]:
        for column in ("queued", "charging", "en_route", "power_kw", "cap_kw"):
            assert mine.loc[key, column] == pytest.approx((both[0].loc[key, column] + both[1].loc[key, column]) / 2)
    assert mine["runs"].iloc[0] == 2
    assert len(mine) == max(len(table) for table in runs)


def test_the_number_of_workers_changes_nothing(comparison: Comparison, tiny: Scenario, tmp_path: Path) -> None:
    seen: list[str] = []
    with WorkerProcesses(2) as executor:
        spread = compare(
            tiny, NAMES, SEEDS, executor=executor, out=tmp_path, on_run=lambda outcome: seen.append(outcome.recommender)
        )
    assert sorted(seen) == sorted(NAMES * 2)
    pd.testing.assert_frame_equal(spread.runs, comparison.runs, check_exact=True)
    assert comparison.folder is not None
    for file in FILES:
        assert (tmp_path / file).read_bytes() == (comparison.folder / file).read_bytes()


def test_options_of_the_scenarios_own_recommender_hold(tiny: Scenario) -> None:
    options = {"recommender.name": "merit-order", "recommender.fill": 0.01}
    filled = cosim.load_scenario("nguyen-dupuis", **tiny.model_dump(include={"simulation"}), **options)
    plain = compare(tiny, ["merit-order"], [1]).runs["ttt_s"][0]
    assert compare(filled, ["merit-order"], [1]).runs["ttt_s"][0] != plain


# ---- the folder


def test_folder_reads_back(comparison: Comparison) -> None:
    assert comparison.folder is not None
    assert sorted(path.name for path in comparison.folder.iterdir()) == sorted(FILES)
    again = read_comparison(comparison.folder)
    for table in ("runs", "stations", "table", "differences"):
        pd.testing.assert_frame_equal(getattr(again, table), getattr(comparison, table), check_exact=True)
    assert again.scenario == comparison.scenario
    assert (again.complete, again.seeds, again.reference) == (True, SEEDS, comparison.reference)
    written = json.loads((comparison.folder / "comparison.json").read_text())
    assert written["table"] == comparison.table.to_dict("records")
    assert written["differences"] == comparison.differences.to_dict("records")
    assert (written["learned"], written["gap_to_best_heuristic"]) == ([], [])
    assert written["best_heuristic"] == comparison.reference
    assert written["versions"]["cosim"] == cosim.__version__
    assert written["commands"]["comparison"] == (
        "python -m cosim compare scenario.toml --recommenders uniform,merit-order,nearest --seeds 1000000,1000001"
    )
    assert written["commands"]["runs"]["nearest"] == (
        "python -m cosim run scenario.toml --seed SEED --recommender nearest"
    )


def test_an_interrupted_comparison_can_be_read(tiny: Scenario, tmp_path: Path) -> None:
    def interrupt(outcome: experiment.RunOutcome) -> None:
        # After each run, what is written is whole.
        there = read_comparison(tmp_path).runs
        assert (outcome.recommender, outcome.seed) in set(zip(there["recommender"], there["seed"], strict=True))
        if outcome.seed == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(tiny, ["nearest", "uniform"], [3, 4], out=tmp_path, on_run=interrupt)
    left = read_comparison(tmp_path)
    assert not left.complete
    assert list(zip(left.runs["recommender"], left.runs["seed"], strict=True)) == [
        ("nearest", 3),
        ("nearest", 4),
        ("uniform", 3),
    ]
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert (written["complete"], written["runs_finished"]) == (False, 3)
    assert written["differences"][0]["seeds"] == 1
    # Nobody waits for pictures who has asked to stop.
    assert not list(tmp_path.glob("*.png"))


def test_a_folder_that_is_no_comparison(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="not a comparison folder"):
        read_comparison(tmp_path)
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(ResultsError, match="cannot be read"):
        read_comparison(tmp_path)
    with pytest.raises(ResultsError, match="exists already"):
        compare("nguyen-dupuis", ["nearest"], [0], out=tmp_path)


# ---- learned policies


def test_a_learned_policy_is_compared_with_the_best_heuristic(comparison: Comparison) -> None:
    found = dataclasses.replace(comparison, learned=("merit-order",))
    ttt_s = found.runs.pivot_table(index="seed", columns="recommender", values="ttt_s")
    best = min(("uniform", "nearest"), key=lambda name: ttt_s[name].mean())
    assert found.best_heuristic == best
    of_seed = 100 * (ttt_s["merit-order"] / ttt_s[best] - 1)
    gap = {
        "recommender": "merit-order",
        "reference": best,
        "seeds": 2,
        "mean_percent": pytest.approx(100 * (ttt_s["merit-order"].sum() / ttt_s[best].sum() - 1)),
        # Of two seeds a quarter of the resamples holds the one twice, and a quarter the other.
        "low_percent": pytest.approx(of_seed.min()),
        "high_percent": pytest.approx(of_seed.max()),
    }
    written = found.summary()
    assert (written["learned"], written["best_heuristic"]) == (["merit-order"], best)
    assert written["gap_to_best_heuristic"] == [gap]
    assert found.summary(with_differences=False)["gap_to_best_heuristic"] == []
    nobody_else = dataclasses.replace(comparison, learned=NAMES)
    assert nobody_else.best_heuristic is None
    assert nobody_else.gaps.empty


# ---- failures


class Faulty:
    """Fails at its fifth answer."""

    def reset(self, system: object, rng: np.random.Generator) -> None:
        self.answers = 0

    def recommend(self, request: object, view: object) -> int:
        self.answers += 1
        if self.answers == 5:
            raise ZeroDivisionError("no more")
        return 0


class OutOfRange(Faulty):
    """Names a station that is not there."""

    def recommend(self, request: object, view: object) -> int:
        return 99


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install two recommenders that fail."""
    genuine = {kind: registry._entry_points(kind) for kind in registry.KINDS}
    extra = {
        "faulty": SimpleNamespace(load=lambda: Faulty, value="test:Faulty"),
        "out-of-range": SimpleNamespace(load=lambda: OutOfRange, value="test:OutOfRange"),
    }
    genuine["recommender"] = genuine["recommender"] | extra
    monkeypatch.setattr(registry, "_entry_points", genuine.__getitem__)


@pytest.mark.usefixtures("faulty")
def test_a_failing_recommender_leaves_the_others_alone(tiny: Scenario, tmp_path: Path) -> None:
    found = compare(tiny, ["faulty", "nearest", "out-of-range"], SEEDS, out=tmp_path)
    assert [(failure.recommender, failure.seed) for failure in found.failures] == [
        (name, seed) for name in ("faulty", "out-of-range") for seed in SEEDS
    ]
    assert found.failures[0].reason.startswith("ZeroDivisionError: no more (test_experiment.py, line ")
    assert "the recommender chose station 99" in found.failures[2].reason
    assert list(found.runs["recommender"]) == ["nearest"] * 2
    assert not found.complete
    assert found.reference == "nearest"
    assert list(found.table["runs"]) == [0, 2, 0]
    assert json.loads((tmp_path / "comparison.json").read_text())["table"][0]["ttt_s_mean"] is None


class Fragile(Executor):
    """Loses the process of one call."""

    def __init__(self, lost: int) -> None:
        self.lost, self.calls = lost, 0

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        if self.calls == self.lost:
            future.set_exception(BrokenExecutor("its worker process died (signal 9)"))
        else:
            future.set_result(fn(*args, **kwargs))
        self.calls += 1
        return future


def test_a_worker_that_dies_takes_one_run_along(tiny: Scenario) -> None:
    found = compare(tiny, ["nearest", "uniform"], [3, 4], executor=Fragile(lost=2))
    (failure,) = found.failures
    assert (failure.recommender, failure.seed) == ("nearest", 4)
    assert failure.reason == "its worker process died (signal 9)"
    assert len(found.runs) == 3


def test_worker_processes_survive_one_another() -> None:
    with WorkerProcesses(1) as executor:
        first = executor.submit(os.getpid)
        failing = executor.submit(divmod, 1, 0)
        again = executor.submit(os.getpid)
        dying = executor.submit(signal.raise_signal, signal.SIGKILL)
        leaving = executor.submit(os._exit, 3)
        last = executor.submit(os.getpid)
        assert first.result() == again.result() not in {os.getpid(), last.result()}
        with pytest.raises(ZeroDivisionError):
            failing.result()
        with pytest.raises(BrokenExecutor, match=r"died \(signal 9\)"):
            dying.result()
        with pytest.raises(BrokenExecutor, match=r"died \(exit status 3\)"):
            leaving.result()
    with pytest.raises(ProcessLookupError):
        os.kill(last.result(), 0)


# ---- bad input


@pytest.mark.parametrize(
    ("names", "seeds", "reference", "sentences"),
    [
        (
            ["nearst", "unifrom", "uniform"],
            [1],
            None,
            ["unknown recommender 'nearst'; did you mean 'nearest'?", "'unifrom'; did you mean 'uniform'?"],
        ),
        ([], [1], None, ["recommenders: none is given"]),
        (["uniform", "uniform"], [1], None, ["recommenders: 'uniform' is given twice."]),
        (["uniform"], [], None, ["seeds: none is given"]),
        (["uniform"], [2, 1, 2, 1], None, ["seeds: 2 is given twice.", "seeds: 1 is given twice."]),
        (["uniform"], [-1], None, ["seeds: -1 is below 0."]),
        (["uniform"], [1.5], None, ["seeds: they must be whole numbers"]),
        (
            ["uniform", "nearest"],
            [1],
            "nearst",
            ["reference: 'nearst' is not among the recommenders; did you mean 'nearest'?"],
        ),
    ],
)
def test_bad_input_names_every_fault(
    names: list[str], seeds: list[int], reference: str | None, sentences: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        compare("nguyen-dupuis", names, seeds, reference=reference)
    assert len(caught.value.faults) == len(sentences)
    for fault, sentence in zip(caught.value.faults, sentences, strict=True):
        assert sentence in fault


def test_seeds_from_text() -> None:
    assert parse_seeds("3") == (EVALUATION_SEED_START, EVALUATION_SEED_START + 1, EVALUATION_SEED_START + 2)
    assert parse_seeds("3,1,4") == (3, 1, 4)
    assert parse_seeds("3,") == (3,)
    for text in ("x", "", "1,,2", "1.5", "-1", "1,x", "1000001"):
        with pytest.raises(InputError, match="--seeds"):
            parse_seeds(text)


# ---- statistics against hand computation


def runs_of(values: dict[str, list[float]]) -> pd.DataFrame:
    """Runs whose every metric is the given number, seeds 0, 1, ..."""
    rows = [
        {"recommender": name, "seed": seed} | dict.fromkeys(SUMMARISED, value)
        for name, numbers in values.items()
        for seed, value in enumerate(numbers)
        if not math.isnan(value)
    ]
    return pd.DataFrame(rows)


def test_means_and_deviations() -> None:
    table = summary_table(runs_of({"a": [1.0, 2.0, 6.0], "b": [4.0]}), ["b", "a", "c"]).set_index("recommender")
    assert list(table.index) == ["b", "a", "c"]
    assert table.loc["a", "ttt_s_mean"] == 3.0
    assert table.loc["a", "ttt_s_sd"] == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert table.loc["b", "cvv_pu_mean"] == 4.0
    assert math.isnan(table.loc["b", "cvv_pu_sd"])
    assert list(table["runs"]) == [1, 3, 0]
    assert math.isnan(table.loc["c", "wct_min_mean"])


def test_best_has_the_lowest_mean_of_those_with_all_runs() -> None:
    values = {"a": [5.0, 5.0], "b": [1.0, math.nan], "c": [4.0, 5.0]}
    assert best_recommender(summary_table(runs_of(values), ["a", "b", "c"])) == "c"
    assert best_recommender(summary_table(runs_of(values), ["d"])) is None


def test_differences_pair_the_seeds() -> None:
    """Common noise of 100 per seed cancels; a seed that only one of the two has does not count."""
    noise = np.random.default_rng(1).normal(0.0, 100.0, 6)
    values = {
        "reference": noise,
        "worse": noise + np.array([1, 2, 3, 2, 1, 3]),
        "partial": [noise[0] - 1, *[math.nan] * 5],
    }
    found = paired_differences(runs_of(values), ["worse", "reference", "partial"], "reference")
    assert set(found["recommender"]) == {"worse", "partial"}
    assert list(found["metric"]) == ["ttt_s", "cvv_pu", "wct_min"] * 2
    worse, partial = found.iloc[0], found.iloc[3]
    assert (worse["seeds"], worse["difference"]) == (6, pytest.approx(2.0))
    assert 1.0 < worse["low"] < 2.0 < worse["high"] < 3.0
    assert (partial["seeds"], partial["difference"]) == (1, pytest.approx(-1.0))
    assert math.isnan(partial["low"])
    assert paired_differences(runs_of(values), ["worse"], None).empty


def test_gaps_are_ratios_of_means_over_common_seeds() -> None:
    """Resampled, two seeds are the first twice (+20 %), the second twice (-10 %), or both, whose means are alike."""
    values = {"learner": [120.0, 180.0], "other": [115.0], "heuristic": [100.0, 200.0, 7.0]}
    found = relative_gaps(runs_of(values), ["learner", "other", "absent"], "heuristic").set_index("recommender")
    assert list(found["seeds"]) == [2, 1, 0]
    assert tuple(found.loc["learner", ["mean_percent", "low_percent", "high_percent"]]) == pytest.approx((0, -10, 20))
    assert found.loc["other", "mean_percent"] == pytest.approx(15.0)
    assert math.isnan(found.loc["other", "low_percent"])
    assert math.isnan(found.loc["absent", "mean_percent"])
    assert relative_gaps(runs_of(values), ["learner"], None).empty
    nobody_drives = relative_gaps(runs_of({"learner": [0.0, 1.0], "heuristic": [0.0, 1.0]}), ["learner"], "heuristic")
    assert math.isnan(nobody_drives["mean_percent"][0])


def test_gap_by_resampling_pairs() -> None:
    """Resampling the pairs by hand gives the interval of the ratio of their means."""
    rng = np.random.default_rng(9)
    noise = rng.normal(600.0, 50.0, 12)
    ours, theirs = noise * rng.normal(1.1, 0.02, 12), noise
    picks = rng.integers(0, 12, (40_000, 12))
    by_hand = np.quantile(100 * (ours[picks].mean(axis=1) / theirs[picks].mean(axis=1) - 1), [0.025, 0.975])
    gap = relative_gaps(runs_of({"learner": list(ours), "heuristic": list(theirs)}), ["learner"], "heuristic").iloc[0]
    assert (gap["low_percent"], gap["high_percent"]) == pytest.approx(tuple(by_hand), abs=0.05)


def test_bootstrap_interval_of_a_normal_sample() -> None:
    """For the mean of many normal differences the interval is that of the normal distribution."""
    sample = np.random.default_rng(5).normal(3.0, 2.0, 400)
    half = scipy.stats.norm.ppf(0.975) * sample.std() / math.sqrt(len(sample))
    low, high = bootstrap_interval(sample)
    assert low == pytest.approx(sample.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(sample.mean() + half, abs=0.05 * half)
    assert (low, high) == bootstrap_interval(sample)


def test_bootstrap_interval_by_resampling_pairs() -> None:
    """Resampling the pairs by hand gives the interval of their differences."""
    rng = np.random.default_rng(3)
    ours, theirs = rng.gamma(2.0, 1.0, 12), rng.gamma(2.0, 1.0, 12)
    picks = rng.integers(0, 12, (40_000, 12))
    by_hand = np.quantile(ours[picks].mean(axis=1) - theirs[picks].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(ours - theirs) == pytest.approx(tuple(by_hand), abs=0.02)


def test_bootstrap_interval_at_its_ends() -> None:
    assert bootstrap_interval(np.full(5, 2.5)) == (2.5, 2.5)
    for sample in ([], [1.0], [1.0, math.nan, 2.0]):
        assert all(math.isnan(bound) for bound in bootstrap_interval(np.array(sample)))


def test_a_run_that_is_over_has_empty_stations() -> None:
    def stations(instants: list[float], power_kw: float, cap_kw: float) -> pd.DataFrame:
        rows = [(time_s, name, 1, 2, 0, power_kw, cap_kw) for time_s in instants for name in ("CS2", "CS10")]
        return pd.DataFrame(rows, columns=["time_s", "station", "queued", "charging", "en_route", "power_kw", "cap_kw"])

    means = mean_over_runs([stations([0.0], 10.0, 50.0), stations([0.0, 60.0], 20.0, 30.0)])
    assert list(means["station"]) == ["CS2", "CS10"] * 2
    assert list(means["time_s"]) == [0.0, 0.0, 60.0, 60.0]
    assert list(means["power_kw"]) == [15.0, 15.0, 10.0, 10.0]
    assert list(means["charging"]) == [2.0, 2.0, 1.0, 1.0]
    assert list(means["cap_kw"]) == [40.0, 40.0, 30.0, 30.0]
    assert list(means["runs"]) == [2, 2, 1, 1]
