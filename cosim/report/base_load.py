"""What a feeder draws without and with charging, where that changes over the day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.report.charts import chart, series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.coupling import CoupledSystem


def base_load_chart(
    time_s: NDArray[np.float64], charging_kw: NDArray[np.float64], system: CoupledSystem
) -> dict[str, Any] | None:
    """Return the base load of the whole feeder beside what the stations draw.

    Parameters
    ----------
    time_s : ndarray of float, shape (n,)
        The recorded instants.
    charging_kw : ndarray of float, shape (n,)
        Load of all stations together.
    system : CoupledSystem
        What the run ran on.

    Returns
    -------
    dict or None
        None where the base load is constant.
    """
    if system.power_flow.base is None:
        return None
    base = system.base_load()
    base_kw = np.array([base.at(instant_s) for instant_s in time_s.tolist()])
    lines = [
        series("without charging", base_kw, colour=0, mark="step"),
        series("charging", charging_kw, colour=1),
        series("together", base_kw + charging_kw, colour=-1, mark="dashed"),
    ]
    note = "Loads less generation of the feeder itself, without losses."
    return chart("Load of the feeder", "kW", lines, x=time_s / 60.0, moves=True, note=note)
