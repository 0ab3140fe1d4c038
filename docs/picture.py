"""Draw docs/default_run.png from a run folder: the network, the load of the stations and the voltages.

Run with: python docs/picture.py RUN_FOLDER (needs matplotlib).
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim
from cosim.coupling import couple
from cosim.results import read_result

#: Okabe-Ito, readable by colour-blind people.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def draw(folder: Path, target: Path) -> None:
    """Draw one run.

    Parameters
    ----------
    folder : Path
        A run folder.
    target : Path
        The picture to write.
    """
    result = read_result(folder)
    system = couple(cosim.load_scenario(folder / "scenario.toml"))
    network = system.network
    figure, ((road, load), (cap, voltage)) = plt.subplots(2, 2, figsize=(11, 7), layout="constrained")

    for start, end in zip(network.start_node, network.end_node, strict=True):
        (x0, y0), (x1, y1) = network.node_xy_m[start], network.node_xy_m[end]
        road.plot([x0, x1], [y0, y1], color="0.6", linewidth=2, zorder=1)
    for node, (x, y) in network.node_xy_m.items():
        road.annotate(node.removeprefix("n"), (x, y), ha="center", va="center", fontsize=9, zorder=3,
                      bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "0.6"})  # fmt: skip
    for station, colour in zip(system.stations, COLOURS, strict=True):
        ends = network.start_node[station.edge], network.end_node[station.edge]
        x, y = np.mean([network.node_xy_m[node] for node in ends], axis=0)
        road.scatter(x, y, s=120, marker="s", color=colour, zorder=2)
        road.annotate(f"{station.id}, bus {station.bus}", (x, y), (6, 9), textcoords="offset points", fontsize=9)
    road.set(title="Nguyen-Dupuis network and stations", xlabel="x [m]", ylabel="y [m]")
    road.set_aspect("equal")

    stations = result.stations.pivot_table(index="time_s", columns="station", values="power_kw")
    minutes = stations.index.to_numpy() / 60
    load.stackplot(minutes, stations.to_numpy().T, labels=list(stations), colors=COLOURS)
    load.set(title="Charging load of the stations", xlabel="time [min]", ylabel="power [kW]")
    load.legend(loc="upper right", fontsize=9)

    caps_kw = result.stations.groupby("time_s")["cap_kw"].mean()
    cap.step(minutes, caps_kw, where="post", color=COLOURS[1])
    cap.set(title="Droop cap per charger", xlabel="time [min]", ylabel="power [kW]", ylim=(0, 52))

    by_instant = result.buses.groupby("time_s")["vm_pu"]
    voltage.fill_between(minutes, by_instant.min(), by_instant.max(), color=COLOURS[0], alpha=0.25, label="all buses")
    voltage.plot(minutes, by_instant.mean(), color=COLOURS[0], label="mean")
    voltage.plot(minutes, by_instant.min(), color=COLOURS[1], label="lowest")
    voltage.set(title="Voltages of the IEEE 33-bus feeder", xlabel="time [min]", ylabel="voltage [pu]")
    voltage.legend(loc="lower right", fontsize=9)

    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(__file__).with_name("default_run.png"))
