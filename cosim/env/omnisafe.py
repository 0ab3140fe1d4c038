"""The recommendation environment as OmniSafe wants it: six values a step, and actions in a box.

OmniSafe's constrained algorithms act in boxes only. Here an action is one preference per station, and the vehicle is
sent to the reachable station with the largest one. OmniSafe itself is imported by :func:`register_omnisafe` only::

    omnisafe.Agent("PPOLag", register_omnisafe(), custom_cfgs=...).learn()
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from gymnasium.spaces import Box

from cosim.env.recommendation import RecommendationEnv
from cosim.errors import InputError

if TYPE_CHECKING:
    import torch
    from numpy.typing import ArrayLike, NDArray

#: The environment's id in OmniSafe, whose ids hold no slash: they become folders.
OMNISAFE_ID = "CosimRecommendation-v0"


def preferred_station(preferences: ArrayLike, reachable: NDArray[np.bool_]) -> int:
    """Return the reachable station with the largest preference, the first of equals.

    Parameters
    ----------
    preferences : array of float, shape (n_stations,)
        The action.
    reachable : ndarray of bool, shape (n_stations,)
        At least one of them.

    Raises
    ------
    InputError
        If there is not one number for each station.
    """
    values = np.asarray(preferences, dtype=np.float64)
    if values.shape != reachable.shape or np.isnan(values).any():
        raise InputError(f"action: expected {len(reachable)} numbers, one for each station; found {values.tolist()}.")
    return int(np.where(reachable, values, -np.inf).argmax())


class SixTupleEnv:
    """Reward and cost side by side, as in Safety-Gymnasium, and a box of preferences as action.

    Parameters
    ----------
    **options
        Those of ``RecommendationEnv``.

    Attributes
    ----------
    env : RecommendationEnv
        What is adapted.
    observation_space, action_space : Box
        The latter is [-1, 1] for each station.
    """

    def __init__(self, **options: Any) -> None:
        self.env = RecommendationEnv(**options)
        self.observation_space = self.env.observation_space
        self.action_space = Box(-1.0, 1.0, (len(self.env.system.stations),), dtype=np.float32)

    def reset(self, seed: int | None = None) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; see ``RecommendationEnv``."""
        return self.env.reset(seed=seed)

    def step(self, action: ArrayLike) -> tuple[NDArray[np.float32], float, float, bool, bool, dict[str, Any]]:
        """Send the vehicle to the station preferred most.

        Returns
        -------
        observation, reward, cost, terminated, truncated, info
        """
        station = preferred_station(action, self.env.action_masks())
        observation, reward, terminated, truncated, info = self.env.step(station)
        return observation, reward, float(info["cost"]), terminated, truncated, info

    def close(self) -> None:
        """End SUMO."""
        self.env.close()


class TensorEnv:
    """:class:`SixTupleEnv` with tensors in and out: what OmniSafe's ``CMDP`` asks for.

    Parameters
    ----------
    env_id : str
        ``OMNISAFE_ID``.
    num_envs : int
        One.
    device : str or torch.device
        Where tensors go.
    **options
        Those of ``RecommendationEnv``.
    """

    _support_envs: ClassVar[list[str]] = [OMNISAFE_ID]
    _num_envs = 1
    need_auto_reset_wrapper = True
    #: Episodes end by themselves.
    need_time_limit_wrapper = False

    def __init__(self, env_id: str, num_envs: int = 1, device: Any = "cpu", **options: Any) -> None:
        import torch  # noqa: PLC0415 - an extra

        if env_id != OMNISAFE_ID or num_envs != 1:
            raise InputError(
                f"omnisafe: found {num_envs} environments '{env_id}'; possible is one '{OMNISAFE_ID}', since libsumo "
                "holds one simulation per process."
            )
        self._adapted = SixTupleEnv(**options)
        self._observation_space = self._adapted.observation_space
        self._action_space = self._adapted.action_space
        self._metadata = self._adapted.env.metadata
        self._to_tensor = functools.partial(torch.as_tensor, dtype=torch.float32, device=torch.device(device))
        self._seed: int | None = None

    def set_seed(self, seed: int) -> None:
        """Begin the next episode with this seed."""
        self._seed = seed

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - there are none
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Begin an episode."""
        kept, self._seed = self._seed, None
        observation, info = self._adapted.reset(kept if seed is None else seed)
        return self._to_tensor(observation), info

    def step(self, action: torch.Tensor) -> tuple[Any, ...]:
        """Send the vehicle to the station preferred most; see :meth:`SixTupleEnv.step`."""
        *values, info = self._adapted.step(action.detach().cpu().numpy())
        return (*(self._to_tensor(value) for value in values), info)

    def render(self) -> None:
        """Do nothing: there is nothing to render."""

    def close(self) -> None:
        """End SUMO."""
        self._adapted.close()


def register_omnisafe(**options: Any) -> str:
    """Register the environment with OmniSafe; once per process.

    Parameters
    ----------
    **options
        Those of ``RecommendationEnv``; OmniSafe's own ``env_cfgs`` come on top.

    Returns
    -------
    str
        The id for ``omnisafe.Agent``.

    Raises
    ------
    InputError
        If OmniSafe is not installed.
    """
    try:
        core = importlib.import_module("omnisafe.envs.core")
    except ImportError as error:
        raise InputError(f"omnisafe: the package '{error.name}' is not installed; pip install omnisafe.") from None

    def begin(self: TensorEnv, env_id: str, **settings: Any) -> None:
        TensorEnv.__init__(self, env_id, **{**options, **settings})

    core.env_register(type("CosimRecommendation", (TensorEnv, core.CMDP), {"__init__": begin}))
    return OMNISAFE_ID
