"""Statistics of many runs: means, and paired differences with bootstrap intervals. Pure functions over one table.

The table has a row per run, with ``recommender``, ``seed`` and one column per metric. Runs with the same seed meet the
same vehicles (common random numbers), so that recommenders are compared seed by seed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

#: What is averaged over the runs.
SUMMARISED = (
    "ttt_s", "cvv_pu", "wct_min", "cvv_above_floor_pu", "mean_waiting_s", "mean_charging_s", "mean_driving_s",
    "min_voltage_pu", "share_below_095", "share_below_090",
)  # fmt: skip
#: What is compared seed by seed.
COMPARED = ("ttt_s", "cvv_pu", "wct_min")
#: Of the days that a controller played at a station by itself: what is averaged, with intervals.
DAY_METRICS = ("cost", "ratio", "peak_kw", "load_factor", "demand_met")
CONFIDENCE = 0.95
RESAMPLES = 9999
#: Intervals are the same whenever they are computed.
_BOOTSTRAP_SEED = 0


def summary_table(runs: pd.DataFrame, recommenders: Sequence[str]) -> pd.DataFrame:
    """Average each metric over the runs of each recommender.

    Parameters
    ----------
    runs : DataFrame
        One row per run.
    recommenders : sequence of str
        Rows of the result, in this order, whether they have runs or not.

    Returns
    -------
    DataFrame
        ``recommender``, ``runs``, and for every metric of ``SUMMARISED`` its ``<metric>_mean`` and ``<metric>_sd``, the
        standard deviation of the sample; NaN without a run, or with one for the latter.
    """
    rows = []
    for name in recommenders:
        own = runs[runs["recommender"] == name]
        row: dict[str, str | int | float] = {"recommender": name, "runs": len(own)}
        for metric in SUMMARISED:
            values = own[metric].to_numpy(dtype=np.float64) if len(own) else np.zeros(0)
            row[f"{metric}_mean"] = float(values.mean()) if len(values) else math.nan
            row[f"{metric}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else math.nan
        rows.append(row)
    return pd.DataFrame(rows)


def best_recommender(table: pd.DataFrame) -> str | None:
    """Return the recommender with the lowest mean TTT among those with the most runs, None without any run.

    Parameters
    ----------
    table : DataFrame
        What :func:`summary_table` returns.
    """
    ran = table[table["runs"] > 0]
    if ran.empty:
        return None
    return str(ran.sort_values(["runs", "ttt_s_mean"], ascending=[False, True], kind="stable")["recommender"].iloc[0])


def paired_differences(runs: pd.DataFrame, recommenders: Sequence[str], reference: str | None) -> pd.DataFrame:
    """Compare each recommender with a reference, seed by seed.

    Parameters
    ----------
    runs : DataFrame
        One row per run.
    recommenders : sequence of str
        Who is compared, in this order.
    reference : str or None
        With whom; without a reference there are no rows.

    Returns
    -------
    DataFrame
        One row per recommender other than the reference and metric of ``COMPARED``: ``recommender, reference, metric,
        seeds`` (those that both have), ``difference`` (mean of recommender minus reference; negative is better),
        ``low``, ``high`` (95 % interval, :func:`bootstrap_interval`).
    """
    rows = []
    others = [name for name in recommenders if name != reference] if reference is not None else []
    by_seed = runs.set_index("seed")
    base = by_seed[by_seed["recommender"] == reference]
    for name in others:
        own = by_seed[by_seed["recommender"] == name]
        seeds = own.index.intersection(base.index).sort_values()
        for metric in COMPARED:
            gaps = (own.loc[seeds, metric] - base.loc[seeds, metric]).to_numpy(dtype=np.float64) if len(seeds) else []
            mean = float(np.mean(gaps)) if len(seeds) else math.nan
            low, high = bootstrap_interval(np.asarray(gaps))
            rows.append((name, reference, metric, len(seeds), mean, low, high))
    columns = ["recommender", "reference", "metric", "seeds", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def bootstrap_interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bootstrap interval of a mean of paired differences.

    Percentile method: resampling pairs is resampling their differences. It needs no special case where all
    differences are alike.

    Parameters
    ----------
    differences : ndarray of float, shape (n,)
        One per seed.

    Returns
    -------
    low, high : float
        Of the 95 % interval; NaN for fewer than two differences, or where one is unknown.
    """
    return _percentile_interval(np.mean, differences)


def relative_gaps(runs: pd.DataFrame, recommenders: Sequence[str], reference: str | None) -> pd.DataFrame:
    """Say by how many percent the mean TTT of each recommender lies above that of a reference, paired by seed.

    Parameters
    ----------
    runs : DataFrame
        One row per run.
    recommenders : sequence of str
        Whose gap is wanted, in this order.
    reference : str or None
        To whom; without a reference there are no rows.

    Returns
    -------
    DataFrame
        One row per recommender: ``recommender, reference, seeds`` (those that both have), ``mean_percent`` (mean TTT of
        the recommender over that of the reference, minus one; negative is better), ``low_percent``, ``high_percent``
        (95 % bootstrap interval, seeds drawn with replacement and both means taken of the seeds drawn).
    """
    by_seed = runs.set_index("seed")
    base = by_seed[by_seed["recommender"] == reference]
    rows = []
    for name in recommenders if reference is not None else ():
        own = by_seed[by_seed["recommender"] == name]
        seeds = own.index.intersection(base.index).sort_values()
        ours, theirs = (
            table.loc[seeds, "ttt_s"].to_numpy(dtype=np.float64) if len(seeds) else np.zeros(0) for table in (own, base)
        )
        # A travel time of 0 s, of a run without vehicles, is nothing to be compared with.
        known = len(seeds) > 0 and bool((theirs > 0).all())
        mean = float(_gap_percent(ours, theirs)) if known else math.nan
        low, high = _percentile_interval(_gap_percent, ours, theirs) if known else (math.nan, math.nan)
        rows.append((name, reference, len(seeds), mean, low, high))
    columns = ["recommender", "reference", "seeds", "mean_percent", "low_percent", "high_percent"]
    return pd.DataFrame(rows, columns=columns)


