"""The site's policies as controllers: plugged into a station of a coupled run, or compared on station scenarios.

A policy plans in slots of equal length. A controller is asked at any time: its slots begin when it is asked and are as
long as its period. Vehicles that leave in the middle of a slot are taken to leave at its beginning, and every power is
moved into the safe interval (:mod:`cosim.scheduling.safe`), so that all that could be promised on arrival is kept at
the present droop cap. A cap that falls later can still break a promise; the run then says whose.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from cosim.scheduling.arrivals import START_H
from cosim.scheduling.safe import safe_interval_kw
from cosim.scheduling.shield import shield
from cosim.scheduling.site import SiteState
from cosim_agents.sca import rules
from cosim_agents.sca.online import ExpectedArrivals, predictive_optimum, rolling_optimum
from cosim_agents.sca.shipped import Candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cosim.control import SiteView
    from cosim.scheduling.site import Vehicles

#: Less than this is missing through rounding only.
_NOTHING_KWH = 1e-9
#: Of a slot: rounding must not take a whole one away.
_EDGE = 1e-6


class SlotController(ABC):
    """Asks a policy of slots and keeps its powers safe.

    Parameters
    ----------
    period_s : float
        How often it decides, whole seconds; the length of the slots that it plans in.
    shield : bool
        Whether every target that can be reached must be.

    Attributes
    ----------
    notes : Counter of str
        What it has to say about the run, and how often.

    Raises
    ------
    ValueError
        If the period is not positive.
    """

    period_s: float | None

    def __init__(self, *, period_s: float = 300.0, shield: bool = True) -> None:
        if not period_s > 0:
            raise ValueError(f"period_s = {period_s} must be greater than 0")
        self.period_s = self._slot_s = float(period_s)
        self._shield = shield
        self.notes: Counter[str] = Counter()

    @abstractmethod
    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """Return powers, shape (n,), kW, for a state with at least one vehicle."""

    def horizon(self, slot: int) -> int:  # noqa: ARG002 - who looks further ahead needs it
        """Return how many slots of base load the policy wants to see at least, whoever is there."""
        return 1

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:
        """Choose powers; see ``cosim.control.SiteController``."""
        power_kw = np.zeros(site.station.chargers)
        chargers = np.flatnonzero(site.need_kwh > _NOTHING_KWH)
        if not chargers.size:
            return power_kw
        state = site_state(time_s, site, chargers, self._slot_s, self.horizon(int(time_s // self._slot_s)))
        power_kw[chargers] = self._held(state, self.decide(state), time_s, site, chargers)
        return power_kw

    def _held(
        self,
        state: SiteState,
        chosen_kw: NDArray[np.float64],
        time_s: float,
        site: SiteView,
        chargers: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Return the powers to hold until the next decision, which may come before the policy's slot is over."""
        low_kw, high_kw = safe_interval_kw(
            state.remaining_kwh,
            state.max_power_kw,
            site.departure_s[chargers] - time_s,
            self._slot_s - time_s % self._slot_s,
        )
        if self._shield:
            chosen_kw = np.clip(shield(state, chosen_kw), low_kw, high_kw)
        # What is to be done within the slot is done by the next decision, and at once where somebody waits for it:
        # spread over a whole slot at every question, the rest would never end.
        at_once_kw = np.where(site.parks[chargers], high_kw, state.max_power_kw)
        finishing = chosen_kw >= (1.0 - _EDGE) * state.wanted_kw
        sooner_kw = np.where(finishing, np.maximum(chosen_kw, at_once_kw), chosen_kw)
        return sooner_kw if sooner_kw.sum() <= site.station.site_limit_kw else chosen_kw


