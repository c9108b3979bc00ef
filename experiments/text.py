"""Text for people: numbers, words around them, what is wrong, and text from outside as it may be
shown.

Numbers are written the same in the terminal, in Markdown, in HTML and in sentences. What is for a
table is a ``TableCell``; in a sentence it is its text: ``f"saves {percent(x)}"``.

Labels, names, paths and libraries' words are data: see ``escaped`` in ``sim.base.errors``.

Nothing here imports a library, so that errors can be told while nothing else works."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isinf, isnan, nan
from typing import Any

from ..sim.base.errors import ConfigError, escaped

LONGEST_LINE = 300  # characters of a line in the terminal


def shortened(text: str, most: int = LONGEST_LINE) -> str:
    """The text, without its middle if it is longer than ``most``: its end often says the most."""
    if len(text) <= most:
        return text
    gap = " ... "
    last = 2 * (most - len(gap)) // 5
    return f"{text[: most - len(gap) - last]}{gap}{text[-last:]}"


def line(text: str, most: int = LONGEST_LINE) -> str:
    """One line of at most ``most`` characters, whatever the text holds."""
    return shortened(escaped(text), most)


_APART = re.compile(r"(?<=\d) (?=(?:%|m?s)(?!\w))| (?==)|(?<==) ")


def unbroken(text: str) -> str:
    """The text with hard spaces before units and around ``=``: no line ends there."""
    return _APART.sub("\N{NO-BREAK SPACE}", text)


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def at_a_glance(
    clauses: Sequence[str], limits: Sequence[str] = (), most: int = 30
) -> tuple[str, str]:
    """The first clauses, of at most so many words, as a sentence; and in one line the others and
    what limits it. A clause begins with the sign that parts it from the one before."""
    fits = 1
    while fits < len(clauses) and len("".join(clauses[: fits + 1]).split()) <= most:
        fits += 1
    rest = [clause.lstrip(":;, ") for clause in clauses[fits:]] + [*limits]
    return sentence("".join(clauses[:fits])), sentence("; ".join(rest)) if rest else ""


def number_of(number: int, noun: str, more: str = "") -> str:
    """The number and its noun: ``1 cell``, ``3 cells``; ``more`` is a plural of its own."""
    return f"{number} {noun if number == 1 else more or noun + 's'}"


def raised(error: BaseException) -> str:
    """What a library or plugin has raised, in one line: ``KeyError: 'load'``."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def left_out(number: int, noun: str, of: str = "") -> str:
    """A picture's remark on what it leaves out; empty if it shows everything.
    The noun is in the singular; ``of`` comes after it and says what they belong to."""
    if number == 0:
        return ""
    named = number_of(number, f"more {noun}", f"more {noun}s")
    return f"{named}{f' {of}' if of else ''} {'is' if number == 1 else 'are'} not shown"


