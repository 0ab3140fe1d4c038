"""A feeder written as two tables: ``buses.csv`` and ``lines.csv``.

This is the form in which papers print radial feeders. ``grids/README.md`` describes the columns.
"""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import pandapower as pp

from cosim.errors import InputError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pandapower import pandapowerNet

BUS_COLUMNS = ("bus", "kind", "vn_kv", "p_kw", "q_kvar", "vmin_pu", "vmax_pu", "x", "y")
LINE_COLUMNS = ("line", "from_bus", "to_bus", "r_ohm", "x_ohm", "in_service", "max_i_a")
KINDS = ("slack", "pq")

Row = dict[str, float]


def read_tables(folder: Traversable) -> pandapowerNet:
    """Build a net from ``buses.csv`` and ``lines.csv``.

    Bus and line numbers become the index of ``net.bus`` and ``net.line``; buses, lines and loads are named
    ``"bus 18"``, ``"line 17"`` and ``"load 18"``. The slack is held at 1.0 pu. Columns of ``buses.csv`` beyond the
    required ones are copied to ``net.bus`` as numbers.

    Parameters
    ----------
    folder : Traversable
        A folder or package resource that holds the two files.

    Returns
    -------
    pandapowerNet
        A new net; each line is one length of 1 km, so that its impedance reads as in the table.

    Raises
    ------
    InputError
        With every fault of both tables: a missing file or column, a value that is no number, a number used twice, a
        line to an unknown bus, no slack or several.
    """
    faults: list[str] = []
    buses = _read(folder / "buses.csv", BUS_COLUMNS, faults)
    lines = _read(folder / "lines.csv", LINE_COLUMNS, faults)
    if not faults:
        faults = _faults(buses, lines)
    if faults:
        raise InputError([f"{folder}: {fault}" for fault in faults])
    net = pp.create_empty_network(name=folder.name)
    _add_buses(net, buses)
    _add_lines(net, lines)
    return net


