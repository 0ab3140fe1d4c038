"""The load that a station usually has at each time of day: what a policy may know of vehicles that have not come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from cosim.scheduling.offline import offline_optimum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim_agents.ocean.station_days import StationDay

#: What is known of each window: the load now, and mean and least over the window.
USUAL_FEATURES = 3


@dataclass(frozen=True, slots=True, eq=False)
class UsualLoad:
    """A daily load and what is asked of it, ready to look up.

    Attributes
    ----------
    load_kw : ndarray of float, shape (slots,)
        Per pile, for each slot of a day, which repeats itself.
    """

    load_kw: NDArray[np.float64]
    _table: NDArray[np.float64]

    @classmethod
    def of(cls, load_kw: NDArray[np.float64]) -> Self:
        """Prepare a load.

        Parameters
        ----------
        load_kw : ndarray of float, shape (slots,)
            Per pile, at least one slot.
        """
        slots = len(load_kw)
        twice = np.concatenate([load_kw, load_kw])
        windows = np.lib.stride_tricks.sliding_window_view(twice, slots)[:slots]
        table = np.empty((slots, slots + 1, USUAL_FEATURES))
        table[..., 0] = load_kw[:, None]
        table[:, 1:, 1] = np.cumsum(windows, axis=1) / np.arange(1, slots + 1)
        table[:, 1:, 2] = np.minimum.accumulate(windows, axis=1)
        table[:, 0, 1:] = load_kw[:, None]
        return cls(load_kw, table)

    @classmethod
    def from_days(cls, days: Sequence[StationDay], piles: int) -> Self:
        """Average what would have been best on past days.

        Parameters
        ----------
        days : sequence of StationDay
            At least one, with the same slots.
        piles : int
            Of the station.
        """
        best_kw = [offline_optimum(day.site, day.vehicles, tolerance=1e-6).charging_kw for day in days]
        return cls.of(np.mean(best_kw, axis=0) / piles)

    def of_windows(self, slot: NDArray[np.int64] | int, left: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what is known of the windows that begin with a slot.

        Parameters
        ----------
        slot : ndarray of int or int
            First slot of each, counted from the beginning of any day.
        left : ndarray of int
            Number of slots; more than a day counts as a day.

        Returns
        -------
        ndarray of float, shape (..., USUAL_FEATURES)
            kW per pile.
        """
        slots = len(self.load_kw)
        found: NDArray[np.float64] = self._table[slot % slots, np.minimum(left, slots)]
        return found
