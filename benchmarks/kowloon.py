"""Case B, Kowloon: what an episode costs beside SUMO alone, and the figures that the scenario is to reproduce.

``python benchmarks/kowloon.py`` measures two things:

- *cost*: a coupled run, from reset to written tables, in which the densities of all edges are observed at each
  decision, against the ``sumo`` program moving the same vehicles (``floor.py``), in turns. Processor time of the
  process and its children; what each has in common with ``coupled.py`` is explained there. On a machine with other
  work the two times vary by more than they differ, so the target is judged by the fastest of each, and the share of
  SUMO's own steps in a coupled run, both of one process and one run, is printed beside them.
- *figures*: mean driving time, teleports, cumulative voltage violation and charging power of the uniform recommender
  over seeds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from common import SEED, Stopwatch, machine, tables_of, verdict
from coupled import bare_s
from floor import arrivals_of, drive_and_count, same_traffic, write_floor

from cosim.randomness import stream
from cosim.results import RunFolder, make_metrics
from cosim.runner import make_recommender, run
from cosim.scenario import to_toml
from cosim.scenario_file import load_scenario
from cosim.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from cosim.coupling import CoupledSystem
    from cosim.scenario import Scenario

#: Targets of the project.
COUPLED_TO_BARE, DRIVING_S, CVV_PU, POWER_KW = 1.15, (270.0, 300.0), (15.5, 17.5), 47.0


def observed_run_s(simulation: Simulation, folder: Path, begun: Callable[[], object] = bool) -> float:
    """Run once from reset to written tables, observing every edge at each decision; return the processor time."""
    with Stopwatch() as watch:
        recommender = make_recommender(simulation.scenario)
        recommender.reset(simulation.reset(SEED), stream(SEED, "recommender"))
        begun()
        edges = len(simulation.system.network.edges)
        while (request := simulation.advance()) is not None:
            view = simulation.observe(request)
            assert len(view.edge_density_per_km) == edges
            simulation.answer(recommender.recommend(request, view))
        tables = tables_of(simulation)
        output = RunFolder(folder)
        output.write_scenario(to_toml(simulation.scenario))
        output.write(tables, {"metrics": make_metrics(tables, simulation.end_s), "counts": simulation.counts()})
    return watch.cpu_s


class _StepClock:
    """Takes the processor time of SUMO's own steps."""

    def __init__(self, simulation: Simulation) -> None:
        self.inside_s = 0.0
        self._step = simulation.traffic._step  # noqa: SLF001 - SUMO itself, without our loop over its seconds
        simulation.traffic._step = self  # noqa: SLF001

    def __call__(self, *until: float) -> None:
        """Let SUMO step."""
        begin_s = time.process_time()
        self._step(*until)
        self.inside_s += time.process_time() - begin_s


def over_steps(simulation: Simulation, folder: Path) -> float:
    """Return the processor time of a coupled run over that of SUMO's steps in it."""
    clocks: list[_StepClock] = []
    total_s = observed_run_s(simulation, folder, lambda: clocks.append(_StepClock(simulation)))
    return total_s / clocks[0].inside_s


def measure_cost(scenario: Scenario, repetitions: int) -> bool:
    """Time coupled and bare runs in turns; say whether both moved the same vehicles."""
    with tempfile.TemporaryDirectory() as name, Simulation(scenario) as simulation:
        scratch = Path(name)
        # The first run also starts libsumo and pays for lazy imports; it gives the floor its vehicles.
        observed_run_s(simulation, scratch / "first")
        ours = arrivals_of(simulation)
        command = write_floor(simulation, scratch)
        theirs = drive_and_count(command, scratch)
        bare, coupled = [], []
        for repetition in range(repetitions):
            bare.append(bare_s(command))
            coupled.append(observed_run_s(simulation, scratch / f"run{repetition}"))
        steps = over_steps(simulation, scratch / "steps")
    print(f"cost, seed {SEED}, {repetitions} repetitions in turns{'':8}{'median':>9}   {'fastest':>9}")
    for what, seconds in (("bare sumo, start-up included", bare), ("coupled, densities observed", coupled)):
        print(f"  {what:46}{statistics.median(seconds):9.2f} s {min(seconds):9.2f} s")
    ratio = min(coupled) / min(bare)
    print(f"  {'coupled / bare':46}{statistics.median(coupled) / statistics.median(bare):9.3f}   {ratio:11.3f}")
    print(f"  {'coupled / SUMO stepping inside it, one run':46}{steps:9.3f}")
    print(f"  target of the fastest <= {COUPLED_TO_BARE}: {verdict(ratio, COUPLED_TO_BARE)}")
    print(
        f"  the same system: {theirs.vehicles} of {ours.vehicles} vehicles arrived without coupling, TTT "
        f"{theirs.ttt_s / ours.ttt_s:.4f} of the coupled run's"
    )
    return same_traffic(theirs, ours)


def measure_figures(scenario: Scenario, system: CoupledSystem, seeds: int) -> bool:
    """Print the figures of each seed; say whether all are met."""
    print(
        f"\n{'seed':>4} {'drive s':>8} {'hour only':>9} {'teleports':>9} {'CVV pu':>7} {'charge s':>8} {'wait s':>7} "
        f"{'hour at >= 47 kW':>17} {'least kW':>9}"
    )
    met = True
    start_s, end_s = scenario.simulation.warmup_s, scenario.end_of_control_s
    for seed in range(seeds):
        result = run(scenario, seed=seed, system=system)
        metrics, trips, stations = result.metrics, result.trips, result.stations
        caps_kw = stations.loc[stations["time_s"].between(start_s, end_s, inclusive="left"), "cap_kw"]
        driving_s, teleports, cvv_pu = metrics["mean_driving_s"], result.counts["teleports"], metrics["cvv_pu"]
        share = float((caps_kw >= POWER_KW).mean())
        print(
            f"{seed:4} {driving_s:8.1f} {trips.loc[trips['depart_s'] >= start_s, 'driving_s'].mean():9.1f} "
            f"{teleports:9} {cvv_pu:7.2f} {metrics['mean_charging_s']:8.1f} {metrics['mean_waiting_s']:7.1f} "
            f"{share:16.0%} {caps_kw.min():9.1f}"
        )
        met &= DRIVING_S[0] <= driving_s <= DRIVING_S[1] and not teleports and CVV_PU[0] <= cvv_pu <= CVV_PU[1]
        met &= share > 0.5
    print(
        f"targets: drive {DRIVING_S[0]:g}-{DRIVING_S[1]:g} s, no teleports, CVV {CVV_PU[0]:g}-{CVV_PU[1]:g} pu, "
        f"at least {POWER_KW:g} kW most of the hour: {'met' if met else 'MISSED'}"
    )
    return met


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="of bare and coupled, in turns")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="of the figures")
    arguments = parser.parse_args()
    scenario = load_scenario("kowloon", seed=SEED)
    print(f"case {scenario.name}; {machine()}")
    same = measure_cost(scenario, arguments.repetitions) if arguments.repetitions else True
    if arguments.seeds:
        with Simulation(scenario) as simulation:
            system = simulation.system
        same &= measure_figures(scenario, system, arguments.seeds)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
