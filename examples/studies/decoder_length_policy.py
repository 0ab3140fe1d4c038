"""What the decoder length of OP-SRL's predictor does for the policy (OP-SRL paper, Fig. 12).

Run with: python examples/studies/decoder_length_policy.py [--lengths 1,3,5,7,9] [--episodes N] [--seeds N]

Every length is trained anew with every seed, which takes a second or two per episode. The default, a few episodes of
one seed, shows that it works and no more: the differences it prints are noise. The paper has 1000 episodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import common
import pandas as pd
import torch

import cosim
from cosim.cluster import open_workers
from cosim.env.recommendation import DRAWN_SEEDS, RecommendationEnv
from cosim.errors import InputError
from cosim.experiment import evaluation_seeds, parse_seeds
from cosim.randomness import stream
from cosim.scenario import Scenario
from cosim_agents.op_srl.augment import PredictedDemand
from cosim_agents.op_srl.forecast import Windows
from cosim_agents.op_srl.learner import OPSRL
from cosim_agents.op_srl.predictor import PredictorConfig
from cosim_agents.rl.config import preset
from cosim_agents.rl.rollout import collect_episode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from matplotlib.figure import Figure

#: By itself, since jobs use it: on another machine there is no module ``common``.
COLUMN = "decoder_steps"
VARIED = common.Quantity(COLUMN, "decoder length [steps of 4 min]")
LENGTHS = "1,3,5,7,9"
EPISODES_PER_EPOCH = preset("paper").episodes_per_epoch


def train(scenario: str, length: int, seed: int, episodes: int, test: int) -> list[dict[str, Any]]:
    """Train OP-SRL, preset ``paper``, and test the policy, which draws its decisions as in training.

    Parameters
    ----------
    scenario : str
        As JSON.
    length : int
        Of the decoder.
    seed : int
        Of the training.
    episodes : int
        To learn from, whole epochs of them.
    test : int
        Evaluation seeds.

    Returns
    -------
    list of dict
        The metrics of each evaluation run.
    """
    torch.set_num_threads(1)  # too small a network to share
    config = preset("paper", epochs=episodes // EPISODES_PER_EPOCH)
    windows = Windows(decoder=length)
    system = RecommendationEnv(Scenario.model_validate_json(scenario))
    env = PredictedDemand(system, windows)
    learner = OPSRL(
        len(env.feature_names), len(system.system.stations), config, seed, predictor=PredictorConfig(windows=windows)
    )
    rng = stream(seed, "training episodes")
    try:
        while learner.epoch < config.epochs:
            policy, env.forecaster = learner.policy(), learner.forecaster()
            seeds = rng.integers(*DRAWN_SEEDS, size=EPISODES_PER_EPOCH)
            learner.update([collect_episode(env, policy, rng, int(drawn)) for drawn in seeds])
        policy, env.forecaster = learner.policy(), learner.forecaster()
        return [
            {COLUMN: length, "recommender": "op-srl", "training_seed": seed, "seed": number}
            | dict(collect_episode(env, policy, stream(number, "recommender"), number).metrics)
            for number in evaluation_seeds(test)
        ]
    finally:
        env.close()


def policies(
    scenario: cosim.Scenario,
    lengths: Sequence[int],
    seeds: Sequence[int],
    *,
    episodes: int,
    test: int,
    executor: Executor | None = None,
) -> common.Study:
    """Train and test a policy for every decoder length and seed; see `train`.

    Raises
    ------
    InputError
        If the episodes do not make whole epochs.
    """
    if episodes < 1 or episodes % EPISODES_PER_EPOCH:
        raise InputError(f"--episodes {episodes}: it must be a positive multiple of {EPISODES_PER_EPOCH}.")
    text = scenario.model_dump_json()
    jobs = [(text, length, seed, episodes, test) for length in lengths for seed in seeds]
    rows = [row for rows in common.each(executor, train, jobs) for row in rows]
    return common.Study(VARIED, pd.DataFrame(rows), pd.DataFrame())


def draw(study: common.Study) -> Figure:
    """Draw a box of TTT, CVV and WCT over all evaluation runs of all trainings of each length."""
    figure = common.blank(11.0, 3.6)
    panels = figure.subplots(1, len(common.METRICS))
    for axes, metric in zip(panels, common.METRICS, strict=True):
        by_length = study.runs.groupby(COLUMN)[metric.column]
        lengths = [int(str(length)) for length, _ in by_length]
        axes.boxplot([own for _, own in by_length], positions=lengths)
        common.finish(axes, study, metric.label)
    panels[0].yaxis.set_major_formatter("{x:,.0f}")
    return figure


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study, print its table, write table and picture."""
    parser = common.options(
        "TTT, CVV and WCT of OP-SRL against the decoder length of its predictor.",
        "decoder-length-policy",
        recommenders=None,
        seeds="0,",
    )
    parser.add_argument("--lengths", type=common.numbers, default=LENGTHS, help="decoder lengths, with commas")
    parser.add_argument("--episodes", type=common.count, default=20, help="to train with, each time")
    parser.add_argument("--test", type=common.count, default=5, help="evaluation runs of each policy")
    given = common.parse(parser, arguments)
    terminal = common.console()
    scenario = cosim.load_scenario(given.scenario, **common.settings(given))
    common.make_folder(given.out)
    with open_workers(given.workers, given.cluster) as executor:
        study = policies(
            scenario,
            given.lengths,
            parse_seeds(given.seeds),
            episodes=given.episodes,
            test=given.test,
            executor=executor,
        )
    study.runs.to_parquet(given.out / "runs.parquet", index=False)
    terminal.print(common.means(study, common.METRICS, {}))
    common.write_picture(lambda: draw(study), given.out / "decoder_length_policy.png", terminal)


if __name__ == "__main__":
    common.main(main)
