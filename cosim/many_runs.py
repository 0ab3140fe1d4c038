"""Seeds, and many jobs in this process or in many: what every kind of comparison shares."""

from __future__ import annotations

import operator
import traceback
from concurrent.futures import as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cosim.errors import InputError, InterruptedRunError
from cosim.interruption import heed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

J = TypeVar("J")
R = TypeVar("R")

#: The k-th evaluation seed is this plus k, for k below as many; training keeps to other seeds, so that nobody is tested
#: on what they have learnt.
EVALUATION_SEED_START = 1_000_000


def evaluation_seeds(count: int) -> tuple[int, ...]:
    """Return the first so many evaluation seeds."""
    return tuple(range(EVALUATION_SEED_START, EVALUATION_SEED_START + count))


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read ``--seeds``: how many evaluation seeds (``20``), or the seeds themselves (``3,4,5``; ``3,`` for one).

    Raises
    ------
    InputError
        If it is neither.
    """
    parts = text.removesuffix(",").split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--seeds {text}: expected how many evaluation seeds (20), or seeds with commas (3,4,5).")
    numbers = tuple(int(part) for part in parts)
    if "," not in text and numbers[0] > EVALUATION_SEED_START:
        raise InputError(
            f"--seeds {text}: there are {EVALUATION_SEED_START} evaluation seeds; for one seed, add a comma."
        )
    return numbers if "," in text else evaluation_seeds(numbers[0])


def check_seeds(seeds: Sequence[Any], faults: list[str]) -> tuple[int, ...]:
    """Return seeds as numbers, and add a sentence for everything that is wrong with them.

    Raises
    ------
    InputError
        With all faults so far, if one is no whole number.
    """
    try:
        numbers = tuple(operator.index(seed) for seed in seeds)
    except TypeError as error:
        raise InputError([*faults, f"seeds: they must be whole numbers ({error})."]) from None
    faults += [f"seeds: {seed} is given twice." for seed in repeated(numbers)]
    faults += [f"seeds: {seed} is below 0." for seed in numbers if seed < 0]
    if not numbers:
        faults.append("seeds: none is given; at least one is needed.")
    return numbers


def repeated(values: Sequence[Any]) -> list[Any]:
    """Return what is there more than once."""
    return [value for value in dict.fromkeys(values) if values.count(value) > 1]


def as_they_end(
    jobs: Sequence[J], attempt: Callable[[J], R], lost: Callable[[J, str], R], executor: Executor | None
) -> Iterator[R]:
    """Do jobs and yield each outcome when it is there.

    Parameters
    ----------
    jobs : sequence
        What to do.
    attempt : callable
        Does a job; it raises ``InterruptedRunError`` at most. With an executor of processes it has to be importable.
    lost : callable
        The outcome of a job whose process failed, from job and reason.
    executor : concurrent.futures.Executor or None
        Where; here, one after the other, if None.

    Raises
    ------
    KeyboardInterrupt
        If an interruption was asked for, also one that was lost inside a job.
    """
    if executor is None:
        for job in jobs:
            heed()
            try:
                outcome = attempt(job)
            except InterruptedRunError:
                raise KeyboardInterrupt from None
            yield outcome
        return
    futures = {executor.submit(attempt, job): job for job in jobs}
    try:
        for future in as_completed(futures):
            heed()
            error = future.exception()
            # An attempt raises only when it is asked to end: else it is the process that failed.
            yield lost(futures[future], f"{error}") if error else future.result()
    finally:
        for future in futures:
            future.cancel()


def reason_of(error: Exception) -> str:
    """Say in a sentence what went wrong in a plug-in, and where."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"


def ranges(numbers: Sequence[int]) -> str:
    """Write 1, 2, 3, 7 as ``1-3, 7``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
