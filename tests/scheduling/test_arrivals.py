"""Drawn days."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.scheduling.arrivals import HOUSEHOLD_KW, TYPE_2, draw_instance, draw_sessions, household_load_kw


@pytest.mark.parametrize("kind", ["home", "work", "public"])
def test_instances_are_servable_and_as_large_as_asked_for(kind: str) -> None:
    rng = np.random.default_rng(0)
    counts = []
    for _ in range(20):
        site, vehicles = draw_instance(kind, rng, vehicles_per_day=50.0, vehicle=TYPE_2)
        assert vehicles.unservable_kwh(site.slot_h).max() <= 1e-9
        assert (vehicles.departure_slot > vehicles.arrival_slot).all()
        assert vehicles.departure_slot.max() <= site.slots == 96
        assert (vehicles.initial_kwh + vehicles.energy_kwh <= vehicles.capacity_kwh + 1e-9).all()
        counts.append(len(vehicles))
    # Poisson with mean 100 over two days: the mean of 20 has a deviation of 2.2.
    assert abs(np.mean(counts) - 100.0) < 9.0


def test_the_same_generator_draws_the_same() -> None:
    one, other = (draw_instance("public", np.random.default_rng(9))[1] for _ in range(2))
    np.testing.assert_array_equal(one.energy_kwh, other.energy_kwh)


@pytest.mark.parametrize(
    ("kind", "mean_h", "stay_h"), [("home", 17.7, 13.9), ("work", 10.1, 8.0), ("public", 14.9, 3.4)]
)
def test_habits(kind: str, mean_h: float, stay_h: float) -> None:
    sessions = draw_sessions(kind, np.random.default_rng(1), vehicles_per_day=20_000.0, days=1)
    hour = (12.0 + sessions.arrival_s / 3600.0) % 24.0
    hour += 24.0 * ((kind == "home") & (hour < 12.0))
    assert hour.mean() == pytest.approx(mean_h, abs=0.15)
    free = sessions.departure_s < 24.0 * 3600.0
    assert np.mean((sessions.departure_s - sessions.arrival_s)[free]) / 3600.0 == pytest.approx(stay_h, abs=0.3)


def test_base_load_starts_at_noon() -> None:
    load_kw = household_load_kw(10.0, slots=50)
    np.testing.assert_allclose(load_kw[[0, 1, 2, 24, 48]], 10.0 * np.array([1.651, 1.651, 1.887, 1.505, 1.651]))
    assert len(HOUSEHOLD_KW) == 24


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown 'hom'; did you mean 'home'\? allowed: 'home', 'public', 'work'"):
        draw_sessions("hom", np.random.default_rng(0))


def test_numba_is_imported_only_where_something_is_computed() -> None:
    code = (
        "import sys; from cosim.scheduling import arrivals, offline, projection, replay, sessions, shield, site;"
        "from cosim_agents.sca import online, rules; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
