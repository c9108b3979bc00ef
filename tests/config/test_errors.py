"""Errors and text from outside."""

from __future__ import annotations

import pickle
from xml.dom import minidom

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.experiments.text import LONGEST_LINE, escaped, is_plain, line, shortened
from erasurehead.sim.errors import InvalidDelay, InvalidParameter, NeverEnough

# Text from outside as it may be shown.


ACTING = [
    "\x1b[31m",
    "\x07",
    "\x00",
    "\r",
    "\n",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\ud800",
    "\x9b",
    "\uffff",
]


@pytest.mark.parametrize("text", ACTING, ids=ascii)
def test_what_a_terminal_acts_on_is_written_in_ascii(text: str) -> None:
    assert not is_plain(f"a{text}b")
    shown = escaped(f"a{text}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert shown == f"a{text}b".encode("unicode_escape").decode()


@pytest.mark.parametrize(
    "text", ["ErasureHead", "d = 3, α ≥ ½", "快速", "🚀", "👩\u200d💻", "[/b] $x$", ""]
)
def test_what_people_write_stays(text: str) -> None:
    assert is_plain(text)
    assert escaped(text) == text


@given(st.text() | st.characters(categories=["Cs", "Cc", "Cf"]))
def test_every_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    shown = line(text)
    assert len(shown) <= LONGEST_LINE
    assert len(shown.splitlines()) <= 1
    assert escaped(shown) == shown
    shown.encode()
    safe = shown.replace("&", "&amp;").replace("<", "&lt;")
    minidom.parseString(f"<a>{safe}</a>")


def test_a_long_text_keeps_both_ends() -> None:
    text = f"first {'x' * 5000} last"
    shown = shortened(text)
    assert len(shown) == LONGEST_LINE
    assert shown.startswith("first x")
    assert shown.endswith("x last")
    assert " ... " in shown
    assert shortened("x" * LONGEST_LINE) == "x" * LONGEST_LINE


# Errors on purpose cross from one process to another without loss.


@pytest.mark.parametrize(
    "error",
    [
        InvalidParameter("load", 4, "must divide workers = 30: 3 or 5", {"load": 3}),
        NeverEnough(2, [1, 3], waited=5.0),
        InvalidDelay("a trace", -1.0, 2, 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_pickling(error: Exception) -> None:
    """Catches one that breaks the pool of processes that it should be reported through."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
