"""Long tables: one row per call, with columns for the worker, the round and the seconds."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import require_cells, short
from ..base import FloatArray
from . import names
from .error import TableError, layouts
from .measured import Part, Repair
from .missing import REMEDY
from .numbers import NONE, numbers
from .reading import Reading
from .retries import one_each
from .stamps import between
from .wide import SECONDS_AT_MOST

MOST_LOADS = 1000
"""Loads that a table may have: with more, the column is something else."""

CANONICAL = ("worker", "round", "seconds")
"""Columns that need no choice whatever else there is."""


def roles(path: str, columns: list[str], reading: Reading) -> dict[str, str] | None:
    """Role to column of a long table; ``None`` for a wide one.

    Raises:
        TableError: several columns could have one role, or one role has no column.
    """
    said: dict[str, str] = {role: name for role, name in reading.columns.items() if name}
    for role, name in said.items():
        if name not in columns:
            raise TableError(
                path, f"--columns {role}={short(name)}: there are {short(', '.join(columns))}"
            )
    if not said and set(CANONICAL) <= {*columns}:
        return {role: role for role in (*CANONICAL, "load") if role in columns}
    found: dict[str, list[str]] = {role: [name] for role, name in said.items()}
    for name in columns:
        meant = names.role(name)
        if meant is not None and meant not in said and name not in said.values():
            found.setdefault(meant, []).append(name)
    if "seconds" in said:
        found = {role: name for role, name in found.items() if role not in ("start", "end")}
    elif "start" in said or "end" in said:
        found.pop("seconds", None)
    timed = "seconds" in found or {"start", "end"} <= {*found}
    if not ({"worker", "round"} <= {*found} and timed):
        others = len(columns) - sum(map(len, found.values()))
        wanted = {"worker", "seconds", "start", "end"} & {*said}
        if not wanted and (len(found) < 2 or others > 1):
            return None  # a wide table, of whose columns none may have such a name
        lacking = [role for role in ("worker", "round") if role not in found]
        lacking += [] if timed else ["seconds"]
        raise TableError(path, f"no column is the {' or the '.join(lacking)}; {layouts()}")
    if "seconds" in found and {"start", "end"} <= {*found}:
        both = f"{short(found['seconds'][0])}, or {found['start'][0]} and {found['end'][0]}"
        raise TableError(
            path,
            f"the seconds could be {both}: say --columns seconds={short(found['seconds'][0])}, or "
            f"--columns start={short(found['start'][0])},end={short(found['end'][0])}",
        )
    if "seconds" in found:
        found = {role: name for role, name in found.items() if role not in ("start", "end")}
    for role, candidates in found.items():
        if len(candidates) > 1:
            raise TableError(
                path,
                f"columns {short(' and '.join(candidates))} could each be the {role}: say "
                f"--columns {role}={short(candidates[0])}",
            )
    return {role: candidates[0] for role, candidates in found.items()}


class LongTable:
    """A long table, of which each load becomes a part when it is asked for.

    Args:
        path: of the file, for errors.
        frame: its columns.
        role: role to column.
        reading: the caller's choices.
        most: cells that a part may have.

    Raises:
        TableError: naming the first defect.
    """

    def __init__(
        self,
        path: str,
        frame: pd.DataFrame,
        role: Mapping[str, str],
        reading: Reading,
        most: int | None,
    ) -> None:
        self._path, self._reading, self._most, self._role = path, reading, most, role
        seconds, self._failed, self._repairs = _seconds(path, frame, role, reading)
        self._calls = pd.DataFrame({"seconds": seconds})
        self._hosts, self._calls["worker"] = _workers(path, frame[role["worker"]])
        self._rounds, self._calls["round"] = _numbered(path, frame[role["round"]], "round")
        self._others = frame.drop(columns=[*role.values()]).reset_index(drop=True)
        self._rows: dict[float | None, NDArray[np.int64] | None] = {None: None}
        if "load" in role:
            self._rows = _loads(path, frame[role["load"]])

    @property
    def loads(self) -> list[float | None]:
        """Ascending; ``[None]`` without a column load."""
        return [*self._rows]

    def part(self, load: float | None) -> Part:
        """The calls at a load.

        Raises:
            TableError: rows are repeated or missing.
        """
        rows = self._rows[load]
        calls = self._calls if rows is None else self._calls.iloc[rows]
        others = self._others if rows is None else self._others.iloc[rows]
        labels = (self._hosts, self._rounds)
        failed = int(np.isin(self._failed, calls.index).sum())
        calls, retried = one_each(self._path, calls, others, labels, self._reading)
        hosts, table = _table(self._path, calls, self._hosts, self._reading, self._most)
        repairs = [*self._repairs, *retried, *_gaps(self._rounds[np.unique(calls["round"])])]
        if "seconds" not in self._reading.columns:
            _require_no_clock(self._path, self._role, table)
        failed = min(failed, int(np.isnan(table).sum()))
        return Part(hosts, table, failed, tuple(repairs))


def _seconds(
    path: str, frame: pd.DataFrame, role: Mapping[str, str], reading: Reading
) -> tuple[FloatArray, NDArray[np.int64], list[Repair]]:
    """Seconds of every row, the rows that failed, and what had to be assumed."""
    if "seconds" not in role:
        start, end = role["start"], role["end"]
        unit = _agreed(path, start, reading)
        if _agreed(path, end, reading) != unit:
            raise TableError(
                path, f"columns {short(start)} and {short(end)} are in different units"
            )
        return between(path, frame[start], frame[end], unit), NONE, []
    name = role["seconds"]
    column = frame[name]
    if column.dtype.kind == "m":
        return column.to_numpy() / np.timedelta64(1, "s"), NONE, []
    unit = _agreed(path, name, reading)
    what = "seconds" if unit in (None, "s") else str(unit)
    remedy = "say --columns seconds=..., or start=...,end=..."
    values, failed = numbers(path, column, what, remedy, reading.missing != "refuse")
    if unit is None:
        middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
        if middle >= SECONDS_AT_MOST or column.dtype.kind in "iu":
            raise TableError(
                path,
                f"column {short(name)} says no unit and is typically {middle:.6g}: say --unit s, "
                "ms, us or ns",
            )
        text = f"column {short(name)} says no unit: read as seconds"
        return values, failed, [Repair("unit", len(values), text)]
    return values if unit == "s" else values / names.A_SECOND[unit], failed, []


def _agreed(path: str, name: str, reading: Reading) -> str | None:
    """The unit that the column's name, or the caller, says."""
    unit = names.parse(name).unit
    if unit is not None and unit not in names.A_SECOND:
        raise TableError(
            path, f"column {short(name)} is in {unit} by its name; valid: s, ms, us, ns; rename it"
        )
    if unit is not None and reading.unit not in (None, unit):
        said = f"--unit {reading.unit} was given"
        raise TableError(path, f"column {short(name)} says {unit}, but {said}; rename the column")
    return unit or reading.unit


