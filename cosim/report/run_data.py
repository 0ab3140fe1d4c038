"""What the page of a run draws, from the run's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.grid.bands import new_violations, violations
from cosim.grid_log import base_voltages_pu
from cosim.price import Price
from cosim.report.base_load import base_load_chart
from cosim.report.charts import chart, histogram, series
from cosim.report.oneline import draw_one_line
from cosim.report.packing import pack_counts, pack_floats, short, short_list
from cosim.report.roads import read_roads, station_place
from cosim.results import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from cosim.coupling import CoupledSystem
    from cosim.results import Result

#: A map needs no more than this many numbers; of longer runs every second instant is drawn, or every third.
_MOST_CELLS = 1_500_000
#: Of what controllers keep second by second, means are drawn: not more than so many.
_MOST_POINTS = 400


def instants_s(result: Result) -> NDArray[np.float64]:
    """Return the recorded instants, s."""
    return result.stations["time_s"].drop_duplicates().to_numpy(dtype=np.float64)


def map_data(result: Result, system: CoupledSystem) -> dict[str, Any]:
    """Return roads, stations and feeder, and how they were at each instant.

    Parameters
    ----------
    result : Result
        A run with at least one recorded instant.
    system : CoupledSystem
        The network, feeder and stations that it ran on.

    Returns
    -------
    dict
        As ``assets/player.js`` and its neighbours read it.
    """
    time_s = instants_s(result)
    every = max(1, int(np.ceil(len(time_s) * len(system.network.edges) / _MOST_CELLS)))
    shown = slice(None, None, every)
    return {
        "timesS": short_list(time_s[shown]),
        "roads": _roads(result, system, len(time_s), shown),
        "stations": _stations(result, system, len(time_s), shown),
        "feeder": _feeder(result, system, len(time_s), shown),
    }


def _roads(result: Result, system: CoupledSystem, count: int, shown: slice) -> dict[str, Any]:
    network = system.network
    roads = read_roads(network)
    # To the decimetre, from the south-west corner: whole numbers are short.
    corner = np.min([point for shape in roads.shapes for point in shape], axis=0)
    shapes = [np.rint((np.array(shape) - corner) * 10).astype(int).ravel().tolist() for shape in roads.shapes]
    places = [station_place(network, roads.shapes[station.edge], station) for station in system.stations]
    data: dict[str, Any] = {
        "edges": list(network.edges),
        "from": list(network.start_node),
        "to": list(network.end_node),
        "shapes": shapes,
        "lengthM": short_list(network.length_m),
        "lanes": network.lanes.tolist(),
        "speedKmh": short_list(network.speed_mps * 3.6, 4),
        "leftHand": roads.left_hand,
        "toScale": roads.to_scale,
        "places": [np.rint((np.array(place) - corner) * 10).astype(int).tolist() for place in places],
    }
    if "edges" in result.tables and len(result.edges) == count * len(network.edges):
        data["vehicles"] = pack_counts(_grid(result.edges, "vehicles", count)[shown].astype(np.int64))
    return data


def _stations(result: Result, system: CoupledSystem, count: int, shown: slice) -> list[dict[str, Any]]:
    table = result.stations
    columns = {
        name: _grid(table, name, count)[shown] for name in ("queued", "charging", "en_route", "power_kw", "cap_kw")
    }
    return [
        {
            "id": station.id,
            "edge": station.edge,
            "bus": station.bus,
            "chargers": station.chargers,
            "ratedKw": short(min(station.chargers * station.max_power_kw, station.site_limit_kw)),
            **{name: short_list(values[:, m]) for name, values in columns.items()},
        }
        for m, station in enumerate(system.stations)
    ]


def _feeder(result: Result, system: CoupledSystem, count: int, shown: slice) -> dict[str, Any]:
    net, flow, voltage = system.feeder.net, system.power_flow, result.summary["voltage"]
    diagram = draw_one_line(net)
    names = [name if isinstance(name, str) else "" for name in net.bus["name"]]
    return {
        "name": system.feeder.name,
        "buses": flow.bus_numbers.tolist(),
        "names": names,
        "columns": list(diagram.columns),
        "rows": list(diagram.rows),
        "parents": list(diagram.parents),
        "lines": flow.line_numbers.tolist(),
        "branches": [[branch.start, branch.end, branch.line, branch.kind] for branch in diagram.branches],
        "bandPu": [voltage["band_low_pu"], voltage["band_high_pu"]],
        "basePu": short_list(flow.no_load.vm_pu),
        "baseVmPu": pack_floats(base_voltages_pu(flow, instants_s(result)[shown].tolist())) if flow.base else None,
        "vmPu": pack_floats(_grid(result.buses, "vm_pu", count)[shown]),
        "loadingPercent": pack_floats(_grid(result.lines, "loading_percent", count)[shown]),
        "lossKw": pack_floats(_grid(result.lines, "loss_kw", count)[shown]),
    }


def _grid(table: pd.DataFrame, column: str, count: int) -> NDArray[np.float64]:
    """Return a column with a row per instant; the tables have the elements of an instant one after the other."""
    return table[column].to_numpy(dtype=np.float64).reshape(count, -1)


def run_charts(result: Result, base_vm_pu: NDArray[np.float64] | None) -> dict[str, list[dict[str, Any]]]:
    """Return the charts of a run, under their headings.

    Parameters
    ----------
    result : Result
        A run with at least one recorded instant.
    base_vm_pu : ndarray of float, shape (n_buses,) or (n_instants, n_buses), or None
        Voltages without charging, if they are known.
    """
    time_s = instants_s(result)
    minutes, count = time_s / 60.0, len(time_s)
    found = {
        "Stations": _station_charts(result, minutes, count),
        "Feeder": _feeder_charts(result, minutes, count, base_vm_pu),
        "Traffic": _traffic_charts(result, minutes, count),
    }
    kept = [drawn for name in kept_tables(result) for drawn in _kept_charts(name, result.tables[name])]
    return found | {"Kept by controllers": kept} if kept else found


def price_chart(result: Result, settings: Mapping[str, Any], system: CoupledSystem) -> dict[str, Any] | None:
    """Return the price of energy at each station's bus at the recorded instants, which rises with its load.

    Parameters
    ----------
    result : Result
        A run with at least one recorded instant.
    settings : mapping
        The content of its ``scenario.toml``.
    system : CoupledSystem
        What it ran on.

    Returns
    -------
    dict or None
        None for a scenario of a time when there were no prices.
    """
    if "price" not in settings:
        return None
    terms = settings["price"]
    price = Price(terms["k0_per_kwh"], terms["k1_per_kwh_kw"])
    time_s = instants_s(result)
    power_kw = _grid(result.stations, "power_kw", len(time_s))
    lines = []
    for m, station in enumerate(system.stations):
        base = system.base_load(station.bus)
        base_kw = np.array([base.at(instant_s) for instant_s in time_s.tolist()])
        lines.append(series(station.id, price.at(base_kw + power_kw[:, m]), colour=m))
    return chart("Price of energy at each station", "per kWh", lines, x=time_s / 60.0, moves=True)


def load_chart(result: Result, system: CoupledSystem) -> dict[str, Any] | None:
    """Return the base load of the feeder beside the charging load; None where it is constant."""
    time_s = instants_s(result)
    return base_load_chart(time_s, _grid(result.stations, "power_kw", len(time_s)).sum(axis=1), system)


def kept_tables(result: Result) -> list[str]:
    """Return the names of the tables that site controllers keep, such as the tasks that they place."""
    return [name for name, table in result.tables.items() if name not in TABLES and len(table)]


def _kept_charts(name: str, table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a chart of each column of a controllers' table that goes on over time, at most six."""
    if "time_s" not in table:
        return []
    columns = [column for column in table.columns if column != "time_s" and table[column].dtype.kind in "iuf"]
    first_s, last_s = float(table["time_s"].min()), float(table["time_s"].max())
    width_s = max(1.0, np.ceil((last_s - first_s) / _MOST_POINTS))
    means = table.assign(time_s=table["time_s"] // width_s * width_s).groupby(["station", "time_s"])[columns].mean()
    ids = list(dict.fromkeys(table["station"]))
    note = f"Means of {width_s:g} s." if width_s > 1.0 else ""
    found = []
    for column in columns[:6]:
        lines = [
            series(str(who), means.loc[who, column], colour=m, x=means.loc[who].index.to_numpy() / 60.0)
            for m, who in enumerate(ids)
        ]
        alone = f" at {ids[0]}" if len(ids) == 1 else ""
        found.append(chart(f"{name}: {column}{alone}", "", lines, moves=True, note=note))
    return found


def _station_charts(result: Result, minutes: NDArray[np.float64], count: int) -> list[dict[str, Any]]:
    table = result.stations
    ids = list(dict.fromkeys(table["station"]))
    grids = {name: _grid(table, name, count) for name in ("queued", "charging", "en_route", "power_kw", "cap_kw")}

    def of_each(values: NDArray[np.float64], mark: Any = "line") -> list[dict[str, Any]]:
        return [series(name, values[:, m], colour=m, mark=mark) for m, name in enumerate(ids)]

    trips = result.trips
    waited = trips[trips["arrival_station_s"].notna() & trips["waiting_s"].notna()]
    waits = []
    for m, name in enumerate(ids):
        own = waited[waited["station"] == name]
        waits.append(series(name, own["waiting_s"] / 60.0, colour=m, mark="dots", x=own["arrival_station_s"] / 60.0))
    total = series("all stations", grids["power_kw"].sum(axis=1), colour=-1, mark="dashed")
    return [
        chart("Vehicles at each station", "queued + charging", of_each(grids["queued"] + grids["charging"]), x=minutes,
              moves=True),
        chart("Queues", "vehicles waiting", of_each(grids["queued"], "step"), x=minutes, moves=True),
        chart("On the way to a station", "vehicles", of_each(grids["en_route"]), x=minutes, moves=True),
        chart("Charging power", "kW", [*of_each(grids["power_kw"]), total], x=minutes, moves=True),
        chart("Droop cap per charger", "kW", of_each(grids["cap_kw"], "step"), x=minutes, moves=True,
              note="Where stations have the same cap their lines lie on one another."),
        chart("Waiting for a charger", "min", waits, x_label="arrival at the station [min]", moves=True,
              note="A dot per vehicle."),
        *_energy_chart(result, ids),
    ]  # fmt: skip


def _energy_chart(result: Result, ids: list[str]) -> list[dict[str, Any]]:
    """Return the energy asked for on arrival and delivered to those who have left, so far, at each station."""
    if "sessions" not in result.tables or not len(result.sessions):
        return []
    lines = []
    for m, name in enumerate(ids):
        own = result.sessions[result.sessions["station"] == name]
        gone = own[own["left_s"].notna()].sort_values("left_s", kind="stable")
        asked, given = own["asked_kwh"].cumsum(), gone["energy_kwh"].cumsum()
        lines.append(series(f"{name} asked", asked, colour=m, mark="dashed", x=own["arrival_s"] / 60.0))
        lines.append(series(f"{name} delivered", given, colour=m, x=gone["left_s"] / 60.0))
    note = "Asked for on arrival; delivered is counted when the vehicle leaves."
    return [chart("Energy asked for and delivered so far", "kWh", lines, moves=True, note=note)]


def _feeder_charts(
    result: Result, minutes: NDArray[np.float64], count: int, base_vm_pu: NDArray[np.float64] | None
) -> list[dict[str, Any]]:
    voltage = result.summary["voltage"]
    low_pu, high_pu = voltage["band_low_pu"], voltage["band_high_pu"]
    vm_pu = _grid(result.buses, "vm_pu", count)
    live = np.isfinite(vm_pu).any(axis=0)
    if not live.any():
        return []
    alive = vm_pu[:, live]
    envelope = [
        series("highest", alive.max(axis=1), colour=2),
        series("mean", alive.mean(axis=1), colour=0),
        series("lowest", alive.min(axis=1), colour=1),
    ]
    found = [
        chart(
            "Voltages of all buses", "pu", envelope, x=minutes, limits=[("band", low_pu)], from_zero=False, moves=True
        )
    ]
    if base_vm_pu is not None and base_vm_pu.shape[-1] == vm_pu.shape[1]:
        new = new_violations(vm_pu, base_vm_pu, low_pu, high_pu).sum(axis=1)
        base = np.broadcast_to(violations(base_vm_pu, low_pu, high_pu).sum(axis=-1), count)
        found.append(
            chart(
                "Buses outside the band", "buses",
                [series("because of charging", new, colour=1, mark="step"),
                 series("without charging", base, colour=-1, mark="dashed")],
                x=minutes, moves=True, note=f"Band: {low_pu:g} to {high_pu:g} pu.",
            )
        )  # fmt: skip
    loading, loss_kw = _grid(result.lines, "loading_percent", count), _grid(result.lines, "loss_kw", count)
    rated = np.isfinite(loading).any(axis=0)
    if rated.any():
        # The busiest lines, each with a line of its own.
        numbers = result.lines["line"].to_numpy().reshape(count, -1)[0]
        busiest = sorted(np.flatnonzero(rated), key=lambda place: -float(np.nanmax(loading[:, place])))[:5]
        lines = [series(f"line {numbers[place]}", loading[:, place], colour=n) for n, place in enumerate(busiest)]
        found.append(
            chart(
                "Loading of the busiest lines",
                "% of their rating",
                lines,
                x=minutes,
                moves=True,
                limits=[("rating", 100.0)],
            )
        )
    found.append(
        chart("Losses of the lines", "kW", [series("all lines", loss_kw.sum(axis=1), colour=0)], x=minutes, moves=True,
              note="" if rated.any() else "The feeder's data hold no ratings of lines; there is no loading to show.")
    )  # fmt: skip
    return found


def _traffic_charts(result: Result, minutes: NDArray[np.float64], count: int) -> list[dict[str, Any]]:
    trips = result.trips
    found = []
    lines = []
    if "edges" in result.tables and len(result.edges):
        lines.append(series("on the road", _grid(result.edges, "vehicles", count).sum(axis=1), colour=0))
    at_stations = (_grid(result.stations, "queued", count) + _grid(result.stations, "charging", count)).sum(axis=1)
    lines.append(series("at a station", at_stations, colour=1))
    found.append(chart("Vehicles in the network", "vehicles", lines, x=minutes, moves=True))
    charged = trips[trips["plug_out_s"].notna()]
    found.append(
        histogram(
            "Waiting and charging times", "min",
            {"waiting": charged["waiting_s"].to_numpy() / 60.0, "charging": charged["charging_s"].to_numpy() / 60.0},
        )
    )  # fmt: skip
    whole_s = (trips["arrive_s"] - trips["depart_s"]).to_numpy(dtype=np.float64)
    electric = trips["is_ev"].to_numpy(dtype=bool)
    driving_s = trips["driving_s"].to_numpy(dtype=np.float64)
    for title, times_s in (("Times from departure to arrival", whole_s), ("Driving times", driving_s)):
        groups = {"EVs": times_s[electric] / 60.0, "other vehicles": times_s[~electric] / 60.0}
        found.append(histogram(title, "min", groups))
    return found
