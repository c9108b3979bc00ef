"""The blocks of code of a page, and what is said of them in the source.

A comment in the line above a block says how it is meant; nothing stands there for most:

    <!-- block: skip, it installs packages -->     not executed, for the reason that follows
    <!-- block: long -->                           executed by `make test-docs`, not by `make test`
    <!-- block: file both.py -->                   the block is this file
    <!-- block: fails -->                          the command ends with exit code 1 or 2
    <!-- block: output -->                         lines that the block above prints, in order

and `<!-- page: empty folder -->` says that nothing is there when a page begins (`material.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHELL, PYTHON, YAML, OTHER = "shell", "python", "yaml", "other"

LANGUAGES = {
    **dict.fromkeys(["sh", "bash", "console"], SHELL),
    **dict.fromkeys(["py", "python"], PYTHON),
    **dict.fromkeys(["yaml", "yml"], YAML),
    **dict.fromkeys(["text", "csv", "json", "toml", "html", "bibtex", "tex"], OTHER),
}

MARKS = ("skip", "long", "file", "fails", "output")

PROGRAMS = ("erasurehead", ".venv/bin/erasurehead", "make", "pip", "python", "git")
"""Who begins a line with one of these shows a command."""

FENCE = re.compile(
    r"^(?:<!-- block: (?P<mark>\w+)(?:,? (?P<about>[^\n]*?))? -->\n)?"
    r"```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"(?<!`)`(erasurehead [^`]+)`(?!`)")
EMPTY = "<!-- page: empty folder -->"


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        kind: shell, python, yaml or other.
        text: what stands in it.
        mark: one of ``MARKS``, or empty.
        about: the reason of a ``skip``, the name of a ``file``.
        line: where it begins, from 1.
    """

    kind: str
    text: str
    mark: str
    about: str
    line: int


@dataclass(frozen=True)
class Page:
    """A page of Markdown.

    Attributes:
        path: where it lies.
        text: all of it.
        blocks: in their order.
    """

    path: Path
    text: str
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """From the top of the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def starts_empty(self) -> bool:
        """A reader begins it in an empty folder."""
        return EMPTY in self.text

    @property
    def prose(self) -> str:
        """What is left without the blocks."""
        return FENCE.sub("", self.text)

    def commands(self) -> list[str]:
        """Command lines of blocks and of the prose, those that are not executed too."""
        shown = [line for each in self.blocks if each.kind == SHELL for line in lines(each.text)]
        return shown + [" ".join(each.split()) for each in INLINE.findall(self.prose)]


def pages() -> list[Page]:
    """README and every page of ``docs/``."""
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page(path) for path in paths]


def page(path: Path) -> Page:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    return Page(path, text, tuple(_block(text, found) for found in FENCE.finditer(text)))


def _block(text: str, found: re.Match[str]) -> Block:
    kind = LANGUAGES.get(found["language"], "unknown")
    if not found["language"]:
        kind = (
            SHELL if found["text"].split(maxsplit=1)[:1] and shows_command(found["text"]) else OTHER
        )
    line = text.count("\n", 0, found.start()) + 1
    return Block(kind, found["text"], found["mark"] or "", found["about"] or "", line)


def shows_command(text: str) -> bool:
    """Whether a block without a language is commands."""
    return text.split(maxsplit=1)[0] in PROGRAMS


def lines(text: str) -> list[str]:
    """Command lines, continued ones whole, without comments and prompts."""
    whole = re.sub(r" *\\\n *", " ", text)
    found = (re.sub(r"^\$ ", "", line.strip()) for line in whole.splitlines())
    return [line for line in found if line and not line.startswith("#")]
