"""The recommenders without learning, on the real system."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

import cosim
from cosim import registry
from cosim.control import Request, SiteView
from cosim.coupling import CoupledSystem
from cosim.errors import InputError
from cosim.estimates import StationEstimates
from cosim.observation import Observation
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim.testing import check_controller, check_recommender
from cosim_agents.heuristics.electrical import LeastTimeDroop, MeritOrder
from cosim_agents.heuristics.queueing import LeastTime, ShortestQueue
from cosim_agents.heuristics.routing import MinDetour, Nearest


# "learned" needs the file of a policy; its own tests check it.
@pytest.mark.parametrize("name", [name for name in registry.names("recommender") if name != "learned"])
def test_every_recommender_keeps_its_promises(name: str) -> None:
    check_recommender(registry.load("recommender", name))


@pytest.mark.parametrize("name", registry.names("controller"))
def test_every_controller_keeps_its_promises(name: str) -> None:
    check_controller(registry.load("controller", name)())


def test_round_robin_goes_round(short_scenario: Scenario) -> None:
    stations = cosim.run(short_scenario, recommender="round-robin").decisions["station"]
    assert list(stations[:7]) == ["CS1", "CS2", "CS3", "CS4", "CS5", "CS1", "CS2"]


def test_uniform_is_uniform() -> None:
    stations = cosim.run("nguyen-dupuis").decisions["station"].value_counts()
    chi_square = ((stations - 60) ** 2 / 60).sum()
    assert chi_square < 18.5, "4 degrees of freedom, 0.1 %"


def test_nearest_and_least_detour_are_shortest(scenario: Scenario, system: CoupledSystem) -> None:
    with Simulation(scenario, system=system) as simulation:
        info = simulation.reset()
        for _ in range(30):
            request = simulation.advance()
            assert request is not None
            view = simulation.observe(request)
            nearest = Nearest().recommend(request, view)
            assert view.distance_to_m[nearest] == view.distance_to_m.min()
            detour = MinDetour().recommend(request, view)
            total_m = view.distance_to_m + view.distance_from_m
            assert total_m[detour] == total_m.min()
            # Free flow bounds the current travel time; SUMO's drivers may be a fifth faster than the limit.
            assert (view.time_to_s >= view.distance_to_m / (50 / 3.6) / 1.2 - 1e-6).all()
            least = LeastTime()
            least.reset(info, np.random.default_rng(0))
            expected_s = least.expected_time_s(request, view)
            assert least.recommend(request, view) == expected_s.argmin()
            simulation.answer(nearest)


class _View(Observation):
    """A system in which only the numbers of vehicles are given."""

    def __init__(self, queued: Sequence[int], charging: Sequence[int], en_route: Sequence[int]) -> None:
        self.request = Request(0, 0, "v", 0, 1, 0.5)
        self.__dict__.update(
            queued=np.array(queued), charging=np.array(charging), en_route=np.array(en_route),
            reachable=np.ones(5, dtype=bool), power_kw=40.0 * np.array(charging), cap_kw=np.full(5, 40.0),
            distance_to_m=np.full(5, 1000.0), time_to_s=np.full(5, 100.0), time_from_s=np.full(5, 100.0),
        )  # fmt: skip


@pytest.fixture
def info(scenario: Scenario, system: CoupledSystem) -> object:
    with Simulation(scenario, system=system) as simulation:
        return simulation.reset()


def test_shortest_queue_counts_vehicles_on_their_way(info: object) -> None:
    agent = ShortestQueue()
    agent.reset(info, np.random.default_rng(0))  # type: ignore[arg-type]
    view = _View([0, 0, 0, 0, 0], [5, 5, 5, 5, 3], [1, 0, 1, 1, 3])
    assert agent.recommend(view.request, view) == 1


def test_merit_order_fills_the_electrically_nearest_station_first(info: object) -> None:
    agent = MeritOrder()
    agent.reset(info, np.random.default_rng(0))  # type: ignore[arg-type]
    # Buses 24 and 25 lie near the source, then 7 and 8, then 32 (spec: sensitivities 4.2, 4.4, 11.7, 13.5, about 17).
    assert list(agent._order) == [0, 3, 2, 4, 1]
    for occupied, expected in (([0] * 5, 0), ([60, 0, 0, 0, 0], 3), ([60, 0, 0, 60, 0], 2), ([60, 60, 60, 60, 59], 4)):
        view = _View([0] * 5, occupied, [0] * 5)
        assert agent.recommend(view.request, view) == expected
    view = _View([1, 1, 0, 1, 1], [60] * 5, [0] * 5)
    assert agent.recommend(view.request, view) == 2, "all are full: the least occupied"


def test_least_time_expects_to_wait_where_all_chargers_are_taken(info: object) -> None:
    agent = LeastTime()
    agent.reset(info, np.random.default_rng(0))  # type: ignore[arg-type]
    view = _View([0, 30, 0, 0, 0], [59, 60, 0, 0, 0], [0, 0, 0, 0, 0])
    expected_s = agent.expected_time_s(view.request, view)
    assert expected_s[0] == pytest.approx(expected_s[2]), "one charger is still free"
    # 31 places behind, each 0.9 of the mean charging time of (0.8 - 0.45) * 24 kWh at 0.9 * 40 kW over 60 chargers.
    assert expected_s[1] - expected_s[2] == pytest.approx(31 * 0.9 * 840.0 / 60)
    soc = 0.5 - 0.15 / 24
    assert expected_s[2] == pytest.approx(200 + (0.8 - soc) * 24 / (0.9 * 40) * 3600)


def test_the_externality_is_the_voltage_lost_to_everybody(info: object) -> None:
    view = _View([0] * 5, [20] * 5, [0] * 5)
    cost_s = StationEstimates(info).externality_s(view)  # type: ignore[arg-type]
    assert cost_s.argmin() == 0
    assert cost_s.argmax() == 1
    assert (cost_s > 0).all()
    none = LeastTimeDroop(weight=0.0)
    none.reset(info, np.random.default_rng(0))  # type: ignore[arg-type]
    plain = LeastTime()
    plain.reset(info, np.random.default_rng(0))  # type: ignore[arg-type]
    assert none.recommend(view.request, view) == plain.recommend(view.request, view)


def test_the_conformance_check_finds_a_private_random_generator() -> None:
    class Cheat(Nearest):
        rng = np.random.default_rng(1)

        def recommend(self, request: object, view: object) -> int:
            return int(self.rng.integers(5))

    with pytest.raises(InputError, match="answers differently with the same seed"):
        check_recommender(Cheat)


def test_the_conformance_check_finds_what_is_no_recommender() -> None:
    with pytest.raises(InputError, match=r"dict: a recommender has the methods reset"):
        check_recommender(dict)  # type: ignore[arg-type]


def test_the_conformance_check_finds_who_writes_into_the_view() -> None:
    class Writes:
        period_s = None

        def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:
            site.max_power_kw[:] = 0.0
            return site.max_power_kw

    with pytest.raises(InputError, match="writes into the view; it must make an array of its own"):
        check_controller(Writes())


def test_the_conformance_check_finds_a_short_answer() -> None:
    class Short:
        period_s = -1.0

        def schedule(self, time_s: float, site: object) -> list[float]:
            return [1.0]

    with pytest.raises(InputError) as caught:
        check_controller(Short())  # type: ignore[arg-type]
    assert caught.value.faults == (
        "Short: period_s = -1.0 must be a whole number of seconds, at least 1, or None.",
        "Short: schedule() returned shape (1,), expected (6,).",
    )
