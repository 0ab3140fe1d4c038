"""What a page shows of a run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.grid_log import base_voltages_pu
from cosim.metrics import UNITS
from cosim.progress import LABELS, voltage_sentence, warnings_of
from cosim.report.charts import in_hours
from cosim.report.page import Sheet, cards, chart_places, command, frame_table, links, list_of, settings_table, table
from cosim.report.run_data import instants_s, kept_tables, load_chart, map_data, price_chart, run_charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from cosim.coupling import CoupledSystem
    from cosim.results import Result

#: Of the tables that controllers keep, this many rows are on the page.
_MOST_ROWS = 200
#: Charts of longer runs have an axis of hours, s.
_LONG_S = 6 * 3600
_COUNTS = {
    "vehicles": "vehicles",
    "arrived": "arrived",
    "evs": "EVs",
    "charged": "EVs charged",
    "decisions": "decisions",
    "powerflows": "power flows",
    "teleports": "teleports",
    "nonconverged": "power flows without solution",
}


def run_sheet(
    result: Result,
    settings: Mapping[str, Any],
    system: CoupledSystem | None,
    *,
    name: str,
    files: Sequence[tuple[str, str]],
    problem: str = "",
) -> Sheet:
    """Return the sheet of a run.

    Parameters
    ----------
    result : Result
        The run.
    settings : mapping
        The content of its ``scenario.toml``.
    system : CoupledSystem or None
        What it ran on, for map and feeder.
    name : str
        Of its folder.
    files : sequence of (str, str)
        Names and addresses of its files.
    problem : str
        Why there is no system.
    """
    summary = result.summary
    recorded = len(instants_s(result)) > 0
    base_vm_pu = None if system is None else base_voltages_pu(system.power_flow, instants_s(result).tolist())
    charts = run_charts(result, base_vm_pu) if recorded else {}
    if recorded and system is not None:
        more = {"Stations": price_chart(result, settings, system), "Feeder": load_chart(result, system)}
        for heading, drawn in more.items():
            charts[heading] += [drawn] if drawn is not None else []
    if recorded and np.ptp(instants_s(result)) > _LONG_S:
        charts = {heading: [in_hours(drawn) for drawn in group] for heading, group in charts.items()}
    stage = map_data(result, system) if recorded and system is not None else None
    warnings = warnings_of(summary)
    if not summary["complete"]:
        warnings.insert(0, "This run is not finished: the tables hold what there was.")
    if problem:
        warnings.append(f"There is no map: {problem}")
    title = f"{summary['scenario']}, {summary['recommender']}, seed {summary['seed']}"
    body = [
        f'<p class="sub">{_subtitle(summary)}</p>',
        list_of("warnings", warnings),
        cards((key, LABELS.get(key, key), value, UNITS.get(key, "")) for key, value in summary["metrics"].items()),
        f'<p class="sub">{voltage_sentence(summary["voltage"])}.</p>',
        '<div class="stage" data-stage></div>' if stage else "",
        chart_places(charts),
        "<h2>Charging sites</h2>",
        _site_table(summary),
        list_of("notes", _notes(summary)),
        *_kept_tables(result),
        "<h2>Decisions, trips and sessions</h2>",
        _means_per_station(result),
        "<h2>The run</h2>",
        cards((key, label, summary["counts"].get(key), "") for key, label in _COUNTS.items()),
        command("Typed in the run's folder, this gives the same tables:", "python -m cosim run scenario.toml"),
        _versions(summary),
        settings_table(settings),
        "<h2>Files</h2>",
        links(files),
    ]
    return Sheet(name, title, "".join(body), stage, charts)


def _subtitle(summary: dict[str, Any]) -> str:
    controllers = sorted(set(summary["controllers"].values()))
    return escape(
        f"Network {summary['network']}, feeder {summary['grid']}, recommender {summary['recommender']}, "
        f"controllers {', '.join(controllers) or 'none'}, seed {summary['seed']}, {summary['backend']}; "
        f"{summary['steps']:,} s simulated in {summary['wall_s']:.2f} s ({summary['stop_reason']})."
    )


def _site_table(summary: dict[str, Any]) -> str:
    columns = (
        "station", "controller", "EVs", "parked", "asked [kWh]", "delivered [kWh]", "short [EVs]", "short [kWh]",
        "why", "peak [kW]", "cost",
    )  # fmt: skip
    rows = [
        (
            name, summary["controllers"].get(name, ""), site["visits"], site["parked"], site["asked_kwh"],
            site["delivered_kwh"], site["short"], site["short_kwh"],
            "; ".join(f"{reason}: {count}" for reason, count in site["short_reasons"].items()), site["peak_kw"],
            site["cost"],
        )
        for name, site in summary["sites"].items()
    ]  # fmt: skip
    return table(
        "Energy asked for and delivered, peak load and what charging added to the bill", columns, rows, digits=1
    )


def _notes(summary: dict[str, Any]) -> list[str]:
    return [
        f"{name} ({summary['controllers'].get(name, '')}): {note} ({times} times)"
        for name, site in summary["sites"].items()
        for note, times in site["notes"].items()
    ]


def _kept_tables(result: Result) -> list[str]:
    """Return the tables that controllers keep, such as the tasks placed and who computed."""
    parts = []
    for name in kept_tables(result):
        kept = result.tables[name]
        more = f"The first {_MOST_ROWS} of {len(kept):,} rows; {name}.parquet holds all."
        note = more if len(kept) > _MOST_ROWS else ""
        parts.append(frame_table(f"Table {name}, kept by a controller", kept, most=_MOST_ROWS, digits=4, note=note))
    return parts


def _means_per_station(result: Result) -> str:
    trips = result.trips
    charged = trips[trips["plug_out_s"].notna()]
    rows = []
    for name in dict.fromkeys(result.stations["station"]):
        own = charged[charged["station"] == name]
        rows.append(
            (
                name, int((result.decisions["station"] == name).sum()), len(own), _mean(own["waiting_s"]),
                _mean(own["charging_s"]), _mean(own["driving_s"]), _mean(own["energy_kwh"]),
            )
        )  # fmt: skip
    columns = (
        "station", "sent there", "charged", "waiting [s]", "charging [s]", "driving [s]", "energy [kWh]",
    )  # fmt: skip
    return table("Means over the EVs that were charged at each station", columns, rows, digits=1)


def _mean(values: pd.Series[float]) -> float | None:
    return float(values.mean()) if len(values) else None


def _versions(summary: dict[str, Any]) -> str:
    said = ", ".join(f"{package} {version}" for package, version in summary["versions"].items())
    engine = summary.get("power_flow_engine", "an unknown engine")
    return f'<p class="sub">{escape(f"Made with {said}; power flow by {engine}.")}</p>'
