"""The power flows of a run: solved, counted, and handed to the records.

Only the droop waits for its voltages. Costs of decisions and recorded instants feed nothing back, so they are solved
together when somebody wants to see them: back to back a power flow takes less than half the time that it takes between
two steps of SUMO. The results are the same to the last bit, since a solution depends on the loads alone: those of the
stations and, where the base load varies, the base of the instant, which therefore goes with them everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.traffic.departures import departure_times_s

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from cosim.grid.powerflow import PowerFlow, PowerFlowSolution
    from cosim.records import Records
    from cosim.scenario import Scenario
    from cosim.state import PowerFlowCounts

    #: Loads of the stations, and the instant that says which base load goes with them.
    _Loads = tuple[tuple[float, ...], float]


class GridLog:
    """Solves and records.

    Parameters
    ----------
    power_flow : PowerFlow
        The feeder with the stations' loads.
    scenario : Scenario
        Says which cost, and whether a collapse ends the run (then nothing is put off).
    """

    def __init__(self, power_flow: PowerFlow, scenario: Scenario) -> None:
        self._power_flow = power_flow
        self._scenario = scenario
        self._put_off = scenario.grid.on_collapse != "raise"
        self._decisions: list[_Loads] = []
        self._instants: list[_Loads] = []

    def bind(self, records: Records, counts: PowerFlowCounts) -> None:
        """Write to the records of another run from now on; what was put off is forgotten."""
        self._records = records
        self._counts = counts
        self._decisions.clear()
        self._instants.clear()

    def solve(self, power_kw: Sequence[float], time_s: float) -> PowerFlowSolution:
        """Solve now.

        Parameters
        ----------
        power_kw : sequence of float, shape (n_stations,)
            Load of each station.
        time_s : float
            The instant of these loads.
        """
        return self._count(self._power_flow.solve(power_kw, time_s))

    @property
    def decisions(self) -> int:
        """How many decision steps were noted."""
        return len(self._records.costs) + len(self._decisions)

    def add_decision(self, power_kw: Sequence[float], time_s: float) -> None:
        """Note the peak load of a decision step and its instant; its cost is recorded later."""
        self._decisions.append((tuple(power_kw), time_s))
        if not self._put_off:
            self.settle()

    def add_instant(self, power_kw: Sequence[float], time_s: float) -> None:
        """Note the load of a recorded instant; its voltages and lines are recorded later."""
        self._instants.append((tuple(power_kw), time_s))
        if not self._put_off:
            self.settle()

    def settle(self) -> None:
        """Solve what was put off, in its order."""
        self.settle_decisions()
        # Taken out first: if one of them has no solution, which ends the run, nobody tries it again.
        instants, self._instants = self._instants, []
        self._solve_all(instants, self._receive_voltages)

    def settle_decisions(self) -> None:
        """Solve what was put off for decisions only: a learner wants their costs at once."""
        decisions, self._decisions = self._decisions, []
        self._solve_all(decisions, self._receive_cost)

    def _solve_all(self, loads: list[_Loads], receive: Callable[[PowerFlowSolution], None]) -> None:
        solved: dict[tuple[tuple[float, ...], int], PowerFlowSolution] = {}
        for power_kw, time_s in loads:
            # In a quiet network many steps and instants have the same load.
            key = power_kw, self._power_flow.step_at(time_s)
            if key not in solved:
                solved[key] = self._power_flow.solve(power_kw, time_s)
            receive(self._count(solved[key]))

    def _count(self, solution: PowerFlowSolution) -> PowerFlowSolution:
        self._counts.powerflows += 1
        self._counts.nonconverged += not solution.converged
        self._counts.collapsed += solution.collapsed
        return solution

    def _receive_voltages(self, solution: PowerFlowSolution) -> None:
        self._records.add_solution(solution, self._power_flow.branch_results(solution))

    def _receive_cost(self, solution: PowerFlowSolution) -> None:
        self._records.costs.append(decision_cost_pu(solution, self._power_flow, self._scenario))


def decision_cost_pu(solution: PowerFlowSolution, power_flow: PowerFlow, scenario: Scenario) -> float:
    """Return the cost of a decision from the power flow of its peak load (paper, Eq. 27, or its variants).

    Parameters
    ----------
    solution : PowerFlowSolution
        Of the peak load; ``power_flow.no_load_of(solution)`` gives the cost that no recommendation can avoid.
    power_flow : PowerFlow
        The feeder.
    scenario : Scenario
        ``[reward] cost`` and the band of ``[grid]``.
    """
    kind, grid = scenario.reward.cost, scenario.grid
    if kind == "band":
        vm_pu = solution.vm_pu[~np.isnan(solution.vm_pu)]
        outside = np.maximum(grid.band_low_pu - vm_pu, vm_pu - grid.band_high_pu)
        return float(np.maximum(outside, 0.0).mean())
    deviation_pu = solution.deviation_pu()
    return deviation_pu - power_flow.no_load_of(solution).deviation_pu() if kind == "excess" else deviation_pu


def base_voltages_pu(power_flow: PowerFlow, times_s: Iterable[float]) -> NDArray[np.float64]:
    """Return the voltages without charging, of the buses or, where the base load varies, of each instant's buses.

    Parameters
    ----------
    power_flow : PowerFlow
        The feeder.
    times_s : iterable of float
        The instants.

    Returns
    -------
    ndarray of float, shape (n_bus,) or (n_instants, n_bus)
    """
    if power_flow.base is None:
        return power_flow.no_load.vm_pu
    # Without any instant, a table without rows.
    return np.array([power_flow.no_load_at(time_s).vm_pu for time_s in times_s]).reshape(
        -1, len(power_flow.bus_numbers)
    )


def base_cost_pu(scenario: Scenario, power_flow: PowerFlow, times_s: Sequence[float] | None = None) -> float:
    """Return the cost of a decision when nobody charges, which no recommendation can avoid.

    Parameters
    ----------
    scenario : Scenario
        Says which cost.
    power_flow : PowerFlow
        Of its feeder.
    times_s : sequence of float, optional
        Where the base load varies: the instants of the decisions, over which the mean is taken; without them the mean
        over all that can be expected, as the departures of the control period go.
    """
    base = power_flow.base
    if base is None:
        return decision_cost_pu(power_flow.no_load, power_flow, scenario)
    # Of a run without decisions, too, what was to be expected.
    instants_s = times_s or departure_times_s(scenario).tolist()
    steps, counts = np.unique([base.step_at(time_s) for time_s in instants_s], return_counts=True)
    costs = [
        decision_cost_pu(power_flow.no_load_at(step * base.step_s), power_flow, scenario) for step in steps.tolist()
    ]
    return float(counts @ np.array(costs) / counts.sum())
