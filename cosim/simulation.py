"""THE loop: traffic, stations, recommender, droop and feeder in lockstep.

Data flow of one instant ``t`` (whole seconds; between instants everything is exact, see ``cosim.charging``)::

    SUMO steps < t --> arrivals --> queues --> chargers --> done: back onto the road     (_step)
    requests at t  --> recommender --> vehicle is routed to its station                  (advance / answer)
    controllers at t --> powers; droop cap of the interval that begins at t              (_control)
    station loads  --> power flow --> recorded voltages                                  (_record)

The feedback is declared causal here and nowhere else: the cap of control interval k+1 follows from the voltage at the
peak-load instant of interval k (the paper's Eq. 13 read literally would need the future). The cost of a decision is
that of the peak-load instant between its request and the next one. Where the base load varies, a peak is one of base
and charging load together, and its power flow has the base of that instant.
"""

from __future__ import annotations

import bisect
import contextlib
import copy
import dataclasses
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from cosim.charging.droop import station_caps_kw
from cosim.charging.stations import ChargingStations
from cosim.control import Request
from cosim.coupling import CoupledSystem, couple
from cosim.errors import CosimError, InterruptedRunError, SimulatorError
from cosim.fleet import Fleet
from cosim.grid_log import GridLog
from cosim.observation import Observation, system_info
from cosim.preparation import draw_demand, make_controllers, surroundings, traffic_options
from cosim.records import Records, TripLog
from cosim.state import Checkpoint, LoopState
from cosim.traffic.files import write_stations, write_trips
from cosim.traffic.stepper import TrafficStepper

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from cosim.charging.stations import Arrival
    from cosim.control import SiteController, SystemInfo
    from cosim.scenario import Scenario
    from cosim.traffic.demand import Demand

StopReason = Literal["all arrived", "time limit", "not finished"]
#: Quiet seconds crossed in one call at most, when stepping by event.
_LONGEST_CHUNK_S = 10


