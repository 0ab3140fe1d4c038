"""The state of the recommendation problem as one vector (OP-SRL paper, Eq. 16-19).

One encoder serves training and the trained policy alike, so that both see the same numbers; it needs no gymnasium.
Everything is scaled to about [0, 1]:

==================  =========  ===========================================================================
block               entries    scaling
==================  =========  ===========================================================================
EV                  5          origin and destination (x, y) in the network's bounding box; state of charge
links               n_edges    vehicles / (km lane) / jam density, at most 1
each station        9          vehicles / chargers; state of charge; waiting time / 600 s
``power``           n_stations charging load / rating of all chargers
``voltage``         n_buses    (1 - v) / 0.1, buses without supply left out
``time``            1          time / end of the control period, at most 1
``estimates``       4 each     expected driving, waiting and charging time over each station, and the charging time that
                    station    it costs everybody (``cosim.estimates``) / 600 s, at most an hour
==================  =========  ===========================================================================
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cosim.charging.session import SECONDS_PER_HOUR
from cosim.errors import InputError, nearest_name
from cosim.estimates import StationEstimates
from cosim.traffic.network import JAM_DENSITY_PER_KM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from cosim.charging.session import Session
    from cosim.control import Request, SystemInfo
    from cosim.coupling import CoupledSystem
    from cosim.observation import Observation
    from cosim.traffic.network import RoadNetwork

Extra = Literal["power", "voltage", "time", "estimates"]

EV_FEATURES = ("ev_origin_x", "ev_origin_y", "ev_destination_x", "ev_destination_y", "ev_soc")
#: Eq. 19, in its order.
STATION_FEATURES = (
    "queued", "charging", "queue_soc_mean", "queue_soc_std", "charging_soc_mean", "charging_soc_std",
    "waited_mean", "waited_std", "en_route",
)  # fmt: skip
_COUNTS = [0, 1, 8]
#: The columns of the extra block "estimates".
ESTIMATE_FEATURES = ("driving_time", "waiting_time", "charging_time", "time_cost_to_all")
#: Waiting times and estimated ones are divided by this.
WAIT_SCALE_S = 600.0
_LONGEST_ESTIMATE = 3600.0 / WAIT_SCALE_S
#: Voltage deviations are divided by this.
_DEVIATION_SCALE_PU = 0.1
_HIGHEST_PU = 2.0
#: A trip begins where its first edge begins and ends where its last one ends. Taken literally, all edges of a junction
#: would look the same; the points are therefore this share of the edge further in.
_INSIDE = 0.25

_charging_state = attrgetter("need_kwh", "since_s", "power_kw", "efficiency")
_queue_state = attrgetter("need_kwh", "arrival_s")


class ObservationEncoder:
    """Turns the present system into a vector.

    Parameters
    ----------
    system : CoupledSystem
        Network, feeder and stations.
    info : SystemInfo
        Fleet, end of the control period, and what estimates need.
    extra : iterable of {"power", "voltage", "time", "estimates"}
        Blocks beyond the paper's state, appended in this order whatever the order given.

    Attributes
    ----------
    names : tuple of str, length n
        What each entry is, such as ``"density[1-5]"`` or ``"queued[CS1]"``.

    Raises
    ------
    InputError
        If ``extra`` names an unknown block.
    """

    def __init__(
        self,
        system: CoupledSystem,
        info: SystemInfo,
        *,
        extra: Iterable[str] = (),
    ) -> None:
        wanted = set(extra)
        if unknown := sorted(wanted - set(get_args(Extra))):
            raise InputError(f"extra_obs: unknown block '{unknown[0]}'; {nearest_name(unknown[0], get_args(Extra))}.")
        self.extra = tuple(block for block in get_args(Extra) if block in wanted)
        network, stations = system.network, system.stations
        self._power_flow = system.power_flow
        self._count = len(stations)
        self._battery_kwh, self._target_soc = info.fleet.battery_kwh, info.fleet.target_soc
        self._begin_s, self._duration_s = info.begin_s, info.end_of_control_s - info.begin_s
        self._estimates = StationEstimates(info)
        self._origin_xy, self._destination_xy = _trip_ends(network)
        self._density_per_vehicle = 1.0 / JAM_DENSITY_PER_KM
        self._chargers = np.array([station.chargers for station in stations], dtype=np.float64)
        self._rating_kw = self._chargers * np.array([station.max_power_kw for station in stations])
        self._live_buses = np.flatnonzero(~np.isnan(self._power_flow.no_load.vm_pu))
        links = len(EV_FEATURES) + len(network.edges)
        self._links, self._stations = slice(len(EV_FEATURES), links), slice(links, links + 9 * self._count)
        self.names = (
            *EV_FEATURES,
            *(f"density[{edge}]" for edge in network.edges),
            *(f"{name}[{station.id}]" for station in stations for name in STATION_FEATURES),
            *self._extra_names([station.id for station in stations]),
        )

    def _extra_names(self, ids: Sequence[str]) -> list[str]:
        numbers = self._power_flow.bus_numbers[self._live_buses].tolist()
        names = {
            "power": [f"power[{station}]" for station in ids],
            "voltage": [f"deviation[{number}]" for number in numbers],
            "time": ["time"],
            "estimates": [f"{name}[{station}]" for station in ids for name in ESTIMATE_FEATURES],
        }
        return [name for block in self.extra for name in names[block]]

    def bounds(self, evs: int, time_limit_s: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what no entry can be below or above.

        Parameters
        ----------
        evs : int
            How many EVs a run has: all may be at, or on their way to, one station.
        time_limit_s : int
            End of the run: nobody waits longer.

        Returns
        -------
        low, high : ndarray of float32, shape (n,)
        """
        low, high = np.zeros(len(self.names)), np.ones(len(self.names))
        block = high[self._stations].reshape(self._count, 9)
        block[:, 0] = block[:, 8] = evs / self._chargers
        block[:, [6, 7]] = time_limit_s / WAIT_SCALE_S
        for k, name in enumerate(self.names):
            if name.startswith("deviation["):
                low[k], high[k] = (1.0 - _HIGHEST_PU) / _DEVIATION_SCALE_PU, 1.0 / _DEVIATION_SCALE_PU
            elif name.split("[")[0] in ESTIMATE_FEATURES:
                # A load that raises the mean voltage, in a feeder above 1 pu, has a cost below zero.
                low[k], high[k] = -_LONGEST_ESTIMATE, _LONGEST_ESTIMATE
        return low.astype(np.float32), high.astype(np.float32)

    def encode(self, view: Observation, request: Request | None) -> NDArray[np.float32]:
        """Return the state vector.

        Parameters
        ----------
        view : Observation
            The system now.
        request : Request or None
            Who asks; None after the last decision: then the EV's entries are zero.

        Returns
        -------
        ndarray of float32, shape (n,)
            A new array, in the order of :attr:`names`.
        """
        state = np.zeros(len(self.names))
        if request is not None:
            state[0:2] = self._origin_xy[request.edge]
            state[2:4] = self._destination_xy[request.destination]
            state[4] = min(max(request.soc, 0.0), 1.0)
        np.minimum(view.edge_density_per_km * self._density_per_vehicle, 1.0, out=state[self._links])
        state[self._stations] = self.stations(view).ravel()
        at = self._stations.stop
        for block in self.extra:
            values = self._extra(block, view, request)
            state[at : at + len(values)] = values
            at += len(values)
        return state.astype(np.float32)

    def stations(self, view: Observation) -> NDArray[np.float64]:
        """Return the stations' part of the state (Eq. 19), which is also what a demand predictor reads.

        Standard deviations are those of the vehicles present (divided by n). An empty queue or station has zeros.

        Returns
        -------
        ndarray of float, shape (n_stations, 9)
            Columns as in ``STATION_FEATURES``.
        """
        waiting, plugged = zip(*(view.present(m) for m in range(self._count)), strict=True)
        groups = [len(sessions) for sessions in (*waiting, *waiting, *plugged)]
        missing_kwh, arrival_s = _columns(waiting, _queue_state, 2)
        need_kwh, since_s, power_kw, efficiency = _columns(plugged, _charging_state, 4)
        # A session accounts for its energy at events only; what it drew since then is added here, on a copy (Eq. 9).
        need_kwh = need_kwh - efficiency * (power_kw * (view.time_s - since_s) / SECONDS_PER_HOUR)
        waited = (view.time_s - arrival_s) / WAIT_SCALE_S
        values = np.concatenate([self._soc(missing_kwh), waited, self._soc(need_kwh)])
        mean, std = (part.reshape(3, self._count) for part in _mean_and_std(values, groups))
        columns = [view.queued, view.charging, mean[0], std[0], mean[2], std[2], mean[1], std[1], view.en_route]
        state = np.array(columns).T
        state[:, _COUNTS] /= self._chargers[:, None]
        return state

    def _soc(self, need_kwh: NDArray[np.float64]) -> NDArray[np.float64]:
        soc: NDArray[np.float64] = self._target_soc - np.maximum(need_kwh, 0.0) / self._battery_kwh
        return np.maximum(soc, 0.0)

    def _extra(self, block: str, view: Observation, request: Request | None) -> NDArray[np.float64]:
        values: NDArray[np.float64]
        if block == "power":
            values = view.power_kw / self._rating_kw
        elif block == "voltage":
            vm_pu = self._power_flow.solve(view.power_kw, view.time_s).vm_pu[self._live_buses]
            values = (1.0 - np.minimum(vm_pu, _HIGHEST_PU)) / _DEVIATION_SCALE_PU
        elif block == "estimates":
            values = self._estimated(view, request)
        else:
            values = np.array([min((view.time_s - self._begin_s) / self._duration_s, 1.0)])
        return values

    def _estimated(self, view: Observation, request: Request | None) -> NDArray[np.float64]:
        if request is None:
            return np.zeros(self._count * len(ESTIMATE_FEATURES))
        own = self._estimates.own_times_s(request, view)
        columns = [
            own.driving_to_s + own.driving_on_s, own.waiting_s, own.charging_s, self._estimates.externality_s(view)
        ]  # fmt: skip
        scaled: NDArray[np.float64] = np.array(columns).T.ravel() / WAIT_SCALE_S
        return np.minimum(np.maximum(scaled, -_LONGEST_ESTIMATE), _LONGEST_ESTIMATE)


