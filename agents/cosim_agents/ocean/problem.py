"""Tasks and vehicles of one slot of offloading (SP2-2), and what each pair of them needs.

Data sizes are in MB of 1,000 KB and rates in MB/s; see :mod:`cosim_agents.ocean.examples` for why.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _store(record: Any, what: str, names: tuple[str, ...]) -> None:
    """Copy and broadcast the arrays of a frozen dataclass, and require the number of dimensions."""
    arrays = {name: np.asarray(getattr(record, name), dtype=np.float64) for name in names}
    try:
        together = np.broadcast_arrays(*(np.atleast_1d(values) for values in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in arrays.items())
        raise ValueError(f"one value for each {what} is needed, found the shapes: {shapes}") from None
    if together[0].ndim != 1:
        raise ValueError(f"one value for each {what} is needed, found the shape {together[0].shape}")
    for name, values in zip(names, together, strict=True):
        object.__setattr__(record, name, np.array(values))


def _require(record: Any, what: str, name: str, holds: NDArray[np.bool_], rule: str) -> None:
    """Raise a sentence on the first value that cannot be."""
    if not holds.all():
        i = int(np.argmin(holds))
        raise ValueError(f"{what} {i}: {name} = {getattr(record, name)[i]} must be {rule}")


@dataclass(frozen=True, slots=True, eq=False)
class Tasks:
    """Computation tasks; every array has shape (tasks,). Scalars are taken for all of them.

    Attributes
    ----------
    size_mb : ndarray of float
        Data to transmit, b_j of the paper, MB of 1,000 KB.
    cycles : ndarray of float
        Processor cycles, chi_j.
    deadline_s : ndarray of float
        Greatest delay from now to the result, d_j.
    """

    size_mb: NDArray[np.float64]
    cycles: NDArray[np.float64]
    deadline_s: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, broadcast and check the arrays.

        Raises
        ------
        ValueError
            Naming the first task, field and value that cannot be.
        """
        _store(self, "task", tuple(field.name for field in fields(self)))
        finite = np.isfinite
        _require(self, "task", "size_mb", (self.size_mb >= 0.0) & finite(self.size_mb), "finite and at least 0")
        _require(self, "task", "cycles", (self.cycles > 0.0) & finite(self.cycles), "finite and greater than 0")
        ok = (self.deadline_s > 0.0) & finite(self.deadline_s)
        _require(self, "task", "deadline_s", ok, "finite and greater than 0")

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self.cycles)

    def take(self, chosen: NDArray[Any] | slice) -> Tasks:
        """Return some of the tasks, or all in another order.

        Parameters
        ----------
        chosen : ndarray of int or bool, or slice
            Positions, or a mask.
        """
        return Tasks(self.size_mb[chosen], self.cycles[chosen], self.deadline_s[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class ComputingVehicles:
    """Vehicles that compute while they charge; every array has shape (vehicles,). Scalars are taken for all of them.

    Attributes
    ----------
    rate_mb_s : ndarray of float
        Rate at which each receives data, r_i of the paper, MB/s; the same for every task sent to it.
    capacity_hz : ndarray of float
        Greatest sum of frequencies of its tasks, f_i,max, cycles/s.
    theta : ndarray of float
        Energy coefficient: a task of chi cycles at the frequency f takes ``theta chi f**2`` J (Eq. 10).
    energy_budget_j : ndarray of float
        What it may spend on this slot's tasks, J: the lesser of what (12) and (32) leave; ``inf`` where nothing binds.
    """

    rate_mb_s: NDArray[np.float64]
    capacity_hz: NDArray[np.float64]
    theta: NDArray[np.float64]
    energy_budget_j: NDArray[np.float64] = np.inf  # type: ignore[assignment]  # a scalar default, made an array below

    def __post_init__(self) -> None:
        """Copy, broadcast and check the arrays.

        Raises
        ------
        ValueError
            Naming the first vehicle, field and value that cannot be.
        """
        _store(self, "vehicle", tuple(field.name for field in fields(self)))
        for name in ("rate_mb_s", "capacity_hz", "theta"):
            values = getattr(self, name)
            _require(self, "vehicle", name, (values > 0.0) & np.isfinite(values), "finite and greater than 0")
        _require(self, "vehicle", "energy_budget_j", self.energy_budget_j >= 0.0, "at least 0")

    def __len__(self) -> int:
        """Return the number of vehicles."""
        return len(self.rate_mb_s)

    def take(self, chosen: NDArray[Any] | slice) -> ComputingVehicles:
        """Return some of the vehicles, or all in another order.

        Parameters
        ----------
        chosen : ndarray of int or bool, or slice
            Positions, or a mask.
        """
        return ComputingVehicles(*(getattr(self, field.name)[chosen] for field in fields(self)))


def needs(tasks: Tasks, vehicles: ComputingVehicles) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each pair of vehicle and task needs (Eqs. 6, 8, 10 and 33).

    Parameters
    ----------
    tasks : Tasks
        The tasks.
    vehicles : ComputingVehicles
        The vehicles.

    Returns
    -------
    frequency_hz : ndarray of float, shape (vehicles, tasks)
        The least frequency that meets the deadline, ``chi_j / (d_j - b_j / r_i)``; ``inf`` where none does.
    energy_j : ndarray of float, shape (vehicles, tasks)
        Its energy ``theta_i chi_j f**2``; ``inf`` likewise.
    """
    time_s = tasks.deadline_s - tasks.size_mb / vehicles.rate_mb_s[:, None]
    frequency_hz = np.full(time_s.shape, np.inf)
    np.divide(tasks.cycles, time_s, out=frequency_hz, where=time_s > 0.0)
    return frequency_hz, vehicles.theta[:, None] * tasks.cycles * frequency_hz**2
