"""Reading an OpenStreetMap XML file once, before netconvert does: is it one, where does it lie, what does it say."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

from cosim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_CHUNK_BYTES = 1 << 20
_GZIP, _BZIP2, _ZIP, _PBF = b"\x1f\x8b", b"BZh", b"PK\x03\x04", b"OSMHeader"
_OSM_WORDS = ("openstreetmap", "opendatacommons")


@dataclass(frozen=True, slots=True)
class OsmFacts:
    """What an OSM file holds.

    Attributes
    ----------
    nodes, ways, highways : int
        Numbers of nodes, of ways, and of ways with a ``highway`` tag.
    signals : int
        Nodes tagged as traffic signals.
    south_deg, west_deg, north_deg, east_deg : float
        The box: ``<bounds>``, or that of all nodes where there is none.
    is_openstreetmap : bool
        Whether the file itself says that its data are OpenStreetMap's.
    gzipped : bool
        Whether it is compressed, whatever its name.
    sha256 : str
        Of the file as it is.
    """

    nodes: int
    ways: int
    highways: int
    signals: int
    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float
    is_openstreetmap: bool
    gzipped: bool
    sha256: str


def scan_osm(path: Path, progress: Callable[[str], None] = lambda _: None) -> OsmFacts:
    """Read an OSM file to its end.

    Parameters
    ----------
    path : Path
        OSM XML, plain or gzipped.
    progress : callable
        Told now and then how far the reading is.

    Returns
    -------
    OsmFacts
        What it holds.

    Raises
    ------
    InputError
        If the file is missing, of another format, broken or cut off, or without a single node or way.
    """
    if path.is_dir():
        raise InputError(f"{path}: this is a folder, not an OSM file.")
    try:
        with path.open("rb") as raw:
            digest = hashlib.file_digest(raw, "sha256").hexdigest()
            raw.seek(0)
            start = raw.read(64)
            raw.seek(0)
            _refuse_other_formats(path, start)
            gzipped = start.startswith(_GZIP)
            scanner = _Scanner()
            _feed(scanner, gzip.GzipFile(fileobj=raw) if gzipped else raw, raw, progress)
    except FileNotFoundError:
        raise InputError(f"{path}: the OSM file does not exist.") from None
    except gzip.BadGzipFile as error:
        raise InputError(f"{path}: not a readable gzip file ({error}).") from None
    except (EOFError, zlib.error):
        raise InputError(f"{path}: the gzip file is cut off or damaged; fetch it again.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        cut = " (is it cut off?)" if error.code in _CUT_OFF else ""
        raise InputError(
            f"{path}: not a readable OSM file: line {error.lineno}, column {error.offset + 1}: {what}{cut}."
        ) from None
    except _NotOsmError as error:
        raise InputError(f"{path}: {error}.") from None
    return scanner.facts(path, gzipped=gzipped, sha256=digest)


_CUT_OFF = {
    expat.errors.codes[name]
    for name in (expat.errors.XML_ERROR_NO_ELEMENTS, expat.errors.XML_ERROR_UNCLOSED_TOKEN,
                 expat.errors.XML_ERROR_PARTIAL_CHAR, expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION)
}  # fmt: skip


def _refuse_other_formats(path: Path, start: bytes) -> None:
    """Name the cure for formats that are common, but not read."""
    if path.suffix == ".pbf" or _PBF in start[:32]:
        raise InputError(
            f"{path}: PBF is not read; convert it first: osmium cat {path.name} -o {path.name.split('.')[0]}.osm.gz"
        )
    if path.suffix == ".o5m":
        raise InputError(f"{path}: o5m is not read; convert it to .osm first, with osmconvert.")
    if start.startswith((_BZIP2, _ZIP)):
        program = "bunzip2" if start.startswith(_BZIP2) else "unzip"
        raise InputError(f"{path}: of compressed files only gzip is read; unpack it first, with {program}.")
    if not start:
        raise InputError(f"{path}: the file is empty.")


def _feed(
    scanner: _Scanner, source: IO[bytes] | gzip.GzipFile, raw: IO[bytes], progress: Callable[[str], None]
) -> None:
    size = max(raw.seek(0, 2), 1)
    raw.seek(0)
    while chunk := source.read(_CHUNK_BYTES):
        scanner.parser.Parse(chunk, False)  # noqa: FBT003 - expat's own
        progress(f"{min(raw.tell() / size, 1):.0%}")
    scanner.parser.Parse(b"", True)  # noqa: FBT003


class _NotOsmError(Exception):
    """XML, but not OSM's."""


