"""Figs. 5, 7, 8 and 9 and Tables 4 and 5 of the OCEAN paper, made again, and whether what it says of them holds.

Run with: python examples/studies/ocean_figures.py [--only fig8,fig9a,...] [--seeds N] [--episodes 5,20]

Every part prints its table and, for each statement of the paper, whether it holds here and what was found; statements
in parentheses are this project's. The settings that the paper leaves open are those of the scenario ``ocean-station``.
Beside the paper's own there is a part on the vehicles that cannot be charged in time at all (``admission``). The
learners of ``fig5`` and ``table4`` need torch and minutes, the more the more ``--episodes``; the other parts use the
shipped policy.

Fig. 6 is left out: the loss of the safety layer is that of a fit to targets which each algorithm chooses for itself,
so that a small one says nothing of safety. What became of safety stands in ``fig5``.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

import common
import ocean_charging_parts as charging
import ocean_offloading_parts as offloading
from ocean_parts import Part, shown
from rich.table import Table

from cosim.cluster import open_workers
from cosim.errors import InputError, nearest_name
from cosim.many_runs import parse_seeds
from cosim.scenario_file import load_station_scenario
from cosim_agents.ocean.arrivals import OceanStation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from rich.console import Console

PARTS = ("fig5", "fig7", "fig8", "fig9a", "fig9b", "fig9c", "table4", "table5", "admission")
CONTROLLERS = "eager,average-rate,oa,mpc,ocean"


def parts(given: argparse.Namespace, executor: Executor | None) -> dict[str, Callable[[], list[Part]]]:
    """Return what makes each part; ``fig9b`` makes Fig. 9(d), too.

    Parameters
    ----------
    given : Namespace
        What the command line says.
    executor : concurrent.futures.Executor or None
        Where days are played.
    """
    settings, seeds = common.settings(given), parse_seeds(given.seeds)
    scenario = load_station_scenario(given.scenario, **settings)
    kind = OceanStation(**scenario.arrivals.options, slot_s=float(scenario.station.slot_s)).days
    where: dict[str, Any] = {"overwrite": given.overwrite, "executor": executor}
    variance = partial(
        charging.load_variance, given.scenario, settings, seeds, given.controllers, retrain=given.retrain, **where
    )
    return {
        "fig5": lambda: [charging.learning(kind, seeds, given.episodes)],
        "fig7": lambda: [offloading.prices(scenario, seeds[0])],
        "fig8": lambda: [offloading.types()],
        "fig9a": lambda: [
            variance(("fig9a", "Fig. 9(a): number of piles", "arrivals.piles", given.piles), out=given.out / "fig9a")
        ],
        "fig9b": lambda: offloading.more_tasks(
            given.scenario,
            settings,
            seeds,
            given.tasks,
            given.sizes,
            given.megacycles,
            out=given.out / "fig9b",
            **where,
        ),
        "fig9c": lambda: [
            variance(("fig9c", "Fig. 9(c): initial SoC", "arrivals.initial_soc", given.soc), out=given.out / "fig9c")
        ],
        "table4": lambda: [charging.baselines(kind, seeds, max(given.episodes))],
        "table5": lambda: [charging.times(kind, given.sizes_of_table_5)],
        "admission": lambda: [charging.admission(kind, seeds)],
    }


def verdicts(part: Part) -> Table:
    """Return what the paper says and whether it holds."""
    table = Table()
    for heading in ("the paper says", "holds", "found"):
        table.add_column(heading)
    for claim in part.claims:
        table.add_row(claim.says, "yes" if claim.holds else "NO", claim.found)
    return table


def shares(text: str) -> list[float]:
    """Read states of charge with commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of numbers with commas") from None


def show(part: Part, given: argparse.Namespace, terminal: Console) -> None:
    """Print a part and write its table and picture."""
    terminal.print(f"\n{part.title}", style="bold")
    # Hundreds of vehicles are for the file and the picture.
    terminal.print(shown(part.table.iloc[:: max(1, len(part.table) // 30)]))
    terminal.print(verdicts(part))
    part.table.to_parquet(given.out / f"{part.name}.parquet", index=False)
    if part.draw is not None:
        common.write_picture(part.draw, given.out / f"{part.name}.png", terminal)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the parts, print tables and verdicts, write tables and pictures."""
    parser = common.options("The OCEAN paper's figures and tables.", "ocean-figures", recommenders=None, seeds="3")
    parser.set_defaults(scenario="ocean-station")
    parser.add_argument("--only", type=common.names, default=",".join(PARTS), help="some parts, with commas")
    parser.add_argument("--controllers", type=common.names, default=CONTROLLERS, help="of Fig. 9(a) and (c)")
    parser.add_argument("--piles", type=common.numbers, default="15,20,25,30,35", help="of Fig. 9(a)")
    parser.add_argument("--soc", type=shares, default="0.5,0.6,0.7", help="of Fig. 9(c)")
    parser.add_argument("--tasks", type=common.numbers, default="50,90,130", help="a second, of Fig. 9(b)")
    parser.add_argument("--sizes", type=common.numbers, default="100,500,900", help="of the tasks, KB")
    parser.add_argument("--megacycles", type=common.numbers, default="20,50,80", help="of Fig. 9(d)")
    parser.add_argument("--episodes", type=common.numbers, default="5,20", help="of the learners of Fig. 5")
    parser.add_argument(
        "--retrain", type=common.count, default=0, metavar="ITERATIONS",
        help="train ocean for each value of Fig. 9(a) and (c), 450 take two minutes; 0: use the shipped policy",
    )  # fmt: skip
    parser.add_argument(
        "--sizes-of-table-5", type=common.numbers, default="20,30,40,50,60", help="numbers of piles, of Table 5"
    )
    given = common.parse(parser, arguments)
    for name in given.only:
        if name not in PARTS:
            raise InputError(f"--only: unknown part '{name}'; {nearest_name(name, PARTS)}.")
    common.make_folder(given.out)
    terminal = common.console()
    with open_workers(given.workers, given.cluster) as executor:
        made = parts(given, executor)
        for name in given.only:
            for part in made[name]():
                show(part, given, terminal)


if __name__ == "__main__":
    common.main(main)
