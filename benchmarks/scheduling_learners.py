"""What CALC, SCA and AEM learn, and what learning and deciding cost.

``python benchmarks/scheduling_learners.py --seed 0`` trains CALC and SCA for a charging site at home (100 vehicles a
day of 24 kWh at 3.3 kW, two per household of base load; ``cosim.scheduling.arrivals``) in one thread, plays days nobody
has seen, and prints the bill relative to the offline optimum, mean and half width of the 95 % interval of the mean over
the days, beside OA, the optimum for the vehicles present. Then it times single decisions with 100 and 2000 vehicles
present; the fastest of some repetitions counts. ``--case work 2`` and the like choose another site, ``--save FOLDER``
writes the policies to files. ``--only AEM-8 AEM-16 AEM-33`` and the like train others: AEM with its levels, and the
published ``paper-CALC`` and ``paper-SCA`` at the discount of ``--gamma``.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from common import Stopwatch, machine, verdict
from scheduling import HELD_OUT, fastest_ms, half_width, parked

from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim_agents.sca.aem import Aem, AemPolicy, save_aem_policy
from cosim_agents.sca.aem_training import train_aem
from cosim_agents.sca.calc import Calc
from cosim_agents.sca.learned import SitePolicy, TrainedOn, save_site_policy
from cosim_agents.sca.literal import LiteralCalc, LiteralSca
from cosim_agents.sca.literal_training import A2C, train_literal_calc, train_literal_sca
from cosim_agents.sca.online import rolling_optimum
from cosim_agents.sca.sca import Sca
from cosim_agents.sca.sca_training import DEFAULT, train_sca
from cosim_agents.sca.training import PPO, train_calc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosim.scheduling.replay import Policy
    from cosim.scheduling.site import Site, Vehicles
    from cosim_agents.sca.residual import Guarded

    Trained = SitePolicy | AemPolicy

#: Site and vehicles per household.
MAIN_CASE = ("home", 2.0)
#: Figures of the project, all at most: ratio by site and vehicles per household; training, s; decision, ms (100, 2000).
RATIOS = {
    "CALC": {
        ("home", 0.5): 1.003, ("home", 1.0): 1.005, ("home", 2.0): 1.006, ("work", 1.0): 1.007, ("work", 2.0): 1.007,
        ("public", 1.0): 1.007, ("public", 2.0): 1.007,
    },
    "SCA": {
        ("home", 1.0): 1.010, ("home", 2.0): 1.012, ("work", 1.0): 1.008, ("work", 2.0): 1.008,
        ("public", 1.0): 1.008, ("public", 2.0): 1.008,
    },
    "AEM-8": {("home", 2.0): 1.035},
    "AEM-16": {("home", 2.0): 1.035},
    "AEM-33": {("home", 2.0): 1.035},
}  # fmt: skip
TRAINING_S = {"CALC": 30.0, "SCA": 60.0}
CONTROLLERS: dict[str, type[Guarded]] = {
    "CALC": Calc, "SCA": Sca, "AEM-8": Aem, "AEM-16": Aem, "AEM-33": Aem, "paper-CALC": LiteralCalc,
    "paper-SCA": LiteralSca,
}  # fmt: skip
DECISION_MS = {"CALC": (0.2, 0.5), "SCA": (0.5, 3.0)}
ANYWHERE = TrainedOn("anywhere", 0.5, (0.0, np.inf), (0.0,) * 24, (1.0,) * 24)


def draw(case: tuple[str, float], rng: np.random.Generator) -> tuple[Site, Vehicles]:
    """Draw an instance of a case."""
    return draw_instance(case[0], rng, vehicles_per_household=case[1])


def train(name: str, case: tuple[str, float], seed: int, gamma: float) -> tuple[Trained, float]:
    """Return a trained policy and the processor time that it took, s; a first call that loads things does not count."""

    def one(rng: np.random.Generator) -> tuple[Site, Vehicles]:
        return draw(case, rng)

    def make(*, warm_up: bool) -> Trained:
        site = f"{case[0]} {case[1]:g}"
        if name == "CALC":
            return train_calc(one, site=site, seed=seed, settings=PPO(iterations=1) if warm_up else None)
        if name == "SCA":
            return train_sca(one, site=site, seed=seed, settings=replace(DEFAULT, iterations=1) if warm_up else None)
        if name.startswith("AEM-"):
            levels = int(name.removeprefix("AEM-"))
            return train_aem(one, site=site, seed=seed, levels=levels, **({"episodes": 1} if warm_up else {}))
        literal = train_literal_calc if name == "paper-CALC" else train_literal_sca
        return literal(one, site=site, seed=seed, gamma=gamma, settings=A2C(iterations=1) if warm_up else None)

    make(warm_up=True)
    with Stopwatch() as watch:
        policy = make(warm_up=False)
    return policy, watch.cpu_s


def save(path: Path, policy: Trained) -> None:
    """Write a policy to a file."""
    if isinstance(policy, AemPolicy):
        save_aem_policy(path, policy)
    else:
        save_site_policy(path, policy)


def put_to_work(name: str, policy: Trained) -> Guarded:
    """Return what decides with a policy."""
    return CONTROLLERS[name](policy)  # type: ignore[arg-type]  # each takes the policies of its own name


def print_ratios(case: tuple[str, float], play: dict[str, Policy], days: int) -> None:
    """Print bills over the optimum's."""
    table = np.empty((days, len(play)))
    for day in range(days):
        site, vehicles = draw(case, np.random.default_rng([HELD_OUT, day]))
        best = offline_optimum(site, vehicles)
        assert best.relative_gap <= 1e-9
        for column, policy in enumerate(play.values()):
            result = replay(site, vehicles, policy)
            assert (result.short_kwh - result.unservable_kwh).max() <= 1e-6
            table[day, column] = result.cost / best.cost
    for name, values in zip(play, table.T, strict=True):
        limit = RATIOS.get(name, {}).get(case)
        note = "" if limit is None else f"   at most {limit}: {verdict(float(values.mean()), limit)}"
        print(f"{name:11}{values.mean():9.4f} ±{half_width(values):.4f}{note}")


