"""Two simple site controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.control import SiteView


class Uncontrolled:
    """Everybody gets what charger, vehicle and droop cap allow, at once."""

    period_s: float | None = None

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:  # noqa: ARG002 - the protocol's
        """Ask for full power."""
        return site.max_power_kw


class EqualShare:
    """The site limit in equal parts; what a vehicle cannot take goes to the others.

    Parameters
    ----------
    limit_kw : float, optional
        The site's limit; the station's ``site_limit_kw`` if left out.
    """

    period_s: float | None = None

    def __init__(self, limit_kw: float | None = None) -> None:
        if limit_kw is not None and not limit_kw > 0:
            raise ValueError(f"limit_kw = {limit_kw} must be greater than 0")
        self.limit_kw = limit_kw

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:  # noqa: ARG002 - the protocol's
        """Fill up to a common level so that the sum is the limit (water-filling over the vehicles' maxima)."""
        limit_kw = site.station.site_limit_kw if self.limit_kw is None else self.limit_kw
        power_kw = np.where(site.occupied, np.minimum(site.max_power_kw, site.cap_kw), 0.0)
        if power_kw.sum() <= limit_kw:
            return power_kw
        ascending = np.sort(power_kw[site.occupied])
        count = len(ascending)
        # Level if the k smallest get all they can: what is left, shared by the others.
        levels = (limit_kw - np.concatenate([[0.0], np.cumsum(ascending)[:-1]])) / np.arange(count, 0, -1)
        level = levels[np.argmax(levels <= ascending)]
        shared: NDArray[np.float64] = np.minimum(power_kw, level)
        return shared
