"""Torch networks, made from a generator of their own so that nothing global is drawn from."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from cosim.env.features import ESTIMATE_FEATURES
from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def perceptron(
    n_inputs: int, hidden: Sequence[int], n_outputs: int, generator: torch.Generator, *, last_gain: float
) -> nn.Sequential:
    """Return tanh layers and a linear layer with orthogonal weights.

    Parameters
    ----------
    n_inputs, n_outputs : int
        Widths at the ends.
    hidden : sequence of int
        Widths of the tanh layers.
    generator : torch.Generator
        Draws the weights.
    last_gain : float
        Scale of the last layer's weights: small for an actor, which then begins close to uniform.
    """
    widths = [n_inputs, *hidden, n_outputs]
    layers: list[nn.Module] = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        last = number == len(hidden)
        # skip_init: the usual constructor draws from torch's global generator.
        linear: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
        nn.init.orthogonal_(linear.weight, last_gain if last else math.sqrt(2.0), generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear] if last else [linear, nn.Tanh()]
    return nn.Sequential(*layers)


class StationScores(nn.Module):
    """Gives every station its output by the same perceptron, each from its own part of the observation.

    Parameters
    ----------
    layout : ndarray of int64, shape (n_actions, n_inputs)
        From `stationwise_layout`.
    perceptron : nn.Module
        From n_inputs to one output.
    direct : ndarray of float32, shape (n_inputs,)
        First weights of the way past the perceptron.

    Attributes
    ----------
    direct : nn.Parameter, shape (n_inputs,)
        Weights of the way past the perceptron: what is linear in the inputs is learnt here at once.
    """

    def __init__(self, layout: NDArray[np.int64], perceptron: nn.Module, direct: NDArray[np.float32]) -> None:
        super().__init__()
        self.perceptron = perceptron
        self.direct = nn.Parameter(torch.from_numpy(direct.copy()))
        # No buffer of the module: it follows from the names of the features and is not learnt.
        self._layout = torch.from_numpy(layout)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return outputs, shape (n, n_actions), for observations, shape (n, n_observations)."""
        constants = torch.tensor([1.0, 0.0]).expand(*observations.shape[:-1], 2)
        parts = torch.cat([observations, constants], dim=-1)[..., self._layout]
        scores: torch.Tensor = self.perceptron(parts).squeeze(-1) + parts @ self.direct
        return scores


@dataclass(frozen=True, slots=True, eq=False)
class StationLayout:
    """Which entries of an observation tell something about each station.

    Attributes
    ----------
    columns : ndarray of int64, shape (n_stations, n_inputs)
        Positions; the number of features means a constant one, the next position a constant zero.
    times : slice
        Which of the n_inputs are the expected times of ``cosim.env.features.ESTIMATE_FEATURES``, if they are observed.
    """

    columns: NDArray[np.int64]
    times: slice


def stationwise_layout(feature_names: Sequence[str], station_ids: Sequence[str]) -> StationLayout:
    """Return which entries of an observation tell something about each station.

    A station's row has the features that bear its id, such as ``queued[CS1]``, then those of the vehicle and the time,
    then a one in its own place and zeros in those of the other stations, so that stations can differ by nature. The
    features of links and buses, ``density[...]`` and ``deviation[...]``, are left out.

    Parameters
    ----------
    feature_names : sequence of str
        Of an observation's entries.
    station_ids : sequence of str
        Of the actions.

    Raises
    ------
    InputError
        If not all stations have the same features.
    """
    one, zero = len(feature_names), len(feature_names) + 1
    own: dict[str, dict[str, int]] = {station: {} for station in station_ids}
    common = []
    for position, name in enumerate(feature_names):
        kind, _, rest = name.partition("[")
        if not rest:
            common.append(position)
        elif rest.removesuffix("]") in own and kind not in {"density", "deviation"}:
            own[rest.removesuffix("]")][kind] = position
    kinds = list(own[station_ids[0]])
    if not kinds or any(list(found) != kinds for found in own.values()):
        raise InputError("A stationwise network needs the same observed numbers of every station.")
    rows = [
        [own[station][kind] for kind in kinds] + common + [one if other == station else zero for other in station_ids]
        for station in station_ids
    ]
    first = kinds.index(ESTIMATE_FEATURES[0]) if ESTIMATE_FEATURES[0] in kinds else 0
    count = len(ESTIMATE_FEATURES) if ESTIMATE_FEATURES[0] in kinds else 0
    return StationLayout(np.array(rows, dtype=np.int64), slice(first, first + count))


def linears(network: nn.Module) -> list[nn.Linear]:
    """Return the linear layers in order."""
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def layer_arrays(network: nn.Module) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    """Return copies of weights (n_inputs, n_outputs) and biases (n_outputs,) of every layer."""
    layers = linears(network)
    weights = tuple(layer.weight.detach().numpy().T.copy() for layer in layers)
    return weights, tuple(layer.bias.detach().numpy().copy() for layer in layers)


def log_probabilities(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities, shape (n, n_actions); the least finite number where the mask forbids an action.

    Not minus infinity, of which a product with probability 0 would be NaN.
    """
    least = torch.finfo(logits.dtype).min
    return torch.log_softmax(logits.masked_fill(~masks, least), dim=-1).clamp(min=least)


def entropies(log_prob: torch.Tensor) -> torch.Tensor:
    """Return the entropy of each row of log-probabilities, shape (n,)."""
    return -(log_prob.exp() * log_prob).sum(dim=-1)


def divergences(start: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Return KL(start || now) of each row of log-probabilities, shape (n,)."""
    return (start.exp() * (start - now)).sum(dim=-1)
