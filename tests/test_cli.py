"""The command line as a person uses it: real processes, exit status, what is printed where."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import cosim
from cosim.cli import run_command_line

SHORT = ("--set", "simulation.warmup_s=60", "--set", "simulation.control_s=240")


def cli(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cosim", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=120)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_command_line(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("cosim: ")
    assert "Traceback" not in captured.err
    return captured.err


def test_run_from_anywhere(tmp_path: Path) -> None:
    done = cli("run", *SHORT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    lines = done.stdout.splitlines()
    assert lines[-1] == f"run folder: runs/{folder.name}"
    assert folder.name.endswith("-nguyen-dupuis-uniform-seed0")
    for words in (
        "total travel time (TTT)",
        "lowest recorded voltage",
        " pu ",
        "38 edges; ieee33: 33 buses (lightsim2grid)",
    ):
        assert words in done.stdout
    summary = json.loads((folder / "summary.json").read_text())
    assert f"lowest voltage at bus {summary['voltage']['lowest_bus']} at 0" in done.stdout
    assert f"{summary['metrics']['ttt_s']:,.0f}" in done.stdout
    assert summary["complete"] is True


def test_quiet_prints_the_folder_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", *SHORT, "--quiet", "--out", str(tmp_path / "a"), "--seed", "4", "--grid", "ieee69",
                 "--recommender", "nearest", "--controller", "CS1=equal-share",
                 "--controller", "CS2=uncontrolled"]  # fmt: skip
    assert run_command_line(arguments) == 0
    # Of SUMO's own messages, too.
    assert capfd.readouterr() == (f"{tmp_path / 'a'}\n", "")
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert (summary["seed"], summary["grid"], summary["recommender"]) == (4, "ieee69", "nearest")
    assert summary["controllers"] == {
        "CS1": "equal-share",
        "CS2": "uncontrolled",
        "CS3": "uncontrolled",
        "CS4": "uncontrolled",
        "CS5": "uncontrolled",
    }


def test_check_tells_the_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check"]) == 0
    told = capsys.readouterr().out
    for words in (
        "13 nodes, 38 edges",
        "800 vehicles: 200 in 1200 s of warm-up, 600 in 3600 s of control, 300 of these are EVs",
        "base losses 202.68 kW, lowest voltage 0.9131 pu at bus 18, mean deviation 0.05154 pu",
        "CVV floor    15.46 pu over 300 decisions",
        "cap at base load 48.92 kW",
        "station CS4  edge 7_11",
    ):
        assert words in told


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list"]) == 0
    told = capsys.readouterr().out
    for name in ("nguyen-dupuis", "ieee33", "ieee69", "least-time-droop", "merit-order", "equal-share"):
        assert f"  {name} " in told


def test_help_and_list_import_nothing_heavy() -> None:
    code = (
        "import sys; from cosim.cli import run_command_line; run_command_line(['list'])\n"
        "heavy = {'pandapower', 'libsumo', 'traci', 'torch', 'pandas', 'lightsim2grid', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--recomender", "nearest"], "Unknown option: --recomender. Did you mean --recommender?"),
        (["runn"], 'Unknown command "runn". Did you mean "run"?'),
        (["run", "--seed", "x"], "--seed: found 'x'; it must be a whole number, at least 0."),
        (["run", "--seed", "1.5"], "--seed: found '1.5'; it must be a whole number, at least 0."),
        (
            ["check", "--set", "controller.CS1.name=equal-share", "--set", "controller.CS1.limit=5"],
            "nguyen-dupuis: [controller.CS1]: the controller 'equal-share' has no option 'limit'",
        ),
        (["check", "--set", "demand.vehicles_per_h=1e300"], "input should be less than or equal to 1000000"),
        (["check", "a" * 300 + ".toml"], "not a usable path: File name too long"),
        (
            ["check", "--set", "grid.base_load_scale=50"],
            "[grid] base_load_scale: the feeder 'ieee33' has no power flow",
        ),
        (["check", "--set", "station.CS1.bus=24.5"], "'CS1' bus: found 24.5; a bus is given by its number or its name"),
        (["check", "--set", "station=[]"], "[[station]] (set on the command line): at least one station is needed."),
        (["run", "--backend", "sumo"], "libsumo"),
        (["run", "--set", "fleet"], "--set fleet: expected key.path=value"),
        (["run", "--controller", "CS1"], "--controller CS1: expected SITE=NAME, such as CS1=equal-share."),
        (["run", "--controller", "CS1=eagr"], "unknown controller 'eagr'; did you mean 'eager'?"),
        (["run", "--grid", "ieee34"], "unknown grid 'ieee34'; did you mean 'ieee33'?"),
        (["run", "--grid", "nowhere.json"], "nowhere.json"),
        (["run", "nowhere.toml"], "nowhere.toml: the scenario file does not exist."),
        (["check", "--set", "station.CS1.edge=6_8"], "unknown edge '6_8' in network 'nguyen-dupuis'; did you mean"),
        (["check", "--set", "station.CS1.bus=34"], "[[station]] 'CS1' bus: the feeder 'ieee33' has no bus '34'"),
        (["check", "--set", "recommender.fill=2"], "the recommender 'uniform' has no option 'fill'"),
        (["run", "--set", "simulation.seed=-1"], "[simulation] seed (set on the command line): found -1;"),
    ],
)
def test_bad_input_gets_one_sentence(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    told = refused(capsys, *arguments)
    assert sentence in told
    assert len(told.splitlines()) == 1


def test_all_faults_get_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    told = refused(capsys, "check", "--set", "fleet.ev_share=3", "--set", "demand.vehicles_per_h=-1")
    assert len(told.splitlines()) == 2


def test_an_existing_folder_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "precious.txt").write_text("do not lose me")
    told = refused(capsys, "run", *SHORT, "--out", str(tmp_path))
    assert told == f"cosim: --out {tmp_path}: the folder exists already; choose another or add --overwrite.\n"
    assert run_command_line(["run", *SHORT, "--quiet", "--out", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "precious.txt").read_text() == "do not lose me"
    assert (tmp_path / "summary.json").exists()


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    told = refused(capsys, "run", *SHORT, "--out", str(tmp_path / "file" / "run"))
    assert "the folder cannot be written" in told


def test_gui_without_a_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert run_command_line(["run", *SHORT, "--gui", "--quiet", "--out", str(tmp_path / "a")]) == 2
    assert "--gui needs a screen, but DISPLAY is not set; run without --gui." in capsys.readouterr().err


def test_an_empty_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run_command_line(["run", "--set", "demand.vehicles_per_h=0", "--out", str(tmp_path / "a")]) == 0
    assert "0 of 0 vehicles arrived" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--version"]) == 0
    assert capsys.readouterr().out.strip() == cosim.__version__


def test_warnings_are_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = str(tmp_path / "a")
    assert run_command_line(["run", *SHORT, "--set", "simulation.time_limit_s=400", "--out", out]) == 0
    assert "warning: the run stopped at simulation.time_limit_s with" in capsys.readouterr().out
