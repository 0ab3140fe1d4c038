"""The command line: ``run``, ``compare``, ``train``, ``check`` and ``list``.

Exit status 0: done; 2: bad input, with one clear sentence for every fault; 1: anything else.
"""

from __future__ import annotations

import datetime as dt
import math
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
from cosim.errors import CosimError, InputError, InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Sequence
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
        _complain("interrupted.")
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


def _whole_number(_kind: object, tokens: Sequence[cyclopts.Token]) -> int:
    """Read a whole number; cyclopts would round 1.5."""
    text = tokens[0].value
    if not text.lstrip("+-").isdigit():
        raise InputError(f"--seed: found '{text}'; it must be a whole number, at least 0.")
    return int(text)


def _limit(_kind: object, tokens: Sequence[cyclopts.Token]) -> float | Literal["auto"]:
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

        found: dict[str, Any] = {}
        settings = dict(parse_assignment(text) for text in self.settings)
        if self.recommender is not None:
            # It comes first, since it takes the options of another one away; those set here are its own.
            found["recommender"] = self.recommender
            settings = {key: value for key, value in settings.items() if key not in {"recommender", "recommender.name"}}
        found |= settings
        if self.grid is not None:
            # A shipped grid's name wins over a file of the same name.
            is_file = self.grid not in registry.names("grid") and _looks_like_file(self.grid)
            found["grid.file" if is_file else "grid.name"] = self.grid
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
    seed: Annotated[int | None, Parameter(converter=_whole_number)] = None,
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

    from cosim.progress import ProgressDisplay  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.results import RunFolder  # noqa: PLC0415
    from cosim.runner import Watch  # noqa: PLC0415
    from cosim.runner import run as simulate  # noqa: PLC0415

    folder = RunFolder(out, overwrite=overwrite) if out else RunFolder.numbered(_default_folder(resolved))
    display = ProgressDisplay(resolved, quiet=quiet)
    try:
        with display:
            watch = Watch() if quiet else Watch(ready=display.ready, progress=display.update)
            result = simulate(resolved, out=folder, gui=gui, source=scenario, watch=watch)
    except InterruptedRunError as error:
        kept = f'{folder.path} holds what was there, its summary says "complete": false.'
        raise CosimError(f"{str(error).rstrip('.')}; {kept}") from None
    if quiet:
        print(folder.path)  # noqa: T201
    else:
        display.result(result)


