"""What a page shows of a training."""

from __future__ import annotations

import numbers
from html import escape
from typing import TYPE_CHECKING, Any

from cosim.report.charts import chart, series
from cosim.report.page import Sheet, chart_places, links, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES = {
    "TTT": ("Total travel time (TTT)", "s"),
    "CVV": ("Cumulative voltage violation (CVV)", "pu"),
    "WCT": ("Waiting + charging per EV (WCT)", "min"),
    "lambda": ("Multiplier of the constraint", ""),
    "predictor_rmse": ("Error of the predictor (RMSE)", ""),
    "return": ("Mean return of the days played", ""),
    "loss": ("Load variance over that of a constant load", ""),
}


def training_sheet(
    epochs: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
    *,
    name: str,
    files: Sequence[tuple[str, str]],
) -> Sheet:
    """Return the sheet of a training.

    Parameters
    ----------
    epochs : sequence of mapping
        The lines of ``metrics.jsonl``, or what ``training.json`` says of each iteration.
    about : mapping
        ``policy.json`` or ``training.json``; empty while the training goes on.
    name : str
        Of its folder.
    files : sequence of (str, str)
        Names and addresses of its files.
    """
    keys = [key for key in (epochs[0] if epochs else {}) if key not in {"epoch", "episodes"} and _drawn(key, epochs)]
    keys.sort(key=lambda key: list(_NAMES).index(key) if key in _NAMES else len(_NAMES))
    found = []
    for key in keys:
        title, unit = _NAMES.get(key, (key.replace("_", " "), ""))
        values = [epoch.get(key) for epoch in epochs]
        line = series(key, [float("nan") if value is None else value for value in values])
        x = [epoch["epoch"] for epoch in epochs]
        found.append(chart(title, unit, [line], x=x, x_label="epoch", from_zero=False))
    charts = {"Epoch by epoch": found} if found else {}
    kind = ", ".join(str(about[key]) for key in ("algorithm", "kind", "preset", "scenario") if key in about)
    columns = list(dict.fromkeys(key for epoch in epochs for key in epoch))
    body = [
        f'<p class="sub">{len(epochs)} epochs{f"; {escape(kind)}" if kind else ""}.</p>',
        chart_places(charts),
        "<h2>Table</h2>",
        table("Every epoch", columns, [[epoch.get(key) for key in columns] for epoch in epochs], digits=4),
        "<h2>Files</h2>",
        links(files),
    ]
    return Sheet(name, f"Training: {kind or name}", "".join(body), None, charts)


def _drawn(key: str, epochs: Sequence[Mapping[str, Any]]) -> bool:
    values = [epoch.get(key) for epoch in epochs]
    return all(value is None or (isinstance(value, numbers.Real) and not isinstance(value, bool)) for value in values)
