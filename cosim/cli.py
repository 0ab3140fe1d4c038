"""The command line: ``run``, ``compare``, ``train``, ``import``, ``report``, ``check`` and ``list``.

Exit status 0: done; 2: bad input, with one clear sentence for every fault; 1: anything else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts
from cyclopts import Parameter

from cosim import registry
from cosim._version import __version__
from cosim.errors import CosimError, InputError, InterruptedRunError
from cosim.importing.commands import importers
from cosim.interruption import watch_signals
from cosim.options import Changes, free_folder, limit_or_auto, mismatch, names_of, run_folder, whole_number

if TYPE_CHECKING:
    from cosim.coupling import CoupledSystem
    from cosim.results import Result
    from cosim.simulation import Simulation

#: What a recommender learns from if nobody says otherwise.
_EPISODES = 1000

app = cyclopts.App(
    name="cosim",
    help="Co-simulation of coupled transport and power grids: SUMO, pandapower, charging stations.",
    version=__version__,
    version_flags=["--version"],
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.command(importers)


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
    watch_signals()
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


def _usage_sentence(error: cyclopts.CycloptsError) -> str:
    text = " ".join(str(error).split())
    return f"{text} (python -m cosim --help lists commands and options)"


@app.command
def run(  # noqa: PLR0913 - one argument an option
    scenario: str = "nguyen-dupuis",
    /,
    *,
    changes: Changes | None = None,
    seed: Annotated[int | None, Parameter(converter=whole_number)] = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    backend: Literal["libsumo", "traci"] | None = None,
    gui: Annotated[bool, Parameter(negative="")] = False,
    no_report: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Simulate a scenario and write a run folder, with a page to look at (report.html).

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
    no_report
        Write no page.
    quiet
        Print nothing but the run folder's path.
    """
    from cosim.scenario_file import load_scenario  # noqa: PLC0415 - not needed for --help

    overrides = (changes or Changes()).overrides()
    if gui and not os.environ.get("DISPLAY"):
        raise InputError("--gui needs a screen, but DISPLAY is not set; run without --gui.")
    if seed is not None:
        overrides["simulation.seed"] = seed
    if backend is not None:
        overrides["simulation.backend"] = backend
    resolved = load_scenario(scenario, **overrides)

    from cosim.results import RunFolder  # noqa: PLC0415 - heavy imports only where something runs

    folder = RunFolder(out, overwrite=overwrite) if out else RunFolder.numbered(run_folder(resolved))

    from cosim.progress import ProgressDisplay  # noqa: PLC0415 - seconds, after what can be refused at once
    from cosim.runner import Watch  # noqa: PLC0415
    from cosim.runner import run as simulate  # noqa: PLC0415

    display = ProgressDisplay(resolved, quiet=quiet)
    systems: list[CoupledSystem] = []

    def ready(simulation: Simulation) -> None:
        systems.append(simulation.system)
        if not quiet:
            display.ready(simulation)

    try:
        with display:
            watch = Watch(ready=ready, progress=None if quiet else display.update)
            result = simulate(resolved, out=folder, gui=gui, source=scenario, watch=watch)
    except InterruptedRunError as error:
        kept = f'{folder.path} holds what was there, its summary says "complete": false.'
        raise CosimError(f"{str(error).rstrip('.')}; {kept}") from None
    # The display names the page, if there is one.
    _add_page(folder.path, wanted=not no_report, run=(result, systems[0]))
    if quiet:
        print(folder.path)  # noqa: T201
    else:
        display.result(result)


def _add_page(
    folder: Path, *, wanted: bool, run: tuple[Result, CoupledSystem] | None = None, quiet: bool = True
) -> None:
    """Write the page of what is in a folder already; whatever goes wrong with it, the results stand."""
    if not wanted:
        return
    try:
        from cosim.report import write_report, write_run_report  # noqa: PLC0415 - heavy imports only where needed

        if run is None:
            page = write_report([folder])
            if not quiet:
                print(f"page: {page}")  # noqa: T201
        else:
            write_run_report(*run)
    except Exception as error:  # noqa: BLE001 - a page that fails must not look like a run that failed
        _complain(f"{folder}: the results are there, but not the page: {' '.join(str(error).split()) or repr(error)}")


