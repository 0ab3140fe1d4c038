"""The shield on controllers that know nothing of departures."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

import cosim
from cosim import load_scenario
from cosim.charging.stations import Arrival, ChargingStations
from cosim.control import ComputingController, SiteView, StationInfo
from cosim.errors import InputError
from cosim.scenario import Scenario
from cosim.shielded import Shielded
from cosim.testing import check_controller


class Says:
    """Answers the same for everybody."""

    period_s = 450.0

    def __init__(self, value: float) -> None:
        self.value = value
        self.notes = {"asked": 0}

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        self.notes["asked"] += 1
        return np.full(site.station.chargers, self.value)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e9, math.nan])
def test_nobody_leaves_short_who_could_be_served(value: float) -> None:
    for seed in range(250):
        rng = np.random.default_rng(seed)
        info = StationInfo("S", 0, "", 20.0, 40.0, 2, 5, 22.0, math.inf)
        stations = ChargingStations(
            [info], {0: Shielded(Says(value))}, efficiency=0.9, vehicle_max_power_kw=22.0, cap_kw=50.0
        )
        arrivals = []
        for i in range(5):
            time_s, stay_s = float(rng.integers(0, 2000)), float(rng.uniform(300.0, 5000.0))
            need_kwh = float(rng.uniform(0.0, 1.1)) * 0.9 * 22.0 * stay_s / 3600.0
            arrivals.append(Arrival(time_s, i, 0, need_kwh, time_s + stay_s))
        for now_s in range(0, 7650, 450):
            stations.settle(float(now_s), [one for one in arrivals if now_s - 450 < one.time_s <= now_s])
            stations.run_controllers(float(now_s))
        assert len(stations.visits) == 5
        for _, session in stations.visits:
            possible_kwh = 22.0 * (session.declared_s - session.arrival_s) / 3600.0
            assert session.short_kwh == pytest.approx(max(0.0, session.asked_kwh - possible_kwh), abs=1e-6)


def test_what_the_controller_has_shows_through() -> None:
    shielded = Shielded(Says(1.0))
    check_controller(shielded)
    assert shielded.notes["asked"] > 0
    assert shielded.period_s == 450.0
    assert not isinstance(shielded, ComputingController)
    assert copy.deepcopy(shielded).value == 1.0


def test_a_scenario_puts_it_on() -> None:
    scenario = load_scenario("nguyen-dupuis", **{
        "simulation.warmup_s": 60, "simulation.control_s": 300, "fleet.parking_share": 1.0, "droop.enabled": False,
        "fleet.parking_min_s": 1200.0, "fleet.parking_max_s": 1800.0,
    })  # fmt: skip

    def short(*, shield: object) -> float:
        table = {"name": "equal-share", "limit_kw": 5.0, "shield": shield}
        tables = {f"CS{m}": table for m in range(1, 6)}
        result = cosim.run(Scenario.model_validate(scenario.model_dump() | {"controller": tables}))
        return float(result.sessions["short_kwh"].sum())

    assert short(shield=False) > 10.0
    assert short(shield=True) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(InputError, match=r"\[controller.CS1\]: shield: found 'yes'; it must be true or false"):
        short(shield="yes")
