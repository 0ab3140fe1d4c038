"""Voltages of a feeder for given charging loads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cosim.errors import InputError, PowerFlowError
from cosim.grid.branches import Branches, BranchResults
from cosim.grid.collapse import ImpedanceBelow
from cosim.grid.engines import STATED, Engine, Lightsim, Pandapower
from cosim.grid.profiles import stated_base

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pandapower import pandapowerNet

    from cosim.grid.equations import Equations
    from cosim.grid.feeder import Feeder
    from cosim.grid.profiles import VaryingBase

# How far the fast engine's voltages may be from pandapower's.
AUDIT_PU = 1e-8
# Sums of powers that cancel but for this are the same.
_ROUNDING_MVA = 1e-12

# Options kept in a net under which pandapower solves other equations from load to load.
CHANGING_OPTIONS = ("enforce_q_lims", "run_control", "distributed_slack")


@dataclass(frozen=True, slots=True)
class PowerFlowSolution:
    """Voltages for one set of charging loads.

    Parameters
    ----------
    vm_pu : NDArray, shape (n_bus,)
        Voltage magnitudes in the order of ``net.bus``; NaN where out of service or isolated.
    voltage : NDArray, shape (n_node,), complex
        Node voltages, for :meth:`PowerFlow.branch_results`.
    power_kw : NDArray, shape (n_station,)
        The charging loads.
    mean_pu : float
        Mean of the voltages over the buses that have one.
    converged : bool
        Whether there is a solution with every load at constant power.
    collapsed : bool
        Whether some bus fell below the collapse voltage, where its load is an impedance and less than asked for.
    step : int
        Which step of a varying base it is for; -1 for the loads that the net states.
    """

    vm_pu: NDArray[np.float64]
    voltage: NDArray[np.complex128]
    power_kw: NDArray[np.float64]
    mean_pu: float
    converged: bool
    collapsed: bool
    step: int = STATED

    def deviation_pu(self) -> float:
        """Return the mean of ``|1 - v|`` over the buses that have a voltage (Eq. 4 and 27 of the OP-SRL paper)."""
        live = self.vm_pu[self.vm_pu == self.vm_pu]
        return float(np.abs(1.0 - live).mean())

    def minimum(self) -> tuple[float, int]:
        """Return the lowest voltage and the row of ``net.bus`` that has it (the first of several)."""
        row = int(np.nanargmin(self.vm_pu))
        return float(self.vm_pu[row]), row


class PowerFlow:
    """Power flow of a feeder with charging stations at some of its buses.

    The fast engine is checked against ``pandapower.runpp`` when the object is made, with and without charging load. If
    their voltages differ by more than 1e-8 pu, or the net is beyond it, pandapower itself solves and
    :attr:`engine_note` says why. A solution depends on the loads alone: whatever was solved before, the same loads
    give the same bits.

    Not safe to share between threads.

    Parameters
    ----------
    feeder : Feeder
        Its net is copied.
    station_buses : sequence of int
        Bus number of each charging station; several may share a bus.
    base_load_scale : float
        Factor on the active and reactive power of every load of the feeder.
    on_collapse : {"impedance", "raise"}
        What to do where loads have no solution, or one below `collapse_voltage_pu`: take them as impedances there
        (:mod:`cosim.grid.collapse`) and flag the solution, or raise.
    collapse_voltage_pu : float
        Voltage below which a load becomes an impedance.
    base : VaryingBase, optional
        How the feeder's loads and generators vary; without it they are constant.

    Attributes
    ----------
    engine : {"lightsim2grid", "pandapower"}
        Which one solves.
    engine_note : str
        One sentence on why pandapower is used; empty otherwise.
    bus_numbers : NDArray, shape (n_bus,), int
        Bus of each row of the results.
    line_numbers : NDArray, shape (n_line,), int
        Line of each row of the branch results, out of service or not.
    no_load : PowerFlowSolution
        The base case that the net states, with all stations at zero.
    base : VaryingBase or None
        As given.
    solves, nonconverged, collapsed : int
        How often :meth:`solve` was called; how often no constant-power solution was found; how often a bus fell below
        the collapse voltage.

    Raises
    ------
    InputError
        If a station's bus is unknown or has no voltage, or the scaled base load has no solution.
    PowerFlowError
        If `on_collapse` is ``"raise"`` and the base load alone brings a bus below `collapse_voltage_pu`.
    """

    engine: Literal["lightsim2grid", "pandapower"]

    def __init__(
        self,
        feeder: Feeder,
        station_buses: Sequence[int],
        *,
        base_load_scale: float = 1.0,
        on_collapse: Literal["impedance", "raise"] = "impedance",
        collapse_voltage_pu: float = 0.7,
        base: VaryingBase | None = None,
    ) -> None:
        self.base = base
        self._name = feeder.name
        self._stations = tuple(feeder.find_bus(bus) for bus in station_buses)
        self._on_collapse = on_collapse
        self._collapse_voltage = collapse_voltage_pu
        self.solves = self.nonconverged = self.collapsed = 0
        self.bus_numbers: NDArray[np.int64] = feeder.net.bus.index.to_numpy(dtype=np.int64)
        self.line_numbers: NDArray[np.int64] = feeder.net.line.index.to_numpy(dtype=np.int64)

        reference = Pandapower(feeder.net, self._stations, base_load_scale, base)
        if reference.equations is None:
            raise InputError(
                f"the feeder '{self._name}' has no power flow solution at {base_load_scale:g} times its base load."
            )
        self._equations: Equations = reference.equations
        self._set_nodes()
        self._change_pu = self._changes(reference.net)
        self._branches = Branches(self._equations, reference.net)
        self._impedance_below: ImpedanceBelow | None = None
        self._engine: Engine = reference
        self.engine, self.engine_note = "pandapower", ""
        self._choose_engine(reference)
        self.no_load = self._solution(np.zeros(len(self._stations)), self._equations.voltage)
        self._no_loads = {STATED: self.no_load}
        self.nonconverged = self.collapsed = 0

    def solve(self, power_kw: Sequence[float] | NDArray[np.float64], time_s: float | None = None) -> PowerFlowSolution:
        """Return the voltages for given charging loads.

        Parameters
        ----------
        power_kw : sequence of float, shape (n_station,)
            Active power of each station, positive when it charges; stations draw no reactive power.
        time_s : float, optional
            At which instant, in seconds since midnight; needed where the base varies, without meaning where it does
            not.

        Raises
        ------
        ValueError
            If there are not as many finite numbers as stations, or the instant is needed and missing.
        PowerFlowError
            If `on_collapse` is ``"raise"`` and a bus falls below the collapse voltage.
        """
        power = np.array(power_kw, dtype=np.float64)
        if power.shape != self._shape or not math.isfinite(power.sum()):
            raise ValueError(f"power_kw must be {len(self._stations)} finite numbers, one a station: {power_kw!r}")
        self.solves += 1
        step = self.step_at(time_s)
        return self._solution(power, self._engine.solve((power * 1e-3).tolist(), step), step)

    def step_at(self, time_s: float | None) -> int:
        """Return which step of the base holds at an instant; -1 always where it does not vary."""
        if self.base is None:
            return STATED
        if time_s is None:
            raise ValueError("time_s is needed: the base load of this feeder varies")
        return self.base.step_at(time_s)

    def no_load_at(self, time_s: float | None) -> PowerFlowSolution:
        """Return the solution of an instant without any charging; :attr:`no_load` where the base does not vary."""
        return self._without_charging(self.step_at(time_s))

    def no_load_of(self, solution: PowerFlowSolution) -> PowerFlowSolution:
        """Return what a solution of this object would be without any charging."""
        return self._without_charging(solution.step)

    def _without_charging(self, step: int) -> PowerFlowSolution:
        if step not in self._no_loads:
            counted = self.nonconverged, self.collapsed
            power = np.zeros(len(self._stations))
            self._no_loads[step] = self._solution(power, self._engine.solve(power.tolist(), step), step)
            self.nonconverged, self.collapsed = counted
        return self._no_loads[step]

    def branch_results(self, solution: PowerFlowSolution) -> BranchResults:
        """Return line loading, losses and the external grid's supply for a solution of this object."""
        at_slack = float(solution.power_kw[self._station_nodes == self._equations.slack].sum())
        if self._change_pu is not None and solution.step != STATED:
            at_slack += (
                float(self._change_pu[solution.step, self._equations.slack].real) * self._equations.base_mva * 1e3
            )
        return self._branches.results(solution.voltage, at_slack)

    def _changes(self, net: pandapowerNet) -> NDArray[np.complex128] | None:
        """Return what each node draws in each step beyond what the net states, shape (n_steps, n_node), per unit."""
        if self.base is None:
            return None
        of_bus = self.base.drawn_mva(net) - stated_base(net).drawn_mva(net)
        of_node = np.zeros((len(of_bus), len(self._equations.voltage)), dtype=np.complex128)
        live = np.flatnonzero(self._equations.node_of_bus >= 0)
        np.add.at(of_node.T, self._equations.node_of_bus[live], of_bus[:, live].T)
        of_node[np.abs(of_node) < _ROUNDING_MVA] = 0.0
        return of_node / self._equations.base_mva

    def extreme_steps(self) -> list[int]:
        """Return the steps of a varying base in which the feeder draws most and least without charging."""
        if self._change_pu is None:
            return []
        total = self._change_pu.real.sum(axis=1)
        return sorted({int(total.argmax()), int(total.argmin())})

    def _set_nodes(self) -> None:
        """Work out which node each bus and station is, and what each node counts in the mean."""
        node_of_bus = self._equations.node_of_bus
        self._dead_rows = np.flatnonzero(node_of_bus < 0)
        self._node_of_row = np.where(node_of_bus < 0, self._equations.slack, node_of_bus)
        live = node_of_bus[node_of_bus >= 0]
        # Nodes that stand for several buses count as often; those that stand for none (a line's open end) not at all.
        self._weight = np.bincount(live, minlength=len(self._equations.voltage)) / len(live)
        row = {int(number): place for place, number in enumerate(self.bus_numbers)}
        self._station_nodes = np.array([node_of_bus[row[bus]] for bus in self._stations], dtype=np.int64)
        self._shape = (len(self._stations),)
        dead = dict.fromkeys(bus for bus, node in zip(self._stations, self._station_nodes, strict=True) if node < 0)
        faults = [f"bus {bus} of the feeder '{self._name}' is out of service or isolated" for bus in dead]
        if faults:
            raise InputError([f"{fault}: no station can stand there." for fault in faults])

    def _choose_engine(self, reference: Pandapower) -> None:
        """Take lightsim2grid if it reproduces pandapower's voltages, else stay with pandapower and say why."""
        options = reference.net.get("user_pf_options") or {}
        changing = [option for option in CHANGING_OPTIONS if options.get(option)]
        if changing:
            self.engine_note = f"pandapower solves this feeder because its net asks for {', '.join(changing)}."
            return
        try:
            fast = Lightsim(self._equations, self._station_nodes.tolist(), self._change_pu)
        except (ImportError, ValueError, RuntimeError, LookupError) as error:
            self.engine_note = f"pandapower solves this feeder because lightsim2grid cannot: {error}."
            return
        steps = [STATED, *self.extreme_steps()]
        difference = max(_audit(fast, reference, self._equations, len(self._stations), step) for step in steps)
        if difference <= AUDIT_PU:
            self._engine, self.engine = fast, "lightsim2grid"
        else:
            self.engine_note = (
                "pandapower solves this feeder because lightsim2grid's voltages differ from its own by "
                f"{difference:.1e} pu (allowed: {AUDIT_PU:.0e})."
            )

    def _solution(
        self, power: NDArray[np.float64], voltage: NDArray[np.complex128] | None, step: int = STATED
    ) -> PowerFlowSolution:
        converged = voltage is not None
        magnitude = None if voltage is None else np.abs(voltage)
        collapsed = False
        if voltage is None or magnitude is None or magnitude.min() < self._collapse_voltage:
            voltage = self._voltage_with_impedances(power, step)
            magnitude = np.abs(voltage)
            collapsed = bool(magnitude.min() < self._collapse_voltage)
            # Above the collapse voltage, loads are at constant power.
            converged = converged or not collapsed
            self.nonconverged += not converged
            self.collapsed += collapsed
            if collapsed and self._on_collapse == "raise":
                raise PowerFlowError(self._why_collapsed(power, magnitude))
        vm_pu = magnitude[self._node_of_row]
        if len(self._dead_rows):
            vm_pu[self._dead_rows] = np.nan
        return PowerFlowSolution(
            vm_pu=vm_pu,
            voltage=voltage,
            power_kw=power,
            mean_pu=float(magnitude @ self._weight),
            converged=converged,
            collapsed=collapsed,
            step=step,
        )

    def _voltage_with_impedances(self, power: NDArray[np.float64], step: int) -> NDArray[np.complex128]:
        if self._impedance_below is None:
            self._impedance_below = ImpedanceBelow(self._equations, self._collapse_voltage)
        load = np.zeros(len(self._equations.voltage), dtype=np.complex128)
        np.add.at(load, self._station_nodes, power * 1e-3 / self._equations.base_mva)
        if self._change_pu is not None and step != STATED:
            load += self._change_pu[step]
        voltage = self._impedance_below.solve(load)
        if voltage is None:
            raise PowerFlowError(
                f"the feeder '{self._name}' has no power flow solution, not even with impedances for the loads below "
                f"{self._collapse_voltage:g} pu; {self._loads_text(power)}."
            )
        return voltage

    def _why_collapsed(self, power: NDArray[np.float64], magnitude: NDArray[np.float64]) -> str:
        node = int(magnitude.argmin())
        buses = self.bus_numbers[self._equations.node_of_bus == node]
        where = f"bus {buses[0]}" if len(buses) else "an open line end"
        return (
            f"the feeder '{self._name}' collapses: {where} falls to {magnitude[node]:.3f} pu, below "
            f"{self._collapse_voltage:g} pu; {self._loads_text(power)}."
        )

    def _loads_text(self, power: NDArray[np.float64]) -> str:
        largest = sorted(zip((-power).tolist(), self._stations, strict=True))[:5]
        listed = ", ".join(f"{-kilowatt:.0f} kW at bus {bus}" for kilowatt, bus in largest)
        return f"the largest charging loads are {listed}" if listed else "there is no charging load"


def _audit(fast: Engine, reference: Pandapower, equations: Equations, n_station: int, step: int) -> float:
    """Return the largest difference between the two engines' voltages, with and without charging load.

    The load is a fifth of the base load, shared unequally, and halved until pandapower has a solution. A step of a
    varying base that has no solution without charging either proves nothing.
    """
    base_mw = -float(equations.injection.real.sum()) * equations.base_mva
    shares = np.arange(1.0, n_station + 1)
    loads = shares / max(1.0, shares.sum()) * max(0.2 * base_mw, 0.01)
    worst = 0.0
    for power_mw in (np.zeros(n_station), loads):
        theirs = reference.solve(power_mw.tolist(), step)
        if theirs is None and not power_mw.any():
            return 0.0
        while theirs is None:
            power_mw = power_mw / 2  # noqa: PLW2901 - the next try
            theirs = reference.solve(power_mw.tolist(), step)
        ours = fast.solve(power_mw.tolist(), step)
        if ours is None:
            return math.inf
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst
