"""The IEEE 69-bus radial distribution feeder of Baran and Wu (1989)."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower import pandapowerNet


def build() -> pandapowerNet:
    """IEEE 69-bus feeder (Baran & Wu 1989): 12.66 kV, 3.802 MW, 5 open ties.

    Two numberings of the laterals are in use. Bus and line numbers here are Baran and Wu's (also MATPOWER's); the
    column ``savier_das_bus`` of ``net.bus`` holds the other one. ``PROVENANCE.txt`` beside this module tells where the
    tables come from; the current ratings are a convention of the literature, not of the source.

    Returns
    -------
    pandapowerNet
        A new net, the caller's to change.
    """
    from cosim.grid.tables import read_tables  # noqa: PLC0415 - brings pandapower, seconds that `cosim list` must not pay

    return read_tables(files(__name__))
