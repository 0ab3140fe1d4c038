"""Station scenarios on the command line: compare, train, check, list, and what is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from cosim import plots, registry
from cosim.cli import run_command_line
from cosim.control import SiteView
from cosim.errors import InputError, ResultsError
from cosim.scenario_file import load_station_scenario
from cosim.station.comparison import OPTIMUM, PICTURES, StationComparison, read_station_comparison
from cosim.station.plots import plot_costs, plot_loads

TINY = ("--set", "arrivals.vehicles_per_day=8")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take half a second each."""
    monkeypatch.setattr(plots, "installed", lambda: False)


def compare(*arguments: str) -> int:
    return run_command_line(["compare", "station-home", *TINY, *arguments])


def test_tables_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert compare("--controllers", "eager, oa,mpc", "--seeds", "3", "--set", "controller.oa.period_s=3600") == 0
    told = capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("-station-home-comparison")
    assert told.splitlines()[-2:] == [
        f"comparison folder: runs/{folder.name}",
        f"page: runs/{folder.name}/report.html",
    ]
    found = read_station_comparison(folder)
    assert found.complete
    assert found.controllers == ("eager", "oa", "mpc")
    assert (found.runs["ratio"] >= 1 - 1e-9).all()
    assert (found.runs["optimum_gap"] <= 1e-9).all()
    assert (found.runs["vehicles_short"] == 0).all()
    assert set(found.decision_ms) == {"eager", "oa", "mpc"}
    row = found.table.iloc[0]
    for words in (
        "9 of 9 days: mpc, seed 1000002: ",
        "station-home, seeds 1000000-1000002: 9 of 9 days",
        f"{row['ratio_mean']:.4f} [{row['ratio_low']:.4f}, {row['ratio_high']:.4f}]",
        f"{found.optimum['cost']:.2f}",
        f"bill above that of {found.reference}, seed by seed",
        'pictures: pip install "cosim-grid[plots]" would draw them',
    ):
        assert words in told
    loads = found.loads
    assert list(loads["controller"].unique()) == ["eager", "oa", "mpc", OPTIMUM]
    np.testing.assert_allclose(loads["total_kw"], loads["base_kw"] + loads["charging_kw"])
    energy_kwh = 0.5 * loads.groupby("controller", sort=False)["charging_kw"].sum()
    np.testing.assert_allclose(energy_kwh, found.runs.groupby("controller")["asked_kwh"].mean().iloc[0])
    written = json.loads((folder / "comparison.json").read_text())
    assert written["command"] == (
        "python -m cosim compare scenario.toml --controllers eager,oa,mpc --seeds 1000000,1000001,1000002"
    )
    assert [entry["controller"] for entry in written["gaps"]] == [n for n in found.controllers if n != found.reference]


def test_same_seeds_give_the_same_tables_to_the_last_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, workers in (("a", "1"), ("b", "2")):
        arguments = ["--controllers", "oa,mpc", "--seeds", "2", "--workers", workers, "--quiet"]
        assert compare(*arguments, "--out", str(tmp_path / name)) == 0
        assert capsys.readouterr() == (f"{tmp_path / name}\n", "")
    for table in ("runs.parquet", "loads.parquet", "scenario.toml"):
        assert (tmp_path / "a" / table).read_bytes() == (tmp_path / "b" / table).read_bytes()
    # The folder's own scenario gives them again.
    again = ["compare", str(tmp_path / "a" / "scenario.toml"), "--controllers", "oa,mpc", "--seeds", "2", "--quiet"]
    assert run_command_line([*again, "--out", str(tmp_path / "c")]) == 0
    assert (tmp_path / "a" / "runs.parquet").read_bytes() == (tmp_path / "c" / "runs.parquet").read_bytes()


class Faulty:
    """Has no answer on some days."""

    period_s = None

    def __init__(self, policy: str = "none") -> None:
        self.notes = {f"policy {policy}": 1}

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        if site.occupied.sum() == 3:
            raise LookupError("no answer")
        return np.full(site.station.chargers, 99.0)


def install(monkeypatch: pytest.MonkeyPatch, **plugins: type) -> None:
    genuine = {kind: registry._entry_points(kind) for kind in registry.KINDS}
    genuine["controller"] = genuine["controller"] | {
        name: SimpleNamespace(load=lambda plugin=plugin: plugin, value=f"test:{name}")
        for name, plugin in plugins.items()
    }
    monkeypatch.setattr(registry, "_entry_points", genuine.__getitem__)


