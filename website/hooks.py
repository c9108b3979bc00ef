"""What mkdocs calls while it builds the site: generated pages, links out of ``docs/``, formulas."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import command_line, config_keys, delay_gallery, figures, notebooks
from website.mathml import with_mathml

ROOT = Path(__file__).resolve().parents[1]

PICTURES = "results/reference"
"""Pictures outside of ``docs/`` that pages show."""

PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": command_line.page,
    "reference/config.md": config_keys.page,
    "delays.md": delay_gallery.page,
    "figures.md": partial(figures.page, ROOT / PICTURES, PICTURES),
}
"""Generated pages, and what makes each."""

OUTSIDE = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files beside ``docs/`` that are pages of the site."""

MARK = re.compile(r"^<!-- block: .*? -->\n", re.MULTILINE)
"""What the tests are told of a block of code (``tests/docs/blocks.py``)."""

NOTEBOOK = re.compile(r"\]\((?P<place>[\w./]*notebooks/\w+)\.ipynb(?P<rest>#[^)]*)?\)")
"""A link from another page, which leads to the notebook on a site that shows repositories."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that do not lie in ``docs/``."""
    for uri, make in PAGES.items():
        files.append(File.generated(config, uri, content=make()))
    for name, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / name)))
    made = delay_gallery.pictures() | notebooks.pages(ROOT / "docs")
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    for picture in sorted((ROOT / PICTURES).glob("*.png")):
        uri = f"{PICTURES}/{picture.name}"
        files.append(File.generated(config, uri, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to files beside ``docs/`` to their places in the site."""
    uri = page.file.src_uri
    if uri in OUTSIDE.values():
        return re.sub(r"\]\(docs/", "](", markdown)
    markdown = NOTEBOOK.sub(r"](\g<place>.md\g<rest>)", markdown)
    up = "../" * uri.count("/")
    markdown = markdown.replace(f"../{up}{PICTURES}/", f"{up}{PICTURES}/")
    for name, target in OUTSIDE.items():
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{target}")
    return MARK.sub("", markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Draw formulas."""
    return with_mathml(html)
