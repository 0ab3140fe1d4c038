"""How many of the vehicles are EVs that charge, and what that does to everybody (OP-SRL paper, Fig. 8 to 10).

Run with: python examples/studies/ev_share.py [--evs 100,200,...] [--recommenders A,B,...] [--seeds N]

As in the paper, TTT is averaged over the vehicles (all of them, those of the warm-up too), CVV over the decisions and
WCT over the EVs, so that scenarios with different numbers of EVs can be compared.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import common

import cosim
from cosim.errors import InputError
from cosim.traffic.demand import vehicle_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VARIED = common.Quantity("evs", "EVs")
EVS = "100,200,300,400,500,600"
METRICS = (
    common.Quantity("ttt_per_vehicle_s", "TTT per vehicle [s]"),
    common.Quantity("cvv_per_decision_pu", "CVV per decision [pu]", 4),
    common.Quantity("wct_min", "WCT [min]", 2),
)
#: The parts of WCT, with the colours of Fig. 9.
PARTS = {
    common.Quantity("mean_charging_s", "charging [s]"): common.COLOURS[0],
    common.Quantity("mean_waiting_s", "waiting [s]", 1): common.COLOURS[1],
}
#: Of the space between two values.
_BAR_WIDTH = 0.7


def scenarios(source: str, evs: Sequence[int], **overrides: object) -> dict[int, cosim.Scenario]:
    """Return the scenario with each number of EVs.

    Raises
    ------
    InputError
        If there are not as many vehicles in the control period.
    """
    scenario = cosim.load_scenario(source, **overrides)
    _, vehicles, _ = vehicle_counts(scenario)
    faults = [f"--evs {count}: it must be between 1 and the {vehicles} vehicles of the control period."
              for count in evs if not 1 <= count <= vehicles]  # fmt: skip
    if faults:
        raise InputError(faults)
    return {count: cosim.load_scenario(source, **overrides | {"fleet.ev_share": count / vehicles}) for count in evs}


def averaged(study: common.Study) -> common.Study:
    """Add the averages of Fig. 8 to the runs: TTT per vehicle (s), CVV per decision (pu)."""
    runs = study.runs.assign(
        ttt_per_vehicle_s=study.runs["ttt_s"] / study.runs["vehicles"],
        cvv_per_decision_pu=study.runs["cvv_pu"] / study.runs["decisions"],
    )
    return common.Study(study.varied, runs, study.stations)


def station_shares(study: common.Study) -> pd.DataFrame:
    """Return each station's share of the charging energy.

    All EVs need about the same, so that this is the stations' share of the EVs too, however long they charge.

    Returns
    -------
    DataFrame
        A row per number of EVs and recommender, a column per station; rows sum to 1.
    """
    # The recorded instants are equally far apart: sums of power are in proportion to energy.
    energy = study.stations.pivot_table(
        index=[VARIED.column, "recommender"], columns="station", values="power_kw", aggfunc="sum", sort=False
    )
    return energy.div(energy.sum(axis="columns"), axis="index")


def draw(study: common.Study) -> Figure:
    """Draw the metrics (Fig. 8), charging and waiting time (Fig. 9) and the stations' shares (Fig. 10)."""
    names = list(study.runs["recommender"].unique())
    figure = common.blank(max(11.0, 1.0 + 3.0 * len(names)), 9.0)
    top, middle, bottom = figure.subfigures(3, 1, squeeze=False).ravel()
    for axes, metric in zip(top.subplots(1, len(METRICS)), METRICS, strict=True):
        common.draw_errors(axes, study, metric)
    top.axes[0].legend(fontsize="small")
    shares = 100.0 * station_shares(study)
    for row, title in (
        (middle, "charging and waiting time per EV"),
        (bottom, "stations' shares of the charging energy"),
    ):
        row.suptitle(title, fontsize="medium")
    panels = zip(
        names,
        middle.subplots(1, len(names), sharey=True, squeeze=False)[0],
        bottom.subplots(1, len(names), sharey=True, squeeze=False)[0],
        strict=True,
    )
    for name, times, stations in panels:
        own = study.runs[study.runs["recommender"] == name].groupby(VARIED.column)
        parts = own[[part.column for part in PARTS]].mean() / 60.0
        parts.columns = [part.label.split(" ")[0] for part in PARTS]
        _stack(times, parts, tuple(PARTS.values()), name)
        _stack(
            stations,
            shares[shares.index.get_level_values("recommender") == name].droplevel("recommender"),
            common.COLOURS,
            name,
        )
        common.finish(times, study, "")
        common.finish(stations, study, "")
    middle.axes[0].set_ylabel("time [min]")
    bottom.axes[0].set(ylabel="share [%]", ylim=(0, 100))
    for row in (middle, bottom):
        row.legend(*row.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, reverse=True)
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write tables and picture."""
    parser = common.options("Travel time, voltage and the stations' shares against the number of EVs.", "ev-share")
    parser.add_argument("--evs", type=common.numbers, default=EVS, help="EVs in the control period, with commas")
    given = common.parse(parser, arguments)
    terminal = common.console()
    chosen = scenarios(given.scenario, given.evs, **common.settings(given))
    study = averaged(common.run(given, VARIED, chosen, terminal))
    shares = station_shares(study)

    def split(own: pd.DataFrame) -> str:
        of_stations = shares.loc[own.iloc[0][VARIED.column], own.iloc[0]["recommender"]]
        return " / ".join(f"{100 * share:.0f}" for share in of_stations)

    terminal.print(common.means(study, (*METRICS, *PARTS), {f"{' / '.join(shares.columns)} [%]": split}))
    common.write_picture(lambda: draw(study), given.out / "ev_share.png", terminal)


def _stack(axes: Axes, heights: pd.DataFrame, colours: Sequence[str], title: str) -> None:
    """Draw stacked bars: one per row, its index on the x-axis, a piece per column."""
    heights = heights.sort_index()
    gap = heights.index.to_series().diff().min()
    width = _BAR_WIDTH * (gap if len(heights) > 1 else 1.0)
    bottom = 0.0 * heights.iloc[:, 0]
    for (name, piece), colour in zip(heights.items(), itertools.cycle(colours), strict=False):
        axes.bar(piece.index, piece, width, bottom=bottom, label=str(name), color=colour)
        bottom = bottom + piece
    axes.set_title(title, fontsize="medium")
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.05 * bottom.max()))


if __name__ == "__main__":
    common.main(main)
