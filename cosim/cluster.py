"""Workers on a Ray cluster, for more runs at a time than one machine has processors.

``RayWorkers`` has the guarantees of ``cosim.workers.WorkerProcesses``: a worker is a Ray actor, that is, a process that
works on one call at a time and serves many. Every node of the cluster needs the same Python, Ray and cosim-grid, with
the same plug-ins, and the files that scenario and recommenders name at the same paths; nothing is installed or copied
there. Results are then those of a run in local processes, as far as the processors round alike.

Ray is the extra ``cluster`` and is imported only here, when it is asked for.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import signal
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from cosim._version import __version__
from cosim.errors import CosimError, InputError
from cosim.workers import PATIENCE_S, Worker, WorkerDiedError, WorkerPool, WorkerProcesses, obey_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager

T = TypeVar("T")

#: How long a cluster's address may take to answer, s.
_ANSWER_S: Final = 5.0

#: Read by Ray when it is imported: no statistics are sent, and no messages of the cluster are mixed into our output,
#: since the death of a worker is told by its call.
_SETTINGS: Final = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "^"}
#: With Ray's own patience, a cluster that does not answer is given up after a quarter of an hour.
_SETTINGS_TO_CONNECT: Final = {
    "RAY_NUM_REDIS_GET_RETRIES": "1",
    "RAY_py_gcs_connect_timeout_s": "10",
    "RAY_gcs_server_request_timeout_seconds": "20",
}


def open_workers(count: int, cluster: str | None = None) -> AbstractContextManager[Executor | None]:
    """Return what ``--workers`` and ``--cluster`` ask for: an executor, or None for one worker, which is this process.

    Parameters
    ----------
    count : int
        How many workers.
    cluster : str, optional
        Where, as ``RayWorkers`` takes it; on this machine if left out.

    Raises
    ------
    InputError, CosimError
        See ``RayWorkers``.
    """
    if cluster is not None:
        return RayWorkers(count, cluster)
    return contextlib.nullcontext() if count == 1 else WorkerProcesses(count)


class Place(NamedTuple):
    """Where a worker is.

    Attributes
    ----------
    node : str
        Ray's name of the node, as in ``ray.nodes()``.
    host : str
        Its network address.
    pid : int
        The process there.
    """

    node: str
    host: str
    pid: int


class RayWorkers(WorkerPool):
    """An executor of processes on the nodes of a Ray cluster, each of which takes one of its CPUs.

    Functions and arguments are pickled by value where they belong to the calling script, otherwise by name: the nodes
    have to have their modules installed. A worker for which no CPU is free waits until there is one; those that have
    a place share the calls.

    Parameters
    ----------
    count : int
        How many; each is started when it is needed first.
    cluster : str
        ``"ray"``: a Ray with as many CPUs on this machine, started now and ended with the executor; ``"ray:auto"`` or
        ``"ray:HOST:PORT"``: one that runs already, of which this machine has to be a node.

    Raises
    ------
    InputError
        If Ray is not installed, ``cluster`` is none of these, or there are fewer than one worker or fewer CPUs than
        workers.
    CosimError
        If Ray cannot be started or the cluster does not answer.
    """

    def __init__(self, count: int, cluster: str = "ray") -> None:
        super().__init__(count)
        self._ray = _connected_ray(count, cluster)
        self._connected = True
        # Spread, so that the workers do not crowd on one node.
        self._actors = self._ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(_Host)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the workers are that have served by now."""
        return tuple(worker.place for worker in self._workers if isinstance(worker, _Actor) and worker.place)

    def _start(self, ready: Callable[[Worker], None]) -> Worker:
        return _Actor(self._ray, self._actors.remote(__version__, str(Path.cwd())), ready)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the workers when their calls are done, and what was started of Ray; disconnect from what was not."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait and self._connected:
            self._connected = False
            self._ray.shutdown()


class _Actor:
    """One actor and the way to it; a ``cosim.workers.Worker``."""

    def __init__(self, ray: Any, actor: Any, ready: Callable[[Worker], None]) -> None:
        self._ray, self._actor = ray, actor
        self.place: Place | None = None
        self._found_place = actor.place.remote()
        self._found_place.future().add_done_callback(lambda _: ready(self))

    def call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Call a function there."""
        # Pickled here and not by Ray, which would hand out arrays that cannot be written to.
        packed = self._ray.cloudpickle.dumps((fn, args, kwargs))
        try:
            self.place = Place(*self._ray.get(self._found_place))
            error, value = pickle.loads(self._ray.get(self._actor.call.remote(packed)))  # noqa: S301 - our own
        except self._ray.exceptions.RayActorError as death:
            self.kill()  # it may only be out of reach
            raise WorkerDiedError(f"its worker process {self._fate(death)}") from None
        if error is not None:
            raise error
        result: T = value
        return result

    def _fate(self, death: Exception) -> str:
        """Say how the process died; Ray's own words are a page long."""
        if self.place is not None:
            return f"{self.place.pid} on {self.place.host} died"
        lines = str(death).strip().splitlines()
        return f"could not be started ({lines[-1].strip() if lines else 'no reason is given'})"

    def interrupt(self) -> None:
        """Send a termination signal, from a task beside it: Ray itself would kill without letting SUMO be closed."""
        if self.place is None:
            self.kill()
            return
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415 - Ray is an extra

        beside = NodeAffinitySchedulingStrategy(self.place.node, soft=False)
        self._ray.remote(num_cpus=0, scheduling_strategy=beside)(_terminate).remote(self.place.pid)

    def kill(self) -> None:
        """End the process."""
        self._ray.kill(self._actor)

    def end(self) -> None:
        """Let the process clean up, and end it."""
        if self.place is not None:
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.get(self._actor.close.remote(), timeout=PATIENCE_S)
        self.kill()


