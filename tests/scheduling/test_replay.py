"""Playing a day: energy and cost add up, and nobody sees the future."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca import rules
from cosim_agents.sca.online import rolling_optimum

POLICIES: list[Callable] = [rules.eager, rules.latest_start, lambda state: rolling_optimum(state).power_kw]


@pytest.mark.parametrize("policy", POLICIES)
def test_energy_and_cost_add_up(policy: Callable) -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(3))
    played = replay(site, vehicles, policy)
    slot = np.arange(site.slots)
    there = (slot >= vehicles.arrival_slot[:, None]) & (slot < vehicles.departure_slot[:, None])
    assert (played.power_kw[~there] == 0.0).all()
    assert (played.power_kw <= vehicles.max_power_kw[:, None]).all()
    np.testing.assert_allclose(played.delivered_kwh + played.short_kwh, vehicles.energy_kwh)
    assert played.charging_kw.sum() * site.slot_h == pytest.approx(vehicles.energy_kwh.sum())
    # Eq. 5 is the integral of the price of Eq. 4 from the base load to the total load; the price is linear.
    total_kw = site.base_kw + played.charging_kw
    mean_price = (site.price.at(total_kw) + site.price.at(site.base_kw)) / 2.0
    assert played.cost == pytest.approx(float((mean_price * played.charging_kw).sum()) * site.slot_h)
    assert played.peak_kw == total_kw.max()
    assert played.load_factor == pytest.approx(total_kw.mean() / total_kw.max())
    assert played.cost >= offline_optimum(site, vehicles).cost * (1.0 - 1e-9)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_past_does_not_depend_on_who_comes_later(policy: Callable) -> None:
    site, vehicles = draw_instance("home", np.random.default_rng(4))
    early = vehicles.arrival_slot < 20
    alone = replay(site, vehicles.take(early), policy)
    np.testing.assert_array_equal(replay(site, vehicles, policy).power_kw[early, :20], alone.power_kw[:, :20])


def test_a_policy_sees_those_present_that_need_energy_and_the_base_load_to_come() -> None:
    site = Site(np.arange(6.0), 1800.0, limit_kw=7.0)
    vehicles = Vehicles([0, 2, 1], [2, 6, 4], [1.0, 2.0, 0.0], [2.0, 4.0, 1.0])
    seen: list[SiteState] = []

    def watch(state: SiteState) -> np.ndarray:
        seen.append(state)
        return rules.eager(state)

    played = replay(site, vehicles, watch)
    assert [state.slot for state in seen] == [0, 2]
    assert (seen[1].remaining_kwh.tolist(), seen[1].slots_left.tolist()) == ([2.0], [4])
    assert (seen[1].base_kw.tolist(), seen[1].headroom_kw.tolist()) == ([2, 3, 4, 5], [5, 4, 3, 2])
    np.testing.assert_allclose(played.delivered_kwh, vehicles.energy_kwh)


def test_a_vehicle_that_never_charges_is_short() -> None:
    played = replay(Site(np.zeros(3), 3600.0), Vehicles([1], [1], [2.0], [5.0]), rules.eager)
    assert (played.short_kwh.tolist(), played.unservable_kwh.tolist()) == ([2.0], [2.0])
    assert (played.cost, played.peak_kw, played.load_factor) == (0.0, 0.0, 1.0)


def test_a_stay_beyond_the_last_slot_is_refused() -> None:
    site, vehicles = Site(np.zeros(3), 3600.0), Vehicles([0, 1], [3, 4], [1.0, 1.0], [5.0, 5.0])
    for play in (offline_optimum, lambda *args: replay(*args, rules.eager)):
        with pytest.raises(ValueError, match=r"vehicle 1: departure_slot = 4 must be at most 3"):
            play(site, vehicles)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("arrival_slot", [0, -1], r"vehicle 1: arrival_slot = -1 must be at least 0"),
        ("departure_slot", [2, 0], r"vehicle 1: departure_slot = 0 must be not before the arrival"),
        ("energy_kwh", [np.nan, 1.0], r"vehicle 0: energy_kwh = nan must be finite and at least 0"),
        ("max_power_kw", [1.0, 0.0], r"vehicle 1: max_power_kw = 0.0 must be finite, above 0"),
        ("efficiency", 1.5, r"vehicle 0: efficiency = 1.5 must be above 0 and at most 1"),
    ],
)
def test_impossible_vehicles_are_refused(name: str, values: object, message: str) -> None:
    good = {"arrival_slot": [0, 1], "departure_slot": [2, 3], "energy_kwh": [1.0, 1.0], "max_power_kw": 3.0}
    with pytest.raises(ValueError, match=message):
        Vehicles(**{**good, name: values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base_kw": []}, r"base_kw of shape \(0,\) must be one finite number for each slot"),
        ({"base_kw": [1.0, np.inf]}, r"base_kw of shape \(2,\) must be"),
        ({"slot_s": 0.0}, r"slot_s = 0.0 must be greater than 0"),
        ({"limit_kw": -1.0}, r"limit_kw = -1.0 must be greater than 0"),
    ],
)
def test_impossible_sites_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Site(**{"base_kw": [1.0], "slot_s": 900.0, **values})
