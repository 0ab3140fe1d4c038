"""The run folder is exactly what the design promises."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cosim.metrics import decision_rewards, losses_kwh, total_travel_time_s, vehicle_seconds
from cosim.results import Result, read_result
from cosim.tables.stations import RewardTable

COLUMNS = {
    "trips": "vehicle is_ev depart_s arrive_s driving_s waiting_s charging_s distance_m station request_s "
    "arrival_station_s plug_in_s plug_out_s soc_start soc_request soc_plug_in soc_end energy_kwh",
    "stations": "time_s station queued charging en_route power_kw cap_kw",
    "buses": "time_s bus vm_pu",
    "lines": "time_s line loading_percent loss_kw",
    "edges": "time_s edge vehicles density_per_km",
    "decisions": "step time_s vehicle station reward cost",
    "sessions": "station vehicle arrival_s plug_in_s charged_s left_s parks departure_s max_power_kw asked_kwh "
    "energy_kwh short_kwh computing_kwh reason",
}


def test_files_and_columns(default_run: Result) -> None:
    assert default_run.folder is not None
    names = {path.name for path in default_run.folder.iterdir()}
    assert names == {"summary.json", "scenario.toml", *(f"{table}.parquet" for table in COLUMNS)}
    for table, columns in COLUMNS.items():
        assert pq.read_schema(default_run.folder / f"{table}.parquet").names == columns.split()


SUMMARY = "scenario network grid recommender controllers seed backend steps wall_s versions metrics counts complete"
METRICS = (
    "ttt_s cvv_pu wct_min mean_waiting_s mean_charging_s mean_driving_s min_voltage_pu energy_delivered_kwh "
    "grid_losses_kwh"
)
COUNTS = "vehicles evs arrived charged teleports decisions powerflows nonconverged"


def test_summary(default_run: Result) -> None:
    assert default_run.folder is not None
    summary = json.loads((default_run.folder / "summary.json").read_text())
    assert set(summary) >= set(SUMMARY.split())
    assert set(summary["metrics"]) >= set(METRICS.split())
    assert set(summary["counts"]) >= set(COUNTS.split())
    assert summary["metrics"] == default_run.metrics


def test_reading_back_gives_the_same_tables(default_run: Result) -> None:
    assert default_run.folder is not None
    again = read_result(default_run.folder)
    for name, table in default_run.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name], check_exact=True)


def test_one_row_per_instant_and_element(default_run: Result) -> None:
    instants = default_run.stations["time_s"].unique()
    assert (np.diff(instants) == 60).all()
    assert instants[0] == 0
    for table, key, count in (("stations", "station", 5), ("buses", "bus", 33), ("lines", "line", 37)):
        frame = default_run.tables[table]
        assert (frame.groupby("time_s")[key].nunique() == count).all()
        assert list(frame["time_s"].unique()) == list(instants)
    assert set(default_run.buses["bus"]) == set(range(1, 34))


def test_metrics_follow_from_the_tables(default_run: Result) -> None:
    trips, metrics = default_run.trips, default_run.metrics
    evs = trips[trips["is_ev"]]
    assert metrics["wct_min"] == pytest.approx((evs["waiting_s"] + evs["charging_s"]).mean() / 60)
    assert metrics["min_voltage_pu"] == default_run.buses["vm_pu"].min()
    assert metrics["energy_delivered_kwh"] == pytest.approx(evs["energy_kwh"].sum())
    # The recorded load, held for a minute each, is nearly the energy of the sessions.
    recorded_kwh = default_run.stations["power_kw"].sum() / 60
    assert recorded_kwh == pytest.approx(metrics["energy_delivered_kwh"], rel=0.01)


def test_voltage_report(default_run: Result) -> None:
    report, buses = default_run.summary["voltage"], default_run.buses
    row = buses.loc[buses["vm_pu"].idxmin()]
    assert (report["lowest_pu"], report["lowest_bus"], report["lowest_time_s"]) == (
        row["vm_pu"], row["bus"], row["time_s"]
    )  # fmt: skip
    assert report["base_buses_outside"] == 21, "of 33, below 0.95 pu without any charging"
    base = buses[buses["time_s"] == 0].set_index("bus")["vm_pu"]
    inside = base[base >= 0.95].index
    left = buses[buses["bus"].isin(inside) & (buses["vm_pu"] < 0.95)]
    assert report["new_buses_outside"] == left["bus"].nunique() > 0
    assert report["new_violation_bus_h"] == pytest.approx(len(left) / 60, abs=0.02)


# ---- metrics against hand computation


def trips_of(times: list[tuple[float, float]]) -> pd.DataFrame:
    return pd.DataFrame(times, columns=["depart_s", "arrive_s"])


def test_total_travel_time_counts_unfinished_trips_until_the_end() -> None:
    trips = trips_of([(0, 10), (5, 25), (20, np.nan), (90, np.nan)])
    assert total_travel_time_s(trips, end_s=50) == 10 + 20 + 30 + 0


def test_vehicle_seconds() -> None:
    trips = trips_of([(0, 10), (5, 25)])
    assert vehicle_seconds(trips, np.array([0.0, 5.0, 10.0, 30.0])) == pytest.approx([0, 5, 15, 30])


def test_paper_reward_by_hand() -> None:
    """Eq. 25-26 with two vehicles and three requests, two of them in one second."""
    trips = trips_of([(0, 10), (5, 25)])
    reward = RewardTable(scale=0.5, maximum=10.0, last_weight_per_s=0.1)
    found = decision_rewards(trips, np.array([5.0, 5.0, 15.0]), 25.0, reward)
    # Step 0 has no duration: the two vehicles present. Step 1: 15 vehicle seconds in 10 s. Last: 0.1 * 10.
    assert found == pytest.approx([0.5 * (10 - 2), 0.5 * (10 - 1.5), 0.5 * (10 - 1.0)])


def test_losses_are_held_between_instants() -> None:
    lines = pd.DataFrame({"time_s": [0, 0, 60, 60], "line": [1, 2, 1, 2], "loss_kw": [1.0, 2.0, 5.0, 5.0]})
    assert losses_kwh(lines, end_s=90) == pytest.approx((3 * 60 + 10 * 30) / 3600)
