"""Kowloon, stylised: a main-road network of the size of the OP-SRL paper's case B, and one with every street."""

from __future__ import annotations

from pathlib import Path

#: The shipped scenarios: case B of the paper, and the same on every street of the table.
SCENARIO = Path(__file__).parent / "scenario.toml"
SCENARIO_FULL = Path(__file__).parent / "scenario_full.toml"


def build() -> Path:
    """Kowloon, stylised main roads: 817 nodes, 1,072 directed edges, left-hand traffic, signals, 12 zones.

    Returns
    -------
    Path
        The cached ``.net.xml``, with zones (``.taz.xml``) and trips between them (``.od.csv``) beside it.
    """
    from cosim_networks.kowloon.cache import cached  # noqa: PLC0415 - NumPy and SciPy, which `cosim list` must not pay

    return cached("kowloon", full=False)


def build_full() -> Path:
    """Kowloon, every street of the table: 367 junctions, 947 directed edges, left-hand traffic, signals, 12 zones.

    Returns
    -------
    Path
        The cached ``.net.xml``, with zones (``.taz.xml``) and trips between them (``.od.csv``) beside it.
    """
    from cosim_networks.kowloon.cache import cached  # noqa: PLC0415 - NumPy and SciPy, which `cosim list` must not pay

    return cached("kowloon-full", full=True)
