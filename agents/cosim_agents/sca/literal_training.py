"""Training of CALC and SCA as published: one-step advantage actor-critic, Gaussian policy, minus the bill for reward.

Actor and critic have one rectified layer each (Eq. 17-19), and go along ``delta grad log pi`` (Eq. 20, 21, 25, 27) and
``delta grad V`` (Eq. 24, 26) with ``delta = r + gamma V(s') - V(s)`` (Eq. 23). The paper's threads that each play in a
copy of the environment are days played side by side; its step sizes, which are not printed, are Adam's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.projection import project
from cosim_agents.rl.networks import linears, perceptron
from cosim_agents.sca.day_batch import DayBatch, range_of
from cosim_agents.sca.learned import Network, SitePolicy, standardised
from cosim_agents.sca.literal import literal_power_kw
from cosim_agents.sca.training import LEAST_STD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import Price
    from cosim_agents.sca.day_batch import View
    from cosim_agents.sca.training import Draw, Watch


@dataclass(frozen=True, slots=True)
class A2C:
    """How to learn.

    Attributes
    ----------
    iterations, days : int
        How often actor and critic are updated, and how many days are played each time.
    hidden : int
        Width of the one layer of each.
    actor_rate, critic_rate : float
        Step sizes of Adam, alpha and beta of the paper.
    sigma : float
        Standard deviation of the outputs at first.
    """

    iterations: int = 300
    days: int = 8
    hidden: int = 64
    actor_rate: float = 3e-3
    critic_rate: float = 1e-2
    sigma: float = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class _Played:
    """Days as they were played.

    Attributes
    ----------
    states : ndarray of float, shape (slots + 1, days, 2)
        What the critic sees; the last is after the end.
    rewards : ndarray of float, shape (slots, days)
        Minus the bill of the slot, in units of the price's slope.
    inputs, outputs : ndarray of float, shape (decisions, 2) and (decisions,)
        What the actor saw and chose.
    where : ndarray of int, shape (decisions,)
        Slot times days plus day.
    shares : ndarray of float, shape (slots, days)
        The vehicles' share of the energy, as ``learned_kernels.observe`` returns it; 0 without vehicles.
    """

    states: NDArray[np.float64]
    rewards: NDArray[np.float64]
    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    where: NDArray[np.int64]
    shares: NDArray[np.float64]


class _ActorCritic:
    """Both networks and their updates.

    Parameters
    ----------
    played : _Played
        Days that tell mean and deviation of what the networks see, and how large rewards are.
    settings : A2C
        How to learn.
    gamma : float
        Discount per slot.
    generator : torch.Generator
        Draws the first weights and the actions.
    """

    def __init__(self, played: _Played, settings: A2C, gamma: float, generator: torch.Generator) -> None:
        self._gamma, self._generator = gamma, generator
        self._mean, self._std = _moments(played.inputs)
        self._state_mean, self._state_std = _moments(played.states.reshape(-1, 2))
        self._scale = max(float(np.abs(played.rewards).mean()), 1e-9)
        self._actor = _rectified(settings.hidden, 2, generator)
        self._critic = _rectified(settings.hidden, 1, generator)
        with torch.no_grad():
            linears(self._actor)[-1].bias[1] = math.log(settings.sigma)
        self._actor_adam = torch.optim.Adam(self._actor.parameters(), lr=settings.actor_rate)
        self._critic_adam = torch.optim.Adam(self._critic.parameters(), lr=settings.critic_rate)

    def network(self) -> Network:
        """Return the mean of the policy as plain arrays."""
        first, last = linears(self._actor)
        weights = (first.weight.detach().numpy().T.copy(), last.weight.detach().numpy()[:1].T.copy())
        biases = (first.bias.detach().numpy().copy(), last.bias.detach().numpy()[:1].copy())
        return Network(self._mean, self._std, weights, biases, rectified=True)

    def sample(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Draw outputs, shape (n,), for inputs, shape (n, 2)."""
        with torch.no_grad():
            mean, log_sigma = self._actor(self._seen(inputs)).unbind(-1)
            noise = torch.randn(mean.shape, generator=self._generator, dtype=mean.dtype)
            drawn: NDArray[np.float64] = (mean + log_sigma.exp() * noise).numpy()
        return drawn

    def update(self, played: _Played) -> None:
        """Take one step of actor and critic (Eq. 20 and 24)."""
        states = torch.from_numpy(standardised(played.states, self._state_mean, self._state_std))
        values = self._critic(states).squeeze(-1)
        with torch.no_grad():
            after = values[1:].clone()
            after[-1] = 0.0
        delta = torch.from_numpy(played.rewards) / self._scale + self._gamma * after - values[:-1]
        self._critic_adam.zero_grad()
        delta.square().mean().backward()
        self._critic_adam.step()
        mean, log_sigma = self._actor(self._seen(played.inputs)).unbind(-1)
        away = (torch.from_numpy(played.outputs) - mean) / log_sigma.exp()
        log_prob = -0.5 * away.square() - log_sigma
        self._actor_adam.zero_grad()
        (-delta.detach().flatten()[torch.from_numpy(played.where)] * log_prob).mean().backward()
        nn.utils.clip_grad_norm_(self._actor.parameters(), 1.0)
        self._actor_adam.step()

    def _seen(self, inputs: NDArray[np.float64]) -> torch.Tensor:
        return torch.from_numpy(standardised(inputs, self._mean, self._std))


