"""Cells of a column as numbers: of seconds and other times, which may be written as durations."""

from __future__ import annotations

import re
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.base.errors import EMPTY_MESSAGE, Message, Option
from ...sim.base.files import UnusableFile, reading, short
from ..base import FloatArray
from .measured import REMEDY_FOR_MISSING, Times
from .names import (
    DURATION_WORDS,
    FAILED_WORDS,
    FAILED_WORDS_OF_TEXTS,
    PER_SECOND,
    SPELLINGS,
    UNIT_NAMES,
    UNIT_SECONDS,
    parse,
)

NUMBER_KINDS = "fiu"  # kinds of numbers in NumPy: floats, integers, without a sign
NO_ROWS = np.empty(0, np.int64)
MAX_SECONDS_WITHOUT_UNIT = 100.0  # times that are typically larger are rather ms
# A pandas duration, D-HH:MM:SS, HH:MM:SS, MM:SS; and one of ISO 8601; and one of Go.
CLOCK = re.compile(
    r"(?:(-?\d+)(?: days?,? \+?|-))?(?:(\d{1,3}):)?(\d{1,3}):(\d\d(?:\.\d+)?)", re.IGNORECASE
)
PERIOD = re.compile(r"P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
GO_DURATION = re.compile(r"()(?:(\d+)h)?(?:(\d+)m)(\d+(?:\.\d+)?)s")


EXIT_CODE = re.compile(r"(exit|exited|rc|code|signal|exit_code|return_code)[\s_:=]*-?[1-9]\d*")
WORDS_OF_SUCCESS = {"no", "not", "none", "without", "0"}


def failed(cell: object) -> bool:
    """Whether a cell says that its delay is missing."""
    if not isinstance(cell, str):
        return False
    status = status_word(cell)
    return status in FAILED_WORDS or says_failure(status)


def says_failure(status: str) -> bool:
    """Whether a text, in small letters, says that a call failed: by a word of its own, as in
    ``error:_out_of_memory`` or Slurm's ``cancelled_by_7``, or as an exit code, ``exit_137``."""
    if status in FAILED_WORDS_OF_TEXTS or EXIT_CODE.fullmatch(status):
        return True
    words = {*re.split(r"[^a-z0-9]+", status)}
    return bool(words & FAILED_WORDS_OF_TEXTS) and not words & WORDS_OF_SUCCESS


def status_word(cell: str) -> str:
    """A text in small letters and with ``_`` between words, as the vocabulary has those of calls
    that failed."""
    return re.sub(r"(?<=\w)[ -]+(?=\w)", "_", cell.strip().lower())


def lasting(cell: object) -> tuple[float, bool] | None:
    """The seconds that a text says as a duration, and whether it may be a time of day; ``None``: it
    says none."""
    text = str(cell).strip()
    match = CLOCK.fullmatch(text) or PERIOD.fullmatch(text) or GO_DURATION.fullmatch(text)
    if match is not None:
        days, hours, minutes, seconds = match.groups()
        whole = 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes or 0)
        clock = match.re is CLOCK and days is None and int(hours or minutes) > 0
        exact = hours is None and "." in (seconds or "")
        return (10**9 * whole + round(1e9 * float(seconds or 0))) / 1e9, clock and not exact
    with_unit = r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([A-Za-zµμ]+)"
    if (match := re.fullmatch(with_unit, text)) and (unit := SPELLINGS.get(match[2].lower())):
        if unit in PER_SECOND:
            return float(match[1]) / PER_SECOND[unit], False
        if unit in UNIT_SECONDS:
            return float(match[1]) * float(UNIT_SECONDS[unit]), False
    return None


def durations(column: pd.Series, unit: str | float | None) -> pd.Series | None:
    """A column of durations as seconds; its other cells, which say that a call failed, as they are.
    ``None``: it is none. Raises UnusableFile: they may be times of day, and neither the column's
    name nor a ``unit`` says that they are not."""
    if column.dtype.kind == "m":
        return pd.Series(column.to_numpy() / np.timedelta64(1, "s"), column.index)
    texts = column.dropna() if column.dtype.kind == "O" else column.iloc[:0]
    if not len(texts) or not isinstance(texts.iloc[0], str | timedelta):
        return None
    if lasting(texts.iloc[0]) is None and not failed(texts.iloc[0]):
        return None
    known = {cell: lasting(cell) for cell in texts.unique()}
    if not any(known.values()) or not all(known[cell] or failed(cell) for cell in known):
        return None
    clocks = [cell for cell, duration in known.items() if duration and duration[1]]
    words = {*parse(str(column.name)).words}
    if clocks and unit is None and (words == {"time"} or not words & DURATION_WORDS):
        text = f"column {short(column.name)} holds {short(clocks[0])}, a duration or a time of day"
        says = " says with s that it is a duration; or drop the column"
        raise UnusableFile(f"{text}: ", Option("unit"), says)
    return column.map(lambda cell: duration[0] if (duration := known.get(cell)) else cell)


