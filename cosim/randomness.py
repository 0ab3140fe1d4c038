"""Independent random streams from the one seed of a run."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator of one purpose.

    Streams of different purposes are independent, so that drawing more of one (another recommender, say) leaves the
    others (the demand) as they were: runs with the same seed meet the same vehicles.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(purpose.encode())]))


def sumo_seed(seed: int) -> int:
    """Return the seed that SUMO gets."""
    return int(stream(seed, "sumo").integers(0, 2**31 - 1))
