"""A small town as a SUMO configuration of the user's, as the example has it, copied so that writing shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w

import cosim
from cosim.scenario import Scenario
from cosim.traffic.network import RoadNetwork, read_network

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_network"
STATION = {"id": "A", "edge": "-12#1", "bus": 18}

LoadTown = Callable[..., Scenario]


@pytest.fixture(scope="session")
def town_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's folder, not to be changed."""
    return shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("own") / "town")


@pytest.fixture(scope="session")
def town(town_folder: Path) -> RoadNetwork:
    return read_network(town_folder / "town.net.xml.gz", name="town")


@pytest.fixture
def load_town(tmp_path: Path, town_folder: Path) -> LoadTown:
    """Load a scenario beside the example's files; a file given as text replaces or joins them."""

    def load(tables: dict[str, Any] | None = None, files: dict[str, str] | None = None) -> Scenario:
        for path in town_folder.iterdir():
            shutil.copy(path, tmp_path)
        for name, text in (files or {}).items():
            (tmp_path / name).write_text(text)
        data: dict[str, Any] = {"name": "own", "network": {"file": "town.sumocfg"}, "grid": {"name": "ieee33"}}
        data |= {"simulation": {"warmup_s": 300}, "station": [STATION]} | (tables or {})
        path = tmp_path / "own.toml"
        path.write_text(tomli_w.dumps(data))
        return cosim.load_scenario(path)

    return load
