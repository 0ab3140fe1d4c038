"""Charging sessions in seconds: made into vehicles on a grid of slots, and read from a CSV file.

The columns of a file are those of ACN-Data (Lee, Li and Low, 2019), so that an export of it can be read as it is.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from cosim.errors import InputError, nearest_name
from cosim.scheduling.site import SECONDS_PER_HOUR, Vehicles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from numpy.typing import NDArray

_REQUIRED = ("connectionTime", "disconnectTime", "kWhDelivered")
#: Ours, for what ACN-Data does not tell.
_POWER = "maxPowerKW"
#: Accepted and not needed.
_IGNORED = (
    "_id", "clusterID", "doneChargingTime", "sessionID", "siteID", "spaceID", "stationID", "userID", "userInputs",
)  # fmt: skip
_COLUMNS = (*_REQUIRED, "timezone", _POWER, *_IGNORED)
#: Of a slot: what counts as on its edge.
_EDGE = 1e-9
#: In which vehicles charged or will; any other is a slip, and no calendar could hold the days around it.
_YEARS = range(1970, 2200)
#: More sentences than these help nobody.
_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True, eq=False)
class Sessions:
    """Visits to a site; every array has shape (n,).

    Attributes
    ----------
    arrival_s, departure_s : ndarray of float
        Seconds since any instant; since 1970 in UTC if read from a file.
    energy_kwh : ndarray of float
        To be drawn from the grid.
    max_power_kw : ndarray of float
        What charger and vehicle can take.
    capacity_kwh, initial_kwh : ndarray of float
        Size of the battery and energy in it at arrival; NaN where unknown.
    zone : tzinfo
        Whose clock decides on which day a session lies.
    """

    arrival_s: NDArray[np.float64]
    departure_s: NDArray[np.float64]
    energy_kwh: NDArray[np.float64]
    max_power_kw: NDArray[np.float64]
    capacity_kwh: NDArray[np.float64]
    initial_kwh: NDArray[np.float64]
    zone: tzinfo = UTC

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.arrival_s)

    def vehicles(self, start_s: float, slot_s: float, slots: int, *, whole_slots: bool = False) -> Vehicles:
        """Return the sessions that begin within some slots, cut off at the last one's end.

        Parameters
        ----------
        start_s : float
            When the first slot begins.
        slot_s : float
            Length of a slot, s.
        slots : int
            How many.
        whole_slots : bool
            Count only slots during all of which the vehicle is there. By default those in which it comes and leaves
            count too, so that a session's energy still fits the session.

        Returns
        -------
        Vehicles
            In the order of the sessions.
        """
        begin, end = (self.arrival_s - start_s) / slot_s, (self.departure_s - start_s) / slot_s
        inside = (begin >= -_EDGE) & (begin < slots - _EDGE)
        # Rounding must not make an instant on the edge of a slot touch the slot beyond.
        first = np.ceil(begin - _EDGE) if whole_slots else np.floor(begin + _EDGE)
        last = np.floor(end + _EDGE) if whole_slots else np.ceil(end - _EDGE)
        # A short visit may have no slot at all.
        last = np.maximum(first, np.minimum(last, slots))
        return Vehicles(
            arrival_slot=first[inside].astype(np.int64),
            departure_slot=last[inside].astype(np.int64),
            energy_kwh=self.energy_kwh[inside],
            max_power_kw=self.max_power_kw[inside],
            capacity_kwh=self.capacity_kwh[inside],
            initial_kwh=self.initial_kwh[inside],
        )

    def days(
        self, slot_s: float, *, start_h: float = 0.0, hours: float = 24.0, whole_slots: bool = False
    ) -> dict[date, Vehicles]:
        """Cut the sessions into days of the local clock.

        Parameters
        ----------
        slot_s : float
            Length of a slot, s.
        start_h : float
            Hour at which a day begins.
        hours : float
            How long a day is followed: sessions that begin by then belong to it too, even if they are another day's,
            and those that go on are cut off then.
        whole_slots : bool
            As for :meth:`vehicles`.

        Returns
        -------
        dict of date to Vehicles
            Only days on which a session begins, in their order.
        """
        offset = timedelta(hours=start_h)
        dates = sorted({(datetime.fromtimestamp(float(t), self.zone) - offset).date() for t in self.arrival_s})
        days: dict[date, Vehicles] = {}
        for day in dates:
            start = datetime(day.year, day.month, day.day, tzinfo=self.zone) + offset
            slots = round(hours * SECONDS_PER_HOUR / slot_s)
            days[day] = self.vehicles(start.timestamp(), slot_s, slots, whole_slots=whole_slots)
        return days


def read_sessions(path: str | Path, *, timezone: str = "UTC", max_power_kw: float = 6.6) -> Sessions:
    """Read a CSV of sessions with the column names of ACN-Data.

    Needed are ``connectionTime``, ``disconnectTime`` (both like ``Wed, 25 Apr 2018 11:08:04 GMT`` or ISO 8601) and
    ``kWhDelivered``. A column ``timezone`` (one name for the whole file) says whose days are meant and where times
    without an offset are told; a column ``maxPowerKW`` what each vehicle can take. The other columns of ACN-Data may
    stand there, and are not used.

    Parameters
    ----------
    path : str or Path
        The file.
    timezone : str
        For a file without that column, such as ``"America/Los_Angeles"``.
    max_power_kw : float
        For a file without that column.

    Returns
    -------
    Sessions
        In the order of the file; ``initial_kwh`` and ``capacity_kwh`` are unknown.

    Raises
    ------
    InputError
        With a sentence for every fault: file, line, column, what was found, what is allowed.
    """
    label = str(path)
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            header = next(lines, [])
            rows = [(lines.line_num, row) for row in lines if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{label}: cannot be read as a CSV file of sessions: {error}.") from error
    _check_header(label, header)
    faults: list[str] = []
    zone = _zone(label, header, rows, timezone, faults)
    sessions = []
    for line, row in rows:
        where = f"{label}: line {line}"
        if len(row) != len(header):
            faults.append(f"{where}: found {len(row)} values; it must have {len(header)}, one for each column.")
        else:
            sessions.append(_session(where, dict(zip(header, row, strict=True)), zone, max_power_kw, faults))
    if faults:
        more = len(faults) - _MAX_FAULTS
        raise InputError([*faults[:_MAX_FAULTS], f"{label}: and {more} more like these."] if more > 0 else faults)
    table = np.array(sessions, dtype=np.float64).reshape(-1, 4)
    unknown = np.full(len(table), np.nan)
    return Sessions(table[:, 0], table[:, 1], table[:, 2], table[:, 3], unknown, unknown, zone)


def _check_header(label: str, header: Sequence[str]) -> None:
    """Refuse unknown, repeated and missing columns. An empty name is the index that pandas writes."""
    faults = [
        f"{label}: unknown column '{name}'; {nearest_name(name, _COLUMNS)}."
        for name in header
        if name and name not in _COLUMNS
    ]
    faults += [f"{label}: the column '{name}' is there twice." for name in _COLUMNS if header.count(name) > 1]
    faults += [
        f"{label}: the column '{name}' is missing; {', '.join(_REQUIRED)} are needed."
        for name in _REQUIRED
        if name not in header
    ]
    if faults:
        raise InputError(faults)


def _zone(
    label: str, header: Sequence[str], rows: Sequence[tuple[int, list[str]]], default: str, faults: list[str]
) -> tzinfo:
    """Return the one time zone of a file, and report a second or an unknown one."""
    where, name = f"{label}: timezone", default
    if "timezone" in header:
        column = header.index("timezone")
        named = [(line, row[column]) for line, row in rows if len(row) == len(header)]
        for line, other in named:
            if other != named[0][1]:
                faults.append(
                    f"{label}: line {line}: timezone = '{other}' must be '{named[0][1]}', as in the first line."
                )
        if named:
            where, name = f"{label}: line {named[0][0]}: timezone", named[0][1]
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.append(f"{where}: unknown '{name}'; {nearest_name(name, available_timezones())}.")
        return UTC


def _session(
    where: str, row: Mapping[str, str], zone: tzinfo, max_power_kw: float, faults: list[str]
) -> tuple[float, float, float, float]:
    """Return arrival, departure, energy and power of one line, and report what is wrong with it."""
    arrival_s = _instant_s(where, "connectionTime", row, zone, faults)
    departure_s = _instant_s(where, "disconnectTime", row, zone, faults)
    if departure_s < arrival_s:
        faults.append(
            f"{where}: disconnectTime = '{row['disconnectTime']}' must not be before connectionTime = "
            f"'{row['connectionTime']}'."
        )
    energy_kwh = _number(row["kWhDelivered"])
    if not 0.0 <= energy_kwh < math.inf:
        faults.append(f"{where}: kWhDelivered = '{row['kWhDelivered']}' must be a number, at least 0.")
    if _POWER in row:
        max_power_kw = _number(row[_POWER])
        if not 0.0 < max_power_kw < math.inf:
            faults.append(f"{where}: {_POWER} = '{row[_POWER]}' must be a number greater than 0.")
    return arrival_s, departure_s, energy_kwh, max_power_kw


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _instant_s(where: str, column: str, row: Mapping[str, str], zone: tzinfo, faults: list[str]) -> float:
    text = row[column].strip()
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = parse(text)
        except ValueError:
            continue
        if instant.year in _YEARS:
            return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).timestamp()
    faults.append(
        f"{where}: {column} = '{text}' must be a time in {_YEARS[0]}-{_YEARS[-1]} like "
        "'Wed, 25 Apr 2018 11:08:04 GMT' or '2018-04-25T11:08:04Z'."
    )
    return math.nan