class _Host:
    """What runs on a node as an actor.

    Parameters
    ----------
    version : str
        Of the caller's cosim-grid.
    folder : str
        The caller's working directory.
    """

    def __init__(self, version: str, folder: str) -> None:
        if version != __version__:
            raise RuntimeError(f"its node has cosim-grid {__version__} instead of {version}")
        obey_signals()
        # So that relative paths mean the same, where nodes share their files.
        with contextlib.suppress(OSError):
            os.chdir(folder)
        # Ray ends the process without its exit handlers, and environments are kept open between calls.
        self._scratch = tempfile.TemporaryDirectory(prefix="cosim-worker-")
        tempfile.tempdir = self._scratch.name

    def place(self) -> tuple[str, str, int]:
        """Say where this is."""
        import ray  # noqa: PLC0415 - only here is it certain to be there

        return ray.get_runtime_context().get_node_id(), ray.util.get_node_ip_address(), os.getpid()

    def call(self, packed: bytes) -> bytes:
        """Call a function; return its error, or None, and its result."""
        answer: tuple[Exception | None, Any]
        try:
            fn, args, kwargs = pickle.loads(packed)  # noqa: S301 - the caller's own
            answer = None, fn(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the caller's to judge, as in every executor
            answer = error, None
        return pickle.dumps(answer)

    def close(self) -> None:
        """Remove the scratch files of all calls."""
        self._scratch.cleanup()


def _terminate(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _connected_ray(count: int, cluster: str) -> Any:
    """Return the package ``ray``, connected."""
    address = _address(cluster)
    for name, value in (_SETTINGS if address == "local" else _SETTINGS | _SETTINGS_TO_CONNECT).items():
        os.environ.setdefault(name, value)
    try:
        import ray  # noqa: PLC0415 - slow, and an extra
    except ImportError:
        raise InputError(f'--cluster {cluster}: Ray is not installed; pip install "cosim-grid[cluster]".') from None
    options: dict[str, Any] = {"num_cpus": count, "include_dashboard": False} if address == "local" else {}
    _knock(cluster, address)
    try:
        with _own_signal_handler():
            ray.init(address, log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:
        # Ray raises whatever its parts do (ConnectionError, RuntimeError, gRPC's own): each means that there is no
        # cluster, and its reason is told. Ctrl-C is no Exception and goes through.
        what = {"local": "Ray could not be started", "auto": "no Ray cluster was found on this machine"}.get(
            address, "no Ray cluster with this machine as a node answers, or it asks for RAY_AUTH_MODE=token"
        )
        reason = " ".join(str(error).split()).rstrip(".")
        raise CosimError(f"--cluster {cluster}: {what} ({reason}).") from error
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if address != "local" and cpus < count:
        ray.shutdown()
        raise InputError(f"--workers {count}: the Ray cluster has {cpus} CPUs, and every worker takes one.")
    return ray


def _address(cluster: str) -> str:
    """Return the address that Ray knows it by."""
    kind, _, address = cluster.partition(":")
    named = re.fullmatch(r"[^\s:/]+:(\d{1,5})", address)
    if cluster == "ray":
        return "local"
    if kind != "ray" or not (address == "auto" or (named and 0 < int(named[1]) < 2**16)):
        raise InputError(
            f"--cluster {cluster}: expected ray (a Ray of its own on this machine), or ray:auto or ray:HOST:PORT "
            "(one that runs already)."
        )
    return address


def _knock(cluster: str, address: str) -> None:
    """See whether anybody listens; Ray would try for long, and Ctrl-C could not stop it."""
    host, separator, port = address.rpartition(":")
    if not separator:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        raise CosimError(f"--cluster {cluster}: nobody answers there ({error}).") from error


@contextlib.contextmanager
def _own_signal_handler() -> Iterator[None]:
    """Keep Ray's hands off SIGTERM, which ends a run as Ctrl-C does, with its results written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