def numbers(
    column: pd.Series, what: str, remedy: Message = EMPTY_MESSAGE, gaps: bool = False
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The column as numbers of ``what``, and the places of cells that say that something failed:
    with ``gaps``, "timeout" and the like are NaN. Raises UnusableFile: naming the place of the
    first cell that is no number, and a remedy; Booleans and dates are none."""
    if column.dtype.kind in NUMBER_KINDS:
        return column.to_numpy(dtype=np.float64, na_value=np.nan), NO_ROWS
    if column.dtype.kind == "O":
        try:
            with reading("numbers"):
                values = pd.to_numeric(column, errors="coerce")
        except UnusableFile as error:
            raise UnusableFile(f"column {short(column.name)}: {error}") from error
        bad = np.flatnonzero(values.isna())
        gone = [row for row in bad if gaps and failed(column.iloc[row])]
        empty = [row for row in bad if gaps and pd.isna(column.iloc[row])]
        if len(bad := np.setdiff1d(bad, [*gone, *empty])):
            raise UnusableFile(_no_number(column, int(bad[0]), what, remedy))
        known = not values.isna().all() or len(gone) > 0
        if gaps and values.dtype.kind in NUMBER_KINDS and known:
            return values.to_numpy(dtype=np.float64, na_value=np.nan), np.array(gone, np.int64)
    kind = f"column {short(column.name)} holds {short(column.dtype)}"
    raise UnusableFile(f"{kind}; valid: numbers of {what}")


def _no_number(column: pd.Series, row: int, what: str, remedy: Message) -> Message:
    value = str(column.iloc[row])
    excerpt = value if len(value) <= 40 else f"{value[:40]}..."
    if value == str(column.name):
        remedy = Message("the header again: two files in one? split it there")
    elif failed(value):
        remedy = REMEDY_FOR_MISSING
    elif re.fullmatch(r"\d{1,3}([,.' \u00a0\u202f]\d{3})*([.,]\d+)?", value.strip()):
        remedy = Message(
            "write it without separators of thousands, or say with ",
            Option("decimal"),
            " what a comma is",
        )
    text = f"row {row + 1}, column {short(column.name)}: {excerpt!r} is not a number of {what}"
    return Message(f"{text}; ", remedy) if remedy else Message(text)


def settle(
    option: str | float | None,
    named: str | None,
    where: str,
    seen: FloatArray | None,
    hint: str = "",
    also: Message = EMPTY_MESSAGE,
) -> Times:
    """The unit of times: what the ``option`` says (a number is how many seconds one is, and counts
    whatever a name says), what ``where`` names it, or else seconds, unless that would be absurd for
    training, by what was ``seen`` (perhaps with NaN or infinities). Only the file's name says
    ``hint``; ``also`` ends a line that asks for a unit. Raises UnusableFile: they contradict each
    other, the unit is unknown, or none is said and needed."""
    if isinstance(option, float):
        return Times(option, f"units of {option:g} s", Option("unit"))
    if named is not None and named not in PER_SECOND:
        how = Message("with ", Option("unit"), " how many one is")
        if seconds := UNIT_SECONDS.get(named):
            how = Message("say ", Option("unit", float(seconds)))
        raise UnusableFile(f"{where} is in {named} by its name: give seconds, or ", how)
    if named is not None and option not in (None, named):
        raise UnusableFile(
            f"{where} says {named}, but ",
            Option("unit", option),
            " was given; rename it, leave ",
            Option("unit"),
            " out, or give ",
            Option("unit"),
            f" in seconds: {1 / PER_SECOND[option or 's']:g}",
        )
    if named is not None:
        return Times(named, UNIT_NAMES[named], where)
    if option is not None:
        return Times(option, UNIT_NAMES[option], Option("unit"))
    if seen is None:
        return Times()
    if hint and hint != "s":
        seconds = UNIT_SECONDS.get(hint)
        unit = float(seconds) if seconds else hint if hint in PER_SECOND else "..."
        say = Message("say ", Option("unit", unit), " if so", also)
        raise UnusableFile(f"the file's name alone says {hint}: ", say)
    finite = seen[np.isfinite(seen)]
    middle = float(np.median(finite)) if finite.size else 0.0
    whole = bool(np.any(finite) and not np.any(np.mod(finite, 1)))
    # A few small whole numbers may be seconds, and so may be equal ones.
    whole = whole and (bool(finite.size >= 8 and np.ptp(finite) > 0) or middle >= 10)
    if middle >= MAX_SECONDS_WITHOUT_UNIT or whole:
        numbers = "all whole numbers, " if whole else ""
        text = f"{where} says no unit and is {numbers}typically {middle:.6g}"
        what = " what they are, s, ms, us or ns"
        raise UnusableFile(f"{text}: say with ", Option("unit"), what, also)
    return Times("s", "seconds, which is assumed", typical=middle)
