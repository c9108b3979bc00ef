"""Small pieces of Markdown; and long pages as a page for each of their parts: the atlas by family,
configs by section."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from posixpath import relpath


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; columns in which nothing stands are left out.

    Args:
        titles: of the columns.
        rows: cells, as Markdown.
    """
    used = [at for at in range(len(titles)) if any(row[at] for row in rows)]
    lines = [[titles[at] for at in used], ["---"] * len(used)]
    one_cell = str.maketrans({"\n": " ", "|": "\\|"})  # what ends neither a cell nor a row
    lines += [[row[at].translate(one_cell) for at in used] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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


HEADING = re.compile(r"^(#{2,3}) (.+)$", re.MULTILINE)


def slug(title: str) -> str:
    """The name of a heading in an address, as mkdocs makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def parts_of(uri: str, text: str, kept: Sequence[str]) -> dict[str, str]:
    """Each part of a page, by its address: what stands before the first ``##`` and the parts of
    titles that are ``kept``, at ``uri``; every other part in a page of its own in a folder of that
    name. Links lead to where things stand then."""
    before, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    pages = {uri: before}
    for part in parts:
        title = part.partition("\n")[0].removeprefix("## ")
        own = uri if title in kept else f"{uri.removesuffix('.md')}/{slug(title)}.md"
        pages[own] = pages.get(own, "") + (part if own == uri else part[1:])
    anchors = {slug(m[2]): own for own, page in pages.items() for m in HEADING.finditer(page)}
    anchors |= {slug(page[2:].partition("\n")[0]): own for own, page in pages.items()}
    return {own: _linked(page, own, uri, anchors) for own, page in pages.items()}


def _linked(page: str, own: str, uri: str, anchors: dict[str, str]) -> str:
    folder = own.rpartition("/")[0] or "."

    def led(link: re.Match[str]) -> str:
        target, _, anchor = link[1].partition("#")
        if target and (target.startswith("/") or ":" in target):
            return link[0]
        there = (
            f"{uri.rpartition('/')[0]}/{target}".lstrip("/") if target else anchors.get(anchor, uri)
        )
        place = "" if there == own else relpath(there, folder)
        return f"]({place}{'#' + anchor if anchor else ''})"

    page = re.sub(r"\]\(([^)\s]+)\)", led, page)
    return re.sub(r'(?<=src=")(?=\w)', f"{relpath('.', folder)}/" if folder != "." else "", page)


def lead_to_parts(markdown: str, uri: str, split: str, pages: dict[str, str]) -> str:
    """The links of another page into a page that is split, to its parts."""
    where = {slug(m[2]): own for own, page in pages.items() for m in HEADING.finditer(page)}
    folder = uri.rpartition("/")[0] or "."

    def led(link: re.Match[str]) -> str:
        return f"]({relpath(where.get(link[1], split), folder)}#{link[1]})"

    return re.sub(rf"\]\({re.escape(relpath(split, folder))}#([\w-]+)\)", led, markdown)
