"""Columns of a file: what their names say, and their cells as numbers."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .measured import REMEDY

# How many of each unit. Dividing by it is exact to the last bit, multiplying by 1e-3 is not.
A_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}

SPELLINGS = {  # of units; those not in ``A_SECOND`` are known so as to be refused
    name: unit
    for unit, names in {
        "s": "s sec secs second seconds",
        "ms": "ms msec msecs milli millis millisecond milliseconds",
        "us": "us µs μs usec usecs micro micros microsecond microseconds",
        "ns": "ns nsec nsecs nano nanos nanosecond nanoseconds",
        "min": "min mins minute minutes",
        "h": "h hr hrs hour hours",
        "days": "day days",
        "cs": "cs csec centisecond centiseconds",
        "ds": "ds dsec decisecond deciseconds",
        "ps": "ps picosecond picoseconds",
    }.items()
    for name in names.split()
} | {unit: unit for unit in ("ticks", "cycles", "jiffies", "clocks")}

# Seconds of those that have a length.
LASTS = {"min": "60", "h": "3600", "days": "86400", "cs": "0.01", "ds": "0.1", "ps": "1e-12"}
FEW = 8  # so few small whole numbers may be seconds, and so may be equal ones
CALLED = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
SECONDS_AT_MOST = 100.0  # times without a unit that are typically larger are rather ms

ALIASES = {
    role: names.split()
    for role, names in {
        "worker": "worker host rank node instance machine hostname pod dp_rank global_rank device",
        "round": "round step iteration iter global_step batch minibatch time_step timestep",
        "seconds": "seconds second sec secs ms msec millis milliseconds usec microseconds nsec "
        "nanoseconds duration dur time elapsed latency delay runtime run_time elapsed_time "
        "step_time iteration_time round_time batch_time compute_time task_time",
        "start": "start begin started began",
        "end": "end stop finish ended stopped finished",
        "load": "load",
    }.items()
}
BESIDE = {"t", "ts", "time", "at", "timestamp"}  # words that may stand beside a start or an end
ENDINGS = ("_id", "_name", "_index", "_idx", "_number", "_no", "_num")  # of workers or rounds

# Of what is known of a round; they do not number the rounds.
SUMMARIES: Set[str] = {
    *("loss", "lr", "learning_rate", "accuracy", "job", "run", "seed", "attempt", "retry"),
    *("max", "min", "mean", "median", "avg", "average", "total", "sum", "std", "count"),
}

NOT_WORKERS: Set[str] = SUMMARIES | {  # names that no worker has: counters, clocks, summaries
    *("epoch", "timestamp", "time_stamp", "ts", "date", "datetime", "clock", "wall_time"),
    *("index", "idx", "id", "row", "row_id", "unnamed", "level", "wall", "utc"),
}


@dataclass(frozen=True)
class Name:
    """A column's name, taken apart: ``durationMs``, ``Duration (ms)``, ``duration_ms`` are one."""

    whole: str  # in small letters with ``_`` between its words
    base: str  # without the unit
    unit: str | None  # ``s``, ``ms``, ``us``, ``ns``, ``min``, ``h``, or ``None``


@lru_cache(maxsize=2**16)
def parse(name: str) -> Name:
    """Take a column's name apart."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    words = [word.lower() for word in re.split(r"[^0-9a-zA-Zµμ]+", spaced) if word]
    whole = "_".join(words)
    if len(words) > 1 and words[-1] in SPELLINGS:
        return Name(whole, "_".join(words[:-1]), SPELLINGS[words[-1]])
    return Name(whole, whole, SPELLINGS.get(whole) if whole in ALIASES["seconds"] else None)


UNIT_AT_END = re.compile(r"[\s_\-./(\[]*[A-Za-zµμ]+[)\]]?\s*$")


def without_unit(name: str) -> str:
    """A column's name as it stands, but for a unit at its end."""
    return (parse(name).unit and UNIT_AT_END.sub("", name)) or name


@lru_cache(maxsize=2**16)
def role_of(name: str) -> str | None:
    """Which role a column's name stands for, if any; ``step_ms`` is seconds, ``step`` a round."""
    parsed = parse(name)
    for place in ("worker", "round"):
        plain = (parsed.whole.removesuffix(ending) for ending in ("", *ENDINGS))
        if any(candidate in ALIASES[place] for candidate in plain):
            return place
    if parsed.whole == "load":
        return "load"
    words = [word for word in parsed.base.split("_") if word not in BESIDE]
    for time in ("start", "end"):
        if len(words) == 1 and words[0] in ALIASES[time]:
            return time
    if {parsed.whole, parsed.base} & {*ALIASES["seconds"]}:
        return "seconds"
    return "seconds" if parsed.unit and parsed.base in ALIASES["round"] else None


