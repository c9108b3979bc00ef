"""What a config gave yesterday it gives today, to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from tests.golden.configs import documents
from tests.golden.tables import FILE, machine, tables

GOLDEN = json.loads(FILE.read_text())
ROUNDING = 1e-11
"""``code_residual`` is rounding and nothing else: 4e-12 on one processor, 5e-12 on another."""

SAME_MACHINE = GOLDEN["machine"] == machine()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


def test_there_is_a_golden_table_for_each_config(tmp_path: Path) -> None:
    assert set(documents(tmp_path)) == set(GOLDEN["tables"])


@pytest.mark.parametrize("name", GOLDEN["tables"])
def test_tables_are_the_golden_ones(name: str, folder: Path) -> None:
    """Whatever number of threads is allowed: the simulator takes one."""
    with threadpool_limits(2):
        expected, found = GOLDEN["tables"][name], tables(documents(folder)[name], folder)
    for table, columns in expected.items():
        assert list(found[table]) == list(columns), table
        for column, kept in columns.items():
            if SAME_MACHINE or kept["mean"] is None:
                assert found[table][column]["hash"] == kept["hash"], f"{table}.{column}"
            else:
                mean = pytest.approx(kept["mean"], rel=1e-6, abs=ROUNDING)
                assert found[table][column]["mean"] == mean, f"{table}.{column}"
