"""The display of something that is done many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType

#: Where there is no terminal, tables are this wide.
PLAIN_WIDTH = 160


class CountingDisplay:
    """A console, and a bar that counts what is done; shown nowhere but on a terminal.

    Parameters
    ----------
    total : int
        How many there will be.
    quiet : bool
        Show nothing.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.console = Console(quiet=quiet, highlight=False, markup=False)
        if not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH
        self._total, self._done = total, 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._bar.add_task("loading", total=total)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()
