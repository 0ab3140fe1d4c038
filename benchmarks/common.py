"""What the benchmarks share: the case they all run, and how time and memory are taken."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cosim.results import make_tables
from cosim.scenario_file import load_scenario

if TYPE_CHECKING:
    from types import TracebackType

    import pandas as pd

    from cosim.control import Recommender
    from cosim.scenario import Scenario
    from cosim.simulation import Simulation

#: The case of every benchmark that runs vehicles.
SCENARIO, SEED = "nguyen-dupuis", 0


def default_scenario() -> Scenario:
    """Load the case with its seed fixed, whatever the scenario's own default becomes."""
    return load_scenario(SCENARIO, seed=SEED)


def cpu_s() -> float:
    """Return user plus system time of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def resident_mb() -> float:
    """Return the memory this process occupies now; the peak alone would hide what is given back."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


class Stopwatch:
    """Takes the processor time (with children) and the wall time of a ``with`` block."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0

    def __enter__(self) -> Self:
        """Start."""
        self._cpu_s, self._wall_s = cpu_s(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.cpu_s, self.wall_s = cpu_s() - self._cpu_s, time.perf_counter() - self._wall_s


def finish(simulation: Simulation, recommender: Recommender) -> None:
    """Run to the end from wherever the simulation is."""
    while (request := simulation.advance()) is not None:
        simulation.answer(recommender.recommend(request, simulation.observe(request)))


def tables_of(simulation: Simulation) -> dict[str, pd.DataFrame]:
    """Make the tables of what a simulation has recorded."""
    return make_tables(simulation.state, simulation.end_s, simulation.scenario.reward)


def machine() -> str:
    """Describe the processor in one line, for tables of figures."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else "unknown processor"


def verdict(value: float, target: float, *, at_least: bool = False) -> str:
    """Say whether a figure meets its target."""
    met = value >= target if at_least else value <= target
    return "met" if met else "MISSED"
