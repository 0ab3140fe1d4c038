"""The yardstick: how research code usually couples SUMO and pandapower, for the same vehicles, stations and choices.

TraCI over its socket, one step a second; every electric vehicle on its way is polled each second for its distance, its
road and its parking state; charging is added up second by second in Python; ``pandapower.runpp`` solves the feeder at
each decision and at each control tick. ``python benchmarks/naive.py`` prints what one episode gives and costs.

It is kept lean where such code often is not: nothing is recorded, the recommender (uniform) gets no observation, plain
vehicles are not polled, and TraCI's start-up sleep is wall time that no figure here counts.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tempfile
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandapower as pp
import traci
from common import SEED, Stopwatch, default_scenario
from pandapower.powerflow import LoadflowNotConverged

from cosim.coupling import CoupledSystem, couple
from cosim.randomness import stream, sumo_seed
from cosim.traffic.demand import random_demand
from cosim.traffic.files import EV_TYPE, parking_area, write_stations, write_trips
from cosim.traffic.install import sumo_program

if TYPE_CHECKING:
    from cosim.scenario import Scenario

_FOREVER_S = 1e7
#: TraCI flags of a stop that is in a parking area, off the road.
_PARKING_STOP = 1 + 64


@dataclass(slots=True)
class NaiveResult:
    """What one episode gave, and the processor time it took SUMO and Python together."""

    arrived: int
    ttt_s: float
    mean_charging_s: float
    mean_waiting_s: float
    powerflows: int
    nonconverged: int
    cpu_s: float = 0.0
    wall_s: float = 0.0


@dataclass(slots=True)
class _Vehicle:
    """An electric vehicle as such code keeps it."""

    destination: str
    station: int
    soc: float
    state: str = "to station"
    driven_m: float = 0.0
    road: str = ""
    waiting_s: int = 0
    charging_s: int = 0


@dataclass(slots=True)
class _Site:
    """One station: its queue, who charges, and the power of each charger."""

    chargers: int
    power_kw: float
    queue: deque[str] = field(default_factory=deque)
    charging: list[str] = field(default_factory=list)

    @property
    def load_kw(self) -> float:
        return self.power_kw * len(self.charging)


class _Feeder:
    """The feeder with a load for each station, solved by ``runpp``."""

    def __init__(self, system: CoupledSystem) -> None:
        self.net = copy.deepcopy(system.feeder.net)
        self.loads = [pp.create_load(self.net, station.bus, p_mw=0.0) for station in system.stations]
        self.solves = self.nonconverged = 0
        # The first call compiles numba's functions if numba is there: start-up, not episode.
        self.mean_voltage_pu([0.0] * len(self.loads))
        self.solves = 0

    def mean_voltage_pu(self, power_kw: list[float]) -> float:
        for load, kilowatt in zip(self.loads, power_kw, strict=True):
            self.net.load.loc[load, "p_mw"] = kilowatt / 1000
        self.solves += 1
        try:
            pp.runpp(self.net)
        except LoadflowNotConverged:
            self.nonconverged += 1
            return 0.0
        return float(self.net.res_bus["vm_pu"].mean())


class NaiveEpisode:
    """One episode; made once, run once.

    Parameters
    ----------
    scenario : Scenario
        The default case or one like it: droop on the mean voltage, no site limits, no controllers.
    system : CoupledSystem
        Its network, feeder and stations, read by cosim so that the input is the same.
    seed : int
        Seed of demand, choices and SUMO, drawn as cosim draws them.
    """

    def __init__(self, scenario: Scenario, system: CoupledSystem, seed: int) -> None:
        self.scenario, self.system, self.seed = scenario, system, seed
        self.demand = random_demand(scenario, system.network, stream(seed, "demand"))
        self.feeder = _Feeder(system)
        rng = stream(seed, "recommender")
        everywhere = np.arange(len(system.stations))
        self.departures: dict[int, list[tuple[str, int, int]]] = {}
        for i in np.flatnonzero(self.demand.is_ev):
            choice = int(rng.choice(everywhere))
            self.departures.setdefault(int(self.demand.depart_s[i]), []).append(
                (self.demand.vehicle[i], int(i), choice)
            )
        self.sites = [_Site(info.chargers, scenario.droop.max_power_kw) for info in system.stations]
        self.vehicles: dict[str, _Vehicle] = {}
        self.peak_kw = [0.0] * len(self.sites)
        self.step_peak_kw = [0.0] * len(self.sites)

    def run(self) -> NaiveResult:
        """Run to the last arrival."""
        with tempfile.TemporaryDirectory() as name, Stopwatch() as watch:
            result = self._run(Path(name))
        result.cpu_s, result.wall_s = watch.cpu_s, watch.wall_s
        return result

    def _run(self, folder: Path) -> NaiveResult:
        self._start(folder)
        depart_s = dict(zip(self.demand.vehicle, self.demand.depart_s.tolist(), strict=True))
        arrived, ttt_s, now_s = 0, 0, 0
        while arrived < len(self.demand) and now_s < self.scenario.simulation.time_limit_s:
            for vehicle, i, station in self.departures.get(now_s, []):
                self._decide(vehicle, i, station)
            if now_s and now_s % self.scenario.droop.control_interval_s == 0:
                self._control()
            traci.simulationStep()
            now_s += 1
            self._poll()
            self._charge()
            for vehicle in traci.simulation.getArrivedIDList():
                arrived += 1
                ttt_s += now_s - 1 - depart_s[vehicle]
        traci.close()
        count = max(1, len(self.vehicles))
        return NaiveResult(
            arrived=arrived,
            ttt_s=float(ttt_s),
            mean_charging_s=sum(vehicle.charging_s for vehicle in self.vehicles.values()) / count,
            mean_waiting_s=sum(vehicle.waiting_s for vehicle in self.vehicles.values()) / count,
            powerflows=self.feeder.solves,
            nonconverged=self.feeder.nonconverged,
        )

    def _start(self, folder: Path) -> None:
        simulation, network = self.scenario.simulation, self.system.network
        write_trips(folder / "trips.rou.xml", self.demand, network)
        write_stations(folder / "stations.add.xml", self.system.stations, capacity=int(self.demand.is_ev.sum()))
        options = {
            "--net-file": str(network.net_file),
            "--route-files": str(folder / "trips.rou.xml"),
            "--additional-files": str(folder / "stations.add.xml"),
            "--seed": str(sumo_seed(self.seed)),
            "--routing-algorithm": simulation.routing,
            "--device.rerouting.probability": "1",
            "--device.rerouting.adaptation-interval": str(simulation.rerouting_interval_s),
            "--time-to-teleport": str(simulation.teleport_s),
            "--xml-validation": "never",
            "--no-step-log": "true",
            "--no-warnings": "true",
        }
        with contextlib.redirect_stdout(io.StringIO()):  # traci prints that it waits a second for SUMO
            traci.start([sumo_program("sumo"), *(part for pair in options.items() for part in pair)])

    def _decide(self, vehicle: str, i: int, station: int) -> None:
        """Send a vehicle to its station; the power flow is the cost of the step that ends here."""
        edges = self.system.network.edges
        if self.vehicles:
            self.feeder.mean_voltage_pu(self.step_peak_kw)
        self.step_peak_kw = [site.load_kw for site in self.sites]
        route = f"to station {vehicle}"
        traci.route.add(route, [edges[self.demand.origin[i]], edges[self.system.stations[station].edge]])
        traci.vehicle.add(vehicle, route, EV_TYPE, departLane="best", departSpeed="max")
        traci.vehicle.setStop(vehicle, parking_area(station), 0.0, 0, _FOREVER_S, _PARKING_STOP)
        self.vehicles[vehicle] = _Vehicle(edges[self.demand.destination[i]], station, float(self.demand.soc_start[i]))

    def _control(self) -> None:
        """Set the charging power of the next interval by the droop of the mean voltage at the peak load of the last."""
        droop = self.scenario.droop
        voltage_pu = self.feeder.mean_voltage_pu(self.peak_kw)
        share = (voltage_pu - droop.v_ref_low_pu) / (droop.v_ref_high_pu - droop.v_ref_low_pu)
        power_kw = droop.min_power_kw + (droop.max_power_kw - droop.min_power_kw) * min(1.0, max(0.0, share))
        for site in self.sites:
            site.power_kw = power_kw
        self.peak_kw = [site.load_kw for site in self.sites]

    def _poll(self) -> None:
        """Ask for every electric vehicle that is on the road."""
        fleet = self.scenario.fleet
        for name in traci.vehicle.getIDList():
            vehicle = self.vehicles.get(name)
            if vehicle is None or vehicle.state in {"queued", "charging"}:
                continue
            driven_m = traci.vehicle.getDistance(name)
            vehicle.road = traci.vehicle.getRoadID(name)
            if vehicle.state == "to station":
                if driven_m > vehicle.driven_m:  # it is negative before the vehicle is on the road
                    used_kwh = fleet.consumption_kwh_per_km * (driven_m - vehicle.driven_m) / 1000
                    vehicle.soc -= used_kwh / fleet.battery_kwh
                    vehicle.driven_m = driven_m
                if traci.vehicle.isStoppedParking(name):
                    vehicle.state = "queued"
                    self.sites[vehicle.station].queue.append(name)

    def _charge(self) -> None:
        """Charge for one second, let go who is done, plug in who waits."""
        fleet = self.scenario.fleet
        for site in self.sites:
            for name in list(site.charging):
                vehicle = self.vehicles[name]
                vehicle.soc += fleet.efficiency * site.power_kw / 3600 / fleet.battery_kwh
                vehicle.charging_s += 1
                if vehicle.soc >= fleet.target_soc:
                    site.charging.remove(name)
                    vehicle.state = "to destination"
                    traci.vehicle.changeTarget(name, vehicle.destination)
                    traci.vehicle.resume(name)
            while site.queue and len(site.charging) < site.chargers:
                name = site.queue.popleft()
                site.charging.append(name)
                self.vehicles[name].state = "charging"
            for name in site.queue:
                self.vehicles[name].waiting_s += 1
        loads_kw = [site.load_kw for site in self.sites]
        self.peak_kw = max(self.peak_kw, loads_kw, key=sum)
        self.step_peak_kw = max(self.step_peak_kw, loads_kw, key=sum)


def main() -> None:
    """Run the default case and print what it gave."""
    scenario = default_scenario()
    print(json.dumps(asdict(NaiveEpisode(scenario, couple(scenario), SEED).run()), indent=2))


if __name__ == "__main__":
    main()
