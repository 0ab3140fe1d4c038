"""Base load and generation that change over the day.

Everything that changes is an element of the net: a load, a static generator or a storage. For each step of time there
is a table of their powers, and both solvers take the row that holds. Rules, stated once:

- second 0 of a run is midnight, and a power holds for a whole step (15 minutes for the shipped shapes);
- a share of 1 is the power that the net states, so that at the peak of a shipped shape its loads are the published
  ones; active and reactive power go together;
- elements without a profile keep the power that the net states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cosim.grid.profile_series import DAY_S
from cosim.price import StepLoad

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray
    from pandapower import pandapowerNet

    from cosim.grid.feeder import Feeder

#: Tables of a net whose elements may vary; 1 where pandapower counts what is drawn, -1 where what is fed in.
DRAWN: Final = {"load": 1.0, "sgen": -1.0, "storage": 1.0}


@dataclass(frozen=True, slots=True, eq=False)
class VaryingBase:
    """The powers of a net's elements in each step of time.

    Parameters
    ----------
    step_s : int
        Length of a step, s.
    power_mva : dict of str to NDArray, shape (n_steps, n_elements), complex
        ``p_mw + 1j * q_mvar`` of each row of ``net.load``, ``net.sgen`` and ``net.storage``, before their ``scaling``.
    """

    step_s: int
    power_mva: Mapping[str, NDArray[np.complex128]]

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.power_mva["load"])

    def step_at(self, time_s: float) -> int:
        """Return the step that holds at an instant; at the border of two the later one."""
        return int(time_s // self.step_s) % self.steps

    def drawn_mva(self, net: pandapowerNet, load_scale: float = 1.0) -> NDArray[np.complex128]:
        """Return what is drawn at each row of ``net.bus``, shape (n_steps, n_bus), complex; loads times a factor."""
        drawn = np.zeros((self.steps, len(net.bus)), dtype=np.complex128)
        row = {bus: place for place, bus in enumerate(net.bus.index)}
        for element, sign in DRAWN.items():
            table = net[element].iloc[: self.power_mva[element].shape[1]]
            factor = sign * (table["scaling"] * table["in_service"].astype(bool)).to_numpy(dtype=np.float64)
            factor = factor * load_scale if element == "load" else factor
            np.add.at(drawn.T, [row[bus] for bus in table["bus"]], (self.power_mva[element] * factor).T)
        return drawn


def stated_base(net: pandapowerNet) -> VaryingBase:
    """Return the powers that a net states, as a single step."""
    return VaryingBase(DAY_S, {element: stated_mva(net[element])[None, :] for element in DRAWN})


def base_load(feeder: Feeder, base: VaryingBase | None, load_scale: float, bus: int | None = None) -> StepLoad:
    """Return the base load to come.

    Parameters
    ----------
    feeder : Feeder
        With the generators that profiles brought.
    base : VaryingBase or None
        What varies; None where nothing does: then it is the load alone, without generation.
    load_scale : float
        ``base_load_scale`` of the scenario.
    bus : int, optional
        At which bus; of the whole feeder if left out.

    Returns
    -------
    StepLoad
        What loads draw less what generators feed in, so that it may be negative.
    """
    if base is None:
        buses = feeder.bus_numbers if bus is None else (bus,)
        return StepLoad.constant(load_scale * sum(feeder.base_load_kw(each) for each in buses))
    drawn_kw = base.drawn_mva(feeder.net, load_scale).real * 1e3
    of_bus = drawn_kw if bus is None else drawn_kw[:, [feeder.bus_numbers.index(bus)]]
    return StepLoad(of_bus.sum(axis=1), float(base.step_s))


def stated_mva(table: pd.DataFrame) -> NDArray[np.complex128]:
    """Return ``p_mw + 1j * q_mvar`` of the rows of one of a net's tables."""
    return (table["p_mw"] + 1j * table["q_mvar"]).to_numpy(dtype=np.complex128)
