"""From an OpenStreetMap extract to a scenario that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosim.errors import InputError, SimulatorError
from cosim.importing.left_hand import may_keep_left
from cosim.importing.osm_file import OsmFacts, scan_osm
from cosim.importing.osm_network import TYPE_FILES, convert_osm, osm_options, pack_network
from cosim.importing.ready_scenario import LOG, SCENARIO, Origin, Wishes, new_folder, write_ready_scenario
from cosim.traffic.network import RoadNetwork, read_network

if TYPE_CHECKING:
    from pathlib import Path

    from cosim.importing.display import ImportDisplay
    from cosim.scenario import Scenario

_ATTRIBUTION = (
    "Contains information from OpenStreetMap (openstreetmap.org/copyright), which is made available here under the "
    "Open Database License (ODbL) 1.0. Whoever passes on this network passes on this notice and that licence."
)
_NO_ATTRIBUTION = (
    "The OSM file does not say where its data come from; if from OpenStreetMap, then the ODbL holds "
    "(openstreetmap.org/copyright)."
)


def import_osm(
    file: Path,
    out: Path,
    *,
    left_hand: bool = False,
    wishes: Wishes | None = None,
    overwrite: bool = False,
    display: ImportDisplay,
) -> Path:
    """Make a ready scenario of an OSM file: roads for cars by netconvert, stations, demand by the network's size.

    Parameters
    ----------
    file : Path
        OSM XML, ``.osm`` or ``.osm.gz``.
    out : Path
        The folder.
    left_hand : bool
        Traffic keeps left.
    wishes : Wishes, optional
        What is chosen about stations, feeder and demand.
    overwrite : bool
        Allow a folder that exists.
    display : ImportDisplay
        Shows stages, counts and warnings.

    Returns
    -------
    Path
        The scenario's file.

    Raises
    ------
    InputError
        If the file cannot be read, holds no roads for cars, or no two of them can reach one another.
    SimulatorError
        If netconvert fails for another reason.
    ResultsError
        If the folder cannot be used.
    """
    chosen = wishes or Wishes()
    with new_folder(out, overwrite=overwrite) as work:
        facts = _checked(file, chosen, display)
        warnings = _warnings(facts, left_hand=left_hand)
        for sentence in warnings:
            display.say(sentence, warning=True)
        options = osm_options(left_hand=left_hand, signals_tagged=facts.signals > 0)
        if not facts.signals:
            display.say("note: no node is tagged as a traffic signal: SUMO guesses which junctions have signals.")
        display.stage("Building the network (netconvert)")
        network, street_names, complaints = _build(file, facts, work, options, display)
        display.stage("Placing the stations and writing the scenario")
        origin = Origin(
            name=_stem(file),
            description=f"Imported from the OSM file {file.name}, {'left' if left_hand else 'right'}-hand traffic",
            remarks=(f"Made by cosim import osm from {file.name}.", _attribution(facts)),
            street_names=street_names,
            record={
                "source": {"file": file.name, "sha256": facts.sha256},
                "attribution": _attribution(facts),
                "box_deg": {
                    "south": facts.south_deg, "west": facts.west_deg, "north": facts.north_deg, "east": facts.east_deg,
                },
                "left_hand": left_hand,
                "signals": "from tagged nodes" if facts.signals else "guessed by SUMO: no node is tagged as one",
                "netconvert": " ".join(["--type-files", ",".join(TYPE_FILES), *options]),
                "warnings": warnings,
                "counts": {
                    "osm_nodes": facts.nodes,
                    "osm_ways": facts.ways,
                    "osm_highways": facts.highways,
                    "osm_signals": facts.signals,
                    "netconvert_warnings": sum(line.startswith("Warning") for line in complaints.splitlines()),
                },
            },
        )  # fmt: skip
        scenario = write_ready_scenario(work, network, chosen, origin)
        _say_result(display, network, scenario, complaints)
    return out / SCENARIO


def _checked(file: Path, wishes: Wishes, display: ImportDisplay) -> OsmFacts:
    """Read the file and check the wishes; the faults of both are told at once."""
    faults: list[str] = []
    facts = None
    display.stage(f"Reading {file.name}")
    try:
        facts = scan_osm(file, display.detail)
    except InputError as error:
        faults += error.faults
    display.stage("Checking the feeder")
    try:
        wishes.check()
    except InputError as error:
        faults += error.faults
    if faults or facts is None:
        raise InputError(faults)
    return facts


def _warnings(facts: OsmFacts, *, left_hand: bool) -> list[str]:
    place = may_keep_left((facts.south_deg + facts.north_deg) / 2, (facts.west_deg + facts.east_deg) / 2)
    if left_hand or place is None:
        return []
    return [f"the file's box may lie in {place}, where traffic keeps left, but --left-hand was not given."]


def _attribution(facts: OsmFacts) -> str:
    return _ATTRIBUTION if facts.is_openstreetmap else _NO_ATTRIBUTION


def _stem(file: Path) -> str:
    return file.name.removesuffix(".gz").removesuffix(".osm").removesuffix(".xml")


def _build(
    file: Path, facts: OsmFacts, work: Path, options: list[str], display: ImportDisplay
) -> tuple[RoadNetwork, dict[str, str], str]:
    """Return the network, the streets' names and netconvert's warnings."""
    nothing_left = (
        f"{file}: no road for cars is left: of {facts.highways} ways with a highway tag only those that cars may use "
        "are kept, from motorway to residential and unclassified, and of these the largest connected part."
    )
    try:
        built, complaints = convert_osm(file, work, options, display.detail)
    except SimulatorError as error:
        if "No edges loaded" in str(error) or "No nodes loaded" in str(error):
            raise InputError(nothing_left) from None
        raise
    display.stage("Packing the network")
    target = work / "network.net.xml.gz"
    street_names = pack_network(built, target)
    if not street_names:
        raise InputError(nothing_left)
    built.unlink()
    (work / LOG).write_text(complaints, encoding="utf-8")
    display.stage("Finding which roads can be reached")
    return read_network(target, name=_stem(file), where=str(file)), street_names, complaints


def _say_result(display: ImportDisplay, network: RoadNetwork, scenario: Scenario, complaints: str) -> None:
    component = network.largest_component()
    outside = len(network.edges) - len(component)
    display.say(
        f"{len(network.node_xy_m)} nodes, {len(network.edges)} edges, {network.length_m.sum() / 1000:.1f} km; "
        f"{len(component)} edges reach one another by legal turns, {outside} do not (no trips, no stations there)"
    )
    display.say(
        f"stations on edges {', '.join(f'{station.edge} ({station.id})' for station in scenario.station)}; "
        f"{scenario.demand.vehicles_per_h:g} vehicles/h, {scenario.fleet.ev_share:.1%} of them EVs that charge"
    )
    if complaints:
        count = sum(line.startswith("Warning") for line in complaints.splitlines())
        display.say(f"warnings of netconvert: {count} ({LOG})")