def test_failed_days_are_kept_apart_and_notes_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, faulty=Faulty)
    assert compare("--controllers", "faulty,eager", "--seeds", "1,2", "--out", str(tmp_path / "a")) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("cosim: faulty, seeds 1-2: LookupError: no answer (test_cli_station.py, line ")
    assert "2 of 4 days" in captured.out
    found = read_station_comparison(tmp_path / "a")
    assert (found.complete, len(found.failures), found.reference) == (False, 2, "eager")
    tiny = ("--set", "arrivals.vehicles_per_day=0.5", "--controllers", "faulty", "--seeds", "1,2")
    assert run_command_line(["compare", "station-home", *tiny, "--out", str(tmp_path / "b")]) == 0
    told = capsys.readouterr().out
    assert "note: faulty, 2 times in " in told
    assert "policy station-home" in told


def test_warnings_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = ("--set", "station.chargers=2", "--set", "station.charging_limit_kw=3")
    assert compare(*limits, "--controllers", "eager,oa", "--seeds", "2", "--out", str(tmp_path)) == 0
    told = capsys.readouterr().out
    for words in (
        "warning: eager left ", "vehicles short, of ", "warning: the offline optimum has a charger for every vehicle",
        "warning: on 2 days the offline optimum, which knows no limits, exceeds a limit",
    ):  # fmt: skip
        assert words in told


def test_a_bill_of_less_energy_is_no_reference() -> None:
    runs = pd.DataFrame({
        "controller": ["a", "b"], "seed": [1, 1], "cost": [1.0, 2.0], "ratio": [0.5, 1.0], "peak_kw": [1.0, 1.0],
        "load_factor": [1.0, 1.0], "demand_met": [0.5, 1.0], "vehicles_short": [3, 0], "short_kwh": [9.0, 0.0],
        "decisions": [1, 1],
    })  # fmt: skip
    found = StationComparison(load_station_scenario("station-home"), ("a", "b"), (1,), runs)
    assert found.reference == "b"


def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "installed", lambda: True)
    assert compare("--controllers", "eager,oa", "--seeds", "2", "--out", str(tmp_path), "--quiet") == 0
    assert all((tmp_path / name).stat().st_size > 5000 for name in PICTURES)
    found = read_station_comparison(tmp_path)
    total, charging = plot_loads(found).axes
    assert [text.get_label() for text in total.patches] == ["base load", "eager", "oa", OPTIMUM]
    assert len(charging.patches) == 3
    bars = [bar.get_width() for bar in plot_costs(found).axes[0].patches]
    np.testing.assert_allclose(bars, 100 * (found.table["ratio_mean"] - 1))
    (tmp_path / "loads.parquet").unlink()
    with pytest.raises(ResultsError, match="cannot be read"):
        read_station_comparison(tmp_path)


def test_nothing_to_draw() -> None:
    empty = SimpleNamespace(loads=pd.DataFrame())
    for draw in (plot_loads, plot_costs):
        with pytest.raises(InputError, match="nothing to draw"):
            draw(empty)


def test_interruption_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    command = [sys.executable, "-m", "cosim", "compare", "station-home", *TINY, "--controllers", "eager,oa",
               "--seeds", "2000", "--quiet", "--out", str(folder)]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "comparison.json").exists() or read_station_comparison(folder).runs.empty:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert (
        told == f'cosim: interrupted; {folder} holds the finished days, its comparison.json says "complete": false.\n'
    )
    left = read_station_comparison(folder)
    assert not left.complete
    assert len(left.runs) > 0


@pytest.mark.parametrize("agent", ["calc", "sca", "aem-8"])
def test_training_gives_a_policy_that_plays(agent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    episodes = "200" if agent.startswith("aem") else "2"
    for name in ("a", "b"):
        arguments = ["train", agent, "station-work", *TINY, "--episodes", episodes, "--out", str(tmp_path / name)]
        assert run_command_line(arguments) == 0
    told = capsys.readouterr().out.splitlines()
    policy = tmp_path / "b" / f"{agent}-station-work.npz"
    assert told[0] == f"Training {agent} on scenario 'station-work' ..."
    assert told[-1] == f"policy: {policy}"
    assert policy.read_bytes() == (tmp_path / "a" / policy.name).read_bytes()
    about = json.loads((tmp_path / "b" / "training.json").read_text())
    assert (about["agent"], about["scenario"], about["seed"]) == (agent, "station-work", 0)
    if agent != "aem-8":
        assert "epoch 2 of 2 | return " in told[-3]
        assert len(about["returns"]) == 2
    played = ["compare", "station-work", *TINY, "--controllers", agent, "--seeds", "2", "--quiet",
              "--set", f"controller.{agent}.policy={policy}", "--out", str(tmp_path / "c")]  # fmt: skip
    assert run_command_line(played) == 0
    assert read_station_comparison(tmp_path / "c").complete


def test_paper_preset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "calc", "station-home", *TINY, "--episodes", "2", "--preset", "paper", "--quiet"]
    assert run_command_line([*arguments, "--out", str(tmp_path / "a")]) == 0
    policy = tmp_path / "a" / "paper-calc-station-home.npz"
    assert capsys.readouterr().out == f"{policy}\n"
    settings = ("--set", f"controller.calc.policy={policy}", "--controllers", "calc", "--seeds", "2", "--quiet")
    assert compare(*settings, "--out", str(tmp_path / "b")) == 0
    assert read_station_comparison(tmp_path / "b").complete


