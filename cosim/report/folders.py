"""From folders to a page: what each of them holds, and where the page goes."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from cosim.coupling import couple
from cosim.errors import CosimError, InputError, ResultsError, WriteError
from cosim.report.comparison_page import comparison_sheet, controllers_sheet
from cosim.report.page import MARK, Sheet, make_page
from cosim.report.run_page import run_sheet
from cosim.report.training_page import training_sheet
from cosim.results import PAGE, Result, read_result
from cosim.scenario_file import load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from cosim.coupling import CoupledSystem


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write a page about folders.

    Parameters
    ----------
    folders : sequence of path
        Folders of runs, comparisons and trainings, at least one.
    out : Path, optional
        The page; ``report.html`` in the folder, or here if there are several.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        With a sentence for each folder that cannot be shown, or if a file that is no such page would be replaced.
    WriteError
        If the page cannot be written.
    """
    if out is None:
        out = folders[0] / PAGE if len(folders) == 1 else Path(PAGE)
    _refuse_to_replace(out)
    sheets: list[Sheet] = []
    faults: list[str] = []
    for folder in folders:
        try:
            sheets.append(_sheet(folder, out))
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    _write(out, make_page(sheets))
    return out


def write_run_report(result: Result, system: CoupledSystem) -> Path:
    """Write the page of a run that has just ended into its folder.

    Parameters
    ----------
    result : Result
        The run, with its folder.
    system : CoupledSystem
        What it ran on.

    Raises
    ------
    ResultsError, WriteError
        If the page cannot be made.
    """
    if result.folder is None:
        raise ResultsError("a run without a folder has no place for a page.")
    out = result.folder / PAGE
    sheet = run_sheet(
        result, _settings(result.folder), system, name=result.folder.name, files=_files(result.folder, out)
    )
    _write(out, make_page([sheet]))
    return out


def _sheet(folder: Path, out: Path) -> Sheet:
    try:
        if (folder / "comparison.json").is_file():
            return _comparison(folder, out)
        if (folder / "metrics.jsonl").is_file():
            return _training(folder, out)
        if (folder / "training.json").is_file():
            return _station_training(folder, out)
        if (folder / "summary.json").is_file():
            return _run(folder, out)
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise ResultsError(f"{folder}: the folder cannot be shown: {error!r}.") from error
    what = (
        "there is no such folder"
        if not folder.exists()
        else "there is no summary.json, comparison.json, metrics.jsonl or training.json"
    )
    raise ResultsError(f"{folder}: not the folder of a run, a comparison or a training ({what}).")


def _run(folder: Path, out: Path) -> Sheet:
    result = read_result(folder)
    system, problem = None, ""
    try:
        system = couple(load_scenario(folder / "scenario.toml"), str(folder / "scenario.toml"))
    except CosimError as error:
        # A network or plug-in that is not here: all else can be shown.
        problem = str(error).replace("\n", " ")
    return run_sheet(result, _settings(folder), system, name=folder.name, files=_files(folder, out), problem=problem)


def _comparison(folder: Path, out: Path) -> Sheet:
    summary = _json(folder / "comparison.json")
    runs, settings, files = _table(folder, "runs"), _settings(folder), _files(folder, out)
    if summary.get("kind") == "station":
        loads = _table(folder, "loads")
        return controllers_sheet(summary, runs, loads, settings, name=folder.name, files=files)
    return comparison_sheet(summary, runs, _table(folder, "stations"), settings, name=folder.name, files=files)


def _training(folder: Path, out: Path) -> Sheet:
    text = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    about = _json(folder / "policy.json") if (folder / "policy.json").is_file() else {}
    epochs = [json.loads(line) for line in text.splitlines()]
    return training_sheet(epochs, about, name=folder.name, files=_files(folder, out))


def _station_training(folder: Path, out: Path) -> Sheet:
    about = _json(folder / "training.json")
    curves = {name: about[key] for name, key in (("return", "returns"), ("loss", "losses")) if key in about}
    epochs = [
        {"epoch": number} | dict(zip(curves, values, strict=True))
        for number, values in enumerate(zip(*curves.values(), strict=True), start=1)
    ]
    return training_sheet(epochs, about, name=folder.name, files=_files(folder, out))


def _table(folder: Path, name: str) -> pd.DataFrame:
    table: pd.DataFrame = pq.read_table(folder / f"{name}.parquet").to_pandas()
    return table


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _settings(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "scenario.toml").read_text(encoding="utf-8"))


def _files(folder: Path, out: Path) -> list[tuple[str, str]]:
    """Return the folder's files and their addresses as seen from the page."""
    kinds = {".parquet", ".json", ".toml", ".png", ".jsonl"}
    names = sorted(path.name for path in folder.iterdir() if path.suffix in kinds and not path.name.startswith("."))
    way = Path(os.path.relpath(folder.resolve(), out.resolve().parent))
    return [(name, _address(way / name)) for name in names]


def _address(path: Path) -> str:
    return quote(path.as_posix())


def _refuse_to_replace(out: Path) -> None:
    try:
        if out.is_dir():
            raise InputError(f"--out {out}: this is a folder; name a file, such as {out / PAGE}.")
        if out.exists() and MARK not in out.read_text(encoding="utf-8", errors="replace")[:2000]:
            raise InputError(f"--out {out}: the file exists and is no report; choose another name.")
    except OSError as error:
        raise InputError(f"--out {out}: the file cannot be read ({error.strerror}).") from error


def _write(out: Path, page: str) -> None:
    temporary = out.with_name(f".{out.name}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise WriteError(f"{out} cannot be written: {error.strerror or error}.") from error
