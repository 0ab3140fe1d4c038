"""OP-SRL: PPO-Lagrangian, and the predictor trained beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cosim_agents.op_srl.predictor import DemandPredictor, PredictorConfig
from cosim_agents.rl.algorithms import ALGORITHMS
from cosim_agents.rl.algorithms.ppo_lagrangian import PPOLagrangian

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim_agents.op_srl.forecast import LSTMForecaster
    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode
    from cosim_agents.rl.learner import Learner
    from cosim_agents.rl.networks import StationLayout


class OPSRL(PPOLagrangian):
    """PPO-Lagrangian on episodes of an environment inside `PredictedDemand` (Algorithm 2).

    The predictor learns from the samples of each episode before the policy learns from the epoch; the environments use
    its new weights from the next epoch on.

    Parameters
    ----------
    n_observations : int
        Of the augmented observation.
    n_actions : int
        M, the number of stations.
    config : Hyperparameters
        Of the policy.
    seed : int
        Everything random follows from it.
    layout : StationLayout, optional
        For a stationwise network.
    predictor : PredictorConfig, optional
        Of the predictor.
    """

    algorithm: ClassVar[str] = "op-srl"

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
        predictor: PredictorConfig | None = None,
    ) -> None:
        super().__init__(n_observations, n_actions, config, seed, layout)
        self.predictor = DemandPredictor(n_actions, predictor or PredictorConfig(), seed)

    def forecaster(self) -> LSTMForecaster:
        """Return the predictor as it is now, for the environments of the next epoch."""
        return self.predictor.forecaster()

    def extras(self) -> dict[str, NDArray[Any]]:
        """Return the predictor's weights."""
        return dict(self.predictor.arrays())

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        return super().state_dict() | {"predictor": self.predictor.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        super().load_state_dict(state)
        self.predictor.load_state_dict(state["predictor"])

    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        logs = [
            log for episode in episodes if episode.samples and (log := self.predictor.update(dict(episode.samples)))
        ]
        errors = {
            f"{name}_rmse": math.sqrt(float(np.mean([log[f"{name}_mse"] for log in logs])))
            for name in ("predictor", "persistence")
            if logs
        }
        progress = {
            "predictor_rounds": float(self.predictor.rounds),
            "predictor_converged": float(self.predictor.converged),
        }
        return super()._learn(episodes) | errors | progress


#: All learners there are.
LEARNERS: dict[str, type[Learner]] = {**ALGORITHMS, OPSRL.algorithm: OPSRL}
