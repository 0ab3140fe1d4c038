"""SCA: one network, the same for every vehicle, chooses the power of each.

The paper's network has a place for each vehicle of the site. Ours is shared, sees one vehicle beside a description of
the site, and so takes any number of them. It corrects the vehicle's share of the rolling optimum's total, shared out in
proportion to the even rates, and is kept within what the vehicle must and can draw (Eq. 13 slot by slot), so that every
vehicle is served whatever the network says.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.shield import shield
from cosim_agents.sca.calc import view
from cosim_agents.sca.learned import Guard
from cosim_agents.sca.online import rolling_optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.learned import SitePolicy

#: What the network's output is multiplied with, as a share of the vehicle's greatest power.
REACH = 0.5
#: Which input is the vehicle's share of the rolling optimum's total, in units of its greatest power.
OA_SHARE = 6


class Sca:
    """Charges each vehicle as a trained network says, or as the rolling optimum where the former is lost.

    Parameters
    ----------
    policy : SitePolicy
        Of the kind ``sca``.
    start_h : float
        Time of day at which slot 0 begins, h.

    Attributes
    ----------
    notes : Counter of str
        Why the rolling optimum decided, and how often.

    Raises
    ------
    ValueError
        If the policy is of another kind.
    """

    def __init__(self, policy: SitePolicy, *, start_h: float = START_H) -> None:
        if policy.kind != "sca":
            raise ValueError(f"policy of kind '{policy.kind}': SCA needs one of the kind 'sca'")
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
        from cosim_agents.sca import learned_kernels as kernels  # noqa: PLC0415 - numba is imported where it is needed

        need = state.remaining_kwh / state.slot_h
        inputs = np.empty((len(state), kernels.VEHICLE_FEATURES + kernels.SITE_FEATURES))
        inputs[:, kernels.VEHICLE_FEATURES :] = seen.features
        kernels.describe_vehicles(state.slots_left, state.max_power_kw, need, state.slot_h, seen.oa_kw, inputs)
        return shield(state, sca_power_kw(inputs, state.max_power_kw, self._policy.network(inputs)))


def sca_power_kw(
    inputs: NDArray[np.float64], cap_kw: NDArray[np.float64], output: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the powers that outputs of the network stand for, before the box limits them.

    Parameters
    ----------
    inputs : ndarray of float, shape (n, VEHICLE_FEATURES + SITE_FEATURES)
        What the network saw.
    cap_kw : ndarray of float, shape (n,)
        Greatest powers.
    output : ndarray of float, shape (n,)
        Of the network.

    Returns
    -------
    ndarray of float, shape (n,)
    """
    return np.asarray(cap_kw * (inputs[:, OA_SHARE] + REACH * output), dtype=np.float64)
