"""The station scenario file: what it may say, and one sentence for every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim import registry
from cosim.errors import InputError
from cosim.scenario import to_toml
from cosim.scenario_file import is_station_scenario, load_scenario, load_station_scenario

SHIPPED = ("station-home", "station-public", "station-work")


def refused(**overrides: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        load_station_scenario("station-home", **overrides)
    return caught.value.faults


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_scenarios_are_those_of_the_paper(name: str) -> None:
    scenario = load_station_scenario(name)
    assert f"station-{scenario.arrivals.kind}" == name == scenario.name
    assert (scenario.arrivals.vehicles_per_day, scenario.station.vehicles_per_household) == (100, 2)
    assert (scenario.vehicle.battery_kwh, scenario.vehicle.max_power_kw, scenario.hours) == (24, 3.3, 48)
    assert scenario.description in registry.describe("scenario", name)


def test_resolved_scenario_gives_the_same_again(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    for name in SHIPPED:
        scenario = load_station_scenario(name, **{"controller.calc.start_h": 12.0, "seed": 3})
        file.write_text(to_toml(scenario))
        assert load_station_scenario(file) == scenario


def test_kinds_of_scenario_are_told_apart(tmp_path: Path) -> None:
    assert [name for name in registry.names("scenario") if is_station_scenario(name)] == ["ocean-station", *SHIPPED]
    with pytest.raises(InputError, match=r"^station-home: this is a station scenario .* compare station-home") as one:
        load_scenario("station-home")
    with pytest.raises(
        InputError, match=r"^nguyen-dupuis: this is a scenario of coupled networks.*station-home"
    ) as two:
        load_station_scenario("nguyen-dupuis")
    assert len(one.value.faults) == len(two.value.faults) == 1
    file = tmp_path / "both.toml"
    file.write_text('[station]\nslot_s = 60\n[network]\nname = "nguyen-dupuis"\n[grid]\nname = "ieee33"\n')
    with pytest.raises(InputError, match=r"both\.toml: \[\[station\]\]"):
        load_scenario(file)


def test_every_fault_is_told_at_once_with_its_place() -> None:
    faults = refused(**{
        "station.chargrs": 3, "arrivals.kind": "hme", "vehicle.battery_kwh": -1, "controller.oaa.x": 1,
        "station.base_kw": [],
    })  # fmt: skip
    assert len(faults) == 5
    for fault, part in zip(
        faults,
        (
            "[arrivals] kind (set on the command line): found 'hme'",
            "[vehicle] battery_kwh (set on the command line): found -1",
            "[station] base_kw (set on the command line): at least one value is needed.",
            "[station] chargrs (set on the command line): unknown key; did you mean 'chargers'?",
            "controller: unknown controller 'oaa'; did you mean 'oa'?",
        ),
        strict=True,
    ):
        assert fault.startswith(f"station-home: {part}")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"arrivals.sessions": "a.csv"}, "[arrivals]: give kind (drawn at random), sessions (a CSV file) or run"),
        ({"arrivals.site": "CS1"}, "[arrivals]: run and site belong together"),
        ({"arrivals.timezone": "Europe/Berlin"}, "[arrivals]: timezone goes with sessions only"),
        ({"station.households": 3}, "vehicles_per_household and households are given"),
        ({"station.start_h": 0}, "start_h = 0: days drawn at random (arrivals.kind) begin at 12"),
        ({"station.hours": 30}, "hours = 30: days drawn at random (arrivals.kind) are whole"),
        ({"station.slot_s": 1001}, "a day of 24 h is not a whole number of slots of slot_s = 1001 s"),
        ({"station.limit_kw": 0}, "[station] limit_kw (set on the command line): found 0"),
        ({"grid": "ieee69"}, "station-home: grid: unknown key"),
        ({"controller.oa": 3}, "[controller.oa] (set on the command line): found 3; a table is needed."),
    ],
)
def test_one_sentence_for_one_fault(overrides: dict[str, object], sentence: str) -> None:
    (fault,) = refused(**overrides)
    assert sentence in fault


def test_a_label_may_stand_for_another_plugin() -> None:
    scenario = load_station_scenario("station-home", **{"controller.slow": {"name": "oa", "period_s": 3600.0}})
    assert scenario.plugin_of("slow") == ("oa", {"period_s": 3600.0})
    assert scenario.plugin_of("oa") == ("oa", {})
