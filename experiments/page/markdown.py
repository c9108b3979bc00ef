"""A page as Markdown: text from outside as data, tables, and lines that a terminal can show."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...sim.errors import escaped
from .content import Chart, Image, Page, Section, Table


def as_markdown(page: Page, pictures: Mapping[str, str], width: int = 100) -> str:
    """The page as ``report.md``, in lines of at most ``width`` characters; ``pictures`` are the
    files of charts, by their identifiers."""
    answer = page.answer
    lines = [f"# {answer.kind}: {plain_text(answer.subject)}", ""]
    lines += [*(f"- {plain_text(text)}" for text in answer.read), ""] if answer.read else []
    lines += [f"**{plain_text(answer.verdict)}**", ""]
    lines += [plain_text(answer.limits), ""] if answer.limits else []
    lines += [*(f"- {plain_text(text)}" for text in (*answer.why, *answer.notes)), ""]
    if answer.next:
        lines += ["## Next", "", *(f"- {plain_text(text)}" for text in answer.next), ""]
    asked = (f"- {title}: {plain_text(text)}" for title, text in page.question)
    lines += ["## The question", "", *asked, ""]
    if page.config:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", page.config)), default=0))
        lines += ["## The config", "", f"{fence}yaml\n{page.config.rstrip()}\n{fence}", ""]
    for section in (inner for outer in page.sections for inner in outer.every):
        body = [*_parts(section, pictures)]
        if body:
            paragraphs = section.words.split("\n") if section.words else []
            words = [line for text in paragraphs for line in (plain_text(text), "")]
            command = [f"`{section.command.line}`", ""] if section.command else []
            lines += [f"## {plain_text(section.title)}", "", *words, *body, *command]
    if page.method:
        lines += ["## How to read this", ""]
        lines += [line for text in page.method for line in (text, "")]
    return "\n".join(_wrapped(line, width) for line in lines)


def _parts(section: Section, pictures: Mapping[str, str], most: int = 25) -> Iterator[str]:
    """Of tables so many rows; the files have all."""
    for content in section.shown:
        match content:
            case Table():
                yield from [f"### {plain_text(content.title)}", ""] if content.title else []
                yield from [plain_text(content.note), ""] if content.note else []
                yield from table(content.columns, [[*map(str, row)] for row in content.rows[:most]])
                yield ""
                if len(content.rows) > most:
                    yield from [
                        f"The first {most} of {len(content.rows)}; `{content.file}` has all."
                    ]
                    yield ""
            case Chart() | Image():
                if content.ident in pictures:
                    yield from [f"![{content.title}]({pictures[content.ident]})", ""]
                    yield from [plain_text(content.words), ""] if content.words else []


def plain_text(text: str) -> str:
    """A text in one line that cannot end a cell, nor act on a terminal, nor be HTML or a link."""
    safe = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", escaped(text.replace("\n", " ")))
    return safe.replace("|", "\\|").replace("](", "]\\(")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, columns aligned."""
    whole = [[plain_text(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(header))]
    padded = (map(str.ljust, row, widths) for row in whole)
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def _wrapped(line: str, width: int) -> str:
    """A paragraph or an item in several lines; tables, pictures, headings and code stay."""
    if "\n" in line or line.startswith(("|", "!", "#", "```", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
