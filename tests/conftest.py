"""Shared fixtures: one default run for the whole session, and a short scenario for everything else."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import cosim
from cosim.coupling import CoupledSystem, couple
from cosim.results import Result
from cosim.scenario import Scenario

SHORT = {"simulation.warmup_s": 300, "simulation.control_s": 900}

#: What a scenario says that its network, its feeder and the places of its stations do not depend on.
BESIDE_THE_SYSTEM = {
    "name": True, "description": True, "recommender": True, "controller": True, "reward": True, "fleet": True,
    "droop": True, "simulation": {"seed", "backend", "stepping", "warmup_s", "control_s"},
}  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def interruptions_are_heard() -> None:
    """A suite in the background of a shell ignores Ctrl-C, and so would the programs that tests start and interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def systems_are_loaded_once() -> Iterator[None]:
    """Runs of one process share the shipped systems, as those of a comparison do: loading takes longer than running.

    Whatever reads a file is loaded each time, and so is what asks ``cosim.coupling.couple`` itself.
    """
    loaded: dict[str, CoupledSystem] = {}

    def couple_once(scenario: Scenario, source: str | None = None) -> CoupledSystem:
        key = json.dumps(scenario.model_dump(mode="json", exclude=BESIDE_THE_SYSTEM))
        shipped = scenario.network.name == "nguyen-dupuis" and scenario.grid.name in {"ieee33", "ieee69"}
        if not shipped or re.search(r'(files?|stations_from)": ["\[]', key):
            return couple(scenario, source)
        if key not in loaded:
            loaded[key] = couple(scenario, source)
        return loaded[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in ("simulation", "experiment", "report.folders", "env.recommendation"):
            patch.setattr(f"cosim.{module}.couple", couple_once)
        yield


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
