"""What agents see and what they implement: recommenders answer charging requests, site controllers set charging power.

Everything an agent receives is a frozen view; an agent acts only through what it returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cosim.price import Price, StepLoad


@dataclass(frozen=True, slots=True)
class StationInfo:
    """What never changes about a station.

    Attributes
    ----------
    id : str
        Its name in every table.
    edge : int
        Position of its edge in the road network.
    lane : str
        The SUMO lane it stands beside.
    strip_start_m, strip_end_m : float
        Where along the lane vehicles leave the road.
    bus : int
        Number of its bus on the feeder.
    chargers : int
        How many vehicles charge at once.
    max_power_kw : float
        Rating of one charger.
    site_limit_kw : float
        Limit of the whole site; ``inf`` without one.
    """

    id: str
    edge: int
    lane: str
    strip_start_m: float
    strip_end_m: float
    bus: int
    chargers: int
    max_power_kw: float
    site_limit_kw: float


@dataclass(frozen=True, slots=True)
class FleetInfo:
    """What all EVs have in common; the scenario's ``[fleet]``."""

    battery_kwh: float
    consumption_kwh_per_km: float
    efficiency: float
    target_soc: float
    mean_initial_soc: float
    max_power_kw: float


class GridModel(Protocol):
    """A question to the feeder: what would the voltage be, now, beside the base load of this instant."""

    def mean_voltage_pu(self, power_kw: NDArray[np.float64]) -> float:
        """Solve one power flow.

        Parameters
        ----------
        power_kw : ndarray of float, shape (n_stations,)
            Charging load of each station.

        Returns
        -------
        float
            Mean voltage of all energised buses.
        """
        ...


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """What a recommender is told once, before the run.

    Attributes
    ----------
    stations : tuple of StationInfo
        In the order of every array per station.
    fleet : FleetInfo
        The vehicles.
    grid : GridModel
        The feeder with its base load.
    droop_slope_kw_per_pu : float
        How fast the droop controller takes power away (alpha of Eq. 14); 0 without droop.
    end_of_control_s : int
        When the last vehicle departs.
    begin_s : int
        When the run begins.
    """

    stations: tuple[StationInfo, ...]
    fleet: FleetInfo
    grid: GridModel
    droop_slope_kw_per_pu: float
    end_of_control_s: int
    begin_s: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One vehicle asks for a station.

    Attributes
    ----------
    step : int
        Number of the decision, from 0.
    time_s : int
        Now.
    vehicle : str
        Its id.
    edge, destination : int
        Where it is and where it goes, positions in the road network's edges.
    soc : float
        State of charge now.
    """

    step: int
    time_s: int
    vehicle: str
    edge: int
    destination: int
    soc: float


class SystemView(Protocol):
    """The system at the instant of a request. Arrays have one entry per station unless said otherwise.

    Everything is computed when it is first asked for, so that an agent pays only for what it reads.
    """

    @property
    def time_s(self) -> int:
        """Now."""
        ...

    @property
    def queued(self) -> NDArray[np.int64]:
        """Vehicles waiting for a charger."""
        ...

    @property
    def charging(self) -> NDArray[np.int64]:
        """Vehicles plugged in."""
        ...

    @property
    def en_route(self) -> NDArray[np.int64]:
        """Vehicles on their way there."""
        ...

    @property
    def power_kw(self) -> NDArray[np.float64]:
        """Charging load."""
        ...

    @property
    def cap_kw(self) -> NDArray[np.float64]:
        """What one charger may draw in this control interval."""
        ...

    @property
    def reachable(self) -> NDArray[np.bool_]:
        """Whether the vehicle can drive there and on to its destination."""
        ...

    @property
    def distance_to_m(self) -> NDArray[np.float64]:
        """Shortest distance from the vehicle; ``inf`` where there is none."""
        ...

    @property
    def distance_from_m(self) -> NDArray[np.float64]:
        """Shortest distance on to the vehicle's destination."""
        ...

    @property
    def time_to_s(self) -> NDArray[np.float64]:
        """Least current travel time from the vehicle."""
        ...

    @property
    def time_from_s(self) -> NDArray[np.float64]:
        """Least current travel time on to the vehicle's destination."""
        ...

    @property
    def edge_density_per_km(self) -> NDArray[np.float64]:
        """Vehicles per kilometre and lane, shape (n_edges,)."""
        ...


