"""Many runs: seeds times recommenders, in this process or in many.

Every recommender meets the same seeds, that is, the same vehicles and the same traffic (common random numbers). A run
depends on scenario, recommender and seed alone, so that the results are the same however the runs are spread.
"""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cosim import plots, registry
from cosim.comparison import Comparison, ComparisonFolder, FailedRun, run_row
from cosim.coupling import CoupledSystem, couple
from cosim.errors import CosimError, InputError, InterruptedRunError, nearest_name
from cosim.grid_log import base_cost_pu
from cosim.many_runs import (
    EVALUATION_SEED_START,
    as_they_end,
    check_seeds,
    evaluation_seeds,
    parse_seeds,
    reason_of,
    repeated,
)
from cosim.runner import run
from cosim.scenario import Scenario
from cosim.scenario_file import load_scenario
from cosim.statistics import mean_over_runs
from cosim.traffic.demand import vehicle_counts

__all__ = ["EVALUATION_SEED_START", "RunOutcome", "base_cost_pu", "compare", "evaluation_seeds", "parse_seeds"]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of one run.

    Attributes
    ----------
    recommender, seed
        Which run.
    row : dict
        Its row of ``Comparison.runs``; empty if it failed.
    stations : DataFrame or None
        Its station table.
    versions : dict of str to str
        Of the packages that made it.
    failure : str
        Why it failed; empty if it did not.
    """

    recommender: str
    seed: int
    row: dict[str, Any] = field(default_factory=dict)
    stations: pd.DataFrame | None = None
    versions: dict[str, str] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Job:
    """One run to do; the scenario as JSON, which says whether a process has it loaded already."""

    scenario: str
    recommender: str
    seed: int


def compare(
    scenario: Scenario | str | Path,
    recommenders: Sequence[str],
    seeds: Iterable[int],
    *,
    executor: Executor | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    reference: str | None = None,
    on_run: Callable[[RunOutcome], None] | None = None,
) -> Comparison:
    """Run several recommenders with the same seeds and compare them.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, or what ``load_scenario`` takes; options in its ``[recommender]`` hold for the one named there.
    recommenders : sequence of str
        Names of plug-ins. One whose class says ``learned = True`` is compared with the best of the others.
    seeds : iterable of int
        Such as ``evaluation_seeds(20)``.
    executor : concurrent.futures.Executor, optional
        Where the runs happen: processes (``cosim.workers.WorkerProcesses``), not threads, since libsumo holds one
        simulation per process. Without one they happen here, one after the other.
    out : path, optional
        Comparison folder to write, anew after every run; without it nothing is written. Where matplotlib is installed,
        pictures are added at the end.
    overwrite : bool
        Allow a folder that exists.
    reference : str, optional
        With whom the others are compared; the one with the lowest mean TTT if left out.
    on_run : callable, optional
        Called with a ``RunOutcome`` after every run.

    Returns
    -------
    Comparison
        A run that failed is among its ``failures`` and the others are there.

    Raises
    ------
    InputError
        If scenario, recommenders, seeds, reference or folder cannot be used; one sentence for every fault.
    KeyboardInterrupt
        What was there is written first.
    """
    resolved = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    names = tuple(recommenders)
    numbers, learned = _check(resolved, names, tuple(seeds), reference)
    text = resolved.model_dump_json()
    base_pu = base_cost_pu(resolved, _load(text)[1].power_flow)
    folder = ComparisonFolder(Path(out), overwrite=overwrite) if out is not None else None
    comparison = Comparison(
        scenario=resolved,
        recommenders=names,
        seeds=numbers,
        floor_pu=base_pu * vehicle_counts(resolved)[2],
        learned=learned,
        asked_reference=reference,
        folder=folder.path if folder is not None else None,
    )
    # Seed by seed, so that what an interrupted comparison has can be compared.
    jobs = [_Job(text, name, seed) for seed in numbers for name in names]
    outcomes: dict[tuple[str, int], RunOutcome] = {}
    if folder is not None:
        folder.write_scenario(resolved)
        folder.write(comparison, with_differences=False)
    try:
        for outcome in as_they_end(jobs, _attempt, _lost, executor):
            outcomes[outcome.recommender, outcome.seed] = outcome
            if folder is not None:
                folder.write(_fill(comparison, outcomes), with_differences=False)
            if on_run is not None:
                on_run(outcome)
    finally:
        comparison = _fill(comparison, outcomes)
        if folder is not None:
            folder.write(comparison, with_differences=True)
    if folder is not None and plots.installed() and not comparison.stations.empty:
        plots.write_plots(comparison, folder.path)
    return comparison


def _check(
    scenario: Scenario, names: tuple[str, ...], seeds: tuple[int, ...], reference: str | None
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the seeds, and who is a learned policy, if all is well; report all faults at once."""
    learned = []
    faults = [f"recommenders: '{name}' is given twice." for name in repeated(names)]
    if not names:
        faults.append("recommenders: none is given; name at least one, such as nearest.")
    for name in dict.fromkeys(names):
        own = scenario.recommender
        options = own.options if name == own.name else {}
        try:
            agent = registry.instantiate("recommender", name, options, where="recommenders")
            if getattr(agent, "learned", False):
                learned.append(name)
        except InputError as error:
            faults.extend(error.faults)
    if reference is not None and reference not in names:
        faults.append(f"reference: '{reference}' is not among the recommenders; {nearest_name(reference, names)}.")
    numbers = check_seeds(seeds, faults)
    if faults:
        raise InputError(faults)
    return numbers, tuple(learned)


