"""Session files, and sessions as vehicles on a grid of slots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from cosim.errors import InputError
from cosim.scheduling.sessions import Sessions, read_sessions

HEADER = "connectionTime,disconnectTime,kWhDelivered"
ACN = (
    "_id,clusterID,connectionTime,disconnectTime,doneChargingTime,kWhDelivered,"
    "sessionID,siteID,spaceID,stationID,timezone,userID,userInputs\n"
    '1,39,"Wed, 01 May 2019 13:30:00 GMT","Wed, 01 May 2019 22:10:00 GMT",,7.5,'
    "2_39_1,2,CA-496,2-39-78-362,America/Los_Angeles,,\n"
    '2,39,"Thu, 02 May 2019 06:45:00 GMT","Thu, 02 May 2019 08:05:00 GMT",,2.0,'
    "2_39_2,2,CA-319,2-39-95-27,America/Los_Angeles,7,\"[{'kWhRequested': 8, 'x': 1}]\"\n"
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(text: str) -> Path:
        path = tmp_path / "sessions.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def faults(path: Path, **options: object) -> list[str]:
    """What is wrong with a file, without its folder."""
    with pytest.raises(InputError) as caught:
        read_sessions(path, **options)
    return [fault.replace(f"{path}: ", "") for fault in caught.value.faults]


def test_acn_columns_and_days_of_the_local_clock(write: Write) -> None:
    sessions = read_sessions(write(ACN), max_power_kw=6.6)
    assert sessions.arrival_s.tolist() == [1556717400.0, 1556779500.0]
    assert sessions.energy_kwh.tolist() == [7.5, 2.0]
    assert sessions.max_power_kw.tolist() == [6.6, 6.6]
    # In Los Angeles, seven hours behind, both came on the first of May: at 06:30 and at 23:45.
    days = sessions.days(900.0)
    assert list(days) == [date(2019, 5, 1)]
    assert days[date(2019, 5, 1)].arrival_slot.tolist() == [26, 95]
    # 15:10 lies in the slot that ends at 15:15; a stay beyond midnight is cut off.
    assert days[date(2019, 5, 1)].departure_slot.tolist() == [61, 96]
    from_noon = sessions.days(900.0, start_h=12.0, hours=24.0)
    assert list(from_noon) == [date(2019, 4, 30), date(2019, 5, 1)]
    assert from_noon[date(2019, 4, 30)].arrival_slot.tolist() == [74]


def test_times_without_an_offset_are_of_the_given_clock(write: Write) -> None:
    path = write(f"{HEADER},maxPowerKW\n2019-05-01 06:30:00,2019-05-01T15:10,7.5,11\n\n")
    assert read_sessions(path).arrival_s.tolist() == [1556692200.0]
    assert read_sessions(path, timezone="America/Los_Angeles").arrival_s.tolist() == [1556717400.0]
    assert read_sessions(path).max_power_kw.tolist() == [11.0]
    with_offset = write(f"{HEADER}\n2019-05-01T06:30:00-07:00,2019-05-01T22:10:00Z,7.5\n")
    assert read_sessions(with_offset, timezone="Asia/Tokyo").arrival_s.tolist() == [1556717400.0]


def test_a_day_has_its_hours_when_the_clock_changes(write: Write) -> None:
    # In Berlin on 31 March 2019 02:00 became 03:00: 04:00 is three hours after midnight.
    path = write(f"{HEADER}\n2019-03-31T04:00,2019-03-31T06:00,1\n")
    days = read_sessions(path, timezone="Europe/Berlin").days(3600.0)
    assert days[date(2019, 3, 31)].arrival_slot.tolist() == [3]


def test_a_file_without_sessions(write: Write) -> None:
    sessions = read_sessions(write(HEADER))
    assert len(sessions) == 0
    assert sessions.days(900.0) == {}


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (
            "2019-05-01T09:00,2019-05-01T08:00,3",
            "line 2: disconnectTime = '2019-05-01T08:00' must not be before connectionTime = '2019-05-01T09:00'.",
        ),
        ("2019-05-01T09:00,2019-05-01T10:00,-3", "line 2: kWhDelivered = '-3' must be a number, at least 0."),
        ("2019-05-01T09:00,2019-05-01T10:00,nan", "line 2: kWhDelivered = 'nan' must be a number, at least 0."),
        ("2019-05-01T09:00,2019-05-01T10:00,x", "line 2: kWhDelivered = 'x' must be a number, at least 0."),
        (
            "yesterday,2019-05-01T10:00,3",
            "line 2: connectionTime = 'yesterday' must be a time in 1970-2199 like 'Wed, 25 Apr 2018 11:08:04 GMT' or "
            "'2018-04-25T11:08:04Z'.",
        ),
        (
            "2019-05-01T10:00,9019-05-01T10:00,3",
            "line 2: disconnectTime = '9019-05-01T10:00' must be a time in 1970-2199 like "
            "'Wed, 25 Apr 2018 11:08:04 GMT' or '2018-04-25T11:08:04Z'.",
        ),
        ("2019-05-01T09:00,3", "line 2: found 2 values; it must have 3, one for each column."),
    ],
)
def test_a_fault_of_a_line_is_one_sentence(row: str, fault: str, write: Write) -> None:
    assert faults(write(f"{HEADER}\n{row}\n")) == [fault]


def test_faults_of_columns(write: Write) -> None:
    unknown = faults(write("connectionTime,disconectTime,kWhDelivered,connectionTime\n"))
    assert unknown[0].startswith("unknown column 'disconectTime'; did you mean 'disconnectTime'? allowed: '_id', ")
    assert unknown[1:] == [
        "the column 'connectionTime' is there twice.",
        "the column 'disconnectTime' is missing; connectionTime, disconnectTime, kWhDelivered are needed.",
    ]
    assert len(faults(write(""))) == 3
    power = write(f"{HEADER},maxPowerKW\n2019-05-01T09:00,2019-05-01T10:00,3,0\n")
    assert faults(power) == ["line 2: maxPowerKW = '0' must be a number greater than 0."]


def test_faults_of_time_zones(write: Write) -> None:
    row = "2019-05-01T09:00,2019-05-01T10:00,3"
    [unknown] = faults(write(f"{HEADER}\n{row}\n"), timezone="Europe/Berlyn")
    assert unknown.startswith("timezone: unknown 'Europe/Berlyn'; did you mean 'Europe/Berlin'? allowed: ")
    [unknown] = faults(write(f"{HEADER},timezone\n{row},../etc\n"))
    assert unknown.startswith("line 2: timezone: unknown '../etc'; ")
    two = write(f"{HEADER},timezone\n{row},Europe/Berlin\n{row},Asia/Tokyo\n")
    assert faults(two) == ["line 3: timezone = 'Asia/Tokyo' must be 'Europe/Berlin', as in the first line."]


def test_many_faults_are_not_all_told(write: Write) -> None:
    told = faults(write(HEADER + "\n1,2" * 30))
    assert (len(told), told[-1]) == (21, "and 10 more like these.")


def test_what_is_no_file_of_text(tmp_path: Path) -> None:
    missing = tmp_path / "none.csv"
    assert faults(missing)[0].startswith("cannot be read as a CSV file of sessions: ")
    missing.write_bytes(b"\xff\xfe\x00")
    assert faults(missing)[0].startswith("cannot be read as a CSV file of sessions: ")


def test_slots_that_a_visit_touches_or_fills() -> None:
    arrival_s = np.array([0.0, 899.0, 900.0, 950.0, 3000.0, 5000.0, -1.0])
    some = np.ones(7)
    sessions = Sessions(arrival_s, arrival_s + 1000.0, some, some, some, some)
    touched, whole = sessions.vehicles(0.0, 900.0, 4), sessions.vehicles(0.0, 900.0, 4, whole_slots=True)
    assert touched.arrival_slot.tolist() == [0, 0, 1, 1, 3]
    assert touched.departure_slot.tolist() == [2, 3, 3, 3, 4]
    assert whole.arrival_slot.tolist() == [0, 1, 1, 2, 4]
    assert whole.departure_slot.tolist() == [1, 2, 2, 2, 4]
