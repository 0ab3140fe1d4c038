"""Every recommender without learning on the default scenario: mean and standard deviation over seeds.

Run with: python benchmarks/recommenders.py [SEEDS]. The table in the README comes from here.
"""

from __future__ import annotations

import sys

import numpy as np

import cosim
from cosim.coupling import couple

RECOMMENDERS = (
    "uniform",
    "round-robin",
    "shortest-queue",
    "nearest",
    "min-detour",
    "least-time",
    "merit-order",
    "least-time-droop",
)
COLUMNS = {
    "TTT [1e4 s]": ("ttt_s", 1e4, 2),
    "CVV [pu]": ("cvv_pu", 1.0, 2),
    "WCT [min]": ("wct_min", 1.0, 2),
    "driving [s]": ("mean_driving_s", 1.0, 0),
    "lowest voltage [pu]": ("min_voltage_pu", 1.0, 3),
}


def main(seeds: int) -> None:
    """Print the table in Markdown."""
    system = couple(cosim.load_scenario("nguyen-dupuis"))
    print(f"| recommender | {' | '.join(COLUMNS)} | CS1 / CS2 / CS3 / CS4 / CS5 [%] |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for name in RECOMMENDERS:
        scenario = cosim.load_scenario("nguyen-dupuis", recommender=name)
        results = [cosim.run(scenario, seed=seed, system=system) for seed in range(seeds)]
        cells = []
        for key, unit, digits in COLUMNS.values():
            values = np.array([result.metrics[key] for result in results]) / unit
            cells.append(f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}")
        shares = np.mean(
            [[(result.decisions["station"] == f"CS{k}").mean() * 100 for k in range(1, 6)] for result in results],
            axis=0,
        )
        print(f"| `{name}` | {' | '.join(cells)} | {' / '.join(f'{share:.0f}' for share in shares)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
