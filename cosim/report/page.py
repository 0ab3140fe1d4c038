"""The page itself: one HTML file that holds its style, its scripts and its data, and asks for nothing else."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any

from cosim._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

#: In every page, so that no other file is replaced by one.
MARK = '<meta name="generator" content="cosim report">'
#: In this order: each uses what those before it define.
_SCRIPTS = ("basics.js", "colours.js", "player.js", "roads.js", "feeder.js", "charts.js", "tables.js", "main.js")
#: A table with more rows than this is folded away.
_LONG = 60
#: Stands for a number that there is not.
_NOTHING = "-"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a page shows of one folder.

    Attributes
    ----------
    tab : str
        Its name where there are several.
    title : str
        Its heading.
    body : str
        HTML, without what the scripts draw.
    stage : dict or None
        What the player shows; :func:`cosim.report.run_data.map_data`.
    charts : dict of str to list
        Charts under their headings.
    """

    tab: str
    title: str
    body: str
    stage: dict[str, Any] | None = None
    charts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def make_page(sheets: Sequence[Sheet]) -> str:
    """Put a page together.

    Parameters
    ----------
    sheets : sequence of Sheet
        At least one; several get tabs.
    """
    assets = resources.files("cosim.report") / "assets"
    script = "\n".join((assets / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (assets / "page.css").read_text(encoding="utf-8")
    data = [{"stage": sheet.stage, "charts": sheet.charts} for sheet in sheets]
    tabs = "".join(
        f'<button role="tab" id="tab{n}" aria-controls="sheet{n}">{escape(sheet.tab)}</button>'
        for n, sheet in enumerate(sheets)
    )
    bodies = "".join(
        f'<section class="sheet" id="sheet{n}" aria-labelledby="title{n}">'
        f'<h1 id="title{n}">{escape(sheet.title)}</h1>{sheet.body}</section>'
        for n, sheet in enumerate(sheets)
    )
    title = sheets[0].title if len(sheets) == 1 else f"{len(sheets)} reports"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{MARK}\n<title>{escape(title)} - cosim</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<div class="bar"><span class="brand">cosim {escape(__version__)}</span>'
        f'<div role="tablist" class="tabs" aria-label="Reports"{"" if len(sheets) > 1 else " hidden"}>{tabs}</div>'
        '<button id="theme" type="button" title="Light or dark">Dark</button></div>\n'
        f"<main>{bodies}</main>\n<noscript><p>Map and charts need JavaScript.</p></noscript>\n"
        f'<div id="tip" role="status" hidden></div>\n'
        f'<script type="application/json" id="data">{_json(data)}</script>\n'
        f'<script type="module">\n{script}</script>\n</body>\n</html>\n'
    )


def _json(data: Any) -> str:
    # Whatever a name holds, it must not end the script.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def cards(numbers: Iterable[tuple[str, str, float | None, str]]) -> str:
    """Return headline numbers.

    Parameters
    ----------
    numbers : iterable of (str, str, float or None, str)
        Key in ``summary.json``, label, value, unit.
    """
    parts = []
    for key, label, value, unit in numbers:
        exact = "" if value is None else repr(value)
        parts.append(
            f'<div class="card" data-key="{escape(key)}" data-value="{exact}" title="{escape(key)} = {exact}">'
            f'<div class="number">{number_text(value)} <span class="unit">{escape(unit)}</span></div>'
            f'<div class="label">{escape(label)}</div></div>'
        )
    return f'<div class="cards">{"".join(parts)}</div>'


def number_text(value: float | None, digits: int = 3) -> str:
    """Write a number as a person reads it: with so many digits after the point, without them from 1,000 on."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, note: str = "", digits: int = 3
) -> str:
    """Return a table that sorts.

    Parameters
    ----------
    caption : str
        Above it.
    columns : sequence of str
        Headings, with units.
    rows : iterable of sequence
        Texts, numbers or None.
    note : str
        Below it.
    digits : int
        After the point.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(_cell(value, digits) for value in row)}</tr>" for row in rows)
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f'<div class="scroll"><table class="sorts"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{below}"
    )


def frame_table(caption: str, frame: pd.DataFrame, *, most: int | None = None, digits: int = 3, note: str = "") -> str:
    """Return a data frame as a table that sorts, folded away if it is long.

    Parameters
    ----------
    caption : str
        Above it.
    frame : DataFrame
        What to show.
    most : int, optional
        Not more rows than this.
    digits : int
        After the point.
    note : str
        Below it.
    """
    names = [str(name) for name in frame.columns]
    # A seed is a name, not a quantity.
    shown = frame.head(most) if most is not None else frame
    columns = [list(map(str, shown[name])) if name == "seed" else shown[name].tolist() for name in shown.columns]
    told = table(caption, names, zip(*columns, strict=True), note=note, digits=digits)
    if len(frame) <= _LONG:
        return told
    return f'<details class="settings"><summary>{escape(caption)} ({len(frame):,} rows)</summary>{told}</details>'


def _cell(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return f'<td class="n" data-sort="">{_NOTHING}</td>'
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int | float):
        return f'<td class="n" data-sort="{value!r}">{number_text(value, digits)}</td>'
    return f"<td>{escape(str(value))}</td>"


def settings_table(settings: Mapping[str, Any]) -> str:
    """Return all settings of a scenario file, folded away."""
    rows = "".join(
        f"<tr><td><code>{escape(key)}</code></td><td>{escape(_setting(value))}</td></tr>"
        for key, value in _flat(settings)
    )
    return (
        '<details class="settings"><summary>All settings (scenario.toml)</summary><div class="scroll"><table>'
        f"<thead><tr><th>setting</th><th>value</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _setting(value: Any) -> str:
    return json.dumps(value) if isinstance(value, list | bool) else str(value)


def _flat(settings: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            # As --set names it: by its id.
            for n, item in enumerate(value, start=1):
                yield from _flat(item, f"{path}{key}.{item.get('id', n)}.")
        else:
            yield f"{path}{key}", value


def list_of(kind: str, sentences: Sequence[str]) -> str:
    """Return sentences as a list, nothing without any."""
    if not sentences:
        return ""
    return f'<ul class="{kind}">{"".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)}</ul>'


def command(sentence: str, line: str) -> str:
    """Return what to type, with a button that copies it."""
    return (
        f'<p class="how">{escape(sentence)}</p><div class="command"><code>{escape(line)}</code>'
        '<button type="button" class="copy">Copy</button></div>'
    )


def chart_places(headings: Iterable[str]) -> str:
    """Return where the charts go, under their headings."""
    return "".join(
        f'<h2>{escape(name)}</h2><div class="charts" data-charts="{escape(name)}"></div>' for name in headings
    )


def links(files: Iterable[tuple[str, str]]) -> str:
    """Return links to files; name and address of each."""
    items = "".join(f'<li><a href="{escape(address)}">{escape(name)}</a></li>' for name, address in files)
    return f'<ul class="files">{items}</ul>' if items else ""
