"""Charging at one site as a Markov decision process (SCA and CALC paper, sections on state, action and reward).

:class:`SchedulingEnv` is one site; ``cosim.env.scheduling_vector`` has the form with many at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from cosim.env.sites import DrawnDays, Instance, Sites, run_days, session_days
from cosim.errors import InputError
from cosim.scheduling.site import SiteState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from cosim.scheduling.site import Vehicles

__all__ = ["DrawnDays", "SchedulingEnv", "run_days", "session_days"]


class SchedulingEnv(gymnasium.Env["NDArray[np.float32]", "NDArray[Any]"]):
    """One site: in each slot, choose the charging powers. An episode is one instance, a step one slot of it.

    An episode always ends with the last slot (``terminated``); nothing is truncated. A vehicle takes the first charger
    that is free and keeps it until its departure, charged or not. When all are taken it drives on and is counted
    (``when_full="refuse"``; the paper knows no lack of chargers), or waits in line until its departure at the latest.

    **Observation**: float32, ``feature_names`` names the entries. Of the site: ``time`` (share of the slots),
    ``day_sin`` and ``day_cos`` (angle of the day since the first slot), ``price`` (at the base load, Eq. 4 and 11),
    ``charging`` (of all vehicles in the slot before, Eq. 29), ``base[+j]`` (base load, now and j slots ahead; beyond
    the end the last one is held). Then, of the charger at each place: ``occupied``, ``remaining`` (energy),
    ``slots_left`` (until departure, this one included), ``laxity`` (slots the vehicle could rest, cut off at ±1 after
    scaling) and ``max_power``. Divided by: the horizon for times; ``scales`` for loads, prices, energies and powers;
    ``chargers`` vehicles at full power for ``charging``.

    **Action**: ``"powers"``, shape (chargers,): the share of the vehicle's greatest power, whatever the place holds.
    ``"aggregate"``, shape (1,): the share of the way between the least and the greatest sum of the feasible box, split
    by least laxity. Numbers beyond 0 and 1 count as these, NaN as 0; float64 is taken as it is.

    **Shield**: powers are moved to the nearest in the feasible box (Eq. 13, ``cosim.scheduling.shield``), so that every
    vehicle that could be served is. Without it the lower bounds are 0: vehicles may leave short, and nothing in the
    reward says so. Greatest powers, targets and the site's limits hold in any case.

    **Reward**: ``"cost"``, minus the bill of the slot in the price's currency (Eq. 5, 14 and 30). ``"credit"`` adds the
    energy of the slot times the price at the mean load of the instance: what is delivered is the same in the end with
    the shield, and the sum differs by a constant, but putting off no longer pays at once.

    **Info**: ``cost`` (the bill of the slot; 0.0 on reset), ``power_kw`` (shape (chargers,), of the slot just played),
    ``action_low`` and ``action_high`` (the coming slot's box, in units of the action), ``total_low_kw`` and
    ``total_high_kw`` (of its sum); at the end ``metrics``: ``cost``, ``peak_kw``, ``load_factor``, ``delivered_kwh``,
    ``short_kwh`` (missed of the targets, ``unservable_kwh`` included: what full power all the time at the charger could
    not have delivered), ``vehicles``, and apart from these ``refused`` and ``refused_kwh``: vehicles without a charger.

    **Seeds**: ``reset(seed=n)`` plays what ``numpy.random.default_rng(n)`` draws; ``reset()`` draws on. With given
    instances ``options={"instance": i}`` takes one of them.

    Parameters
    ----------
    instances : str, DrawnDays or sequence of (Site, Vehicles)
        A kind of :class:`DrawnDays`, all of it, or given ones, one of which is drawn; :func:`session_days` makes them
        of recorded sessions, :func:`run_days` of what coupled runs recorded at a station.
    chargers : int
        At least 1.
    action : {"powers", "aggregate"}
        What is chosen.
    shield : bool
        Whether every target that can be reached must be.
    when_full : {"refuse", "wait"}
        What a vehicle does that finds no free charger.
    reward : {"cost", "credit"}
        What is returned.
    lookahead : int
        How many slots of base load are observed beyond the present one.
    render_mode : None
        There is nothing to render.

    Attributes
    ----------
    feature_names : tuple of str
        What each entry of the observation is.
    scales : Scales
        By what features are divided: the greatest of all instances.

    Raises
    ------
    InputError
        If the options cannot be used.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by Gymnasium

    def __init__(
        self,
        instances: str | DrawnDays | Sequence[Instance] = "home",
        *,
        chargers: int = 54,
        action: str = "powers",
        shield: bool = True,
        when_full: str = "refuse",
        reward: str = "cost",
        lookahead: int = 8,
        render_mode: None = None,
    ) -> None:
        self._sites = Sites(
            instances, chargers=chargers, shield=shield, lookahead=lookahead,
            action=action, when_full=when_full, reward=reward,
        )  # fmt: skip
        self.feature_names, self.scales = self._sites.names, self._sites.scales
        self.observation_space, self.action_space = self._sites.observation_space, self._sites.action_space  # type: ignore[assignment]  # Box
        self.render_mode = render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; see the class for ``seed`` and ``options``."""
        super().reset(seed=seed)
        observation = self._sites.begin([self.np_random], (options or {}).get("instance"))
        return observation[0], self._info()

    def step(self, action: NDArray[Any]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Play a slot.

        Raises
        ------
        InputError
            If the action has another shape than ``action_space``; the episode can be continued.
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset` and after the end of an episode.
        """
        asked = np.asarray(action, dtype=np.float64)
        if asked.shape != self.action_space.shape:
            raise InputError(f"action of shape {asked.shape} must have shape {self.action_space.shape}.")
        observation, reward = self._sites.play(asked[None])
        over, info = self._sites.slot is None, self._info()
        if over:
            info["metrics"] = self._sites.metrics(0)
        return observation[0], float(reward[0]), over, False, info

    def site_state(self) -> SiteState:
        """Return the coming slot as a policy of ``cosim.scheduling.replay`` sees it: the vehicles that need energy.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset` and after the end of an episode.
        """
        at, slot, site = *self._sites.now(), self._sites.sites[0]
        places = np.flatnonzero(at.remaining_kwh[0] > 0.0)
        who = at.vehicle[0, places]
        return SiteState(
            slot=slot,
            slot_h=site.slot_h,
            remaining_kwh=at.remaining_kwh[0, places],
            slots_left=at.until_slot[0, places].astype(np.int64) - slot,
            max_power_kw=at.charger_kw[0, places],
            arrival_slot=self._sites.loaded().vehicles[0].arrival_slot[who],
            base_kw=site.base_kw[slot:],
            headroom_kw=at.headroom_kw[0, slot:],
            price=site.price,
        )

    def action_of(self, power_kw: ArrayLike) -> NDArray[np.float64]:
        """Return the action that asks for some powers, or for their sum.

        Parameters
        ----------
        power_kw : array of float, shape (n,)
            One for each vehicle of :meth:`site_state`.

        Returns
        -------
        ndarray of float, shape of the action space
            In float64, so that nothing is rounded.

        Raises
        ------
        ValueError
            If there is not one number for each vehicle.
        gymnasium.error.ResetNeeded
            As for :meth:`site_state`.
        """
        at, _ = self._sites.now()
        asked_kw, places = np.asarray(power_kw, dtype=np.float64), np.flatnonzero(at.remaining_kwh[0] > 0.0)
        if asked_kw.shape != places.shape:
            raise ValueError(
                f"power_kw of shape {asked_kw.shape} must have one value for each of {len(places)} vehicles"
            )
        if self._sites.aggregate:
            least_kw, most_kw = at.total_kw[0]
            return np.array([(asked_kw.sum() - least_kw) / (most_kw - least_kw) if most_kw > least_kw else 0.0])
        action = np.zeros(self._sites.chargers)
        action[places] = asked_kw / at.charger_kw[0, places]
        return action

    def vehicles(self) -> tuple[Vehicles, NDArray[np.float64]]:
        """Return the vehicles of the episode that were not refused, and what each has drawn, kWh, shape (vehicles,).

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset`.
        """
        batch = self._sites.loaded()
        return batch.vehicles[0], batch.delivered_kwh(0)

    def _info(self) -> dict[str, Any]:
        return {name: values[0] for name, values in self._sites.info().items()}
