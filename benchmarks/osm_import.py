"""The time that importing a large OSM file takes.

``python benchmarks/osm_import.py`` writes a made-up grid city as OSM XML (100,000 nodes: crossings and, on each block,
``--bends`` points between them; every fifth street is a main road with two lanes each way, with signals where two of
them cross), imports it with ``python -m cosim import osm`` in a new process, and prints stages, time, memory and
counts.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import machine

_BLOCK_DEG = 0.002
_SOUTH_DEG, _WEST_DEG = 51.0, 9.0
_MAIN_EVERY = 5


def write_city(path: Path, nodes: int, bends: int) -> None:
    """Write a square grid of streets with about so many nodes, the same each time."""
    side = round(math.sqrt(nodes / (1 + 2 * bends)))
    step = bends + 1
    span = (side - 1) * step
    ids: dict[tuple[int, int], int] = {}
    with path.open("w", encoding="utf-8") as file:
        file.write('<osm version="0.6" generator="cosim benchmark: made up, no map data">\n')
        for row in range(span + 1):
            for column in range(span + 1):
                if row % step and column % step:
                    continue
                ids[row, column] = len(ids) + 1
                lat = _SOUTH_DEG + (row / step + 0.1 * math.sin(column)) * _BLOCK_DEG
                lon = _WEST_DEG + (column / step + 0.1 * math.sin(row)) * _BLOCK_DEG * 1.6
                main = row % (_MAIN_EVERY * step) == 0 and column % (_MAIN_EVERY * step) == 0
                tag = '<tag k="highway" v="traffic_signals"/>' if main else ""
                file.write(f'<node id="{ids[row, column]}" lat="{lat:.7f}" lon="{lon:.7f}">{tag}</node>\n')
        for number in range(side):
            line = number * step
            main = number % _MAIN_EVERY == 0
            for name, points in (("Row", [(line, at) for at in range(span + 1)]),
                                 ("Column", [(at, line) for at in range(span + 1)])):  # fmt: skip
                file.write(f'<way id="{number * 2 + (name == "Row") + 1}">')
                file.writelines(f'<nd ref="{ids[point]}"/>' for point in points)
                file.write(f'<tag k="highway" v="{"secondary" if main else "residential"}"/>')
                file.write('<tag k="lanes" v="4"/>' if main else "")
                file.write(f'<tag k="name" v="{name} {number}"/></way>\n')
        file.write("</osm>\n")


def main() -> None:
    """Write, import, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--bends", type=int, default=1, help="points between crossings")
    chosen = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as work_name:
        work = Path(work_name)
        write_city(work / "city.osm", chosen.nodes, chosen.bends)
        print(f"city.osm: {(work / 'city.osm').stat().st_size / 1e6:.1f} MB")
        start_s = time.perf_counter()
        command = [sys.executable, "-m", "cosim", "import", "osm", str(work / "city.osm"), "--out", str(work / "out")]
        subprocess.run(command, check=True)
        wall_s = time.perf_counter() - start_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        counts = json.loads((work / "out" / "import.json").read_text(encoding="utf-8"))["counts"]
        for name, value in counts.items():
            print(f"{name:<28} {value:,}")
        size_mb = (work / "out" / "network.net.xml.gz").stat().st_size / 1e6
        print(
            f"wall {wall_s:.1f} s, processor {used.ru_utime + used.ru_stime:.1f} s; the largest process took "
            f"{used.ru_maxrss / 1024:.0f} MB; network.net.xml.gz {size_mb:.1f} MB"
        )


if __name__ == "__main__":
    main()
