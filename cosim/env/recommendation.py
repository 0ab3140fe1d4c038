"""The charging station recommendation problem as a constrained Markov decision process (OP-SRL paper, section 3.3)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from cosim.control import Request
from cosim.coupling import couple, path_costs_of_stations
from cosim.env.features import ObservationEncoder
from cosim.env.rewards import StepRewards
from cosim.errors import CosimError, InputError, SimulatorError, nearest_name
from cosim.estimates import StationEstimates
from cosim.observation import Observation, system_info
from cosim.results import make_metrics, make_tables
from cosim.scenario import Scenario
from cosim.scenario_file import load_scenario
from cosim.simulation import Simulation
from cosim.tables.stations import RewardTable
from cosim.tables.traffic import SimulationTable
from cosim.traffic.demand import vehicle_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

#: Seeds that ``reset`` draws lie in this range, above the seeds that a comparison evaluates with.
DRAWN_SEEDS = (2_000_000, 2**31)
_ALLOWED = {
    "reward": ("paper", "ttt"),
    "cost": ("paper", "excess", "band"),
    "backend": ("libsumo", "traci"),
}


class RecommendationEnv(gymnasium.Env["NDArray[np.float32]", np.int64]):
    """One charging request a step: choose a station for the vehicle that asks.

    A step lasts from a request to the next one, the last step until the last vehicle has arrived (``terminated``) or
    the scenario's time limit (``truncated``). Every run of a scenario has as many steps as EVs that can reach a
    station. Reward, cost and ``info`` of a step are those of the action just taken.

    **Observation**: a flat vector of float32; ``cosim.env.features`` says what is in it and ``feature_names`` names
    every entry. After the last step the EV's entries are zero.

    **Action**: the position of a station. ``info["action_mask"]`` (int8, as ``Discrete.sample`` takes it) and
    :meth:`action_masks` (bool) tell which ones the vehicle can reach and leave again.

    **Reward**: ``"paper"``: Eq. 25-26, ``scale * (maximum - mean number of vehicles)`` with the constants of the
    scenario's ``[reward]``; ``"ttt"``: minus the vehicle seconds of the step (s), which sum to minus the total travel
    time.

    **Cost**: ``info["cost"]``, mean voltage deviation at the peak load of the step (pu, Eq. 27); the sum is CVV.

    **Info**: ``cost`` (0.0 on reset), ``dt`` (s, duration of the step), ``action_mask``; on reset also ``seed``, the
    run's seed; at the end ``metrics``: ``TTT`` (s), ``CVV`` (pu), ``WCT`` (min) and those of
    ``cosim.metrics.run_metrics`` under their own names, and ``delay_s``: an array with the delay of the vehicle of
    each decision, that is, its travel time, from its departure to its arrival or the end of the run, less what its trip
    would take on free roads with a free charger at full power.

    **Seeds**: ``reset(seed=n)`` runs the scenario with seed n: the same vehicles and the same traffic as
    ``cosim.run(scenario, seed=n)``. ``reset()`` draws the next run's seed from ``np_random``, at least a million: after
    one ``reset(seed=n)`` a training run sees fresh vehicles in every episode, and the same ones when it is repeated.

    libsumo holds one simulation per process. A second environment can be made in the same process, but not run beside
    the first: use ``backend="traci"``, or a vector environment with a process each. :meth:`close` frees libsumo.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, a shipped name or a TOML file. SUMO is stepped by the second whatever it says, since arrivals must
        be known at once; the results are the same.
    reward : {"paper", "ttt"}, optional
        The scenario's if left out.
    cost : {"paper", "excess", "band"}, optional
        The scenario's if left out; ``cosim.tables.stations.RewardTable`` says what they are.
    extra_obs : iterable of {"power", "voltage", "time", "estimates"}
        Observe more than the paper does; ``cosim.env.features`` says what.
    backend : {"libsumo", "traci"}, optional
        The scenario's if left out.
    render_mode : None
        There is nothing to render.

    Attributes
    ----------
    feature_names : tuple of str
        What each entry of the observation is. A wrapper that appends entries, such as a demand prediction, appends
        their names.
    encoder : ObservationEncoder
        What makes the observation.
    on_record : callable, optional
        Called without arguments at every recorded instant of the run (``simulation.record_interval_s``), the warm-up
        included; :meth:`view` then shows the system at that instant. A demand predictor takes its samples here.
    tables : dict of str to DataFrame, or None
        The tables of the episode that has just ended; ``cosim.results``.

    Raises
    ------
    InputError
        If scenario or options cannot be used.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - declared so by Gymnasium

    def __init__(
        self,
        scenario: Scenario | str | Path = "nguyen-dupuis",
        *,
        reward: str | None = None,
        cost: str | None = None,
        extra_obs: Iterable[str] = (),
        backend: str | None = None,
        render_mode: None = None,
    ) -> None:
        loaded = scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
        self.scenario = _with_options(loaded, reward=reward, cost=cost, backend=backend)
        self.system = couple(self.scenario)
        info = system_info(self.scenario, self.system, self._clock)
        self.encoder = ObservationEncoder(self.system, info, extra=extra_obs)
        self._estimates = StationEstimates(info)
        network = self.system.network
        self._free_to_s, self._free_on_s = path_costs_of_stations(
            network, self.system.stations, network.length_m / network.speed_mps
        )
        self.feature_names = self.encoder.names
        low, high = self.encoder.bounds(vehicle_counts(self.scenario)[2], self.scenario.simulation.time_limit_s)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(len(self.system.stations))
        self.render_mode = render_mode
        self.on_record: Callable[[], None] | None = None
        self.tables: dict[str, pd.DataFrame] | None = None
        self._simulation: Simulation | None = None
        self._request: Request | None = None
        self._reachable = np.ones(len(self.system.stations), dtype=np.bool_)

    # ---- Gymnasium

    def reset(
        self,
        *,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - there are none
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; see the class for what ``seed`` does."""
        super().reset(seed=seed)
        run_seed = int(self.np_random.integers(*DRAWN_SEEDS)) if seed is None else int(seed)
        self._request, self.tables = None, None
        self._answered: list[Request] = []
        if self._simulation is None:
            self._simulation = Simulation(self.scenario, system=self.system)
        simulation = self._simulation
        simulation.on_record = self._recorded
        try:
            request = self._request = self._first_request(simulation, run_seed)
        except CosimError:
            self.close()
            raise
        self._rewards = StepRewards(self.scenario.reward, simulation.demand.depart_s)
        self._rewards.begin(request.time_s, simulation.state.trips.arrive_s)
        return self._observe(simulation), {**self._info(0.0, 0.0), "seed": run_seed}

    def step(self, action: np.int64 | int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Send the vehicle to a station and run until the next request.

        Parameters
        ----------
        action : int
            Position of the station.

        Raises
        ------
        InputError
            If there is no such station or the vehicle cannot reach it; the episode can be continued.
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset` and after the end of an episode.
        SimulatorError
            If SUMO died; :meth:`reset` starts it again.
        """
        request, simulation = self._request, self._simulation
        if request is None or simulation is None:
            raise ResetNeeded("the episode is over or has not begun; call reset().")
        station = self._checked(action, request)
        self._answered.append(request)
        self._request = None
        try:
            simulation.answer(station)
            following = simulation.advance()
            cost = simulation.last_cost()
        except SimulatorError:
            self.close()
            raise
        last = following is None
        now_s = simulation.end_s if last else float(simulation.now_s)
        reward = self._rewards.end_step(now_s, simulation.state.trips.arrive_s, last=last)
        self._request = following
        observation = self._observe(simulation)
        info = self._info(cost, now_s - request.time_s)
        if last:
            info["metrics"] = self._finish(simulation)
            info["delay_s"] = self._delay_s(simulation)
        truncated = last and simulation.stop_reason == "time limit"
        return observation, reward, last and not truncated, truncated, info

    def close(self) -> None:
        """End SUMO and free libsumo; :meth:`reset` starts it again. May be called twice."""
        simulation, self._simulation = self._simulation, None
        self._request = None
        if simulation is not None:
            simulation.close()

    def _clock(self) -> float:
        """Return the present instant of the episode."""
        return 0.0 if self._simulation is None else float(self._simulation.now_s)

    # ---- for learners and wrappers

    def action_masks(self) -> NDArray[np.bool_]:
        """Tell which stations may be chosen, shape (n_stations,); all of them after the end of an episode."""
        return self._reachable.copy()

    def view(self) -> Observation:
        """Return the system at the present instant, with nobody asking; for ``encoder.stations`` and the like.

        Raises
        ------
        gymnasium.error.ResetNeeded
            Before the first :meth:`reset`.
        """
        simulation = self._simulation
        if simulation is None:
            raise ResetNeeded("the episode has not begun; call reset().")
        state = simulation.state
        nobody = Request(len(state.records.decisions), simulation.now_s, "", edge=-1, destination=-1, soc=math.nan)
        everywhere = np.ones(len(self.system.stations), dtype=np.bool_)
        return Observation(nobody, self.system, state.stations, state.en_route, simulation.traffic, everywhere)

    # ---- inside

    def _first_request(self, simulation: Simulation, seed: int) -> Request:
        """Begin a run and go to its first decision."""
        simulation.reset(seed)
        request = simulation.advance()
        if request is None:
            raise CosimError(
                f"scenario '{self.scenario.name}', seed {seed}: nobody asks for a station, so that there is nothing to "
                "decide; see fleet.ev_share."
            )
        return request

    def _checked(self, action: np.int64 | int, request: Request) -> int:
        """Return the station that an action means."""
        station = int(action)
        if not 0 <= station < len(self._reachable) or not self._reachable[station]:
            valid = [f"{m} ({self.system.stations[m].id})" for m in np.flatnonzero(self._reachable)]
            raise InputError(f"action {action}: vehicle {request.vehicle} can only be sent to {', '.join(valid)}.")
        return station

    def _observe(self, simulation: Simulation) -> NDArray[np.float32]:
        request = self._request
        view = self.view() if request is None else simulation.observe(request)
        self._reachable = view.reachable
        return self.encoder.encode(view, request)

    def _info(self, cost: float, dt_s: float) -> dict[str, Any]:
        return {"cost": np.float64(cost), "dt": dt_s, "action_mask": self._reachable.astype(np.int8)}

    def _finish(self, simulation: Simulation) -> dict[str, float]:
        """Make the tables of the run and return its metrics."""
        end_s = simulation.end_s
        self.tables = make_tables(simulation.state, end_s, self.scenario.reward)
        metrics = make_metrics(self.tables, end_s)
        return {"TTT": metrics["ttt_s"], "CVV": metrics["cvv_pu"], "WCT": metrics["wct_min"], **metrics}

    def _delay_s(self, simulation: Simulation) -> NDArray[np.float64]:
        """Return how long the vehicle of each decision was delayed, shape (n_decisions,)."""
        if self.tables is None:
            raise ResetNeeded("the episode is not over.")
        trips = self.tables["trips"].set_index("vehicle").loc[self.tables["decisions"]["vehicle"]]
        travel_time_s = (trips["arrive_s"].fillna(simulation.end_s) - trips["depart_s"]).to_numpy(dtype=np.float64)
        delay_s: NDArray[np.float64] = travel_time_s - [self._undelayed_s(request) for request in self._answered]
        return delay_s

    def _undelayed_s(self, request: Request) -> float:
        """Return how long the vehicle's trip would take if nobody delayed it."""
        driving_s = self._free_to_s[:, request.edge] + self._free_on_s[:, request.destination]
        return self._estimates.undelayed_s(request.soc, self.system.distance_to_m[:, request.edge], driving_s)

    def _recorded(self) -> None:
        if self.on_record is not None:
            self.on_record()


def _with_options(scenario: Scenario, **options: str | None) -> Scenario:
    """Put the options that are given in the place of the scenario's."""
    reward, simulation = scenario.reward.model_dump(), scenario.simulation.model_dump()
    for option, (table, key) in {
        "reward": (reward, "kind"),
        "cost": (reward, "cost"),
        "backend": (simulation, "backend"),
    }.items():
        value = options[option]
        allowed = _ALLOWED[option]
        if value is not None and value not in allowed:
            raise InputError(f"{option}: found '{value}'; {nearest_name(value, allowed)}.")
        table[key] = table[key] if value is None else value
    simulation["stepping"] = "second"
    return scenario.model_copy(update={"reward": RewardTable(**reward), "simulation": SimulationTable(**simulation)})
