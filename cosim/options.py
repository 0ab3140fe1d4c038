"""What the command line's options mean: their values, what they replace in a scenario, and default folders."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from cosim import registry
from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import cyclopts

    from cosim.scenario import Scenario


def whole_number(_kind: object, tokens: Sequence[cyclopts.Token]) -> int:
    """Read a whole number; cyclopts would round 1.5."""
    text = tokens[0].value
    if not text.lstrip("+-").isdigit():
        raise InputError(f"--seed: found '{text}'; it must be a whole number, at least 0.")
    return int(text)


def limit_or_auto(_kind: object, tokens: Sequence[cyclopts.Token]) -> float | Literal["auto"]:
    """Read a cost limit."""
    text = tokens[0].value
    if text == "auto":
        return "auto"
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise InputError(f"--cost-limit: found '{text}'; it must be a number or 'auto'.")
    return limit


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What the command line replaces in the scenario.

    Parameters
    ----------
    grid
        Another feeder: a shipped feeder, a file (grids/README.md says which), or pandapower:NAME, simbench:CODE.
    recommender
        Who answers the charging requests.
    controller
        SITE=NAME: who sets the charging power at a station; may be given several times.
    settings
        key.path=value: replace any value of the scenario (fleet.ev_share=0.3); may be given several times.
    """

    grid: str | None = None
    recommender: str | None = None
    controller: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    settings: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = ()

    def overrides(self) -> dict[str, Any]:
        """Return them as ``load_scenario`` takes them; the options win over ``--set``."""
        from cosim.scenario_file import parse_assignment  # noqa: PLC0415 - not needed for --help

        found: dict[str, Any] = {}
        settings = dict(parse_assignment(text) for text in self.settings)
        if self.recommender is not None:
            # It comes first, since it takes the options of another one away; those set here are its own.
            found["recommender"] = self.recommender
            settings = {key: value for key, value in settings.items() if key not in {"recommender", "recommender.name"}}
        found |= settings
        if self.grid is not None:
            from cosim.tables.grid import GRID_SOURCES  # noqa: PLC0415 - not needed for --help

            # A shipped grid's name wins over a file of the same name, and so does one of a library's networks, in which
            # there may be a dot.
            is_name = self.grid in registry.names("grid") or self.grid.partition(":")[0] in GRID_SOURCES
            found["grid.file" if not is_name and _looks_like_file(self.grid) else "grid.name"] = self.grid
        for text in self.controller:
            site, separator, name = text.partition("=")
            if not separator or not site or not name:
                raise InputError(f"--controller {text}: expected SITE=NAME, such as CS1=equal-share.")
            found[f"controller.{site}"] = {"name": name}
        return found

    def station_overrides(self, scenario: str) -> dict[str, Any]:
        """Return what ``--set`` replaces in a station scenario, which has nothing else to replace.

        Raises
        ------
        InputError
            With a sentence for each of the other options that is given.
        """
        from cosim.scenario_file import parse_assignment  # noqa: PLC0415 - not needed for --help

        given = {"--grid": self.grid, "--recommender": self.recommender, "--controller": self.controller}
        faults = [
            f"{option}: '{scenario}' is a station scenario, which has none." for option, value in given.items() if value
        ]
        if faults:
            raise InputError(faults)
        return dict(parse_assignment(text) for text in self.settings)


def names_of(option: str, text: str | None, example: str) -> list[str]:
    """Read names with commas."""
    if text is None:
        raise InputError(f"--{option}: name those to compare, with commas, such as --{option} {example}.")
    return [name.strip() for name in text.split(",") if name.strip()]


def mismatch(agent: str, scenario: str, *, at_station: bool) -> str:
    """Say that a learner is for the other kind of scenario."""
    if at_station:
        return f"{agent}: it learns on coupled networks, such as nguyen-dupuis, and '{scenario}' is a station scenario."
    return f"{agent}: it learns on a station scenario, such as station-home, and '{scenario}' is none."


def _looks_like_file(text: str) -> bool:
    return "/" in text or Path(text).suffix != "" or Path(text).exists()


def run_folder(scenario: Scenario) -> Path:
    """Return the default folder of a run."""
    return Path("runs") / _stamped(f"{scenario.name}-{scenario.recommender.name}-seed{scenario.simulation.seed}")


def free_folder(name: str) -> Path:
    """Return a folder for a name and the present time that does not exist."""
    folder, number = Path("runs") / _stamped(name), 1
    while folder.exists():
        number += 1
        folder = Path("runs") / _stamped(f"{name}-{number}")
    return folder


def _stamped(name: str) -> str:
    return f"{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}-{name}"
