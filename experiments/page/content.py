"""What a page says, as plain data. A command fills it in; a writer for each medium reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..pictures.picture import Picture

MOST_ROWS = 400
"""Rows of a table that a page shows; the tables on disk have all."""


@dataclass(frozen=True)
class TableCell:
    """A cell of a table; as a string it is its text, so that a sentence can hold it, too.

    Attributes:
        text: what is written.
        order: what it is sorted by, where that is a number; ``None`` sorts by the text.
    """

    text: str
    order: float | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Table:
    """A table that can be sorted and filtered.

    Attributes:
        ident: an identifier, unique in the page.
        title: above it; empty where the section says it.
        columns: their titles; a narrow terminal drops the last ones first.
        rows: as many cells each.
        note: what is to be known of it, such as how many rows are left out.
        numbers: which columns hold numbers.
        file: where all rows and columns are.
        brief: rows that the terminal prints; 0 for none.
        keys: columns that tell rows apart, the first ones; never dropped.
    """

    ident: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[TableCell]]
    note: str = ""
    numbers: frozenset[int] = frozenset()
    file: str = ""
    brief: int = 0
    keys: int = 1


def capped(
    ident: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[TableCell]],
    file: str,
    note: str = "",
    brief: int = 0,
    keys: int = 1,
) -> Table:
    """A table of at most ``MOST_ROWS`` rows that says so; columns without a value are left out."""
    if len(rows) > MOST_ROWS:
        more = f"The first {MOST_ROWS} of {len(rows)} rows; `{file}` has all."
        note = f"{note} {more}" if note else more
    used = [
        column
        for column in range(len(columns))
        if column == 0 or any(row[column].text not in ("-", "") for row in rows)
    ]
    kept = [[row[column] for column in used] for row in rows[:MOST_ROWS]]
    titles, keys = [columns[column] for column in used], sum(column < keys for column in used)
    numbers = {i for row in kept for i, cell in enumerate(row) if cell.order is not None}
    return Table(ident, title, titles, kept, note, frozenset(numbers), file, brief, keys)


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture with its words.

    Attributes:
        ident: an identifier, unique in the page; the name of its file, where it has one.
        title: what it is.
        words: how to read it.
        picture: drawn by the writer.
    """

    ident: str
    title: str
    words: str
    picture: Picture


@dataclass(frozen=True, eq=False)
class Image:
    """A picture that was drawn before.

    Attributes:
        ident, title, words: as of a chart.
        png: its bytes.
    """

    ident: str
    title: str
    words: str
    png: bytes


@dataclass(frozen=True)
class Command:
    """A command that can be copied, and what it does."""

    words: str
    line: str


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page: words, a paragraph a line; pictures and tables, in this order; and how to
    make it again.
    """

    ident: str
    title: str
    parts: Sequence[Chart | Image | Table]
    words: str = ""
    command: Command | None = None

    @property
    def shown(self) -> Sequence[Chart | Image | Table]:
        """The parts but for tables without rows."""
        return [part for part in self.parts if not isinstance(part, Table) or part.rows]


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        kind: the command that answered.
        subject: what was asked about, such as the name of a table.
        verdict: the answer, one sentence or a few.
        why: what it rests on, a sentence each.
        next: what to do with it, a sentence each; commands stand between backticks.
        command: how to ask again; empty where no command line was used.
        notes: what should be known of the input, a line each.
        read: how a measured table was read, a line each; empty where there is none.
    """

    kind: str
    subject: str
    verdict: str
    why: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    command: str = ""
    notes: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Page:
    """A whole page.

    Attributes:
        answer: which command asked what, the verdict, why, and what to do next; it is saved as
            ``answer.json``.
        question: what was asked, as terms and values.
        sections: pictures and tables.
        provenance: where it comes from, as terms and values.
        commands: how to make it again; the answer's own command where nothing is said.
        config: the config as YAML; empty without one.
        method: how the numbers were made, paragraphs.
    """

    answer: Answer
    question: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    provenance: Sequence[tuple[str, str]] = ()
    commands: Sequence[Command] = ()
    config: str = ""
    method: Sequence[str] = ()

    @property
    def again(self) -> Sequence[Command]:
        """How to make it again."""
        line = self.answer.command
        return self.commands or ([Command("Ask again:", line)] if line else [])

    @property
    def charts(self) -> Mapping[str, Chart]:
        """All charts, by their identifiers."""
        parts = [part for section in self.sections for part in section.parts]
        return {part.ident: part for part in parts if isinstance(part, Chart)}

    @property
    def tables(self) -> Sequence[Table]:
        """All tables that have rows."""
        parts = [part for section in self.sections for part in section.shown]
        return [part for part in parts if isinstance(part, Table)]
