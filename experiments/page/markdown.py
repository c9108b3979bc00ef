"""A page as Markdown: text from outside as data, tables, and lines that a terminal can show."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...sim.errors import escaped
from .content import Chart, Image, Page, Section, Table

WIDTH = 100  # characters of a line
RAW_HTML = re.compile(r"<(?=[A-Za-z/!?])")
LISTED = 25  # rows of a table; the files have all


def as_markdown(page: Page, pictures: Mapping[str, str]) -> str:
    """The page as ``report.md``; ``pictures`` are the files of charts, by their identifiers."""
    answer = page.answer
    lines = [f"# {answer.kind}: {plain_text(answer.subject)}", ""]
    lines += [*(f"- {plain_text(text)}" for text in answer.read), ""] if answer.read else []
    lines += [f"**{plain_text(answer.verdict)}**", ""]
    lines += [*(f"- {plain_text(text)}" for text in (*answer.why, *answer.notes)), ""]
    if answer.next:
        lines += ["## Next", "", *(f"- {plain_text(text)}" for text in answer.next), ""]
    asked = (f"- {title}: {plain_text(text)}" for title, text in page.question)
    lines += ["## The question", "", *asked, ""]
    if page.config:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", page.config)), default=0))
        lines += ["## The config", "", f"{fence}yaml\n{page.config.rstrip()}\n{fence}", ""]
    for section in (one for each in page.sections for one in each.every):
        parts = [*_parts(section, pictures)]
        if parts:
            said = section.words.split("\n") if section.words else []
            words = [line for text in said for line in (plain_text(text), "")]
            again = [f"`{section.command.line}`", ""] if section.command else []
            lines += [f"## {plain_text(section.title)}", "", *words, *parts, *again]
    if page.method:
        lines += ["## How to read this", ""]
        lines += [line for text in page.method for line in (text, "")]
    return "\n".join(map(wrapped, lines))


def _parts(section: Section, pictures: Mapping[str, str]) -> Iterator[str]:
    for part in section.shown:
        match part:
            case Table():
                yield from [f"### {plain_text(part.title)}", ""] if part.title else []
                yield from [plain_text(part.note), ""] if part.note else []
                yield from table(part.columns, [[*map(str, row)] for row in part.rows[:LISTED]])
                yield ""
                if len(part.rows) > LISTED:
                    yield from [f"The first {LISTED} of {len(part.rows)}; `{part.file}` has all."]
                    yield ""
            case Chart() | Image():
                if part.ident in pictures:
                    yield from [f"![{part.title}]({pictures[part.ident]})", ""]
                    yield from [plain_text(part.words), ""] if part.words else []


def plain_text(text: str) -> str:
    """A text in one line that cannot end a cell, nor act on a terminal, nor be HTML or a link."""
    safe = RAW_HTML.sub("&lt;", escaped(text.replace("\n", " ")))
    return safe.replace("|", "\\|").replace("](", "]\\(")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, columns aligned."""
    whole = [[plain_text(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(header))]
    padded = (map(str.ljust, row, widths) for row in whole)
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def wrapped(line: str) -> str:
    """A paragraph or an item in several lines; tables, pictures, headings and code stay."""
    if "\n" in line or line.startswith(("|", "!", "#", "```", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
