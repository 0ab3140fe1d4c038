"""The forecast part of an OP-SRL policy's input when it decides: NumPy only, without torch and gymnasium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError
from cosim_agents.op_srl.forecast import STATION_NUMBERS, DemandHistory, Forecaster, LSTMForecaster, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_agents.rl.policy_file import SavedPolicy


class ForecastInput:
    """Appends the forecast demand to the observations of one run, as `PredictedDemand` does in training.

    Parameters
    ----------
    forecaster : Forecaster
        Looks ahead.
    windows : Windows
        Lengths.
    stations : slice
        Where the stations' numbers are in an observation.
    names : sequence of str
        Of the appended entries.

    Attributes
    ----------
    names : tuple of str
        Of the appended entries.
    """

    def __init__(self, forecaster: Forecaster, windows: Windows, stations: slice, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._forecaster, self._stations = forecaster, stations
        self._history = DemandHistory(windows)
        self._start_s: float | None = None

    @classmethod
    def of(cls, saved: SavedPolicy) -> ForecastInput | None:
        """Make it for a policy; None for one that sees no forecast.

        Raises
        ------
        InputError
            If the policy sees a forecast but its predictor is not whole.
        """
        features = saved.info.feature_names
        names = tuple(name for name in features if name.startswith("demand+"))
        if not names:
            return None
        try:
            windows = Windows(**saved.info.training["windows"])
            first = next(k for k, name in enumerate(features) if name.startswith("queued["))
        except (KeyError, TypeError, StopIteration) as error:
            raise InputError("The policy sees a forecast, but its description does not say which.") from error
        stations = slice(first, first + STATION_NUMBERS * len(saved.info.station_ids))
        return cls(LSTMForecaster(saved.extras, windows.decoder), windows, stations, names)

    def extend(self, time_s: float, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Append the forecast.

        Parameters
        ----------
        time_s : float
            Now; the first call is the run's first decision.
        observation : ndarray of float32
            What the encoder gives.

        Returns
        -------
        ndarray of float32
            The longer observation.
        """
        stations = observation[self._stations].astype(np.float64)
        if self._start_s is None:
            self._start_s = time_s
            self._history.reset(stations)
            due = True
        else:
            due = self._history.observe(time_s - self._start_s, stations)
        if due:
            # Once per simulated minute: it is the most expensive part of a decision.
            self._ahead = self._forecaster.forecast(*self._history.inputs()).ravel().astype(np.float32)
        return np.concatenate([observation, self._ahead], dtype=np.float32)
