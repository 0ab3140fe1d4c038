"""How many slots a second the environment of a charging site plays, through Gymnasium and with resets.

``python benchmarks/scheduling_env.py`` plays drawn days (two days of half-hour slots) with random actions drawn before.
The single environment is made by ``gymnasium.make`` with its wrappers, so that what a learner gets is timed; the
batched one is timed as a whole, drawing of days included, and once more without: then it plays days given to it.

Beside it ``advance`` is timed, which moves all sites on by one slot: powers in; energies, departures, arrivals, the
bill and the box of the next slot out. Its figure is for this with the shield, without features; what the shield and
the features of an observation cost is to be seen from the other columns. Whole episodes of it are played, since how
many vehicles are there depends on the hour; making their tables is not in it. Processor time of one process, which has
one thread, counts; the fastest of some repetitions, since whatever else the machine does only ever adds time.
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

    from numpy.typing import NDArray

#: Steps per second through Gymnasium with 54 chargers, resets included.
TARGET = 5_000
#: Site steps per second of the kernel: powers for each charger, with the shield, without observation.
KERNEL_TARGET = 5_000_000
#: What the kernel is asked for beside moving on: features of an observation, shield.
KERNEL_WORK = {"moved": (False, True), "no shield": (False, False), "observed": (True, True)}
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


def make_batch(sites: int, *, given: bool, **options: Any) -> tuple[SchedulingVectorEnv, NDArray[np.float32]]:
    """Return a batched environment and random actions for it."""
    days = [DrawnDays().draw(np.random.default_rng(k)) for k in range(100)]
    env = SchedulingVectorEnv(sites, days if given else "home", **options)
    env.action_space.seed(0)
    env.reset(seed=0)
    return env, env.action_space.sample()


def batched(sites: int, steps: int, repetitions: int, *, given: bool, action: str) -> float:
    """Return the site steps per second of the batched environment."""
    env, actions = make_batch(sites, given=given, action=action)

    def play() -> int:
        for _ in range(steps):
            env.step(actions)
        return steps * sites

    return fastest_rate(play, repetitions)


def kernel(sites: int, repetitions: int, *, action: str) -> dict[str, float]:
    """Return the site steps per second of the kernel for each kind of work; they take turns, as the machine changes."""
    env, actions = make_batch(sites, given=True, action=action)
    inner, asked = env._sites, actions.astype(np.float64)  # noqa: SLF001 - the kernel's data
    nothing, features = np.empty((0, 0), np.float32), np.empty((sites, len(inner.names)), np.float32)
    fastest = dict.fromkeys(KERNEL_WORK, 0.0)
    for _ in range(repetitions + 1):
        for work, (observed, shielded) in KERNEL_WORK.items():
            env.reset()
            at, out = inner.loaded().arrays, features if observed else nothing
            slots = at.headroom_kw.shape[1]
            start = time.process_time()
            for slot in range(slots):
                advance(at, slot, asked, inner.aggregate, shielded, inner.scales, out)
            fastest[work] = max(fastest[work], slots * sites / (time.process_time() - start))
    return fastest


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
            rate = batched(options.sites, 97, options.repetitions, given=given, action=action)
            print(f"  {'given days' if given else 'drawn days'} {action:10} {rate:12,.0f}")
    print(f"its kernel alone: site steps per second{'':14}" + "".join(f"{work:>14}" for work in KERNEL_WORK))
    for action in ("powers", "aggregate"):
        rates = kernel(options.sites, 2 * options.repetitions, action=action)
        print(f"  {action:51}" + "".join(f"{rate:14,.0f}" for rate in rates.values()))
        if action == "powers":
            met = verdict(rates["moved"], KERNEL_TARGET, at_least=True)
            print(f"  powers, moved: at least {KERNEL_TARGET:,}: {met}")


if __name__ == "__main__":
    main()
