"""The predictor, its windows, the wrapper that appends its forecast, and the learner that trains it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete
from gymnasium.utils.env_checker import check_env

from cosim.errors import InputError
from cosim_agents.op_srl.augment import PredictedDemand, station_columns
from cosim_agents.op_srl.forecast import DemandHistory, LSTMForecaster, Persistence, Windows
from cosim_agents.op_srl.learner import LEARNERS, OPSRL
from cosim_agents.op_srl.predictor import DemandPredictor, PredictorConfig, Seq2Seq
from cosim_agents.rl.algorithms import make_learner
from cosim_agents.rl.checkpoint import load_checkpoint, save_checkpoint
from cosim_agents.rl.config import preset
from cosim_agents.rl.rollout import collect_episode


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


SMALL = PredictorConfig(hidden=32, learning_rate=3e-3)
NAMES = ("queued", "charging", "a", "b", "c", "d", "e", "f", "en_route")


class Tide(gymnasium.Env[np.ndarray, int]):
    """Two stations whose demand is a sine of time (a period of 32 minutes), a decision every 20 s for 70 minutes."""

    feature_names = ("ev_soc", *(f"{name}[{station}]" for station in ("N", "S") for name in NAMES), "time")
    observation_space = Box(-10.0, 10.0, (20,), np.float32)
    action_space = Discrete(2)
    dt_s, steps = 20.0, 210

    def __init__(self, *, tell_time: bool = False) -> None:
        self._tell_time = tell_time

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self._step, self._phase = 0, self.np_random.uniform(0, 2 * math.pi)
        return self._observe(), self._info(0.0)

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self._step += 1
        return self._observe(), 0.0, self._step == self.steps, False, self._info(self.dt_s)

    def _observe(self) -> np.ndarray:
        angle = 2 * math.pi * self._step * self.dt_s / 1920.0 + self._phase
        observation = np.zeros(20, dtype=np.float32)
        observation[[1, 10]] = 0.3 + 0.3 * np.sin([angle, angle + 1.0])
        observation[[2, 11]] = 0.2
        return observation

    def _info(self, dt_s: float) -> dict[str, Any]:
        info: dict[str, Any] = {"cost": 0.1, "dt": dt_s}
        return info | {"time_s": 1200.0 + self._step * self.dt_s} if self._tell_time else info


class Uniform:
    def act(self, observation: Any, mask: Any, rng: np.random.Generator) -> tuple[int, float]:
        return int(rng.integers(2)), math.log(0.5)


def rmse_ratio(predictor: DemandPredictor, samples: dict[str, np.ndarray]) -> float:
    forecaster = predictor.forecaster()
    errors = []
    for history, demand, target in zip(samples["history"], samples["demand"], samples["target"], strict=True):
        errors.append((((forecaster.forecast(history, demand) - target) ** 2).mean(), ((demand - target) ** 2).mean()))
    ours, persistence = np.sqrt(np.mean(errors, axis=0))
    return float(ours / persistence)


def test_predictor_learns_a_sine_of_demand() -> None:
    env, predictor = PredictedDemand(Tide()), DemandPredictor(2, SMALL, seed=0)
    rng = np.random.default_rng(0)
    for seed in range(60):
        predictor.update(dict(collect_episode(env, Uniform(), rng, seed=seed).samples))
    fresh = collect_episode(env, Uniform(), rng, seed=1000).samples
    assert rmse_ratio(predictor, dict(fresh)) < 0.7
    assert predictor.rounds == 60 * 13 // 50


@pytest.mark.parametrize("teacher_forcing", [False, True])
def test_numpy_forecast_is_torch_forecast(teacher_forcing: bool) -> None:  # noqa: FBT001
    config = PredictorConfig(teacher_forcing=teacher_forcing)
    network = Seq2Seq(5, config, torch.Generator().manual_seed(0))
    rng = np.random.default_rng(0)
    history, demand, target = rng.random((3, 5, 45)), rng.random((3, 5)), rng.random((3, 5, 5))
    tensors = [torch.from_numpy(array.astype(np.float32)) for array in (history, demand, target)]
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    assert sum(array.size for array in arrays.values()) == pytest.approx(424_000, rel=0.01), "the specification's count"
    with torch.no_grad():
        expected = network(*tensors[:2]).numpy()
        forced = network(*tensors).numpy()
    forecaster = LSTMForecaster(arrays, 5)
    ours = np.array([forecaster.forecast(*row) for row in zip(history, demand, strict=True)])
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    np.testing.assert_allclose(forced[:, 0], expected[:, 0], atol=1e-6)
    assert not np.allclose(forced[:, 1], expected[:, 1], atol=1e-4)


def test_missing_weights_are_named() -> None:
    with pytest.raises(InputError, match=r"encoder\.weight_ih_l0 is missing"):
        LSTMForecaster({}, 5)


def test_windows_by_hand() -> None:
    """One station; its queue is the number of the minute, so that every mean can be worked out."""
    history = DemandHistory(Windows(encoder=2, decoder=2, samples_per_step=2, sample_s=60.0))
    state = np.zeros(9)
    history.reset(state)
    assert not history.observe(59.0, state + 99), "no sampling instant has passed"
    for minute in range(1, 9):
        state = np.zeros(9)
        state[0], state[8] = minute, -minute
        assert history.observe(60.0 * minute, state)
    steps, demand = history.inputs()
    np.testing.assert_array_equal(steps[:, 8], [-6, -8])
    np.testing.assert_array_equal(demand, [7.5])
    samples = history.training_samples()
    np.testing.assert_array_equal(samples["history"][:, :, 8], [[0, 0], [0, -2], [-2, -4]])
    np.testing.assert_array_equal(samples["demand"][:, 0], [0, 1.5, 3.5])
    np.testing.assert_array_equal(samples["target"][:, :, 0], [[1.5, 3.5], [3.5, 5.5], [5.5, 7.5]])


def test_minutes_without_a_decision_are_filled() -> None:
    history = DemandHistory(Windows(1, 1, 1, 60.0))
    history.reset(np.zeros(9))
    assert history.observe(200.0, np.ones(9))
    assert not history.observe(230.0, np.ones(9))
    assert len(history.training_samples()["demand"]) == 3
    history.reset(np.zeros(9))
    assert len(history.training_samples()["demand"]) == 0
    assert history.training_samples()["target"].shape == (0, 1, 1)


def test_an_hour_gives_as_many_samples_as_the_specification_says() -> None:
    history = DemandHistory(Windows())
    history.reset(np.zeros(45))
    for second in range(0, 3600, 12):
        history.observe(float(second), np.zeros(45))
    assert len(history.training_samples()["demand"]) in {10, 11, 12}


class Counting(Persistence):
    calls = 0

    def forecast(self, history: Any, demand: Any) -> Any:
        self.calls += 1
        return super().forecast(history, demand)


@pytest.mark.parametrize("tell_time", [False, True])
def test_wrapper_appends_one_forecast_a_minute(tell_time: bool) -> None:  # noqa: FBT001
    forecaster = Counting(5)
    env = PredictedDemand(Tide(tell_time=tell_time), forecaster=forecaster)
    one = collect_episode(env, Uniform(), np.random.default_rng(0), seed=0)
    assert forecaster.calls == 1 + 69, "the last step is not looked at"
    assert env.feature_names[-10:] == tuple(f"demand+{step}[{name}]" for step in range(1, 6) for name in ("N", "S"))
    assert one.observations.shape == (211, 30)
    ahead = one.observations[:, 20:].reshape(-1, 5, 2)
    assert (ahead[:, 0] == ahead[:, 4]).all(), "persistence"
    # Four minute samples up to minute 12, which is decision 36.
    expected = one.observations[[27, 30, 33, 36]][:, [1, 10]].mean(axis=0) + 0.2
    np.testing.assert_allclose(ahead[36, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(ahead[37, 0], expected, rtol=1e-6)
    assert one.samples["history"].shape[1:] == (5, 18)
    assert one.samples["target"].shape[1:] == (5, 2)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version", "ignore:.*A Box observation space m")
def test_wrapped_environment_keeps_gymnasium_contract() -> None:
    check_env(PredictedDemand(Tide()), skip_render_check=True)


@pytest.mark.parametrize("names", [("a", "b"), ("queued[N]", "queued[S]"), ("queued[N]", "x", "queued[S]")])
def test_observations_without_stations_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="9 numbers a station"):
        station_columns(names)


def test_rounds_follow_the_two_thresholds() -> None:
    predictor = DemandPredictor(1, PredictorConfig(hidden=2, layers=1, iterations=1), seed=0)
    rng = np.random.default_rng(0)

    def samples(count: int) -> dict[str, np.ndarray]:
        return {
            "history": rng.random((count, 5, 9)),
            "demand": rng.random((count, 1)),
            "target": rng.random((count, 5, 1)),
        }

    rounds = []
    for count in (50, 13, 1, 35, 1, 0, 100):
        predictor.update(samples(count))
        rounds.append(predictor.rounds)
    # 50, 63: too few; 64: the first; 99; 100: crossed; 100; 200: two more.
    assert rounds == [0, 0, 1, 1, 2, 2, 4]


def test_predictor_stops_when_nothing_is_gained_any_more() -> None:
    config = PredictorConfig(hidden=2, layers=1, iterations=1, learning_rate=1e-9, patience=3)
    predictor = DemandPredictor(1, config, seed=0)
    samples = {"history": np.ones((50, 5, 9)), "demand": np.ones((50, 1)), "target": np.ones((50, 5, 1))}
    for _ in range(20):
        log = predictor.update(samples)
    assert predictor.converged
    assert log["persistence_mse"] == 0.0
    # 64 samples are held out from the 10th episode on. The round then, the 9th, is the best; three more bring nothing.
    assert predictor.rounds == 9 + 3


def test_op_srl_resumes_to_the_same_bits(tmp_path: Path) -> None:
    env = PredictedDemand(Tide())
    config = preset("paper", hidden=(8,), passes=1, epochs=4, episodes_per_epoch=3)
    small = PredictorConfig(hidden=4, iterations=2)

    def epochs(learner: OPSRL, count: int) -> list[dict[str, float]]:
        logs = []
        for epoch in range(learner.epoch, learner.epoch + count):
            env.forecaster = learner.forecaster()
            rngs = [np.random.default_rng([epoch, k]) for k in range(3)]
            logs.append(
                learner.update([collect_episode(env, learner.policy(), rng, seed=k) for k, rng in enumerate(rngs)])
            )
        return logs

    whole = OPSRL(30, 2, config, 5, small)
    logs = epochs(whole, 4)
    begun = OPSRL(30, 2, config, 5, small)
    epochs(begun, 2)
    save_checkpoint(tmp_path / "c.pt", begun.state_dict())
    resumed = OPSRL(30, 2, config, 6, small)
    resumed.load_state_dict(load_checkpoint(tmp_path / "c.pt"))
    assert epochs(resumed, 2) == logs[2:]
    for name, array in whole.extras().items():
        np.testing.assert_array_equal(array, resumed.extras()[name])
    for one, other in zip(whole.policy().arrays().values(), resumed.policy().arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert logs[-1]["predictor_rounds"] >= 2
    assert {"predictor_rmse", "persistence_rmse", "lambda", "kl"} <= logs[-1].keys()


def test_op_srl_is_among_the_learners() -> None:
    learner = make_learner("op-srl", 30, 2, preset("paper"), 0, LEARNERS)
    assert isinstance(learner, OPSRL)
    assert "linear.bias" in learner.extras()
