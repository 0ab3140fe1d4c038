"""The scenario file: defaults, overrides, round trip, and one clear sentence for each fault."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

import cosim
from cosim.errors import InputError
from cosim.scenario import Scenario, to_toml
from cosim.scenario_file import parse_assignment


def faults_of(source: str | Path, **overrides: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        cosim.load_scenario(source, **overrides)
    return list(caught.value.faults)


def test_default_scenario_is_case_a_of_the_paper(scenario: Scenario) -> None:
    assert (scenario.simulation.warmup_s, scenario.simulation.control_s) == (1200, 3600)
    assert scenario.demand.vehicles_per_h == 600
    assert scenario.fleet.ev_share == 0.5
    assert [(s.id, s.bus, s.chargers) for s in scenario.station] == [
        ("CS1", 24, 60),
        ("CS2", 32, 60),
        ("CS3", 7, 60),
        ("CS4", 25, 60),
        ("CS5", 8, 60),
    ]
    assert scenario.droop.model_dump(exclude={"enabled", "voltage"}) == {
        "v_ref_low_pu": 0.90,
        "v_ref_high_pu": 0.95,
        "min_power_kw": 15.0,
        "max_power_kw": 50.0,
        "control_interval_s": 600,
    }


def test_overrides() -> None:
    changed = cosim.load_scenario(
        "nguyen-dupuis",
        seed=7,
        grid="ieee69",
        recommender="nearest",
        fleet={"ev_share": 0.25},
        **{
            "station.CS3.bus": 61,
            "droop.voltage": "local",
            "controller.CS1": {"name": "equal-share", "limit_kw": 500.0},
        },
    )
    assert changed.simulation.seed == 7
    assert changed.grid.name == "ieee69"
    assert changed.recommender.name == "nearest"
    assert (changed.fleet.ev_share, changed.fleet.battery_kwh) == (0.25, 24)
    assert changed.station[2].bus == 61
    assert changed.controller["CS1"].options == {"limit_kw": 500.0}


def test_station_order_is_natural(tmp_path: Path, scenario: Scenario) -> None:
    tables = scenario.model_dump(exclude_none=True)
    entry = dict(tables["station"][0])
    tables["station"] = [entry | {"id": name} for name in ("CS10", "CS2", "CS1")]
    (tmp_path / "a.toml").write_text(tomli_w.dumps(tables))
    assert [s.id for s in cosim.load_scenario(tmp_path / "a.toml").station] == ["CS1", "CS2", "CS10"]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    rate=st.floats(0, 5000, allow_nan=False),
    share=st.floats(0, 1),
    soc=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    voltage=st.sampled_from(["mean", "local", "minimum"]),
    bus=st.one_of(st.none(), st.integers(1, 33), st.just("bus 7")),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    rate: float,
    share: float,
    soc: list[float],
    voltage: str,
    bus: int | str | None,
) -> None:
    low, high, target = sorted(soc)
    changes = {
        "fleet.initial_soc_min": low,
        "fleet.initial_soc_max": high,
        "fleet.target_soc": max(target, 1e-6),
        "demand.vehicles_per_h": rate,
        "fleet.ev_share": share,
        "droop.voltage": voltage,
        "station.CS1.bus": bus,
    }
    first = cosim.load_scenario("nguyen-dupuis", seed=seed, **changes)
    path = tmp_path_factory.mktemp("scenario") / "again.toml"
    path.write_text(to_toml(first), encoding="utf-8")
    assert cosim.load_scenario(path) == first


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"network": "nguyen-dupius"},
            "nguyen-dupuis: [network] name (set on the command line): unknown network 'nguyen-dupius'; "
            "did you mean 'nguyen-dupuis'? allowed: ",
        ),
        ({"grid": "ieee3"}, "unknown grid 'ieee3'; did you mean 'ieee33'? allowed: 'ieee33', 'ieee69'."),
        ({"recommender": "nearst"}, "unknown recommender 'nearst'; did you mean 'nearest'? allowed: "),
        ({"controller.CS1.name": "equal"}, "unknown controller 'equal'; did you mean 'equal-share'? allowed: "),
        (
            {"controller.CS9.name": "equal-share"},
            "unknown station 'CS9'; did you mean 'CS5'? allowed: 'CS1', 'CS2', 'CS3', 'CS4', 'CS5'.",
        ),
        (
            {"demand.vehicles_per_h": -1},
            "nguyen-dupuis: [demand] vehicles_per_h (set on the command line): found -1; "
            "input should be greater than or equal to 0.",
        ),
        (
            {"station.CS2.chargers": 0},
            "[[station]] 'CS2' chargers: found 0; input should be greater than or equal to 1.",
        ),
        (
            {"fleet.target_soc": 0.5},
            "nguyen-dupuis: [fleet]: target_soc = 0.5 is below the initial charge, initial_soc_max = 0.6.",
        ),
        ({"fleet.ev_shre": 0.5}, "[fleet] ev_shre (set on the command line): unknown key; did you mean 'ev_share'?"),
        ({"flet.ev_share": 0.5}, "flet: unknown key; did you mean 'fleet'?"),
        (
            {"simulation.seed": 1.5},
            "[simulation] seed (set on the command line): found 1.5; input should be a valid int",
        ),
        ({"station.CS1.edge": 67}, "[[station]] 'CS1' edge: found 67; input should be a valid string."),
        ({"station.CS7.bus": 1}, "--set station.CS7.bus: unknown station 'CS7'; did you mean 'CS5'?"),
        ({"droop.min_power_kw": 60}, "[droop]: min_power_kw = 60.0 must not exceed max_power_kw = 50.0."),
        ({"simulation.time_limit_s": 60}, "time_limit_s = 60 must exceed warmup_s + control_s = 4800."),
    ],
)
def test_bad_values(changes: dict[str, object], sentence: str) -> None:
    (fault,) = faults_of("nguyen-dupuis", **changes)
    assert sentence in fault


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        """
        [network]
        name = "nowhere"
        [grid]
        name = "ieee33"
        base_load_scale = "much"
        [fleet]
        ev_share = 2
        [[station]]
        id = "A"
        edge = "6_7"
        chargers = 0
        """
    )
    found = faults_of(path)
    assert len(found) == 4
    assert all(fault.startswith(f"{path}: [") for fault in found)
    assert {fault.split(": ")[1] for fault in found} == {
        "[network] name",
        "[grid] base_load_scale",
        "[fleet] ev_share",
        "[[station]] 'A' chargers",
    }


def test_two_stations_with_one_id(tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "a.toml"
    path.write_text(to_toml(scenario).replace('"CS2"', '"CS1"'))
    (fault,) = faults_of(path)
    assert fault == f"{path}: [[station]]: two stations have the id 'CS1'; every station needs an id of its own."


def test_missing_file() -> None:
    assert faults_of("no/such.toml") == ["no/such.toml: the scenario file does not exist."]


def test_unknown_scenario() -> None:
    (fault,) = faults_of("nguyen")
    assert fault.startswith("unknown scenario 'nguyen'; did you mean 'nguyen-dupuis'? allowed: 'kowloon', ")


def test_syntax_error(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[network\nname = 1\n")
    (fault,) = faults_of(path)
    assert fault.startswith(f"{path}: not valid TOML: ")
    assert "line 1" in fault


def test_name_and_file_together(tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "a.toml"
    path.write_text(to_toml(scenario).replace("[network]", '[network]\nfile = "x.net.xml"'))
    (fault,) = faults_of(path)
    assert fault == f"{path}: [network]: give either name (an installed plug-in) or file (a path), one of the two."


def test_a_plugin_name_may_stand_for_its_table(tmp_path: Path) -> None:
    path = tmp_path / "my own scenario.toml"
    path.write_text('grid = "ieee69"\nnetwork = "nguyen-dupuis"\n[[station]]\nid = "A"\nedge = "6_7"\n')
    loaded = cosim.load_scenario(path)
    assert (loaded.grid.name, loaded.network.name, loaded.name) == ("ieee69", "nguyen-dupuis", "my-own-scenario")
    assert cosim.load_scenario(path, grid="ieee33").grid.name == "ieee33"


def test_paths_are_relative_to_the_scenario_file(tmp_path: Path, scenario: Scenario) -> None:
    path = tmp_path / "a.toml"
    path.write_text(to_toml(scenario).replace('[grid]\nname = "ieee33"', '[grid]\nfile = "feeder.json"'))
    assert cosim.load_scenario(path).grid.file == str(tmp_path / "feeder.json")


@pytest.mark.parametrize(
    ("text", "value"),
    [("a.b=3", 3), ("a.b=0.5", 0.5), ("a.b=true", True), ('a.b="x"', "x"), ("a.b=x", "x"), ("a.b=6_7", "6_7")],
)
def test_assignments_are_read_as_toml(text: str, value: object) -> None:
    key, found = parse_assignment(text)
    assert (key, found) == ("a.b", value)
    assert type(found) is type(value)


def test_assignment_without_a_value() -> None:
    with pytest.raises(InputError, match=r"--set fleet: expected key.path=value, such as fleet.ev_share=0.3."):
        parse_assignment("fleet")
