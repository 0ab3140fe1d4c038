"""Workers on Ray: a real cluster of two nodes, both on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import operator
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, wait
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import ray

from cosim import cluster as cosim_cluster
from cosim.cli import run_command_line
from cosim.cluster import RayWorkers, open_workers
from cosim.errors import InputError
from cosim.workers import WorkerProcesses

EXAMPLE = Path(__file__).parents[1] / "examples" / "ray_cluster.py"

COMMANDS = (["compare", "--recommenders", "nearest"], ["train", "ppo"])


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ray_cluster", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cluster(example: ModuleType) -> Iterator[str]:
    """What ``--cluster`` takes for two nodes with a CPU each."""
    with example.two_nodes() as address:
        yield address
    assert not ray.is_initialized()


def test_calls(cluster: str) -> None:
    """Workers are spread over the nodes, survive one another, and hand back results and errors."""
    with RayWorkers(2, cluster) as executor:
        assert executor.places == ()
        others = ray.util.placement_group([{"CPU": 1}])
        assert others.wait(30)
        # One worker waits for a CPU; that keeps no call waiting.
        wait([executor.submit(time.sleep, 0.05) for _ in range(4)])
        assert len(executor.places) == 1
        ray.util.remove_placement_group(others)
        deadline = time.monotonic() + 30
        while len(executor.places) < 2:
            assert time.monotonic() < deadline
            wait([executor.submit(time.sleep, 0.1) for _ in range(2)])
        first, second = executor.places
        assert {first.node, second.node} == {node["NodeID"] for node in ray.nodes()}
        dying = executor.submit(signal.raise_signal, signal.SIGKILL)
        one, half, failing = (executor.submit(operator.truediv, 1, divisor) for divisor in (1, 2, 0))
        assert (one.result(), half.result()) == (1.0, 0.5)
        assert isinstance(failing.exception(), ZeroDivisionError)
        assert isinstance(dying.exception(), BrokenExecutor)
        assert str(dying.exception()) in {f"its worker process {it.pid} on {it.host} died" for it in (first, second)}
        # The other one has its process still.
        assert executor.submit(os.getpid).result() in {first.pid, second.pid}
        assert executor.submit(Path.cwd).result() == Path.cwd()
        assert isinstance(executor.submit(lambda: operator).exception(), TypeError)
        # Ray itself would hand it out read-only.
        assert executor.submit(np.zeros, 3).result().flags.writeable


def test_results_are_those_of_this_process(
    cluster: str, example: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # That those of local processes are no others is tested elsewhere, and they take their time to come up.
    monkeypatch.setattr(example, "WorkerProcesses", lambda _: contextlib.nullcontext())
    example.main(cluster)
    told = capsys.readouterr().out
    assert told.count("was a worker on node") == 2
    assert told.count("TTT") == 2
    assert told.count("to the last bit: True\n") == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_too_many_workers(cluster: str, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([*command, "--cluster", cluster, "--workers", "3"]) == 2
    assert capsys.readouterr().err == "cosim: --workers 3: the Ray cluster has 2 CPUs, and every worker takes one.\n"


def test_another_version_on_a_node(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosim_cluster, "__version__", "0.0")
    with RayWorkers(1, cluster) as executor:
        error = executor.submit(os.getpid).exception()
    assert isinstance(error, BrokenExecutor)
    assert str(error).startswith("its worker process could not be started (RuntimeError: its node has cosim-grid ")
    assert str(error).endswith("instead of 0.0)")


# ---- without a cluster

STOPPED = """
import os, signal, time
from cosim.cluster import RayWorkers

try:
    with RayWorkers(1) as executor:
        busy, waiting = executor.submit(time.sleep, 60), executor.submit(os.getpid)
        while not executor.places:
            time.sleep(0.05)
        began = time.monotonic()
        raise LookupError
except LookupError:
    print("stopped:", type(busy.exception()).__name__, waiting.cancelled(), time.monotonic() - began < 10)
print("own handler:", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""


def test_a_ray_of_its_own_is_silent_and_ends() -> None:
    """Leaving the block by an error does not wait for calls, and no process is left."""
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    told, complaints = process.communicate(timeout=60)
    assert told == "stopped: WorkerDiedError True True\nown handler: True\n"
    assert complaints == ""
    deadline = time.monotonic() + 10
    while lives(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_addresses_get_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for bad in ("slurm", "ray:", "ray:here", "ray:here:port", "ray:here:0", "ray://here:10001"):
        assert run_command_line([*command, "--cluster", bad]) == 2
        assert capsys.readouterr().err == (
            f"cosim: --cluster {bad}: expected ray (a Ray of its own on this machine), or ray:auto or ray:HOST:PORT "
            "(one that runs already).\n"
        )
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert run_command_line([*command, "--cluster", f"ray:127.0.0.1:{free}"]) == 1
    told = capsys.readouterr().err
    assert told == f"cosim: --cluster ray:127.0.0.1:{free}: nobody answers there ([Errno 111] Connection refused).\n"
    assert not any(tmp_path.iterdir())


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r'--cluster ray: Ray is not installed; pip install "cosim-grid\[cluster\]"'):
        RayWorkers(1)


def test_no_cluster_means_this_machine() -> None:
    with open_workers(1) as executor:
        assert executor is None
    with open_workers(2) as executor:
        assert isinstance(executor, WorkerProcesses)
    with pytest.raises(InputError, match="--workers 0: at least 1 worker is needed"):
        open_workers(0, "ray")
