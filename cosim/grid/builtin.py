"""Feeders that other packages bring: the networks of pandapower, and SimBench."""

from __future__ import annotations

import difflib
import inspect
import warnings
from typing import TYPE_CHECKING, Any

import pandapower as pp

from cosim.errors import InputError
from cosim.grid.failures import PANDAPOWER_ERRORS, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pandapower import pandapowerNet


def build_pandapower(name: str, where: str) -> pandapowerNet:
    """Build a network of ``pandapower.networks``.

    Parameters
    ----------
    name : str
        The function that makes it, such as ``create_cigre_network_mv``; it is called without arguments.
    where : str
        File and key with which a message begins.

    Raises
    ------
    InputError
        If there is no such function, it needs arguments, or it fails.
    """
    builders = _builders()
    builder = builders.get(name)
    if builder is None:
        usable = [known for known, function in builders.items() if not _needed(function)]
        raise InputError(f"{where}: pandapower.networks has no network '{name}'; {_nearest(name, usable)}")
    needed = _needed(builder)
    if needed:
        raise InputError(
            f"{where}: pandapower.networks.{name} needs arguments ({', '.join(needed)}); call it yourself, save its "
            "net with pandapower.to_json and give that file."
        )
    return _built(builder, f"{where}: pandapower.networks.{name}")


def build_simbench(code: str, where: str) -> pandapowerNet:
    """Build a network of SimBench, with its profiles in ``net.profiles``.

    Parameters
    ----------
    code : str
        SimBench's code, such as ``1-MV-rural--0-sw``.
    where : str
        File and key with which a message begins.

    Raises
    ------
    InputError
        If SimBench is not installed, or has no such network.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import simbench  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise InputError(
            f"{where}: 'simbench:{code}' needs the package simbench, which cannot be imported ({error}); install it "
            'with pip install "cosim-grid[simbench]".'
        ) from error
    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        raise InputError(f"{where}: SimBench has no network '{code}'; {_nearest(code, codes)}")
    return _built(lambda: simbench.get_simbench_net(code), f"{where}: SimBench network {code}")


def _builders() -> dict[str, Callable[..., Any]]:
    """Return the functions that ``pandapower.networks`` itself defines; it also exposes what it imports."""
    from pandapower import networks  # noqa: PLC0415 - half a second

    return {
        name: function
        for name, function in inspect.getmembers(networks, inspect.isfunction)
        if function.__module__.startswith("pandapower.networks.") and not name.startswith("_")
    }


def _needed(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]


def _nearest(name: str, names: Sequence[str]) -> str:
    """Ask for the nearest of very many names."""
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(repr(found) for found in near)}?"
    return f"it has {len(names)}, such as '{names[0]}'."


def _built(builder: Callable[[], Any], what: str) -> pandapowerNet:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = builder()
    except (*PANDAPOWER_ERRORS, OSError) as error:
        raise InputError(f"{what} cannot be built: {brief(error)}.") from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError(f"{what} gives a {type(net).__name__} and no pandapower net.")
    return net
