"""Finding a feeder, and every way in which one can be unusable."""

from __future__ import annotations

import copy

import pandapower as pp
import pytest
from pandapower import networks

from cosim import registry
from cosim.errors import InputError
from cosim.grid.feeder import Feeder, largest_load_buses, load_feeder
from cosim.grid.powerflow import PowerFlow

WHERE = "a.toml: [grid] file"
UNBALANCED = (
    f"{WHERE}: the feeder 'own' has 1 unbalanced elements (asymmetric_load): the power flow is balanced and would add "
    "up their phases; replace them by balanced ones."
)
SEVERAL_SLACKS = (
    f"{WHERE}: the feeder 'own' has 2 external grids in service (at buses 3, 7); exactly one is needed, so switch the "
    "others off."
)


def faults_of(net, tmp_path) -> tuple[str, ...]:
    file = tmp_path / "own.json"
    pp.to_json(net, file)
    with pytest.raises(InputError) as caught:
        load_feeder(file=file, where=WHERE)
    return caught.value.faults


def test_shipped_feeders_have_the_published_size_and_load(case):
    feeder, expected = case
    assert feeder.bus_numbers == tuple(range(1, expected["n_bus"] + 1))
    assert list(feeder.net.line.index) == list(range(1, expected["n_line"] + 1))
    assert list(feeder.net.line.index[~feeder.net.line["in_service"]]) == list(feeder.net.line.index[-5:])
    assert feeder.net.load["p_mw"].sum() * 1e3 == pytest.approx(expected["active_load_kw"], abs=1e-6)
    assert feeder.net.load["q_mvar"].sum() * 1e3 == pytest.approx(expected["reactive_load_kvar"], abs=1e-6)
    for table in (feeder.net.bus, feeder.net.line, feeder.net.load):
        assert table["name"].is_unique
        assert table["name"].notna().all()


def test_shipped_feeders_are_described_in_one_line():
    for name in ("ieee33", "ieee69"):
        assert registry.describe("grid", name).startswith(f"IEEE {name[-2:]}-bus feeder")


def test_ieee33_has_the_impedances_and_loads_that_pandapower_ships(ieee33):
    theirs = networks.case33bw()
    ours = ieee33.net
    for column in ("r_ohm_per_km", "x_ohm_per_km"):
        assert (ours.line[column] * ours.line["length_km"]).tolist() == pytest.approx(
            (theirs.line[column] * theirs.line["length_km"]).tolist(), abs=1e-9
        )
    assert (ours.line["from_bus"] - 1).tolist() == theirs.line["from_bus"].tolist()
    assert (ours.line["to_bus"] - 1).tolist() == theirs.line["to_bus"].tolist()
    assert dict(zip(ours.load["bus"] - 1, ours.load["p_mw"], strict=True)) == pytest.approx(
        dict(zip(theirs.load["bus"], theirs.load["p_mw"], strict=True))
    )


def test_ieee69_maps_to_the_other_numbering(ieee69):
    other = ieee69.net.bus["savier_das_bus"]
    assert sorted(other) == list(ieee69.bus_numbers)
    assert (other[27], other[36], other[53], other[65]) == (27, 59, 42, 54)


def test_largest_loads(case):
    feeder, expected = case
    wanted = tuple(expected["largest_load_buses"])
    assert largest_load_buses(feeder, len(wanted)) == wanted
    assert largest_load_buses(feeder, 2) == wanted[:2]


def test_largest_loads_add_up_and_leave_out_what_is_off(two_bus_net):
    for bus, megawatt in ((3, 0.1), (3, 0.2), (7, 0.3), (7, 1.0)):
        pp.create_load(two_bus_net, bus, megawatt)
    two_bus_net.load.loc[3, "in_service"] = False
    feeder = Feeder("two", two_bus_net, "test")
    assert largest_load_buses(feeder, 2) == (3, 7)  # 0.1 + 0.2 ties with 0.3
    two_bus_net.load.loc[2, "scaling"] = 2.0
    assert largest_load_buses(feeder, 2) == (7, 3)
    with pytest.raises(InputError) as caught:
        largest_load_buses(feeder, 3)
    assert str(caught.value) == (
        "the feeder 'two' has load at 2 of its buses only, too few for 3 stations by largest load; "
        "give each station its bus."
    )


def test_buses_are_found_by_number_and_by_name(ieee33):
    assert [ieee33.find_bus(bus) for bus in (18, "18", "bus 18")] == [18, 18, 18]


@pytest.mark.parametrize(
    ("bus", "message"),
    [
        (34, "x: the feeder 'ieee33' has no bus '34'; its buses are numbered 1 to 33."),
        (0, "x: the feeder 'ieee33' has no bus '0'; its buses are numbered 1 to 33."),
        (
            "bus 188",
            "x: the feeder 'ieee33' has no bus 'bus 188'; did you mean 'bus 18'? its buses are numbered 1 to 33.",
        ),
    ],
)
def test_unknown_buses_are_refused_with_what_there_is(ieee33, bus, message):
    with pytest.raises(InputError) as caught:
        ieee33.find_bus(bus, where="x")
    assert str(caught.value) == message


