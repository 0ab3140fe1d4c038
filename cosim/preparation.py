"""What a run needs before the loop begins: site controllers, demand, the traffic simulator's settings."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal

from cosim import registry
from cosim.charging.site import Surroundings
from cosim.errors import InputError
from cosim.price import Price
from cosim.randomness import stream, sumo_seed
from cosim.shielded import Shielded
from cosim.traffic.demand import random_demand
from cosim.traffic.stepper import TrafficOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from cosim.control import SiteController, StationInfo
    from cosim.coupling import CoupledSystem
    from cosim.scenario import Scenario
    from cosim.tables.stations import ControllerTable
    from cosim.traffic.demand import Demand
    from cosim.traffic.network import RoadNetwork
    from cosim.traffic.route_demand import RouteTraffic


def make_controllers(
    scenario: Scenario, stations: Sequence[StationInfo], source: str, seed: int
) -> dict[int, SiteController]:
    """Make the site controllers that a scenario names.

    Parameters
    ----------
    scenario : Scenario
        Its ``[controller.STATION]`` tables.
    stations : sequence of StationInfo
        In the order of the keys returned.
    source : str
        The scenario's file or name, for messages.
    seed : int
        Of the run; each controller that is random gets a stream of its own.

    Raises
    ------
    InputError
        If a controller refuses its options, or its period is no whole number of seconds.
    """
    controllers = {}
    for m, station in enumerate(stations):
        table = scenario.controller.get(station.id)
        if table is not None:
            where = f"{source}: [controller.{station.id}]"
            controllers[m] = _make_controller(table, where)
            period_s = controllers[m].period_s
            if period_s is not None and (period_s <= 0 or period_s != int(period_s)):
                raise InputError(f"{where}: period_s = {period_s} must be a whole number of seconds, at least 1.")
            reset: Callable[[StationInfo, np.random.Generator], None] | None = getattr(controllers[m], "reset", None)
            if reset is not None:
                reset(station, stream(seed, f"controller {station.id}"))
    return controllers


def _make_controller(table: ControllerTable, where: str) -> SiteController:
    """Make a controller; ``shield = true`` puts the shield on those that have no such option of their own."""
    options = dict(table.options)
    parameters = inspect.signature(registry.load("controller", table.name, where=where)).parameters
    wears = options.pop("shield", False) if "shield" not in parameters else False
    if not isinstance(wears, bool):
        raise InputError(f"{where}: shield: found {wears!r}; it must be true or false.")
    controller: SiteController = registry.instantiate("controller", table.name, options, where=where)
    return Shielded(controller) if wears else controller


def surroundings(scenario: Scenario, system: CoupledSystem) -> list[Surroundings]:
    """Return what each station finds at its bus: the base load that its controller reckons with, and the price."""
    price = Price(scenario.price.k0_per_kwh, scenario.price.k1_per_kwh_kw)
    return [Surroundings(system.base_load(station.bus), price) for station in system.stations]


def draw_demand(scenario: Scenario, network: RoadNetwork, seed: int, routes: RouteTraffic | None = None) -> Demand:
    """Draw the demand of a run from its seed.

    Parameters
    ----------
    scenario : Scenario
        Periods, rate and fleet.
    network : RoadNetwork
        The roads.
    seed : int
        Of the run.
    routes : RouteTraffic, optional
        The vehicles of route files, if the scenario takes them from there.

    Raises
    ------
    InputError
        If the seed is no whole number from 0 on, or no trip is possible on the network.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed: found {seed!r}; it must be a whole number, at least 0.")
    if routes is not None:
        return routes.draw(scenario, stream(seed, "demand"))
    return random_demand(scenario, network, stream(seed, "demand"))


def traffic_options(
    scenario: Scenario, seed: int, *, backend: Literal["libsumo", "traci"], by_event: bool, gui: bool, checkpoints: bool
) -> TrafficOptions:
    """Collect the traffic simulator's settings of one run."""
    simulation = scenario.simulation
    return TrafficOptions(
        backend=backend,
        by_event=by_event,
        gui=gui,
        seed=sumo_seed(seed),
        routing=simulation.routing,
        rerouting_interval_s=simulation.rerouting_interval_s,
        teleport_s=simulation.teleport_s,
        checkpoints=checkpoints,
        begin_s=simulation.begin_s,
        write_trips=scenario.demand.trips == "routes",
    )
