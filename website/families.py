"""Long pages as a page for each of their parts: the atlas by family, configs by section."""

from __future__ import annotations

import re
from collections.abc import Sequence
from posixpath import relpath

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
