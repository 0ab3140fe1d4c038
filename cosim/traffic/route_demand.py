"""The demand of SUMO route files: which of their vehicles depart, which of these are EVs, and the rest for SUMO."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import InputError
from cosim.randomness import stream
from cosim.traffic.demand import Demand, RouteNotes, draw_fleet
from cosim.traffic.network import load_network
from cosim.traffic.sumo_input import SumoInput
from cosim.traffic.sumo_routes import read_routes
from cosim.traffic.ways import CAR_CLASS, WayChecker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cosim.scenario import Scenario
    from cosim.traffic.network import RoadNetwork
    from cosim.traffic.sumo_routes import FlowTimes, RouteFiles, SourceVehicle


@dataclass(frozen=True, slots=True)
class _Plan:
    """A vehicle, trip or flow of the files, with what the network says of it.

    ``car_ways`` are origin, destination and weight for each of its routes if it may become an EV; ``problem`` says why
    it cannot drive at all.
    """

    source: SourceVehicle
    origin: int
    destination: int
    car_types: tuple[tuple[str, float], ...]
    car_ways: tuple[tuple[int, int, float], ...]
    problem: str | None


class RouteTraffic:
    """The vehicles of a run's route files on its network.

    Parameters
    ----------
    files : RouteFiles
        What stands in them.
    network : RoadNetwork
        The roads.

    Raises
    ------
    InputError
        If a vehicle names an edge that the network does not have.
    """

    def __init__(self, files: RouteFiles, network: RoadNetwork) -> None:
        self._files = files
        self._network = network
        ways = WayChecker(network)
        self._plans = [self._plan(source, ways) for source in files.vehicles]
        for _, element in files.others:
            where = f"{element.tag} '{element.get('id', '')}'"
            for stage in element.iter():
                # Walks may also name crossings and walking areas, whose names begin with a colon.
                for edge in [*stage.get("edges", "").split(), stage.get("from", ""), stage.get("to", "")]:
                    if edge and not edge.startswith(":"):
                        ways.note_unknown(edge, where)
        ways.raise_unknown()

    def _plan(self, source: SourceVehicle, ways: WayChecker) -> _Plan:
        problem = None
        for edges, _ in source.ways:
            for vehicle_class in dict.fromkeys(each for _, each, _ in source.types):
                problem = problem or ways.problem(edges, vehicle_class, routed=source.routed, where=source.where)
        ends = [
            (self._network.find_edge(edges[0]), self._network.find_edge(edges[-1]), weight)
            for edges, weight in source.ways
            if edges
        ]
        cars = tuple(
            (name, weight) for name, vehicle_class, weight in source.types if vehicle_class == CAR_CLASS and weight
        )
        known = tuple((a, b, weight) for a, b, weight in ends if a is not None and b is not None and weight)
        single = ends[0] if len(ends) == 1 else (None, None, 1.0)
        may_charge = source.may_charge and problem is None and len(known) == len(ends)
        return _Plan(
            source=source,
            origin=-1 if single[0] is None else single[0],
            destination=-1 if single[1] is None else single[1],
            car_types=cars if may_charge else (),
            car_ways=known if may_charge else (),
            problem=problem,
        )

    def draw(self, scenario: Scenario, rng: np.random.Generator) -> Demand:
        """Return the demand of one run.

        The departures of flows that are random and the choice of the EVs come from the generator; a share of
        ``fleet.ev_share`` of the cars that depart in the control period and have neither stops nor a line become EVs.

        Parameters
        ----------
        scenario : Scenario
            Periods and fleet.
        rng : numpy.random.Generator
            The stream of the demand.

        Raises
        ------
        InputError
            If no vehicle departs.
        """
        rows, notes = self._departures(scenario, rng)
        if not rows:
            raise InputError(
                f"[demand] trips = 'routes': no vehicle of the files departs from {scenario.simulation.begin_s} s to "
                f"{scenario.end_of_control_s} s."
            )
        depart_s = np.array([math.ceil(time_s) for time_s, _, _ in rows], dtype=np.int64)
        plans = [plan for _, _, plan in rows]
        may = [bool(plan.car_types and plan.car_ways) for plan in plans]
        eligible = np.flatnonzero(np.array(may) & (depart_s >= scenario.begin_of_control_s))
        chosen = rng.permutation(eligible)[: round(len(eligible) * scenario.fleet.ev_share)]
        is_ev = np.zeros(len(rows), dtype=np.bool_)
        is_ev[chosen] = True
        origin = np.array([plan.origin for plan in plans], dtype=np.int64)
        destination = np.array([plan.destination for plan in plans], dtype=np.int64)
        types = ["" for _ in rows]
        for i in np.flatnonzero(is_ev):
            kinds, ways = plans[i].car_types, plans[i].car_ways
            types[i] = kinds[_pick([weight for _, weight in kinds], rng)][0]
            origin[i], destination[i], _ = ways[_pick([weight for _, _, weight in ways], rng)]
        soc_start, parking_s, early_s = draw_fleet(scenario, is_ev, rng)
        return Demand(
            vehicle=tuple(name for _, name, _ in rows),
            depart_s=depart_s,
            origin=origin,
            destination=destination,
            is_ev=is_ev,
            soc_start=soc_start,
            parking_s=parking_s,
            early_s=early_s,
            vehicle_type=tuple(types),
            route_file=self._route_file(scenario, [row for row, ev in zip(rows, is_ev, strict=True) if not ev]),
            notes=dataclasses.replace(notes, cars=len(eligible)),
        )

    def _departures(
        self, scenario: Scenario, rng: np.random.Generator
    ) -> tuple[list[tuple[float, str, _Plan]], RouteNotes]:
        """Return time, id and plan of every vehicle that departs in the run, by whole second of departure."""
        begin_s, end_s = scenario.simulation.begin_s, scenario.end_of_control_s
        rows: list[tuple[float, str, _Plan]] = []
        unconnected: list[str] = []
        before = after = flows_cut = 0
        for plan in self._plans:
            source = plan.source
            if source.times is None:
                found = [(source.depart_s, source.id)]
            else:
                flows_cut += (source.times.end_s or 0) > end_s
                times = [time_s for time_s in flow_departures(source.times, begin_s, end_s, rng) if time_s >= begin_s]
                found = [(time_s, f"{source.id}.{k}") for k, time_s in enumerate(times)]
            inside = [(time_s, name) for time_s, name in found if begin_s <= time_s < end_s]
            before += sum(time_s < begin_s for time_s, _ in found)
            after += sum(time_s >= end_s for time_s, _ in found)
            if plan.problem is None:
                rows += [(time_s, name, plan) for time_s, name in inside]
            else:
                unconnected += [f"{name}: {plan.problem}" for _, name in inside]
        rows.sort(key=lambda row: math.ceil(row[0]))
        return rows, RouteNotes(
            cars=0,
            before_begin=before,
            after_control=after,
            flows_cut=flows_cut,
            waiting=self._files.waiting,
            unconnected=tuple(unconnected),
        )

    def _route_file(self, scenario: Scenario, rows: Sequence[tuple[float, str, _Plan]]) -> str:
        """Write what SUMO drives: every vehicle but the EVs, and the persons, by departure as SUMO wants it."""
        begin_s, end_s = scenario.simulation.begin_s, scenario.end_of_control_s
        items = [
            (time_s, ET.tostring(element, encoding="unicode"))
            for time_s, element in self._files.others
            if time_s < 0 or begin_s <= time_s < end_s or "Flow" in element.tag
        ]
        items += [(time_s, _vehicle_xml(plan.source, name, time_s)) for time_s, name, plan in rows]
        items.sort(key=lambda item: item[0])
        head = [ET.tostring(element, encoding="unicode") for element in self._files.head]
        lines = [text.strip() for text in [*head, *(text for _, text in items)]]
        return "\n".join(["<routes>", *lines, "</routes>\n"])


def _vehicle_xml(source: SourceVehicle, name: str, time_s: float) -> str:
    """Return a vehicle as SUMO reads it; one with a route of its own keeps it."""
    element = source.element
    if source.times is not None or source.routed:
        element = copy.deepcopy(element)
    if source.times is not None:
        for key in ("begin", "end", "period", "vehsPerHour", "perHour", "probability", "number"):
            element.attrib.pop(key, None)
        element.tag = "vehicle" if source.routed else "trip"
        element.set("id", name)
        element.set("depart", f"{time_s:.2f}")
    if source.routed and element.find("param[@key='has.rerouting.device']") is None:
        # All others are routed by the times of the moment; a route that is given is meant.
        ET.SubElement(element, "param", {"key": "has.rerouting.device", "value": "false"})
    return ET.tostring(element, encoding="unicode")


def flow_departures(times: FlowTimes, begin_s: float, end_s: float, rng: np.random.Generator) -> list[float]:
    """Return when the vehicles of a flow depart, ascending.

    Parameters
    ----------
    times : FlowTimes
        Of the flow.
    begin_s, end_s : float
        Of the run; a flow without times of its own has these, and none goes on after ``end_s``.
    rng : numpy.random.Generator
        For those that are random.
    """
    first_s = begin_s if times.begin_s is None else times.begin_s
    last_s = end_s if times.end_s is None else times.end_s
    until_s = min(last_s, end_s)
    most = math.inf if times.number is None else times.number
    if times.probability is not None:
        seconds = np.arange(math.ceil(first_s), until_s)
        found: list[float] = seconds[rng.random(len(seconds)) < times.probability].tolist()
    elif times.rate_per_s is not None:
        found = list(_poisson(times.rate_per_s, first_s, until_s, rng))
    else:
        period_s = times.period_s
        if period_s is None:
            period_s = (last_s - first_s) / times.number if times.number else math.inf
        count = min(most, max(0, math.ceil((until_s - first_s) / period_s - 1e-9))) if period_s > 0 else 0
        found = [first_s + k * period_s for k in range(int(count))]
    return found if math.isinf(most) else found[: int(most)]


def _poisson(rate_per_s: float, first_s: float, until_s: float, rng: np.random.Generator) -> Iterator[float]:
    time_s = first_s
    while rate_per_s > 0 and (time_s := time_s + rng.exponential(1 / rate_per_s)) < until_s:
        yield time_s


def _pick(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Draw one of several by their weights; nothing is drawn of one."""
    if len(weights) == 1:
        return 0
    shares = np.array(weights)
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def route_counts(scenario: Scenario) -> tuple[int, int, int]:
    """Return how many vehicles of a scenario's route files depart in the warm-up and in the control period, and EVs.

    Flows with random departures are counted with the scenario's seed; other seeds may have a few more or fewer.

    Raises
    ------
    InputError
        If the files cannot be used.
    """
    text = scenario.model_dump_json(include={"network", "demand", "simulation", "fleet"})
    return _route_counts(_Tables(text, scenario))


@dataclass(frozen=True, slots=True)
class _Tables:
    """A scenario, the same as another one if these tables of it are."""

    text: str
    scenario: Scenario = field(compare=False)


@functools.lru_cache(maxsize=4)
def _route_counts(tables: _Tables) -> tuple[int, int, int]:
    scenario = tables.scenario
    file = scenario.network.file
    network = load_network(name=scenario.network.name, file=None if file is None else Path(file))
    traffic = RouteTraffic(read_routes(SumoInput.of(scenario)), network)
    demand = traffic.draw(scenario, stream(scenario.simulation.seed, "demand"))
    warmup = int((demand.depart_s < scenario.begin_of_control_s).sum())
    return warmup, len(demand) - warmup, int(demand.is_ev.sum())
