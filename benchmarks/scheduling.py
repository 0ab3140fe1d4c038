"""What charging a site with foresight is worth, and what each decision costs in time.

``python benchmarks/scheduling.py`` draws days nobody has seen (two days of half-hour slots each, 100 vehicles a day, a
battery of 24 kWh at 3.3 kW; ``cosim.scheduling.arrivals``) and plays them with

- *EC*: full power on arrival;
- *OA*: the optimum for the vehicles present, with the base load known; *OA const* takes the base load for constant;
- *MPC*: OA with the average of other days for expected arrivals.

It prints the bill relative to the offline optimum, mean and half width of the 95 % interval of the mean over the days,
for three sites and several numbers of vehicles per household of base load, and compares with the project's figures. The
offline optimum is certified to 1e-9 or the program stops. Then it times single decisions in one thread; the fastest of
some repetitions counts, since whatever else the machine does only ever adds time.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import scipy.stats
from common import machine, verdict

from cosim.scheduling.arrivals import draw_instance, household_load_kw
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.projection import project, split_least_laxity
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import feasible_box, shield
from cosim.scheduling.site import SiteState
from cosim_agents.sca import rules
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.replay import Policy

#: Site and vehicles per household.
CASES = (("home", 0.5), ("home", 1.0), ("home", 2.0), ("work", 1.0), ("work", 2.0), ("public", 1.0), ("public", 2.0))
POLICIES = ("EC", "OA", "OA const", "MPC")
#: Figures of the project: site, vehicles per household, policy, ratio, tolerance (none: at most).
FIGURES = (
    ("home", 2.0, "EC", 1.49, 0.02), ("home", 2.0, "OA", 1.044, 0.003), ("home", 2.0, "MPC", 1.002, None),
    ("home", 1.0, "OA", 1.010, 0.003),
)  # fmt: skip
#: The first number of a seed: what is played must not have been history.
HISTORY, HELD_OUT = 1, 2


def policies(expected: ExpectedArrivals) -> dict[str, Policy]:
    """Return the policies by name."""
    return {
        "EC": rules.eager,
        "OA": lambda state: rolling_optimum(state).power_kw,
        "OA const": lambda state: rolling_optimum(state, constant_base=True).power_kw,
        "MPC": lambda state: predictive_optimum(state, expected).power_kw,
    }


def ratios(kind: str, per_household: float, days: int, history: int) -> NDArray[np.float64]:
    """Play held-out days with every policy; return bills over the optimum's, shape (days, policies)."""
    past = [draw_instance(kind, np.random.default_rng([HISTORY, day]))[1] for day in range(history)]
    play = policies(ExpectedArrivals.from_days(past))
    table = np.empty((days, len(play)))
    for day in range(days):
        rng = np.random.default_rng([HELD_OUT, day])
        site, vehicles = draw_instance(kind, rng, vehicles_per_household=per_household)
        best = offline_optimum(site, vehicles)
        assert best.relative_gap <= 1e-9
        for column, policy in enumerate(play.values()):
            result = replay(site, vehicles, policy)
            assert result.short_kwh.max() <= 1e-6
            table[day, column] = result.cost / best.cost
    return table


