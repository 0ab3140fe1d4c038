"""What OCEAN is measured against: charging without learning, from the simplest rule to plans with a forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from cosim.scheduling.offline import offline_optimum
from cosim_agents.sca import rules
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.scheduling.replay import Policy
    from cosim.scheduling.site import SiteState
    from cosim_agents.ocean.station_days import StationDay


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedLoad:
    """OA with the mean load of the vehicles that are still to come, taken for a load that cannot be moved.

    Attributes
    ----------
    load_kw : ndarray of float, shape (slots, slots)
        In a row for each slot: what vehicles that come after it draw in every slot, as was best on past days.
    """

    load_kw: NDArray[np.float64]

    @classmethod
    def from_days(cls, days: Sequence[StationDay]) -> Self:
        """Average some days.

        Parameters
        ----------
        days : sequence of StationDay
            At least one, with the same slots.
        """
        slots = days[0].site.slots
        by_arrival_kw = np.zeros((slots + 1, slots))
        for day in days:
            best = offline_optimum(day.site, day.vehicles, tolerance=1e-6)
            np.add.at(by_arrival_kw, day.vehicles.arrival_slot, best.power_kw)
        later_kw = np.cumsum(by_arrival_kw[::-1], axis=0)[::-1]
        return cls(later_kw[1:] / len(days))

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide.

        Parameters
        ----------
        state : SiteState
            Now; slots count from the same hour as on the past days.

        Returns
        -------
        ndarray of float, shape (n,)
            Powers, kW.
        """
        expected_kw = self.load_kw[state.slot, state.slot :]
        return rolling_optimum(replace(state, base_kw=state.base_kw + expected_kw)).power_kw


def references(past: Sequence[StationDay]) -> dict[str, Policy]:
    """Return the policies by name; all meet every target that can be met.

    Parameters
    ----------
    past : sequence of StationDay
        What the forecasts are made of.

    Returns
    -------
    dict
        Full power up to the target (ASAP); latest start (ALAP); average rate (AVR); the best plan for the vehicles
        present (OA); that plan with the mean load of vehicles to come; and with the mean vehicles to come, whose
        charging is planned, too.
    """
    expected = ExpectedArrivals.from_days([day.vehicles for day in past])
    return {
        "ASAP": rules.eager,
        "ALAP": rules.latest_start,
        "AVR": rules.average_rate,
        "OA": lambda state: rolling_optimum(state).power_kw,
        "OA + load": ExpectedLoad.from_days(past),
        "OA + vehicles": lambda state: predictive_optimum(state, expected).power_kw,
    }
