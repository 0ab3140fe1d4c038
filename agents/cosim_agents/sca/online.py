"""Online optima: OA plans for the vehicles that are there, MPC for those that are expected too.

OA (Eq. 9): all vehicles present may charge from now on, so that their windows are nested. Filled in the order of their
deadlines, one pass of water-filling is exact: a later vehicle raises the load of slots without changing their order,
so that the earlier vehicles have nothing to regret. The certificate shows it for each plan.

Neither knows of a limit on charging alone; :mod:`cosim.scheduling.shield` keeps it. A limit on the total load needs no
care, since an optimal plan has the least peak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState, Vehicles


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What to do now, and the plan behind it.

    Attributes
    ----------
    power_kw : ndarray of float, shape (n,)
        For the vehicles of the state, now.
    charging_kw : ndarray of float, shape (h,)
        Planned load of all vehicles from now on, expected ones included.
    relative_gap : float
        The plan costs at most this share more than the best one, at a price without ``k0``.
    """

    power_kw: NDArray[np.float64]
    charging_kw: NDArray[np.float64]
    relative_gap: float


def rolling_optimum(state: SiteState, *, constant_base: bool = False) -> Decision:
    """Plan for the vehicles present as if no other came (OA, Eq. 9), by one pass of water-filling.

    Parameters
    ----------
    state : SiteState
        Now.
    constant_base : bool
        Take the base load for constant from now on, as an operator without a forecast may.

    Returns
    -------
    Decision
        Vehicles with the same data get the same power, in whatever order they stand.
    """
    from cosim_agents.sca.one_pass import fill_in_turn  # noqa: PLC0415 - numba is imported where it is needed

    base_kw = np.full_like(state.base_kw, state.base_kw[0]) if constant_base else state.base_kw
    order, power_kw = state.by_deadline(), np.empty(len(state))
    load_kw, gap = fill_in_turn(
        base_kw, order, state.slots_left, state.max_power_kw, state.remaining_kwh / state.slot_h, power_kw
    )
    return _decision(state, order, power_kw, base_kw, load_kw, gap)


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedArrivals:
    """The average of past days: vehicles with the same slots made one, with an average day's energy and power.

    Attributes
    ----------
    arrival_slot, departure_slot : ndarray of int, shape (groups,)
        Sorted by arrival.
    energy_kwh, max_power_kw : ndarray of float, shape (groups,)
        Sum over the days, divided by their number.
    """

    arrival_slot: NDArray[np.int64]
    departure_slot: NDArray[np.int64]
    energy_kwh: NDArray[np.float64]
    max_power_kw: NDArray[np.float64]

    @classmethod
    def from_days(cls, days: Sequence[Vehicles], *, scale: float = 1.0) -> Self:
        """Average some days.

        Parameters
        ----------
        days : sequence of Vehicles
            At least one; slots count from the same hour as in the days to be played.
        scale : float
            Expect so many times as much.

        Raises
        ------
        ValueError
            Without any day.
        """
        if not days:
            raise ValueError("days: expected arrivals need at least one day of history")
        slots = np.concatenate([np.stack([day.arrival_slot, day.departure_slot], axis=1) for day in days])
        stays = slots[:, 1] > slots[:, 0]
        groups, group = np.unique(slots[stays], axis=0, return_inverse=True)

        def mean(values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
            total = np.bincount(group.ravel(), weights=np.concatenate(values)[stays], minlength=len(groups))
            return np.asarray(scale / len(days) * total, dtype=np.float64)

        power_kw, energy_kwh = mean([day.max_power_kw for day in days]), mean([day.energy_kwh for day in days])
        return cls(groups[:, 0].copy(), groups[:, 1].copy(), energy_kwh, power_kw)


def predictive_optimum(
    state: SiteState, expected: ExpectedArrivals, *, tolerance: float = 1e-5, max_sweeps: int = 100
) -> Decision:
    """Plan for the vehicles present and for those expected after this slot (MPC).

    Parameters
    ----------
    state : SiteState
        Now.
    expected : ExpectedArrivals
        Whom to expect; those of the present slot and before are left out, for who came is known.
    tolerance, max_sweeps : float, int
        When to stop; as for :func:`cosim.scheduling.offline.offline_optimum`.

    Returns
    -------
    Decision
        Powers of the vehicles present.
    """
    from cosim.scheduling import water_filling  # noqa: PLC0415 - numba is imported where something is computed

    begin = int(np.searchsorted(expected.arrival_slot, state.slot, side="right"))
    first = expected.arrival_slot[begin:] - state.slot
    last = np.minimum(expected.departure_slot[begin:] - state.slot, len(state.base_kw))
    inside = first < last
    present_energy = state.remaining_kwh / state.slot_h
    order, n = state.by_deadline(), len(state)
    first = np.concatenate([np.zeros(n, dtype=np.int64), first[inside]])
    last = np.concatenate([state.slots_left, last[inside]])
    length = last - first
    windows = np.stack([first, last, np.cumsum(length) - length], axis=1)
    plan_kw = np.zeros(int(length.sum()))
    load_kw, _, gap = water_filling.descend(
        state.base_kw,
        np.concatenate([order, np.arange(n, len(first))]),
        windows,
        np.concatenate([state.max_power_kw, expected.max_power_kw[begin:][inside]]),
        np.concatenate([present_energy, expected.energy_kwh[begin:][inside] / state.slot_h]),
        plan_kw,
        tolerance,
        max_sweeps,
    )
    return _decision(state, order, plan_kw[windows[:n, 2]], state.base_kw, load_kw, gap)


def _decision(
    state: SiteState,
    order: NDArray[np.int64],
    power_kw: NDArray[np.float64],
    base_kw: NDArray[np.float64],
    load_kw: NDArray[np.float64],
    gap: float,
) -> Decision:
    state.treat_alike(order, power_kw)
    charging_kw = load_kw - base_kw
    cost = 0.5 * float(charging_kw @ (load_kw + base_kw))
    return Decision(power_kw, charging_kw, max(0.0, gap / cost) if cost > 0.0 else 0.0)
