"""SUMO's input files of one run: the trips of the vehicles that never charge, and the stations as parking areas."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cosim.control import StationInfo
    from cosim.traffic.demand import Demand
    from cosim.traffic.network import RoadNetwork

#: Length of the strip beside the road where a station's vehicles leave it.
STATION_STRIP_M = 20.0
#: Names that no file of a user is likely to have.
CAR_TYPE, EV_TYPE = "cosim-car", "cosim-ev"
#: Okabe-Ito: colours that colour-blind people can tell apart.
_COLOURS = ("0,114,178", "213,94,0", "0,158,115", "204,121,167", "230,159,0", "86,180,233")
_VIEW = """<viewsettings>
  <scheme name="cosim">
    <vehicles vehicle_minSize="6" vehicle_exaggeration="1" vehicle_constantSize="1"/>
    <pois poi_minSize="1" poi_exaggeration="1.5" poi_constantSize="1" poiType_show="1" poiType_size="70"
          poiType_color="black" poiType_constantSize="1"/>
  </scheme>
  <delay value="20"/>
</viewsettings>
"""


def parking_area(station: int) -> str:
    """Return the SUMO id of a station's parking area."""
    return f"cosim-station{station}"


def write_trips(path: Path, demand: Demand, network: RoadNetwork) -> None:
    """Write the vehicles without charging as SUMO trips; SUMO routes each of them when it departs.

    If the vehicles are those of route files, what is left of these is written.
    """
    if demand.route_file is not None:
        path.write_text(demand.route_file, encoding="utf-8")
        return
    edges = [quoteattr(edge) for edge in network.edges]
    lines = [
        f'<routes>\n<vType id="{CAR_TYPE}" vClass="passenger"/>\n',
        f'<vType id="{EV_TYPE}" vClass="passenger" color="0,170,90"/>\n',
    ]
    lines += [
        f'<trip id="{demand.vehicle[i]}" type="{CAR_TYPE}" depart="{depart_s}" from={edges[origin]} '
        f'to={edges[destination]} departLane="best" departSpeed="max"/>\n'
        for i, (depart_s, origin, destination, is_ev) in enumerate(
            zip(
                demand.depart_s.tolist(),
                demand.origin.tolist(),
                demand.destination.tolist(),
                demand.is_ev.tolist(),
                strict=True,
            )
        )
        if not is_ev
    ]
    path.write_text("".join([*lines, "</routes>\n"]), encoding="utf-8")


def write_stations(path: Path, stations: Iterable[StationInfo], capacity: int, *, marked: bool = False) -> None:
    """Write the stations as parking areas beside the road.

    Parameters
    ----------
    path : Path
        The additional file.
    stations : iterable of StationInfo
        Where each one stands.
    capacity : int
        Places off the road; at least the number of EVs, so that a queue of any length never spills onto the road.
    marked : bool
        Add what SUMO's window shows of each station: a coloured disc with its name.
    """
    root = ET.Element("additional")
    for index, station in enumerate(stations):
        ET.SubElement(
            root,
            "parkingArea",
            {
                "id": parking_area(index),
                "name": station.id,
                "lane": station.lane,
                "startPos": str(station.strip_start_m),
                "endPos": str(station.strip_end_m),
                "roadsideCapacity": str(max(capacity, 1)),
            },
        )
        if marked:
            colour = _COLOURS[index % len(_COLOURS)]
            centre_m = (station.strip_start_m + station.strip_end_m) / 2
            place = {"lane": station.lane, "pos": str(centre_m), "posLat": "8"}
            # The type is what the window writes beside it; ids need not be names that people gave.
            ET.SubElement(root, "poi", {"id": f"mark{index}", "type": station.id, "color": colour, **place})
    path.write_bytes(ET.tostring(root))


def write_view(path: Path) -> None:
    """Write how SUMO's window shows things: vehicles and stations large enough to be seen from above."""
    path.write_text(_VIEW, encoding="utf-8")
