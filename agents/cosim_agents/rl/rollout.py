"""Collecting episodes: any Gymnasium environment with discrete actions, any policy with `act`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cosim.errors import InputError
from cosim_agents.rl.episode import Episode

if TYPE_CHECKING:
    from collections.abc import Mapping

    import gymnasium
    from numpy.typing import NDArray

    from cosim_agents.rl.config import Credit


class ActingPolicy(Protocol):
    """What a rollout needs of a policy."""

    def act(
        self, observation: NDArray[np.float32], mask: NDArray[np.bool_], rng: np.random.Generator
    ) -> tuple[int, float]:
        """Return an action and the logarithm of its probability."""
        ...


#: A vehicle's delay is measured in this, so that a decision's reward is of the order of one.
_TIME_SCALE_S = 600.0


def collect_episode(
    env: gymnasium.Env[Any, Any],
    policy: ActingPolicy,
    rng: np.random.Generator,
    seed: int,
    credit: Credit = "step",
) -> Episode:
    """Play one episode.

    Parameters
    ----------
    env : gymnasium.Env
        With a flat Box of observations and Discrete actions. Read from ``info``: ``cost`` and ``dt`` (0 where missing),
        ``action_mask`` (all allowed where missing), and at the end ``metrics`` and ``samples``.
    policy : ActingPolicy
        Decides.
    rng : numpy.random.Generator
        For the policy's draws.
    seed : int
        The environment is reset with it.
    credit : {"step", "vehicle"}
        What a decision is rewarded with: with the environment's reward, or with minus its own vehicle's delay, which
        ``info["delay_s"]`` tells at the end. `Hyperparameters.credit`.

    Raises
    ------
    InputError
        If the environment does not tell the delays that are to be rewarded.
    """
    n_actions = int(env.action_space.n)  # type: ignore[attr-defined]
    observation, info = env.reset(seed=seed)
    observations, masks = [_row(observation)], [_mask(info, n_actions)]
    actions: list[int] = []
    numbers: list[tuple[float, float, float, float]] = []
    terminated = truncated = False
    while not (terminated or truncated):
        action, log_prob = policy.act(observations[-1], masks[-1], rng)
        observation, reward, terminated, truncated, info = env.step(action)
        actions.append(action)
        numbers.append((log_prob, float(reward), float(info.get("cost", 0.0)), float(info.get("dt", 0.0))))
        observations.append(_row(observation))
        masks.append(_mask(info, n_actions))
    log_probs, rewards, costs, dt = np.array(numbers, dtype=np.float64).T.copy()
    if credit == "vehicle":
        delay_s = np.asarray(info.get("delay_s", []), dtype=np.float64)
        if delay_s.shape != rewards.shape:
            raise InputError("credit = 'vehicle' needs an environment that tells each decision's delay_s.")
        rewards = -delay_s / _TIME_SCALE_S
    return Episode(
        observations=np.stack(observations),
        masks=np.stack(masks),
        actions=np.array(actions, dtype=np.int64),
        log_prob=log_probs,
        rewards=rewards,
        costs=costs,
        dt=dt,
        terminated=bool(terminated),
        seed=seed,
        metrics={key: float(value) for key, value in info.get("metrics", {}).items()},
        samples=dict(info.get("samples", {})),
    )


def _row(observation: Any) -> NDArray[np.float32]:
    # A copy: an environment may write its next observation into the same array.
    return np.array(observation, dtype=np.float32)


def _mask(info: Mapping[str, Any], n_actions: int) -> NDArray[np.bool_]:
    mask = info.get("action_mask")
    return np.ones(n_actions, dtype=np.bool_) if mask is None else np.array(mask, dtype=np.bool_)
