"""Every example runs (``training_curves.py`` in test_plots.py); the example package is found once it is installed."""

from __future__ import annotations

import functools
import gzip
import importlib
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import cosim
from cosim import registry
from cosim.errors import InputError
from cosim.results import Result
from cosim.scenario import to_toml
from cosim.testing import check_recommender
from cosim.traffic.install import run_program

EXAMPLES = Path(__file__).parents[1] / "examples"
#: Four minutes of control: 40 vehicles.
TINY = {"simulation.warmup_s": 60, "simulation.control_s": 240}


@functools.cache
def run_of(name: str) -> Result:
    """Run an example once for all tests."""
    return cosim.run(EXAMPLES / name)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_scenarios(path: Path) -> None:
    result = run_of(path.name)
    assert result.counts["arrived"] == result.counts["vehicles"]
    assert result.counts["charged"] == result.counts["evs"] > 0


def test_weak_feeder_shows_what_it_promises() -> None:
    result = run_of("weak_feeder.toml")
    east = result.stations[result.stations["station"] == "east"]
    assert east["power_kw"].max() <= 250 + 1e-9
    assert result.stations.groupby("time_s")["cap_kw"].nunique().max() == 2, "each station has a cap of its own"


def test_sites_show_what_they_promise() -> None:
    result = run_of("sites.toml")
    assert result.summary["controllers"] == {
        "CS1": "calc", "CS2": "uncontrolled", "CS3": "oa", "CS4": "sca", "CS5": "uncontrolled",
    }  # fmt: skip
    sites = result.summary["sites"]
    assert all(site["asked_kwh"] == pytest.approx(site["delivered_kwh"] + site["short_kwh"]) for site in sites.values())
    # The trained policies were made for these stations: they decide, and not OA in their place.
    for name in ("CS1", "CS4"):
        assert sum(sites[name]["notes"].values()) < 0.2 * len(result.sessions)


def test_a_sumo_configuration_of_ones_own(tmp_path: Path) -> None:
    """More of it in tests/traffic/test_own_network.py; here that it runs, and that its network is what it says."""
    folder = EXAMPLES / "own_network"
    result = cosim.run(cosim.load_scenario(folder / "scenario.toml", **{"simulation.control_s": 300}))
    assert result.counts["arrived"] == result.counts["vehicles"] > 90
    assert set(result.decisions["station"]) == {"market", "park", "school", "town-hall"}
    assert result.stations["time_s"].min() == 25_200
    options = ["--proj.utm", "--crossings.guess", "--walkingareas", "--no-turnarounds.except-deadend"]
    files = ["-n", str(folder / "town.nod.xml"), "-e", str(folder / "town.edg.xml"), "-o", str(tmp_path / "built.xml")]
    run_program("netconvert", [*files, *options])
    # All but the comment with date and command.
    built = (tmp_path / "built.xml").read_text().partition("-->")[2].strip()
    shipped = gzip.decompress((folder / "town.net.xml.gz").read_bytes()).decode()
    assert shipped.partition("<net ")[2].strip() == built.partition("<net ")[2].strip()


def test_policies_are_trained_on_runs_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "sites.toml"
    short.write_text(to_toml(cosim.load_scenario(EXAMPLES / "sites.toml", **TINY | {"recommender.name": "uniform"})))
    out = tmp_path / "out"
    options = ["--runs", "2", "--iterations", "1", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["train_sites.py", str(short), *options])
    runpy.run_path(str(EXAMPLES / "train_sites.py"), run_name="__main__")
    assert capsys.readouterr().out.count("bill / offline optimum") == 2
    assert {path.name for path in out.iterdir()} == {"calc-sites-CS1.npz", "sca-sites-CS4.npz"}


def test_ocean_site_keeps_its_promises() -> None:
    result = run_of("ocean_site.toml")
    here = result.sessions[result.sessions["station"] == "CS3"]
    assert here["short_kwh"].max() <= 1e-6
    assert 0.0 < here["computing_kwh"].sum() < 0.01 * here["energy_kwh"].sum()
    tasks = result.tables["tasks"]
    assert tasks["time_s"].is_unique
    assert tasks["rejected"].sum() < tasks["tasks"].sum()


def test_compare_stations(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "compare_stations.py"), run_name="__main__")
    assert capsys.readouterr().out.count("TTT") == 2