def _numbered(
    path: str, column: pd.Series, what: str
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The different numbers, ascending, and for each row which of them it has."""
    values, _ = numbers(path, column, f"the {what}")
    if not np.isfinite(values).all():
        raise TableError(path, f"a {what} is missing or infinite")
    codes, different = pd.factorize(values, sort=True)
    return np.asarray(different, dtype=np.float64), np.asarray(codes, dtype=np.int64)


def _workers(path: str, column: pd.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The workers' names in order, numbers within names by size, and which one each row has."""
    if column.dtype.kind != "O":
        different, codes = _numbered(path, column, "worker")
        return [repr(value).removesuffix(".0") for value in different.tolist()], codes
    if column.isna().any():
        raise TableError(path, "a worker is missing")
    codes, found = pd.factorize(column.astype(str).str.strip())
    texts = [str(text) for text in found]
    order = sorted(range(len(texts)), key=lambda place: _natural(texts[place]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return [texts[place] for place in order], rank[codes]


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """So that node10 comes after node9."""
    pieces = re.findall(r"[0-9]{1,15}|[^0-9]+|[0-9]+", name)
    return (
        [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in pieces],
        name,
    )


def _loads(path: str, column: pd.Series) -> dict[float | None, NDArray[np.int64] | None]:
    values, codes = _numbered(path, column, "load")
    if (values < 0).any():
        raise TableError(path, "a load is negative")
    if len(values) > MOST_LOADS:
        raise TableError(path, f"holds {len(values)} different loads; must be at most {MOST_LOADS}")
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(values)))
    pieces = np.split(order, ends[:-1])
    return {float(value): rows for value, rows in zip(values, pieces, strict=True)}


def _table(
    path: str, calls: pd.DataFrame, hosts: list[str], reading: Reading, most: int | None
) -> tuple[tuple[str, ...], FloatArray]:
    """The calls as ``(rounds, n)`` seconds, NaN where a row is missing."""
    workers, w = np.unique(calls["worker"].to_numpy(), return_inverse=True)
    rounds, r = np.unique(calls["round"].to_numpy(), return_inverse=True)
    cells = len(workers) * len(rounds)
    lacking = cells - len(calls)
    if lacking and reading.missing == "refuse":
        raise TableError(
            path,
            f"{len(calls)} rows for {len(rounds)} rounds of {len(workers)} workers: "
            f"{lacking} delays are missing; {REMEDY}",
        )
    require_cells(cells, most)
    table = np.full((len(rounds), len(workers)), np.nan)
    table[r, w] = calls["seconds"].to_numpy()
    return tuple(hosts[worker] for worker in workers), table


MOST_COUNTED = 10**9
"""A number of rounds from which on a few digits are enough."""


def _gaps(numbers_of_rounds: NDArray[np.float64]) -> list[Repair]:
    """Rounds that no worker has, where the others are evenly numbered."""
    steps = np.diff(numbers_of_rounds)
    if len(steps) < 2:
        return []
    usual = float(np.median(steps))
    wider = steps > usual
    if not wider.any() or np.mean(steps == usual) < 0.5:
        return []
    lost = int(np.sum(np.round(steps[wider] / usual) - 1))
    first = numbers_of_rounds[:-1][wider][0] + usual
    verb = "round is" if lost == 1 else "rounds are"
    count = f"{lost}" if lost < MOST_COUNTED else f"{lost:.3g}"
    text = f"{count} {verb} missing for all workers (first: {first:g}); "
    text += "the others follow each other"
    return [Repair("gap", lost, text)]


def _require_no_clock(path: str, role: Mapping[str, str], table: FloatArray) -> None:
    """Refuse seconds that only grow: they say when, not how long."""
    rounds, n = table.shape
    if "seconds" in role and n >= 2 and rounds >= 10 and np.all(np.diff(table, axis=0) > 0):
        name = short(role["seconds"])
        raise TableError(
            path,
            f"column {name} grows from round to round for every worker: a clock? give a start and "
            f"an end, or say --columns seconds={name} if it is how long each round took",
        )
