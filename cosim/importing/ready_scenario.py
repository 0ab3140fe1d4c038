"""What every importer ends with: a folder that ``python -m cosim run FOLDER/scenario.toml`` takes.

An importer works in the folder that :func:`new_folder` yields, puts the road network there as ``network.net.xml.gz`` or
``network.net.xml`` (an OD table and its zones, if there are any, beside it as ``network.od.csv`` and
``network.taz.xml``), reads it with :func:`cosim.traffic.network.read_network`, and calls :func:`write_ready_scenario`,
which chooses the stations and writes ``scenario.toml`` and ``import.json``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import textwrap
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tomli_w

from cosim._version import __version__
from cosim.errors import InputError, WriteError
from cosim.importing.spread import station_edges
from cosim.options import Changes
from cosim.results import OutputFolder
from cosim.scenario_file import load_scenario
from cosim.tables.stations import LARGEST_LOADS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cosim.scenario import Scenario
    from cosim.traffic.network import RoadNetwork

SCENARIO = "scenario.toml"
RECORD = "import.json"
#: What netconvert warned of.
LOG = "netconvert.log"
#: Everything that an importer may write.
FILES = ("network.net.xml.gz", "network.net.xml", "network.od.csv", "network.taz.xml", LOG, SCENARIO, RECORD)

#: Departures per hour for each kilometre of lane. The shipped scenarios have more (kowloon-full 15.6, kowloon 17.5,
#: nguyen-dupuis 20.3), but their junctions were looked at.
VEHICLES_PER_H_LANE_KM = 10.0
#: The rule stays within these: enough to see something, few enough for a run of minutes.
LEAST_VEHICLES_PER_H, MOST_VEHICLES_PER_H = 60.0, 5000.0
#: A station of the Nguyen-Dupuis scenario is asked by as many per hour.
_EVS_PER_H_STATION = 60.0
_MOST_EV_SHARE = 0.5
_CHARGERS = 30


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user may choose about the scenario.

    Attributes
    ----------
    stations : int
        How many charging stations.
    grid : str
        The feeder, as ``--grid`` of ``run`` takes it: a name or a file.
    vehicles_per_h : float, optional
        Departures per hour; by the size of the network if left out (:func:`vehicles_by_size`).
    """

    stations: int = 4
    grid: str = "ieee33"
    vehicles_per_h: float | None = None

    def check(self) -> None:
        """Refuse what cannot be, before anything takes long.

        Raises
        ------
        InputError
            With a sentence for every fault: numbers out of range, a feeder that is unknown or broken, more stations
            than it has buses with a load.
        """
        faults = []
        if self.stations < 1:
            faults.append(f"--stations: found {self.stations}; it must be at least 1.")
        if self.vehicles_per_h is not None and not 0 <= self.vehicles_per_h <= 1e6:
            faults.append(f"--vehicles-per-h: found {self.vehicles_per_h:g}; it must be from 0 to 1000000.")
        try:
            loaded = self._loaded_buses()
        except InputError as error:
            faults += error.faults
        else:
            if self.stations > loaded:
                faults.append(
                    f"--stations: found {self.stations}; feeder '{self.grid}' has {loaded} buses with a load, and each "
                    "station stands on one of its own."
                )
        if faults:
            raise InputError(faults)

    def grid_table(self) -> dict[str, str]:
        """Return the scenario's ``[grid]``: ``name``, or ``file`` with the absolute path."""
        ((key, value),) = Changes(grid=self.grid).overrides().items()
        key = key.removeprefix("grid.")
        return {key: str(Path(value).expanduser().resolve()) if key == "file" else value}

    def _loaded_buses(self) -> int:
        """Count the buses that ``largest-loads`` has to give."""
        from cosim.grid.feeder import feeder_faults, largest_load_buses, read_feeder  # noqa: PLC0415 - takes seconds

        table = self.grid_table()
        file = table.get("file")
        feeder = read_feeder(name=table.get("name"), file=None if file is None else Path(file), where="--grid")
        faults = feeder_faults(feeder, "--grid")
        if faults:
            raise InputError(faults)
        return len(largest_load_buses(feeder))


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an imported scenario comes from.

    Attributes
    ----------
    name : str
        What the scenario is called; spaces and slashes are replaced.
    description : str
        One line.
    remarks : sequence of str
        Lines at the head of ``scenario.toml``: the source, its licence.
    record : mapping
        What ``import.json`` holds beside the counts and versions; JSON values only.
    street_names : mapping of str to str
        Edge id to the name of its street, for comments.
    """

    name: str
    description: str
    remarks: Sequence[str] = ()
    record: Mapping[str, Any] = field(default_factory=dict)
    street_names: Mapping[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def new_folder(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Make a folder that appears whole or not at all.

    Parameters
    ----------
    out : Path
        The folder.
    overwrite : bool
        Allow a folder that exists and is not empty; the files of an earlier import in it are replaced, others stay.

    Yields
    ------
    Path
        A folder to work in. If the block ends well, those of :data:`FILES` that lie there move to ``out``; if it fails
        or is interrupted, ``out`` is as it was.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    WriteError
        If the files cannot be moved.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        OutputFolder(out, FILES, overwrite=overwrite)
        with tempfile.TemporaryDirectory(dir=out, prefix=".import-") as work:
            yield Path(work)
            for name in FILES:
                if (Path(work) / name).exists():
                    os.replace(Path(work) / name, out / name)  # noqa: PTH105
                else:
                    (out / name).unlink(missing_ok=True)
    except BaseException as error:
        # Also after Ctrl-C no empty folder stays behind; everything goes on to the caller.
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise WriteError(f"--out {out}: cannot be written: {error.strerror or error}.") from error
        raise


def vehicles_by_size(lane_km: float) -> float:
    """Return departures per hour for a network: 10 per kilometre of lane, rounded to tens, from 60 to 5,000."""
    return min(max(round(VEHICLES_PER_H_LANE_KM * lane_km, -1), LEAST_VEHICLES_PER_H), MOST_VEHICLES_PER_H)


def write_ready_scenario(
    folder: Path,
    network: RoadNetwork,
    wishes: Wishes,
    origin: Origin,
    *,
    trips: Literal["any-edges", "od-table"] = "any-edges",
) -> Scenario:
    """Write ``scenario.toml`` and ``import.json`` beside a road network.

    Stations are spread over the edges that all reach one another, on edges long enough for one, the same ones each time
    (:func:`cosim.importing.spread.station_edges`); each stands on one of the feeder's buses with the largest loads.

    Parameters
    ----------
    folder : Path
        Where the network's file lies.
    network : RoadNetwork
        Read from there.
    wishes : Wishes
        What the user chose; checked already.
    origin : Origin
        Where it comes from.
    trips : {"any-edges", "od-table"}
        See :class:`cosim.tables.traffic.DemandTable`.

    Returns
    -------
    Scenario
        What was written, read back.

    Raises
    ------
    InputError
        If no two edges can reach one another, or too few are long enough for a station.
    """
    component = network.largest_component()
    if len(component) < 2:
        raise InputError(f"{network.name}: no two roads reach one another by legal turns, so that there are no trips.")
    places = station_edges(network, component, wishes.stations)
    lane_km = float((network.length_m * network.lanes)[component].sum()) / 1000
    rate = vehicles_by_size(lane_km) if wishes.vehicles_per_h is None else wishes.vehicles_per_h
    share = min(_MOST_EV_SHARE, _EVS_PER_H_STATION * wishes.stations / rate) if rate else _MOST_EV_SHARE
    asked = "the sum of the trips in the table" if trips == "od-table" else "as asked for"
    why_rate = (
        f"{VEHICLES_PER_H_LANE_KM:g} for each of the {lane_km:.1f} km of lane, from {LEAST_VEHICLES_PER_H:g} to "
        f"{MOST_VEHICLES_PER_H:g}; a rule of thumb, nothing that was observed"
        if wishes.vehicles_per_h is None
        else asked
    )
    lines = [f"# {part}" for remark in origin.remarks for part in textwrap.wrap(_one_line(remark), 110)]
    lines += ["# Keys that are left out have defaults, which a run folder's scenario.toml writes out."]
    lines += [_pair("name", re.sub(r"[\s/\\]+", "-", origin.name)[:100] or "imported")]
    lines += [_pair("description", _one_line(origin.description)), ""]
    lines += ["[simulation]", "warmup_s = 1200", "control_s = 3600"]
    lines += ["# A* finds the same shortest ways as Dijkstra's algorithm, sooner.", 'routing = "astar"', ""]
    lines += ["[network]", "# Relative to this file.", _pair("file", network.net_file.name), ""]
    lines += ["[demand]", f"# Departures per hour: {why_rate}.", _pair("vehicles_per_h", rate)]
    lines += [_pair("trips", trips), ""]
    lines += ["[fleet]", f"# At most {_EVS_PER_H_STATION:g} EVs per hour for each station, and at most half of all."]
    lines += [_pair("ev_share", round(share, 4)), "", "[grid]"]
    lines += [*(_pair(key, value) for key, value in wishes.grid_table().items()), ""]
    lines += ["# Spread over the roads that all reach one another, in the middle of an edge long enough; by hand, put"]
    lines += ["# them where they stand in truth. Without a bus of its own a station gets one of the largest loads."]
    for number, position in enumerate(places, start=1):
        edge = network.edges[position]
        street = _one_line(origin.street_names.get(edge, ""))
        lines += [*([f"# {street}"] if street else []), "[[station]]", _pair("id", f"CS{number}"), _pair("edge", edge)]
        lines += [_pair("bus", LARGEST_LOADS), f"chargers = {_CHARGERS}", ""]
    lines += ["[recommender]", 'name = "uniform"']
    (folder / SCENARIO).write_text("\n".join(lines) + "\n", encoding="utf-8")
    record = {
        **origin.record,
        "counts": {
            **origin.record.get("counts", {}),
            "nodes": len(network.node_xy_m),
            "edges": len(network.edges),
            "edges_reaching_one_another": len(component),
            "edges_outside": len(network.edges) - len(component),
            "lane_km": round(lane_km, 3),
            "stations": len(places),
        },
        "vehicles_per_h": rate,
        "vehicles_per_h_rule": why_rate,
        "versions": {"cosim": __version__, "eclipse-sumo": metadata.version("eclipse-sumo")},
    }
    (folder / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return load_scenario(folder / SCENARIO)


def _pair(key: str, value: str | float) -> str:
    return tomli_w.dumps({key: value}).rstrip("\n")


def _one_line(text: str) -> str:
    """Return a text that may stand in a comment of TOML, which allows no control characters."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
