"""``cosim compare`` as a person uses it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cosim import plots, registry
from cosim.cli import run_command_line
from cosim.comparison import read_comparison

TINY = ("--set", "simulation.warmup_s=60", "--set", "simulation.control_s=240")


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command_line(["compare", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("cosim: ")
    return captured.err


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take half a second each; tests/test_plots.py and tests/test_experiment.py draw them."""
    monkeypatch.setattr(plots, "installed", lambda: False)


def test_tables_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["compare", *TINY, "--recommenders", "uniform, merit-order", "--seeds", "2"]) == 0
    told = capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("-nguyen-dupuis-comparison")
    assert told.splitlines()[-2:] == [
        f"comparison folder: runs/{folder.name}",
        f"page: runs/{folder.name}/report.html",
    ]
    comparison = read_comparison(folder)
    table = comparison.table.iloc[0]
    for words in (
        "1 of 4 runs: uniform, seed 1000000: TTT ",
        "nguyen-dupuis, seeds 1000000-1000001: 4 of 4 runs",
        "TTT [s]",
        "below 0.95 [%]",
        f"{table['ttt_s_mean']:,.0f} ± {table['ttt_s_sd']:,.0f}",
        f"{table['cvv_pu_mean']:.2f} ± {table['cvv_pu_sd']:.2f}",
        "floor: CVV of 1.03 pu without any charging",
        f"mean difference from {comparison.reference}, seed by seed [95 % bootstrap interval]",
        f"{comparison.differences['difference'][0]:+,.0f} [{comparison.differences['low'][0]:+,.0f}, ",
    ):
        assert words in told
    assert "gap to" not in told
    assert 'pictures: pip install "cosim-grid[plots]" would draw them' in told


def test_quiet_and_every_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", *TINY, "--recommenders", "nearest,uniform", "--seeds", "7,", "--workers", "1",
                 "--reference", "nearest", "--controller", "CS1=equal-share", "--grid", "ieee69", "--quiet",
                 "--out", str(tmp_path / "a")]  # fmt: skip
    assert run_command_line(arguments) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'a'}\n", "")
    comparison = read_comparison(tmp_path / "a")
    assert (comparison.seeds, comparison.reference, comparison.complete) == ((7,), "nearest", True)
    assert comparison.scenario.grid.name == "ieee69"
    assert comparison.scenario.controller["CS1"].name == "equal-share"
    written = json.loads((tmp_path / "a" / "comparison.json").read_text())
    assert written["commands"]["comparison"].endswith("--recommenders nearest,uniform --seeds 7, --reference nearest")


def test_one_recommender_has_no_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["compare", *TINY, "--recommenders", "nearest", "--seeds", "5,", "--out", str(tmp_path)]
    assert run_command_line(arguments) == 0
    told = capsys.readouterr().out
    assert "difference" not in told
    assert "±" not in told.replace("mean ± standard deviation", "")
    assert refused(capsys, *arguments[1:]).endswith("the folder exists already; choose another or add --overwrite.\n")
    assert run_command_line([*arguments, "--overwrite", "--quiet"]) == 0


class Faulty:
    """Has no answer."""

    def reset(self, system: object, rng: object) -> None:
        """Forget nothing."""

    def recommend(self, request: object, view: object) -> int:
        raise LookupError("no answer")


class Pupil(Faulty):
    """A learned policy with one answer."""

    learned = True

    def recommend(self, request: object, view: object) -> int:
        return 0


def install(monkeypatch: pytest.MonkeyPatch, **plugins: type) -> None:
    """Install recommenders."""
    genuine = {kind: registry._entry_points(kind) for kind in registry.KINDS}
    genuine["recommender"] = genuine["recommender"] | {
        name: SimpleNamespace(load=lambda plugin=plugin: plugin, value=f"test:{name}")
        for name, plugin in plugins.items()
    }
    monkeypatch.setattr(registry, "_entry_points", genuine.__getitem__)


def test_gap_of_a_learned_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, pupil=Pupil)
    arguments = [*TINY, "--recommenders", "pupil,nearest", "--seeds", "2", "--out", str(tmp_path)]
    assert run_command_line(["compare", *arguments]) == 0
    told = capsys.readouterr().out
    comparison = read_comparison(tmp_path)
    assert (comparison.learned, comparison.best_heuristic) == (("pupil",), "nearest")
    gap = comparison.gaps.iloc[0]
    (written,) = json.loads((tmp_path / "comparison.json").read_text())["gap_to_best_heuristic"]
    assert written == gap.to_dict()
    interval = f"{gap['mean_percent']:+.2f} [{gap['low_percent']:+.2f}, {gap['high_percent']:+.2f}]"
    (row,) = [line for line in told.splitlines() if interval in line]
    assert row.split()[1] == "pupil"
    assert told.count("TTT: gap to nearest [%]") == 1


def test_failed_runs_give_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, faulty=Faulty)
    arguments = [*TINY, "--recommenders", "faulty,nearest", "--seeds", "1,2,4", "--out", str(tmp_path)]
    assert run_command_line(["compare", *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("cosim: faulty, seeds 1-2, 4: LookupError: no answer (test_cli_compare.py, line ")
    assert len(captured.err.splitlines()) == 1
    assert "3 of 6 runs" in captured.out
    assert "faulty, seed 1: failed" in captured.out
    assert len(read_comparison(tmp_path).runs) == 3


def test_warnings_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    late = ("--set", "simulation.time_limit_s=400")
    assert run_command_line(["compare", *TINY, *late, "--recommenders", "nearest", "--seeds", "2", "--out",
                             str(tmp_path)]) == 0  # fmt: skip
    told = capsys.readouterr().out
    assert "warning: nearest, all its runs together: the run stopped at simulation.time_limit_s with" in told


def test_interruption_keeps_what_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    command = [sys.executable, "-m", "cosim", "compare", *TINY, "--recommenders", "nearest,uniform", "--seeds",
               "500", "--workers", "2", "--quiet", "--out", str(folder)]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (folder / "comparison.json").exists() or not len(read_comparison(folder).runs):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # As Ctrl-C on a terminal does: to the workers, too.
        os.killpg(process.pid, signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert told == (
        f'cosim: interrupted; {folder} holds the finished runs, its comparison.json says "complete": false.\n'
    )
    left = read_comparison(folder)
    assert not left.complete
    assert len(left.runs) >= 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--recommenders"),
        (["--recommenders", ","], "recommenders: none is given"),
        (["--recommenders", "nearst"], "unknown recommender 'nearst'; did you mean 'nearest'?"),
        (["--recommenders", "nearest", "--seeds", "x"], "--seeds x: expected how many evaluation seeds (20), or"),
        (["--recommenders", "nearest", "--seeds", "0"], "seeds: none is given; at least one is needed."),
        (["--recommenders", "nearest", "--workers", "0"], "--workers 0: at least 1 worker is needed."),
        (["--recommenders", "nearest", "--reference", "uniform"], "reference: 'uniform' is not among the recommenders"),
        (["--recommenders", "nearest", "--recommender", "uniform"], "a comparison takes --recommenders A,B,..."),
        (["--recommenders", "nearest", "--set", "station.CS1.edge=6_8"], "unknown edge '6_8'"),
        (["--recommenders", "uniform", "--set", "recommender.fill=1"], "no option 'fill'"),
    ],
)
def test_bad_input_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    told = refused(capsys, *arguments)
    assert sentence in told
    assert len(told.splitlines()) == 1
    assert not any(tmp_path.iterdir())
