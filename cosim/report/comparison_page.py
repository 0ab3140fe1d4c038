"""What a page shows of a comparison: of recommenders, or of controllers at one station."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.many_runs import ranges
from cosim.metrics import UNITS
from cosim.report.charts import chart, intervals, series
from cosim.report.page import Sheet, chart_places, command, frame_table, links, list_of, settings_table, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

#: What the columns of the tables are called.
_LABELS = {
    "ttt_s": "TTT [s]",
    "cvv_pu": "CVV [pu]",
    "cvv_above_floor_pu": "CVV above floor [pu]",
    "wct_min": "WCT [min]",
    "mean_waiting_s": "waiting [s]",
    "mean_charging_s": "charging [s]",
    "mean_driving_s": "driving [s]",
    "min_voltage_pu": "lowest voltage [pu]",
    "share_below_095": "below 0.95 pu [share]",
    "share_below_090": "below 0.90 pu [share]",
    "cost": "bill",
    "ratio": "bill / optimum",
    "peak_kw": "peak [kW]",
    "load_factor": "load factor",
    "demand_met": "demand met [share]",
    "vehicles_short": "vehicles short",
    "short_kwh": "short [kWh]",
}


def comparison_sheet(
    summary: Mapping[str, Any],
    runs: pd.DataFrame,
    stations: pd.DataFrame,
    settings: Mapping[str, Any],
    *,
    name: str,
    files: Sequence[tuple[str, str]],
) -> Sheet:
    """Return the sheet of a comparison of recommenders.

    Parameters
    ----------
    summary : mapping
        ``comparison.json``.
    runs, stations : DataFrame
        Its tables.
    settings : mapping
        The content of ``scenario.toml``.
    name : str
        Of its folder.
    files : sequence of (str, str)
        Names and addresses of its files.
    """
    differences = summary["differences"]
    charts = {"Differences": [_difference_chart(metric, differences) for metric in ("ttt_s", "cvv_pu", "wct_min")]}
    if not differences:
        charts = {}
    if len(stations):
        charts["Stations, means over the seeds"] = _station_charts(summary, stations)
    gaps = summary.get("gap_to_best_heuristic", [])
    commands = summary["commands"]
    body = [
        f'<p class="sub">{_subtitle(summary)}</p>',
        list_of("warnings", _warnings(summary)),
        _mean_table(summary["table"], "recommender"),
        _difference_table(summary) if differences else "",
        _gap_table(gaps, "recommender", "TTT over that of the best heuristic") if gaps else "",
        chart_places(charts),
        "<h2>Runs</h2>",
        frame_table("Every run", runs),
        "<h2>The comparison</h2>",
        command("Typed in the comparison's folder, this gives the same tables:", commands["comparison"]),
        settings_table(settings),
        "<h2>Files</h2>",
        links(files),
    ]
    title = f"{summary['scenario']}: {len(summary['recommenders'])} recommenders, {len(summary['seeds'])} seeds"
    return Sheet(name, title, "".join(body), None, charts)


def controllers_sheet(
    summary: Mapping[str, Any],
    runs: pd.DataFrame,
    loads: pd.DataFrame,
    settings: Mapping[str, Any],
    *,
    name: str,
    files: Sequence[tuple[str, str]],
) -> Sheet:
    """Return the sheet of a comparison of controllers at one station.

    Parameters
    ----------
    summary, runs, loads, settings, name, files
        As for :func:`comparison_sheet`; ``loads`` is the mean day of each controller.
    """
    charts: dict[str, list[dict[str, Any]]] = {}
    if summary["gaps"]:
        rows = [
            (gap["controller"], *(_number(gap[f"{part}_percent"]) for part in ("mean", "low", "high")))
            for gap in summary["gaps"]
        ]
        reference = summary["gaps"][0]["reference"]
        charts["Bills"] = [intervals(f"Bill over that of {reference}", "%", rows, note="With 95 % intervals.")]
    if len(loads):
        lines = [
            series(str(who), day["total_kw"], colour=n, mark="step", x=day["time_s"] / 3600.0)
            for n, (who, day) in enumerate(loads.groupby("controller", sort=False))
        ]
        first = loads[loads["controller"] == loads["controller"].iloc[0]]
        lines.append(series("base load", first["base_kw"], colour=-1, mark="dashed", x=first["time_s"] / 3600.0))
        charts["Mean day"] = [chart("Load at the station", "kW", lines, x_label="time [h]")]
    optimum = ", ".join(f"{_LABELS.get(key, key)} {value:,.4g}" for key, value in summary["offline_optimum"].items())
    about = f"Station scenario {summary['scenario']}, seeds {ranges(summary['seeds'])}. Offline optimum: {optimum}."
    notes = [f"{who}: {note} ({times} times)" for who, said in summary["notes"].items() for note, times in said.items()]
    body = [
        f'<p class="sub">{escape(about)}</p>',
        list_of("warnings", _warnings(summary)),
        _mean_table(summary["table"], "controller"),
        _gap_table(summary["gaps"], "controller", "Bill over that of the reference") if summary["gaps"] else "",
        list_of("notes", notes),
        chart_places(charts),
        "<h2>Days</h2>",
        frame_table("Every day", runs, digits=4),
        "<h2>The comparison</h2>",
        command("Typed in the comparison's folder, this gives the same tables:", summary["command"]),
        settings_table(settings),
        "<h2>Files</h2>",
        links(files),
    ]
    title = f"{summary['scenario']}: {len(summary['controllers'])} controllers, {len(summary['seeds'])} seeds"
    return Sheet(name, title, "".join(body), None, charts)


def _subtitle(summary: Mapping[str, Any]) -> str:
    return escape(
        f"Network {summary['network']}, feeder {summary['grid']}, seeds {ranges(summary['seeds'])}; "
        f"{summary['runs_finished']} runs. Without any charging CVV would be {summary['floor_pu']:.2f} pu."
    )


def _warnings(summary: Mapping[str, Any]) -> list[str]:
    found = [
        f"{failure.get('recommender', failure.get('controller'))}, seed {failure['seed']}: {failure['reason']}"
        for failure in summary["failures"]
    ]
    if not summary["complete"]:
        found.insert(0, f"This comparison is not complete: {summary['runs_finished']} runs have a result.")
    return found


def _mean_table(rows: Sequence[Mapping[str, Any]], who: str) -> str:
    """Return means, with their deviations or intervals, as ``comparison.json`` has them."""
    if not rows:
        return ""
    columns = [key for key in rows[0] if not key.endswith(("_sd", "_low", "_high"))]
    heads = [_LABELS.get(key.removesuffix("_mean"), key.removesuffix("_mean")) for key in columns]
    told = [[_with_spread(row, key) for key in columns] for row in rows]
    spread = "± standard deviation over the seeds" if any(key.endswith("_sd") for key in rows[0]) else "[95 % interval]"
    return table(f"Means {spread} per {who}", heads, told)


def _with_spread(row: Mapping[str, Any], key: str) -> Any:
    value, name = row[key], key.removesuffix("_mean")
    if not key.endswith("_mean") or value is None:
        return value
    digits = 0 if abs(value) >= 1000 else 2 if abs(value) >= 10 else 4
    text = f"{value:,.{digits}f}"
    if row.get(f"{name}_sd") is not None:
        text += f" ± {row[f'{name}_sd']:,.{digits}f}"
    elif row.get(f"{name}_low") is not None:
        text += f" [{row[f'{name}_low']:,.{digits}f}, {row[f'{name}_high']:,.{digits}f}]"
    return text


def _difference_table(summary: Mapping[str, Any]) -> str:
    rows = [
        (
            row["recommender"], _LABELS.get(row["metric"], row["metric"]), row["difference"], row["low"], row["high"],
            row["seeds"],
        )
        for row in summary["differences"]
    ]  # fmt: skip
    columns = ("recommender", "metric", "difference", "95 % from", "to", "seeds")
    caption = f"Differences from {summary['reference']}, paired by seed (negative is better)"
    return table(caption, columns, rows)


def _gap_table(gaps: Sequence[Mapping[str, Any]], who: str, what: str) -> str:
    rows = [
        (gap[who], gap["reference"], gap["mean_percent"], gap["low_percent"], gap["high_percent"], gap["seeds"])
        for gap in gaps
    ]
    return table(f"{what} [%]", (who, "reference", "gap [%]", "95 % from", "to", "seeds"), rows, digits=2)


def _difference_chart(metric: str, differences: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rows = [
        (row["recommender"], _number(row["difference"]), _number(row["low"]), _number(row["high"]))
        for row in differences
        if row["metric"] == metric
    ]
    reference = differences[0]["reference"]
    title = f"{_LABELS[metric].partition(' [')[0]} minus that of {reference}"
    return intervals(title, UNITS[metric], rows, note="Mean of the differences seed by seed, with its 95 % interval.")


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _station_charts(summary: Mapping[str, Any], stations: pd.DataFrame) -> list[dict[str, Any]]:
    ids = list(dict.fromkeys(stations["station"]))
    found, power, cap = [], [], []
    for n, who in enumerate(summary["recommenders"]):
        own = stations[stations["recommender"] == who]
        if not len(own):
            continue
        minutes = own["time_s"].drop_duplicates().to_numpy() / 60.0
        grids = {
            name: own[name].to_numpy(dtype=np.float64).reshape(len(minutes), -1)
            for name in ("queued", "charging", "power_kw", "cap_kw")
        }
        present = grids["queued"] + grids["charging"]
        lines = [series(name, present[:, m], colour=m, x=minutes) for m, name in enumerate(ids)]
        found.append(chart(f"At each station: {who}", "queued + charging", lines))
        power.append(series(who, grids["power_kw"].sum(axis=1), colour=n, x=minutes))
        cap.append(series(who, grids["cap_kw"].mean(axis=1), colour=n, mark="step", x=minutes))
    found.append(chart("Charging power of all stations", "kW", power))
    found.append(chart("Droop cap per charger, mean of the stations", "kW", cap))
    return found
