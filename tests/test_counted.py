"""Nouns after a number."""

from __future__ import annotations

import pytest

from erasurehead.experiments.counted import counted, left_out


@pytest.mark.parametrize(("number", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells")])
def test_a_noun_follows_its_number(number: int, text: str) -> None:
    assert counted(number, "cell") == text


def test_a_verb_follows_its_number() -> None:
    assert [counted(n, "worker is", "workers are") for n in (1, 2)] == [
        "1 worker is",
        "2 workers are",
    ]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, ""), (1, "1 more scheme is not shown"), (2, "2 more schemes are not shown")],
)
def test_what_is_left_out_is_counted(number: int, text: str) -> None:
    assert left_out(number, "scheme") == text


def test_what_is_left_out_belongs_to_something() -> None:
    assert left_out(1, "point", "of the sweep") == "1 more point of the sweep is not shown"
