"""The power flow equations of a net, as pandapower itself forms them.

pandapower turns a net into nodes and branches before it solves: closed switches fuse buses, an open switch leaves a
line hanging on a node of its own, a three-winding transformer becomes a star, what is out of service disappears.
Everything here works on those nodes and branches, so that no element has to be modelled a second time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandapower import pandapowerNet

# Columns of pandapower's internal tables (those of MATPOWER).
_PD, _QD, _BASE_KV, _FROM, _TO = 2, 3, 9, 0, 1


@dataclass(frozen=True, slots=True)
class Equations:
    """Nodes and branches of a solved net, in per unit of :attr:`base_mva`.

    Parameters
    ----------
    base_mva : float
        Base power.
    admittance : csr_array, shape (n_node, n_node), complex
        Nodal admittance matrix.
    branch_admittance : csr_array, shape (2 * n_branch, n_node), complex
        Times the voltages: the currents into the branches at their from ends, then at their to ends.
    branch_ends : NDArray, shape (2 * n_branch,), int
        Node of each of these ends.
    injection : NDArray, shape (n_node,), complex
        Constant power into each node, generation less base load; at the slack without the external grid's share.
    voltage : NDArray, shape (n_node,), complex
        Solution with these injections.
    slack : int
        The node whose voltage is given.
    regulated : NDArray, shape (n_regulated,), int
        Nodes at which a generator holds the voltage.
    base_kv : NDArray, shape (n_node,)
        Base voltage, line to line.
    node_of_bus : NDArray, shape (n_bus,), int
        Node of each row of ``net.bus``; -1 where out of service or isolated.
    branch_of_line : NDArray, shape (n_line,), int
        Branch of each row of ``net.line``; -1 where out of service.
    """

    base_mva: float
    admittance: csr_array
    branch_admittance: csr_array
    branch_ends: NDArray[np.int64]
    injection: NDArray[np.complex128]
    voltage: NDArray[np.complex128]
    slack: int
    regulated: NDArray[np.int64]
    base_kv: NDArray[np.float64]
    node_of_bus: NDArray[np.int64]
    branch_of_line: NDArray[np.int64]


def take_equations(net: pandapowerNet) -> Equations:
    """Take the equations from a net that ``pandapower.runpp`` has just solved.

    Parameters
    ----------
    net : pandapowerNet
        With one slack and fresh results. It is not changed.
    """
    internal: dict[str, Any] = net._ppc["internal"]  # noqa: SLF001 - pandapower documents _ppc but has no accessor
    buses, branches = internal["bus"], internal["branch"]
    base_mva = float(internal["baseMVA"])
    slack = int(internal["ref"][0])
    injection = np.array(internal["Sbus"], dtype=np.complex128)
    # pandapower books the external grid's own supply there.
    injection[slack] = -complex(buses[slack, _PD].real, buses[slack, _QD].real) / base_mva
    return Equations(
        base_mva=base_mva,
        admittance=csr_array(internal["Ybus"]),
        branch_admittance=csr_array(np.vstack([internal["Yf"].toarray(), internal["Yt"].toarray()])),
        branch_ends=np.concatenate([branches[:, _FROM], branches[:, _TO]]).real.astype(np.int64),
        injection=injection,
        voltage=np.array(internal["V"], dtype=np.complex128),
        slack=slack,
        regulated=np.asarray(internal["pv"], dtype=np.int64),
        base_kv=buses[:, _BASE_KV].real.astype(np.float64),
        node_of_bus=_nodes(net, len(buses)),
        branch_of_line=_branches(net, internal["branch_is"]),
    )


def tolerance_mva(equations: Equations) -> float:
    """Return the power mismatch at which to stop: 1e-10 MVA, or what rounding leaves beside very short lines."""
    largest = float(np.abs(equations.admittance.diagonal()).max())
    return max(1e-10, 10 * float(np.finfo(np.float64).eps) * largest * equations.base_mva)


def _nodes(net: pandapowerNet, n_node: int) -> NDArray[np.int64]:
    lookup = net._pd2ppc_lookups["bus"]  # noqa: SLF001 - as above
    node = np.array(lookup[net.bus.index.to_numpy()], dtype=np.int64)
    # Nodes without voltage come after the others.
    node[(node >= n_node) | ~np.isfinite(net.res_bus["vm_pu"].to_numpy())] = -1
    return node


def _branches(net: pandapowerNet, in_service: NDArray[np.bool_]) -> NDArray[np.int64]:
    if len(net.line) == 0:
        return np.empty(0, dtype=np.int64)
    first, last = net._pd2ppc_lookups["branch"]["line"]  # noqa: SLF001 - as above
    row = np.cumsum(in_service) - 1
    return np.where(in_service, row, -1)[first:last].astype(np.int64)
