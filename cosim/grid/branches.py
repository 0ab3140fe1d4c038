"""Line loading, losses and the supply of the external grid, from node voltages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array, vstack

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandapower import pandapowerNet

    from cosim.grid.equations import Equations

# Nets without ratings carry placeholders such as 99999 kA, against which every line is idle.
UNREAL_RATING_KA = 1e3


@dataclass(frozen=True, slots=True)
class BranchResults:
    """What flows in a feeder; the definitions are pandapower's ``res_line`` and ``res_ext_grid``.

    Parameters
    ----------
    line_loading_percent : NDArray, shape (n_line,)
        Larger of the two end currents over the line's rating; NaN where the rating is missing or not real, or the
        line is out of service.
    line_loss_kw : NDArray, shape (n_line,)
        Active power lost in each line; 0 where out of service.
    losses_kw, losses_kvar : float
        Lost in all branches, transformers included. Charging of cables counts as negative reactive loss.
    slack_kw, slack_kvar : float
        Drawn from the external grid.
    """

    line_loading_percent: NDArray[np.float64]
    line_loss_kw: NDArray[np.float64]
    losses_kw: float
    losses_kvar: float
    slack_kw: float
    slack_kvar: float


class Branches:
    """Branch flows of one feeder.

    Parameters
    ----------
    equations : Equations
        The feeder.
    net : pandapowerNet
        Where they were taken from, for the ratings of its lines.
    """

    def __init__(self, equations: Equations, net: pandapowerNet) -> None:
        slack = equations.slack
        self._n_branch = len(equations.branch_ends) // 2
        # One product gives all the currents: into both ends of every branch, and of the slack into the feeder.
        self._currents: csr_array = csr_array(
            vstack([equations.branch_admittance, equations.admittance[[slack]]], format="csr")
        )
        self._nodes = np.append(equations.branch_ends, slack)
        self._base_kw = equations.base_mva * 1e3
        self._fixed_at_slack = complex(equations.injection[slack]) * self._base_kw

        branch = equations.branch_of_line
        self._rows = np.flatnonzero(branch >= 0)
        self._branch = branch[self._rows]
        self._n_line = len(branch)
        line = net.line
        rating_ka = (line["max_i_ka"] * line["df"] * line["parallel"]).to_numpy(dtype=np.float64)[self._rows]
        unreal = ~((rating_ka > 0) & (rating_ka < UNREAL_RATING_KA))
        rating_ka = np.where(unreal, np.nan, rating_ka)
        base_ka = equations.base_mva / (np.sqrt(3) * equations.base_kv[equations.branch_ends].reshape(2, -1))
        self._percent_per_pu = 100.0 * base_ka[:, self._branch] / rating_ka

    def results(self, voltage: NDArray[np.complex128], slack_load_kw: float) -> BranchResults:
        """Return the flows.

        Parameters
        ----------
        voltage : NDArray, shape (n_node,), complex
            Node voltages.
        slack_load_kw : float
            Charging load at the slack bus itself, which flows in no branch.
        """
        current = np.asarray(self._currents @ voltage)
        power_kw = voltage[self._nodes] * current.conj() * self._base_kw
        n_branch, branch = self._n_branch, self._branch
        loss = power_kw[:n_branch] + power_kw[n_branch:-1]
        total = complex(loss.sum())
        supply = complex(power_kw[-1]) - self._fixed_at_slack + slack_load_kw

        ampere = np.abs(current)
        line_loss_kw = np.zeros(self._n_line)
        line_loss_kw[self._rows] = loss.real[branch]
        loading = np.full(self._n_line, np.nan)
        from_end, to_end = self._percent_per_pu
        loading[self._rows] = np.maximum(ampere[branch] * from_end, ampere[n_branch + branch] * to_end)
        return BranchResults(
            line_loading_percent=loading,
            line_loss_kw=line_loss_kw,
            losses_kw=total.real,
            losses_kvar=total.imag,
            slack_kw=supply.real,
            slack_kvar=supply.imag,
        )
