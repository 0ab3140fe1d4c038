"""Runs that are cut short: SUMO dies, Ctrl-C, kill. What was there stays readable, and says that it is not complete."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cosim
from cosim.errors import InputError, ResultsError, SimulatorError
from cosim.results import read_result
from cosim.runner import Progress, Watch
from cosim.scenario import Scenario


def check_partial(folder: Path) -> cosim.Result:
    partial = read_result(folder)
    assert partial.summary["complete"] is False
    assert partial.summary["stop_reason"] == "not finished"
    assert 0 < partial.counts["arrived"] < partial.counts["vehicles"]
    assert partial.trips["arrive_s"].notna().sum() == partial.counts["arrived"]
    assert len(partial.stations) > 0
    assert len(partial.buses) % 33 == 0
    return partial


def test_sumo_dies_in_mid_run(short_scenario: Scenario, tmp_path: Path) -> None:
    simulation = short_scenario.simulation.model_copy(update={"backend": "traci"})

    def kill_sumo(progress: Progress) -> None:
        if progress.time_s == 900:
            children = subprocess.run(
                ["/bin/ps", "--ppid", str(os.getpid()), "-o", "pid=,comm="], capture_output=True, text=True, check=True
            )
            for line in children.stdout.splitlines():
                number, name = line.split()
                if name == "sumo":
                    os.kill(int(number), signal.SIGKILL)

    with pytest.raises(SimulatorError, match=r"^SUMO died at simulated second \d+ \(exit status -9\)\.$"):
        cosim.run(
            short_scenario.model_copy(update={"simulation": simulation}),
            out=tmp_path / "a",
            watch=Watch(progress=kill_sumo),
        )
    partial = check_partial(tmp_path / "a")
    assert partial.stations["time_s"].max() == 900
    assert partial.decisions["cost"].iloc[:-1].notna().all()


def test_interrupt_in_python(short_scenario: Scenario, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.time_s == 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cosim.run(short_scenario, out=tmp_path / "a", watch=Watch(progress=interrupt))
    check_partial(tmp_path / "a")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and a termination request write what there is; even a kill leaves the tables of a moment ago."""
    folder = tmp_path / "a"
    command = [sys.executable, "-m", "cosim", "run", "--out", str(folder), "--set", "demand.vehicles_per_h=1800",
               "--set", "simulation.control_s=36000"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "summary.json").exists() and read_result(folder).counts["arrived"] > 0:
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert "Traceback" not in told
    if number is signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 1
        assert told == 'cosim: interrupted; a run folder holds what was there, its summary says "complete": false.\n'
    check_partial(folder)


def test_reading_what_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"not a run folder \(there is no summary.json\)"):
        read_result(tmp_path)


def test_reading_a_broken_table(short_scenario: Scenario, tmp_path: Path) -> None:
    cosim.run(short_scenario, out=tmp_path / "a")
    assert read_result(tmp_path / "a").trips.equals(read_result(tmp_path / "a").tables["trips"])
    (tmp_path / "a" / "trips.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="the run folder cannot be read"):
        read_result(tmp_path / "a")