def no_worker(name: str) -> bool:
    """Whether a column of a wide table is, by its name, something else than a worker's times."""
    whole = re.sub(r"^(unnamed|level)_\d+$", r"\1", parse(name).whole)
    return bool({whole, parse(name).base} & NOT_WORKERS) or role_of(name) is not None


@dataclass(frozen=True)
class Times:
    """The unit of a file's times."""

    unit: str | float  # of ``A_SECOND``, or how many seconds one is
    why: str  # the unit in words, and who says so
    assumed: str = ""  # nobody says so: a sentence that does, else empty

    def seconds(self, values: FloatArray) -> FloatArray:
        """Such values in seconds."""
        if isinstance(self.unit, float):
            return values * self.unit
        return values if self.unit == "s" else values / A_SECOND[self.unit]


def settle(
    said: str | float | None,
    named: str | None,
    where: str,
    seen: FloatArray | None,
    hint: str = "",
    also: str = "",
) -> Times:
    """The unit of times: what was ``said`` (a number is how many seconds one is, and counts
    whatever a name says), what ``where`` names it, or else seconds, unless that would be absurd for
    what was ``seen`` (perhaps with NaN or infinities). Only the file's name says ``hint``; ``also``
    ends a line that asks for a unit. Raises UnusableFile: they contradict each other, the unit is
    unknown, or none is said and needed."""
    if isinstance(said, float):
        return Times(said, f"units of {said:g} s, as --unit says")
    if named is not None and named not in A_SECOND:
        how = f"give seconds, or --unit {LASTS.get(named, '0.01')}, the seconds that one takes"
        raise UnusableFile(f"{where} is in {named} by its name; valid: s, ms, us, ns; {how}")
    if named is not None and said not in (None, named):
        text = f"{where} says {named}, but --unit {said} was given; rename it, leave --unit out"
        raise UnusableFile(f"{text}, or give --unit in seconds: {1 / A_SECOND[said or 's']:g}")
    if named is not None:
        return Times(named, f"{CALLED[named]}, as {where} says")
    if said is not None:
        return Times(said, f"{CALLED[said]}, as --unit says")
    if seen is None:
        return Times("s", CALLED["s"])
    finite = seen[np.isfinite(seen)]
    middle = float(np.median(finite)) if finite.size else 0.0
    whole = bool(np.any(finite) and not np.any(np.mod(finite, 1)))
    whole = whole and (bool(finite.size >= FEW and np.ptp(finite) > 0) or middle >= 10)
    if hint and hint != "s":
        text = f"the file's name says {hint}, and nothing else does"
        unit = hint if hint in A_SECOND else LASTS.get(hint, "0.01")
        raise UnusableFile(f"{text} (typically {middle:.6g}): say --unit {unit}, or --unit s{also}")
    if middle >= SECONDS_AT_MOST or whole:
        numbers = "all whole numbers, " if whole else ""
        text = f"{where} says no unit and is {numbers}typically {middle:.6g}"
        raise UnusableFile(f"{text}: say --unit s, ms, us or ns{also}")
    assumed = f"no unit is said: read as seconds, typically {middle:.4g} s; --unit ms if not"
    return Times("s", "seconds, which is assumed", assumed)


ROUND_COLUMN = re.compile(r"(round|step|iteration|iter|epoch|t)_?\d+")


def of_rounds(names: list[str]) -> bool:
    """Whether a wide table's columns are named after rounds, not workers: it is transposed."""
    whole = [parse(name).whole for name in names]
    return len(whole) > 1 and sum(ROUND_COLUMN.fullmatch(name) is not None for name in whole) > 1


NUMBERS = "fiu"  # kinds of numbers in NumPy: floats, integers, without a sign

GAPS: Set[str] = {  # texts that stand where a delay is missing, in small letters
    *("timeout", "timedout", "timed out", "time out", "time-out", "timed-out", "expired"),
    *("failed", "fail", "error", "err", "killed", "dead", "crashed", "oom", "cancelled"),
    *("canceled", "aborted", "lost", "missing", "-", "--", "---", "?", "x"),
}

