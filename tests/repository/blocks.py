"""Blocks of code in README and docs: found, laid out in a folder, executed."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import yaml

from tests.tools import agg, inside

# The blocks of code of a page, and what is said of them in the source.
#
# A comment in the line above a block says how it is meant; nothing stands there for most:
#
#     <!-- block: skip, it installs packages -->     not executed, for the reason that follows
#     <!-- block: long -->                           executed by `make test-docs` alone
#     <!-- block: file random_cover.py -->           the block is this file
#     <!-- block: fails -->                          the command ends with exit code 1 or 2
#     <!-- block: output -->                         lines that the block above prints, in order
#
# and `<!-- page: empty folder -->` says that nothing is there when a page begins,
# `<!-- page: long -->` that all of it is executed by `make test-docs` alone.


ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "experiments" / "config" / "examples"

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
LONG = "<!-- page: long -->"


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
    def is_long(self) -> bool:
        """All of it is executed by ``make test-docs`` alone."""
        return LONG in self.text

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


# What a reader of the how-to pages has: measured tables, a code, example configs.


INIT = re.compile(r"erasurehead init *(\w*)")


def lay_out(folder: Path, shown: Page) -> None:
    """Put everything that pages speak of into a folder, but not what this one makes itself."""
    shutil.copytree(EXAMPLES, folder / EXAMPLES.relative_to(ROOT))
    blocks = "".join(each.text for each in shown.blocks)
    for name in {"demo", "example"} - {found or "demo" for found in INIT.findall(blocks)}:
        shutil.copy(EXAMPLES / f"{name}.yaml", folder)
    own_code = page(ROOT / "docs" / "howto" / "own_code.md")
    (plugin,) = [each for each in own_code.blocks if each.about == "random_cover.py"]
    (folder / plugin.about).write_text(plugin.text)
    shutil.copytree(
        ROOT / "tests" / "delay_models" / "profiler",
        folder / "traces",
        ignore=lambda _, names: [name for name in names if not name.startswith("rank")],
    )
    rng = np.random.default_rng(0)
    seconds = 1 + rng.gamma(3.0, 0.2, size=(40, 256 if "256" in blocks else 30))
    np.savetxt(folder / "my_cluster.csv", seconds, delimiter=",", fmt="%.4f")
    own = np.random.default_rng(1)  # the same beside any other table
    milliseconds = np.round(1000 * (1 + own.gamma(3.0, 0.2, size=(200, 12))))
    milliseconds[:, 7] = np.round(1.4 * milliseconds[:, 7])  # one is always slow
    cells = [[f"{value:.0f}" for value in row] for row in milliseconds]
    cells[7][3] = ""  # somebody never came
    names = ",".join(f"node{worker}" for worker in range(12))
    (folder / "delays.csv").write_text("\n".join([names, *map(",".join, cells)]) + "\n")
    parts = ("data", "forward", "backward", "allreduce")
    steps = [
        [worker, step, *(f"{value:.1f}" for value in 10 + rng.gamma(3.0, 2.0, len(parts)))]
        for step in range(40)
        for worker in range(8)
    ]
    header = ["worker", "step", *(f"{part}_ms" for part in parts)]
    (folder / "steps.csv").write_text(
        "\n".join(",".join(map(str, row)) for row in [header, *steps]) + "\n"
    )
    code = np.eye(4) + np.roll(np.eye(4), 1, axis=1)
    np.savetxt(folder / "my_code.csv", code, delimiter=",", fmt="%g")


# Executes a page: its blocks one after the other, in one folder, as a reader would.


BASE = {
    "name": "fragment",
    "workers": 30,
    "iterations": 20,
    "replications": 2,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [{"name": "uncoded"}],
}
"""The config that a fragment of YAML is a part of, where it does not say otherwise."""

OURS = ("erasurehead", ".venv/bin/erasurehead")

PLAIN = ("mkdir", "cp", "ls", "cat", "head")
"""Programs that are run as they stand."""


class Wrong(AssertionError):
    """A block does not do what the page says."""


@dataclass
class Reader:
    """Who follows a page, in the working directory.

    Attributes:
        page: what is read.
        long: blocks that take long are executed too.
        names: what Python blocks have defined so far.
        printed: by the last command.
    """

    page: Page
    long: bool
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    printed: str = ""

    def follow(self) -> None:
        """Execute every block.

        Raises:
            Wrong: the first that fails; it names page and line.
        """
        for block in self.page.blocks:
            try:
                self._do(block)
            except Exception as error:
                place = f"{self.page.name}:{block.line}"
                raise Wrong(f"{place}: {type(error).__name__}: {error}") from error

    def _do(self, block: Block) -> None:
        if block.mark == "skip" or (block.mark == "long" and not self.long):
            self.printed = ""
        elif block.mark == "output":
            self._compare(block.text)
        elif block.mark == "file":
            Path(block.about).write_text(block.text)
            if block.kind == YAML:
                self._check(Path(block.about))
        elif block.kind == SHELL:
            self.printed = "".join(self._command(line, block) for line in lines(block.text))
        elif block.kind == PYTHON:
            self._python(block.text)
        elif block.kind == YAML:
            self._fragment(block.text)
        elif block.kind != OTHER:
            raise Wrong("a block of an unknown language")

    def _command(self, line: str, block: Block) -> str:
        words = shlex.split(line, comments=True)
        if "&&" in words:
            at = words.index("&&")
            rest = shlex.join(words[at + 1 :])
            return self._command(shlex.join(words[:at]), block) + self._command(rest, block)
        target = words[words.index(">") + 1] if ">" in words else None
        words = words[: words.index(">")] if target else words
        if words[0] in OURS:
            with agg():
                done = inside(*words[1:])
        elif words[0] == "make":
            makefile = (ROOT / "Makefile").read_text()
            found = all(re.search(rf"^{re.escape(each)}:", makefile, re.M) for each in words[1:])
            done = subprocess.CompletedProcess(words, 0 if found else 2, "", "no such target")
        elif words[0] == "python" or words[0] in PLAIN:
            command = [sys.executable, *words[1:]] if words[0] == "python" else words
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        else:
            raise Wrong(f"{words[0]}: mark the block as one to skip, and say why")
        wanted = (1, 2) if block.mark == "fails" else (0,)
        if done.returncode not in wanted:
            raise Wrong(f"{line}: exit code {done.returncode}: {done.stderr or done.stdout}")
        if target:
            Path(target).write_text(done.stdout)
        return done.stdout + done.stderr

    def _python(self, text: str) -> None:
        out = io.StringIO()
        path = [str(Path.cwd()), *sys.path]
        with agg(), mock.patch.object(sys, "path", path), contextlib.redirect_stdout(out):
            exec(compile(text, self.page.name, "exec"), self.names)
        self.printed = out.getvalue()
        for name in [name for name in self.names if name.startswith("test_")]:
            self.names.pop(name)()

    def _fragment(self, text: str) -> None:
        """Hold YAML to what a config can be."""
        found = yaml.safe_load(text)
        whole = found if {"delay", "schemes", "workers"} <= set(found) else BASE | found
        file = Path("fragment-of-the-page.yaml")
        file.write_text(yaml.safe_dump(whole, sort_keys=False))
        self._check(file)
        file.unlink()

    @staticmethod
    def _check(config: Path) -> None:
        command = "sweep" if "sweep:" in config.read_text() else "run"
        done = inside(command, config, "--dry-run")
        if done.returncode:
            raise Wrong(done.stderr)

    def _compare(self, text: str) -> None:
        """Every line that is shown was printed, in this order; ``...`` stands for the rest."""
        if not self.printed:
            return
        printed = [_squeezed(line) for line in self.printed.splitlines()]
        for line in map(_squeezed, text.splitlines()):
            if line in ("", "..."):
                continue
            found = [at for at, each in enumerate(printed) if _is(each, line)]
            if not found:
                raise Wrong(f"not printed (or not in this order): {line!r}\n{self.printed}")
            printed = printed[found[0] + 1 :]


def _squeezed(line: str) -> str:
    """Without the widths of columns."""
    return re.sub(r"[\s─━]+", " ", line).strip()


def _is(printed: str, shown: str) -> bool:
    whole = not shown.endswith("...")
    return printed == shown if whole else printed.startswith(shown.removesuffix("..."))
