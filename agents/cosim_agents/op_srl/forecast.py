"""Charging demand, looked back on and forecast, in NumPy: what deciding with OP-SRL needs of the predictor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Numbers per station in the state (Eq. 19); the first two are the queue and the vehicles that charge.
STATION_NUMBERS = 9


@dataclass(frozen=True, slots=True)
class Windows:
    """The predictor's two time scales and lengths (Table A2).

    Attributes
    ----------
    encoder, decoder : int
        L_e, L_d: steps looked back, steps looked ahead.
    samples_per_step : int
        Samples in a step: 4, one a minute.
    sample_s : float
        Simulated seconds from sample to sample.
    """

    encoder: int = 5
    decoder: int = 5
    samples_per_step: int = 4
    sample_s: float = 60.0


class Forecaster(Protocol):
    """What looks ahead."""

    def forecast(self, history: NDArray[np.float64], demand: NDArray[np.float64]) -> NDArray[np.float64]:
        """Forecast the demand.

        Parameters
        ----------
        history : ndarray of float, shape (L_e, 9 M)
            Stations' states s^cs, oldest first.
        demand : ndarray of float, shape (M,)
            s^d now.

        Returns
        -------
        ndarray of float, shape (L_d, M)
            s^d of the next steps.
        """
        ...


class Persistence:
    """The forecast to beat: all stays as it is."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def forecast(self, history: NDArray[np.float64], demand: NDArray[np.float64]) -> NDArray[np.float64]:  # noqa: ARG002 - the protocol's
        """Repeat the demand."""
        return np.tile(demand, (self._steps, 1))


