"""The run folder: written while the run goes on, read back as tables.

Every write replaces a whole file by an atomic rename, so that a killed run leaves readable tables of what it had, and a
summary that says ``"complete": false``.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cosim.errors import ResultsError, WriteError
from cosim.metrics import decision_rewards, run_metrics
from cosim.site_records import controller_tables, visit_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from cosim.state import LoopState
    from cosim.tables.stations import RewardTable

TABLES = ("trips", "stations", "buses", "lines", "edges", "decisions", "sessions")
#: What the page is called that may lie beside the tables of a run or a comparison.
PAGE = "report.html"
_DECISION_COLUMNS = ["step", "time_s", "vehicle", "station", "reward", "cost"]


@dataclass(frozen=True)
class Result:
    """A run's tables and summary.

    Attributes
    ----------
    summary : dict
        The content of ``summary.json``.
    tables : dict of str to DataFrame
        ``trips``, ``stations``, ``buses``, ``lines``, ``edges``, ``decisions``, ``sessions``, and what site controllers
        keep.
    folder : Path or None
        Where they are written.
    """

    summary: dict[str, Any]
    tables: dict[str, pd.DataFrame]
    folder: Path | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics with their units in their names; ``cosim.metrics.run_metrics``."""
        return dict(self.summary["metrics"])

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of vehicles, decisions, power flows and incidents."""
        return dict(self.summary["counts"])

    @cached_property
    def trips(self) -> pd.DataFrame:
        """One row per vehicle."""
        return self.tables["trips"]

    @cached_property
    def stations(self) -> pd.DataFrame:
        """One row per recorded instant and station."""
        return self.tables["stations"]

    @cached_property
    def buses(self) -> pd.DataFrame:
        """One row per recorded instant and bus."""
        return self.tables["buses"]

    @cached_property
    def lines(self) -> pd.DataFrame:
        """One row per recorded instant and line."""
        return self.tables["lines"]

    @cached_property
    def edges(self) -> pd.DataFrame:
        """One row per recorded instant and road edge."""
        return self.tables["edges"]

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row per answered request."""
        return self.tables["decisions"]

    @cached_property
    def sessions(self) -> pd.DataFrame:
        """One row per visit to a station."""
        return self.tables["sessions"]


def make_tables(state: LoopState, end_s: float, reward: RewardTable) -> dict[str, pd.DataFrame]:
    """Make all tables of a run from what it has recorded so far."""
    trips, records = state.trips, state.records
    trip_table = trips.table(records.station_ids)
    decisions = records.decision_table()
    decisions["reward"] = decision_rewards(trip_table, decisions["time_s"].to_numpy(), end_s, reward)
    visits = visit_table(state.stations, trips.demand.vehicle, end_s)
    return {
        "trips": trip_table,
        **records.tables(),
        "decisions": decisions[_DECISION_COLUMNS],
        "sessions": visits,
        **controller_tables(state.stations, trips.demand.vehicle),
    }


def make_metrics(tables: Mapping[str, pd.DataFrame], end_s: float) -> dict[str, float]:
    """Return the metrics of a run's tables."""
    return run_metrics(tables["trips"], tables["decisions"], tables["buses"], tables["lines"], end_s)


