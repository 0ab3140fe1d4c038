"""SCA: one network, the same for every vehicle, chooses the power of each.

The paper's network has a place for each vehicle of the site. Ours is shared, sees one vehicle beside a description of
the site, and so takes any number of them. It corrects the vehicle's share of the rolling optimum's total, shared out in
proportion to the even rates, and is kept within what the vehicle must and can draw (Eq. 13 slot by slot), so that every
vehicle is served whatever the network says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.shield import shield
from cosim_agents.sca.residual import Residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.residual import View

#: What the network's output is multiplied with, as a share of the vehicle's greatest power.
REACH = 0.5
#: Which input is the vehicle's share of the rolling optimum's total, in units of its greatest power.
OA_SHARE = 6


class Sca(Residual):
    """The network corrects the power of each vehicle, which is then shielded."""

    kind = "sca"

    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:
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