class _Scanner:
    """Counts elements as expat meets them."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.buffer_text = True
        self.nodes = self.ways = self.highways = self.signals = 0
        self.box = [math.inf, math.inf, -math.inf, -math.inf]
        self.bounds: list[float] | None = None
        self.words: list[str] = []
        self._inside = ""
        self._root = ""

    def _start(self, tag: str, values: dict[str, str]) -> None:
        if tag == "nd":
            return
        if tag == "tag":
            self._tag(values)
        elif tag == "node":
            self.nodes += 1
            self._inside = tag
            self._node(values)
        elif tag == "way":
            self.ways += 1
            self._inside = tag
        elif not self._root:
            self._root = tag
            if tag != "osm":
                raise _NotOsmError(f"this is XML, but its outermost element is <{tag}>, not <osm>")
            self.words.extend(values.values())
        elif tag == "bounds":
            self.bounds = _numbers(values, ("minlat", "minlon", "maxlat", "maxlon"))
        elif tag == "note":
            self.parser.CharacterDataHandler = self.words.append
        elif tag == "relation":
            self._inside = tag

    def _end(self, tag: str) -> None:
        if tag == "note":
            self.parser.CharacterDataHandler = None

    def _tag(self, values: dict[str, str]) -> None:
        if values.get("k") != "highway":
            return
        if self._inside == "way":
            self.highways += 1
        elif self._inside == "node" and values.get("v") == "traffic_signals":
            self.signals += 1

    def _node(self, values: dict[str, str]) -> None:
        place = _numbers(values, ("lat", "lon"))
        if place is None or abs(place[0]) > 90 or abs(place[1]) > 180:
            if values.get("action") == "delete" or values.get("visible") == "false":
                return
            found = ", ".join(f"{key} = '{values.get(key, '')}'" for key in ("lat", "lon"))
            raise _NotOsmError(
                f"line {self.parser.CurrentLineNumber}: node '{values.get('id', '')}' has {found}; these must be "
                "degrees, lat from -90 to 90 and lon from -180 to 180"
            )
        lat_deg, lon_deg = place
        box = self.box
        box[0], box[1] = min(box[0], lat_deg), min(box[1], lon_deg)
        box[2], box[3] = max(box[2], lat_deg), max(box[3], lon_deg)

    def facts(self, path: Path, *, gzipped: bool, sha256: str) -> OsmFacts:
        """Return what was found, if there can be roads in it."""
        if not self.nodes or not self.ways:
            what = "nodes" if not self.nodes else "ways"
            raise InputError(f"{path}: this OSM file holds no {what}, and so no roads.")
        if not self.highways:
            raise InputError(f"{path}: none of the {self.ways} ways of this OSM file has a highway tag: no roads.")
        south, west, north, east = self.bounds or self.box
        text = " ".join(self.words).lower()
        return OsmFacts(
            self.nodes, self.ways, self.highways, self.signals, south, west, north, east,
            any(word in text for word in _OSM_WORDS), gzipped, sha256,
        )  # fmt: skip


def _numbers(values: dict[str, Any], keys: tuple[str, ...]) -> list[float] | None:
    """Read numbers, or return None if one is missing or none."""
    try:
        found = [float(values[key]) for key in keys]
    except (KeyError, ValueError):
        return None
    return found if all(map(math.isfinite, found)) else None
