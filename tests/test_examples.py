"""Every example runs; the example package is found once it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cosim

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_scenarios(path: Path) -> None:
    result = cosim.run(path)
    assert result.counts["arrived"] == result.counts["vehicles"]
    assert result.counts["charged"] == result.counts["evs"] > 0


def test_weak_feeder_shows_what_it_promises() -> None:
    result = cosim.run(EXAMPLES / "weak_feeder.toml")
    east = result.stations[result.stations["station"] == "east"]
    assert east["power_kw"].max() <= 250 + 1e-9
    assert result.stations.groupby("time_s")["cap_kw"].nunique().max() == 2, "each station has a cap of its own"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_scripts(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("TTT") == 2


def test_a_package_of_ones_own_adds_a_recommender(tmp_path: Path) -> None:
    """Installed into a folder of its own, so that the test leaves this environment alone."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target",
               str(tmp_path / "site"), str(EXAMPLES / "fewest_en_route")]  # fmt: skip
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n"
        "import cosim\n"
        "from cosim.testing import check_recommender\n"
        "from fewest_en_route import FewestEnRoute\n"
        "check_recommender(FewestEnRoute)\n"
        "short = {'simulation.warmup_s': 60, 'simulation.control_s': 240, 'recommender.extra': 2.0}\n"
        "scenario = cosim.load_scenario('nguyen-dupuis', recommender='fewest-en-route', **short)\n"
        "print(cosim.run(scenario).summary['recommender'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "fewest-en-route"
