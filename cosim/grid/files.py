"""Feeders in files: pandapower JSON and Excel, MATPOWER cases, two CSV tables."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import pandapower as pp

from cosim.errors import InputError
from cosim.grid.failures import PANDAPOWER_ERRORS, brief
from cosim.grid.matpower import read_matpower
from cosim.grid.tables import read_tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pandapower import pandapowerNet

TABLE_FILES = ("buses.csv", "lines.csv")


def read_file(file: Path, where: str) -> pandapowerNet:
    """Read a feeder from a file, or from a folder of tables.

    Parameters
    ----------
    file : Path
        What it holds follows from its ending: ``.json`` or ``.xlsx`` written by pandapower, a MATPOWER case ``.m``;
        ``buses.csv`` or ``lines.csv`` or the folder of the two. No code in a file is run; pandapower's JSON can name
        classes of installed packages, of which pandapower admits its own.
    where : str
        File and key with which every message begins, such as ``"a.toml: [grid] file"``.

    Raises
    ------
    InputError
        With every fault that was found.
    """
    if not file.exists():
        raise InputError(f"{where}: there is no file '{file}'.")
    if file.is_dir() or file.name in TABLE_FILES:
        folder = file if file.is_dir() else file.parent
        return _told(lambda: read_tables(folder), where)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(
            f"{where}: '{file}' is of no kind that is read here; allowed: {', '.join(_READERS)}, or a folder with "
            f"{' and '.join(TABLE_FILES)}."
        )
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{where}: '{file}' cannot be read: {error.strerror}.") from error
    return _told(lambda: reader(file, content), where)


def _told(read: Callable[[], pandapowerNet], where: str) -> pandapowerNet:
    """Read with pandapower's own remarks silenced, and begin each fault with `where`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read()
    except InputError as error:
        raise InputError([f"{where}: {fault}" for fault in error.faults]) from error.__cause__


def _read_json(file: Path, content: bytes) -> pandapowerNet:
    try:
        text = content.decode()
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("_class") != "pandapowerNet":
        raise InputError(f"'{file}' is not a pandapower JSON file (write one with pandapower.to_json).")
    try:
        net = pp.from_json_string(text)
        _touch_tables(net)
    except PANDAPOWER_ERRORS as error:
        raise InputError(f"pandapower {pp.__version__} cannot read '{file}': {brief(error)}.") from error
    return net


def _read_excel(file: Path, _: bytes) -> pandapowerNet:
    unreadable = f"'{file}' is not a pandapower workbook (write one with pandapower.to_excel)"
    try:
        # pandapower tries an older form after any fault, and tells only what is wrong with that.
        net = pp.from_excel(str(file))
        _touch_tables(net)
        if len(net.bus) == 0:
            raise KeyError("bus")  # noqa: TRY301 - as a sheet that pandapower looked for in vain
    except (BadZipFile, KeyError) as error:
        missing = "; it is no Excel file" if isinstance(error, BadZipFile) else f"; it lacks {error}"
        raise InputError(f"{unreadable}{missing}.") from error
    except (*PANDAPOWER_ERRORS, OSError) as error:
        raise InputError(f"{unreadable}: {brief(error)}.") from error
    return net


def _read_matpower(file: Path, content: bytes) -> pandapowerNet:
    logger = logging.getLogger("pandapower.converter")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        # Comments may be in any encoding.
        return read_matpower(content.decode(errors="replace"))
    except InputError as error:
        raise InputError([f"{file}: {fault}" for fault in error.faults]) from error
    finally:
        logger.setLevel(level)


def _touch_tables(net: pandapowerNet) -> None:
    """Have an object of another class, or a net without its tables, fail here and not in the middle of a run."""
    net.bus.index, net.line.index, net.load.index, net.ext_grid.index, net.gen.index  # noqa: B018


_READERS = {".json": _read_json, ".xlsx": _read_excel, ".m": _read_matpower}
