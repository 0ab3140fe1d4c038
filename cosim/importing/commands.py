"""The commands ``import osm`` and ``import tntp``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

importers = cyclopts.App(name="import", help="Make a ready scenario out of files from elsewhere.")


def _whole_number(_kind: object, tokens: Sequence[cyclopts.Token]) -> int:
    """Read a whole number; cyclopts would round 1.5."""
    text = tokens[0].value
    if not text.lstrip("+-").isdigit():
        raise InputError(f"--stations: found '{text}'; it must be a whole number, at least 1.")
    return int(text)


@importers.command
def osm(
    file: Path,
    /,
    *,
    out: Path,
    left_hand: Annotated[bool, Parameter(negative="")] = False,
    stations: Annotated[int, Parameter(converter=_whole_number)] = 4,
    grid: str = "ieee33",
    vehicles_per_h: float | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make a scenario of an OpenStreetMap extract (.osm or .osm.gz).

    Parameters
    ----------
    file
        OSM XML, as the map's export, Overpass or osmium write it.
    out
        The folder for scenario.toml and the network.
    left_hand
        Traffic keeps left.
    stations
        How many charging stations, spread over the network.
    grid
        The feeder, by name or file, as for run.
    vehicles_per_h
        Departures per hour; 10 for each kilometre of lane (from 60 to 5,000) if left out.
    overwrite
        Allow a folder that exists.
    quiet
        Print nothing but the scenario's path.
    """
    from cosim.importing.display import ImportDisplay  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.importing.osm import import_osm  # noqa: PLC0415
    from cosim.importing.ready_scenario import Wishes  # noqa: PLC0415

    wishes = Wishes(stations=stations, grid=grid, vehicles_per_h=vehicles_per_h)
    with ImportDisplay(quiet=quiet) as display:
        scenario = import_osm(file, out, left_hand=left_hand, wishes=wishes, overwrite=overwrite, display=display)
    if quiet:
        print(scenario)  # noqa: T201
    else:
        display.done(f"run it: python -m cosim run {scenario}")


@importers.command
def tntp(  # noqa: PLR0913 - one argument an option
    net: Path,
    trips: Path,
    nodes: Path | None = None,
    /,
    *,
    out: Path,
    length_unit: str | None = None,
    time_unit: str | None = None,
    period_h: float | None = None,
    demand_share: float = 1.0,
    speed_kmh: float | None = None,
    coordinates: str = "fit",
    both_ways: Annotated[bool, Parameter(negative="")] = False,
    stations: Annotated[int, Parameter(converter=_whole_number)] = 4,
    grid: str = "ieee33",
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """Make a scenario of a transportation test problem (TNTP).

    Parameters
    ----------
    net
        The network (NAME_net.tntp).
    trips
        The trips (NAME_trips.tntp).
    nodes
        Coordinates of the nodes (NAME_node.tntp); without them the network is laid out by the lengths of its links.
    out
        The folder for scenario.toml, the network and the table of trips.
    length_unit
        Unit of the lengths: m, km, mi, ft, or time where they mean nothing. The files do not say it, so it must be
        given, as must the next two.
    time_unit
        Unit of the free-flow times: s, min, h or 0.01h.
    period_h
        For how many hours capacities and trips stand: 1 if they are per hour, 24 if per day.
    demand_share
        Which share of the trips is driven.
    speed_kmh
        Speed of the links from whose length and time none follows.
    coordinates
        Unit of the node file: m, km, mi, ft, degrees, or fit (scaled to the lengths of the links).
    both_ways
        Give each link that has none a way back.
    stations
        How many charging stations, spread over the network.
    grid
        The feeder, by name or file, as for run.
    overwrite
        Allow a folder that exists.
    quiet
        Print nothing but the scenario's path.
    """
    from cosim.importing.display import ImportDisplay  # noqa: PLC0415 - heavy imports only where something runs
    from cosim.importing.ready_scenario import Wishes  # noqa: PLC0415
    from cosim.importing.tntp import import_tntp  # noqa: PLC0415
    from cosim.importing.tntp_roads import Choices  # noqa: PLC0415

    choices = Choices(
        length=length_unit, time=time_unit, period_h=period_h, demand_share=demand_share, speed_kmh=speed_kmh,
        coordinates=coordinates, both_ways=both_ways,
    )  # fmt: skip
    wishes = Wishes(stations=stations, grid=grid)
    with ImportDisplay(quiet=quiet) as display:
        display.stage(f"Importing {net.name}")
        scenario = import_tntp(
            net, trips, nodes, out=out, choices=choices, wishes=wishes, overwrite=overwrite, say=display.say
        )
    if quiet:
        print(scenario)  # noqa: T201
    else:
        display.done(f"run it: python -m cosim run {scenario}")
