"""Shapes of the results that need no learning (OP-SRL paper, section 5.4): measured on SUMO, held or missed.

Run with: python benchmarks/shapes.py [--seeds N] [--workers N]. The exit status is 1 if one is missed.

1. The merit order sends 100 and 200 EVs to the electrically nearest station (at least 95 %), and splits 300 EVs 70-80 /
   20-30 over the two nearest (Fig. 6 and 10).
2. The total travel time falls as the control interval of the droop grows (Fig. 11): the slope of the straight line
   through the intervals, seed by seed, lies below 0 with its 95 % interval. It need not fall at every step: the cap
   follows from the interval before, so that it lags behind a growing load, and by how much depends on where in the hour
   the intervals begin as well as on their length.
3. CVV is never below decisions times base deviation, the deviation of the feeder without any charging.
"""

from __future__ import annotations

import argparse
import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

import cosim
from cosim.cluster import open_workers
from cosim.coupling import CoupledSystem, couple
from cosim.experiment import base_cost_pu, evaluation_seeds
from cosim.statistics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCENARIO, EVS_AT_FULL_SHARE = "nguyen-dupuis", 600
#: EVs, and the range asked of the shares of the electrically nearest station and of the next [%].
SPLITS = {
    100: ((95.0, 100.0), (0.0, 5.0)),
    200: ((95.0, 100.0), (0.0, 5.0)),
    300: ((70.0, 80.0), (20.0, 30.0)),
}
RECOMMENDERS = ("merit-order", "least-time-droop", "uniform")
INTERVALS_MIN = (5, 10, 15, 20, 25, 30)
#: CVV without charging of 300 decisions on the IEEE 33-bus feeder (pu), to the two digits that are known of it.
FLOOR_EVS, FLOOR_PU = 300, 15.46
#: What rounding may do to a mean or a sum.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Job:
    """One run."""

    recommender: str
    evs: int
    interval_min: int
    seed: int


@dataclass(frozen=True, slots=True)
class Check:
    """What became of a check."""

    what: str
    asked: str
    measured: str
    held: bool


def measure(job: Job) -> dict[str, Any]:
    """Do one run; return its total travel time (s), its costs (pu), and the shares of the stations (%)."""
    scenario = cosim.load_scenario(
        SCENARIO,
        recommender=job.recommender,
        **{"fleet.ev_share": job.evs / EVS_AT_FULL_SHARE, "droop.control_interval_s": 60 * job.interval_min},
    )
    system = _system()
    result = cosim.run(scenario, seed=job.seed, system=system)
    floor_pu = base_cost_pu(scenario, system.power_flow) * result.counts["decisions"]
    chosen = result.decisions["station"].value_counts(normalize=True)
    nearest = [100.0 * chosen.get(station, 0.0) for station in by_electrical_distance(system)]
    return {
        "recommender": job.recommender,
        "evs": job.evs,
        "interval_min": job.interval_min,
        "seed": job.seed,
        "ttt_s": result.metrics["ttt_s"],
        "floor_pu": floor_pu,
        "above_floor_pu": result.metrics["cvv_pu"] - floor_pu,
        "first_percent": nearest[0],
        "second_percent": nearest[1],
    }


def by_electrical_distance(system: CoupledSystem) -> list[str]:
    """Return the stations, first the one whose load lowers the mean voltage least."""
    loads_kw = np.eye(len(system.stations))
    means_pu = [system.power_flow.solve(load_kw).mean_pu for load_kw in loads_kw]
    return [system.stations[place].id for place in np.argsort(-np.array(means_pu), kind="stable")]


@functools.cache
def _system() -> CoupledSystem:
    """Load network and feeder once per process; they are the same in all runs."""
    return couple(cosim.load_scenario(SCENARIO))


def jobs(seeds: Sequence[int]) -> list[Job]:
    """Return all runs; those of the default interval and share are needed once."""
    default_min = cosim.load_scenario(SCENARIO).droop.control_interval_s // 60
    found = [Job("merit-order", evs, default_min, seed) for evs in SPLITS for seed in seeds]
    found += [
        Job(name, FLOOR_EVS, interval, seed) for name in RECOMMENDERS for interval in INTERVALS_MIN for seed in seeds
    ]
    return list(dict.fromkeys(found))