NONE = np.empty(0, np.int64)
WITH_UNIT = re.compile(r"[-+]?[\d.,]*\d\s*([a-zµμ]+)")
GROUPED = re.compile(r"\d{1,3}([,.' \u00a0\u202f]\d{3})*([.,]\d+)?")


def numbers(
    column: pd.Series, what: str, remedy: str = "", gaps: bool = False
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The column as numbers of ``what``, and the places of cells that say that something failed:
    with ``gaps``, "timeout" and the like are NaN. Raises UnusableFile: naming the place of the
    first cell that is no number, and a remedy; Booleans and dates are none."""
    if column.dtype.kind in NUMBERS:
        return column.to_numpy(dtype=np.float64, na_value=np.nan), NONE
    if column.dtype.kind == "O":
        try:
            with reading("numbers"):
                values = pd.to_numeric(column, errors="coerce")
        except UnusableFile as error:
            raise UnusableFile(f"column {short(column.name)}: {error}") from error
        bad = np.flatnonzero(values.isna())
        failed = [place for place in bad if _failed(column.iloc[place])] if gaps else []
        absent = column.iloc[bad].isna().to_numpy() if gaps else np.zeros(len(bad), bool)
        bad = np.setdiff1d(bad[~absent], failed)
        if len(bad):
            raise UnusableFile(_no_number(column, int(bad[0]), what, remedy))
        if gaps and values.dtype.kind in NUMBERS and not values.isna().all():
            return values.to_numpy(dtype=np.float64, na_value=np.nan), np.array(failed, np.int64)
    kind = f"column {short(column.name)} holds {short(column.dtype)}"
    raise UnusableFile(f"{kind}; valid: numbers of {what}")


DURATION = re.compile(r"-?\d+ days?,? \+?\d{1,2}:\d\d:\d\d(\.\d+)?|0?0:\d\d:\d\d(\.\d+)?")
CLOCK = re.compile(r"\d{1,2}:\d\d:\d\d(\.\d+)?")


def durations(column: pd.Series, unit: str | float | None, a_second: float) -> pd.Series | None:
    """A column of durations as numbers, of which so many are a second; its other cells as they are.
    ``None``: it is none. Durations are pandas' own and Python's, below an hour 0:00:01.5 as well.
    Raises UnusableFile: they may be times of day, and no unit was said."""
    second = np.timedelta64(1, "s")
    if column.dtype.kind == "m":
        return pd.Series(a_second * (column.to_numpy() / second), column.index)
    texts = column.dropna() if column.dtype.kind == "O" else column.iloc[:0]
    if not len(texts) or not isinstance(texts.iloc[0], str | timedelta):
        return None
    cells = texts.map(lambda cell: str(cell).strip())
    lasting = cells.map(lambda cell: bool(DURATION.fullmatch(cell)))
    clock = cells.map(lambda cell: bool(CLOCK.fullmatch(cell)))
    others = cells[~lasting & ~clock]
    if len(others) == len(cells) or not all(map(_failed, others)):
        return None
    if not all(lasting | ~clock) and unit is None:
        shown, drop = f"holds {short(cells[clock].iloc[0])}", f"--drop {short(column.name)}"
        text = f"column {short(column.name)} {shown}, a duration or a time of day"
        raise UnusableFile(f"{text}: --unit s says a duration; {drop} leaves it out")
    cells = cells[lasting | clock].str.replace(",", "")
    taken = pd.Series(a_second * (pd.to_timedelta(cells).to_numpy() / second), cells.index)
    return taken.reindex(column.index).where(~column.index.isin(others.index), column)


def _failed(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in GAPS


def _no_number(column: pd.Series, place: int, what: str, remedy: str) -> str:
    value = str(column.iloc[place])
    shown = value if len(value) <= 40 else f"{value[:40]}..."
    text = f"row {place + 1}, column {short(column.name)}: {shown!r} is not a number of {what}"
    if value == str(column.name):
        remedy = "the header again: two files in one? split it there"
    elif _failed(value):
        remedy = REMEDY
    elif GROUPED.fullmatch(value.strip()):
        remedy = "write it without separators of thousands, or say --decimal point, or comma"
    elif what == "seconds" and (found := WITH_UNIT.fullmatch(value.strip().lower())):
        unit = SPELLINGS.get(found[1], "")
        known = unit in A_SECOND or unit in LASTS
        remedy = f"strip the unit and say --unit {LASTS.get(unit, unit)}" if known else remedy
    return f"{text}; {remedy}" if remedy else text
