"""What the terminal shows; errors and text from outside."""

from __future__ import annotations

import io
import os
import pickle
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.dom import minidom

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasurehead import ConfigError
from erasurehead.delay_models.measured.cells import numbers as numbers_of
from erasurehead.experiments.commands.run import HEADINGS, IN_THEORY, _short, show_outcome
from erasurehead.experiments.config.cells import cells
from erasurehead.experiments.config.settings import _counted, _shown
from erasurehead.experiments.page import terminal
from erasurehead.experiments.page.content import Answer, Page, Section, Table
from erasurehead.experiments.page.folder import command_line
from erasurehead.experiments.page.terminal import Column, fitting, not_shown, show, show_columns
from erasurehead.experiments.run.command import Outcome, run
from erasurehead.experiments.text import (
    TableCell,
    interval,
    left_out,
    line,
    number,
    number_of,
    of_the_user,
    percent,
    raised,
    shortened,
    theory_text,
)
from erasurehead.plugins import InvalidParameter
from erasurehead.sim.base.errors import InvalidDelay, NeverEnough, escaped, is_plain, one_of, quoted
from erasurehead.sim.base.files import UnusableFile, reading, short
from tests.golden.records import require_recorded
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
        f"{row[f'{name}_mean']:.4g} ± {row[f'{name}_se']:.1g}"
        for name in HEADINGS
        if f"{name}_mean" in summary
        for _, row in summary.iterrows()
    }