@app.command
def compare(  # noqa: PLR0913 - one argument an option
    scenario: str = "nguyen-dupuis",
    /,
    *,
    recommenders: str | None = None,
    controllers: str | None = None,
    changes: Changes | None = None,
    seeds: str = "20",
    workers: int = 1,
    cluster: str | None = None,
    reference: str | None = None,
    out: Path | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    no_report: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Run several recommenders, or at a station several controllers, with the same seeds, and compare them.

    Parameters
    ----------
    scenario
        A shipped scenario or a TOML file.
    recommenders
        Names with commas: nearest,merit-order. Options of one of them are set with --set recommender.name=NAME --set
        recommender.OPTION=VALUE.
    controllers
        For a station scenario, instead of recommenders: names with commas, such as eager,oa,calc. Options of one of
        them are set with --set controller.NAME.OPTION=VALUE.
    seeds
        How many evaluation seeds (20), or the seeds with commas (3,4,5).
    workers
        How many processes share the runs; the results are the same.
    cluster
        Where these processes are: ray (a Ray of its own on this machine), or ray:auto or ray:HOST:PORT (a Ray cluster
        of which this machine is a node).
    reference
        With whom the others are compared; the one with the lowest mean TTT, or bill, if left out.
    out
        The comparison folder; runs/<time>-<scenario>-comparison if left out.
    overwrite
        Allow a folder that exists.
    no_report
        Write no page (report.html).
    quiet
        Print nothing but the comparison folder's path.
    """
    from cosim.scenario_file import is_station_scenario, load_scenario  # noqa: PLC0415 - not needed for --help

    chosen = changes or Changes()
    if is_station_scenario(scenario):
        if recommenders is not None:
            raise InputError(
                f"--recommenders: '{scenario}' is a station scenario, whose --controllers A,B,... are compared instead."
            )
        overrides = chosen.station_overrides(scenario)

        from cosim.station.commands import compare_at_station  # noqa: PLC0415 - heavy imports only where something runs

        places = [] if out is None else [out]

        def place(name: str) -> Path:
            places.append(free_folder(name))
            return places[-1]

        compare_at_station(
            scenario, overrides, names_of("controllers", controllers, "eager,oa,mpc"), seeds,
            workers=workers, cluster=cluster, reference=reference, out=out or place,
            overwrite=overwrite, quiet=quiet,
        )  # fmt: skip
        _add_page(places[0], wanted=not no_report, quiet=quiet)
        return
    if controllers is not None:
        raise InputError(
            f"--controllers: '{scenario}' is no station scenario; its --recommenders A,B,... are compared, and "
            "--controller SITE=NAME sets a station's controller for all of them."
        )
    if chosen.recommender is not None:
        raise InputError("--recommender: a comparison takes --recommenders A,B,... instead.")
    resolved = load_scenario(scenario, **chosen.overrides())
    names = names_of("recommenders", recommenders, "nearest,merit-order")
    folder = out or free_folder(f"{resolved.name}-comparison")

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
    _add_page(folder, wanted=not no_report, quiet=quiet)
    if comparison.failures:
        raise CosimError("\n".join(failure_sentences(comparison)))


@app.command
def train(  # noqa: PLR0913 - one argument an option
    agent: str,
    scenario: str = "nguyen-dupuis",
    /,
    *,
    changes: Changes | None = None,
    episodes: int | None = None,
    seed: Annotated[int, Parameter(converter=whole_number)] = 0,
    workers: int = 1,
    cluster: str | None = None,
    preset: str = "tuned",
    cost_limit: Annotated[float | Literal["auto"] | None, Parameter(converter=limit_or_auto)] = None,
    out: Path | None = None,
    resume: Annotated[bool, Parameter(negative="")] = False,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Train a recommender on a scenario, or a controller on a station scenario.

    Parameters
    ----------
    agent
        A learner: python -m cosim list names them.
    scenario
        A shipped scenario or a TOML file.
    episodes
        How many runs of the scenario to learn from (1000); at a station how many days (aem-*) or updates of the policy
        (sca, calc), the learner's own number if left out.
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
    from cosim.learning import TrainingDisplay, TrainingPlan, scenario_kind  # noqa: PLC0415 - not needed for --help
    from cosim.scenario_file import is_station_scenario, load_scenario  # noqa: PLC0415

    chosen = changes or Changes()
    if chosen.recommender is not None:
        raise InputError("--recommender: what is trained is named by AGENT instead.")
    learn = registry.load("learner", agent)
    at_station = is_station_scenario(scenario)
    if at_station != (scenario_kind(learn) == "station"):
        raise InputError(mismatch(agent, scenario, at_station=at_station))
    if at_station:
        useless = {"--workers": workers != 1, "--cluster": cluster is not None, "--resume": resume,
                   "--cost-limit": cost_limit is not None}  # fmt: skip
        faults = [
            f"{option}: '{agent}' knows no such thing; leave it out." for option, given in useless.items() if given
        ]
        if faults:
            raise InputError(faults)
        overrides = chosen.station_overrides(scenario)

        from cosim.station.commands import train_at_station  # noqa: PLC0415 - heavy imports only where something runs

        train_at_station(
            agent, scenario, overrides, episodes=episodes, seed=seed, preset=preset, out=out or free_folder,
            overwrite=overwrite, quiet=quiet,
        )  # fmt: skip
        return
    if resume and out is None:
        raise InputError("--resume: add --out with the folder of the training to go on with.")
    resolved = load_scenario(scenario, **chosen.overrides())

    from cosim.cluster import open_workers  # noqa: PLC0415 - heavy imports only where something runs

    display = TrainingDisplay(f"Training {agent} on scenario '{resolved.name}' ...", quiet=quiet)
    with display, open_workers(workers, cluster) as executor:
        plan = TrainingPlan(
            scenario=resolved,
            episodes=_EPISODES if episodes is None else episodes,
            seed=seed,
            preset=preset,
            cost_limit=cost_limit,
            out=out or free_folder(f"{resolved.name}-{agent}-training"),
            resume=resume,
            overwrite=overwrite,
            executor=executor,
        )
        policy = learn(plan, display)
    display.result(policy)
    if quiet:
        print(policy)  # noqa: T201


@app.command
def report(*folders: Path, out: Path | None = None) -> None:
    """Write one HTML page about folders of runs, comparisons and trainings.

    Parameters
    ----------
    folders
        What run, compare and train wrote; several share a page.
    out
        The page; report.html in the folder if left out, or here if there are several.
    """
    if not folders:
        raise InputError("report: name at least one folder of a run, a comparison or a training.")

    from cosim.report import write_report  # noqa: PLC0415 - heavy imports only where something is shown

    print(write_report(folders, out))  # noqa: T201


@app.command
def check(scenario: str = "nguyen-dupuis", /, *, changes: Changes | None = None) -> None:
    """Validate a scenario without running it and print its sizes.

    Parameters
    ----------
    scenario
        A shipped scenario or a TOML file.
    """
    from cosim.scenario_file import (  # noqa: PLC0415 - not needed for --help
        is_station_scenario,
        load_scenario,
        load_station_scenario,
    )

    chosen = changes or Changes()
    if is_station_scenario(scenario):
        station = load_station_scenario(scenario, **chosen.station_overrides(scenario))

        from cosim.station.checking import facts as facts_of_station  # noqa: PLC0415 - heavy imports only where needed

        rows = facts_of_station(station)
    else:
        resolved = load_scenario(scenario, **chosen.overrides())

        from cosim.checking import facts  # noqa: PLC0415 - heavy imports only where something is loaded

        rows = facts(resolved, scenario)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")  # noqa: T201


@app.command(name="list")
def list_plugins() -> None:
    """List networks, grids, scenarios, arrivals, recommenders, controllers and learners, with one line each."""
    for kind in registry.KINDS:
        print(registry.plural(kind))  # noqa: T201
        width = max((len(name) for name in registry.names(kind)), default=0)
        for name in registry.names(kind):
            print(f"  {name:<{width}}  {registry.describe(kind, name)}")  # noqa: T201
