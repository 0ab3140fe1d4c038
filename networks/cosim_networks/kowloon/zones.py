"""The twelve zones on the roads: which edges belong to each, how many trips go between them, where stations stand.

Nothing here is observed: the weights of the zones are synthetic, and the trips between them follow a gravity model.
"""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from cosim_networks.kowloon.tables import CLASSES, read_zones

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim_networks.kowloon.links import Link
    from cosim_networks.kowloon.roads import Roads

#: How fast trips between two zones become rarer with their distance, per kilometre as the crow flies. Chosen so that a
#: vehicle of the control hour drives near the 286 s, detours to stations included, that the tables of case B imply.
_DETERRENCE_PER_KM = 2.0
#: Trips that begin or end per metre of road, relative; motorways and flyovers have no doors.
_DOORS = {"primary": 0.4, "secondary": 1.0, "tertiary": 1.5, "residential": 1.0}
#: A longer road has no more doors than one of this length.
_LONGEST_M = 150.0
#: A station needs this much road (20 m of strip and as much before and behind it), before netconvert takes away
#: what belongs to the junctions.
_STATION_ROAD_M = 85.0


def edges_of_zones(roads: Roads) -> dict[str, dict[str, float]]:
    """Return the edges of each zone, those whose middle is nearest to its centre, and the weight of each."""
    zones = read_zones()
    found: dict[str, dict[str, float]] = {zone.id: {} for zone in zones}
    for edge, link in roads.edges.items():
        per_m = 0.0 if link.street.flyover else _DOORS.get(CLASSES[link.street.rank], 0.0)
        if per_m:
            nearest = min(zones, key=lambda zone: _apart_m(link, zone.centre_m))
            found[nearest.id][edge] = round(per_m * min(link.line.length_m, _LONGEST_M), 2)
    return found


def gravity_table() -> dict[tuple[str, str], float]:
    """Return the share of all trips from each zone to each other one.

    A zone's share of the origins is its production; they spread over the other zones by attraction times
    ``exp(-2 distance / km)``. Trips within a zone are not made by car.
    """
    zones = read_zones()
    produced = sum(zone.production for zone in zones)
    shares = {}
    for origin in zones:
        pulls = {
            zone.id: zone.attraction
            * math.exp(-_DETERRENCE_PER_KM * float(np.hypot(*(zone.centre_m - origin.centre_m))) / 1000.0)
            for zone in zones
            if zone is not origin
        }
        for destination, pull in pulls.items():
            shares[origin.id, destination] = origin.production / produced * pull / sum(pulls.values())
    return shares


def station_edges(roads: Roads) -> dict[str, str]:
    """Return where the scenario's stations stand: of each zone's roads that are long enough, the most central."""
    edges = edges_of_zones(roads)
    return {
        zone.id: min(
            (edge for edge in edges[zone.id] if roads.edges[edge].line.length_m >= _STATION_ROAD_M),
            key=lambda edge: round(_apart_m(roads.edges[edge], zone.centre_m), 2),
        )
        for zone in read_zones()
    }


def taz_xml(roads: Roads) -> bytes:
    """Write the zones as SUMO's traffic assignment zones."""
    root = ET.Element("additional")
    names = {zone.id: zone.name for zone in read_zones()}
    for zone, edges in edges_of_zones(roads).items():
        taz = ET.SubElement(root, "taz", {"id": zone, "name": names[zone]})
        for tag in ("tazSource", "tazSink"):
            for edge, weight in edges.items():
                ET.SubElement(taz, tag, {"id": edge, "weight": f"{weight:.2f}"})
    return ET.tostring(root)


def od_csv(vehicles_per_h: float) -> str:
    """Write the trips between the zones as a table of vehicles per hour."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["origin", "destination", "vehicles_per_h"])
    for (origin, destination), share in gravity_table().items():
        writer.writerow([origin, destination, f"{share * vehicles_per_h:.3f}"])
    return text.getvalue()


def _apart_m(link: Link, point_m: NDArray[np.float64]) -> float:
    return float(np.hypot(*(link.line.point_at(link.line.length_m / 2) - point_m)))
