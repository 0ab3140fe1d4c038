"""A charging problem as arrays, its cost, and what a policy sees of it in one slot.

Time is cut into slots of equal length. A vehicle may charge from its arrival slot up to the one before its departure
slot. Energies and powers are on the grid side: a battery receives ``efficiency`` times the energy.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.price import USUAL_PRICE, Price

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SECONDS_PER_HOUR", "Price", "Site", "SiteState", "Vehicles", "check_fits"]

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where vehicles charge, and the load beside them.

    Attributes
    ----------
    base_kw : ndarray of float, shape (slots,)
        Load of the site or community without vehicles, l of the paper.
    slot_s : float
        Length of a slot, s.
    price : Price
        Of the energy.
    limit_kw : float
        Greatest total load, base load included (Eq. 3).
    charging_limit_kw : float
        Greatest load of all vehicles together.
    """

    base_kw: NDArray[np.float64]
    slot_s: float
    price: Price = USUAL_PRICE
    limit_kw: float = np.inf
    charging_limit_kw: float = np.inf

    def __post_init__(self) -> None:
        """Copy and check the numbers.

        Raises
        ------
        ValueError
            If there is no slot, or a number is out of range.
        """
        base_kw = np.array(self.base_kw, dtype=np.float64)
        if base_kw.ndim != 1 or not base_kw.size or not np.isfinite(base_kw).all():
            raise ValueError(f"base_kw of shape {base_kw.shape} must be one finite number for each slot")
        object.__setattr__(self, "base_kw", base_kw)
        for name in ("slot_s", "limit_kw", "charging_limit_kw"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} = {getattr(self, name)} must be greater than 0")

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.base_kw)

    @property
    def slot_h(self) -> float:
        """Length of a slot, h."""
        return self.slot_s / SECONDS_PER_HOUR

    @property
    def headroom_kw(self) -> NDArray[np.float64]:
        """What the vehicles may draw together, shape (slots,); ``inf`` without a limit."""
        return np.minimum(self.charging_limit_kw, np.maximum(0.0, self.limit_kw - self.base_kw))

    def cost(self, charging_kw: NDArray[np.float64]) -> float:
        """Return the bill that the vehicles cause (Eq. 5).

        Parameters
        ----------
        charging_kw : ndarray of float, shape (slots,)
            Load of all vehicles, y of the paper.

        Returns
        -------
        float
            ``sum_t dt (k0 y_t + k1 / 2 ((l_t + y_t)^2 - l_t^2))``, in the price's currency.
        """
        quadratic = 0.5 * charging_kw * (charging_kw + 2.0 * self.base_kw)
        price = self.price
        return float(self.slot_h * (price.k0_per_kwh * charging_kw + price.k1_per_kwh_kw * quadratic).sum())


