"""Ctrl-C and termination requests that are not lost on their way.

Python turns a signal into an exception wherever it happens to be. If that is a callback from C - numba's compiler makes
one right after the long native call during which a signal most likely comes - the exception is printed and forgotten,
and the work goes on as if nobody had asked. So the request is noted, too, and :func:`heed` asks for it between two
pieces of work.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_noted = False


def watch_signals() -> None:
    """Turn Ctrl-C and termination requests into ``KeyboardInterrupt`` from now on; earlier ones are forgotten.

    A Ctrl-C that this process was told to ignore (as ``nohup`` does) stays ignored.
    """
    global _noted  # noqa: PLW0603 - signals belong to the process
    _noted = False
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def heed() -> None:
    """Raise if an interruption was asked for and did not get through.

    Raises
    ------
    KeyboardInterrupt
        Once for each request.
    """
    global _noted  # noqa: PLW0603 - signals belong to the process
    if _noted:
        _noted = False
        raise KeyboardInterrupt


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    global _noted  # noqa: PLW0603 - signals belong to the process
    _noted = True
    raise KeyboardInterrupt