@runtime_checkable
class Recommender(Protocol):
    """Answers each charging request with a station.

    Life cycle: made once with the options of ``[recommender]``; ``reset`` before each run; ``recommend`` at each.
    """

    def reset(self, system: SystemInfo, rng: np.random.Generator) -> None:
        """Forget everything of the run before.

        Parameters
        ----------
        system : SystemInfo
            The stations and grids of the run.
        rng : numpy.random.Generator
            The only source of randomness the recommender may use.
        """
        ...

    def recommend(self, request: Request, view: SystemView) -> int:
        """Choose a station.

        Returns
        -------
        int
            Its position in ``system.stations``; it must be reachable.
        """
        ...


@dataclass(frozen=True, slots=True)
class SiteView:
    """One station as its controller sees it; nothing about vehicles that have not plugged in.

    Arrays have shape (n_chargers,); an empty charger holds NaN.

    Attributes
    ----------
    station : StationInfo
        What never changes.
    occupied : ndarray of bool
        Whether a vehicle is plugged in.
    vehicle : ndarray of int
        A number for each vehicle, the same as long as it is there; -1 for an empty charger.
    need_kwh : ndarray of float
        Battery energy still missing to the target.
    max_power_kw : ndarray of float
        What charger and vehicle can take (grid side); 0 for a vehicle that has its target and stays parked.
    power_kw : ndarray of float
        What it draws.
    battery_kwh : ndarray of float
        Energy in its battery.
    plug_in_s : ndarray of float
        When the vehicle was plugged in.
    parks : ndarray of bool
        Whether the vehicle stays until ``departure_s``, charged or not. The others leave once they are charged.
    departure_s : ndarray of float
        When a parked vehicle leaves, as its driver declared. For the others an estimate: by then most drivers expect to
        be charged (``fleet.open_stay_factor`` times as long as at the power allowed when it was plugged in).
    efficiency : float
        Battery energy per grid energy.
    cap_kw : float
        Droop cap of this control interval per charger; applied after the controller, whatever it asks for.
    queued : int
        Vehicles waiting.
    base : StepLoad
        Load beside the vehicles, known beforehand: of the station's bus, or of the community.
    price : Price
        Of the energy.
    """

    station: StationInfo
    occupied: NDArray[np.bool_]
    vehicle: NDArray[np.int64]
    need_kwh: NDArray[np.float64]
    max_power_kw: NDArray[np.float64]
    power_kw: NDArray[np.float64]
    battery_kwh: NDArray[np.float64]
    plug_in_s: NDArray[np.float64]
    parks: NDArray[np.bool_]
    departure_s: NDArray[np.float64]
    efficiency: float
    cap_kw: float
    queued: int
    base: StepLoad
    price: Price


@runtime_checkable
class SiteController(Protocol):
    """Sets the power of every vehicle plugged in at one station.

    Life cycle: made once per station and run with the options of ``[controller.STATION]``; ``schedule`` is called
    whenever a vehicle plugs in, is charged or leaves and, if ``period_s`` is a number, at every multiple of it.

    Three more things are used where a controller has them: ``reset(station, rng)``, called once before the run with its
    :class:`StationInfo` and the only generator it may draw from; ``notes``, a mapping of sentences to how often they
    apply, for the run's summary; and ``tables()``, a mapping of names to DataFrames, which the run folder holds as
    ``NAME.parquet`` with a column ``station`` (a column ``vehicle`` of the view's numbers becomes the vehicles' ids).
    """

    period_s: float | None

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64] | Sequence[float]:
        """Choose powers.

        Returns
        -------
        array of float, shape (n_chargers,)
            Grid-side power for each charger, kW. Empty chargers are ignored; each value is limited to
            ``[0, min(max_power_kw, cap_kw)]`` afterwards.
        """
        ...


@runtime_checkable
class ComputingController(SiteController, Protocol):
    """A site controller that also lets the vehicles compute, which drains their batteries.

    If its ``tables()`` have one named ``tasks`` with the columns ``tasks``, ``rejected`` and ``relative_gap`` (a row
    per second: how many came, how many were left to the edge server, by what share a better assignment could be cheaper
    at most), comparisons at a station sum it up.
    """

    def compute(self, since_s: float, until_s: float, site: SiteView) -> NDArray[np.float64]:
        """Do the work of the whole seconds since the last call.

        Called before anything at the station changes, so that the same vehicles were there all the time and drew the
        same power; also where there are none.

        Parameters
        ----------
        since_s, until_s : float
            The seconds that begin at or after the first and before the second instant.
        site : SiteView
            The station as it was at ``since_s``, after the last decision.

        Returns
        -------
        ndarray of float, shape (n_chargers,)
            Battery energy that each vehicle has used, kWh; 0 for empty chargers.
        """
        ...
