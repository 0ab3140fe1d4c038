"""What a run has recorded so far, column by column, and the tables made of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosim.charging.session import Session
    from cosim.grid.branches import BranchResults
    from cosim.grid.powerflow import PowerFlowSolution
    from cosim.tables.traffic import FleetTable
    from cosim.traffic.demand import Demand

#: Columns of ``trips.parquet`` in their order; see the README for units and meaning.
TRIP_COLUMNS = (
    "vehicle", "is_ev", "depart_s", "arrive_s", "driving_s", "waiting_s", "charging_s", "distance_m", "station",
    "request_s", "arrival_station_s", "plug_in_s", "plug_out_s", "soc_start", "soc_request", "soc_plug_in", "soc_end",
    "energy_kwh",
)  # fmt: skip


class TripLog:
    """One list per column of what becomes known about each vehicle; NaN until then."""

    def __init__(self, demand: Demand, fleet: FleetTable) -> None:
        count = len(demand)
        self.demand = demand
        self._fleet = fleet
        self.arrive_s = [math.nan] * count
        self.distance_m = [math.nan] * count
        self.station: list[int] = [-1] * count
        self.request_s = [math.nan] * count
        self.arrival_station_s = [math.nan] * count
        self.plug_in_s = [math.nan] * count
        self.plug_out_s = [math.nan] * count
        self.charged_s = [math.nan] * count
        self.left_s = [math.nan] * count
        self.soc_request = [math.nan] * count
        self.soc_plug_in = [math.nan] * count
        self.soc_end = [math.nan] * count
        self.energy_kwh = [math.nan] * count

    def note_visit(self, session: Session) -> None:
        """Take in the visit of a vehicle that has left its station."""
        i = session.vehicle
        plugged = not math.isnan(session.plug_in_s)
        self.plug_in_s[i] = session.plug_in_s
        self.plug_out_s[i] = session.left_s if plugged else math.nan
        self.charged_s[i] = session.charged_s
        self.left_s[i] = session.left_s
        self.energy_kwh[i] = session.drawn_kwh
        gained_kwh = self._fleet.efficiency * session.drawn_kwh - session.used_kwh
        self.soc_end[i] = self.soc_plug_in[i] + gained_kwh / self._fleet.battery_kwh

    def table(self, station_ids: Sequence[str]) -> pd.DataFrame:
        """Return ``trips``: one row per vehicle.

        Driving is what remains of the trip's duration when waiting, charging and parking are taken off, so that all
        add up exactly; it holds the time spent waiting to enter a full road. Charging lasts from plugging in until the
        target is reached, with all pauses that a site's controller makes; what a parked vehicle stays beyond it is
        parking.
        """
        demand = self.demand
        depart_s = demand.depart_s.astype(np.float64)
        arrive_s = np.array(self.arrive_s)
        plug_in_s = np.array(self.plug_in_s)
        # Who asked and ended the trip without having been at a station (see "missed_station") waited nowhere.
        arrival_station_s = np.array(self.arrival_station_s)
        asked = ~np.isnan(np.array(self.request_s)) & ~(np.isnan(arrival_station_s) & ~np.isnan(arrive_s))
        left_s, charged_s = np.array(self.left_s), np.array(self.charged_s)
        # Who left before a charger became free has waited all the time.
        unplugged = np.isnan(plug_in_s) & ~np.isnan(left_s)
        waiting_s = np.where(asked, np.where(unplugged, left_s, plug_in_s) - arrival_station_s, 0.0)
        charging_s = np.where(asked & ~unplugged, np.where(np.isnan(charged_s), left_s, charged_s) - plug_in_s, 0.0)
        parking_s = np.where(asked & ~np.isnan(charged_s) & ~np.isnan(left_s), left_s - charged_s, 0.0)
        at_station_s = np.nan_to_num(waiting_s) + np.nan_to_num(charging_s) + parking_s
        names = np.array([*station_ids, None], dtype=object)
        columns = {
            "vehicle": np.array(demand.vehicle, dtype=object),
            "is_ev": demand.is_ev,
            "depart_s": depart_s,
            "arrive_s": arrive_s,
            "driving_s": arrive_s - depart_s - at_station_s,
            "waiting_s": waiting_s,
            "charging_s": charging_s,
            "distance_m": np.round(np.array(self.distance_m), 3),
            "station": names[np.array(self.station, dtype=np.int64)],
            "request_s": np.array(self.request_s),
            "arrival_station_s": arrival_station_s,
            "plug_in_s": plug_in_s,
            "plug_out_s": np.array(self.plug_out_s),
            "soc_start": demand.soc_start,
            "soc_request": np.array(self.soc_request),
            "soc_plug_in": np.array(self.soc_plug_in),
            "soc_end": np.array(self.soc_end),
            "energy_kwh": np.array(self.energy_kwh),
        }
        return pd.DataFrame({name: columns[name] for name in TRIP_COLUMNS})


class Records:
    """Everything a run writes down, apart from the trips.

    Parameters
    ----------
    station_ids : sequence of str
        Stations, in the order of every list per station.
    bus_numbers, line_numbers : sequence of int
        Published numbers, in the order of the power flow's arrays.
    edges : sequence of str
        Road edges, in the order of the counts of vehicles.
    lane_km : ndarray of float, shape (n_edges,)
        Length of each edge times its number of lanes.
    """

    def __init__(
        self,
        station_ids: Sequence[str],
        bus_numbers: Sequence[int],
        line_numbers: Sequence[int],
        edges: Sequence[str],
        lane_km: np.ndarray,
    ) -> None:
        self.station_ids = tuple(station_ids)
        self.edges = tuple(edges)
        self.lane_km = lane_km
        self.bus_numbers = np.asarray(bus_numbers)
        self.line_numbers = np.asarray(line_numbers)
        self.instants_s: list[int] = []
        self._station_rows: dict[str, list[list[float]]] = {
            name: [] for name in ("queued", "charging", "en_route", "power_kw", "cap_kw")
        }
        self._on_edges: list[np.ndarray] = []
        self._vm_pu: list[np.ndarray] = []
        self._loading_percent: list[np.ndarray] = []
        self._loss_kw: list[np.ndarray] = []
        self.decisions: list[tuple[int, str, int]] = []
        self.costs: list[float] = []

    def add_instant(self, time_s: int, stations: dict[str, list[float]], on_edges: np.ndarray) -> None:
        """Record stations and roads at one instant.

        Parameters
        ----------
        time_s : int
            The instant.
        stations : dict of str to list
            Each with one entry per station.
        on_edges : ndarray of int, shape (n_edges,)
            Vehicles on each edge.
        """
        self.instants_s.append(time_s)
        self._on_edges.append(on_edges)
        for name, rows in self._station_rows.items():
            rows.append(list(stations[name]))

    def add_solution(self, solution: PowerFlowSolution, branches: BranchResults) -> None:
        """Record buses and lines of the next instant that has none yet."""
        self._vm_pu.append(solution.vm_pu)
        self._loading_percent.append(branches.line_loading_percent)
        self._loss_kw.append(branches.line_loss_kw)

    def last_minimum_pu(self) -> float:
        """Return the lowest voltage of the last recorded instant."""
        return float(np.nanmin(self._vm_pu[-1])) if self._vm_pu else math.nan

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return ``stations``, ``buses``, ``lines`` and ``edges``, one row per instant and element."""
        # An instant whose power flow has no solution, which ended the run, is left out.
        count = len(self._vm_pu)
        time_s = np.array(self.instants_s[:count], dtype=np.float64)
        stations: dict[str, np.ndarray] = {"time_s": np.repeat(time_s, len(self.station_ids))}
        stations["station"] = np.tile(np.array(self.station_ids, dtype=object), count)
        for name, rows in self._station_rows.items():
            kind = np.float64 if name.endswith("_kw") else np.int64
            stations[name] = np.array(rows[:count], dtype=kind).ravel()
        buses = {
            "time_s": np.repeat(time_s, len(self.bus_numbers)),
            "bus": np.tile(self.bus_numbers, count),
            "vm_pu": _flat(self._vm_pu),
        }
        lines = {
            "time_s": np.repeat(time_s, len(self.line_numbers)),
            "line": np.tile(self.line_numbers, count),
            "loading_percent": _flat(self._loading_percent),
            "loss_kw": _flat(self._loss_kw),
        }
        on_edges = np.array(self._on_edges[:count], dtype=np.int64).reshape(count, len(self.edges))
        edges = {
            "time_s": np.repeat(time_s, len(self.edges)),
            "edge": np.tile(np.array(self.edges, dtype=object), count),
            "vehicles": on_edges.ravel(),
            "density_per_km": (on_edges / self.lane_km).ravel(),
        }
        tables = {"stations": stations, "buses": buses, "lines": lines, "edges": edges}
        return {name: pd.DataFrame(columns) for name, columns in tables.items()}

    def decision_table(self) -> pd.DataFrame:
        """Return ``decisions`` without the reward, which follows from the trips; the open step's cost is NaN."""
        costs = self.costs + [math.nan] * (len(self.decisions) - len(self.costs))
        return pd.DataFrame(
            {
                "step": np.arange(len(self.decisions), dtype=np.int64),
                "time_s": np.array([time_s for time_s, _, _ in self.decisions], dtype=np.float64),
                "vehicle": np.array([vehicle for _, vehicle, _ in self.decisions], dtype=object),
                "station": np.array([self.station_ids[m] for _, _, m in self.decisions], dtype=object),
                "cost": np.array(costs, dtype=np.float64),
            }
        )


def _flat(rows: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(rows) if rows else np.zeros(0)
