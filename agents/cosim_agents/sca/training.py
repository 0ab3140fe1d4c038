"""Training of CALC and SCA by PPO on days drawn at random; the only module here that needs torch.

What had to be added to the paper for the learning to work:

- **Energy credit.** A reward of minus the bill (Eq. 14 and 30) makes every policy put off what it can. Each kWh is
  credited at the price of the day's mean load; as everybody is served, that adds the same to whatever a policy does.
- **Potential.** To that CALC's reward adds the difference of what the rolling optimum would still pay, before and after
  (Ng, Harada and Russell 1999). Undiscounted this changes no ranking of policies either, and a decision is seen to be
  good or bad at once, not when the vehicle leaves.
- **Box.** Actions are kept within what the vehicles must and can draw, so that no penalty is needed.
- **Clock.** The critic is told how much of the days is over; the policy sees only the time of day, so that it can run
  for as long as one likes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cosim.scheduling.arrivals import START_H
from cosim_agents.rl.networks import linears, perceptron
from cosim_agents.sca.calc import calc_total_kw
from cosim_agents.sca.day_batch import DayBatch, range_of
from cosim_agents.sca.learned import Network, SitePolicy, standardised

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles

    #: Draws one instance; all have the same slots.
    Draw = Callable[[np.random.Generator], tuple[Site, Vehicles]]
    #: Told the number of an iteration, from 1, and the mean return of its days.
    Watch = Callable[[int, float], None]

#: A feature that hardly moves is not blown up by more than this.
LEAST_STD = 1e-3


@dataclass(frozen=True, slots=True)
class PPO:
    """How to learn.

    Attributes
    ----------
    iterations, days : int
        How often the policy is updated, and how many days are played each time.
    hidden : tuple of int
        Widths of the tanh layers of policy and critic.
    learning_rate : float
        Of Adam at the start; it falls to zero in a straight line.
    epochs, minibatch : int
        How often an iteration's data are used, and how many decisions at a time.
    clip : float
        How far the ratio of probabilities may move.
    gamma, lam : float
        Discount per slot; decay of the advantage estimate.
    sigma : float
        Standard deviation of the network's output at the start of the exploration.
    """

    iterations: int = 300
    days: int = 16
    hidden: tuple[int, ...] = (32, 32)
    learning_rate: float = 1e-3
    epochs: int = 4
    minibatch: int = 512
    clip: float = 0.2
    gamma: float = 1.0
    lam: float = 0.95
    sigma: float = 0.2


class Learner:
    """Gaussian policy with one output, critic, and PPO's update of both.

    Parameters
    ----------
    mean, std : ndarray of float, shape (inputs,)
        Of the policy's inputs.
    settings : PPO
        How to learn.
    generator : torch.Generator
        Draws the first weights.
    rng : numpy.random.Generator
        Draws minibatches.

    Attributes
    ----------
    actor, critic : torch.nn.Sequential
        From standardised inputs, the critic also from the clock.
    """

    def __init__(
        self,
        mean: NDArray[np.float64],
        std: NDArray[np.float64],
        settings: PPO,
        generator: torch.Generator,
        rng: np.random.Generator,
    ) -> None:
        self._mean, self._std, self._settings, self._rng = mean, std, settings, rng
        self.actor = perceptron(mean.size, settings.hidden, 1, generator, last_gain=0.01).double()
        self.critic = perceptron(mean.size + 1, settings.hidden, 1, generator, last_gain=1.0).double()
        self.log_sigma = torch.nn.Parameter(torch.tensor(math.log(settings.sigma), dtype=torch.float64))
        parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_sigma]
        self._adam = torch.optim.Adam(parameters, lr=settings.learning_rate, eps=1e-5)
        self._parameters = parameters

    @property
    def sigma(self) -> float:
        """Standard deviation of the exploration now."""
        return math.exp(float(self.log_sigma.detach()))

    def network(self) -> Network:
        """Return the policy as plain arrays."""
        return self._arrays(self.actor, self._mean, self._std)

    def value_network(self) -> Network:
        """Return the critic as plain arrays; the clock is its last input, from 0 to 1."""
        return self._arrays(self.critic, np.append(self._mean, 0.5), np.append(self._std, 0.3))

    @staticmethod
    def _arrays(module: torch.nn.Sequential, mean: NDArray[np.float64], std: NDArray[np.float64]) -> Network:
        layers = linears(module)
        weights = tuple(layer.weight.detach().numpy().T.copy() for layer in layers)
        return Network(mean, std, weights, tuple(layer.bias.detach().numpy().copy() for layer in layers))

    def update(
        self,
        inputs: NDArray[np.float64],
        clock: NDArray[np.float64],
        actions: NDArray[np.float64],
        advantages: NDArray[np.float64],
        targets: NDArray[np.float64],
        progress: float,
    ) -> None:
        """Improve policy and critic with some decisions; every array but the first has shape (n,).

        Parameters
        ----------
        inputs : ndarray of float, shape (n, inputs)
            What the policy saw, not standardised.
        clock : ndarray of float
            How much of the days was over, from 0 to 1.
        actions : ndarray of float
            What it chose.
        advantages, targets : ndarray of float
            How much better that was than expected; what the critic should have said.
        progress : float
            Share of the training that is over.
        """
        settings = self._settings
        for group in self._adam.param_groups:
            group["lr"] = settings.learning_rate * (1.0 - progress)
        seen = torch.from_numpy(standardised(inputs, self._mean, self._std))
        timed = torch.cat([seen, torch.from_numpy((clock[:, None] - 0.5) / 0.3)], dim=1)
        action, target = torch.from_numpy(actions), torch.from_numpy(targets)
        advantage = torch.from_numpy((advantages - advantages.mean()) / (advantages.std() + 1e-12))
        with torch.no_grad():
            before = self._log_prob(seen, action)
            spread = target.var() + 1e-12
        for _ in range(settings.epochs):
            shuffled = torch.from_numpy(self._rng.permutation(len(actions)))
            for chosen in torch.split(shuffled, settings.minibatch):
                ratio = (self._log_prob(seen[chosen], action[chosen]) - before[chosen]).exp()
                limited = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
                gain = torch.minimum(ratio * advantage[chosen], limited * advantage[chosen]).mean()
                error = (self.critic(timed[chosen]).squeeze(-1) - target[chosen]).square().mean() / spread
                self._adam.zero_grad()
                (0.5 * error - gain).backward()
                torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
                self._adam.step()

    def _log_prob(self, seen: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of the Gaussian density (Eq. 21) up to a constant."""
        away = (action - self.actor(seen).squeeze(-1)) / self.log_sigma.exp()
        log_prob: torch.Tensor = -0.5 * away.square() - self.log_sigma
        return log_prob


