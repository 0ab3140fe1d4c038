"""The study of the paper's figures and the offloading example run, and say of the paper what is known of it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from cosim import plots
from cosim.errors import InputError

EXAMPLES = Path(__file__).parents[3] / "examples"
STUDIES = EXAMPLES / "studies"


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a study as Python does when it is run: with its folder first on the path."""
    modules = [path.stem for path in STUDIES.glob("*.py")]
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(STUDIES)
    monkeypatch.setattr(plots, "installed", lambda: False)
    yield importlib.import_module
    for name in modules:
        sys.modules.pop(name, None)


def run(study: Callable[[str], ModuleType], out: Path, *arguments: str) -> None:
    tiny = ["--set", "arrivals.piles=4", "--seeds", "1", "--workers", "1", "--out", str(out)]
    study("ocean_figures").main([*tiny, *arguments])


def verdicts(told: str) -> list[str]:
    """Return the column of verdicts."""
    return [cells[2].strip() for line in told.splitlines() if len(cells := line.split("│")) == 5 and cells[2].strip()]


def test_what_is_known_of_the_paper(
    study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(study, tmp_path / "out", "--only", "fig8,table5,admission", "--sizes-of-table-5", "5,8")
    told = capsys.readouterr().out
    for words in ("12.912126945 J", "one costs 3.645 J there", "no picture"):
        assert words in told
    table = pd.read_parquet(tmp_path / "out" / "fig8.parquet")
    assert table["type-1 EVs"].sum() == 0
    assert table["type-2 EVs"].tolist() == [0, 0, 19, 2]
    assert table["type-3 EVs"].tolist() == [30, 30, 11, 28]
    assert "all charging demands can be met │ NO " in told
    assert "the optimum takes minutes, and cannot be found for 60 piles │ NO " in told
    assert pd.read_parquet(tmp_path / "out" / "admission.parquet")["short [%]"].between(5, 70).all()


def test_load_and_tasks(study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    run(
        study, out, "--only", "fig7,fig9a,fig9b,fig9c", "--controllers", "average-rate,ocean", "--piles", "4",
        "--soc", "0.5", "--tasks", "4,8", "--sizes", "100,900", "--megacycles", "20,80",
        "--set", "controller.ocean.tasks_per_s_min=6", "--set", "controller.ocean.tasks_per_s_max=6",
    )  # fmt: skip
    told = capsys.readouterr().out
    assert told.count("of that without any task") == 3
    for name, what in (("fig9b", "tasks a second"), ("size", "size [KB]"), ("fig9d", "Megacycles")):
        table = pd.read_parquet(out / f"{name}.parquet")
        assert len(table) == 2
        assert f"{what}: they move the load variance" in told
        assert table["computing [kWh]"].is_monotonic_increasing
        # So few vehicles are moved a little more than those of a whole station.
        assert (table["load variance [kWh^2]"].max() / table["load variance [kWh^2]"].min()) < 1.01
    assert pd.read_parquet(out / "fig7.parquet")["price_per_kwh"].is_monotonic_decreasing
    assert list(pd.read_parquet(out / "fig9a.parquet")["controller"]) == ["average-rate", "ocean", "Optimal"]


def test_learners(study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    run(study, out, "--only", "fig5,table4,fig9c", "--episodes", "1", "--soc", "0.6", "--retrain", "1",
        "--controllers", "ocean")  # fmt: skip
    table = pd.read_parquet(out / "table4.parquet").set_index(["algorithm", "shield"])
    assert (table.xs("yes", level="shield")["short [%]"] == 0).all()
    assert set(pd.read_parquet(out / "fig5.parquet")["algorithm"]) == {"Algorithm 1", "LSRL", "ocean (this project)"}
    told = capsys.readouterr().out
    assert "OCEAN keeps every vehicle safe" in told
    assert "times, trained for each" in told
    assert (out / "fig9c" / "initial_soc-0.6.npz").is_file()


def test_unknown_parts_are_refused(study: Callable[[str], ModuleType], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--only: unknown part 'fig'; did you mean 'fig8'"):
        run(study, tmp_path / "out", "--only", "fig")


def test_offloading_example() -> None:
    script = EXAMPLES / "ocean_offloading.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    for words in (
        "[0.15   0.1615 0.1714]", "30 of 30 tasks placed, 2.763823814 J", "no assignment needs less than 2.763823814 J",
        "12.912126945 J in a search to the optimum", "type-2 tasks on type-1, type-2 and type-3 vehicles: 0 0 30",
    ):  # fmt: skip
        assert words in done.stdout
