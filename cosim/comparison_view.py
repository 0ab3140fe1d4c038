"""What a person sees while a comparison goes on, and at its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cosim import plots
from cosim.counting import CountingDisplay
from cosim.many_runs import ranges
from cosim.progress import warnings_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from cosim.comparison import Comparison
    from cosim.experiment import RunOutcome


#: Per table: heading and the metrics in it, each with its label, unit, factor and digits.
_TABLES: dict[str, dict[str, tuple[str, float, int]]] = {
    "mean ± standard deviation over the seeds": {
        "ttt_s": ("TTT [s]", 1.0, 0),
        "cvv_pu": ("CVV [pu]", 1.0, 2),
        "cvv_above_floor_pu": ("above floor [pu]", 1.0, 2),
        "wct_min": ("WCT [min]", 1.0, 2),
    },
    "parts of the trips, and voltages at the recorded instants": {
        "mean_waiting_s": ("waiting [s]", 1.0, 1),
        "mean_charging_s": ("charging [s]", 1.0, 0),
        "mean_driving_s": ("driving [s]", 1.0, 0),
        "min_voltage_pu": ("lowest [pu]", 1.0, 4),
        "share_below_095": ("below 0.95 [%]", 100.0, 1),
        "share_below_090": ("below 0.90 [%]", 100.0, 1),
    },
}
_COMPARED = {"ttt_s": ("TTT [s]", 0), "cvv_pu": ("CVV [pu]", 3), "wct_min": ("WCT [min]", 3)}


class ComparisonDisplay(CountingDisplay):
    """Progress and result on the terminal."""

    def update(self, outcome: RunOutcome) -> None:
        """Show that one more run is done."""
        self._done += 1
        what = f"{outcome.recommender}, seed {outcome.seed}"
        told = "failed" if outcome.failure else f"TTT {outcome.row['ttt_s']:,.0f} s"
        self._bar.update(self._task, completed=self._done, description=f"{what}: {told}")
        if not self.console.is_terminal:
            self.console.print(f"{self._done} of {self._total} runs: {what}: {told}")

    def result(self, comparison: Comparison) -> None:
        """Show means, differences, what went wrong, and where the tables are."""
        means = comparison.table
        self.console.print(
            f"{comparison.scenario.name}, seeds {ranges(comparison.seeds)}: {len(comparison.runs)} of "
            f"{len(comparison.recommenders) * len(comparison.seeds)} runs"
        )
        for title, columns in _TABLES.items():
            gaps = _gap_column(comparison) if "ttt_s" in columns and not comparison.gaps.empty else None
            self.console.print(_mean_table(title, means, columns, gaps))
        self.console.print(f"floor: CVV of {comparison.floor_pu:.2f} pu without any charging")
        if not comparison.differences.empty:
            self.console.print(_difference_table(comparison))
        for warning in _warnings(comparison):
            self.console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
        if comparison.folder is not None:
            if not plots.installed():
                self.console.print(f"pictures: {plots.HOW_TO_INSTALL} would draw them", soft_wrap=True)
            self.console.print(f"comparison folder: {comparison.folder}", soft_wrap=True)


def failure_sentences(comparison: Comparison) -> list[str]:
    """Return a sentence for every recommender and reason for which runs failed, with their seeds."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for failure in comparison.failures:
        seeds.setdefault((failure.recommender, failure.reason), []).append(failure.seed)
    return [
        f"{name}, {'seed' if len(own) == 1 else 'seeds'} {ranges(own)}: {reason.rstrip('.')}."
        for (name, reason), own in seeds.items()
    ]


def _mean_table(
    title: str,
    means: pd.DataFrame,
    columns: dict[str, tuple[str, float, int]],
    last: tuple[str, dict[str, str]] | None,
) -> Table:
    """Return a row per recommender: means and deviations, and perhaps a last column of heading and cells by name."""
    table = Table(title=title, title_justify="left")
    table.add_column("recommender")
    table.add_column("runs", justify="right")
    for label, _, _ in columns.values():
        table.add_column(label, justify="right")
    if last is not None:
        table.add_column(last[0], justify="right")
    for row in means.to_dict("records"):
        cells = [
            _mean_and_sd(factor * row[f"{metric}_mean"], factor * row[f"{metric}_sd"], digits)
            for metric, (_, factor, digits) in columns.items()
        ]
        if last is not None:
            cells.append(last[1].get(row["recommender"], ""))
        table.add_row(row["recommender"], str(row["runs"]), *cells)
    return table


def _gap_column(comparison: Comparison) -> tuple[str, dict[str, str]]:
    """Return heading and cells of how far each learned policy is from the best heuristic."""
    cells = {
        row["recommender"]: _difference(row["mean_percent"], row["low_percent"], row["high_percent"], 2)
        for row in comparison.gaps.to_dict("records")
    }
    return f"TTT: gap to {comparison.best_heuristic} [%]", cells


def _difference_table(comparison: Comparison) -> Table:
    title = f"mean difference from {comparison.reference}, seed by seed [95 % bootstrap interval]"
    table = Table(title=title, title_justify="left")
    table.add_column("recommender")
    table.add_column("seeds", justify="right")
    for label, _ in _COMPARED.values():
        table.add_column(label, justify="right")
    by_name: dict[str, dict[str, dict[Hashable, Any]]] = {}
    for row in comparison.differences.to_dict("records"):
        by_name.setdefault(row["recommender"], {})[row["metric"]] = row
    for name, rows in by_name.items():
        cells = [
            _difference(rows[metric]["difference"], rows[metric]["low"], rows[metric]["high"], digits)
            for metric, (_, digits) in _COMPARED.items()
        ]
        table.add_row(name, str(rows["ttt_s"]["seeds"]), *cells)
    return table


def _mean_and_sd(mean: float, sd: float, digits: int) -> str:
    if not math.isfinite(mean):
        return "-"
    return f"{mean:,.{digits}f}" + (f" ± {sd:,.{digits}f}" if math.isfinite(sd) else "")


def _difference(mean: float, low: float, high: float, digits: int) -> str:
    if not math.isfinite(mean):
        return "-"
    interval = f" [{low:+,.{digits}f}, {high:+,.{digits}f}]" if math.isfinite(low) else ""
    return f"{mean:+,.{digits}f}{interval}"


def _warnings(comparison: Comparison) -> list[str]:
    """Return what a reader of a recommender's means must know about its runs, all taken together."""
    found = []
    for name, rows in comparison.runs.groupby("recommender", sort=False):
        late = (rows["stop_reason"] == "time limit").any()
        summary: dict[str, object] = {
            "counts": rows.sum(numeric_only=True).astype(int).to_dict(),
            "stop_reason": "time limit" if late else "all arrived",
            # The table of runs does not tell them apart.
            "sites": {},
        }
        found += [f"{name}, all its runs together: {warning}" for warning in warnings_of(summary)]
    return found
