"""What happened at each station: a table of visits, and each site's account."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cosim.charging.session import QUEUED
from cosim.charging.site import why_short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cosim.charging.session import Session
    from cosim.charging.stations import ChargingStations


def visit_table(stations: ChargingStations, vehicles: Sequence[str], now_s: float) -> pd.DataFrame:
    """Return ``sessions``: one row per visit to a station, in the order of coming.

    Parameters
    ----------
    stations : ChargingStations
        Of the run.
    vehicles : sequence of str
        Ids, in the order of the demand.
    now_s : float
        Visits that are not over have drawn their energy until now, and are not short of any yet.

    Returns
    -------
    DataFrame
        ``station, vehicle, arrival_s, plug_in_s, charged_s`` (when the target was reached), ``left_s, parks,
        departure_s`` (declared; NaN for a vehicle that leaves once it is charged), ``max_power_kw, asked_kwh`` (grid
        side, to the target), ``energy_kwh, short_kwh, computing_kwh`` (battery energy used by computing) and ``reason``
        (why it left short; empty if it did not).
    """
    rows = stations.visits
    ids = [site.info.id for site in stations.sites]
    over = np.array([not np.isnan(session.left_s) for _, session in rows], dtype=np.bool_)
    drawn_kwh = [_drawn_kwh(session, now_s) for _, session in rows]
    columns: dict[str, np.ndarray] = {
        "station": np.array([ids[m] for m, _ in rows], dtype=object),
        "vehicle": np.array([vehicles[session.vehicle] for _, session in rows], dtype=object),
    }
    for name in ("arrival_s", "plug_in_s", "charged_s", "left_s"):
        columns[name] = _floats([getattr(session, name) for _, session in rows])
    columns["parks"] = np.array([session.parks for _, session in rows], dtype=np.bool_)
    departure_s = _floats([session.declared_s for _, session in rows])
    columns["departure_s"] = np.where(columns["parks"], departure_s, np.nan)
    columns["max_power_kw"] = _floats([session.rated_kw for _, session in rows])
    columns["asked_kwh"] = _floats([session.asked_kwh for _, session in rows])
    columns["energy_kwh"] = _floats(drawn_kwh)
    columns["short_kwh"] = np.where(over, _floats([session.short_kwh for _, session in rows]), 0.0)
    columns["computing_kwh"] = _floats([session.used_kwh for _, session in rows])
    columns["reason"] = np.array([why_short(session) for _, session in rows], dtype=object)
    return pd.DataFrame(columns)


def controller_tables(stations: ChargingStations, vehicles: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables that controllers keep, those of the same name put together.

    Parameters
    ----------
    stations, vehicles
        As for :func:`visit_table`.

    Returns
    -------
    dict of str to DataFrame
        With a column ``station`` in front; a column ``vehicle`` holds ids.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for site in stations.sites:
        kept: Callable[[], Mapping[str, pd.DataFrame]] | None = getattr(site.controller, "tables", None)
        for name, table in kept().items() if kept is not None else ():
            part = table.copy()
            if "vehicle" in part:
                part["vehicle"] = np.array([vehicles[i] for i in part["vehicle"]], dtype=object)
            part.insert(0, "station", np.full(len(part), site.info.id, dtype=object))
            parts.setdefault(name, []).append(part)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


def site_accounts(stations: ChargingStations, visits: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Return what each station did, by its id.

    Parameters
    ----------
    stations : ChargingStations
        Of the run, with their accounts up to date.
    visits : DataFrame
        What :func:`visit_table` returned.

    Returns
    -------
    dict of str to dict
        ``visits, parked`` (how many), ``asked_kwh, delivered_kwh``; ``short`` (vehicles that left short), ``short_kwh``
        and ``short_reasons`` (how many for which reason); ``peak_kw`` (of the charging load), ``cost`` (what charging
        added to the bill, in the price's currency) and ``notes`` (what its controller has to say, and how often).
    """
    accounts = {}
    for site in stations.sites:
        here = visits[visits["station"] == site.info.id]
        reasons = Counter(reason for reason in here["reason"] if reason)
        accounts[site.info.id] = {
            "visits": len(here),
            "parked": int(here["parks"].sum()),
            "asked_kwh": float(here["asked_kwh"].sum()),
            "delivered_kwh": float(here["energy_kwh"].sum()),
            "short": sum(reasons.values()),
            "short_kwh": float(here["short_kwh"].sum()),
            "short_reasons": dict(sorted(reasons.items())),
            "peak_kw": site.peak_kw,
            "cost": site.cost,
            "notes": dict(sorted(getattr(site.controller, "notes", {}).items())),
        }
    return accounts


def _drawn_kwh(session: Session, now_s: float) -> float:
    if session.charger == QUEUED:
        return 0.0
    return session.drawn_until_kwh(now_s) if np.isnan(session.left_s) else session.drawn_kwh


def _floats(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)
