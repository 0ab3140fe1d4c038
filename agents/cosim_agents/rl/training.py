"""Training a policy on the real system: epochs of episodes, each followed by an update and a checkpoint.

The folder of a training holds ``policy.npz`` and ``policy.json``, ``metrics.jsonl`` (a line per epoch), ``checkpoint``
(all that ``--resume`` needs) and ``scenario.toml``. All are brought up to date after every epoch, the checkpoint last:
it never speaks of an epoch that is not there.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim._version import __version__
from cosim.errors import CosimError, InputError, InterruptedRunError
from cosim.learning import EpochReport
from cosim.results import OutputFolder
from cosim.scenario import to_toml
from cosim_agents.op_srl.learner import LEARNERS, OPSRL
from cosim_agents.rl.algorithms import make_learner
from cosim_agents.rl.algorithms.ppo_lagrangian import PPOLagrangian
from cosim_agents.rl.checkpoint import load_checkpoint, save_checkpoint
from cosim_agents.rl.collecting import ProblemKey, RolloutJob, collect, problem, release, spread
from cosim_agents.rl.config import Hyperparameters, preset
from cosim_agents.rl.cost_limit import settled_limit
from cosim_agents.rl.networks import StationLayout, stationwise_layout
from cosim_agents.rl.policy_file import PolicyInfo, SavedPolicy, save_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cosim.learning import TrainingPlan, TrainingWatch
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.learner import Learner

POLICY, CHECKPOINT, METRICS = "policy.npz", "checkpoint", "metrics.jsonl"
_FILES = (POLICY, "policy.json", CHECKPOINT, METRICS, "scenario.toml")


def train(name: str, plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """Train a policy; see ``cosim.learning.Train``.

    Parameters
    ----------
    name : str
        One of ``LEARNERS``.
    plan : TrainingPlan
        What to train, on what, how long.
    watch : TrainingWatch
        Sees each epoch.

    Returns
    -------
    Path
        The policy's file.
    """
    config = _config(name, plan)
    folder = OutputFolder(plan.out, () if plan.resume else _FILES, overwrite=plan.overwrite or plan.resume)
    training: _Training | None = None
    try:
        training = _Training(name, plan, config, folder, watch)
        training.go()
    except (KeyboardInterrupt, InterruptedRunError):
        raise InterruptedRunError(_what_is_kept(training, plan)) from None
    finally:
        release()
        folder.release()
    return plan.out / POLICY


class _Training:
    """The training in progress."""

    def __init__(
        self, name: str, plan: TrainingPlan, config: Hyperparameters, folder: OutputFolder, watch: TrainingWatch
    ) -> None:
        self.name, self.plan, self.folder, self.watch = name, plan, folder, watch
        self.key = ProblemKey(plan.scenario.model_dump_json(), name == "op-srl", config.extra_obs)
        self.identity = _identity(name, plan)
        state = self._checkpoint() if plan.resume else None
        self.problem = problem(self.key)
        if state is not None:
            config = dataclasses.replace(config, cost_limit=float(state["cost_limit"]))
        elif issubclass(LEARNERS[name], PPOLagrangian):
            config = dataclasses.replace(config, cost_limit=settled_limit(config, self.key, self.problem, plan, watch))
        elif config.cost_limit == "auto":
            config = dataclasses.replace(config, cost_limit=0.0)  # nobody reads it
        self.config = config
        self.learner: Learner = make_learner(
            name,
            len(self.problem.feature_names),
            len(self.problem.station_ids),
            self.config,
            plan.seed,
            LEARNERS,
            layout=self._layout(),
        )
        self.lines: list[str] = []
        #: The epoch of the checkpoint on disk.
        self.saved = 0
        if state is not None:
            self.learner.load_state_dict(state["learner"])
            # A line may be there of an epoch whose checkpoint was not written any more.
            self.saved = self.learner.epoch
            self.lines = (plan.out / METRICS).read_text(encoding="utf-8").splitlines()[: self.learner.epoch]
            watch.note(f"resuming after epoch {self.learner.epoch} of {self.config.epochs}")

    def go(self) -> None:
        """Train until the epochs are over."""
        began, first = time.perf_counter(), self.learner.epoch
        while self.learner.epoch < self.config.epochs:
            epoch_began = time.perf_counter()
            episodes = self._collect()
            log = self.learner.update(episodes)
            numbers = _means(episodes) | log
            now = time.perf_counter()
            self._save(numbers | {"wall_s": now - epoch_began})
            done = self.learner.epoch
            left_s = (now - began) / (done - first) * (self.config.epochs - done)
            self.watch.epoch(EpochReport(done, self.config.epochs, numbers, left_s))

    def _layout(self) -> StationLayout | None:
        if self.config.network != "stationwise":
            return None
        return stationwise_layout(self.problem.feature_names, self.problem.station_ids)

    def _collect(self) -> list[Episode]:
        learner, plan = self.learner, self.plan
        policy = learner.policy()
        forecaster = _forecasting(learner).forecaster() if self.problem.predicted is not None else None
        jobs = [
            RolloutJob(self.key, policy, forecaster, self.config.credit, plan.seed, learner.epoch, episode)
            for episode in range(self.config.episodes_per_epoch)
        ]
        return spread(plan.executor, collect, jobs)

    def _save(self, numbers: dict[str, float]) -> None:
        done = self.learner.epoch
        row: dict[str, Any] = {"epoch": done, "episodes": done * self.config.episodes_per_epoch, **_finite(numbers)}
        self.lines.append(json.dumps(row, allow_nan=False))
        if done == 1:
            self.folder.write_text("scenario.toml", to_toml(self.plan.scenario))
        self.folder.write_text(METRICS, "\n".join(self.lines) + "\n")
        saved = SavedPolicy(self.learner.policy(), self._info(row), self.learner.extras())
        unfinished = self.plan.out / ".unfinished.npz"
        state = {
            "identity": json.dumps(self.identity),
            "cost_limit": float(self.config.cost_limit),
            "learner": self.learner.state_dict(),
        }
        try:
            save_policy(unfinished, saved)
            for suffix in (".npz", ".json"):
                unfinished.with_suffix(suffix).replace((self.plan.out / POLICY).with_suffix(suffix))
            save_checkpoint(self.plan.out / CHECKPOINT, state)
            self.saved = done
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise CosimError(f"{self.plan.out}: epoch {done} cannot be written: {error}.") from error

    def _info(self, last: dict[str, Any]) -> PolicyInfo:
        packages = ("eclipse-sumo", "numpy", "torch", "gymnasium")
        training = {
            "seed": self.plan.seed,
            "episodes": last["episodes"],
            "hyperparameters": _finite(dataclasses.asdict(self.config)),
            "last_epoch": last,
        }
        if self.problem.predicted is not None:
            training["windows"] = dataclasses.asdict(_forecasting(self.learner).predictor.config.windows)
        return PolicyInfo(
            algorithm=self.name,
            preset=self.plan.preset,
            scenario=self.plan.scenario.name,
            feature_names=self.problem.feature_names,
            station_ids=self.problem.station_ids,
            extra_obs=self.config.extra_obs,
            versions={"cosim": __version__} | {package: metadata.version(package) for package in packages},
            training=training,
        )

    def _checkpoint(self) -> dict[str, Any]:
        """Read the checkpoint, and see that it is one of this very training."""
        path = self.plan.out / CHECKPOINT
        if not path.exists():
            raise InputError(f"--resume: {path} does not exist; there is nothing to go on from.")
        state = load_checkpoint(path)
        try:
            before: dict[str, Any] = json.loads(state["identity"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: this is not a whole checkpoint of a training.") from error
        faults = [
            f"--resume: {self.plan.out} was begun with {_called(key, before.get(key))}, "
            f"not {_called(key, value)}; it can only go on as it began."
            for key, value in self.identity.items()
            if before.get(key) != value
        ]
        if faults:
            raise InputError(faults)
        return state


def _config(name: str, plan: TrainingPlan) -> Hyperparameters:
    """Return the hyper-parameters, the cost limit perhaps still to be found."""
    changes: dict[str, Any] = {}
    faults = []
    if plan.cost_limit is not None:
        changes["cost_limit"] = plan.cost_limit
        if not issubclass(LEARNERS[name], PPOLagrangian):
            faults.append(f"--cost-limit: '{name}' knows no cost limit; 'ppo-lag' and 'op-srl' do.")
    config = preset(plan.preset, **changes)
    epochs, rest = divmod(plan.episodes, config.episodes_per_epoch)
    if rest or epochs < 1:
        faults.append(f"--episodes {plan.episodes}: it must be a positive multiple of {config.episodes_per_epoch}.")
    if plan.seed < 0:
        faults.append(f"--seed: found {plan.seed}; it must be a whole number, at least 0.")
    if faults:
        raise InputError(faults)
    return dataclasses.replace(config, epochs=epochs)


def _identity(name: str, plan: TrainingPlan) -> dict[str, Any]:
    """Return all that the final weights follow from."""
    return {
        "agent": name,
        "scenario": plan.scenario.model_dump(mode="json"),
        "episodes": plan.episodes,
        "seed": plan.seed,
        "preset": plan.preset,
        "cost-limit": plan.cost_limit,
    }


def _called(key: str, value: Any) -> str:
    if key == "scenario":
        return f"scenario '{value['name']}' and its settings of then" if isinstance(value, dict) else "none"
    if value is None:
        return f"no --{key}"
    return f"agent {value}" if key == "agent" else f"--{key} {value}"


def _what_is_kept(training: _Training | None, plan: TrainingPlan) -> str:
    if training is None and plan.resume:
        return f"interrupted; {plan.out} is as it was."
    if training is None or training.saved == 0:
        return "interrupted before the first epoch was done; nothing is kept."
    return (
        f"interrupted; {plan.out} holds epoch {training.saved} of {training.config.epochs}, and the same command with "
        "--resume goes on from there."
    )


def _forecasting(learner: Learner) -> OPSRL:
    if not isinstance(learner, OPSRL):
        raise TypeError(learner)
    return learner


def _means(episodes: Sequence[Episode]) -> dict[str, float]:
    """Return the environment's metrics, means over the episodes; TTT, CVV and WCT under these names only."""
    names = {name for episode in episodes for name in episode.metrics} - {"ttt_s", "cvv_pu", "wct_min"}
    found = {name: float(np.mean([episode.metrics.get(name, math.nan) for episode in episodes])) for name in names}
    return dict(sorted(found.items()))


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace what JSON does not know, infinity and not-a-number, by None."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in values.items()
    }
