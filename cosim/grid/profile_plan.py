"""From ``[[profile]]`` of a scenario to the powers of a feeder's elements in each step of time."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from cosim.errors import InputError, nearest_name
from cosim.grid.profile_series import DAY_S, DaySeries, read_series, shipped_shape
from cosim.grid.profiles import DRAWN, VaryingBase, stated_base, stated_mva
from cosim.tables.grid import SIMBENCH_PROFILES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from cosim.grid.feeder import Feeder
    from cosim.tables.grid import ProfileTable

#: A year; the steps of all days of a run are kept.
_MOST_DAYS: Final = 366
_ELEMENT: Final = {"load": "load", "pv": "sgen"}
#: Where SimBench keeps the profiles of each table, the endings of their columns, and which power each column is.
_SIMBENCH: Final[dict[str, tuple[str, dict[str, Literal["p", "q"]]]]] = {
    "load": ("load", {"_pload": "p", "_qload": "q"}),
    "sgen": ("renewables", {"": "p"}),
    "storage": ("storage", {"": "p"}),
}
_SIMBENCH_STEP_S: Final = 900


def vary_base(
    tables: Sequence[ProfileTable], feeder: Feeder, *, end_s: int, label: str
) -> tuple[Feeder, VaryingBase | None]:
    """Work out how the base of a feeder varies.

    Parameters
    ----------
    tables : sequence of ProfileTable
        ``[[profile]]`` of a scenario.
    feeder : Feeder
        It is not changed.
    end_s : int
        When the run ends at the latest, in seconds since midnight; there are steps to the end of the day after.
    label : str
        The scenario, with which every message begins.

    Returns
    -------
    Feeder
        With the generators that the profiles bring.
    VaryingBase or None
        None where there are no profiles.

    Raises
    ------
    InputError
        With one sentence for every fault.
    """
    if not tables:
        return feeder, None
    if end_s > _MOST_DAYS * DAY_S:
        raise InputError(
            f"{label}: [[profile]]: the run may last until day {end_s // DAY_S + 1} (begin_s + time_limit_s of "
            f"[simulation]); profiles reach to day {_MOST_DAYS}."
        )
    plan = _Plan(feeder)
    # Whoever names buses has them, then the columns of files that do; the others get the rest.
    order = sorted(enumerate(tables, start=1), key=lambda entry: (entry[1].buses is None, entry[1].file is None))
    faults: dict[int, tuple[str, ...]] = {}
    for number, table in order:
        try:
            plan.add(table, f"{label}: [[profile]] number {number}")
        except InputError as error:
            faults[number] = error.faults
    if faults:
        raise InputError([fault for number in sorted(faults) for fault in faults[number]])
    step_s = math.gcd(DAY_S, *(part.series.step_s for part in plan.parts))
    steps = (end_s // DAY_S + 2) * DAY_S // step_s
    stated = stated_base(plan.feeder.net).power_mva
    power = {element: np.repeat(values, steps, axis=0) for element, values in stated.items()}
    for part in plan.parts:
        share = part.series.sampled(step_s, steps, part.first_s)[:, None]
        values = power[part.element]
        if part.powers != "q":
            values.real[:, part.rows] = share * part.full_mva.real
        if part.powers != "p":
            values.imag[:, part.rows] = share * part.full_mva.imag
    return plan.feeder, VaryingBase(step_s, power)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of one of the net's tables, their power at a share of 1, and the series of these shares."""

    element: str
    rows: NDArray[np.int64]
    full_mva: NDArray[np.complex128]
    series: DaySeries
    first_s: int = 0
    powers: Literal["p", "q", "both"] = "both"


