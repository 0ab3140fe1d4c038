"""What the README shows works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from cosim.cli import run_command_line

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHORT = ("--set", "simulation.warmup_s=60", "--set", "simulation.control_s=240")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [text for found, text in fenced if found == language]


def test_the_python_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "__main__"})  # noqa: S102 - what is tested
    assert "CS1" in capsys.readouterr().out
    assert (tmp_path / "runs" / "mine" / "summary.json").exists()


# Those that stand there to be run; the others show what may be given, need what a training of hours has left, or are
# examples, which have tests of their own.
RUNS = [
    line
    for block in blocks("")
    for line in block.splitlines()
    if line.startswith(tuple(f"python -m cosim run {begin}" for begin in ("--set", "--controller", "examples/weak")))
]


@pytest.mark.parametrize("line", RUNS)
def test_the_commands(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python, _, cosim, *arguments = shlex.split(line)
    assert (python, cosim) == ("python", "cosim")
    monkeypatch.chdir(tmp_path)
    assert run_command_line([word.replace("examples/", f"{ROOT}/examples/") for word in (*arguments, *SHORT)]) == 0


def test_the_two_commands_are_those_of_the_continuous_integration() -> None:
    tests = 'pip install -e ".[dev]" && python -m pytest'
    assert tests in README
    assert tests.replace("pip install", "pip install --quiet") in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(RUNS) == 3


def test_the_table_of_files_is_the_run_folders() -> None:
    from cosim.records import TRIP_COLUMNS

    assert f"`{', '.join(TRIP_COLUMNS)}`" in README
