"""What SUMO is given beside network and trips: additional files of the user's, without what they would write.

The user's own files and folders are never written to. Copies go into the run's scratch folder; in them every detector
writes nowhere, and every file that an element reads is named by its whole path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from cosim.errors import InputError
from cosim.sumo_files import charging_stations, is_config, parse_xml, read_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cosim.scenario import Scenario
    from cosim.sumo_files import ChargingStationElement

#: Where SUMO writes nothing.
_NOWHERE = "NUL"
#: Elements whose ``file`` is read; of all others it is written.
_READ_FILES = frozenset({"variableSpeedSign", "rerouter", "calibrator", "include", "dataSource"})
_WRITTEN = ("output", "dest")
_READ = ("edgesFile", "imgFile")
#: Devices of SUMO's that write a file in the working folder unless they are told of another.
_WRITING_DEVICES = ("device.ssm.", "has.ssm.device", "device.toc.file")


@dataclass(frozen=True, slots=True)
class SumoInput:
    """The user's files for SUMO beside the network.

    Attributes
    ----------
    additional_files : tuple of Path
        Vehicle types, stops, signal programs, detectors, ...
    route_files : tuple of Path
        Vehicles and persons, if the demand is taken from them.
    handed_on : mapping of str to str
        Options of the ``.sumocfg`` that SUMO gets as they are.
    ignored : mapping of str to str
        Options of it that are not taken over although they would change the traffic.
    """

    additional_files: tuple[Path, ...] = ()
    route_files: tuple[Path, ...] = ()
    handed_on: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario) -> SumoInput:
        """Collect the files that a scenario names, itself or in its ``.sumocfg``.

        Raises
        ------
        InputError
            If the configuration cannot be read, or with one sentence for every file that does not exist.
        """
        file = scenario.network.file
        config = read_config(Path(file)) if file is not None and is_config(file) else None
        additional = scenario.network.additional_files
        routes: tuple[Path, ...] = ()
        if scenario.demand.trips == "routes":
            given = scenario.demand.route_files
            routes = config.route_files if given is None and config else tuple(Path(each) for each in given or ())
            if not routes:
                raise InputError("[demand] trips = 'routes': no route_files are given.")
        if additional is None:
            extra = config.additional_files if config else ()
        else:
            extra = tuple(Path(each) for each in additional)
        faults = [
            f"{key}: the file {path} does not exist."
            for key, paths in (("[network] additional_files", extra), ("[demand] route_files", routes))
            for path in paths
            if not path.is_file()
        ]
        if faults:
            raise InputError(faults)
        return cls(extra, routes, config.handed_on if config else {}, config.ignored if config else {})

    def charging_stations(self, scenario: Scenario) -> dict[str, ChargingStationElement]:
        """Return SUMO's charging stations that the scenario's may take over, by id."""
        source = scenario.network.stations_from
        return charging_stations([*([Path(source)] if source is not None else []), *self.additional_files])

    def write_additional(self, folder: Path) -> list[Path]:
        """Copy the additional files into a folder, such that SUMO writes nothing because of them.

        Returns
        -------
        list of Path
            The copies, under names of their own.
        """
        copies = []
        for number, path in enumerate(self.additional_files):
            root = parse_xml(path, "SUMO additional file")
            silence(root, path.parent)
            copies.append(folder / f"additional{number}.add.xml")
            copies[-1].write_bytes(ET.tostring(root))
        return copies


def silence(root: ET.Element, folder: Path) -> None:
    """Let no element below a root write a file, and let those that read one find it from anywhere.

    Parameters
    ----------
    root : Element
        Changed in place. What it includes is put in its place.
    folder : Path
        Where the element's file lies, to which paths in it are relative.
    """
    _include(root, folder)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == "param" and child.get("key", "").startswith(_WRITING_DEVICES):
                parent.remove(child)
    for element in root.iter():
        for key in ("file", *_WRITTEN, *_READ):
            value = element.get(key)
            if value is None:
                continue
            if key in _READ or (key == "file" and element.tag in _READ_FILES):
                element.set(key, str(folder / value))
            elif value != _NOWHERE:
                element.set(key, _NOWHERE)


def _include(root: ET.Element, folder: Path) -> None:
    """Put what a file includes in the place of the ``<include>``."""
    for place, child in reversed(list(enumerate(root))):
        if child.tag == "include" and child.get("href"):
            path = folder / child.get("href", "")
            included = parse_xml(path, "included file")
            silence(included, path.parent)
            root.remove(child)
            for each in reversed(included):
                root.insert(place, each)
