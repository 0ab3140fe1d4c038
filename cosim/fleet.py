"""The vehicles of a run: what each of them is, needs and has in mind."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from cosim.charging.session import battery_need_kwh
from cosim.charging.stations import Arrival
from cosim.traffic.files import EV_TYPE

if TYPE_CHECKING:
    from cosim.tables.traffic import FleetTable
    from cosim.traffic.demand import Demand


class Fleet:
    """Vehicles by their position in the demand, as plain numbers: the loop asks for them one at a time.

    Parameters
    ----------
    demand : Demand
        Who drives.
    table : FleetTable
        ``[fleet]`` of the scenario.
    strangers : bool
        Whether SUMO may move vehicles that are not in the demand: the user's files can make some.

    Attributes
    ----------
    index : dict of str to int
        Position of each vehicle.
    depart_s, destination : list of int
        Planned departure and last edge of each.
    vehicle_type : sequence of str
        SUMO's type of each.
    evs : list of int
        Positions of those that ask for a station, in the order of their departure.
    """

    def __init__(self, demand: Demand, table: FleetTable, *, strangers: bool) -> None:
        self._demand, self._table = demand, table
        self._of_routes = demand.route_file is not None
        self._strangers = strangers or self._of_routes
        self.index = {vehicle: i for i, vehicle in enumerate(demand.vehicle)}
        self.evs = [int(i) for i in np.flatnonzero(demand.is_ev)]
        self.vehicle_type = demand.vehicle_type or (EV_TYPE,) * len(demand)
        self.depart_s = [int(time_s) for time_s in demand.depart_s]
        self.destination = [int(edge) for edge in demand.destination]
        # What is declared, and how long it really takes; NaN if the vehicle does not park.
        self._parking_s = [float(stay_s) for stay_s in demand.parking_s]
        self._stay_s = [float(stay_s) for stay_s in demand.parking_s - demand.early_s]

    def is_stranger(self, vehicle: str) -> bool:
        """Return whether a vehicle is in no table: calibrators of the user's files make some, taxis wait for calls."""
        return self._strangers and vehicle not in self.index

    def sumo_alone_knows(self, i: int) -> bool:
        """Return whether a vehicle's way is SUMO's business: of route files, with stops and ends of its own."""
        return self._of_routes and not self._demand.is_ev[i]

    def soc(self, i: int, driven_m: float) -> float:
        """Return a vehicle's state of charge after driving (OP-SRL paper, Eq. 7-8)."""
        used_kwh = self._table.consumption_kwh_per_km * driven_m / 1000.0
        return float(self._demand.soc_start[i]) - used_kwh / self._table.battery_kwh

    def shortest_stay_s(self, i: int) -> float:
        """Return for how long a vehicle stays at its station at least, wherever that is and whatever it draws."""
        if not math.isnan(self._stay_s[i]):
            return self._stay_s[i]
        return self._need_kwh(self.soc(i, 0.0)) * 3600 / self._table.max_power_kw / self._table.efficiency

    def arrival(self, i: int, station: int, time_s: int, soc: float) -> Arrival:
        """Return what a vehicle brings to a station: need, battery, and when it wants to leave.

        Parameters
        ----------
        i : int
            The vehicle.
        station : int
            Where it is.
        time_s : int
            Now.
        soc : float
            Its state of charge; below 0 if its battery ran empty on the way.
        """
        arrival = Arrival(
            float(time_s), i, station, self._need_kwh(soc), battery_kwh=max(0.0, soc) * self._table.battery_kwh
        )
        if math.isnan(self._parking_s[i]):
            return arrival
        arrival = dataclasses.replace(arrival, departure_s=time_s + self._parking_s[i])
        if self._stay_s[i] == self._parking_s[i]:
            return arrival
        leaves_s = time_s + self._stay_s[i]
        return dataclasses.replace(arrival, leaves_s=leaves_s, notice_s=leaves_s - self._table.early_notice_s)

    def _need_kwh(self, soc: float) -> float:
        return battery_need_kwh(soc, self._table.target_soc, self._table.battery_kwh)
