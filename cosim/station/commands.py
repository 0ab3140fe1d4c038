"""The commands ``compare`` and ``train`` on a station scenario."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim import registry
from cosim.cluster import open_workers
from cosim.errors import CosimError
from cosim.learning import StationTrainingPlan, TrainingDisplay
from cosim.many_runs import parse_seeds
from cosim.scenario_file import load_station_scenario
from cosim.station.experiment import compare_controllers
from cosim.station.view import StationDisplay, failure_sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    #: A folder, or what makes one of a name.
    Folder = Path | Callable[[str], Path]


def compare_at_station(  # noqa: PLR0913 - one argument an option
    source: str,
    overrides: Mapping[str, Any],
    controllers: Sequence[str],
    seeds: str,
    *,
    workers: int,
    cluster: str | None,
    reference: str | None,
    out: Folder,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Compare controllers at a station and show the result.

    Parameters
    ----------
    source, overrides
        As for ``load_station_scenario``.
    controllers, seeds, workers, cluster, reference, overwrite, quiet
        The command's options.
    out : Path or callable
        The folder, or what makes one of a name.

    Raises
    ------
    InputError
        If something cannot be used.
    CosimError
        If the comparison was interrupted, or days failed.
    """
    scenario = load_station_scenario(source, **overrides)
    folder = out if isinstance(out, Path) else out(f"{scenario.name}-comparison")
    numbers = parse_seeds(seeds)
    display = StationDisplay(len(controllers) * len(numbers), quiet=quiet)
    with display, open_workers(workers, cluster) as executor:
        try:
            comparison = compare_controllers(
                scenario, controllers, numbers, executor=executor, out=folder, overwrite=overwrite,
                reference=reference, on_day=display.update,
            )  # fmt: skip
        except KeyboardInterrupt:
            raise CosimError(
                f'interrupted; {folder} holds the finished days, its comparison.json says "complete": false.'
            ) from None
    display.result(comparison)
    if quiet:
        print(folder)  # noqa: T201
    if comparison.failures:
        raise CosimError("\n".join(failure_sentences(comparison)))


def train_at_station(  # noqa: PLR0913 - one argument an option
    agent: str,
    source: str,
    overrides: Mapping[str, Any],
    *,
    episodes: int | None,
    seed: int,
    preset: str,
    out: Folder,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Train a controller on a station scenario and say where its policy is.

    Parameters
    ----------
    agent : str
        A learner that takes a ``StationTrainingPlan``.
    source, overrides
        As for ``load_station_scenario``.
    episodes, seed, preset, overwrite, quiet
        The command's options.
    out : Path or callable
        The folder, or what makes one of a name.

    Raises
    ------
    InputError
        If something cannot be used.
    """
    scenario = load_station_scenario(source, **overrides)
    learn = registry.load("learner", agent)
    display = TrainingDisplay(f"Training {agent} on scenario '{scenario.name}' ...", quiet=quiet)
    with display:
        plan = StationTrainingPlan(
            scenario=scenario,
            episodes=episodes,
            seed=seed,
            preset=preset,
            out=out if isinstance(out, Path) else out(f"{scenario.name}-{agent}-training"),
            overwrite=overwrite,
        )
        policy = learn(plan, display)
    display.result(policy)
    if quiet:
        print(policy)  # noqa: T201
