"""The errors that a user may see, each with its exit status.

A message is one sentence a fault: which file, which key, what was found, what is allowed, the nearest valid name.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class CosimError(Exception):
    """Something this project knows how to explain; the command line prints it without a traceback."""

    exit_status = 1


class InputError(CosimError):
    """The user's input cannot be used as it is.

    Parameters
    ----------
    faults : str or sequence of str
        One sentence a fault; all faults that were found, not only the first.
    """

    exit_status = 2

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


class SimulatorError(CosimError):
    """SUMO could not be started, refused a command, or died."""


class PowerFlowError(CosimError):
    """A power flow has no solution and the scenario asks to stop there (``grid.on_collapse = "raise"``)."""


class ResultsError(InputError):
    """A folder for results cannot be used or read."""


class WriteError(CosimError):
    """Results could not be written while the run went on."""


class InterruptedRunError(CosimError):
    """Somebody asked the run to stop (Ctrl-C or a termination request)."""


#: So many names are all listed; of more, so many.
_MOST_LISTED, _OF_MANY = 40, 8


def nearest_name(name: str, allowed: Iterable[str]) -> str:
    """Name what is allowed, nearest first.

    Parameters
    ----------
    name : str
        What was found.
    allowed : iterable of str
        Every valid name.

    Returns
    -------
    str
        ``"did you mean 'x'? allowed: 'x', 'y'"``; the question is left out where nothing is near, and of hundreds of
        names only the first few are listed.
    """
    names = sorted(str(option) for option in allowed)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    shown = names if len(names) <= _MOST_LISTED else names[:_OF_MANY]
    listed = ", ".join(f"'{option}'" for option in shown)
    if len(shown) < len(names):
        listed += f" and {len(names) - len(shown)} more"
    question = f"did you mean '{near[0]}'? " if near else ""
    return f"{question}allowed: {listed or 'none is installed'}"
