"""The part of MATLAB in which MATPOWER's case files are written: tables, and arithmetic on whole columns of them.

Many distribution cases state their tables in ohm and kW and convert them in their last lines, such as ::

    mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;

A reader that takes the tables alone makes 3,715 MW of 3,715 kW. :func:`run_case` therefore evaluates the assignments,
with a grammar of its own and nothing that could reach beyond numbers, and refuses what it does not understand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]
    Token = tuple[str, bool]

# The names that MATPOWER's idx_bus, idx_gen and idx_brch give to the columns, in their order.
_COLUMNS = {
    "idx_bus": "BUS_I BUS_TYPE PD QD GS BS BUS_AREA VM VA BASE_KV ZONE VMAX VMIN LAM_P LAM_Q MU_VMAX MU_VMIN",
    "idx_brch": (
        "F_BUS T_BUS BR_R BR_X BR_B RATE_A RATE_B RATE_C TAP SHIFT BR_STATUS ANGMIN ANGMAX PF QF PT QT MU_SF MU_ST "
        "MU_ANGMIN MU_ANGMAX"
    ),
    "idx_gen": (
        "GEN_BUS PG QG QMAX QMIN VG MBASE GEN_STATUS PMAX PMIN PC1 PC2 QC1MIN QC1MAX QC2MIN QC2MAX RAMP_AGC RAMP_10 "
        "RAMP_30 RAMP_Q APF MU_PMAX MU_PMIN MU_QMAX MU_QMIN"
    ),
}
_CONSTANTS = {name: float(place) for names in _COLUMNS.values() for place, name in enumerate(names.split(), start=1)}
_CONSTANTS |= {"PQ": 1.0, "PV": 2.0, "REF": 3.0, "NONE": 4.0, "pi": float(np.pi), "Inf": float("inf")}
_FUNCTIONS: dict[str, Callable[[Matrix], Matrix]] = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sqrt": np.sqrt, "abs": np.abs, "exp": np.exp, "log": np.log,
}  # fmt: skip
_TOKEN = re.compile(
    r"(?P<space>[ \t]*)(?P<text>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
    r"|\.[*/^]|[-+*/^()\[\],;:\n])"
)
_TARGET = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)\s*(\([^=]*\))?\s*=(?!=)")
_IDLE = re.compile(r"(function\b.*|end|endfunction|return|define_constants)", re.DOTALL)
_QUOTED = re.compile(r"'((?:[^'\n]|'')*)'")
_LARGEST_RANGE = 1_000_000


class MatlabError(Exception):
    """A statement that is not understood; its text tells the line and the statement."""


@dataclass(slots=True)
class Case:
    """What a case file sets.

    Parameters
    ----------
    values : dict of str to NDArray, shape (n_row, n_column)
        Numbers by name; fields of the case are called ``mpc.bus``, whatever the file calls the case itself.
    texts : dict of str to list of str
        Strings and the strings in cell arrays, such as ``mpc.bus_name``.
    """

    values: dict[str, Matrix] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


def run_case(text: str, needed: tuple[str, ...]) -> Case:
    """Evaluate a case file.

    Parameters
    ----------
    text : str
        The file.
    needed : tuple of str
        Fields that must be understood, such as ``("mpc.bus", "mpc.branch")``. Other fields of the case may be set in
        any way; they are left out where they are not understood.

    Raises
    ------
    MatlabError
        At the first statement that is not understood and may change a needed field.
    """
    case = Case()
    text = _without_comments(text)
    head = re.match(r"\s*function\s+(\w+)\s*=", text)
    struct = head.group(1) if head else "mpc"
    for line, statement in _statements(text):
        try:
            _execute(statement, case, struct)
        except (_NotUnderstoodError, ValueError, IndexError, OverflowError, RecursionError) as error:
            target = _TARGET.match(statement)
            name = _field(target[1], struct) if target else ""
            # Costs, areas and the like change nothing here; a whole struct that is passed on may.
            if name.startswith("mpc.") and name not in needed:
                continue
            shown = " ".join(statement.split())
            shown = shown if len(shown) <= 80 else shown[:77] + "..."
            raise MatlabError(f"line {line}: '{shown}' is not understood ({error})") from None
    return case


class _NotUnderstoodError(Exception):
    """What is beyond the grammar; its text tells what."""


def _without_comments(text: str) -> str:
    """Blank out comments and join continued lines, keeping the number of lines."""
    text = re.sub(r"(?m)^[ \t]*%\{[ \t]*$.*?^[ \t]*%\}[ \t]*$", lambda match: "\n" * match[0].count("\n"), text,
                  flags=re.DOTALL)  # fmt: skip
    lines = []
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        # A percent sign or dots within quotes are text; no needed statement holds a transpose.
        bare = _QUOTED.sub(lambda match: "'" + "x" * (len(match[0]) - 2) + "'", line)
        cut = min(place for place in (bare.find("%"), bare.find("..."), len(bare)) if place >= 0)
        lines.append(line[:cut] + ("\f" if bare[cut:].startswith("...") else ""))
    return "\n".join(lines).replace("\f\n", " \f").replace("\f", "\v")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Split at semicolons, commas and line ends outside brackets; tell the line at which each begins."""
    depth, begin, line, first = 0, 0, 1, 0
    for match in re.finditer(r"'(?:[^'\n]|'')*'|[\[\](){};,\n\v]|[^\s\[\](){};,']+", text):
        sign = match[0]
        first = first or (line if sign not in "\n\v;," else 0)
        if sign in {"\n", "\v"}:
            line += 1
        if sign in "[({":
            depth += 1
        elif sign in "])}":
            depth -= 1
        elif depth <= 0 and sign in ";,\n":
            statement = text[begin : match.start()].replace("\v", " ").strip()
            if statement:
                yield first, statement
            begin, first = match.end(), 0
    rest = text[begin:].replace("\v", " ").strip()
    if rest:
        yield first, rest


