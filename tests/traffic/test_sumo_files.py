"""A ``.sumocfg`` as people write them, and every fault in one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cosim.errors import InputError
from cosim.sumo_files import charging_stations, is_config, parse_xml, read_config, time_s
from cosim.sumo_scenario import take_over_stations, take_over_times
from cosim.traffic.sumo_input import SumoInput

from .conftest import LoadTown


def config(folder: Path, text: str) -> Path:
    path = folder / "c.sumocfg"
    path.write_text(f"<configuration>{text}</configuration>")
    for name in ("n.net.xml", "a.rou.xml", "b.rou.xml", "x.add.xml"):
        (folder / name).write_text("<a/>")
    return path


@pytest.mark.parametrize(
    ("text", "seconds"), [("25200", 25200.0), ("07:00:00", 25200.0), ("1:00:00:01.5", 86401.5), ("-1", -1.0)]
)
def test_times(text: str, seconds: float) -> None:
    assert time_s(text) == seconds


@pytest.mark.parametrize("text", ["", "seven", "07:00", "1:2:3:4:5", "nan", "inf"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller says where
        time_s(text)


def test_short_names_flat_files_and_several_files(tmp_path: Path) -> None:
    """SUMO takes ``n``, ``r``, ``a``, ``b`` and ``e``, values in ``v``, with sections or without."""
    path = config(
        tmp_path,
        '<n v="n.net.xml"/><r v="a.rou.xml, b.rou.xml"/><input><a value="x.add.xml"/></input><b v="1:00:00"/>'
        '<e v="-1"/>',
    )
    found = read_config(path)
    assert found.net_file == tmp_path / "n.net.xml"
    assert [file.name for file in found.route_files] == ["a.rou.xml", "b.rou.xml"]
    assert [file.name for file in found.additional_files] == ["x.add.xml"]
    assert (found.begin_s, found.end_s) == (3600, None)


def test_options_are_sorted_into_three_kinds(tmp_path: Path) -> None:
    """Those of the traffic go on to SUMO, those of outputs and messages count for nothing, the rest is reported."""
    found = read_config(
        config(
            tmp_path,
            '<net-file value="n.net.xml"/><lateral-resolution value="0.8"/><collision.action value="warn"/>'
            '<tripinfo-output value="t.xml"/><fcd-output.geo value="true"/><vehroute-output.sorted value="1"/>'
            '<no-step-log value="true"/><output-prefix value="out/"/><summary value="s.xml"/><log value="l"/>'
            '<step-length value="0.5"/><scale value="2"/><device.rerouting.probability value="0.3"/>',
        )
    )
    assert found.handed_on == {"lateral-resolution": "0.8", "collision.action": "warn"}
    assert found.ignored == {"step-length": "0.5", "scale": "2", "device.rerouting.probability": "0.3"}


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["there is no <net-file value=...>; a network is needed."]),
        (
            '<net-file value="no.net.xml"/><route-files value="a.rou.xml,no.rou.xml"/><begin value="soon"/>',
            [
                "net-file: the file {}no.net.xml",
                "route-files: the file {}no.rou.xml",
                "begin = 'soon'; it must be whole",
            ],
        ),
        ('<net-file value="n.net.xml"/><begin value="-5"/>', ["begin = '-5'; it must be at least 0."]),
        ('<net-file value="n.net.xml"/><end value="10.5"/>', ["end = '10.5'; it must be whole seconds, or as in 07"]),
        ("<net-file", ["not a readable SUMO configuration ("]),
    ],
)
def test_faults(tmp_path: Path, text: str, faults: list[str]) -> None:
    path = config(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_config(path)
    assert len(caught.value.faults) == len(faults)
    for found, expected in zip(caught.value.faults, faults, strict=True):
        assert found.startswith(f"{path}: {expected}".format(f"{tmp_path}/"))


def test_a_configuration_that_does_not_exist(tmp_path: Path) -> None:
    assert is_config(tmp_path / "c.sumocfg")
    assert not is_config(None)
    with pytest.raises(InputError, match=r"SUMO configuration does not exist\.$"):
        read_config(tmp_path / "c.sumocfg")


def test_packed_files(tmp_path: Path) -> None:
    path = tmp_path / "c.add.xml.gz"
    path.write_bytes(gzip.compress(b'<additional><chargingStation id="c" lane="e_0" power="11000"/></additional>'))
    assert charging_stations([path])["c"].max_power_kw == 11.0
    path.write_bytes(b"not packed")
    with pytest.raises(InputError, match="not a readable file"):
        parse_xml(path, "file")


def test_sumo_s_own_defaults_of_a_charging_station(tmp_path: Path) -> None:
    path = tmp_path / "c.add.xml"
    path.write_text(
        '<additional><chargingStation id="c" lane="e_0"/>'
        '<chargingStation id="d" lane="e_0" startPos="-40" endPos="-10" totalPower="90000"/></additional>'
    )
    found = charging_stations([path])
    assert (found["c"].max_power_kw, found["c"].total_kw, found["c"].places) == (22.0, None, 1)
    assert (found["d"].start_m, found["d"].end_m, found["d"].total_kw, found["d"].places) == (-40.0, -10.0, 90.0, 4)


def test_copies_write_nowhere_and_read_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = tmp_path / "in" / "x.add.xml"
    source.write_text(
        '<additional><e1Detector id="l" lane="e_0" pos="1" file="l.xml"/><timedEvent dest="t.xml"/>'
        '<variableSpeedSign id="v" lanes="e_0" file="speeds.xml"/><calibrator id="c" output="c.xml"/>'
        '<vType id="t"><param key="has.ssm.device" value="true"/><param key="device.ssm.file" value="s.xml"/></vType>'
        '<include href="../y.add.xml"/></additional>'
    )
    (tmp_path / "y.add.xml").write_text('<additional><e2Detector id="m" file="m.xml"/></additional>')
    (copy,) = SumoInput((source,)).write_additional(tmp_path / "out")
    found = {element.get("id"): element for element in parse_xml(copy, "copy")}
    assert {element.get("file") for name, element in found.items() if name in {"l", "m"}} == {"NUL"}
    assert [element.get("dest") for element in parse_xml(copy, "copy").iter("timedEvent")] == ["NUL"]
    assert found["c"].get("output") == "NUL"
    assert found["v"].get("file") == str(tmp_path / "in" / "speeds.xml")
    assert len(found["t"]) == 0


def test_times_that_the_scenario_says_stand(load_town: LoadTown) -> None:
    simulation = {"begin_s": 25_500, "warmup_s": 60, "control_s": 120, "time_limit_s": 900}
    loaded = load_town({"simulation": simulation}).simulation
    assert {key: getattr(loaded, key) for key in simulation} == simulation


def test_a_whole_day_has_time_to_arrive(load_town: LoadTown, town_folder: Path) -> None:
    text = (town_folder / "town.sumocfg").read_text().replace('"26700"', '"1:00:00:00"').replace("07:00:00", "0")
    loaded = load_town(files={"town.sumocfg": text}).simulation
    assert (loaded.begin_s, loaded.control_s, loaded.time_limit_s) == (0, 86_100, 86_400 + 43_200)


def test_a_fault_of_the_configuration_is_told_once(tmp_path: Path) -> None:
    path = config(tmp_path, "<configuration/>")
    data = {"network": {"file": str(path)}, "station": [{"id": "A", "charging_station": "cs"}]}
    faults = [*take_over_times(data), *take_over_stations(data)]
    assert set(faults) == {f"[network] file: {path}: there is no <net-file value=...>; a network is needed."}