def _read(file: Traversable, required: tuple[str, ...], faults: list[str]) -> list[Row]:
    """Return the rows as numbers (``kind`` as its place in :data:`KINDS`); what is wrong is added to `faults`."""
    if not file.is_file():
        faults.append(f"{file.name} is missing.")
        return []
    try:
        # Spreadsheets put a byte order mark first.
        with file.open(encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in required if column not in (reader.fieldnames or ())]
            if missing:
                semicolons = "; its values must be separated by commas" * (";" in "".join(reader.fieldnames or ()))
                columns = f"column{'s' * (len(missing) > 1)} {', '.join(missing)}"
                faults.append(f"{file.name} lacks the {columns}{semicolons}.")
                return []
            return [_numbers(row, f"{file.name} line {number}", faults) for number, row in enumerate(reader, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(f"{file.name} is no table of comma-separated values ({error}).")
        return []


def _numbers(row: dict[str | None, Any], where: str, faults: list[str]) -> Row:
    """Return a row of ``csv.DictReader`` as numbers; it keeps what is too many under the name None."""
    numbers: Row = {}
    for column, text in row.items():
        if column is None:
            faults.append(f"{where} has more values than the table has columns.")
            continue
        if column == "kind":
            if text not in KINDS:
                faults.append(f"{where}: kind is '{text}'; allowed: {', '.join(KINDS)}.")
            else:
                numbers[column] = KINDS.index(text)
            continue
        try:
            numbers[column] = float(text or "")
        except ValueError:
            faults.append(f"{where}: {column} is '{text or ''}', not a number.")
            continue
        if not math.isfinite(numbers[column]):
            faults.append(f"{where}: {column} is '{text}', not a finite number.")
    return numbers


def _faults(buses: list[Row], lines: list[Row]) -> list[str]:
    """Return what the tables say that cannot be: numbers used twice, unknown ends, slacks other than one."""
    faults = _number_faults("buses.csv", "bus", buses) + _number_faults("lines.csv", "line", lines)
    faults += [
        f"buses.csv: vn_kv of bus {row['bus']:g} is {row['vn_kv']:g}; it must be positive."
        for row in buses
        if row["vn_kv"] <= 0
    ]
    nominal_kv = {row["bus"]: row["vn_kv"] for row in buses}
    for row in lines:
        ends = [row["from_bus"], row["to_bus"]]
        unknown = [end for end in ends if end not in nominal_kv]
        faults += [f"lines.csv: line {row['line']:g} ends at bus {end:g}, which buses.csv does not have."
                   for end in unknown]  # fmt: skip
        if not unknown and nominal_kv[ends[0]] != nominal_kv[ends[1]]:
            faults.append(
                f"lines.csv: line {row['line']:g} joins buses of {nominal_kv[ends[0]]:g} kV and "
                f"{nominal_kv[ends[1]]:g} kV; these tables have no transformers."
            )
        if ends[0] == ends[1]:
            faults.append(f"lines.csv: line {row['line']:g} ends where it begins, at bus {ends[0]:g}.")
        if row["in_service"] not in {0, 1}:
            faults.append(f"lines.csv: in_service of line {row['line']:g} is {row['in_service']:g}; allowed: 0, 1.")
        if row["r_ohm"] == 0 and row["x_ohm"] == 0:
            faults.append(f"lines.csv: line {row['line']:g} has no impedance; make its two buses one.")
    slacks = sum(KINDS[int(row["kind"])] == "slack" for row in buses)
    if slacks != 1:
        faults.append(f"buses.csv has {slacks} buses of kind slack; exactly one is needed.")
    return faults


def _number_faults(file: str, column: str, rows: list[Row]) -> list[str]:
    numbers = [row[column] for row in rows]
    faults = [f"{file}: {column} {number:g} is not a whole number." for number in numbers if not number.is_integer()]
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    return faults + [f"{file}: {column} {number:g} appears more than once." for number in twice]


def _add_buses(net: pandapowerNet, rows: list[Row]) -> None:
    numbers = [int(row["bus"]) for row in rows]
    pp.create_buses(
        net,
        len(rows),
        vn_kv=_column(rows, "vn_kv"),
        index=numbers,
        name=[f"bus {number}" for number in numbers],
        geodata=[(row["x"], row["y"]) for row in rows],
        min_vm_pu=_column(rows, "vmin_pu"),
        max_vm_pu=_column(rows, "vmax_pu"),
    )
    loads = [row for row in rows if row["p_kw"] or row["q_kvar"]]
    if loads:
        pp.create_loads(
            net,
            buses=[int(row["bus"]) for row in loads],
            p_mw=[kilowatt / 1e3 for kilowatt in _column(loads, "p_kw")],
            q_mvar=[kilovar / 1e3 for kilovar in _column(loads, "q_kvar")],
            name=[f"load {row['bus']:.0f}" for row in loads],
        )
    (slack,) = (number for number, row in zip(numbers, rows, strict=True) if KINDS[int(row["kind"])] == "slack")
    pp.create_ext_grid(net, slack, vm_pu=1.0, name="substation")
    for column in rows[0]:
        if column not in BUS_COLUMNS:
            values = _column(rows, column)
            net.bus[column] = [int(value) for value in values] if all(map(float.is_integer, values)) else values


def _add_lines(net: pandapowerNet, rows: list[Row]) -> None:
    if not rows:
        return
    numbers = [int(row["line"]) for row in rows]
    pp.create_lines_from_parameters(
        net,
        from_buses=[int(row["from_bus"]) for row in rows],
        to_buses=[int(row["to_bus"]) for row in rows],
        length_km=1.0,
        r_ohm_per_km=_column(rows, "r_ohm"),
        x_ohm_per_km=_column(rows, "x_ohm"),
        c_nf_per_km=0.0,
        max_i_ka=[ampere / 1e3 for ampere in _column(rows, "max_i_a")],
        name=[f"line {number}" for number in numbers],
        index=numbers,
        in_service=[bool(row["in_service"]) for row in rows],
    )


def _column(rows: list[Row], column: str) -> list[float]:
    return [row[column] for row in rows]
