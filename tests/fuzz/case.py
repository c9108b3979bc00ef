"""A case: files in an empty folder, and commands that are run there one after the other."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Command = tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """What is done to the program.

    Attributes:
        files: content by name, relative to the case's folder.
        commands: arguments of the program.
        note: what was broken, for the reader of a report.
        again: whether the last command repeats what a first one has done: if that went well,
            this one must go well too, and leave the same tables.
    """

    files: Mapping[str, bytes]
    commands: tuple[Command, ...]
    note: str = ""
    again: bool = False
    fifos: tuple[str, ...] = field(default=())


Make = Callable[[random.Random], Case]


def randomness(kind: str, number: int) -> random.Random:
    """All randomness of a case; the same on every machine."""
    return random.Random(f"{kind} {number}")
