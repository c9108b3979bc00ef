"""Markdown of a report: text from outside as data, tables, and lines that a terminal shows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from .config.errors import escaped

WIDTH = 100
"""Characters of a line."""


def plain(text: str) -> str:
    """A text in one line that cannot end a cell, nor act on a terminal."""
    return escaped(text.replace("\n", " ")).replace("|", "\\|")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, columns aligned."""
    whole = [list(header), *([plain(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
        for row in whole
    ]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def wrapped(line: str) -> str:
    """A paragraph or an item in several lines; tables, pictures, headings and code stay."""
    if "\n" in line or line.startswith(("|", "!", "#", "```", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
