"""Ctrl-C and termination requests that are not lost on their way.

Python turns a signal into an exception wherever it happens to be. If that is where nobody can catch it - in a callback
of the import machinery, or one from C, as numba's compiler makes right after the long native call during which a
signal most likely comes - the exception is printed and forgotten, and the work goes on as if nobody had asked. So the
request is noted, too, and :func:`heed` asks for it between two pieces of work.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

_noted = False
_report_unraisable = sys.unraisablehook


def watch_signals() -> None:
    """Turn Ctrl-C and termination requests into ``KeyboardInterrupt`` from now on; earlier ones are forgotten.

    A Ctrl-C that this process was told to ignore (as ``nohup`` does) stays ignored.
    """
    global _noted, _report_unraisable  # noqa: PLW0603 - signals belong to the process
    _noted = False
    if sys.unraisablehook is not _unraisable:
        _report_unraisable, sys.unraisablehook = sys.unraisablehook, _unraisable
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


def _unraisable(lost: UnraisableHookArgs, /) -> None:
    """Report an exception that nobody can catch, but not an interruption: it is noted."""
    if not (_noted and issubclass(lost.exc_type, KeyboardInterrupt)):
        _report_unraisable(lost)