def half_width(values: NDArray[np.float64]) -> float:
    """Return half the width of the 95 % interval of the mean (Student's t)."""
    return float(scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def print_ratios(days: int, history: int) -> None:
    """Print bills over the optimum's, and how they compare with the project's figures."""
    print(f"bill / offline optimum, mean ± half width of the 95 % interval, {days} days held out, {history} of history")
    print(f"{'site':8}{'per household':>14}" + "".join(f"{name:>17}" for name in POLICIES))
    found: dict[tuple[str, float, str], tuple[float, float]] = {}
    for kind, per_household in CASES:
        table = ratios(kind, per_household, days, history)
        cells = []
        for name, values in zip(POLICIES, table.T, strict=True):
            found[kind, per_household, name] = float(values.mean()), half_width(values)
            cells.append(f"{values.mean():9.4f} ±{half_width(values):.4f}")
        print(f"{kind:8}{per_household:14g}" + "".join(f"{cell:>17}" for cell in cells), flush=True)
    print()
    for kind, per_household, name, figure, tolerance in FIGURES:
        ratio, _ = found[kind, per_household, name]
        target = f"at most {figure}" if tolerance is None else f"{figure} ± {tolerance}"
        met = verdict(ratio, figure) if tolerance is None else verdict(abs(ratio - figure), tolerance)
        print(f"{name} at {kind}, {per_household:g} per household: {ratio:.4f}, figure {target}: {met}")


def parked(count: int) -> SiteState:
    """Return a state with vehicles that leave in 4 to 16 hours."""
    rng = np.random.default_rng(count)
    slots_left = rng.integers(8, 33, count)
    remaining_kwh = np.minimum(24.0 * np.clip(rng.normal(0.5, 0.2, count), 0.05, 0.9), 1.65 * slots_left)
    unlimited_kw = np.full(32, np.inf)
    return SiteState(
        slot=0,
        slot_h=0.5,
        remaining_kwh=remaining_kwh,
        slots_left=slots_left,
        max_power_kw=np.full(count, 3.3),
        arrival_slot=np.zeros(count, dtype=np.int64),
        base_kw=household_load_kw(count / 2.0, slots=32),
        headroom_kw=unlimited_kw,
    )


def fastest_ms(work: Callable[[], object], repetitions: int = 7, calls: int = 100) -> float:
    """Return the time of one call, ms; the first call, which may compile, does not count."""
    work()
    times = []
    for _ in range(repetitions):
        start = time.process_time()
        for _ in range(calls):
            work()
        times.append((time.process_time() - start) / calls)
    return 1e3 * min(times)


def print_times() -> None:
    """Print what one decision takes."""
    print("\nprocessor time of one call, ms (100 and 2000 vehicles present)")
    limits = {"OA": (0.1, 2.0), "projection": (0.2, 0.2), "split by laxity": (0.2, 0.2)}
    rows: dict[str, list[float]] = {}
    for count in (100, 2000):
        state = parked(count)
        box = feasible_box(state)
        wish_kw = np.random.default_rng(0).normal(1.5, 2.0, count)
        total_kw = 0.5 * (box.total_low_kw + box.total_high_kw)
        work = {
            "EC": lambda state=state: rules.eager(state),
            "OA": lambda state=state: rolling_optimum(state),
            "projection": lambda box=box, w=wish_kw, y=total_kw: project(w, box.low_kw, box.high_kw, y),
            "split by laxity": lambda s=state, b=box, y=total_kw: split_least_laxity(s, b.low_kw, b.high_kw, y),
            "shield": lambda s=state, w=wish_kw: shield(s, w),
        }
        for name, call in work.items():
            rows.setdefault(name, []).append(fastest_ms(call))
    for name, times in rows.items():
        note = ""
        if name in limits:
            met = [verdict(found, limit) for found, limit in zip(times, limits[name], strict=True)]
            note = f"   at most {limits[name][0]} and {limits[name][1]}: {met[0]}, {met[1]}"
        print(f"{name:16}{times[0]:10.4f}{times[1]:10.4f}{note}")
    site, vehicles = draw_instance("home", np.random.default_rng(0))
    optimum_ms = fastest_ms(lambda: offline_optimum(site, vehicles), calls=5)
    print(f"offline optimum of {len(vehicles)} vehicles: {optimum_ms:.2f} ms, at most 5: {verdict(optimum_ms, 5.0)}")
    past = [draw_instance("home", np.random.default_rng([HISTORY, day]))[1] for day in range(60)]
    expected, state = ExpectedArrivals.from_days(past), parked(100)
    # The load of the whole horizon, for the expected vehicles stay longer than those present.
    state = SiteState(
        0, state.slot_h, state.remaining_kwh, state.slots_left, state.max_power_kw, state.arrival_slot,
        household_load_kw(50.0), np.full(96, np.inf),
    )  # fmt: skip
    mpc_ms = fastest_ms(lambda: predictive_optimum(state, expected), calls=5)
    print(f"MPC with 100 vehicles and {len(expected.energy_kwh)} expected groups: {mpc_ms:.2f} ms")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print ratios, then times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=40, help="held-out days of each case (default 40)")
    parser.add_argument("--history", type=int, default=60, help="days of history for MPC (default 60)")
    options = parser.parse_args(arguments)
    print(machine())
    print_ratios(options.days, options.history)
    print_times()


if __name__ == "__main__":
    main()
