"""Numbers made small for a page: arrays as base64 text, lists with as many digits as anybody can see."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Stands for NaN in what :func:`pack_floats` returns.
_NOTHING = 65535


def pack_counts(values: NDArray[np.int64]) -> dict[str, Any]:
    """Pack numbers of things, which stay exact.

    Parameters
    ----------
    values : ndarray of int
        Not negative.

    Returns
    -------
    dict
        ``kind`` (``u1``, ``u2`` or ``u4``, little-endian), ``shape`` and ``text``.
    """
    largest = int(values.max()) if values.size else 0
    kind = "u1" if largest < 2**8 else "u2" if largest < 2**16 else "u4"
    return {"kind": kind, "shape": list(values.shape), "text": _text(values.astype(f"<{kind}"))}


def pack_floats(values: NDArray[np.float64]) -> dict[str, Any]:
    """Pack measured numbers into two bytes each: 65534 steps between the lowest and the highest.

    Parameters
    ----------
    values : ndarray of float
        NaN where there is nothing.

    Returns
    -------
    dict
        ``kind`` (``q2``), ``shape``, ``low``, ``step`` and ``text``; a value is ``low + step * number``, and 65535
        stands for nothing.
    """
    known = np.isfinite(values)
    low = float(values[known].min()) if known.any() else 0.0
    step = (float(values[known].max()) - low) / (_NOTHING - 1) if known.any() else 0.0
    scaled = np.zeros(values.shape) if step == 0.0 else np.where(known, values - low, 0.0) / step
    whole = np.where(known, np.rint(scaled), _NOTHING).astype("<u2")
    return {"kind": "q2", "shape": list(values.shape), "low": low, "step": step, "text": _text(whole)}


def short_list(values: ArrayLike, digits: int = 6) -> list[float | int | None]:
    """Return a list with so many significant digits, None where there is no number."""
    return [short(value, digits) for value in np.asarray(values, dtype=np.float64).tolist()]


def short(value: float, digits: int = 6) -> float | int | None:
    """Return a number with so many significant digits, as a whole one if it is one; None for NaN and infinity."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _text(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
