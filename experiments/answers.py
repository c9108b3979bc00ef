"""``answer.json``: what a command found, in words that programs and the report can read.

``fit``, ``whatif`` and ``compare`` leave one beside their tables. It is what the report in the
browser begins with, whatever the command.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .cells import files
from .config.errors import ConfigError

NAME = "answer.json"

WHERE = ("--output", "--jobs")
"""Options that say where results go and how they are computed, and not what they are."""


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        kind: the command that answered.
        subject: what was asked about, such as the name of a table.
        verdict: the answer, one sentence.
        why: what it rests on, a sentence each.
        next: what to do with it, a sentence each; commands stand between backticks.
        command: how to ask again; empty where no command line was used.
        notes: what should be known of the input, a line each.
    """

    kind: str
    subject: str
    verdict: str
    why: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    command: str = ""
    notes: tuple[str, ...] = ()


def write(answer: Answer, output: Path) -> None:
    """Write ``answer.json`` into a folder."""
    text = json.dumps(asdict(answer), indent=2, ensure_ascii=True)
    files.write_bytes(output / NAME, (text + "\n").encode())


def read(output: Path) -> Answer:
    """Read the ``answer.json`` of a folder.

    Raises:
        ConfigError: there is none, or it is not one.
    """
    path = output / NAME
    try:
        found = json.loads(path.read_bytes())
        texts: dict[str, Any] = {
            key: _text(found[key]) for key in ("kind", "subject", "verdict", "command")
        }
        lists: dict[str, Any] = {
            key: tuple(map(_text, found[key])) for key in ("why", "next", "notes")
        }
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigError(f"{path}: is no answer; run the same command again") from None
    return Answer(**texts, **lists)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def command_line(arguments: Sequence[str]) -> str:
    """The command that was given, ready for a shell, without ``WHERE``."""
    return shlex.join(["erasurehead", *_what(arguments)])


def _what(arguments: Sequence[str]) -> Iterator[str]:
    places = iter(arguments)
    for each in places:
        if each in WHERE:
            next(places, None)
        elif not each.startswith(tuple(f"{option}=" for option in WHERE)) and each != "--debug":
            yield each
