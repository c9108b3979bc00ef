"""The one way to the terminal: what is written there comes from outside, so it is never obeyed.

Markup and emoji codes are not interpreted, and every line is escaped and shortened.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .config.errors import LONGEST_LINE, line

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Write one line to stdout."""
    print(line(text), flush=True)


def say_all(lines: Iterable[str]) -> None:
    """Write several lines to stdout."""
    for each in lines:
        say(each)


def tell(text: str, most: int = LONGEST_LINE) -> None:
    """Write one line to stderr; if that cannot be written either, nobody can be told."""
    with contextlib.suppress(OSError, ValueError):
        print(line(text, most), file=sys.stderr, flush=True)


def console(stderr: bool = False, soft_wrap: bool = False) -> Console:
    """For tables and progress bars. Their texts must have been through ``escape.line``."""
    from rich.console import Console

    return Console(stderr=stderr, soft_wrap=soft_wrap, markup=False, highlight=False, emoji=False)


def width(of: Console) -> int:
    """Characters that fit into a line; a file or a pipe takes as many as a line may have."""
    import os

    known = of.is_terminal or "COLUMNS" in os.environ
    return min(of.width, LONGEST_LINE) if known else LONGEST_LINE


def says(character: str) -> bool:
    """Whether stdout can show a character."""
    try:
        character.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
