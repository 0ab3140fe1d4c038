"""Days as tables: the shipped shapes, CSV files, and what came with a SimBench net."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from numpy.typing import NDArray

DAY_S = 86_400
_MINUTE_S = 60
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@dataclass(frozen=True, slots=True, eq=False)
class DaySeries:
    """Shares that hold for steps of equal length, from midnight on; after the last one it begins anew.

    Parameters
    ----------
    step_s : int
        Length of a step, s.
    shares : NDArray, shape (n,)
        As many as fill whole days.
    """

    step_s: int
    shares: NDArray[np.float64]

    def sampled(self, step_s: int, steps: int, first_s: int = 0) -> NDArray[np.float64]:
        """Return the shares at the beginning of some steps.

        Parameters
        ----------
        step_s : int
            Their length, of which ``self.step_s`` is a multiple.
        steps : int
            How many.
        first_s : int
            Where in the series the first one lies, s.
        """
        sampled: NDArray[np.float64] = self.shares[
            (first_s + step_s * np.arange(steps)) // self.step_s % len(self.shares)
        ]
        return sampled


def shipped_shape(kind: str, shape: str) -> DaySeries:
    """Return a shipped shape, whose peak is 1.

    Parameters
    ----------
    kind : {"load", "pv"}
        Of what.
    shape : str
        One of ``cosim.tables.grid.PROFILE_SHAPES[kind]``.
    """
    if shape == "constant":
        return DaySeries(DAY_S, np.ones(1))
    return read_series(files(__package__) / "shapes" / f"{kind}.csv", "the shipped shapes")[shape]


def read_series(path: Path | Traversable, where: str) -> Mapping[str, DaySeries]:
    """Read a CSV table of days.

    Its first column is ``time_s`` (seconds since midnight of the first day) or ``time`` (``HH:MM``, one day), its rows
    are steps of equal length, the first at 0, and together they are whole days; every other column is a series. Each
    value holds from its row's time to the next row's. A step is a whole number of minutes. Lines that begin with ``#``
    are notes.

    Parameters
    ----------
    path : Path
        The file.
    where : str
        File and key with which a message begins.

    Raises
    ------
    InputError
        With one sentence for every fault.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [row for row in csv.reader(line for line in lines if not line.startswith("#")) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{where}: {path} cannot be read: {error}.") from None
    header = [name.strip() for name in rows[0]] if rows else []
    columns, body = header[1:], rows[1:]
    if not header or header[0] not in {"time_s", "time"} or not columns or not all(columns):
        found = f"the columns are {', '.join(header)}" if header else "it is empty"
        raise InputError(f"{where}: {path}: {found}; the first must be time_s or time, and each other one have a name.")
    faults = [f"column '{name}' is there twice" for name in dict.fromkeys(columns) if columns.count(name) > 1]
    faults += [f"row {n} has {len(row)} values; there are {len(header)} columns" for n, row in enumerate(body, 1)
               if len(row) != len(header)]  # fmt: skip
    if not body:
        faults.append("it has no rows below its header")
    if faults:
        raise InputError([f"{where}: {path}: {fault}." for fault in faults])
    step_s = _step_s([row[0] for row in body], header[0], faults)
    values = np.array([[_number(cell) for cell in row[1:]] for row in body])
    for n, column in zip(*np.nonzero(~np.isfinite(values)), strict=True):
        faults.append(f"row {n + 1}: {columns[column]} = {body[n][column + 1]!r} must be a finite number")
    if faults:
        raise InputError([f"{where}: {path}: {fault}." for fault in faults])
    return {name: DaySeries(step_s, values[:, k]) for k, name in enumerate(columns)}


def _step_s(texts: list[str], column: str, faults: list[str]) -> int:
    """Return the length of the steps, which must be the same for all and fill whole days."""
    times = [_seconds(text, column) for text in texts]
    wrong = next((n for n, time_s in enumerate(times) if time_s is None), None)
    if wrong is not None:
        wanted = "a whole number of seconds" if column == "time_s" else "HH:MM or HH:MM:SS"
        faults.append(f"row {wrong + 1}: {column} = {texts[wrong]!r} must be {wanted}")
        return DAY_S
    known = [time_s for time_s in times if time_s is not None]
    step_s = known[1] - known[0] if len(known) > 1 else DAY_S
    uneven = next((n for n, time_s in enumerate(known) if time_s != n * step_s), None)
    if uneven is not None or step_s <= 0:
        n = uneven or 0
        expected = f"{n * max(step_s, 0)} s" if n else "0 s"
        faults.append(
            f"row {n + 1}: {column} = {texts[n]!r}, expected {expected}: the rows are steps of equal length from 0 on"
        )
    elif step_s % _MINUTE_S:
        faults.append(f"its rows are {step_s} s apart; whole minutes are needed")
    elif len(known) * step_s % DAY_S:
        faults.append(
            f"its {len(known)} rows of {step_s} s are {len(known) * step_s} s; whole days of {DAY_S} s are needed"
        )
    return step_s


def _seconds(text: str, column: str) -> int | None:
    if column == "time_s":
        value = _number(text)
        return int(value) if math.isfinite(value) and value == int(value) and value >= 0 else None
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 and seconds < 60 else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
