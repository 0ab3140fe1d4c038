"""Same scenario and seed, same tables: across runs, back ends, ways of stepping, file order and saved states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
from support import assert_same_tables

import cosim
from cosim.control import SystemInfo
from cosim.errors import CosimError
from cosim.results import make_tables
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim_agents.heuristics.static import Uniform


def test_same_seed_same_files(short_scenario: Scenario, tmp_path: Path) -> None:
    cosim.run(short_scenario, seed=5, out=tmp_path / "a")
    cosim.run(short_scenario, seed=5, out=tmp_path / "b")
    cosim.run(short_scenario, seed=6, out=tmp_path / "c")
    for name in ("trips", "stations", "buses", "lines", "decisions"):
        first = (tmp_path / "a" / f"{name}.parquet").read_bytes()
        assert first == (tmp_path / "b" / f"{name}.parquet").read_bytes()
        assert first != (tmp_path / "c" / f"{name}.parquet").read_bytes()


def test_the_resolved_scenario_runs_again_to_the_same_tables(short_scenario: Scenario, tmp_path: Path) -> None:
    first = cosim.run(short_scenario, recommender="least-time-droop", seed=5, out=tmp_path / "a")
    assert_same_tables(first, cosim.run(tmp_path / "a" / "scenario.toml"))


def test_traci_gives_the_same_tables_as_libsumo(short_scenario: Scenario) -> None:
    """Over the socket quiet seconds are crossed in one call, so this compares event with one-second stepping too."""
    changed = short_scenario.simulation.model_copy(update={"backend": "traci"})
    crowded = tuple(station.model_copy(update={"chargers": 3}) for station in short_scenario.station)
    here = short_scenario.model_copy(update={"station": crowded})
    there = here.model_copy(update={"simulation": changed})
    one, other = cosim.run(here, recommender="least-time"), cosim.run(there, recommender="least-time")
    assert other.summary["backend"] == "traci"
    assert one.metrics["mean_waiting_s"] > 10
    assert_same_tables(one, other)


def test_event_stepping_equals_one_second_stepping(short_scenario: Scenario) -> None:
    runs = []
    for stepping in ("second", "event"):
        simulation = short_scenario.simulation.model_copy(update={"stepping": stepping, "backend": "libsumo"})
        runs.append(cosim.run(short_scenario.model_copy(update={"simulation": simulation}), recommender="nearest"))
    assert_same_tables(*runs)


def test_a_jam_is_the_same_in_both_ways_of_stepping_and_loses_nobody() -> None:
    """Everybody to one station, so that SUMO teleports vehicles, some of them past it: counted, and all come home."""

    class First(Uniform):
        def recommend(self, request: object, view: object) -> int:
            return 0

    jam = {"demand.vehicles_per_h": 5000, "fleet.ev_share": 0.7, "simulation.teleport_s": 30, "simulation.warmup_s": 0,
           "simulation.control_s": 600}  # fmt: skip
    one, other = (
        cosim.run(cosim.load_scenario("nguyen-dupuis", **jam, **{"simulation.stepping": stepping}), recommender=First())
        for stepping in ("second", "event")
    )
    assert one.counts["teleports"] > 100
    assert one.counts["missed_station"] > 10
    assert one.counts["arrived"] == one.counts["vehicles"] == 833
    assert one.counts["charged"] + one.counts["missed_station"] == one.counts["evs"]
    trips = one.trips
    total_s = trips["driving_s"] + trips["waiting_s"] + trips["charging_s"]
    assert np.abs(total_s - (trips["arrive_s"] - trips["depart_s"])).max() < 1e-9
    assert (one.stations["en_route"] >= 0).all()
    assert_same_tables(one, other)


def test_order_of_stations_in_the_file_does_not_matter(short_scenario: Scenario, tmp_path: Path) -> None:
    tables = short_scenario.model_dump(exclude_none=True)
    tables["station"] = list(reversed(tables["station"]))
    path = tmp_path / "reordered.toml"
    path.write_text(tomli_w.dumps(tables))
    assert path.read_text().index('"CS5"') < path.read_text().index('"CS1"')
    assert_same_tables(cosim.run(short_scenario), cosim.run(path))


def test_another_recommender_meets_the_same_vehicles(short_scenario: Scenario) -> None:
    one, other = cosim.run(short_scenario), cosim.run(short_scenario, recommender="nearest")
    same = ["vehicle", "is_ev", "depart_s", "soc_start", "request_s"]
    pd.testing.assert_frame_equal(one.trips[same], other.trips[same])


def test_a_warmed_up_state_continues_bit_exactly(short_scenario: Scenario, tmp_path: Path) -> None:
    """Also from the second simulation of a process on, where SUMO alone would continue with other random numbers."""
    with Simulation(short_scenario, checkpoints=True) as simulation:

        def tables_to_the_end(info: SystemInfo) -> dict[str, pd.DataFrame]:
            agent = Uniform()
            agent.reset(info, np.random.default_rng(0))
            while (request := simulation.advance()) is not None:
                simulation.answer(agent.recommend(request, simulation.observe(request)))
            return make_tables(simulation.state, simulation.end_s, short_scenario.reward)

        for seed in (2, 3):
            whole = tables_to_the_end(simulation.reset(seed))
            info = simulation.reset(seed)
            simulation.warm_up()
            assert simulation.now_s == 300
            saved = simulation.checkpoint(tmp_path / f"{seed}.xml.gz")
            for _ in range(2):
                simulation.restore(saved)
                again = tables_to_the_end(info)
                for name, table in whole.items():
                    pd.testing.assert_frame_equal(table, again[name], check_exact=True)


def test_a_checkpoint_that_would_not_be_exact_is_refused(short_scenario: Scenario, tmp_path: Path) -> None:
    with Simulation(short_scenario, checkpoints=True) as simulation:
        simulation.reset()
        for _ in range(3):
            assert simulation.advance() is not None
            simulation.answer(0)
        with pytest.raises(CosimError, match="exact only before the first EV departs"):
            simulation.checkpoint(tmp_path / "a.xml.gz")
