"""Training of OCEAN's set policy: the gradient of the load variance through the days themselves.

How a battery fills is known exactly and who comes does not depend on what is charged. So nothing has to be estimated:
the derivative of a day's load variance with respect to the weights is that of a short program (backpropagation through
time), where policy gradients and learned critics of the paper see the day only through noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cosim_agents.ocean.set_policy import (
    AHEAD_H,
    FEATURES,
    FIXED_OWN,
    FIXED_STATION,
    MOVING_OWN,
    MOVING_STATION,
    PRESENT_KW,
    SeenInTraining,
    SetPolicy,
    clock,
)
from cosim_agents.ocean.station_batch import StationBatch
from cosim_agents.ocean.station_days import MODELS, START_H, StationDays, draw_day
from cosim_agents.ocean.usual_load import UsualLoad
from cosim_agents.rl.networks import linears, perceptron
from cosim_agents.sca.learned import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cosim_agents.ocean.station_days import StationDay

    #: From what is seen of piles and station to one number for each pile, shape (days, piles).
    Function = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]

#: The features in the order of the network's inputs.
_PARTS = [MOVING_OWN, FIXED_OWN, MOVING_STATION, FIXED_STATION]
#: A feature that hardly moves is not blown up by more than this.
_LEAST_STD = 1e-3
#: How many days tell the usual load.
_PAST_DAYS = 200


@dataclass(frozen=True, slots=True)
class Schedule:
    """How to learn.

    Attributes
    ----------
    iterations, days : int
        How often the weights are moved, and how many new days are played each time.
    hidden : tuple of int
        Widths of the tanh layers.
    learning_rate : float
        Of Adam at the start; it falls to zero along a cosine.
    greatest_gradient : float
        Norm to which longer gradients are cut.
    """

    iterations: int = 450
    days: int = 32
    hidden: tuple[int, ...] = (64, 32)
    learning_rate: float = 2e-2
    greatest_gradient: float = 1.0


class TorchDays:
    """Days that gradients flow through, from powers to load.

    Parameters
    ----------
    batch : StationBatch
        The days.
    usual : UsualLoad
        Of the station; slot 0 begins when the days do.
    dtype : torch.dtype
        Of the numbers.
    start_h : float
        Time of day at which they begin, h.
    """

    def __init__(
        self,
        batch: StationBatch,
        usual: UsualLoad,
        *,
        dtype: torch.dtype = torch.float32,
        start_h: float = START_H,
    ) -> None:
        def of(values: NDArray[np.float64]) -> tuple[torch.Tensor, ...]:
            return torch.from_numpy(values).to(dtype).unbind()

        left = batch.left
        self.slots, self.days, self.piles = left.shape
        # An empty pile takes nothing; its divisors are 1 so that nothing divides by 0.
        self._cap, self._new, self._stays = of(batch.cap_kw), of(batch.new_kw), of(batch.stays)
        self._later, self._left = of(batch.cap_kw * np.maximum(0.0, left - 1.0)), of(left)
        self._per_left, self._per_cap = of(1.0 / np.maximum(left, 1.0)), of(1.0 / np.maximum(batch.cap_kw, 1e-6))
        ahead = np.array(AHEAD_H) / batch.slot_h + 1e-9
        # The first column is what is committed to all.
        self._longer = of(np.concatenate([np.ones((*left.shape, 1)), left[..., None] > ahead], axis=-1))
        windows = usual.of_windows(np.arange(self.slots)[:, None, None], left.astype(np.int64))
        own = np.concatenate([np.stack([batch.cap_kw, np.log1p(left)], axis=-1), windows], axis=-1)
        self.fixed_own = torch.from_numpy(own).to(dtype)
        hours = start_h + np.arange(self.slots) * batch.slot_h
        self.fixed_station = torch.from_numpy(np.array([clock(hour) for hour in hours])).to(dtype)
        self._mean_kw = torch.from_numpy(batch.energy_kwh / (batch.slot_h * self.slots)).to(dtype).clamp(min=1e-3)

    def missing(self, slot: int, before: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """Return what is missing in a slot, kW times slots, from that of the slot before and what was drawn in it."""
        return torch.addcmul(self._new[slot], self._stays[slot], (before - drawn).relu())

    def interval(self, slot: int, need: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the safe interval of a slot, kW, shape (days, piles)."""
        high = torch.minimum(self._cap[slot], need)
        return torch.minimum(high, (need - self._later[slot]).relu()), high

    def inputs(
        self, slot: int, need: torch.Tensor, low: torch.Tensor, high: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features that depend on what was charged, as ``set_policy.describe``.

        Returns
        -------
        own : torch.Tensor, shape (days, piles, MOVING_OWN)
        station : torch.Tensor, shape (days, MOVING_STATION)
            Sums over the piles.
        """
        rate = torch.minimum(self._cap[slot], need * self._per_left[slot])
        slack = (self._left[slot] - need * self._per_cap[slot]).relu()
        own = torch.stack([need, low, high, rate, rate * self._per_cap[slot], torch.log1p(slack)], dim=-1)
        committed = torch.bmm(rate.unsqueeze(1), self._longer[slot]).squeeze(1)
        present = need.clamp(max=PRESENT_KW)
        return own, torch.cat([committed, torch.stack([low, high, present], dim=1).sum(dim=-1)], dim=-1)

    def play(self, function: Function) -> torch.Tensor:
        """Play the days, and return the load of each slot, kW, shape (slots, days).

        Parameters
        ----------
        function : callable
            From slot and both kinds of features to one number for each pile, shape (days, piles).
        """
        need = drawn = torch.zeros_like(self._cap[0])
        loads = []
        for slot in range(self.slots):
            need = self.missing(slot, need, drawn)
            low, high = self.interval(slot, need)
            share = torch.sigmoid(function(slot, *self.inputs(slot, need, low, high)))
            drawn = torch.lerp(low, high, share)
            loads.append(drawn.sum(dim=1))
        return torch.stack(loads)

    def loss(self, loads: torch.Tensor) -> torch.Tensor:
        """Return the load variance over that of a constant load with the same energy, mean over the days."""
        return (loads.square().mean(dim=0) / self._mean_kw.square()).mean()


def train_ocean(
    days: StationDays | None = None,
    *,
    name: str = "R",
    seed: int = 0,
    schedule: Schedule | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> SetPolicy:
    """Train a policy for stations of one kind.

    Parameters
    ----------
    days : StationDays, optional
        What days are like; scenario R if left out.
    name : str
        What to call them.
    seed : int
        Same seed, same policy, to the last bit.
    schedule : Schedule, optional
        How to learn.
    watch : callable, optional
        Called after each improvement with its number, from 1, and the days' loss (:meth:`TorchDays.loss`) before it.

    Returns
    -------
    SetPolicy
        Plain arrays.
    """
    days = StationDays() if days is None else days
    schedule = Schedule() if schedule is None else schedule
    torch.set_num_threads(1)
    rng = np.random.default_rng([7, seed])

    def drawn(count: int) -> list[StationDay]:
        return [draw_day(rng, days) for _ in range(count)]

    def new_days(count: int) -> TorchDays:
        return TorchDays(StationBatch.of(drawn(count), days.piles), usual)

    usual = UsualLoad.from_days(drawn(_PAST_DAYS), days.piles)
    network = perceptron(FEATURES, schedule.hidden, 1, torch.Generator().manual_seed(seed), last_gain=0.1)
    mean, std = moments(new_days(16))
    adam = torch.optim.Adam(network.parameters(), lr=schedule.learning_rate)
    for iteration in range(schedule.iterations):
        rate = 0.5 * schedule.learning_rate * (1.0 + math.cos(math.pi * iteration / schedule.iterations))
        adam.param_groups[0]["lr"] = rate
        played = new_days(schedule.days)
        loss = played.loss(played.play(SetFunction(network, mean, std, played)))
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), schedule.greatest_gradient)
        adam.step()
        if watch is not None:
            watch(iteration + 1, loss.item())
    return SetPolicy(network_arrays(network, mean, std), usual, _seen(days, name))


class SetFunction:
    """A network on the features of some days. What charging does not move goes through its first layer at once.

    Parameters
    ----------
    network : torch.nn.Sequential
        From FEATURES inputs to one output.
    mean, std : torch.Tensor, shape (FEATURES,)
        Of the features.
    days : TorchDays
        Which days.
    """

    def __init__(self, network: torch.nn.Sequential, mean: torch.Tensor, std: torch.Tensor, days: TorchDays) -> None:
        first = linears(network)[0]
        self._rest = network[1:]
        own, fixed_own, station, fixed_station = torch.split(first.weight.T, _PARTS)
        self._own, self._station = own.contiguous(), station.contiguous()
        per_std = 1.0 / std
        self._scale, self._shift = torch.split(per_std, _PARTS), torch.split(-mean * per_std, _PARTS)
        seen, clock_seen = self._standardised(1, days.fixed_own), self._standardised(3, days.fixed_station)
        common = clock_seen @ fixed_station + first.bias
        self._fixed = (seen @ fixed_own + common[:, None, None]).unbind()

    def _standardised(self, part: int, values: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(self._shift[part], values, self._scale[part]).clamp(-5.0, 5.0)

    def __call__(self, slot: int, own: torch.Tensor, station: torch.Tensor) -> torch.Tensor:
        """Return one number for each pile, shape (days, piles)."""
        common = (self._standardised(2, station) @ self._station).unsqueeze(1)
        output: torch.Tensor = self._rest(self._standardised(0, own) @ self._own + common + self._fixed[slot])
        return output.squeeze(-1)


def network_arrays(network: torch.nn.Sequential, mean: torch.Tensor, std: torch.Tensor) -> Network:
    """Return a network with its standardisation as plain arrays."""

    def plain(values: torch.Tensor) -> NDArray[np.float64]:
        return values.detach().numpy().astype(np.float64)

    layers = linears(network)
    weights = tuple(np.ascontiguousarray(plain(layer.weight).T) for layer in layers)
    return Network(plain(mean), plain(std), weights, tuple(plain(layer.bias) for layer in layers))


def moments(days: TorchDays) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation of all features where a vehicle needs energy, in the middle of the intervals."""
    seen: list[torch.Tensor] = []

    def watch(slot: int, own: torch.Tensor, station: torch.Tensor) -> torch.Tensor:
        shape = own.shape[:2]
        parts = (
            own,
            days.fixed_own[slot],
            station.unsqueeze(1).expand(*shape, -1),
            days.fixed_station[slot].expand(*shape, -1),
        )
        # The third one is the upper end of the interval.
        seen.append(torch.cat(parts, dim=-1)[own[..., 2] > 0.0])
        return torch.zeros(shape, dtype=own.dtype)

    with torch.no_grad():
        days.play(watch)
        features = torch.cat(seen)
        return features.mean(dim=0), features.std(dim=0).clamp(min=_LEAST_STD)


def _seen(days: StationDays, name: str) -> SeenInTraining:
    powers_kw = [power_kw for _, power_kw in MODELS]
    return SeenInTraining(name, days.piles, days.slot_h, START_H, (min(powers_kw), max(powers_kw)))