@pytest.mark.golden
@pytest.mark.parametrize("width", [10, 40, 60, 80, 100, 120, 160])
def test_numbers_are_whole_or_absent(
    width: int,
    outcome: Outcome,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And what is absent is named, with where it can be found."""
    lines = shown(outcome, width, capsys, monkeypatch)
    require_recorded("commands", {f"run at {width}": "\n".join(lines)})
    table = lines[:4]
    for row in table[1:]:
        found = re.findall(r"[\d.e+-]+ ± [\d.e+-]+", row)
        assert set(found) <= numbers(outcome.summary)
        assert len(found) == len(re.findall("±", row))
    titles = [title for name, title in HEADINGS.items() if f"{name}_mean" in outcome.summary]
    titles += [title for name, title in IN_THEORY.items() if f"{name}_theory" in outcome.summary]
    assert len({*titles}) == len(titles), "each column has a heading of its own"
    seen = re.split(r"\s{2,}", table[0].strip())
    assert {"s / iteration", "decoding error"} <= set(seen)
    missing = [title for title in titles if title not in (*seen, "s to target (median)")]
    assert sum("s to target" in line for line in lines) == 1, "below the others, if need be"
    said = re.sub("^see summary.parquet for columns? ", "", lines[4])
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
    assert "summary.parquet" not in "".join(lines)


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
        assert lines[1][:place].endswith("   0"), lines[1]
        assert not lines[2][:place].endswith("   0"), lines[2]


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


# How much of a text is shown: as long as it fits all of it, else so much and three points.


def reason_of(text: str) -> str:
    """What is said of a file that a library refuses with so many words."""
    with pytest.raises(UnusableFile) as refused, reading("csv"):
        raise ValueError(f"{text}\nand more")
    return str(refused.value).removeprefix("cannot be read as csv: ")


@pytest.mark.parametrize(
    ("shown", "most"),
    [(lambda text: quoted(text[:-2]), 60), (short, 60), (reason_of, 200), (_short, 24)],
    ids=["quoted", "short", "reason", "swept value"],
)
def test_a_text_is_cut_where_it_does_not_fit(shown: Callable[[str], str], most: int) -> None:
    assert len(shown("x" * most)) == most
    assert "..." not in shown("x" * most)
    cut = shown("x" * (most + 1))
    assert len(cut) == most
    assert cut.endswith("x...")


def test_a_cell_that_is_no_number_is_shown_in_forty_letters() -> None:
    for length in (40, 41):
        with pytest.raises(UnusableFile) as refused:
            numbers_of(pd.Series(["1", "x" * length], name="t"), "seconds")
        text = "x" * min(length, 40) + ("..." if length > 40 else "")
        assert str(refused.value).startswith(
            f"row 2, column t: {text!r} is not a number of seconds"
        )


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        (["b", "a"], "c", "must be one of: a, b"),
        (["load", "loads"], "laod", "must be one of: load, loads (did you mean load?)"),
        (["workers", "replications"], "R", "(did you mean replications?)"),
        (["replications"], "n", "must be one of: replications"),
        (["x" * 94, "y" * 94], "z", f"must be one of: {'x' * 94}, {'y' * 94}"),  # 190 letters
        (["x" * 94, "y" * 95], "z", f"must be one of 2 names: {'x' * 94}, {'y' * 95}, ..."),
    ],
)
def test_valid_names_are_listed_with_the_likely_one(
    names: list[str], given: str, said: str
) -> None:
    found = one_of(names, given)
    assert found.endswith(said) if said.startswith("(") else found == said


def test_of_many_names_six_that_are_like_it_are_shown() -> None:
    names = [f"scheme_{a}{b}" for a in "abcdef" for b in "abcdef"]
    found = one_of(names, "scheme_af")
    head, _, listed = found.partition(": ")
    assert head == "must be one of 36 names"
    assert len(listed.split(", ..., ")[0].split(", ")) == 7, "six names, and that there are more"
    assert "(did you mean scheme_af?)" in found
    assert "did you mean" not in one_of(["load"], "lo", likely=["rate"])
    assert one_of(["load"], "loads", likely=["rate"]).endswith("(did you mean load?)")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConfigError("a = 1: b"), "a = 1: b"),
        (FileNotFoundError(2, "No such file", "x.csv"), "x.csv: No such file"),
        (FileNotFoundError(2, "No such file", b"x.csv"), "x.csv: No such file"),
        (OSError(28, "No space left"), "No space left where results, this text and temporary"),
        (OSError(2, "No such file"), None),
        (OSError("odd"), None),
        (OSError(12, "Cannot allocate"), "not enough memory: take smaller data"),
        (MemoryError("5 GiB"), "not enough memory (5 GiB): take smaller data"),
        (RuntimeError("can't start new thread"), "not enough memory: take smaller data"),
        (BlockingIOError(11, "Resource unavailable"), "not enough memory"),  # no new process
        (BlockingIOError(11, "write could not complete", 0), None),  # a full pipe
        (KeyError("x"), None),
        (ModuleNotFoundError(name="typer"), "Python package typer is not installed in "),
        (ModuleNotFoundError(name="erasurehead.gone"), None),
        (ModuleNotFoundError("odd"), None),
    ],
    ids=repr,
)
def test_what_the_user_can_mend_is_said_and_our_faults_are_not(
    error: BaseException, words: str | None
) -> None:
    found = of_the_user(error)
    assert (found is None) == (words is None)
    assert words is None or str(found).startswith(words)


@pytest.mark.parametrize(("count", "label"), [(4, "[1, 2, 3, 4]"), (40, "[1, 2, ..., 40]")])
def test_a_label_shows_the_ends_of_a_long_list(count: int, label: str) -> None:
    assert str(_shown([*range(1, count + 1)])) == label
    assert len(str(_shown([float(place) for place in range(1, 5)])).split()) == 4
    assert "..." in str(_shown([*range(5)]))
    assert (_shown(3.0), _shown(2.5), _shown("a")) == (3, 2.5, "a")


@pytest.mark.parametrize(
    ("value", "workers", "count"),
    [
        ("n/2", 9, 5),  # rounded up
        ("n/2", 8, 4),
        ("n-3", 9, 6),
        ("n-3", 9.0, 6),
        ("n-3", 9.5, "n-3"),
        ("n-3", "auto", "n-3"),
        ("m-3", 9, "m-3"),
        (4, 9, 4),
    ],
)
def test_a_count_that_follows_the_workers(value: Any, workers: Any, count: Any) -> None:
    assert _counted(value, workers) == count


@pytest.mark.parametrize(
    ("label", "taken"),
    [
        *(("x" * 100, True), ("x" * 101, False), ("", False)),
        *((" ", False), (3, True), (2.5, True), (True, False), (None, False), ("a\nb", False)),
    ],
)
def test_a_label_is_one_line_of_some_characters(label: Any, taken: bool) -> None:
    scheme = {"name": "uncoded", "label": label}
    document = {key: DOCUMENT[key] for key in ("workers", "delay")} | {"schemes": [scheme]}
    if taken or label is None:
        [cell] = cells(document)
        assert cell.label == ("uncoded" if label is None else str(label))
        return
    with pytest.raises(ConfigError, match="visible characters and spaces, in one line"):
        cells(document)


# Numbers as text, the same in every medium.


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("cell", "shown", "order"),
    [
        (number(1.23456), "1.235", 1.23456),
        (number(1.23456, 0.0123), "1.235 ± 0.01", 1.23456),
        (number(1.23456, 0.0, "s"), "1.235 s", 1.23456),
        (number(1.23456, NAN, "s", 2), "1.2 s", 1.23456),
        (number(NAN, 0.5), "-", None),
        (interval(1.23456, 1.2, 1.3), "1.23 (1.2 to 1.3)", 1.23456),
        (interval(1.23456, NAN, 1.3, 4), "1.235", 1.23456),
        (interval(NAN, 1.2, 1.3), "-", None),
        (interval(1.23456, 1.2, INF), "1.23 (1.2 or more)", 1.23456),
        (interval(INF, 1.2, INF, 3, "not reached"), "not reached (1.2 or more)", INF),
        (interval(INF, NAN, NAN), "infinite", INF),
        (interval(INF, INF, INF), "infinite", INF),
        (theory_text(1.23456, 0.44), "1.235 (+0.4)", 1.23456),
        (theory_text(1.23456, -1.25), "1.235 (-1.2)", 1.23456),
        (theory_text(1.23456, NAN), "1.235", 1.23456),
        (theory_text(NAN, 1.0), "-", None),
        (percent(0.38249), "38.2 %", 0.38249),
        (percent(0.38249, 0.36, 0.4), "38.2 % (36.0 to 40.0 %)", 0.38249),
        (percent(0.9994), "99.9 %", 0.9994),
        (percent(0.9996), "100 %", 0.9996),
        (percent(-1.234), "-123 %", -1.234),
        (percent(-0.0001), "0.0 %", -0.0001),
        (percent(INF), "infinite %", INF),
        (percent(NAN, 0.1, 0.2), "-", None),
    ],
    ids=str,
)
def test_numbers_are_written_as_people_read_them(
    cell: TableCell, shown: str, order: float | None
) -> None:
    """With the error's first digit; a share of 100 % and more has no digit after the point."""
    assert str(cell) == shown
    if order is None:
        assert cell.order is not None
        assert cell.order != cell.order, "unknown ones sort behind all others"
    else:
        assert cell.order == order


def test_what_was_raised_is_one_line() -> None:
    assert raised(KeyError("a\n b")) == "KeyError: 'a\\n b'"
    assert raised(ValueError("a\n  b")) == "ValueError: a b"


def test_a_page_in_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brief rows of each table, names cut at 80 characters, what has no room, and what is next."""
    monkeypatch.setenv("COLUMNS", "96")
    rows = [
        [TableCell(text), number(value, 0.5), number(7.0)]
        for text, value in (("x" * 81, 1.0), ("y", 2.0), ("z", 3.0))
    ]
    brief = Table(
        "t", "The table", ["name", "value (s)", "more"], rows, file="t.csv", brief=(0, 2, 5)
    )
    silent = Table("u", "", ["name"], rows[:1])
    answer = Answer("kind", "what", "First. Second; third.", ("Why.",), next=("do this",))
    show(Page(answer, [], [Section("s", "S", [brief, silent])]))
    cut = shortened("x" * 81, 80)
    assert capsys.readouterr().out.splitlines() == [
        "First.", "Second; third.", "Why.", "", "The table:",
        "name" + " " * 76 + "  value (s)",
        f"{cut}    1 ± 0.5",
        "z" + " " * 79 + "    3 ± 0.5",
        "see t.csv for 1 more row and column more", "", "next: do this",
    ]  # fmt: skip


@pytest.mark.parametrize(("facts", "said"), [(2, 2), (5, 3), (None, 3)])
def test_the_report_has_what_the_terminal_leaves_out(
    facts: int | None, said: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first sentences, and how many more there are; nothing more where all are printed."""
    show(Page(Answer("kind", "what", "Yes.", ("One.", "Two.", "Three.")), [], []), facts)
    more = ["1 more finding in the report"] if said < 3 else []
    assert capsys.readouterr().out.splitlines() == [
        "Yes.", *("One.", "Two.", "Three.")[:said], *more, "",
    ]  # fmt: skip


def test_what_a_terminal_has_no_room_for() -> None:
    """Rows, columns, both, or neither."""
    assert [*not_shown("t.csv", [])] == []
    assert [*not_shown("t.csv", [], 2)] == ["see t.csv for 2 more rows"]
    assert [*not_shown("t.csv", ["a"])] == ["see t.csv for column a"]
    assert [*not_shown("t.csv", ["a", "b"], 1)] == ["see t.csv for 1 more row and columns a, b"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["fit", "a b.csv", "--unit", "ms"], "erasurehead fit 'a b.csv' --unit ms"),
        (["fit", "t", "--output", "x", "--load", "1"], "erasurehead fit t --load 1"),
        (["fit", "t", "--output=x", "--jobs=2", "--debug"], "erasurehead fit t"),
        (["fit", "t", "--jobs", "2", "--jobs"], "erasurehead fit t"),
        (["fit", "--outputs", "x"], "erasurehead fit --outputs x"),
    ],
)
def test_how_to_ask_again(given: list[str], said: str) -> None:
    """Without where results go and how they are computed."""
    assert command_line(given) == said


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("utf-8", True), ("ascii", False), ("latin-1", False), (None, True), ("none-such", False)],
)
def test_what_a_terminal_cannot_say_is_known(
    encoding: str | None, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what stdout writes; a stream that does not say takes everything."""
    monkeypatch.setattr(terminal.sys, "stdout", SimpleNamespace(encoding=encoding))
    assert terminal.says("\N{LEFT SINGLE QUOTATION MARK}") == shown
    assert terminal.says("a") == (encoding != "none-such")


def test_a_next_command_may_be_longer_than_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten times; what is longer is cut, as everything is."""
    terminal.follow("run", "a b.yaml")
    assert capsys.readouterr().out == "next: erasurehead run 'a b.yaml'\n"
    whole = 10 * terminal.LONGEST_LINE - len("next: erasurehead run ")
    for many in (whole, whole + 1):
        terminal.follow("run", "x" * many)
        said = capsys.readouterr().out.rstrip("\n")
        assert len(said) == 10 * terminal.LONGEST_LINE
        assert (said == f"next: erasurehead run {'x' * many}") == (many == whole)


ODD_FOLDERS = [
    b"r\xe9sum\xe9", b"a b", b"it's", b"$HOME", b"a\nb", "zoë".encode(), b"\x1b[31m",
    b"back\\slash\xff", b"-x", b"\xe91", b"'\xe9\"",
]  # fmt: skip


@pytest.mark.skipif(shutil.which("bash") is None, reason="sh need not read $'...'")
@pytest.mark.parametrize("name", ODD_FOLDERS, ids=repr)
def test_the_next_command_names_any_folder_for_a_shell(
    name: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is printed, escaped for the terminal. Catches words that a shell cuts or reads as
    something else, and bytes that are no text."""
    terminal.follow("report", Path(os.fsdecode(name)))
    printed = capsys.readouterr().out.removeprefix("next: erasurehead ").rstrip("\n")
    assert printed.isprintable()
    command = ["bash", "-c", f"printf '%s\\0' {printed}"]
    read = subprocess.run(command, capture_output=True, check=True).stdout
    assert read == b"report\0" + name + b"\0"


def test_off_a_terminal_a_line_says_every_minute_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By its clock, however often it is told."""
    now = iter([0.0, 30.0, 59.0, 61.0, 100.0, 120.0, 121.0, 200.0])
    with terminal.progress("cells", lambda: next(now)) as progress:
        for done in range(7):
            progress(done / 2, 10)
    said = ["1 of 10 cells after 1 min", "2.5 of 10 cells after 2 min", "3 of 10 cells after 3 min"]
    assert capsys.readouterr().out.splitlines() == said


def test_on_a_terminal_a_bar_says_what_is_left_by_what_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two of six cells took 100 s each, so four take 400 s; catches a bar that knows 30 s alone."""
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", screen)
    now = 0.0
    monkeypatch.setattr("rich.console.monotonic", lambda: now)
    with terminal.progress("cells") as progress:
        for done in range(3):
            now = 100.0 * done
            progress(done, 6)
        now = 210.0  # so that the last picture is a new one
    assert "0:06:40" in screen.getvalue()
