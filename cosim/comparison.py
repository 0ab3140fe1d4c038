"""A comparison of recommenders: its runs, what follows from them, and its folder.

The folder holds ``comparison.json``, ``runs.parquet`` (a row per run), ``stations.parquet`` (each station over time,
averaged over the seeds, per recommender), ``scenario.toml`` and, where matplotlib is installed, the ``PICTURES`` that
``cosim.plots`` draws.
"""

from __future__ import annotations

import json
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
from cosim.scenario_file import load_scenario
from cosim.statistics import (
    CONFIDENCE,
    RESAMPLES,
    best_recommender,
    paired_differences,
    relative_gaps,
    summary_table,
)

if TYPE_CHECKING:
    from cosim.results import Result
    from cosim.scenario import Scenario

#: What ``cosim.plots`` draws of a comparison.
PICTURES = ("occupancy.png", "charging_power.png")
_FILES = ("comparison.json", "runs.parquet", "stations.parquet", "scenario.toml", PAGE, *PICTURES)


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run without a result, and why."""

    recommender: str
    seed: int
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Runs of several recommenders with the same seeds.

    Attributes
    ----------
    scenario : Scenario
        What was simulated.
    recommenders : tuple of str
        Who was compared.
    seeds : tuple of int
        The seeds that each of them was to meet.
    floor_pu : float
        CVV of a run without any charging: a decision of every EV, each at the base deviation. The floor of the cost
        that the scenario asks for.
    learned : tuple of str
        Those of the recommenders that are learned policies; the others are heuristics.
    runs : DataFrame
        One row per finished run, by recommender and seed in the order above: ``recommender``, ``seed``, the run's
        metrics and counts, ``cvv_floor_pu`` (its decisions times the base deviation), ``cvv_above_floor_pu``,
        ``share_below_095`` and ``share_below_090`` (share of the recorded instants at which some bus lies below 0.95,
        0.90 pu), ``steps``, ``stop_reason``.
    stations : DataFrame
        ``recommender, time_s, station, queued, charging, en_route, power_kw, cap_kw, runs``, averaged over the
        seeds; see ``cosim.statistics.mean_over_runs``.
    failures : tuple of FailedRun
        Runs that gave no result.
    asked_reference : str or None
        The reference somebody asked for.
    versions : dict of str to str
        Of the packages that made the results.
    folder : Path or None
        Where it is written.
    """

    scenario: Scenario
    recommenders: tuple[str, ...]
    seeds: tuple[int, ...]
    floor_pu: float
    learned: tuple[str, ...] = ()
    runs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["recommender", "seed"]))
    stations: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["recommender", "time_s", "station"]))
    failures: tuple[FailedRun, ...] = ()
    asked_reference: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @cached_property
    def table(self) -> pd.DataFrame:
        """Mean and standard deviation of each metric per recommender; ``cosim.statistics.summary_table``."""
        return summary_table(self.runs, self.recommenders)

    @cached_property
    def reference(self) -> str | None:
        """With whom the others are compared: who was asked for, or who has the lowest mean TTT."""
        return self.asked_reference or best_recommender(self.table)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Paired differences from the reference; ``cosim.statistics.paired_differences``."""
        return paired_differences(self.runs, self.recommenders, self.reference)

    @cached_property
    def best_heuristic(self) -> str | None:
        """Who has the lowest mean TTT of those that learned nothing; None where there is no such run."""
        return best_recommender(self.table[~self.table["recommender"].isin(self.learned)])

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """How far each learned policy is from the best heuristic; ``cosim.statistics.relative_gaps``."""
        return relative_gaps(self.runs, self.learned, self.best_heuristic)

    @property
    def complete(self) -> bool:
        """Whether every run has a result."""
        return len(self.runs) == len(self.recommenders) * len(self.seeds)

    def summary(self, *, with_differences: bool = True) -> dict[str, Any]:
        """Return the content of ``comparison.json``.

        Parameters
        ----------
        with_differences : bool
            Their intervals take a while; without them ``differences`` and ``gap_to_best_heuristic`` are empty.
        """
        return {
            "scenario": self.scenario.name,
            "network": self.scenario.network.name or self.scenario.network.file,
            "grid": self.scenario.grid.name or self.scenario.grid.file,
            "recommenders": list(self.recommenders),
            "learned": list(self.learned),
            "seeds": list(self.seeds),
            "reference": self.reference,
            "complete": self.complete,
            "runs_finished": len(self.runs),
            "failures": [asdict(failure) for failure in self.failures],
            "floor_pu": self.floor_pu,
            "table": self.table.to_dict("records"),
            "differences": self.differences.to_dict("records") if with_differences else [],
            "best_heuristic": self.best_heuristic,
            "gap_to_best_heuristic": self.gaps.to_dict("records") if with_differences else [],
            "intervals": {"method": "paired percentile bootstrap", "confidence": CONFIDENCE, "resamples": RESAMPLES},
            "commands": self._commands(),
            "versions": self.versions,
        }

    def _commands(self) -> dict[str, str | dict[str, str]]:
        """Return what to type, in the folder, to get the comparison or one run of it (SEED: one of the seeds) again."""
        # A single number would mean how many seeds.
        seeds = ",".join(str(seed) for seed in self.seeds) + ("," if len(self.seeds) == 1 else "")
        reference = f" --reference {self.asked_reference}" if self.asked_reference else ""
        own = self.scenario.recommender.name
        return {
            "comparison": (
                f"python -m cosim compare scenario.toml --recommenders {','.join(self.recommenders)} "
                f"--seeds {seeds}{reference}"
            ),
            # The scenario's own recommender has its options there; naming it would drop them.
            "runs": {
                name: "python -m cosim run scenario.toml --seed SEED"
                + (f" --recommender {name}" if name != own else "")
                for name in self.recommenders
            },
        }


def run_row(recommender: str, seed: int, result: Result, base_pu: float) -> dict[str, Any]:
    """Return a run's row of ``Comparison.runs``.

    Parameters
    ----------
    recommender : str
        Who answered.
    seed : int
        The run's seed.
    result : Result
        The run.
    base_pu : float
        Cost of a decision when nobody charges.
    """
    floor_pu = base_pu * result.counts["decisions"]
    lowest_pu = result.buses.groupby("time_s")["vm_pu"].min()
    return {
        "recommender": recommender,
        "seed": seed,
        **result.metrics,
        "cvv_floor_pu": floor_pu,
        "cvv_above_floor_pu": result.metrics["cvv_pu"] - floor_pu,
        "share_below_095": float((lowest_pu < 0.95).mean()),
        "share_below_090": float((lowest_pu < 0.90).mean()),
        **result.counts,
        "steps": result.summary["steps"],
        "stop_reason": result.summary["stop_reason"],
    }


class ComparisonFolder(OutputFolder):
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

    def write_scenario(self, scenario: Scenario) -> None:
        """Write ``scenario.toml``."""
        self.write_text("scenario.toml", to_toml(scenario))

    def write(self, comparison: Comparison, *, with_differences: bool) -> None:
        """Write the tables, then the summary."""
        self.write_table("runs.parquet", comparison.runs)
        self.write_table("stations.parquet", comparison.stations)
        self.write_json("comparison.json", comparison.summary(with_differences=with_differences))


def read_comparison(folder: str | Path) -> Comparison:
    """Read a comparison folder, finished or not.

    Parameters
    ----------
    folder : path
        What ``--out`` named, or the default folder that the comparison printed.

    Raises
    ------
    ResultsError
        If it is not a comparison folder or a file is missing or broken.
    """
    path = Path(folder)
    file = path / "comparison.json"
    if not file.is_file():
        raise ResultsError(f"{path}: not a comparison folder (there is no comparison.json).")
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
        return Comparison(
            scenario=load_scenario(path / "scenario.toml"),
            recommenders=tuple(summary["recommenders"]),
            seeds=tuple(summary["seeds"]),
            runs=pq.read_table(path / "runs.parquet").to_pandas(),
            stations=pq.read_table(path / "stations.parquet").to_pandas(),
            floor_pu=summary["floor_pu"],
            # Folders of an earlier version do not say.
            learned=tuple(summary.get("learned", ())),
            failures=tuple(FailedRun(**failure) for failure in summary["failures"]),
            asked_reference=summary["reference"],
            versions=summary["versions"],
            folder=path,
        )
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, InputError) as error:
        raise ResultsError(f"{path}: the comparison folder cannot be read: {error}.") from error