@dataclass(frozen=True, slots=True, eq=False)
class Vehicles:
    """The vehicles of one day; every array has shape (vehicles,). Scalars are taken for all of them.

    Attributes
    ----------
    arrival_slot, departure_slot : ndarray of int
        First slot in which each may charge, and first in which it is gone.
    energy_kwh : ndarray of float
        What it is to draw from the grid, D of the paper.
    max_power_kw : ndarray of float
        What charger and vehicle can take, grid side.
    efficiency : ndarray of float
        Battery energy per grid energy.
    capacity_kwh, initial_kwh : ndarray of float
        Size of the battery and energy in it at arrival; NaN where unknown. No algorithm needs them, only a policy that
        looks at states of charge.
    """

    arrival_slot: NDArray[np.int64]
    departure_slot: NDArray[np.int64]
    energy_kwh: NDArray[np.float64]
    max_power_kw: NDArray[np.float64]
    efficiency: NDArray[np.float64] = 1.0  # type: ignore[assignment]  # a scalar default, made an array below
    capacity_kwh: NDArray[np.float64] = np.nan  # type: ignore[assignment]
    initial_kwh: NDArray[np.float64] = np.nan  # type: ignore[assignment]

    def __post_init__(self) -> None:
        """Copy, broadcast and check the arrays.

        Raises
        ------
        ValueError
            Naming the first array, vehicle and value that cannot be.
        """
        count = len(np.atleast_1d(self.arrival_slot))
        for field in fields(self):
            dtype: Any = np.int64 if field.name.endswith("_slot") else np.float64
            values = np.array(np.broadcast_to(np.asarray(getattr(self, field.name)), (count,)), dtype=dtype)
            object.__setattr__(self, field.name, values)
        self._require("arrival_slot", self.arrival_slot >= 0, "at least 0")
        self._require("departure_slot", self.departure_slot >= self.arrival_slot, "not before the arrival")
        self._require("energy_kwh", (self.energy_kwh >= 0.0) & np.isfinite(self.energy_kwh), "finite and at least 0")
        self._require("max_power_kw", (self.max_power_kw > 0.0) & np.isfinite(self.max_power_kw), "finite, above 0")
        self._require("efficiency", (self.efficiency > 0.0) & (self.efficiency <= 1.0), "above 0 and at most 1")

    def _require(self, name: str, holds: NDArray[np.bool_], what: str) -> None:
        if not holds.all():
            i = int(np.argmin(holds))
            raise ValueError(f"vehicle {i}: {name} = {getattr(self, name)[i]} must be {what}")

    def __len__(self) -> int:
        """Return the number of vehicles."""
        return len(self.arrival_slot)

    def take(self, chosen: NDArray[Any]) -> Vehicles:
        """Return some of the vehicles, or all in another order.

        Parameters
        ----------
        chosen : ndarray of int or bool
            Positions, or a mask.
        """
        return Vehicles(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def unservable_kwh(self, slot_h: float) -> NDArray[np.float64]:
        """Return what each vehicle cannot draw even if it charges at full power for as long as it stays.

        Parameters
        ----------
        slot_h : float
            Length of a slot, h.

        Returns
        -------
        ndarray of float, shape (vehicles,)
            0 for every vehicle that can be served.
        """
        possible_kwh = self.max_power_kw * (self.departure_slot - self.arrival_slot) * slot_h
        return np.maximum(0.0, self.energy_kwh - possible_kwh)


@dataclass(frozen=True, slots=True, eq=False)
class SiteState:
    """What a policy sees in one slot: the vehicles that still need energy, and the forecast of the load beside them.

    Nothing about vehicles that have not come yet is in it. The constructor checks nothing, being called in every slot:
    floats have to be float64, integers int64, and all arrays contiguous.

    Attributes
    ----------
    slot : int
        Now, counted from the start of the day that is played.
    slot_h : float
        Length of a slot, h.
    remaining_kwh : ndarray of float, shape (n,)
        What each vehicle present still is to draw.
    slots_left : ndarray of int, shape (n,)
        Slots until it leaves, the present one included; at least 1.
    max_power_kw : ndarray of float, shape (n,)
        What it can take.
    arrival_slot : ndarray of int, shape (n,)
        When it came.
    base_kw : ndarray of float, shape (h,)
        Load without vehicles from now on; ``h`` is at least the greatest ``slots_left``.
    headroom_kw : ndarray of float, shape (h,)
        What the vehicles may draw together from now on; ``inf`` without a limit.
    price : Price
        Of the energy.
    """

    slot: int
    slot_h: float
    remaining_kwh: NDArray[np.float64]
    slots_left: NDArray[np.int64]
    max_power_kw: NDArray[np.float64]
    arrival_slot: NDArray[np.int64]
    base_kw: NDArray[np.float64]
    headroom_kw: NDArray[np.float64]
    price: Price = USUAL_PRICE

    def __len__(self) -> int:
        """Return the number of vehicles."""
        return len(self.remaining_kwh)

    @property
    def wanted_kw(self) -> NDArray[np.float64]:
        """The most each vehicle can use in this slot, shape (n,): full power, or what is missing if that is less."""
        return np.minimum(self.max_power_kw, self.remaining_kwh / self.slot_h)

    def by_deadline(self) -> NDArray[np.int64]:
        """Return the positions of the vehicles by departure, then by energy and power.

        Only vehicles with the same data stand in the order of the arrays; :meth:`treat_alike` makes that harmless.
        """
        same_power = len(self) == 0 or bool((self.max_power_kw == self.max_power_kw[0]).all())
        by_energy = (
            np.argsort(self.remaining_kwh) if same_power else np.lexsort((self.max_power_kw, self.remaining_kwh))
        )
        left = self.slots_left[by_energy]
        # A stable sort of short integers is a radix sort, much quicker than any other.
        short = left.astype(np.int16) if len(self) and left.max() < np.iinfo(np.int16).max else left
        return by_energy[np.argsort(short, kind="stable")]

    def treat_alike(self, order: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Give vehicles with the same data the average of their values, in place.

        They can swap their plans, so that the average is as good as what they had.

        Parameters
        ----------
        order : ndarray of int, shape (n,)
            What :meth:`by_deadline` returned.
        values : ndarray of float, shape (n,)
            One for each vehicle.
        """
        keys = np.stack([self.slots_left[order], self.remaining_kwh[order], self.max_power_kw[order]])
        new = np.ones(len(order), dtype=np.bool_)
        new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        if not new.all():
            group = np.cumsum(new) - 1
            values[order] = (np.bincount(group, weights=values[order]) / np.bincount(group))[group]


def check_fits(site: Site, vehicles: Vehicles) -> None:
    """Make sure that every vehicle leaves before the last slot ends.

    Parameters
    ----------
    site : Site
        The slots.
    vehicles : Vehicles
        Who must fit.

    Raises
    ------
    ValueError
        Naming the first vehicle that stays longer.
    """
    late = vehicles.departure_slot > site.slots
    if late.any():
        i = int(np.argmax(late))
        raise ValueError(
            f"vehicle {i}: departure_slot = {vehicles.departure_slot[i]} must be at most {site.slots}, the site's slots"
        )