def advantages_of(
    rewards: NDArray[np.float64], values: NDArray[np.float64], gamma: float, lam: float
) -> NDArray[np.float64]:
    """Estimate advantages of several episodes of the same length that all end (as ``cosim_agents.rl.gae`` does of one).

    Parameters
    ----------
    rewards, values : ndarray of float, shape (slots, episodes)
        The critic's values belong to what was seen before each reward.
    gamma, lam : float
        Discount, decay.

    Returns
    -------
    ndarray of float, shape (slots, episodes)
    """
    result = np.empty_like(rewards)
    running, after = np.zeros(rewards.shape[1]), np.zeros(rewards.shape[1])
    for slot in range(len(rewards) - 1, -1, -1):
        running = rewards[slot] + gamma * after - values[slot] + gamma * lam * running
        result[slot], after = running, values[slot]
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """Days as CALC played them; all arrays have shape (slots, days), ``features`` one axis more."""

    features: NDArray[np.float64]
    outputs: NDArray[np.float64]
    rewards: NDArray[np.float64]
    present: NDArray[np.bool_]
    share: NDArray[np.float64]


def play_calc(
    batch: DayBatch, network: Network | None, sigma: float = 0.0, rng: np.random.Generator | None = None
) -> Played:
    """Play days with CALC.

    Parameters
    ----------
    batch : DayBatch
        The days; they begin again.
    network : Network, optional
        Of the policy; without one the rolling optimum decides the totals.
    sigma : float
        Standard deviation of the exploration.
    rng : numpy.random.Generator, optional
        Draws it.

    Returns
    -------
    Played
        Rewards are per mean load squared.
    """
    batch.reset()
    slots, days = batch.slots, batch.days
    noise = np.zeros((slots, days)) if rng is None else sigma * rng.standard_normal((slots, days))
    outputs, cost, owed = noise, np.zeros((slots, days)), np.zeros((slots + 1, days))
    features, share = [], np.zeros((slots, days))
    present = np.zeros((slots, days), dtype=np.bool_)
    for slot in range(slots):
        view = batch.look(slot)
        features.append(view.features)
        if network is not None:
            outputs[slot] += network(view.features)
        totals_kw = calc_total_kw(view.oa_kw, view.scale_kw, outputs[slot])
        charging_kw = batch.charge(view, batch.split(view, totals_kw))
        cost[slot] = batch.increment(slot, charging_kw) - batch.mean_kw * charging_kw
        day = np.repeat(np.arange(days), view.counts)
        owed[slot] = view.plan - batch.mean_kw * np.bincount(day, weights=view.need, minlength=days)
        present[slot], share[slot] = view.counts > 0, view.share
    rewards = -(cost + np.diff(owed, axis=0)) / batch.mean_kw**2
    return Played(np.stack(features), outputs, rewards, present, share)


