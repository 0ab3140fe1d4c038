"""One run from scenario to result: the loop, a recommender and a run folder put together."""

from __future__ import annotations

import contextlib
import platform
import signal
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim import registry
from cosim._version import __version__
from cosim.errors import WriteError
from cosim.grid_log import base_voltages_pu
from cosim.metrics import voltage_report
from cosim.randomness import stream
from cosim.results import Result, RunFolder, make_metrics, make_tables
from cosim.scenario import Scenario, to_toml
from cosim.scenario_file import load_scenario
from cosim.simulation import Simulation
from cosim.site_records import site_accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from cosim.control import Recommender
    from cosim.coupling import CoupledSystem

#: At most this share of the wall time goes into writing tables while the run goes on.
_WRITING_SHARE = 0.05
_SHORTEST_WRITE_GAP_S = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes
    ----------
    time_s : int
        Simulated time.
    vehicles : int
        On the road or at a station.
    vehicles_left : int
        Not arrived yet.
    queued, charging : int
        Over all stations.
    min_voltage_pu : float
        Lowest bus at the last recorded instant.
    wall_s : float
        Since the run began.
    """

    time_s: int
    vehicles: int
    vehicles_left: int
    queued: int
    charging: int
    min_voltage_pu: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to see a run.

    Attributes
    ----------
    ready : callable, optional
        Called with the ``Simulation`` once network, feeder and stations are loaded.
    progress : callable, optional
        Called with a ``Progress`` at every recorded instant.
    """

    ready: Callable[[Simulation], None] | None = None
    progress: Callable[[Progress], None] | None = None


def run(  # noqa: PLR0913 - optional keywords, each with one meaning
    scenario: Scenario | str | Path = "nguyen-dupuis",
    *,
    recommender: Recommender | str | None = None,
    seed: int | None = None,
    out: str | Path | RunFolder | None = None,
    overwrite: bool = False,
    gui: bool = False,
    system: CoupledSystem | None = None,
    source: str | None = None,
    watch: Watch | None = None,
) -> Result:
    """Simulate a scenario.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, or what ``load_scenario`` takes.
    recommender : Recommender or str, optional
        An object of one's own, or a plug-in's name; the scenario's if left out.
    seed : int, optional
        Replaces the scenario's.
    out : path or RunFolder, optional
        Run folder to write; without it nothing is written.
    overwrite : bool
        Allow a folder that exists; what is in it is replaced once the new run begins.
    gui : bool
        Show SUMO's window.
    system : CoupledSystem, optional
        Network, feeder and stations if they are loaded already.
    source : str, optional
        The scenario's file or name, for messages.
    watch : Watch, optional
        Who wants to see what happens meanwhile.

    Returns
    -------
    Result
        Tables, metrics and counts.

    Raises
    ------
    InputError
        If scenario, plug-in or folder cannot be used.
    SimulatorError, PowerFlowError, InterruptedRunError
        If the run cannot go on or is interrupted. What it had is written first, whatever the error.
    """
    if not isinstance(scenario, Scenario):
        source = source or str(scenario)
    resolved = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
    changes: dict[str, Any] = {}
    if seed is not None:
        changes["simulation"] = resolved.simulation.model_copy(update={"seed": seed})
    if isinstance(recommender, str) and recommender != resolved.recommender.name:
        registry.load("recommender", recommender, where="recommender")
        changes["recommender"] = type(resolved.recommender)(name=recommender)
    resolved = resolved.model_copy(update=changes)
    agent = recommender if recommender is not None and not isinstance(recommender, str) else make_recommender(resolved)
    name = resolved.recommender.name if agent is not recommender else type(agent).__name__
    folder = out if isinstance(out, RunFolder | None) else RunFolder(Path(out), overwrite=overwrite)
    watch = watch or Watch()
    try:
        with Simulation(resolved, system=system, source=source, gui=gui) as simulation:
            if watch.ready is not None:
                watch.ready(simulation)
            return _Run(simulation, agent, name, folder, watch).go()
    finally:
        if folder is not None:
            folder.release()