def enumerated(names: Sequence[str], most: int) -> str:
    """The first names, with commas, and how many more there are: ``a, b and 3 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class TableCell:
    """A cell of a table; as a string it is its text, so that a sentence can hold it, too."""

    text: str  # what is written
    order: float | None = None  # what it is sorted by, if that is a number; else the text

    def __str__(self) -> str:
        return self.text


NOTHING = TableCell("-", nan)


def _missing(value: float | None) -> bool:
    return value is None or isnan(value)


def number(value: float, error: float = nan, unit: str = "", digits: int = 4) -> TableCell:
    """A number, with its standard error if it has one; ``-`` where there is none."""
    if _missing(value):
        return NOTHING
    text = f"{value:.{digits}g}"
    if not _missing(error) and error > 0:
        text += f" ± {error:.1g}"
    return TableCell(f"{text} {unit}" if unit else text, float(value))


def interval(
    value: float, low: float, high: float, digits: int = 3, infinite: str = "infinite"
) -> TableCell:
    """A number with the ends of an interval: ``1.23 (1.2 to 1.26)``, or ``1.23 (1.2 or more)``;
    ``infinite`` is what an infinite number is called."""
    if _missing(value):
        return NOTHING
    text = infinite if isinf(value) else f"{value:.{digits}g}"
    to = " or more" if isinf(high) else f" to {high:.{digits}g}"
    ends = "" if _missing(low) or isinf(low) else f" ({low:.{digits}g}{to})"
    return TableCell(text + ends, float(value))


def interval_columns(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    """An interval as columns of a row: ``name``, ``name_low`` and ``name_high``."""
    middle, low, high = interval
    return {name: middle, f"{name}_low": low, f"{name}_high": high}


SMALLEST_ERROR = 1e-12  # relative standard error up to which nothing varied
TOO_FEW_ROUNDS = "too few rounds"  # for this tail: a mean of so skew a law is not nearly normal


def theory_text(expected: float, z: float, error: float = nan) -> TableCell:
    """A closed form, and how many standard errors a simulated mean is from it: ``1.49 (+0.4)``; or
    why that is not said of a mean with this standard error."""
    if _missing(expected):
        return NOTHING
    if not _missing(z):
        # the sum makes 0 of -0
        return TableCell(f"{expected:.4g} ({round(z, 1) + 0.0:+.1f})", float(expected))
    varies = not _missing(error) and error > SMALLEST_ERROR * abs(expected)
    why = f" ({TOO_FEW_ROUNDS})" if varies and isfinite(expected) else ""
    return TableCell(f"{expected:.4g}{why}", float(expected))


def percent(value: float, low: float = nan, high: float = nan) -> TableCell:
    """A share: ``38.2 %``, or with its interval ``38.2 % (36.1 to 40.3 %)``; never ``-0.0``."""
    if _missing(value):
        return NOTHING
    ends = "" if _missing(low) else f" ({_hundredfold(low)} to {_hundredfold(high)} %)"
    return TableCell(f"{_hundredfold(value)} %{ends}", float(value))


def whole_percent(value: float, other: float = nan) -> str:
    """A share of which no more is to be known: ``38 %``; of two shares ``38 to 41 %``."""
    low, high = (f"{round(100 * share, 0) + 0.0:.0f}" for share in (value, other))  # never -0
    return f"{low} %" if _missing(other) or low == high else f"{low} to {high} %"


def _hundredfold(value: float) -> str:
    """In percent: one digit after the point, but for 100 and more none."""
    rounded = round(100 * float(value), 1) + 0.0  # the sum makes 0 of -0
    if isinf(rounded):
        return "infinite"
    return f"{rounded:.1f}" if abs(rounded) < 100 else f"{rounded:.0f}"


# errors of the disk or the system, which name no path
OF_THE_MACHINE = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG,
)  # fmt: skip
# how libraries say that memory is short, besides ``MemoryError``
SHORT_OF_MEMORY = (
    "cannot allocate memory",
    "failed to map segment",
    "can't start new thread",
    "failed to launch worker thread",
)
MEMORY_REMEDY = (
    "take smaller data, fewer replications, workers or jobs, or more memory (is there a limit, "
    "as by ulimit -v?)"
)


def of_the_user(error: BaseException) -> str | None:
    """The message, if the user can mend the error: a config, an option, a path that cannot be read
    or written, too little space or memory. ``None`` for a fault of ours."""
    if isinstance(error, ConfigError):
        return str(error)
    if hasattr(error, "format_message"):  # the command line's parser: an option or argument
        command = getattr(getattr(error, "ctx", None), "command_path", "erasurehead")
        return f"{_of_the_parser(error)} (see {command} --help)"
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing and not missing.startswith("erasurehead"):
        how = "in a checkout: make install, and then .venv/bin/erasurehead"
        return f"Python package {missing} is not installed in {sys.prefix} ({how})"
    if is_memory(error):
        return out_of_memory(error)
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{error.strerror}: take fewer workers or --jobs, or allow more files (ulimit -n)"
    if isinstance(error, OSError) and error.strerror:
        if error.filename not in (None, ""):
            name = error.filename  # an int if it is a file descriptor
            path = os.fsdecode(name) if isinstance(name, str | bytes) else name
            return f"{path}: {error.strerror}"
        if error.errno in OF_THE_MACHINE:
            hint = f"where results, this text and temporary files go (TMPDIR = {_temporary()})"
            return f"{error.strerror} {hint}"
    return None


def _of_the_parser(error: Any) -> str:
    """What the parser of the command line refuses; of a wrong value its place first, as elsewhere.
    Typer is not imported: its errors are known by their names."""
    parameter = getattr(error, "param", None)
    if type(error).__name__ != "BadParameter" or parameter is None:
        return str(error.format_message()).rstrip(".")
    place = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar
    text = error.message.rstrip(".").removeprefix("Value error, ")  # of pydantic
    if text.startswith("Input should be "):  # of pydantic, too
        text = f"must be {text.removeprefix('Input should be ')}"
    return f"{place}: {text}"


def is_memory(error: BaseException) -> bool:
    """Whether memory was short."""
    full = hasattr(error, "characters_written")  # a pipe or terminal that takes no more at once
    numbers = () if full else (errno.ENOMEM, errno.EAGAIN)
    refused = isinstance(error, OSError) and error.errno in numbers
    text = str(error).lower()
    return refused or isinstance(error, MemoryError) or any(w in text for w in SHORT_OF_MEMORY)


def out_of_memory(error: BaseException) -> str:
    """The one line, with what a library says about the amount."""
    reason = shortened(str(error).strip(), 100) if isinstance(error, MemoryError) else ""
    return f"not enough memory{f' ({reason})' if reason else ''}: {MEMORY_REMEDY}"


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return os.environ.get("TMPDIR", "unset")
