"""CALC: a network chooses the load of all vehicles together, which is then split among them.

The paper's network chooses the total from scratch. Ours corrects the total of the rolling optimum (OA), which knows the
load to come but not the vehicles to come: a network of zeros is OA. The total is kept within what the vehicles must and
can draw (Eq. 13 slot by slot), so that every vehicle is served whatever the network says. The split evens out laxities
instead of powers (Eq. 31): evening out powers leaves several times the gap to the offline optimum at home.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.projection import split_least_laxity
from cosim.scheduling.shield import feasible_box
from cosim_agents.sca.learned import Guard
from cosim_agents.sca.online import rolling_optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.learned import SitePolicy

#: What the network's output is multiplied with, as a share of the mean load planned until the last departure.
REACH = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a learned policy sees of a site.

    Attributes
    ----------
    features : ndarray of float, shape (SITE_FEATURES,)
        Numbers without unit; ``learned_kernels.observe``.
    hour : float
        Time of day, h.
    oa_kw, scale_kw, share : float
        Total of the rolling optimum; mean of its planned load and the vehicles' share of all energy until the last
        departure.
    """

    features: NDArray[np.float64]
    hour: float
    oa_kw: float
    scale_kw: float
    share: float


def view(state: SiteState, start_h: float) -> View:
    """Describe a site for a network.

    Parameters
    ----------
    state : SiteState
        With at least one vehicle.
    start_h : float
        Time of day at which slot 0 begins, h.
    """
    from cosim_agents.sca import learned_kernels as kernels  # noqa: PLC0415 - numba is imported where it is needed

    features = np.empty(kernels.SITE_FEATURES)
    hour = (start_h + state.slot * state.slot_h) % 24.0
    oa_kw, scale_kw, _, share = kernels.observe(
        state.base_kw,
        state.by_deadline(),
        state.slots_left,
        state.max_power_kw,
        state.remaining_kwh / state.slot_h,
        state.slot_h,
        hour,
        features,
    )
    return View(features, hour, oa_kw, scale_kw, share)


class Calc:
    """Charges as a trained network and the rolling optimum together say; alone the latter where the former is lost.

    Parameters
    ----------
    policy : SitePolicy
        Of the kind ``calc``.
    start_h : float
        Time of day at which slot 0 begins, h.

    Attributes
    ----------
    notes : Counter of str
        Why the rolling optimum decided alone, and how often.

    Raises
    ------
    ValueError
        If the policy is of another kind.
    """

    def __init__(self, policy: SitePolicy, *, start_h: float = START_H) -> None:
        if policy.kind != "calc":
            raise ValueError(f"policy of kind '{policy.kind}': CALC needs one of the kind 'calc'")
        self._policy, self._start_h, self._guard = policy, start_h, Guard(policy.trained_on)
        self.notes: Counter[str] = Counter()

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide.

        Parameters
        ----------
        state : SiteState
            Now.

        Returns
        -------
        ndarray of float, shape (n,)
            Powers within the feasible box; vehicles with the same data get the same.
        """
        if not len(state):
            return np.zeros(0)
        seen = view(state, self._start_h)
        note = self._guard.refusal(state, seen.hour, seen.share)
        if note is not None:
            self.notes[note] += 1
            return rolling_optimum(state).power_kw
        box = feasible_box(state)
        total_kw = calc_total_kw(seen.oa_kw, seen.scale_kw, self._policy.network(seen.features))
        return split_least_laxity(state, box.low_kw, box.high_kw, min(float(total_kw), box.total_high_kw))


def calc_total_kw(
    oa_kw: float | NDArray[np.float64], scale_kw: float | NDArray[np.float64], output: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the total that an output of the network stands for, before the box limits it; kW."""
    return np.asarray(oa_kw + REACH * scale_kw * output, dtype=np.float64)
