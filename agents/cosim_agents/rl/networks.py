"""Torch networks, made from a generator of their own so that nothing global is drawn from."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
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
