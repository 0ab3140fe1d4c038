"""Nguyen-Dupuis: 13 nodes, 38 directed links (both ways), 2.0 km x 1.5 km."""

from __future__ import annotations

import csv
from pathlib import Path

from cosim.traffic.netconvert import Edge, Node, cached_network

_FOLDER = Path(__file__).parent
#: The shipped scenario: case A of the paper.
SCENARIO = _FOLDER / "scenario.toml"
#: The same system over 24 hours.
SCENARIO_DAY = _FOLDER / "scenario_day.toml"

#: Metres per unit of published free-flow time: the mean road is then 777 m long, 1.4 times the straight line between
#: its ends on the 500 m grid, as city roads are (below 64 m the roads would be shorter than straight lines).
METRES_PER_TIME_UNIT = 90.0
#: The usual urban limit, 50 km/h. Together the two give the default scenario a mean drive near the 295-393 s that the
#: paper's tables imply (README, "The default scenario").
SPEED_MPS = 50 / 3.6


def build() -> Path:
    """Nguyen-Dupuis network (1984), both directions of all 19 links, 500 m grid, 50 km/h, one lane.

    Returns
    -------
    Path
        The cached ``.net.xml``.
    """
    nodes = [Node(f"n{row['node']}", float(row["x_m"]), float(row["y_m"])) for row in _rows("nodes.csv")]
    edges = []
    for row in _rows("links.csv"):
        length_m = float(row["t0_min"]) * METRES_PER_TIME_UNIT
        for start, end in ((row["from"], row["to"]), (row["to"], row["from"])):
            edges.append(Edge(f"{start}_{end}", f"n{start}", f"n{end}", length_m, round(SPEED_MPS, 4)))
    return cached_network("nguyen-dupuis", nodes, edges, ["--no-turnarounds", "true", "--precision", "3"])


def _rows(table: str) -> list[dict[str, str]]:
    with (_FOLDER / table).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
