"""What charging costs and what deciding takes against the number of vehicles (SCA and CALC paper, Fig. 10 and 11).

Run with: python examples/studies/fleet_size.py [--vehicles 10,50,...] [--controllers A,B,...] [--seeds N]

The base load grows with the vehicles: as many of them come for each household as in the scenario. Policies trained with
100 vehicles a day are used for all numbers; what they say where they are lost is printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import common
import pandas as pd
from rich.table import Table

from cosim.cluster import open_workers
from cosim.errors import CosimError
from cosim.many_runs import parse_seeds
from cosim.plots import line_styles
from cosim.scenario_file import load_station_scenario
from cosim.station.experiment import compare_controllers
from cosim.station.view import failure_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.figure import Figure

VEHICLES = "10,20,50,100,200"
CONTROLLERS = "eager,oa,mpc,aem-33,sca,calc"
#: Column, label, whether the axis is logarithmic.
PANELS = (
    ("cost_per_vehicle", "bill of a vehicle", False),
    ("above_percent", "bill above the offline optimum [%]", False),
    ("decision_ms", "processor time of a decision [ms]", True),
)


def sweep(
    source: str,
    vehicles: Sequence[int],
    controllers: Sequence[str],
    seeds: Sequence[int],
    *,
    out: Path,
    overwrite: bool = False,
    executor: Executor | None = None,
    settings: dict[str, object] | None = None,
) -> tuple[pd.DataFrame, list[str]]:
    """Compare the controllers with each number of vehicles.

    Parameters
    ----------
    source : str
        A station scenario whose vehicles are drawn at random.
    vehicles : sequence of int
        Mean numbers of vehicles in a day.
    controllers, seeds
        Who plays which days.
    out : Path
        Folder for a comparison folder per number, ``vehicles-<number>``.
    overwrite : bool
        Allow folders that exist.
    executor : concurrent.futures.Executor, optional
        Where the days are played; here, one after the other, without one.
    settings : dict, optional
        What else to replace in the scenario.

    Returns
    -------
    table : DataFrame
        A row per number and controller: ``vehicles_per_day, controller, cost_per_vehicle, above_percent`` (mean excess
        over the offline optimum), ``low_percent, high_percent`` (95 % interval), ``decision_ms``.
    notes : list of str
        What the controllers had to say.

    Raises
    ------
    CosimError
        If a day failed.
    """
    rows, notes = [], []
    for number in vehicles:
        scenario = load_station_scenario(source, **(settings or {}) | {"arrivals.vehicles_per_day": number})
        found = compare_controllers(
            scenario, controllers, seeds, executor=executor, out=out / f"vehicles-{number}", overwrite=overwrite
        )
        if found.failures:
            raise CosimError("\n".join(f"{number} vehicles: {line}" for line in failure_sentences(found)))
        for row in found.table.to_dict("records"):
            name = str(row["controller"])
            own = found.runs[found.runs["controller"] == name]
            percent = [100.0 * (row[f"ratio_{part}"] - 1.0) for part in ("mean", "low", "high")]
            rows.append(
                (number, name, own["cost"].sum() / own["vehicles"].sum(), *percent, found.decision_ms.get(name))
            )
        for name, said in found.notes.items():
            notes += [f"{number} vehicles: {name}, {times} times: {note}" for note, times in said.items()]
    columns = ["vehicles_per_day", "controller", "cost_per_vehicle", "above_percent", "low_percent", "high_percent",
               "decision_ms"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns), notes


def shown(table: pd.DataFrame) -> Table:
    """Return the table for the terminal."""
    result = Table()
    for heading in ("vehicles a day", "controller", *(label for _, label, _ in PANELS)):
        result.add_column(heading, justify="left" if heading == "controller" else "right")
    for row in table.to_dict("records"):
        result.add_row(
            str(row["vehicles_per_day"]), str(row["controller"]), f"{row['cost_per_vehicle']:.4f}",
            f"{row['above_percent']:.2f} [{row['low_percent']:.2f}, {row['high_percent']:.2f}]",
            f"{row['decision_ms']:.3f}",
        )  # fmt: skip
    return result


def draw(table: pd.DataFrame) -> Figure:
    """Draw bills (Fig. 10) and times (Fig. 11) over the number of vehicles, a line per controller."""
    figure = common.blank(13.0, 4.5)
    panels = figure.subplots(1, len(PANELS))
    names = list(table["controller"].unique())
    for panel, (column, label, logarithmic) in zip(panels, PANELS, strict=True):
        for name, style in zip(names, line_styles(len(names)), strict=True):
            own = table[table["controller"] == name]
            panel.plot(own["vehicles_per_day"], own[column], marker="o", markersize=4, label=name, **style)
        panel.set(xlabel="vehicles a day", ylabel=label)
        if logarithmic:
            panel.set_yscale("log")
        else:
            panel.set_ylim(0, None)
        panel.grid(color="0.92")
    panels[0].legend(fontsize="small")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write table and picture."""
    parser = common.options(
        "Bills and times of decisions against the number of vehicles.", "fleet-size", recommenders=None
    )
    parser.set_defaults(scenario="station-home")
    parser.add_argument("--controllers", type=common.names, default=CONTROLLERS, help="names, with commas")
    parser.add_argument("--vehicles", type=common.numbers, default=VEHICLES, help="vehicles a day, with commas")
    given = common.parse(parser, arguments)
    common.make_folder(given.out)
    terminal = common.console()
    with open_workers(given.workers, given.cluster) as executor:
        table, notes = sweep(
            given.scenario, given.vehicles, given.controllers, parse_seeds(given.seeds), out=given.out,
            overwrite=given.overwrite, executor=executor, settings=common.settings(given),
        )  # fmt: skip
    table.to_parquet(given.out / "fleet_size.parquet", index=False)
    terminal.print(shown(table))
    for note in notes:
        terminal.print(f"note: {note}", soft_wrap=True)
    common.write_picture(lambda: draw(table), given.out / "fleet_size.png", terminal)


if __name__ == "__main__":
    common.main(main)
