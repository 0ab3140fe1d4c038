"""One site as an environment: the same day as a replay plays, promises kept whatever is asked, and its batched form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from cosim.env.scheduling import DrawnDays, SchedulingEnv, session_days
from cosim.env.scheduling_vector import SchedulingVectorEnv
from cosim.errors import InputError
from cosim.scheduling.arrivals import draw_instance
from cosim.scheduling.projection import split_least_laxity
from cosim.scheduling.replay import replay
from cosim.scheduling.shield import feasible_box, shield
from cosim.scheduling.site import Price, Site, SiteState, Vehicles
from cosim_agents.sca import rules

#: Enough chargers for everybody on the days drawn here.
PLENTY = 90
LIMITED = DrawnDays("home", vehicles_per_household=1.0, charging_limit_kw=45.0)


def play(env: Any, choose: Callable[[], Any], **reset: Any) -> tuple[list[float], list[np.ndarray], dict[str, Any]]:
    """Return rewards, powers of every slot and the last ``info``."""
    observation, info = env.reset(**reset)
    rewards, powers, costs, over = [], [], [], False
    while not over:
        observation, reward, over, truncated, info = env.step(choose())
        assert observation in env.observation_space
        assert not truncated
        rewards.append(reward)
        powers.append(info["power_kw"])
        costs.append(info["cost"])
    assert sum(costs) == pytest.approx(info["metrics"]["cost"], rel=1e-12)
    return rewards, powers, info


def worst_shortfall_kwh(env: SchedulingEnv, slot_h: float = 0.5) -> float:
    """Return the most that a vehicle misses of what it could have had."""
    vehicles, delivered_kwh = env.vehicles()
    return float((vehicles.energy_kwh - vehicles.unservable_kwh(slot_h) - delivered_kwh).max())


# ---- Gymnasium


@pytest.mark.parametrize("options", [{}, {"action": "aggregate", "instances": LIMITED, "when_full": "wait"}])
def test_check_env(options: dict[str, Any]) -> None:
    env = gymnasium.make("cosim.env:cosim/Scheduling-v0", **options)
    check_env(env.unwrapped, skip_render_check=True)
    assert env.unwrapped.observation_space.shape == (len(env.unwrapped.feature_names),)


@pytest.mark.parametrize("kind", ["home", "work", "public"])
def test_a_seed_decides_the_instance_and_the_trajectory(kind: str) -> None:
    env = SchedulingEnv(kind, chargers=20)
    played = []
    for _ in range(2):
        env.action_space.seed(1)
        played.append((play(env, env.action_space.sample, seed=4), play(env, env.action_space.sample)))
    for one, other in zip(*played, strict=True):
        assert one[0] == other[0]
        assert one[2]["metrics"] == other[2]["metrics"]
    assert played[0][0][0] != played[0][1][0]
    assert played[0][0][2]["metrics"]["vehicles"] + played[0][0][2]["metrics"]["refused"] == len(
        draw_instance(kind, np.random.default_rng(4), vehicles_per_day=40.0)[1]
    )


def test_reset_and_end() -> None:
    env = SchedulingEnv(chargers=5)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(5))
    with pytest.raises(ResetNeeded):
        env.vehicles()
    _, info = env.reset(seed=0)
    assert isinstance(info["cost"], np.float64)
    assert info["cost"] == 0.0
    assert info["power_kw"].tolist() == [0.0] * 5
    with pytest.raises(InputError, match=r"action of shape \(4,\) must have shape \(5,\)"):
        env.step(np.zeros(4))
    play(env, lambda: np.ones(5))
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(5))
    with pytest.raises(ResetNeeded):
        env.site_state()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "power"}, "action: found 'power'; did you mean 'powers'"),
        ({"when_full": "queue"}, "when_full: found 'queue'"),
        ({"reward": "bill"}, "reward: found 'bill'"),
        ({"instances": "hom"}, "unknown 'hom'; did you mean 'home'"),
        ({"instances": []}, "instances: there must be at least one"),
        ({"chargers": 0}, "chargers = 0 must be at least 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SchedulingEnv(**options)


# ---- the same day as elsewhere


def halfway(state: SiteState) -> np.ndarray:
    """Split the middle of the box by least laxity."""
    box = feasible_box(state)
    return split_least_laxity(state, box.low_kw, box.high_kw, 0.5 * (box.total_low_kw + box.total_high_kw))


@pytest.mark.parametrize("source", [DrawnDays("home"), DrawnDays("public"), LIMITED], ids=["home", "public", "limited"])
@pytest.mark.parametrize("policy", [rules.eager, rules.average_rate, rules.latest_start])
def test_a_policy_gets_what_a_replay_gives_it(source: DrawnDays, policy: Callable) -> None:
    env = SchedulingEnv(source, chargers=PLENTY)
    _, powers, info = play(env, lambda: env.action_of(policy(env.site_state())), seed=7)
    expected = replay(*source.draw(np.random.default_rng(7)), policy)
    metrics = info["metrics"]
    np.testing.assert_allclose(np.sum(powers, axis=1), expected.charging_kw, atol=1e-9)
    np.testing.assert_allclose(
        np.sort(np.ravel(powers), axis=None)[-500:], np.sort(expected.power_kw, axis=None)[-500:], atol=1e-9
    )
    for name in ("cost", "peak_kw", "load_factor"):
        assert metrics[name] == pytest.approx(getattr(expected, name), rel=1e-10)
    for name in ("delivered_kwh", "short_kwh", "unservable_kwh"):
        assert metrics[name] == pytest.approx(getattr(expected, name).sum(), abs=1e-9)


def test_powers_are_those_that_the_shield_leaves_of_what_was_asked() -> None:
    env = SchedulingEnv(DrawnDays("public", vehicles_per_household=1.0, charging_limit_kw=15.0), chargers=30)
    env.reset(seed=3)
    rng, at_the_limit = np.random.default_rng(3), 0
    for _ in range(96):
        state, asked = env.site_state(), rng.normal(0.5, 2.0, 30)
        places = np.flatnonzero(env.action_of(state.max_power_kw))
        expected_kw = shield(state, asked[places] * state.max_power_kw)
        *_, info = env.step(asked)
        np.testing.assert_allclose(info["power_kw"][places], expected_kw, atol=1e-9)
        assert info["power_kw"].sum() == pytest.approx(expected_kw.sum())
        at_the_limit += info["power_kw"].sum() > 15.0 - 1e-9
    assert at_the_limit > 10


@pytest.mark.parametrize("source", [DrawnDays("work"), LIMITED], ids=["work", "limited"])
def test_the_aggregate_action_is_the_split_by_laxity(source: DrawnDays) -> None:
    env = SchedulingEnv(source, chargers=PLENTY, action="aggregate")
    _, powers, info = play(env, lambda: np.array([0.5]), seed=2)
    expected = replay(*source.draw(np.random.default_rng(2)), halfway)
    np.testing.assert_allclose(np.sum(powers, axis=1), expected.charging_kw, atol=1e-9)
    assert info["metrics"]["cost"] == pytest.approx(expected.cost, rel=1e-10)
    _, powers, _ = play(env, lambda: env.action_of(halfway(env.site_state())), seed=2)
    np.testing.assert_allclose(np.sum(powers, axis=1), expected.charging_kw, atol=1e-9)


@pytest.mark.parametrize("source", [DrawnDays(), LIMITED], ids=["free", "limited"])
@pytest.mark.parametrize("action", [0.0, 1.0])
def test_the_aggregate_action_goes_from_end_to_end_of_the_box(source: DrawnDays, action: float) -> None:
    env = SchedulingEnv(source, chargers=PLENTY, action="aggregate")
    _, info = env.reset(seed=5)
    for _ in range(95):
        box = feasible_box(env.site_state())
        bounds_kw = info["total_low_kw"], info["total_high_kw"]
        assert bounds_kw == pytest.approx((box.total_low_kw, box.total_high_kw), abs=1e-9)
        *_, info = env.step(np.array([action], dtype=np.float32))
        assert info["power_kw"].sum() == pytest.approx(bounds_kw[int(action)], abs=1e-9)


def test_the_bounds_of_the_action_are_those_of_the_box() -> None:
    env = SchedulingEnv(chargers=PLENTY)
    _, info = env.reset(seed=5)
    for slot in range(95):
        box, low, high = feasible_box(env.site_state()), info["action_low"], info["action_high"]
        np.testing.assert_allclose(env.action_of(box.low_kw), low, atol=1e-12)
        np.testing.assert_allclose(env.action_of(box.high_kw), high, atol=1e-12)
        asked = low if slot % 2 else high
        *_, info = env.step(asked)
        np.testing.assert_allclose(info["power_kw"], asked * 3.3, atol=1e-9)


# ---- promises


@pytest.mark.parametrize("kind", ["home", "work", "public"])
@pytest.mark.parametrize("when_full", ["refuse", "wait"])
@pytest.mark.parametrize("action", ["powers", "aggregate"])
def test_absurd_actions_keep_every_promise(kind: str, when_full: str, action: str) -> None:
    env = SchedulingEnv(kind, chargers=15, when_full=when_full, action=action)
    rng, shape = np.random.default_rng(1), env.action_space.shape
    absurd = np.array([np.nan, np.inf, -np.inf, 1e300, -7.0, 0.0, 1e-9, 0.3, 1.0])
    for choose in (lambda: np.zeros(shape), lambda: np.full(shape, np.nan), lambda: rng.choice(absurd, shape)):
        _, powers, info = play(env, choose, seed=3)
        assert np.min(powers) >= 0.0
        assert np.max(powers) <= 3.3
        vehicles, delivered_kwh = env.vehicles()
        assert (delivered_kwh <= vehicles.energy_kwh * (1.0 + 1e-9)).all()
        metrics = info["metrics"]
        assert metrics["short_kwh"] - metrics["unservable_kwh"] == pytest.approx(0.0, abs=1e-6)
        if when_full == "refuse":
            assert worst_shortfall_kwh(env) <= 1e-6


def test_a_limit_holds_and_those_it_does_not_hinder_are_served() -> None:
    env = SchedulingEnv(LIMITED, chargers=PLENTY)
    for choose in (lambda: np.zeros(PLENTY), env.action_space.sample, lambda: np.ones(PLENTY)):
        _, powers, info = play(env, choose, seed=11)
        assert np.sum(powers, axis=1).max() <= 45.0 + 1e-9
        # Doing nothing early is what a shield that knows of no further arrivals cannot make good.
        assert info["metrics"]["delivered_kwh"] + info["metrics"]["short_kwh"] == pytest.approx(
            env.vehicles()[0].energy_kwh.sum()
        )
    assert worst_shortfall_kwh(env) <= 1e-6


def test_without_the_shield_nothing_has_to_flow() -> None:
    env = SchedulingEnv(shield=False, chargers=PLENTY)
    _, powers, info = play(env, lambda: np.zeros(PLENTY), seed=1)
    assert np.max(powers) == info["metrics"]["cost"] == 0.0
    assert info["metrics"]["short_kwh"] == pytest.approx(env.vehicles()[0].energy_kwh.sum())
    play(env, lambda: np.ones(PLENTY), seed=1)
    assert worst_shortfall_kwh(env) <= 1e-6


def test_the_credit_adds_the_same_to_every_policy() -> None:
    returns = {
        reward: [
            sum(play(SchedulingEnv(reward=reward), lambda share=share: np.full(54, share), seed=1)[0])
            for share in (0.0, 1.0)
        ]
        for reward in ("cost", "credit")
    }
    late, soon = np.subtract(returns["credit"], returns["cost"])
    assert late == pytest.approx(soon)
    assert late > 0.0


# ---- chargers and given instances


def queue_for_one() -> tuple[Site, Vehicles]:
    """Return five vehicles for one charger: served, in line, gone before its turn, after them, and gone at once."""
    vehicles = Vehicles([0, 1, 1, 4, 5], [2, 4, 2, 6, 5], [2.0, 3.0, 1.0, 1.5, 0.5], 2.0)
    return Site(np.full(6, 1.0), 3600.0, Price(1.0, 1.0)), vehicles


def test_a_vehicle_without_charger_drives_on() -> None:
    env = SchedulingEnv([queue_for_one()], chargers=1)
    _, powers, info = play(env, lambda: np.ones(1))
    assert np.ravel(powers).tolist() == [2.0, 0.0, 0.0, 0.0, 1.5, 0.0]
    metrics = info["metrics"]
    assert (metrics["vehicles"], metrics["refused"], metrics["refused_kwh"]) == (3, 2, 4.0)
    assert (metrics["short_kwh"], metrics["unservable_kwh"]) == (0.5, 0.5)
    # k0 y + k1 / 2 ((l + y)^2 - l^2) with k0 = k1 = l = 1 in slots of an hour.
    assert metrics["cost"] == pytest.approx((2.0 + 4.0) + (1.5 + 0.5 * (2.5**2 - 1.0)))


def test_a_vehicle_without_charger_waits_until_it_leaves() -> None:
    env = SchedulingEnv([queue_for_one()], chargers=1, when_full="wait")
    _, powers, info = play(env, lambda: np.ones(1))
    assert np.ravel(powers).tolist() == [2.0, 0.0, 2.0, 1.0, 1.5, 0.0]
    assert (info["metrics"]["vehicles"], info["metrics"]["refused"], info["metrics"]["refused_kwh"]) == (4, 1, 1.0)


def test_the_observation_says_what_its_names_say() -> None:
    env = SchedulingEnv([queue_for_one()], chargers=2, lookahead=1)
    env.reset()
    observation, *_ = env.step(np.array([0.25, 1.0]))
    told = dict(zip(env.feature_names, observation.tolist(), strict=True))
    assert (told["time"], told["price"], told["base[+0]"], told["base[+1]"]) == pytest.approx((1 / 6, 1.0, 1.0, 1.0))
    # The first vehicle drew 0.5 kWh and has one hour for the rest; the second has just come to the other place.
    assert told["charging"] == pytest.approx(0.5 / 4.0)
    assert (told["occupied[0]"], told["occupied[1]"]) == (1.0, 1.0)
    assert (told["remaining[0]"], told["remaining[1]"]) == pytest.approx((1.5 / 3.0, 1.0))
    assert (told["slots_left[0]"], told["slots_left[1]"]) == pytest.approx((1 / 6, 3 / 6))
    assert (told["laxity[0]"], told["laxity[1]"]) == pytest.approx((0.25 / 6, 1.5 / 6))
    assert (told["max_power[0]"], told["max_power[1]"]) == (1.0, 1.0)


def test_days_of_recorded_sessions(tmp_path: Path) -> None:
    path = tmp_path / "sessions.csv"
    path.write_text(
        "connectionTime,disconnectTime,kWhDelivered\n"
        "2019-05-01T08:00:00Z,2019-05-01T12:00:00Z,10\n"
        "2019-05-02T09:30:00Z,2019-05-02T10:00:00Z,1\n",
        encoding="utf-8",
    )
    days = session_days(path, Site(np.full(96, 5.0), 900.0))
    env = SchedulingEnv(days, chargers=2)
    for day, energy_kwh in enumerate((10.0, 1.0)):
        *_, info = play(env, lambda: np.full(2, 0.5), seed=0, options={"instance": day})
        assert info["metrics"]["delivered_kwh"] == pytest.approx(energy_kwh)
    seen = {play(env, lambda: np.ones(2))[2]["metrics"]["delivered_kwh"] for _ in range(20)}
    assert len(seen) == 2
    with pytest.raises(InputError, match="instance = 2 must be from 0 to 1"):
        env.reset(options={"instance": 2})
    with pytest.raises(InputError, match="needs instances that were given"):
        SchedulingEnv().reset(options={"instance": 0})


def test_a_site_without_vehicles_or_load() -> None:
    env = SchedulingEnv([(Site(np.zeros(4), 900.0), Vehicles([], [], [], []))], chargers=1)
    _, _, info = play(env, lambda: np.ones(1))
    assert (info["metrics"]["cost"], info["metrics"]["load_factor"], info["metrics"]["vehicles"]) == (0.0, 1.0, 0.0)


# ---- many at once


@pytest.mark.parametrize("action", ["powers", "aggregate"])
def test_the_batched_form_plays_what_single_ones_play(action: str) -> None:
    options = {"instances": LIMITED, "chargers": 40, "action": action, "reward": "credit"}
    many = gymnasium.make_vec("cosim.env:cosim/Scheduling-v0", num_envs=3, **options)
    singles = [SchedulingEnv(**options) for _ in range(3)]
    many.action_space.seed(0)
    observation, _ = many.reset(seed=6)
    alone = [env.reset(seed=6 + k)[0] for k, env in enumerate(singles)]
    for step in range(2 * 97 - 1):
        np.testing.assert_array_equal(observation, alone)
        asked = many.action_space.sample()
        observation, reward, over, truncated, info = many.step(asked)
        assert observation in many.observation_space
        assert not truncated.any()
        if step == 96:
            # The step after the end begins new episodes.
            alone = [env.reset()[0] for env in singles]
            assert not reward.any()
            assert not over.any()
            continue
        told = [env.step(asked[k]) for k, env in enumerate(singles)]
        alone = [one[0] for one in told]
        np.testing.assert_array_equal(reward, [one[1] for one in told])
        np.testing.assert_array_equal(over, [one[2] for one in told])
        for name in ("cost", "power_kw", "action_low", "action_high", "total_low_kw", "total_high_kw"):
            np.testing.assert_array_equal(info[name], [one[4][name] for one in told])
        assert over.all() == (step in (95, 192))
    assert info["metrics"]["cost"].tolist() == [one[4]["metrics"]["cost"] for one in told]
    many.close()


def test_what_a_batch_cannot_play_is_refused() -> None:
    long, short = queue_for_one(), (Site(np.zeros(3), 900.0), Vehicles([], [], [], []))
    with pytest.raises(InputError, match=r"same number of slots; found \[3, 6\]"):
        SchedulingVectorEnv(2, [long, short])
    with pytest.raises(InputError, match="num_envs = 0 must be at least 1"):
        SchedulingVectorEnv(0)
    many = SchedulingVectorEnv(2, [long], chargers=1)
    with pytest.raises(ResetNeeded):
        many.step(np.zeros((2, 1)))
    with pytest.raises(InputError, match="found 3; there must be one for each of 2"):
        many.reset(seed=[1, 2, 3])
    many.reset(seed=[1, None])
    with pytest.raises(InputError, match=r"actions of shape \(2,\) must have shape \(2, 1\)"):
        many.step(np.zeros(2))
