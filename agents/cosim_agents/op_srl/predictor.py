"""The Seq2Seq predictor of charging demand, and its training beside the policy (Eqs. 40-43, Algorithm 2)."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cosim.randomness import stream
from cosim_agents.op_srl.forecast import STATION_NUMBERS, LSTMForecaster, Windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Samples = dict[str, "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorConfig:
    """Table A2, and what it leaves out."""

    windows: Windows = field(default_factory=Windows)
    """Lengths of the sequences and of their steps."""
    layers: int = 2
    """LSTM layers of encoder and decoder."""
    hidden: int = 128
    """Width of each."""
    learning_rate: float = 1e-3
    """Adam's step."""
    iterations: int = 20
    """Gradient steps in a round."""
    batch_size: int = 64
    """Samples in each, drawn from the buffer."""
    least_samples: int = 64
    """n_1^th: samples before the first round."""
    interval: int = 50
    """n_2^th: a round for each multiple of this that the number of samples crosses."""
    buffer_size: int = 5000
    """Samples kept, the oldest dropped first (not in the paper)."""
    teacher_forcing: bool = False
    """Whether the decoder is trained on true demand; otherwise on its own outputs, as it is used."""
    validation_every: int = 5
    """The samples of every so manieth episode are held out (not in the paper)."""
    patience: int = 5
    """Converged once so many rounds brought no improvement; then the weights are frozen (not in the paper)."""
    improvement: float = 0.01
    """Share by which the validation error has to fall to count as improvement (not in the paper)."""


