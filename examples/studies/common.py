"""What the studies share: options, runs over one varied quantity, their table, their picture.

A study varies one quantity of a scenario, compares the same recommenders with the same seeds at every value of it, and
puts all runs into one table. Every value has a comparison folder of its own, as ``python -m cosim compare`` writes it,
so that nothing is lost when a study is interrupted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
from rich.console import Console
from rich.table import Table

import cosim
from cosim import plots
from cosim.cluster import open_workers
from cosim.comparison_view import failure_sentences
from cosim.errors import CosimError, InputError
from cosim.experiment import parse_seeds
from cosim.scenario_file import parse_assignment

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

#: Okabe-Ito without its yellow: colours that colour-blind people can tell apart on white. Where there are more lines,
#: they come again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
RECOMMENDERS = "uniform,merit-order,least-time-droop"
_DOTS_PER_INCH = 110
#: Wide enough for every table; a pipe or a file has no width of its own.
_PLAIN_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Quantity:
    """A column of numbers, and how people read it.

    Attributes
    ----------
    column : str
        Its name in the table of runs.
    label : str
        What it is, with its unit.
    digits : int
        Shown after the decimal point.
    """

    column: str
    label: str
    digits: int = 0


METRICS = (Quantity("ttt_s", "TTT [s]"), Quantity("cvv_pu", "CVV [pu]", 3), Quantity("wct_min", "WCT [min]", 2))


@dataclass(frozen=True)
class Study:
    """The runs over a varied quantity.

    Attributes
    ----------
    varied : Quantity
        What was varied.
    runs : DataFrame
        A row per run: the varied quantity, then the columns of ``cosim.Comparison.runs``.
    stations : DataFrame
        The varied quantity, then the columns of ``cosim.Comparison.stations``: each station over time, averaged over
        the seeds, per recommender.
    """

    varied: Quantity
    runs: pd.DataFrame
    stations: pd.DataFrame


def options(
    description: str, out: str, *, recommenders: str | None = RECOMMENDERS, seeds: str = "3"
) -> argparse.ArgumentParser:
    """Return a parser with the options that every study has.

    Parameters
    ----------
    description : str
        The study in one line.
    out : str
        Name of its folder under ``runs``, after the time.
    recommenders : str or None
        Default of ``--recommenders``; None for a study that has no such option.
    seeds : str
        Default of ``--seeds``.
    """
    folder = Path("runs") / f"{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}-{out}"
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--scenario", default="nguyen-dupuis", help="a shipped scenario or a TOML file")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY.PATH=VALUE",
        help="replace a value of the scenario; may be given several times",
    )  # fmt: skip
    if recommenders is not None:
        parser.add_argument("--recommenders", type=names, default=recommenders, help="names, with commas")
    parser.add_argument("--seeds", default=seeds, help="how many, or the seeds with commas (3,4,5)")
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that share the runs; the results are the same"
    )
    parser.add_argument("--cluster", help="where they are: ray, or ray:auto or ray:HOST:PORT; this machine if left out")
    parser.add_argument("--out", type=Path, default=folder, help="folder for tables and pictures")
    parser.add_argument("--overwrite", action="store_true", help="allow a folder with results of an earlier study")
    return parser


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, or the arguments given instead.

    Raises
    ------
    InputError
        If the study's folder has something in it that may not be replaced.
    """
    given = parser.parse_args(arguments)
    out: Path = given.out
    if out.is_dir() and any(out.iterdir()) and not given.overwrite:
        raise InputError(f"--out {out}: it is not empty; add --overwrite to replace what is in it.")
    return given


def make_folder(out: Path) -> None:
    """Make the folder of a study that is no comparison, before the work rather than after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: it cannot be made: {error.strerror}.") from error


def names(text: str) -> list[str]:
    """Split names with commas; the type of ``--recommenders``."""
    return [name.strip() for name in text.split(",") if name.strip()]


def numbers(text: str) -> list[int]:
    """Read positive whole numbers with commas; the type of an option that names the values of a study."""
    return [count(part) for part in text.split(",")]


def count(text: str) -> int:
    """Read a positive whole number; the type of an option that says how many."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what ``--set`` replaces, as ``load_scenario`` takes it."""
    return dict(parse_assignment(text) for text in arguments.settings)


def each(executor: Executor | None, job: Callable[..., T], arguments: Iterable[tuple[Any, ...]]) -> list[T]:
    """Do a job with each tuple of arguments, here or where the executor says; return the results in their order."""
    if executor is None:
        return [job(*one) for one in arguments]
    return [future.result() for future in [executor.submit(job, *one) for one in arguments]]


def console() -> Console:
    """Return where tables are printed."""
    found = Console(highlight=False, markup=False)
    if not found.is_terminal:
        found.width = _PLAIN_WIDTH
    return found


def run(
    given: argparse.Namespace, varied: Quantity, scenarios: Mapping[int, cosim.Scenario], terminal: Console
) -> Study:
    """Do what the command line asks for, and write the tables.

    Parameters
    ----------
    given : Namespace
        What `parse` returned.
    varied : Quantity
        What is varied.
    scenarios : mapping of int to Scenario
        The scenario of each value.
    terminal : Console
        Says which values are done.
    """
    with open_workers(given.workers, given.cluster) as executor:
        study = sweep(
            varied,
            scenarios,
            given.recommenders,
            parse_seeds(given.seeds),
            executor=executor,
            out=given.out,
            overwrite=given.overwrite,
            on_value=lambda value: terminal.print(f"{varied.label} {value}: done", style="dim"),
        )
    study.runs.to_parquet(given.out / "runs.parquet", index=False)
    study.stations.to_parquet(given.out / "stations.parquet", index=False)
    return study


