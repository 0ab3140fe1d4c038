"""Tasks of an edge server on charging vehicles: the OCEAN paper's examples, their optima and what the paper says."""

from __future__ import annotations

import numpy as np

from cosim_agents.ocean.examples import figure_8, section_4_2
from cosim_agents.ocean.offloading import solve
from cosim_agents.ocean.problem import needs

# Section 4.2: ten tasks of each of three types, three vehicles with the same rate and the same energy coefficient. The
# frequency that a task needs to be in time is then the same on all, and so is its energy: whoever computes what, the
# sum does not change. The question is only whether all of them fit.
tasks, vehicles = section_4_2()
frequency_hz, _ = needs(tasks, vehicles)
found = solve(tasks, vehicles)
print("Section 4.2: GHz that a task of each type needs:", np.round(frequency_hz[0, ::10] / 1e9, 4))
print(f"  {len(tasks) - found.rejected} of {len(tasks)} tasks placed, {found.energy_j:.9f} J a second")
print(f"  no assignment needs less than {found.bound_j:.9f} J")
used_ghz = found.by_vehicle(found.frequency_hz, len(vehicles)) / 1e9
for i, used in enumerate(used_ghz):
    print(f"  vehicle {i + 1}: {used:.3f} of {vehicles.capacity_hz[i] / 1e9:.1f} GHz")

# Tables 2 and 3 (Fig. 8): now the rates differ. A slow rate leaves less time to compute, and energy grows with the
# square of the frequency: the vehicles with the slowest rate get nothing at all.
tasks, vehicles = figure_8()
fast, best = solve(tasks, vehicles), solve(tasks, vehicles, exact=True)
print(f"Fig. 8: {fast.energy_j:.6f} J in a millisecond, certified to {100 * fast.relative_gap:.3f} %")
print(f"  {best.energy_j:.9f} J in a search to the optimum, certified to {100 * best.relative_gap:.1e} %")
counts = np.zeros((4, 3), dtype=np.int64)
np.add.at(counts, (np.arange(len(tasks)) // 30, best.vehicle // 7), 1)
for kind, row in enumerate(counts):
    print(f"  type-{kind + 1} tasks on type-1, type-2 and type-3 vehicles:", *row)
