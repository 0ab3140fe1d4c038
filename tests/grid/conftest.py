"""The two shipped feeders, and the smallest one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandapower as pp
import pytest

from cosim.grid.feeder import Feeder, load_feeder

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture(scope="session")
def ieee33() -> Feeder:
    return load_feeder(name="ieee33", where="test")


@pytest.fixture(scope="session")
def ieee69() -> Feeder:
    return load_feeder(name="ieee69", where="test")


@pytest.fixture(scope="session", params=["ieee33", "ieee69"])
def case(request: pytest.FixtureRequest) -> tuple[Feeder, dict[str, Any]]:
    """Return a feeder and what is known about it from elsewhere."""
    expected = json.loads((CASES / request.param / "expected.json").read_text(encoding="utf-8"))
    return load_feeder(name=request.param, where="test"), expected


@pytest.fixture
def two_bus_net() -> Any:
    """Return a 10 kV source, one line of 1 + 0.5j ohm, and a bus without load."""
    net = pp.create_empty_network()
    pp.create_bus(net, 10.0, name="source", index=7)
    pp.create_bus(net, 10.0, name="end", index=3)
    pp.create_ext_grid(net, 7)
    pp.create_line_from_parameters(net, 7, 3, 1.0, r_ohm_per_km=1.0, x_ohm_per_km=0.5, c_nf_per_km=0.0, max_i_ka=0.3)
    return net
