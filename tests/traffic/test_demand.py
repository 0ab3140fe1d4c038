"""The random demand: fixed numbers, uniform everything else."""

from __future__ import annotations

import numpy as np
import pytest

import cosim
from cosim.coupling import CoupledSystem
from cosim.randomness import stream, sumo_seed
from cosim.scenario import Scenario
from cosim.traffic.demand import random_demand


def test_numbers_and_ranges_are_those_of_the_paper(scenario: Scenario, system: CoupledSystem) -> None:
    demand = random_demand(scenario, system.network, stream(0, "demand"))
    warmup = demand.depart_s < 1200
    assert (len(demand), warmup.sum(), demand.is_ev.sum()) == (800, 200, 300)
    assert not demand.is_ev[warmup].any()
    assert (np.diff(demand.depart_s) >= 0).all()
    assert demand.depart_s.max() < 4800
    assert (demand.origin != demand.destination).all()
    soc = demand.soc_start[demand.is_ev]
    assert ((soc >= 0.3) & (soc <= 0.6)).all()
    assert np.isnan(demand.soc_start[~demand.is_ev]).all()


def test_origins_and_destinations_are_uniform(scenario: Scenario, system: CoupledSystem) -> None:
    many = scenario.model_copy(update={"demand": scenario.demand.model_copy(update={"vehicles_per_h": 60_000})})
    demand = random_demand(many, system.network, stream(0, "demand"))
    for edges in (demand.origin, demand.destination):
        counts = np.bincount(edges, minlength=38)
        chi_square = ((counts - len(demand) / 38) ** 2 / (len(demand) / 38)).sum()
        assert chi_square < 69.3, "37 degrees of freedom, 0.1 %"


def test_streams_are_independent_of_one_another() -> None:
    assert stream(0, "demand").integers(1 << 40) == stream(0, "demand").integers(1 << 40)
    values = {stream(seed, what).integers(1 << 40) for seed in range(20) for what in ("demand", "recommender")}
    assert len(values) == 40
    assert sumo_seed(0) != sumo_seed(1)


@pytest.mark.parametrize(("share", "evs"), [(0.0, 0), (1 / 6, 100), (1.0, 600)])
def test_ev_share(system: CoupledSystem, share: float, evs: int) -> None:
    changed = cosim.load_scenario("nguyen-dupuis", **{"fleet.ev_share": share})
    assert random_demand(changed, system.network, stream(0, "demand")).is_ev.sum() == evs
