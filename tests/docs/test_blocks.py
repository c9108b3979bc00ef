"""What README and docs show works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from erasurehead.experiments.commands import app
from tests.docs.blocks import MARKS, OTHER, Page, lines, page, pages, shows_command
from tests.docs.execute import Reader, Wrong
from tests.docs.material import lay_out

PAGES = pages()
MOST_SKIPPED = 12

every_page = pytest.mark.parametrize("shown", PAGES, ids=lambda each: each.name)


def follow(shown: Page, folder: Path, monkeypatch: pytest.MonkeyPatch, long: bool) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    if not shown.starts_empty:
        lay_out(folder, shown)
    Reader(shown, long).follow()


@pytest.mark.parametrize(
    "shown",
    [each for each in PAGES if any(block.kind != OTHER for block in each.blocks)],
    ids=lambda each: each.name,
)
def test_every_block_works(shown: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    follow(shown, tmp_path, monkeypatch, long=False)


@pytest.mark.slow
@pytest.mark.docs
@pytest.mark.parametrize(
    "shown",
    [each for each in PAGES if any(block.mark == "long" for block in each.blocks)],
    ids=lambda each: each.name,
)
def test_pages_with_long_blocks(
    shown: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(shown, tmp_path, monkeypatch, long=True)


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
    monkeypatch.setattr("tests.docs.blocks.ROOT", tmp_path)
    with pytest.raises(Wrong, match=r"page\.md:1|page\.md:4"):
        Reader(page(file), long=True).follow()


def test_lines_of_a_block() -> None:
    assert lines("$ a \\\n   b  # c\n\n# d\ne\n") == ["a b  # c", "e"]
