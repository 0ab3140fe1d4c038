"""The command line: ``run``, ``check`` and ``list``.

Exit status 0: done; 2: bad input, with one clear sentence for every fault; 1: anything else.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from cosim import registry
from cosim._version import __version__
from cosim.errors import CosimError, InputError

if TYPE_CHECKING:
    from types import FrameType

    from cosim.scenario import Scenario

app = cyclopts.App(
    name="cosim",
    help="Co-simulation of coupled transport and power grids: SUMO, pandapower, charging stations.",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)


def run_command_line(arguments: list[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        What follows ``python -m cosim``.

    Returns
    -------
    int
        The exit status.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        _complain(_usage_sentence(error))
        return InputError.exit_status
    except CosimError as error:
        for line in str(error).splitlines():
            _complain(line)
        return error.exit_status
    except BrokenPipeError:
        # The reader of our output (head, say) is gone; what is still buffered must not raise again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CosimError.exit_status
    except KeyboardInterrupt:
        _complain('interrupted; a run folder holds what was there, its summary says "complete": false.')
        return CosimError.exit_status
    return 0


def _complain(sentence: str) -> None:
    sys.stderr.write(f"cosim: {sentence}\n")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Let a termination signal end a run as Ctrl-C does, with its results written."""
    raise KeyboardInterrupt


def _usage_sentence(error: cyclopts.CycloptsError) -> str:
    text = " ".join(str(error).split())
    return f"{text} (python -m cosim --help lists commands and options)"


@Parameter(name="*")
@dataclass(frozen=True)
class Changes:
    """What the command line replaces in the scenario.

    Parameters
    ----------
    grid
        Another feeder: a shipped one or a pandapower JSON file.
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

        found: dict[str, Any] = dict(parse_assignment(text) for text in self.settings)
        if self.grid is not None:
            # A shipped grid's name wins over a file of the same name.
            is_file = self.grid not in registry.names("grid") and _looks_like_file(self.grid)
            found["grid.file" if is_file else "grid.name"] = self.grid
        if self.recommender is not None:
            found["recommender"] = self.recommender
        for text in self.controller:
            site, separator, name = text.partition("=")
            if not separator or not site or not name:
                raise InputError(f"--controller {text}: expected SITE=NAME, such as CS1=equal-share.")
            found[f"controller.{site}"] = {"name": name}
        return found


@app.command
def run(
    scenario: str = "nguyen-dupuis",
    /,
    *,
    changes: Changes | None = None,
    seed: int | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    backend: Literal["libsumo", "traci"] | None = None,
    gui: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Simulate a scenario and write a run folder.

    Parameters
    ----------
    scenario
        A shipped scenario or a TOML file.
    seed
        Seed of everything random.
    out
        The run folder; runs/<time>-<scenario>-<recommender>-seed<N> if left out.
    overwrite
        Allow a run folder that exists.
    backend
        SUMO in this process (libsumo) or behind a socket (traci); the results are the same.
    gui
        Show SUMO's window (uses traci).
    quiet
        Print nothing but the run folder's path.
    """
    from cosim.scenario_file import load_scenario  # noqa: PLC0415 - not needed for --help

    overrides = (changes or Changes()).overrides()
    if seed is not None:
        overrides["simulation.seed"] = seed
    if backend is not None:
        overrides["simulation.backend"] = backend
    resolved = load_scenario(scenario, **overrides)
    folder = out or _default_folder(resolved)

    from cosim.progress import ProgressDisplay  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.runner import Watch  # noqa: PLC0415
    from cosim.runner import run as simulate  # noqa: PLC0415

    display = ProgressDisplay(resolved, quiet=quiet)
    with display:
        watch = Watch() if quiet else Watch(ready=display.ready, progress=display.update)
        result = simulate(resolved, out=folder, overwrite=overwrite, gui=gui, watch=watch)
    if quiet:
        print(folder)  # noqa: T201
    else:
        display.result(result)


@app.command
def check(scenario: str = "nguyen-dupuis", /, *, changes: Changes | None = None) -> None:
    """Validate a scenario without running it and print its sizes.

    Parameters
    ----------
    scenario
        A shipped scenario or a TOML file.
    """
    from cosim.scenario_file import load_scenario  # noqa: PLC0415 - not needed for --help

    resolved = load_scenario(scenario, **(changes or Changes()).overrides())

    from cosim.checking import facts  # noqa: PLC0415 - heavy imports only where something is loaded

    rows = facts(resolved)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")  # noqa: T201


@app.command(name="list")
def list_plugins() -> None:
    """List networks, grids, scenarios, recommenders and controllers, with one line each."""
    for kind in registry.KINDS:
        print(f"{kind}s")  # noqa: T201
        width = max((len(name) for name in registry.names(kind)), default=0)
        for name in registry.names(kind):
            print(f"  {name:<{width}}  {registry.describe(kind, name)}")  # noqa: T201


def _looks_like_file(text: str) -> bool:
    return "/" in text or Path(text).suffix != "" or Path(text).exists()


def _default_folder(scenario: Scenario) -> Path:
    now = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    stem = f"{now}-{scenario.name}-{scenario.recommender.name}-seed{scenario.simulation.seed}"
    folder, number = Path("runs") / stem, 1
    while folder.exists():
        number += 1
        folder = Path("runs") / f"{stem}-{number}"
    return folder
