"""Reads a table of measured delays: rounds x workers, in seconds.

Two layouts: *wide*, one row per round and one column per worker, with or without a header (a first
row of 0, 1, 2, ... or 1, 2, 3, ... numbers the workers, it is not a round); and
*long*, columns ``worker, round, seconds`` and optionally ``load``. Formats: CSV, CSV.gz, Parquet,
NPZ (one 2-D array, or one named ``seconds``). A pickle is never loaded.

Every defect is one ``TableError`` that names the file and the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import pandas as pd

from delay_models.base import FloatArray
from delay_models.limits import LONGEST
from delay_models.table_files import TableError, read_file
from sim.files import MOST_CELLS, UnusableFile, reading, short

__all__ = ["TableError", "read_all_loads", "read_delays"]

T = TypeVar("T")

LONG_COLUMNS = ("worker", "round", "seconds")
MOST_LOADS = 1000
"""Loads that a table may have: with more, the column is something else."""

NUMBERS = "fiu"
"""Kinds of numbers in NumPy: floats, integers, without a sign."""


def read_delays(path: str, load: float | None = None, most: int | None = MOST_CELLS) -> FloatArray:
    """Read a table of delays.

    Args:
        path: the file; its ending says the format.
        load: which load to keep, for a long table that has several.
        most: cells that the file may have; ``None``: any number.

    Returns:
        ``(rounds, workers)`` seconds, finite and >= 0.

    Raises:
        TableError: the file is missing, unreadable, empty, ragged, or holds a value that is not a
            valid delay.
    """
    return _table(path, _choose(path, _parts(path, most), load))


def read_all_loads(path: str, most: int | None = MOST_CELLS) -> dict[float | None, FloatArray]:
    """Read every load of a table of delays, by load; the key is ``None`` without a column load.

    Returns:
        ``(rounds, workers)`` seconds at each load, loads ascending.

    Raises:
        TableError: as ``read_delays``.
    """
    return {load: _table(path, part) for load, part in _parts(path, most).items()}


def _parts(path: str, most: int | None) -> dict[float | None, pd.DataFrame | FloatArray]:
    """What the file holds at each load, not yet checked cell by cell."""
    held = read_file(path, most)
    if isinstance(held, np.ndarray):
        return {None: held}
    if held.empty:
        raise TableError(path, "the table has no rows")
    if set(LONG_COLUMNS) <= set(held.columns):
        return {**_by_load(path, held)}
    for name, kind in held.dtypes.items():
        if kind.kind not in NUMBERS:
            _require_numbers(path, held[name], "seconds")
    return {None: held.to_numpy(dtype=np.float64, na_value=np.nan)}


def _choose(path: str, parts: Mapping[float | None, T], load: float | None) -> T:
    if load is None and len(parts) == 1:
        return next(iter(parts.values()))
    if load in parts:
        return parts[load]
    if None in parts:
        raise TableError(path, "load was given, but the table has no column load (a long table)")
    if load is None:
        raise TableError(path, f"several loads are in the table; say which: load = {_loads(parts)}")
    raise TableError(path, f"no row has load = {load}; valid: {_loads(parts)}")


def _loads(parts: Mapping[float | None, T]) -> str:
    return short([load if load is None or load % 1 else int(load) for load in parts])


def _table(path: str, part: pd.DataFrame | FloatArray) -> FloatArray:
    table = part if isinstance(part, np.ndarray) else _pivot(path, part)
    _check(path, table)
    return table


def _require_numbers(path: str, column: pd.Series, what: str) -> None:
    """Refuse a column that is not all numbers; booleans and dates are not numbers."""
    if column.dtype.kind in NUMBERS:
        return
    if column.dtype.kind == "O":
        try:
            with reading("numbers"):
                bad = np.flatnonzero(pd.to_numeric(column, errors="coerce").isna())
        except UnusableFile as error:
            raise TableError(path, f"column {short(column.name)}: {error}") from error
        if len(bad):
            value = str(column.iloc[bad[0]])
            shown = value if len(value) <= 40 else f"{value[:40]}..."
            place = f"row {bad[0] + 1}, column {short(column.name)}"
            raise TableError(path, f"{place}: {shown!r} is not a number of {what}")
    kind = f"column {short(column.name)} holds {short(column.dtype)}"
    raise TableError(path, f"{kind}; valid: numbers of {what}")


def _by_load(path: str, frame: pd.DataFrame) -> dict[float | None, pd.DataFrame]:
    places = ["worker", "round", *(["load"] if "load" in frame.columns else [])]
    _require_numbers(path, frame["seconds"], "seconds")
    for name in places:
        _require_numbers(path, frame[name], f"the {name}")
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if not np.isfinite(values).all():
            raise TableError(path, f"a {name} is missing or infinite")
        if name == "load" and (values < 0).any():
            raise TableError(path, "a load is negative")
    if "load" not in frame.columns:
        return {None: frame}
    loads = frame["load"].nunique()
    if loads > MOST_LOADS:
        raise TableError(path, f"holds {loads} different loads; must be at most {MOST_LOADS}")
    return {float(load): part for load, part in frame.groupby("load")}  # type: ignore[arg-type]


def _pivot(path: str, frame: pd.DataFrame) -> FloatArray:
    """A long table as ``(rounds, workers)``; every cell must be there."""
    twice = frame.duplicated(["worker", "round"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise TableError(
            path, f"two rows for worker {row['worker']:g}, round {row['round']:g} (keep one)"
        )
    rounds, workers = frame["round"].nunique(), frame["worker"].nunique()
    if rounds * workers > len(frame):
        raise TableError(
            path,
            f"{len(frame)} rows for {rounds} rounds of {workers} workers: "
            f"{rounds * workers - len(frame)} delays are missing",
        )
    wide = frame.pivot(index="round", columns="worker", values="seconds").sort_index(axis=0)
    return wide.sort_index(axis=1).to_numpy(dtype=np.float64, na_value=np.nan)


def _check(path: str, table: FloatArray) -> None:
    if table.size == 0:
        raise TableError(path, "the table has no cells")
    for bad, defect in (
        (np.isnan(table), "is missing or not a number (a short row?)"),
        (np.isinf(table), "is infinite"),
        (table < 0, "is negative"),
        (table > LONGEST, f"is beyond {LONGEST:.0e} s"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise TableError(
                path,
                f"the delay of round {row}, worker {column} {defect}"
                f" ({int(bad.sum())} such cell(s)); valid: finite seconds >= 0",
            )
