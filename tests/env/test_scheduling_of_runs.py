"""The charging site environment on what a coupled run has recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cosim
from cosim import load_scenario
from cosim.env.scheduling import SchedulingEnv, run_days
from cosim.errors import InputError
from cosim.scheduling.recorded import recorded_sessions
from cosim.scheduling.site import Site


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    scenario = load_scenario("nguyen-dupuis", **{
        "simulation.warmup_s": 60, "simulation.control_s": 600, "fleet.parking_share": 0.5,
        "fleet.parking_min_s": 1200.0, "fleet.parking_max_s": 3600.0,
    })  # fmt: skip
    folder: Path = tmp_path_factory.mktemp("runs") / "parked"
    cosim.run(scenario, out=folder)
    return folder


def test_an_episode_charges_the_vehicles_of_the_run(run: Path) -> None:
    recorded = cosim.results.read_result(run).sessions
    here = recorded[recorded["station"] == "CS2"]
    sessions = recorded_sessions(run, "CS2")
    assert sessions.energy_kwh.tolist() == here["asked_kwh"].tolist()
    parks = here["parks"].to_numpy()
    assert sessions.departure_s[parks].tolist() == here["departure_s"][parks].tolist()
    assert sessions.departure_s[~parks].tolist() == here["left_s"][~parks].tolist()
    env = SchedulingEnv(run_days([run], "CS2", Site(np.full(20, 60.0), 300.0)), chargers=60)
    env.reset(seed=0)
    over, info = False, {}
    while not over:
        _, _, over, _, info = env.step(np.zeros(60))
    assert info["metrics"]["vehicles"] == len(here)
    # Slots that a stay touches count whole, so that all can be served.
    assert info["metrics"]["delivered_kwh"] == pytest.approx(here["asked_kwh"].sum(), rel=1e-9)


def test_faults_get_one_sentence(run: Path, tmp_path: Path) -> None:
    site = Site(np.zeros(4), 900.0)
    with pytest.raises(InputError, match=r"no session at 'CS9'; did you mean 'CS"):
        run_days([run], "CS9", site)
    with pytest.raises(InputError, match=r"there is no sessions\.parquet"):
        run_days([tmp_path], "CS1", site)
