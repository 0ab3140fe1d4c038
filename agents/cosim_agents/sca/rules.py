"""Charging without optimising: six rules, each from the state of one slot to powers.

Without a site limit, earliest deadline, least laxity and equal share all give everybody full power, as eager does: they
differ only in who goes without when the site cannot feed all. Vehicles that a rule cannot tell apart share alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.projection import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState


def eager(state: SiteState) -> NDArray[np.float64]:
    """Give full power to everybody, first come first served (EC, the paper's first benchmark).

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    return _in_turn(state, state.arrival_slot)


def average_rate(state: SiteState) -> NDArray[np.float64]:
    """Charge what is missing evenly over the slots left; a limit takes from all in proportion.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    even_kw = state.remaining_kwh / (state.slot_h * state.slots_left)
    return _in_proportion(state, np.minimum(even_kw, state.max_power_kw))


def latest_start(state: SiteState) -> NDArray[np.float64]:
    """Give nothing until only full power up to the departure reaches the target; a limit takes from all in proportion.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    later = state.max_power_kw * (state.slots_left - 1)
    return _in_proportion(state, np.clip(state.remaining_kwh / state.slot_h - later, 0.0, state.wanted_kw))


def earliest_deadline(state: SiteState) -> NDArray[np.float64]:
    """Give full power in the order of the departures, as far as the limit goes.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    return _in_turn(state, state.slots_left)


def least_laxity(state: SiteState) -> NDArray[np.float64]:
    """Give full power in the order of the laxities (slots left less slots needed), as far as the limit goes.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    return _in_turn(state, state.slots_left - state.remaining_kwh / (state.slot_h * state.max_power_kw))


def equal_share(state: SiteState) -> NDArray[np.float64]:
    """Share the limit in equal parts; what a vehicle cannot use goes to the others.

    Parameters
    ----------
    state : SiteState
        Now.

    Returns
    -------
    ndarray of float, shape (n,)
        The powers.
    """
    nothing_kw = np.zeros(len(state))
    return project(nothing_kw, nothing_kw, state.wanted_kw, float(state.headroom_kw[0]))


def _in_turn(state: SiteState, key: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Serve by increasing key while the limit lasts; equals share in proportion to what they want."""
    wanted_kw = state.wanted_kw
    limit_kw = float(state.headroom_kw[0])
    if wanted_kw.sum() <= limit_kw:
        return wanted_kw
    _, rank = np.unique(key, return_inverse=True)
    group_kw = np.bincount(rank, weights=wanted_kw)
    before_kw = np.cumsum(group_kw) - group_kw
    # A group that wants nothing gets nothing, whatever its share.
    share = np.clip((limit_kw - before_kw) / np.where(group_kw > 0.0, group_kw, 1.0), 0.0, 1.0)
    return wanted_kw * share[rank]


def _in_proportion(state: SiteState, power_kw: NDArray[np.float64]) -> NDArray[np.float64]:
    total_kw, limit_kw = float(power_kw.sum()), float(state.headroom_kw[0])
    return power_kw if total_kw <= limit_kw else power_kw * (limit_kw / total_kw)
