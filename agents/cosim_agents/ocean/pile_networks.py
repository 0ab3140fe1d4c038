"""The rectified networks of the paper's algorithms, made from a generator of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cosim_agents.ocean.pile_policy import Layers
from cosim_agents.rl.networks import linears, perceptron

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def rectified(inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator) -> nn.Sequential:
    """Return rectified layers and a linear one, as the paper has them.

    Parameters
    ----------
    inputs, outputs : int
        Widths at the ends.
    hidden : sequence of int
        Widths of the layers between.
    generator : torch.Generator
        Draws the weights.
    """
    network = perceptron(inputs, hidden, outputs, generator, last_gain=0.1)
    for place, module in enumerate(network):
        if isinstance(module, nn.Tanh):
            network[place] = nn.ReLU()
    return network


def layers_of(network: nn.Sequential) -> Layers:
    """Return a network as plain arrays."""
    layers = linears(network)

    def plain(values: torch.Tensor) -> NDArray[np.float64]:
        return values.detach().numpy().astype(np.float64)

    return Layers(tuple(plain(layer.weight).T.copy() for layer in layers), tuple(plain(layer.bias) for layer in layers))


def single(values: NDArray[Any]) -> torch.Tensor:
    """Return an array in single precision."""
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