def day_table(runs: pd.DataFrame, controllers: Sequence[str]) -> pd.DataFrame:
    """Average the days of each controller of a station.

    Parameters
    ----------
    runs : DataFrame
        One row per controller and seed, with ``DAY_METRICS``, ``vehicles_short``, ``short_kwh`` and ``decisions``.
    controllers : sequence of str
        Rows of the result, in this order, whether they have days or not.

    Returns
    -------
    DataFrame
        ``controller``, ``days``; for every metric ``<metric>_mean``, ``_low`` and ``_high`` (95 % interval of the mean,
        days drawn with replacement); the sums ``vehicles_short``, ``short_kwh`` and ``decisions``.
    """
    rows = []
    for name in controllers:
        own = runs[runs["controller"] == name]
        row: dict[str, str | int | float] = {"controller": name, "days": len(own)}
        for metric in DAY_METRICS:
            values = own[metric].to_numpy(dtype=np.float64) if len(own) else np.zeros(0)
            row[f"{metric}_mean"] = float(values.mean()) if len(values) else math.nan
            row[f"{metric}_low"], row[f"{metric}_high"] = bootstrap_interval(values)
        for total in ("vehicles_short", "short_kwh", "decisions"):
            row[total] = np.asarray(own[total]).sum().item() if len(own) else 0
        rows.append(row)
    return pd.DataFrame(rows)


def task_table(runs: pd.DataFrame, controllers: Sequence[str]) -> pd.DataFrame:
    """Sum up what the vehicles of a station computed.

    Parameters
    ----------
    runs : DataFrame
        One row per controller and seed, with ``tasks, tasks_rejected, task_gap, computing_kwh``.
    controllers : sequence of str
        Rows of the result, in this order; none for those without tasks.

    Returns
    -------
    DataFrame
        ``controller``, ``days``, the means per day ``tasks`` and ``computing_kwh``, ``rejected`` (share of the tasks)
        and ``gap`` (mean certificate of the assignments).
    """
    rows = []
    for name in controllers:
        own = runs[runs["controller"] == name]
        # Folders of earlier versions know no tasks.
        if "tasks" not in own.columns or not own["tasks"].sum():
            continue
        rows.append(
            {
                "controller": name,
                "days": len(own),
                "tasks": float(own["tasks"].mean()),
                "rejected": float(own["tasks_rejected"].sum() / own["tasks"].sum()),
                "gap": float(own["task_gap"].mean()),
                "computing_kwh": float(own["computing_kwh"].mean()),
            }
        )
    return pd.DataFrame(rows, columns=["controller", "days", "tasks", "rejected", "gap", "computing_kwh"])


def cost_gaps(runs: pd.DataFrame, controllers: Sequence[str], reference: str | None) -> pd.DataFrame:
    """Say by how many percent the mean bill of each controller lies above that of a reference, paired by seed.

    Parameters
    ----------
    runs : DataFrame
        One row per controller and seed, with ``cost``.
    controllers : sequence of str
        Whose gap is wanted, in this order; the reference itself has none.
    reference : str or None
        To whom; without a reference there are no rows.

    Returns
    -------
    DataFrame
        ``controller, reference, seeds, mean_percent, low_percent, high_percent`` as :func:`relative_gaps` has them.
    """
    named = runs.rename(columns={"controller": "recommender", "cost": "ttt_s"})
    gaps = relative_gaps(named, [name for name in controllers if name != reference], reference)
    return gaps.rename(columns={"recommender": "controller"})


def _gap_percent(ours: NDArray[np.float64], theirs: NDArray[np.float64], axis: int = -1) -> Any:
    """Return by how many percent one mean exceeds another, along an axis."""
    return 100.0 * (ours.mean(axis=axis) / theirs.mean(axis=axis) - 1.0)


def _percentile_interval(statistic: Callable[..., Any], *samples: NDArray[np.float64]) -> tuple[float, float]:
    """Return the bootstrap interval of a statistic of paired samples, each of shape (n,); NaN if it has none."""
    if len(samples[0]) < 2 or not all(np.isfinite(sample).all() for sample in samples):
        return math.nan, math.nan
    interval = scipy.stats.bootstrap(
        samples,
        statistic,
        vectorized=True,
        paired=True,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(_BOOTSTRAP_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def mean_over_runs(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Average the station tables of several runs instant by instant.

    Parameters
    ----------
    tables : sequence of DataFrame
        ``stations`` of each run. After the end of a run its stations are empty.

    Returns
    -------
    DataFrame
        ``time_s, station, queued, charging, en_route, power_kw`` averaged over all runs, ``cap_kw`` and ``runs`` over
        and of those that were going on.
    """
    everything = pd.concat(tables, ignore_index=True)
    # Unsorted groups keep the stations in the order of the scenario, where CS2 comes before CS10.
    groups = everything.groupby(["time_s", "station"], sort=False)
    loads = ["queued", "charging", "en_route", "power_kw"]
    means = groups[loads].sum() / len(tables)
    means["cap_kw"] = groups["cap_kw"].mean()
    means["runs"] = groups.size()
    return means.reset_index().sort_values("time_s", kind="stable", ignore_index=True)
