"""A feeder by name or file, checked before anything relies on it."""

from __future__ import annotations

import copy
import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandapower as pp
from pandapower.powerflow import LoadflowNotConverged

from cosim import registry
from cosim.errors import InputError, nearest_name

if TYPE_CHECKING:
    from pathlib import Path

    from pandapower import pandapowerNet

# runpp treats these as balanced, adding up the phases: silently another feeder than the one in the file.
UNBALANCED = ("asymmetric_load", "asymmetric_sgen")
# What pandapower raises, besides LoadflowNotConverged, on nets and files that it cannot make sense of.
PANDAPOWER_ERRORS = (ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError, UserWarning)


@dataclass(frozen=True, slots=True)
class Feeder:
    """A pandapower net that is known to have one slack and a solution at its base load.

    Parameters
    ----------
    name : str
        What the user calls it: a plug-in's name or a file's stem.
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
        if numbers != list(range(numbers[0], numbers[-1] + 1)):
            return nearest_name(bus, map(str, numbers))
        near = difflib.get_close_matches(bus, [name for name in self.net.bus["name"] if isinstance(name, str)], n=1)
        question = f"did you mean '{near[0]}'? " if near else ""
        return f"{question}its buses are numbered {numbers[0]} to {numbers[-1]}"


def load_feeder(*, name: str | None = None, file: Path | None = None, where: str) -> Feeder:
    """Load and check a feeder.

    Parameters
    ----------
    name : str, optional
        A plug-in of the group ``cosim.grids``.
    file : Path, optional
        A net saved by ``pandapower.to_json``. Load files from people you trust only: pandapower's JSON can name any
        Python class to be made.
    where : str
        File and key with which every message begins, such as ``"a.toml: [grid] file"``.

    Returns
    -------
    Feeder
        One slack, no unbalanced elements, a solution at base load. Buses may be out of service or isolated: they have
        no voltage and count in no mean. Controllers in the net are not run.

    Raises
    ------
    InputError
        With every fault that was found.
    """
    if name is not None and file is None:
        feeder = Feeder(name, registry.load("grid", name, where=where)(), f"plug-in {name}")
    elif file is not None and name is None:
        feeder = Feeder(file.stem, _read_json(file, where), str(file))
    else:
        raise InputError(f"{where}: give either a grid's name or a pandapower JSON file, not both and not neither.")
    faults = _faults(feeder)
    if faults:
        raise InputError([f"{where}: the feeder '{feeder.name}' {fault}" for fault in faults])
    return feeder


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
    on = feeder.net.bus["in_service"].astype(bool)
    ranked = sorted((-mw, int(bus)) for bus, mw in total_mw.items() if mw > 0 and on[bus])
    if count is not None and count > len(ranked):
        raise InputError(
            f"the feeder '{feeder.name}' has load at {len(ranked)} of its buses only, too few for {count} stations by "
            "largest load; give each station its bus."
        )
    return tuple(bus for _, bus in ranked[:count])


def _read_json(file: Path, where: str) -> pandapowerNet:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{where}: there is no file '{file}'.") from None
    except OSError as error:
        raise InputError(f"{where}: '{file}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        text = ""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or document.get("_class") != "pandapowerNet":
        raise InputError(f"{where}: '{file}' is not a pandapower JSON file (write one with pandapower.to_json).")
    try:
        net = pp.from_json_string(text)
        # An object of another class, or a net whose tables are missing, fails here and not in the middle of a run.
        net.bus.index, net.line.index, net.load.index, net.ext_grid.index  # noqa: B018
    except PANDAPOWER_ERRORS as error:
        raise InputError(f"{where}: pandapower {pp.__version__} cannot read '{file}': {_brief(error)}.") from error
    return net


def _faults(feeder: Feeder) -> list[str]:
    """Return why the net cannot be used, each as the rest of a sentence that begins "the feeder 'x' "."""
    net = feeder.net
    if len(net.bus) == 0:
        return ["has no buses."]
    faults = []
    slacks = int(net.ext_grid["in_service"].sum()) + int((net.gen["slack"] & net.gen["in_service"]).sum())
    if slacks == 0:
        faults.append("is a grid without slack: it needs one external grid (ext_grid) in service.")
    elif slacks > 1:
        faults.append(f"has {slacks} external grids in service; exactly one is needed, so switch the others off.")
    for table in UNBALANCED:
        count = int(net[table]["in_service"].sum()) if table in net and len(net[table]) else 0
        if count:
            faults.append(
                f"has {count} unbalanced elements ({table}): the power flow is balanced and would add up their phases; "
                "replace them by balanced ones."
            )
    if not net.bus.index.is_unique:
        faults.append("has bus numbers that appear more than once.")
    return faults or _base_load_faults(net)


def _base_load_faults(net: pandapowerNet) -> list[str]:
    trial = copy.deepcopy(net)
    try:
        pp.runpp(trial, numba=False, lightsim2grid=False)
    except LoadflowNotConverged:
        return ["has no power flow solution at its base load: pandapower.runpp does not converge."]
    except PANDAPOWER_ERRORS as error:
        return [f"cannot be solved at its base load: {_brief(error)}."]
    if "V" not in trial._ppc["internal"]:  # noqa: SLF001 - pandapower documents _ppc but has no accessor
        return ["has no line or transformer in service."]
    return []


def _brief(error: BaseException) -> str:
    """Return the first line of an error's text, without its full stop."""
    return (str(error).strip().partition("\n")[0] or type(error).__name__).rstrip(".")
