"""Train CALC and SCA for stations of one's own coupled scenario, on sessions that its runs have recorded.

    python examples/train_sites.py examples/sites.toml --calc CS1 --sca CS4 --runs 40 --out policies

runs the scenario with the rolling optimum at these stations and seeds of their own, makes a day of each run's visits
at a station, trains on days drawn from these, and writes ``calc-SITE.npz`` and ``sca-SITE.npz``. A vehicle that does
not park is expected to stay as long as the scenario tells controllers. The greatest power is drawn anew for each day
between the least and the greatest droop cap, so that a policy knows stations under a cap.

Then, in the scenario::

    [controller.CS1]
    name = "calc"
    policy = "policies/calc-sites-CS1.npz"
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import cosim
from cosim.coupling import couple
from cosim.preparation import surroundings
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.sessions import Sessions
from cosim.scheduling.site import Site
from cosim.tables.stations import ControllerTable
from cosim_agents.sca.calc import Calc
from cosim_agents.sca.learned import save_site_policy
from cosim_agents.sca.online import rolling_optimum
from cosim_agents.sca.sca import Sca
from cosim_agents.sca.sca_training import DEFAULT, train_sca
from cosim_agents.sca.training import PPO, train_calc

if TYPE_CHECKING:
    import pandas as pd

    from cosim.coupling import CoupledSystem
    from cosim.scenario import Scenario
    from cosim.scheduling.site import Vehicles

#: Runs to learn from have seeds of their own: neither the scenario's nor those of comparisons.
FIRST_SEED = 3_000_000
#: Of the runs, the share that nothing is learnt from.
HELD_OUT = 0.25


def recorded(scenario: Scenario, system: CoupledSystem, stations: list[str], runs: int) -> list[pd.DataFrame]:
    """Run the scenario with the rolling optimum at the stations; return each run's sessions."""
    controllers = {**scenario.controller, **{name: ControllerTable(name="oa") for name in stations}}
    changed = scenario.model_copy(update={"controller": controllers})
    tables = []
    for run in range(runs):
        tables.append(cosim.run(changed, seed=FIRST_SEED + run, system=system).sessions)
        if sys.stdout.isatty():
            print(f"run {run + 1} of {runs}", end="\r", flush=True)
    return tables


def to_sessions(table: pd.DataFrame, open_stay_factor: float) -> Sessions:
    """Return recorded visits as sessions, with the departures that a controller would have been told."""
    plugged = table[table["plug_in_s"].notna()]
    needed_s = plugged["asked_kwh"] / plugged["max_power_kw"] * 3600.0
    expected_s = plugged["plug_in_s"] + open_stay_factor * needed_s
    unknown = np.full(len(plugged), np.nan)
    return Sessions(
        arrival_s=plugged["plug_in_s"].to_numpy(),
        departure_s=plugged["departure_s"].fillna(expected_s).to_numpy(),
        energy_kwh=plugged["asked_kwh"].to_numpy(),
        max_power_kw=plugged["max_power_kw"].to_numpy(),
        capacity_kwh=unknown,
        initial_kwh=unknown,
    )


class Days:
    """Days of one station, drawn from recorded runs."""

    def __init__(self, scenario: Scenario, system: CoupledSystem, station: str, runs: list[pd.DataFrame]) -> None:
        position = [info.id for info in system.stations].index(station)
        around = surroundings(scenario, system)[position]
        days = [to_sessions(table[table["station"] == station], scenario.fleet.open_stay_factor) for table in runs]
        self._slot_s = 300.0
        end_s = max(float(day.departure_s.max()) for day in days if len(day))
        self._site = Site(
            around.base.mean_kw(0.0, self._slot_s, int(end_s // self._slot_s) + 2), self._slot_s, around.price
        )
        self._days = [day.vehicles(0.0, self._slot_s, self._site.slots) for day in days]
        droop = scenario.droop
        self._least_share = droop.min_power_kw / droop.max_power_kw if droop.enabled else 1.0

    def draw(self, rng: np.random.Generator) -> tuple[Site, Vehicles]:
        """Draw a day and a cap."""
        day = self._days[int(rng.integers(len(self._days)))]
        return self._site, replace(day, max_power_kw=rng.uniform(self._least_share, 1.0) * day.max_power_kw)


def main() -> None:
    """Record, train, save, and print bills over the optimum's on runs that nothing was learnt from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario")
    parser.add_argument("--calc", default="CS1", help="station to train CALC for")
    parser.add_argument("--sca", default="CS4", help="station to train SCA for")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=200, help="of the learning")
    parser.add_argument("--out", type=Path, default=Path("policies"))
    options = parser.parse_args()
    scenario = cosim.load_scenario(options.scenario)
    system = couple(scenario)
    tables = recorded(scenario, system, [options.calc, options.sca], options.runs)
    kept = max(1, round(HELD_OUT * options.runs))
    options.out.mkdir(parents=True, exist_ok=True)
    for kind, station, train, use, usual in (
        ("calc", options.calc, train_calc, Calc, PPO()), ("sca", options.sca, train_sca, Sca, DEFAULT),
    ):  # fmt: skip
        site = f"{scenario.name}-{station}"
        days, held_out = (Days(scenario, system, station, some) for some in (tables[kept:], tables[:kept]))
        settings = replace(usual, iterations=options.iterations)
        policy = train(days.draw, site=site, seed=options.seed, settings=settings)
        save_site_policy(options.out / f"{kind}-{site}.npz", policy)
        rng, agent = np.random.default_rng(options.seed), use(policy)
        ratios: list[tuple[float, float]] = []
        for _ in range(40):
            place, vehicles = held_out.draw(rng)
            best = offline_optimum(place, vehicles).cost
            plain = replay(place, vehicles, lambda state: rolling_optimum(state).power_kw).cost
            ratios.append((plain / best, replay(place, vehicles, agent).cost / best))
        oa, learned = np.mean(ratios, axis=0)
        print(f"{kind} at {station}: bill / offline optimum {learned:.4f}, OA {oa:.4f} (runs not learnt from)")


if __name__ == "__main__":
    main()
