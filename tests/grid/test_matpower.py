"""MATPOWER cases: the lines below their tables, what becomes of them, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.grid.feeder import load_feeder
from cosim.grid.matlab import MatlabError, run_case
from cosim.grid.powerflow import PowerFlow

CASES = Path(__file__).parents[1] / "cases" / "matpower"
UNITS = (CASES / "units.m").read_text(encoding="utf-8")
NEEDED = ("mpc.baseMVA", "mpc.bus", "mpc.gen", "mpc.branch")


def load(text, tmp_path, name="own.m"):
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_feeder(file=file, where="x")


def refusal(text, tmp_path) -> str:
    with pytest.raises(InputError) as caught:
        load(text, tmp_path)
    message = str(caught.value)
    assert message.startswith(f"x: {tmp_path / 'own.m'}: ")
    return message.replace(f"x: {tmp_path / 'own.m'}: ", "")


def test_the_unit_lines_make_kilowatts_of_the_33_buses(ieee33):
    feeder = load_feeder(file=CASES / "ieee33.m", where="x")
    assert feeder.net.load["p_mw"].sum() == pytest.approx(3.715, abs=1e-9)
    assert feeder.net.load["q_mvar"].sum() == pytest.approx(2.3, abs=1e-9)
    assert feeder.bus_numbers == tuple(range(1, 34))
    assert feeder.find_bus("bus 18") == 18
    flow = PowerFlow(feeder, [18, 25])
    branch = flow.branch_results(flow.no_load)
    assert branch.losses_kw == pytest.approx(202.677, abs=1e-3)
    lowest, row = flow.no_load.minimum()
    assert (round(lowest, 5), flow.bus_numbers[row]) == (0.91309, 18)
    # RATE_A is 0: not rated.
    assert np.isnan(branch.line_loading_percent).all()
    assert flow.line_numbers.tolist() == list(range(1, 38))
    ours = PowerFlow(ieee33, [18, 25]).solve([300.0, 800.0])
    np.testing.assert_allclose(flow.solve([300.0, 800.0]).vm_pu, ours.vm_pu, atol=1e-9, rtol=0)


def test_every_way_of_writing():
    case = run_case(UNITS, NEEDED)
    assert case.values["mpc.baseMVA"].item() == 5
    bus, branch = case.values["mpc.bus"], case.values["mpc.branch"]
    assert bus[:, 0].tolist() == [1, 2, 3, 4, 12]
    # 600 kVA at a power factor of 0.8, and half as much again: 0.72 MW and 0.54 Mvar.
    assert bus[:, 2].tolist() == pytest.approx([0, 0.72, 0.48, 0, -0.08])
    assert bus[:, 3].tolist() == pytest.approx([0, 0.54, 0.36 - 0.05, 0, -0.06])
    # 10 kV and 5 MVA: 20 ohm.
    assert branch[:, 2].tolist() == pytest.approx([0.004, *[0.5 / 20] * 4])
    assert branch[:, 3].tolist() == pytest.approx([0.03, *[0.25 / 20] * 4])
    assert case.texts["mpc.bus_name"] == ["Substation", "North; 50 % of it", "East", "Hydro's", "South"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[1 -2]", [[1, -2]]),
        ("[1 - 2, 3]", [[-1, 3]]),
        ("[1 -2 + 4]", [[1, 2]]),
        ("[1, 2\n3, 4] * 2", [[2, 4], [6, 8]]),
        ("-2^2 + 2*3/4", [[-2.5]]),
        ("2^-1 - .5e0", [[0]]),
        ("[a(1, 2) a(2, :)] .^ 2", [[4, 9, 16]]),
        ("a(end, 1:end) ./ [3 2]", [[1, 2]]),
        ("sqrt(16) + abs(-[1 2])", [[5, 6]]),
        ("[(1 + 2) (3)]", [[3, 3]]),
    ],
)
def test_arithmetic(expression, value):
    assert run_case(f"a = [1 2; 3 4];\nb = {expression};", NEEDED).values["b"].tolist() == value


def test_elements_and_their_voltages(tmp_path):
    feeder = load(UNITS, tmp_path)
    net = feeder.net
    assert net.bus["name"].tolist() == ["Substation", "North; 50 % of it", "East", "Hydro's", "South"]
    assert (len(net.trafo), len(net.line), len(net.gen), len(net.sgen), len(net.shunt)) == (1, 4, 1, 1, 1)
    assert net.line["in_service"].tolist() == [True, True, True, False]
    assert list(net.line.index) == [2, 3, 4, 5]
    assert net.line["r_ohm_per_km"].tolist() == pytest.approx([0.5] * 4)
    assert net.line.loc[2, "max_i_ka"] == pytest.approx(6 / 10 / 3**0.5)
    flow = PowerFlow(feeder, [3])
    # The generator holds bus 4 whatever bus 3 draws.
    assert flow.solve([800.0]).vm_pu[3] == pytest.approx(1.0, abs=1e-9)
    assert np.isnan(flow.branch_results(flow.no_load).line_loading_percent).tolist() == [False, True, True, True]


def test_impedances_between_voltages_can_be_off(tmp_path):
    """Two voltages and no ratio: an impedance in pandapower, whose converter forgets that it is off."""
    off = "4  12  0.5    0.25  0  0  0  0  0      0  0"
    net = load(UNITS.replace(off, off.replace("4  12", "1  12")), tmp_path).net
    assert net.impedance[["from_bus", "to_bus", "in_service"]].to_numpy().tolist() == [[1, 12, False]]
    on = load(UNITS.replace(off, off.replace("4  12", "1  12")[:-1] + "1"), tmp_path).net
    assert on.impedance["in_service"].tolist() == [True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("grid.branch = [", "grid.twig = ["), "line 31: 'grid.branch(2:end, [BR_R BR_X]) = "),
        (("kilo = 1e3;", "kilo = load_it('x');"), "line 33: 'kilo = load_it('x')' is not understood (at ''x'"),
        (("kilo = 1e3;", "system('rm x');"), "line 33: 'system('rm x')' is not understood (it is no assignment)"),
        (("pf = 0.8;", "if 1, pf = 0.8; end"), "line 33: 'if 1' is not understood (it is no assignment)"),
        (("* -pf / kilo", "* -pq / kilo"), "'pq' is unknown"),
        (("- [0 0; 0 0.05]", "* [0 0; 0 0.05]"), "'*' of two matrices"),
        (("grid.bus([2 3], [PD", "grid.bus([2 9], [PD"), "an index is none of the whole numbers from 1 to 5"),
        (("[F_BUS, T_BUS, BR_R, BR_X] = idx_brch", "[FROM, TO, R, X] = idx_brch"), "it names columns in its own way"),
        (("grid.gencost = [];", "grid = scale_load(2, grid);"), "'scale_load' is unknown"),
        (("2, 1, 600,", "2, 1, "), "its rows have different lengths"),
        (("baseMVA = 10 / 2", "baseMVA = -1"), "mpc.baseMVA is -1; it must be positive."),
        (("	3  4   0.5", "	3  7   0.5"), "mpc.branch: row 3 ends at bus 7, which mpc.bus does not have."),
        (("; 4 0.3", "; 9 0.3"), "mpc.gen: row 2 stands at bus 9, which mpc.bus does not have."),
        (("	3  4   0.5    0.25", "	3  4   0 0"), "mpc.branch: row 3 has no impedance; make its two buses one."),
        (("	12 1  -100", "	3 1  -100"), "mpc.bus: bus 3 appears more than once."),
        (("	12 1  -100", "	12 7  -100"), "mpc.bus: BUS_TYPE of bus 12 is 7; allowed: 1, 2, 3, 4."),
        (("10  1  1.1  0.9; 4", "0  1  1.1  0.9; 4"), "mpc.bus: BASE_KV of bus 3 is 0; it must be positive."),
        (("grid.areas =", "grid.dcline = [1 2 1 0]; grid.areas ="), "it has DC lines (mpc.dcline) in service"),
        (("3  4   0.5    0.25", "3  4   NaN  0.25"), "mpc.branch has numbers that are not finite."),
    ],
)
def test_what_is_refused(change, message, tmp_path):
    assert change[0] in UNITS
    assert message in refusal(UNITS.replace(*change), tmp_path)


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("", "mpc.baseMVA, mpc.bus, mpc.gen, mpc.branch"),
        ("mpc.baseMVA = 10; mpc.bus = [1 2]; mpc.gen = [1];", "mpc.branch"),
    ],
)
def test_files_that_are_no_case(text, missing, tmp_path):
    assert refusal(text, tmp_path) == f"no MATPOWER case of version 2: it does not set {missing}."


@pytest.mark.parametrize(
    "text", ["mpc.bus = [1 2", "function [a, b] = old\n a = 1;", "\x00\x01\xff", b"\xff\xfe\x80(", "]]["]
)
def test_files_that_are_no_matlab(text, tmp_path):
    assert "\n" not in refusal(text, tmp_path)


def test_narrow_tables_and_several_references(tmp_path):
    narrow = "mpc.baseMVA = 1; mpc.bus = [1 3; 2 1]; mpc.gen = [1 0]; mpc.branch = [];"
    assert refusal(narrow, tmp_path).splitlines() == [
        "mpc.bus has 2 columns; a case of version 2 has at least 13.",
        "mpc.gen has 2 columns; a case of version 2 has at least 10.",
        "mpc.branch has no rows.",
    ]
    with pytest.raises(InputError, match=r"^x: the feeder 'own' has 2 external grids in service \(at buses 1, 4\)"):
        load(UNITS.replace("; 4  2  0", "; 4  3  0"), tmp_path)


def test_what_the_converter_gets_wrong_is_refused(tmp_path):
    """A transformer from low to high voltage with a ratio: from_ppc puts the tap on the wrong side."""
    text = UNITS.replace("1  2   0.004  0.03  0  8  0  0  1.025", "2  1   0.004  0.03  0  8  0  0  1.1")
    assert refusal(text, tmp_path).startswith("it has elements that pandapower's converter does not represent: at bus ")


def test_ranges_cannot_exhaust_the_memory():
    with pytest.raises(MatlabError, match="the range is too long"):
        run_case("a = [1 2]; b = a(1, 1:1e15);", NEEDED)
    with pytest.raises(MatlabError, match="recursion"):
        run_case(f"a = {'(' * 5000}1;", NEEDED)


def test_comments_in_other_encodings(tmp_path):
    assert len(load(UNITS.encode() + b"\n% caf\xe9\n", tmp_path).net.bus) == 5
