"""Metrics: pure functions over the result tables.

The same tables give the same numbers, whoever asks: the run's summary, a comparison, a report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cosim.grid.bands import new_violations, violations

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from cosim.tables.stations import RewardTable

#: Unit of each metric, for tables.
UNITS = {
    "ttt_s": "s",
    "cvv_pu": "pu",
    "wct_min": "min",
    "mean_waiting_s": "s",
    "mean_charging_s": "s",
    "mean_driving_s": "s",
    "min_voltage_pu": "pu",
    "energy_delivered_kwh": "kWh",
    "grid_losses_kwh": "kWh",
}


def total_travel_time_s(trips: pd.DataFrame, end_s: float) -> float:
    """Return TTT, the sum of all trips' durations from the planned departure (paper, Eq. 1).

    Parameters
    ----------
    trips : DataFrame
        ``trips.parquet``.
    end_s : float
        End of the run: a vehicle still on its way counts until then.
    """
    return float((trips["arrive_s"].fillna(end_s) - trips["depart_s"]).clip(lower=0.0).sum())


def vehicle_seconds(trips: pd.DataFrame, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vehicle count integrated from the start of the run to each of some instants.

    Parameters
    ----------
    trips : DataFrame
        ``trips.parquet``; a vehicle counts from ``depart_s`` to ``arrive_s``.
    times_s : ndarray of float, shape (n,)
        Instants.
    """
    return _integral(trips["depart_s"].to_numpy(), times_s) - _integral(trips["arrive_s"].dropna().to_numpy(), times_s)