def train_calc(
    draw: Draw,
    *,
    site: str,
    seed: int = 0,
    settings: PPO | None = None,
    start_h: float = START_H,
    watch: Watch | None = None,
) -> SitePolicy:
    """Train CALC for one kind of site.

    Parameters
    ----------
    draw : callable
        From a NumPy generator to an instance; all with slots of the same length and number.
    site : str
        What to call the kind of site in the policy.
    seed : int
        Same seed, same policy, to the last bit.
    settings : PPO, optional
        How to learn.
    start_h : float
        Time of day at which instances begin, h.
    watch : callable, optional
        Called after every iteration with its number, from 1, and the mean return of its days.

    Returns
    -------
    SitePolicy
        Of the kind ``calc``.
    """
    settings = PPO() if settings is None else settings
    torch.set_num_threads(1)
    rng = np.random.default_rng([3, seed])
    batch = DayBatch.of([draw(rng) for _ in range(64)], start_h)
    played = play_calc(batch, None)
    seen = played.features[played.present]
    learner = Learner(
        seen.mean(axis=0),
        np.maximum(seen.std(axis=0), LEAST_STD),
        settings,
        torch.Generator().manual_seed(seed),
        rng,
    )
    for iteration in range(settings.iterations):
        batch = DayBatch.of([draw(rng) for _ in range(settings.days)], start_h)
        played = play_calc(batch, learner.network(), learner.sigma, rng)
        clock = np.broadcast_to((np.arange(batch.slots) / batch.slots)[:, None], played.rewards.shape)
        values = learner.value_network()(np.concatenate([played.features, clock[..., None]], axis=-1))
        advantages = advantages_of(played.rewards, values, settings.gamma, settings.lam)
        chosen = played.present
        learner.update(
            played.features[chosen],
            clock[chosen],
            played.outputs[chosen],
            advantages[chosen],
            (advantages + values)[chosen],
            iteration / settings.iterations,
        )
        if watch is not None:
            watch(iteration + 1, float(played.rewards.sum(axis=0).mean()))
    network = _as_far_as_it_helps(learner.network(), DayBatch.of([draw(rng) for _ in range(64)], start_h))
    batch = DayBatch.of([draw(rng) for _ in range(256)], start_h)
    played = play_calc(batch, network)
    return SitePolicy("calc", network, range_of(batch, played.share, played.present, site))


def _as_far_as_it_helps(network: Network, batch: DayBatch) -> Network:
    """Return the network with its output multiplied by the best of some factors from 0, the rolling optimum, to 1.

    Where the rolling optimum leaves next to nothing to win, what is left of the noise of the learning costs more than
    it brings.
    """
    candidates = [network.scaled(factor) for factor in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return max(candidates, key=lambda candidate: float(play_calc(batch, candidate).rewards.sum()))
