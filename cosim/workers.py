"""Spawned worker processes behind the ``concurrent.futures`` interface.

Each process works on one call at a time and serves many, since libsumo holds one simulation per process and a scenario
takes seconds to load. Unlike in ``ProcessPoolExecutor``, a process that dies takes only its own call along: its future
says so and the others go on. However this process ends, its workers end too, at the latest when their call is done.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import threading
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from types import FrameType, TracebackType

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE_S = 10.0


class WorkerProcesses(Executor):
    """An executor of spawned processes; leaving its ``with`` block by an exception stops them at once.

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
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="cosim-worker")
        self._own = threading.local()
        self._workers: list[_Worker] = []
        self._stopped = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in one of the processes; function, arguments and result are pickled.

        The future raises ``BrokenExecutor`` if the process dies.
        """
        return self._threads.submit(self._call, fn, args, kwargs)

    def _call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        """Hand a call to this thread's process and wait for the answer."""
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = _Worker()
            self._workers.append(worker)
            if self._stopped:  # after the others were told to end
                worker.process.terminate()
        try:
            worker.connection.send((fn, args, kwargs))
            error, value = worker.connection.recv()
        except (EOFError, OSError):
            self._own.worker = None
            raise BrokenExecutor(f"its worker process died ({worker.end()})") from None
        if error is not None:
            raise error
        result: T = value
        return result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - Executor's
        """End the processes when their calls are done."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)
        for worker in self._workers if wait else ():
            worker.end()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; after an exception without waiting for their calls."""
        if kind is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._stopped = True
            for worker in self._workers:
                worker.process.terminate()
        self.shutdown()


class _Worker:
    """One process and the way to it."""

    def __init__(self) -> None:
        # Spawned, not forked: a fork copies threads' locks, and SUMO.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        # With this copy open, the death of the process would go unnoticed.
        theirs.close()

    def end(self) -> str:
        """End the process; say how it ended."""
        self.connection.close()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        status = self.process.exitcode or 0
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def _serve(connection: Connection) -> None:
    """Answer calls until the other end is closed."""
    # Ctrl-C reaches all processes of a terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
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


def _leave(_number: int, _frame: FrameType | None) -> None:
    """End in order, so that SUMO is closed and scratch files are removed."""
    sys.exit(1)
