"""The admittance matrix that both engines share."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from cosim.grid.engines import Lightsim, Pandapower, _branches_and_shunts
from cosim.grid.equations import tolerance_mva


def test_branches_and_shunts_make_the_admittance_matrix_again():
    from pandapower import networks

    for net in (networks.create_cigre_network_mv(), networks.case14()):
        equations = Pandapower(net, [], 1.0).equations
        branches, shunt = _branches_and_shunts(equations)
        matrix = np.diag(shunt)
        for branch in branches:
            i, j = int(branch["f_bus"]), int(branch["t_bus"])
            series = 1 / complex(branch["br_r"], branch["br_x"])
            turn = np.exp(1j * branch["shift"])
            matrix[i, i] += series
            matrix[j, j] += series
            matrix[i, j] -= series * turn
            matrix[j, i] -= series / turn
        np.testing.assert_allclose(matrix, equations.admittance.toarray(), rtol=1e-12, atol=1e-9)


def test_plain_feeders_need_no_shunt(ieee69):
    branches, shunt = _branches_and_shunts(Pandapower(ieee69.net, [], 1.0).equations)
    assert (len(branches), np.count_nonzero(shunt)) == (68, 0)


def test_a_branch_that_differs_by_direction_is_refused(ieee33):
    equations = copy.deepcopy(Pandapower(ieee33.net, [], 1.0).equations)
    equations.admittance[0, 1] *= 1.1
    with pytest.raises(ValueError, match="a branch whose two directions differ"):
        Lightsim(equations, [])


def test_the_tolerance_leaves_room_for_rounding(ieee33, ieee69):
    assert tolerance_mva(Pandapower(ieee33.net, [], 1.0).equations) == 1e-10
    assert 1e-10 < tolerance_mva(Pandapower(ieee69.net, [], 1.0).equations) < 1e-9
