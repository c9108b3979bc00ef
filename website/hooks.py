"""What mkdocs calls while it builds the site: generated pages, links out of ``docs/``, formulas."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from website import command_line, config_keys, galleries, notebooks, vocabulary
from website.formulas import with_drawings
from website.markdown import lead_to_parts, parts_of, with_code

ROOT = Path(__file__).resolve().parents[1]

PICTURES = "results/reference"
"""Pictures outside of ``docs/`` that pages show."""

PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": command_line.page,
    "reference/config.md": config_keys.page,
    "reference/vocabulary.md": vocabulary.page,
    "delays.md": galleries.delays,
    "figures.md": partial(galleries.figures, ROOT / PICTURES, PICTURES),
}
"""Generated pages, and what makes each."""

WHOLE = {
    "atlas.md": ("How to read it", "All on one clock", "What is left out"),
    "reference/config.md": ("Top level",),
}
"""Pages that are split, by the parts that stay in them."""

SPLIT: dict[str, dict[str, str]] = {}
"""What became of them: each page of theirs, by its address."""

OUTSIDE = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files beside ``docs/`` that are pages of the site."""

TABLE = ("cluster.csv", "--unit", "s")
TIMING = ("demo.yaml", "--set", "problem=null")
SAMPLES = {
    "run": ("run", "demo.yaml", "--timeline", "timeline.json"),
    "sweep": ("sweep", *TIMING, "--set", "delay.rate=0.5,1,2"),
    "queue": ("run", "demo.yaml", "--set", "policy=queue"),
    "compare": ("report", "run", "queue"),
    "fit": ("fit", *TABLE),
    "whatif": ("whatif", *TABLE),
    "recommend": (
        "recommend", *TIMING, "--only", "uncoded,fractional_repetition,erasurehead"
    ),
    "reproduce": ("reproduce", "--only-paper"),
}  # fmt: skip
"""Commands whose reports ``docs/samples.md`` links to, in an order in which they can be made."""

MARK = re.compile(r"^<!-- block: .*? -->\n", re.MULTILINE)
"""What the tests are told of a block of code (``tests/repository/blocks.py``)."""

FOLDER_ONLY = re.compile(
    r"^Pages marked \*site\* .*\n\n| \(\*site\*\)| \(on the site\)", re.MULTILINE
)
"""What is said of the site to readers of the folder."""

NOTEBOOK = re.compile(r"\]\((?P<place>[\w./]*notebooks/\w+)\.ipynb(?P<rest>#[^)]*)?\)")
"""A link from another page, which leads to the notebook on a site that shows repositories."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The repository's link, where ``CITATION.cff`` has one."""
    known = re.search(
        r"^repository-code: *(\S+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE
    )
    if known:
        config.repo_url = known[1].strip('"')
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and pictures that do not lie in ``docs/``."""
    made_pages = {uri: make() for uri, make in PAGES.items()}
    for uri, text in {
        **made_pages,
        "atlas.md": (ROOT / "docs/atlas.md").read_text("utf-8"),
    }.items():
        if uri in WHOLE:
            SPLIT[uri] = parts_of(uri, text, WHOLE[uri])
            made_pages |= SPLIT[uri]
    files.remove(next(file for file in files if file.src_uri == "atlas.md"))
    made = galleries.delay_pictures() | notebooks.pages(ROOT / "docs") | samples()
    for uri, content in (made_pages | made).items():
        files.append(File.generated(config, uri, content=content))
    for name, uri in OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(ROOT / name)))
    for picture in sorted((ROOT / PICTURES).glob("*.png")):
        uri = f"{PICTURES}/{picture.name}"
        files.append(File.generated(config, uri, abs_src_path=str(picture)))
    return files


def samples() -> dict[str, bytes]:
    """A report of each command, by its address in the site."""
    with tempfile.TemporaryDirectory() as folder:

        def run(*words: str) -> None:
            command = [sys.executable, "-m", "erasurehead", *words]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)

        seconds = np.random.default_rng(1).lognormal(0.0, 0.05, (60, 12))
        seconds[:, 7] *= 1.5
        names = ",".join(f"gpu-{host:02d}" for host in range(12))
        np.savetxt(Path(folder, "cluster.csv"), seconds, "%.4f", ",", header=names, comments="")
        run("init", "demo")
        for name, words in SAMPLES.items():
            run(*words, "--output", name)
            run("report", name, "--output", f"{name}.html")
        return {
            f"samples/{name}.html": Path(folder, f"{name}.html").read_bytes() for name in SAMPLES
        }


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to files beside ``docs/`` to their places in the site, and quote code."""
    uri = page.file.src_uri
    if uri in OUTSIDE.values():
        return re.sub(r"\]\(docs/", "](", markdown)
    markdown = NOTEBOOK.sub(r"](\g<place>.md\g<rest>)", markdown)
    up = "../" * uri.count("/")
    markdown = markdown.replace(f"../{up}{PICTURES}/", f"{up}{PICTURES}/")
    for name, target in OUTSIDE.items():
        markdown = markdown.replace(f"](../{up}{name}", f"]({up}{target}")
    for split, pages in SPLIT.items():
        if uri not in pages:
            markdown = lead_to_parts(markdown, uri, split, pages)
    markdown = FOLDER_ONLY.sub("", markdown)
    return with_code(MARK.sub("", markdown), ROOT)


def on_page_content(html: str, **_: Any) -> str:
    """Draw formulas."""
    return with_drawings(html)
