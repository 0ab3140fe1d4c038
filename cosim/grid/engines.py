"""The two solvers behind :class:`cosim.grid.powerflow.PowerFlow`.

Both solve the same equations by Newton and Raphson's method, always from the same start, so that a solution depends
on the loads alone and not on what was solved before. :class:`Pandapower` is the reference and copes with anything that
``runpp`` copes with, in some 25 ms; :class:`Lightsim` takes some 20 to 40 microseconds.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandapower as pp
from pandapower.powerflow import LoadflowNotConverged
from scipy.sparse import coo_array, triu

from cosim.grid.equations import take_equations, tolerance_mva
from cosim.grid.profiles import stated_mva

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pandapower import pandapowerNet

    from cosim.grid.equations import Equations
    from cosim.grid.profiles import VaryingBase

#: In the place of a step of the varying base: what the net itself states.
STATED = -1

# From a no-load start, Newton's method takes 3 or 4 iterations; more than 20 means that there is no solution.
MAX_ITERATIONS = 20


class Engine(Protocol):
    """Something that solves a feeder for constant-power loads."""

    def solve(self, power_mw: Sequence[float], step: int = STATED) -> NDArray[np.complex128] | None:
        """Return the node voltages, shape (n_node,), for the loads of the stations; None where none are found.

        Parameters
        ----------
        power_mw : sequence of float, shape (n_station,)
            Load of each station.
        step : int
            Which base: a step of the varying one, or ``STATED``.
        """
        ...


class Pandapower:
    """``pandapower.runpp`` on a copy of the net, with a load added for each station.

    Parameters
    ----------
    net : pandapowerNet
        It is copied.
    station_buses : sequence of int
        Bus number of each station.
    base_load_scale : float
        Factor on the active and reactive power of every load that the net has.
    base : VaryingBase, optional
        How the powers of its elements vary.

    Attributes
    ----------
    equations : Equations or None
        The net's equations with all stations at zero; None if that has no solution.
    """

    def __init__(
        self,
        net: pandapowerNet,
        station_buses: Sequence[int],
        base_load_scale: float,
        base: VaryingBase | None = None,
    ) -> None:
        self.net = copy.deepcopy(net)
        self._step = STATED
        varying = {} if base is None else base.power_mva
        self._index = {element: self.net[element].index for element in varying}
        # The last row, at index STATED, is what the net states.
        self._power_mva = {
            element: np.vstack([power_mva, stated_mva(self.net[element])]) for element, power_mva in varying.items()
        }
        self.net.load["scaling"] *= base_load_scale
        self._loads = [pp.create_load(self.net, bus, p_mw=0.0) for bus in station_buses]
        no_load = [0.0] * len(self._loads)
        self._tolerance_mva = 1e-8
        self.equations: Equations | None = None
        if self.solve(no_load) is not None:
            self._tolerance_mva = tolerance_mva(take_equations(self.net))
            if self.solve(no_load) is not None:
                self.equations = take_equations(self.net)

    def _take_base(self, step: int) -> None:
        self._step = step
        for element, power_mva in self._power_mva.items():
            rows = self._index[element]
            self.net[element].loc[rows, "p_mw"] = power_mva[step].real
            self.net[element].loc[rows, "q_mvar"] = power_mva[step].imag

    def solve(self, power_mw: Sequence[float], step: int = STATED) -> NDArray[np.complex128] | None:
        """See :class:`Engine`."""
        if step != self._step:
            self._take_base(step)
        self.net.load.loc[self._loads, "p_mw"] = list(power_mw)
        try:
            # Never with `recycle`: after one failure it goes on from the diverged voltages and calls that converged.
            pp.runpp(
                self.net,
                numba=False,
                lightsim2grid=False,
                tolerance_mva=self._tolerance_mva,
                max_iteration=MAX_ITERATIONS,
            )
        except LoadflowNotConverged:
            return None
        return np.array(self.net._ppc["internal"]["V"], dtype=np.complex128)  # noqa: SLF001 - documented, no accessor


class Lightsim:
    """lightsim2grid's compiled solver, made from pandapower's own admittance matrix.

    lightsim2grid can read pandapower nets itself, but ignores their switches and lacks several elements. It gets the
    matrix instead, entry by entry: a branch for each pair of connected nodes, a shunt for what remains on the diagonal.

    Parameters
    ----------
    equations : Equations
        What to solve; its solution is the start of every later one.
    station_nodes : sequence of int
        Node of each station.
    change_pu : NDArray, shape (n_steps, n_node), complex, optional
        What is drawn at each node in each step of a varying base, beyond what the net states.

    Raises
    ------
    ValueError
        If the matrix is none that branches and shunts can make.
    """

    def __init__(
        self,
        equations: Equations,
        station_nodes: Sequence[int],
        change_pu: NDArray[np.complex128] | None = None,
    ) -> None:
        from lightsim2grid.network import init_from_powermodels  # noqa: PLC0415 - without it, pandapower still serves

        drawn = np.zeros((1, len(equations.voltage)), dtype=np.complex128) if change_pu is None else change_pu
        base_nodes = np.flatnonzero((equations.injection != 0) | (drawn != 0).any(axis=0))
        self._grid: Any = init_from_powermodels(_network(equations, station_nodes, base_nodes.tolist()))
        self._step = STATED
        self._base_mva: list[list[tuple[int, float, float]]] = []
        if change_pu is not None:
            # The last row, at index STATED, is what the net states.
            drawn = np.vstack([drawn, np.zeros(drawn.shape[1])])[:, base_nodes] - equations.injection[base_nodes]
            first = len(station_nodes)
            self._base_mva = [
                [(first + k, power.real, power.imag) for k, power in enumerate(row)]
                for row in (drawn * equations.base_mva).tolist()
            ]
        # Flows are computed here, for the instants that need them.
        self._grid.deactivate_result_computation()
        self._start = equations.voltage.copy()
        self._start.setflags(write=False)
        self._tolerance_mva = tolerance_mva(equations)

    def solve(self, power_mw: Sequence[float], step: int = STATED) -> NDArray[np.complex128] | None:
        """See :class:`Engine`."""
        if step != self._step:
            self._take_base(step)
        change = self._grid.change_p_load
        for load, megawatt in enumerate(power_mw):
            change(load, megawatt)
        voltage: NDArray[np.complex128] = self._grid.ac_pf(self._start, MAX_ITERATIONS, self._tolerance_mva)
        if len(voltage):
            return voltage
        # Forget the pivots of the failed attempt, which would show in the last bit of later solutions.
        self._grid.prevent_cache_reuse()
        return None

    def _take_base(self, step: int) -> None:
        self._step = step
        for load, megawatt, megavar in self._base_mva[step]:
            self._grid.change_p_load(load, megawatt)
            self._grid.change_q_load(load, megavar)


def _network(equations: Equations, station_nodes: Sequence[int], base_nodes: Sequence[int]) -> dict[str, Any]:
    """Return the equations as a PowerModels network, the one input of lightsim2grid with two-sided branches."""
    base = equations.base_mva
    n_node = len(equations.voltage)
    branches, shunt = _branches_and_shunts(equations)
    kind = np.ones(n_node, dtype=int)
    kind[equations.regulated] = 2
    kind[equations.slack] = 3
    # The stations first, so that station k is load k.
    loads = [(int(node), 0j) for node in station_nodes]
    loads += [(node, -complex(equations.injection[node]) * base) for node in base_nodes]
    return {
        "baseMVA": base,
        "bus": {str(node): {"bus_i": node, "bus_type": int(kind[node]), "base_kv": 1.0} for node in range(n_node)},
        "branch": {str(row): branch for row, branch in enumerate(branches)},
        "shunt": {
            str(node): {"shunt_bus": node, "gs": value.real, "bs": value.imag}
            for node, value in enumerate(shunt.tolist())
            if value
        },
        "load": {
            str(row): {"load_bus": node, "pd": power.real, "qd": power.imag} for row, (node, power) in enumerate(loads)
        },
        "gen": {
            str(row): {"gen_bus": node, "pg": 0.0, "vg": abs(equations.voltage[node]), "qmin": -1e9, "qmax": 1e9}
            for row, node in enumerate([equations.slack, *equations.regulated.tolist()])
        },
    }


def _branches_and_shunts(equations: Equations) -> tuple[list[dict[str, float]], NDArray[np.complex128]]:
    """Split the admittance matrix into series branches and what they leave on its diagonal.

    Entries (i, j) and (j, i) that are equal make a plain branch, and entries that differ in phase only make one with
    a phase shift. Ratios of transformers need none of their own: they show on the diagonal.
    """
    upper: coo_array = coo_array(triu(equations.admittance, 1))
    lower = equations.admittance.T.tocsr()
    shunt = np.asarray(equations.admittance.diagonal(), dtype=np.complex128).copy()
    scale = np.abs(shunt)
    branches = []
    for i, j, there in zip(upper.row.tolist(), upper.col.tolist(), upper.data.tolist(), strict=True):
        back = complex(lower[i, j])
        if not np.isclose(abs(there), abs(back), rtol=1e-12, atol=0.0):
            raise ValueError("it has a branch whose two directions differ")
        shift = 0.0 if there == back else float(np.angle(there / back)) / 2
        series = -there * np.exp(-1j * shift)
        if series.real < 0:  # the same pair of entries, half a turn away
            shift, series = shift + np.pi, -series
        impedance = 1 / series
        branches.append({"f_bus": i, "t_bus": j, "br_r": impedance.real, "br_x": impedance.imag, "shift": shift})
        shunt[i] -= series
        shunt[j] -= series
    # What is left of rounding is no shunt.
    shunt[np.abs(shunt) <= 1e-14 * scale] = 0
    return branches, shunt
