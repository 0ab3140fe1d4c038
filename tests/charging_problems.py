"""Random charging problems, and the same problems as quadratic programs for an independent solver."""

from __future__ import annotations

from collections.abc import Callable

import clarabel
import numpy as np
import pytest
import scipy.sparse as sp

from cosim.scheduling.site import Site, SiteState, Vehicles

SLOTS, SLOT_H = 16, 0.5


@pytest.fixture(scope="session")
def draw_vehicles() -> Callable[..., Vehicles]:
    """Vehicles of every kind: with nothing to charge, with just enough time for it, some of them alike."""

    def draw(rng: np.random.Generator, count: int) -> Vehicles:
        arrival = rng.integers(0, SLOTS, count)
        departure = rng.integers(arrival + 1, SLOTS + 1)
        power_kw = rng.choice([2.0, 3.3, 11.0], count)
        share = np.where(rng.random(count) < 0.3, rng.choice([0.0, 0.5, 1.0], count), rng.random(count))
        return Vehicles(arrival, departure, share * power_kw * (departure - arrival) * SLOT_H, power_kw)

    return draw


@pytest.fixture(scope="session")
def draw_site() -> Callable[..., Site]:
    """A site with some base load or none."""

    def draw(rng: np.random.Generator, **options: float) -> Site:
        base_kw = rng.uniform(0.0, 30.0, SLOTS) * rng.integers(0, 2)
        return Site(base_kw, 3600.0 * SLOT_H, **options)

    return draw


@pytest.fixture(scope="session")
def draw_state(draw_vehicles: Callable[..., Vehicles], draw_site: Callable[..., Site]) -> Callable[..., SiteState]:
    """What a policy sees when such vehicles are all there already."""

    def draw(rng: np.random.Generator, count: int, limit_kw: float = np.inf) -> SiteState:
        vehicles, site = draw_vehicles(rng, count), draw_site(rng, charging_limit_kw=limit_kw)
        return SiteState(
            slot=0,
            slot_h=SLOT_H,
            remaining_kwh=vehicles.energy_kwh,
            slots_left=vehicles.departure_slot - vehicles.arrival_slot,
            max_power_kw=vehicles.max_power_kw,
            arrival_slot=rng.integers(-3, 1, count),
            base_kw=site.base_kw,
            headroom_kw=site.headroom_kw,
        )

    return draw


def _solve(
    p: sp.csc_matrix, q: np.ndarray, equal: sp.csc_matrix, right: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Minimise ``x'px/2 + q'x`` subject to ``equal x = right`` and, where it is finite, ``low <= x <= high``."""
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-12
    boxed = np.isfinite(low)
    unit = sp.eye(len(q), format="csr")[boxed]
    a = sp.vstack([equal, unit, -unit], format="csc")
    b = np.concatenate([right, high[boxed], -low[boxed]])
    cones = [clarabel.ZeroConeT(len(right)), clarabel.NonnegativeConeT(2 * int(boxed.sum()))]
    solution = clarabel.DefaultSolver(p, q, a, b, cones, settings).solve()
    assert str(solution.status) in {"Solved", "AlmostSolved"}
    return np.array(solution.x)


@pytest.fixture(scope="session")
def qp_load_kw() -> Callable[[np.ndarray, Vehicles], np.ndarray]:
    """Solve Eq. 6 as a QP in all powers and their sums; return the sum in each slot."""

    def solve(base_kw: np.ndarray, vehicles: Vehicles) -> np.ndarray:
        slot = np.arange(len(base_kw))
        i, t = np.nonzero((slot >= vehicles.arrival_slot[:, None]) & (slot < vehicles.departure_slot[:, None]))
        cells, slots = len(i), len(base_kw)
        of_vehicle = sp.csc_matrix((np.ones(cells), (i, np.arange(cells))), shape=(len(vehicles), cells))
        of_slot = sp.csc_matrix((np.ones(cells), (t, np.arange(cells))), shape=(slots, cells))
        nothing = np.zeros(slots)
        x = _solve(
            sp.block_diag([sp.csc_matrix((cells, cells)), sp.eye(slots)], format="csc"),
            np.concatenate([np.zeros(cells), base_kw]),
            sp.bmat([[of_vehicle, None], [of_slot, -sp.eye(slots)]], format="csc"),
            np.concatenate([vehicles.energy_kwh / SLOT_H, nothing]),
            np.concatenate([np.zeros(cells), nothing - np.inf]),
            np.concatenate([vehicles.max_power_kw[i], nothing + np.inf]),
        )
        return x[cells:]

    return solve


@pytest.fixture(scope="session")
def qp_projection() -> Callable[[np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]:
    """Solve Eq. 31 as a QP."""

    def solve(anchor_kw: np.ndarray, low_kw: np.ndarray, high_kw: np.ndarray, total_kw: float) -> np.ndarray:
        n = len(anchor_kw)
        return _solve(
            sp.eye(n, format="csc"), -anchor_kw, sp.csc_matrix(np.ones((1, n))), np.array([total_kw]), low_kw, high_kw
        )

    return solve
