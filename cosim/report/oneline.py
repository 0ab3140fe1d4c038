"""A feeder as a one-line diagram: which column and row each bus stands in.

A bus stands as many columns from the substation as there are branches between them. The longest way through the feeder
runs along row 0; each lateral gets the nearest row in which it crosses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandapower import pandapowerNet


@dataclass(frozen=True, slots=True)
class Branch:
    """What connects two buses.

    Attributes
    ----------
    start, end : int
        Positions of the buses in ``net.bus``.
    line : int or None
        Position in ``net.line``; None for a transformer or a switch.
    kind : str
        ``line``, ``transformer`` or ``switch``.
    """

    start: int
    end: int
    line: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class OneLine:
    """The diagram.

    Attributes
    ----------
    branches : tuple of Branch
        Those in service.
    columns, rows : tuple of int
        Of each bus, in the order of ``net.bus``; rows go from 0 downwards in both directions.
    parents : tuple of int
        Position of the bus towards the substation, -1 for the substation and for what is not connected with it.
    """

    branches: tuple[Branch, ...]
    columns: tuple[int, ...]
    rows: tuple[int, ...]
    parents: tuple[int, ...]


def draw_one_line(net: pandapowerNet) -> OneLine:
    """Place the buses of a feeder.

    Parameters
    ----------
    net : pandapowerNet
        With one external grid, or generator as slack, in service.
    """
    branches = _branches(net)
    order, parents, columns = _spanning_tree(len(net.bus), branches, _slack(net))
    rows = _Rows(order, parents, columns).place()
    lowest = max(rows.values(), default=0) + 1
    for alone, bus in enumerate(bus for bus in range(len(net.bus)) if bus not in columns):
        columns[bus], rows[bus] = alone, lowest
    count = range(len(net.bus))
    return OneLine(
        tuple(branches),
        tuple(columns[bus] for bus in count),
        tuple(rows[bus] for bus in count),
        tuple(parents.get(bus, -1) for bus in count),
    )


def _slack(net: pandapowerNet) -> int:
    position = {number: place for place, number in enumerate(net.bus.index)}
    grids = net.ext_grid[net.ext_grid["in_service"].astype(bool)]
    if len(grids):
        return position[grids["bus"].iloc[0]]
    return position[net.gen[net.gen["slack"].astype(bool) & net.gen["in_service"].astype(bool)]["bus"].iloc[0]]


def _branches(net: pandapowerNet) -> list[Branch]:
    """Return the branches in service whose switches are closed."""
    position = {number: place for place, number in enumerate(net.bus.index)}
    opened = net.switch[~net.switch["closed"].astype(bool)]
    found = []
    # Per table: the two buses' columns, what it is, and how its switches name it.
    for table, first, second, kind, letter in (
        ("line", "from_bus", "to_bus", "line", "l"),
        ("trafo", "hv_bus", "lv_bus", "transformer", "t"),
    ):
        cut = set(opened[opened["et"] == letter]["element"])
        rows = zip(net[table].index, net[table][first], net[table][second], net[table]["in_service"], strict=True)
        for place, (number, start, end, on) in enumerate(rows):
            if on and number not in cut:
                line = place if kind == "line" else None
                found.append(Branch(position[start], position[end], line, kind))
    closed = net.switch[net.switch["closed"].astype(bool) & (net.switch["et"] == "b")]
    found.extend(
        Branch(position[start], position[end], None, "switch")
        for start, end in zip(closed["bus"], closed["element"], strict=True)
    )
    return found


def _spanning_tree(count: int, branches: list[Branch], root: int) -> tuple[list[int], dict[int, int], dict[int, int]]:
    """Return the buses in the order of their distance from the root, their parents and their distances."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for branch in branches:
        neighbours[branch.start].append(branch.end)
        neighbours[branch.end].append(branch.start)
    order, parents, columns = [root], {root: -1}, {root: 0}
    for bus in order:
        for other in neighbours[bus]:
            if other not in columns:
                parents[other], columns[other] = bus, columns[bus] + 1
                order.append(other)
    return order, parents, columns


class _Rows:
    """Finds a row for each bus."""

    def __init__(self, order: list[int], parents: dict[int, int], columns: dict[int, int]) -> None:
        self._columns = columns
        self._root = order[0]
        self._children: dict[int, list[int]] = {bus: [] for bus in order}
        self._reach = dict(columns)
        for bus in reversed(order[1:]):
            parent = parents[bus]
            self._children[parent].append(bus)
            self._reach[parent] = max(self._reach[parent], self._reach[bus])
        self._taken: dict[int, list[tuple[int, int]]] = {}

    def place(self) -> dict[int, int]:
        """Return the row of each bus that is connected with the substation."""
        rows: dict[int, int] = {}
        waiting = [(self._root, self._root)]
        while waiting:
            tap, first = waiting.pop()
            chain = self._chain(first)
            start, end = self._columns[tap], self._columns[chain[-1]]
            row = 0 if first == self._root else self._free_row(rows[tap], start, end)
            self._taken.setdefault(row, []).append((start, end))
            for between in range(min(row, rows.get(tap, row)) + 1, max(row, rows.get(tap, row))):
                self._taken.setdefault(between, []).append((start, start))
            rows |= dict.fromkeys(chain, row)
            # The last tap of the chain comes next, so that what stands further out is nearer to the trunk.
            waiting.extend((bus, child) for bus in chain for child in self._children[bus] if child not in rows)
        return rows

    def _chain(self, first: int) -> list[int]:
        """Return the way from a bus to the farthest end behind it."""
        chain = [first]
        while self._children[chain[-1]]:
            # Of equals the one that was found first.
            chain.append(max(self._children[chain[-1]], key=lambda bus: self._reach[bus]))
        return chain

    def _free_row(self, tap_row: int, start: int, end: int) -> int:
        # Beyond the farthest row all are free.
        farthest = max(abs(row - tap_row) for row in self._taken) + 1
        rows = [row for step in range(1, farthest + 1) for row in (tap_row + step, tap_row - step)]
        free = [row for row in rows if self._is_free(row, start, end)]
        clear = (row for row in free if self._is_clear(tap_row, row, start))
        # Of a bus with many branches some must cross others.
        return next(clear, free[0])

    def _is_clear(self, tap_row: int, row: int, column: int) -> bool:
        low, high = sorted((tap_row, row))
        return all(self._is_free(between, column, column) for between in range(low + 1, high))

    def _is_free(self, row: int, start: int, end: int) -> bool:
        return all(end < first or start > last for first, last in self._taken.get(row, []))
