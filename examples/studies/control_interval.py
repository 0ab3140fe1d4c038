"""How often the droop controller acts, and what that does to travel time and voltage (OP-SRL paper, Fig. 11).

Run with: python examples/studies/control_interval.py [--minutes 5,10,...] [--recommenders A,B,...] [--seeds N]

The differences are much smaller than those between recommenders, and smaller than those between seeds. All intervals
meet the same vehicles, so that the lower row compares each interval with the first one seed by seed.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import common
import pandas as pd

import cosim
from cosim.statistics import bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

VARIED = common.Quantity("control_interval_min", "control interval [min]")
MINUTES = "5,10,15,20,25,30"


def scenarios(source: str, minutes: Sequence[int], **overrides: object) -> dict[int, cosim.Scenario]:
    """Return the scenario with each control interval (min)."""
    return {
        interval: cosim.load_scenario(source, **overrides | {"droop.control_interval_s": 60 * interval})
        for interval in minutes
    }


def changes(study: common.Study, metric: str) -> pd.DataFrame:
    """Compare every interval with the first one, seed by seed.

    Parameters
    ----------
    study : Study
        Runs of the same seeds at every interval.
    metric : str
        Column of ``study.runs``.

    Returns
    -------
    DataFrame
        ``recommender``, ``control_interval_min``, ``percent`` (mean of the differences, in percent of the mean at the
        first interval), ``low``, ``high`` (95 % bootstrap interval of it; NaN of one seed).
    """
    rows = []
    for name, own in study.runs.groupby("recommender", sort=False):
        table = own.pivot_table(index="seed", columns=VARIED.column, values=metric)
        first = table[study.runs[VARIED.column].iloc[0]]
        for interval in table.columns:
            percent = 100.0 * (table[interval] - first) / first.mean()
            low, high = bootstrap_interval(percent.to_numpy())
            rows.append((name, interval, percent.mean(), low, high))
    return pd.DataFrame(rows, columns=["recommender", VARIED.column, "percent", "low", "high"])


def draw(study: common.Study) -> Figure:
    """Draw TTT, CVV and WCT over the control interval, and below how they change with it."""
    figure = common.blank(11.0, 6.4)
    above, below = figure.subplots(2, len(common.METRICS), sharex=True)
    for upper, lower, metric in zip(above, below, common.METRICS, strict=True):
        common.draw_errors(upper, study, metric)
        upper.set_xlabel("")
        table = changes(study, metric.column)
        for (name, own), colour in zip(
            table.groupby("recommender", sort=False), itertools.cycle(common.COLOURS), strict=False
        ):
            line = own.set_index(VARIED.column)
            lengths = pd.DataFrame({"down": line["percent"] - line["low"], "up": line["high"] - line["percent"]})
            common.draw_line(lower, line["percent"], lengths.fillna(0.0), name, colour)
        lower.axhline(0.0, color="0.6", linewidth=0.8, zorder=1)
        common.finish(lower, study, f"change of {metric.label.split(' ')[0]} [%]")
    above[0].yaxis.set_major_formatter("{x:,.0f}")
    above[1].set_title("mean ± standard deviation over the seeds", fontsize="medium")
    below[1].set_title("change from the first interval, seed by seed, with its 95 % interval", fontsize="medium")
    figure.legend(*above[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write tables and picture."""
    parser = common.options("TTT, CVV and WCT against the interval of the droop controller.", "control-interval")
    parser.add_argument("--minutes", type=common.numbers, default=MINUTES, help="control intervals [min], with commas")
    given = common.parse(parser, arguments)
    terminal = common.console()
    chosen = scenarios(given.scenario, given.minutes, **common.settings(given))
    study = common.run(given, VARIED, chosen, terminal)
    by_runs = changes(study, "ttt_s").set_index([VARIED.column, "recommender"])

    def change(own: pd.DataFrame) -> str:
        percent, low, high = by_runs.loc[own.iloc[0][VARIED.column], own.iloc[0]["recommender"]]
        return f"{percent:+.2f}" + (f" [{low:+.2f}, {high:+.2f}]" if math.isfinite(low) else "")

    terminal.print(common.means(study, common.METRICS, {"TTT against the first [%]": change}))
    common.write_picture(lambda: draw(study), given.out / "control_interval.png", terminal)


if __name__ == "__main__":
    common.main(main)
