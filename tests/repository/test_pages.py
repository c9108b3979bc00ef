"""README, docs and notebooks do what they show."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from typer.main import get_command

from erasurehead import plugins
from erasurehead.delays import MODELS, Tape
from erasurehead.experiments.commands.table import app
from erasurehead.load_laws import Proportional
from erasurehead.plugins import InvalidParameter
from erasurehead.sim.engines.run import Policy
from tests.repository.blocks import (
    MARKS,
    OTHER,
    PYTHON,
    ROOT,
    Page,
    Reader,
    Wrong,
    lay_out,
    lines,
    page,
    pages,
    shows_command,
)
from tests.sim.engines.agreement import batch, event
from website.markdown import CODE, with_code

# What README and docs show works as it stands there.


PAGES = pages()
MOST_SKIPPED = 12

every_page = pytest.mark.parametrize("shown", PAGES, ids=lambda each: each.name)


def follow(shown: Page, folder: Path, monkeypatch: pytest.MonkeyPatch, long: bool) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    if not shown.starts_empty:
        lay_out(folder, shown)
    Reader(shown, long).follow()


@pytest.mark.long("README, tutorial and traces are executed")
@pytest.mark.parametrize(
    "shown",
    [
        each
        for each in PAGES
        if not each.is_long and any(block.kind != OTHER for block in each.blocks)
    ],
    ids=lambda each: each.name,
)
def test_every_block_works(shown: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(shown, tmp_path, monkeypatch, long=False)


@pytest.mark.slow
@pytest.mark.docs
@pytest.mark.parametrize(
    "shown",
    [each for each in PAGES if each.is_long or any(block.mark == "long" for block in each.blocks)],
    ids=lambda each: each.name,
)
def test_pages_with_long_blocks(
    shown: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(shown, tmp_path, monkeypatch, long=True)


@pytest.mark.slow
@pytest.mark.docs
def test_fields_are_listed_with_the_comments_at_them() -> None:
    """Behind a field or above it; a section that a docstring has of its own stays as it is."""
    griffe = pytest.importorskip("griffe")
    extensions = griffe.load_extensions("website/field_comments.py")

    def listed(module: str, name: str) -> list[str]:
        loaded = griffe.load(f"erasurehead.sim.{module}", extensions=extensions)
        text = loaded[name].docstring.value
        assert text.count("Attributes:") <= 1
        return re.findall(r"^    (\w+): .", text.partition("Attributes:")[2], re.MULTILINE)

    assert listed("training.steps", "Measured") == ["recovered", "error", "shares", "staleness"]
    assert listed("theory.decoding_error", "GroupErasure")[-1] == "scale"
    assert listed("schemes.codes.base", "Loaded") == []


@every_page
def test_commands_name_what_there_is(shown: Page) -> None:
    """Subcommands and options, also of commands in the text and of those that are not executed."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for line in shown.commands():
        for part in re.split(r" && | > ", line.split(" #")[0]):
            program, *words = part.split()
            if not program.endswith("erasurehead") or not words or words[0].startswith("-"):
                continue
            if words[0] == words[0].upper():
                continue  # a placeholder
            assert words[0] in commands, line
            options = {option for each in commands[words[0]].params for option in each.opts}
            named = {word.split("=")[0] for word in words if word.startswith("--")}
            assert named <= options | {"--help"}, line


@every_page
def test_blocks_are_of_a_known_kind(shown: Page) -> None:
    for block in shown.blocks:
        place = f"{shown.name}:{block.line}"
        assert block.kind != "unknown", place
        assert block.mark in ("", *MARKS), place
        assert block.mark != "skip" or len(block.about) > 10, f"{place}: why is it skipped?"
        if block.kind == OTHER and block.mark != "output":
            assert not (block.text.strip() and shows_command(block.text)), f"{place}: commands"


@every_page
def test_no_code_hides_from_the_tests(shown: Page) -> None:
    """Only fenced blocks are executed; a mark belongs to a block."""
    hidden = re.findall(r"^ {4,}(?:\$ |erasurehead |import |eh\.|result = ).*", shown.prose, re.M)
    assert not hidden
    assert shown.text.count("<!-- block: ") == sum(bool(each.mark) for each in shown.blocks)


def test_the_processes_are_quoted_as_they_stand() -> None:
    """``ValueError`` names a function that has moved: the site would lack it."""
    text = (ROOT / "docs/simulation.md").read_text(encoding="utf-8")
    quoted = with_code(text, ROOT).replace(text.partition("<!-- code:")[0], "")
    for line in ("current = yield master.broadcast", "of_round = yield self.broadcast"):
        assert line in quoted
        assert line not in text
    assert not [shown.name for shown in PAGES if CODE.search(with_code(shown.text, ROOT))]
    moved = text.replace(" Master.process -->", " Master.no_process -->")
    with pytest.raises(ValueError, match=r"master\.py has no Master\.no_process"):
        with_code(moved, ROOT)


def test_few_blocks_are_skipped() -> None:
    skipped = [
        f"{shown.name}:{block.line}"
        for shown in PAGES
        for block in shown.blocks
        if block.mark == "skip"
    ]
    assert len(skipped) <= MOST_SKIPPED, skipped


