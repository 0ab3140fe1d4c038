"""The sessions that a coupled run has recorded at a station, as sessions of a charging site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cosim.errors import InputError, nearest_name
from cosim.scheduling.sessions import Sessions

if TYPE_CHECKING:
    import pandas as pd

#: Of ``sessions.parquet``.
_NEEDED = ("station", "arrival_s", "left_s", "departure_s", "max_power_kw", "asked_kwh")


def recorded_sessions(run: str | Path, station: str) -> Sessions:
    """Read the sessions of one station from a run folder.

    Parameters
    ----------
    run : path
        Folder of a coupled run.
    station : str
        Which station.

    Returns
    -------
    Sessions
        In seconds of the run. A vehicle that did not park left when it was charged, which depends on who charged it;
        one that was there when the run ended is taken to stay until the last of the others left.

    Raises
    ------
    InputError
        If there is no such table, station or column.
    """
    import pyarrow as pa  # noqa: PLC0415 - only where a run is read
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = Path(run) / "sessions.parquet"
    if not path.is_file():
        raise InputError(f"{run}: not the folder of a coupled run with sessions (there is no sessions.parquet).")
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read: {error}.") from error
    missing = [name for name in _NEEDED if name not in table.columns]
    if missing:
        raise InputError(f"{path}: the column '{missing[0]}' is missing; {', '.join(_NEEDED)} are needed.")
    own = table[table["station"] == station]
    if own.empty:
        raise InputError(f"{path}: no session at '{station}'; {nearest_name(station, sorted(set(table['station'])))}.")
    arrival_s = own["arrival_s"].to_numpy(dtype=np.float64)
    gone_s = own["departure_s"].fillna(own["left_s"])
    gone_s = gone_s.fillna(max(float(gone_s.max()), float(arrival_s.max())))
    unknown = np.full(len(own), np.nan)
    return Sessions(
        arrival_s,
        np.maximum(arrival_s, gone_s.to_numpy(dtype=np.float64)),
        own["asked_kwh"].to_numpy(dtype=np.float64),
        own["max_power_kw"].to_numpy(dtype=np.float64),
        unknown,
        unknown,
    )
