"""What pandapower raises on nets and files that it cannot make sense of, and how a message tells it."""

from __future__ import annotations

from pandapower import io_utils

#: Besides ``LoadflowNotConverged``. The last one, where there is one, is pandapower's refusal of a file that names
#: classes other than its own.
PANDAPOWER_ERRORS = (
    ArithmeticError, AttributeError, ImportError, LookupError, NotImplementedError, TypeError, ValueError, UserWarning,
    getattr(io_utils, "DeserializationNotAllowed", ValueError),
)  # fmt: skip


def brief(error: BaseException) -> str:
    """Return the first line of an error's text, without its full stop."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
