"""Days pile by pile as the paper's algorithms see them: a state vector, a power for each pile, what it led to.

Unlike behind the shield, a vehicle may leave short of its target here, or charge beyond it until the battery is full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim_agents.ocean.station_days import EFFICIENCY

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cosim_agents.ocean.station_batch import StationBatch

    #: From states, shape (days, features), to shares of the greatest powers, shape (days, piles).
    Act = Callable[[NDArray[np.float64]], NDArray[np.float64]]

#: What is seen of each pile: target, state of charge, time left, time needed at full power, greatest power.
PILE_FEATURES = 5
#: Sine and cosine of the time of day.
CLOCK_FEATURES = 2
#: Slots and kW that stand for 1 in the state.
_SLOTS, _POWER_KW = 16.0, 11.0
#: State of charge; a smaller shortfall is rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PlayedPiles:
    """Days as a policy played them; shape (slots, days, piles) unless said otherwise.

    Attributes
    ----------
    states : ndarray of float, shape (slots, days, features)
        What was seen.
    shares : ndarray of float
        What was set, as a share of the greatest power; 0 for an empty pile. Into a full battery nothing flows.
    load_kw : ndarray of float, shape (slots, days)
        Sum of the powers.
    lacking : ndarray of float
        ``1 - SoC`` at its departure of who stands there, the constraint cost (Eq. 16) of that vehicle; 0 for an empty
        pile.
    allowed : ndarray of float
        The most that it may be, ``1 - SoCd`` (Eq. 17).
    leaves : ndarray of bool
        Whether it is a vehicle's last slot.
    """

    states: NDArray[np.float64]
    shares: NDArray[np.float64]
    load_kw: NDArray[np.float64]
    lacking: NDArray[np.float64]
    allowed: NDArray[np.float64]
    leaves: NDArray[np.bool_]

    @property
    def missed(self) -> NDArray[np.float64]:
        """Shortfall of state of charge in the slot in which a vehicle leaves, otherwise 0; (slots, days, piles)."""
        return np.where(self.leaves, np.maximum(0.0, self.lacking - self.allowed), 0.0)

    @property
    def short_share(self) -> float:
        """Share of the vehicles that left short of their target."""
        return float((self.missed > _ROUNDING).sum() / max(1, int(self.leaves.sum())))

    def load_variance_kwh2(self, slot_h: float) -> NDArray[np.float64]:
        """Return the sum of squared energies of each day (Eq. 13), shape (days,)."""
        total: NDArray[np.float64] = np.square(self.load_kw * slot_h).sum(axis=0)
        return total


def state_size(piles: int) -> int:
    """Return how many numbers a state has."""
    return PILE_FEATURES * piles + CLOCK_FEATURES


def play_piles(batch: StationBatch, act: Act, *, shielded: bool) -> PlayedPiles:
    """Play days.

    Parameters
    ----------
    batch : StationBatch
        The days.
    act : callable
        Shares of the greatest powers; NaN counts as nothing.
    shielded : bool
        Move every power into the safe interval. Otherwise it is only kept between 0 and what the battery can take.

    Returns
    -------
    PlayedPiles
        What happened.
    """
    slots, days, piles = batch.left.shape
    per_kw = EFFICIENCY * batch.slot_h
    need = np.zeros((days, piles))
    states = np.empty((slots, days, state_size(piles)))
    shares = np.zeros(batch.left.shape)
    lacking, load_kw = np.zeros(batch.left.shape), np.empty((slots, days))
    for slot in range(slots):
        cap_kw, left, capacity, target = (
            values[slot] for values in (batch.cap_kw, batch.left, batch.capacity_kwh, batch.target_soc)
        )
        # Below 0 beyond the target.
        need = batch.stays[slot] * need + batch.new_kw[slot]
        here = left > 0.0
        divisor = np.where(here, cap_kw, 1.0)
        soc = np.where(here, target - need * per_kw / capacity, 0.0)
        seen = (np.where(here, target, 0.0), soc, left / _SLOTS, need / divisor / _SLOTS, cap_kw / _POWER_KW)
        states[slot, :, :-CLOCK_FEATURES] = np.concatenate(seen, axis=1)
        angle = 2.0 * np.pi * slot / slots
        states[slot, :, -CLOCK_FEATURES:] = np.sin(angle), np.cos(angle)
        asked_kw = np.nan_to_num(act(states[slot]), nan=0.0) * cap_kw
        low_kw, high_kw = np.zeros_like(cap_kw), cap_kw
        if shielded:
            high_kw = np.minimum(cap_kw, np.maximum(0.0, need))
            low_kw = np.minimum(high_kw, np.maximum(0.0, need - cap_kw * (left - 1.0)))
        set_kw = np.clip(asked_kw, low_kw, high_kw)
        drawn_kw = np.minimum(set_kw, np.maximum(0.0, (1.0 - soc) * capacity / per_kw)) * here
        need = need - drawn_kw
        shares[slot], load_kw[slot] = set_kw / divisor, drawn_kw.sum(axis=1)
        lacking[slot] = np.where(here, 1.0 - target + need * per_kw / capacity, 0.0)
    # What a vehicle lacks in the end is known in the last of its slots, from there it goes back.
    leaves = batch.left == 1.0
    for slot in range(slots - 2, -1, -1):
        lacking[slot] = np.where(leaves[slot], lacking[slot], lacking[slot + 1] * (batch.left[slot] > 0.0))
    allowed = np.where(batch.left > 0.0, 1.0 - batch.target_soc, 0.0)
    return PlayedPiles(states, shares, load_kw, lacking, allowed, leaves)


def full_power(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charge at full power: to the target behind the shield, otherwise until the battery is full."""
    return np.ones((len(states), (states.shape[1] - CLOCK_FEATURES) // PILE_FEATURES))


def full_power_to_target(states: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charge at full power up to the target, the safe baseline policy."""
    piles = (states.shape[1] - CLOCK_FEATURES) // PILE_FEATURES
    return np.clip(_SLOTS * states[:, 3 * piles : 4 * piles], 0.0, 1.0)
