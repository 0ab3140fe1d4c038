"""The environment's contract, on the real SUMO and a real power flow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

import cosim
from cosim.control import Request, SystemInfo
from cosim.env.features import ObservationEncoder
from cosim.env.recommendation import DRAWN_SEEDS, RecommendationEnv
from cosim.errors import CosimError, InputError, SimulatorError
from cosim.observation import Observation
from cosim.results import Result
from cosim.scenario import Scenario

EVS = 75
#: All extra blocks of the observation.
EXTRA = ("power", "voltage", "time", "estimates")


@pytest.fixture(scope="module")
def shared(short_scenario: Scenario) -> RecommendationEnv:
    return RecommendationEnv(short_scenario)


@pytest.fixture
def env(shared: RecommendationEnv) -> Iterator[RecommendationEnv]:
    yield shared
    shared.close()
    shared.on_record = None


@pytest.fixture(scope="module")
def uniform_run(short_scenario: Scenario) -> Result:
    return cosim.run(short_scenario, recommender="uniform", seed=4)


def chosen(result: Result) -> list[int]:
    ids = [
        station["id"]
        for station in result.stations[["station"]]
        .drop_duplicates()
        .rename(columns={"station": "id"})
        .to_dict("records")
    ]
    return [ids.index(name) for name in result.decisions["station"]]


def play(env: RecommendationEnv, actions: Sequence[int], seed: int | None = None) -> tuple[list[Any], dict[str, Any]]:
    """Return (observation, reward, cost, dt) of every step and the last ``info``."""
    env.reset(seed=seed)
    steps = []
    for k, action in enumerate(actions):
        observation, reward, terminated, truncated, info = env.step(action)
        assert observation in env.observation_space
        assert terminated == (k == len(actions) - 1)
        assert not truncated
        steps.append((observation, reward, info["cost"], info["dt"]))
    return steps, info


def play_on(env: RecommendationEnv) -> None:
    while True:
        env.step(0)


# ---- the same run


@pytest.mark.parametrize(("reward", "cost"), [("paper", "paper"), ("ttt", "excess"), (None, "band")])
def test_replaying_a_run_gives_its_tables(
    short_scenario: Scenario, uniform_run: Result, reward: str | None, cost: str
) -> None:
    table = short_scenario.reward.model_copy(update={"kind": reward or "paper", "cost": cost})
    expected = cosim.run(short_scenario.model_copy(update={"reward": table}), seed=4)
    env = RecommendationEnv(short_scenario, reward=reward, cost=cost)
    steps, info = play(env, chosen(uniform_run), seed=4)
    env.close()
    metrics = info["metrics"]
    assert {name: metrics[name] for name in expected.metrics} == expected.metrics
    assert env.tables is not None
    for name, of_run in expected.tables.items():
        pd.testing.assert_frame_equal(env.tables[name], of_run, check_exact=True)
    _, rewards, costs, dt_s = (list(column) for column in zip(*steps, strict=True))
    assert costs == expected.decisions["cost"].tolist()
    assert sum(costs) == pytest.approx(metrics["CVV"], abs=1e-12)
    assert rewards == expected.decisions["reward"].tolist()
    assert expected.decisions["time_s"].iloc[0] + sum(dt_s) == expected.summary["steps"]
    assert 0.0 in dt_s, "two requests in one second"
    if reward == "ttt":
        assert sum(rewards) == -metrics["TTT"]


def test_metrics_at_the_end(env: RecommendationEnv) -> None:
    _, info = play(env, [0] * EVS, seed=0)
    metrics = info["metrics"]
    assert (metrics["TTT"], metrics["CVV"], metrics["WCT"]) == (
        metrics["ttt_s"],
        metrics["cvv_pu"],
        metrics["wct_min"],
    )
    assert metrics["TTT"] > 100 * metrics["WCT"] > 100 * metrics["CVV"] > 0


def test_a_delay_is_what_a_trip_takes_beyond_the_shortest_one(env: RecommendationEnv) -> None:
    _, info = play(env, [0] * EVS, seed=0)
    assert env.tables is not None
    trips = env.tables["trips"].set_index("vehicle").loc[env.tables["decisions"]["vehicle"]]
    undelayed_s = (trips["arrive_s"] - trips["depart_s"]).to_numpy() - info["delay_s"]
    # On roads that are all alike the times follow from the distances.
    speeds = set(env.system.network.speed_mps)
    assert len(speeds) == 1
    for number, request in enumerate(env._answered):
        to_m = env.system.distance_to_m[:, request.edge]
        on_m = env.system.distance_from_m[:, request.destination]
        charging_s = (0.8 - request.soc + to_m / 1000 * 0.15 / 24) * 24 / (0.9 * 50) * 3600
        assert undelayed_s[number] == pytest.approx(((to_m + on_m) / speeds.copy().pop() + charging_s).min())
    assert np.mean(info["delay_s"]) > 100, "one station and a weak bus for all"


def test_same_seed_same_actions_same_trajectory(env: RecommendationEnv) -> None:
    actions = [k % 5 for k in range(EVS)]
    one, _ = play(env, actions, seed=9)
    env.close()
    other, _ = play(env, actions, seed=9)
    for step, again in zip(one, other, strict=True):
        assert step[0].tolist() == again[0].tolist()
        assert step[1:] == again[1:]


def test_traci_gives_the_same_rewards_as_they_come(short_scenario: Scenario, env: RecommendationEnv) -> None:
    """Also where the scenario wants quiet seconds crossed in one call, when arrivals would be known too late."""
    simulation = short_scenario.simulation.model_copy(update={"stepping": "event"})
    here, _ = env.reset(seed=2)
    there = RecommendationEnv(short_scenario.model_copy(update={"simulation": simulation}), backend="traci")
    with pytest.raises(SimulatorError, match="libsumo holds one simulation per process"):
        RecommendationEnv(short_scenario).reset()
    assert there.reset(seed=2)[0].tolist() == here.tolist()
    for k in range(20):
        one, other = env.step(k % 5), there.step(k % 5)
        assert one[0].tolist() == other[0].tolist()
        assert one[1:4] == other[1:4]
        assert one[4]["cost"] == other[4]["cost"]
    # SUMO dies: one sentence, and reset() starts it again.
    assert there._simulation is not None
    there._simulation.traffic._process.kill()  # type: ignore[union-attr]
    with pytest.raises(SimulatorError, match="SUMO died"):
        play_on(there)
    with pytest.raises(ResetNeeded):
        there.step(0)
    assert there.reset(seed=2)[0].tolist() == here.tolist()
    there.close()
    there.close()


def test_closing_frees_libsumo(short_scenario: Scenario, env: RecommendationEnv) -> None:
    env.reset()
    env.close()
    second = RecommendationEnv(short_scenario)
    second.reset()
    second.close()


class Encodes:
    """A recommender that keeps what it sees."""

    def __init__(self, actions: list[int]) -> None:
        self.actions = actions

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        self.system = system
        self.seen: list[np.ndarray] = []

    def recommend(self, request: Request, view: Observation) -> int:
        made = ObservationEncoder(view.system, self.system, extra=EXTRA)
        self.seen.append(made.encode(view, request))
        return self.actions[request.step]


def test_a_policy_in_a_run_sees_what_the_environment_showed(short_scenario: Scenario) -> None:
    env = RecommendationEnv(short_scenario, extra_obs=EXTRA)
    actions = [k % 5 for k in range(75)]
    observation, _ = env.reset(seed=3)
    observations = [observation, *(env.step(action)[0] for action in actions)]
    env.close()
    policy = Encodes(actions)
    cosim.run(short_scenario, recommender=policy, seed=3)
    assert np.array_equal(np.array(policy.seen), np.array(observations[:-1]))
    assert (observations[-1][:5] == 0).all(), "nobody asks after the last decision"


# ---- Gymnasium's conventions


def test_made_by_name() -> None:
    env = gymnasium.make("cosim.env:cosim/Recommendation-v0", scenario="nguyen-dupuis", extra_obs=["time"])
    inner = env.unwrapped
    assert isinstance(inner, RecommendationEnv)
    assert env.observation_space.shape == (len(inner.feature_names),) == (89,)
    assert env.action_space == gymnasium.spaces.Discrete(5)
    env.close()


def test_check_env(short_scenario: Scenario) -> None:
    env = gymnasium.make("cosim.env:cosim/Recommendation-v0", scenario=short_scenario)
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


def test_reset_and_step_tell_what_a_learner_needs(env: RecommendationEnv) -> None:
    _, info = env.reset(seed=5)
    assert isinstance(info["cost"], np.float64)
    assert (info["cost"], info["dt"], info["seed"]) == (0.0, 0.0, 5)
    assert env.action_space.sample(mask=info["action_mask"]) in range(5)
    assert env.action_masks().dtype == np.bool_
    _, _, _, _, info = env.step(env.action_space.sample(mask=info["action_mask"]))
    assert isinstance(info["cost"], np.float64)
    assert info["cost"] > 0.05
    assert set(info) == {"cost", "dt", "action_mask"}


def test_drawn_seeds_are_fresh_and_reproducible(env: RecommendationEnv) -> None:
    def drawn() -> list[int]:
        infos = [env.reset(seed=11)[1], env.reset()[1], env.reset(options={})[1]]
        return [info["seed"] for info in infos]

    seeds = drawn()
    assert seeds[0] == 11
    assert len(set(seeds)) == 3
    assert all(DRAWN_SEEDS[0] <= seed < DRAWN_SEEDS[1] for seed in seeds[1:])
    assert drawn() == seeds


def test_an_episode_may_be_left_in_the_middle(env: RecommendationEnv) -> None:
    first, _ = env.reset(seed=1)
    for _ in range(5):
        env.step(0)
    again, _ = env.reset(seed=1)
    assert first.tolist() == again.tolist()


def test_the_time_limit_truncates(short_scenario: Scenario) -> None:
    simulation = short_scenario.simulation.model_copy(update={"time_limit_s": 1260})
    env = RecommendationEnv(short_scenario.model_copy(update={"simulation": simulation}), reward="ttt")
    env.reset(seed=0)
    total = 0.0
    for k in range(EVS):
        observation, reward, terminated, truncated, info = env.step(k % 5)
        total += reward
        assert not terminated
        assert truncated == (k == EVS - 1)
    env.close()
    assert total == -info["metrics"]["TTT"]
    assert (observation[:5] == 0).all()
    assert observation[5:43].sum() > 0, "what a critic needs to judge the state that was cut off"


def test_misuse(short_scenario: Scenario, env: RecommendationEnv) -> None:
    with pytest.raises(ResetNeeded):
        env.step(0)
    with pytest.raises(ResetNeeded):
        env.view()
    env.reset(seed=0)
    for wrong in (5, -1):
        with pytest.raises(InputError, match=rf"action {wrong}: vehicle v\d+ can only be sent to 0 \(CS1\), 1 \(CS2\)"):
            env.step(wrong)
    env.step(np.int64(4))
    for option, value in {"reward": "TTT", "cost": "excesss", "backend": "libsumoo"}.items():
        with pytest.raises(InputError, match=f"{option}: found '{value}'; (did you mean|allowed)"):
            RecommendationEnv(short_scenario, **{option: value})  # type: ignore[arg-type]
    nobody = short_scenario.model_copy(update={"fleet": short_scenario.fleet.model_copy(update={"ev_share": 0.0})})
    env.close()
    with pytest.raises(CosimError, match="nobody asks for a station"):
        RecommendationEnv(nobody).reset()
    env.reset()


def test_after_the_end(env: RecommendationEnv) -> None:
    _, info = play(env, [1] * EVS, seed=0)
    assert info["action_mask"].all()
    with pytest.raises(ResetNeeded, match="the episode is over"):
        env.step(0)


def test_stations_out_of_reach_are_masked(tmp_path: Path) -> None:
    from cosim.traffic.netconvert import Edge, Node, cached_network

    nodes = [Node("a", 0, 0), Node("b", 500, 0), Node("c", 500, 500), Node("d", 1000, 0)]
    loop = [("ab", "a", "b"), ("bc", "b", "c"), ("ca", "c", "a"), ("bd", "b", "d")]
    edges = [Edge(name, start, end, 500, 13.9) for name, start, end in loop]
    net = cached_network("dead-end", nodes, edges, ["--no-turnarounds", "true"])
    path = tmp_path / "dead-end.toml"
    path.write_text(
        f"""
        simulation = {{ warmup_s = 0, control_s = 300 }}
        network = {{ file = "{net}" }}
        demand = {{ vehicles_per_h = 240 }}
        grid = {{ name = "ieee33" }}
        station = [{{ id = "dead-end", edge = "bd" }}, {{ id = "loop", edge = "bc" }}]
        """
    )
    env = RecommendationEnv(path)
    _, info = env.reset()
    assert info["action_mask"].tolist() == [0, 1]
    assert env.action_masks().tolist() == [False, True]
    with pytest.raises(InputError, match=r"can only be sent to 1 \(loop\)"):
        env.step(0)
    env.step(1)
    env.close()


# ---- for wrappers


def test_samples_for_a_predictor(env: RecommendationEnv) -> None:
    samples = []
    env.on_record = lambda: samples.append((env.view().time_s, env.encoder.stations(env.view())))
    env.reset(seed=0)
    assert [time_s for time_s, _ in samples[:6]] == [0, 60, 120, 180, 240, 300]
    assert not np.array([state for _, state in samples[:5]]).any(), "nobody is at a station in the warm-up"
    for k in range(EVS):
        env.step(k % 5)
    demand = np.array([60 * state[:, :2].sum() for _, state in samples])
    assert env.tables is not None
    recorded = env.tables["stations"].groupby("time_s")[["queued", "charging"]].sum().sum(axis=1)
    assert demand == pytest.approx(recorded.to_numpy())


def test_importing_loads_no_simulator() -> None:
    code = (
        "import sys, cosim.env, gymnasium; assert 'cosim/Recommendation-v0' in gymnasium.registry; "
        "print(*{'sumolib', 'libsumo', 'traci', 'pandapower', 'pandas', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_encoder_needs_no_gymnasium() -> None:
    code = "import sys; sys.modules['gymnasium'] = None; import cosim.env.features"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