def _integral(events_s: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrate the number of events so far: the sum over the events of the time since each."""
    ordered = np.sort(events_s)
    so_far = np.searchsorted(ordered, times_s, side="right")
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    area: NDArray[np.float64] = so_far * times_s - sums[so_far]
    return area


def decision_rewards(
    trips: pd.DataFrame, decision_times_s: NDArray[np.float64], end_s: float, reward: RewardTable
) -> NDArray[np.float64]:
    """Return the reward of each decision (paper, Eq. 25-26, or minus the vehicle seconds).

    Step k lasts from its request to the next one, the last step until the end of the run. A step without duration
    (two requests in one second) counts the present vehicles, those that arrive in this very second included: whether
    somebody does is not known between the two requests.

    Parameters
    ----------
    trips : DataFrame
        ``trips.parquet``.
    decision_times_s : ndarray of float, shape (n_decisions,)
        When each request was raised, ascending.
    end_s : float
        End of the run.
    reward : RewardTable
        Which reward, and its constants.
    """
    if len(decision_times_s) == 0:
        return np.zeros(0)
    edges_s = np.append(decision_times_s, max(end_s, decision_times_s[-1]))
    area = vehicle_seconds(trips, edges_s)
    if reward.kind == "ttt":
        area[0] = 0.0
        return -np.diff(area)
    held_s = np.diff(edges_s)
    mean = np.divide(np.diff(area), held_s, out=_present(trips, edges_s[:-1]), where=held_s > 0)
    mean[-1] = reward.last_weight_per_s * (area[-1] - area[-2])
    return reward.scale * (reward.maximum - mean)


def _present(trips: pd.DataFrame, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the vehicles that have departed by each instant and have not arrived before it."""
    departed = np.searchsorted(np.sort(trips["depart_s"].to_numpy()), times_s, side="right")
    arrived = np.searchsorted(np.sort(trips["arrive_s"].dropna().to_numpy()), times_s, side="left")
    return (departed - arrived).astype(np.float64)


def run_metrics(
    trips: pd.DataFrame, decisions: pd.DataFrame, buses: pd.DataFrame, lines: pd.DataFrame, end_s: float
) -> dict[str, float]:
    """Return the metrics of one run.

    Parameters
    ----------
    trips, decisions, buses, lines : DataFrame
        The tables of the run folder.
    end_s : float
        End of the run.

    Returns
    -------
    dict of str to float
        ``ttt_s`` (Eq. 1), ``cvv_pu`` (Eq. 28: sum of the decisions' costs), ``wct_min`` (Eq. 45: mean waiting plus
        charging time of the EVs that were charged), mean times, the lowest recorded voltage, energy from the chargers
        and losses of the lines. NaN where there is nothing to average.
    """
    charged = trips[trips["plug_out_s"].notna()]
    waiting_s, charging_s = _mean(charged["waiting_s"]), _mean(charged["charging_s"])
    return {
        "ttt_s": total_travel_time_s(trips, end_s),
        "cvv_pu": float(decisions["cost"].sum()),
        "wct_min": (waiting_s + charging_s) / 60.0,
        "mean_waiting_s": waiting_s,
        "mean_charging_s": charging_s,
        "mean_driving_s": _mean(trips["driving_s"]),
        "min_voltage_pu": float(buses["vm_pu"].min()),
        "energy_delivered_kwh": float(trips["energy_kwh"].sum()),
        "grid_losses_kwh": losses_kwh(lines, end_s),
    }


def voltage_report(
    buses: pd.DataFrame, base_vm_pu: NDArray[np.float64], band_pu: tuple[float, float], end_s: float
) -> dict[str, float | int | None]:
    """Return where the voltage was lowest, and which buses left the band because of charging.

    Many buses of the IEEE feeders are outside 0.95-1.05 pu without any charging; only what is new says something about
    the stations.

    Parameters
    ----------
    buses : DataFrame
        ``buses.parquet``.
    base_vm_pu : ndarray of float, shape (n_buses,) or (n_instants, n_buses)
        Voltages without charging, in the order of the table's buses: at all times, or at each of its instants where
        the base load varies.
    band_pu : (float, float)
        Lowest and highest voltage allowed.
    end_s : float
        End of the run.

    Returns
    -------
    dict
        ``lowest_pu, lowest_bus, lowest_time_s``; ``band_low_pu, band_high_pu``; ``base_buses_outside`` (without
        charging, at some instant), ``new_buses_outside`` (inside without charging, outside at some recorded instant)
        and ``new_violation_bus_h`` (over these, bus-hours outside, each instant held until the next).
    """
    low_pu, high_pu = band_pu
    report: dict[str, float | int | None] = {
        "lowest_pu": None,
        "lowest_bus": None,
        "lowest_time_s": None,
        "band_low_pu": low_pu,
        "band_high_pu": high_pu,
        "base_buses_outside": int(violations(np.atleast_2d(base_vm_pu), low_pu, high_pu).any(axis=0).sum()),
        "new_buses_outside": 0,
        "new_violation_bus_h": 0.0,
    }
    voltages = buses["vm_pu"].to_numpy()
    if not np.isfinite(voltages).any():
        return report
    lowest = int(np.nanargmin(voltages))
    instants_s = buses["time_s"].to_numpy().reshape(-1, base_vm_pu.shape[-1])[:, 0]
    held_s = np.diff(np.append(instants_s, max(end_s, instants_s[-1])))
    new = new_violations(voltages.reshape(-1, base_vm_pu.shape[-1]), base_vm_pu, low_pu, high_pu)
    return report | {
        "lowest_pu": float(voltages[lowest]),
        "lowest_bus": int(buses["bus"].iloc[lowest]),
        "lowest_time_s": float(buses["time_s"].iloc[lowest]),
        "new_buses_outside": int(new.any(axis=0).sum()),
        "new_violation_bus_h": float((new.sum(axis=1) * held_s).sum() / 3600.0),
    }


def losses_kwh(lines: pd.DataFrame, end_s: float) -> float:
    """Return the energy lost in the lines: each instant's losses held until the next one, the last until the end."""
    by_instant = lines.groupby("time_s", sort=True)["loss_kw"].sum()
    instants_s = by_instant.index.to_numpy(dtype=np.float64)
    if len(instants_s) == 0:
        return 0.0
    held_s = np.diff(np.append(instants_s, max(end_s, instants_s[-1])))
    return float((by_instant.to_numpy() * held_s).sum() / 3600.0)


def _mean(values: pd.Series[float]) -> float:
    return float(values.mean()) if values.notna().any() else float("nan")
