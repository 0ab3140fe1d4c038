"""Assertions that several test files need."""

from __future__ import annotations

import pandas as pd

from cosim.results import Result


def assert_same_tables(one: Result, other: Result) -> None:
    for name, table in one.tables.items():
        pd.testing.assert_frame_equal(table, other.tables[name], check_exact=True)
