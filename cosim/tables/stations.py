"""``[[station]]``, ``[recommender]``, ``[controller.STATION]`` and ``[reward]``: stations, and who decides what."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, model_validator

from cosim.tables.base import Identifier, NotNegative, Positive, Table, bus_name, plugin_name

#: What a station's ``bus`` may say instead of leaving it out.
LARGEST_LOADS = "largest-loads"


class StationTable(Table):
    """``[[station]]``: one charging station, on an edge of the network and a bus of the feeder.

    Its place is given in exactly one way: ``edge``, ``lane``, ``x_m`` and ``y_m``, ``lon`` and ``lat``, or
    ``charging_station``.

    Attributes
    ----------
    id : str
        Its name in every table.
    edge : str, optional
        The network's edge it stands beside: on the rightmost lane that cars may use.
    lane : str, optional
        The lane, such as ``main-street_1``.
    position_m : float, optional
        Where along the edge or lane; the middle if left out.
    x_m, y_m : float, optional
        A point in the network's coordinates; the station stands on the nearest edge that is long enough.
    lon, lat : float, optional
        The same in degrees (WGS 84), for a network with a geographic reference.
    charging_station : str, optional
        A ``<chargingStation>`` of ``[network] stations_from`` or of the additional files, whose place it takes over;
        also its power, the places for vehicles along its length, and its ``totalPower``, unless they are given here.
    bus : int or str, optional
        The feeder's bus, by number or name. Stations without one, or with ``"largest-loads"``, get the buses with the
        largest base loads, the first station the largest.
    chargers : int
        How many vehicles charge at once; everybody else queues, first in, first out.
    max_power_kw : float
        Rating of one charger.
    site_limit_kw : float, optional
        Limit of the whole site: known to its controller, and a fuse that scales all powers down if it does not care.
    """

    id: Identifier
    edge: str | None = None
    lane: str | None = None
    position_m: NotNegative | None = None
    x_m: float | None = None
    y_m: float | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    charging_station: str | None = None
    bus: Annotated[int | str | None, PlainValidator(bus_name)] = None
    chargers: Annotated[int, Field(ge=1)] = 60
    max_power_kw: Positive = 50.0
    site_limit_kw: Positive | None = None

    @model_validator(mode="after")
    def _one_place(self) -> StationTable:
        ways = ("edge", "lane", "x_m", "lon", "charging_station")
        for one, other in (("x_m", "y_m"), ("lon", "lat")):
            if (getattr(self, one) is None) != (getattr(self, other) is None):
                raise ValueError(f"give both {one} and {other}, or neither")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(
                f"give its place in exactly one way: edge, lane, x_m and y_m, lon and lat, or charging_station; "
                f"found {found}"
            )
        if self.position_m is not None and given[0] not in {"edge", "lane"}:
            raise ValueError(f"position_m goes with edge or lane, not with {given[0]}")
        return self


class RewardTable(Table):
    """``[reward]``: what ``decisions.parquet`` records as reward and cost of a decision.

    Attributes
    ----------
    kind : {"paper", "ttt"}
        ``paper``: ``scale * (maximum - mean number of vehicles)``, and for the last decision
        ``scale * (maximum - last_weight_per_s * vehicle seconds)`` (paper, Eq. 25-26). ``ttt``: minus the vehicle
        seconds of the step, the first step's counted from the start of the run, so that the sum is minus the total
        travel time.
    scale, maximum, last_weight_per_s : float
        w1, R_max and w2 of Eq. 25-26; the paper does not publish them.
    cost : {"paper", "excess", "band"}
        Mean over the buses of ``|1 - v|`` (Eq. 27); the same minus its value without any charging; or of how far the
        voltage lies outside the feeder's band.
    """

    kind: Literal["paper", "ttt"] = "paper"
    scale: Positive = 0.01
    maximum: float = 200.0
    last_weight_per_s: NotNegative = 1 / 600
    cost: Literal["paper", "excess", "band"] = "paper"


class PluginTable(BaseModel):
    """A plug-in's name; every other key is one of its options."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside ``name``."""
        return dict(self.model_extra or {})


class RecommenderTable(PluginTable):
    """``[recommender]``: who answers the charging requests."""

    name: Annotated[str, plugin_name("recommender")] = "uniform"


class ControllerTable(PluginTable):
    """``[controller.STATION]``: who sets the power of each vehicle at that station."""

    name: Annotated[str, plugin_name("controller")] = "uncontrolled"
