"""Pictures of comparisons and of trainings: Fig. 5, 6 and 7 of the OP-SRL paper, drawn from what the folders hold.

Only the functions here import matplotlib (the extra ``plots``). Their figures belong to nobody: pyplot, with its window
and its global state, is not used, so that they need no screen and leave no figure behind.
"""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cosim.comparison import PICTURES
from cosim.errors import InputError, ResultsError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from cosim.comparison import Comparison

HOW_TO_INSTALL = 'pip install "cosim-grid[plots]"'

#: Okabe-Ito without its yellow, which is hard to see on white: colours that colour-blind people can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
#: When the colours are used up they come again with the next of these.
_DASHES = ("-", "--", ":", "-.")
_BAND: dict[str, Any] = {"alpha": 0.15, "linewidth": 0}
GRID_COLOUR = "0.92"
DOTS_PER_INCH = 110
#: What is drawn of a training, in its lines' names, with the labels of the axes.
_TRAINED = {"TTT": "TTT [s]", "CVV": "CVV [pu]", "WCT": "WCT [min]"}


@dataclass(frozen=True, slots=True)
class _Training:
    """One training folder.

    Attributes
    ----------
    folder : Path
        Where it was read.
    kind : tuple of str
        Agent, preset, scenario: what trainings have in common that differ by their seeds only.
    seed : int
        Of the training.
    episodes_per_epoch : int
        How many runs an epoch's numbers are means of.
    epochs : DataFrame
        ``TTT`` (s), ``CVV`` (pu), ``WCT`` (min), a row per ``epoch``.
    """

    folder: Path
    kind: tuple[str, str, str]
    seed: int
    episodes_per_epoch: int
    epochs: pd.DataFrame


def installed() -> bool:
    """Return whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None


def write_plots(comparison: Comparison, path: Path) -> None:
    """Write ``occupancy.png`` and ``charging_power.png``, each replaced as a whole.

    Parameters
    ----------
    comparison : Comparison
        With at least one finished run.
    path : Path
        A folder that exists.

    Raises
    ------
    InputError
        If there is no finished run.
    WriteError
        If a picture cannot be written.
    """
    for name, draw in zip(PICTURES, (plot_occupancy, plot_charging_power), strict=True):
        write_picture(draw(comparison), path / name)


def write_picture(figure: Figure, path: Path) -> None:
    """Write a picture, which is replaced as a whole.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        A PNG file in a folder that exists.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.name}")
    try:
        figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH)
        temporary.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror or error}.") from error


def plot_occupancy(comparison: Comparison) -> Figure:
    """Draw how many vehicles are at each station over time (OP-SRL paper, Fig. 6).

    Parameters
    ----------
    comparison : Comparison
        With at least one finished run.

    Returns
    -------
    Figure
        A panel per recommender, a line per station: vehicles queued and charging at each recorded instant, averaged
        over the seeds. Dashed the numbers of chargers, unless all lines stay below half of them.

    Raises
    ------
    InputError
        If there is no finished run.
    """
    tables = _station_tables(comparison)
    stations = comparison.scenario.station
    rows, columns = math.ceil(len(tables) / 3), min(len(tables), 3)
    figure = new_figure(width_inch=max(6.0, 1.0 + 3.2 * columns), height_inch=1.2 + 2.4 * rows)
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel())
    peak = max(float((table["queued"] + table["charging"]).max()) for table in tables.values())
    capacities = sorted({station.chargers for station in stations if station.chargers <= 2 * peak})
    for panel, (name, table) in zip(panels, tables.items(), strict=False):
        for station, style in zip(stations, line_styles(len(stations)), strict=True):
            own = table[table["station"] == station.id]
            panel.plot(_minutes(own["time_s"]), own["queued"] + own["charging"], label=verbatim(station.id), **style)
        for chargers in capacities:
            panel.axhline(chargers, color="0.4", linestyle=(0, (6, 4)), linewidth=1, label="chargers")
        panel.set_title(verbatim(name), fontsize="medium")
        panel.grid(color=GRID_COLOUR)
    for unused in panels[len(tables) :]:
        unused.remove()
    for lowest in panels[len(tables) - columns : len(tables)]:
        lowest.tick_params(labelbottom=True)
        lowest.set_xlabel("time [min]")
    for leftmost in panels[: len(tables) : columns]:
        leftmost.set_ylabel("vehicles\nqueued + charging")
    panels[0].set(xlim=(0, None), ylim=(0, None))
    legend_below(figure, panels[0])
    return figure


