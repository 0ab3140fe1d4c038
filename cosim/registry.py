"""Plug-ins by name: networks, grids, scenarios, arrivals, recommenders, site controllers and learners.

A plug-in is an entry point in one of the groups ``cosim.networks``, ``cosim.grids``, ``cosim.scenarios``,
``cosim.arrivals``, ``cosim.recommenders``, ``cosim.controllers`` and ``cosim.learners``, so that any installed package
can add one; nothing is imported until its name is asked for.
"""

from __future__ import annotations

import functools
import inspect
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from cosim.errors import InputError, nearest_name

Kind = Literal["network", "grid", "scenario", "arrivals", "recommender", "controller", "learner"]
KINDS: tuple[Kind, ...] = ("network", "grid", "scenario", "arrivals", "recommender", "controller", "learner")


def plural(kind: Kind) -> str:
    """Return what several plug-ins of a kind are called: the name of their group, after ``cosim.``."""
    return kind if kind.endswith("s") else f"{kind}s"


@functools.cache
def _entry_points(kind: Kind) -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=f"cosim.{plural(kind)}")}


def names(kind: Kind) -> tuple[str, ...]:
    """Return the names of all installed plug-ins of one kind, sorted."""
    return tuple(sorted(_entry_points(kind)))


def load(kind: Kind, name: str, *, where: str = "") -> Any:
    """Import a plug-in.

    Parameters
    ----------
    kind : {"network", "grid", "scenario", "arrivals", "recommender", "controller", "learner"}
        Which group to look in.
    name : str
        The entry point's name.
    where : str, optional
        File and key for the message, such as ``"a.toml: [network] name"``.

    Returns
    -------
    object
        What the entry point names: a builder, a path, a class or a function.

    Raises
    ------
    InputError
        If no installed package offers that name, or its module cannot be imported.
    """
    entry = _entry_points(kind).get(name)
    prefix = f"{where}: " if where else ""
    if entry is None:
        raise InputError(f"{prefix}unknown {kind} '{name}'; {nearest_name(name, names(kind))}.")
    try:
        return entry.load()
    except (ImportError, AttributeError) as error:
        raise InputError(f"{prefix}the {kind} '{name}' ({entry.value}) cannot be imported: {error}.") from error


def describe(kind: Kind, name: str) -> str:
    """Return one line about a plug-in: its docstring's first line, or a scenario's ``description``."""
    plugin = load(kind, name)
    if kind == "scenario":
        return str(tomllib.loads(Path(plugin).read_text(encoding="utf-8")).get("description", ""))
    return (inspect.getdoc(plugin) or "").partition("\n")[0].rstrip(".")


def instantiate(kind: Kind, name: str, options: dict[str, Any], *, where: str) -> Any:
    """Make a recommender, a site controller or arrivals with the options of their scenario table.

    Parameters
    ----------
    kind, name, where
        As for :func:`load`.
    options : dict
        Keyword arguments for the plug-in's constructor.

    Raises
    ------
    InputError
        If the plug-in takes no such option, or refuses its value.
    """
    plugin = load(kind, name, where=where)
    parameters = inspect.signature(plugin).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        for option in options:
            if option not in parameters:
                raise InputError(
                    f"{where}: the {kind} '{name}' has no option '{option}'; {nearest_name(option, parameters)}."
                )
    try:
        return plugin(**options)
    except InputError as error:
        raise InputError([f"{where}: {fault}" for fault in error.faults]) from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: the {kind} '{name}' refuses its options: {error}.") from error
