"""What the terminal shows; errors and text from outside."""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead.experiments.page.answer import Answer
from erasurehead.experiments.page.content import Page
from erasurehead.experiments.page.terminal import Column, fitting, show, show_columns
from erasurehead.experiments.run.command import HEADINGS, IN_THEORY, Outcome, run, show_outcome
from erasurehead.experiments.text import (
    escaped,
    is_plain,
    left_out,
    line,
    number_of,
    shortened,
)
from erasurehead.sim.errors import InvalidDelay, InvalidParameter, NeverEnough
from tests.tools import examples, inside

# Tables in the terminal: whole columns or none, whatever its width.


DOCUMENT = {
    "workers": 6,
    "iterations": 20,
    "replications": 4,
    "delay": {"model": "exponential", "rate": 2.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": [2, 3]}],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 60, "features": 3},
    "optimizer": {"rule": "gd", "learning_rate": 0.5},
    "target_loss": 0.6,
}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    from erasurehead.experiments.run.command import RunOptions

    return run(DOCUMENT, tmp_path_factory.mktemp("out"), RunOptions())


def shown(
    outcome: Outcome,
    width: int | None,
    capsys: pytest.CaptureFixture[str],
    patch: pytest.MonkeyPatch,
) -> list[str]:
    patch.delenv("COLUMNS", raising=False)
    if width is not None:
        patch.setenv("COLUMNS", str(width))
    show_outcome(outcome, Path("out"))
    return capsys.readouterr().out.splitlines()


def numbers(summary: pd.DataFrame) -> set[str]:
    """Every number that the widest table shows."""
    return {
        f"{row[f'{name}_mean']:.4g} ±{row[f'{name}_se']:.1g}"
        for name in HEADINGS
        if f"{name}_mean" in summary
        for _, row in summary.iterrows()
    }


@pytest.mark.parametrize("width", [10, 40, 60, 80, 100, 120, 160])
def test_numbers_are_whole_or_absent(
    width: int,
    outcome: Outcome,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what is absent is named, with where it can be found."""
    lines = shown(outcome, width, capsys, monkeypatch)
    table = lines[:4]
    for row in table[1:]:
        found = re.findall(r"[\d.e+-]+ ±[\d.e+-]+", row)
        assert set(found) <= numbers(outcome.summary)
        assert len(found) == len(re.findall("±", row))
    titles = [title for name, title in HEADINGS.items() if f"{name}_mean" in outcome.summary]
    titles += [title for name, title in IN_THEORY.items() if f"{name}_theory" in outcome.summary]
    assert len({*titles}) == len(titles), "each column has a heading of its own"
    seen = re.split(r"\s{2,}", table[0].strip())
    assert {"s / iteration", "decoding error"} <= set(seen)
    missing = [title for title in titles if title not in seen]
    said = lines[4].removeprefix("too narrow for ").removesuffix(": see summary.parquet")
    assert not missing or sorted(said.split(", ")) == sorted(missing)
    assert width < 60 or max(map(len, table)) <= width
    assert "scheme" in table[0]


def test_in_80_columns_the_demo_has_each_mean_beside_its_closed_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the README promises: no label is too long, and nothing else comes before theory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    assert inside("init").returncode == 0
    few = ("--set", "iterations=3", "--set", "replications=2")
    lines = inside("run", "demo.yaml", *few).stdout.splitlines()
    titles = re.split(r"\s{2,}", lines[0])
    assert titles[:4] == ["scheme", "s / iteration", "theory (z)", "decoding error"]
    assert len(lines[0]) <= 80


def test_a_file_or_a_pipe_gets_every_column(
    outcome: Outcome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(outcome, None, capsys, monkeypatch)
    titles = [title for name, title in HEADINGS.items() if f"{name}_mean" in outcome.summary]
    assert all(title in lines[0] for title in titles)
    assert "too narrow" not in "".join(lines)


def test_the_rounding_of_a_zero_is_shown_as_zero(
    outcome: Outcome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the columns that are of the order of 1: wasted work, and decoding errors."""
    summary = outcome.summary.copy()
    summary[["wasted_mean", "decoding_error_mean"]] = [[6e-17, 4e-25], [1e-4, 2e-3], [0.5, 0.5]]
    summary[["wasted_se", "decoding_error_se"]] = [[3e-17, 6e-26], [1e-5, 1e-4], [0.1, 0.1]]
    lines = shown(replace(outcome, summary=summary), None, capsys, monkeypatch)
    places = [lines[0].index(title) + len(title) for title in ("wasted", "decoding error")]
    for place in places:
        assert lines[1][:place].endswith("  0 ±0"), lines[1]
        assert not lines[2][:place].endswith("  0 ±0"), lines[2]


def test_the_least_important_columns_go_first() -> None:
    """But a wide one leaves its room to narrower ones after it: nothing at all says less."""
    columns = [Column("a", ["xxxx"]), Column("b", ["12345"], 1), Column("c", ["1"], 3)]
    columns.append(Column("d", ["123"], 2))
    for width, kept in [(19, "abcd"), (18, "abd"), (16, "abd"), (15, "abc"), (10, "ad"), (1, "a")]:
        fit, left_out = fitting(columns, width)
        assert "".join(column.title for column in fit) == kept
        assert {column.title for column in left_out} == set("abcd") - set(kept)


def test_a_column_that_stays_does_so_on_any_terminal() -> None:
    columns = [Column("a", ["xxxx"]), Column("b", ["12345"], 1), Column("c", ["1"], 2, stays=True)]
    for width, kept in [(14, "abc"), (13, "ac"), (1, "ac")]:
        assert "".join(column.title for column in fitting(columns, width)[0]) == kept


def test_a_long_verdict_is_whole_in_several_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a headline that is cut in its middle: every clause is there, in order."""
    clauses = [
        f"scheme {i} takes {i}.5 % less than the one before it and is exact" for i in range(9)
    ]
    verdict = f"The best is this one; {'; '.join(clauses)}."
    show(Page(Answer("fit", "t.csv", verdict, ("short; and whole",)), [], []))
    lines = capsys.readouterr().out.rstrip().split("\n")
    assert " ".join(lines[:-1]) == verdict
    assert all(len(each) <= 300 for each in lines)
    assert len(lines) == 4
    assert lines[-1] == "short; and whole"


def test_a_pipe_keeps_a_column_of_one_character(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich would squeeze a table into 80 columns, and that column to nothing."""
    monkeypatch.delenv("COLUMNS", raising=False)
    wide = [Column(f"{name * 30}", [name]) for name in "abc"]
    assert show_columns([Column("s", ["7"], 1), *wide]) == []
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.split()[0] == "s"
    assert row.split() == ["7", "a", "b", "c"]


# Nouns after a number.


@pytest.mark.parametrize(("number", "text"), [(0, "0 cells"), (1, "1 cell"), (2, "2 cells")])
def test_a_noun_follows_its_number(number: int, text: str) -> None:
    assert number_of(number, "cell") == text


def test_a_verb_follows_its_number() -> None:
    assert [number_of(n, "worker is", "workers are") for n in (1, 2)] == [
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


# Text from outside as it may be shown.


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


@examples(100)
@given(st.text() | st.characters(categories=["Cs", "Cc", "Cf"]))
def test_every_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    shown = line(text)
    assert len(shown) <= 300
    assert len(shown.splitlines()) <= 1
    assert escaped(shown) == shown
    shown.encode()
    safe = shown.replace("&", "&amp;").replace("<", "&lt;")
    minidom.parseString(f"<a>{safe}</a>")


def test_a_long_text_keeps_both_ends() -> None:
    text = f"first {'x' * 5000} last"
    shown = shortened(text)
    assert len(shown) == 300
    assert shown.startswith("first x")
    assert shown.endswith("x last")
    assert " ... " in shown
    assert shortened("x" * 300) == "x" * 300


@pytest.mark.parametrize(("unheard", "end"), [(10, "10 workers: 0, {}, 9"), (11, "{}, 9, ...")])
def test_ten_workers_that_are_not_heard_are_named(unheard: int, end: str) -> None:
    text = str(NeverEnough(2, list(range(unheard))))
    assert text.endswith(end.format(", ".join(map(str, range(1, 9)))))


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