def _field(name: str, struct: str) -> str:
    return f"mpc.{name[len(struct) + 1 :]}" if name.startswith(f"{struct}.") else name


def _execute(statement: str, case: Case, struct: str) -> None:
    if _IDLE.fullmatch(statement):
        return
    names = re.fullmatch(r"\[([\w\s,]*)\]\s*=\s*(idx_\w+)", statement)
    if names:
        _check_constants(names[1].replace(",", " ").split(), names[2])
        return
    target = _TARGET.match(statement)
    if target is None:
        raise _NotUnderstoodError("it is no assignment")
    name, index, right = _field(target[1], struct), target[2], statement[target.end() :].strip()
    if right.startswith(("'", "{")):
        case.texts[name] = [quoted.replace("''", "'") for quoted in _QUOTED.findall(right)]
        return
    value = _plain_table(right)
    if value is None:
        value = _Parser(right, case, struct).whole()
    if index is None:
        case.values[name] = value
        return
    matrix = case.values[name].copy() if name in case.values else None
    if matrix is None:
        raise _NotUnderstoodError(f"{name} is not set yet")
    where = np.ix_(*_Parser(index, case, struct).index_alone(matrix))
    matrix[where] = np.broadcast_to(value, matrix[where].shape)
    case.values[name] = matrix


def _check_constants(names: list[str], function: str) -> None:
    """Refuse ``[A, B] = idx_bus`` with names of one's own, which would need MATPOWER's functions."""
    kinds = ["PQ", "PV", "REF", "NONE"] if function == "idx_bus" else []
    # idx_brch returns the limits of the angle after the flows, although their columns come before them.
    if function not in _COLUMNS or not set(names) <= {*kinds, *_COLUMNS[function].split()}:
        raise _NotUnderstoodError("it names columns in its own way")


def _plain_table(text: str) -> Matrix | None:
    """Read a table of plain numbers quickly; None if there is more to it."""
    if not text.startswith("[") or not text.endswith("]"):
        return None
    rows = [row.replace(",", " ").split() for row in re.split(r"[;\n]", text[1:-1].replace("\v", " "))]
    try:
        numbers = [[float(word) for word in row] for row in rows if row]
    except ValueError:
        return None
    if len({len(row) for row in numbers}) > 1:
        raise _NotUnderstoodError("its rows have different lengths")
    return np.array(numbers, dtype=np.float64).reshape(len(numbers), -1 if numbers else 0)


