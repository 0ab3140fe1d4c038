"""Pictures: their lines against the tables they are drawn from."""

from __future__ import annotations

import dataclasses
import itertools
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import cosim
from cosim import plots
from cosim.comparison import Comparison, read_comparison
from cosim.errors import InputError, ResultsError, WriteError
from cosim.experiment import compare
from cosim.scenario import Scenario

NAMES = ("uniform", "b", "a", "c", "d")
INSTANTS_S = [0.0, 60.0, 120.0]
CURVES = Path(__file__).parents[1] / "examples" / "training_curves.py"


def comparison_of(scenario: Scenario, highest: int) -> Comparison:
    """Five recommenders, the last without a run; numbers of vehicles up to this one."""
    rng = np.random.default_rng(7)
    ids = [station.id for station in scenario.station]
    table = pd.DataFrame(itertools.product(NAMES[:-1], INSTANTS_S, ids), columns=["recommender", "time_s", "station"])
    n = len(table)
    table["queued"] = rng.integers(0, highest // 2 + 1, n) * 0.5
    table["charging"] = highest * 0.5
    table["power_kw"], table["cap_kw"] = rng.uniform(0.0, 900.0, n), rng.uniform(15.0, 50.0, n)
    return Comparison(scenario=scenario, recommenders=NAMES, seeds=(1, 2), floor_pu=0.0, stations=table)


@pytest.fixture(scope="module")
def comparison(scenario: Scenario) -> Comparison:
    return comparison_of(scenario, 40)


def line(panel: Axes, label: str) -> tuple[list[float], list[float]]:
    (found,) = [one for one in panel.get_lines() if one.get_label() == label]
    return list(found.get_xdata()), list(found.get_ydata())


def test_occupancy_is_the_tables(comparison: Comparison) -> None:
    figure = plots.plot_occupancy(comparison)
    assert [panel.get_title() for panel in figure.axes] == list(NAMES[:-1])
    for panel in figure.axes:
        rows = comparison.stations[comparison.stations["recommender"] == panel.get_title()]
        assert [one.get_label() for one in panel.get_lines()] == ["CS1", "CS2", "CS3", "CS4", "CS5", "chargers"]
        for station in ("CS1", "CS4"):
            own = rows[rows["station"] == station]
            assert line(panel, station) == ([0.0, 1.0, 2.0], list(own["queued"] + own["charging"]))
        assert line(panel, "chargers")[1] == [60, 60]
        assert panel.get_ylim() == figure.axes[0].get_ylim()
    # The fourth panel stands below the first.
    vertical = "vehicles\nqueued + charging"
    assert [panel.get_ylabel() for panel in figure.axes] == [vertical, "", "", vertical]
    assert [panel.get_xlabel() for panel in figure.axes] == ["", *["time [min]"] * 3]


def test_chargers_far_above_every_station_are_not_drawn(scenario: Scenario) -> None:
    panel = plots.plot_occupancy(comparison_of(scenario, 4)).axes[0]
    assert [one.get_label() for one in panel.get_lines()] == ["CS1", "CS2", "CS3", "CS4", "CS5"]
    assert panel.get_ylim()[1] < 10


def test_names_are_written_as_they_are(scenario: Scenario) -> None:
    odd = {"CS1": "_a", "CS2": "$x^$", "CS3": "_b", "CS4": "$", "CS5": "_"}
    stations = tuple(station.model_copy(update={"id": odd[station.id]}) for station in scenario.station)
    plain = comparison_of(scenario, 4)
    found = dataclasses.replace(
        plain,
        scenario=scenario.model_copy(update={"station": stations}),
        stations=plain.stations.replace({"station": odd}),
    )
    figure = plots.plot_occupancy(found)
    figure.draw_without_rendering()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [" _a", r"\$x^\$", " _b", r"\$", " _"]


def test_charging_power_is_the_sum_of_the_stations(comparison: Comparison) -> None:
    power, cap = plots.plot_charging_power(comparison).axes
    for number, name in enumerate(NAMES[:-1]):
        rows = comparison.stations[comparison.stations["recommender"] == name]
        by_instant = [rows[rows["time_s"] == time_s] for time_s in INSTANTS_S]
        assert line(power, name) == ([0.0, 1.0, 2.0], pytest.approx([own["power_kw"].sum() for own in by_instant]))
        drawn = cap.get_lines()[number]
        assert list(drawn.get_ydata()) == pytest.approx([own["cap_kw"].mean() for own in by_instant])
        assert drawn.get_color() == power.get_lines()[number].get_color()
        edges = cap.collections[number].get_paths()[0].vertices[:, 1]
        assert (edges.min(), edges.max()) == (rows["cap_kw"].min(), rows["cap_kw"].max())
    assert (power.get_ylabel(), cap.get_ylabel()) == ("total charging power [kW]", "droop cap per charger [kW]")


def test_nothing_to_draw_and_nowhere_to_write(comparison: Comparison, tmp_path: Path) -> None:
    empty = Comparison(scenario=comparison.scenario, recommenders=NAMES, seeds=(1,), floor_pu=0.0)
    with pytest.raises(InputError, match="no finished run"):
        plots.write_plots(empty, tmp_path)
    with pytest.raises(WriteError, match=r"occupancy\.png cannot be written: No such file or directory"):
        plots.write_plots(comparison, tmp_path / "missing")


def training(folder: Path, agent: str, seed: int, ttt_s: list[float], preset: str = "tuned") -> Path:
    """Write what is drawn of a training folder: two episodes an epoch."""
    folder.mkdir()
    rows = [
        {"epoch": k + 1, "episodes": 2 * (k + 1), "TTT": number, "CVV": number / 10, "WCT": None, "kl": 0.0}
        for k, number in enumerate(ttt_s)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    about = {"algorithm": agent, "preset": preset, "scenario": "town", "training": {"seed": seed}}
    (folder / "policy.json").write_text(json.dumps(about))
    return folder


def test_training_curves_are_means_of_the_seeds(tmp_path: Path) -> None:
    folders = [
        training(tmp_path / "second", "ppo", 4, [3.0, 5.0, 10.0, 99.0]),
        training(tmp_path / "first", "ppo", 1, [1.0, 5.0, 6.0]),
        training(tmp_path / "other", "dqn", 1, [7.0, 8.0]),
    ]
    figure = plots.plot_training(folders, window=2)
    ttt, cvv, _ = figure.axes
    # The epoch that only one seed has is left out.
    assert line(ttt, "ppo: seeds 1, 4") == ([1, 2, 3], [2.0, 3.5, 6.5])
    assert line(ttt, "dqn: seed 1") == ([1, 2], [7.0, 7.5])
    assert line(cvv, "ppo: seeds 1, 4")[1] == pytest.approx([0.2, 0.35, 0.65])
    raw, _, raw_other, _ = ttt.get_lines()
    assert list(raw.get_ydata()) == [2.0, 5.0, 8.0]
    assert list(raw_other.get_ydata()) == [7.0, 8.0]
    # Running means of the last epoch: 7.5 and 5.5.
    (band,) = ttt.collections
    last = [y for x, y in band.get_paths()[0].vertices if x == 3]
    assert (min(last), max(last)) == pytest.approx((6.5 - 2**0.5, 6.5 + 2**0.5))
    assert [panel.get_ylabel() for panel in figure.axes] == ["TTT [s]", "CVV [pu]", "WCT [min]"]
    assert figure.axes[2].get_xlabel() == "epoch (2 episodes each)"


def test_trainings_with_other_presets_are_other_curves(tmp_path: Path) -> None:
    folders = [training(tmp_path / preset, "ppo", 1, [1.0], preset) for preset in ("paper", "tuned")]
    labels = plots.plot_training(folders).axes[0].get_legend_handles_labels()[1]
    assert labels == ["ppo, paper: seed 1", "ppo, tuned: seed 1"]


def test_folders_that_are_no_trainings(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training folder"):
        plots.plot_training([])
    with pytest.raises(ResultsError, match="not a training folder"):
        plots.plot_training([tmp_path])
    with pytest.raises(InputError, match="window: found 0"):
        plots.plot_training([tmp_path], window=0)
    one, same = training(tmp_path / "a", "ppo", 1, [1.0]), training(tmp_path / "b", "ppo", 1, [2.0])
    with pytest.raises(InputError, match=r"a and .*b both hold ppo \(preset tuned\) on scenario 'town' with seed 1"):
        plots.plot_training([one, same])
    for broken in ("", "{", '{"epoch": 1, "episodes": 5}\n'):
        (one / "metrics.jsonl").write_text(broken)
        with pytest.raises(ResultsError, match="cannot be read"):
            plots.plot_training([one])


def test_the_example_draws_training_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, picture = training(tmp_path / "a", "ppo", 1, [1.0, 2.0]), tmp_path / "curves.png"
    monkeypatch.setattr(sys, "argv", [str(CURVES), str(folder), "--out", str(picture)])
    runpy.run_path(str(CURVES), run_name="__main__")
    assert capsys.readouterr().out == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(sys, "argv", [str(CURVES), str(tmp_path), "--out", str(picture)])
    with pytest.raises(SystemExit, match="not a training folder"):
        runpy.run_path(str(CURVES), run_name="__main__")


def test_public_names_come_on_first_use() -> None:
    code = "import sys, cosim; sys.exit(bool({'pandas', 'numpy', 'cosim.experiment', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert cosim.compare is compare
    assert cosim.read_comparison is read_comparison
