"""AEM: any table serves everybody; training helps, needs no torch and can be repeated; files hold all."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import InputError
from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import feasible_box, shield
from cosim.scheduling.site import Site, SiteState, Vehicles
from cosim_agents.sca.aem import Aem, AemPolicy, load_aem_policy, save_aem_policy
from cosim_agents.sca.aem_training import train_aem
from cosim_agents.sca.learned import TrainedOn
from cosim_agents.sca.online import rolling_optimum

EVERYWHERE = TrainedOn("everywhere", 0.5, (0.0, 1e3), (0.0,) * 24, (1.0,) * 24)


def draw(rng: np.random.Generator) -> tuple[Site, Vehicles]:
    return draw_instance("home", rng)


def table(seed: int, levels: int = 8) -> AemPolicy:
    rng = np.random.default_rng(seed)
    return AemPolicy(
        np.sort(rng.uniform(-1.0, 4.0, (24, levels)), axis=1),
        np.sort(rng.random((24, 7)), axis=1),
        rng.standard_normal((24, 8, levels)),
        EVERYWHERE,
    )


@pytest.fixture(scope="module", params=[8, 33])
def trained(request) -> AemPolicy:
    return train_aem(draw, site="home", levels=request.param, episodes=1000)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_demand_is_met_whatever_the_table(seed, draw_site, draw_vehicles) -> None:
    rng = np.random.default_rng(seed)
    site, vehicles = draw_site(rng), draw_vehicles(rng, 12)
    result = replay(site, vehicles, Aem(table(seed)))
    np.testing.assert_allclose(result.short_kwh, result.unservable_kwh, atol=1e-9)


@pytest.mark.parametrize("limit_kw", [5.0, np.inf])
def test_powers_need_no_shield_and_follow_their_vehicles(limit_kw, draw_state) -> None:
    rng = np.random.default_rng(3)
    state, aem = draw_state(rng, 9, limit_kw), Aem(table(0))
    power_kw, order = aem(state), rng.permutation(9)
    np.testing.assert_allclose(shield(state, power_kw), power_kw, atol=1e-9)
    other = replace(
        state, **{name: getattr(state, name)[order] for name in ("remaining_kwh", "slots_left", "max_power_kw")}
    )
    np.testing.assert_allclose(aem(other), power_kw[order], atol=1e-9)


def test_the_best_level_of_the_hour_and_share_is_the_total_load() -> None:
    # Two vehicles of 4 kW, 8 kWh each within 4 slots of an hour, base load 4 kW: 16 of 32 kWh, mean load 8 kW.
    state = SiteState(
        slot=3, slot_h=1.0, remaining_kwh=np.full(2, 8.0), slots_left=np.full(2, 4), max_power_kw=np.full(2, 4.0),
        arrival_slot=np.zeros(2, dtype=np.int64), base_kw=np.full(4, 4.0), headroom_kw=np.full(4, np.inf),
    )  # fmt: skip
    levels, edges, values = np.tile([0.25, 0.75, 9.0], (24, 1)), np.full((24, 1), 0.4), np.zeros((24, 2, 3))
    values[15, 1] = [-np.inf, 1.0, 0.5]
    trained_on = replace(EVERYWHERE, slot_h=1.0)
    assert Aem(AemPolicy(levels, edges, values, trained_on))(state) == pytest.approx([1.0, 1.0])
    for best, total_kw in ((0, 0.0), (2, 8.0)):
        values[15, 1] = np.arange(3) == best
        assert Aem(AemPolicy(levels, edges, values, trained_on))(state).sum() == pytest.approx(total_kw)
    assert feasible_box(state).total_high_kw == 8.0


def test_training_plays_as_replay_does(trained) -> None:
    from cosim.scheduling.arrivals import START_H
    from cosim_agents.sca import aem_training
    from cosim_agents.sca.day_batch import DayBatch

    site, vehicles = draw(np.random.default_rng(5))
    batch = DayBatch.of([(site, vehicles)], START_H)
    tried = np.zeros(trained.values.shape, dtype=np.int64)
    learnt = aem_training._Table(trained.levels, trained.edges, trained.values, tried)
    trace = aem_training._blank(batch.slots)
    aem_training._play(aem_training._days(batch)[0], learnt, 0.0, np.random.default_rng(0), trace)
    result = replay(site, vehicles, Aem(replace(trained, trained_on=EVERYWHERE)))
    kw = result.charging_kw
    credited = 0.5 * kw * (kw + 2.0 * site.base_kw) - batch.mean_kw[0] * kw
    np.testing.assert_allclose(trace.cost, credited, rtol=1e-6, atol=1e-6)


def test_short_training_beats_the_rolling_optimum(trained) -> None:
    ratios = []
    for seed in range(8):
        site, vehicles = draw(np.random.default_rng([2, seed]))
        best = offline_optimum(site, vehicles).cost
        policies = (Aem(trained), lambda state: rolling_optimum(state).power_kw)
        ratios.append([replay(site, vehicles, policy).cost / best for policy in policies])
    learned, rolling = np.mean(ratios, axis=0)
    assert learned < 1.035
    assert learned < rolling


def test_training_can_be_repeated_to_the_last_bit() -> None:
    first, again, other = (train_aem(draw, site="home", levels=4, seed=seed, episodes=50) for seed in (1, 1, 2))
    assert first.values.tobytes() == again.values.tobytes() != other.values.tobytes()
    assert (first.kind, first.trained_on.site) == ("aem-4", "home")
    # Whatever was seen has a level that was tried.
    seen = ~np.isnan(first.trained_on.share_low)
    assert np.isfinite(first.values[seen].max(axis=2)).all()
    with pytest.raises(ValueError, match="at least 2"):
        train_aem(draw, site="home", levels=1)


def test_rolling_optimum_decides_where_the_policy_was_not_trained(draw_state) -> None:
    state = draw_state(np.random.default_rng(0), 9)
    aem = Aem(replace(table(0), trained_on=replace(EVERYWHERE, slot_h=1.0)))
    np.testing.assert_array_equal(aem(state), rolling_optimum(state).power_kw)
    assert [("slots" in note, times) for note, times in aem.notes.items()] == [(True, 1)]


def test_files_hold_all_and_need_no_torch(trained, tmp_path) -> None:
    path = tmp_path / "home.npz"
    save_aem_policy(path, trained)
    loaded = load_aem_policy(path)
    assert loaded.trained_on == trained.trained_on
    for name in ("levels", "edges", "values"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(trained, name))
    code = "import sys; from cosim_agents.sca import aem, aem_training; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_other_files_are_refused(tmp_path) -> None:
    path, policy = tmp_path / "bad.npz", table(0)
    with pytest.raises(InputError, match="cannot be read"):
        load_aem_policy(path)
    save_aem_policy(path, policy)
    whole = path.read_bytes()
    for damaged in (b"no archive", whole[: len(whole) // 2], whole[:900] + bytes(40) + whole[940:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            load_aem_policy(path)
    np.savez(path, values=np.zeros(3))
    with pytest.raises(InputError, match="not a policy"):
        load_aem_policy(path)
    for name, bad in (
        ("levels", np.zeros((24, 3))),
        ("levels", np.full((24, 8), np.nan)),
        ("edges", np.tile(np.arange(7.0)[::-1], (24, 1))),
        ("values", policy.values.astype(np.float32)),
        ("values", np.full_like(policy.values, np.nan)),
    ):
        save_aem_policy(path, replace(policy, **{name: bad}))
        with pytest.raises(InputError, match="one table"):
            load_aem_policy(path)