WRONG = {
    "a command that there is not": "```sh\nerasurehead frobnicate\n```\n",
    "an option that there is not": "```\nerasurehead run demo.yaml --fast\n```\n",
    "Python that raises": "```python\nimport erasurehead as eh\neh.run('nowhere.yaml')\n```\n",
    "a key that there is not": "```yaml\ndelya: {model: exponential, rate: 1.0}\n```\n",
    "a program of somebody else": "```sh\ncurl example.org\n```\n",
    "a language that nobody knows": "```fortran\nPRINT *, 1\n```\n",
    "output that is not printed": "```sh\nerasurehead init\n```\n"
    "<!-- block: output -->\n```text\nall is well\n```\n",
    "a failure that does not come": "<!-- block: fails -->\n```sh\nerasurehead list losses\n```\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_wrong_block_is_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "page.md"
    file.write_text(text)
    monkeypatch.setattr("tests.repository.blocks.ROOT", tmp_path)
    with pytest.raises(Wrong, match=r"page\.md:1|page\.md:4"):
        Reader(page(file), long=True).follow()


def test_lines_of_a_block() -> None:
    assert lines("$ a \\\n   b  # c\n\n# d\ne\n") == ["a b  # c", "e"]


# The notebooks run, and print what is committed in them.


FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 400_000
"""Bytes of a notebook with its outputs."""


def test_the_notebooks_are_small() -> None:
    names = ["erasurehead_claims", "lecture_exercise", "which_code"]
    assert [path.stem for path in NOTEBOOKS] == names
    assert all(path.stat().st_size < LARGEST for path in NOTEBOOKS)


@pytest.mark.slow
@pytest.mark.docs
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_prints_what_is_committed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells are run here, without Jupyter. If it fails for a good reason, run the notebook and
    commit it with its outputs; pictures are committed, too, and not compared."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    for module in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, module, MagicMock(version_info=(9, 0)))
    names: dict[str, object] = {"__name__": "notebook"}
    kinds = list[str]()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("".join(cell["source"]), path.name, "exec"), names)
            texts = ["".join(output.get("text", "")) for output in cell["outputs"]]
            assert out.getvalue() == "".join(texts)
            kinds += [kind for output in cell["outputs"] for kind in output.get("data", {})]
    assert "image/png" in kinds


# What newcomers read is short; the scheme that the docs show passes the checks of the house.


MOST_WORDS = {"README.md": 850, "docs/python.md": 1350, "docs/howto/own_code.md": 1130}


@pytest.mark.parametrize("name", MOST_WORDS)
def test_pages_of_newcomers_stay_short(name: str) -> None:
    """The README begins with what a scheme gains; its door for Python names both other pages."""
    text = re.sub(r"<!--.*?-->", "", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(text.split()) <= MOST_WORDS[name]
    door = text.partition("### I write Python")[2].partition("\n## ")[0]
    assert name != "README.md" or all(f"({each})" in door for each in [*MOST_WORDS][1:])


@pytest.mark.slow
def test_the_python_page_is_typed(tmp_path: Path) -> None:
    """What a user of ``mypy --strict`` copies from it has no error."""
    blocks = [block for block in page(ROOT / "docs" / "python.md").blocks if block.kind == PYTHON]
    assert len(blocks) >= 5
    check = "import erasurehead as eh\nfrom erasurehead.schemes import Uncoded\n"
    check += "confirmed: dict[str, str] = eh.testing.check_scheme(Uncoded(), workers=4)\n"
    (tmp_path / "page.py").write_text("\n".join([*(block.text for block in blocks), check]))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", tmp_path / "page.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


OWN_CODE = page(ROOT / "docs" / "howto" / "own_code.md")
[SCHEME] = [each.text for each in OWN_CODE.blocks if each.about == "random_cover.py"]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's class, from a module of its own."""
    (tmp_path / "shown_scheme.py").write_text(SCHEME)
    monkeypatch.syspath_prepend(tmp_path)
    import shown_scheme  # type: ignore[import-not-found]

    yield shown_scheme.RandomCover
    del sys.modules["shown_scheme"]


def test_the_example_of_a_scheme_runs_on_both_engines(example: Any) -> None:
    (family,) = example.examples()
    scheme = family.build(12)
    tape = Tape(MODELS["exponential"](rate=1.0), 12, 0, 0)
    runs = [
        engine.simulate(scheme, [tape], Proportional(), 50, Policy.CANCEL)
        for engine in (batch, event)
    ]
    np.testing.assert_array_equal(runs[0].times, runs[1].times)
    held, arrived = scheme.assignment.encoding.toarray() > 0, runs[0].heard.arrived[0]
    assert (held.sum(axis=1) == 3).all()
    assert held.diagonal().all()
    shares = [held[row].any(axis=0).mean() for row in arrived]
    assert 0.8 <= min(shares) < 1  # and one arrival earlier it was less
    last = runs[0].work.last[0]
    before = [
        held[row & (np.arange(12) != w)].any(axis=0) for row, w in zip(arrived, last, strict=True)
    ]
    assert max(np.mean(each) for each in before) < 0.8
    with pytest.raises(InvalidParameter, match=r"^load = 13: must be between 1 and workers = 12$"):
        example(load=13, share=0.8).build(12)


def test_the_parts_to_build_with_are_there() -> None:
    """Each name of the page's table is in ``erasurehead.plugins``, and in the reference."""
    reference = (ROOT / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    rows = OWN_CODE.text.partition("| part | |\n")[2].partition("\n\n")[0]
    names = [
        name
        for row in rows.replace("\\|", "or").splitlines()[1:]
        for name in re.findall(r"`(\w+)\(", row.split("|")[1])
    ]
    assert len(names) >= 18
    for name in names:
        assert name in plugins.__all__
        assert re.search(rf"\b{name}\b", reference), name


def test_the_example_of_a_scheme_passes_the_checks(tmp_path: Path) -> None:
    """A reader who copies it should not be told to mend it."""
    pytest.importorskip("ruff")
    file = tmp_path / "random_cover.py"
    file.write_text(SCHEME)
    ruff = [sys.executable, "-m", "ruff"]
    config = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(file)]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *config], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


# Formulas of the site, as a browser without a font for mathematics draws them.
