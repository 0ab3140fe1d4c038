"""Offloading in the OCEAN paper: prices (Fig. 7), who computes what (Fig. 8), what more tasks do (Fig. 9b and d)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import common
import numpy as np
import pandas as pd
from ocean_parts import Claim, Part

from cosim.errors import CosimError
from cosim.randomness import stream
from cosim.scenario_file import load_station_scenario
from cosim.station.days import open_days
from cosim.station.experiment import compare_controllers
from cosim.station.play import make_controller, play
from cosim.station.view import failure_sentences
from cosim_agents.ocean.examples import figure_8
from cosim_agents.ocean.offloading import solve
from cosim_agents.ocean.problem import needs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from matplotlib.figure import Figure

    from cosim.station_scenario import StationScenario

#: What is called the same load variance: the paper's curves rise by tens of percent.
_UNMOVED = 5e-4
_COLUMNS = ("load variance [kWh^2]", "computing [kWh]", "placed [%]", "mean certified gap [%]")


def prices(scenario: StationScenario, seed: int) -> Part:
    """Fig. 7: cycles of each vehicle, and what it pays for charging."""
    source = open_days(scenario)
    played = play(
        source.site, source.day(seed), make_controller(scenario, "ocean"), chargers=source.chargers,
        rng=stream(seed, "controller station"),
    )  # fmt: skip
    table = played.tables["computing"].sort_values("cycles", ignore_index=True)
    cycles, price = table["cycles"].to_numpy(), table["price_per_kwh"].to_numpy()
    falls = bool((np.diff(price) <= 0.0).all() and price[-1] < price[0])
    found = f"from {price.max():.4f} to {price.min():.4f} per kWh, at most {cycles.max():.2g} cycles in a stay"

    def draw() -> Figure:
        figure = common.blank(6.5, 4.5)
        axes = figure.subplots()
        axes.scatter(cycles / 1e12, price, s=12, color=common.COLOURS[0])
        axes.set(xlabel="cycles computed in a stay [10^12]", ylabel="price of charging [per kWh]")
        axes.grid(color="0.92")
        return figure

    claims = (Claim("who computes more pays less", falls, found),)
    return Part("fig7", "Fig. 7: cycles and charging prices", table, claims, draw)


def types() -> Part:
    """Fig. 8: how many tasks of each type are computed by vehicles of each type, in a certified optimum."""
    tasks, vehicles = figure_8()
    best = solve(tasks, vehicles, exact=True)
    kind = np.arange(len(tasks)) // 30
    count = np.zeros((4, 3), dtype=np.int64)
    np.add.at(count, (kind, best.vehicle // 7), 1)
    _, energy_j = needs(tasks, vehicles)
    table = pd.DataFrame({"tasks of type": range(1, 5)} | {f"type-{i + 1} EVs": count[:, i] for i in range(3)})
    on_slow, elsewhere = energy_j[0, 30], energy_j[[7, 14], 30]
    certificate = f"{best.energy_j:.9f} J, certified to {best.relative_gap:.1e}"
    claims = (
        Claim("type-1 tasks are never on type-1 EVs", count[0, 0] == 0, "transmission alone takes longer than allowed"),
        Claim(
            "some type-2 tasks are on type-1 EVs",
            bool(count[1, 0] > 0),
            f"none in the optimum ({certificate}): one costs {on_slow:.3f} J there, {elsewhere.min():.2f} to "
            f"{elsewhere.max():.2f} J elsewhere",
        ),
        Claim("type-3 tasks are spread over all types", bool((count[2] > 0).all()), str(count[2].tolist())),
        Claim("type-4 tasks are on type-1 EVs", bool(count[3, 0] > 0), str(count[3].tolist())),
    )

    def draw() -> Figure:
        figure = common.blank(6.5, 4.5)
        axes = figure.subplots()
        below = np.zeros(4)
        for i in range(3):
            axes.bar(range(1, 5), count[:, i], bottom=below, label=f"type-{i + 1} EVs", color=common.COLOURS[i])
            below += count[:, i]
        axes.set(xlabel="type of task", ylabel="tasks", xticks=range(1, 5))
        axes.legend(fontsize="small")
        return figure

    return Part("fig8", "Fig. 8, Tables 2 and 3: who computes what", table, claims, draw)


def more_tasks(  # noqa: PLR0913 - what is varied, and where it is played
    source: str,
    settings: dict[str, Any],
    seeds: Sequence[int],
    counts: Sequence[int],
    sizes_kb: Sequence[int],
    megacycles: Sequence[int],
    *,
    out: Path,
    overwrite: bool,
    executor: Executor | None,
) -> list[Part]:
    """Fig. 9(b) and (d), and the same for sizes: load, energy and acceptance over number, size and cycles of tasks."""
    # One quantity at a time; the others as in the scenario.
    varied: list[tuple[str, str, Sequence[int], list[dict[str, Any]]]] = [
        ("fig9b", "tasks a second", counts, [{"tasks_per_s_min": n, "tasks_per_s_max": n} for n in counts]),
        ("size", "size [KB]", sizes_kb, [{"size_mb": [kb / 1e3, kb / 1e3]} for kb in sizes_kb]),
        ("fig9d", "Megacycles", megacycles, [{"megacycles": [float(n), float(n)]} for n in megacycles]),
    ]
    usual = load_station_scenario(source, **settings).plugin_of("ocean")[1]
    labels = {"none": usual | {"tasks_per_s_min": 0, "tasks_per_s_max": 0}}
    for name, _, values, changes in varied:
        labels |= {f"{name}-{value}": usual | change for value, change in zip(values, changes, strict=True)}
    tables = {f"controller.{label}": {"name": "ocean", **options} for label, options in labels.items()}
    found = compare_controllers(
        load_station_scenario(source, **settings, **tables), list(labels), seeds,
        executor=executor, out=out, overwrite=overwrite,
    )  # fmt: skip
    if found.failures:
        raise CosimError("\n".join(failure_sentences(found)))
    rows = dict(list(found.runs.groupby("controller")))
    still = float(rows["none"]["cost"].mean())
    parts = []
    for name, what, values, _ in varied:
        table = pd.DataFrame([{what: value, **_sums(rows[f"{name}-{value}"])} for value in values])
        moved = float((table[_COLUMNS[0]] / still - 1.0).abs().max())
        energy, placed = table[_COLUMNS[1]], table[_COLUMNS[2]]
        claims = [
            Claim(
                f"{what}: they move the load variance",
                moved >= _UNMOVED,
                f"by at most {100 * moved:.4f} % of that without any task: computing takes {energy.max():.3f} kWh a "
                f"day beside {rows['none']['asked_kwh'].mean():,.0f} kWh of charging",
            ),
            Claim(f"({what}: more need more energy)", energy.is_monotonic_increasing, _range(energy, "kWh")),
            Claim(f"({what}: more of it, fewer are placed)", placed.is_monotonic_decreasing, _range(placed, "%")),
        ]
        title = {"fig9b": "Fig. 9(b): number of tasks", "fig9d": "Fig. 9(d): cycles"}.get(name, "Size of tasks")
        parts.append(Part(name, title, table, tuple(claims), _two_panels(table, what)))
    return parts


def _sums(own: pd.DataFrame) -> dict[str, float]:
    tasks, rejected = int(own["tasks"].sum()), int(own["tasks_rejected"].sum())
    return {
        _COLUMNS[0]: float(own["cost"].mean()),
        _COLUMNS[1]: float(own["computing_kwh"].mean()),
        _COLUMNS[2]: 100.0 * (1.0 - rejected / max(1, tasks)),
        _COLUMNS[3]: 100.0 * float(own["task_gap"].mean()),
    }


def _range(values: pd.Series[float], unit: str) -> str:
    return f"{values.iloc[0]:.4g} to {values.iloc[-1]:.4g} {unit}"


def _two_panels(table: pd.DataFrame, what: str) -> Any:
    def draw() -> Figure:
        figure = common.blank(11.0, 4.0)
        for axes, column in zip(figure.subplots(1, 3), _COLUMNS[:3], strict=True):
            axes.plot(table[what], table[column], marker="o", markersize=4, color=common.COLOURS[0])
            axes.set(xlabel=what, ylabel=column)
            axes.set_ylim(0, None)
            axes.grid(color="0.92")
        return figure

    return draw
