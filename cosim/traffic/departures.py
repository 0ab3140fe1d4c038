"""When vehicles depart: evenly, or more of them in some hours of the day than in others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cosim.tables.traffic import HOURLY_SHAPES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scenario import Scenario

_HOUR_S: Final = 3600.0
#: More would not change a mean over the departures that a report rounds.
_MOST_INSTANTS: Final = 10_000


class Departures:
    """The rate of departures over the day, relative to its mean.

    Parameters
    ----------
    hourly : array of float, shape (24,)
        A weight for each hour from midnight; only their proportions count. Every day is the same.
    """

    def __init__(self, hourly: NDArray[np.float64]) -> None:
        weights = np.asarray(hourly, dtype=np.float64)
        self._edges_s = _HOUR_S * np.arange(25)
        self._amount_s = np.concatenate([[0.0], np.cumsum(weights / weights.mean() * _HOUR_S)])
        # To the end exactly: a day at the mean rate is a day.
        self._amount_s[-1] = self._edges_s[-1]

    @classmethod
    def of(cls, scenario: Scenario) -> Departures:
        """Return the rate that ``[demand] hourly`` asks for; even without it."""
        hourly = scenario.demand.hourly
        if hourly is None:
            return cls(np.ones(24))
        return cls(np.array(HOURLY_SHAPES[hourly] if isinstance(hourly, str) else hourly))

    def amount_s(self, time_s: float) -> float:
        """Return how long the mean rate takes for the departures from midnight of the first day to an instant, s."""
        days, rest_s = divmod(time_s, self._edges_s[-1])
        return float(days * self._edges_s[-1] + np.interp(rest_s, self._edges_s, self._amount_s))

    def instants_s(self, start_s: float, end_s: float, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return when given shares of a period's vehicles have departed.

        Parameters
        ----------
        start_s, end_s : float
            The period, in seconds since midnight of the first day.
        shares : ndarray of float, shape (n,)
            From 0 to 1.
        """
        first, last = self.amount_s(start_s), self.amount_s(end_s)
        days, rest = np.divmod(first + shares * (last - first), self._edges_s[-1])
        instants_s: NDArray[np.float64] = days * self._edges_s[-1] + np.interp(rest, self._amount_s, self._edges_s)
        return np.clip(instants_s, start_s, end_s)

    def draw(self, start_s: int, end_s: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw departures of a period, whole seconds, not sorted."""
        instants_s = np.floor(self.instants_s(start_s, end_s, rng.random(count)))
        return np.minimum(instants_s.astype(np.int64), end_s - 1)


def departure_times_s(scenario: Scenario) -> NDArray[np.float64]:
    """Return instants spread over the control period as its departures are expected to be."""
    count = min(max(1, round(scenario.demand.vehicles_per_h * scenario.simulation.control_s / _HOUR_S)), _MOST_INSTANTS)
    shares = (np.arange(count) + 0.5) / count
    return Departures.of(scenario).instants_s(scenario.begin_of_control_s, scenario.end_of_control_s, shares)
