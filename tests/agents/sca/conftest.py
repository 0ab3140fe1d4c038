"""Fixtures that the tests of ``cosim.scheduling`` have too."""

from charging_problems import draw_site, draw_state, draw_vehicles, qp_load_kw

__all__ = ["draw_site", "draw_state", "draw_vehicles", "qp_load_kw"]
