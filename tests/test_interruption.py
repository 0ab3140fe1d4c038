"""Ctrl-C takes effect wherever it comes, also where Python forgets the exception it makes of it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import cosim
from cosim.errors import InterruptedRunError
from cosim.interruption import heed, watch_signals
from cosim.many_runs import as_they_end
from cosim.results import read_result
from cosim.scenario import Scenario
from cosim.simulation import Simulation

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def handlers_of_before() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    watch_signals()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS)
def test_it_is_raised_where_it_comes(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_it_is_not_lost_in_a_callback_from_c(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    done = []

    def attempt(job: int) -> int:
        # As when numba's compiler calls back after a long native call.
        ctypes.CFUNCTYPE(None)(lambda: os.kill(os.getpid(), number))()
        done.append(job)
        return job

    def lost(_job: int, reason: str) -> int:
        raise AssertionError(reason)

    with pytest.raises(KeyboardInterrupt):
        list(as_they_end([1, 2, 3], attempt, lost, None))
    assert done == [1]
    heed()
    assert capfd.readouterr().err == ""


def test_an_interrupted_run_ends_the_comparison() -> None:
    def attempt(job: int) -> int:
        if job == 2:
            raise InterruptedRunError("interrupted at simulated second 60.")
        return job

    outcomes = as_they_end([1, 2, 3], attempt, lambda job, _reason: job, None)
    assert next(outcomes) == 1
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)


def test_a_request_that_comes_too_late_for_a_run_reaches_its_caller(
    short_scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Simulation._finish

    def interrupted_finish(simulation: Simulation) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        finish(simulation)

    monkeypatch.setattr(Simulation, "_finish", interrupted_finish)
    with pytest.raises(KeyboardInterrupt):
        cosim.run(short_scenario, out=tmp_path / "a")
    assert read_result(tmp_path / "a").summary["complete"] is True


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_signals()
    os.kill(os.getpid(), signal.SIGINT)
    heed()
