"""How far OP-SRL's predictor looks ahead, and how well it does (OP-SRL paper, section 5.4.4).

Run with: python examples/studies/decoder_length.py [--lengths 1,2,...,9] [--recommenders A,B,...] [--seeds N]

The predictor learns online, run by run as it would beside a policy, but from runs of recommenders that stay as they
are: that takes minutes, and every length learns from the same runs. Then it is tested on runs that it has not seen.
What counts is its error over that of persistence (all stays as it is), since to look further ahead is harder for both.

A run of an hour gives fewer samples the longer the decoder, from the beginning of the hour only, when the stations fill
and persistence is worst. Where lengths are compared step by step, all are therefore tested from the same instants.

What each length does for the policy, Fig. 12 itself, takes a training each: ``decoder_length_policy.py``.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import common
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import cosim
from cosim.cluster import open_workers
from cosim.env.recommendation import DRAWN_SEEDS, RecommendationEnv
from cosim.errors import InputError
from cosim.experiment import evaluation_seeds, parse_seeds
from cosim.randomness import stream
from cosim.runner import make_recommender
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim_agents.op_srl.augment import station_columns
from cosim_agents.op_srl.forecast import DemandHistory, Windows
from cosim_agents.op_srl.predictor import DemandPredictor, PredictorConfig

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: By itself, since jobs use it: on another machine there is no module ``common``.
COLUMN = "decoder_steps"
VARIED = common.Quantity(COLUMN, "decoder length [steps of 4 min]")
LENGTHS = "1,2,3,4,5,6,7,8,9"
ERRORS = (
    common.Quantity("predictor_rmse", "predictor's RMSE [vehicles]", 2),
    common.Quantity("persistence_rmse", "persistence's RMSE [vehicles]", 2),
    common.Quantity("ratio", "RMSE / persistence's RMSE", 3),
)
#: Runs of a job: few, so that all workers have some; more than one, since a scenario takes seconds to load.
_RUNS_A_JOB = 10


#: What the decisions of one run saw of the stations: simulated time since the first one (s), shape (n,), and s^cs of
#: Eq. 19, scaled as in the observation (vehicles per charger), shape (n, 9 M). Plain arrays travel between machines.
Seen = tuple[NDArray[np.float64], NDArray[np.float64]]


def watch(scenario: str, seeds: Sequence[int]) -> list[Seen]:
    """Run a scenario (JSON) with each seed, and note what its recommender sees."""
    env = RecommendationEnv(Scenario.model_validate_json(scenario))
    columns, _ = station_columns(env.feature_names)
    recommender = make_recommender(env.scenario)
    found = []
    # Not the environment, which tells its agent no more than an observation: a recommender wants to see the system.
    with Simulation(env.scenario, system=env.system) as simulation:
        for seed in seeds:
            times, rows = [], []
            recommender.reset(simulation.reset(seed), stream(seed, "recommender"))
            while (request := simulation.advance()) is not None:
                view = simulation.observe(request)
                times.append(float(request.time_s))
                rows.append(env.encoder.encode(view, request)[columns].astype(np.float64))
                simulation.answer(recommender.recommend(request, view))
            found.append((np.array(times) - times[0], np.array(rows)))
    return found


def samples_of(seen: Seen, length: int) -> dict[str, NDArray[np.float64]]:
    """Return what a predictor with this decoder length learns from a run."""
    times_s, stations = seen
    history = DemandHistory(Windows(decoder=length))
    history.reset(stations[0])
    for time_s, row in zip(times_s[1:], stations[1:], strict=True):
        history.observe(time_s, row)
    return history.training_samples()


def fit(length: int, longest: int, seed: int, learnt: Sequence[Seen], tested: Sequence[Seen]) -> list[dict[str, float]]:
    """Let a predictor learn from runs, one after the other, and test it on others.

    Parameters
    ----------
    length : int
        Of the decoder.
    longest : int
        Length whose instants the tests step by step are restricted to.
    seed : int
        Of weights and batches.
    learnt, tested : sequence of Seen
        Runs.

    Returns
    -------
    list of dict
        One over all steps ahead, with ``step`` 0 and all test samples, and one for each ``step`` from 1, with the
        samples of the common instants: ``predictor_mse``, ``persistence_mse``, in the squared unit of the demand, and
        ``samples``, how many were learnt from.
    """
    torch.set_num_threads(1)  # too small a network to share
    demands = [samples_of(seen, length) for seen in learnt]
    n_stations = demands[0]["demand"].shape[1]
    predictor = DemandPredictor(n_stations, PredictorConfig(windows=Windows(decoder=length)), seed)
    for samples in demands:
        predictor.update(samples)
    forecaster = predictor.forecaster()
    # Squared errors of predictor and persistence: of all samples, and of those whose instants are common.
    everywhere: list[NDArray[np.float64]] = []
    common_instants: list[NDArray[np.float64]] = []
    for seen in tested:
        samples = samples_of(seen, length)
        now, target = samples["demand"], samples["target"]
        ahead = [forecaster.forecast(*inputs) for inputs in zip(samples["history"], now, strict=True)]
        squares = (np.stack([np.reshape(ahead, target.shape), np.repeat(now[:, None], length, axis=1)]) - target) ** 2
        everywhere.append(squares)
        # A step more ahead, and there is one instant less.
        common_instants.append(squares[:, : len(now) - (longest - length)])
    shared = {COLUMN: length, "seed": seed, "samples": sum(len(samples["demand"]) for samples in demands)}
    overall = np.concatenate(everywhere, axis=1).mean(axis=(1, 2, 3))
    by_step = np.concatenate(common_instants, axis=1).mean(axis=(1, 3)).T
    return [
        shared | {"step": step, "predictor_mse": predicted, "persistence_mse": persisted}
        for step, (predicted, persisted) in enumerate([overall, *by_step])
    ]


def forecast_errors(
    scenarios: Sequence[cosim.Scenario],
    lengths: Sequence[int],
    seeds: Sequence[int],
    *,
    learn: int,
    test: int,
    executor: Executor | None = None,
) -> pd.DataFrame:
    """Train and test a predictor for every recommender, decoder length and seed.

    Parameters
    ----------
    scenarios : sequence of Scenario
        One per recommender, which it names.
    lengths : sequence of int
        Of the decoder.
    seeds : sequence of int
        Of weights and batches; the runs are the same for all.
    learn, test : int
        Runs to learn from, and evaluation runs to be tested on.
    executor : concurrent.futures.Executor, optional
        Where runs and trainings happen; without one here.

    Returns
    -------
    DataFrame
        ``recommender``, what `fit` returns, ``predictor_rmse`` and ``persistence_rmse`` (vehicles per station) and
        their ``ratio``.

    Raises
    ------
    InputError
        If a run is too short for the longest decoder.
    """
    run_seeds = [*range(DRAWN_SEEDS[0], DRAWN_SEEDS[0] + learn), *evaluation_seeds(test)]
    chunks = [run_seeds[at : at + _RUNS_A_JOB] for at in range(0, len(run_seeds), _RUNS_A_JOB)]
    tables = []
    for scenario in scenarios:
        watching = [(scenario.model_dump_json(), chunk) for chunk in chunks]
        runs = [seen for chunk in common.each(executor, watch, watching) for seen in chunk]
        if min(len(samples_of(seen, max(lengths))["demand"]) for seen in runs) == 0:
            raise InputError(f"--lengths {max(lengths)}: the control period is too short to look so far ahead.")
        fitting = [(length, max(lengths), seed, runs[:learn], runs[learn:]) for length in lengths for seed in seeds]
        table = pd.DataFrame([row for rows in common.each(executor, fit, fitting) for row in rows])
        # Demand is counted in vehicles per charger; the stations of the default case are all of one size.
        chargers = np.mean([station.chargers for station in scenario.station])
        table["predictor_rmse"] = chargers * np.sqrt(table["predictor_mse"])
        table["persistence_rmse"] = chargers * np.sqrt(table["persistence_mse"])
        table["ratio"] = table["predictor_rmse"] / table["persistence_rmse"]
        tables.append(table.assign(recommender=scenario.recommender.name))
    return pd.concat(tables, ignore_index=True)


def over_all_steps(errors: pd.DataFrame) -> common.Study:
    """Return the errors over all steps, as a study of the decoder length."""
    return common.Study(VARIED, errors[errors["step"] == 0], pd.DataFrame())


def draw(errors: pd.DataFrame) -> Figure:
    """Draw the error over the decoder length, and the error of each length at each step ahead."""
    study = over_all_steps(errors)
    steps = errors[errors["step"] > 0]
    names = list(errors["recommender"].unique())
    figure = common.blank(max(10.0, 1.5 + 4.0 * len(names)), 7.0)
    above, below = figure.subfigures(2, 1, squeeze=False).ravel()
    rmse, ratio = above.subplots(1, 2)
    common.draw_errors(rmse, study, ERRORS[0])
    for name, colour in zip(names, itertools.cycle(common.COLOURS), strict=False):
        own = study.runs[study.runs["recommender"] == name].groupby(COLUMN)["persistence_rmse"].mean()
        rmse.plot(own.index, own, color=colour, linestyle="--", label=f"{name}: persistence")
    rmse.set(ylabel="RMSE [vehicles per station]", ylim=(0, None))
    rmse.legend(fontsize="small")
    common.draw_errors(ratio, study, ERRORS[2])
    ratio.set_ylim(0, None)
    above.suptitle("over all steps ahead", fontsize="medium")
    below.suptitle("at each step ahead, from the same instants: a line per decoder length", fontsize="medium")
    for axes, name in zip(below.subplots(1, len(names), sharey=True, squeeze=False)[0], names, strict=True):
        _draw_steps(axes, steps[steps["recommender"] == name])
        axes.set_title(name, fontsize="medium")
    below.axes[0].set_ylabel(ERRORS[2].label)
    below.legend(*below.axes[0].get_legend_handles_labels(), loc="outside right center", title="length", frameon=False)
    return figure


def _draw_steps(axes: Axes, errors: pd.DataFrame) -> None:
    """Draw a line per decoder length over the steps ahead, darker the longer."""
    lengths = list(errors[COLUMN].unique())
    for place, length in enumerate(lengths):
        own = errors[errors[COLUMN] == length].groupby("step")["ratio"].mean()
        shade = common.shade((place + 1) / len(lengths))
        axes.plot(own.index, own, color=shade, marker="o", markersize=3, label=str(length))
    axes.set(xlabel="step ahead [4 min]", xticks=range(1, max(lengths) + 1), ylim=(0, None))
    axes.grid(color="0.92")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write table and picture."""
    parser = common.options(
        "The predictor's error against the length of its decoder.",
        "decoder-length",
        recommenders="uniform,merit-order",
        seeds="0,1",
    )
    parser.add_argument("--lengths", type=common.numbers, default=LENGTHS, help="decoder lengths, with commas")
    parser.add_argument("--learn", type=common.count, default=60, help="runs to learn from")
    parser.add_argument("--test", type=common.count, default=10, help="evaluation runs to be tested on")
    given = common.parse(parser, arguments)
    terminal = common.console()
    settings = common.settings(given)
    scenarios = [cosim.load_scenario(given.scenario, recommender=name, **settings) for name in given.recommenders]
    common.make_folder(given.out)
    with open_workers(given.workers, given.cluster) as executor:
        errors = forecast_errors(
            scenarios,
            given.lengths,
            parse_seeds(given.seeds),
            learn=given.learn,
            test=given.test,
            executor=executor,
        )
    errors.to_parquet(given.out / "errors.parquet", index=False)
    samples = {"samples": lambda own: f"{own['samples'].iloc[0]:.0f}"}
    terminal.print(common.means(over_all_steps(errors), ERRORS, samples))
    common.write_picture(lambda: draw(errors), given.out / "decoder_length.png", terminal)


if __name__ == "__main__":
    common.main(main)
