"""OCEAN as published (Algorithm 1), and the Lyapunov-based learning that it improves on (LSRL).

Five networks: an actor omega, a critic Q_r, a constraint-cost network Q_c, a state-cost action network A(s, q), and a
safety layer phi that learns to turn the actor's powers into the safe ones. What had to be repaired for it to run:

- States have what a vehicle needs and what it can take (Eq. 14 has neither); tasks, which move nothing, are left out.
- A constraint cost is that of the vehicle that stands there, up to its own departure (Eq. 35 adds up all later ones).
- The actor goes up the critic's slope (Eq. 37 goes down), and trajectories store what flowed, not the mean (Eq. 36).
- Slack is spread over the decisions that are left (Eq. 21 takes the whole stay), for each vehicle by itself: with one
  bound for all, one vehicle without slack freezes the station.
- The safe policy to begin with, which is not printed, is full power until the battery is full. With full power up to
  the target there is no slack at all (Eq. 21), so that nothing but errors of Q_c would move the policy.

Behind the shield the result is safe; without it, it is not: what Q_c has learned is no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import torch
from scipy.special import ndtri
from torch import nn

from cosim_agents.ocean.pile_days import PILE_FEATURES, full_power, play_piles, state_size
from cosim_agents.ocean.pile_networks import layers_of, rectified, single
from cosim_agents.ocean.pile_policy import PilePolicy
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import StationDays, draw_day
from cosim_agents.ocean.theorem2 import printed_radius

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_agents.ocean.pile_days import PlayedPiles

Radius: TypeAlias = Literal["printed", "exact"]
Projection: TypeAlias = Literal["candidates", "taylor"]

#: kW that stand for 1 in the state, as in pile_days.
_POWER_KW = 11.0
#: Slots that stand for 1 there.
_SLOTS = 16.0


@dataclass(frozen=True, slots=True)
class Algorithm1:
    """How to learn.

    Attributes
    ----------
    episodes, days : int
        How often days are played, and how many each time (Z).
    sigma_kw : float
        Deviation of the Gaussian policy.
    levels : int
        K, into how many steps the slack is cut (Eq. 28).
    projection : {"candidates", "taylor"}
        Eq. 29 and 30 as OCEAN has it, or the first-order expansion of Q_c of LSRL.
    radius : {"printed", "exact"}
        How far a power may move where no candidate will do (Theorem 2): as printed, with one bound for all, or exactly
        and for each vehicle.
    shielded : bool
        Keep powers in the safe interval while learning; full power then ends at the target.
    updates, minibatch : int
        Minibatches for each network after each episode, and how many states each has.
    actor_rate, critic_rate : float
        Of Adam; the latter for all networks but the actor.
    """

    episodes: int = 40
    days: int = 32
    sigma_kw: float = 0.5
    levels: int = 10
    projection: Projection = "candidates"
    radius: Radius = "exact"
    shielded: bool = True
    updates: int = 60
    minibatch: int = 256
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3


def radii_kw(radius: Radius, xi: NDArray[np.float64], there: NDArray[np.bool_], sigma_kw: float) -> NDArray[np.float64]:
    """Return how far each power may move from that of the safe policy.

    Parameters
    ----------
    radius : {"printed", "exact"}
        As printed with the least bound of the vehicles present; where its equations have no root, not at all. Or
        exactly, for each vehicle.
    xi : ndarray of float, shape (n, piles)
        Bounds of the distance of policies (Theorem 1).
    there : ndarray of bool, shape (n, piles)
        Where a vehicle stands.
    sigma_kw : float
        Deviation of the policies.

    Returns
    -------
    ndarray of float, shape (n, piles)
    """
    if radius == "exact":
        exact: NDArray[np.float64] = 2.0 * sigma_kw * ndtri(0.5 + 0.25 * np.clip(xi, 0.0, 2.0 - 1e-9))
        return exact
    least = np.where(there, xi, np.inf).min(axis=1)
    grid = np.geomspace(1e-7, 2.0, 200)
    found = [printed_radius(float(value), 1.0, dimensions=xi.shape[1]) for value in grid]
    table = np.array([0.0 if value is None else value for value in found])
    # Below the grid the radius is proportional to the bound, next to nothing.
    joint = np.where(np.isfinite(least) & (least > 0.0), np.interp(least, grid, table, left=0.0, right=0.0), 0.0)
    return np.broadcast_to(sigma_kw * joint[:, None], xi.shape).astype(np.float64)


def train_paper(days: StationDays | None = None, *, seed: int = 0, settings: Algorithm1 | None = None) -> PilePolicy:
    """Run Algorithm 1.

    Parameters
    ----------
    days : StationDays, optional
        What days are like; scenario R if left out.
    seed : int
        Same seed, same policy, to the last bit.
    settings : Algorithm1, optional
        How to learn.

    Returns
    -------
    PilePolicy
        Actor and safety layer, without noise.
    """
    days = StationDays() if days is None else days
    settings = Algorithm1() if settings is None else settings
    torch.set_num_threads(1)
    rng, generator = np.random.default_rng([9, seed]), torch.Generator().manual_seed(seed)

    def new_batch() -> StationBatch:
        return StationBatch.of([draw_day(rng, days) for _ in range(settings.days)], days.piles)

    learner = _Learner(days.piles, settings, generator, rng)
    batch = new_batch()
    learner.begin(batch, play_piles(batch, full_power, shielded=settings.shielded))
    for _ in range(settings.episodes):
        batch = new_batch()
        learner.learn(batch, play_piles(batch, learner.explore, shielded=settings.shielded))
    return learner.policy()


class _Learner:
    """The five networks and what Algorithm 1 does with them. Powers are shares of the greatest ones throughout."""

    def __init__(self, piles: int, settings: Algorithm1, generator: torch.Generator, rng: np.random.Generator) -> None:
        self._piles, self._settings, self._rng = piles, settings, rng
        size = state_size(piles)
        self._actor = rectified(size, (128, 64), piles, generator)
        self._critic = rectified(size + piles, (128, 64), 1, generator)
        self._cost = rectified(size + piles, (128, 256, 128, 64), piles, generator)
        self._action = rectified(size + piles, (128, 256, 128, 64), piles, generator)
        self._safety = rectified(size + piles, (256, 128, 64), piles, generator)
        self._adam = {
            network: torch.optim.Adam(
                network.parameters(), lr=settings.actor_rate if network is self._actor else settings.critic_rate
            )
            for network in (self._actor, self._critic, self._cost, self._action, self._safety)
        }

    def policy(self) -> PilePolicy:
        """Return actor and safety layer as plain arrays."""
        return PilePolicy(layers_of(self._actor), layers_of(self._safety))

    def explore(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return shares with noise."""
        with torch.no_grad():
            mean = self._safe(single(states)).numpy().astype(np.float64)
        cap_kw = _POWER_KW * states[:, (PILE_FEATURES - 1) * self._piles : PILE_FEATURES * self._piles]
        noise = self._settings.sigma_kw * self._rng.standard_normal(mean.shape)
        return np.clip(mean + noise / np.maximum(cap_kw, 1.0), 0.0, 1.0)

    def begin(self, batch: StationBatch, played: PlayedPiles) -> None:
        """Fit the safety layer to the safe policy that played some days, whatever the actor says."""
        states, there = single(played.states).flatten(0, 1), single(batch.left > 0.0).flatten(0, 1)
        for _ in range(5):
            self._fit_safety(states, single(played.shares).flatten(0, 1), there)

    def learn(self, batch: StationBatch, played: PlayedPiles) -> None:
        """Do lines 12 to 22 of Algorithm 1 with the days of an episode."""
        states, shares = single(played.states).flatten(0, 1), single(played.shares).flatten(0, 1)
        there = single(batch.left > 0.0).flatten(0, 1)
        lacking, allowed = (single(values).flatten(0, 1) for values in (played.lacking, played.allowed))
        with torch.no_grad():
            baseline = self._safe(states)
        # Reward to go, standardised: its scale would be that of the station.
        to_go = -np.cumsum(np.square(played.load_kw[::-1] * batch.slot_h), axis=0)[::-1]
        returns = single((to_go - to_go.mean()) / (to_go.std() + 1e-9)).flatten()
        self._fit(self._critic, torch.cat([states, shares], dim=1), returns[:, None], torch.ones(len(states), 1))
        self._fit(self._cost, torch.cat([states, shares], dim=1), lacking, there)
        self._fit(self._action, torch.cat([states, lacking], dim=1), shares, there, squash=True)
        for chosen in self._minibatches(len(states)):
            wanted = torch.sigmoid(self._actor(states[chosen])) * there[chosen]
            self._step(self._actor, -self._critic(torch.cat([states[chosen], wanted], dim=1)).mean())
        target = self._projected(states, baseline, allowed, there)
        self._fit_safety(states, target, there)

    def _projected(
        self, states: torch.Tensor, baseline: torch.Tensor, allowed: torch.Tensor, there: torch.Tensor
    ) -> torch.Tensor:
        """Return safe shares near the actor's (lines 15 to 20)."""
        settings, n = self._settings, self._piles
        wanted = torch.sigmoid(self._actor(states)).detach()
        left = (states[:, 2 * n : 3 * n] * _SLOTS).clamp(min=1.0)
        cap_kw = (states[:, 4 * n : 5 * n] * _POWER_KW).clamp(min=1e-3)
        moved = baseline.clone().requires_grad_()
        cost = self._cost(torch.cat([states, moved], dim=1))
        slack = ((allowed - cost).clamp(min=0.0) / left).detach()
        if settings.projection == "taylor":
            # The cost of a vehicle depends on its own power: the diagonal of the expansion is all of it.
            (slope,) = torch.autograd.grad((cost * there).sum(), moved)
            beyond = slope * (wanted - baseline) > slack
            limit = baseline + slack / torch.where(slope.abs() > 1e-6, slope, torch.full_like(slope, 1e-6))
            return torch.where(beyond, limit, wanted).clamp(0.0, 1.0)
        with torch.no_grad():
            candidate = self._nearest(states, cost.detach(), slack, wanted * cap_kw, there)
            rise = self._cost(torch.cat([states, candidate], dim=1)) - cost
        xi = slack / (2.0 * allowed - cost.detach()).clamp(min=1e-6)
        reach_kw = radii_kw(
            settings.radius, xi.numpy().astype(np.float64), there.numpy().astype(np.bool_), settings.sigma_kw
        )
        reach = single(reach_kw) / cap_kw
        near = torch.maximum(torch.minimum(wanted, baseline + reach), baseline - reach).clamp(0.0, 1.0)
        return torch.where(rise <= slack, candidate, near).detach()

    def _nearest(
        self,
        states: torch.Tensor,
        cost: torch.Tensor,
        slack: torch.Tensor,
        wanted_kw: torch.Tensor,
        there: torch.Tensor,
    ) -> torch.Tensor:
        """Return the candidate nearest to what the actor wants (Eq. 29 and 30), shares."""
        n, levels = self._piles, self._settings.levels
        cap_kw = states[:, 4 * n : 5 * n] * _POWER_KW
        best, least = torch.zeros_like(wanted_kw), torch.full((len(states), 1), torch.inf)
        for k in range(levels + 1):
            level = cost + slack * (1.0 - k / levels)
            candidate = torch.sigmoid(self._action(torch.cat([states, level], dim=1)))
            away = ((candidate * cap_kw - wanted_kw) * there).square().sum(dim=1, keepdim=True)
            best, least = torch.where(away < least, candidate, best), torch.minimum(away, least)
        return best

    def _safe(self, states: torch.Tensor) -> torch.Tensor:
        """Return ``phi(s, omega(s))``, shares."""
        return torch.sigmoid(self._safety(torch.cat([states, torch.sigmoid(self._actor(states))], dim=1)))

    def _fit_safety(self, states: torch.Tensor, target: torch.Tensor, there: torch.Tensor) -> None:
        """Regress the safety layer (Eq. 38)."""
        with torch.no_grad():
            inputs = torch.cat([states, torch.sigmoid(self._actor(states))], dim=1)
        self._fit(self._safety, inputs, target, there, squash=True)

    def _fit(
        self,
        network: nn.Sequential,
        inputs: torch.Tensor,
        target: torch.Tensor,
        weight: torch.Tensor,
        *,
        squash: bool = False,
    ) -> None:
        """Regress a network by the weighted mean of squared errors (Eq. 34-36)."""
        for chosen in self._minibatches(len(inputs)):
            output = network(inputs[chosen])
            output = torch.sigmoid(output) if squash else output
            error = ((output - target[chosen]).square() * weight[chosen]).sum() / weight[chosen].sum().clamp(min=1.0)
            self._step(network, error)

    def _minibatches(self, count: int) -> list[torch.Tensor]:
        shape = (self._settings.updates, self._settings.minibatch)
        return list(torch.from_numpy(self._rng.integers(count, size=shape)))

    def _step(self, network: nn.Sequential, loss: torch.Tensor) -> None:
        self._adam[network].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam[network].step()
