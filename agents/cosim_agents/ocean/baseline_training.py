"""The learners that the paper compares with: PPO and DDPG with a penalty, and primal-dual learning.

None knows the safe interval unless told to: as published, a vehicle that leaves short costs a fixed price (PPOSO,
DDPGSO), or one that rises as long as vehicles leave short (PDSO). Rewards are made comparable: a day's load variance
counts relative to that of a constant load, the shortfall is the mean over the vehicles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from torch import nn

from cosim_agents.ocean.pile_days import play_piles, state_size
from cosim_agents.ocean.pile_networks import layers_of, rectified, single
from cosim_agents.ocean.pile_policy import PilePolicy
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import StationDays, draw_day
from cosim_agents.sca.training import advantages_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.pile_days import PlayedPiles

Baseline: TypeAlias = Literal["ppo", "ddpg", "pd"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to learn.

    Attributes
    ----------
    episodes, days : int
        How often days are played, and how many each time.
    penalty : float
        Price of a mean shortfall of the whole battery, in days of constant load; the first one for primal-dual.
    dual_rate : float
        By how much that price rises with each episode, per mean shortfall (primal-dual only).
    shielded : bool
        Learn behind the shield.
    sigma : float
        Deviation of the exploration, as a share of the greatest power.
    actor_rate, critic_rate : float
        Of Adam.
    updates, minibatch : int
        Minibatches after each episode, and how many decisions each has.
    gamma : float
        Discount per slot.
    """

    episodes: int = 60
    days: int = 32
    penalty: float = 10.0
    dual_rate: float = 100.0
    shielded: bool = False
    sigma: float = 0.15
    actor_rate: float = 3e-4
    critic_rate: float = 1e-3
    updates: int = 60
    minibatch: int = 256
    gamma: float = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class _Signals:
    """Reward without penalty and cost of each slot and day, both of order 1 for a day; shape (slots, days)."""

    reward: NDArray[np.float64]
    cost: NDArray[np.float64]

    @classmethod
    def of(cls, batch: StationBatch, played: PlayedPiles) -> _Signals:
        slots = len(played.load_kw)
        mean_kw = np.maximum(batch.energy_kwh / (batch.slot_h * slots), 1e-3)
        vehicles = np.maximum(played.leaves.sum(axis=(0, 2)), 1)
        return cls(-np.square(played.load_kw / mean_kw) / slots, played.missed.sum(axis=2) / vehicles)


