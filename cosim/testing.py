"""Checks that a plug-in author can run on a recommender or site controller of their own.

>>> from cosim.testing import check_controller
>>> from my_package import MyController
>>> check_controller(MyController())  # doctest: +SKIP
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.control import Recommender, SiteController, SiteView, StationInfo
from cosim.errors import InputError
from cosim.runner import run
from cosim.scenario_file import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

#: A short run: ten minutes of control, about fifty requests.
_SHORT = {"simulation.warmup_s": 300, "simulation.control_s": 600}


def check_recommender(make: Callable[[], Recommender], scenario: str = "nguyen-dupuis") -> None:
    """Run a recommender on a short scenario, twice, and check what it promises.

    Parameters
    ----------
    make : callable
        Returns a new recommender: its class, or a function.
    scenario : str
        On which system to try it.

    Raises
    ------
    InputError
        With one sentence for everything that is wrong.
    CosimError
        If it answers with a station that does not exist or cannot be reached.
    """
    agent = make()
    if not isinstance(agent, Recommender):
        raise InputError(
            f"{_name(agent)}: a recommender has the methods reset(system, rng) and recommend(request, view)."
        )
    short = load_scenario(scenario, **_SHORT)
    first = run(short, recommender=agent)
    faults = []
    if first.counts["decisions"] != first.counts["evs"] or first.counts["arrived"] != first.counts["vehicles"]:
        faults.append(f"{_name(agent)}: the run did not answer every request and bring every vehicle home.")
    for again, what in ((agent, "the same object after reset()"), (make(), "a new object")):
        second = run(short, recommender=again)
        if not second.decisions.equals(first.decisions):
            faults.append(
                f"{_name(agent)}: {what} answers differently with the same seed; draw only from the generator that "
                "reset() gets, and forget the run before in reset()."
            )
    if faults:
        raise InputError(faults)


def check_controller(controller: SiteController, chargers: int = 6) -> None:
    """Show a site controller an empty, a partly and a fully occupied station and check its answers.

    Parameters
    ----------
    controller : SiteController
        The object to check.
    chargers : int
        Size of the station.

    Raises
    ------
    InputError
        With one sentence for everything that is wrong.
    """
    name = _name(controller)
    if not isinstance(controller, SiteController):
        raise InputError(f"{name}: a site controller has period_s and the method schedule(time_s, site).")
    faults = []
    period_s = controller.period_s
    if period_s is not None and not period_s > 0:
        faults.append(f"{name}: period_s = {period_s} must be greater than 0, or None.")
    for plugged in (0, chargers // 2, chargers):
        site = _site(chargers, plugged)
        answer: Any = np.asarray(controller.schedule(600.0, site), dtype=np.float64)
        if answer.shape != (chargers,):
            faults.append(f"{name}: schedule() returned shape {answer.shape}, expected ({chargers},).")
            continue
        if np.isnan(answer[site.occupied]).any():
            faults.append(f"{name}: schedule() returned NaN for a charger with a vehicle.")
        applied = np.clip(np.nan_to_num(answer), 0.0, np.nan_to_num(np.minimum(site.max_power_kw, site.cap_kw)))
        if applied.sum() > site.station.site_limit_kw * (1 + 1e-9):
            faults.append(
                f"{name}: {applied.sum():.3f} kW for {plugged} vehicles exceeds the site limit of "
                f"{site.station.site_limit_kw:g} kW."
            )
    if faults:
        raise InputError(list(dict.fromkeys(faults)))


def _site(chargers: int, plugged: int) -> SiteView:
    station = StationInfo("TEST", 0, "lane", 20.0, 40.0, 2, chargers, 50.0, math.inf)
    occupied = np.arange(chargers) < plugged
    return SiteView(
        station=station,
        occupied=occupied,
        need_kwh=np.where(occupied, np.linspace(1.0, 12.0, chargers), np.nan),
        max_power_kw=np.where(occupied, 50.0, np.nan),
        plug_in_s=np.where(occupied, np.linspace(0.0, 500.0, chargers), np.nan),
        cap_kw=40.0,
        queued=0,
    )


def _name(plugin: object) -> str:
    return type(plugin).__name__
