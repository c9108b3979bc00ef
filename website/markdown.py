"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; columns in which nothing stands are left out.

    Args:
        titles: of the columns.
        rows: cells, as Markdown.
    """
    used = [at for at in range(len(titles)) if any(row[at] for row in rows)]
    lines = [[titles[at] for at in used], ["---"] * len(used)]
    lines += [[cell(row[at]) for at in used] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """Text that ends neither a cell nor a row."""
    return text.replace("\n", " ").replace("|", "\\|")


def code(text: str) -> str:
    """As code, if there is anything."""
    return f"`{text}`" if text else ""


def plain(text: str) -> str:
    """Text that is not Markdown: brackets, stars and the like stand for themselves."""
    marks = {mark: f"\\{mark}" for mark in "\\`*_[]<$"}
    return "".join(marks.get(each, each) for each in text)
