"""What a person sees while something is imported."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cosim.interruption import heed

if TYPE_CHECKING:
    from types import TracebackType

#: Where the output is no terminal, a line this often during a stage that takes long.
_PLAIN_LINE_EVERY_S = 10.0


class ImportDisplay:
    """Stages with the time since the start; on a terminal with a line that moves.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._start_s = time.monotonic()
        self._next_line_s = 0.0
        self._stage = ""
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        moving = self.console.is_terminal and not self.console.quiet
        self._line = Progress(*columns, console=self.console, transient=True) if moving else None
        self._task = self._line.add_task("", total=None) if self._line is not None else None

    def __enter__(self) -> Self:
        """Begin."""
        if self._line is not None:
            self._line.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the moving line away."""
        if self._line is not None:
            self._line.stop()

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._start_s

    def stage(self, text: str) -> None:
        """Say what begins now."""
        heed()
        self._stage = text
        self._next_line_s = self._elapsed_s + _PLAIN_LINE_EVERY_S
        self._print(f"{text} ...")
        self._move(text)

    def detail(self, text: str) -> None:
        """Say how far the present stage is; may be called often."""
        if self._line is not None:
            self._move(f"{self._stage}: {text}")
        elif self._elapsed_s >= self._next_line_s:
            self._next_line_s = self._elapsed_s + _PLAIN_LINE_EVERY_S
            self._print(f"{self._stage}: {text}")

    def say(self, text: str, *, warning: bool = False) -> None:
        """Print a line that stays."""
        prefix, style = ("warning: ", "yellow") if warning else ("", None)
        self.console.print(f"{prefix}{text}", style=style, markup=False)

    def done(self, text: str) -> None:
        """Say that all is done."""
        self._print("done")
        self.say(text)

    def _print(self, text: str) -> None:
        self.console.print(f"{self._elapsed_s:7.1f} s  {text}", style="dim", markup=False)

    def _move(self, text: str) -> None:
        if self._line is not None and self._task is not None:
            self._line.update(self._task, description=text)
