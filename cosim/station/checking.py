"""``cosim check`` of a station scenario: load it as a comparison would, and say what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.station.days import PAST_DAYS, open_days
from cosim.station.play import make_controller

if TYPE_CHECKING:
    from cosim.station_scenario import StationScenario


def facts(scenario: StationScenario) -> list[tuple[str, str]]:
    """Return name and value of everything worth knowing about a station scenario.

    Raises
    ------
    InputError
        If it cannot be played.
    """
    source = open_days(scenario)
    for label in scenario.controller:
        make_controller(scenario, label)
    site, station, past = source.site, scenario.station, source.past(PAST_DAYS)
    days = past or [source.day(0)]
    hours = site.slots * site.slot_h
    vehicles = np.mean([len(day) for day in days]) / max(1.0, hours / 24.0)
    energy_kwh = sum(float(day.energy_kwh.sum()) for day in days) / max(1, sum(map(len, days)))
    arrivals = scenario.arrivals
    if arrivals.kind is not None:
        origin = f"drawn at random ({arrivals.kind})"
    else:
        origin = f"of {arrivals.sessions}" if arrivals.run is None else f"of {arrivals.run}, station {arrivals.site}"
    limits = [
        f"{what} {limit_kw:g} kW"
        for what, limit_kw in (("total load", station.limit_kw), ("all vehicles", station.charging_limit_kw))
        if limit_kw is not None
    ]
    options = [f"{label} {dict(table.options)}" for label, table in scenario.controller.items()]
    begin = f"{int(station.start_h):02d}:{round(station.start_h % 1 * 60):02d}"
    return [
        ("scenario", f"{scenario.name}: {scenario.description}" if scenario.description else scenario.name),
        ("arrivals", f"{vehicles:.1f} vehicles in 24 hours, {energy_kwh:.2f} kWh each, {origin}"),
        (
            "day",
            f"{hours:g} h from {begin} in {site.slots} slots of {station.slot_s} s; {len(past)} past days to study",
        ),
        ("base load", f"{site.base_kw.min():.1f} to {site.base_kw.max():.1f} kW, mean {site.base_kw.mean():.1f} kW"),
        ("chargers", "as many as needed" if source.chargers is None else str(source.chargers)),
        ("limits", ", ".join(limits) or "none"),
        ("price", f"{site.price.k0_per_kwh:g} per kWh + {site.price.k1_per_kwh_kw:g} per kWh and kW of load"),
        ("options", "; ".join(options) or "none"),
    ]