def test_ambiguous_names_and_scattered_numbers(two_bus_net):
    two_bus_net.bus["name"] = "same"
    feeder = Feeder("two", two_bus_net, "test")
    with pytest.raises(InputError, match=r"^'same' names 2 buses of 'two'; give a number: 7, 3\.$"):
        feeder.find_bus("same")
    with pytest.raises(InputError, match=r"^the feeder 'two' has no bus '5'; allowed: '3', '7'\.$"):
        feeder.find_bus(5)


def test_a_feeder_of_ones_own_survives_the_file(ieee33, tmp_path):
    file = tmp_path / "mine.json"
    pp.to_json(ieee33.net, file)
    mine = load_feeder(file=file, where=WHERE)
    assert (mine.name, mine.source) == ("mine", str(file))
    assert mine.bus_numbers == ieee33.bus_numbers
    power = [900.0, 300.0]
    assert (PowerFlow(mine, [18, 25]).solve(power).vm_pu == PowerFlow(ieee33, [18, 25]).solve(power).vm_pu).all()


def test_plug_in_feeders_tell_their_source(ieee33):
    assert (ieee33.name, ieee33.source) == ("ieee33", "plug-in ieee33")
    with pytest.raises(InputError, match=r"^a.toml: \[grid\] name: unknown grid 'iee33'; did you mean 'ieee33'\?"):
        load_feeder(name="iee33", where="a.toml: [grid] name")


@pytest.mark.parametrize("both", [True, False])
def test_either_a_name_or_a_file_is_wanted(tmp_path, both):
    with pytest.raises(InputError, match="give either a grid's name or a file"):
        load_feeder(name="ieee33" if both else None, file=tmp_path if both else None, where=WHERE)


def test_missing_and_unreadable_files(tmp_path):
    with pytest.raises(InputError) as caught:
        load_feeder(file=tmp_path / "none.json", where=WHERE)
    assert str(caught.value) == f"{WHERE}: there is no file '{tmp_path / 'none.json'}'."
    with pytest.raises(InputError) as caught:
        load_feeder(file=tmp_path, where=WHERE)
    assert caught.value.faults == (
        f"{WHERE}: {tmp_path}: buses.csv is missing.",
        f"{WHERE}: {tmp_path}: lines.csv is missing.",
    )


@pytest.mark.parametrize("content", [b"", b"bus,kind", b"[1, 2]", b'{"a": 1}', b"\xff\xfe\x80"])
def test_files_that_are_no_pandapower_json(tmp_path, content):
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_feeder(file=file, where=WHERE)
    assert str(caught.value) == (
        f"{WHERE}: '{file}' is not a pandapower JSON file (write one with pandapower.to_json)."
    )


def test_pandapower_json_of_something_else(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"_module": "nowhere", "_class": "pandapowerNet", "_object": {}}', encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_feeder(file=file, where=WHERE)
    assert str(caught.value).startswith(f"{WHERE}: pandapower {pp.__version__} cannot read '{file}': ")


def test_a_net_without_buses(tmp_path):
    assert faults_of(pp.create_empty_network(), tmp_path) == (f"{WHERE}: the feeder 'own' has no buses.",)


def test_all_faults_of_a_net_are_told_at_once(two_bus_net, tmp_path):
    two_bus_net.ext_grid["in_service"] = False
    pp.create_asymmetric_load(two_bus_net, 3, p_a_mw=0.1)
    assert faults_of(two_bus_net, tmp_path) == (
        f"{WHERE}: the feeder 'own' is a grid without slack: it needs one external grid (ext_grid) in service.",
        UNBALANCED,
    )


def test_several_slacks(two_bus_net, tmp_path):
    pp.create_ext_grid(two_bus_net, 3)
    assert faults_of(two_bus_net, tmp_path) == (SEVERAL_SLACKS,)
    two_bus_net.ext_grid["in_service"] = [True, False]
    pp.create_gen(two_bus_net, 3, p_mw=0.0, slack=True)
    assert faults_of(two_bus_net, tmp_path) == (SEVERAL_SLACKS,)


def test_a_base_load_beyond_the_feeder(two_bus_net, tmp_path):
    pp.create_load(two_bus_net, 3, p_mw=100.0)
    assert faults_of(two_bus_net, tmp_path) == (
        f"{WHERE}: the feeder 'own' has no power flow solution at its base load: pandapower.runpp does not converge.",
    )


def test_nothing_to_solve(two_bus_net, tmp_path):
    two_bus_net.line["in_service"] = False
    assert faults_of(two_bus_net, tmp_path) == (f"{WHERE}: the feeder 'own' has no line or transformer in service.",)


def test_parts_without_voltage_are_allowed_but_carry_no_station(ieee33, tmp_path):
    net = copy.deepcopy(ieee33.net)
    net.line.loc[17, "in_service"] = False  # bus 18 hangs on it
    net.load.loc[net.load["bus"] == 18, "in_service"] = False
    net.bus.loc[22, "in_service"] = False
    pp.to_json(net, tmp_path / "cut.json")
    feeder = load_feeder(file=tmp_path / "cut.json", where=WHERE)
    assert not {18, 22} & set(largest_load_buses(feeder, 30))
    with pytest.raises(InputError) as caught:
        PowerFlow(feeder, [18, 5, 22, 18])
    assert caught.value.faults == (
        "bus 18 of the feeder 'cut' is out of service or isolated: no station can stand there.",
        "bus 22 of the feeder 'cut' is out of service or isolated: no station can stand there.",
    )
