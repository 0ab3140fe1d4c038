"""Runs that are cut short: SUMO dies, Ctrl-C, kill. What was there stays readable, and says that it is not complete."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cosim
from cosim.control import Request, SystemView
from cosim.errors import InputError, InterruptedRunError, PowerFlowError, ResultsError, SimulatorError
from cosim.results import RunFolder, read_result
from cosim.runner import Progress, Watch
from cosim.scenario import Scenario
from cosim_agents.heuristics.static import Uniform


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
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="interrupted at simulated second 9"):
        cosim.run(short_scenario, out=tmp_path / "a", watch=Watch(progress=interrupt))
    check_partial(tmp_path / "a")


@pytest.mark.parametrize(
    ("backend", "number"),
    [
        ("libsumo", signal.SIGINT),
        ("libsumo", signal.SIGTERM),
        ("libsumo", signal.SIGKILL),
        ("traci", signal.SIGINT),
    ],
)
def test_signals(tmp_path: Path, backend: str, number: signal.Signals) -> None:
    """Ctrl-C and a termination request write what there is; even a kill leaves the tables of a moment ago."""
    folder = tmp_path / "a"
    command = [sys.executable, "-m", "cosim", "run", "--out", str(folder), "--backend", backend,
               "--set", "simulation.warmup_s=300", "--set", "simulation.control_s=36000"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    summary, deadline = folder / "summary.json", time.monotonic() + 60
    while time.monotonic() < deadline:
        if summary.exists() and json.loads(summary.read_text())["counts"]["arrived"] > 0:
            break
        time.sleep(0.05)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert "Traceback" not in told
    if number is signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 1
        said = (
            r'cosim: interrupted at simulated second \d+; .* holds what was there, its summary says "complete": false.'
        )
        assert re.fullmatch(said, told.strip())
    check_partial(folder)


def test_a_collapse_that_ends_the_run_keeps_what_was_there(short_scenario: Scenario, tmp_path: Path) -> None:
    weak = tuple(station.model_copy(update={"bus": 18, "max_power_kw": 400.0}) for station in short_scenario.station)
    changes = {
        "station": weak,
        "fleet": short_scenario.fleet.model_copy(update={"max_power_kw": 400.0}),
        "droop": short_scenario.droop.model_copy(update={"enabled": False, "max_power_kw": 400.0}),
        "grid": short_scenario.grid.model_copy(update={"on_collapse": "raise"}),
    }
    with pytest.raises(PowerFlowError, match="bus 18"):
        cosim.run(short_scenario.model_copy(update=changes), out=tmp_path / "a")
    partial = check_partial(tmp_path / "a")
    assert partial.counts["decisions"] > 0
    assert partial.buses["vm_pu"].min() >= 0.7


def test_a_fault_of_the_recommender_keeps_what_was_there(short_scenario: Scenario, tmp_path: Path) -> None:
    class Faulty(Uniform):
        def recommend(self, request: Request, view: SystemView) -> int:
            if request.step == 60:
                raise ZeroDivisionError
            return super().recommend(request, view)

    with pytest.raises(ZeroDivisionError):
        cosim.run(short_scenario, recommender=Faulty(), out=tmp_path / "a")
    assert check_partial(tmp_path / "a").counts["decisions"] == 60


def test_overwrite_destroys_nothing_before_the_new_run_begins(short_scenario: Scenario, tmp_path: Path) -> None:
    cosim.run(short_scenario, out=tmp_path / "a")
    before = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    station = short_scenario.station[0].model_copy(update={"edge": "nope"})
    with pytest.raises(InputError, match="unknown edge 'nope'"):
        cosim.run(short_scenario.model_copy(update={"station": (station,)}), out=tmp_path / "a", overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == before
    with pytest.raises(InputError, match="unknown edge 'nope'"):
        cosim.run(short_scenario.model_copy(update={"station": (station,)}), out=tmp_path / "b")
    assert not (tmp_path / "b").exists(), "no empty folder is left behind"


def test_default_folders_are_never_shared(tmp_path: Path) -> None:
    folders = [RunFolder.numbered(tmp_path / "runs" / "now") for _ in range(3)]
    assert [folder.path.name for folder in folders] == ["now", "now-2", "now-3"]


def test_vehicles_that_still_charge_count_with_what_they_drew(short_scenario: Scenario) -> None:
    simulation = short_scenario.simulation.model_copy(update={"time_limit_s": 1260, "record_interval_s": 1})
    result = cosim.run(short_scenario.model_copy(update={"simulation": simulation}))
    charging = result.trips["plug_in_s"].notna() & result.trips["plug_out_s"].isna()
    assert charging.sum() > 5
    integral_kwh = result.stations["power_kw"].sum() / 3600
    assert result.metrics["energy_delivered_kwh"] == pytest.approx(integral_kwh, rel=0.005)


def test_reading_what_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"not a run folder \(there is no summary.json\)"):
        read_result(tmp_path)


def test_reading_a_broken_table(short_scenario: Scenario, tmp_path: Path) -> None:
    cosim.run(short_scenario, out=tmp_path / "a")
    assert read_result(tmp_path / "a").trips.equals(read_result(tmp_path / "a").tables["trips"])
    (tmp_path / "a" / "trips.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="the run folder cannot be read"):
        read_result(tmp_path / "a")
