"""What a config gave yesterday it gives today, to the bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

from tests.golden.configs import documents
from tests.golden.tables import (
    FILE,
    NAMES,
    examples,
    machine,
    offered,
    pictures,
    require_same,
    simulated,
    tables,
    told,
)

GOLDEN = json.loads(FILE.read_text())
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
    require_same(expected, found, SAME_MACHINE)


def test_verify_and_recommend_try_what_they_tried_yesterday() -> None:
    """Catches an example that moves, so that a case of a scheme is not looked at any more."""
    assert examples() == GOLDEN["examples"]


def test_pictures_are_those_of_yesterday(folder: Path) -> None:
    """Every kind, and every mark in a page: catches a number, a place or a word that moves."""
    expected, found = GOLDEN["pictures"], pictures(folder)
    if expected["painted"][0] != found["painted"][0]:  # another version of matplotlib
        del expected["painted"], found["painted"]
    assert found == expected


def test_of_names_of_columns_the_same_is_told_as_yesterday() -> None:
    """Catches a word that moves."""
    assert told() == GOLDEN["told"]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_example_does_what_it_did_yesterday(kind: str, name: str) -> None:
    """Schemes under each policy on times with ties, what is known of them, and their refusals; laws
    and their draws. Numbers to six digits. What least squares gives of a singular system differs
    between processors, so schemes are compared on the recorded one."""
    found = simulated(kind, name)
    if SAME_MACHINE or kind != "schemes":
        assert found == GOLDEN["simulated"][f"{kind}.{name}"]


def test_a_config_can_say_what_it_could_say_yesterday() -> None:
    """Types, ranges and defaults; the words beside them may change."""
    assert offered() == GOLDEN["offered"]
