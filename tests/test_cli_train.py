"""``cosim train`` as a person uses it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cosim.cli import run_command_line

TINY = ("--set", "simulation.warmup_s=60", "--set", "simulation.control_s=240")


def test_train_and_run_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["train", "ppo-lag", *TINY, "--episodes", "10", "--cost-limit", "1.1"]) == 0
    told = capsys.readouterr().out.splitlines()
    (folder,) = Path("runs").iterdir()
    assert folder.name.endswith("-nguyen-dupuis-ppo-lag-training")
    assert told[0] == "Training ppo-lag on scenario 'nguyen-dupuis' ..."
    number, left = r"[\d,.]+", r"0:\d\d:\d\d left"
    assert re.fullmatch(
        rf"epoch 1 of 2 \| TTT {number} s \| CVV {number} pu \| WCT {number} min \| lambda {number} \| {left}",
        told[1],
    )
    assert told[-1] == f"policy: {folder / 'policy.npz'}"
    arguments = ["run", *TINY, "--recommender", "learned", "--set", f"recommender.policy={folder / 'policy.npz'}",
                 "--set", "recommender.sample=true", "--out", "run", "--quiet"]  # fmt: skip
    assert run_command_line(arguments) == 0
    assert capsys.readouterr() == ("run\n", "")
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["recommender"] == "learned"


def test_interruption_and_resumption(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a"
    arguments = ["train", "ppo", *TINY, "--episodes", "2000", "--quiet", "--out", str(folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "cosim", *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (folder / "checkpoint").exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        # As Ctrl-C on a terminal does.
        os.killpg(process.pid, signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    kept = r"holds epoch \d+ of 400, and the same command with --resume goes on from there\.\n"
    assert re.fullmatch(rf"cosim: interrupted; {re.escape(str(folder))} {kept}", told)
    assert run_command_line(arguments) == 2
    assert capsys.readouterr().err.endswith("the folder exists already; choose another or add --overwrite.\n")


def test_list_names_learners(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["list"]) == 0
    told = capsys.readouterr().out
    assert "learners\n  actor-critic  Policy gradient" in told
    assert "  learned " in told


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "AGENT"),
        (["pppo"], "unknown learner 'pppo'; did you mean 'ppo'?"),
        (["ppo", "--episodes", "3"], "--episodes 3: it must be a positive multiple of 5."),
        (["ppo", "--preset", "papr"], "There is no preset 'papr': did you mean 'paper'?"),
        (["ppo-lag", "--cost-limit", "low"], "--cost-limit: found 'low'; it must be a number or 'auto'."),
        (["ppo", "--resume"], "--resume: add --out with the folder of the training to go on with."),
        (["ppo", "--recommender", "nearest"], "--recommender: what is trained is named by AGENT instead."),
        (["ppo", "--workers", "0"], "--workers 0: at least 1 worker is needed."),
        (["ppo", "--seed", "x"], "--seed: found 'x'"),
    ],
)
def test_bad_input_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    sentence: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run_command_line(["train", *arguments]) == 2
    told = capsys.readouterr().err
    assert told.startswith("cosim: ")
    assert sentence in told
    assert len(told.splitlines()) == 1
    assert not any(tmp_path.iterdir())
