"""Streams of tasks, slot after slot: drawn as in section 5.1 of the paper, or read from a CSV file."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError, nearest_name
from cosim_agents.ocean.problem import Tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_COLUMNS = ("slot", "size_mb", "cycles", "deadline_s")
#: More slots than any year has seconds are a slip, and would fill the memory with empty ones.
_MAX_SLOTS = 366 * 86_400
#: More sentences than these help nobody.
_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class TaskStream:
    """The tasks of consecutive slots.

    Attributes
    ----------
    tasks : Tasks
        Those of all slots, one slot after another.
    offsets : ndarray of int, shape (slots + 1,)
        Slot s has the tasks from ``offsets[s]`` up to the one before ``offsets[s + 1]``.
    """

    tasks: Tasks
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of slots."""
        return len(self.offsets) - 1

    def slot(self, s: int) -> Tasks:
        """Return the tasks of one slot.

        Parameters
        ----------
        s : int
            Which slot, from 0.
        """
        return self.tasks.take(slice(int(self.offsets[s]), int(self.offsets[s + 1])))


@dataclass(frozen=True, slots=True)
class TaskRanges:
    """From what tasks are drawn, uniformly and independently; the defaults are those of section 5.1.

    Attributes
    ----------
    count : tuple of int
        Least and greatest number of tasks in a slot.
    size_mb, cycles, deadline_s : tuple of float
        Least and greatest values.
    """

    count: tuple[int, int] = (70, 110)
    size_mb: tuple[float, float] = (0.1, 0.9)
    cycles: tuple[float, float] = (50e6, 90e6)
    deadline_s: tuple[float, float] = (0.5, 1.0)

    def __post_init__(self) -> None:
        """Refuse ranges that are none.

        Raises
        ------
        ValueError
            Naming the range.
        """
        for name in ("count", "size_mb", "cycles", "deadline_s"):
            low, high = getattr(self, name)
            if not 0 <= low <= high < math.inf:
                raise ValueError(f"{name} = ({low}, {high}) must be finite, at least 0, and the lesser one first")


def draw_tasks(rng: np.random.Generator, slots: int = 1, ranges: TaskRanges | None = None) -> TaskStream:
    """Draw tasks as in section 5.1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the numbers come from.
    slots : int
        How many slots; a quarter hour has 900 of a second.
    ranges : TaskRanges, optional
        From what to draw; by default the paper's.

    Returns
    -------
    TaskStream
        The tasks.
    """
    chosen = ranges or TaskRanges()
    counts = rng.integers(chosen.count[0], chosen.count[1], slots, endpoint=True)
    total = int(counts.sum())
    tasks = Tasks(
        rng.uniform(*chosen.size_mb, total), rng.uniform(*chosen.cycles, total), rng.uniform(*chosen.deadline_s, total)
    )
    return TaskStream(tasks, np.append(0, np.cumsum(counts)))


def read_tasks(path: str | Path, *, slot_s: float = 1.0) -> TaskStream:
    """Read a CSV file with the columns ``slot`` (from 0), ``size_mb``, ``cycles`` and ``deadline_s``.

    Parameters
    ----------
    path : str or Path
        The file; its lines may stand in any order.
    slot_s : float
        Length of a slot, s. A task has to be done within one (section 3.3), so that no deadline may be longer.

    Returns
    -------
    TaskStream
        As many slots as the last one in the file tells; tasks of the same slot in the order of the file.

    Raises
    ------
    InputError
        With a sentence for every fault: file, line, column, what was found, what is allowed.
    """
    label = str(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            rows = [(lines.line_num, row) for row in lines if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{label}: cannot be read as a CSV file of tasks: {error}.") from error
    _check_header(label, header)
    faults: list[str] = []
    table = np.array([_task(f"{label}: line {line}", header, row, slot_s, faults) for line, row in rows])
    if faults:
        more = len(faults) - _MAX_FAULTS
        raise InputError([*faults[:_MAX_FAULTS], f"{label}: and {more} more like these."] if more > 0 else faults)
    table = table.reshape(-1, len(_COLUMNS))
    table = table[np.argsort(table[:, 0], kind="stable")]
    counts = np.bincount(table[:, 0].astype(np.int64))
    return TaskStream(Tasks(table[:, 1], table[:, 2], table[:, 3]), np.append(0, np.cumsum(counts)))


def _check_header(label: str, header: Sequence[str]) -> None:
    """Refuse unknown, repeated and missing columns."""
    faults = [
        f"{label}: unknown column '{name}'; {nearest_name(name, _COLUMNS)}." for name in header if name not in _COLUMNS
    ]
    faults += [f"{label}: the column '{name}' is there twice." for name in _COLUMNS if header.count(name) > 1]
    faults += [
        f"{label}: the column '{name}' is missing; {', '.join(_COLUMNS)} are needed."
        for name in _COLUMNS
        if name not in header
    ]
    if faults:
        raise InputError(faults)


def _task(where: str, header: Sequence[str], row: Sequence[str], slot_s: float, faults: list[str]) -> list[float]:
    """Return the numbers of one line in the order of the columns, and report what is wrong with it."""
    if len(row) != len(header):
        faults.append(f"{where}: found {len(row)} values; it must have {len(header)}, one for each column.")
        return [0.0] * len(_COLUMNS)
    texts = dict(zip(header, row, strict=True))
    slot, size_mb, cycles, deadline_s = values = [_number(texts[name]) for name in _COLUMNS]
    allowed = {
        "slot": (0.0 <= slot < _MAX_SLOTS and slot == math.floor(slot), f"a whole number from 0 to {_MAX_SLOTS - 1}"),
        "size_mb": (0.0 <= size_mb < math.inf, "a number, at least 0"),
        "cycles": (0.0 < cycles < math.inf, "a number greater than 0"),
        "deadline_s": (
            0.0 < deadline_s <= slot_s,
            f"a number greater than 0 and at most {slot_s:g}, the slot's length",
        ),
    }
    faults += [
        f"{where}: {name} = '{texts[name]}' must be {rule}." for name, (holds, rule) in allowed.items() if not holds
    ]
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
