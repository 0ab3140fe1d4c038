"""A comparison and a training on a Ray cluster of two nodes, against the same in processes of this machine.

Here both nodes are on this machine. On a real cluster, start Ray on one machine (``ray start --head``), on the others
(``ray start --address HOST:PORT``), and add ``--cluster ray:auto --workers N`` to ``python -m cosim compare`` or
``train``.

Run with: python examples/ray_cluster.py (needs the extras "cluster" and "train").
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ray.cluster_utils import Cluster

import cosim
from cosim import registry
from cosim.cluster import RayWorkers
from cosim.learning import TrainingDisplay, TrainingPlan
from cosim.workers import WorkerProcesses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor

    from cosim.comparison import Comparison


@contextlib.contextmanager
def two_nodes() -> Iterator[str]:
    """Start a cluster of two nodes with a CPU each; yield what ``--cluster`` takes for it."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        yield f"ray:{cluster.address}"
    finally:
        cluster.shutdown()


def compare_and_train(executor: Executor, folder: Path) -> tuple[Comparison, dict[str, np.ndarray]]:
    """Compare two recommenders on two seeds, and train a policy for five episodes; return its weights."""
    scenario = cosim.load_scenario("nguyen-dupuis", **{"simulation.warmup_s": 60, "simulation.control_s": 240})
    comparison = cosim.compare(scenario, ["uniform", "merit-order"], [1, 2], executor=executor)
    plan = TrainingPlan(
        scenario=scenario, episodes=5, seed=1, preset="tuned", cost_limit=None, out=folder, executor=executor
    )
    policy = registry.load("learner", "ppo")(plan, TrainingDisplay("", quiet=True))
    with np.load(policy) as arrays:
        return comparison, dict(arrays)


def main(cluster: str) -> None:
    """Do the same on the cluster and here, and say whether it came to the same."""
    with tempfile.TemporaryDirectory() as scratch:
        with RayWorkers(2, cluster) as executor:
            comparison, weights = compare_and_train(executor, Path(scratch, "cluster"))
            for place in executor.places:
                print(f"process {place.pid} was a worker on node {place.node} at {place.host}")
        with WorkerProcesses(2) as processes:
            local, local_weights = compare_and_train(processes, Path(scratch, "here"))
    for row in comparison.table.itertuples():
        print(f"{row.recommender}: TTT {row.ttt_s_mean:,.0f} s")
    same_weights = all(np.array_equal(array, local_weights[name]) for name, array in weights.items())
    print(f"runs equal those in local processes to the last bit: {comparison.runs.equals(local.runs)}")
    print(f"weights equal those trained in local processes to the last bit: {same_weights}")


if __name__ == "__main__":
    with two_nodes() as address:
        main(address)
