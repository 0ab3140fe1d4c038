"""Training on the real system: resuming, workers, and a trained policy as a recommender."""

from __future__ import annotations

import dataclasses
import json
import shutil
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import numpy as np
import pytest

import cosim
from cosim.errors import CosimError, InputError, InterruptedRunError
from cosim.experiment import EVALUATION_SEED_START
from cosim.learning import EpochReport, TrainingPlan
from cosim.testing import check_recommender
from cosim.workers import WorkerProcesses
from cosim_agents.rl import learners
from cosim_agents.rl.collecting import ProblemKey, RolloutJob, collect, problem, release
from cosim_agents.rl.config import preset
from cosim_agents.rl.policy_file import load_policy
from cosim_agents.rl.recommender import Learned

TINY = {"simulation.warmup_s": 60, "simulation.control_s": 240}


class Watch:
    """Remembers; asks to stop after an epoch."""

    def __init__(self, stop_after: int = 0) -> None:
        self.notes: list[str] = []
        self.reports: list[EpochReport] = []
        self._stop_after = stop_after

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)

    def epoch(self, report: EpochReport) -> None:
        self.reports.append(report)
        if report.epoch == self._stop_after:
            raise KeyboardInterrupt


def plan(out: Path, **changes) -> TrainingPlan:
    scenario = cosim.load_scenario("nguyen-dupuis", **TINY)
    whole = {"episodes": 20, "seed": 3, "preset": "tuned", "cost_limit": 1.05} | changes
    return TrainingPlan(scenario=scenario, out=out, **whole)


def arrays(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "policy.npz") as archive:
        return {name: archive[name] for name in archive.files}


def rows(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "wall_s"} for line in lines]


def assert_same(one: Path, other: Path) -> None:
    ours, theirs = arrays(one), arrays(other)
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.tobytes() == theirs[name].tobytes(), name
    assert rows(one) == rows(other)


@pytest.fixture(scope="module")
def op_srl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training of the learner with most parts."""
    folder = tmp_path_factory.mktemp("trained") / "op-srl"
    assert learners.op_srl(plan(folder), Watch()) == folder / "policy.npz"
    return folder


@pytest.fixture(scope="module")
def ppo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learners.ppo(plan(tmp_path_factory.mktemp("trained"), episodes=5, cost_limit=None), Watch())


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, interrupted after two of its four epochs."""
    folder = tmp_path_factory.mktemp("half") / "op-srl"
    with pytest.raises(InterruptedRunError) as caught:
        learners.op_srl(plan(folder), Watch(stop_after=2))
    assert str(caught.value) == (
        f"interrupted; {folder} holds epoch 2 of 4, and the same command with --resume goes on from there."
    )
    return folder


def test_interrupted_and_resumed_training_ends_with_the_same_weights(tmp_path: Path, op_srl: Path, half: Path) -> None:
    folder = shutil.copytree(half, tmp_path / "a")
    assert len(rows(folder)) == 2
    assert not np.array_equal(arrays(folder)["weight0"], arrays(op_srl)["weight0"])
    # As if it had been killed between a line and its checkpoint.
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3}\n')
    watch = Watch()
    learners.op_srl(plan(folder, resume=True), watch)
    assert watch.notes == ["resuming after epoch 2 of 4"]
    assert [report.epoch for report in watch.reports] == [3, 4]
    assert_same(folder, op_srl)


def test_workers_change_nothing(tmp_path: Path, op_srl: Path, half: Path) -> None:
    """Nor where they take over what this process has begun."""
    folder = shutil.copytree(half, tmp_path / "a")
    with WorkerProcesses(2) as executor:
        learners.op_srl(plan(folder, executor=executor, resume=True), Watch())
    assert_same(folder, op_srl)


def test_what_is_written(op_srl: Path) -> None:
    assert {path.name for path in op_srl.iterdir()} == {
        "policy.npz", "policy.json", "metrics.jsonl", "checkpoint", "scenario.toml",
    }  # fmt: skip
    lines = rows(op_srl)
    assert [(line["epoch"], line["episodes"]) for line in lines] == [(1, 5), (2, 10), (3, 15), (4, 20)]
    for line in lines:
        assert line["CVV"] == pytest.approx(line["cost"])
        assert {"TTT", "WCT", "lambda", "cost_limit", "predictor_rounds", "reward", "kl"} <= line.keys()
    info = load_policy(op_srl / "policy.npz").info
    assert (info.algorithm, info.preset, info.scenario) == ("op-srl", "tuned", "nguyen-dupuis")
    assert len(info.feature_names) == 113 + 20, "the estimates too"
    assert info.extra_obs == ("estimates",)
    assert info.training["hyperparameters"]["cost_limit"] == 1.05
    # Strict JSON: lagrange_max is infinite.
    json.loads((op_srl / "policy.json").read_text(), parse_constant=pytest.fail)


def test_auto_limit_and_impossible_limit(tmp_path: Path) -> None:
    watch = Watch()
    learners.ppo_lagrangian(plan(tmp_path / "a", episodes=5, cost_limit="auto"), watch)
    (note,) = watch.notes
    limit = rows(tmp_path / "a")[0]["cost_limit"]
    assert note == f"cost limit: {limit:.3f} pu, 1.02 x the mean CVV of merit-order"
    assert 1.03 < limit < 1.1
    watch = Watch()
    learners.ppo_lagrangian(plan(tmp_path / "b", episodes=5, cost_limit=0.0), watch)
    assert watch.notes[0].startswith("warning: no policy can keep the cost limit of 0 pu: without any charging an epi")


