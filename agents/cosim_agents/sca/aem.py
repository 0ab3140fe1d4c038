"""AEM: a table of Q values chooses the load of all vehicles together from a few levels, the paper's third benchmark.

Cao et al. take it from Liu et al. (2015) and print neither its states nor its rewards. Ours:

- **State.** Hour of the day, and in which of some ranges the vehicles' share in the energy used until the last
  departure lies.
- **Action.** One of 8, 16 or 33 levels of the site's total load, base load included, in units of the mean load until
  the last departure, so that a table serves sites of other sizes. They are even slices of twice the range in which the
  offline optimum's load lay at that hour on days of training. This tells the table much: at home levels drawn at
  random already cost only 2.5 % more than the optimum, at work 7 %. Slices of what lies between eager charging and
  latest start instead were worse than the rolling optimum at home.
- **Box.** The total is kept within what the vehicles must and can draw, so that every vehicle is served whatever the
  table says, and is split by least laxity, as CALC does.

How it is trained stands in ``aem_training``; torch is not needed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.errors import InputError
from cosim.scheduling.arrivals import START_H
from cosim.scheduling.projection import split_least_laxity
from cosim.scheduling.shield import feasible_box
from cosim_agents.sca.learned import read_arrays, seen_from, write_arrays
from cosim_agents.sca.residual import Guarded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.learned import TrainedOn
    from cosim_agents.sca.residual import View

_FORMAT = "cosim-aem-policy 1"


@dataclass(frozen=True, slots=True, eq=False)
class AemPolicy:
    """What a file holds.

    Attributes
    ----------
    levels : ndarray of float, shape (24, levels)
        For each hour of the day the total loads to choose from, in units of the mean load until the last departure.
    edges : ndarray of float, shape (24, shares - 1)
        For each hour where the ranges of the vehicles' share in the energy end, ascending.
    values : ndarray of float, shape (24, shares, levels)
        The Q table; minus infinity for what was never tried.
    trained_on : TrainedOn
        Where it may be used.
    """

    levels: NDArray[np.float64]
    edges: NDArray[np.float64]
    values: NDArray[np.float64]
    trained_on: TrainedOn

    @property
    def kind(self) -> str:
        """``aem-`` and the number of levels."""
        return f"aem-{self.levels.shape[1]}"

    def level(self, hour: float, share: float) -> float:
        """Return the level with the greatest value.

        Parameters
        ----------
        hour : float
            Time of day, h, at least 0 and below 24.
        share : float
            The vehicles' share in the energy used until the last departure.

        Returns
        -------
        float
            Total load in units of the mean load until the last departure.
        """
        row = int(hour)
        column = int(np.searchsorted(self.edges[row], share))
        return float(self.levels[row, int(self.values[row, column].argmax())])


class Aem(Guarded):
    """The table decides the site's total load; what the vehicles draw of it is split by least laxity.

    Parameters
    ----------
    policy : AemPolicy
        The table.
    start_h : float
        Time of day at which slot 0 begins, h.
    """

    def __init__(self, policy: AemPolicy, *, start_h: float = START_H) -> None:
        super().__init__(policy.trained_on, start_h=start_h)
        self._policy = policy

    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:
        box = feasible_box(state)
        total_kw = self._policy.level(seen.hour, seen.share) * seen.scale_kw - float(state.base_kw[0])
        return split_least_laxity(state, box.low_kw, box.high_kw, min(total_kw, box.total_high_kw))


def save_aem_policy(path: Path, policy: AemPolicy) -> None:
    """Write a policy as one ``.npz`` file of plain arrays.

    Parameters
    ----------
    path : Path
        Where, suffix included.
    policy : AemPolicy
        What.
    """
    arrays = {"levels": policy.levels, "edges": policy.edges, "values": policy.values}
    write_arrays(path, {"format": _FORMAT, **asdict(policy.trained_on)}, arrays)


def load_aem_policy(path: Path) -> AemPolicy:
    """Read what :func:`save_aem_policy` wrote.

    Parameters
    ----------
    path : Path
        Where.

    Raises
    ------
    InputError
        If the file is missing, damaged or something else.
    """
    policy = read_arrays(path, _FORMAT, _from)
    levels, edges, values = policy.levels, policy.edges, policy.values
    whole = levels.ndim == edges.ndim == 2 and len(levels) == len(edges) == 24 and levels.size > 0
    whole = whole and values.shape == (24, edges.shape[1] + 1, levels.shape[1])
    whole = whole and all(array.dtype == np.float64 for array in (levels, edges, values))
    if not (whole and np.isfinite(levels).all() and (np.diff(edges) >= 0.0).all() and (values < np.inf).all()):
        raise InputError(f"{path}: its arrays are not those of one table of Q values.")
    return policy


def _from(description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> AemPolicy:
    return AemPolicy(arrays["levels"], arrays["edges"], arrays["values"], seen_from(description))
