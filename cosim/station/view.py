"""What a person sees while controllers are compared at a station, and at the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rich.table import Table

from cosim import plots
from cosim.counting import CountingDisplay
from cosim.many_runs import ranges
from cosim.station.comparison import OPTIMUM

if TYPE_CHECKING:
    from cosim.station.comparison import StationComparison
    from cosim.station.experiment import DayOutcome

#: On a terminal the line of the bar changes as often; elsewhere so many lines tell the progress.
_LINES = 10
#: Column of the table: heading, factor, digits, whether with its interval.
_COLUMNS = {
    "cost": ("bill", 1.0, 2, True),
    "ratio": ("bill / optimum's", 1.0, 4, True),
    "peak_kw": ("peak [kW]", 1.0, 1, False),
    "load_factor": ("load factor", 1.0, 4, False),
    "demand_met": ("demand met [%]", 100.0, 3, False),
}
#: A certificate this good is none worth a word.
_CERTIFIED = 1e-9


class StationDisplay(CountingDisplay):
    """Progress and result on the terminal."""

    def update(self, outcome: DayOutcome) -> None:
        """Show that one more day is done."""
        self._done += 1
        what = f"{outcome.controller}, seed {outcome.seed}"
        told = "failed" if outcome.failure else f"{outcome.row['ratio']:.4f} of the optimum's bill"
        self._bar.update(self._task, completed=self._done, description=f"{what}: {told}")
        if not self.console.is_terminal and self._done % max(1, self._total // _LINES) == 0:
            self.console.print(f"{self._done} of {self._total} days: {what}: {told}")

    def result(self, comparison: StationComparison) -> None:
        """Show means, differences, what the controllers said, and where the tables are."""
        self.console.print(
            f"{comparison.scenario.name}, seeds {ranges(comparison.seeds)}: {len(comparison.runs)} of "
            f"{len(comparison.controllers) * len(comparison.seeds)} days"
        )
        self.console.print("mean over the days [95 % bootstrap interval]", style="italic")
        self.console.print(_mean_table(comparison))
        if not comparison.gaps.empty:
            title = f"bill above that of {comparison.reference}, seed by seed [95 % bootstrap interval]"
            self.console.print(title, style="italic", soft_wrap=True)
            self.console.print(_gap_table(comparison))
        if not comparison.tasks.empty:
            self.console.print("tasks of the edge server that the vehicles compute, a day", style="italic")
            self.console.print(_task_table(comparison))
        for name, notes in comparison.notes.items():
            for note, times in notes.items():
                decisions = int(comparison.runs.loc[comparison.runs["controller"] == name, "decisions"].sum())
                self.console.print(f"note: {name}, {times} times in {decisions} decisions: {note}", soft_wrap=True)
        for warning in _warnings(comparison):
            self.console.print(f"warning: {warning}", style="yellow", soft_wrap=True)
        if comparison.folder is not None:
            if not plots.installed():
                self.console.print(f"pictures: {plots.HOW_TO_INSTALL} would draw them", soft_wrap=True)
            self.console.print(f"comparison folder: {comparison.folder}", soft_wrap=True)


def failure_sentences(comparison: StationComparison) -> list[str]:
    """Return a sentence for every controller and reason for which days failed, with their seeds."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for failure in comparison.failures:
        seeds.setdefault((failure.controller, failure.reason), []).append(failure.seed)
    return [
        f"{name}, {'seed' if len(own) == 1 else 'seeds'} {ranges(own)}: {reason.rstrip('.')}."
        for (name, reason), own in seeds.items()
    ]


def _mean_table(comparison: StationComparison) -> Table:
    table = Table()
    table.add_column("controller")
    for heading in ("days", *(label for label, *_ in _COLUMNS.values()), "short", "ms a decision"):
        table.add_column(heading, justify="right")
    for row in comparison.table.to_dict("records"):
        cells = [
            _mean(
                factor * row[f"{metric}_mean"],
                factor * row[f"{metric}_low"] if interval else math.nan,
                factor * row[f"{metric}_high"] if interval else math.nan,
                digits,
            )
            for metric, (_, factor, digits, interval) in _COLUMNS.items()
        ]
        took_ms = comparison.decision_ms.get(row["controller"])
        table.add_row(
            row["controller"], str(row["days"]), *cells, str(row["vehicles_short"]),
            "-" if took_ms is None else f"{took_ms:.3f}",
        )  # fmt: skip
    best = comparison.optimum
    if best:
        digits = {name: _COLUMNS[name][2] for name in best}
        shown = {name: f"{value:,.{digits[name]}f}" for name, value in best.items()}
        days = str(comparison.runs["seed"].nunique())
        table.add_section()
        table.add_row(OPTIMUM, days, shown["cost"], "1", shown["peak_kw"], shown["load_factor"], "", "", "")
    return table


def _gap_table(comparison: StationComparison) -> Table:
    table = Table()
    table.add_column("controller")
    table.add_column("seeds", justify="right")
    table.add_column("[%]", justify="right")
    for row in comparison.gaps.to_dict("records"):
        cell = _mean(row["mean_percent"], row["low_percent"], row["high_percent"], 2, sign="+")
        table.add_row(row["controller"], str(row["seeds"]), cell)
    return table


def _task_table(comparison: StationComparison) -> Table:
    table = Table()
    table.add_column("controller")
    for heading in ("tasks", "placed [%]", "rejected [%]", "mean certified gap [%]", "energy [kWh]"):
        table.add_column(heading, justify="right")
    for row in comparison.tasks.to_dict("records"):
        rejected, gap = 100.0 * row["rejected"], 100.0 * row["gap"]
        table.add_row(
            row["controller"], f"{row['tasks']:,.0f}", f"{100.0 - rejected:.2f}", f"{rejected:.2f}", f"{gap:.4f}",
            f"{row['computing_kwh']:.4f}",
        )  # fmt: skip
    return table


def _mean(mean: float, low: float, high: float, digits: int, sign: str = "") -> str:
    if not math.isfinite(mean):
        return "-"
    form = f"{sign},.{digits}f"
    # An interval without width, of a controller that always serves everybody say, tells nothing.
    return f"{mean:{form}}" + (f" [{low:{form}}, {high:{form}}]" if math.isfinite(low) and low != high else "")


def _warnings(comparison: StationComparison) -> list[str]:
    """Return what a reader of the means must know."""
    found: list[str] = []
    runs = comparison.runs
    if runs.empty:
        return found
    days: Any = runs.drop_duplicates("seed")
    doubtful = int((days["optimum_gap"] > _CERTIFIED).sum())
    if doubtful:
        found.append(f"on {doubtful} days the offline optimum is not certified to {_CERTIFIED:g}.")
    found += [
        f"{row['controller']} left {row['vehicles_short']} vehicles short, of {row['short_kwh']:,.1f} kWh in all: its "
        "bill is one of less energy."
        for row in comparison.table.to_dict("records")
        if row["vehicles_short"]
    ]
    if comparison.scenario.station.chargers is not None:
        found.append("the offline optimum has a charger for every vehicle; the controllers have those of the station.")
    beyond = int((~days["optimum_within_limits"].astype(bool)).sum())
    if beyond:
        found.append(
            f"on {beyond} days the offline optimum, which knows no limits, exceeds a limit of the station: its bill is "
            "a bound that no controller can reach."
        )
    impossible = float(days["unservable_kwh"].sum())
    if impossible > 0.0:
        found.append(f"{impossible:.3f} kWh were asked for that no controller could have delivered.")
    return found
