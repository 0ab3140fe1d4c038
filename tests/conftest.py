"""Shared fixtures: one default run for the whole session, and a short scenario for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest

import cosim
from cosim.coupling import CoupledSystem, couple
from cosim.results import Result
from cosim.scenario import Scenario

SHORT = {"simulation.warmup_s": 300, "simulation.control_s": 900}


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """The shipped default."""
    return cosim.load_scenario("nguyen-dupuis")


@pytest.fixture(scope="session")
def short_scenario() -> Scenario:
    """Five minutes of warm-up and fifteen of control: 200 vehicles, 75 EVs."""
    return cosim.load_scenario("nguyen-dupuis", **SHORT)


@pytest.fixture(scope="session")
def system(scenario: Scenario) -> CoupledSystem:
    """Network, feeder and stations of the default scenario."""
    return couple(scenario)


@pytest.fixture(scope="session")
def default_run(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The default scenario with the default seed, written to a folder."""
    folder: Path = tmp_path_factory.mktemp("runs") / "default"
    return cosim.run(scenario, out=folder)


@pytest.fixture(scope="session")
def busy_run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The default scenario with too few chargers, so that vehicles queue."""
    crowded = cosim.load_scenario("nguyen-dupuis", **{f"station.CS{k}.chargers": 12 for k in range(1, 6)})
    return cosim.run(crowded, recommender="nearest", seed=3, out=tmp_path_factory.mktemp("runs") / "busy")