@contextlib.contextmanager
def _stopping(simulation: Simulation) -> Iterator[None]:
    """Let Ctrl-C and a termination request end the run between two steps, a second one at once.

    In the middle of a step SUMO would be left in the middle of a sentence.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        simulation.request_stop()
        signal.signal(number, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if simulation.stop_requested:
        # Too late for this run, which is over, but not for the others of a comparison.
        raise KeyboardInterrupt


def make_recommender(scenario: Scenario) -> Recommender:
    """Make the recommender that a scenario names."""
    table = scenario.recommender
    agent: Recommender = registry.instantiate(
        "recommender", table.name, table.options, where=f"{scenario.name}: [recommender]"
    )
    return agent


class _Run:
    """The run in progress: asks, answers, reports, writes."""

    def __init__(
        self,
        simulation: Simulation,
        recommender: Recommender,
        name: str,
        folder: RunFolder | None,
        watch: Watch,
    ) -> None:
        self.simulation = simulation
        self.recommender = recommender
        self.name = name
        self.folder = folder
        self.watch = watch
        self.began = time.perf_counter()
        self.last_write = self.began
        self.write_gap_s = _SHORTEST_WRITE_GAP_S

    def go(self) -> Result:
        simulation = self.simulation
        info = simulation.reset()
        self.recommender.reset(info, stream(simulation.seed, "recommender"))
        simulation.on_record = self._recorded
        if self.folder is not None:
            self.folder.write_scenario(to_toml(_resolved(simulation)))
            self._write()
        try:
            with _stopping(simulation):
                while (request := simulation.advance()) is not None:
                    simulation.answer(self.recommender.recommend(request, simulation.observe(request)))
        except WriteError:
            raise
        except BaseException:
            # Nothing is held back: whatever ended the run goes on to the caller, once what it had is written.
            self._write()
            raise
        return self._write()

    def _recorded(self) -> None:
        now = time.perf_counter()
        if self.watch.progress is not None:
            self.simulation.settle_records()
            state = self.simulation.state
            self.watch.progress(
                Progress(
                    time_s=self.simulation.now_s,
                    vehicles=self.simulation.vehicles_present,
                    vehicles_left=len(self.simulation.demand) - state.arrived,
                    queued=sum(state.stations.queued),
                    charging=sum(state.stations.charging),
                    min_voltage_pu=state.records.last_minimum_pu(),
                    wall_s=now - self.began,
                )
            )
        if self.folder is not None and now - self.last_write > self.write_gap_s:
            self._write()
            self.last_write = time.perf_counter()
            self.write_gap_s = max(_SHORTEST_WRITE_GAP_S, (self.last_write - now) / _WRITING_SHARE)

    def _write(self) -> Result:
        simulation = self.simulation
        simulation.settle_records()
        end_s = simulation.end_s
        tables = make_tables(simulation.state, end_s, simulation.scenario.reward)
        grid = simulation.scenario.grid
        base_vm_pu = base_voltages_pu(simulation.power_flow, tables["stations"]["time_s"].drop_duplicates())
        voltage = voltage_report(tables["buses"], base_vm_pu, (grid.band_low_pu, grid.band_high_pu), end_s)
        sites = site_accounts(simulation.state.stations, tables["sessions"])
        summary = self._summary(make_metrics(tables, end_s), voltage, sites) | {"tables": list(tables)}
        if self.folder is not None:
            self.folder.write(tables, summary)
        return Result(summary, tables, self.folder.path if self.folder is not None else None)

    def _summary(
        self, metrics: dict[str, float], voltage: dict[str, float | int | None], sites: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        simulation = self.simulation
        scenario = simulation.scenario
        controllers = {
            station.id: scenario.controller[station.id].name if station.id in scenario.controller else "uncontrolled"
            for station in scenario.station
        }
        return {
            "scenario": scenario.name,
            "network": simulation.system.network.name,
            "grid": simulation.system.feeder.name,
            "recommender": self.name,
            "controllers": controllers,
            "seed": simulation.seed,
            "backend": simulation.backend,
            "complete": simulation.stop_reason != "not finished",
            "stop_reason": simulation.stop_reason,
            "steps": int(simulation.end_s) - scenario.simulation.begin_s,
            "wall_s": round(time.perf_counter() - self.began, 3),
            "power_flow_engine": simulation.power_flow.engine,
            "versions": _versions(),
            "metrics": metrics,
            "voltage": voltage,
            "sites": sites,
            "counts": simulation.counts(),
        }


def _resolved(simulation: Simulation) -> Scenario:
    """Return the scenario with the places filled in that were chosen when it was loaded."""
    places = {station.id: station for station in simulation.system.stations}
    stations = [
        station.model_copy(
            update={
                "bus": places[station.id].bus,
                # A point or a charging station becomes the lane that was found for it.
                "lane": None if station.edge is not None else places[station.id].lane,
                "position_m": (places[station.id].strip_start_m + places[station.id].strip_end_m) / 2,
                **dict.fromkeys(("x_m", "y_m", "lon", "lat", "charging_station")),
            }
        )
        for station in simulation.scenario.station
    ]
    network = simulation.scenario.network.model_copy(update={"stations_from": None})
    return simulation.scenario.model_copy(update={"network": network, "station": tuple(stations)})


def _versions() -> dict[str, str]:
    packages = ("eclipse-sumo", "pandapower", "lightsim2grid", "numpy", "pyarrow")
    found = {package: metadata.version(package) for package in packages}
    return {"cosim": __version__, "python": platform.python_version(), **found}