class Simulation:
    """One run of a scenario, advanced from request to request.

    Life cycle::

        with Simulation(scenario) as simulation:
            simulation.reset(seed=0)
            while (request := simulation.advance()) is not None:
                simulation.answer(recommender.recommend(request, simulation.observe(request)))

    ``reset`` may be called again at any time.

    Parameters
    ----------
    scenario : Scenario
        What to simulate.
    system : CoupledSystem, optional
        Network, feeder and stations if they are loaded already.
    source : str, optional
        The scenario's file or name, for messages.
    gui : bool
        Show SUMO's window (TraCI only).
    checkpoints : bool
        Whether :meth:`checkpoint` will be called; the first start of SUMO in the process then takes a little longer.

    Raises
    ------
    InputError
        If network, feeder or a station's place cannot be used.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        system: CoupledSystem | None = None,
        source: str | None = None,
        gui: bool = False,
        checkpoints: bool = False,
    ) -> None:
        self.scenario = scenario
        self._source = source or scenario.name
        self.system = system or couple(scenario, self._source)
        self.power_flow = self.system.power_flow
        row = {int(number): i for i, number in enumerate(self.power_flow.bus_numbers)}
        self._station_rows = np.array([row[station.bus] for station in self.system.stations], dtype=np.int64)
        self._grid_log = GridLog(self.power_flow, scenario)
        reach_to, reach_from = self.system.reachable
        self._reach_to, self._reach_from = np.ascontiguousarray(reach_to.T), np.ascontiguousarray(reach_from.T)
        simulation = scenario.simulation
        self.backend: Literal["libsumo", "traci"] = "traci" if gui else simulation.backend
        self.by_event = simulation.stepping == "event" or (
            simulation.stepping == "auto" and self.backend == "traci" and not gui
        )
        self._gui = gui
        self._checkpoints = checkpoints
        self._folder = tempfile.TemporaryDirectory(prefix="cosim-")
        self._additional = tuple(str(path) for path in self.system.sumo_input.write_additional(Path(self._folder.name)))
        self._traffic: TrafficStepper | None = None
        self._begin_s = simulation.begin_s
        self._limit_s = simulation.begin_s + simulation.time_limit_s
        self._sumo_incidents = {"teleports": 0, "collisions": 0}
        self.stop_reason: StopReason = "not finished"
        #: Whether somebody asked the run to end (:meth:`request_stop`).
        self.stop_requested = False
        #: Called after every recorded instant; progress and partial results hang here.
        self.on_record: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close SUMO; after an error it is not asked to end, which it may no longer be able to, but made to."""
        self.close(abort=kind is not None)

    # ---- life cycle

    def reset(self, seed: int | None = None) -> SystemInfo:
        """Begin a new run.

        Parameters
        ----------
        seed : int, optional
            Seed of demand, traffic and everything else; the scenario's if left out.

        Returns
        -------
        SystemInfo
            What the recommender is told.
        """
        self.seed = self.scenario.simulation.seed if seed is None else seed
        scenario, system = self.scenario, self.system
        controllers, demand = self.prepare(self.seed)
        folder = Path(self._folder.name)
        write_trips(folder / "trips.rou.xml", demand, system.network)
        fleet = self._fleet = Fleet(demand, scenario.fleet, strangers=bool(self._additional))
        write_stations(folder / "stations.add.xml", system.stations, capacity=len(fleet.evs), marked=self._gui)
        self.demand = demand
        self.state = LoopState(
            stations=ChargingStations(
                system.stations,
                controllers,
                efficiency=scenario.fleet.efficiency,
                vehicle_max_power_kw=scenario.fleet.max_power_kw,
                cap_kw=scenario.droop.max_power_kw,
                surroundings=surroundings(scenario, system),
                open_stay_factor=scenario.fleet.open_stay_factor,
                base=None if self.power_flow.base is None else system.base_load(),
                begin_s=float(self._begin_s),
            ),
            trips=TripLog(demand, scenario.fleet),
            records=Records(
                [station.id for station in system.stations],
                self.power_flow.bus_numbers.tolist(),
                self.power_flow.line_numbers.tolist(),
                system.network.edges,
                system.network.length_m * system.network.lanes / 1000.0,
            ),
            en_route=[0] * len(system.stations),
        )
        self._grid_log.bind(self.state.records, self.state.flows)
        self._begin_traffic()
        return system_info(scenario, system, lambda: self.now_s)

    def prepare(self, seed: int) -> tuple[dict[int, SiteController], Demand]:
        """Make the controllers and draw the demand of a run, all that can still be wrong before SUMO starts.

        Raises
        ------
        InputError
            If a controller refuses its options, the seed is no seed, or no trip is possible on the network.
        """
        demand = draw_demand(self.scenario, self.system.network, seed, self.system.routes)
        return make_controllers(self.scenario, self.system.stations, self._source, seed), demand

    def _begin_traffic(self, state: Path | None = None) -> None:
        simulation = self.scenario.simulation
        options = traffic_options(
            self.scenario,
            self.seed,
            backend=self.backend,
            by_event=self.by_event,
            gui=self._gui,
            checkpoints=self._checkpoints,
        )
        options = dataclasses.replace(
            options, additional_files=self._additional, handed_on=tuple(self.system.sumo_input.handed_on.items())
        )
        if self._traffic is None:
            self._traffic = TrafficStepper(self.system.network, Path(self._folder.name), options)
        self._traffic.options = options
        self._traffic.start(state)
        self._periods_s = (
            simulation.record_interval_s,
            self.scenario.droop.control_interval_s,
            *self.state.stations.periods_s,
        )
        #: Requests, controls and records are due from here on; anything is due at the beginning.
        self._due_s = self._traffic.time_s
        self.stop_reason = "not finished"

    @property
    def traffic(self) -> TrafficStepper:
        """The running traffic simulator."""
        if self._traffic is None:
            raise CosimError("the simulation has not begun; call reset() first.")
        return self._traffic

    @property
    def now_s(self) -> int:
        """The present instant."""
        return self.traffic.time_s

    @property
    def vehicles_present(self) -> int:
        """Vehicles whose departure is due and that have not arrived."""
        return bisect.bisect_left(self._fleet.depart_s, self.now_s) - self.state.arrived

    def close(self, *, abort: bool = False) -> None:
        """End SUMO and remove scratch files; may be called twice."""
        if self._traffic is not None:
            self._traffic.close(abort=abort)
        self._folder.cleanup()

    def warm_up(self) -> None:
        """Run to the end of the warm-up, during which nobody asks for a station."""
        self._due_s = min(self._due_s, self.scenario.begin_of_control_s)
        while self.now_s < self.scenario.begin_of_control_s and not self._ended():
            self._control()
            self._step()

    def checkpoint(self, path: Path) -> Checkpoint:
        """Save the run at the end of the warm-up; :meth:`restore` continues it bit-exactly.

        Parameters
        ----------
        path : Path
            Where SUMO writes its state, such as ``warm.xml.gz``.

        Raises
        ------
        CosimError
            Where the continuation would not be exact: SUMO saves odometers to the centimetre only, which changes the
            charge of an EV on the road; it begins a new interval of its travel times when it loads a state; and when
            quiet seconds are crossed in one call, arrivals are known exactly only after the run.
        """
        interval_s = self.scenario.simulation.rerouting_interval_s
        if not self._checkpoints or self.by_event:
            raise CosimError("a checkpoint needs Simulation(..., checkpoints=True) and simulation.stepping = 'second'.")
        if self.demand.route_file is not None:
            raise CosimError("a run with vehicles of route files has no checkpoint: SUMO alone knows their ways.")
        if self.state.next_ev or (self.now_s - self._begin_s) % interval_s:
            raise CosimError(
                f"a checkpoint is exact only before the first EV departs, at a multiple of {interval_s} s "
                f"(simulation.rerouting_interval_s) from the beginning; this is {self.now_s} s, {self.state.next_ev} "
                "EVs have departed."
            )
        self._grid_log.settle()
        self.traffic.save_state(path)
        return Checkpoint(self.seed, self.now_s, path, copy.deepcopy(self.state))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go back to a checkpoint of the same run.

        Raises
        ------
        CosimError
            If the checkpoint belongs to a run with another seed, that is, with other vehicles.
        """
        if checkpoint.seed != self.seed:
            raise CosimError(f"the checkpoint is of seed {checkpoint.seed}, this run has seed {self.seed}.")
        self.state = copy.deepcopy(checkpoint.loop)
        self._grid_log.bind(self.state.records, self.state.flows)
        self._begin_traffic(checkpoint.sumo_state)

    # ---- the loop

    def advance(self) -> Request | None:
        """Run until the next charging request.

        Returns
        -------
        Request or None
            None at the end of the run.

        Raises
        ------
        SimulatorError
            If SUMO died.
        PowerFlowError
            If the feeder collapsed and the scenario says to stop there.
        InterruptedRunError
            After :meth:`request_stop`.
        """
        while True:
            if self.stop_requested:
                raise InterruptedRunError(f"interrupted at simulated second {self.now_s}.")
            if self.now_s >= self._due_s:
                request = self._request()
                if request is not None:
                    return request
            if self._ended():
                self._finish()
                return None
            self._control()
            self._step()

    def request_stop(self) -> None:
        """Let :meth:`advance` raise at its next safe point; may be called from a signal handler."""
        self.stop_requested = True

    def answer(self, station: int) -> None:
        """Send the vehicle that asked to a station.

        Parameters
        ----------
        station : int
            Its position in ``system.stations``.

        Raises
        ------
        CosimError
            If there is no such station or it cannot be reached.
        """
        state, i = self.state, self._fleet.evs[self.state.next_ev]
        view = self._view
        whole = isinstance(station, int | np.integer) and not isinstance(station, bool)
        if not whole or not 0 <= station < len(self.system.stations) or not view.reachable[station]:
            valid = [info.id for info, ok in zip(self.system.stations, view.reachable, strict=True) if ok]
            raise CosimError(
                f"the recommender chose station {station!r} for vehicle {view.request.vehicle}; valid are the "
                f"positions of {', '.join(valid)} among {len(self.system.stations)} stations."
            )
        self.traffic.add_request(
            view.request.vehicle,
            view.request.edge,
            self.system.stations[station].edge,
            station,
            self._fleet.vehicle_type[i],
        )
        state.records.decisions.append((view.request.time_s, view.request.vehicle, station))
        state.trips.station[i] = station
        state.trips.request_s[i] = float(view.request.time_s)
        state.trips.soc_request[i] = view.request.soc
        state.en_route[station] += 1
        state.heading_for[i] = station
        state.next_ev += 1

    def observe(self, request: Request) -> Observation:
        """Return the system as the recommender sees it for the request that was raised last."""
        if request is not self._view.request:
            raise CosimError(f"the request of vehicle {request.vehicle} is over.")
        return self._view

    def _request(self) -> Request | None:
        """Return the next request of this second, if there is one."""
        state, now_s = self.state, self.traffic.time_s
        while state.next_ev < len(self._fleet.evs) and self._fleet.depart_s[self._fleet.evs[state.next_ev]] == now_s:
            i = self._fleet.evs[state.next_ev]
            request = Request(
                step=len(state.records.decisions),
                time_s=now_s,
                vehicle=self.demand.vehicle[i],
                edge=int(self.demand.origin[i]),
                destination=self._fleet.destination[i],
                soc=float(self.demand.soc_start[i]),
            )
            reachable = self._reach_to[request.edge] & self._reach_from[request.destination]
            self._view = Observation(request, self.system, state.stations, state.en_route, self.traffic, reachable)
            if reachable.any():
                self._close_decision()
                return request
            # No station can be reached from here: counted, and the vehicle drives on uncharged.
            self.traffic.add_trip(request.vehicle, request.edge, request.destination, self._fleet.vehicle_type[i])
            state.unreachable += 1
            state.next_ev += 1
        return None

    def _ended(self) -> bool:
        if self.state.arrived == len(self.demand):
            self.stop_reason = "all arrived"
        elif self.now_s >= self._limit_s:
            self.stop_reason = "time limit"
        return self.stop_reason != "not finished"

    def _step(self) -> None:
        """Advance SUMO to the next instant at which something happens, and settle the stations up to then."""
        state, traffic = self.state, self.traffic
        happenings = traffic.advance(self._horizon())
        until_s = traffic.time_s
        arrivals: list[Arrival] = []
        if happenings is not None:
            for vehicle in happenings.entered:
                if not self._fleet.is_stranger(vehicle):
                    self._entered(vehicle)
            arrivals = [self._stationed(time_s, vehicle) for time_s, vehicle in happenings.stationed]
            for time_s, vehicle in happenings.arrived:
                if not self._fleet.is_stranger(vehicle):
                    self._arrived(time_s, vehicle)
        for _, _, session in state.stations.settle(until_s, arrivals):
            state.trips.note_visit(session)
            state.charged += not math.isnan(session.charged_s)
            traffic.send_on(self.demand.vehicle[session.vehicle], self._fleet.destination[session.vehicle])

    def _horizon(self) -> int:
        """Return the next whole second at which anybody but SUMO has to act."""
        end_s = self.state.stations.next_end_s()
        horizon_s = self._due_s if end_s > self._due_s else math.ceil(end_s)
        return horizon_s if not self.by_event else min(horizon_s, self._chunk_end_s())

    def _next_due_s(self) -> int:
        """Return when the next request, control, record or the end is due."""
        now_s = self.now_s
        due_s = [math.ceil((now_s // period_s + 1) * period_s) for period_s in self._periods_s]
        if self.state.next_ev < len(self._fleet.evs):
            due_s.append(self._fleet.depart_s[self._fleet.evs[self.state.next_ev]])
        if now_s < self.scenario.begin_of_control_s:
            due_s.append(self.scenario.begin_of_control_s)
        return min(*due_s, self._limit_s)

    def _chunk_end_s(self) -> int:
        """Return how far SUMO may run in one call: a vehicle that arrives within it must not be done within it."""
        stays_s = [int(self._fleet.shortest_stay_s(i)) for i in self.state.heading_for]
        return self.now_s + max(1, min([_LONGEST_CHUNK_S, *stays_s]))

    # ---- what happens to a vehicle

    def _entered(self, vehicle: str) -> None:
        """Note the length of the way ahead; unless it leads to a station, the vehicle keeps this route to its end."""
        i = self._fleet.index[vehicle]
        if self._fleet.sumo_alone_knows(i):
            return
        if i not in self.state.heading_for and i not in self.state.missed:
            self.state.trips.distance_m[i] = self.traffic.route_m(vehicle, self._fleet.destination[i])

    def _stationed(self, time_s: int, vehicle: str) -> Arrival:
        """Hand a vehicle that left the road over to its station."""
        state, i = self.state, self._fleet.index[vehicle]
        station = state.heading_for.pop(i)
        state.en_route[station] -= 1
        driven_m = self.traffic.driven_m(vehicle)
        soc = self._fleet.soc(i, driven_m)
        state.trips.distance_m[i] = driven_m
        state.trips.arrival_station_s[i] = float(time_s)
        state.trips.soc_plug_in[i] = soc
        state.empty_battery += soc < 0.0
        return self._fleet.arrival(i, station, time_s, soc)

    def _arrived(self, time_s: int, vehicle: str) -> None:
        """Note the end of a trip."""
        state, i = self.state, self._fleet.index[vehicle]
        station = state.heading_for.pop(i, None)
        if station is None:
            state.trips.arrive_s[i] = float(time_s)
            state.arrived += 1
            return
        # SUMO teleported it past its station to the end of that edge: counted, and it drives on uncharged. The distance
        # of a teleport is not known.
        state.en_route[station] -= 1
        state.missed.add(i)
        self.traffic.add_trip(
            vehicle, self.system.stations[station].edge, self._fleet.destination[i], self._fleet.vehicle_type[i]
        )

    # ---- control, power flow, records

    def _control(self) -> None:
        """Run the controllers and the droop, and record, if this instant is due for it."""
        now_s, state = self.now_s, self.state
        if now_s < self._due_s:
            return
        self._due_s = self._next_due_s()
        state.stations.run_controllers(now_s)
        if now_s > self._begin_s and now_s % self.scenario.droop.control_interval_s == 0:
            solution = self._grid_log.solve(*state.stations.take_peak("interval", now_s))
            caps_kw = station_caps_kw(solution.vm_pu, self._station_rows, self.scenario.droop)
            state.stations.set_caps(caps_kw, now_s)
        if now_s % self.scenario.simulation.record_interval_s == 0 or now_s == self._begin_s:
            self._record()

    def _record(self) -> None:
        stations, records = self.state.stations, self.state.records
        present: dict[str, list[Any]] = {
            "queued": stations.queued,
            "charging": stations.charging,
            "en_route": self.state.en_route,
            "power_kw": stations.load_kw,
            "cap_kw": stations.caps_kw,
        }
        records.add_instant(self.now_s, present, self.traffic.vehicles_on_edges())
        self._grid_log.add_instant(stations.load_kw, self.now_s)
        if self.on_record is not None:
            self.on_record()

    def settle_records(self) -> None:
        """Complete the records up to now: power flows that were put off, vehicles that are still charging."""
        self._grid_log.settle()
        for m, site in enumerate(self.state.stations.sites):
            site.account(self.now_s)
            for session in self.state.stations.present(m)[1]:
                self.state.trips.plug_in_s[session.vehicle] = session.plug_in_s
                self.state.trips.energy_kwh[session.vehicle] = session.drawn_until_kwh(self.now_s)

    def last_cost(self) -> float:
        """Return the cost of the decision whose step is over, once the next request is raised or the run has ended."""
        self._grid_log.settle_decisions()
        return self.state.records.costs[-1]

    def _close_decision(self) -> None:
        """End the decision step that is open, if one is: its cost is that of its peak load (paper, Eq. 27)."""
        peak = self.state.stations.take_peak("decision", self.now_s)
        if self._grid_log.decisions < len(self.state.records.decisions):
            self._grid_log.add_decision(*peak)

    def _finish(self) -> None:
        self._close_decision()
        self.settle_records()
        self._sumo_incidents = self.traffic.incidents()
        if self.by_event or self.demand.route_file is not None:
            self.traffic.finish()
            for vehicle, (time_s, distance_m) in self.traffic.exact_arrivals().items():
                if self._fleet.is_stranger(vehicle):
                    continue
                i = self._fleet.index[vehicle]
                self.state.trips.arrive_s[i] = float(time_s)
                if math.isnan(self.state.trips.distance_m[i]) and i not in self.state.missed:
                    self.state.trips.distance_m[i] = distance_m
        # Not the present instant, which lies some quiet seconds later where several are crossed in one call.
        self.state.stations.finish(self.end_s)

    # ---- results

    @property
    def end_s(self) -> float:
        """When the last vehicle was gone, or the present instant."""
        if self.stop_reason == "all arrived":
            return max(self.state.trips.arrive_s, default=0.0)
        return float(self.now_s)

    def counts(self) -> dict[str, int]:
        """Count vehicles, decisions, power flows and everything that went wrong."""
        state = self.state
        if self.stop_reason == "not finished" and self._traffic is not None and self._traffic.is_open:
            with contextlib.suppress(SimulatorError):  # SUMO is gone: the last known numbers stand
                self._sumo_incidents = self.traffic.incidents()
        return {
            "vehicles": len(self.demand),
            "evs": len(self._fleet.evs),
            "arrived": state.arrived,
            "charged": state.charged,
            "decisions": len(state.records.decisions),
            **dataclasses.asdict(state.flows),
            "unreachable": state.unreachable,
            "missed_station": len(state.missed),
            "empty_battery": state.empty_battery,
            **self._sumo_incidents,
        }
