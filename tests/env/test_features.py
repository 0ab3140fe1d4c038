"""The state vector: its entries, their scale, and that looking changes nothing."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pytest

from cosim.control import Request
from cosim.coupling import CoupledSystem
from cosim.env.features import ESTIMATE_FEATURES, EV_FEATURES, STATION_FEATURES, ObservationEncoder
from cosim.errors import InputError
from cosim.estimates import StationEstimates
from cosim.observation import system_info
from cosim.scenario import Scenario
from cosim.simulation import Simulation
from cosim_agents.heuristics.electrical import LeastTimeDroop


def encoder(scenario: Scenario, system: CoupledSystem, *extra: str) -> ObservationEncoder:
    return ObservationEncoder(system, system_info(scenario, system), extra=extra)


@pytest.fixture(scope="module")
def crowded(short_scenario: Scenario) -> Scenario:
    """Two chargers a station, so that vehicles queue."""
    stations = tuple(station.model_copy(update={"chargers": 2}) for station in short_scenario.station)
    return short_scenario.model_copy(update={"station": stations})


@pytest.fixture(scope="module")
def busy(crowded: Scenario) -> Iterator[tuple[Simulation, Request]]:
    """A crowded system at its 60th request."""
    with Simulation(crowded) as simulation:
        simulation.reset(seed=1)
        for k in range(60):
            request = simulation.advance()
            assert request is not None
            if k < 59:
                simulation.answer(k % 5)
        yield simulation, request


def test_names_and_sizes(scenario: Scenario, system: CoupledSystem) -> None:
    names = encoder(scenario, system).names
    assert len(names) == len(set(names)) == 88
    assert names[:5] == EV_FEATURES
    assert names[5:43] == tuple(f"density[{edge}]" for edge in system.network.edges)
    assert names[43:52] == tuple(f"{name}[CS1]" for name in STATION_FEATURES)
    more = encoder(scenario, system, "estimates", "time", "power", "voltage").names
    assert more[:88] == names
    assert len(more) == 88 + 5 + 33 + 1 + 20
    assert (more[88], more[93], more[126]) == ("power[CS1]", "deviation[1]", "time")
    assert more[127:131] == tuple(f"{name}[CS1]" for name in ESTIMATE_FEATURES)
    with pytest.raises(InputError, match=r"extra_obs: unknown block 'volts'; .*'power', 'time', 'voltage'"):
        encoder(scenario, system, "volts")


def test_positions_tell_all_edges_apart(scenario: Scenario, system: CoupledSystem) -> None:
    made = encoder(scenario, system)
    for ends in (made._origin_xy, made._destination_xy):
        assert ((ends >= 0) & (ends <= 1)).all()
        assert len({tuple(row) for row in ends.tolist()}) == len(system.network.edges)


def test_every_entry_by_hand(crowded: Scenario, busy: tuple[Simulation, Request]) -> None:
    simulation, request = busy
    view = simulation.observe(request)
    made = encoder(crowded, simulation.system, "power", "voltage", "time", "estimates")
    state = dict(zip(made.names, made.encode(view, request).tolist(), strict=True))
    assert state["ev_soc"] == pytest.approx(request.soc)
    assert state["time"] == pytest.approx(request.time_s / 1200)
    for edge, vehicles in zip(simulation.system.network.edges, simulation.traffic.vehicles_on_edges(), strict=True):
        length_km = simulation.system.network.length_m[simulation.system.network.edge_index(edge)] / 1000
        assert state[f"density[{edge}]"] == pytest.approx(min(vehicles / length_km / 133, 1), abs=1e-6)
    stations = simulation.state.stations
    assert max(stations.queued) > 2
    for m, station in enumerate(crowded.station):
        waiting, plugged = copy.deepcopy(stations.present(m))
        for session in plugged:
            session.integrate(request.time_s)
        soc = [[0.8 - session.need_kwh / 24 for session in group] for group in (waiting, plugged)]
        waited = [(request.time_s - session.arrival_s) / 600 for session in waiting]
        expected = [len(waiting) / 2, len(plugged) / 2]
        expected += [statistic(values) if values else 0.0 for values in soc for statistic in (np.mean, np.std)]
        expected += [statistic(waited) if waited else 0.0 for statistic in (np.mean, np.std)]
        expected += [simulation.state.en_route[m] / 2]
        assert [state[f"{name}[{station.id}]"] for name in STATION_FEATURES] == pytest.approx(expected, abs=1e-6)
        assert state[f"power[{station.id}]"] == pytest.approx(stations.load_kw[m] / 100)
    # The heuristic decides by the sum of what a learner observes, an hour at most of each.
    heuristic = LeastTimeDroop()
    heuristic.reset(system_info(crowded, simulation.system), np.random.default_rng(0))
    sums = [sum(state[f"{name}[{station.id}]"] for name in ESTIMATE_FEATURES) for station in crowded.station]
    assert max(state[f"waiting_time[{station.id}]"] for station in crowded.station) > 0.5
    assert heuristic.recommend(request, view) == int(np.argmin(sums))
    own_s = heuristic.expected_time_s(request, view)
    cost_s = StationEstimates(system_info(crowded, simulation.system)).externality_s(view)
    assert np.multiply(sums, 600) == pytest.approx(own_s + cost_s, rel=1e-5)
    vm_pu = simulation.power_flow.solve(stations.load_kw).vm_pu
    assert state["deviation[18]"] == pytest.approx((1 - vm_pu[17]) * 10, abs=1e-6)


def test_looking_changes_nothing(crowded: Scenario, busy: tuple[Simulation, Request]) -> None:
    simulation, request = busy
    made = encoder(crowded, simulation.system, "voltage")
    before = copy.deepcopy([simulation.state.stations.present(m) for m in range(5)])
    flows = copy.copy(simulation.state.flows)
    first, second = (made.encode(simulation.observe(request), request) for _ in range(2))
    assert [simulation.state.stations.present(m) for m in range(5)] == before
    assert simulation.state.flows == flows
    assert first is not second
    assert first.tolist() == second.tolist()


def test_bounds_hold(crowded: Scenario, busy: tuple[Simulation, Request]) -> None:
    simulation, request = busy
    made = encoder(crowded, simulation.system, "power", "voltage", "time", "estimates")
    low, high = made.bounds(evs=75, time_limit_s=43_200)
    state = made.encode(simulation.observe(request), request)
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()
    assert ((low <= state) & (state <= high)).all()
