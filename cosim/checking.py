"""``cosim check``: load a scenario as a run would, and say what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.charging.droop import station_caps_kw
from cosim.runner import make_recommender
from cosim.simulation import Simulation
from cosim.traffic.demand import vehicle_counts

if TYPE_CHECKING:
    from cosim.scenario import Scenario


def facts(scenario: Scenario, source: str | None = None) -> list[tuple[str, str]]:
    """Return name and value of everything worth knowing before a run.

    Raises
    ------
    InputError
        If the scenario cannot be run.
    """
    make_recommender(scenario)
    with Simulation(scenario, source=source) as simulation:
        simulation.prepare(scenario.simulation.seed)
        network, feeder, flow = simulation.system.network, simulation.system.feeder, simulation.power_flow
        component = network.largest_component()
        warmup, control, evs = vehicle_counts(scenario)
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
            (
                "feeder",
                (
                    f"{feeder.name}: {len(flow.bus_numbers)} buses, {len(flow.line_numbers)} lines; base losses "
                    f"{base.losses_kw:.2f} kW, lowest voltage {lowest_pu:.4f} pu at bus {flow.bus_numbers[row]}, "
                    f"mean deviation {flow.no_load.deviation_pu():.5f} pu"
                ),
            ),
            ("power flow", flow.engine + (f" ({flow.engine_note})" if flow.engine_note else "")),
            ("CVV floor", f"{evs * flow.no_load.deviation_pu():.2f} pu over {evs} decisions, without any charging"),
            ("droop", f"cap at base load {cap} kW per charger" if scenario.droop.enabled else "off"),
            ("recommender", scenario.recommender.name),
        ]
        connected = set(component.tolist())
        for station in simulation.system.stations:
            control_name = scenario.controller[station.id].name if station.id in scenario.controller else "uncontrolled"
            note = "" if station.edge in connected else "; NOT on the largest component: some vehicles cannot reach it"
            result.append(
                (
                    f"station {station.id}",
                    (
                        f"edge {network.edges[station.edge]} at {station.strip_end_m:.0f} m, bus {station.bus}, "
                        f"{station.chargers} chargers of {station.max_power_kw:g} kW, {control_name}{note}"
                    ),
                )
            )
        return result
