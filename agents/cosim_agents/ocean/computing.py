"""What computing at a station came to: tasks of each second, cycles and price of each vehicle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from cosim_agents.ocean.offloading import BatchAssignment


@dataclass(frozen=True, slots=True)
class Pay:
    """What a vehicle gets for computing: a lower price of charging, ``v = kappa max(0, 1 - lambda x)`` for x cycles.

    Attributes
    ----------
    kappa_per_kwh : float
        Price without computing.
    slope_per_cycle : float
        lambda.
    """

    kappa_per_kwh: float = 0.10015
    slope_per_cycle: float = 5e-14

    def price_per_kwh(self, cycles: ArrayLike) -> NDArray[np.float64]:
        """Return the price of charging for some cycles in the whole stay; shape of ``cycles``."""
        share = np.maximum(0.0, 1.0 - self.slope_per_cycle * np.asarray(cycles, dtype=np.float64))
        return np.asarray(self.kappa_per_kwh * share, dtype=np.float64)


class ComputingLog:
    """Collects what was computed.

    Parameters
    ----------
    pay : Pay
        What it is worth.
    """

    def __init__(self, pay: Pay) -> None:
        self._pay = pay
        self._seconds: list[dict[str, NDArray[Any]]] = []
        self._of_vehicle: dict[int, NDArray[np.float64]] = {}

    def add(
        self,
        first_s: int,
        found: BatchAssignment,
        vehicle: NDArray[np.int64],
        energy_kwh: NDArray[np.float64],
        cycles: NDArray[np.float64],
        tasks: NDArray[np.float64],
    ) -> None:
        """Take in some consecutive seconds.

        Parameters
        ----------
        first_s : int
            The first of them.
        found : BatchAssignment
            Who did what in each.
        vehicle : ndarray of int, shape (n,)
            Whose the following are.
        energy_kwh, cycles, tasks : ndarray, shape (n,)
            What each vehicle did in all these seconds.
        """
        self._seconds.append({
            "time_s": np.arange(first_s, first_s + len(found), dtype=np.float64),
            "vehicles": np.full(len(found), len(vehicle), dtype=np.int64),
            "tasks": np.diff(found.offsets),
            "rejected": found.rejected.astype(np.int64),
            "energy_j": found.energy_j,
            "relative_gap": found.relative_gap,
        })  # fmt: skip
        for i, own in enumerate(vehicle):
            row = np.array([tasks[i], cycles[i], energy_kwh[i]], dtype=np.float64)
            self._of_vehicle[int(own)] = self._of_vehicle.get(int(own), np.zeros(3)) + row

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return all of it.

        Returns
        -------
        dict of str to DataFrame
            ``tasks``: ``time_s, vehicles, tasks, rejected, energy_j, relative_gap``, one row per second; ``computing``:
            ``vehicle, tasks, cycles, energy_kwh, price_per_kwh``, one row per vehicle.
        """
        import pandas as pd  # noqa: PLC0415 - takes half a second, and `cosim list` reads the controllers only

        names = ("time_s", "vehicles", "tasks", "rejected", "energy_j", "relative_gap")
        whole = ("vehicles", "tasks", "rejected")
        empty: dict[str, NDArray[Any]] = {
            name: np.zeros(0, dtype=np.int64 if name in whole else np.float64) for name in names
        }
        parts: list[dict[str, NDArray[Any]]] = [empty, *self._seconds]
        seconds = {name: np.concatenate([part[name] for part in parts]) for name in names}
        rows = np.array(list(self._of_vehicle.values()), dtype=np.float64).reshape(-1, 3)
        vehicles = {
            "vehicle": np.array(list(self._of_vehicle), dtype=np.int64),
            "tasks": rows[:, 0].astype(np.int64),
            "cycles": rows[:, 1],
            "energy_kwh": rows[:, 2],
            "price_per_kwh": self._pay.price_per_kwh(rows[:, 1]),
        }
        return {"tasks": pd.DataFrame(seconds), "computing": pd.DataFrame(vehicles)}
