"""MATPOWER case files (``.m``, version 2) as pandapower nets.

pandapower's own reader of such files takes their tables and leaves out the lines below them, where most distribution
cases convert ohm and kW to per unit and MW (see :mod:`cosim.grid.matlab`). The tables are therefore read here; from
there on they are pandapower's ``from_ppc``, whose net must then have the power flow of the file's own equations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
from pandapower.converter.pypower import from_ppc
from pandapower.powerflow import LoadflowNotConverged

from cosim.errors import InputError
from cosim.grid.matlab import MatlabError, run_case

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandapower import pandapowerNet

    from cosim.grid.matlab import Case

    Matrix = NDArray[np.float64]
    Tables = dict[str, Matrix]

# Columns that a case must have, and that from_ppc reads.
_COLUMNS = {"bus": (13, 13), "gen": (10, 21), "branch": (11, 13)}
_NEEDED = ("mpc.baseMVA", *(f"mpc.{name}" for name in _COLUMNS))
# Columns: of buses
_BUS, _TYPE, _PD, _QD, _GS, _BS, _BASE_KV = 0, 1, 2, 3, 4, 5, 9
# of generators
_GEN_BUS, _PG, _QG, _GEN_ON = 0, 1, 2, 7
# of branches.
_FROM, _TO, _R, _X, _B, _TAP, _SHIFT, _ON = 0, 1, 2, 3, 4, 8, 9, 10
_REF = 3
# How far the net's power flow may be from the file's equations at any bus.
_AUDIT_MW = 1e-5


def read_matpower(text: str) -> pandapowerNet:
    """Build a net from a MATPOWER case.

    Parameters
    ----------
    text : str
        The case file, with its loads in MW and impedances in per unit once all its lines are evaluated.

    Returns
    -------
    pandapowerNet
        Bus numbers are the file's and lines are numbered by the rows of ``mpc.branch``, from 1; buses are named as in
        ``mpc.bus_name``, or ``"bus 18"``. A branch with RATE_A = 0 has no rating, as in MATPOWER.

    Raises
    ------
    InputError
        With a sentence for every fault.
    """
    try:
        case = run_case(text, _NEEDED)
    except MatlabError as error:
        raise InputError(f"{error}; only assignments of numbers, arithmetic and whole columns are evaluated.") from None
    missing = [name for name in _NEEDED if name not in case.values]
    if missing:
        raise InputError(f"no MATPOWER case of version 2: it does not set {', '.join(missing)}.")
    base_mva = float(case.values["mpc.baseMVA"].flat[0])
    tables = {name: _padded(case.values[f"mpc.{name}"], *widths) for name, widths in _COLUMNS.items()}
    faults = _shape_faults(case, base_mva) or _faults(tables) + _dc_lines(case)
    if faults:
        raise InputError(faults)
    net = _converted(tables, base_mva, case.texts.get("mpc.bus_name", []))
    fault = _audit(net, tables, base_mva)
    if fault:
        raise InputError(fault)
    return net


def _padded(matrix: Matrix, least: int, width: int) -> Matrix:
    """Fill up with zeros the columns that a case may leave out."""
    if least <= matrix.shape[1] < width:
        return np.hstack([matrix, np.zeros((len(matrix), width - matrix.shape[1]))])
    return matrix


def _shape_faults(case: Case, base_mva: float) -> list[str]:
    faults = [] if base_mva > 0 else [f"mpc.baseMVA is {base_mva:g}; it must be positive."]
    for name, (least, _) in _COLUMNS.items():
        matrix = case.values[f"mpc.{name}"]
        if len(matrix) == 0:
            faults.append(f"mpc.{name} has no rows.")
        elif matrix.shape[1] < least:
            faults.append(f"mpc.{name} has {matrix.shape[1]} columns; a case of version 2 has at least {least}.")
        elif not np.isfinite(matrix[:, :least] if name != "gen" else matrix[:, [0, 1, 2, 5, 7]]).all():
            faults.append(f"mpc.{name} has numbers that are not finite.")
    return faults


def _faults(tables: Tables) -> list[str]:
    """Return what the tables say that cannot be."""
    bus, gen, branch = tables["bus"], tables["gen"], tables["branch"]
    numbers = bus[:, _BUS]
    faults = [f"mpc.bus: bus {number:g} is not a whole number." for number in numbers if not float(number).is_integer()]
    found, counts = np.unique(numbers, return_counts=True)
    faults += [f"mpc.bus: bus {number:g} appears more than once." for number in found[counts > 1]]
    faults += [f"mpc.bus: BUS_TYPE of bus {row[_BUS]:g} is {row[_TYPE]:g}; allowed: 1, 2, 3, 4." for row in bus
               if row[_TYPE] not in {1, 2, 3, 4}]  # fmt: skip
    faults += [f"mpc.bus: BASE_KV of bus {row[_BUS]:g} is {row[_BASE_KV]:g}; it must be positive." for row in bus
               if row[_BASE_KV] <= 0]  # fmt: skip
    for place, row in enumerate(branch, start=1):
        faults += [f"mpc.branch: row {place} ends at bus {row[end]:g}, which mpc.bus does not have."
                   for end in (_FROM, _TO) if row[end] not in numbers]  # fmt: skip
        if row[_R] == 0 and row[_X] == 0:
            faults.append(f"mpc.branch: row {place} has no impedance; make its two buses one.")
    faults += [f"mpc.gen: row {place} stands at bus {row[_GEN_BUS]:g}, which mpc.bus does not have."
               for place, row in enumerate(gen, start=1) if row[_GEN_BUS] not in numbers]  # fmt: skip
    return faults


def _dc_lines(case: Case) -> list[str]:
    lines = case.values.get("mpc.dcline")
    if lines is None or lines.shape[1] < 3 or not (lines[:, 2] > 0).any():
        return []
    return ["it has DC lines (mpc.dcline) in service, which are not converted."]


def _converted(tables: Tables, base_mva: float, names: list[str]) -> pandapowerNet:
    case: dict[str, Any] = {name: table.copy() for name, table in tables.items()}
    net = from_ppc({"version": "2", "baseMVA": base_mva, **case}, f_hz=50)
    branch = net._from_ppc_lookups["branch"]  # noqa: SLF001 - the one way to learn what became of each row
    on = tables["branch"][:, _ON] != 0
    for kind in ("line", "trafo", "impedance"):
        rows = np.flatnonzero(branch["element_type"] == kind)
        if len(rows):
            table = net[kind].loc[branch["element"].iloc[rows].astype(int)]
            # from_ppc has all impedances in service.
            net[kind] = table.assign(in_service=on[rows], name=[f"branch {row + 1}" for row in rows]).set_axis(rows + 1)
    del net["_from_ppc_lookups"]
    numbers = net.bus.index.tolist()
    unique = len(set(names)) == len(numbers) and len(names) == len(numbers)
    net.bus["name"] = names if unique else [f"bus {number}" for number in numbers]
    return net


def _audit(net: pandapowerNet, tables: Tables, base_mva: float) -> str:
    """Say where the net's voltages do not fulfil the file's own equations (MATPOWER manual, section 3).

    A base case without solution is left to the checks that every feeder goes through.
    """
    bus, gen = tables["bus"], tables["gen"][tables["gen"][:, _GEN_ON] > 0]
    try:
        pp.runpp(net, numba=False, lightsim2grid=False, calculate_voltage_angles=True)
    except (LoadflowNotConverged, ArithmeticError, LookupError, ValueError, UserWarning):
        return ""
    row_of = {number: row for row, number in enumerate(bus[:, _BUS])}
    angle = np.deg2rad(net.res_bus["va_degree"].to_numpy(dtype=np.float64))
    voltage = np.nan_to_num(net.res_bus["vm_pu"].to_numpy(dtype=np.float64) * np.exp(1j * angle))
    power = _power_into(tables, voltage, row_of, base_mva) + bus[:, _PD] + 1j * bus[:, _QD]
    np.subtract.at(power, [row_of[number] for number in gen[:, _GEN_BUS]], gen[:, _PG] + 1j * gen[:, _QG])
    # What a bus that holds its voltage draws follows from it.
    held = np.isin(bus[:, _BUS], gen[:, _GEN_BUS]) & (bus[:, _TYPE] == 2)
    power[held] = power[held].real
    power[(bus[:, _TYPE] == _REF) | (voltage == 0)] = 0
    worst = int(np.abs(power).argmax())
    if abs(power[worst]) <= _AUDIT_MW:
        return ""
    return (
        f"it has elements that pandapower's converter does not represent: at bus {bus[worst, _BUS]:g} the power flow "
        f"differs by {abs(power[worst]):.3g} MVA from the equations of the file."
    )


def _power_into(
    tables: Tables, voltage: NDArray[np.complex128], row_of: dict[float, int], base_mva: float
) -> NDArray[np.complex128]:
    """Return what flows from each bus into branches and shunts, MVA."""
    bus, branch = tables["bus"], tables["branch"][tables["branch"][:, _ON] != 0]
    series = 1 / (branch[:, _R] + 1j * branch[:, _X])
    ratio = np.where(branch[:, _TAP] == 0, 1.0, branch[:, _TAP]) * np.exp(1j * np.deg2rad(branch[:, _SHIFT]))
    first, last = (np.array([row_of[number] for number in branch[:, end]], dtype=np.int64) for end in (_FROM, _TO))
    own = series + 0.5j * branch[:, _B]
    current = voltage * (bus[:, _GS] + 1j * bus[:, _BS]) / base_mva
    np.add.at(current, first, voltage[first] * own / np.abs(ratio) ** 2 - voltage[last] * series / ratio.conj())
    np.add.at(current, last, voltage[last] * own - voltage[first] * series / ratio)
    return np.asarray(voltage * current.conj() * base_mva, dtype=np.complex128)
