"""Spawned worker processes behind the ``concurrent.futures`` interface.

Each process works on one call at a time and serves many, since libsumo holds one simulation per process and a scenario
takes seconds to load. Unlike in ``ProcessPoolExecutor``, a process that dies takes only its own call along: its future
says so and the others go on. However this process ends, its workers end too, at the latest when their call is done.

``WorkerPool`` is that behaviour for any kind of worker; ``WorkerProcesses`` are processes of this machine.
"""

from __future__ import annotations

import multiprocessing
import queue
import signal
import sys
import threading
from abc import abstractmethod
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Protocol, TypeVar

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import FrameType, TracebackType

P = ParamSpec("P")
T = TypeVar("T")

#: How long a worker that was asked to end may take, s.
PATIENCE_S: Final = 10.0


class WorkerDiedError(BrokenExecutor):
    """A worker process died and took its call along."""


class Worker(Protocol):
    """A process that serves one call at a time, as a pool sees it."""

    def call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Call a function there; raise ``WorkerDiedError`` if the process dies."""
        ...

    def interrupt(self) -> None:
        """Ask the process to end in the middle of its call; does not wait for it."""
        ...

    def kill(self) -> None:
        """End the process in the middle of its call."""
        ...

    def end(self) -> None:
        """End the process, which has no call."""
        ...


class WorkerPool(Executor):
    """An executor of worker processes; leaving its ``with`` block by an exception stops them.

    Parameters
    ----------
    count : int
        How many; each is started when it is needed first.

    Raises
    ------
    InputError
        If there are fewer than one.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise InputError(f"--workers {count}: at least 1 worker is needed.")
        self._count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="cosim-worker")
        self._unfinished: set[Future[Any]] = set()
        self._lock = threading.Lock()
        self._workers: list[Worker] = []
        #: How many threads have a worker or wait for one.
        self._wanted = 0
        #: Workers without a call; None for a thread that is to wait no longer.
        self._free: queue.SimpleQueue[Worker | None] = queue.SimpleQueue()
        self._stopped = False

    @abstractmethod
    def _start(self, ready: Callable[[Worker], None]) -> Worker:
        """Start a worker; ``ready`` is to be called with it as soon as it can serve, or has failed to come up."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the processes; function, arguments and result are pickled.

        The future raises ``BrokenExecutor`` if the process dies.
        """
        future = self._threads.submit(self._call, fn, args, kwargs)
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def _call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Hand a call to a free worker and wait for the answer."""
        with self._lock:
            if self._stopped:
                raise BrokenExecutor("the workers were stopped")
            self._wanted += 1
            if self._wanted > len(self._workers):
                self._workers.append(self._start(self._free.put))
        # Not necessarily the one just started: it may have to wait for a place, and others get free meanwhile.
        worker = self._free.get()
        if worker is None:
            raise BrokenExecutor("the workers were stopped")
        dead = False
        try:
            return worker.call(fn, args, kwargs)
        except WorkerDiedError:
            dead = True
            raise
        finally:
            with self._lock:
                self._wanted -= 1
                if dead:
                    self._workers.remove(worker)
            if not dead:
                self._free.put(worker)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the processes when their calls are done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        while wait and self._workers:
            self._workers.pop().end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; after an exception without waiting for their calls."""
        if kind is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            with self._lock:
                self._stopped = True
                workers = tuple(self._workers)
            for _ in range(self._count):
                self._free.put(None)
            for worker in workers:
                worker.interrupt()
            if wait_for(tuple(self._unfinished), PATIENCE_S).not_done:
                for worker in workers:
                    worker.kill()
        self.shutdown()


class WorkerProcesses(WorkerPool):
    """An executor of spawned processes on this machine.

    Parameters
    ----------
    count : int
        How many.
    """

    def _start(self, ready: Callable[[Worker], None]) -> Worker:
        worker = _Process()
        ready(worker)
        return worker


class _Process:
    """One process and the way to it."""

    def __init__(self) -> None:
        # Spawned, not forked: a fork copies threads' locks, and SUMO.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        # With this copy open, the death of the process would go unnoticed.
        theirs.close()

    def call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Call a function there."""
        try:
            self._connection.send((fn, args, kwargs))
            error, value = self._connection.recv()
        except (EOFError, OSError):
            self.end()
            status = self._process.exitcode or 0
            how = f"signal {-status}" if status < 0 else f"exit status {status}"
            raise WorkerDiedError(f"its worker process died ({how})") from None
        if error is not None:
            raise error
        result: T = value
        return result

    def interrupt(self) -> None:
        """Send a termination signal."""
        self._process.terminate()

    def kill(self) -> None:
        """End the process."""
        self._process.kill()

    def end(self) -> None:
        """Close the connection, which ends the process."""
        self._connection.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _serve(connection: Connection) -> None:
    """Answer calls until the other end is closed."""
    obey_signals()
    while True:
        try:
            fn, args, kwargs = connection.recv()
        except (EOFError, OSError):
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = None, fn(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the caller's to judge, as in every executor
            answer = error, None
        try:
            connection.send(answer)
        except OSError:  # nobody is there any more
            return


def obey_signals() -> None:
    """Let a worker process leave Ctrl-C to its pool, and end in order when it is asked to."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End in order, so that SUMO is closed and scratch files are removed."""
    sys.exit(1)
