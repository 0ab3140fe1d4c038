"""Trained policies of charging sites: found by the name of their site, by path, or by what a station looks like.

The shipped ones lie in ``policies`` as ``KIND-SITE.npz``; ``README.md`` there says how they were made.
"""

from __future__ import annotations

from fnmatch import fnmatch
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cosim.errors import InputError, nearest_name
from cosim_agents.sca.aem import Aem, load_aem_policy
from cosim_agents.sca.calc import Calc
from cosim_agents.sca.learned import load_site_policy
from cosim_agents.sca.literal import LiteralCalc, LiteralSca
from cosim_agents.sca.online import rolling_optimum
from cosim_agents.sca.residual import view
from cosim_agents.sca.sca import Sca

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.residual import Guarded

#: For each kind of controller how its files are read, and who puts the policies to work that they may hold.
_KINDS: dict[str, tuple[Callable[[Path], Any], dict[str, Callable[..., Guarded]]]] = {
    "calc": (load_site_policy, {"calc": Calc, "paper-calc": LiteralCalc}),
    "sca": (load_site_policy, {"sca": Sca, "paper-sca": LiteralSca}),
    "aem-8": (load_aem_policy, {"aem-8": Aem}),
    "aem-16": (load_aem_policy, {"aem-16": Aem}),
    "aem-33": (load_aem_policy, {"aem-33": Aem}),
}


def sites(kind: str) -> list[str]:
    """Return the names of the sites that a shipped policy of a kind was trained on."""
    folder = files("cosim_agents.sca") / "policies"
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    # No name of a kind is the beginning of another one and a hyphen.
    return sorted(name.removeprefix(f"{kind}-")[:-4] for name in names if fnmatch(name, f"{kind}-*.npz"))


def load(kind: str, policy: str, start_h: float) -> Guarded:
    """Read a policy and put it to work.

    Parameters
    ----------
    kind : str
        Such as ``calc``.
    policy : str
        Name of the site that a shipped policy was trained on, or the path of a policy file.
    start_h : float
        Time of day at which the seconds begin, h.

    Raises
    ------
    InputError
        If there is no such policy, or it is of another kind.
    """
    known = sites(kind)
    if policy in known:
        with as_file(files("cosim_agents.sca") / "policies" / f"{kind}-{policy}.npz") as path:
            return _at_work(kind, path, start_h)
    path = Path(policy)
    if path.suffix != ".npz":
        raise InputError(
            f"policy: found '{policy}'; it must be a policy file (.npz), or a site for which one is shipped; "
            f"{nearest_name(policy, known)}."
        )
    try:
        return _at_work(kind, path, start_h)
    except ValueError as error:
        raise InputError(f"policy: {path}: {error}.") from None


def _at_work(kind: str, path: Path, start_h: float) -> Guarded:
    read, makers = _KINDS[kind]
    policy = read(path)
    if policy.kind not in makers:
        raise ValueError(f"policy of kind '{policy.kind}': {kind.upper()} needs one of the kind '{kind}'")
    return makers[policy.kind](policy, start_h=start_h)


class Candidates:
    """A policy that was named, or the first shipped one that fits the station as it is first seen.

    Parameters
    ----------
    kind : str
        Such as ``calc``.
    policy : str or None
        As for :func:`load`; None to choose among the shipped ones.
    start_h : float
        Time of day at which the seconds begin, h.
    notes : Counter of str
        Takes in why the rolling optimum decided alone, and how often.

    Raises
    ------
    InputError
        As for :func:`load`.
    """

    def __init__(self, kind: str, policy: str | None, start_h: float, notes: Counter[str]) -> None:
        self._start_h, self._notes = start_h, notes
        self._policies = [load(kind, name, start_h) for name in (sites(kind) if policy is None else [policy])]
        for chosen in self._policies:
            chosen.notes = notes

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide, for a state with at least one vehicle."""
        if len(self._policies) > 1:
            seen = view(state, self._start_h)
            fitting = [one for one in self._policies if one.trained_on.refusal(state, seen.hour, seen.share) is None]
            self._policies = (fitting or self._policies)[:1]
        if not self._policies:
            self._notes["no policy is shipped: decided as OA"] += 1
            return rolling_optimum(state).power_kw
        return self._policies[0](state)
