"""The studies of charging sites run."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

STUDIES = Path(__file__).parents[1] / "examples" / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a study as Python does when it is run: with its folder first on the path."""
    modules = [path.stem for path in STUDIES.glob("*.py")]
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(STUDIES)
    yield importlib.import_module
    for name in modules:
        sys.modules.pop(name, None)


def test_fleet_size(study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    study("fleet_size").main(
        ["--vehicles", "5,10", "--controllers", "eager,oa", "--seeds", "2", "--workers", "1", "--out", str(out)]
    )
    table = pd.read_parquet(out / "fleet_size.parquet").set_index(["vehicles_per_day", "controller"])
    assert list(table.index) == [(number, name) for number in (5, 10) for name in ("eager", "oa")]
    assert (table["above_percent"] >= 0).all()
    assert (table.xs("eager", level=1)["cost_per_vehicle"] > table.xs("oa", level=1)["cost_per_vehicle"]).all()
    assert (out / "fleet_size.png").stat().st_size > 5000
    assert "bill of a vehicle" in capsys.readouterr().out


@pytest.mark.parametrize("preset", ["tuned", "paper"])
def test_convergence(
    preset: str, study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    study("charging_convergence").main([
        "--preset", preset, "--gammas", "0.5,1", "--rates", "0.01", "--iterations", "2", "--workers", "1",
        "--set", "arrivals.vehicles_per_day=8", "--out", str(out),
    ])  # fmt: skip
    table = pd.read_parquet(out / "returns.parquet")
    assert table.groupby(["varied", "value"]).size().to_dict() == {
        ("gamma", 0.5): 2,
        ("gamma", 1.0): 2,
        ("rate", 0.01): 2,
    }
    assert (out / "convergence.png").stat().st_size > 5000
    assert "learning rate" in capsys.readouterr().out
