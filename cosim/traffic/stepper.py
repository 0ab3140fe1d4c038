"""Driving SUMO: in this process (libsumo) or behind a socket (TraCI), the same calls and the same answers.

Clock: an event of SUMO's step ``t`` (an insertion, an arrival, a vehicle leaving the road at its station) happens at
time ``t``; ``time_s`` is the step that comes next. A vehicle added when ``time_s`` is ``t`` departs at ``t``.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import subprocess
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from xml.etree import ElementTree as ET

import numpy as np

from cosim.errors import SimulatorError
from cosim.traffic.files import EV_TYPE, parking_area, write_view
from cosim.traffic.install import import_binding, missing_library_sentence, sumo_program

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from cosim.traffic.network import RoadNetwork

#: TraCI flags of a stop that is in a parking area, off the road.
_PARKING_STOP = 1 + 64
#: Stops end by command, not by themselves.
_FOREVER_S = 1e7
_TRIPINFO = "tripinfo.xml"


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """What the scenario says about the traffic simulator; see ``SimulationTable``."""

    backend: Literal["libsumo", "traci"]
    by_event: bool
    gui: bool
    seed: int
    routing: str
    rerouting_interval_s: int
    teleport_s: float
    checkpoints: bool
    #: SUMO's clock at the beginning.
    begin_s: int = 0
    #: Whether SUMO writes down every trip's end and length, for :meth:`TrafficStepper.exact_arrivals`.
    write_trips: bool = False
    #: Additional files beside the stations', already copied.
    additional_files: tuple[str, ...] = ()
    #: Further options of SUMO's.
    handed_on: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Happenings:
    """What happened since the last call: seconds and vehicle ids.

    Attributes
    ----------
    entered : list of str
        Vehicles that entered the road: at their departure, or from their station.
    stationed : list of (int, str)
        Vehicles that left the road at their station.
    arrived : list of (int, str)
        Vehicles that ended their trip. When quiet seconds are crossed in one call the second is the last one crossed,
        and :meth:`TrafficStepper.exact_arrivals` knows better after the run.
    """

    entered: list[str] = field(default_factory=list)
    stationed: list[tuple[int, str]] = field(default_factory=list)
    arrived: list[tuple[int, str]] = field(default_factory=list)


class TrafficStepper:
    """One SUMO simulation, stepped by the loop.

    Life cycle: ``start`` (again to reset), ``advance`` and the commands in any order, ``close``.

    Parameters
    ----------
    network : RoadNetwork
        What SUMO loads, and the order of edges in every array.
    folder : Path
        Where the run's input files ``trips.rou.xml`` and ``stations.add.xml`` lie, and scratch files go.
    options : TrafficOptions
        Back end, seed, routing.
    """

    _libsumo_user: ClassVar[weakref.ref[TrafficStepper] | None] = None
    _libsumo_primed: ClassVar[bool] = False

    def __init__(self, network: RoadNetwork, folder: Path, options: TrafficOptions) -> None:
        self.network = network
        self.folder = folder
        self.options = options
        self.time_s = 0
        self._api: Any = None
        self._step: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        self._routes: set[str] = set()
        self._process_primed = False
        self._failed = False
        #: Vehicles that SUMO is moving on by a teleport.
        self._teleporting: set[str] = set()
        #: Vehicles that were sent to a station.
        self._sent: set[str] = set()
        #: Vehicles on each edge and travel times when SUMO was ended.
        self._last: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None
        self._binding = import_binding(options.backend)
        self._failures = self._failure_types()

    def _failure_types(self) -> tuple[type[BaseException], ...]:
        # libsumo's fatal error is neither its own TraCIException nor traci's fatal error.
        inner = getattr(self._binding, "libsumo", self._binding)
        names = ("TraCIException", "FatalTraCIError")
        found = {getattr(module, name, None) for module in (self._binding, inner) for name in names}
        return (*(kind for kind in found if isinstance(kind, type)), OSError, RuntimeError)

    # ---- life cycle

    def start(self, state: Path | None = None) -> None:
        """Begin at the first second of the run, or from a saved state.

        Raises
        ------
        SimulatorError
            If SUMO refuses its input, or another simulation of this process uses libsumo.
        """
        arguments = self._arguments(state)
        self._teleporting.clear()
        self._sent.clear()
        self._last = None
        with self._explained("SUMO could not be started"):
            if self._api is not None:
                self._api.load(arguments)
            elif self.options.backend == "libsumo":
                self._start_in_process(arguments)
            else:
                self._start_process(arguments)
            if self.options.checkpoints and not self._primed:
                self._prime_random_numbers(arguments)
            # The same call without the listeners of libsumo's Python layer, which nobody here uses.
            self._step = self._api.simulationStep if self._process is not None else self._api.simulation.step
            self._routes = set(self._api.route.getIDList()) if state else set()
            self.time_s = int(self._api.simulation.getTime())

    def _arguments(self, state: Path | None) -> list[str]:
        options = self.options
        arguments = {f"--{name}": value for name, value in options.handed_on}
        arguments |= {
            "--net-file": str(self.network.net_file),
            "--route-files": str(self.folder / "trips.rou.xml"),
            "--additional-files": ",".join([*options.additional_files, str(self.folder / "stations.add.xml")]),
            "--seed": str(options.seed),
            "--routing-algorithm": options.routing,
            "--device.rerouting.probability": "1",
            "--device.rerouting.adaptation-interval": str(options.rerouting_interval_s),
            "--time-to-teleport": str(options.teleport_s),
            "--xml-validation": "never",
            "--no-step-log": "true",
            "--duration-log.disable": "true",
            "--no-warnings": "true",
        }
        if options.checkpoints:
            # Without its random numbers, and with rounded speeds, a saved state continues differently.
            arguments |= {"--save-state.rng": "true", "--save-state.precision": "17"}
        if options.begin_s and state is None:
            arguments["--begin"] = str(options.begin_s)
        if options.by_event or options.write_trips:
            arguments["--tripinfo-output"] = str(self.folder / _TRIPINFO)
        if state is not None:
            arguments["--load-state"] = str(state)
        if options.gui:
            view = self.folder / "view.xml"
            write_view(view)
            arguments |= {"--start": "true", "--quit-on-end": "true"}
            arguments |= {"--gui-settings-file": str(view), "--window-size": "1200,900"}
        return [part for pair in arguments.items() for part in pair]

    @property
    def _primed(self) -> bool:
        return self._process_primed if self._process is not None else TrafficStepper._libsumo_primed

    def _prime_random_numbers(self, arguments: list[str]) -> None:
        """Make SUMO save its random numbers whole.

        SUMO 1.28 saves a generator as the number of draws since it was seeded while that number is below a million, but
        does not set the number back when it loads the next simulation: what the second simulation of a process saves
        continues with other random numbers. A state that says "a million draws" lifts the counts once and for all.
        """
        state = self.folder / "prime.xml"
        self._api.simulation.saveState(str(state))
        text = state.read_text(encoding="utf-8")
        tag = re.search(r"<rngState [^>]*>", text)
        if tag is None:
            raise SimulatorError("SUMO saved no random numbers; checkpoints are impossible.")
        lifted = re.sub(r'"\d+"', '"1000000"', tag[0])
        state.write_text(text.replace(tag[0], lifted), encoding="utf-8")
        self._api.load([*arguments, "--load-state", str(state)])
        self._api.load(arguments)
        if self._process is None:
            TrafficStepper._libsumo_primed = True
        self._process_primed = True

    def _start_in_process(self, arguments: list[str]) -> None:
        user = TrafficStepper._libsumo_user
        other = user() if user else None
        if other is not None and other is not self:
            raise SimulatorError(
                "libsumo holds one simulation per process, and another one is open; close it, use the traci backend, "
                "or give each simulation a process of its own."
            )
        self._binding.start([sumo_program("sumo"), *arguments])
        self._api = self._binding
        TrafficStepper._libsumo_user = weakref.ref(self)

    def _start_process(self, arguments: list[str]) -> None:
        if self.options.gui and not os.environ.get("DISPLAY"):
            raise SimulatorError("--gui needs a screen, but DISPLAY is not set; run without --gui.")
        import sumolib  # noqa: PLC0415 - 0.2 s, only for TraCI

        port = sumolib.miscutils.getFreeSocketPort()
        program = sumo_program("sumo-gui" if self.options.gui else "sumo")
        messages = (self.folder / "sumo.log").open("w+b")
        self._process = subprocess.Popen(
            [program, *arguments, "--remote-port", str(port)],
            stdout=messages,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, who then end SUMO
        )
        try:
            # traci prints each of its attempts; SUMO needs a few of them to load the network.
            with contextlib.redirect_stdout(io.StringIO()):
                self._api = self._binding.connect(port, numRetries=600, proc=self._process, waitBetweenRetries=0.05)
        except self._failures:
            self._process.kill()
            self._process.wait()
            messages.seek(0)
            text = messages.read().decode(errors="replace")
            sentence = missing_library_sentence(text)
            if sentence or text.strip():
                raise SimulatorError(sentence or f"SUMO could not be started: {' '.join(text.split())}") from None
            raise
        finally:
            messages.close()

    @property
    def is_open(self) -> bool:
        """Whether SUMO runs and has not failed."""
        return self._api is not None and not self._failed

    def close(self, *, abort: bool = False) -> None:
        """End the simulation; may be called twice.

        Parameters
        ----------
        abort : bool
            Kill SUMO's process instead of asking it to end: an interrupted conversation cannot be continued.
        """
        api, self._api = self._api, None
        if self.options.backend == "libsumo":
            if api is not None:
                TrafficStepper._libsumo_user = None
                with contextlib.suppress(*self._failures):  # after a fatal error there is nothing left to close
                    api.close()
            return
        if (abort or self._failed) and self._process is not None:
            self._process.kill()
        elif api is not None:
            with contextlib.suppress(*self._failures):  # a dead process cannot say good-bye
                api.close()
        if self._process is not None:
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def finish(self) -> None:
        """End the simulation, after which SUMO writes the trips; questions about the roads are still answered."""
        with self._explained("SUMO could not be asked"):
            self._last = self.vehicles_on_edges(), self.travel_times_s()
        self.close()

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except self._failures as error:
            raise self._failure(what, error) from error

    def _failure(self, what: str, error: BaseException) -> SimulatorError:
        self._failed = True
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=1)
            if self._process.returncode is not None:
                return SimulatorError(
                    f"SUMO died at simulated second {self.time_s} (exit status {self._process.returncode})."
                )
        detail = " ".join(str(error).split()) or type(error).__name__
        return SimulatorError(f"{what} at simulated second {self.time_s}: {detail.rstrip('.')}.")

    # ---- time

    def advance(self, due_s: int) -> Happenings | None:
        """Run SUMO until something happens to a vehicle, at most its steps before ``due_s``.

        When quiet seconds are crossed in one call, all of these steps are run.

        Returns
        -------
        Happenings or None
            None if nothing happened; ``time_s`` says how far SUMO is.

        Raises
        ------
        SimulatorError
            If SUMO died or reports an error.
        """
        simulation, step = self._api.simulation, self._step
        departed, rejoined = simulation.getDepartedNumber, simulation.getParkingEndingVehiclesNumber
        stationed, arrived = simulation.getParkingStartingVehiclesNumber, simulation.getArrivedNumber
        teleports = simulation.getStartingTeleportNumber
        time_s = self.time_s
        try:
            while time_s < due_s:
                time_s = due_s if self.options.by_event else time_s + 1
                step(float(time_s))
                self.time_s = time_s
                started: Collection[str] = ()
                if teleports() or self._teleporting:
                    ended = simulation.getEndingTeleportIDList()
                    self._teleporting.difference_update(ended)
                    started = set(simulation.getStartingTeleportIDList()).difference(ended)
                if departed() or arrived() or stationed() or rejoined():
                    happenings = Happenings(
                        [*simulation.getDepartedIDList(), *simulation.getParkingEndingVehiclesIDList()],
                        # Vehicles of the user's may park elsewhere.
                        [self._stationed(v) for v in simulation.getParkingStartingVehiclesIDList() if v in self._sent],
                        [(self._arrival_s(v), v) for v in simulation.getArrivedIDList()],
                    )
                    self._teleporting.update(started)
                    return happenings
                self._teleporting.update(started)
        except self._failures as error:
            raise self._failure("SUMO failed", error) from error
        return None

    def _arrival_s(self, vehicle: str) -> int:
        """Return when a vehicle arrived: in the last step, or in the one before if a teleport took it to its end.

        SUMO lists those that were under way by teleport one step late.
        """
        if vehicle not in self._teleporting:
            return self.time_s - 1
        self._teleporting.discard(vehicle)
        return self.time_s - 2

    def _stationed(self, vehicle: str) -> tuple[int, str]:
        if not self.options.by_event:
            return self.time_s - 1, vehicle
        return int(self._api.vehicle.getStops(vehicle, 1)[0].arrival), vehicle

    # ---- commands and questions

    def add_request(
        self, vehicle: str, origin: int, station_edge: int, station: int, vehicle_type: str = EV_TYPE
    ) -> None:
        """Let a vehicle depart now and leave the road at a station."""
        with self._explained(f"SUMO refused vehicle {vehicle}"):
            route = self._route(origin, station_edge)
            self._api.vehicle.add(vehicle, route, vehicle_type, departLane="best", departSpeed="max")
            self._sent.add(vehicle)
            self._api.vehicle.setStop(vehicle, parking_area(station), 0.0, 0, _FOREVER_S, _PARKING_STOP)

    def add_trip(self, vehicle: str, origin: int, destination: int, vehicle_type: str = EV_TYPE) -> None:
        """Let a vehicle depart now and drive straight to its destination."""
        with self._explained(f"SUMO refused vehicle {vehicle}"):
            route = self._route(origin, destination)
            self._api.vehicle.add(vehicle, route, vehicle_type, departLane="best", departSpeed="max")

    def _route(self, origin: int, destination: int) -> str:
        """Name the shortest route by length; the vehicle's rerouting device replaces it by the quickest at departure.

        Naming the two ends alone would do, but SUMO would then search the way twice.
        """
        edges = self.network.edges
        name = f"{edges[origin]}>{edges[destination]}"
        if name not in self._routes:
            self._api.route.add(name, [edges[edge] for edge in self.network.route(origin, destination)])
            self._routes.add(name)
        return name

    def send_on(self, vehicle: str, destination: int) -> None:
        """Let a vehicle leave its station for its destination, by the way that is shortest now."""
        with self._explained(f"SUMO refused to send {vehicle} on"):
            self._api.vehicle.changeTarget(vehicle, self.network.edges[destination])
            self._api.vehicle.resume(vehicle)

    def driven_m(self, vehicle: str) -> float:
        """Return the distance driven so far."""
        return float(self._api.vehicle.getDistance(vehicle))

    def route_m(self, vehicle: str, destination: int) -> float:
        """Return the distance driven so far plus that along the route to the end of the destination edge.

        NaN if the vehicle is gone already, which :meth:`exact_arrivals` mends after the run.
        """
        network, api = self.network, self._api.vehicle
        end_m = float(network.length_m[destination])
        try:
            ahead_m = float(api.getDrivingDistance(vehicle, network.edges[destination], end_m))
            return float(api.getDistance(vehicle)) + ahead_m if ahead_m >= 0.0 else math.nan
        except self._failures:
            if self.options.by_event:
                return math.nan
            raise

    def vehicles_on_edges(self) -> NDArray[np.int64]:
        """Count the vehicles on each edge, shape (n_edges,)."""
        if self._last is not None:
            return self._last[0]
        count = self._api.edge.getLastStepVehicleNumber
        return np.array([count(edge) for edge in self.network.edges], dtype=np.int64)

    def travel_times_s(self) -> NDArray[np.float64]:
        """Return the current travel time of each edge, shape (n_edges,)."""
        if self._last is not None:
            return self._last[1]
        time = self._api.edge.getTraveltime
        return np.array([time(edge) for edge in self.network.edges], dtype=np.float64)

    def incidents(self) -> dict[str, int]:
        """Count what went wrong on the road so far: teleports and collisions."""
        with self._explained("SUMO could not be asked"):
            read = self._api.simulation.getParameter
            return {
                "teleports": int(read("", "stats.teleports.total")),
                "collisions": int(read("", "stats.safety.collisions")),
            }

    def save_state(self, path: Path) -> None:
        """Write SUMO's state, random numbers included, for :meth:`start`."""
        with self._explained("SUMO could not save its state"):
            self._api.simulation.saveState(str(path))

    def exact_arrivals(self) -> dict[str, tuple[int, float]]:
        """Return arrival second and distance of each vehicle as SUMO wrote them; after ``finish``.

        Empty unless quiet seconds were crossed in one call or ``write_trips`` is set, or if SUMO died before it could
        write them.
        """
        path = self.folder / _TRIPINFO
        if not path.exists():
            return {}
        try:
            root = ET.parse(path).getroot()
        except ET.ParseError:  # SUMO died; the seconds known so far stand
            return {}
        return {
            info.attrib["id"]: (int(float(info.attrib["arrival"])), float(info.attrib["routeLength"]))
            for info in root.iter("tripinfo")
        }