@app.command
def compare(  # noqa: PLR0913 - one argument an option
    scenario: str = "nguyen-dupuis",
    /,
    *,
    recommenders: str,
    changes: Changes | None = None,
    seeds: str = "20",
    workers: int = 1,
    cluster: str | None = None,
    reference: str | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Run several recommenders with the same seeds, and compare them.

    Parameters
    ----------
    scenario
        A shipped scenario or a TOML file.
    recommenders
        Names with commas: nearest,merit-order. Options of one of them are set with --set recommender.name=NAME --set
        recommender.OPTION=VALUE.
    seeds
        How many evaluation seeds (20), or the seeds with commas (3,4,5).
    workers
        How many processes share the runs; the results are the same.
    cluster
        Where these processes are: ray (a Ray of its own on this machine), or ray:auto or ray:HOST:PORT (a Ray cluster
        of which this machine is a node).
    reference
        With whom the others are compared; the one with the lowest mean TTT if left out.
    out
        The comparison folder; runs/<time>-<scenario>-comparison if left out.
    overwrite
        Allow a folder that exists.
    quiet
        Print nothing but the comparison folder's path.
    """
    from cosim.scenario_file import load_scenario  # noqa: PLC0415 - not needed for --help

    chosen = changes or Changes()
    if chosen.recommender is not None:
        raise InputError("--recommender: a comparison takes --recommenders A,B,... instead.")
    resolved = load_scenario(scenario, **chosen.overrides())
    names = [name.strip() for name in recommenders.split(",") if name.strip()]
    folder = out or _free_folder(f"{resolved.name}-comparison")

    from cosim import experiment  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.cluster import open_workers  # noqa: PLC0415
    from cosim.comparison_view import ComparisonDisplay, failure_sentences  # noqa: PLC0415

    numbers = experiment.parse_seeds(seeds)
    display = ComparisonDisplay(len(names) * len(numbers), quiet=quiet)
    with display, open_workers(workers, cluster) as executor:
        try:
            comparison = experiment.compare(
                resolved, names, numbers, executor=executor, out=folder, overwrite=overwrite, reference=reference,
                on_run=display.update,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise CosimError(
                f'interrupted; {folder} holds the finished runs, its comparison.json says "complete": false.'
            ) from None
    display.result(comparison)
    if quiet:
        print(folder)  # noqa: T201
    if comparison.failures:
        raise CosimError("\n".join(failure_sentences(comparison)))


@app.command
def train(  # noqa: PLR0913 - one argument an option
    agent: str,
    scenario: str = "nguyen-dupuis",
    /,
    *,
    changes: Changes | None = None,
    episodes: int = 1000,
    seed: Annotated[int, Parameter(converter=_whole_number)] = 0,
    workers: int = 1,
    cluster: str | None = None,
    preset: str = "tuned",
    cost_limit: Annotated[float | Literal["auto"] | None, Parameter(converter=_limit)] = None,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train a recommender on a scenario.

    Parameters
    ----------
    agent
        A learner: python -m cosim list names them.
    scenario
        A shipped scenario or a TOML file.
    episodes
        How many runs of the scenario to learn from.
    seed
        Seed of everything random.
    workers
        How many processes share the runs; the results are the same.
    cluster
        Where these processes are: ray (a Ray of its own on this machine), or ray:auto or ray:HOST:PORT (a Ray cluster
        of which this machine is a node).
    preset
        Hyper-parameters: tuned, or paper (those that were published).
    cost_limit
        Limit of an episode's voltage cost (pu) for learners that keep one, or auto: 2 % above merit-order; the preset's
        if left out.
    out
        Folder for policy, checkpoint and metrics; runs/<time>-<scenario>-<agent>-training if left out.
    resume
        Go on with an interrupted training: the same command once more, with --out.
    overwrite
        Allow a folder that exists.
    quiet
        Print nothing but the policy's path.
    """
    from cosim.scenario_file import load_scenario  # noqa: PLC0415 - not needed for --help

    chosen = changes or Changes()
    if chosen.recommender is not None:
        raise InputError("--recommender: what is trained is named by AGENT instead.")
    if resume and out is None:
        raise InputError("--resume: add --out with the folder of the training to go on with.")
    learn = registry.load("learner", agent)
    resolved = load_scenario(scenario, **chosen.overrides())

    from cosim.cluster import open_workers  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.learning import TrainingDisplay, TrainingPlan  # noqa: PLC0415

    display = TrainingDisplay(f"Training {agent} on scenario '{resolved.name}' ...", quiet=quiet)
    with display, open_workers(workers, cluster) as executor:
        plan = TrainingPlan(
            scenario=resolved,
            episodes=episodes,
            seed=seed,
            preset=preset,
            cost_limit=cost_limit,
            out=out or _free_folder(f"{resolved.name}-{agent}-training"),
            resume=resume,
            overwrite=overwrite,
            executor=executor,
        )
        policy = learn(plan, display)
    display.result(policy)
    if quiet:
        print(policy)  # noqa: T201


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

    rows = facts(resolved, scenario)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")  # noqa: T201


@app.command(name="list")
def list_plugins() -> None:
    """List networks, grids, scenarios, recommenders, controllers and learners, with one line each."""
    for kind in registry.KINDS:
        print(f"{kind}s")  # noqa: T201
        width = max((len(name) for name in registry.names(kind)), default=0)
        for name in registry.names(kind):
            print(f"  {name:<{width}}  {registry.describe(kind, name)}")  # noqa: T201


def _looks_like_file(text: str) -> bool:
    return "/" in text or Path(text).suffix != "" or Path(text).exists()


def _default_folder(scenario: Scenario) -> Path:
    return Path("runs") / _stamped(f"{scenario.name}-{scenario.recommender.name}-seed{scenario.simulation.seed}")


def _free_folder(name: str) -> Path:
    folder, number = Path("runs") / _stamped(name), 1
    while folder.exists():
        number += 1
        folder = Path("runs") / _stamped(f"{name}-{number}")
    return folder


def _stamped(name: str) -> str:
    return f"{dt.datetime.now().astimezone():%Y%m%d-%H%M%S}-{name}"
