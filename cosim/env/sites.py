"""Charging sites for environments: where instances come from, who gets a charger, and sites that move on together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from cosim.errors import InputError, nearest_name
from cosim.scheduling.arrivals import TYPE_1, VehicleType, draw_instance
from cosim.scheduling.recorded import recorded_sessions
from cosim.scheduling.sessions import Sessions, read_sessions
from cosim.scheduling.site import Price, Site, Vehicles, check_fits
from cosim.scheduling.step_kernel import (
    CAP,
    CHARGER,
    CHARGER_FEATURES,
    ENERGY,
    LEAVE,
    PLUG,
    SITE_FEATURES,
    UNTIL,
    WHERE,
    WHO,
    Arrays,
    Scales,
    advance,
    place,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

Instance = tuple[Site, Vehicles]
_ALLOWED = {"action": ("powers", "aggregate"), "when_full": ("refuse", "wait"), "reward": ("cost", "credit")}


@dataclass(frozen=True, slots=True)
class DrawnDays:
    """Instances drawn at random, two days of half-hour slots from noon on; ``cosim.scheduling.arrivals`` says how.

    Attributes
    ----------
    kind : {"home", "public", "work"}
        Who comes when, and for how long.
    vehicles_per_day : float
        Mean of their number.
    vehicles_per_household : float
        How many of them for one household of base load; ``inf`` for no base load.
    vehicle : VehicleType
        Of all vehicles.
    price : Price
        Of the energy.
    limit_kw, charging_limit_kw : float
        Greatest total load, and greatest load of all vehicles together.
    """

    kind: str = "home"
    vehicles_per_day: float = 40.0
    vehicles_per_household: float = 2.0
    vehicle: VehicleType = TYPE_1
    price: Price = field(default_factory=Price)
    limit_kw: float = np.inf
    charging_limit_kw: float = np.inf

    def draw(self, rng: np.random.Generator) -> Instance:
        """Draw a site and its vehicles.

        Raises
        ------
        InputError
            If there is no such kind.
        """
        site, vehicles = draw_instance(
            self.kind,
            rng,
            vehicles_per_day=self.vehicles_per_day,
            vehicles_per_household=self.vehicles_per_household,
            vehicle=self.vehicle,
            price=self.price,
        )
        if min(self.limit_kw, self.charging_limit_kw) < np.inf:
            site = replace(site, limit_kw=self.limit_kw, charging_limit_kw=self.charging_limit_kw)
        return site, vehicles


def session_days(sessions: Sessions | str | Path, site: Site, *, start_h: float = 0.0) -> list[Instance]:
    """Make an instance of each day of recorded sessions.

    Parameters
    ----------
    sessions : Sessions, str or Path
        Sessions, or a CSV of them with the column names of ACN-Data.
    site : Site
        For every day; its slots are what is followed of it.
    start_h : float
        Hour of the local clock at which a day begins.

    Returns
    -------
    list of (Site, Vehicles)
        One for each day on which a session begins, in their order.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    known = sessions if isinstance(sessions, Sessions) else read_sessions(sessions)
    days = known.days(site.slot_s, start_h=start_h, hours=site.slots * site.slot_h)
    return [(site, vehicles) for vehicles in days.values()]


def run_days(runs: Sequence[str | Path], station: str, site: Site) -> list[Instance]:
    """Make an instance of what each of some coupled runs recorded at a station.

    Parameters
    ----------
    runs : sequence of path
        Run folders.
    station : str
        Which station of theirs.
    site : Site
        For every run; its slots begin with the run, and who stays longer is cut off with the last of them.

    Returns
    -------
    list of (Site, Vehicles)
        One for each run.

    Raises
    ------
    InputError
        If a folder cannot be used.
    """
    return [(site, recorded_sessions(run, station).vehicles(0.0, site.slot_s, site.slots)) for run in runs]