class Seq2Seq(nn.Module):
    """Encoder and decoder LSTM and a linear layer (Eqs. 41-42).

    Parameters
    ----------
    n_stations : int
        M.
    config : PredictorConfig
        Sizes.
    generator : torch.Generator
        Draws the weights.
    """

    def __init__(self, n_stations: int, config: PredictorConfig, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.LSTM(STATION_NUMBERS * n_stations, config.hidden, config.layers, batch_first=True)
        self.decoder = nn.LSTM(n_stations, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, n_stations)
        bound = 1.0 / math.sqrt(config.hidden)
        for parameter in self.parameters():
            # As torch does itself, but from the generator.
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
        self._steps = config.windows.decoder

    def forward(self, history: torch.Tensor, demand: torch.Tensor, truth: torch.Tensor | None = None) -> torch.Tensor:
        """Forecast.

        Parameters
        ----------
        history : Tensor, shape (n, L_e, 9 M)
            s^cs, oldest first.
        demand : Tensor, shape (n, M)
            s^d now: the decoder's first input.
        truth : Tensor, shape (n, L_d, M), optional
            Demand to feed the decoder with (teacher forcing).

        Returns
        -------
        Tensor, shape (n, L_d, M)
        """
        _, state = self.encoder(history)
        if truth is not None:
            hidden, _ = self.decoder(torch.cat([demand[:, None], truth[:, :-1]], dim=1), state)
            forced: torch.Tensor = self.linear(hidden)
            return forced
        value, ahead = demand[:, None], []
        for _ in range(self._steps):
            hidden, state = self.decoder(value, state)
            value = self.linear(hidden)
            ahead.append(value)
        return torch.cat(ahead, dim=1)


class DemandPredictor:
    """Learns from samples as they come, on its own time scale, until it has converged.

    Parameters
    ----------
    n_stations : int
        M.
    config : PredictorConfig
        How.
    seed : int
        Everything random follows from it.

    Attributes
    ----------
    converged : bool
        Whether it has stopped learning.
    rounds : int
        Rounds of training so far.
    """

    def __init__(self, n_stations: int, config: PredictorConfig, seed: int) -> None:
        self.config = config
        self.converged = False
        self.rounds = 0
        self._seen = self._episodes = 0
        self._best = math.inf
        self._rounds_since_best = 0
        generator = torch.Generator().manual_seed(int(stream(seed, "predictor weights").integers(2**62)))
        # The constructors draw from torch's global generator before the weights are overwritten: leave no trace.
        with torch.random.fork_rng(devices=[]):
            self._network = Seq2Seq(n_stations, config, generator)
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=config.learning_rate, fused=True)
        self._rng = stream(seed, "predictor batches")
        empty = {
            "history": np.zeros((0, config.windows.encoder, STATION_NUMBERS * n_stations)),
            "demand": np.zeros((0, n_stations)),
            "target": np.zeros((0, config.windows.decoder, n_stations)),
        }
        self._buffer: Samples = empty
        self._held_out: Samples = empty

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return copies of the weights by torch's names."""
        return {name: tensor.detach().numpy().copy() for name, tensor in self._network.state_dict().items()}

    def forecaster(self) -> LSTMForecaster:
        """Return the network as it is now, in NumPy."""
        return LSTMForecaster(self.arrays(), self.config.windows.decoder)

    def update(self, samples: Samples) -> dict[str, float]:
        """Take in the samples of an episode, and train if there are enough new ones.

        Parameters
        ----------
        samples : dict of ndarray
            As `DemandHistory.training_samples` makes them.

        Returns
        -------
        dict of str to float
            ``predictor_mse`` and ``persistence_mse`` of these samples before any of them was learned, in the (squared)
            unit of the demand; nothing where there are no samples.
        """
        count = len(samples["demand"])
        if count == 0:
            return {}
        log = {
            "predictor_mse": self._error(samples),
            "persistence_mse": float(((samples["target"] - samples["demand"][:, None]) ** 2).mean()),
        }
        if self.converged:
            return log
        # Whole episodes: an episode's samples are of the same instants as every other's, all of which must be learnt.
        self._episodes += 1
        held_out = np.full(count, self._episodes % self.config.validation_every == 0)
        self._buffer = self._appended(self._buffer, samples, ~held_out)
        self._held_out = self._appended(self._held_out, samples, held_out)
        before, self._seen = self._seen, self._seen + count
        if self._seen >= self.config.least_samples:
            # The multiple of 50 at which there were too few samples is made up for by the first round.
            due = self._seen // self.config.interval - before // self.config.interval
            for _ in range(due if self.rounds else max(due, 1)):
                self._round()
        return log

    def state_dict(self) -> dict[str, Any]:
        """Return all that the next updates depend on."""
        return {name.removeprefix("_"): getattr(self, name) for name in _NUMBERS} | {
            "network": copy.deepcopy(self._network.state_dict()),
            "adam": copy.deepcopy(self._optimiser.state_dict()),
            "rng": json.dumps(self._rng.bit_generator.state),
            "buffer": dict(self._buffer),
            "held_out": dict(self._held_out),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned."""
        for name in _NUMBERS:
            setattr(self, name, state[name.removeprefix("_")])
        self._network.load_state_dict(state["network"])
        self._optimiser.load_state_dict(state["adam"])
        self._rng.bit_generator.state = json.loads(state["rng"])
        self._buffer, self._held_out = dict(state["buffer"]), dict(state["held_out"])

    def _round(self) -> None:
        for _ in range(self.config.iterations):
            rows = self._rng.integers(len(self._buffer["demand"]), size=self.config.batch_size)
            history, demand, target = (_tensor(self._buffer[name][rows]) for name in ("history", "demand", "target"))
            loss = nn.functional.mse_loss(
                self._network(history, demand, target if self.config.teacher_forcing else None), target
            )
            self._optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
        self.rounds += 1
        self._judge()

    def _judge(self) -> None:
        """See whether the held-out error still falls."""
        if len(self._held_out["demand"]) < self.config.batch_size:
            # On so few samples the error says nothing yet.
            return
        error = self._error(self._held_out)
        self._rounds_since_best += 1
        if error < (1.0 - self.config.improvement) * self._best:
            self._best, self._rounds_since_best = error, 0
        self.converged = self._rounds_since_best >= self.config.patience

    @torch.no_grad()
    def _error(self, samples: Samples) -> float:
        ahead = self._network(_tensor(samples["history"]), _tensor(samples["demand"])).numpy()
        return float(((ahead - samples["target"]) ** 2).mean())

    def _appended(self, old: Samples, new: Samples, rows: NDArray[np.bool_]) -> Samples:
        return {name: np.concatenate([old[name], new[name][rows]])[-self.config.buffer_size :] for name in old}


_NUMBERS = ("converged", "rounds", "_seen", "_episodes", "_best", "_rounds_since_best")


def _tensor(array: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
