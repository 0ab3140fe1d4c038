"""The price of energy, and loads that are known beforehand: what a charging site reckons with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Price:
    """The price of energy rises with the load: ``k0 + k1 * load`` (SCA and CALC paper, Eq. 4).

    The defaults are those of He, Venkatesh and Guan (2012), whose form of the bill the paper uses.

    Attributes
    ----------
    k0_per_kwh : float
        Price without load, in any currency.
    k1_per_kwh_kw : float
        By how much it rises with each kW; greater than 0.
    """

    k0_per_kwh: float = 1e-4
    k1_per_kwh_kw: float = 1.2e-4

    def __post_init__(self) -> None:
        """Refuse prices for which cheap is not the same as even.

        Raises
        ------
        ValueError
            If ``k0_per_kwh`` is negative or ``k1_per_kwh_kw`` not positive.
        """
        if not (self.k0_per_kwh >= 0.0 and self.k1_per_kwh_kw > 0.0):
            raise ValueError(
                f"k0_per_kwh = {self.k0_per_kwh} must be at least 0 and k1_per_kwh_kw = {self.k1_per_kwh_kw} above 0"
            )

    def at(self, load_kw: ArrayLike) -> NDArray[np.float64]:
        """Return the price at a total load (Eq. 4), per kWh; shape of ``load_kw``."""
        return self.k0_per_kwh + self.k1_per_kwh_kw * np.asarray(load_kw, dtype=np.float64)

    def bill(self, charging_kw: float, base_kw: float, hours: float) -> float:
        """Return what a constant charging load adds to the bill beside a constant base load (Eq. 5)."""
        quadratic = 0.5 * charging_kw * (charging_kw + 2.0 * base_kw)
        return hours * (self.k0_per_kwh * charging_kw + self.k1_per_kwh_kw * quadratic)


#: He, Venkatesh and Guan (2012).
USUAL_PRICE = Price()


@dataclass(frozen=True, slots=True, eq=False)
class StepLoad:
    """A load that is constant for steps of equal length, from second 0 on; the last step lasts for ever.

    Attributes
    ----------
    load_kw : ndarray of float, shape (n,)
        One value for each step, at least one.
    step_s : float
        Length of a step, s.
    """

    load_kw: NDArray[np.float64]
    step_s: float = 3600.0

    @classmethod
    def constant(cls, load_kw: float) -> StepLoad:
        """Return a load that never changes."""
        return cls(np.array([load_kw], dtype=np.float64))

    def at(self, time_s: float) -> float:
        """Return the load at an instant; at the border of two steps that of the later one."""
        return float(self.load_kw[min(int(time_s // self.step_s), len(self.load_kw) - 1)])

    def next_change_s(self, time_s: float) -> float:
        """Return when the step of an instant ends; ``inf`` in the last one."""
        step = int(time_s // self.step_s)
        return (step + 1) * self.step_s if step + 1 < len(self.load_kw) else np.inf

    def mean_kw(self, start_s: float, slot_s: float, slots: int) -> NDArray[np.float64]:
        """Return the mean load of some slots of equal length.

        Parameters
        ----------
        start_s : float
            When the first slot begins, at least 0.
        slot_s : float
            Length of a slot, s.
        slots : int
            How many.

        Returns
        -------
        ndarray of float, shape (slots,)
        """
        last = len(self.load_kw) - 1
        if last == 0:
            return np.full(slots, self.load_kw[0])
        if slot_s == self.step_s and start_s % slot_s == 0.0:
            return self.load_kw[np.minimum(int(start_s // slot_s) + np.arange(slots), last)]
        edge_s = start_s + slot_s * np.arange(slots + 1)
        step = np.minimum((edge_s // self.step_s).astype(np.int64), last)
        before_kws = np.concatenate([[0.0], np.cumsum(self.load_kw[:-1])]) * self.step_s
        area_kws = before_kws[step] + (edge_s - step * self.step_s) * self.load_kw[step]
        mean: NDArray[np.float64] = np.diff(area_kws) / slot_s
        return mean