def test_nobody_trains_on_evaluation_seeds(ppo: Path) -> None:
    policy = load_policy(ppo).policy
    config = preset("tuned")
    key = ProblemKey(plan(ppo).scenario.model_dump_json(), forecast=False, extra_obs=config.extra_obs)
    jobs = [
        RolloutJob(key, policy, None, *rest) for rest in (("step", 3, 0, 0), ("step", 3, 0, 1), ("vehicle", 3, 0, 0))
    ]
    try:
        one, other, again = map(collect, jobs)
        evs = problem(key).env.tables["trips"].query("is_ev")
    finally:
        release()
    assert one.seed == again.seed != other.seed
    assert np.array_equal(one.observations, again.observations)
    assert one.seed >= 2 * EVALUATION_SEED_START
    # What a vehicle is credited with is its own delay, in units of 10 min: less than its travel time by what driving
    # and charging need at least.
    least_s = (0.8 - evs["soc_request"]) * 24 / (0.9 * 50) * 3600
    undelayed_s = (evs["arrive_s"] - evs["depart_s"]).sum() + 600 * again.rewards.sum()
    assert least_s.sum() + 200 * len(evs) < undelayed_s < least_s.sum() + 400 * len(evs)


@pytest.mark.parametrize("name", ["ppo", "op_srl"])
def test_recommender_decides_as_in_training(name: str, request: pytest.FixtureRequest) -> None:
    found: Path = request.getfixturevalue(name)
    path = found if found.suffix else found / "policy.npz"
    saved = load_policy(path)

    class Best:
        def act(self, observation, mask, rng):
            return saved.policy.best(observation, mask), 0.0

    from cosim_agents.op_srl.forecast import LSTMForecaster

    forecaster = LSTMForecaster(saved.extras, 5) if saved.extras else None
    scenario = plan(path).scenario
    try:
        key = ProblemKey(scenario.model_dump_json(), forecaster is not None, saved.info.extra_obs)
        episode = collect(RolloutJob(key, Best(), forecaster, "step", 3, 0, 0))
    finally:
        release()
    run = cosim.run(scenario, recommender=Learned(path), seed=episode.seed)
    ids = saved.info.station_ids
    assert run.decisions["station"].tolist() == [ids[action] for action in episode.actions]
    assert run.metrics["ttt_s"] == episode.metrics["TTT"]


@pytest.mark.parametrize("sample", [False, True])
def test_recommender_keeps_its_promises(ppo: Path, *, sample: bool) -> None:
    check_recommender(lambda: Learned(ppo, sample=sample))


def test_recommender_refuses_what_does_not_fit(ppo: Path, tmp_path: Path) -> None:
    scenario = plan(ppo).scenario
    fewer = scenario.model_copy(update={"station": scenario.station[:4]})
    with pytest.raises(InputError, match=r"trained on 'nguyen-dupuis' with 5 stations and does not fit 4 stations\."):
        cosim.run(fewer, recommender=Learned(ppo))
    foreign = json.loads(ppo.with_suffix(".json").read_text())
    foreign["feature_names"][7] = "density[elsewhere]"
    (tmp_path / "policy.json").write_text(json.dumps(foreign))
    (tmp_path / "policy.npz").write_bytes(ppo.read_bytes())
    with pytest.raises(InputError, match=r"where observed number 8 is 'density\[elsewhere\]', but here it is"):
        cosim.run(scenario, recommender=Learned(tmp_path / "policy.npz"))
    with pytest.raises(ValueError, match="policy is missing"):
        Learned()


def test_plans_that_cannot_be_carried_out(tmp_path: Path, ppo: Path) -> None:
    out = tmp_path / "a"
    with pytest.raises(InputError, match=r"--resume: .*checkpoint does not exist; there is nothing to go on from\."):
        learners.ppo(plan(out, cost_limit=None, resume=True), Watch())
    assert not out.exists()
    with pytest.raises(InputError) as caught:
        learners.ppo(plan(out, episodes=7, seed=-1), Watch())
    assert caught.value.faults == (
        "--cost-limit: 'ppo' knows no cost limit; 'ppo-lag' and 'op-srl' do.",
        "--episodes 7: it must be a positive multiple of 5.",
        "--seed: found -1; it must be a whole number, at least 0.",
    )
    other = dataclasses.replace(plan(ppo.parent, episodes=5, cost_limit=None, seed=4), resume=True)
    with pytest.raises(InputError, match="was begun with --seed 3, not --seed 4; it can only go on as it began"):
        learners.ppo(other, Watch())
    with pytest.raises(InterruptedRunError, match="interrupted before the first epoch was done; nothing is kept"):
        learners.ppo(plan(out, cost_limit=None, executor=Stopping()), Watch())
    with pytest.raises(CosimError, match=r"the training stopped: it died; add --resume to go on from the last epoch"):
        learners.ppo(plan(out, cost_limit=None, executor=Dying()), Watch())
    assert not out.exists()


class Stopping:
    def submit(self, *args):
        raise KeyboardInterrupt


class Dying:
    def submit(self, *args):
        future = Future()
        future.set_exception(BrokenExecutor("it died"))
        return future


def test_missing_torch_gets_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(learners, "find_spec", lambda name: None if name == "torch" else object())
    with pytest.raises(InputError, match=r'Training needs torch, not installed here: pip install -e "\.\[tr'):
        learners.ppo(plan(tmp_path), Watch())
