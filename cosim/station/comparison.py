"""A comparison of controllers at one station: its days, what follows from them, and its folder.

The folder holds ``comparison.json``, ``runs.parquet`` (a row per controller and seed), ``loads.parquet`` (the mean day
of each controller, slot by slot), ``scenario.toml`` and, where matplotlib is installed, the ``PICTURES`` that
``cosim.station.plots`` draws. The tables follow from scenario, controllers and seeds to the last bit; processor times,
which do not, stand in ``comparison.json`` alone.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cosim.errors import InputError, ResultsError
from cosim.results import PAGE, OutputFolder
from cosim.scenario import to_toml
from cosim.scenario_file import load_station_scenario
from cosim.statistics import CONFIDENCE, RESAMPLES, cost_gaps, day_table, task_table

if TYPE_CHECKING:
    from cosim.station_scenario import StationScenario

#: What ``cosim.station.plots`` draws of a comparison.
PICTURES = ("loads.png", "costs.png")
_FILES = ("comparison.json", "runs.parquet", "loads.parquet", "scenario.toml", PAGE, *PICTURES)
#: What the offline optimum is called in tables; no plug-in can be, for the blank in it.
OPTIMUM = "offline optimum"
_KIND = "station"


@dataclass(frozen=True, slots=True)
class FailedDay:
    """A day without a result, and why."""

    controller: str
    seed: int
    reason: str


@dataclass(frozen=True)
class StationComparison:
    """Days of several controllers with the same seeds.

    Attributes
    ----------
    scenario : StationScenario
        What was played.
    controllers : tuple of str
        Who was compared.
    seeds : tuple of int
        The seeds that each of them was to meet.
    runs : DataFrame
        One row per controller and seed: ``controller, seed, vehicles, cost, optimum_cost`` (of the offline optimum),
        ``ratio`` (of the two), ``optimum_gap`` (its certificate: no plan is cheaper by more than this share),
        ``optimum_within_limits, peak_kw, optimum_peak_kw, load_factor, optimum_load_factor, asked_kwh, delivered_kwh,
        demand_met`` (of the two), ``short_kwh, unservable_kwh`` (the part of it that no controller could have
        delivered), ``vehicles_short`` (for want of more than that), ``decisions``; of what vehicles computed ``tasks,
        tasks_rejected`` (left to the edge server), ``task_gap`` (mean certificate of the assignments: none is cheaper
        by more than this share), ``computing_kwh`` (battery side).
    loads : DataFrame
        ``controller, slot, time_s, base_kw, charging_kw, total_kw``, averaged over the seeds; the offline optimum last.
    decision_ms : dict of str to float
        Median processor time of a decision of each controller, ms, averaged over its days.
    notes : dict of str to (dict of str to int)
        What the controllers had to say about their days, and how often.
    failures : tuple of FailedDay
        Days that gave no result.
    asked_reference : str or None
        The reference somebody asked for.
    versions : dict of str to str
        Of the packages that made the results.
    folder : Path or None
        Where it is written.
    """

    scenario: StationScenario
    controllers: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["controller", "seed"]))
    loads: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["controller", "slot"]))
    decision_ms: dict[str, float] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: tuple[FailedDay, ...] = ()
    asked_reference: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean and interval of each metric per controller; ``cosim.statistics.day_table``."""
        return day_table(self.runs, self.controllers)

    @cached_property
    def tasks(self) -> pd.DataFrame:
        """What the vehicles of each controller computed, if they did; ``cosim.statistics.task_table``."""
        return task_table(self.runs, self.controllers)

    @cached_property
    def optimum(self) -> dict[str, float]:
        """Means of the offline optimum over the seeds: ``cost, peak_kw, load_factor``; empty without a day."""
        days = self.runs.drop_duplicates("seed")
        if days.empty:
            return {}
        return {name: float(days[f"optimum_{name}"].mean()) for name in ("cost", "peak_kw", "load_factor")}

    @cached_property
    def reference(self) -> str | None:
        """With whom the others are compared: who was asked for, or who has the lowest mean bill.

        Whoever failed on some days, or left vehicles short, comes after those who did not: less energy is no bargain.
        """
        if self.asked_reference is not None:
            return self.asked_reference
        played = self.table[self.table["days"] > 0].assign(fails=self.table["vehicles_short"] > 0)
        ranked = played.sort_values(["days", "fails", "cost_mean"], ascending=[False, True, True], kind="stable")
        return None if ranked.empty else str(ranked["controller"].iloc[0])

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """By how many percent the bills lie above the reference's; ``cosim.statistics.cost_gaps``."""
        return cost_gaps(self.runs, self.controllers, self.reference)

    @property
    def complete(self) -> bool:
        """Whether every day has a result."""
        return len(self.runs) == len(self.controllers) * len(self.seeds)

    def summary(self, *, with_intervals: bool = True) -> dict[str, Any]:
        """Return the content of ``comparison.json``.

        Parameters
        ----------
        with_intervals : bool
            They take a while; without them there are no tables.
        """
        # A single number would mean how many seeds.
        seeds = ",".join(str(seed) for seed in self.seeds) + ("," if len(self.seeds) == 1 else "")
        reference = f" --reference {self.asked_reference}" if self.asked_reference else ""
        names = ",".join(self.controllers)
        return {
            "kind": _KIND,
            "scenario": self.scenario.name,
            "controllers": list(self.controllers),
            "seeds": list(self.seeds),
            "reference": self.asked_reference,
            "complete": self.complete,
            "runs_finished": len(self.runs),
            "failures": [asdict(failure) for failure in self.failures],
            "offline_optimum": self.optimum,
            "table": self.table.to_dict("records") if with_intervals else [],
            "gaps": self.gaps.to_dict("records") if with_intervals else [],
            "tasks": self.tasks.to_dict("records"),
            "decision_ms": self.decision_ms,
            "notes": self.notes,
            "intervals": {"method": "percentile bootstrap", "confidence": CONFIDENCE, "resamples": RESAMPLES},
            "command": f"python -m cosim compare scenario.toml --controllers {names} --seeds {seeds}{reference}",
            "versions": self.versions,
        }


