"""What somebody is told who reads a table: the whole outcome of ``erasurehead.read_table``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import erasurehead as eh

MOST_CHARACTERS = 260
"""Of a refusal, the path left out: it is one line."""

MOST_CELLS = 40
"""Of a table whose values are in the outcome; of a larger one it has the first rounds."""


def outcome(table: Any, **options: Any) -> list[str]:
    """The refusal, or everything that was read and noted, a line each."""
    path = str(table) if isinstance(table, Path) else "the table"
    try:
        found = eh.read_table(table, **options)
    except eh.ConfigError as error:
        line = str(error).removeprefix(f"{path}: ").replace(path, "TABLE")
        assert "\n" not in line
        assert len(line) < MOST_CHARACTERS
        return [f"refused: {line}"]
    lines = [*found.lines]
    shown = "".join(lines)
    lines += [f"also: {note}" for note in found.notes if note[1:].removesuffix(".") not in shown]
    for load, delays in found.tables.items():
        if delays.size <= MOST_CELLS:
            at = "" if load is None else f" at load {load:g}"
            lines.append(f"seconds{at}: {delays.to_numpy().tolist()}")
    return lines


def without_numbers(lines: list[str]) -> list[str]:
    """What an outcome says of a table, for tests that know its numbers."""
    shown = ("  round", "  seconds", "  slowest", "  fastest", "seconds")
    return [line for line in lines if not line.startswith(shown)]
