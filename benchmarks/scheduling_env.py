"""How many slots a second the environment of a charging site plays, through Gymnasium and with resets.

``python benchmarks/scheduling_env.py`` plays drawn days (two days of half-hour slots) with random actions drawn before.
The single environment is made by ``gymnasium.make`` with its wrappers, so that what a learner gets is timed; the
batched one is timed as a whole, drawing of days included, and once more without: then it plays days given to it, and
``advance`` alone, one slot of all sites, is timed beside. Processor time of one process counts; the fastest of some
repetitions, since whatever else the machine does only ever adds time.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from common import machine, verdict

from cosim.env.scheduling import DrawnDays
from cosim.env.scheduling_vector import SchedulingVectorEnv
from cosim.scheduling.step_kernel import advance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Steps per second through Gymnasium with 54 chargers, resets included.
TARGET = 5_000
#: Actions drawn before the clock starts.
ACTIONS = 101


def fastest_rate(work: Callable[[], int], repetitions: int) -> float:
    """Return steps per second of processor time; the first call, which may compile, does not count."""
    work()
    rates = []
    for _ in range(repetitions):
        start = time.process_time()
        steps = work()
        rates.append(steps / (time.process_time() - start))
    return max(rates)


def single(steps: int, repetitions: int, **options: Any) -> float:
    """Return the steps per second of one environment."""
    env = gymnasium.make("cosim.env:cosim/Scheduling-v0", **options)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(ACTIONS)]
    env.reset(seed=0)

    def play() -> int:
        for step in range(steps):
            _, _, over, _, _ = env.step(actions[step % ACTIONS])
            if over:
                env.reset()
        return steps

    return fastest_rate(play, repetitions)


def batched(sites: int, steps: int, repetitions: int, *, given: bool, **options: Any) -> tuple[float, float]:
    """Return the site steps per second of the batched environment, and those of its kernel alone."""
    days = [DrawnDays().draw(np.random.default_rng(k)) for k in range(100)]
    env = SchedulingVectorEnv(sites, days if given else "home", **options)
    env.action_space.seed(0)
    actions = env.action_space.sample()
    env.reset(seed=0)

    def play() -> int:
        for _ in range(steps):
            env.step(actions)
        return steps * sites

    inner, out = env._sites, np.empty(env.observation_space.shape, dtype=np.float32)  # noqa: SLF001 - the kernel's data
    asked = actions.astype(np.float64)

    def run_kernel() -> int:
        # One whole episode: the number of vehicles present is that of a day.
        at = inner.loaded().arrays
        for slot in range(at.headroom_kw.shape[1]):
            advance(at, slot, asked, inner.aggregate, inner.shield, inner.scales, out)
        return at.headroom_kw.shape[1] * sites

    rate = fastest_rate(play, repetitions)
    kernel_rates = []
    for _ in range(repetitions + 1):
        env.reset()
        start = time.process_time()
        done = run_kernel()
        kernel_rates.append(done / (time.process_time() - start))
    return rate, max(kernel_rates)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="steps of one repetition (default 20000)")
    parser.add_argument("--repetitions", type=int, default=5, help="of which the fastest counts (default 5)")
    parser.add_argument("--sites", type=int, default=1_000, help="of the batched environment (default 1000)")
    options = parser.parse_args(arguments)
    print(machine())
    print("one site, 54 chargers, gymnasium.make, resets included: steps per second of processor time")
    for kind in ("home", "work", "public"):
        for action in ("powers", "aggregate"):
            rate = single(options.steps, options.repetitions, instances=kind, action=action)
            print(f"  {kind:7} {action:10} {rate:10,.0f}   at least {TARGET:,}: {verdict(rate, TARGET, at_least=True)}")
    limited = DrawnDays(charging_limit_kw=60.0)
    rate = single(options.steps, options.repetitions, instances=limited)
    print(f"  home, at most 60 kW {rate:9,.0f}   at least {TARGET:,}: {verdict(rate, TARGET, at_least=True)}")
    print(f"{options.sites:,} sites of 54 chargers in one batch, resets included: site steps per second")
    for given in (False, True):
        for action in ("powers", "aggregate"):
            rate, kernel = batched(options.sites, 97, options.repetitions, given=given, action=action)
            days = "given days" if given else "drawn days"
            print(f"  {days} {action:10} {rate:12,.0f}   kernel alone {kernel:12,.0f}")


if __name__ == "__main__":
    main()
