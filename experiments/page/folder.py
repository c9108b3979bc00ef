"""What a command leaves in its folder, and what a page is read from there: ``answer.json``, tables,
and the page as Markdown.

``answer.json`` is what a command found, in sentences that programs and people can read. ``fit``,
``whatif``, ``recommend`` and ``report`` of two leave one. Of Markdown, text from outside is data,
and a terminal can show the lines."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pydantic import TypeAdapter

from ...sim.base.errors import ConfigError, escaped, shell_word
from ...sim.base.tables import read_csv
from ..pictures import paint, style
from ..pictures.picture import Chart
from ..run import files
from ..run.files import ANSWER
from .content import Answer, Image, Page, Section, Table

REPORT = "report.md"
FORMATS = ("png", "svg")  # of the pictures beside it


def write_page(
    page: Page,
    output: Path,
    older: Iterable[str],
    tables: Mapping[str, pd.DataFrame],
    charts: Collection[str],
    csv: Collection[str] = (),
    others: Mapping[str, bytes] = {},
) -> None:
    """Write a page into a folder: tables by the names of their files (those in ``csv`` also as
    CSV), pictures of these charts, its Markdown, other files and, last, the answer. What is
    ``older`` goes before, in its order: the answer first, so that what lies beside it is of one
    page."""
    content = dict[str, bytes]()
    for name in charts:
        figure = paint.figure(page.charts[name].picture)
        content |= {f"{name}.{kind}": style.rendered(figure, kind) for kind in FORMATS}
    content[REPORT] = as_markdown(page, {name: f"{name}.png" for name in charts}).encode()
    with files.postponed():
        files.remove(output / name for name in older)
        for name, table in tables.items():
            files.write_table(output / name, table, csv=name in csv)
        for name, bytes_of in {**content, **others}.items():
            files.write_bytes(output / name, bytes_of)
        write_answer(page.answer, output)


def write_answer(answer: Answer, output: Path) -> None:
    """Write ``answer.json`` into a folder."""
    optional = ("read", "placement", "stock")
    fields = {k: v for k, v in asdict(answer).items() if v or k not in optional}
    text = json.dumps(fields, indent=2, ensure_ascii=True)
    files.write_bytes(output / ANSWER, (text + "\n").encode())


def read_answer(output: Path) -> Answer:
    """Read the ``answer.json`` of a folder. Raises ConfigError: there is none, or it is not one."""
    path = output / ANSWER
    try:
        return TypeAdapter(Answer).validate_python(json.loads(path.read_bytes()))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: is no answer; run the command that wrote it again") from None


def command_line(arguments: Sequence[str]) -> str:
    """The command that was given, ready for a shell, without the options that say where results go
    and how they are computed, and not what they are."""
    where = ("--output", "--jobs")
    words, words_left = ["erasurehead"], iter(arguments)
    for word in words_left:
        if word in where:
            next(words_left, None)
        elif not word.startswith(tuple(f"{option}=" for option in where)) and word != "--debug":
            words.append(word)
    return " ".join(map(shell_word, words))


def table_at(path: Path, columns: Sequence[str], may_be_empty: bool = False) -> pd.DataFrame:
    """Read a table, Parquet or CSV, that has these columns and, unless it may be empty, some rows.
    Raises ConfigError: it cannot be read, or is not such a table."""
    try:
        frame: pd.DataFrame = (
            read_csv(path, None, keep_default_na=False, na_values=[""])
            if path.suffix == ".csv"
            else files.as_frame(files.read_arrow(path))
        )
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run the command that wrote it again") from None
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing or (frame.empty and not may_be_empty):
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise ConfigError(f"{path}: {what}; run the command that wrote it again")
    return frame


def json_at(path: Path) -> Mapping[str, Any]:
    """Read a file of facts. Raises ConfigError: it is not there, or damaged."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: is damaged; run the command that wrote it again")
    return document


def text_at(path: Path) -> str:
    """A text file; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def as_markdown(page: Page, pictures: Mapping[str, str], width: int = 100) -> str:
    """The page as ``report.md``, in lines of at most ``width`` characters; ``pictures`` are the
    files of charts, by their identifiers."""
    answer = page.answer
    lines = [f"# {answer.kind}: {plain_text(answer.subject)}", ""]
    lines += [*(f"- {plain_text(text)}" for text in answer.read), ""] if answer.read else []
    lines += [f"**{plain_text(answer.verdict)}**", ""]
    lines += [plain_text(answer.limits), ""] if answer.limits else []
    lines += [*(f"- {plain_text(text)}" for text in (*answer.why, *answer.notes)), ""]
    if answer.next:
        lines += ["## Next", "", *(f"- {plain_text(text)}" for text in answer.next), ""]
    asked = (f"- {title}: {plain_text(text)}" for title, text in page.question)
    lines += ["## The question", "", *asked, ""]
    if page.config:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", page.config)), default=0))
        lines += ["## The config", "", f"{fence}yaml\n{page.config.rstrip()}\n{fence}", ""]
    for section in (inner for outer in page.sections for inner in outer.every):
        body = [*_parts(section, pictures)]
        if body:
            paragraphs = section.words.split("\n") if section.words else []
            words = [line for text in paragraphs for line in (plain_text(text), "")]
            command = [f"`{section.command.line}`", ""] if section.command else []
            lines += [f"## {plain_text(section.title)}", "", *words, *body, *command]
    if page.method:
        lines += ["## How to read this", ""]
        lines += [line for text in page.method for line in (text, "")]
    return "\n".join(_wrapped(line, width) for line in lines)


def _parts(section: Section, pictures: Mapping[str, str], most: int = 25) -> Iterator[str]:
    """Of tables so many rows; the files have all."""
    for content in section.shown:
        match content:
            case Table():
                yield from [f"### {plain_text(content.title)}", ""] if content.title else []
                yield from [plain_text(content.note), ""] if content.note else []
                yield from table(content.columns, [[*map(str, row)] for row in content.rows[:most]])
                yield ""
                if len(content.rows) > most:
                    yield f"The first {most} of {len(content.rows)}; `{content.file}` has all."
                    yield ""
            case Chart() | Image():
                if content.ident in pictures:
                    yield from [f"![{content.title}]({pictures[content.ident]})", ""]
                    yield from [plain_text(content.words), ""] if content.words else []


def plain_text(text: str) -> str:
    """A text in one line that cannot end a cell, nor act on a terminal, nor be HTML or a link."""
    safe = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", escaped(text.replace("\n", " ")))
    return safe.replace("|", "\\|").replace("](", "]\\(")


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A table's lines, columns aligned."""
    whole = [[plain_text(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in whole) for i in range(len(header))]
    padded = (map(str.ljust, row, widths) for row in whole)
    lines = [f"| {' | '.join(row)} |" for row in padded]
    return [lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def _wrapped(line: str, width: int) -> str:
    """A paragraph or an item in several lines; tables, pictures, headings and code stay."""
    if "\n" in line or line.startswith(("|", "!", "#", "```", "    ")):
        return line
    indent = "  " if line.startswith("- ") else ""
    whole: Any = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(line, width, subsequent_indent=indent, **whole)
