"""Finding SUMO's programs and libraries, and saying in one sentence what is missing."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What SUMO's wheels expect of a Debian or Ubuntu system.
SYSTEM_PACKAGES = "libatomic1 libx11-6 libxext6 libxrender1 libgl1"
_MISSING_LIBRARY = re.compile(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")


def missing_library_sentence(text: str) -> str | None:
    """Turn a loader's complaint into a sentence with its cure, or None if the text is about something else."""
    match = _MISSING_LIBRARY.search(text)
    if match is None:
        return None
    return (
        f"SUMO needs the system library {match[1]}, which is not installed; on Debian or Ubuntu run: "
        f"apt-get install --no-install-recommends {SYSTEM_PACKAGES}"
    )


def sumo_program(name: str) -> str:
    """Return the path of one of SUMO's programs inside the ``eclipse-sumo`` package.

    The console scripts of the same names are wrappers that outlive a kill, and ``SUMO_HOME`` changes when libsumo is
    imported, so the package's own folder is asked for.

    Raises
    ------
    SimulatorError
        If the package is not installed.
    """
    spec = importlib.util.find_spec("sumo")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        program = Path(folder) / "bin" / name
        if program.exists():
            return str(program)
    raise SimulatorError(f"SUMO's program '{name}' is not installed; run: pip install eclipse-sumo")


def import_binding(backend: str) -> Any:
    """Import ``libsumo`` or ``traci``.

    Raises
    ------
    SimulatorError
        If the package or a system library it needs is missing.
    """
    try:
        return importlib.import_module(backend)
    except ImportError as error:
        sentence = missing_library_sentence(str(error))
        raise SimulatorError(sentence or f"{backend} cannot be imported: {error}") from error


def run_program(name: str, arguments: Sequence[str]) -> None:
    """Run one of SUMO's command-line programs to its end.

    Raises
    ------
    SimulatorError
        With the program's own error lines, if it fails.
    """
    done = subprocess.run([sumo_program(name), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sentence = missing_library_sentence(done.stderr)
        errors = [line.strip() for line in done.stderr.splitlines() if line.startswith(("Error", "Quitting"))]
        raise SimulatorError(sentence or f"{name} failed: {' '.join(errors) or done.stderr.strip()}")
