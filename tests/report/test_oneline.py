"""Where the one-line diagram puts the buses."""

from __future__ import annotations

import pandapower as pp

from cosim.report.oneline import draw_one_line


def test_a_bus_with_many_branches_has_them_all_drawn() -> None:
    """A busbar behind a line, with seven feeders of two buses: every bus has a place of its own."""
    net = pp.create_empty_network()
    for bus in range(16):
        pp.create_bus(net, 10.0, index=bus)
    pp.create_ext_grid(net, 0)
    ends = [(0, 1), *((1, 2 + k) for k in range(7)), *((2 + k, 9 + k) for k in range(7))]
    for start, end in ends:
        pp.create_line_from_parameters(net, start, end, 1.0, 1.0, 0.5, 0.0, 0.3)
    drawn = draw_one_line(net)
    assert len(set(zip(drawn.columns, drawn.rows, strict=True))) == 16
    assert drawn.columns == (0, 1, *[2] * 7, *[3] * 7)
    assert all(drawn.rows[2 + k] == drawn.rows[9 + k] for k in range(7))
