"""CALC: a network chooses the load of all vehicles together, which is then split among them.

The paper's network chooses the total from scratch. Ours corrects the total of the rolling optimum (OA), which knows the
load to come but not the vehicles to come: a network of zeros is OA. The total is kept within what the vehicles must and
can draw (Eq. 13 slot by slot), so that every vehicle is served whatever the network says. The split evens out laxities
instead of powers (Eq. 31): evening out powers leaves several times the gap to the offline optimum at home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.projection import split_least_laxity
from cosim.scheduling.shield import feasible_box
from cosim_agents.sca.residual import Residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.residual import View

#: What the network's output is multiplied with, as a share of the mean load planned until the last departure.
REACH = 1.0


class Calc(Residual):
    """The network corrects the total, which is split by least laxity."""

    kind = "calc"

    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:
        box = feasible_box(state)
        total_kw = calc_total_kw(seen.oa_kw, seen.scale_kw, self._policy.network(seen.features))
        return split_least_laxity(state, box.low_kw, box.high_kw, min(float(total_kw), box.total_high_kw))


def calc_total_kw(
    oa_kw: float | NDArray[np.float64], scale_kw: float | NDArray[np.float64], output: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the total that an output of the network stands for, before the box limits it; kW."""
    return np.asarray(oa_kw + REACH * scale_kw * output, dtype=np.float64)
