"""Small pieces of Markdown."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path


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


CODE = re.compile(r"^<!-- code: (?P<file>\S+) (?P<name>[\w.]+) -->$", re.MULTILINE)
"""A line of a page that stands for a function of the program, such as ``Class.method``."""


def with_code(markdown: str, root: Path) -> str:
    """The page with the functions that it quotes, as they stand in their files below ``root``.
    Raises ``ValueError``: a file has no such function."""

    def quote(mark: re.Match[str]) -> str:
        source = (root / mark["file"]).read_text(encoding="utf-8")
        node: ast.AST = ast.parse(source)
        for name in mark["name"].split("."):
            inside = [each for each in ast.iter_child_nodes(node) if _is_called(each, name)]
            if not inside:
                raise ValueError(f"{mark['file']} has no {mark['name']}, which a page quotes")
            node = inside[0]
        text = textwrap.dedent(ast.get_source_segment(source, node, padded=True) or "")
        return f'```python title="{mark["file"]}"\n{text}\n```'

    return CODE.sub(quote, markdown)


def _is_called(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
