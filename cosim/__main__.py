"""``python -m cosim``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    from cosim.cli import run_command_line  # noqa: PLC0415 - so that `import cosim.__main__` costs nothing

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