class StationFolder(OutputFolder):
    """Writes one comparison, as often as there is something new.

    Parameters
    ----------
    path : Path
        The folder; it is made here.
    overwrite : bool
        Allow a folder that exists; the files of an earlier comparison in it are replaced.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        super().__init__(path, _FILES, overwrite=overwrite)

    def write_scenario(self, scenario: StationScenario) -> None:
        """Write ``scenario.toml``."""
        self.write_text("scenario.toml", to_toml(scenario))

    def write(self, comparison: StationComparison, *, with_intervals: bool) -> None:
        """Write the tables, then the summary."""
        self.write_table("runs.parquet", comparison.runs)
        self.write_table("loads.parquet", comparison.loads)
        self.write_json("comparison.json", comparison.summary(with_intervals=with_intervals))


def read_station_comparison(folder: str | Path) -> StationComparison:
    """Read the folder of a comparison of controllers, finished or not.

    Parameters
    ----------
    folder : path
        What ``--out`` named, or the default folder that the comparison printed.

    Raises
    ------
    ResultsError
        If it is not such a folder or a file is missing or broken.
    """
    path = Path(folder)
    file = path / "comparison.json"
    if not file.is_file():
        raise ResultsError(f"{path}: not a comparison folder (there is no comparison.json).")
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        if summary.get("kind") != _KIND:
            raise ResultsError(f"{path}: this is a comparison of recommenders, not of controllers at a station.")
        return StationComparison(
            scenario=load_station_scenario(path / "scenario.toml"),
            controllers=tuple(summary["controllers"]),
            seeds=tuple(summary["seeds"]),
            runs=pq.read_table(path / "runs.parquet").to_pandas(),
            loads=pq.read_table(path / "loads.parquet").to_pandas(),
            decision_ms=summary["decision_ms"],
            notes=summary["notes"],
            failures=tuple(FailedDay(**failure) for failure in summary["failures"]),
            asked_reference=summary["reference"],
            versions=summary["versions"],
            folder=path,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, pa.ArrowException, InputError) as error:
        if isinstance(error, ResultsError):
            raise
        raise ResultsError(f"{path}: the comparison folder cannot be read: {error}.") from error


def sum_of(notes: list[Counter[str]]) -> dict[str, int]:
    """Add up notes, the most frequent first."""
    total: Counter[str] = Counter()
    for one in notes:
        total.update(one)
    return dict(sorted(total.items(), key=lambda note: (-note[1], note[0])))
