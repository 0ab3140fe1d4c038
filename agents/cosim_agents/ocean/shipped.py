"""Trained policies of OCEAN's stations: found by name or path, and put to work.

The shipped ones lie in ``policies`` as ``NAME.npz``.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.errors import InputError, nearest_name
from cosim_agents.ocean.set_policy import Ocean, load_ocean
from cosim_agents.sca.online import rolling_optimum

if TYPE_CHECKING:
    from collections import Counter

    import numpy as np
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.ocean.set_policy import SetPolicy

#: Which one is taken if none is named.
DEFAULT = "ocean-station"


def names() -> list[str]:
    """Return the names of the shipped policies."""
    folder = files("cosim_agents.ocean") / "policies"
    found = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".npz") for name in found if name.endswith(".npz"))


def load(policy: str) -> SetPolicy:
    """Read a policy.

    Parameters
    ----------
    policy : str
        Name of a shipped one, or path of a file.

    Raises
    ------
    InputError
        If there is none.
    """
    known = names()
    if policy in known:
        with as_file(files("cosim_agents.ocean") / "policies" / f"{policy}.npz") as path:
            return load_ocean(path)
    path = Path(policy)
    if path.suffix != ".npz":
        raise InputError(
            f"policy: found '{policy}'; it must be a policy file (.npz) or a shipped one; "
            f"{nearest_name(policy, known)}."
        )
    return load_ocean(path)


class StationPolicy:
    """A trained policy at a station; the rolling optimum (OA) where there is none or it is lost.

    Parameters
    ----------
    policy : str or None
        As for :func:`load`; None for the shipped one, if there is one.
    start_h : float
        Time of day at which the seconds begin, h.
    notes : Counter of str
        Takes in why OA decided, and how often.

    Attributes
    ----------
    piles : int or None
        Chargers of the station; as many as in training if None.

    Raises
    ------
    InputError
        As for :func:`load`.
    """

    def __init__(self, policy: str | None, start_h: float, notes: Counter[str]) -> None:
        chosen = DEFAULT if policy is None and DEFAULT in names() else policy
        self._policy = None if chosen is None else load(chosen)
        self._start_h, self._notes = start_h, notes
        self._agent: Ocean | None = None
        self.piles: int | None = None

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide, for a state with at least one vehicle."""
        if self._policy is None:
            self._notes["no policy is shipped: decided as OA"] += 1
            return rolling_optimum(state).power_kw
        if self._agent is None:
            self._agent = Ocean(self._policy, piles=self.piles, start_h=self._start_h)
            self._agent.notes = self._notes
        return self._agent(state)
