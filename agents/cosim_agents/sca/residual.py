"""What the learned policies share: they correct the rolling optimum (OA), and leave it alone where they are lost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cosim.scheduling.arrivals import START_H
from cosim_agents.sca.learned import Guard
from cosim_agents.sca.online import rolling_optimum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.scheduling.site import SiteState
    from cosim_agents.sca.learned import SitePolicy, TrainedOn


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What a learned policy sees of a site.

    Attributes
    ----------
    features : ndarray of float, shape (SITE_FEATURES,)
        Numbers without unit; ``learned_kernels.observe``.
    hour : float
        Time of day, h.
    oa_kw, scale_kw, share : float
        Total of the rolling optimum; mean of its planned load and the vehicles' share of all energy until the last
        departure.
    """

    features: NDArray[np.float64]
    hour: float
    oa_kw: float
    scale_kw: float
    share: float


def view(state: SiteState, start_h: float) -> View:
    """Describe a site for a network.

    Parameters
    ----------
    state : SiteState
        With at least one vehicle.
    start_h : float
        Time of day at which slot 0 begins, h.
    """
    from cosim_agents.sca import learned_kernels as kernels  # noqa: PLC0415 - numba is imported where it is needed

    features = np.empty(kernels.SITE_FEATURES)
    hour = (start_h + state.slot * state.slot_h) % 24.0
    oa_kw, scale_kw, _, share = kernels.observe(
        state.base_kw,
        state.by_deadline(),
        state.slots_left,
        state.max_power_kw,
        state.remaining_kwh / state.slot_h,
        state.slot_h,
        hour,
        features,
    )
    return View(features, hour, oa_kw, scale_kw, share)


class Guarded(ABC):
    """Charges as a trained policy says; as the rolling optimum does where the policy is lost.

    Parameters
    ----------
    trained_on : TrainedOn
        Where the policy may be used.
    start_h : float
        Time of day at which slot 0 begins, h.

    Attributes
    ----------
    notes : Counter of str
        Why the rolling optimum decided alone, and how often.
    """

    def __init__(self, trained_on: TrainedOn, *, start_h: float = START_H) -> None:
        self._trained_on, self._start_h, self._guard = trained_on, start_h, Guard(trained_on)
        self.notes: Counter[str] = Counter()

    @property
    def trained_on(self) -> TrainedOn:
        """Where its policy may be used."""
        return self._trained_on

    def __call__(self, state: SiteState) -> NDArray[np.float64]:
        """Decide.

        Parameters
        ----------
        state : SiteState
            Now.

        Returns
        -------
        ndarray of float, shape (n,)
            Powers within the feasible box; vehicles with the same data get the same.
        """
        if not len(state):
            return np.zeros(0)
        seen = view(state, self._start_h)
        note = self._guard.refusal(state, seen.hour, seen.share)
        if note is not None:
            self.notes[note] += 1
            return rolling_optimum(state).power_kw
        return self._corrected(state, seen)

    @abstractmethod
    def _corrected(self, state: SiteState, seen: View) -> NDArray[np.float64]:
        """Return the powers where the policy decides."""


class Residual(Guarded):
    """A :class:`Guarded` policy that is a network.

    Parameters
    ----------
    policy : SitePolicy
        Of this class' kind.
    start_h : float
        Time of day at which slot 0 begins, h.

    Raises
    ------
    ValueError
        If the policy is of another kind.
    """

    #: Of the policies it takes.
    kind: ClassVar[str]

    def __init__(self, policy: SitePolicy, *, start_h: float = START_H) -> None:
        if policy.kind != self.kind:
            raise ValueError(f"policy of kind '{policy.kind}': {self.kind.upper()} needs one of the kind '{self.kind}'")
        super().__init__(policy.trained_on, start_h=start_h)
        self._policy = policy
