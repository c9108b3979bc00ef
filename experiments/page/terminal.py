"""The one way to the terminal: lines, tables, progress bars, and a whole page.

What is written there comes from outside, so it is never obeyed: markup and emoji codes are not
interpreted, and every line is escaped and shortened. Importing this is cheap: the program tells its
errors with it before anything heavy is there."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...sim.base.errors import shell_word
from ..text import LONGEST_LINE, line, number_of

if TYPE_CHECKING:
    from rich.console import Console

    from .content import Page
    from .content import Table as PageTable

MAX_CELL_CHARACTERS = 80  # characters of a text from outside in a table
COLUMN_GAP = 2  # characters between two columns


def say(text: str) -> None:
    """Write one line to stdout."""
    print(line(text), flush=True)


def say_all(lines: Iterable[str]) -> None:
    """Write several lines to stdout."""
    for text in lines:
        say(text)


def say_read(lines: Iterable[str]) -> None:
    """Write how a table was read without the indented table, which ``read`` shows."""
    say_all(text for text in lines if not text.startswith("  "))


def follow(*words: object) -> None:
    """Name the next command, ready for a shell; it may be longer than a line."""
    command = " ".join(shell_word(str(word)) for word in words)
    print(line(f"next: erasurehead {command}", 10 * LONGEST_LINE), flush=True)


def tell(text: str, most: int = LONGEST_LINE) -> None:
    """Write one line to stderr; if that cannot be written either, nobody can be told."""
    with contextlib.suppress(OSError, ValueError):
        print(line(text, most), file=sys.stderr, flush=True)


def console(stderr: bool = False, soft_wrap: bool = False) -> Console:
    """For tables and progress bars. Their texts must have been through ``errors.line``."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, highlight=False, emoji=False)


def width(of: Console) -> int:
    """Characters that fit into a line; a file or a pipe takes as many as a line may have."""
    known = of.is_terminal or "COLUMNS" in os.environ
    return min(of.width, LONGEST_LINE) if known else LONGEST_LINE


def says(character: str) -> bool:
    """Whether stdout can show a character."""
    try:
        character.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


@contextlib.contextmanager
def progress(
    unit: str, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[float, int], None]]:
    """A progress bar on stderr, moved by things done and things in all; in a pipe a line on stdout
    every minute, of the clock's seconds."""
    if not sys.stderr.isatty():  # not Progress(disable=True): before rich 14 that prints a line
        began = last = clock()

        def each_minute(done: float, total: int) -> None:
            nonlocal last
            if (now := clock()) >= last + 60:
                last = now
                say(f"{done:.4g} of {total} {unit} after {(now - began) / 60:.0f} min")

        yield each_minute
        return
    from rich import progress as rich

    numbers = (rich.MofNCompleteColumn(), rich.TimeElapsedColumn(), rich.TimeRemainingColumn())
    columns = (rich.TextColumn(unit), rich.BarColumn(), *numbers)
    # what is left is told from what was done in the last hour: a cell can take many minutes
    with rich.Progress(*columns, console=console(stderr=True), speed_estimate_period=3600.0) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@dataclass(frozen=True)
class Column:
    """A column of a table: whole numbers and words."""

    title: str  # its heading
    cells: Sequence[str]  # its values, as they are written
    # 0 for a column that tells rows apart; the highest rank goes first where the terminal is narrow
    rank: int = 0
    stays: bool = False  # whether it stays however narrow the terminal is

    @classmethod
    def of(cls, title: str, cells: Sequence[str]) -> Column:
        """A column of texts from outside."""
        own = [line(cell, MAX_CELL_CHARACTERS) for cell in cells]
        return cls(line(title, MAX_CELL_CHARACTERS), own)

    @cached_property
    def width(self) -> int:
        """Characters of the longest value."""
        from rich.cells import cell_len

        return max(map(cell_len, (self.title, *self.cells)))

    def filled(self) -> Iterator[str]:
        """Title and values, with blanks up to the column's width."""
        from rich.cells import cell_len

        blanks = ((text, " " * (self.width - cell_len(text))) for text in (self.title, *self.cells))
        return (blank + text if self.rank else text + blank for text, blank in blanks)


def fitting(columns: Sequence[Column], width: int) -> tuple[list[Column], list[Column]]:
    """The columns that fit into a line, and those that are left out, the least important first. A
    wide one gives way to narrower ones after it."""
    always = [column for column in columns if column.stays or column.rank == 0]
    room = width - sum(column.width + COLUMN_GAP for column in always) + COLUMN_GAP
    left_out = list[Column]()
    for column in sorted(columns, key=lambda column: column.rank):
        if column in always:
            continue
        if column.width + COLUMN_GAP > room:
            left_out.insert(0, column)
        else:
            room -= column.width + COLUMN_GAP
    return [column for column in columns if column not in left_out], left_out


def show_columns(columns: Sequence[Column]) -> list[Column]:
    """Print a table; returns the columns for which a line has no room."""
    out = console()
    kept, left_out = fitting(columns, width(out))
    lines = map((" " * COLUMN_GAP).join, zip(*map(Column.filled, kept), strict=True))
    out.out(next(lines), style="table.header", highlight=False)
    for row in lines:
        print(row)  # a Table of rich takes 2 ms a row, its plain text a kilobyte
    sys.stdout.flush()
    return left_out


def show(page: Page, facts: int | None = 5) -> None:
    """Print the verdict, its limits, what it rests on, of that so many sentences (``None``: all;
    the report has them), some rows of the tables, and what to do next."""
    answer = page.answer
    why = answer.why[:facts]
    limits = [answer.limits] if answer.limits else []
    for text in (*re.split(r"(?<=\.) (?=[A-Z])", answer.verdict), *limits, *why):
        say_all(in_lines(text))
    if more := len(answer.why) - len(why):
        say(f"{number_of(more, 'more finding')} in the report")
    say("")
    for table in page.tables:
        if table.brief:
            _show_table(table)
            say("")
    say_all(f"next: {step}" for step in page.answer.next)


def in_lines(text: str) -> Iterator[str]:
    """A sentence in as many lines as it needs, cut behind semicolons: nothing is left out."""
    held = ""
    for clause in re.split(r"(?<=;) ", text):
        if held and len(held) + len(clause) >= LONGEST_LINE:
            yield held
            held = ""
        held = f"{held} {clause}".strip()
    yield held


def _show_table(table: PageTable) -> None:
    if table.title:
        say(f"{table.title}:")
    rows = [table.rows[i] for i in table.brief if i < len(table.rows)]
    sign = "±" if says("±") else "+-"
    columns = [
        Column.of(title, [str(row[i]) for row in rows])
        if i < table.keys
        else Column(
            title, [line(str(row[i]).replace("±", sign), MAX_CELL_CHARACTERS) for row in rows], i
        )
        for i, title in enumerate(table.columns)
    ]
    left_out = [column.title for column in show_columns(columns)]
    say_all(not_shown(table.file, left_out, len(table.rows) - len(rows)))


def not_shown(file: str, columns: Sequence[str], rows: int = 0) -> Iterator[str]:
    """Which columns of a file the terminal has no room for, and how many rows it leaves out."""
    phrases = [number_of(rows, "more row")] if rows else []
    phrases += [f"column{'s' * (len(columns) > 1)} {', '.join(columns)}"] if columns else []
    if phrases:
        yield f"see {file} for {' and '.join(phrases)}"
