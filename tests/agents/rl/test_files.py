"""Policies and checkpoints: in NumPy as in torch, on disk and back, damaged and foreign."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from cosim.env.features import ESTIMATE_FEATURES, STATION_FEATURES
from cosim.errors import InputError
from cosim_agents.rl.algorithms import ALGORITHMS, make_learner
from cosim_agents.rl.checkpoint import load_checkpoint, save_checkpoint
from cosim_agents.rl.config import Hyperparameters, preset
from cosim_agents.rl.learner import Learner
from cosim_agents.rl.networks import linears, log_probabilities, stationwise_layout
from cosim_agents.rl.normalise import Standardiser
from cosim_agents.rl.policy import PerceptronPolicy
from cosim_agents.rl.policy_file import PolicyInfo, SavedPolicy, load_policy, save_policy

Env = gymnasium.Env[Any, Any]
Train = Callable[..., Any]

INFO = PolicyInfo(
    algorithm="ppo", preset="paper", scenario="nguyen-dupuis", feature_names=("a", "b", "c"),
    station_ids=("CS1", "CS2", "CS3"), versions={"numpy": np.__version__}, training={"seed": 1},
)  # fmt: skip


def everything(learner: Learner) -> list[torch.Tensor]:
    return [tensor for module in learner._modules().values() for tensor in module.state_dict().values()]


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_resumed_training_ends_with_the_same_bits(chain: Env, train: Train, tmp_path: Path, name: str) -> None:
    config = preset(
        "paper", hidden=(8, 8), passes=2, epochs=6, episodes_per_epoch=2, batch_size=7, cost_limit=3.0,
        normalise_returns=True, stop_critics=False,
        replay_start=20, replay_size=50, target_interval=10,
    )  # fmt: skip
    whole, logs, _ = train(chain, name, config, seed=3)
    begun, _, _ = train(chain, name, config, seed=3, epochs=3)
    save_checkpoint(tmp_path / "checkpoint.pt", begun.state_dict())
    resumed = make_learner(name, 3, 3, config, seed=99)
    resumed.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    resumed, more, _ = train(chain, name, config, seed=3, learner=resumed, epochs=3)
    assert more == logs[3:]
    assert all(torch.equal(one, other) for one, other in zip(everything(whole), everything(resumed), strict=True))
    for one, other in zip(whole.policy().arrays().values(), resumed.policy().arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert begun.state_dict()["rng"] != resumed.state_dict()["rng"] or name == "reinforce"


def test_seed_decides_and_nothing_global_does(chain: Env, train: Train) -> None:
    config = preset("paper", epochs=1, passes=1)
    state = torch.random.get_rng_state()
    first, _, _ = train(chain, "ppo", config, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(5)
    second, _, _ = train(chain, "ppo", config, seed=1)
    third, _, _ = train(chain, "ppo", config, seed=2)
    assert all(torch.equal(one, other) for one, other in zip(everything(first), everything(second), strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(everything(first), everything(third), strict=True))


@pytest.mark.parametrize("network", ["perceptron", "stationwise"])
@pytest.mark.parametrize(("n_observations", "n_actions"), [(88, 5), (1245, 12)])
def test_numpy_policy_is_torch_policy(n_observations: int, n_actions: int, network: str) -> None:
    ids = [f"CS{m}" for m in range(n_actions)]
    names = [f"{name}[{station}]" for station in ids for name in (*STATION_FEATURES, *ESTIMATE_FEATURES)]
    names += [f"density[{k}]" for k in range(n_observations - len(names))]
    config = preset("paper", network=network, prior=2.0 if network == "stationwise" else 0.0)
    layout = stationwise_layout(names, ids)
    learner = make_learner("ppo", n_observations, n_actions, config, 0, layout=layout)
    rng = np.random.default_rng(0)
    learner._moments.update(rng.random((50, n_observations)))
    # As large as after a long training, so that probabilities are not all alike.
    with torch.no_grad():
        linears(learner._modules()["actor"])[-1].weight.mul_(300.0)
    policy = learner.policy()
    observations = rng.random((64, n_observations), dtype=np.float32)
    masks = rng.random((64, n_actions)) < 0.7
    masks[:, 0] = True
    with torch.no_grad():
        logits = learner._modules()["actor"](torch.from_numpy(policy.standardiser(observations)))
        expected = log_probabilities(logits, torch.from_numpy(masks)).exp().numpy()
    ours = np.array([policy.probabilities(row, mask) for row, mask in zip(observations, masks, strict=True)])
    np.testing.assert_allclose(ours, expected, atol=1e-6)
    assert ours.max() > 0.5
    assert (ours[~masks] == 0).all()


def small_policy(kind: Any = "softmax", exploration: float = 0.0, n_inputs: int = 3) -> PerceptronPolicy:
    rng = np.random.default_rng(0)
    shapes = [(n_inputs, 4), (4, 3)]
    return PerceptronPolicy(
        Standardiser(np.zeros(n_inputs, np.float32), np.ones(n_inputs, np.float32), 5.0),
        tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes),
        tuple(rng.normal(size=shape[1]).astype(np.float32) for shape in shapes),
        kind, exploration,
    )  # fmt: skip


def stationwise_policy(column: int = 4, rows: int = 3) -> PerceptronPolicy:
    """Three features, one of each station; the last positions are the one and the zero."""
    policy = small_policy(n_inputs=3)
    layout = np.array([[0, 3, 4], [1, 4, 3], [2, 4, column]])[:rows]
    return dataclasses.replace(
        policy, weights=(policy.weights[0], policy.weights[1][:, :1]), biases=(policy.biases[0], policy.biases[1][:1]),
        layout=layout, direct=np.array([-2.0, 0.5, 0.0], np.float32),
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "exploration"), [("softmax", 0.0), ("greedy", 0.3)])
def test_actions_are_drawn_as_often_as_their_probabilities_say(kind: str, exploration: float) -> None:
    policy, rng = small_policy(kind, exploration), np.random.default_rng(1)
    observation, mask = np.ones(3, np.float32), np.array([True, False, True])
    shares = policy.probabilities(observation, mask)
    draws = [policy.act(observation, mask, rng) for _ in range(4000)]
    counts = np.bincount([action for action, _ in draws], minlength=3) / 4000
    np.testing.assert_allclose(counts, shares, atol=0.03)
    assert counts[1] == 0.0
    assert all(log_prob == np.log(shares[action]) for action, log_prob in draws[:20])
    assert policy.best(observation, mask) == shares.argmax()


def test_policy_comes_back_from_disk(tmp_path: Path) -> None:
    policy = small_policy("greedy", 0.25)
    save_policy(tmp_path / "p.npz", SavedPolicy(policy, INFO, {"net.w": np.ones((2, 2))}))
    back = load_policy(tmp_path / "p", feature_names=INFO.feature_names, station_ids=INFO.station_ids)
    assert back.info == INFO
    save_policy(tmp_path / "s.npz", SavedPolicy(stationwise_policy(), INFO))
    again, observation = load_policy(tmp_path / "s").policy, np.array([0.3, -1.0, 2.0], np.float32)
    np.testing.assert_array_equal(again.outputs(observation), stationwise_policy().outputs(observation))
    assert (back.policy.kind, back.policy.exploration, back.policy.standardiser.clip) == ("greedy", 0.25, 5.0)
    assert list(back.extras) == ["net.w"]
    for one, other in zip(policy.arrays().values(), back.policy.arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_deciding_needs_no_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['gymnasium'] = None;"
        "import cosim_agents.rl.policy_file, cosim_agents.rl.rollout, cosim_agents.rl.gae;"
        "import cosim_agents.op_srl.forecast, cosim_agents.rl.config"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def edit(path: Path, **changes: Any) -> None:
    description = json.loads(path.read_text())
    path.write_text(json.dumps(description | changes))


def reseal(folder: Path, policy: PerceptronPolicy, **info: Any) -> None:
    save_policy(folder / "p", SavedPolicy(policy, dataclasses.replace(INFO, **info)))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "p.json").unlink(), "cannot be read"),
        (lambda folder: (folder / "p.npz").unlink(), "cannot be read"),
        (lambda folder: (folder / "p.json").write_text("{"), "something else, or damaged"),
        (lambda folder: (folder / "p.json").write_bytes(b"\xff\xfe\x00"), "something else, or damaged"),
        (lambda folder: (folder / "p.json").write_text("[1]"), "not the description of a policy"),
        (lambda folder: (folder / "p.json").write_text('{"format": "other"}'), "not the description of a policy"),
        (lambda folder: (folder / "p.json").write_text('{"format": "cosim-policy", "format_version": 2}'), "not a"),
        (lambda folder: edit(folder / "p.json", format_version=1), "has format 1"),
        (lambda folder: edit(folder / "p.json", layers=3), "not a whole description"),
        (lambda folder: edit(folder / "p.json", kind="wild"), "not a whole description"),
        (lambda folder: (folder / "p.npz").write_bytes((folder / "p.npz").read_bytes()[:-40]), "damaged, or belongs"),
        (lambda folder: reseal(folder, small_policy(), feature_names=("a",)), "arrays are not those of a policy for 1"),
        (lambda folder: reseal(folder, small_policy(), station_ids=("CS1", "CS2")), "and 2 stations, as the"),
        (lambda folder: reseal(folder, stationwise_policy(column=5)), "arrays are not those of a policy for 3"),
        (lambda folder: reseal(folder, stationwise_policy(rows=2)), "arrays are not those of a policy for 3"),
    ],
)  # fmt: skip
def test_bad_files_get_one_clear_sentence(tmp_path: Path, damage: Callable[[Path], None], sentence: str) -> None:
    reseal(tmp_path, small_policy())
    damage(tmp_path)
    with pytest.raises(InputError, match=sentence) as caught:
        load_policy(tmp_path / "p")
    assert len(caught.value.faults) == 1


def test_not_finite_weights_are_refused(tmp_path: Path) -> None:
    policy = small_policy()
    policy.weights[0][0, 0] = np.nan
    reseal(tmp_path, policy)
    with pytest.raises(InputError, match="not those of a policy"):
        load_policy(tmp_path / "p")


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    import hashlib

    reseal(tmp_path, small_policy())
    np.savez(tmp_path / "p.npz", mean=np.array([object()], dtype=object))
    edit(tmp_path / "p.json", sha256=hashlib.sha256((tmp_path / "p.npz").read_bytes()).hexdigest())
    with pytest.raises(InputError, match="not an archive of plain arrays"):
        load_policy(tmp_path / "p")


@pytest.mark.parametrize(
    ("features", "stations", "sentence"),
    [
        (("a", "b", "c"), ("CS1", "CS2"), "with 3 stations and does not fit 2 stations"),
        (("a", "b", "c", "d"), ("CS1", "CS2", "CS3"), "with 3 observed numbers and does not fit 4"),
        (("a", "x", "c"), ("CS1", "CS2", "CS3"), "observed number 2 is 'b', but here it is 'x'"),
        (("a", "b", "c"), ("CS1", "CS2", "B"), "station 3 is 'CS3', but here it is 'B'"),
    ],
)
def test_policy_of_another_network_is_refused(tmp_path: Path, features: Any, stations: Any, sentence: str) -> None:
    reseal(tmp_path, small_policy())
    with pytest.raises(InputError, match=sentence):
        load_policy(tmp_path / "p", feature_names=features, station_ids=stations)


def test_bad_checkpoints_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        load_checkpoint(tmp_path / "bad.pt")
    save_checkpoint(tmp_path / "good.pt", {"a": np.arange(3)})
    whole = (tmp_path / "good.pt").read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole checkpoint"):
        load_checkpoint(tmp_path / "half.pt")


def test_defaults_are_the_paper_preset() -> None:
    assert preset("paper") == Hyperparameters()