class LSTMForecaster:
    """The Seq2Seq network of Eqs. 41-42 with fixed weights.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights by torch's names: ``encoder.weight_ih_l0`` and so on, ``linear.weight``, ``linear.bias``.
    steps : int
        L_d.

    Raises
    ------
    InputError
        If arrays are missing or do not fit one another.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], steps: int) -> None:
        try:
            self._encoder = _layers("encoder", arrays)
            self._decoder = _layers("decoder", arrays)
            self._weight, self._bias = arrays["linear.weight"].T.copy(), arrays["linear.bias"]
        except KeyError as error:
            raise InputError(f"The predictor's weights are not whole: {error.args[0]} is missing.") from error
        self._steps = steps

    def forecast(self, history: NDArray[np.float64], demand: NDArray[np.float64]) -> NDArray[np.float64]:
        """Run encoder and decoder; the decoder feeds on its own outputs."""
        width = self._weight.shape[0]
        state = [(np.zeros(width, np.float32), np.zeros(width, np.float32)) for _ in self._encoder]
        for row in history.astype(np.float32):
            _through(self._encoder, row, state)
        value = demand.astype(np.float32)
        ahead = []
        for _ in range(self._steps):
            value = _through(self._decoder, value, state) @ self._weight + self._bias
            ahead.append(value)
        return np.array(ahead, dtype=np.float64)


class DemandHistory:
    """Samples of the stations' states at equal simulated times, and the windows that they make.

    A run is cut into samples (a minute) and steps (four samples). Between decisions nothing is seen, so that a sample
    is what the first decision at or after its instant saw; minutes without a decision repeat it. Before the first
    decision the stations are taken to have been as that decision saw them: empty, unless EVs charge in the warm-up.

    Parameters
    ----------
    windows : Windows
        Lengths.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows = windows
        self._per_step = windows.samples_per_step
        self._samples: list[NDArray[np.float64]] = []

    def reset(self, stations: NDArray[np.float64]) -> None:
        """Begin a run.

        Parameters
        ----------
        stations : ndarray of float, shape (9 M,)
            s^cs at the first decision, which becomes time 0 of `observe`.
        """
        self._samples = [np.array(stations, dtype=np.float64)] * (self.windows.encoder * self._per_step + 1)
        self._taken = 0

    def observe(self, time_s: float, stations: NDArray[np.float64]) -> bool:
        """Take in what a decision sees.

        Parameters
        ----------
        time_s : float
            Simulated time since the first decision.
        stations : ndarray of float, shape (9 M,)
            s^cs now.

        Returns
        -------
        bool
            Whether a sampling instant has passed, so that a forecast made before is out of date.
        """
        due = int(time_s // self.windows.sample_s) - self._taken
        if due <= 0:
            return False
        self._samples += [np.array(stations, dtype=np.float64)] * due
        self._taken += due
        return True

    def inputs(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what a forecast starts from: s^cs of the last L_e steps, shape (L_e, 9 M), and s^d now, shape (M,)."""
        last = len(self._samples) - 1
        return self._inputs_at(last)

    def training_samples(self) -> dict[str, NDArray[np.float64]]:
        """Return all (history, demand, target) of the run, where each is one step after the one before.

        Returns
        -------
        dict
            ``history`` (n, L_e, 9 M) and ``demand`` (n, M), as `inputs` gave them, and ``target`` (n, L_d, M): s^d of
            the L_d steps that followed (Algorithm 2, lines 17-19).
        """
        first = self.windows.encoder * self._per_step
        ahead = self.windows.decoder * self._per_step
        starts = range(first, len(self._samples) - ahead, self._per_step)
        inputs = [self._inputs_at(start) for start in starts]
        targets = [
            [self._demand_at(start + step * self._per_step) for step in range(1, self.windows.decoder + 1)]
            for start in starts
        ]
        width = self._samples[0].size
        stations = width // STATION_NUMBERS
        return {
            "history": np.array([history for history, _ in inputs]).reshape(-1, self.windows.encoder, width),
            "demand": np.array([demand for _, demand in inputs]).reshape(-1, stations),
            "target": np.array(targets).reshape(-1, self.windows.decoder, stations),
        }

    def _inputs_at(self, sample: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        steps = range(self.windows.encoder - 1, -1, -1)
        history = np.array([self._samples[sample - step * self._per_step] for step in steps])
        return history, self._demand_at(sample)

    def _demand_at(self, sample: int) -> NDArray[np.float64]:
        """Return the mean of n^q + n^c over the samples of the step that ends with this one (Eq. 40)."""
        states = np.array(self._samples[sample + 1 - self._per_step : sample + 1])
        stations = states.reshape(self._per_step, -1, STATION_NUMBERS)
        mean: NDArray[np.float64] = (stations[:, :, 0] + stations[:, :, 1]).mean(axis=0)
        return mean


_Layer = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
_State = list[tuple["NDArray[np.float32]", "NDArray[np.float32]"]]


def _layers(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[_Layer]:
    """Return one weight matrix, of input and hidden state together, and one bias for each layer."""
    count = sum(key.startswith(f"{name}.weight_ih") for key in arrays)
    return [
        (
            np.concatenate([arrays[f"{name}.weight_ih_l{k}"], arrays[f"{name}.weight_hh_l{k}"]], axis=1).T.copy(),
            arrays[f"{name}.bias_ih_l{k}"] + arrays[f"{name}.bias_hh_l{k}"],
        )
        for k in range(max(count, 1))
    ]


def _through(layers: list[_Layer], value: NDArray[np.float32], state: _State) -> NDArray[np.float32]:
    """Send one input through all layers, replacing their states (h, c)."""
    for k, (weight, bias) in enumerate(layers):
        hidden, cell = state[k]
        gates = np.concatenate([value, hidden]) @ weight + bias
        size = hidden.size
        # torch's order of gates: input, forget, cell, output. The logistic function as a tanh never overflows.
        opened = 0.5 + 0.5 * np.tanh(0.5 * gates)
        cell = opened[size : 2 * size] * cell + opened[:size] * np.tanh(gates[2 * size : 3 * size])
        value = opened[3 * size :] * np.tanh(cell)
        state[k] = (value, cell)
    return value