def _lost(job: _Job, reason: str) -> RunOutcome:
    return RunOutcome(job.recommender, job.seed, failure=reason)


def _attempt(job: _Job) -> RunOutcome:
    """Do one run; what goes wrong in it becomes a sentence, so that the others go on, but for an interruption."""
    try:
        scenario, system = _load(job.scenario)
        result = run(scenario, recommender=job.recommender, seed=job.seed, system=system)
    except InterruptedRunError:
        raise
    except CosimError as error:
        return RunOutcome(job.recommender, job.seed, failure=" ".join(str(error).split()))
    except Exception as error:  # noqa: BLE001 - a fault in a plug-in must not take the others' runs along
        return RunOutcome(job.recommender, job.seed, failure=reason_of(error))
    base_pu = base_cost_pu(scenario, system.power_flow, result.decisions["time_s"].tolist())
    row = run_row(job.recommender, job.seed, result, base_pu)
    return RunOutcome(job.recommender, job.seed, row, result.stations, result.summary["versions"])


@functools.lru_cache(maxsize=1)
def _load(text: str) -> tuple[Scenario, CoupledSystem]:
    """Load network, feeder and stations once per process; they are the same for every run of a scenario."""
    scenario = Scenario.model_validate_json(text)
    return scenario, couple(scenario)


def _fill(blank: Comparison, outcomes: Mapping[tuple[str, int], RunOutcome]) -> Comparison:
    """Put what is there into a comparison, in its order: nothing must depend on which run was done first."""
    keys = [(name, seed) for name in blank.recommenders for seed in blank.seeds]
    done = [outcomes[key] for key in keys if key in outcomes]
    rows = [outcome.row for outcome in done if not outcome.failure]
    stations = []
    for name in blank.recommenders:
        tables = [one.stations for one in done if one.recommender == name and one.stations is not None]
        if tables:
            means = mean_over_runs(tables)
            means.insert(0, "recommender", name)
            stations.append(means)
    return dataclasses.replace(
        blank,
        runs=pd.DataFrame(rows) if rows else blank.runs,
        stations=pd.concat(stations, ignore_index=True) if stations else blank.stations,
        failures=tuple(FailedRun(one.recommender, one.seed, one.failure) for one in done if one.failure),
        versions=next((one.versions for one in done if one.versions), {}),
    )