def site_state(
    time_s: float, site: SiteView, chargers: NDArray[np.int64], slot_s: float, horizon: int = 1
) -> SiteState:
    """Return what a policy of slots sees of a station.

    Parameters
    ----------
    time_s : float
        Now; the first slot begins here.
    site : SiteView
        The station.
    chargers : ndarray of int, shape (n,)
        Whose vehicles are to be charged.
    slot_s : float
        Length of a slot, s.
    horizon : int
        How many slots of base load to tell at least.

    Returns
    -------
    SiteState
        Vehicles in the order of ``chargers``, at the power that charger, vehicle and droop cap allow now; only slots
        that a vehicle stays for wholly, at least one.
    """
    slots_left = np.floor((site.departure_s[chargers] - time_s) / slot_s + _EDGE)
    slots_left = np.maximum(slots_left, 1.0).astype(np.int64)
    horizon = max(horizon, int(slots_left.max()))
    return SiteState(
        slot=int(time_s // slot_s),
        slot_h=slot_s / 3600.0,
        remaining_kwh=site.need_kwh[chargers] / site.efficiency,
        slots_left=slots_left,
        # A cap of zero leaves nothing to plan with; the droop takes it away again afterwards.
        max_power_kw=np.minimum(site.max_power_kw[chargers], site.cap_kw if site.cap_kw > 0.0 else np.inf),
        arrival_slot=(site.plug_in_s[chargers] // slot_s).astype(np.int64),
        base_kw=site.base.mean_kw(time_s, slot_s, horizon),
        headroom_kw=np.full(horizon, site.station.site_limit_kw),
        price=site.price,
    )


class Eager(SlotController):
    """Full power at once, first come first served under a site limit (EC)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``rules.eager``."""
        return rules.eager(state)


class AverageRate(SlotController):
    """What is missing, evenly over the time left (AVR)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``rules.average_rate``."""
        return rules.average_rate(state)


class LatestStart(SlotController):
    """Nothing until only full power reaches the target (ALAP)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``rules.latest_start``."""
        return rules.latest_start(state)


class EarliestDeadline(SlotController):
    """Full power in the order of the departures, as far as the site's limit goes (EDF)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``rules.earliest_deadline``."""
        return rules.earliest_deadline(state)


class LeastLaxity(SlotController):
    """Full power in the order of the laxities, as far as the site's limit goes (LLF)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``rules.least_laxity``."""
        return rules.least_laxity(state)


class RollingOptimum(SlotController):
    """The cheapest plan for the vehicles present, made anew at every decision (OA)."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``online.rolling_optimum``."""
        return rolling_optimum(state).power_kw


class RollingOptimumConstantBase(SlotController):
    """OA that takes the base load for constant, likely what the paper compared with."""

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``online.rolling_optimum``."""
        return rolling_optimum(state, constant_base=True).power_kw


class PredictiveOptimum(SlotController):
    """OA that also plans for the vehicles which past days lead one to expect (MPC); OA where it knows none."""

    _expected: ExpectedArrivals | None = None

    def study(self, days: Sequence[Vehicles], slot_s: float) -> None:
        """Learn from past days whom to expect.

        Parameters
        ----------
        days : sequence of Vehicles
            Slots count from the same hour as the runs' seconds.
        slot_s : float
            Length of a slot, s; it must be the period.

        Raises
        ------
        ValueError
            If it is not.
        """
        if slot_s != self._slot_s:
            raise ValueError(f"slots of {slot_s:g} s must be as long as period_s = {self._slot_s:g}")
        self._expected = ExpectedArrivals.from_days(days)

    def horizon(self, slot: int) -> int:
        """Return the slots until the last expected departure."""
        return 1 if self._expected is None else max(1, int(self._expected.departure_slot.max(initial=0)) - slot)

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """See ``online.predictive_optimum``."""
        if self._expected is None:
            self.notes["no past days to expect arrivals from: decided as OA"] += 1
            return rolling_optimum(state).power_kw
        return predictive_optimum(state, self._expected).power_kw


class Learned(SlotController):
    """Decides with a trained policy of one kind.

    Parameters
    ----------
    policy : str, optional
        Name of the site that a shipped policy was trained on (``station-home``), or the path of a policy file. If left
        out, the first shipped one that was trained on something like the station as it is first seen.
    start_h : float
        Time of day at which the seconds begin, h.
    period_s, shield
        As for every controller.

    Raises
    ------
    InputError
        If there is no such policy.
    """

    _kind = ""

    def __init__(
        self, *, policy: str | None = None, start_h: float = START_H, period_s: float = 300.0, shield: bool = True
    ) -> None:
        super().__init__(period_s=period_s, shield=shield)
        self._policy = Candidates(self._kind, policy, start_h, self.notes)

    def decide(self, state: SiteState) -> NDArray[np.float64]:
        """Ask the policy; OA where it is lost, which is noted."""
        return self._policy(state)


class CALC(Learned):
    """A trained network corrects OA's total, which is split by least laxity."""

    _kind = "calc"


class SCA(Learned):
    """A trained network corrects each vehicle's share of OA's total."""

    _kind = "sca"


class AEM8(Learned):
    """Q-learning on the total with 8 levels."""

    _kind = "aem-8"


class AEM16(Learned):
    """Q-learning on the total with 16 levels."""

    _kind = "aem-16"


class AEM33(Learned):
    """Q-learning on the total with 33 levels."""

    _kind = "aem-33"
