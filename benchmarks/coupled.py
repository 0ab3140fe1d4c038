"""What the coupling costs: a whole coupled run against SUMO alone and against the usual way of coupling.

``python benchmarks/coupled.py`` measures, in one go and in turns:

- *bare*: the ``sumo`` program moving the vehicles of the coupled run, without any output (``floor.py``);
- *coupled*: the same case through cosim: traffic, stations, a power flow at each decision, control interval and
  recorded minute, and all tables written to a run folder. What is loaded once for many runs (imports, network, feeder,
  ``Simulation``) is not in it; what each run needs (demand, SUMO's input, its loading) is;
- *naive*: TraCI, polling and ``runpp`` (``naive.py``).

Processor time is user plus system, of this process and its children. Two ratios to bare are printed: to the whole
process, which starts up and loads the network as our reset does, and to the process without its start-up, which is
measured by a run that ends after one second. Whatever else the machine does only ever adds time, so the fastest
repetition is printed beside the median, and the naive loop, which is too long to repeat often, is judged by it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common import SEED, Stopwatch, default_scenario, finish, machine, tables_of, verdict
from floor import Arrivals, arrivals_of, drive, drive_and_count, same_traffic, write_floor
from naive import NaiveEpisode

from cosim.randomness import stream
from cosim.results import RunFolder, make_metrics
from cosim.runner import make_recommender, run
from cosim.scenario import to_toml
from cosim.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Targets of the project.
COUPLED_TO_BARE, NAIVE_TO_COUPLED = 1.25, 20.0
_PHASES = ("reset", "loop", "tables", "write")


@dataclass(frozen=True, slots=True)
class CoupledRun:
    """One run: processor seconds of each phase, and what came out."""

    cpu_s: dict[str, float]
    metrics: dict[str, float]

    @property
    def total_s(self) -> float:
        """All phases."""
        return sum(self.cpu_s.values())


def coupled_run(simulation: Simulation, folder: Path) -> CoupledRun:
    """Run once from reset to written tables."""
    watches = {phase: Stopwatch() for phase in _PHASES}
    with watches["reset"]:
        # The recommender is a plug-in of a few bytes; making it belongs to a run.
        recommender = make_recommender(simulation.scenario)
        recommender.reset(simulation.reset(SEED), stream(SEED, "recommender"))
    with watches["loop"]:
        finish(simulation, recommender)
    with watches["tables"]:
        tables = tables_of(simulation)
        metrics = make_metrics(tables, simulation.end_s)
    with watches["write"]:
        output = RunFolder(folder)
        output.write_scenario(to_toml(simulation.scenario))
        output.write(tables, {"metrics": metrics, "counts": simulation.counts()})
    return CoupledRun({phase: watch.cpu_s for phase, watch in watches.items()}, metrics)


def public_run_s(simulation: Simulation, folder: Path) -> float:
    """Measure ``cosim.run`` as a user calls it with the system at hand: it also makes the power flow and checks it."""
    with Stopwatch() as watch:
        run(simulation.scenario, system=simulation.system, out=folder)
    return watch.cpu_s


def bare_s(command: list[str], *extra: str) -> float:
    """Measure one run of the ``sumo`` program."""
    with Stopwatch() as watch:
        drive(command, *extra)
    return watch.cpu_s


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="of bare and coupled, in turns")
    parser.add_argument("--naive", type=int, default=2, metavar="N", help="runs of the yardstick, which takes long")
    arguments = parser.parse_args()
    scenario = default_scenario()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        with Simulation(scenario) as simulation:
            # The first run also starts libsumo and pays for lazy imports; it gives the floor its vehicles.
            first = coupled_run(simulation, scratch / "first")
            coupled_arrivals = arrivals_of(simulation)
            command = write_floor(simulation, scratch)
            floor_arrivals = drive_and_count(command, scratch)
            bare, start_up, coupled = [], [], []
            for repetition in range(arguments.repetitions):
                bare.append(bare_s(command))
                coupled.append(coupled_run(simulation, scratch / f"run{repetition}"))
                start_up.append(bare_s(command, "--end", "1"))
            assert all(again.metrics == first.metrics for again in coupled), "a repeated run gave other results"
        whole = [public_run_s(simulation, scratch / f"public{i}") for i in range(min(3, arguments.repetitions))]
        naive = [NaiveEpisode(scenario, simulation.system, SEED).run() for _ in range(arguments.naive)]

    ours = [each.total_s for each in coupled]
    bare_s_median = statistics.median(bare)
    print(f"case {scenario.name}, seed {SEED}; {machine()}")
    print(f"processor time of process and children, {arguments.repetitions} repetitions in turns\n")
    print(f"{'':42}{'median':>9}   {'fastest':>9}   {'median / bare':>13}")
    _row("bare sumo, process start-up included", bare, bare_s_median)
    _row("  of it start-up and loading (--end 1)", start_up, bare_s_median)
    _row("coupled run: reset, loop, tables, files", ours, bare_s_median)
    for phase in _PHASES:
        _row(f"  {phase}", [each.cpu_s[phase] for each in coupled], bare_s_median)
    _row("cosim.run with the system at hand", whole, bare_s_median)
    if naive:
        _row("naive: TraCI, polling, runpp", [each.cpu_s for each in naive], bare_s_median)

    print(f"\n{'ratios':42}{'medians':>9}   {'fastest':>9}")
    loop = [each.cpu_s["loop"] for each in coupled]
    moving = [each - statistics.median(start_up) for each in bare]
    ratio = _ratio("coupled / bare, start-up included", ours, bare)
    _ratio("coupled / bare without start-up", ours, moving)
    _ratio("loop alone / bare without start-up", loop, moving)
    print(f"target coupled / bare <= {COUPLED_TO_BARE}, start-up included: {verdict(ratio, COUPLED_TO_BARE)}")
    if naive:
        _ratio("naive / coupled", [each.cpu_s for each in naive], ours)
        ratio = min(each.cpu_s for each in naive) / min(ours)
        print(
            f"target naive / coupled >= {NAIVE_TO_COUPLED:g}, of the fastest: "
            f"{verdict(ratio, NAIVE_TO_COUPLED, at_least=True)}"
        )

    print("\nthe same system")
    _same("bare", floor_arrivals, coupled_arrivals)
    if naive:
        _same("naive", Arrivals(naive[0].arrived, naive[0].ttt_s), coupled_arrivals)
        charging_s = first.metrics["mean_charging_s"]
        print(
            f"  mean charging: naive {naive[0].mean_charging_s:.1f} s, coupled {charging_s:.1f} s "
            f"({naive[0].mean_charging_s / charging_s:.4f}); power flows of the naive loop: {naive[0].powerflows}, "
            f"{naive[0].nonconverged} without solution"
        )
    return 0 if same_traffic(floor_arrivals, coupled_arrivals) else 1


def _row(name: str, seconds: Sequence[float], bare_s_median: float) -> None:
    median = statistics.median(seconds)
    print(f"{name:42}{median * 1000:9.1f} ms{min(seconds) * 1000:9.1f} ms{median / bare_s_median:12.2f}")


def _ratio(name: str, ones: Sequence[float], others: Sequence[float]) -> float:
    medians = statistics.median(ones) / statistics.median(others)
    print(f"{name:42}{medians:9.2f}   {min(ones) / min(others):9.2f}")
    return medians


def _same(name: str, theirs: Arrivals, ours: Arrivals) -> None:
    print(
        f"  {name}: {theirs.vehicles} of {ours.vehicles} vehicles arrived, TTT {theirs.ttt_s:.0f} s, "
        f"coupled {ours.ttt_s:.0f} s ({theirs.ttt_s / ours.ttt_s:.4f})"
    )


if __name__ == "__main__":
    sys.exit(main())
