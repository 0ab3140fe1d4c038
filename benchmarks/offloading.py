"""What offloading takes per slot, and how near to the optimum it comes.

``python benchmarks/offloading.py`` draws quarter hours of 900 slots with the tasks of section 5.1 of the OCEAN paper
(70 to 110 of 0.1-0.9 MB, 50-90 Megacycles, 0.5-1 s) and fleets of four models (1.8, 2, 2.3, 1.8 GHz), and solves each
in one call:

- *equal*: rate and theta the same everywhere (3 MB/s, 5e-26), the paper's setting;
- *rates*, *thetas*, *both*: rates uniform in 2-6 MB/s, thetas in 2.5e-26-10e-26, a fleet for every ten slots;
- *few*: 8 vehicles, rates and thetas as in both, which leaves little room.

Gaps are certified: (cost - lower bound) / cost. Times are processor time of one thread; the fastest of some repetitions
counts, since whatever else the machine does only ever adds time.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
from common import machine, verdict

from cosim_agents.ocean.examples import PAPER_CAPACITY_HZ, PAPER_RATE_MB_S, PAPER_THETA, figure_8, section_4_2
from cosim_agents.ocean.offloading import ComputingVehicles, solve, solve_batch
from cosim_agents.ocean.tasks import TaskRanges, TaskStream, draw_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_agents.ocean.offloading import BatchAssignment

SLOTS, DAY_PERIODS = 900, 96
#: Name, setting, vehicles, tasks, tol, time in us and mean gap in % that the project wants.
CASES = (
    ("equal, 25 vehicles", "equal", 25, (70, 110), None, 50.0, 0.0),
    ("rates, 25 vehicles", "rates", 25, (70, 110), None, 1e3, 0.3),
    ("thetas, 25 vehicles", "thetas", 25, (70, 110), None, 1e3, 0.3),
    ("both, 25 vehicles", "both", 25, (70, 110), None, 1e3, 0.3),
    ("few, 8 vehicles", "both", 8, (70, 110), None, None, None),
    ("both, 60 vehicles x 200", "both", 60, (200, 200), None, 3e3, None),
    ("thetas, 60 vehicles x 200", "thetas", 60, (200, 200), None, 3e3, None),
    ("rates, tol 1e-3", "rates", 25, (70, 110), 1e-3, 30e3, None),
    ("thetas, tol 1e-3", "thetas", 25, (70, 110), 1e-3, 30e3, None),
    ("both, tol 1e-3", "both", 25, (70, 110), 1e-3, 30e3, None),
    ("few, tol 1e-3", "both", 8, (70, 110), 1e-3, 30e3, None),
)  # fmt: skip


def fleets(setting: str, size: int, count: int, rng: np.random.Generator) -> ComputingVehicles:
    """Draw several fleets, one after another."""
    total = size * count
    rate = rng.uniform(2.0, 6.0, total) if setting in ("rates", "both") else PAPER_RATE_MB_S
    theta = rng.uniform(2.5e-26, 1e-25, total) if setting in ("thetas", "both") else PAPER_THETA
    return ComputingVehicles(rate, rng.choice(PAPER_CAPACITY_HZ, total), theta)


def timed(
    stream: TaskStream, vehicles: ComputingVehicles, members: NDArray[np.int64], tol: float | None, repetitions: int
) -> tuple[BatchAssignment, float]:
    """Solve a batch some times; return it and the processor time of a slot, us."""
    first = stream.slot(0)
    solve_batch(first, [0, len(first)], vehicles, fleets=members[:1], tol=tol)
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        batch = solve_batch(stream.tasks, stream.offsets, vehicles, fleets=members, tol=tol)
        times.append(time.process_time() - start)
    return batch, 1e6 * min(times) / len(stream)


def print_cases(slots: int, repetitions: int) -> None:
    """Print time and gaps of a quarter hour in each setting."""
    print(f"{'':28}{'us/slot':>9}{'gap mean':>10}{'p95':>8}{'max':>8} %{'<= 0.1 %':>10}{'left out':>10}")
    for number, (name, setting, size, counts, tol, limit_us, limit_gap) in enumerate(CASES):
        rng = np.random.default_rng(number)
        # The polish is slow enough for fewer slots to tell.
        count = slots if tol is None else max(1, slots // 9)
        stream, shared = draw_tasks(rng, count, TaskRanges(count=counts)), 10
        vehicles = fleets(setting, size, -(-count // shared), rng)
        begin = np.arange(count) // shared * size
        batch, slot_us = timed(stream, vehicles, np.stack([begin, begin + size], axis=1), tol, repetitions)
        gap = 100.0 * batch.relative_gap
        notes = [] if limit_us is None else [f"at most {limit_us:g} us: {verdict(slot_us, limit_us)}"]
        notes += [] if limit_gap is None else [f"mean gap at most {limit_gap:g} %: {verdict(gap.mean(), limit_gap)}"]
        print(
            f"{name:28}{slot_us:9.1f}{gap.mean():10.4f}{np.quantile(gap, 0.95):8.3f}{gap.max():8.3f}  "
            f"{(gap <= 0.1).mean():9.0%}{batch.rejected.sum():10d}   {'; '.join(notes)}",
            flush=True,
        )


def print_day() -> None:
    """Print what a day of the paper's setting takes, with 0 to 25 vehicles there."""
    rng = np.random.default_rng(1)
    total_s, out, unproved, tasks = 0.0, 0, 0, 0
    for period in range(DAY_PERIODS):
        # About a quarter of the day has fewer vehicles than the tasks need, as with the paper's mean load.
        size = round(12.5 - 12.5 * np.cos(2.0 * np.pi * period / DAY_PERIODS))
        stream, vehicles = draw_tasks(rng, SLOTS), fleets("equal", size, 1, rng)
        start = time.process_time()
        batch = solve_batch(stream.tasks, stream.offsets, vehicles)
        total_s += time.process_time() - start
        out, tasks = out + int(batch.rejected.sum()), tasks + len(stream.tasks)
        unproved += int((batch.rejected > [batch.slot(s).multipliers.fewest_rejected for s in range(SLOTS)]).sum())
    print(
        f"\na day, {DAY_PERIODS * SLOTS} slots, equal rates: {total_s:.2f} s, at most 5: {verdict(total_s, 5.0)}; "
        f"{out / tasks:.1%} of the tasks left out; in {unproved} slots one more than the bound says"
    )


def print_examples() -> None:
    """Print the paper's examples with their optima."""
    for name, (tasks, vehicles) in (("section 4.2", section_4_2()), ("Fig. 8", figure_8())):
        fast, best = solve(tasks, vehicles), solve(tasks, vehicles, exact=True)
        print(f"{name}: {fast.energy_j:.9f} J, certified gap {fast.relative_gap:.3%}; optimum {best.energy_j:.9f} J")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print cases, a day and the examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=SLOTS, help="slots of each case (default 900)")
    parser.add_argument("--repetitions", type=int, default=3, help="the fastest counts (default 3)")
    options = parser.parse_args(arguments)
    print(machine())
    print_cases(options.slots, options.repetitions)
    print_day()
    print_examples()


if __name__ == "__main__":
    main()
