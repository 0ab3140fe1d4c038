"""Building a SUMO network from tables of nodes and edges, cached by the content of the tables."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import platformdirs

from cosim.errors import ResultsError
from cosim.traffic.install import run_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Node:
    """A junction: its id, position in metres and SUMO junction type."""

    id: str
    x_m: float
    y_m: float
    type: str = "priority"


@dataclass(frozen=True, slots=True)
class Edge:
    """A directed road: ids of its ends, length in metres (as travelled, not as drawn), speed and lanes."""

    id: str
    start: str
    end: str
    length_m: float
    speed_mps: float
    lanes: int = 1


def cached_network(name: str, nodes: Iterable[Node], edges: Iterable[Edge], options: Sequence[str] = ()) -> Path:
    """Return the ``.net.xml`` of these tables, built by netconvert the first time and kept in the user's cache folder.

    Parameters
    ----------
    name : str
        Beginning of the cached file's name.
    nodes, edges : iterables of Node, Edge
        The tables.
    options : sequence of str
        Further options of netconvert.

    Returns
    -------
    Path
        The file's name holds a hash of tables, options and SUMO's version: other tables give another file.

    Raises
    ------
    SimulatorError
        If netconvert refuses the tables.
    ResultsError
        If the cache folder cannot be written.
    """
    node_xml = _xml("nodes", ({"id": n.id, "x": n.x_m, "y": n.y_m, "type": n.type} for n in nodes), "node")
    edge_xml = _xml(
        "edges",
        (
            {"id": e.id, "from": e.start, "to": e.end, "length": e.length_m, "speed": e.speed_mps, "numLanes": e.lanes}
            for e in edges
        ),
        "edge",
    )
    version = metadata.version("eclipse-sumo")
    digest = hashlib.sha256("\0".join([node_xml, edge_xml, *options, version]).encode()).hexdigest()[:16]
    target = cache_folder() / f"{name}-{digest}.net.xml"
    if target.exists():
        return target
    with cache_workspace() as work:
        (work / "nod.xml").write_text(node_xml, encoding="utf-8")
        (work / "edg.xml").write_text(edge_xml, encoding="utf-8")
        built = work / "built.net.xml"
        files = ["--node-files", str(work / "nod.xml"), "--edge-files", str(work / "edg.xml"), "-o", str(built)]
        run_program("netconvert", [*files, *options])
        os.replace(built, target)  # noqa: PTH105
    return target


@contextlib.contextmanager
def cache_workspace() -> Iterator[Path]:
    """Make a folder inside the cache folder to build in; what is built is then renamed into the cache folder.

    A rename is atomic: two runs that build at once do no harm, and a killed one leaves nothing half-made.

    Yields
    ------
    Path
        It is gone afterwards.

    Raises
    ------
    ResultsError
        If the cache folder cannot be written.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as work:
            yield Path(work)
    except OSError as error:
        raise ResultsError(
            f"{folder}: the cache folder for built networks cannot be written ({error.strerror}); "
            "set COSIM_CACHE_DIR to a folder that can."
        ) from error


def cache_folder() -> Path:
    """Return where built networks are kept: ``COSIM_CACHE_DIR``, or the user's cache folder."""
    chosen = os.environ.get("COSIM_CACHE_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("cosim") / "networks"


def _xml(root_tag: str, rows: Iterable[dict[str, object]], tag: str) -> str:
    root = ET.Element(root_tag)
    for row in rows:
        ET.SubElement(root, tag, {key: str(value) for key, value in row.items()})
    return ET.tostring(root, encoding="unicode")
