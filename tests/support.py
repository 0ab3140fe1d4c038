"""What several test files need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cosim.results import Result
from cosim.traffic.network import RoadNetwork


def assert_same_tables(one: Result, other: Result) -> None:
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, other.tables[name], check_exact=True)


@dataclass(frozen=True)
class ImportedScenario:
    """What an importer left, and what it said."""

    folder: Path
    printed: str
    network: RoadNetwork

    @property
    def record(self) -> dict[str, object]:
        return dict(json.loads((self.folder / "import.json").read_text()))
