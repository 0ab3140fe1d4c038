"""How evenly OCEAN charges a station, beside references, the paper's algorithms and the clairvoyant optimum.

``python benchmarks/ocean_charging.py`` draws days nobody has seen (25 piles, 96 quarter hours from 05:00;
``cosim_agents.ocean.station_days``) of three kinds: R, with stays drawn again until they are long enough, S, with fewer
vehicles that stay longer, and E, with stays made longer. It prints the load variance (sum of squared energies) over
that of the clairvoyant optimum, mean and half width of the 95 % interval of the mean over the days, and how many
vehicles left short of their target:

- references without learning, and the share of vehicles that only the rule of admission made feasible;
- *ocean*, trained on one kind in one thread with each seed, on the same days, on others, at stations of other sizes;
- the paper's Algorithm 1, LSRL and the baselines with a penalty, without the shield and behind it.

Then it times single decisions. ``--only`` restricts it to some parts, ``--save FILE`` writes the first seed's policy.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import Stopwatch, machine, verdict
from scheduling import fastest_ms, half_width

from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.site import SiteState
from cosim_agents.ocean.baseline_training import Settings, train_baseline
from cosim_agents.ocean.paper_training import Algorithm1, train_paper
from cosim_agents.ocean.pile_days import play_piles
from cosim_agents.ocean.references import references
from cosim_agents.ocean.set_policy import Ocean, save_ocean
from cosim_agents.ocean.set_training import Schedule, train_ocean
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import SCENARIOS, StationDays, draw_day, variance_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.replay import Policy
    from cosim_agents.ocean.pile_policy import PilePolicy
    from cosim_agents.ocean.set_policy import SetPolicy
    from cosim_agents.ocean.station_days import StationDay

#: The first number of a seed: what is played must not have been history.
HISTORY, HELD_OUT = 1, 2
#: Figures of the project: ratio of ocean, training, s, a decision and a clairvoyant day, ms, how far seeds may differ,
#: and by what share its load variance is below that of shielded baselines.
RATIO, TRAINING_S, DECISION_MS, OPTIMUM_MS, SEEDS_APART, BELOW_BASELINES = 1.02, 120.0, 0.2, 10.0, 0.01, 0.10
#: kWh; less is rounding.
ROUNDING_KWH = 1e-6


def held_out(kind: StationDays, count: int) -> tuple[list[StationDay], NDArray[np.float64]]:
    """Return days and the load variance of their clairvoyant optimum."""
    days = [draw_day(np.random.default_rng([HELD_OUT, seed]), kind) for seed in range(count)]
    best = [offline_optimum(day.site, day.vehicles) for day in days]
    assert max(plan.relative_gap for plan in best) <= 1e-9
    return days, np.array([plan.cost for plan in best])


def played(days: list[StationDay], best: NDArray[np.float64], policy: Policy) -> tuple[NDArray[np.float64], float]:
    """Return the ratio of each day, and the share of vehicles short of a target that could be met."""
    ratios, short = [], []
    for day, cost in zip(days, best, strict=True):
        result = replay(day.site, day.vehicles, policy)
        ratios.append(result.cost / cost)
        short.append(result.short_kwh - result.unservable_kwh > ROUNDING_KWH)
    return np.array(ratios), float(np.concatenate(short).mean())


def line(name: str, ratios: NDArray[np.float64], short: float, note: str = "") -> None:
    """Print a row."""
    print(f"{name:26}{ratios.mean():9.4f} ±{half_width(ratios):.4f}{100 * short:9.1f} %   {note}", flush=True)


def print_references(count: int, history: int) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Print the references of all kinds of days; return the ratios."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, kind in SCENARIOS.items():
        days, best = held_out(kind, count)
        past = [draw_day(np.random.default_rng([HISTORY, seed]), kind) for seed in range(history)]
        infeasible = 100 * np.concatenate([day.infeasible for day in days]).mean()
        away = np.mean([day.turned_away for day in days])
        vehicles = np.mean([len(day.vehicles) for day in days])
        plans = [partial(offline_optimum, day.site, day.vehicles) for day in days[:3]]
        optimum_ms = min(fastest_ms(plan, calls=3) for plan in plans)
        print(
            f"\n{name}: clairvoyant {best.mean():.0f} kWh^2 in {optimum_ms:.2f} ms, at most {OPTIMUM_MS:g}: "
            f"{verdict(optimum_ms, OPTIMUM_MS)}; {vehicles:.0f} vehicles a day, {infeasible:.0f} % of them feasible "
            f"only by the rule of admission, {away:.0f} turned away"
        )
        print(f"{'':26}{'ratio':>9}{'short':>20}")
        found[name] = {}
        for reference, policy in references(past).items():
            found[name][reference], short = played(days, best, policy)
            line(reference, found[name][reference], short)
    return found


def print_ocean(
    count: int, trained_on: str, seeds: Sequence[int], reference: dict[str, dict[str, NDArray[np.float64]]]
) -> tuple[SetPolicy, float]:
    """Train with each seed, print ratios; return the first policy and its ratio."""
    print(f"\nocean, trained on {trained_on}")
    own = SCENARIOS[trained_on]
    train_ocean(seed=0, schedule=Schedule(iterations=1))  # what a first call loads does not count
    days, best = held_out(own, count)
    policies, means = [], []
    for seed in seeds:
        with Stopwatch() as watch:
            policies.append(train_ocean(own, name=trained_on, seed=seed))
        ratios, short = played(days, best, Ocean(policies[-1]))
        means.append(float(ratios.mean()))
        met = f"at most {RATIO}: {verdict(means[-1], RATIO)}; {watch.cpu_s:.0f} s, at most {TRAINING_S:g}: "
        line(f"{trained_on}, seed {seed}", ratios, short, met + verdict(watch.cpu_s, TRAINING_S))
        for name in ("AVR", "OA", "OA + load", "OA + vehicles"):
            if trained_on in reference:
                less = reference[trained_on][name] - ratios
                note = verdict(float(less.mean()), 0.0, at_least=True)
                print(f"    below {name} by {less.mean():.4f} ±{half_width(less):.4f}: {note}")
    apart = max(means) - min(means)
    print(f"seeds apart by {apart:.4f}, at most {SEEDS_APART}: {verdict(apart, SEEDS_APART)}")
    others = {name: kind for name, kind in SCENARIOS.items() if name != trained_on}
    others |= {f"{trained_on}, {piles} piles": replace(own, piles=piles) for piles in (15, 35, 60)}
    for name, kind in others.items():
        ratios, short = played(*held_out(kind, count), Ocean(policies[0], piles=kind.piles))
        line(f"{name}, not trained on", ratios, short)
    print_time(policies[0])
    return policies[0], means[0]


def print_time(policy: SetPolicy) -> None:
    """Print what one decision takes with a vehicle at every pile."""
    rng, piles, site = np.random.default_rng(0), 25, variance_site(96, 0.25)
    left, power_kw = rng.integers(2, 20, piles), rng.choice([6.0, 7.7, 11.0], piles)
    remaining_kwh, arrival = rng.random(piles) * power_kw * left * 0.25, np.zeros(piles, dtype=np.int64)
    state = SiteState(30, 0.25, remaining_kwh, left, power_kw, arrival, site.base_kw[30:], site.headroom_kw[30:])
    ocean = Ocean(policy)
    found = fastest_ms(lambda: ocean(state))
    assert not ocean.notes
    print(f"a decision with 25 vehicles: {found:.3f} ms, at most {DECISION_MS}: {verdict(found, DECISION_MS)}")


def print_learners(count: int, trained_on: str, ocean: float | None) -> None:
    """Train the paper's algorithms, print ratios without the shield and behind it."""
    kind = SCENARIOS[trained_on]
    days, best = held_out(kind, count)
    batch = StationBatch.of(days, kind.piles)
    trainers: dict[str, Callable[[], PilePolicy]] = {
        "Algorithm 1, exact": lambda: train_paper(kind, settings=Algorithm1(shielded=False)),
        "Algorithm 1, printed": lambda: train_paper(kind, settings=Algorithm1(shielded=False, radius="printed")),
        "Algorithm 1, shielded": lambda: train_paper(kind),
        "LSRL": lambda: train_paper(kind, settings=Algorithm1(shielded=False, projection="taylor")),
        "PPOSO, penalty 10": lambda: train_baseline("ppo", kind, settings=Settings(penalty=10.0)),
        "PPOSO, penalty 200": lambda: train_baseline("ppo", kind, settings=Settings(penalty=200.0)),
        "PPOSO, shielded": lambda: train_baseline("ppo", kind, settings=Settings(shielded=True)),
        "DDPGSO, penalty 10": lambda: train_baseline("ddpg", kind, settings=Settings(penalty=10.0)),
        "DDPGSO, penalty 200": lambda: train_baseline("ddpg", kind, settings=Settings(penalty=200.0)),
        "DDPGSO, shielded": lambda: train_baseline("ddpg", kind, settings=Settings(shielded=True)),
        "PDSO": lambda: train_baseline("pd", kind),
    }
    print(f"\nthe paper's algorithms on {trained_on}: as they are, and behind the shield")
    for name, train in trainers.items():
        with Stopwatch() as watch:
            policy = train()
        for shielded in (False, True):
            result = play_piles(batch, policy, shielded=shielded)
            ratios = result.load_variance_kwh2(batch.slot_h) / best
            note = f"{watch.cpu_s:.0f} s"
            if shielded and ocean is not None:
                less = 1.0 - ocean / float(ratios.mean())
                note = f"ocean is {100 * less:.1f} % lower, at least 10: "
                note += verdict(less, BELOW_BASELINES, at_least=True)
            line(name if not shielded else "    behind the shield", ratios, result.short_share, note)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=50, help="held-out days (default 50)")
    parser.add_argument("--history", type=int, default=200, help="past days that forecasts are made of (default 200)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of ocean's training (default 0 1)")
    parts = ["references", "ocean", "learners"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="some parts only")
    parser.add_argument("--train-on", choices=sorted(SCENARIOS), default="R", help="kind of days (default R)")
    parser.add_argument("--save", type=Path, metavar="FILE", help="write the policy of the first seed there (.npz)")
    options = parser.parse_args(arguments)
    print(machine())
    ratios: dict[str, dict[str, NDArray[np.float64]]] = {}
    ocean = None
    if "references" in options.only:
        ratios = print_references(options.days, options.history)
    if "ocean" in options.only:
        policy, ocean = print_ocean(options.days, options.train_on, options.seeds, ratios)
        if options.save is not None:
            save_ocean(options.save, policy)
    if "learners" in options.only:
        print_learners(options.days, options.train_on, ocean)


if __name__ == "__main__":
    main()
