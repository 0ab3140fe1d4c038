"""What a reset costs in one process: time and memory; and going back to a checkpoint of a warmed-up run.

``python benchmarks/reset.py``. Resets are followed by the way to the first request (what training does most often) and,
separately, by whole short runs. A restored run must give exactly the tables of the uninterrupted one.
"""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from common import SCENARIO, SEED, Stopwatch, default_scenario, finish, machine, resident_mb, tables_of, verdict

from cosim.randomness import stream
from cosim.runner import make_recommender
from cosim.scenario_file import load_scenario
from cosim.simulation import Simulation

if TYPE_CHECKING:
    import pandas as pd

    from cosim.control import Recommender
    from cosim.scenario import Scenario

#: Targets of the project.
_GROWTH_MB, _RESET_S = 20.0, 0.050
#: A run of a few hundred vehicles that is over in a fraction of a second.
_SHORT = {"simulation.warmup_s": 300, "simulation.control_s": 900}
#: How many restored runs are finished and compared.
_WHOLE_RUNS = 3


def begin(simulation: Simulation, seed: int) -> tuple[Recommender, float]:
    """Reset simulation and recommender; return the recommender and the wall time of the simulation's reset."""
    with Stopwatch() as watch:
        info = simulation.reset(seed)
    recommender = make_recommender(simulation.scenario)
    recommender.reset(info, stream(seed, "recommender"))
    return recommender, watch.wall_s


def many_resets(scenario: Scenario, count: int, *, whole: bool) -> None:
    """Reset again and again, each time with another seed, and print time and growth.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    count : int
        How many resets.
    whole : bool
        Run to the end between two resets, or only to the first request.
    """
    times_s, sizes_mb = [], []
    with Simulation(scenario) as simulation:
        for seed in range(count + 1):
            recommender, reset_s = begin(simulation, seed)
            if whole:
                finish(simulation, recommender)
            else:
                simulation.advance()
            times_s.append(reset_s)
            sizes_mb.append(resident_mb())
    what = f"whole runs of {len(simulation.demand)} vehicles" if whole else "first request"
    # The first reset also starts libsumo and fills caches; the growth that could add up is that after it.
    typical_s, growth_mb = statistics.median(times_s[1:]), max(sizes_mb[1:]) - sizes_mb[0]
    print(f"{count} resets, each followed by {what}:")
    print(
        f"  reset {typical_s * 1000:.1f} ms, worst {max(times_s[1:]) * 1000:.1f} ms (the first, which starts libsumo: "
        f"{times_s[0] * 1000:.1f} ms); target < 50 ms: {verdict(typical_s, _RESET_S)}"
    )
    print(
        f"  memory {sizes_mb[0]:.1f} MB after the first, at most {growth_mb:+.1f} MB later, "
        f"{sizes_mb[-1] - sizes_mb[0]:+.1f} MB after the last; target < 20 MB: {verdict(growth_mb, _GROWTH_MB)}"
    )


def equal(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> bool:
    """Say whether two runs gave exactly the same tables."""
    return one.keys() == other.keys() and all(one[name].equals(other[name]) for name in one)


def checkpoints(scenario: Scenario, count: int) -> bool:
    """Save the warmed-up run, go back to it many times, and compare what follows with a run that was never saved.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    count : int
        How often to go back; the last few times the run goes on to its end.

    Returns
    -------
    bool
        Whether every continued run gave the tables of the uninterrupted one.
    """
    with tempfile.TemporaryDirectory() as name, Simulation(scenario, checkpoints=True) as simulation:
        recommender, _ = begin(simulation, SEED)
        finish(simulation, recommender)
        uninterrupted = tables_of(simulation)
        recommender, _ = begin(simulation, SEED)
        with Stopwatch() as warming:
            simulation.warm_up()
        with Stopwatch() as saving:
            checkpoint = simulation.checkpoint(Path(name) / "warm.xml.gz")
        finish(simulation, copy.deepcopy(recommender))
        same = [equal(tables_of(simulation), uninterrupted)]
        times_s, sizes_mb = [], []
        for repetition in range(count):
            with Stopwatch() as restoring:
                simulation.restore(checkpoint)
            times_s.append(restoring.wall_s)
            sizes_mb.append(resident_mb())
            if repetition < count - _WHOLE_RUNS:
                simulation.advance()
            else:
                finish(simulation, copy.deepcopy(recommender))
                same.append(equal(tables_of(simulation), uninterrupted))
    print(f"checkpoint at {checkpoint.time_s} s, the end of the warm-up, restored {count} times:")
    print(
        f"  warm-up {warming.wall_s * 1000:.1f} ms, save {saving.wall_s * 1000:.1f} ms, restore "
        f"{statistics.median(times_s) * 1000:.1f} ms, worst {max(times_s) * 1000:.1f} ms"
    )
    print(f"  memory at most {max(sizes_mb) - sizes_mb[0]:+.1f} MB after the first")
    print(f"  tables equal to the uninterrupted run's: {sum(same)} of {len(same)} runs")
    return all(same)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--resets", type=int, default=50, metavar="N", help="of each kind")
    arguments = parser.parse_args()
    print(f"{machine()}; wall times, medians")
    many_resets(default_scenario(), arguments.resets, whole=False)
    gc.collect()
    many_resets(load_scenario(SCENARIO, **_SHORT), arguments.resets, whole=True)
    return 0 if checkpoints(default_scenario(), arguments.resets) else 1


if __name__ == "__main__":
    sys.exit(main())
