"""Reading OSM files: what they say, and one sentence for whatever is wrong with them."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pytest

from cosim.errors import InputError
from cosim.importing.osm_file import scan_osm

SMALL = """<?xml version="1.0"?>
<osm version="0.6" generator="CGImap" copyright="OpenStreetMap and contributors">
<bounds minlat="51.0" minlon="9.0" maxlat="51.2" maxlon="9.4"/>
<node id="1" lat="51.0" lon="9.0"><tag k="highway" v="traffic_signals"/></node>
<node id="2" lat="51.1" lon="9.1"><tag k="highway" v="crossing"/></node>
<node id="3" action="delete"/>
<way id="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="primary"/></way>
<way id="2"><nd ref="1"/><nd ref="2"/><tag k="building" v="yes"/></way>
</osm>
"""


def test_facts(tmp_path: Path) -> None:
    file = tmp_path / "small.osm"
    file.write_text(SMALL)
    told: list[str] = []
    facts = scan_osm(file, told.append)
    assert (facts.nodes, facts.ways, facts.highways, facts.signals) == (3, 2, 1, 1)
    assert (facts.south_deg, facts.west_deg, facts.north_deg, facts.east_deg) == (51.0, 9.0, 51.2, 9.4)
    assert facts.is_openstreetmap
    assert not facts.gzipped
    assert told[-1] == "100%"


def test_without_bounds_the_nodes_make_the_box(tmp_path: Path) -> None:
    lines = [line for line in SMALL.splitlines() if "bounds" not in line]
    file = tmp_path / "small.osm.gz"
    file.write_bytes(gzip.compress("\n".join(lines).encode()))
    facts = scan_osm(file)
    assert (facts.south_deg, facts.west_deg, facts.north_deg, facts.east_deg) == (51.0, 9.0, 51.1, 9.1)
    assert facts.gzipped


def test_who_says_that_data_are_openstreetmaps(tmp_path: Path) -> None:
    file = tmp_path / "small.osm"
    bare = SMALL.replace(' copyright="OpenStreetMap and contributors"', "")
    file.write_text(bare)
    assert not scan_osm(file).is_openstreetmap
    note = "<note>The data included in this document is from www.openstreetmap.org.</note>"
    file.write_text(bare.replace("<bounds", f"{note}<bounds"))
    assert scan_osm(file).is_openstreetmap


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("cut.osm", SMALL[:300].encode(), "is it cut off?"),
        ("open.osm", SMALL.removesuffix("</osm>\n").encode(), "line 9, column 1: no element found (is it cut off?)"),
        ("mixed.osm", SMALL.replace("</way>", "</node>", 1).encode(), "line 7, column 71: mismatched tag."),
        ("text.osm", b"edges and nodes", "line 1, column 1: syntax error"),
        ("empty.osm", b"", "the file is empty"),
        ("net.osm", b"<net><edge/></net>", "its outermost element is <net>, not <osm>"),
        ("change.osm", b"<osmChange/>", "its outermost element is <osmChange>, not <osm>"),
        ("cut.osm.gz", gzip.compress(SMALL.encode())[:-60], "the gzip file is cut off or damaged"),
        ("hole.osm.gz", gzip.compress(SMALL.encode())[:40] + b"\0" * 300, "the gzip file is cut off or damaged"),
        ("town.osm.pbf", b"\0\0\0\x0d\x0a\x09OSMHeader", "osmium cat town.osm.pbf -o town.osm.gz"),
        ("pbf.osm", b"\0\0\0\x0d\x0a\x09OSMHeader", "PBF is not read"),
        ("town.o5m", b"\xff\xe0", "osmconvert"),
        ("town.osm.bz2", bz2.compress(SMALL.encode()), "unpack it first, with bunzip2"),
        ("none.osm", b"<osm/>", "holds no nodes"),
        ("points.osm", b'<osm><node id="1" lat="1" lon="1"/></osm>', "holds no ways"),
        ("houses.osm", SMALL.replace("highway", "building").encode(), "none of the 2 ways"),
        ("word.osm", SMALL.replace('lat="51.1"', 'lat="x"').encode(), "line 5: node '2' has lat = 'x', lon = '9.1'"),
        ("far.osm", SMALL.replace('lat="51.1"', 'lat="151"').encode(), "lat from -90 to 90"),
        ("nan.osm", SMALL.replace('lat="51.1"', 'lat="nan"').encode(), "must be degrees"),
    ],
)
def test_broken_file(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        scan_osm(file)
    (sentence,) = caught.value.faults
    assert sentence.startswith(f"{file}: ")
    assert words in sentence


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        scan_osm(tmp_path / "missing.osm")
    with pytest.raises(InputError, match="this is a folder"):
        scan_osm(tmp_path)