def _mean_and_std(values: NDArray[np.float64], sizes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of groups of values, the first ``sizes[0]`` and so on; 0 for empty groups."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    divisor = np.maximum(sizes, 1)
    mean = np.bincount(group, values, len(sizes)) / divisor
    return mean, np.sqrt(np.bincount(group, np.square(values - mean[group]), len(sizes)) / divisor)


def _columns(
    sessions: Iterable[list[Session]], read: attrgetter[tuple[float, ...]], columns: int
) -> NDArray[np.float64]:
    """Return attributes of all stations' sessions, shape (columns, n_sessions)."""
    values = chain.from_iterable(map(read, chain.from_iterable(sessions)))
    return np.fromiter(values, dtype=np.float64).reshape(-1, columns).T


def _trip_ends(network: RoadNetwork) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a trip that begins or ends on each edge does so, in the bounding box of the roads.

    Returns
    -------
    origin, destination : ndarray of float, shape (n_edges, 2)
        From 0 to 1.
    """
    start = np.array([network.node_xy_m[node] for node in network.start_node])
    end = np.array([network.node_xy_m[node] for node in network.end_node])
    corners = np.concatenate([start, end])
    low, span = corners.min(axis=0), np.ptp(corners, axis=0)
    span[span == 0.0] = 1.0
    start, end = (start - low) / span, (end - low) / span
    along = _INSIDE * (end - start)
    return start + along, end - along