def test_a_package_of_ones_own_adds_a_recommender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed into a folder of its own, so that the test leaves this environment alone."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target",
               str(tmp_path / "site"), str(EXAMPLES / "fewest_en_route")]  # fmt: skip
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    monkeypatch.syspath_prepend(tmp_path / "site")
    registry._entry_points.cache_clear()
    try:
        check_recommender(importlib.import_module("fewest_en_route").FewestEnRoute)
        short = TINY | {"recommender.extra": 2.0}
        scenario = cosim.load_scenario("nguyen-dupuis", recommender="fewest-en-route", **short)
        assert cosim.run(scenario).summary["recommender"] == "fewest-en-route"
    finally:
        registry._entry_points.cache_clear()
        sys.modules.pop("fewest_en_route", None)


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import the studies as Python does when they are run: with their folder first on the path."""
    folder = EXAMPLES / "studies"
    # One of them is called "common", as others' modules are.
    modules = [path.stem for path in folder.glob("*.py")]
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module
    for name in modules:
        sys.modules.pop(name, None)


def test_study_of_the_ev_share(study: Callable[[str], ModuleType]) -> None:
    ev_share = study("ev_share")
    scenarios = ev_share.scenarios("nguyen-dupuis", (10, 40), **TINY)
    found = ev_share.averaged(ev_share.common.sweep(ev_share.VARIED, scenarios, ["uniform", "merit-order"], (1,)))
    runs = found.runs.set_index(["evs", "recommender"])
    assert list(runs.index) == [(evs, name) for evs in (10, 40) for name in ("uniform", "merit-order")]
    assert list(runs["charged"]) == [10, 10, 40, 40]
    assert (runs["cvv_above_floor_pu"] > 0).all()
    assert (runs["cvv_per_decision_pu"] * runs["decisions"]).to_numpy() == pytest.approx(runs["cvv_pu"].to_numpy())
    for name in ("uniform", "merit-order"):
        assert runs.loc[(40, name), "min_voltage_pu"] < runs.loc[(10, name), "min_voltage_pu"]
    shares = ev_share.station_shares(found)
    assert shares.sum(axis="columns").to_numpy() == pytest.approx(1.0)
    # So few fit into the electrically nearest station.
    assert shares.loc[(40, "merit-order")].max() == pytest.approx(1.0)
    assert len(ev_share.draw(found).axes) == 3 + 2 * 2
    with pytest.raises(InputError, match="--evs 41: it must be between 1 and the 40 vehicles"):
        ev_share.scenarios("nguyen-dupuis", (41,), **TINY)


def test_study_of_the_control_interval(
    study: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    control_interval = study("control_interval")
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    command = ["--minutes", "2,600", "--recommenders", "uniform", "--seeds", "3,", "--workers", "1", *settings]
    control_interval.main([*command, "--out", str(tmp_path / "out")])
    runs = pd.read_parquet(tmp_path / "out" / "runs.parquet").set_index("control_interval_min")
    assert list(runs.index) == [2, 600]
    assert (runs["cvv_above_floor_pu"] > 0).all()
    # The first interval has the full cap whatever the voltage; here it outlasts the run.
    assert runs.loc[600, "mean_charging_s"] < runs.loc[2, "mean_charging_s"]
    caps_kw = pd.read_parquet(tmp_path / "out" / "stations.parquet").groupby("control_interval_min")["cap_kw"].min()
    assert caps_kw[2] < caps_kw[600] == pytest.approx(50.0)
    rows = [line for line in capsys.readouterr().out.splitlines() if "uniform" in line]
    assert len(rows) == 2
    assert "-" in rows[1].split("│")[-2], "TTT has fallen"
    assert (tmp_path / "out" / "control_interval.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="add --overwrite"):
        control_interval.main([*command, "--out", str(tmp_path / "out")])


def test_study_of_the_decoder_length(study: Callable[[str], ModuleType]) -> None:
    decoder_length = study("decoder_length")
    scenario = cosim.load_scenario("nguyen-dupuis", **TINY | {"simulation.control_s": 600})
    errors = decoder_length.forecast_errors([scenario], (1, 2), (0,), learn=1, test=1)
    assert list(errors["step"]) == [0, 1, 0, 1, 2]
    # Two steps of 4 min fit in, so that there is one instant less the longer the decoder.
    assert list(errors["samples"]) == [2, 2, 1, 1, 1]
    persistence = errors.set_index(["decoder_steps", "step"])["persistence_rmse"]
    assert persistence[1, 1] == pytest.approx(persistence[2, 1]), "the same instants"
    assert persistence[2, 2] > persistence[2, 1] > 0.1, "stations fill"
    assert (errors["predictor_rmse"] > 0).all()
    assert len(decoder_length.draw(errors).axes) == 3
    with pytest.raises(InputError, match="too short to look so far ahead"):
        decoder_length.forecast_errors([cosim.load_scenario("nguyen-dupuis", **TINY)], (9,), (0,), learn=1, test=0)


def test_study_of_the_decoder_length_for_the_policy(study: Callable[[str], ModuleType]) -> None:
    decoder_length_policy = study("decoder_length_policy")
    scenario = cosim.load_scenario("nguyen-dupuis", **TINY | {"fleet.ev_share": 0.25})
    found = decoder_length_policy.policies(scenario, (2,), (0,), episodes=5, test=2)
    assert len(found.runs) == 2
    assert found.runs["cvv_pu"].nunique() == 2, "two evaluation runs"
    # The deviation of the feeder without any charging is 0.05154 pu.
    assert (found.runs["cvv_pu"] > 10 * 0.0515).all()
    with pytest.raises(InputError, match="a positive multiple of 5"):
        decoder_length_policy.policies(scenario, (2,), (0,), episodes=3, test=2)
