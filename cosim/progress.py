"""What a person sees while a run goes on, and at its end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from cosim.metrics import UNITS
from cosim.results import PAGE

if TYPE_CHECKING:
    from types import TracebackType

    from cosim.results import Result
    from cosim.runner import Progress
    from cosim.scenario import Scenario
    from cosim.simulation import Simulation

#: Where the output is no terminal, a plain line this often (simulated seconds).
_PLAIN_LINE_EVERY_S = 1200
#: No guess of the time left before this share of the vehicles has arrived.
_GUESS_FROM = 0.05

#: What the metrics are called.
LABELS = {
    "ttt_s": "total travel time (TTT)",
    "cvv_pu": "cumulative voltage violation (CVV)",
    "wct_min": "waiting + charging per EV (WCT)",
    "mean_waiting_s": "mean waiting time per EV",
    "mean_charging_s": "mean charging time per EV",
    "mean_driving_s": "mean driving time per vehicle",
    "min_voltage_pu": "lowest recorded voltage",
    "energy_delivered_kwh": "energy from the chargers",
    "grid_losses_kwh": "losses of the lines",
}


class ProgressDisplay:
    """Progress and result on the terminal.

    Parameters
    ----------
    scenario : Scenario
        What runs.
    quiet : bool
        Show nothing.
    """

    def __init__(self, scenario: Scenario, *, quiet: bool) -> None:
        self.scenario = scenario
        self.console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self._next_line_s = 0
        #: How many there are; at the first instant nobody has arrived yet.
        self._vehicles = 0
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if self._is_terminal else None

    @property
    def _is_terminal(self) -> bool:
        return self.console.is_terminal and not self.console.quiet

    def __enter__(self) -> Self:
        """Say what is being loaded."""
        scenario = self.scenario
        self.console.print(f"Loading scenario '{scenario.name}' ({scenario.recommender.name}) ...", style="dim")
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the progress line away."""
        if self.live is not None:
            self.live.stop()

    def ready(self, simulation: Simulation) -> None:
        """Say what was loaded."""
        system, flow = simulation.system, simulation.power_flow
        self.console.print(
            f"{system.network.name}: {len(system.network.edges)} edges; {system.feeder.name}: "
            f"{len(flow.bus_numbers)} buses ({flow.engine}); {len(system.stations)} stations, "
            f"{sum(station.chargers for station in system.stations)} chargers; SUMO by {simulation.backend}"
        )
        if flow.engine_note:
            self.console.print(f"note: {flow.engine_note}")

    def update(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self.live is not None:
            self.live.update(Text(self._line(progress)), refresh=True)
        elif (simulated_s := self._simulated_s(progress)) >= self._next_line_s:
            self._next_line_s = simulated_s - simulated_s % _PLAIN_LINE_EVERY_S + _PLAIN_LINE_EVERY_S
            self.console.print(self._line(progress))

    def _simulated_s(self, progress: Progress) -> int:
        """Return how long the run has simulated; its clock may have begun later than at 0."""
        return progress.time_s - self.scenario.simulation.begin_s

    def _line(self, progress: Progress) -> str:
        simulated_s = self._simulated_s(progress)
        factor = simulated_s / progress.wall_s if progress.wall_s > 0 else 0.0
        return (
            f"{_clock(simulated_s)} simulated | {progress.vehicles} vehicles, "
            f"{progress.vehicles_left} to arrive | {progress.queued} queued, {progress.charging} charging | "
            f"min {progress.min_voltage_pu:.3f} pu | {factor:,.0f} x real time{self._time_left(progress)}"
        )

    def _time_left(self, progress: Progress) -> str:
        """Guess the wall time that is left: the vehicles still to arrive take as long each as those before them."""
        self._vehicles = max(self._vehicles, progress.vehicles_left)
        arrived = self._vehicles - progress.vehicles_left
        if arrived < _GUESS_FROM * self._vehicles:
            return ""
        minutes, seconds = divmod(math.ceil(progress.wall_s * progress.vehicles_left / max(arrived, 1)), 60)
        return f" | about {minutes}:{seconds:02d} left"

    def result(self, result: Result) -> None:
        """Show the metrics, what went wrong, and where the tables are."""
        summary = result.summary
        sites: dict[str, dict[str, Any]] = summary["sites"]
        table = Table(
            title=f"{summary['scenario']}, {summary['recommender']}, seed {summary['seed']}", title_justify="left"
        )
        table.add_column("metric")
        table.add_column("value", justify="right")
        table.add_column("unit")
        for name, value in result.metrics.items():
            table.add_row(LABELS.get(name, name), _number(value), UNITS.get(name, ""))
        self.console.print(table)
        counts = result.counts
        self.console.print(
            f"{counts['arrived']} of {counts['vehicles']} vehicles arrived, {counts['charged']} of {counts['evs']} EVs "
            f"charged; {counts['decisions']} decisions, {counts['powerflows']} power flows; simulated "
            f"{summary['steps']} s in {summary['wall_s']:.2f} s"
        )
        self.console.print(voltage_sentence(summary["voltage"]))
        if any(site["parked"] or summary["controllers"][name] != "uncontrolled" for name, site in sites.items()):
            self.console.print(_site_table(sites, summary["controllers"]))
        for name, site in sites.items():
            for note, times in site["notes"].items():
                self.console.print(f"note: {name} ({summary['controllers'][name]}): {note} ({times} times)")
        for warning in warnings_of(summary):
            self.console.print(f"warning: {warning}", style="yellow")
        if result.folder is not None and (result.folder / PAGE).exists():
            self.console.print(f"page: {result.folder / PAGE}")
        self.console.print(f"run folder: {result.folder}")


def warnings_of(summary: dict[str, object]) -> list[str]:
    """Return a sentence for everything about a run that a reader of its numbers must know."""
    counts: dict[str, int] = summary["counts"]  # type: ignore[assignment]
    sentences = {
        "teleports": "{} times SUMO moved on a vehicle that stood still too long (teleport): the network was jammed",
        "collisions": "{} collisions on the road",
        "unreachable": "{} EVs could reach no station and drove on uncharged",
        "missed_station": "{} EVs were teleported past their station and drove on uncharged",
        "empty_battery": "{} EVs reached their station with less than nothing in the battery",
        "nonconverged": "{} power flows have no solution with constant-power loads",
        "collapsed": "in {} power flows loads below the collapse voltage were taken as constant impedances",
    }
    found = [f"{text.format(counts[name])}." for name, text in sentences.items() if counts[name]]
    for name, site in summary["sites"].items():  # type: ignore[attr-defined]
        if site["short"]:
            reasons = "; ".join(f"{reason}: {count}" for reason, count in site["short_reasons"].items())
            found.append(
                f"station {name}: {site['short']} vehicles left {_energy(site['short_kwh'])} kWh short ({reasons}); "
                "sessions.parquet names them."
            )
    if summary["stop_reason"] == "time limit":
        left = counts["vehicles"] - counts["arrived"]
        found.append(
            f"the run stopped at simulation.time_limit_s with {left} vehicles still on their way or at a station; "
            "means over charged EVs leave those out that were not done."
        )
    return found


def _site_table(sites: dict[str, dict[str, Any]], controllers: dict[str, str]) -> Table:
    """Return what each station did."""
    table = Table(title="stations: energy asked for and given (kWh), peak load (kW)", title_justify="left")
    for column in ("station", "controller"):
        table.add_column(column)
    for column in ("EVs", "parked", "asked", "given", "short", "peak", "cost"):
        table.add_column(column, justify="right")
    for name, site in sites.items():
        table.add_row(
            name, controllers[name], str(site["visits"]), str(site["parked"]), f"{site['asked_kwh']:,.1f}",
            f"{site['delivered_kwh']:,.1f}", str(site["short"]), f"{site['peak_kw']:,.0f}", f"{site['cost']:,.2f}",
        )  # fmt: skip
    return table


def _energy(value_kwh: float) -> str:
    return f"{value_kwh:,.1f}" if value_kwh >= 0.1 else f"{value_kwh:.2g}"


def voltage_sentence(voltage: dict[str, Any]) -> str:
    """Return what a run's summary says of its voltages."""
    if voltage["lowest_time_s"] is None:
        return "no voltages were recorded"
    return (
        f"lowest voltage at bus {voltage['lowest_bus']} at {_clock(voltage['lowest_time_s'])}; outside "
        f"{voltage['band_low_pu']:g}-{voltage['band_high_pu']:g} pu: "
        f"{voltage['base_buses_outside']} buses without charging, "
        f"{voltage['new_buses_outside']} more with it ({voltage['new_violation_bus_h']:.1f} bus-hours)"
    )


def _clock(time_s: float) -> str:
    """Write seconds as the run's page does."""
    minutes, seconds = divmod(int(time_s), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"


def _number(value: float) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
