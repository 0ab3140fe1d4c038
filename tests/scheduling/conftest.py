"""Fixtures that the tests of the policies have too."""

from charging_problems import draw_site, draw_state, draw_vehicles, qp_projection

__all__ = ["draw_site", "draw_state", "draw_vehicles", "qp_projection"]
