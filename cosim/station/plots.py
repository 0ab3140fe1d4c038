"""Pictures of a comparison of controllers: load curves (SCA and CALC paper, Fig. 6 and 7) and bills (as Fig. 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.errors import InputError
from cosim.plots import GRID_COLOUR, legend_below, line_styles, new_figure, verbatim, write_picture
from cosim.station.comparison import OPTIMUM, PICTURES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from cosim.station.comparison import StationComparison

_BASE_STYLE: dict[str, Any] = {"color": "0.6", "linewidth": 1.5, "linestyle": "-"}
_OPTIMUM_STYLE: dict[str, Any] = {"color": "black", "linewidth": 2.2, "linestyle": ":"}
_TICK_H = 6


def write_plots(comparison: StationComparison, path: Path) -> None:
    """Write ``PICTURES``, each replaced as a whole.

    Parameters
    ----------
    comparison : StationComparison
        With at least one finished day.
    path : Path
        A folder that exists.

    Raises
    ------
    InputError
        If there is no finished day.
    WriteError
        If a picture cannot be written.
    """
    for name, draw in zip(PICTURES, (plot_loads, plot_costs), strict=True):
        write_picture(draw(comparison), path / name)


def plot_loads(comparison: StationComparison) -> Figure:
    """Draw the load over the day: without vehicles, with each controller, and in the offline optimum.

    Parameters
    ----------
    comparison : StationComparison
        With at least one finished day.

    Returns
    -------
    Figure
        Two panels over the time of day, averaged over the seeds: total load (kW), with the base load; load of the
        vehicles alone (kW).

    Raises
    ------
    InputError
        If there is no finished day.
    """
    loads = _loads(comparison)
    start_h, slot_s = comparison.scenario.station.start_h, comparison.scenario.station.slot_s
    figure = new_figure(width_inch=9.0, height_inch=7.5)
    total, charging = figure.subplots(2, 1, sharex=True)
    names = list(loads["controller"].unique())
    first = loads[loads["controller"] == names[0]]
    edge_h = start_h + np.append(first["time_s"], first["time_s"].iloc[-1] + slot_s) / 3600.0
    total.stairs(first["base_kw"], edge_h, baseline=None, label="base load", **_BASE_STYLE)
    styles = dict(zip(names, line_styles(len(names)), strict=True)) | {OPTIMUM: _OPTIMUM_STYLE}
    for name in names:
        own = loads[loads["controller"] == name]
        total.stairs(own["total_kw"], edge_h, baseline=None, label=verbatim(name), **styles[name])
        charging.stairs(own["charging_kw"], edge_h, baseline=None, **styles[name])
    ticks = np.arange(np.ceil(start_h / _TICK_H) * _TICK_H, edge_h[-1] + 1e-9, _TICK_H)
    charging.set_xticks(ticks, [f"{tick % 24:.0f}:00" for tick in ticks])
    total.set(ylabel="total load [kW]", xlim=(edge_h[0], edge_h[-1]), ylim=(0, None))
    charging.set(ylabel="load of the vehicles [kW]", xlabel="time of day", ylim=(0, None))
    for panel in (total, charging):
        panel.grid(color=GRID_COLOUR)
    figure.align_ylabels()
    legend_below(figure, total)
    return figure


def plot_costs(comparison: StationComparison) -> Figure:
    """Draw what each controller costs relative to the offline optimum.

    Parameters
    ----------
    comparison : StationComparison
        With at least one finished day.

    Returns
    -------
    Figure
        A bar per controller: by how many percent its bill exceeds the optimum's, mean over the days, with the 95 %
        interval; beside its name the mean bill of a vehicle.

    Raises
    ------
    InputError
        If there is no finished day.
    """
    _loads(comparison)
    table = comparison.table[comparison.table["days"] > 0]
    figure = new_figure(width_inch=8.0, height_inch=1.2 + 0.35 * len(table))
    panel = figure.subplots()
    places = np.arange(len(table))[::-1]
    above = 100.0 * (table["ratio_mean"].to_numpy() - 1.0)
    ends = [100.0 * (table[f"ratio_{end}"].to_numpy() - 1.0) for end in ("low", "high")]
    lengths = np.nan_to_num(np.stack([above - ends[0], ends[1] - above]).clip(0.0))
    panel.barh(places, above, xerr=lengths, color=line_styles(1)[0]["color"], capsize=3)
    sums = comparison.runs.groupby("controller")[["cost", "vehicles"]].sum()
    per_vehicle = sums["cost"] / sums["vehicles"].clip(lower=1)
    labels = [f"{verbatim(name)} ({per_vehicle[name]:,.4f})" for name in table["controller"]]
    panel.set_yticks(places, labels)
    panel.set_xlabel("bill above the offline optimum [%]; in brackets the mean bill of a vehicle")
    panel.grid(color=GRID_COLOUR, axis="x")
    panel.set_axisbelow(True)
    return figure


def _loads(comparison: StationComparison) -> pd.DataFrame:
    if comparison.loads.empty:
        raise InputError("the comparison has no finished day; there is nothing to draw.")
    return comparison.loads
