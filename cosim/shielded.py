"""The shield that any site controller can wear: every target that can be reached is kept within reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.scheduling.safe import safe_interval_kw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cosim.control import SiteController, SiteView

#: How often a controller without a period of its own is asked.
_PERIOD_S = 300.0


class Shielded:
    """A site controller whose powers are moved into the safe interval (``cosim.scheduling.safe``).

    A vehicle that could be served on arrival has its target at its departure whatever the controller says, NaN
    included, unless the droop cap or the site's limit falls afterwards or it leaves earlier than declared. Whatever
    else the controller has (``reset``, ``notes``, ``compute``, ``tables``) is used as before.

    Parameters
    ----------
    controller : SiteController
        Who wears it.
    """

    def __init__(self, controller: SiteController) -> None:
        self._controller = controller
        self.period_s: float | None = controller.period_s or _PERIOD_S

    def __getattr__(self, name: str) -> Any:
        """Return what the controller has beside the protocol."""
        if name.startswith("__") or name == "_controller":
            # Copying looks for methods of its own before there is a controller.
            raise AttributeError(name)
        return getattr(self._controller, name)

    def schedule(self, time_s: float, site: SiteView) -> NDArray[np.float64]:
        """Ask the controller and keep its powers safe until the next question."""
        asked_kw = np.nan_to_num(np.asarray(self._controller.schedule(time_s, site), dtype=np.float64), nan=0.0)
        period_s = self.period_s or _PERIOD_S
        power_kw = np.zeros(site.station.chargers)
        here = site.occupied & (site.need_kwh > 0.0)
        most_kw = np.minimum(site.max_power_kw[here], site.cap_kw if site.cap_kw > 0.0 else np.inf)
        low_kw, _ = safe_interval_kw(
            site.need_kwh[here] / site.efficiency,
            most_kw,
            site.departure_s[here] - time_s,
            period_s - time_s % period_s,
        )
        power_kw[here] = np.minimum(np.maximum(asked_kw[here], low_kw), most_kw)
        return power_kw
