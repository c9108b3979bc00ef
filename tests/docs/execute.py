"""Executes a page: its blocks one after the other, in one folder, as a reader would."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from tests.docs.blocks import OTHER, PYTHON, ROOT, SHELL, YAML, Block, Page, lines
from tests.figures import agg
from tests.program import inside

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