def plot_charging_power(comparison: Comparison) -> Figure:
    """Draw the power of all stations together and the droop cap over time (OP-SRL paper, Fig. 7).

    Parameters
    ----------
    comparison : Comparison
        With at least one finished run.

    Returns
    -------
    Figure
        Two panels, a line per recommender in each, at each recorded instant and averaged over the seeds: total charging
        power (kW); cap per charger (kW), the stations' mean, with a band from the lowest to the highest of them.

    Raises
    ------
    InputError
        If there is no finished run.
    """
    tables = _station_tables(comparison)
    figure = new_figure(width_inch=8.0, height_inch=6.2)
    power, cap = figure.subplots(2, 1, sharex=True)
    for (name, table), style in zip(tables.items(), line_styles(len(tables)), strict=True):
        instants = table.groupby("time_s")
        total_kw, caps_kw = instants["power_kw"].sum(), instants["cap_kw"]
        minutes = _minutes(total_kw.index)
        power.plot(minutes, total_kw, label=verbatim(name), **style)
        # A cap holds for a whole control interval.
        cap.plot(minutes, caps_kw.mean(), drawstyle="steps-post", **style)
        cap.fill_between(minutes, caps_kw.min(), caps_kw.max(), step="post", color=style["color"], **_BAND)
    power.set(ylabel="total charging power [kW]", xlim=(0, None), ylim=(0, None))
    power.yaxis.set_major_formatter("{x:,.0f}")
    cap.set(ylabel="droop cap per charger [kW]", xlabel="time [min]")
    for panel in (power, cap):
        panel.grid(color=GRID_COLOUR)
    figure.align_ylabels()
    legend_below(figure, power)
    return figure


def plot_training(folders: Sequence[str | Path], *, window: int = 10) -> Figure:
    """Draw what trainings brought epoch by epoch (OP-SRL paper, Fig. 5).

    Parameters
    ----------
    folders : sequence of path
        Training folders. Those that differ by their seeds only become one curve, as far as the shortest of them goes.
    window : int
        Epochs of a running mean: each with as many before it as there are, this many together at most.

    Returns
    -------
    Figure
        Three panels, TTT (s), CVV (pu) and WCT (min) over the epochs: thin what each epoch gave, thick its running
        mean. Of several seeds, their means, and a band of one standard deviation (of the sample) of their running means
        to either side.

    Raises
    ------
    ResultsError
        If one is not a training folder or a file is broken.
    InputError
        If there is none, two hold a training of the same agent, preset, scenario and seed, or the window is too short.
    """
    if window < 1:
        raise InputError(f"window: found {window}; it must be at least 1 epoch.")
    groups = _by_kind([_read_training(Path(folder)) for folder in folders])
    figure = new_figure(width_inch=8.0, height_inch=8.0)
    panels = figure.subplots(len(_TRAINED), 1, sharex=True)
    for (label, trainings), style in zip(groups.items(), line_styles(len(groups)), strict=True):
        for panel, name in zip(panels, _TRAINED, strict=True):
            seeds = pd.concat([training.epochs[name] for training in trainings], axis="columns", join="inner")
            smooth = seeds.rolling(window, min_periods=1).mean()
            middle = smooth.mean(axis="columns")
            panel.plot(seeds.index, seeds.mean(axis="columns"), color=style["color"], alpha=0.4, linewidth=0.7)
            panel.plot(seeds.index, middle, label=verbatim(label), **style | {"linewidth": 2.2})
            if len(trainings) > 1:
                half = smooth.std(axis="columns")
                panel.fill_between(seeds.index, middle - half, middle + half, color=style["color"], **_BAND)
    for panel, axis_label in zip(panels, _TRAINED.values(), strict=True):
        panel.set_ylabel(axis_label)
        panel.grid(color=GRID_COLOUR)
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    sizes = {training.episodes_per_epoch for trainings in groups.values() for training in trainings}
    panels[-1].set_xlabel("epoch" + (f" ({sizes.pop()} episodes each)" if len(sizes) == 1 else ""))
    several = any(len(trainings) > 1 for trainings in groups.values())
    band = "; band: ± standard deviation over the seeds" if several else ""
    figure.suptitle(f"thin: each epoch; thick: running mean of {window} epochs{band}", fontsize="medium")
    figure.align_ylabels()
    legend_below(figure, panels[0])
    return figure