def print_times(policies: dict[str, Trained]) -> None:
    """Print what one decision takes."""
    print("\nprocessor time of one decision, ms (100 and 2000 vehicles present)")
    for name, trained in policies.items():
        # What is timed is the policy, not the rolling optimum in its place where the state is of another site.
        controller = put_to_work(name, replace(trained, trained_on=ANYWHERE))
        # In the evening, when so many vehicles are there.
        states = [replace(parked(count), slot=16) for count in (100, 2000)]
        times = [fastest_ms(lambda c=controller, state=state: c(state)) for state in states]
        note = ""
        if name in DECISION_MS:
            limits = DECISION_MS[name]
            met = [verdict(found, limit) for found, limit in zip(times, limits, strict=True)]
            note = f"   at most {limits[0]} and {limits[1]}: {met[0]}, {met[1]}"
        print(f"{name:11}{times[0]:9.4f}{times[1]:9.4f}{note}")
        assert not controller.notes


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, print ratios, then times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the training (default 0)")
    parser.add_argument("--days", type=int, default=40, help="held-out days (default 40)")
    parser.add_argument("--case", nargs=2, default=MAIN_CASE, metavar=("SITE", "PER_HOUSEHOLD"), help="default home 2")
    parser.add_argument("--only", nargs="+", choices=list(CONTROLLERS), help="train these only (default CALC SCA)")
    parser.add_argument("--gamma", type=float, default=0.1, help="discount of the published ones (default 0.1)")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write the policies to files there")
    options = parser.parse_args(arguments)
    case = (options.case[0], float(options.case[1]))
    print(machine())
    policies = {}
    for name in options.only or TRAINING_S:
        policies[name], taken_s = train(name, case, options.seed, options.gamma)
        if options.save is not None:
            save(options.save / f"{name.lower()}-{case[0]}-{case[1]:g}.npz", policies[name])
        limit_s = TRAINING_S.get(name)
        note = "" if limit_s is None else f", at most {limit_s:g}: {verdict(taken_s, limit_s)}"
        print(f"{name} trained in {taken_s:.1f} s of processor time{note}", flush=True)
    print(f"\nbill / offline optimum at {case[0]}, {case[1]:g} vehicles per household, {options.days} days held out")
    play: dict[str, Policy] = {"OA": lambda state: rolling_optimum(state).power_kw}
    learned = {name: put_to_work(name, policy) for name, policy in policies.items()}
    print_ratios(case, play | learned, options.days)
    for name, controller in learned.items():
        print(f"{name}: OA decided {controller.notes.total()} times instead")
    print_times(policies)


if __name__ == "__main__":
    main()
