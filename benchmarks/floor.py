"""The floor: SUMO's own program moving the vehicles of a finished coupled run, with nobody watching.

``python benchmarks/floor.py`` runs the default case once, writes what every vehicle did as a SUMO route file, lets the
``sumo`` program drive it and compares arrivals. What it cannot reproduce to the second: an EV's second leg is routed
when the EV departs, together with the first one, not when it leaves its station.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from common import SEED, default_scenario, finish

from cosim.randomness import stream
from cosim.runner import make_recommender
from cosim.simulation import Simulation
from cosim.traffic.files import CAR_TYPE, EV_TYPE, parking_area, write_stations
from cosim.traffic.install import sumo_program
from cosim.traffic.stepper import TrafficStepper

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How far the floor's total travel time may be from that of the run it repeats.
_ALLOWED_TTT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many vehicles reached their destination, and their total travel time from the planned departure."""

    vehicles: int
    ttt_s: float


def write_floor(simulation: Simulation, folder: Path) -> list[str]:
    """Write a finished run as SUMO input.

    Parameters
    ----------
    simulation : Simulation
        A run that ended, not closed yet.
    folder : Path
        Where the input files go.

    Returns
    -------
    list of str
        The command line of the ``sumo`` program, with the options of the coupled run.
    """
    demand, system, trips = simulation.demand, simulation.system, simulation.state.trips
    edges = system.network.edges
    root = ET.Element("routes")
    for kind in (CAR_TYPE, EV_TYPE):
        ET.SubElement(root, "vType", {"id": kind, "vClass": "passenger"})
    for i, vehicle in enumerate(demand.vehicle):
        station = trips.station[i]
        trip = ET.SubElement(
            root,
            "trip",
            {
                "id": vehicle,
                "type": EV_TYPE if demand.is_ev[i] else CAR_TYPE,
                "depart": str(demand.depart_s[i]),
                "from": edges[demand.origin[i]],
                "to": edges[demand.destination[i]],
                "departLane": "best",
                "departSpeed": "max",
            },
        )
        if station >= 0:
            # The loop sends a vehicle on at the first whole second after its charging ended.
            leaves_s = math.ceil(trips.plug_out_s[i])
            ET.SubElement(trip, "stop", {"parkingArea": parking_area(station), "until": str(leaves_s)})
    (folder / "trips.rou.xml").write_bytes(ET.tostring(root))
    write_stations(folder / "stations.add.xml", system.stations, capacity=int(demand.is_ev.sum()))
    stepper = TrafficStepper(system.network, folder, simulation.traffic.options)
    return [sumo_program("sumo"), *stepper._arguments(None)]  # noqa: SLF001 - the very options of the coupled run


def drive(command: Sequence[str], *extra: str) -> None:
    """Run the ``sumo`` program to its end."""
    subprocess.run([*command, *extra], check=True, capture_output=True)


def drive_and_count(command: Sequence[str], folder: Path) -> Arrivals:
    """Run the ``sumo`` program once with trip output, which costs time, and count who arrived."""
    output = folder / "floor-tripinfo.xml"
    drive(command, "--tripinfo-output", str(output))
    infos = list(ET.parse(output).getroot().iter("tripinfo"))
    ttt_s = sum(float(info.attrib["duration"]) + float(info.attrib["departDelay"]) for info in infos)
    return Arrivals(len(infos), ttt_s)


def arrivals_of(simulation: Simulation) -> Arrivals:
    """Count the arrivals of a coupled run in the same way."""
    trip_s = [
        end - start for end, start in zip(simulation.state.trips.arrive_s, simulation.demand.depart_s, strict=True)
    ]
    return Arrivals(simulation.state.arrived, float(sum(trip_s)))


def same_traffic(floor: Arrivals, coupled: Arrivals) -> bool:
    """Say whether the floor moved the same vehicles to the same arrivals, as near as it can."""
    return floor.vehicles == coupled.vehicles and abs(floor.ttt_s / coupled.ttt_s - 1) <= _ALLOWED_TTT_SHARE


def main() -> int:
    """Compare the floor with the run that it repeats."""
    scenario = default_scenario()
    recommender = make_recommender(scenario)
    with Simulation(scenario) as simulation, tempfile.TemporaryDirectory() as name:
        recommender.reset(simulation.reset(SEED), stream(SEED, "recommender"))
        finish(simulation, recommender)
        folder = Path(name)
        coupled, floor = arrivals_of(simulation), drive_and_count(write_floor(simulation, folder), folder)
    print(f"coupled run: {coupled.vehicles} vehicles arrived, TTT {coupled.ttt_s:.0f} s")
    print(
        f"bare sumo:   {floor.vehicles} vehicles arrived, TTT {floor.ttt_s:.0f} s ({floor.ttt_s / coupled.ttt_s:.4f})"
    )
    return 0 if same_traffic(floor, coupled) else 1


if __name__ == "__main__":
    sys.exit(main())
