"""Checks that a plug-in author can run on a recommender or site controller of their own.

>>> from cosim.testing import check_controller
>>> from my_package import MyController
>>> check_controller(MyController())  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.control import Recommender, SiteController, SiteView, StationInfo
from cosim.errors import InputError
from cosim.price import Price, StepLoad
from cosim.runner import run
from cosim.scenario_file import load_scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

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

    Some vehicles park, one of them until in a minute, one has its target; the others leave when they are charged. The
    controller is asked at a multiple of its period and in between, as it is when a vehicle plugs in.

    Parameters
    ----------
    controller : SiteController
        The object to check.
    chargers : int
        Size of the station, at least 4.

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
    if period_s is not None and not (period_s > 0 and period_s == int(period_s)):
        faults.append(f"{name}: period_s = {period_s} must be a whole number of seconds, at least 1, or None.")
    reset: Callable[[StationInfo, np.random.Generator], None] | None = getattr(controller, "reset", None)
    if reset is not None:
        reset(_site(chargers, 0).station, np.random.default_rng(0))
    for plugged, time_s in ((0, 3600.0), (chargers // 2, 3600.0), (chargers, 3637.5)):
        site = _site(chargers, plugged)
        try:
            answer: Any = np.asarray(controller.schedule(time_s, site), dtype=np.float64)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            faults.append(f"{name}: schedule() writes into the view; it must make an array of its own.")
            continue
        if answer.shape != (chargers,):
            faults.append(f"{name}: schedule() returned shape {answer.shape}, expected ({chargers},).")
            continue
        if np.isnan(answer[site.occupied]).any():
            faults.append(f"{name}: schedule() returned NaN for a charger with a vehicle.")
    if faults:
        raise InputError(list(dict.fromkeys(faults)))


def _site(chargers: int, plugged: int) -> SiteView:
    """Return a station an hour after the start, its vehicles in the middle of charging."""
    station = StationInfo("TEST", 0, "lane", 20.0, 40.0, 2, chargers, 50.0, 150.0)
    occupied = np.arange(chargers) < plugged
    need_kwh, max_power_kw = np.linspace(1.0, 12.0, chargers), np.full(chargers, 50.0)
    need_kwh[1], max_power_kw[1] = 0.0, 0.0
    departure_s = np.linspace(3700.0, 9000.0, chargers)

    def shown(values: NDArray[np.float64]) -> NDArray[np.float64]:
        array = np.where(occupied, values, np.nan)
        array.setflags(write=False)
        return array

    parks = occupied & (np.arange(chargers) % 2 == 1)
    return SiteView(
        station=station,
        occupied=occupied,
        vehicle=np.where(occupied, np.arange(chargers), -1),
        need_kwh=shown(need_kwh),
        max_power_kw=shown(max_power_kw),
        power_kw=shown(max_power_kw / 2),
        battery_kwh=shown(20.0 - need_kwh),
        plug_in_s=shown(np.linspace(0.0, 3500.0, chargers)),
        parks=parks,
        departure_s=shown(departure_s),
        efficiency=0.9,
        cap_kw=40.0,
        queued=0,
        base=StepLoad(np.linspace(100.0, 200.0, 24), 900.0),
        price=Price(),
    )


def _name(plugin: object) -> str:
    return type(plugin).__name__
