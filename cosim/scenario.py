"""The scenario file as typed tables: what is simulated, every quantity with its unit in its name.

:func:`load_scenario` reads a shipped name or a TOML file, applies overrides and reports every fault at once, each with
its file, table and key. :func:`to_toml` writes a resolved scenario back; running that file gives the same tables.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import tomli_w
from pydantic import Field, ValidationInfo, field_validator

from cosim.errors import nearest_name
from cosim.tables.base import Identifier, Table
from cosim.tables.grid import DroopTable, GridTable, PriceTable, ProfileTable
from cosim.tables.stations import ControllerTable, RecommenderTable, RewardTable, StationTable
from cosim.tables.traffic import DemandTable, FleetTable, NetworkTable, SimulationTable

if TYPE_CHECKING:
    from collections.abc import Sequence


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts CS2 before CS10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


class Scenario(Table):
    """A whole scenario. Stations are sorted by id, so that their order in the file does not matter."""

    name: Identifier
    description: str = ""
    simulation: SimulationTable = SimulationTable()
    network: NetworkTable
    demand: DemandTable = DemandTable()
    fleet: FleetTable = FleetTable()
    grid: GridTable
    profile: Annotated[tuple[ProfileTable, ...], Field(strict=False)] = ()
    droop: DroopTable = DroopTable()
    price: PriceTable = PriceTable()
    station: Annotated[tuple[StationTable, ...], Field(strict=False, min_length=1)]
    recommender: RecommenderTable = RecommenderTable()
    controller: dict[str, ControllerTable] = {}  # noqa: RUF012 - pydantic copies it
    reward: RewardTable = RewardTable()

    @field_validator("station")
    @classmethod
    def _unique_ids(cls, stations: tuple[StationTable, ...]) -> tuple[StationTable, ...]:
        ids = [station.id for station in stations]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise ValueError(f"two stations have the id '{repeated[0]}'; every station needs an id of its own")
        return tuple(sorted(stations, key=lambda station: _natural(station.id)))

    @field_validator("controller")
    @classmethod
    def _known_sites(cls, controllers: dict[str, ControllerTable], info: ValidationInfo) -> dict[str, ControllerTable]:
        stations: Sequence[StationTable] | None = info.data.get("station")
        if stations is not None:
            ids = [station.id for station in stations]
            for site in controllers:
                if site not in ids:
                    raise ValueError(f"unknown station '{site}'; {nearest_name(site, ids)}")
        return controllers

    @property
    def begin_of_control_s(self) -> int:
        """When the warm-up is over, on SUMO's clock."""
        return self.simulation.begin_s + self.simulation.warmup_s

    @property
    def end_of_control_s(self) -> int:
        """When the control period ends, on SUMO's clock; nobody departs later."""
        return self.begin_of_control_s + self.simulation.control_s


def to_toml(scenario: Table) -> str:
    """Write a scenario with all defaults and overrides filled in."""
    tables = scenario.model_dump(mode="python", exclude_none=True)
    # What may be left out altogether: a run without profiles says nothing of them.
    return tomli_w.dumps({name: table for name, table in tables.items() if table != ()})