def main(study: Callable[[], None]) -> None:
    """Run a study from the command line; what can be explained ends it with a sentence instead of a traceback."""
    try:
        study()
    except CosimError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)


def sweep(
    varied: Quantity,
    scenarios: Mapping[int, cosim.Scenario],
    recommenders: Sequence[str],
    seeds: Sequence[int],
    *,
    executor: Executor | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    on_value: Callable[[int], None] | None = None,
) -> Study:
    """Compare the recommenders at every value of the varied quantity.

    Parameters
    ----------
    varied : Quantity
        What is varied.
    scenarios : mapping of int to Scenario
        The scenario of each value.
    recommenders : sequence of str
        Names of plug-ins.
    seeds : sequence of int
        The same at every value, so that the vehicles of one seed are as alike as the varied quantity lets them be.
    executor : concurrent.futures.Executor, optional
        Where the runs happen; without one here, one after the other.
    out : Path, optional
        Folder for a comparison folder per value, ``<column>-<value>``.
    overwrite : bool
        Allow folders that exist.
    on_value : callable, optional
        Called with each value when all its runs are done.

    Raises
    ------
    CosimError
        If a run failed; one sentence for each.
    """
    runs, stations = [], []
    for value, scenario in scenarios.items():
        folder = out / f"{varied.column}-{value}" if out is not None else None
        comparison = cosim.compare(scenario, recommenders, seeds, executor=executor, out=folder, overwrite=overwrite)
        if comparison.failures:
            raise CosimError("\n".join(f"{varied.label} {value}: {line}" for line in failure_sentences(comparison)))
        runs.append(comparison.runs.assign(**{varied.column: value}))
        stations.append(comparison.stations.assign(**{varied.column: value}))
        if on_value is not None:
            on_value(value)
    return Study(varied, *(_first(varied.column, pd.concat(tables, ignore_index=True)) for tables in (runs, stations)))


def means(study: Study, metrics: Sequence[Quantity], extra: Mapping[str, Callable[[pd.DataFrame], str]]) -> Table:
    """Return the table of a study: mean ± standard deviation over the runs.

    Parameters
    ----------
    study : Study
        At least one run.
    metrics : sequence of Quantity
        A column each.
    extra : mapping of str to callable
        Further columns: the heading, and what makes a cell of the runs of one value and recommender.
    """
    table = Table(title="mean ± standard deviation over the runs", title_justify="left")
    table.add_column(study.varied.label, justify="right")
    table.add_column("recommender")
    for heading in ("runs", *(metric.label for metric in metrics), *extra):
        table.add_column(heading, justify="right")
    # In the order of the runs: values as they were given, recommenders as they were named.
    for (value, name), own in study.runs.groupby([study.varied.column, "recommender"], sort=False):
        cells = [mean_and_deviation(own[metric.column], metric.digits) for metric in metrics]
        table.add_row(str(value), str(name), str(len(own)), *cells, *(cell(own) for cell in extra.values()))
    return table


def mean_and_deviation(values: pd.Series[float], digits: int) -> str:
    """Write ``mean ± standard deviation``, or the mean alone of a single run."""
    mean = f"{values.mean():,.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {values.std():,.{digits}f}"


def write_picture(draw: Callable[[], Figure], path: Path, terminal: Console) -> None:
    """Draw and write a picture, where matplotlib is installed; the numbers are safe without it."""
    if not plots.installed():
        terminal.print(f"no picture: {plots.HOW_TO_INSTALL} brings matplotlib.")
        return
    draw().savefig(path, dpi=_DOTS_PER_INCH)
    terminal.print(f"picture: {path}", soft_wrap=True)


def blank(width_inch: float, height_inch: float) -> Figure:
    """Return an empty figure; it needs no screen."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only where something is drawn

    return Figure(figsize=(width_inch, height_inch), layout="constrained")


def shade(depth: float) -> tuple[float, float, float, float]:
    """Return one of a row of colours from light to dark, for lines in an order; ``depth`` is above 0 and at most 1."""
    from matplotlib import colormaps  # noqa: PLC0415 - only where something is drawn

    red, green, blue, opacity = colormaps["viridis_r"](depth)
    return red, green, blue, opacity


def draw_errors(axes: Axes, study: Study, metric: Quantity) -> None:
    """Draw a metric over the varied quantity: a line per recommender through the means, bars of ± one deviation."""
    for (name, own), colour in zip(
        study.runs.groupby("recommender", sort=False), itertools.cycle(COLOURS), strict=False
    ):
        values = own.groupby(study.varied.column)[metric.column]
        draw_line(axes, values.mean(), values.std().fillna(0.0), str(name), colour)
    finish(axes, study, metric.label)


def draw_line(
    axes: Axes, heights: pd.Series[float], deviations: pd.Series[float] | pd.DataFrame, name: Hashable, colour: str
) -> None:
    """Draw a line with error bars.

    Parameters
    ----------
    axes : Axes
        Where.
    heights : Series
        By the varied quantity.
    deviations : Series or DataFrame
        Lengths of the bars: one both ways, or two columns, down and up.
    name : str
        For the legend.
    colour : str
        Of the line.
    """
    lengths = deviations.to_numpy().T
    axes.errorbar(
        heights.index, heights, yerr=lengths, label=str(name), color=colour, marker="o", markersize=4, linewidth=1.5,
        capsize=3, elinewidth=1,
    )  # fmt: skip


def finish(axes: Axes, study: Study, label: str) -> None:
    """Label the axes, and mark the values there are."""
    axes.set(xlabel=study.varied.label, ylabel=label, xticks=list(study.runs[study.varied.column].unique()))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def _first(column: str, table: pd.DataFrame) -> pd.DataFrame:
    return table[[column, *(name for name in table.columns if name != column)]]
