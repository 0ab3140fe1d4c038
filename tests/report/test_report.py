"""Which pages are written, from what, and what is on them; how they look is for ``test_browser.py``."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

import cosim
from cosim.cli import run_command_line
from cosim.coupling import CoupledSystem
from cosim.errors import InputError
from cosim.progress import ProgressDisplay
from cosim.report import write_report, write_run_report
from cosim.report.oneline import draw_one_line
from cosim.report.packing import pack_counts, pack_floats, short
from cosim.report.roads import read_roads
from cosim.results import Result
from cosim.runner import Progress, Watch
from cosim.scenario import Scenario
from cosim.traffic.network import read_network

TINY = ["--set", "simulation.warmup_s=60", "--set", "simulation.control_s=240"]


def data_of(page: Path) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    begin = text.index('<script type="application/json" id="data">') + len('<script type="application/json" id="data">')
    data: list[dict[str, Any]] = json.loads(text[begin : text.index("</script>", begin)])
    return data


def unpacked(packed: dict[str, Any]) -> np.ndarray:
    kind = {"u1": "<u1", "u2": "<u2", "u4": "<u4", "q2": "<u2"}[packed["kind"]]
    whole = np.frombuffer(base64.b64decode(packed["text"]), dtype=kind).astype(float).reshape(packed["shape"])
    if packed["kind"] == "q2":
        return np.where(whole == 65535, np.nan, packed["low"] + packed["step"] * whole)
    return whole


# ---- pieces


def test_counts_stay_exact() -> None:
    for top, kind in ((255, "u1"), (256, "u2"), (70_000, "u4")):
        packed = pack_counts(np.array([[0, 1], [top, 2]]))
        assert packed["kind"] == kind
        assert unpacked(packed).tolist() == [[0, 1], [top, 2]]


def test_floats_keep_five_digits_and_their_gaps() -> None:
    values = np.array([[0.91234567, np.nan], [1.0, 0.95]])
    np.testing.assert_allclose(unpacked(pack_floats(values)), values, atol=(1.0 - 0.91) / 65534)
    assert np.isnan(unpacked(pack_floats(np.full((2, 2), np.nan)))).all()
    np.testing.assert_array_equal(unpacked(pack_floats(np.full(3, 7.0))), np.full(3, 7.0))


def test_short_numbers() -> None:
    assert [short(1 / 3), short(2.0), short(float("nan")), short(1234567.0)] == [0.333333, 2, None, 1234570]


def test_one_line_diagram_of_the_33_buses(system: CoupledSystem) -> None:
    """The trunk 1-18 is straight; the laterals leave at buses 2, 3 and 6 (Baran and Wu 1989, Fig. 6)."""
    diagram = draw_one_line(system.feeder.net)
    place = {bus: (diagram.columns[k], diagram.rows[k]) for k, bus in enumerate(system.feeder.bus_numbers)}
    assert [place[bus] for bus in range(1, 19)] == [(column, 0) for column in range(18)]
    for tap, lateral in ((2, range(19, 23)), (3, range(23, 26)), (6, range(26, 34))):
        assert {place[bus][1] for bus in lateral} != {0}
        assert [place[bus][0] for bus in lateral] == [tap + k for k in range(len(lateral))]
    assert len(set(place.values())) == 33, "no two buses in one place"


def test_one_line_diagram_of_loops_switches_and_islands() -> None:
    net = pp.create_empty_network()
    buses = pp.create_buses(net, 6, 20.0)
    pp.create_ext_grid(net, buses[0])
    lines = [
        pp.create_line_from_parameters(net, buses[a], buses[b], 1.0, 0.1, 0.1, 0.0, 1.0)
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0))
    ]
    pp.create_switch(net, buses[0], lines[3], et="l", closed=False)
    pp.create_switch(net, buses[3], buses[4], et="b")
    diagram = draw_one_line(net)
    assert diagram.columns[:5] == (0, 1, 2, 3, 4), "the open line is no way"
    assert diagram.parents == (-1, 0, 1, 2, 3, -1)
    assert diagram.rows[5] > max(diagram.rows[:5]), "what is not connected stands apart"
    net.switch.loc[0, "closed"] = True
    assert max(draw_one_line(net).columns[:5]) == 2


NET = """<net version="1.20" lefthand="true">
<edge id="bent" from="a" to="b" shape="0.00,0.00 100.00,0.00 100.50,0.00 100.00,100.00">
<lane id="bent_0" index="0" speed="10" length="{0}" shape="0,0 1,1"/></edge>
<edge id="straight" from="b" to="a"><lane id="straight_0" index="0" speed="10" length="{1}" shape="0,0 1,1"/></edge>
<junction id="a" type="priority" x="0.00" y="0.00" incLanes="straight_0" intLanes="" shape="0,0 1,1"/>
<junction id="b" type="priority" x="100.00" y="100.00" incLanes="bent_0" intLanes="" shape="0,0 1,1"/>
</net>"""


def test_roads_are_drawn_as_the_network_has_them(tmp_path: Path) -> None:
    for lengths, to_scale in (((195.0, 138.0), True), ((500.0, 600.0), False)):
        (tmp_path / "a.net.xml").write_text(NET.format(*lengths))
        roads = read_roads(read_network(tmp_path / "a.net.xml", name="a"))
        assert roads.shapes == [[(0, 0), (100, 0), (100, 100)], [(100, 100), (0, 0)]]
        assert roads.left_hand
        assert roads.to_scale is to_scale


# ---- pages


def test_the_page_of_a_run_holds_its_tables(busy_run: Result, tmp_path: Path) -> None:
    assert busy_run.folder is not None
    page = write_report([busy_run.folder], tmp_path / "page.html")
    stage = data_of(page)[0]["stage"]
    count = len(stage["timesS"])
    vehicles = busy_run.edges["vehicles"].to_numpy().reshape(count, -1)
    np.testing.assert_array_equal(unpacked(stage["roads"]["vehicles"]), vehicles)
    np.testing.assert_allclose(
        unpacked(stage["feeder"]["vmPu"]), busy_run.buses["vm_pu"].to_numpy().reshape(count, -1), atol=2e-6
    )
    for station in stage["stations"]:
        own = busy_run.stations[busy_run.stations["station"] == station["id"]]
        assert station["queued"] == own["queued"].tolist()
        np.testing.assert_allclose(station["power_kw"], own["power_kw"], rtol=1e-5)
    text = page.read_text(encoding="utf-8")
    for key, value in busy_run.metrics.items():
        assert f'data-key="{key}" data-value="{value!r}"' in text
    assert "python -m cosim run scenario.toml" in text
    assert 'href="../' in text, "links lead from the page to the tables"
    for forbidden in ("http://", "https://"):
        assert forbidden not in text.replace("http://www.w3.org/2000/svg", ""), "nothing is fetched from anywhere"
    assert page.stat().st_size < 400_000


def test_the_page_is_the_same_right_after_the_run_and_later(
    default_run: Result, system: CoupledSystem, tmp_path: Path
) -> None:
    assert default_run.folder is not None
    folder = Path(shutil.copytree(default_run.folder, tmp_path / "run"))
    at_once = write_run_report(Result(default_run.summary, default_run.tables, folder), system).read_bytes()
    assert write_report([folder]).read_bytes() == at_once


def test_what_controllers_keep_is_on_the_page(default_run: Result, system: CoupledSystem, tmp_path: Path) -> None:
    """Second by second it would be too much: means of a few seconds are drawn, and the first rows are in the table."""
    assert default_run.folder is not None
    folder = Path(shutil.copytree(default_run.folder, tmp_path / "run"))
    seconds = np.arange(4000.0)
    tasks = pd.DataFrame({"station": "CS1", "time_s": seconds, "tasks": 2 * seconds, "who": "x"})
    page = write_run_report(Result(default_run.summary, default_run.tables | {"tasks": tasks}, folder), system)
    (drawn,) = data_of(page)[0]["charts"]["Kept by controllers"]
    assert drawn["title"] == "tasks: tasks at CS1"
    assert drawn["note"] == "Means of 10 s."
    assert drawn["lines"][0]["y"][:2] == [9, 29]
    assert "Table tasks, kept by a controller (4,000 rows)" in page.read_text(encoding="utf-8")


def test_names_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    evil = "</script><b>x"
    scenario = cosim.load_scenario("nguyen-dupuis", **{"simulation.warmup_s": 60, "simulation.control_s": 120})
    stations = tuple(
        station.model_copy(update={"id": evil}) if k == 0 else station for k, station in enumerate(scenario.station)
    )
    systems: list[CoupledSystem] = []
    watch = Watch(ready=lambda simulation: systems.append(simulation.system))
    result = cosim.run(scenario.model_copy(update={"station": stations}), out=tmp_path / "run", watch=watch)
    page = write_run_report(result, systems[0])
    assert evil not in page.read_text(encoding="utf-8")
    assert data_of(page)[0]["stage"]["stations"][0]["id"] == evil


def test_a_run_without_roads_and_without_its_network_still_has_a_page(default_run: Result, tmp_path: Path) -> None:
    """As a folder of an earlier version, read where the network is not installed."""
    assert default_run.folder is not None
    folder = Path(shutil.copytree(default_run.folder, tmp_path / "old"))
    (folder / "edges.parquet").unlink()
    summary = json.loads((folder / "summary.json").read_text())
    summary["tables"].remove("edges")
    (folder / "summary.json").write_text(json.dumps(summary))
    assert "vehicles" not in data_of(write_report([folder]))[0]["stage"]["roads"]
    scenario = (folder / "scenario.toml").read_text().replace('name = "nguyen-dupuis"', 'name = "gone"')
    (folder / "scenario.toml").write_text(scenario)
    page = write_report([folder])
    assert data_of(page)[0]["stage"] is None
    assert "There is no map: " in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("key", "title"), [("returns", "Mean return"), ("losses", "Load variance over")])
def test_the_curve_of_a_training_at_a_station(key: str, title: str, tmp_path: Path) -> None:
    about = {"kind": "calc", "preset": "tuned", "scenario": "station-home", key: [0.5, 0.25, 0.125]}
    (tmp_path / "training.json").write_text(json.dumps(about))
    page = write_report([tmp_path]).read_text()
    assert title in page
    assert "Training: calc, tuned, station-home" in page
    assert "3 epochs" in page


def test_a_training_and_a_run_share_a_page(default_run: Result, tmp_path: Path) -> None:
    assert default_run.folder is not None
    training = tmp_path / "training"
    training.mkdir()
    epochs = [{"epoch": k, "episodes": 4 * k, "TTT": 6e5 - k, "CVV": 20.0, "WCT": 18.0, "kl": None} for k in (1, 2, 3)]
    (training / "metrics.jsonl").write_text("\n".join(map(json.dumps, epochs)))
    page = write_report([training, default_run.folder], tmp_path / "both.html")
    drawn = data_of(page)[0]["charts"]["Epoch by epoch"]
    assert drawn[0]["lines"][0]["y"] == [599999, 599998, 599997]
    assert page.read_text(encoding="utf-8").count('<button role="tab"') == 2


def test_bad_folders_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "comparison.json").write_text("{}")
    with pytest.raises(InputError) as error:
        write_report([tmp_path / name for name in ("none", "empty", "broken")], tmp_path / "page.html")
    assert len(error.value.faults) == 3
    assert "there is no such folder" in error.value.faults[0]
    assert not (tmp_path / "page.html").exists()


def test_no_other_file_is_replaced(default_run: Result, tmp_path: Path) -> None:
    assert default_run.folder is not None
    mine = tmp_path / "thesis.html"
    mine.write_text("my work")
    with pytest.raises(InputError, match="no report"):
        write_report([default_run.folder], mine)
    assert mine.read_text() == "my work"
    page = write_report([default_run.folder], tmp_path / "page.html")
    assert write_report([default_run.folder], page) == page, "a page may be"


# ---- command line


def test_run_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["run", *TINY, "--out", str(tmp_path / "a")]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (tmp_path / "a" / "report.html").is_file()
    assert run_command_line(["run", *TINY, "--out", str(tmp_path / "b"), "--quiet", "--no-report"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "b")
    assert not (tmp_path / "b" / "report.html").exists()
    both = tmp_path / "both.html"
    assert run_command_line(["report", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(both)]) == 0
    assert capsys.readouterr().out.strip() == str(both)


def test_a_page_that_fails_leaves_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("no ink")

    monkeypatch.setattr("cosim.report.write_run_report", fail)
    assert run_command_line(["run", *TINY, "--out", str(tmp_path / "a"), "--quiet"]) == 0
    said = capsys.readouterr()
    assert said.err.strip() == f"cosim: {tmp_path / 'a'}: the results are there, but not the page: no ink"
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["complete"]


def test_compare_writes_a_page(tmp_path: Path) -> None:
    out = tmp_path / "c"
    arguments = ["compare", "--recommenders", "nearest,uniform", "--seeds", "2", *TINY, "--out", str(out), "--quiet"]
    assert run_command_line(arguments) == 0
    summary = json.loads((out / "comparison.json").read_text())
    drawn = data_of(out / "report.html")[0]["charts"]
    means = [row["mean"] for chart in drawn["Differences"] for row in chart["rows"]]
    assert means == pytest.approx([row["difference"] for row in summary["differences"]], rel=1e-5)
    assert "--recommenders nearest,uniform" in (out / "report.html").read_text(encoding="utf-8")


def test_a_comparison_at_a_station_writes_a_page(tmp_path: Path) -> None:
    out = tmp_path / "s"
    arguments = ["compare", "station-home", "--controllers", "eager,oa", "--seeds", "2", "--out", str(out), "--quiet"]
    assert run_command_line(arguments) == 0
    assert len(data_of(out / "report.html")[0]["charts"]["Mean day"][0]["lines"]) == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "report: name at least one folder"),
        (["nowhere"], "nowhere: not the folder of a run, a comparison or a training (there is no such folder)"),
    ],
)
def test_report_says_what_is_wrong(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["report", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_window_needs_a_screen(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert run_command_line(["run", "--gui"]) == 2
    assert capsys.readouterr().err == "cosim: --gui needs a screen, but DISPLAY is not set; run without --gui.\n"


def test_the_same_analysis_in_python(busy_run: Result) -> None:
    script = str(Path(__file__).parents[2] / "examples" / "analyse_run.py")
    done = subprocess.run(
        [sys.executable, script, str(busy_run.folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert f"{busy_run.metrics['ttt_s']:,.3f}" in done.stdout
    assert str(busy_run.stations["queued"].max()) in done.stdout


def test_time_left_is_guessed_once_some_have_arrived(scenario: Scenario) -> None:
    display = ProgressDisplay(scenario, quiet=True)

    def line(time_s: int, left: int, wall_s: float) -> str:
        return display._line(Progress(time_s, 10, left, 0, 0, 0.95, wall_s))

    assert "left" not in line(0, 100, 0.1)
    assert "left" not in line(60, 96, 1.0)
    assert line(600, 75, 30.0).endswith("about 1:30 left")


def test_help_and_list_stay_light() -> None:
    code = (
        "import sys; from cosim.cli import run_command_line; run_command_line(['--help']);"
        "assert not {'cosim.report', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