class SiteBatch:
    """Some sites with the same number of slots and chargers.

    Parameters
    ----------
    instances : list of (Site, Vehicles)
        One for each site.
    chargers : int
        Of each site.
    lookahead : int
        How many slots of base load are observed beyond the present one.
    wait : bool
        As for :func:`place`.

    Attributes
    ----------
    arrays : Arrays
        What the kernels work on.
    vehicles : list of Vehicles
        Those of each site that got a charger or left at once, by the slot of plugging in; all arrays of vehicles have
        their order.
    refused, refused_kwh : ndarray, shape (sites,)
        How many vehicles got no charger, and what they wanted.

    Raises
    ------
    ValueError
        If a vehicle stays longer than its site has slots, or sites have different numbers of slots.
    """

    def __init__(self, instances: list[tuple[Site, Vehicles]], chargers: int, lookahead: int, *, wait: bool) -> None:
        count, slots = len(instances), instances[0][0].slots
        most = max(len(vehicles) for _, vehicles in instances)

        def table(columns: int, fill: float = 0.0) -> NDArray[np.float64]:
            return np.full((count, columns), fill)

        def places(columns: int, fill: int = 0) -> NDArray[np.int64]:
            return np.full((count, columns), fill, dtype=np.int64)

        self.arrays = at = Arrays(
            constants=table(4), base_kw=table(slots + lookahead + 1), headroom_kw=table(slots),
            charging_kw=table(slots), cost=np.zeros(count), diary=places(5),
            visits=np.zeros((count, most, 5)), leaving=np.zeros((count, most, 3), dtype=np.int64),
            delivered_kwh=table(most),
            vehicle=places(chargers, -1), until_slot=table(chargers), charger_kw=table(chargers),
            remaining_kwh=table(chargers), target_kwh=table(chargers), low_kw=table(chargers), high_kw=table(chargers),
            power_kw=table(chargers), total_kw=table(2),
        )  # fmt: skip
        # What fills the tables up neither comes nor leaves.
        at.visits[:, :, PLUG] = at.leaving[:, :, LEAVE] = slots + 2
        at.visits[:, :, CHARGER] = -1
        self.vehicles: list[Vehicles] = []
        self.refused, self.refused_kwh = np.zeros(count, dtype=np.int64), np.zeros(count)
        for k, (site, vehicles) in enumerate(instances):
            if site.slots != slots:
                raise ValueError(f"site {k}: {site.slots} slots must be {slots}, as many as the first site has")
            check_fits(site, vehicles)
            headroom_kw = site.headroom_kw
            at.constants[k] = (
                site.slot_h,
                site.price.k0_per_kwh,
                site.price.k1_per_kwh_kw,
                np.isfinite(headroom_kw).any(),
            )
            at.base_kw[k, :slots], at.base_kw[k, slots:], at.headroom_kw[k] = (
                site.base_kw,
                site.base_kw[-1],
                headroom_kw,
            )
            self._seat(k, vehicles, chargers, wait=wait)

    def _seat(self, k: int, vehicles: Vehicles, chargers: int, *, wait: bool) -> None:
        """Give the vehicles of a site their chargers."""
        at = self.arrays
        by_arrival = np.argsort(vehicles.arrival_slot, kind="stable")
        arrival, departure = vehicles.arrival_slot[by_arrival], vehicles.departure_slot[by_arrival]
        plug_slot, charger = np.empty_like(arrival), np.empty_like(arrival)
        place(arrival, departure, chargers, wait, plug_slot, charger)
        stays = (charger >= 0) | (departure == arrival)
        self.refused[k] = len(stays) - np.count_nonzero(stays)
        self.refused_kwh[k] = vehicles.energy_kwh[by_arrival[~stays]].sum()
        chosen = np.flatnonzero(stays)
        chosen = chosen[np.argsort(plug_slot[chosen], kind="stable")]
        seated, visits = vehicles.take(by_arrival[chosen]), at.visits[k, : len(chosen)]
        visits[:, PLUG], visits[:, UNTIL], visits[:, CHARGER] = (
            plug_slot[chosen],
            seated.departure_slot,
            charger[chosen],
        )
        visits[:, ENERGY], visits[:, CAP] = seated.energy_kwh, seated.max_power_kw
        who = np.flatnonzero(charger[chosen] >= 0)
        who = who[np.argsort(seated.departure_slot[who], kind="stable")]
        leaving = at.leaving[k, : len(who)]
        leaving[:, LEAVE], leaving[:, WHERE], leaving[:, WHO] = seated.departure_slot[who], charger[chosen[who]], who
        self.vehicles.append(seated)

    def delivered_kwh(self, k: int) -> NDArray[np.float64]:
        """Return what each vehicle of a site has drawn, shape (vehicles,)."""
        at, vehicles = self.arrays, self.vehicles[k]
        delivered_kwh = at.delivered_kwh[k, : len(vehicles)].copy()
        present = np.flatnonzero(at.vehicle[k] >= 0)
        who = at.vehicle[k, present]
        delivered_kwh[who] = vehicles.energy_kwh[who] - at.remaining_kwh[k, present]
        return delivered_kwh


