"""Training of AEM by tabular Q-learning on days drawn at random, in numba.

As with CALC, each kWh is credited at the price of the day's mean load, and to that the reward adds the difference of
what is still owed, before and after: here what the missing energy costs if it could make the load flat until the last
departure. Undiscounted neither changes the ranking of policies, and without them all of them put off what they can.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numba import njit

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.offline import offline_optimum
from cosim_agents.sca.aem import AemPolicy
from cosim_agents.sca.day_batch import DayBatch, range_of
from cosim_agents.sca.learned_kernels import gather, split_days

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.site import Site, Vehicles

    #: Draws one instance; all have the same slots.
    Draw = Callable[[np.random.Generator], tuple[Site, Vehicles]]

#: Days that episodes choose among; days whose optimum tells the range of the levels; days that tell what was seen.
_POOL, _OPTIMAL, _SEEN = 512, 64, 256
#: By how much the levels reach beyond the optimum's on both sides, as a share of its range. Without room every level is
#: good, and a table filled at random does nearly as well as a trained one.
_ROOM = 0.5
#: Ranges of the vehicles' share in the energy: as many days in each.
_SHARES = 8
#: A value moves by one over the number of its updates, and by no less than this; the share of actions drawn at random
#: falls in a straight line from 1 to the least, and stays there for the last fifth of the episodes.
_LEAST_STEP, _LEAST_EXPLORATION, _EXPLORING = 0.02, 0.05, 0.8


class _Day(NamedTuple):
    """One day of a batch; as in :class:`DayBatch`."""

    base_kw: NDArray[np.float64]
    mean_kw: float
    arrival: NDArray[np.int64]
    departure: NDArray[np.int64]
    cap_kw: NDArray[np.float64]
    energy: NDArray[np.float64]
    slot_h: float
    start_h: float


class _Table(NamedTuple):
    """As in :class:`AemPolicy`; ``tried`` counts the updates of each value."""

    levels: NDArray[np.float64]
    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    tried: NDArray[np.int64]


class _Trace(NamedTuple):
    """What happened in each slot of a day; all of shape (slots,).

    ``hour`` is -1 without vehicles; ``owed`` is what the energy that is missing costs with a flat load until the last
    departure, less its credit.
    """

    hour: NDArray[np.int64]
    column: NDArray[np.int64]
    action: NDArray[np.int64]
    cost: NDArray[np.float64]
    owed: NDArray[np.float64]
    share: NDArray[np.float64]


@njit(cache=True, error_model="numpy")
def _best(values: NDArray[np.float64]) -> int:
    """Return the position of the greatest value; the first one if nothing was tried."""
    best = 0
    for k in range(1, len(values)):
        if values[k] > values[best]:
            best = k
    return best


@njit(cache=True, error_model="numpy")
def _play(day: _Day, table: _Table, exploration: float, rng: np.random.Generator, trace: _Trace) -> None:
    """Play one day, with a share of actions drawn at random."""
    count = len(day.energy)
    offsets, counts, total_kw = np.array([0, count]), np.empty(1, dtype=np.int64), np.empty(1)
    present, need, done = np.empty(count, dtype=np.int64), day.energy.copy(), 1e-12 * day.energy
    for t in range(len(day.base_kw)):
        trace.hour[t], trace.cost[t], trace.owed[t], trace.share[t] = -1, 0.0, 0.0, 0.0
        found = gather(t, offsets, day.arrival, day.departure, need, done, present, counts)
        if found == 0:
            continue
        here = present[:found]
        left, cap_kw, missing = day.departure[here] - t, day.cap_kw[here], need[here]
        # Vehicles stand by departure, so that the last one stays longest.
        ahead_kw = day.base_kw[t : t + left[-1]]
        energy, flat_kw = missing.sum(), (missing.sum() + ahead_kw.sum()) / left[-1]
        trace.owed[t] = 0.5 * (left[-1] * flat_kw**2 - (ahead_kw**2).sum()) - day.mean_kw * energy
        trace.share[t] = energy / (energy + ahead_kw.sum())
        hour = int((day.start_h + t * day.slot_h) % 24.0)
        column = np.searchsorted(table.edges[hour], trace.share[t])
        if rng.random() < exploration:
            action = int(rng.integers(0, table.levels.shape[1]))
        else:
            action = _best(table.values[hour, column])
        high_kw = np.minimum(cap_kw, missing)
        low_kw = np.minimum(high_kw, np.maximum(0.0, missing - cap_kw * (left - 1)))
        total_kw[0] = table.levels[hour, action] * flat_kw - day.base_kw[t]
        total_kw[0] = min(high_kw.sum(), max(low_kw.sum(), total_kw[0]))
        power_kw = np.empty(found)
        split_days(total_kw, counts, left, cap_kw, missing, power_kw)
        for i in range(found):
            need[here[i]] -= power_kw[i]
        trace.hour[t], trace.column[t], trace.action[t] = hour, column, action
        trace.cost[t] = 0.5 * total_kw[0] * (total_kw[0] + 2.0 * day.base_kw[t]) - day.mean_kw * total_kw[0]


@njit(cache=True, error_model="numpy")
def _learn(table: _Table, trace: _Trace, scale: float) -> None:
    """Update the values of a day, the last slot first, so that what came later counts at once (undiscounted)."""
    after = owed = 0.0
    for t in range(len(trace.hour) - 1, -1, -1):
        gain = (trace.owed[t] - owed - trace.cost[t]) / scale + after
        owed, after = trace.owed[t], gain
        if trace.hour[t] >= 0:
            row, column, action = trace.hour[t], trace.column[t], trace.action[t]
            values, tried = table.values[row, column], table.tried[row, column]
            tried[action] += 1
            if tried[action] == 1:
                values[action] = gain
            else:
                values[action] += max(_LEAST_STEP, 1.0 / tried[action]) * (gain - values[action])
            after = values[_best(values)]


@njit(cache=True, error_model="numpy")
def _shift(tried: NDArray[np.int64], column: int) -> int:
    """Return the tried column nearest to one, or that one if there is none."""
    for away in range(len(tried)):
        for other in (column - away, column + away):
            if 0 <= other < len(tried) and tried[other] > 0:
                return other
    return column


def train_aem(
    draw: Draw, *, site: str, levels: int = 33, seed: int = 0, episodes: int = 2000, start_h: float = START_H
) -> AemPolicy:
    """Train AEM for one kind of site.

    Parameters
    ----------
    draw : callable
        From a NumPy generator to an instance; all with slots of the same length and number.
    site : str
        What to call the kind of site in the policy.
    levels : int
        How many total loads there are to choose from; the paper has 8, 16 and 33.
    seed : int
        Same seed, same policy, to the last bit.
    episodes : int
        How many days are played, drawn from a smaller number of them.
    start_h : float
        Time of day at which instances begin, h.

    Returns
    -------
    AemPolicy
        Of the kind ``aem-`` and the number of levels.

    Raises
    ------
    ValueError
        If there are less than two levels, or no episode.
    """
    if levels < 2 or episodes < 1:
        raise ValueError(f"levels = {levels} must be at least 2 and episodes = {episodes} at least 1")
    rng = np.random.default_rng([5, seed])
    instances = [draw(rng) for _ in range(_POOL)]
    low, high, edges = _ranges(instances[:_OPTIMAL], start_h)
    table = _Table(
        np.linspace(low, high, levels, axis=1),
        edges,
        np.full((24, _SHARES, levels), -math.inf),
        np.zeros((24, _SHARES, levels), dtype=np.int64),
    )
    batch = DayBatch.of(instances, start_h)
    days, trace = _days(batch), _blank(batch.slots)
    for episode in range(episodes):
        day = days[int(rng.integers(len(days)))]
        _play(day, table, max(_LEAST_EXPLORATION, 1.0 - episode / (_EXPLORING * episodes)), rng, trace)
        _learn(table, trace, day.mean_kw**2)
    tried = table.tried.sum(axis=2)
    nearest = np.array([[_shift(tried[row], column) for column in range(_SHARES)] for row in range(24)])
    values = np.take_along_axis(table.values, nearest[:, :, None], axis=1)
    table = table._replace(values=values)
    batch = DayBatch.of([draw(rng) for _ in range(_SEEN)], start_h)
    shares, present = np.zeros((batch.slots, batch.days)), np.zeros((batch.slots, batch.days), dtype=np.bool_)
    for number, day in enumerate(_days(batch)):
        _play(day, table, 0.0, rng, trace)
        shares[:, number], present[:, number] = trace.share, trace.hour >= 0
    return AemPolicy(table.levels, edges, values, range_of(batch, shares, present, site))


def _days(batch: DayBatch) -> list[_Day]:
    result = []
    for day, (first, last) in enumerate(zip(batch.offsets[:-1], batch.offsets[1:], strict=True)):
        result.append(
            _Day(
                batch.base_kw[day],
                float(batch.mean_kw[day]),
                batch.arrival[first:last],
                batch.departure[first:last],
                batch.cap_kw[first:last],
                batch.energy[first:last],
                batch.slot_h,
                batch.start_h,
            )
        )
    return result


def _blank(slots: int) -> _Trace:
    whole, real = (np.zeros((3, slots), dtype=np.int64), np.zeros((3, slots)))
    return _Trace(*whole, *real)


def _ranges(
    instances: Sequence[tuple[Site, Vehicles]], start_h: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return least and greatest level, shape (24,), and edges of shares at each hour, from the offline optimum."""
    batch = DayBatch.of(instances, start_h)
    plans = []
    for site, vehicles in instances:
        by_departure = np.argsort(vehicles.departure_slot, kind="stable")
        plans.append(offline_optimum(site, vehicles).power_kw[by_departure])
    plan_kw = np.concatenate(plans)
    seen: list[list[NDArray[np.float64]]] = [[] for _ in range(24)]
    for slot in range(batch.slots):
        view = batch.look(slot)
        charging_kw = batch.charge(view, np.minimum(plan_kw[view.present, slot], view.need))
        here = view.counts > 0
        level = (batch.base_kw[:, slot] + charging_kw)[here] / view.scale_kw[here]
        seen[int((start_h + slot * batch.slot_h) % 24.0)].append(np.stack([level, view.share[here]]))
    low, high, edges = np.ones(24), np.ones(24), np.ones((24, _SHARES - 1))
    for hour, found in enumerate(seen):
        level, share = np.concatenate([np.empty((2, 0)), *found], axis=1)
        if level.size:
            room = _ROOM * (level.max() - level.min())
            low[hour], high[hour] = level.min() - room, level.max() + room
            edges[hour] = np.quantile(share, np.arange(1, _SHARES) / _SHARES)
    return low, high, edges
