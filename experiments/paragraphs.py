"""Text of a Markdown report in lines that a terminal shows."""

from __future__ import annotations

import textwrap

WIDTH = 100
"""Characters of a line."""


def wrapped(line: str) -> str:
    """A paragraph or an item in several lines; tables, pictures, headings and code stay."""
    if "\n" in line or line.startswith(("|", "!", "#", "```", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