class Sites:
    """What the two environments share: options, spaces, and sites that move on together.

    Parameters
    ----------
    instances, chargers, shield, lookahead
        As for :class:`cosim.env.scheduling.SchedulingEnv`.
    **named : str
        Its options ``action``, ``when_full`` and ``reward``.

    Attributes
    ----------
    names, scales, observation_space, action_space
        Those of one site.
    slot_counts : list of int
        How many slots instances have, each number once.
    sites : list of Site
        Of the episode.
    slot : int or None
        The coming one; None before the first episode and after the last slot.

    Raises
    ------
    InputError
        If the options cannot be used.
    """

    def __init__(
        self,
        instances: str | DrawnDays | Sequence[Instance],
        *,
        chargers: int,
        shield: bool,
        lookahead: int,
        **named: str,
    ) -> None:
        for option, value in named.items():
            if value not in _ALLOWED[option]:
                raise InputError(f"{option}: found '{value}'; {nearest_name(value, _ALLOWED[option])}.")
        if chargers < 1 or lookahead < 0:
            raise InputError(f"chargers = {chargers} must be at least 1 and lookahead = {lookahead} at least 0.")
        self.source = DrawnDays(instances) if isinstance(instances, str) else instances
        if isinstance(self.source, DrawnDays):
            # Site and type of vehicle are the same in every draw.
            examples, vehicle = [self.source.draw(np.random.default_rng(0))], self.source.vehicle
            most_kwh, most_kw = vehicle.capacity_kwh, vehicle.max_power_kw
        else:
            examples = list(self.source)
            if not examples:
                raise InputError("instances: there must be at least one.")
            most_kwh = max((float(vehicles.energy_kwh.max(initial=0.0)) for _, vehicles in examples))
            most_kw = max((float(vehicles.max_power_kw.max(initial=0.0)) for _, vehicles in examples))
        self.slot_counts = sorted({site.slots for site, _ in examples})
        self.chargers, self.shield, self.lookahead = chargers, shield, lookahead
        self.aggregate, self.credit = named["action"] == "aggregate", named["reward"] == "credit"
        self.wait = named["when_full"] == "wait"
        loads = np.array([(site.base_kw.min(), site.base_kw.max()) for site, _ in examples])
        prices = np.array([site.price.at(row) for (site, _), row in zip(examples, loads, strict=True)])
        self.scales = Scales(*(float(s) or 1.0 for s in (abs(loads).max(), abs(prices).max(), most_kwh, most_kw)))
        self.names = (
            *SITE_FEATURES,
            *(f"base[+{j}]" for j in range(lookahead + 1)),
            *(f"{name}[{c}]" for name in CHARGER_FEATURES for c in range(chargers)),
        )
        self.observation_space = self._space(
            loads.min() / self.scales.load_kw, prices.min() / self.scales.price_per_kwh
        )
        self.action_space = gymnasium.spaces.Box(0.0, 1.0, (1 if self.aggregate else chargers,), np.float32)
        self.slot: int | None = None
        self._batch: SiteBatch | None = None

    def _space(self, least_load: float, least_price: float) -> gymnasium.spaces.Box:
        least = {"day_sin": -1.0, "day_cos": -1.0, "price": min(0.0, least_price), "base": min(0.0, least_load)}
        low = [{**least, "laxity": -1.0}.get(name.partition("[")[0], 0.0) for name in self.names]
        return gymnasium.spaces.Box(np.array(low, np.float32), np.ones(len(low), np.float32), dtype=np.float32)

    def begin(self, rngs: Sequence[np.random.Generator], chosen: Any = None) -> NDArray[np.float32]:
        """Take an instance for each generator and return the observations, shape (sites, features)."""
        source = self.source
        if isinstance(source, DrawnDays):
            if chosen is not None:
                raise InputError("options: 'instance' needs instances that were given, not drawn.")
            drawn = [source.draw(rng) for rng in rngs]
        else:
            if chosen is not None and not 0 <= int(chosen) < len(source):
                raise InputError(f"options: instance = {chosen} must be from 0 to {len(source) - 1}.")
            drawn = [source[int(rng.integers(len(source)) if chosen is None else chosen)] for rng in rngs]
        batch = self._batch = SiteBatch(drawn, self.chargers, self.lookahead, wait=self.wait)
        self.sites = [site for site, _ in drawn]
        self.slot = 0
        # What the energy costs at the mean load: an advance on the bill that sums to the same whatever is done.
        self._credit_per_kwh = np.array([
            site.price.at(site.base_kw.mean() + vehicles.energy_kwh.sum() / (site.slots * site.slot_h))
            for site, vehicles in zip(self.sites, batch.vehicles, strict=True)
        ])  # fmt: skip
        observation = np.empty((len(drawn), len(self.names)), dtype=np.float32)
        advance(batch.arrays, -1, np.empty((1, 1)), self.aggregate, self.shield, self.scales, observation)
        return observation

    def play(self, action: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Play a slot; return observations and rewards, shapes (sites, features) and (sites,)."""
        at, slot = self.now()
        asked = np.ascontiguousarray(action, dtype=np.float64)
        observation = np.empty((len(at.cost), len(self.names)), dtype=np.float32)
        advance(at, slot, asked, self.aggregate, self.shield, self.scales, observation)
        reward = -at.cost
        if self.credit:
            reward += self._credit_per_kwh * at.charging_kw[:, slot] * at.constants[:, 0]
        self.slot = slot + 1 if slot + 1 < at.headroom_kw.shape[1] else None
        return observation, reward

    def now(self) -> tuple[Arrays, int]:
        """Return the sites and the coming slot, if there is one."""
        if self.slot is None:
            raise ResetNeeded("the episode is over or has not begun; call reset().")
        return self.loaded().arrays, self.slot

    def loaded(self) -> SiteBatch:
        """Return the sites of the last episode, if there was one."""
        if self._batch is None:
            raise ResetNeeded("the episode has not begun; call reset().")
        return self._batch

    def info(self) -> dict[str, Any]:
        """Return what is told in every slot; the first axis of every array is the site."""
        at = self.loaded().arrays
        if self.aggregate:
            low, high = np.zeros((len(at.cost), 1)), np.ones((len(at.cost), 1))
        else:
            most_kw = np.where(at.charger_kw > 0.0, at.charger_kw, 1.0)
            low, high = at.low_kw / most_kw, at.high_kw / most_kw
        return {
            "cost": at.cost.copy(),
            "power_kw": at.power_kw.copy(),
            "action_low": low,
            "action_high": high,
            "total_low_kw": at.total_kw[:, 0].copy(),
            "total_high_kw": at.total_kw[:, 1].copy(),
        }

    def metrics(self, k: int) -> dict[str, float]:
        """Return what came of a site's days."""
        batch, site = self.loaded(), self.sites[k]
        at, vehicles = batch.arrays, batch.vehicles[k]
        total_kw = site.base_kw + at.charging_kw[k]
        peak_kw = float(total_kw.max())
        delivered_kwh, visits = batch.delivered_kwh(k), at.visits[k, : len(vehicles)]
        plugged_h = (visits[:, UNTIL] - visits[:, PLUG]) * site.slot_h
        return {
            "cost": site.cost(at.charging_kw[k]),
            "peak_kw": peak_kw,
            "load_factor": float(total_kw.mean()) / peak_kw if peak_kw > 0.0 else 1.0,
            "delivered_kwh": float(delivered_kwh.sum()),
            "short_kwh": float(np.maximum(0.0, vehicles.energy_kwh - delivered_kwh).sum()),
            "unservable_kwh": float(np.maximum(0.0, vehicles.energy_kwh - vehicles.max_power_kw * plugged_h).sum()),
            "vehicles": float(len(vehicles)),
            "refused": float(batch.refused[k]),
            "refused_kwh": float(batch.refused_kwh[k]),
        }