def _station_tables(comparison: Comparison) -> dict[str, pd.DataFrame]:
    """Return the station table of each recommender that has one."""
    if comparison.stations.empty:
        raise InputError("the comparison has no finished run; there is nothing to draw.")
    return {str(name): table for name, table in comparison.stations.groupby("recommender", sort=False)}


def _read_training(folder: Path) -> _Training:
    lines, description = folder / "metrics.jsonl", folder / "policy.json"
    if not lines.is_file() or not description.is_file():
        raise ResultsError(f"{folder}: not a training folder (there is no metrics.jsonl, or no policy.json).")
    try:
        about: dict[str, Any] = json.loads(description.read_text(encoding="utf-8"))
        epochs = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
        return _Training(
            folder=folder,
            kind=(str(about["algorithm"]), str(about["preset"]), str(about["scenario"])),
            seed=int(about["training"]["seed"]),
            episodes_per_epoch=int(epochs[0]["episodes"]) // int(epochs[0]["epoch"]),
            epochs=pd.DataFrame(epochs).set_index("epoch")[list(_TRAINED)].astype(float),
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ResultsError(f"{folder}: the training folder cannot be read: {error!r}.") from error


def _by_kind(trainings: Sequence[_Training]) -> dict[str, list[_Training]]:
    """Group trainings that differ by their seeds only, under a label that says what else differs."""
    if not trainings:
        raise InputError("no training folder is given; name at least one.")
    groups: dict[tuple[str, str, str], dict[int, _Training]] = {}
    for training in trainings:
        group = groups.setdefault(training.kind, {})
        if training.seed in group:
            agent, preset, scenario = training.kind
            raise InputError(
                f"{group[training.seed].folder} and {training.folder} both hold {agent} (preset {preset}) on scenario "
                f"'{scenario}' with seed {training.seed}; give one of them."
            )
        group[training.seed] = training
    telling = [part for part in (1, 2) if len({kind[part] for kind in groups}) > 1]
    labels = {kind: ", ".join((kind[0], *(kind[part] for part in telling))) for kind in groups}
    return {f"{labels[kind]}: {_seeds(group)}": list(group.values()) for kind, group in groups.items()}


def _seeds(numbers: Iterable[int]) -> str:
    texts = [str(number) for number in sorted(numbers)]
    return ("seed " if len(texts) == 1 else "seeds ") + ", ".join(texts)


def new_figure(width_inch: float, height_inch: float) -> Figure:
    """Return an empty figure; it needs no screen."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - only where something is drawn

    return Figure(figsize=(width_inch, height_inch), layout="constrained")


def line_styles(count: int) -> list[dict[str, Any]]:
    """Return how to draw each of so many lines."""
    return [
        {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _DASHES[number // len(_COLOURS) % len(_DASHES)],
            "linewidth": 1.5,
        }
        for number in range(count)
    ]


def verbatim(name: str) -> str:
    """Keep matplotlib from reading dollars as formulas, and from hiding names that begin with an underscore."""
    return (" " if name.startswith("_") else "") + name.replace("$", r"\$")


def _minutes(times_s: pd.Series[float] | pd.Index[float]) -> NDArray[np.float64]:
    return np.asarray(times_s, dtype=np.float64) / 60.0


def legend_below(figure: Figure, panel: Axes) -> None:
    """Add one legend for all panels, from the lines of one; those of the same name have one entry."""
    handles, labels = panel.get_legend_handles_labels()
    entries = dict(zip(labels, handles, strict=True))
    # matplotlib does not break a legend's rows by itself. The width of an entry is guessed.
    entry_inch = 0.8 + 0.085 * max(map(len, entries))
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=max(1, int(figure.get_figwidth() / entry_inch)),
        frameon=False,
        handlelength=2.5,
    )
