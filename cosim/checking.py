"""``cosim check``: load a scenario as a run would, and say what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.charging.droop import station_caps_kw
from cosim.grid.profile_series import DAY_S
from cosim.grid_log import base_cost_pu
from cosim.runner import make_recommender
from cosim.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosim.scenario import Scenario
    from cosim.traffic.demand import Demand

#: As many vehicles are named.
_NAMED = 3


def facts(scenario: Scenario, source: str | None = None) -> list[tuple[str, str]]:
    """Return name and value of everything worth knowing before a run.

    Raises
    ------
    InputError
        If the scenario cannot be run.
    """
    make_recommender(scenario)
    with Simulation(scenario, source=source) as simulation:
        _, demand = simulation.prepare(scenario.simulation.seed)
        network, feeder, flow = simulation.system.network, simulation.system.feeder, simulation.power_flow
        component = network.largest_component()
        warmup = int((demand.depart_s < scenario.begin_of_control_s).sum())
        control, evs = len(demand) - warmup, int(demand.is_ev.sum())
        base = flow.branch_results(flow.no_load)
        lowest_pu, row = flow.no_load.minimum()
        row_of = {int(number): place for place, number in enumerate(flow.bus_numbers)}
        rows = np.array([row_of[station.bus] for station in simulation.system.stations], dtype=np.int64)
        caps_kw = station_caps_kw(flow.no_load.vm_pu, rows, scenario.droop)
        cap = " to ".join(f"{cap_kw:.2f}" for cap_kw in sorted({caps_kw.min(), caps_kw.max()}))
        result = [
            ("scenario", f"{scenario.name}: {scenario.description}" if scenario.description else scenario.name),
            (
                "network",
                (
                    f"{network.name}: {len(network.node_xy_m)} nodes, {len(network.edges)} edges, "
                    f"{network.length_m.sum() / 1000:.1f} km; {len(component)} edges reach one another"
                ),
            ),
            (
                "demand",
                (
                    f"{warmup + control} vehicles: {warmup} in {scenario.simulation.warmup_s} s of warm-up, "
                    f"{control} in {scenario.simulation.control_s} s of control, {evs} of these are EVs that ask for a "
                    "station"
                ),
            ),
            *_clock_facts(scenario),
            *_route_facts(scenario, demand),
            *_config_facts(simulation),
            *_reach_facts(simulation, demand),
            (
                "feeder",
                (
                    f"{feeder.name}: {len(flow.bus_numbers)} buses, {len(flow.line_numbers)} lines; base losses "
                    f"{base.losses_kw:.2f} kW, lowest voltage {lowest_pu:.4f} pu at bus {flow.bus_numbers[row]}, "
                    f"mean deviation {flow.no_load.deviation_pu():.5f} pu"
                ),
            ),
            ("power flow", flow.engine + (f" ({flow.engine_note})" if flow.engine_note else "")),
            *_varying(simulation),
            ("CVV floor", f"{evs * base_cost_pu(scenario, flow):.2f} pu over {evs} decisions, without any charging"),
            ("droop", f"cap at base load {cap} kW per charger" if scenario.droop.enabled else "off"),
            ("recommender", scenario.recommender.name),
        ]
        connected = set(component.tolist())
        notes = simulation.system.place_notes or ("",) * len(simulation.system.stations)
        for station, place_note in zip(simulation.system.stations, notes, strict=True):
            control_name = scenario.controller[station.id].name if station.id in scenario.controller else "uncontrolled"
            note = f"; {place_note}" if place_note else ""
            note += "" if station.edge in connected else "; NOT on the largest component: some vehicles cannot reach it"
            result.append(
                (
                    f"station {station.id}",
                    (
                        f"edge {network.edges[station.edge]}, {station.strip_start_m:.0f} to "
                        f"{station.strip_end_m:.0f} m along it, bus {station.bus}, "
                        f"{station.chargers} chargers of {station.max_power_kw:g} kW, {control_name}{note}"
                    ),
                )
            )
        return result


def _clock_facts(scenario: Scenario) -> list[tuple[str, str]]:
    """Say when the run begins, if that is not second 0."""
    begin_s = scenario.simulation.begin_s
    if not begin_s:
        return []
    start_s, end_s = scenario.begin_of_control_s, scenario.end_of_control_s
    return [("clock", f"begins at {begin_s} s ({_clock(begin_s)}); control period from {start_s} s to {end_s} s")]


def _route_facts(scenario: Scenario, demand: Demand) -> list[tuple[str, str]]:
    """Say what becomes of the vehicles of route files."""
    notes = demand.notes
    if notes is None:
        return []
    unused = "; vehicles_per_h is not used" if "vehicles_per_h" in scenario.demand.model_fields_set else ""
    facts = [("route files", f"{notes.cars} cars of the control period may become EVs{unused}")]
    left_out = [
        (notes.before_begin, "depart before the run"),
        (notes.after_control, "depart after the control period"),
        (len(notes.unconnected), f"have no way ({_some(notes.unconnected)})"),
    ]
    said = [f"{count} that {why}" for count, why in left_out if count]
    if said:
        facts.append(("left out", "vehicles: " + ", ".join(said)))
    if notes.flows_cut:
        facts.append(("cut", f"flows that would go on after the control period: {notes.flows_cut}"))
    if notes.waiting:
        facts.append(("not in tables", f"{notes.waiting} vehicles that depart when somebody boards; SUMO drives them"))
    return facts


def _config_facts(simulation: Simulation) -> list[tuple[str, str]]:
    """Say which options of a ``.sumocfg`` are taken over."""
    given = simulation.system.sumo_input
    result = []
    for name, options in (("SUMO options", given.handed_on), ("not taken over", given.ignored)):
        if options:
            result.append((name, ", ".join(f"{option} = {value}" for option, value in options.items())))
    return result


def _reach_facts(simulation: Simulation, demand: Demand) -> list[tuple[str, str]]:
    """Say which EVs cannot reach which stations, or cannot go on from there."""
    evs = np.flatnonzero(demand.is_ev)
    to_station, from_station = simulation.system.reachable
    reached = to_station[:, demand.origin[evs]] & from_station[:, demand.destination[evs]]
    lost = evs[~reached.any(axis=0)]
    facts = []
    if len(lost):
        names = _some([demand.vehicle[i] for i in lost])
        facts.append(("no station", f"{len(lost)} EVs can reach none and drive straight on ({names})"))
    for station, row in zip(simulation.system.stations, reached, strict=True):
        missing = [demand.vehicle[i] for i in evs[~row]]
        if len(missing) > len(lost):
            sentence = f"{len(missing)} of {len(evs)} EVs cannot drive there and on ({_some(missing)}): masked for them"
            facts.append((f"beyond {station.id}", sentence))
    return facts


def _some(names: Sequence[str]) -> str:
    """Name the first few."""
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def _varying(simulation: Simulation) -> list[tuple[str, str]]:
    """Say how the base load goes through the first day, if it varies."""
    flow = simulation.power_flow
    if flow.base is None:
        return []
    load_kw = simulation.system.base_load().load_kw
    first = simulation.scenario.simulation.begin_s // DAY_S * DAY_S
    times_s = range(first, first + DAY_S, flow.base.step_s)
    lowest = [flow.no_load_at(time_s).minimum()[0] for time_s in times_s]
    day_kw = [float(load_kw[time_s // flow.base.step_s]) for time_s in times_s]
    least, most, deepest = (
        values.index(pick(values)) for values, pick in ((day_kw, min), (day_kw, max), (lowest, min))
    )
    return [
        (
            "base load",
            (
                f"in steps of {flow.base.step_s / 60:g} min, less generation: {day_kw[least]:.0f} kW at "
                f"{_clock(times_s[least])} to {day_kw[most]:.0f} kW at {_clock(times_s[most])}; lowest voltage without "
                f"charging {lowest[deepest]:.4f} pu at {_clock(times_s[deepest])}"
            ),
        )
    ]


def _clock(time_s: int) -> str:
    return f"{time_s // 3600 % 24:02d}:{time_s // 60 % 60:02d}"
