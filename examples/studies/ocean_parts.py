"""What the parts of ``ocean_figures.py`` have in common: a table, what the paper says of it, and whether that holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from cosim.plots import line_styles
from cosim.randomness import stream
from cosim.scheduling.offline import offline_optimum
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import draw_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cosim_agents.ocean.pile_days import PlayedPiles
    from cosim_agents.ocean.station_days import StationDay, StationDays

#: More than these numbers of digits help nobody.
_SMALL, _LARGE = 5, 1000.0


@dataclass(frozen=True, slots=True)
class Claim:
    """What the paper says, and what was found.

    Attributes
    ----------
    says : str
        The statement.
    holds : bool
        Whether it does here.
    found : str
        The numbers.
    """

    says: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Part:
    """A figure or table of the paper, made again.

    Attributes
    ----------
    name : str
        Of its files.
    title : str
        For people.
    table : DataFrame
        The numbers.
    claims : tuple of Claim
        What they say of the paper.
    draw : callable or None
        Makes the picture, if there is one.
    """

    name: str
    title: str
    table: pd.DataFrame
    claims: tuple[Claim, ...] = field(default_factory=tuple)
    draw: Callable[[], Figure] | None = None


def shown(table: pd.DataFrame) -> Table:
    """Return a table for the terminal."""
    result = Table()
    for name in table.columns:
        result.add_column(name, justify="left" if table[name].dtype == object else "right")
    for row in table.itertuples(index=False):
        result.add_row(*(_cell(value) for value in row))
    return result


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if np.isnan(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.{_SMALL}g}"


def lines(table: pd.DataFrame, x: str, y: str, by: str) -> Callable[[], Figure]:
    """Return what draws a line over a column for each value of another one."""

    def draw() -> Figure:
        import common  # noqa: PLC0415 - beside this file

        figure = common.blank(6.5, 4.5)
        axes = figure.subplots()
        names = list(table[by].unique())
        for name, style in zip(names, line_styles(len(names)), strict=True):
            own = table[table[by] == name]
            axes.plot(own[x], own[y], marker="o", markersize=4, label=str(name), **style)
        axes.set(xlabel=x, ylabel=y, xticks=list(table[x].unique()))
        axes.grid(color="0.92")
        axes.legend(fontsize="small")
        return figure

    return draw


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Days that no learner has seen.

    Attributes
    ----------
    days : list of StationDay
        The days.
    best : ndarray of float
        Load variance of each one's clairvoyant optimum, kWh^2.
    batch : StationBatch
        The days side by side.
    """

    days: list[StationDay]
    best: NDArray[np.float64]
    batch: StationBatch

    @classmethod
    def of(cls, kind: StationDays, seeds: Sequence[int]) -> HeldOut:
        """Draw a day for each seed."""
        days = [draw_day(stream(seed, "ocean figures"), kind) for seed in seeds]
        best = np.array([offline_optimum(day.site, day.vehicles).cost for day in days])
        return cls(days, best, StationBatch.of(days, kind.piles))

    def row(self, played: PlayedPiles) -> dict[str, float]:
        """Return how evenly these days were charged, and how safely.

        Returns
        -------
        dict
            ``load variance / optimum``; ``rho``, allowed over suffered constraint cost in the mean (Eq. 39; at least 1
            is safe, says the paper); ``least rho`` of a vehicle; ``short [%]``, share of vehicles below their target.
        """
        leaves = played.leaves
        allowed, lacking = played.allowed[leaves], played.lacking[leaves]
        each = allowed / np.maximum(lacking, 1e-9)
        return {
            "load variance / optimum": float((played.load_variance_kwh2(self.batch.slot_h) / self.best).mean()),
            "rho": float(allowed.mean() / max(1e-9, lacking.mean())),
            "least rho": float(each.min()),
            "short [%]": 100.0 * played.short_share,
        }
