"""Ctrl-C takes effect wherever it comes, also where Python forgets the exception it makes of it."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator

import pytest

from cosim.interruption import heed, watch_signals
from cosim.many_runs import as_they_end

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


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_signals()
    os.kill(os.getpid(), signal.SIGINT)
    heed()
