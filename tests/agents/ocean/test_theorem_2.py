"""The radii of Theorem 2: as printed it has no root or is unsafe where the exact one is tight."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cosim_agents.ocean.theorem2 import exact_radius, l1_distance, printed_radius


def measured_distance(shift: np.ndarray, sigma: float, rng: np.random.Generator, samples: int = 200_000) -> float:
    """Estimate the distance of two normal distributions as the mean of ``|ratio - 1|`` under one of them."""
    drawn = sigma * rng.standard_normal((samples, shift.size))
    log_ratio = (drawn @ shift - 0.5 * shift @ shift) / sigma**2
    return float(np.abs(np.expm1(log_ratio)).mean())


@pytest.mark.parametrize("dimensions", [1, 2, 5, 25])
@pytest.mark.parametrize("xi", [0.0625, 0.5, 1.2])
def test_exact_radius_reaches_the_bound_and_never_exceeds_it(xi, dimensions) -> None:
    rng, sigma = np.random.default_rng(dimensions), 0.5
    radius = exact_radius(xi, sigma, dimensions=dimensions)
    corner = radius * rng.choice([-1.0, 1.0], dimensions)
    assert measured_distance(corner, sigma, rng) == pytest.approx(xi, abs=0.015)
    assert l1_distance(float(np.linalg.norm(corner)), sigma) == pytest.approx(xi, rel=1e-12)
    inside = radius * rng.uniform(-1.0, 1.0, dimensions)
    assert measured_distance(inside, sigma, rng) <= xi + 0.015


def test_exact_radius_at_the_ends() -> None:
    assert exact_radius(0.0, 1.0) == exact_radius(-1.0, 1.0) == 0.0
    assert exact_radius(2.0, 1.0) == math.inf
    assert exact_radius(0.1, 1.0, dimensions=4) == pytest.approx(0.5 * exact_radius(0.1, 1.0))


@pytest.mark.parametrize(("dimensions", "xi"), [(1, 0.5), (1, 1.5), (2, 1.0), (3, 1.9)])
def test_printed_radius_has_no_root_beyond_the_peak(dimensions, xi) -> None:
    assert printed_radius(xi, 0.5, dimensions=dimensions) is None


@pytest.mark.parametrize(("dimensions", "xi"), [(1, 0.3), (2, 0.5), (25, 0.0625), (25, 0.1)])
def test_printed_radius_solves_the_printed_equations(dimensions, xi) -> None:
    sigma = 0.5
    radius = printed_radius(xi, sigma, dimensions=dimensions)
    assert radius is not None
    y = -radius / (2.0 * sigma)
    per_sigma = math.sqrt(2.0 * math.pi) / (
        math.sqrt(math.pi / 2.0) * math.exp(0.5 * y * y) * (y + math.sqrt(y * y + 8.0 / math.pi))
    )
    u = per_sigma / math.sqrt(2.0 * math.pi)
    assert (2.0 * u) ** dimensions - (2.0 - 2.0 * u) ** dimensions == pytest.approx(xi, rel=1e-6)


def test_printed_radius_is_unsafe_for_few_and_timid_for_many_dimensions() -> None:
    for dimensions, xi in ((1, 0.3), (2, 0.5)):
        radius = printed_radius(xi, 0.5, dimensions=dimensions)
        assert radius is not None
        assert l1_distance(radius * math.sqrt(dimensions), 0.5) > xi
    # The figures of a station with 25 piles: 2 W as printed, 8 W jointly, 39 W for each vehicle alone.
    printed = printed_radius(0.0625, 0.5, dimensions=25)
    assert printed == pytest.approx(0.0020, abs=5e-5)
    assert exact_radius(0.0625, 0.5, dimensions=25) == pytest.approx(0.0078, abs=5e-5)
    assert exact_radius(0.0625, 0.5) == pytest.approx(0.0392, abs=5e-5)
    assert printed_radius(0.0, 0.5, dimensions=3) == 0.0
