"""A feeder by name or file, checked before anything relies on it, and its buses."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cosim import registry
from cosim.errors import InputError, nearest_name
from cosim.grid.builtin import build_pandapower, build_simbench
from cosim.grid.checks import net_faults, unsupplied_buses
from cosim.grid.files import TABLE_FILES, read_file

if TYPE_CHECKING:
    from pathlib import Path

    from pandapower import pandapowerNet


@dataclass(frozen=True, slots=True)
class Feeder:
    """A pandapower net that is known to have one slack and a solution at its base load.

    Parameters
    ----------
    name : str
        What the user calls it: the name in the scenario, or a file's stem.
    net : pandapowerNet
        The net. Treat it as read-only; :class:`~cosim.grid.powerflow.PowerFlow` works on a copy.
    source : str
        Where it comes from, for reports: ``"plug-in ieee33"`` or a path.
    """

    name: str
    net: pandapowerNet
    source: str

    @property
    def bus_numbers(self) -> tuple[int, ...]:
        """Bus numbers (the index of ``net.bus``) in the order of ``net.bus``, which is the order of every result."""
        return tuple(int(number) for number in self.net.bus.index)

    def find_bus(self, bus: int | str, *, where: str = "") -> int:
        """Return the number of a bus given by number or by name.

        Parameters
        ----------
        bus : int or str
            Its number, or its name where no other bus has that name; a number written as text is also taken.
        where : str, optional
            File and key for the message, such as ``"a.toml: [[station]] 'CS1' bus"``.

        Raises
        ------
        InputError
            If there is no such bus, or several of that name.
        """
        prefix = f"{where}: " if where else ""
        numbers = self.bus_numbers
        if isinstance(bus, str):
            named = [number for number, name in zip(numbers, self.net.bus["name"], strict=True) if name == bus]
            if len(named) > 1:
                listed = ", ".join(map(str, named))
                raise InputError(f"{prefix}'{bus}' names {len(named)} buses of '{self.name}'; give a number: {listed}.")
            if named:
                return named[0]
        if str(bus) in map(str, numbers):
            return int(bus)
        raise InputError(f"{prefix}the feeder '{self.name}' has no bus '{bus}'; {self._what_buses(str(bus))}.")

    def base_load_kw(self, bus: int) -> float:
        """Return the active base load at a bus: its loads in service times their ``scaling``."""
        loads = self.net.load
        here = loads[(loads["bus"] == bus) & loads["in_service"].astype(bool)]
        return float((here["p_mw"] * here["scaling"]).sum()) * 1e3

    def _what_buses(self, bus: str) -> str:
        """Say which buses there are, in the fewest words."""
        numbers = sorted(self.bus_numbers)
        if not numbers:
            return "it has none"
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            return nearest_name(bus, map(str, numbers))
        near = difflib.get_close_matches(bus, [name for name in self.net.bus["name"] if isinstance(name, str)], n=1)
        question = f"did you mean '{near[0]}'? " if near else ""
        return f"{question}its buses are numbered {numbers[0]} to {numbers[-1]}"


def load_feeder(*, name: str | None = None, file: Path | None = None, where: str) -> Feeder:
    """Load and check a feeder.

    Parameters
    ----------
    name, file, where
        As for :func:`read_feeder`.

    Returns
    -------
    Feeder
        One slack, no unbalanced elements, supply wherever something is connected, a solution at base load. Buses may
        be out of service: they have no voltage and count in no mean. Controllers in the net are not run.

    Raises
    ------
    InputError
        With every fault that was found.
    """
    feeder = read_feeder(name=name, file=file, where=where)
    faults = feeder_faults(feeder, where)
    if faults:
        raise InputError(faults)
    return feeder


def read_feeder(*, name: str | None = None, file: Path | None = None, where: str) -> Feeder:
    """Load a feeder without checking whether it can be used.

    Parameters
    ----------
    name : str, optional
        A plug-in of the group ``cosim.grids``, ``"pandapower:"`` and a function of ``pandapower.networks``, or
        ``"simbench:"`` and a code of SimBench.
    file : Path, optional
        See :func:`cosim.grid.files.read_file`.
    where : str
        File and key with which every message begins, such as ``"a.toml: [grid] file"``.

    Raises
    ------
    InputError
        If there is no such feeder, or it cannot be read; with every fault that was found.
    """
    if file is not None and name is None:
        named_after = file.parent if file.name in TABLE_FILES else file
        feeder = Feeder(named_after.stem, read_file(file, where), str(file))
    elif name is not None and file is None:
        source, _, rest = name.partition(":")
        if rest and source == "pandapower":
            feeder = Feeder(name, build_pandapower(rest, where), f"pandapower.networks.{rest}")
        elif rest and source == "simbench":
            feeder = Feeder(name, build_simbench(rest, where), f"SimBench {rest}")
        else:
            feeder = Feeder(name, registry.load("grid", name, where=where)(), f"plug-in {name}")
    else:
        raise InputError(f"{where}: give either a grid's name or a file, not both and not neither.")
    if "max_i_ka" not in feeder.net.line:
        # No ratings: then no loading is told, where pandapower would fail.
        feeder.net.line["max_i_ka"] = math.nan
    if "name" not in feeder.net.bus:
        feeder.net.bus["name"] = None
    return feeder


def feeder_faults(feeder: Feeder, where: str) -> list[str]:
    """Return why a feeder cannot be used, one sentence a fault.

    Parameters
    ----------
    feeder : Feeder
        It is not changed.
    where : str
        As for :func:`read_feeder`.
    """
    return [f"{where}: the feeder '{feeder.name}' {fault}" for fault in net_faults(feeder.net)]


def largest_load_buses(feeder: Feeder, count: int | None = None) -> tuple[int, ...]:
    """Return the buses with the largest active base load, the default places for charging stations.

    Parameters
    ----------
    feeder : Feeder
        Its loads in service count, times their ``scaling``.
    count : int, optional
        How many buses; all that carry load if left out.

    Returns
    -------
    tuple of int
        Bus numbers by falling load; of equal loads the lower bus number comes first.

    Raises
    ------
    InputError
        If fewer buses carry load.
    """
    loads = feeder.net.load[feeder.net.load["in_service"].astype(bool)]
    # Rounded to the milliwatt, so that sums of several loads tie where they should.
    total_mw = (loads["p_mw"] * loads["scaling"]).groupby(loads["bus"]).sum().round(9)
    dead = unsupplied_buses(feeder.net)
    ranked = sorted((-mw, int(bus)) for bus, mw in total_mw.items() if mw > 0 and bus not in dead)
    if count is not None and count > len(ranked):
        raise InputError(
            f"the feeder '{feeder.name}' has load at {len(ranked)} of its buses only, too few for {count} stations by "
            "largest load; give each station its bus."
        )
    return tuple(bus for _, bus in ranked[:count])
