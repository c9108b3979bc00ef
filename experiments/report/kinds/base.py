"""What a kind of report is, and what several kinds read alike."""

from __future__ import annotations

import json
import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from ...config.errors import ConfigError
from ...run.outputs import Answer
from ..content import Command, Image, Page


class ReportKind(ABC):
    """Reads the results of one command, or of several alike; abstract."""

    name: ClassVar[str]
    """What the results are called."""

    @abstractmethod
    def holds(self, directory: Path) -> bool:
        """Whether a folder holds such a result, finished or not."""

    @abstractmethod
    def read(self, directory: Path) -> Page:
        """Everything that the page says.

        Raises:
            ConfigError: the result is not whole.
        """


def asked_again(answer: Answer) -> list[Command]:
    """The command that gave an answer, where it is known."""
    return [Command("Ask again:", answer.command)] if answer.command else []


def quoted(path: Path | str) -> str:
    """A path for a shell."""
    return shlex.quote(str(path))


def read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table, Parquet or CSV, that has these columns and some rows.

    Raises:
        ConfigError: it cannot be read, or is not such a table.
    """
    try:
        csv = path.suffix == ".csv"
        frame: pd.DataFrame = pd.read_csv(path) if csv else pd.read_parquet(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run the same command again") from None
    except (OSError, ValueError, RecursionError, pa.ArrowException) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{path}: cannot be read: {reason}") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing or frame.empty:
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise ConfigError(f"{path}: {what}; run the same command again")
    return frame


def read_json(path: Path) -> Mapping[str, Any]:
    """Read a file of facts.

    Raises:
        ConfigError: it is not there, or damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: is damaged; run the same command again")
    return found


def image(path: Path, ident: str, title: str, words: str) -> list[Image]:
    """A picture that lies in the folder; none where there is none."""
    try:
        png = path.read_bytes()
    except OSError:
        return []
    return [Image(ident, title, words, png)] if png.startswith(b"\x89PNG") else []


def text_at(path: Path) -> str:
    """A text file; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
