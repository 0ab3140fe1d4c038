"""Station days are as the paper says, the clairvoyant optimum is one, and computing costs nobody the target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from charging_problems import SLOT_H, qp_load_kw
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import InputError
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim_agents.ocean.computing_day import play_computing, reserves_kwh
from cosim_agents.ocean.references import references
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import EFFICIENCY, MODELS, SCENARIOS, StationDays, draw_day
from cosim_agents.ocean.usual_load import UsualLoad
from cosim_agents.sca import rules

__all__ = ["qp_load_kw"]

SMALL = StationDays(piles=4, arrivals_per_pile=3.0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_days_are_as_the_paper_says(name) -> None:
    days = [draw_day(np.random.default_rng([0, seed]), SCENARIOS[name]) for seed in range(10)]
    for day in days:
        who, site = day.vehicles, day.site
        assert site.slots == 96
        assert (np.diff(who.arrival_slot) >= 0).all()
        initial, target = (
            who.initial_kwh / who.capacity_kwh,
            (who.initial_kwh + EFFICIENCY * who.energy_kwh) / who.capacity_kwh,
        )
        assert ((initial >= 0.2) & (initial <= 0.8)).all()
        assert ((target >= 0.85 - 1e-9) & (target <= 0.95 + 1e-9)).all()
        assert set(zip(who.capacity_kwh, who.max_power_kw, strict=True)) <= set(MODELS)
        assert not who.unservable_kwh(site.slot_h).any()
        assert day.pile.max() < 25
    infeasible = np.concatenate([day.infeasible for day in days])
    assert 0.4 < infeasible.mean() < 0.7


def test_nobody_shares_a_pile() -> None:
    # With one pile for all, the batch has a vehicle wherever one stands, and each energy once.
    day = draw_day(np.random.default_rng(3), StationDays(piles=2, arrivals_per_pile=30.0))
    batch = StationBatch.of([day], 2)
    stay = day.vehicles.departure_slot - day.vehicles.arrival_slot
    assert (batch.vehicle >= 0).sum() == stay.sum()
    np.testing.assert_allclose(batch.new_kw.sum() * batch.slot_h, batch.energy_kwh[0])
    assert day.turned_away > 0


def test_rules_of_admission() -> None:
    kinds = {rule: replace(SMALL, admission=rule) for rule in ("raw", "clip", "extend", "resample")}
    days = {rule: draw_day(np.random.default_rng(5), kind) for rule, kind in kinds.items()}
    slot_h = SMALL.slot_h
    assert days["raw"].vehicles.unservable_kwh(slot_h).max() > 0.0
    for rule in ("clip", "extend", "resample"):
        assert days[rule].vehicles.unservable_kwh(slot_h).max() <= 1e-12
    assert days["clip"].vehicles.energy_kwh.sum() < days["raw"].vehicles.energy_kwh.sum()
    slack = draw_day(np.random.default_rng(5), replace(SMALL, slack=1.5)).vehicles
    needed_h = slack.energy_kwh / slack.max_power_kw
    assert ((slack.departure_slot - slack.arrival_slot) * slot_h >= 1.5 * needed_h - 1e-9).all()


def test_resampled_stays_follow_the_distribution_of_drawing_again() -> None:
    from cosim_agents.ocean.station_days import STAY_H, _long_enough

    rng, slot_h, needed = np.random.default_rng(1), 0.25, 8
    drawn = STAY_H[0] * rng.weibull(STAY_H[1], 400_000)
    again = np.floor(drawn[drawn >= needed * slot_h] / slot_h)
    at_once = _long_enough(rng, np.full(100_000, needed), slot_h)
    assert at_once.min() == needed
    np.testing.assert_allclose(at_once.mean(), again.mean(), rtol=0.01)
    np.testing.assert_allclose(np.quantile(at_once, [0.25, 0.75]), np.quantile(again, [0.25, 0.75]), atol=1.0)


def test_wrong_numbers_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        StationDays(piles=0, admission="resampel", slack=0.5, slot_s=1000.0, initial_soc=0.9, arrivals_per_pile=0.0)
    text = str(caught.value)
    for word in ("piles = 0", "resample", "slack", "slot_s", "initial_soc", "arrivals_per_pile"):
        assert word in text


@pytest.mark.parametrize("seed", range(3))
def test_clairvoyant_optimum_is_that_of_an_independent_solver(seed, qp_load_kw) -> None:
    day = draw_day(np.random.default_rng(seed), SMALL)
    site, who = day.site, day.vehicles
    best = offline_optimum(site, who)
    # That solver knows only slots of its own length: the same problem in them.
    load_kw = qp_load_kw(site.base_kw, replace(who, energy_kwh=who.energy_kwh / site.slot_h * SLOT_H))
    np.testing.assert_allclose(best.cost, ((load_kw * site.slot_h) ** 2).sum(), rtol=1e-7)
    assert best.relative_gap <= 1e-9


def test_usual_load_of_windows() -> None:
    load_kw = np.array([1.0, 3.0, 2.0, 0.5])
    usual = UsualLoad.of(load_kw)
    np.testing.assert_allclose(usual.of_windows(1, np.array([1, 2, 4, 99])), [
        [3.0, 3.0, 3.0], [3.0, 2.5, 2.0], [3.0, 1.625, 0.5], [3.0, 1.625, 0.5],
    ])  # fmt: skip
    np.testing.assert_allclose(usual.of_windows(7, np.array([3])), [[0.5, 1.5, 0.5]])


@given(seed=st.integers(0, 10**6), asked=st.sampled_from([0.0, 5e-4, 1e-3, 1.0]))
@settings(max_examples=15, deadline=None)
def test_computing_costs_nobody_the_target(seed, asked) -> None:
    rng = np.random.default_rng(seed)
    day = draw_day(rng, replace(SMALL, admission=rng.choice(["raw", "extend", "resample"])))
    site, who = day.site, day.vehicles
    absurd = [0.0, -1.0, 1e9, np.nan]
    played = play_computing(site, who, lambda state: rng.choice(absurd, len(state)), asked)
    np.testing.assert_allclose(played.short_kwh, played.unservable_kwh, atol=1e-9)
    # What flowed in less what computing took is what was gained, slot by slot.
    gained = np.cumsum(EFFICIENCY * site.slot_h * played.power_kw - played.computing_kwh, axis=1)
    np.testing.assert_allclose(played.gained_kwh[:, 1:], gained, atol=1e-9)
    assert (played.power_kw <= who.max_power_kw[:, None] + 1e-9).all()
    slot = np.arange(site.slots)
    away = (slot < who.arrival_slot[:, None]) | (slot >= who.departure_slot[:, None])
    assert not played.power_kw[away].any()
    assert not played.computing_kwh[away].any()
    assert (played.computing_kwh <= reserves_kwh(who, site.slot_h)[:, None]).all()
    # Whoever has no laxity does not compute; whoever computes all the time has little more than the target.
    assert not played.computing_kwh[who.unservable_kwh(site.slot_h) > 0.0].any()


def test_without_computing_the_day_is_an_ordinary_one() -> None:
    day = draw_day(np.random.default_rng(2), SMALL)
    played = play_computing(day.site, day.vehicles, rules.average_rate, 0.0, reserve_kwh=0.0)
    np.testing.assert_allclose(played.power_kw, replay(day.site, day.vehicles, rules.average_rate).power_kw, atol=1e-9)
    with pytest.raises(ValueError, match="asked_kwh"):
        play_computing(day.site, day.vehicles, rules.average_rate, -1.0)


def test_tasks_do_not_move_the_load_variance() -> None:
    day = draw_day(np.random.default_rng(2))
    idle, busy = (play_computing(day.site, day.vehicles, rules.average_rate, asked) for asked in (0.0, 1e-4))
    # 90 tasks a second are 6.6 W for the whole station: 0.0001 kWh for each of some 15 vehicles in a quarter hour.
    assert abs(busy.cost / idle.cost - 1.0) < 5e-4


def test_a_better_forecast_makes_a_better_plan_and_nobody_is_short() -> None:
    past, days = ([draw_day(np.random.default_rng([kind, seed])) for seed in range(12)] for kind in (1, 2))
    ratios = {}
    for name, policy in references(past).items():
        found = []
        for day in days[:4]:
            played = replay(day.site, day.vehicles, policy)
            assert played.short_kwh.max() <= 1e-6
            found.append(played.cost / offline_optimum(day.site, day.vehicles).cost)
        ratios[name] = np.mean(found)
    assert min(ratios.values()) >= 1.0
    assert ratios["OA + vehicles"] < ratios["OA + load"] + 0.01 < ratios["OA"] < ratios["AVR"] < ratios["ASAP"]
