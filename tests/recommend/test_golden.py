"""What a search found yesterday it finds today, to the bit."""

from __future__ import annotations

import json

import pytest

from tests.golden.tables import machine
from tests.recommend.golden import FILE, SEARCHES, tables

GOLDEN = json.loads(FILE.read_text())
SAME_MACHINE = GOLDEN["machine"] == machine()


@pytest.mark.parametrize("name", SEARCHES)
def test_tables_are_the_golden_ones(name: str) -> None:
    """Texts alone where the machine is another: numbers in them are rounded."""
    found = tables(name)
    for table, expected in GOLDEN["searches"][name].items():
        assert list(found[table]) == list(expected), table
        for column, kept in expected.items():
            if SAME_MACHINE:
                assert found[table][column]["hash"] == kept["hash"], f"{table}.{column}"
            elif kept["mean"] is not None:
                mean = pytest.approx(kept["mean"], rel=1e-6, abs=1e-12)
                assert found[table][column]["mean"] == mean, f"{table}.{column}"