class _Parser:
    """Recursive descent over one expression; every value is a matrix, as in MATLAB."""

    def __init__(self, text: str, case: Case, struct: str) -> None:
        self._case, self._struct = case, struct
        self._tokens: list[Token] = []
        place = 0
        while text[place:].strip(" \t"):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _NotUnderstoodError(f"at '{text[place:].split(maxsplit=1)[0][:20]}'")
            self._tokens.append((match["text"], bool(match["space"])))
            place = match.end()
        self._next = 0
        self._in_matrix = False
        self._size = 0

    def whole(self) -> Matrix:
        """Return the value of the whole text."""
        value = self._sum()
        if self._next < len(self._tokens):
            raise _NotUnderstoodError(f"at '{self._peek()}'")
        return value

    def index_alone(self, matrix: Matrix) -> list[NDArray[np.int64]]:
        """Return rows and columns, from 0, of a text like ``(:, [3, 4])``."""
        found = self._index(matrix)
        if self._next < len(self._tokens):
            raise _NotUnderstoodError(f"at '{self._peek()}'")
        return found

    def _peek(self) -> str:
        return self._tokens[self._next][0] if self._next < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._peek()
        if not token or (expected and token != expected):
            raise _NotUnderstoodError(f"'{expected or 'a value'}' is missing")
        self._next += 1
        return token

    def _begins_element(self) -> bool:
        """Whether, within ``[...]``, the next token begins a new element, as in ``[1 -2]`` but not ``[1 - 2]``."""
        if not self._in_matrix or self._next >= len(self._tokens):
            return False
        token, spaced = self._tokens[self._next]
        if token in {"+", "-"}:
            after = self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else ("", True)
            return spaced and not after[1]
        return spaced and (token[0].isalnum() or token[0] in "_.([") and token not in {".*", "./", ".^"}

    def _sum(self) -> Matrix:
        value = self._product()
        while self._peek() in {"+", "-"} and not self._begins_element():
            sign = self._take()
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> Matrix:
        value = self._signed()
        while self._peek() in {"*", "/", ".*", "./"}:
            operator = self._take()
            other = self._signed()
            if operator[0] != "." and 1 not in {other.size, value.size if operator == "*" else 0}:
                raise _NotUnderstoodError(f"'{operator}' of two matrices; '.{operator}' goes element by element")
            with np.errstate(divide="ignore", invalid="ignore"):
                value = value * other if operator[-1] == "*" else value / other
        return value

    def _signed(self) -> Matrix:
        if self._peek() in {"+", "-"}:
            return -self._signed() if self._take() == "-" else self._signed()
        return self._power()

    def _power(self) -> Matrix:
        value = self._atom()
        while self._peek() in {"^", ".^"}:
            operator = self._take()
            sign = -1.0 if self._peek() == "-" and self._take() else 1.0
            other = sign * self._atom()
            if operator == "^" and (value.size, other.size) != (1, 1):
                raise _NotUnderstoodError("'^' of a matrix; '.^' goes element by element")
            with np.errstate(all="ignore"):
                value = value**other
        return value

    def _atom(self) -> Matrix:
        text = self._take()
        if text == "(":
            outside, self._in_matrix = self._in_matrix, False
            value = self._sum()
            self._take(")")
            self._in_matrix = outside
            return value
        if text == "[":
            return self._matrix()
        if text[0].isdigit() or (text[0] == "." and text[1:2].isdigit()):
            return np.full((1, 1), float(text))
        if text == "end" and self._size:
            return np.full((1, 1), float(self._size))
        return self._named(text)

    def _named(self, token: str) -> Matrix:
        called = self._peek() == "(" and not self._begins_element()
        name = _field(token, self._struct)
        if name in self._case.values:
            value = self._case.values[name]
            return value[np.ix_(*self._index(value))] if called else value
        if token in _FUNCTIONS and called:
            return np.asarray(_FUNCTIONS[token](self._atom()), dtype=np.float64)
        if token in _CONSTANTS and not called:
            return np.full((1, 1), _CONSTANTS[token])
        raise _NotUnderstoodError(f"'{token}' is unknown")

    def _matrix(self) -> Matrix:
        outside, self._in_matrix = self._in_matrix, True
        rows: list[list[Matrix]] = [[]]
        while self._peek() != "]":
            if self._peek() in {";", "\n"}:
                self._take()
                rows.append([])
            elif self._peek() == ",":
                self._take()
            else:
                rows[-1].append(self._sum())
        self._take("]")
        self._in_matrix = outside
        return np.vstack([np.hstack(row) for row in rows if row])

    def _index(self, matrix: Matrix) -> list[NDArray[np.int64]]:
        """Read ``(rows, columns)``; both from 0 in what is returned."""
        outside = self._in_matrix, self._size
        self._in_matrix = False
        self._take("(")
        found = []
        for size, closing in zip(matrix.shape, (",", ")"), strict=True):
            self._size = size
            found.append(self._places(size))
            self._take(closing)
        self._in_matrix, self._size = outside
        return found

    def _places(self, size: int) -> NDArray[np.int64]:
        if self._peek() == ":":
            self._take()
            return np.arange(size)
        numbers = self._sum().ravel()
        if self._peek() == ":":
            self._take()
            last = self._sum().item()
            if not last - numbers.item() < _LARGEST_RANGE:
                raise _NotUnderstoodError("the range is too long")
            numbers = np.arange(numbers.item(), last + 1)
        if not ((numbers >= 1) & (numbers <= size) & (numbers == np.rint(numbers))).all():
            raise _NotUnderstoodError(f"an index is none of the whole numbers from 1 to {size}")
        return numbers.astype(np.int64) - 1
