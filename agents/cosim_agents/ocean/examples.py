"""The paper's small cases of offloading as data.

The paper gives rates in Mbps. Its section 4.2 says that a task of 300 KB and 60 Megacycles with 0.5 s needs 0.15 GHz at
a rate of 3: that is 3 MB/s with 1 MB = 1,000 KB. At 3 Mbit/s the transmission alone would take 0.8 s.
"""

from __future__ import annotations

import numpy as np

from cosim_agents.ocean.problem import ComputingVehicles, Tasks

#: Energy coefficient of all vehicles in the paper, J s^2 for each cycle.
PAPER_THETA = 5e-26
#: Rate of all vehicles in the paper, but for Table 3.
PAPER_RATE_MB_S = 3.0
#: Capacities of Nissan Leaf, BMW i3, Tesla Model 3 and Hyundai Ioniq Electric (section 5.1), Hz.
PAPER_CAPACITY_HZ = (1.8e9, 2.0e9, 2.3e9, 1.8e9)


def section_4_2() -> tuple[Tasks, ComputingVehicles]:
    """Return the example of section 4.2: ten tasks of each of three types, three vehicles.

    Returns
    -------
    Tasks, ComputingVehicles
        The tasks type by type. All fit, so that every assignment of all of them costs the same.
    """
    kind = np.repeat(np.arange(3), 10)
    tasks = Tasks(
        size_mb=np.array([0.3, 0.5, 0.7])[kind],
        cycles=np.array([60e6, 70e6, 80e6])[kind],
        deadline_s=np.array([0.5, 0.6, 0.7])[kind],
    )
    return tasks, ComputingVehicles(
        np.full(3, PAPER_RATE_MB_S), np.array([1.8e9, 2.0e9, 2.3e9]), np.full(3, PAPER_THETA)
    )


def figure_8() -> tuple[Tasks, ComputingVehicles]:
    """Return the case of Fig. 8 (Tables 2 and 3): 30 tasks of each of four types, seven vehicles of each of three.

    Returns
    -------
    Tasks, ComputingVehicles
        Both type by type.
    """
    kind, model = np.repeat(np.arange(4), 30), np.repeat(np.arange(3), 7)
    tasks = Tasks(
        size_mb=np.array([0.7, 0.5, 0.3, 0.7])[kind],
        cycles=np.array([70e6, 90e6, 70e6, 70e6])[kind],
        deadline_s=np.array([0.6, 0.6, 0.6, 1.0])[kind],
    )
    vehicles = ComputingVehicles(
        rate_mb_s=np.array([1.0, 2.0, 3.0])[model],
        capacity_hz=np.array([1.8e9, 2.0e9, 2.3e9])[model],
        theta=np.full(21, PAPER_THETA),
    )
    return tasks, vehicles
