"""What a page is made from: ``answer.json``, and the tables beside it in the folder.

``answer.json`` is what a command found, in sentences that programs and people can read. ``fit``,
``whatif``, ``recommend`` and ``compare`` leave one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ...sim.errors import shell_word
from ...sim.tables import read_csv
from ..config.errors import ConfigError
from ..run import files
from ..run.files import ANSWER as ANSWER
from .content import Answer as Answer


def write_answer(answer: Answer, output: Path) -> None:
    """Write ``answer.json`` into a folder."""
    fields = asdict(answer)
    fields = {
        k: v for k, v in fields.items() if v or k not in ("read", "coverage", "placement", "stock")
    }
    text = json.dumps(fields, indent=2, ensure_ascii=True)
    files.write_bytes(output / ANSWER, (text + "\n").encode())


def read_answer(output: Path) -> Answer:
    """Read the ``answer.json`` of a folder. Raises ConfigError: there is none, or it is not one."""
    path = output / ANSWER
    texts, lists = (
        ("kind", "subject", "verdict", "command", "limits"),
        ("why", "next", "notes", "read"),
    )
    try:
        document = {"read": (), "limits": ""} | json.loads(path.read_bytes())
        fields: dict[str, Any] = {key: _text(document[key]) for key in texts}
        fields |= {key: tuple(map(_text, document[key])) for key in lists}
        fields |= {key: document.get(key) for key in ("coverage", "placement", "stock")}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{path}: is no answer; run the same command again") from None
    return Answer(**fields)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


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
            else files.read_arrow(path).to_pandas(use_threads=False, ignore_metadata=True)
        )
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run the same command again") from None
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing or (frame.empty and not may_be_empty):
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise ConfigError(f"{path}: {what}; run the same command again")
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
        raise ConfigError(f"{path}: is damaged; run the same command again")
    return document


def text_at(path: Path) -> str:
    """A text file; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