class _Plan:
    """Which elements vary how."""

    def __init__(self, feeder: Feeder) -> None:
        self.feeder = dataclasses.replace(feeder, net=copy.deepcopy(feeder.net))
        self.parts: list[_Part] = []
        # Generators that profiles bring come after those that the feeder has.
        self._own = {element: len(feeder.net[element]) for element in DRAWN}
        self._taken: dict[tuple[str, int], str] = {}

    def add(self, table: ProfileTable, where: str) -> None:
        """Take in one table of the scenario, or raise all that is wrong with it."""
        if table.shape == SIMBENCH_PROFILES:
            self._add_simbench(table, where)
        else:
            self._add_buses(table, where)

    def _add_buses(self, table: ProfileTable, where: str) -> None:
        faults: list[str] = []
        named = self._named_buses(table, where, faults)
        places: list[tuple[Sequence[int], DaySeries]] = []
        try:
            places = self._places(table, named, where)
        except InputError as error:
            faults.extend(error.faults)
        if faults:
            raise InputError(faults)
        element = _ELEMENT[table.kind]
        for buses, series in places:
            if table.adds_generators:
                rows = self._new_generators(buses)
                full_mva = np.full(len(rows), (table.peak_kw or 1.0) / 1e3, dtype=np.complex128)
            else:
                rows = self._rows(element, buses, where)
                full_mva = self._full_mva(element, rows, table, where)
            self._claim(element, rows, where)
            self.parts.append(_Part(element, rows, full_mva, series, (table.first_day - 1) * DAY_S))

    def _named_buses(self, table: ProfileTable, where: str, faults: list[str]) -> list[int] | None:
        if table.buses is None:
            return None
        buses: list[int] = []
        for name in table.buses:
            try:
                buses.append(self.feeder.find_bus(name, where=f"{where} buses"))
            except InputError as error:
                faults.extend(error.faults)
        twice = [bus for bus in dict.fromkeys(buses) if buses.count(bus) > 1]
        faults += [f"{where} buses: bus {bus} is given twice." for bus in twice]
        return buses

    def _places(
        self, table: ProfileTable, named: Sequence[int] | None, where: str
    ) -> list[tuple[Sequence[int], DaySeries]]:
        """Return the series of a table, and the buses of each."""
        found = self._series(table, where)
        if len(found) > 1:
            of_bus = self._columns_of(found, named, where)
            return [((bus,), series) for bus, series in of_bus.items()]
        buses = named
        if buses is None:
            element = _ELEMENT[table.kind]
            left = [row for row in range(self._own[element]) if (element, row) not in self._taken]
            buses = sorted(set(self.feeder.net[element]["bus"].iloc[left].tolist()))
            if not buses:
                called = "load" if table.kind == "load" else "static generator"
                raise InputError(
                    f"{where}: the feeder '{self.feeder.name}' has no {called} that another profile does not vary."
                )
        return [(buses, series) for series in found.values()]

    def _series(self, table: ProfileTable, where: str) -> Mapping[str, DaySeries]:
        """Return the shape or the column that a table chooses; all columns of its file if it chooses none."""
        if table.file is None:
            return {"": shipped_shape(table.kind, table.shape or "")}
        found = read_series(Path(table.file), f"{where} file")
        if table.column is not None:
            if table.column not in found:
                raise InputError(
                    f"{where} column: {table.file} has no column '{table.column}'; {nearest_name(table.column, found)}."
                )
            found = {table.column: found[table.column]}
        if table.unit == "peak":
            flat = [name for name, series in found.items() if series.shares.max() <= 0]
            if flat:
                raise InputError([f"{where} unit: the largest value of '{name}' is not above 0." for name in flat])
            found = {name: DaySeries(each.step_s, each.shares / each.shares.max()) for name, each in found.items()}
        return found

    def _columns_of(
        self, found: Mapping[str, DaySeries], named: Sequence[int] | None, where: str
    ) -> dict[int, DaySeries]:
        """Take columns for buses: all of them, or those of the buses that are named."""
        of_bus: dict[int, DaySeries] = {}
        faults: list[str] = []
        for name, series in found.items():
            try:
                bus = self.feeder.find_bus(name, where=f"{where} file: column '{name}' (no column is chosen)")
                if bus in of_bus:
                    faults.append(f"{where} file: column '{name}' is a second one for bus {bus}.")
                of_bus[bus] = series
            except InputError as error:
                faults.extend(error.faults)
        if not faults and named is not None:
            faults = [f"{where} buses: the file has no column for bus {bus}." for bus in named if bus not in of_bus]
        if faults:
            raise InputError(faults)
        return of_bus if named is None else {bus: of_bus[bus] for bus in named}

    def _rows(self, element: str, buses: Sequence[int], where: str) -> NDArray[np.int64]:
        """Return the rows of a table at some buses, of which each must have one."""
        at = self.feeder.net[element]["bus"].iloc[: self._own[element]]
        called, advice = ("load", "") if element == "load" else ("static generator", "; give peak_kw to put one there")
        without = [bus for bus in buses if bus not in set(at)]
        if without:
            name = self.feeder.name
            raise InputError(
                [f"{where} buses: bus {bus} of the feeder '{name}' has no {called}{advice}." for bus in without]
            )
        return np.flatnonzero(at.isin(buses).to_numpy())

    def _claim(self, element: str, rows: NDArray[np.int64], where: str) -> None:
        table = self.feeder.net[element]
        twice = dict.fromkeys((table["bus"].iloc[row], self._taken[element, row]) for row in rows.tolist()
                              if (element, row) in self._taken)  # fmt: skip
        if twice:
            raise InputError([f"{where}: bus {bus} already has a profile, by {other}." for bus, other in twice])
        self._taken |= dict.fromkeys([(element, row) for row in rows.tolist()], where.rpartition(": ")[2])

    def _full_mva(
        self, element: str, rows: NDArray[np.int64], table: ProfileTable, where: str
    ) -> NDArray[np.complex128]:
        """Return what elements draw or feed in at a share of 1: what they state; or together 1 kW at each bus."""
        elements = self.feeder.net[element].iloc[rows]
        own_mva = stated_mva(elements)
        if table.unit != "kw":
            return own_mva
        stated_kw = elements["p_mw"] * elements["scaling"] * elements["in_service"].astype(bool) * 1e3
        of_bus_kw = stated_kw.groupby(elements["bus"]).transform("sum").to_numpy(dtype=np.float64)
        without = dict.fromkeys(elements["bus"].to_numpy()[of_bus_kw <= 0].tolist())
        if without:
            what = "the stated load is not above 0 kW, so that kilowatts cannot be shared among its loads"
            raise InputError([f"{where} unit: at bus {bus} {what}." for bus in without])
        full_mva: NDArray[np.complex128] = own_mva / of_bus_kw
        return full_mva

    def _new_generators(self, buses: Sequence[int]) -> NDArray[np.int64]:
        """Put a generator at each bus; what the net states stays as it was, so that it feeds in nothing there."""
        import pandapower as pp  # noqa: PLC0415 - two seconds, which only who builds a feeder should wait

        net = self.feeder.net
        first = len(net.sgen)
        for bus in buses:
            pp.create_sgen(net, bus, p_mw=0.0, q_mvar=0.0, name=f"profile at bus {bus}", type="PV")
        return np.arange(first, len(net.sgen))

    def _add_simbench(self, table: ProfileTable, where: str) -> None:
        net = self.feeder.net
        profiles = net.get("profiles")
        if not isinstance(profiles, dict) or "profile" not in net.load:
            raise InputError(
                f"{where} shape: the feeder '{self.feeder.name}' has no profiles of SimBench; take one such as "
                '[grid] name = "simbench:1-MV-rural--0-sw", or another shape.'
            )
        faults = []
        for element, (kept_in, endings) in _SIMBENCH.items():
            for name, elements in net[element].reset_index().groupby("profile") if len(net[element]) else ():
                rows = elements.index.to_numpy()
                self._claim(element, rows, where)
                for ending, power in endings.items():
                    values = profiles.get(kept_in, {}).get(f"{name}{ending}")
                    if values is None or len(values) * _SIMBENCH_STEP_S % DAY_S or not np.isfinite(values).all():
                        faults.append(f"{where} shape: the net's profile '{name}{ending}' is missing or no whole days.")
                        continue
                    series = DaySeries(_SIMBENCH_STEP_S, np.asarray(values, dtype=np.float64))
                    full_mva = stated_mva(net[element].iloc[rows])
                    self.parts.append(_Part(element, rows, full_mva, series, (table.first_day - 1) * DAY_S, power))
        if faults:
            raise InputError(faults)
