"""Co-simulation of coupled transport and power grids.

``load_scenario`` reads a scenario, ``run`` simulates it, ``compare`` runs several recommenders with the same seeds; see
the README for the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosim._version import __version__

if TYPE_CHECKING:
    from cosim.comparison import Comparison, read_comparison
    from cosim.experiment import compare
    from cosim.results import Result
    from cosim.runner import run
    from cosim.scenario import Scenario
    from cosim.scenario_file import load_scenario

__all__ = ["Comparison", "Result", "Scenario", "__version__", "compare", "load_scenario", "read_comparison", "run"]

_HOMES = {
    "Comparison": "cosim.comparison",
    "Result": "cosim.results",
    "Scenario": "cosim.scenario",
    "compare": "cosim.experiment",
    "load_scenario": "cosim.scenario_file",
    "read_comparison": "cosim.comparison",
    "run": "cosim.runner",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that ``import cosim`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cosim' has no attribute '{name}'")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)
