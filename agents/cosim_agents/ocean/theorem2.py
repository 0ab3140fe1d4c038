"""How far the mean of a Gaussian policy may move before its L1 distance to the old one exceeds a bound (Theorem 2).

Both policies are normal with deviation sigma in each of N dimensions; the distance is ``integral |pi' - pi_B| da``.

- As printed, the radius solves two equations. The second uses an upper bound of the normal tail at a negative argument,
  where it is a lower one, and peaks at 0.603: beyond there is no root. Where there is one, the radius can be unsafe for
  N at most 2 and is several times too small for many dimensions (the first equation takes a half space for an orthant).
- Exactly, the distance of two normal distributions a vector d apart is ``2 (2 Phi(|d| / (2 sigma)) - 1)``, which can be
  solved for ``|d|``. The cost of a vehicle depends on its own power alone, so that the marginal distance will do, with
  a radius for each vehicle; jointly the cube of the theorem has the diagonal ``sqrt(N)`` times its half edge.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.special import ndtri

_GREATEST_DISTANCE = 2.0


def l1_distance(shift: float, sigma: float) -> float:
    """Return the distance of two normal distributions with the same deviation.

    Parameters
    ----------
    shift : float
        Euclidean distance of their means.
    sigma : float
        Deviation in each dimension, greater than 0; in the same unit.
    """
    return 2.0 * math.erf(abs(shift) / (2.0 * math.sqrt(2.0) * sigma))


def exact_radius(xi: float, sigma: float, *, dimensions: int = 1) -> float:
    """Return by how much every mean may move, ``2 sigma / sqrt(N) Phi^-1(1/2 + xi / 4)``.

    Parameters
    ----------
    xi : float
        Greatest distance; from 2 on, anything goes, and nothing below 0.
    sigma : float
        Deviation.
    dimensions : int
        1 for the radius of a single vehicle's own distribution, N for all jointly.
    """
    if xi <= 0.0:
        return 0.0
    if xi >= _GREATEST_DISTANCE:
        return math.inf
    return 2.0 * sigma / math.sqrt(dimensions) * float(ndtri(0.5 + 0.25 * xi))


def printed_radius(xi: float, sigma: float, *, dimensions: int) -> float | None:
    """Return the radius of Theorem 2 as it is printed, or None where its equations have no solution.

    Parameters
    ----------
    xi : float
        Greatest distance.
    sigma : float
        Deviation.
    dimensions : int
        N.

    Returns
    -------
    float or None
        The smaller of the two roots.
    """
    if xi <= 0.0:
        return 0.0
    tail = 0.5 + _half_power(xi, dimensions)
    peak_y = _peak()
    if tail > _tail_bound(peak_y):
        return None
    y = brentq(lambda at: _tail_bound(at) - tail, peak_y, 0.0, xtol=1e-15)
    return -2.0 * sigma * float(y)


def _half_power(xi: float, dimensions: int) -> float:
    """Return v that solves ``(1 + 2v)^N - (1 - 2v)^N = xi``; x* of the theorem is ``(1/2 + v) sqrt(2 pi) sigma``.

    For small v both powers are close to 1, whence the detour by logarithms.
    """

    def excess(v: float) -> float:
        less = -1.0 if v >= 0.5 else math.expm1(dimensions * math.log1p(-2.0 * v))
        return math.expm1(dimensions * math.log1p(2.0 * v)) - less - xi

    # At v = 1/2 the left side is 2^N; the theorem's xi is below 2.
    return float(brentq(excess, 0.0, max(0.5, 0.5 * xi), xtol=1e-16)) if xi < 2.0**dimensions else math.inf


def _tail_bound(y: float) -> float:
    """Return the bound of ``1 - Phi(y)`` that the proof takes from its reference [58], an upper one for y >= 0."""
    return 2.0 * math.exp(-0.5 * y * y) / (math.sqrt(2.0 * math.pi) * (y + math.sqrt(y * y + 8.0 / math.pi)))


def _peak() -> float:
    """Return where the bound is greatest: its logarithm's slope is ``-y - 1 / sqrt(y^2 + 8 / pi)``."""
    return float(brentq(lambda y: y + 1.0 / math.sqrt(y * y + 8.0 / math.pi), -2.0, 0.0, xtol=1e-15))
