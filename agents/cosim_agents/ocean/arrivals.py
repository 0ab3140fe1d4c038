"""The days of the paper's station as a plug-in of station scenarios: ``[arrivals] kind = "ocean-station"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cosim.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from cosim.scheduling.site import Vehicles

_WHOLE_DAY_H = 24.0


class OceanStation:
    """Roadside station with piles of the OCEAN paper: four models of vehicles, stays of two and a half hours.

    Parameters
    ----------
    piles : int
        Charging piles; whoever finds none free drives on.
    arrivals_per_pile : float
        Mean number of vehicles per pile and day.
    admission : {"resample", "extend", "clip", "raw"}
        What becomes of vehicles whose stay is too short for their target: it is drawn again until it is long enough;
        it is made longer; the target is lowered; nothing.
    slack : float
        How many times longer than at full power a stay has to be to count as long enough; at least 1.
    initial_soc : float
        Mean state of charge at arrival.
    slot_s : float
        Length of a slot, s.

    Attributes
    ----------
    days : StationDays
        All of it.
    start_h, hours, chargers
        As ``cosim.station.days.Arrivals`` has them.

    Raises
    ------
    InputError
        If a number is out of range, or there is no such rule.
    """

    def __init__(
        self,
        *,
        piles: int = 25,
        arrivals_per_pile: float = 6.0,
        admission: Any = "resample",
        slack: float = 1.0,
        initial_soc: float = 0.5,
        slot_s: float = 900.0,
    ) -> None:
        # `cosim list` reads the docstring only; scipy takes a while.
        from cosim_agents.ocean.station_days import START_H, StationDays  # noqa: PLC0415

        faults = [
            f"{name} = {value!r} must be a {what}."
            for name, value, kind, what in (
                ("piles", piles, int, "whole number"),
                ("arrivals_per_pile", arrivals_per_pile, (int, float), "number"),
                ("slack", slack, (int, float), "number"),
                ("initial_soc", initial_soc, (int, float), "number"),
            )
            if isinstance(value, bool) or not isinstance(value, kind)
        ]
        if faults:
            raise InputError(faults)
        self.days = StationDays(piles, arrivals_per_pile, admission, slack, initial_soc, slot_s)
        self.start_h, self.hours, self.chargers = START_H, _WHOLE_DAY_H, piles

    def draw(self, rng: np.random.Generator) -> Vehicles:
        """Draw the vehicles of a day that find a pile."""
        from cosim_agents.ocean.station_days import draw_day  # noqa: PLC0415

        return draw_day(rng, self.days).vehicles