class OutputFolder:
    """A folder whose files are replaced whole, by an atomic rename.

    Nothing of an earlier run is removed before the first file is written.

    Parameters
    ----------
    path : Path
        The folder; it is made here.
    files : sequence of str
        Names of the files that will be written.
    overwrite : bool
        Allow a folder that exists; those of its files that will be written are then removed.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    """

    def __init__(self, path: Path, files: Sequence[str], *, overwrite: bool = False) -> None:
        self.path = path
        self._files = tuple(files)
        self._begun = False
        try:
            self._made = not path.exists()
            if path.exists() and not path.is_dir():
                raise ResultsError(f"--out {path}: this is a file, not a folder.")
            if path.exists() and any(path.iterdir()) and not overwrite:
                raise ResultsError(f"--out {path}: the folder exists already; choose another or add --overwrite.")
            path.mkdir(parents=True, exist_ok=True)
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ResultsError(f"--out {path}: the folder cannot be written ({error.strerror}).") from error

    def release(self) -> None:
        """Take the folder away again if it was made for this and nothing was written."""
        if self._made and not self._begun:
            self.path.rmdir()

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        self._replace(name, lambda temporary: temporary.write_text(text, encoding="utf-8"))

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a JSON file; NaN and infinity, which JSON does not know, become null."""
        self.write_text(name, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a Parquet file."""
        self._replace(name, lambda temporary: pq.write_table(_arrow(table), temporary, compression="zstd"))

    def _replace(self, name: str, write: Callable[[Path], object]) -> None:
        temporary = self.path / f".{name}"
        try:
            if not self._begun:
                for stale in self._files:
                    (self.path / stale).unlink(missing_ok=True)
                self._begun = True
            write(temporary)
            os.replace(temporary, self.path / name)  # noqa: PTH105
        except OSError as error:
            raise WriteError(f"{self.path / name} cannot be written: {error.strerror or error}.") from error


class RunFolder(OutputFolder):
    """Writes one run.

    Parameters
    ----------
    path : Path
        The folder; it is made here.
    overwrite : bool
        Allow a folder that exists; the files of an earlier run in it are replaced.

    Raises
    ------
    ResultsError
        If the folder exists or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        files = ("summary.json", "scenario.toml", PAGE, *(f"{table}.parquet" for table in _tables_in(path)))
        super().__init__(path, files, overwrite=overwrite)

    @classmethod
    def numbered(cls, stem: Path) -> RunFolder:
        """Make a folder of this name, or of the name with the first free number: no other run gets the same one."""
        number = 1
        while True:
            path = stem if number == 1 else stem.with_name(f"{stem.name}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
                continue
            except OSError as error:
                raise ResultsError(f"{path}: the run folder cannot be made ({error.strerror}); use --out.") from error
            folder = cls(path)
            folder._made = True
            return folder

    def write_scenario(self, toml: str) -> None:
        """Write ``scenario.toml``."""
        self.write_text("scenario.toml", toml)

    def write(self, tables: Mapping[str, pd.DataFrame], summary: Mapping[str, Any]) -> None:
        """Write all tables, then the summary."""
        for name, table in tables.items():
            self.write_table(f"{name}.parquet", table)
        self.write_json("summary.json", summary)


def _tables_in(path: Path) -> tuple[str, ...]:
    """Return the tables that a run wrote into a folder, or would write; controllers may have added some."""
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
        named = tuple(str(name) for name in summary["tables"])
    except (OSError, ValueError, LookupError, TypeError):
        # No run, or none that was begun: its files are those of every run.
        return TABLES
    return tuple(name for name in named if name.isidentifier())


def _arrow(table: pd.DataFrame) -> pa.Table:
    """Turn a table into Arrow's form, NaN into null; pandas' own way takes longer and adds its metadata."""
    columns = {}
    for name in table:
        # Without its type, a column of texts that is still empty would be of no type at all.
        kind = pa.string() if table[name].dtype == object else None
        columns[name] = pa.array(table[name].to_numpy(), type=kind, from_pandas=True)
    return pa.table(columns)


def _plain(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not know, by null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_result(folder: str | Path) -> Result:
    """Read a run folder.

    Parameters
    ----------
    folder : path
        What ``--out`` named, or the default folder that the run printed.

    Raises
    ------
    ResultsError
        If it is not a run folder or a table is missing or broken.
    """
    path = Path(folder)
    summary_file = path / "summary.json"
    if not summary_file.is_file():
        raise ResultsError(f"{path}: not a run folder (there is no summary.json).")
    try:
        summary = json.loads(summary_file.read_text(encoding="utf-8"))
        tables = {name: pq.read_table(path / f"{name}.parquet").to_pandas() for name in _tables_in(path)}
    except (OSError, ValueError, pa.ArrowException) as error:
        raise ResultsError(f"{path}: the run folder cannot be read: {error}.") from error
    return Result(summary, tables, path)
