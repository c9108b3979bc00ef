"""What a page says, as plain data: the kinds of results fill it in, ``page`` writes it as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..pictures.picture import Picture


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what is shown.
        order: what it is sorted by, where that is a number; ``None`` sorts by the text.
    """

    text: str
    order: float | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """A table that can be sorted and filtered.

    Attributes:
        ident: of the page's part.
        title: above it.
        columns: their titles.
        rows: as many cells each.
        note: what is to be known of it, such as how many rows are not shown.
        numbers: which columns hold numbers.
    """

    ident: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture with its words.

    Attributes:
        ident: an identifier, unique in the page.
        title: what it is.
        words: how to read it.
        picture: drawn by the page.
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


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with pictures, in this order."""

    ident: str
    title: str
    parts: Sequence[Chart | Image | Table]
    words: str = ""


@dataclass(frozen=True)
class Command:
    """A command that can be copied, and what it does."""

    words: str
    line: str


@dataclass(frozen=True, eq=False)
class Page:
    """A whole page.

    Attributes:
        kind: which command made the result.
        title: what the result is called.
        verdict: the answer, one or two sentences.
        why, next: sentences; commands stand between backticks.
        question: what was asked, as terms and values.
        config: the config as YAML; empty without one.
        sections: pictures and tables.
        provenance: where it comes from, as terms and values.
        commands: how to make it again.
        notes: what should be known, a sentence each.
    """

    kind: str
    title: str
    verdict: str
    why: Sequence[str]
    next: Sequence[str]
    question: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    provenance: Sequence[tuple[str, str]]
    commands: Sequence[Command]
    config: str = ""
    notes: Sequence[str] = field(default_factory=tuple)
