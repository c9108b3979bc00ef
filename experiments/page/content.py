"""What a page says, as plain data. A command fills it in; a writer for each medium reads it.
Numbers in it are written by ``experiments/text.py``, the same for every medium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text import TableCell, number

if TYPE_CHECKING:
    from ..pictures.picture import Chart

MAX_TABLE_ROWS = 400  # rows of a table that a page shows; the tables on disk have all


def plain_cell(value: object) -> TableCell:
    """Whatever a column holds."""
    if isinstance(value, bool | np.bool_):
        return TableCell("yes" if value else "no")
    if isinstance(value, int | float | np.number):
        return number(float(value))
    return TableCell("-" if value is None else str(value))


@dataclass(frozen=True, eq=False)
class Table:
    """A table that can be sorted and filtered."""

    ident: str  # an identifier, unique in the page
    title: str  # above it; empty where the section says it
    columns: Sequence[str]  # their titles; a narrow terminal drops the last ones first
    rows: Sequence[Sequence[TableCell]]  # as many cells each
    note: str = ""  # what is to be known of it, such as how many rows are left out
    numbers: frozenset[int] = frozenset()  # which columns hold numbers
    file: str = ""  # where all rows and columns are
    brief: Sequence[int] = ()  # rows that the terminal prints, those that there are
    keys: int = 1  # columns that tell rows apart, the first ones; never dropped


def capped(
    ident: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[TableCell]],
    file: str,
    note: str = "",
    brief: Sequence[int] = (),
    keys: int = 1,
    total: int = 0,
) -> Table:
    """A table of at most ``MAX_TABLE_ROWS`` rows that says so, without empty columns.
    ``total``: how many rows there are, where not all of them are given."""
    if (total := max(total, len(rows))) > MAX_TABLE_ROWS:
        more = f"The first {MAX_TABLE_ROWS} of {total} rows; `{file}` has all."
        note = f"{note} {more}" if note else more
    used = [
        column
        for column in range(len(columns))
        if column == 0 or any(row[column].text not in ("-", "") for row in rows)
    ]
    kept = [[row[column] for column in used] for row in rows[:MAX_TABLE_ROWS]]
    titles, keys = [columns[column] for column in used], sum(column < keys for column in used)
    numbers = {i for row in kept for i, cell in enumerate(row) if cell.order is not None}
    return Table(ident, title, titles, kept, note, frozenset(numbers), file, brief, keys)


@dataclass(frozen=True, eq=False)
class Image:
    """A picture that was drawn before."""

    ident: str  # as of a chart, and so title and words
    title: str
    words: str
    png: bytes  # its bytes


@dataclass(frozen=True)
class CommandLine:
    """A command that can be copied, and what it does."""

    words: str
    line: str


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page: words, a paragraph a line; pictures and tables; how to make it again."""

    ident: str
    title: str
    parts: Sequence[Chart | Image | Table]
    words: str = ""
    command: CommandLine | None = None
    folded: Sequence[Section] = ()  # what a reader opens, beneath all else

    @property
    def every(self) -> Sequence[Section]:
        """The section, and those that are folded in it."""
        return [self, *(inner for section in self.folded for inner in section.every)]

    @property
    def shown(self) -> Sequence[Chart | Image | Table]:
        """The parts but for tables without rows."""
        return [content for content in self.parts if not isinstance(content, Table) or content.rows]


@dataclass(frozen=True)
class Answer:
    """The answer to one question."""

    kind: str  # the command that answered
    subject: str  # what was asked about, such as the name of a table
    verdict: str  # the answer, one sentence
    why: tuple[str, ...] = ()  # what it rests on, a sentence each
    next: tuple[str, ...] = ()  # what to do with it, a sentence each; commands are in backticks
    command: str = ""  # how to ask again; empty where no command line was used
    notes: tuple[str, ...] = ()  # what should be known of the input, a line each
    read: tuple[str, ...] = ()  # how a measured table was read, a line each, if there is one
    # Of ``recommend``, where racks are slow together: a code's groups within them, and across.
    placement: Mapping[str, Any] | None = None
    limits: str = ""  # what the verdict does not hold for, in one line
    # Of ``recommend``, where a scheme wins that needs a training loop of its own: the best for a
    # stock one: ``scheme``, ``section``, ``value``, ``rate``, and ``ratio`` to the winner.
    stock: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Page:
    """A whole page: what a command says of one question."""

    answer: Answer  # what asked what, the verdict, why, what to do next; saved as ``answer.json``
    question: Sequence[tuple[str, str]]  # what was asked, as terms and values
    sections: Sequence[Section]  # pictures and tables
    provenance: Sequence[tuple[str, str]] = ()  # where it comes from, as terms and values
    commands: Sequence[CommandLine] = ()  # how to make it again, if not by the answer's own command
    config: str = ""  # the config as YAML; empty without one
    method: Sequence[str] = ()  # how the numbers were made, paragraphs
    leads: int = 1  # of how many sections the first picture stands above all else

    @property
    def repeats(self) -> Sequence[CommandLine]:
        """How to make it again."""
        line = self.answer.command
        return self.commands or ([CommandLine("Ask again:", line)] if line else [])

    @property
    def charts(self) -> Mapping[str, Chart]:
        """All charts, by their identifiers."""
        from ..pictures.picture import Chart

        items = [item for top in self.sections for own in top.every for item in own.parts]
        return {item.ident: item for item in items if isinstance(item, Chart)}

    @property
    def tables(self) -> Sequence[Table]:
        """All tables that have rows."""
        items = [item for top in self.sections for own in top.every for item in own.shown]
        return [item for item in items if isinstance(item, Table)]
