"""Drawn tasks and tasks from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError
from cosim_agents.ocean.tasks import TaskRanges, draw_tasks, read_tasks


def test_tasks_are_those_of_section_5_1() -> None:
    stream = draw_tasks(np.random.default_rng(1), 900)
    counts, tasks = np.diff(stream.offsets), stream.tasks
    assert (counts.min(), counts.max()) == (70, 110)
    assert counts.mean() == pytest.approx(90.0, rel=0.02)
    for values, low, high in ((tasks.size_mb, 0.1, 0.9), (tasks.cycles, 50e6, 90e6), (tasks.deadline_s, 0.5, 1.0)):
        assert low <= values.min() <= low * 1.01
        assert high * 0.99 <= values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2.0, rel=0.01)
    again = draw_tasks(np.random.default_rng(1), 900)
    np.testing.assert_array_equal(again.tasks.cycles, tasks.cycles)
    np.testing.assert_array_equal(stream.slot(2).cycles, tasks.cycles[stream.offsets[2] : stream.offsets[3]])


def test_ranges_may_differ_and_must_be_ranges() -> None:
    stream = draw_tasks(np.random.default_rng(1), 3, TaskRanges(count=(0, 0)))
    assert (len(stream), len(stream.tasks)) == (3, 0)
    with pytest.raises(ValueError, match=r"cycles = \(2, 1\) must be finite"):
        TaskRanges(cycles=(2, 1))


def test_a_file_is_read_slot_by_slot(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text("deadline_s,slot,size_mb,cycles\n0.5,2,0.3,6e7\n1,0,0,7e7\n0.6,2,0.1,8e7\n", encoding="utf-8")
    stream = read_tasks(path)
    assert stream.offsets.tolist() == [0, 1, 1, 3]
    assert stream.tasks.cycles.tolist() == [7e7, 6e7, 8e7]
    assert stream.slot(2).deadline_s.tolist() == [0.5, 0.6]
    path.write_text("slot,size_mb,cycles,deadline_s\n", encoding="utf-8")
    assert len(read_tasks(path)) == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("slot,size_mb,cycles,deadline\n", "unknown column 'deadline'; did you mean 'deadline_s'?"),
        ("slot,size_mb,cycles\n", "the column 'deadline_s' is missing"),
        ("slot,slot,size_mb,cycles,deadline_s\n", "the column 'slot' is there twice"),
        ("slot,size_mb,cycles,deadline_s\n1.5,0,1,1\n", "line 2: slot = '1.5' must be a whole number from 0"),
        ("slot,size_mb,cycles,deadline_s\n0,x,1,1\n", "line 2: size_mb = 'x' must be a number, at least 0."),
        ("slot,size_mb,cycles,deadline_s\n0,0,1,1\n0,1,0,1\n", "line 3: cycles = '0' must be a number greater than 0."),
        (
            "slot,size_mb,cycles,deadline_s\n0,1,1,1.5\n",
            "deadline_s = '1.5' must be a number greater than 0 and at most 1",
        ),
        ("slot,size_mb,cycles,deadline_s\n0,1,1\n", "line 2: found 3 values; it must have 4"),
        ("slot,size_mb,cycles,deadline_s\n" + 30 * "x,1,1,1\n", "and 10 more like these"),
    ],
)
def test_faults_of_a_file_are_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_tasks(path)
    assert sentence in str(error.value)
    assert all(fault.startswith(str(path)) for fault in error.value.faults)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as a CSV file of tasks"):
        read_tasks(tmp_path / "none.csv")
