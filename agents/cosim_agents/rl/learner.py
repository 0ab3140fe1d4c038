"""What all learners have in common: a policy out, episodes in, and a state that can be put aside."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import nn

from cosim.errors import InputError
from cosim.randomness import stream
from cosim_agents.rl.networks import StationLayout, StationScores, layer_arrays, perceptron
from cosim_agents.rl.normalise import RunningMoments, Standardiser
from cosim_agents.rl.policy import PerceptronPolicy, PolicyKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.config import Hyperparameters
    from cosim_agents.rl.episode import Episode


class Learner(ABC):
    """Improves a policy from episodes that were collected with it, wherever that was.

    Parameters
    ----------
    n_observations, n_actions : int
        Sizes of the problem.
    config : Hyperparameters
        All of them; each algorithm reads its own.
    seed : int
        Everything random follows from it.
    layout : StationLayout, optional
        What of an observation concerns each station (`stationwise_layout`), for a stationwise network.

    Attributes
    ----------
    epoch : int
        Updates made so far.
    """

    #: The name it goes by in files and on the command line.
    algorithm: ClassVar[str]

    def __init__(
        self,
        n_observations: int,
        n_actions: int,
        config: Hyperparameters,
        seed: int,
        layout: StationLayout | None = None,
    ) -> None:
        self.n_observations = n_observations
        self.n_actions = n_actions
        self.config = config
        if config.network == "stationwise" and layout is None:
            raise InputError("Hyper-parameter network is 'stationwise', but the stations' features are not known.")
        if config.prior > 0 and (layout is None or layout.times.start == layout.times.stop):
            raise InputError("Hyper-parameter prior needs a stationwise network that observes the block 'estimates'.")
        self._layout = layout if config.network == "stationwise" else None
        self.epoch = 0
        self._moments = RunningMoments((n_observations,))
        self._rng = stream(seed, f"learner {self.algorithm}")
        self._generator = torch.Generator().manual_seed(int(stream(seed, "networks").integers(2**62)))

    @abstractmethod
    def policy(self) -> PerceptronPolicy:
        """Return a copy of the policy as it is now, to collect the next epoch's episodes with."""

    def extras(self) -> dict[str, NDArray[Any]]:
        """Return arrays of a companion that belong into the policy's file; none by default."""
        return {}

    def update(self, episodes: Sequence[Episode]) -> dict[str, float]:
        """Learn from the episodes of one epoch.

        Parameters
        ----------
        episodes : sequence of Episode
            Collected with `policy` as it was after the last update. Their order matters to the last bit.

        Returns
        -------
        dict of str to float
            What is worth logging; always ``reward`` and ``cost``, the mean undiscounted sums of an episode.
        """
        # The statistics move first, so that what is learned and what then acts see the same inputs. The networks' own
        # probabilities shift a little by it; the recorded ones are those with which actions were really drawn.
        if self.config.normalise_observations:
            self._moments.update(np.concatenate([episode.observations[:-1] for episode in episodes]))
        log = {
            "reward": float(np.mean([episode.reward for episode in episodes])),
            "cost": float(np.mean([episode.cost for episode in episodes])),
        }
        log |= self._learn(episodes)
        self.epoch += 1
        return log

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on: tensors, arrays, numbers and text."""
        return {
            "algorithm": self.algorithm,
            "epoch": self.epoch,
            "observations": self._moments.state_dict(),
            "rng": json.dumps(self._rng.bit_generator.state),
            # torch hands out the very tensors that the next update changes.
            "networks": copy.deepcopy({name: module.state_dict() for name, module in self._modules().items()}),
            "optimisers": copy.deepcopy({name: adam.state_dict() for name, adam in self._optimisers().items()}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of a learner with the same sizes and hyper-parameters returned.

        From then on this learner does to the last bit what that one would have done.
        """
        self.epoch = int(state["epoch"])
        self._moments.load_state_dict(state["observations"])
        self._rng.bit_generator.state = json.loads(state["rng"])
        for name, module in self._modules().items():
            module.load_state_dict(state["networks"][name])
        for name, optimiser in self._optimisers().items():
            optimiser.load_state_dict(state["optimisers"][name])

    @abstractmethod
    def _learn(self, episodes: Sequence[Episode]) -> dict[str, float]:
        """Make the update itself."""

    @abstractmethod
    def _modules(self) -> dict[str, nn.Module]:
        """Return every network by name."""

    @abstractmethod
    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """Return every optimiser by name."""

    def _standardiser(self) -> Standardiser:
        if not self.config.normalise_observations:
            return Standardiser.of(RunningMoments((self.n_observations,)), np.inf)
        standardiser = Standardiser.of(self._moments, self.config.observation_clip)
        if self._layout is not None:
            # Times are in the same unit for all stations, and stay in it: the sum of a station's is what it costs.
            times = self._layout.columns[:, self._layout.times]
            standardiser.mean[times], standardiser.std[times] = 0.0, 1.0
        return standardiser

    def _scores(self, last_gain: float) -> nn.Module:
        """Make a network from observations to one output for every action."""
        config, generator, layout = self.config, self._generator, self._layout
        hidden = config.hidden if config.actor_hidden is None else config.actor_hidden
        if layout is None:
            return perceptron(self.n_observations, hidden, self.n_actions, generator, last_gain=last_gain)
        n_inputs = layout.columns.shape[1]
        direct = np.zeros(n_inputs, dtype=np.float32)
        direct[layout.times] = -config.prior
        return StationScores(layout.columns, perceptron(n_inputs, hidden, 1, generator, last_gain=last_gain), direct)

    def _export(self, network: nn.Module, kind: PolicyKind, exploration: float = 0.0) -> PerceptronPolicy:
        weights, biases = layer_arrays(network)
        if self._layout is None or not isinstance(network, StationScores):
            return PerceptronPolicy(self._standardiser(), weights, biases, kind, exploration)
        direct = network.direct.detach().numpy().copy()
        return PerceptronPolicy(self._standardiser(), weights, biases, kind, exploration, self._layout.columns, direct)
