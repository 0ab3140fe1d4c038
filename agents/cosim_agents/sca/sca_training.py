"""Training of SCA: every vehicle is a learner that pays for what it adds to the bill; all share one network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.replay import replay
from cosim_agents.sca import learned_kernels as kernels
from cosim_agents.sca.day_batch import DayBatch, range_of
from cosim_agents.sca.learned import SitePolicy, TrainedOn
from cosim_agents.sca.rules import average_rate
from cosim_agents.sca.sca import Sca, sca_power_kw
from cosim_agents.sca.training import LEAST_STD, PPO, Learner, advantages_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles
    from cosim_agents.sca.day_batch import View
    from cosim_agents.sca.learned import Network
    from cosim_agents.sca.training import Draw, Watch

_INPUTS = kernels.VEHICLE_FEATURES + kernels.SITE_FEATURES
#: Fits a minute on one core.
DEFAULT = PPO(iterations=200, days=6, learning_rate=1e-3, minibatch=1024, sigma=0.2)


@dataclass(frozen=True, slots=True, eq=False)
class PlayedVehicles:
    """Days as SCA played them, seen by some of the vehicles.

    Attributes
    ----------
    inputs : ndarray of float, shape (slots, watched, inputs)
        What the network saw; zeros while the vehicle is away or done.
    outputs, rewards : ndarray of float, shape (slots, watched)
        What it chose, and minus what that added to the bill.
    present : ndarray of bool, shape (slots, watched)
        When the vehicle was there and needed energy.
    shares : ndarray of float, shape (slots, days)
        The vehicles' share of the energy, as ``learned_kernels.observe`` returns it; 0 without vehicles.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    rewards: NDArray[np.float64]
    present: NDArray[np.bool_]
    shares: NDArray[np.float64]


def play_sca(
    batch: DayBatch, network: Network | None, watched: NDArray[np.int64], sigma: float, rng: np.random.Generator
) -> PlayedVehicles:
    """Play days with SCA.

    Each vehicle pays the difference that its power makes to the bill of the slot, less the energy credit: with z the
    load and m the day's mean, ``(z - x / 2 - m) x`` per mean load and greatest power. Its slope in x is that of the
    whole bill, so that what is best for each is best for all as long as the others stay with what they do.

    Parameters
    ----------
    batch : DayBatch
        The days; they begin again.
    network : Network or None
        Of the policy; without one all outputs are 0.
    watched : ndarray of int, shape (watched,)
        Which vehicles of the batch to report on.
    sigma : float
        Standard deviation of the exploration.
    rng : numpy.random.Generator
        Draws it.
    """
    batch.reset()
    place = np.full(len(batch.need), -1, dtype=np.int64)
    place[watched] = np.arange(len(watched))
    shape = (batch.slots, len(watched))
    played = PlayedVehicles(
        np.zeros((*shape, _INPUTS)),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, dtype=np.bool_),
        np.zeros((batch.slots, batch.days)),
    )
    for slot in range(batch.slots):
        view = batch.look(slot)
        played.shares[slot] = view.share
        inputs, day = _describe(batch, view), np.repeat(np.arange(batch.days), view.counts)
        outputs = sigma * rng.standard_normal(len(inputs))
        if network is not None:
            outputs += network(inputs)
        high_kw = np.minimum(view.cap_kw, view.need)
        low_kw = np.minimum(high_kw, np.maximum(0.0, view.need - view.cap_kw * (view.slots_left - 1)))
        power_kw = np.clip(sca_power_kw(inputs, view.cap_kw, outputs), low_kw, high_kw)
        load_kw = (batch.base_kw[:, slot] + batch.charge(view, power_kw))[day]
        mean_kw = batch.mean_kw[day]
        reward = -(load_kw - 0.5 * power_kw - mean_kw) * power_kw / (mean_kw * view.cap_kw)
        row = place[view.present]
        seen = row >= 0
        played.inputs[slot, row[seen]], played.outputs[slot, row[seen]] = inputs[seen], outputs[seen]
        played.rewards[slot, row[seen]], played.present[slot, row[seen]] = reward[seen], True
    return played


