"""The two-table form of a feeder."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.grid.feeder import Feeder
from cosim.grid.powerflow import PowerFlow
from cosim.grid.tables import BUS_COLUMNS, LINE_COLUMNS, read_tables

if TYPE_CHECKING:
    from pathlib import Path

BUSES = """bus,kind,vn_kv,p_kw,q_kvar,vmin_pu,vmax_pu,x,y,region
10,slack,10,0,0,0.95,1.05,0,0,1
20,pq,10,100,50,0.95,1.05,1,0,2
"""
LINES = """line,from_bus,to_bus,r_ohm,x_ohm,in_service,max_i_a
5,10,20,0.5,0.25,1,200
6,20,10,0.5,0.25,0,
"""


def write(folder: Path, buses: str | None = BUSES, lines: str | None = LINES.replace(",\n", ",150\n")) -> Path:
    for name, text in (("buses.csv", buses), ("lines.csv", lines)):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_numbers_names_ratings_and_limits_are_those_of_the_tables(tmp_path):
    net = read_tables(write(tmp_path))
    assert list(net.bus.index) == [10, 20]
    assert list(net.bus["name"]) == ["bus 10", "bus 20"]
    assert list(net.bus["region"]) == [1, 2]
    assert [json.loads(geo)["coordinates"] for geo in net.bus["geo"]] == [[0, 0], [1, 0]]
    assert net.bus["min_vm_pu"].tolist() == [0.95, 0.95]
    assert net.bus["max_vm_pu"].tolist() == [1.05, 1.05]
    assert list(net.line.index) == [5, 6]
    assert net.line["in_service"].tolist() == [True, False]
    assert net.line["max_i_ka"].tolist() == [0.2, 0.15]
    assert net.load[["name", "bus", "p_mw", "q_mvar"]].to_numpy().tolist() == [["load 20", 20, 0.1, 0.05]]
    assert net.ext_grid["bus"].tolist() == [10]


def test_a_table_of_one_bus_and_no_line_is_read(tmp_path):
    net = read_tables(write(tmp_path, BUSES.rsplit("\n", 2)[0] + "\n", LINES.partition("\n")[0] + "\n"))
    assert (len(net.bus), len(net.line), len(net.load)) == (1, 0, 0)


def test_missing_files_and_columns_are_all_named(tmp_path):
    write(tmp_path, buses=BUSES.replace("vn_kv", "kv").replace("q_kvar", "q"), lines=None)
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path)
    assert caught.value.faults == (
        f"{tmp_path}: buses.csv lacks the columns vn_kv, q_kvar.",
        f"{tmp_path}: lines.csv is missing.",
    )


def test_values_that_are_no_numbers_are_all_named(tmp_path):
    write(tmp_path, BUSES.replace("20,pq,10,100", "20,pv,ten,nan"), LINES)
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path)
    assert caught.value.faults == (
        f"{tmp_path}: buses.csv line 3: kind is 'pv'; allowed: slack, pq.",
        f"{tmp_path}: buses.csv line 3: vn_kv is 'ten', not a number.",
        f"{tmp_path}: buses.csv line 3: p_kw is 'nan', not a finite number.",
        f"{tmp_path}: lines.csv line 3: max_i_a is '', not a number.",
    )


def test_contradictions_are_all_named(tmp_path):
    buses = ",".join(BUS_COLUMNS) + "\n1,pq,10,0,0,0.9,1.1,0,0\n2,pq,10,0,0,0.9,1.1,0,0\n2.5,pq,10,0,0,0.9,1.1,0,0\n"
    lines = ",".join(LINE_COLUMNS) + "\n1,1,9,1,1,1,100\n1,1,2,0,0,1,100\n"
    write(tmp_path, buses, lines)
    with pytest.raises(InputError) as caught:
        read_tables(tmp_path)
    assert caught.value.faults == (
        f"{tmp_path}: buses.csv: bus 2.5 is not a whole number.",
        f"{tmp_path}: lines.csv: line 1 appears more than once.",
        f"{tmp_path}: lines.csv: line 1 ends at bus 9, which buses.csv does not have.",
        f"{tmp_path}: lines.csv: line 1 has no impedance; make its two buses one.",
        f"{tmp_path}: buses.csv has 0 buses of kind slack; exactly one is needed.",
    )


def test_own_tables_can_be_solved(tmp_path):
    flow = PowerFlow(Feeder("own", read_tables(write(tmp_path)), "test"), [20])
    assert flow.solve([500.0]).minimum()[1] == 1


def test_a_line_without_rating_has_no_loading(tmp_path):
    net = read_tables(write(tmp_path, lines=LINES.replace("1,200", "1,0").replace(",\n", ",150\n")))
    flow = PowerFlow(Feeder("own", net, "test"), [20])
    assert np.isnan(flow.branch_results(flow.no_load).line_loading_percent).all()


def test_importing_a_grid_plug_in_brings_no_pandapower():
    code = "import sys, cosim.grid, cosim_grids.ieee33, cosim_grids.ieee69; sys.exit('pandapower' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