def checks(runs: pd.DataFrame) -> Iterator[Check]:
    """Judge the runs.

    Parameters
    ----------
    runs : DataFrame
        Rows of `measure`, for `jobs`.
    """
    default_min = runs.loc[runs["evs"] != FLOOR_EVS, "interval_min"].iloc[0]
    merit = runs[(runs["recommender"] == "merit-order") & (runs["interval_min"] == default_min)]
    for evs, ranges in SPLITS.items():
        own = merit[merit["evs"] == evs]
        for column, which, (low, high) in zip(
            ("first_percent", "second_percent"), ("nearest", "second nearest"), ranges, strict=True
        ):
            mean = own[column].mean()
            yield Check(
                f"merit-order, {evs} EVs: share of the electrically {which} station",
                f"{low:.0f} to {high:.0f} %",
                f"{mean:.2f} % (seeds: {own[column].min():.1f} to {own[column].max():.1f})",
                bool(low - _ROUNDING <= mean <= high + _ROUNDING),
            )
    for name in RECOMMENDERS:
        own = runs[(runs["recommender"] == name) & (runs["evs"] == FLOOR_EVS)]
        yield _falling(name, own.pivot_table(index="seed", columns="interval_min", values="ttt_s"))
    floors_pu = runs.loc[runs["evs"] == FLOOR_EVS, "floor_pu"]
    yield Check(
        f"floor of CVV, {FLOOR_EVS} decisions times base deviation",
        f"{FLOOR_PU:.2f} pu",
        f"{floors_pu.min():.4f} to {floors_pu.max():.4f} pu",
        bool((floors_pu.round(2) == FLOOR_PU).all()),
    )
    lowest_pu = runs["above_floor_pu"].min()
    yield Check(
        f"CVV less its floor, lowest of {len(runs)} runs", "at least 0", f"{lowest_pu:.4f} pu",
        bool(lowest_pu >= -_ROUNDING),
    )  # fmt: skip


def _falling(name: str, ttt_s: pd.DataFrame) -> Check:
    """Judge whether TTT falls with the control interval; ``ttt_s`` has a row per seed and a column per interval."""
    slopes = np.array([np.polyfit(ttt_s.columns, row, 1)[0] for row in ttt_s.to_numpy()])
    low, high = bootstrap_interval(slopes)
    means = ttt_s.mean()
    steps = int((np.diff(means) < 0).sum())
    change = 100.0 * (means.iloc[-1] / means.iloc[0] - 1.0)
    return Check(
        f"{name}, {FLOOR_EVS} EVs: TTT against the control interval",
        "slope below 0",
        f"{slopes.mean():.0f} s per min [{low:.0f}, {high:.0f}]; {means.index[0]} to {means.index[-1]} min: "
        f"{change:+.2f} %, lower at {steps} of {len(means) - 1} steps",
        bool(high < 0.0),
    )


def report(found: Sequence[Check], seeds: int, console: Console) -> None:
    """Print a row per check."""
    table = Table(title=f"means over {seeds} evaluation seeds; [95 % bootstrap interval]", title_justify="left")
    for heading in ("check", "asked", "measured", ""):
        table.add_column(heading)
    for check in found:
        table.add_row(check.what, check.asked, check.measured, "held" if check.held else "MISSED")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do all runs, print all checks, and return the exit status."""
    parser = argparse.ArgumentParser(description="Shapes of the results that need no learning, measured on SUMO.")
    parser.add_argument("--seeds", type=int, default=5, help="evaluation seeds, at least 2 (5)")
    parser.add_argument("--workers", type=int, default=2, help="processes that share the runs (2)")
    given = parser.parse_args(arguments)
    if given.seeds < 2:
        parser.error("--seeds: an interval needs at least 2.")
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 190  # a pipe has no width of its own
    todo = jobs(evaluation_seeds(given.seeds))
    with open_workers(given.workers) as executor:
        rows = map(measure, todo) if executor is None else executor.map(measure, todo)
        found = list(checks(pd.DataFrame(list(rows))))
    report(found, given.seeds, console)
    return 0 if all(check.held for check in found) else 1


if __name__ == "__main__":
    sys.exit(main())
