"""Running netconvert on a file from elsewhere: its options, its progress, and its network without date and paths."""

from __future__ import annotations

import gzip
import html
import os
import re
import select
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.errors import SimulatorError
from cosim.traffic.install import missing_library_sentence, sumo_program

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Speeds and lanes where the file has none: SUMO's default types, then its urban ones. The first alone would give an
#: untagged main road 100 km/h.
TYPE_FILES = ("osmNetconvert.typ.xml", "osmNetconvertUrbanDe.typ.xml")
_MINOR_WAYS = ("service", "track", "footway", "path", "steps", "cycleway", "pedestrian", "living_street")
_OSM_OPTIONS = (
    *("--proj.utm", "true"),
    *("--output.street-names", "true"),
    *("--output.original-names", "true"),
    *("--keep-edges.by-vclass", "passenger"),
    *("--remove-edges.by-type", ",".join(f"highway.{kind}" for kind in _MINOR_WAYS)),
    *("--remove-edges.isolated", "true"),
    *("--keep-edges.components", "1"),
    *("--geometry.remove", "true"),
    *("--junctions.join", "true"),
    *("--junctions.corner-detail", "5"),
    *("--roundabouts.guess", "true"),
    *("--ramps.guess", "true"),
    *("--tls.discard-simple", "true"),
    *("--tls.join", "true"),
    *("--tls.default-type", "actuated"),
    *("--no-turnarounds.except-deadend", "true"),
)
_WAIT_S = 0.5
_EDGE = re.compile(rb'^\s*<edge id="([^":][^"]*)"(?:.* name="([^"]*)")?')


def osm_options(*, left_hand: bool, signals_tagged: bool) -> list[str]:
    """Return netconvert's options for a car network from OSM.

    Parameters
    ----------
    left_hand : bool
        Traffic keeps left.
    signals_tagged : bool
        Whether the file has nodes with traffic signals: these are then brought together at the junctions they belong
        to. Otherwise SUMO guesses from roads and speeds which junctions have some.
    """
    signals = "--tls.guess-signals" if signals_tagged else "--tls.guess"
    return [*_OSM_OPTIONS, signals, "true", *(("--lefthand", "true") if left_hand else ())]


def convert_osm(
    source: Path, work: Path, options: Sequence[str], progress: Callable[[str], None] = lambda _: None
) -> tuple[Path, str]:
    """Make a SUMO network of an OSM file.

    Parameters
    ----------
    source : Path
        The OSM file.
    work : Path
        A folder for the result and what it needs.
    options : sequence of str
        From :func:`osm_options`.
    progress : callable
        Told what netconvert does.

    Returns
    -------
    built : Path
        The network, with date and paths still in it.
    warnings : str
        What netconvert warned of, a line each.

    Raises
    ------
    SimulatorError
        With netconvert's error lines, if it fails.
    """
    # netconvert splits lists of files at commas and expands variables in names: it is given plain ones.
    name = "input.osm"
    (work / name).symlink_to(source.resolve())
    program = Path(sumo_program("netconvert"))
    home = program.parent.parent
    for file in TYPE_FILES:
        shutil.copyfile(home / "data" / "typemap" / file, work / file)
    # The package's own data, whatever other SUMO or PROJ the environment may speak of.
    proj = str(home / "data" / "proj")
    environment = {**os.environ, "SUMO_HOME": str(home), "PROJ_LIB": proj, "PROJ_DATA": proj}
    files = ["--osm-files", name, "--type-files", ",".join(TYPE_FILES), "--output-file", "built.net.xml"]
    log = work / "netconvert.err"
    with log.open("wb") as errors:
        command = [str(program), *files, *options, "--xml-validation", "never", "--verbose", "true"]
        process = subprocess.Popen(command, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=errors)
        status = _watch(process, progress)
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if status:
        said = [line.strip() for line in lines if line.startswith("Error")]
        sentence = missing_library_sentence("\n".join(lines))
        raise SimulatorError(
            sentence or f"netconvert failed (status {status}): {' '.join(said) or ' '.join(lines[-3:]) or 'no message'}"
        )
    return work / "built.net.xml", "".join(f"{line}\n" for line in lines)


def _watch(running: subprocess.Popen[bytes], progress: Callable[[str], None]) -> int:
    """Wait for a program's end, and pass on the last line of its output as it grows."""
    with running as process:
        try:
            pipe = process.stdout.fileno() if process.stdout is not None else -1
            tail = b""
            while True:
                ready, _, _ = select.select([pipe], [], [], _WAIT_S)
                if ready:
                    piece = os.read(pipe, 1 << 16)
                    if not piece:
                        break
                    tail = (tail + piece)[-500:]
                line = tail.rstrip().rpartition(b"\n")[2].decode(errors="replace")
                progress(line.partition(" ...")[0].strip())
        except BaseException:
            # Whatever it is, Ctrl-C first of all, goes on to the caller; netconvert would go on alone.
            process.kill()
            raise
    return process.returncode


def pack_network(built: Path, target: Path) -> dict[str, str]:
    """Write a network compressed, without the comment in which SUMO keeps date and command line.

    Parameters
    ----------
    built : Path
        A ``.net.xml`` of netconvert's.
    target : Path
        The ``.net.xml.gz``; the same bytes each time.

    Returns
    -------
    dict of str to str
        The name of each edge's street, empty where it has none; edges within junctions are left out.
    """
    names: dict[str, str] = {}
    in_comment = False
    with (
        built.open("rb") as source,
        target.open("wb") as raw,
        # Neither a name nor a time in the header of the compressed file.
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0) as packed,
    ):
        for line in source:
            in_comment = in_comment or line.startswith(b"<!-- generated on ")
            if in_comment:
                in_comment = b"-->" not in line
                continue
            packed.write(line)
            edge = _EDGE.match(line)
            if edge is not None:
                # netconvert escapes street names that are escaped already.
                street = html.unescape(html.unescape((edge[2] or b"").decode()))
                names[html.unescape(edge[1].decode())] = street
    return names
