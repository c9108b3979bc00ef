"""Which column of a long table is what, by its name or by what must be said; and moments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .columns import A_SECOND, NUMBERS, parse, role_of
from .measured import LAYOUTS, Reading, Roles, also_needed
from .odd_columns import as_word
from .parts import require_stages

CANONICAL = ("worker", "round", "seconds")  # columns that need no choice whatever else there is
LATEST = 1e11  # seconds since 1970: a larger number is another unit
DATES = (9e8, 4.2e9)  # seconds since 1970 that may be dates, of 1998 to 2103
APART = 0.02  # of their size, that such dates of one table differ by at most
ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
ZONE = r":\d.*?([Zz]|[+-]\d\d(?::?\d\d)?)$"
UTC = ("", "Z", "z", "UTC", "+00:00", "+0000", "+00")  # a stamp without a zone is read as UTC


def roles(frame: pd.DataFrame, reading: Reading) -> dict[str, str] | None:
    """Role to column of a long table; ``None``: a wide one. Raises UnusableFile: several columns
    could have one role, or one role has no column."""
    columns = [str(name) for name in frame.columns]
    said: dict[str, str] = {role: name for role, name in reading.columns.items() if name}
    for name in reading.named:
        if name not in columns:
            text = f"--columns ...={short(name)}: there are {short(', '.join(columns))}"
            raise UnusableFile(text)
    allreduce, stages = said.pop("allreduce", None), reading.stages
    said.pop("stages", None)
    require_stages(reading)
    columns = [name for name in columns if name not in (allreduce, *stages)]
    if not said and set(CANONICAL) <= {*columns}:
        return {role: role for role in (*CANONICAL, "load") if role in columns}
    if {*reading.columns} == {"worker"}:
        others = {role_of(name) for name in columns if name != reading.columns["worker"]}
        if not {"round", "seconds", "start", "end"} & others:
            return None  # a row for each worker, and a column for each round
    found: dict[str, list[str]] = {role: [name] for role, name in said.items()}
    for name in columns:
        meant = role_of(name)
        if meant is not None and meant not in said and name not in said.values():
            found.setdefault(meant, []).append(name)
    if not {"start", "end"}.isdisjoint(said) and "seconds" not in said:
        found.pop("seconds", None)
    if {*found} - {"load"} == {"worker", "round"}:
        rest = [name for name in columns if role_of(name) is None]
        if len(rest) == 1 and parse(rest[0]).unit:  # whatever it is called: there is no other
            found["seconds"] = rest
    timed = "seconds" in found or {"start", "end"} <= {*found}
    if "seconds" in said or (stages and not timed):
        found = {role: name for role, name in found.items() if role not in ("start", "end")}
    if not ({"worker", "round"} <= {*found} and (timed or stages)):
        asked = {"worker", "seconds", "start", "end"} & {*said} or allreduce or stages
        _require_wide(frame[columns], found, bool(asked), timed, reading)
        return None
    if "seconds" in found and {"start", "end"} <= {*found}:
        seconds, start, end = (found[role][0] for role in ("seconds", "start", "end"))
        remedy = f"say --columns seconds={short(seconds)}, or --columns start={short(start)}"
        text = f"the seconds could be {short(seconds)}, or {start} and {end}"
        raise UnusableFile(f"{text}: {remedy},end={short(end)}")
    if "seconds" in found:
        found = {role: name for role, name in found.items() if role not in ("start", "end")}
    for role, candidates in found.items():
        if len(candidates) > 1:
            text = f"columns {short(' and '.join(candidates))} could each be the {role}"
            raise UnusableFile(f"{text}: say --columns {role}={short(candidates[0])}")
    return {role: candidates[0] for role, candidates in found.items()}


def _require_wide(
    frame: pd.DataFrame,
    found: dict[str, list[str]],
    asked: bool,
    timed: bool,
    reading: Reading,
) -> None:
    """Raises UnusableFile: a table in which roles were ``found`` but not all is a long one, since
    columns were ``asked`` for, or by what it holds. ``timed``: its seconds are known."""
    columns, both = [*map(str, frame.columns)], {"worker", "round"} <= {*found}
    parts = [name for name in columns if parse(name).unit and role_of(name) is None]
    timed = timed or bool(reading.stages)
    if both and len(parts) > 1 and not (asked or reading.keep):
        text = f"say --columns stages={as_word('+'.join(parts))} if these are parts of a step"
        raise UnusableFile(f"no column is the seconds: {text}")
    texts = {name for name in columns if frame[name].dtype.kind == "O"}
    stamps, since = moments(frame) if ("worker" in found or texts) and not timed else ([], "")
    # A wide table has no names of workers beside times.
    calls = both or (bool(stamps) and ("worker" in found or bool(texts - {*stamps})))
    more = len(columns) - sum(map(len, found.values()))
    if not (asked or calls) and (len(found) < 2 or more > 1):
        return  # none of its columns may have such a name
    lacking = [role for role in ("worker", "round") if role not in found]
    lacking += [] if timed else ["seconds"]
    first = {role: names[0] for role, names in found.items()}
    raise UnusableFile(_lacking(frame, lacking, first, stamps, since, reading))


def _lacking(
    frame: pd.DataFrame,
    lacking: Sequence[str],
    found: Roles,
    stamps: Sequence[str],
    since: str,
    reading: Reading,
) -> str:
    """What to say where no column has these roles by its name, a line. ``stamps`` are columns that
    say when, with the unit of those that are numbers; others have roles, ``found``."""
    asked: dict[str, str] = {role: name for role, name in reading.columns.items() if name}
    asked |= {role: "..." for role in lacking if role != "seconds"}
    free = [name for name in map(str, frame.columns) if role_of(name) is None]
    free = [name for name in free if name not in {*asked.values(), *reading.stages}]
    numbers = [name for name in free if frame[name].dtype.kind in NUMBERS]
    text, unit = f"; {LAYOUTS}; else", ""
    if "seconds" in lacking and stamps:
        first, *_, last = stamps
        asked |= {"start": first, "end": last}
        text = f"; {short(' and '.join(stamps))} say when:"
        text += " which two are the start and the end?" if len(stamps) > 2 else ""
        unit = f" --unit {since}" if since and reading.unit is None else ""
    elif "seconds" in lacking:
        asked["seconds"] = numbers[0] if len(numbers) == 1 else "..."
        many = "holds numbers" if len(numbers) == 1 else "hold numbers"
        text = f"; {short(' and '.join(numbers))} {many}:" if numbers else text
    what = quote(",".join(f"{role}={short(name)}" for role, name in asked.items()))
    names = " or the ".join(lacking)
    line = f"no column is the {names} by its name{text} say --columns {what}{unit}"
    worker, number = (found.get(role, "") for role in ("worker", "round"))
    if not {worker, number} <= {*frame.columns} or "load" in found:
        return line
    calls = frame.drop_duplicates([worker, number])
    cells = calls[worker].nunique() * calls[number].nunique()
    return line + also_needed(len(calls) < cells, reading)


def between(start: pd.Series, end: pd.Series, unit: str | float | None) -> tuple[FloatArray, bool]:
    """How long each call took, in the unit of the numbers, or in seconds of ISO time stamps; NaN
    where one is missing. And whether they are stamps. The difference is taken before anything is
    rounded: nanoseconds since 1970 are no doubles. Raises UnusableFile: they are no times, of two
    kinds, in an unknown unit, end before they start, or have a zone at one end alone."""
    kinds = [column.dtype.kind in NUMBERS for column in (start, end)]
    if all(kinds):
        if unit is None and max(float(start.max()), float(end.max())) > LATEST:
            text = f"column {short(start.name)} holds {start.max():.15g}, too large for seconds"
            likely = _since_1970(start)
            raise UnusableFile(f"{text} since 1970: say --unit {likely or 'ms, us or ns'}")
        taken = (end - start).to_numpy(dtype=np.float64, na_value=np.nan)
    elif any(kinds):
        names = f"{short(start.name)} and {short(end.name)}"
        raise UnusableFile(f"columns {names}: one holds numbers and one does not")
    else:
        taken = (_stamps(end) - _stamps(start)).to_numpy() / np.timedelta64(1, "s")
        _require_zones(start, end, taken)
    if np.any(taken < 0):
        row = int(np.flatnonzero(taken < 0)[0]) + 1
        text = f"row {row}: {short(end.name)} is before {short(start.name)}; valid: end >= start"
        raise UnusableFile(text)
    return np.asarray(taken, dtype=np.float64), not all(kinds)


def _stamps(column: pd.Series) -> pd.Series:
    try:
        with reading("time stamps"):
            return pd.to_datetime(column, format="ISO8601", utc=True)
    except UnusableFile as error:
        valid = "valid: ISO 8601, 2026-01-31T12:00:00.5Z"
        raise UnusableFile(f"column {short(column.name)}: {error}; {valid}") from error


def _require_zones(start: pd.Series, end: pd.Series, taken: FloatArray) -> None:
    """Refuse (UnusableFile) a zone at one end alone, if that changes how long a call took."""
    begun, ended = _zones(start), _zones(end)
    apart = ((begun == "") != (ended == "")) & ~np.isnan(taken)
    wrong = apart & (~np.isin(begun, UTC) | ~np.isin(ended, UTC) | (taken < 0))
    if wrong.any():
        row = int(np.argmax(wrong))
        zoned, other = (start, end) if begun[row] else (end, start)
        text = f"row {row + 1}: {short(zoned.name)} has a zone, {begun[row] or ended[row]}, and"
        remedy = "which is read as UTC: write a zone at both ends, or at none"
        raise UnusableFile(f"{text} {short(other.name)} has none, {remedy}")


def _zones(column: pd.Series) -> NDArray[np.object_]:
    """The zone of each stamp as it is written; empty where it has none."""
    if column.dtype.kind == "M":
        zone = getattr(column.dtype, "tz", None)
        return np.full(len(column), "" if zone is None else str(zone), object)
    found = column.astype(str).str.extract(ZONE, expand=False)
    return np.asarray(found.fillna(""), object)


def _since_1970(column: pd.Series) -> str:
    """The unit in which numbers are dates near each other, if they can be; else empty."""
    least, most = float(column.min()), float(column.max())
    near = [u for u, a in A_SECOND.items() if DATES[0] < least / a and most / a < DATES[1]]
    return near[0] if near and most < (1 + APART) * least else ""


def moments(frame: pd.DataFrame) -> tuple[list[str], str]:
    """Columns that say when, two or more in the order of their times, and the unit of those that
    are numbers since 1970 whose names say none. What never changes is left out."""
    found: dict[str, dict[str, Any]] = {unit: {} for unit in ("", *A_SECOND)}
    for name, column in frame.items():
        known = column.dropna()
        if known.nunique() < 2:
            continue
        if column.dtype.kind == "M" or (column.dtype.kind == "O" and ISO.match(str(known.iloc[0]))):
            with suppress(UnusableFile):
                found[""][str(name)] = _stamps(known).median()
        elif column.dtype.kind in NUMBERS and (unit := _since_1970(known)):
            found[unit][str(name)] = known.median()
    for unit, each in found.items():
        if len(each) > 1:
            ordered = sorted(each, key=each.__getitem__)
            return ordered, "" if parse(ordered[0]).unit else unit
    return [], ""
