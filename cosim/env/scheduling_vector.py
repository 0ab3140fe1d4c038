"""Many charging sites at once, one slot of all of them in one call of compiled code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from cosim.env.sites import Sites
from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.env.sites import DrawnDays, Instance


class SchedulingVectorEnv(VectorEnv["NDArray[np.float32]", "NDArray[Any]", "NDArray[Any]"]):
    """:class:`cosim.env.scheduling.SchedulingEnv` for many sites, each with an instance of its own.

    Observation, action, reward and ``info`` are those of the single environment with the site as first axis, and so is
    each number of ``info["metrics"]``. All sites must have the same number of slots, so that all episodes end together;
    the step after that ignores its actions and begins new ones (``AutoresetMode.NEXT_STEP``).

    **Seeds**: ``reset(seed=n)`` plays at site k what the single environment plays with seed n + k; a sequence has one
    for each.

    Parameters
    ----------
    num_envs : int
        How many sites.
    instances, chargers, action, shield, when_full, reward, lookahead
        As for :class:`cosim.env.scheduling.SchedulingEnv`.

    Attributes
    ----------
    feature_names, scales
        As for :class:`cosim.env.scheduling.SchedulingEnv`.

    Raises
    ------
    InputError
        If the options cannot be used.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        instances: str | DrawnDays | Sequence[Instance] = "home",
        *,
        chargers: int = 54,
        action: str = "powers",
        shield: bool = True,
        when_full: str = "refuse",
        reward: str = "cost",
        lookahead: int = 8,
    ) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs = {num_envs} must be at least 1.")
        self._sites = Sites(
            instances, chargers=chargers, shield=shield, lookahead=lookahead,
            action=action, when_full=when_full, reward=reward,
        )  # fmt: skip
        if len(self._sites.slot_counts) > 1:
            raise InputError(f"instances: all must have the same number of slots; found {self._sites.slot_counts}.")
        self.num_envs = num_envs
        self.feature_names, self.scales = self._sites.names, self._sites.scales
        self.single_observation_space, self.single_action_space = (
            self._sites.observation_space,
            self._sites.action_space,
        )
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rngs = [np.random.default_rng() for _ in range(num_envs)]
        self._over = False

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode at every site; see the class for ``seed``.

        Parameters
        ----------
        seed : int or sequence of int, optional
            None, or None for a site, draws on.
        options : dict, optional
            ``instance``: the position of the given instance that all sites play.

        Raises
        ------
        InputError
            If there is not one seed for each site, or no such instance.
        """
        seeds = [seed + k for k in range(self.num_envs)] if isinstance(seed, int | np.integer) else seed
        if seeds is not None:
            if len(seeds) != self.num_envs:
                raise InputError(f"seed: found {len(seeds)}; there must be one for each of {self.num_envs} sites.")
            self._rngs = [
                rng if one is None else np.random.default_rng(one) for rng, one in zip(self._rngs, seeds, strict=True)
            ]
        self._over = False
        return self._sites.begin(self._rngs, (options or {}).get("instance")), self._sites.info()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play a slot at every site, or begin new episodes if the last ones have just ended.

        Raises
        ------
        InputError
            If the actions have another shape than ``action_space``; the episodes can be continued.
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset`.
        """
        never = np.zeros(self.num_envs, dtype=np.bool_)
        if self._over:
            observation, info = self.reset()
            return observation, np.zeros(self.num_envs), never, never.copy(), info
        asked = np.asarray(actions, dtype=np.float64)
        if asked.shape != self.action_space.shape:
            raise InputError(f"actions of shape {asked.shape} must have shape {self.action_space.shape}.")
        observation, reward = self._sites.play(asked)
        self._over, info = self._sites.slot is None, self._sites.info()
        if self._over:
            metrics = [self._sites.metrics(k) for k in range(self.num_envs)]
            info["metrics"] = {name: np.array([one[name] for one in metrics]) for name in metrics[0]}
        return observation, reward, np.full(self.num_envs, self._over), never, info
