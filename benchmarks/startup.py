"""What the command line costs: processor time of ``--help`` and ``list``, wall time of a whole default run.

``python benchmarks/startup.py``. Each command runs in a new process, once to fill the caches (compiled Python files,
the converted road network) and then as often as asked.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Stopwatch, machine, verdict

#: Targets of the project, seconds.
_QUICK_CPU_S, _RUN_WALL_S = 0.5, 10.0


def command(*words: str, folder: Path) -> Stopwatch:
    """Run one command of cosim in a process of its own."""
    with Stopwatch() as watch:
        subprocess.run([sys.executable, "-m", "cosim", *words], check=True, capture_output=True, cwd=folder)
    return watch


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="of each quick command")
    repetitions = parser.parse_args().repetitions
    print(f"{machine()}; medians of {repetitions}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for words in (("--help",), ("list",)):
            command(*words, folder=folder)
            watches = [command(*words, folder=folder) for _ in range(repetitions)]
            seconds = statistics.median(watch.cpu_s for watch in watches)
            wall_s = statistics.median(watch.wall_s for watch in watches)
            print(
                f"cosim {words[0]}: {seconds:.3f} s processor time, {wall_s:.3f} s wall; "
                f"target < 0.5 s: {verdict(seconds, _QUICK_CPU_S)}"
            )
        command("run", "--quiet", "--out", "first", folder=folder)
        second = command("run", "--quiet", "--out", "second", folder=folder)
    print(
        f"cosim run --quiet, second call: {second.wall_s:.2f} s wall, {second.cpu_s:.2f} s processor time; "
        f"target < 10 s: {verdict(second.wall_s, _RUN_WALL_S)}"
    )


if __name__ == "__main__":
    main()
