"""Days that a package brings to a station scenario: its options, its batteries, and one sentence for every fault."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cosim import registry
from cosim.cli import run_command_line
from cosim.control import SiteView, StationInfo
from cosim.errors import InputError
from cosim.many_runs import evaluation_seeds
from cosim.price import Price
from cosim.scenario import to_toml
from cosim.scenario_file import load_station_scenario
from cosim.scheduling.offline import offline_optimum
from cosim.scheduling.site import Site, Vehicles
from cosim.station.days import open_days
from cosim.station.experiment import compare_controllers, day_row
from cosim.station.play import play

EFFICIENCY = 0.8


class Twins:
    """Two vehicles an hour apart, whose energy is random."""

    start_h, hours = 6.0, 24.0

    def __init__(self, *, piles: int = 2, late: bool = False, slot_s: float) -> None:
        if piles < 2:
            raise InputError(f"piles = {piles} must be at least 2.")
        self.chargers, self._late, self._slots_an_hour = piles, late, round(3600 / slot_s)

    def draw(self, rng: np.random.Generator) -> Vehicles:
        arrival = np.array([0, self._slots_an_hour])
        energy_kwh = rng.uniform(2.0, 4.0, 2)
        departure = arrival + (200 if self._late else 3) * self._slots_an_hour
        return Vehicles(arrival, departure, energy_kwh, 4.0, EFFICIENCY, 30.0, 10.0)  # type: ignore[arg-type]


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Install the plug-in and write a scenario that uses it."""
    genuine = {kind: registry._entry_points(kind) for kind in registry.KINDS}
    genuine["arrivals"] = genuine["arrivals"] | {"twins": SimpleNamespace(load=lambda: Twins, value="test:Twins")}
    monkeypatch.setattr(registry, "_entry_points", genuine.__getitem__)
    path = tmp_path / "twins.toml"
    path.write_text('[arrivals]\nkind = "twins"\npiles = 3\n[station]\nstart_h = 6\nslot_s = 900\n')
    return path


def test_a_plug_in_draws_the_days(twins: Path, tmp_path: Path) -> None:
    scenario = load_station_scenario(twins)
    assert scenario.arrivals.options == {"piles": 3}
    assert scenario.hours == 24
    source = open_days(scenario)
    assert (source.chargers, source.site.slots) == (3, 96)
    rng = np.random.default_rng(0)
    days = [*map(source.day, evaluation_seeds(3)), *source.past(3), source.draw(rng)[1]]
    assert len({day.energy_kwh.tobytes() for day in days}) == len(days)
    found = compare_controllers(scenario, ["eager", "oa"], evaluation_seeds(2))
    assert found.complete
    assert (found.runs["vehicles_short"] == 0).all()
    assert (found.runs["ratio"] >= 1 - 1e-9).all()
    assert found.runs["demand_met"].to_numpy() == pytest.approx(1.0)
    assert found.tasks.empty
    # The resolved scenario gives the same again; what the scenario says of chargers comes first.
    (tmp_path / "again.toml").write_text(to_toml(scenario))
    assert load_station_scenario(tmp_path / "again.toml") == scenario
    assert open_days(load_station_scenario(twins, **{"station.chargers": 1})).chargers == 1


class Computing:
    """Full power, while a sixtieth of a kWh is used in each whole minute by whoever is there."""

    period_s = None

    def __init__(self) -> None:
        self.drawn: list[float] = []
        self.battery_kwh: list[float] = []
        self.until_s = 0.0

    def reset(self, station: StationInfo, rng: np.random.Generator) -> None:
        self.drawn.append(float(rng.random()))

    def schedule(self, time_s: float, site: SiteView) -> np.ndarray:
        assert site.efficiency == EFFICIENCY
        self.battery_kwh += list(site.battery_kwh[site.occupied])
        return np.full(site.station.chargers, 4.0)

    def compute(self, since_s: float, until_s: float, site: SiteView) -> np.ndarray:
        assert since_s == self.until_s
        self.until_s = until_s
        return np.where(site.occupied, (until_s - since_s) / 3600.0, 0.0)


def test_batteries_fill_and_drain() -> None:
    site = Site(np.zeros(4), 3600.0, Price(0.0, 2.0))
    vehicles = Vehicles([0, 1], [3, 4], [5.0, 6.0], [4.0, 4.0], EFFICIENCY, 30.0, 10.0)  # type: ignore[arg-type]
    controller = Computing()
    played = play(site, vehicles, controller, rng=np.random.default_rng(3))
    assert controller.drawn == [np.random.default_rng(3).random()]
    assert controller.until_s == 4 * 3600.0
    assert controller.battery_kwh[0] == 10.0
    np.testing.assert_allclose(played.computing_kwh, [3.0, 3.0])
    # To the target and what was used: grid energy times efficiency.
    balance_kwh = EFFICIENCY * (played.delivered_kwh + played.short_kwh) - played.computing_kwh
    np.testing.assert_allclose(balance_kwh, EFFICIENCY * vehicles.energy_kwh)
    row = day_row("x", 0, site, vehicles, played)
    assert row["computing_kwh"] == pytest.approx(6.0)
    assert row["demand_met"] == pytest.approx(1.0 - played.short_kwh.sum() / 11.0)
    assert (row["tasks"], row["tasks_rejected"]) == (0, 0)
    assert played.cost >= offline_optimum(site, vehicles).cost


def test_vehicles_share_one_efficiency() -> None:
    site = Site(np.zeros(2), 3600.0)
    with pytest.raises(ValueError, match=r"must have one efficiency, found 0\.8 to 0\.9"):
        play(site, Vehicles([0, 0], [1, 1], [1.0, 1.0], [4.0, 4.0], np.array([0.8, 0.9])), Computing())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["arrivals.kind=twns"], "[arrivals] kind (set on the command line): found 'twns'; did you mean 'twins'?"),
        (["arrivals.pils=2"], "[arrivals]: the arrivals 'twins' has no option 'pils'; did you mean 'piles'?"),
        (["arrivals.piles=1"], "[arrivals]: piles = 1 must be at least 2."),
        (["arrivals.slot_s=60"], "[arrivals] slot_s: it belongs into [station]."),
        (["arrivals.vehicles_per_day=3"], "vehicles_per_day goes with home, public, work, not with kind = 'twins'."),
        (["station.start_h=5"], "[station] start_h = 5: days of the arrivals 'twins' begin at 6."),
        (["station.hours=48"], "[station] hours = 48: days of the arrivals 'twins' last 24."),
        (["station.vehicles_per_household=2"], "vehicles_per_household needs vehicles_per_day; for arrivals.kind = 't"),
        (["arrivals.late=true"], "the arrivals 'twins' cannot be played: vehicle 0: departure_slot = 800 must be at "),
    ],
)
def test_one_sentence_for_one_fault(
    twins: Path, capsys: pytest.CaptureFixture[str], changes: list[str], sentence: str
) -> None:
    options = [word for change in changes for word in ("--set", change)]
    folder = str(twins.parent / "a")
    arguments = ["compare", str(twins), "--controllers", "eager", "--seeds", "1", *options, "--out", folder]
    assert run_command_line(arguments) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert sentence in told
    assert not (twins.parent / "a").exists()


def test_keys_of_no_one_are_refused_without_a_plug_in() -> None:
    with pytest.raises(InputError, match=r"\[arrivals\]: unknown key 'vehicles_per_dy'; did you mean 'vehicles_per_d"):
        load_station_scenario("station-home", **{"arrivals.vehicles_per_dy": 3})
