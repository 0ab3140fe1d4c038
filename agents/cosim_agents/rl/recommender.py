"""A trained policy as a recommender: NumPy only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from cosim.errors import CosimError
from cosim_agents.op_srl.recommender import ForecastInput
from cosim_agents.rl.policy_file import load_policy

if TYPE_CHECKING:
    import numpy as np

    from cosim.control import Request, SystemInfo, SystemView
    from cosim.env.features import ObservationEncoder
    from cosim.observation import Observation


class Learned:
    """A policy that ``cosim train`` has written.

    Parameters
    ----------
    policy : str or Path
        Its file ``policy.npz``; ``policy.json`` has to lie beside it.
    sample : bool
        Draw the station with the policy's probabilities, as in training, instead of taking the most probable one.
    """

    #: A comparison measures learners by the best of the others.
    learned: ClassVar[bool] = True

    def __init__(self, policy: str | Path = "", sample: bool = False) -> None:  # noqa: FBT001, FBT002 - options by name
        if not policy:
            raise ValueError("policy is missing; name the file policy.npz of a training")
        self._path = Path(policy)
        self._saved = load_policy(self._path)
        self._sample = sample

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Forget the run before, and see that the policy is one for these stations."""
        ids = tuple(station.id for station in system.stations)
        if ids != self._saved.info.station_ids:
            load_policy(self._path, station_ids=ids)  # says what does not fit
        self._system, self._rng = system, rng
        self._encoder: ObservationEncoder | None = None
        self._forecast = ForecastInput.of(self._saved)

    def recommend(self, request: Request, view: SystemView) -> int:
        """Take the most probable station that can be reached, or draw one."""
        if self._encoder is None:
            # The road network is not known before.
            self._encoder = self._fitting_encoder(view)
        state = self._encoder.encode(cast("Observation", view), request)
        if self._forecast is not None:
            state = self._forecast.extend(float(request.time_s), state)
        policy = self._saved.policy
        if self._sample:
            return policy.act(state, view.reachable, self._rng)[0]
        return policy.best(state, view.reachable)

    def _fitting_encoder(self, view: SystemView) -> ObservationEncoder:
        """Make what turns the system into the policy's input, and see that both agree."""
        from cosim.env.features import ObservationEncoder  # noqa: PLC0415 - heavy for those that only list plug-ins
        from cosim.observation import Observation  # noqa: PLC0415

        if not isinstance(view, Observation):
            raise CosimError("a learned policy can decide only on what a simulation shows it.")
        encoder = ObservationEncoder(view.system, self._system, extra=self._saved.info.extra_obs)
        names = encoder.names if self._forecast is None else encoder.names + self._forecast.names
        if names != self._saved.info.feature_names:
            load_policy(self._path, feature_names=names)  # says what does not fit
        return encoder