def _describe(batch: DayBatch, view: View) -> NDArray[np.float64]:
    """Return the network's inputs, shape (present, inputs)."""
    inputs = np.empty((len(view.present), _INPUTS))
    inputs[:, kernels.VEHICLE_FEATURES :] = np.repeat(view.features, view.counts, axis=0)
    last = np.cumsum(view.counts)
    for first, end, oa_kw in zip(last - view.counts, last, view.oa_kw, strict=True):
        here = slice(first, end)
        kernels.describe_vehicles(
            view.slots_left[here], view.cap_kw[here], view.need[here], batch.slot_h, float(oa_kw), inputs[here]
        )
    return inputs


def train_sca(
    draw: Draw,
    *,
    site: str,
    seed: int = 0,
    settings: PPO | None = None,
    start_h: float = START_H,
    watched: float = 0.2,
    watch: Watch | None = None,
) -> SitePolicy:
    """Train SCA for one kind of site.

    Parameters
    ----------
    draw, site, seed, settings, start_h, watch
        As for :func:`cosim_agents.sca.training.train_calc`; the return is a vehicle's.
    watched : float
        Share of the vehicles that the network learns from; all of them take part.

    Returns
    -------
    SitePolicy
        Of the kind ``sca``.
    """
    settings = DEFAULT if settings is None else settings
    torch.set_num_threads(1)
    rng = np.random.default_rng([4, seed])

    def days(count: int) -> tuple[DayBatch, NDArray[np.int64]]:
        batch = DayBatch.of([draw(rng) for _ in range(count)], start_h)
        return batch, np.flatnonzero(rng.random(len(batch.need)) < watched)

    batch, some = days(16)
    played = play_sca(batch, None, some, 0.0, rng)
    seen = played.inputs[played.present]
    learner = Learner(
        seen.mean(axis=0), np.maximum(seen.std(axis=0), LEAST_STD), settings, torch.Generator().manual_seed(seed), rng
    )
    for iteration in range(settings.iterations):
        batch, some = days(settings.days)
        played = play_sca(batch, learner.network(), some, learner.sigma, rng)
        chosen = played.present
        clock = np.broadcast_to((np.arange(batch.slots) / batch.slots)[:, None], chosen.shape)[chosen]
        values = np.zeros(chosen.shape)
        # A vehicle that is away or done expects nothing: its values stay 0.
        values[chosen] = learner.value_network()(np.column_stack([played.inputs[chosen], clock]))
        advantages = advantages_of(played.rewards, values, settings.gamma, settings.lam)[chosen]
        learner.update(
            played.inputs[chosen],
            clock,
            played.outputs[chosen],
            advantages,
            advantages + values[chosen],
            iteration / settings.iterations,
        )
        if watch is not None:
            watch(iteration + 1, float(played.rewards.sum(axis=0).mean()))
    network = _as_far_as_it_helps(learner.network(), [draw(rng) for _ in range(24)], start_h)
    batch, _ = days(128)
    shares = play_sca(batch, network, np.zeros(0, dtype=np.int64), 0.0, rng).shares
    return SitePolicy("sca", network, range_of(batch, shares, shares > 0.0, site))


def _as_far_as_it_helps(network: Network, instances: list[tuple[Site, Vehicles]], start_h: float) -> Network:
    """Return the network with its output multiplied by what gives the least bill; see CALC's.

    With 0 the rolling optimum's total is shared out in proportion to the even rates.
    """
    anywhere = TrainedOn("", instances[0][0].slot_h, (0.0, np.inf), (0.0,) * 24, (1.0,) * 24)

    def relative_bill(candidate: Network) -> float:
        policy = Sca(SitePolicy("sca", candidate, anywhere), start_h=start_h)
        # By the bill at the even rate, which differs between days much more than policies do.
        return sum(
            replay(site, vehicles, policy).cost / max(replay(site, vehicles, average_rate).cost, 1e-12)
            for site, vehicles in instances
        )

    candidates = [network.scaled(factor) for factor in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return min(candidates, key=relative_bill)
