"""Charts as plain data; the page draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cosim.report.packing import short, short_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Mark = Literal["line", "dashed", "step", "area", "dots"]


def series(
    name: str, y: ArrayLike, *, colour: int = 0, mark: Mark = "line", x: ArrayLike | None = None
) -> dict[str, Any]:
    """Return one line of a chart.

    Parameters
    ----------
    name : str
        For the legend.
    y : array of float
        NaN where there is nothing.
    colour : int
        Its place in the palette; lines of the same colour belong together. -1 is grey.
    mark : str
        How it is drawn.
    x : array of float, optional
        Where it has its own places along the axis.
    """
    line: dict[str, Any] = {"name": name, "y": short_list(y), "colour": colour, "mark": mark}
    return line if x is None else line | {"x": short_list(x)}


def chart(  # noqa: PLR0913 - optional keywords, each with one meaning
    title: str,
    unit: str,
    lines: Sequence[dict[str, Any]],
    *,
    x: ArrayLike = (),
    x_label: str = "time [min]",
    limits: Sequence[tuple[str, float]] = (),
    note: str = "",
    from_zero: bool = True,
    moves: bool = False,
) -> dict[str, Any]:
    """Return a chart with lines.

    Parameters
    ----------
    title, unit : str
        What is on the vertical axis.
    lines : sequence of dict
        What :func:`series` returned.
    x : array of float
        Places along the axis of the lines that have none of their own.
    x_label : str
        What is on the horizontal axis, with its unit.
    limits : sequence of (str, float)
        Horizontal lines with their names.
    note : str
        What a reader must know.
    from_zero : bool
        Whether the vertical axis begins at zero.
    moves : bool
        Whether the axis is the time that the player shows.
    """
    return {
        "kind": "lines",
        "title": title,
        "unit": unit,
        "x": short_list(x),
        "xLabel": x_label,
        "lines": list(lines),
        "limits": [[name, short(value)] for name, value in limits],
        "note": note,
        "fromZero": from_zero,
        "moves": moves,
        "xS": 60.0,
    }


def in_hours(drawn: dict[str, Any]) -> dict[str, Any]:
    """Return a chart over minutes as one over hours, which a long run is easier to read by; others as they are."""
    if not drawn["xLabel"].endswith("[min]") or not drawn.get("moves"):
        return drawn

    def hours(minutes: Sequence[float | None]) -> list[float | int | None]:
        return short_list([np.nan if value is None else value / 60.0 for value in minutes])

    lines = [line | {"x": hours(line["x"])} if "x" in line else line for line in drawn["lines"]]
    label = drawn["xLabel"].replace("[min]", "[h]")
    return drawn | {"x": hours(drawn["x"]), "lines": lines, "xLabel": label, "xS": 3600.0}


def histogram(title: str, x_label: str, groups: dict[str, NDArray[np.float64]], *, bins: int = 24) -> dict[str, Any]:
    """Return a histogram.

    Parameters
    ----------
    title : str
        Of what.
    x_label : str
        What is on the horizontal axis, with its unit.
    groups : dict of str to ndarray of float
        Drawn over one another, in the same bins.
    bins : int
        How many.
    """
    known = {name: values[np.isfinite(values)] for name, values in groups.items()}
    everything = np.concatenate([*known.values(), np.zeros(0)])
    top = float(everything.max()) if len(everything) else 1.0
    edges = np.linspace(0.0, _rounded_up(top), bins + 1)
    return {
        "kind": "histogram",
        "title": title,
        "unit": "vehicles",
        "xLabel": x_label,
        "edges": short_list(edges),
        "groups": [
            {
                "name": name,
                "colour": colour,
                "counts": np.histogram(values, edges)[0].tolist(),
                "mean": short(float(values.mean())) if len(values) else None,
                "size": len(values),
            }
            for colour, (name, values) in enumerate(known.items())
        ],
    }


def intervals(
    title: str, unit: str, rows: Sequence[tuple[str, float, float, float]], *, note: str = ""
) -> dict[str, Any]:
    """Return a chart of means with their intervals, one below the other.

    Parameters
    ----------
    title, unit : str
        What is on the horizontal axis.
    rows : sequence of (str, float, float, float)
        Name, mean, low and high end.
    note : str
        What a reader must know.
    """
    return {
        "kind": "intervals",
        "title": title,
        "unit": unit,
        "note": note,
        "rows": [
            {"name": name, "mean": short(mean), "low": short(low), "high": short(high)}
            for name, mean, low, high in rows
        ],
    }


def _rounded_up(value: float) -> float:
    if value <= 0:
        return 1.0
    scale = 10.0 ** np.floor(np.log10(value))
    return float(next(step * scale for step in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * scale >= value))
