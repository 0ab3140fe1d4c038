"""What a learner plug-in is given and reports, and what a person sees of a training.

A learner is an entry point in the group ``cosim.learners``: a function that trains a policy for a scenario and writes
it into a folder. The core knows no learning library; ``cosim train`` calls whatever is installed under the name.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, Self, TypeAlias, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from cosim.interruption import heed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path
    from types import TracebackType

    from cosim.scenario import Scenario
    from cosim.station_scenario import StationScenario

ScenarioKind: TypeAlias = Literal["coupled", "station"]
#: Attribute of a learner that says which kind of scenario it takes.
_MARK: Final = "scenario_kind"
#: How an epoch's numbers are shown, where they are there.
_SHOWN: Final = {
    "TTT": "TTT {:,.0f} s",
    "CVV": "CVV {:.2f} pu",
    "WCT": "WCT {:.2f} min",
    "return": "return {:.4f}",
    "loss": "loss {:.4f}",
}
#: About so many lines tell how far a training of many iterations is.
_LINES: Final = 20

F = TypeVar("F", bound="Callable[..., Path]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every training needs to know.

    Attributes
    ----------
    seed : int
        Everything random follows from it.
    preset : str
        Name of a set of hyper-parameters.
    out : Path
        Folder for policy, checkpoint and metrics.
    overwrite : bool
        Allow a folder that exists.
    """

    seed: int
    preset: str
    out: Path
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan(Plan):
    """What is to be trained on a coupled scenario.

    Attributes
    ----------
    scenario : Scenario
        On what.
    episodes : int
        Runs of the scenario to learn from.
    cost_limit : float, "auto" or None
        Limit of an episode's cost (pu); the preset's if None.
    resume : bool
        Go on from the checkpoint in the folder.
    executor : concurrent.futures.Executor or None
        Where episodes are collected: processes (``cosim.workers.WorkerProcesses``), not threads. Without one they are
        collected here, one after the other; the results are the same.
    """

    scenario: Scenario
    episodes: int
    cost_limit: float | Literal["auto"] | None
    resume: bool = False
    executor: Executor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationTrainingPlan(Plan):
    """What is to be trained on a station scenario.

    Attributes
    ----------
    scenario : StationScenario
        On what.
    episodes : int or None
        How often to improve the policy (``sca``, ``calc``), or days to play (``aem``); the learner's own number if
        None.
    """

    scenario: StationScenario
    episodes: int | None = None


def learns_on(kind: ScenarioKind) -> Callable[[F], F]:
    """Mark a learner as one for a kind of scenario; without a mark it takes coupled ones."""

    def mark(learner: F) -> F:
        setattr(learner, _MARK, kind)
        return learner

    return mark


def scenario_kind(learner: object) -> ScenarioKind:
    """Return which kind of scenario a learner takes; it is given the plan of that kind."""
    kind: ScenarioKind = getattr(learner, _MARK, "coupled")
    return kind


@dataclass(frozen=True, slots=True)
class EpochReport:
    """What an epoch brought.

    Attributes
    ----------
    epoch, epochs : int
        Which one, from 1, and of how many.
    numbers : mapping of str to float
        ``TTT`` (s), ``CVV`` (pu) and ``WCT`` (min), means over the epoch's episodes, and whatever the learner logs,
        among it ``lambda`` and ``predictor_rmse`` where there are such. Of a station ``return``, in the learner's own
        unit.
    left_s : float
        Wall-clock time that the remaining epochs will take.
    """

    epoch: int
    epochs: int
    numbers: Mapping[str, float]
    left_s: float


class TrainingWatch(Protocol):
    """Who wants to see what happens meanwhile."""

    def note(self, sentence: str) -> None:
        """Take in something that the user must know."""
        ...

    def epoch(self, report: EpochReport) -> None:
        """Take in a finished epoch, which is safely on disk."""
        ...


class Train(Protocol):
    """What an entry point in ``cosim.learners`` names; `learns_on` marks one that takes a ``StationTrainingPlan``."""

    def __call__(self, plan: TrainingPlan, watch: TrainingWatch) -> Path:
        """Train a policy.

        Returns
        -------
        Path
            The policy's file.

        Raises
        ------
        InputError
            If the plan cannot be carried out.
        InterruptedRunError
            If somebody asked to stop; says what was kept.
        """
        ...


class TrainingDisplay:
    """Progress and result on the terminal; a ``TrainingWatch``.

    Parameters
    ----------
    title : str
        What is trained on what.
    quiet : bool
        Show nothing.
    """

    def __init__(self, title: str, *, quiet: bool) -> None:
        self.console = Console(quiet=quiet, highlight=False, markup=False, soft_wrap=True)
        self._title = title
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            console=self.console,
            transient=True,
            disable=quiet or not self.console.is_terminal,
        )
        self._task = self._bar.add_task("loading", total=None)

    def __enter__(self) -> Self:
        """Say what begins and show the bar."""
        self.console.print(self._title, style="dim")
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._bar.stop()

    def note(self, sentence: str) -> None:
        """Show a sentence."""
        self.console.print(sentence)

    def epoch(self, report: EpochReport) -> None:
        """Show how far the training is; a safe point to stop at."""
        heed()
        line = epoch_line(report)
        self._bar.update(self._task, completed=report.epoch, total=report.epochs, description=line)
        if not self.console.is_terminal:
            self.console.print(line)

    def result(self, policy: Path) -> None:
        """Show where the policy is."""
        self.console.print(f"policy: {policy}")


class LearningCurve:
    """Keeps one number of each iteration of a training, and tells its watch of some of them.

    Parameters
    ----------
    name : str
        What the number is, such as ``"return"``.
    iterations : int
        How many there will be.
    watch : TrainingWatch
        Sees some twenty of them, the last one included.

    Attributes
    ----------
    values : list of float
        One for each iteration so far.
    """

    def __init__(self, name: str, iterations: int, watch: TrainingWatch) -> None:
        self.values: list[float] = []
        self._name, self._iterations, self._watch = name, iterations, watch
        self._began_s = time.perf_counter()

    def __call__(self, iteration: int, value: float) -> None:
        """Take in an iteration, counted from 1."""
        self.values.append(value)
        if iteration % max(1, self._iterations // _LINES) == 0 or iteration == self._iterations:
            left_s = (time.perf_counter() - self._began_s) / iteration * (self._iterations - iteration)
            self._watch.epoch(EpochReport(iteration, self._iterations, {self._name: value}, left_s))


def epoch_line(report: EpochReport) -> str:
    """Return an epoch in one line."""
    numbers = report.numbers
    parts = [
        f"epoch {report.epoch} of {report.epochs}",
        *(form.format(numbers[name]) for name, form in _SHOWN.items() if name in numbers),
    ]
    if "lambda" in numbers:
        parts.append(f"lambda {numbers['lambda']:.3f}")
    if "predictor_rmse" in numbers:
        parts.append(f"predictor {numbers['predictor_rmse']:.3g}")
    parts.append(f"{_duration(report.left_s)} left")
    return " | ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
