"""The learners as plug-ins: one function each, which brings in torch only when it is called."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from cosim.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from cosim.learning import TrainingPlan, TrainingWatch


def reinforce(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """Policy gradient with Monte-Carlo returns (REINFORCE)."""
    return _train("reinforce", plan, watch)


def actor_critic(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """Policy gradient with one-step advantages from a critic."""
    return _train("actor-critic", plan, watch)


def ppo(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """Proximal policy optimisation of the reward alone."""
    return _train("ppo", plan, watch)


def ppo_penalty(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """PPO on the reward less a fixed share of the cost, both normalised."""
    return _train("ppo-penalty", plan, watch)


def ppo_lagrangian(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """PPO with a limit of the cost, kept by a Lagrange multiplier."""
    return _train("ppo-lag", plan, watch)


def op_srl(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """PPO-Lagrangian that also sees a forecast of the charging demand, learnt beside it."""
    return _train("op-srl", plan, watch)


def dqn(plan: TrainingPlan, watch: TrainingWatch) -> Path:
    """Deep Q-learning of the value of each station."""
    return _train("dqn", plan, watch)


def _train(name: str, plan: TrainingPlan, watch: TrainingWatch) -> Path:
    missing = [package for package in ("torch", "gymnasium") if find_spec(package) is None]
    if missing:
        raise InputError(
            f"Training needs {' and '.join(missing)}, not installed here: "
            'pip install -e ".[train]" (a trained policy runs without).'
        )
    from cosim_agents.rl.training import train  # noqa: PLC0415 - torch takes seconds, and not everybody has it

    return train(name, plan, watch)
