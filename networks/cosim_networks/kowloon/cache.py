"""The built network in the user's cache folder, with its zones and its trips between them beside it."""

from __future__ import annotations

import hashlib
import os
import re
from importlib import metadata
from typing import TYPE_CHECKING

from cosim.traffic.install import run_program
from cosim.traffic.netconvert import cache_folder, cache_workspace
from cosim_networks.kowloon.roads import edge_xml, make_roads, node_xml
from cosim_networks.kowloon.tables import FOLDER
from cosim_networks.kowloon.zones import od_csv, taz_xml

if TYPE_CHECKING:
    from pathlib import Path

#: Vehicles of the paper's case per hour (section 5.5).
_VEHICLES_PER_H = 4442.0
_OPTIONS = (
    *("--lefthand", "true"),
    *("--proj.utm", "true"),
    *("--output.street-names", "true"),
    *("--no-turnarounds.except-deadend", "true"),
    *("--junctions.corner-detail", "5"),
    *("--default.junctions.radius", "4"),
    *("--tls.default-type", "static"),
    *("--tls.cycle.time", "60"),
    *("--no-warnings", "true"),
)
_NOTICE = (
    "<!-- Stylised Kowloon. Street positions checked against public transport route data of the Transport Department, "
    "HKSAR Government (DATA.GOV.HK). Not an official map; not for navigation. -->"
)


def cached(name: str, *, full: bool) -> Path:
    """Return the network, built the first time.

    Parameters
    ----------
    name : str
        Beginning of the files' names.
    full : bool
        See :func:`~cosim_networks.kowloon.roads.make_roads`.

    Returns
    -------
    Path
        The ``.net.xml``; ``.taz.xml`` and ``.od.csv`` lie beside it under the same name, which holds a hash of the
        tables, of this package's code and of SUMO's version.

    Raises
    ------
    SimulatorError
        If netconvert fails.
    ResultsError
        If the cache folder cannot be written.
    """
    folder = cache_folder()
    stem = f"{name}-{_digest()}"
    target = folder / f"{stem}.net.xml"
    if target.exists():
        return target
    with cache_workspace() as work:
        write_files(work, full=full)
        # The network comes last: where it is, the others are.
        for ending in ("od.csv", "taz.xml", "net.xml"):
            os.replace(work / ending, folder / f"{stem}.{ending}")  # noqa: PTH105
    return target


def write_files(folder: Path, *, full: bool) -> None:
    """Build ``net.xml``, ``taz.xml`` and ``od.csv`` in a folder, the same to the byte each time."""
    roads = make_roads(full=full)
    (folder / "nod.xml").write_bytes(node_xml(roads))
    (folder / "edg.xml").write_bytes(edge_xml(roads))
    files = ["--node-files", str(folder / "nod.xml"), "--edge-files", str(folder / "edg.xml")]
    run_program("netconvert", [*files, "-o", str(folder / "built.net.xml"), *_OPTIONS])
    # SUMO writes the date and its command line into a comment.
    built = (folder / "built.net.xml").read_text(encoding="utf-8")
    net = re.sub(r"<!-- generated on .*?-->", lambda _: _NOTICE, built, count=1, flags=re.DOTALL)
    (folder / "net.xml").write_text(net, encoding="utf-8")
    (folder / "taz.xml").write_bytes(taz_xml(roads))
    (folder / "od.csv").write_text(od_csv(_VEHICLES_PER_H), encoding="utf-8")


def _digest() -> str:
    """Hash everything that the files depend on."""
    content = hashlib.sha256(metadata.version("eclipse-sumo").encode())
    for path in sorted(FOLDER.iterdir()):
        if path.suffix in {".py", ".csv"}:
            content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:16]
