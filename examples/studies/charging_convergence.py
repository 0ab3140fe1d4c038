"""How SCA and CALC converge with different discounts and learning rates (SCA and CALC paper, Fig. 8 and 9).

Run with: python examples/studies/charging_convergence.py [--agent sca] [--preset paper] [--gammas 0.1,0.9,1]
[--rates 0.0003,0.001] [--iterations N]

Every training has the preset's values but for one. What counts is the mean return of each iteration, over its days and
the seeds, undiscounted and exploration included: with ``tuned`` what the bill falls short of the energy credit, with
``paper`` minus the bill. In either more is better, and returns of different presets cannot be compared. The small
default number of iterations shows that it works; the policies of the project were trained with 300 (CALC) and 200
(SCA).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import common
import pandas as pd
from rich.table import Table

from cosim.cluster import open_workers
from cosim.many_runs import parse_seeds
from cosim.plots import line_styles
from cosim.scenario_file import load_station_scenario
from cosim.station.days import open_days

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

GAMMAS = "0.1,0.5,0.9,1"
RATES = "0.0001,0.001,0.01"
#: What is varied, with its label.
VARIED = {"gamma": "discount", "rate": "learning rate"}
#: Iterations of a running mean.
WINDOW = 10


def decimals(text: str) -> list[float]:
    """Read numbers with commas."""
    return [float(part) for part in text.split(",")]


def returns(
    source: str,
    settings: dict[str, Any],
    agent: str,
    preset: str,
    seed: int,
    iterations: int,
    varied: str,
    value: float,
) -> pd.DataFrame:
    """Train once.

    Parameters
    ----------
    source, settings
        The station scenario, and what to replace in it.
    agent : {"calc", "sca"}
    preset : {"tuned", "paper"}
    seed, iterations : int
        Of the training.
    varied : {"gamma", "rate"}
        What is not the preset's.
    value : float
        Its value.

    Returns
    -------
    DataFrame
        ``varied, value, seed, iteration, return``.
    """
    # Torch is imported where it is needed: in the processes that train.
    from cosim_agents.sca.literal_training import A2C, train_literal_calc, train_literal_sca  # noqa: PLC0415
    from cosim_agents.sca.sca_training import DEFAULT, train_sca  # noqa: PLC0415
    from cosim_agents.sca.training import PPO, train_calc  # noqa: PLC0415

    scenario = load_station_scenario(source, **settings)
    found: list[float] = []
    options: dict[str, Any] = {
        "site": scenario.name,
        "seed": seed,
        "start_h": scenario.station.start_h,
        "watch": lambda _iteration, mean: found.append(mean),
    }
    if preset == "paper":
        rates = {"actor_rate": value} if varied == "rate" else {}
        options |= {"settings": A2C(iterations=iterations, **rates)} | ({"gamma": value} if varied == "gamma" else {})
        train: Any = train_literal_calc if agent == "calc" else train_literal_sca
    else:
        changed = {"gamma": value} if varied == "gamma" else {"learning_rate": value}
        default = PPO() if agent == "calc" else DEFAULT
        options["settings"] = dataclasses.replace(default, iterations=iterations, **changed)
        train = train_calc if agent == "calc" else train_sca
    train(open_days(scenario).draw, **options)
    steps = range(1, len(found) + 1)
    return pd.DataFrame({"varied": varied, "value": value, "seed": seed, "iteration": steps, "return": found})


def shown(table: pd.DataFrame) -> Table:
    """Return what the last iterations brought."""
    result = Table()
    for heading in ("varied", "value", f"mean return of the last {WINDOW} iterations"):
        result.add_column(heading, justify="left" if heading == "varied" else "right")
    last = table[table["iteration"] > table["iteration"].max() - WINDOW]
    for (varied, value), own in last.groupby(["varied", "value"], sort=False):
        result.add_row(VARIED[str(varied)], f"{value:g}", f"{own['return'].mean():,.6g}")
    return result


def draw(table: pd.DataFrame) -> Figure:
    """Draw the returns over the iterations: discounts (Fig. 8), learning rates (Fig. 9)."""
    figure = common.blank(11.0, 4.5)
    panels = figure.subplots(1, len(VARIED), sharey=True)
    for panel, (varied, label) in zip(panels, VARIED.items(), strict=True):
        own = table[table["varied"] == varied]
        values = list(own["value"].unique())
        for value, style in zip(values, line_styles(len(values)), strict=True):
            line = own[own["value"] == value].groupby("iteration")["return"].mean()
            panel.plot(line.index, line, color=style["color"], alpha=0.3, linewidth=0.7)
            panel.plot(line.index, line.rolling(WINDOW, min_periods=1).mean(), label=f"{value:g}", **style)
        panel.set(xlabel="iteration", title=label)
        panel.legend(fontsize="small")
        panel.grid(color="0.92")
    panels[0].set_ylabel(f"mean return (thick: of {WINDOW} iterations)")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write table and picture."""
    parser = common.options(
        "Convergence of SCA and CALC over discounts and learning rates.", "charging-convergence", recommenders=None,
        seeds="0,",
    )  # fmt: skip
    parser.set_defaults(scenario="station-home")
    parser.add_argument("--agent", choices=("calc", "sca"), default="calc", help="which learner")
    parser.add_argument("--preset", choices=("tuned", "paper"), default="tuned", help="ours, or as published")
    parser.add_argument("--gammas", type=decimals, default=GAMMAS, help="discounts, with commas")
    parser.add_argument("--rates", type=decimals, default=RATES, help="learning rates (of the actor), with commas")
    parser.add_argument("--iterations", type=common.count, default=60, help="updates of each policy")
    given = common.parse(parser, arguments)
    common.make_folder(given.out)
    terminal = common.console()
    jobs = [("gamma", value) for value in given.gammas] + [("rate", value) for value in given.rates]
    seeds = parse_seeds(given.seeds)
    fixed = (given.scenario, common.settings(given), given.agent, given.preset)
    each = [(*fixed, seed, given.iterations, *job) for job in jobs for seed in seeds]
    with open_workers(given.workers, given.cluster) as executor:
        table = pd.concat(common.each(executor, returns, each), ignore_index=True)
    table.to_parquet(given.out / "returns.parquet", index=False)
    terminal.print(shown(table))
    common.write_picture(lambda: draw(table), given.out / "convergence.png", terminal)


if __name__ == "__main__":
    common.main(main)
