"""OCEAN at a station of a coupled run: its vehicles compute while they charge, and no promise is broken for it.

Each second brings tasks. Those of the seconds since the last call are placed in one batch on the vehicles that were
there (:mod:`cosim_agents.ocean.offloading`), within energy budgets that leave every target within reach at the power
that the vehicle drew (Eqs. 12 and 32 as repaired: on the battery's side, with the efficiency, that power held until the
next decision and full power afterwards). Charging is decided every quarter hour by a trained policy inside the safe
interval, which keeps a reserve for the computing until the next decision.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError
from cosim_agents.ocean.computing import ComputingLog, Pay
from cosim_agents.ocean.examples import PAPER_RATE_MB_S, PAPER_THETA
from cosim_agents.ocean.offloading import ComputingVehicles, Tasks, solve_batch
from cosim_agents.ocean.shipped import StationPolicy
from cosim_agents.ocean.tasks import TaskRanges, TaskStream, draw_tasks, read_tasks
from cosim_agents.sca.controllers import SlotController

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cosim.control import SiteView, StationInfo
    from cosim.scheduling.site import SiteState

_J_PER_KWH = 3.6e6
#: Nissan Leaf, BMW i3, Tesla Model 3 and Hyundai Ioniq Electric.
PAPER_CAPACITY_GHZ = (1.8, 2.0, 2.3, 1.8)


class OCEAN(SlotController):
    """Vehicles that charge also compute: tasks placed each second, charging by a safe set policy.

    Parameters
    ----------
    policy : str, optional
        Name of a shipped policy or path of a policy file; without one the shipped policy, which hands over to the
        rolling optimum (OA) at a station unlike those it was trained on, with a note.
    start_h : float
        Time of day at which the seconds begin, h.
    tasks : str, optional
        CSV file with the columns ``slot, size_mb, cycles, deadline_s``, a slot a second; without one tasks are drawn.
    tasks_per_s_min, tasks_per_s_max : int
        Range of the number of tasks drawn each second.
    size_mb, megacycles, deadline_s : sequence of float
        Ranges of their sizes, cycles and deadlines (at most 1: they are done within their second); those of section
        5.1 of the paper by default.
    rate_mb_s : float
        Data rate to each vehicle, MB/s.
    capacity_ghz : sequence of float
        Processors of the vehicles, drawn for each of them.
    theta : float
        Energy coefficient: a task of chi cycles at f takes ``theta chi f**2`` J.
    reject_price_j : float
        What a task left to the edge server costs, J.
    kappa_per_kwh, price_slope_per_cycle : float
        Price of charging without computing, and by which share each cycle lowers it.
    reserve_w : float
        Power of computing for which charging keeps a reserve until the next decision.
    period_s, shield
        As for every controller.

    Raises
    ------
    InputError
        If there is no such policy, or the file of tasks cannot be used.
    ValueError
        If a number is out of range.
    """

    def __init__(  # noqa: PLR0913 - options by name, each with one meaning
        self,
        *,
        policy: str | None = None,
        start_h: float = 5.0,
        tasks: str | None = None,
        tasks_per_s_min: int = 70,
        tasks_per_s_max: int = 110,
        size_mb: tuple[float, float] | list[float] = (0.1, 0.9),
        megacycles: tuple[float, float] | list[float] = (50.0, 90.0),
        deadline_s: tuple[float, float] | list[float] = (0.5, 1.0),
        rate_mb_s: float = PAPER_RATE_MB_S,
        capacity_ghz: tuple[float, ...] | list[float] = PAPER_CAPACITY_GHZ,
        theta: float = PAPER_THETA,
        reject_price_j: float = 20.0,
        kappa_per_kwh: float = 0.10015,
        price_slope_per_cycle: float = 5e-14,
        reserve_w: float = 4.0,
        period_s: float = 900.0,
        shield: bool = True,
    ) -> None:
        super().__init__(period_s=period_s, shield=shield)
        if not capacity_ghz or not all(value > 0 for value in capacity_ghz):
            raise ValueError(f"capacity_ghz = {capacity_ghz} must be one number or more, each greater than 0")
        for name, value in (("rate_mb_s", rate_mb_s), ("theta", theta), ("kappa_per_kwh", kappa_per_kwh)):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} = {value} must be greater than 0")
        for name, value in (("reserve_w", reserve_w), ("price_slope_per_cycle", price_slope_per_cycle)):
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} = {value} must be at least 0")
        if not 0 <= tasks_per_s_min <= tasks_per_s_max:
            raise ValueError(
                f"tasks_per_s_min = {tasks_per_s_min} must be from 0 to tasks_per_s_max = {tasks_per_s_max}"
            )
        self._ranges = TaskRanges(
            (tasks_per_s_min, tasks_per_s_max),
            _range("size_mb", size_mb),
            _range("megacycles", megacycles, 1e6),
            _range("deadline_s", deadline_s, most=1.0),
        )
        self._stream: TaskStream | None = read_tasks(tasks) if tasks is not None else None
        self._rate_mb_s, self._theta, self._reject_price_j = rate_mb_s, theta, reject_price_j
        self._capacity_hz = 1e9 * np.array(capacity_ghz, dtype=np.float64)
        self._reserve_kw = reserve_w * 1e-3
        self._policy = StationPolicy(policy, start_h, self.notes)
        self._log = ComputingLog(Pay(kappa_per_kwh, price_slope_per_cycle))
        self._rng: np.random.Generator | None = None
        #: Capacity and greatest charging power of each vehicle that was ever there.
        self._known: dict[int, tuple[float, float]] = {}

    def reset(self, station: StationInfo, rng: np.random.Generator) -> None:
        """Take in the station and the generator of tasks and processors; see ``cosim.control.SiteController``."""
        self._rng = rng
        self._policy.piles = station.chargers

    # ---- charging

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """Ask the policy."""
        return self._policy(state)

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:
        """Choose powers that leave the energy of computing until the next decision; see ``SiteController``."""
        for charger in np.flatnonzero(site.occupied):
            vehicle = int(site.vehicle[charger])
            if vehicle not in self._known:
                capacity_hz = float(self._random().choice(self._capacity_hz))
                self._known[vehicle] = (capacity_hz, float(site.max_power_kw[charger]))
        hold_s = self._slot_s - time_s % self._slot_s
        # Who has the target cannot draw more; who has not asks for a little more than is missing.
        reserved_kwh = np.where(site.need_kwh > 0.0, site.need_kwh + self._reserve_kw * hold_s / 3600.0, site.need_kwh)
        return super().schedule(time_s, dataclasses.replace(site, need_kwh=reserved_kwh))

    # ---- computing

    def compute(self, since_s: float, until_s: float, site: SiteView) -> NDArray[np.float64]:
        """Place the tasks of the seconds that began; see ``cosim.control.ComputingController``."""
        first, seconds = math.ceil(since_s), math.ceil(until_s) - math.ceil(since_s)
        used_kwh = np.zeros(site.station.chargers)
        if seconds <= 0:
            return used_kwh
        stream = self._tasks(first, seconds)
        chargers = np.flatnonzero(site.occupied)
        # A share of the budget for each second until the next decision: what happens earlier must not use up more.
        hold_s = self._slot_s - since_s % self._slot_s
        budget_j = self._budget_kwh(since_s, hold_s, site, chargers) * _J_PER_KWH / math.ceil(hold_s)
        fleet = ComputingVehicles(
            rate_mb_s=np.full(len(chargers), self._rate_mb_s),
            capacity_hz=np.array([self._known[int(site.vehicle[charger])][0] for charger in chargers]),
            theta=np.full(len(chargers), self._theta),
            energy_budget_j=budget_j,
        )
        found = solve_batch(stream.tasks, stream.offsets, fleet, reject_price_j=self._reject_price_j)
        served = found.vehicle >= 0
        at = found.vehicle[served]
        # Of nothing, bincount returns whole numbers.
        energy_j, cycles, done = (
            np.asarray(np.bincount(at, weights, len(chargers)), dtype=np.float64)
            for weights in (found.task_energy_j[served], stream.tasks.cycles[served], None)
        )
        energy_kwh = energy_j / _J_PER_KWH
        self._log.add(first, found, site.vehicle[chargers], energy_kwh, cycles, done)
        used_kwh[chargers] = energy_kwh
        return used_kwh

    def _budget_kwh(
        self, since_s: float, hold_s: float, site: SiteView, chargers: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return what each battery may lose until the next decision, the target still within reach (Eqs. 12, 32)."""
        most_kw = np.array([self._known[int(site.vehicle[charger])][1] for charger in chargers])
        most_kw = np.minimum(most_kw, site.cap_kw)
        left_h = np.maximum(site.departure_s[chargers] - since_s, 0.0) / 3600.0
        held_h = np.minimum(hold_s / 3600.0, left_h)
        power_kw, need_kwh = site.power_kw[chargers], site.need_kwh[chargers]
        # A vehicle stops drawing once it has its target.
        gained_kwh = np.minimum(site.efficiency * power_kw * held_h, need_kwh)
        later_kwh = site.efficiency * most_kw * (left_h - held_h)
        slack_kwh = gained_kwh + later_kwh - need_kwh
        stored_kwh = np.nan_to_num(site.battery_kwh[chargers], nan=np.inf)
        budget_kwh: NDArray[np.float64] = np.maximum(0.0, np.minimum(slack_kwh, stored_kwh))
        return budget_kwh

    def _tasks(self, first: int, seconds: int) -> TaskStream:
        """Return the tasks of some seconds; a file's tasks end with the file."""
        if self._stream is None:
            return draw_tasks(self._random(), seconds, self._ranges)
        slots = np.clip(np.arange(first, first + seconds + 1), 0, len(self._stream))
        offsets = self._stream.offsets[slots]
        chosen = slice(int(offsets[0]), int(offsets[-1]))
        tasks: Tasks = self._stream.tasks.take(chosen)
        return TaskStream(tasks, offsets - offsets[0])

    def _random(self) -> np.random.Generator:
        if self._rng is None:
            raise InputError("OCEAN draws tasks and processors: call reset(station, rng) first.")
        return self._rng

    # ---- records

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``tasks`` (a row per second) and ``computing`` (a row per vehicle); see ``SiteController``."""
        return self._log.tables()


def _range(
    name: str, values: tuple[float, ...] | list[float], unit: float = 1.0, most: float = math.inf
) -> tuple[float, float]:
    """Return a range in the unit that tasks are drawn in."""
    if len(values) != 2 or not (0.0 <= values[0] <= values[1] <= most and values[1] < math.inf):
        limit = "at least 0" if math.isinf(most) else f"from 0 to {most:g}"
        raise ValueError(f"{name} = {list(values)} must be two numbers {limit}, the lesser one first")
    return unit * values[0], unit * values[1]
