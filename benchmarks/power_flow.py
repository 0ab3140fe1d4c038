"""What one power flow costs: ``PowerFlow.solve`` against ``pandapower.runpp`` on the same feeder and loads.

``python benchmarks/power_flow.py``. A solve is everything the loop needs: loads updated, voltages of all buses, their
mean. The loads differ from call to call, and both engines get the same ones, in turns.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import pandapower as pp
from common import default_scenario, machine, verdict

from cosim.coupling import couple
from cosim.grid.feeder import Feeder, largest_load_buses, load_feeder
from cosim.grid.powerflow import PowerFlow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

#: Targets of the project, microseconds.
_TARGETS_US = {"ieee33": 40.0, "ieee69": 60.0}
#: The largest load of one station, kW: together with the base load both feeders then have a solution.
_LARGEST_KW = {"ieee33": 600.0, "ieee69": 200.0}
_STATIONS_ON_IEEE69 = 12
_ROUNDS = 7


def solver(feeder: Feeder, buses: Sequence[int]) -> tuple[Callable[[NDArray[np.float64]], float], str]:
    """Return ours, and which engine it is."""
    power_flow = PowerFlow(feeder, buses)
    return lambda power_kw: power_flow.solve(power_kw).mean_pu, power_flow.engine


def reference(feeder: Feeder, buses: Sequence[int]) -> Callable[[NDArray[np.float64]], float]:
    """Return the usual way: set the loads in the net's table, ``runpp``, mean of the result table."""
    net = copy.deepcopy(feeder.net)
    loads = [pp.create_load(net, bus, p_mw=0.0) for bus in buses]

    def solve(power_kw: NDArray[np.float64]) -> float:
        net.load.loc[loads, "p_mw"] = power_kw / 1000.0
        pp.runpp(net)
        return float(net.res_bus["vm_pu"].mean())

    return solve


def seconds_each(solve: Callable[[NDArray[np.float64]], float], loads_kw: NDArray[np.float64]) -> float:
    """Return the processor time of one solve, averaged over the loads."""
    began = time.process_time()
    for power_kw in loads_kw:
        solve(power_kw)
    return (time.process_time() - began) / len(loads_kw)


def measure(feeder: Feeder, buses: Sequence[int], solves: int) -> None:
    """Measure one feeder and print a line."""
    rng = np.random.default_rng(0)
    loads_kw = rng.uniform(0.0, _LARGEST_KW[feeder.name], (solves, len(buses)))
    few_kw = loads_kw[: max(1, solves // 200)]
    ours, engine = solver(feeder, buses)
    theirs = reference(feeder, buses)
    # These calls also warm both up: runpp compiles its functions at first use where numba is installed.
    worst_pu = max(abs(ours(power_kw) - theirs(power_kw)) for power_kw in few_kw)
    rounds = [(seconds_each(ours, loads_kw), seconds_each(theirs, few_kw)) for _ in range(_ROUNDS)]
    ours_us, theirs_us = (statistics.median(column) * 1e6 for column in zip(*rounds, strict=True))
    target_us = _TARGETS_US[feeder.name]
    print(
        f"{feeder.name}, {len(buses)} stations, {engine}: {ours_us:.1f} us a solve, runpp {theirs_us:.0f} us, "
        f"ratio {theirs_us / ours_us:.0f}; target <= {target_us:.0f} us: {verdict(ours_us, target_us)}; "
        f"mean voltages differ by {worst_pu:.0e} pu at most"
    )


def main() -> None:
    """Measure both feeders."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--solves", type=int, default=4000, metavar="N", help="in each of 7 rounds")
    solves = parser.parse_args().solves
    print(f"{machine()}; medians of {_ROUNDS} rounds of {solves} solves, {max(1, solves // 200)} of runpp, in turns")
    system = couple(default_scenario())
    measure(system.feeder, [station.bus for station in system.stations], solves)
    feeder = load_feeder(name="ieee69", where="benchmark")
    measure(feeder, largest_load_buses(feeder, _STATIONS_ON_IEEE69), solves)


if __name__ == "__main__":
    main()
