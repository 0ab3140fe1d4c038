"""The policies that come with the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cosim
import cosim_agents
from cosim import registry
from cosim.errors import InputError
from cosim.experiment import evaluation_seeds
from cosim.scenario import Scenario
from cosim_agents.rl.shipped import Shipped

NAMES = ("actor-critic", "dqn", "op-srl", "ppo", "ppo-lag", "ppo-penalty", "reinforce")


@pytest.mark.parametrize("name", NAMES)
def test_every_learner_has_a_policy_under_its_name(name: str, short_scenario: Scenario) -> None:
    agent = registry.instantiate("recommender", name, {}, where="here")
    assert isinstance(agent, Shipped)
    info = agent._saved.info
    assert (info.algorithm, info.preset, info.scenario) == (name, "tuned", "nguyen-dupuis")
    assert len(info.station_ids) == 5
    result = cosim.run(short_scenario, recommender=agent, seed=2)
    assert result.summary["counts"]["charged"] == 75
    assert result.decisions["station"].nunique() > 1


def test_policies_run_without_torch_and_gymnasium(tmp_path: Path) -> None:
    """A shipped one by its name, and a file of one's own on the command line."""
    policy = Path(cosim_agents.__file__).parent / "policies" / "ppo.npz"
    code = f"""
import sys
from importlib.machinery import PathFinder
class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        missing = name.partition('.')[0] in ('torch', 'gymnasium')
        return None if missing else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
import cosim
from cosim.cli import run_command_line
short = {{'simulation.warmup_s': 60, 'simulation.control_s': 240}}
scenario = cosim.load_scenario('nguyen-dupuis', recommender='op-srl', **short)
print(cosim.run(scenario, seed=1).summary['recommender'])
words = [word for key, value in short.items() for word in ('--set', f'{{key}}={{value}}')]
own = ['--recommender', 'learned', '--set', 'recommender.policy={policy}', '--set', 'recommender.sample=true']
sys.exit(run_command_line(['run', *words, *own, '--out', 'run', '--quiet']))
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "op-srl\nrun\n", "")


def test_learners_are_near_the_best_heuristic(scenario: Scenario) -> None:
    def mean_ttt_s(name: str) -> float:
        runs = [cosim.run(scenario, recommender=name, seed=seed) for seed in evaluation_seeds(1)]
        return float(np.mean([run.metrics["ttt_s"] for run in runs]))

    ttt_s = {name: mean_ttt_s(name) for name in ("least-time-droop", "ppo", "op-srl")}
    assert max(ttt_s["ppo"], ttt_s["op-srl"]) < 1.02 * ttt_s["least-time-droop"]


def test_a_shipped_policy_fits_its_scenario_only(short_scenario: Scenario) -> None:
    fewer = short_scenario.model_copy(update={"station": short_scenario.station[:4]})
    with pytest.raises(InputError, match=r"trained on 'nguyen-dupuis' with 5 stations and does not fit 4 stations\."):
        cosim.run(fewer, recommender="ppo")