def test_check_and_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run_command_line(
            ["check", "station-home", "--set", "station.limit_kw=300", "--set", "controller.oa.period_s=600"]
        )
        == 0
    )
    told = capsys.readouterr().out
    for words in (
        "96 slots of 1800 s; 60 past days", "base load  43.4 to 123.1 kW", "limits     total load 300 kW",
        "as many as needed", "oa {'period_s': 600}",
    ):  # fmt: skip
        assert words in told
    assert run_command_line(["list"]) == 0
    told = capsys.readouterr().out
    assert "  station-work " in told
    assert "  aem-33 " in told


@pytest.mark.parametrize(
    ("arguments", "sentences"),
    [
        (["run", "station-home"], ["'python -m cosim compare station-home --controllers eager,oa'"]),
        (["compare", "station-home"], ["--controllers: name those to compare"]),
        (["compare", "station-home", "--controllers", ","], ["controllers: none is given"]),
        (["compare", "station-home", "--recommenders", "nearest"], ["whose --controllers A,B,... are compared"]),
        (["compare", "--controllers", "oa"], ["--controllers: 'nguyen-dupuis' is no station scenario"]),
        (
            ["compare", "station-home", "--controllers", "oaa,oa,oa", "--reference", "x", "--seeds", "0"],
            ["'oa' is given twice", "unknown controller 'oaa'; did you mean 'oa'", "reference: 'x'", "seeds: none"],
        ),
        (["compare", "station-home", "--controllers", "oa", "--seeds", "x"], ["--seeds x: expected how many"]),
        (["compare", "station-home", "--controllers", "oa", "--workers", "0"], ["--workers 0: at least 1"]),
        (["compare", "station-home", "--controllers", "oa", "--grid", "x"], ["--grid: 'station-home' is a station"]),
        (
            ["compare", "station-home", "--controllers", "oa", "--set", "controller.oa.perod_s=3"],
            ["[controller.oa]: the controller 'oa' has no option 'perod_s'; did you mean 'period_s'"],
        ),
        (["compare", "station-home", "--controllers", "calc", "--set", "controller.calc.policy=no.npz"], ["no.npz"]),
        (["train", "ppo", "station-home"], ["ppo: it learns on coupled networks"]),
        (["train", "calc"], ["calc: it learns on a station scenario, such as station-home"]),
        (["train", "calc", "station-home", "--seed", "-1", "--episodes", "0"], ["--episodes 0", "--seed: found -1"]),
        (["train", "calc", "station-home", "--preset", "papr"], ["--preset: found 'papr'; did you mean 'paper'?"]),
        (["train", "aem-8", "station-home", "--preset", "paper"], ["--preset: 'aem-8' has 'tuned' only"]),
        (
            ["train", "calc", "station-home", "--workers", "2", "--resume", "--cost-limit", "1", "--cluster", "ray"],
            ["--workers: ", "--cluster: ", "--resume: ", "--cost-limit: "],
        ),
        (["check", "station-home", "--controller", "CS1=oa"], ["--controller: 'station-home' is a station scenario"]),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence_a_fault(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentences: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line(arguments) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == len(sentences)
    for line, sentence in zip(told, sentences, strict=True):
        assert line.startswith("cosim: ")
        assert sentence in line
    assert not any(tmp_path.iterdir())


def test_training_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cosim_agents.sca.learners.find_spec", lambda _name: None)
    assert run_command_line(["train", "calc", "station-home", "--out", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err == (
        'cosim: Training needs torch, not installed here: pip install -e ".[train]" (a trained policy runs without).\n'
    )
    assert not (tmp_path / "a").exists()
