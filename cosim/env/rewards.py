"""The reward of each decision as soon as its step is over (OP-SRL paper, Eq. 23-26).

The same numbers as ``cosim.metrics.decision_rewards`` gives for the finished run, computed from what is known at the
time: departures are planned, and every arrival before the present second has been noted. All instants are whole
seconds, so that the vehicle seconds are exact and the sums agree to the last bit.
"""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from cosim.tables.stations import RewardTable


class StepRewards:
    """The rewards of one run.

    Life cycle: :meth:`begin` at the first request, :meth:`end_step` at each later one and at the end of the run.

    Parameters
    ----------
    reward : RewardTable
        Which reward, and its constants.
    depart_s : ndarray of int, shape (n_vehicles,)
        Planned departures of all vehicles, ascending.
    """

    def __init__(self, reward: RewardTable, depart_s: NDArray[np.int64]) -> None:
        self._reward = reward
        self._depart_s: list[int] = depart_s.tolist()
        self._departed_sum_s = self._arrived_sum_s = 0.0
        self._departed = 0
        self._under_way: list[int] = []
        self._time_s = 0.0
        self._area = 0.0

    def begin(self, time_s: float, arrive_s: Sequence[float]) -> None:
        """Begin the first step.

        Parameters
        ----------
        time_s : float
            Now.
        arrive_s : sequence of float, shape (n_vehicles,)
            Arrivals so far, NaN for everybody else.
        """
        self._time_s = time_s
        # What happened before the first decision belongs to its step, so that the sum is minus the total travel time.
        self._area = 0.0 if self._reward.kind == "ttt" else self._vehicle_seconds(time_s, arrive_s)[0]

    def end_step(self, time_s: float, arrive_s: Sequence[float], *, last: bool) -> float:
        """End a step and begin the next.

        Parameters
        ----------
        time_s : float
            Now: the next request, or the end of the run.
        arrive_s : sequence of float, shape (n_vehicles,)
            Arrivals so far, NaN for everybody else.
        last : bool
            Whether the run is over.

        Returns
        -------
        float
            ``scale * (maximum - mean number of vehicles)``, and for the last step
            ``scale * (maximum - last_weight_per_s * vehicle seconds)``; or minus the vehicle seconds (s). A step
            without duration has the number of vehicles present, those that arrive in this very second included.
        """
        reward, held_s = self._reward, time_s - self._time_s
        area, present = self._vehicle_seconds(time_s, arrive_s)
        step_area = area - self._area
        self._time_s, self._area = time_s, area
        if reward.kind == "ttt":
            return -step_area
        if last:
            return reward.scale * (reward.maximum - reward.last_weight_per_s * step_area)
        return reward.scale * (reward.maximum - (step_area / held_s if held_s > 0 else present))

    def _vehicle_seconds(self, time_s: float, arrive_s: Sequence[float]) -> tuple[float, int]:
        """Return the vehicle count integrated from the start of the run, and the count now (Eq. 20-22)."""
        departed = bisect.bisect_right(self._depart_s, time_s)
        self._departed_sum_s += sum(self._depart_s[self._departed : departed])
        self._under_way.extend(range(self._departed, departed))
        self._departed = departed
        under_way = [i for i in self._under_way if math.isnan(arrive_s[i])]
        if len(under_way) < len(self._under_way):
            self._arrived_sum_s += sum(arrive_s[i] for i in set(self._under_way).difference(under_way))
            self._under_way = under_way
        present = len(under_way)
        # The time since each departure, less the time since each arrival.
        return (present * time_s - self._departed_sum_s + self._arrived_sum_s), present