def _moments(inputs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return inputs.mean(axis=0), np.maximum(inputs.std(axis=0), LEAST_STD)


def _rectified(hidden: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return a network with two inputs and one layer of rectified units (Eq. 19)."""
    network = perceptron(2, [hidden], outputs, generator, last_gain=0.01).double()
    network[1] = nn.ReLU()
    return network


def _play(kind: str, batch: DayBatch, price: Price, actor: _ActorCritic | None, network: Network | None) -> _Played:
    """Play days with what an actor draws or, without one, with a network; with neither at half of the full power."""
    batch.reset()
    days, before_kw = batch.days, np.zeros(batch.days)
    states, rewards = np.zeros((batch.slots + 1, days, 2)), np.zeros((batch.slots, days))
    shares, inputs, outputs, where = np.zeros((batch.slots, days)), [], [], []
    for slot in range(batch.slots):
        view = batch.look(slot)
        day = np.repeat(np.arange(days), view.counts)
        load_kw = batch.base_kw[:, slot] + before_kw
        missing = np.bincount(day, weights=view.need, minlength=days) * batch.slot_h
        if kind == "paper-calc":
            states[slot] = np.stack([load_kw, before_kw], axis=1)
            deciding = np.flatnonzero(view.counts)
            seen = states[slot, deciding]
        else:
            states[slot], deciding = np.stack([load_kw, missing], axis=1), day
            seen = np.stack([load_kw[day], view.need * batch.slot_h], axis=1)
        output = np.zeros(len(seen)) if network is None else network(seen)
        output = output if actor is None else actor.sample(seen)
        power_kw = _split(view, day, output) if kind == "paper-calc" else literal_power_kw(output, view.cap_kw)
        high_kw = np.minimum(view.cap_kw, view.need)
        low_kw = np.minimum(high_kw, np.maximum(0.0, view.need - view.cap_kw * (view.slots_left - 1)))
        before_kw = batch.charge(view, np.clip(power_kw, low_kw, high_kw))
        rewards[slot] = -batch.increment(slot, before_kw) - price.k0_per_kwh / price.k1_per_kwh_kw * before_kw
        shares[slot] = view.share
        inputs.append(seen)
        outputs.append(output)
        where.append(slot * days + deciding)
    return _Played(states, rewards, np.concatenate(inputs), np.concatenate(outputs), np.concatenate(where), shares)


def _split(view: View, day: NDArray[np.int64], output: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the powers for an output of each day with vehicles, as ``LiteralCalc`` splits it."""
    high_kw = np.minimum(view.cap_kw, view.need)
    low_kw = np.minimum(high_kw, np.maximum(0.0, view.need - view.cap_kw * (view.slots_left - 1)))
    power_kw, found = np.empty(len(day)), view.counts[view.counts > 0]
    for end, count, chosen in zip(np.cumsum(found), found, output, strict=True):
        here = slice(end - count, end)
        total_kw = float(literal_power_kw(chosen, view.cap_kw[here].sum()))
        power_kw[here] = project(np.zeros(count), low_kw[here], high_kw[here], total_kw)
    return power_kw


def _train(
    kind: str,
    draw: Draw,
    *,
    site: str,
    seed: int,
    gamma: float,
    settings: A2C,
    start_h: float,
    watch: Watch | None,
) -> SitePolicy:
    torch.set_num_threads(1)
    rng = np.random.default_rng([6, seed])
    generator = torch.Generator().manual_seed(seed)

    def days(count: int) -> tuple[DayBatch, Price]:
        instances = [draw(rng) for _ in range(count)]
        return DayBatch.of(instances, start_h), instances[0][0].price

    learner = _ActorCritic(_play(kind, *days(16), None, None), settings, gamma, generator)
    for iteration in range(settings.iterations):
        played = _play(kind, *days(settings.days), learner, None)
        learner.update(played)
        if watch is not None:
            watch(iteration + 1, float(played.rewards.sum(axis=0).mean()))
    batch, price = days(128)
    shares = _play(kind, batch, price, None, learner.network()).shares
    return SitePolicy(kind, learner.network(), range_of(batch, shares, shares > 0.0, site))


def train_literal_calc(
    draw: Draw,
    *,
    site: str,
    seed: int = 0,
    gamma: float = 0.1,
    settings: A2C | None = None,
    start_h: float = START_H,
    watch: Watch | None = None,
) -> SitePolicy:
    """Train CALC as published for one kind of site.

    Parameters
    ----------
    draw : callable
        From a NumPy generator to an instance; all with slots of the same length and number, and the same price.
    site : str
        What to call the kind of site in the policy.
    seed : int
        Same seed, same policy, to the last bit.
    gamma : float
        Discount per slot; "a very low value" in the paper.
    settings : A2C, optional
        How to learn.
    start_h : float
        Time of day at which instances begin, h.
    watch : callable, optional
        Called after every iteration with its number, from 1, and the mean return of its days.

    Returns
    -------
    SitePolicy
        Of the kind ``paper-calc``.
    """
    settings = A2C() if settings is None else settings
    return _train(
        "paper-calc", draw, site=site, seed=seed, gamma=gamma, settings=settings, start_h=start_h, watch=watch
    )


def train_literal_sca(
    draw: Draw,
    *,
    site: str,
    seed: int = 0,
    gamma: float = 0.1,
    settings: A2C | None = None,
    start_h: float = START_H,
    watch: Watch | None = None,
) -> SitePolicy:
    """Train SCA as published for one kind of site.

    Parameters
    ----------
    draw, site, seed, gamma, settings, start_h, watch
        As for :func:`train_literal_calc`.

    Returns
    -------
    SitePolicy
        Of the kind ``paper-sca``.
    """
    settings = A2C() if settings is None else settings
    return _train("paper-sca", draw, site=site, seed=seed, gamma=gamma, settings=settings, start_h=start_h, watch=watch)