class _Noisy:
    """Draws shares around a policy's, and remembers them: what is asked for, not what flows."""

    def __init__(self, policy: PilePolicy, sigma: float, rng: np.random.Generator) -> None:
        self._policy, self._sigma, self._rng = policy, sigma, rng
        self.asked: list[NDArray[np.float64]] = []

    def __call__(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        shares = self._policy(states)
        self.asked.append(shares + self._sigma * self._rng.standard_normal(shares.shape))
        return self.asked[-1]


def train_baseline(
    kind: Baseline, days: StationDays | None = None, *, seed: int = 0, settings: Settings | None = None
) -> PilePolicy:
    """Train one of the paper's baselines.

    Parameters
    ----------
    kind : {"ppo", "ddpg", "pd"}
        Which: PPOSO, DDPGSO or PDSO.
    days : StationDays, optional
        What days are like; scenario R if left out.
    seed : int
        Same seed, same policy, to the last bit.
    settings : Settings, optional
        How to learn.

    Returns
    -------
    PilePolicy
        Plain arrays; for as many piles as the days have.
    """
    days = StationDays() if days is None else days
    settings = Settings() if settings is None else settings
    torch.set_num_threads(1)
    rng, generator = np.random.default_rng([8, seed]), torch.Generator().manual_seed(seed)
    learner: _PPO | _DDPG = (_PPO if kind == "ppo" else _DDPG)(days.piles, settings, generator, rng)
    penalty = settings.penalty
    for _ in range(settings.episodes):
        batch = StationBatch.of([draw_day(rng, days) for _ in range(settings.days)], days.piles)
        noisy = _Noisy(learner.policy(), settings.sigma, rng)
        played = play_piles(batch, noisy, shielded=settings.shielded)
        signals = _Signals.of(batch, played)
        if kind == "pd":
            # Every shortfall is one too many: the limit of the cost is 0.
            penalty += settings.dual_rate * float(signals.cost.sum(axis=0).mean())
        learner.learn(batch, played, np.stack(noisy.asked), signals, penalty)
    return learner.policy()


class _PPO:
    """Gaussian policy with a fixed deviation, critic of states, clipped ratio."""

    _CLIP, _LAM = 0.2, 0.95

    def __init__(self, piles: int, settings: Settings, generator: torch.Generator, rng: np.random.Generator) -> None:
        self._settings, self._rng = settings, rng
        self._actor = rectified(state_size(piles), (128, 64), piles, generator)
        self._critic = rectified(state_size(piles), (128, 64), 1, generator)
        groups = [
            {"params": self._actor.parameters(), "lr": settings.actor_rate},
            {"params": self._critic.parameters(), "lr": settings.critic_rate},
        ]
        self._adam = torch.optim.Adam(groups)

    def policy(self) -> PilePolicy:
        return PilePolicy(layers_of(self._actor))

    def learn(
        self,
        batch: StationBatch,
        played: PlayedPiles,
        asked: NDArray[np.float64],
        signals: _Signals,
        penalty: float,
    ) -> None:
        settings = self._settings
        rewards = signals.reward - penalty * signals.cost
        states = single(played.states)
        with torch.no_grad():
            values = self._critic(states).squeeze(-1).numpy().astype(np.float64)
        advantages = advantages_of(rewards, values, settings.gamma, self._LAM)
        target = single(advantages + values).flatten()
        gain = single((advantages - advantages.mean()) / (advantages.std() + 1e-9)).flatten()
        states, action = states.flatten(0, 1), single(asked).flatten(0, 1)
        # What an empty pile was asked for led to nothing.
        there = single(batch.left > 0.0).flatten(0, 1)
        with torch.no_grad():
            before = self._log_prob(states, action, there)
        for _ in range(settings.updates):
            chosen = torch.from_numpy(self._rng.integers(len(states), size=settings.minibatch))
            ratio = (self._log_prob(states[chosen], action[chosen], there[chosen]) - before[chosen]).exp()
            limited = ratio.clamp(1.0 - self._CLIP, 1.0 + self._CLIP)
            better = torch.minimum(ratio * gain[chosen], limited * gain[chosen]).mean()
            error = (self._critic(states[chosen]).squeeze(-1) - target[chosen]).square().mean()
            self._adam.zero_grad()
            (error - better).backward()
            self._adam.step()

    def _log_prob(self, states: torch.Tensor, action: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        away = (action - torch.sigmoid(self._actor(states))) * there / self._settings.sigma
        return -0.5 * away.square().sum(dim=-1)


class _DDPG:
    """Deterministic policy along the slope of a learned critic of states and powers, from the last episodes."""

    _KEPT_EPISODES, _SOFT = 8, 0.01

    def __init__(self, piles: int, settings: Settings, generator: torch.Generator, rng: np.random.Generator) -> None:
        self._settings, self._rng = settings, rng
        size = state_size(piles)
        self._actor, self._old_actor = (rectified(size, (128, 64), piles, generator) for _ in range(2))
        self._critic, self._old_critic = (rectified(size + piles, (128, 64), 1, generator) for _ in range(2))
        self._old_actor.load_state_dict(self._actor.state_dict())
        self._old_critic.load_state_dict(self._critic.state_dict())
        self._actor_adam = torch.optim.Adam(self._actor.parameters(), lr=settings.actor_rate)
        self._critic_adam = torch.optim.Adam(self._critic.parameters(), lr=settings.critic_rate)
        self._kept: list[tuple[torch.Tensor, ...]] = []

    def policy(self) -> PilePolicy:
        return PilePolicy(layers_of(self._actor))

    def learn(
        self,
        batch: StationBatch,
        played: PlayedPiles,
        asked: NDArray[np.float64],  # noqa: ARG002 - the critic is told what flowed
        signals: _Signals,
        penalty: float,
    ) -> None:
        after = np.concatenate([played.states[1:], played.states[:1]])
        goes_on = np.ones(played.load_kw.shape)
        goes_on[-1] = 0.0
        there = batch.left > 0.0
        there_after = np.concatenate([there[1:], there[:1]])
        arrays = (played.states, played.shares, after, there, there_after, signals.reward, signals.cost, goes_on)
        self._kept = [*self._kept[1 - self._KEPT_EPISODES :], tuple(single(a).flatten(0, 1) for a in arrays)]
        pool = [torch.cat(parts) for parts in zip(*self._kept, strict=True)]
        for _ in range(self._settings.updates):
            chosen = torch.from_numpy(self._rng.integers(len(pool[0]), size=self._settings.minibatch))
            self._update(*(part[chosen] for part in pool), penalty=penalty)

    def _update(  # noqa: PLR0913 - one transition
        self,
        states: torch.Tensor,
        shares: torch.Tensor,
        after: torch.Tensor,
        there: torch.Tensor,
        there_after: torch.Tensor,
        reward: torch.Tensor,
        cost: torch.Tensor,
        goes_on: torch.Tensor,
        *,
        penalty: float,
    ) -> None:
        # Of order 1 for a slot, not for a day.
        slots = 1.0 / (1.0 - self._settings.gamma)
        with torch.no_grad():
            following = torch.sigmoid(self._old_actor(after)) * there_after
            value = self._old_critic(torch.cat([after, following], dim=-1)).squeeze(-1)
            target = slots * (reward - penalty * cost) + self._settings.gamma * goes_on * value
        error = (self._critic(torch.cat([states, shares], dim=-1)).squeeze(-1) - target).square().mean()
        self._critic_adam.zero_grad()
        error.backward()
        nn.utils.clip_grad_norm_(self._critic.parameters(), 10.0)
        self._critic_adam.step()
        chosen = torch.sigmoid(self._actor(states)) * there
        self._actor_adam.zero_grad()
        (-self._critic(torch.cat([states, chosen], dim=-1)).mean()).backward()
        self._actor_adam.step()
        with torch.no_grad():
            for old, new in ((self._old_actor, self._actor), (self._old_critic, self._critic)):
                for kept, moved in zip(old.parameters(), new.parameters(), strict=True):
                    kept.lerp_(moved, self._SOFT)
