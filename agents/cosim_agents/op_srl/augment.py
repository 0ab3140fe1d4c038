"""A Gymnasium wrapper that appends the forecast demand to the observation (``s_t^+`` of OP-SRL)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from cosim.errors import InputError
from cosim_agents.op_srl.forecast import STATION_NUMBERS, DemandHistory, Forecaster, Persistence, Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class PredictedDemand(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Appends L_d x M forecast numbers to the observation, and gathers what the predictor learns from.

    The forecast is made once per simulated minute and kept in between. Time is ``info["time_s"]`` if there is one, else
    the sum of ``info["dt"]`` since the reset. At the end ``info["samples"]`` holds the arrays of
    `DemandHistory.training_samples`.

    Parameters
    ----------
    env : gymnasium.Env
        With a flat Box of observations. ``env.unwrapped.feature_names`` tells where the stations' numbers are:
        from ``queued[...]`` of the first station on, nine a station.
    windows : Windows
        Lengths.
    forecaster : Forecaster, optional
        Looks ahead; persistence until another is set.

    Attributes
    ----------
    forecaster : Forecaster
        Set it before a reset to change it.
    feature_names : tuple of str
        Of the longer observation.
    """

    def __init__(
        self, env: gymnasium.Env[Any, Any], windows: Windows | None = None, forecaster: Forecaster | None = None
    ) -> None:
        super().__init__(env)
        windows = windows or Windows()
        names: Sequence[str] = env.unwrapped.feature_names  # type: ignore[attr-defined]
        self._columns, ids = station_columns(names)
        self.forecaster = forecaster or Persistence(windows.decoder)
        self.feature_names = (*names, *forecast_names(ids, windows))
        self._history = DemandHistory(windows)
        box = env.observation_space
        if not isinstance(box, Box):
            raise InputError("The forecast can be appended to a flat Box of observations only.")
        high = np.full(len(self.feature_names) - len(names), np.inf, dtype=np.float32)
        self.observation_space = Box(np.append(box.low, -high), np.append(box.high, high), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._start_s = self._time_s = float(info.get("time_s", 0.0))
        self._history.reset(observation[self._columns])
        self._look_ahead()
        return self._augmented(observation), info

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Decide, and look ahead again if a minute has passed."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            # The last step lasts until the last vehicle arrives and has no decisions in it: it is not sampled.
            return (
                self._augmented(observation),
                reward,
                terminated,
                truncated,
                info | {"samples": self._history.training_samples()},
            )
        self._time_s = float(info.get("time_s", self._time_s + info.get("dt", 0.0)))
        if self._history.observe(self._time_s - self._start_s, observation[self._columns]):
            self._look_ahead()
        return self._augmented(observation), reward, terminated, truncated, info

    def _look_ahead(self) -> None:
        self._forecast = self.forecaster.forecast(*self._history.inputs()).ravel().astype(np.float32)

    def _augmented(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([observation, self._forecast], dtype=np.float32)


def station_columns(names: Sequence[str]) -> tuple[slice, tuple[str, ...]]:
    """Return where the stations' numbers are among the features, and the stations' ids.

    Raises
    ------
    InputError
        If there are none.
    """
    at = [k for k, name in enumerate(names) if name.startswith("queued[")]
    if not at or at != list(range(at[0], at[0] + STATION_NUMBERS * len(at), STATION_NUMBERS)):
        raise InputError(
            f"The predictor needs {STATION_NUMBERS} numbers a station among the observation's features, "
            "the first named 'queued[...]'."
        )
    ids = tuple(names[k].removeprefix("queued[").removesuffix("]") for k in at)
    return slice(at[0], at[0] + STATION_NUMBERS * len(at)), ids


def forecast_names(ids: Sequence[str], windows: Windows) -> tuple[str, ...]:
    """Return the names of the appended features: all stations of the first step, then of the next."""
    return tuple(f"demand+{step}[{name}]" for step in range(1, windows.decoder + 1) for name in ids)
