"""What trainings gave: each policy on the same evaluation seeds, its best station taken and drawn.

Run with: python benchmarks/learners.py FOLDER... [--seeds N]. A folder is one that ``cosim train`` has written.
Trainings of one agent with several seeds are averaged; differences are from the agent named first.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

import cosim
from cosim.coupling import couple
from cosim.experiment import evaluation_seeds
from cosim_agents.rl.recommender import Learned

METRICS = ("ttt_s", "cvv_pu", "wct_min", "mean_driving_s")


def main(folders: list[Path], seeds: int) -> None:
    """Print the table in Markdown."""
    scenario = cosim.load_scenario("nguyen-dupuis")
    system = couple(scenario)
    found: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for folder in folders:
        info = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
        for sample in (False, True):
            runs = [
                cosim.run(
                    scenario, recommender=Learned(folder / "policy.npz", sample), seed=seed, system=system
                ).metrics
                for seed in evaluation_seeds(seeds)
            ]
            means = np.array([np.mean([metrics[name] for metrics in runs]) for name in METRICS])
            found[info["algorithm"], "drawn" if sample else "best"].append(means)
    print(
        f"Means over {seeds} evaluation seeds and the trainings; in brackets the standard deviation of TTT over these."
    )
    print("| agent | station | trainings | TTT [1e4 s] | CVV [pu] | WCT [min] | driving [s] | TTT from the first [%] |")
    print("|---|---|---|---|---|---|---|---|")
    first: dict[str, float] = {}
    for (agent, mode), rows in found.items():
        ttt_s, cvv_pu, wct_min, driving_s = np.mean(rows, axis=0)
        spread = f" ({np.std([row[0] for row in rows], ddof=1) / 1e4:.2f})" if len(rows) > 1 else ""
        change = 100 * (ttt_s / first.setdefault(mode, ttt_s) - 1)
        print(
            f"| `{agent}` | {mode} | {len(rows)} | {ttt_s / 1e4:.2f}{spread} | {cvv_pu:.2f} | {wct_min:.2f} "
            f"| {driving_s:.0f} | {change:+.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    main(arguments.folders, arguments.seeds)
