"""What of a run changes and is not inside SUMO; copied whole for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cosim.charging.stations import ChargingStations
    from cosim.records import Records, TripLog


@dataclass(slots=True)
class PowerFlowCounts:
    """How many power flows a run asked for, and how many were out of the ordinary."""

    powerflows: int = 0
    nonconverged: int = 0
    collapsed: int = 0


@dataclass(slots=True)
class LoopState:
    """The loop's own state.

    Attributes
    ----------
    stations : ChargingStations
        Queues, chargers, loads.
    trips : TripLog
        What is known of each vehicle.
    records : Records
        What was recorded.
    en_route : list of int
        Vehicles on their way to each station.
    heading_for : dict of int to int
        Station of each vehicle that is on its way to one.
    flows : PowerFlowCounts
        Power flows so far.
    next_ev : int
        How many EVs have departed.
    missed : set of int
        EVs that SUMO teleported past their station; they drive on to their destination uncharged.
    arrived, charged, unreachable, empty_battery : int
        Vehicles at their destination; EVs that were charged; that could reach no station; that came to theirs with
        less than nothing in the battery.
    """

    stations: ChargingStations
    trips: TripLog
    records: Records
    en_route: list[int]
    heading_for: dict[int, int] = field(default_factory=dict)
    flows: PowerFlowCounts = field(default_factory=PowerFlowCounts)
    missed: set[int] = field(default_factory=set)
    next_ev: int = 0
    arrived: int = 0
    charged: int = 0
    unreachable: int = 0
    empty_battery: int = 0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run at one instant: SUMO's saved state and a copy of the loop's own."""

    seed: int
    time_s: int
    sumo_state: Path
    loop: LoopState
