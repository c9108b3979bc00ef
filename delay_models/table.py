"""Reads a table of measured delays: rounds x workers, in seconds.

Two layouts: *wide*, one row per round and one column per worker, with or without a header (a first
row of 0, 1, 2, ... or 1, 2, 3, ... numbers the workers and is no round); and
*long*, columns ``worker, round, seconds`` and optionally ``load``. Formats: CSV, CSV.gz, Parquet,
NPZ (one 2-D array, or one named ``seconds``). A pickle is never loaded.

Every defect is one ``TableError`` that names the file and the place.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from delay_models.base import FloatArray

T = TypeVar("T")

LONG_COLUMNS = ("worker", "round", "seconds")


class TableError(ValueError):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, defect: str) -> None:
        super().__init__(f"{path}: {defect}")


def read_delays(path: str, load: float | None = None) -> FloatArray:
    """Read a table of delays.

    Args:
        path: the file; its ending says the format.
        load: which load to keep, for a long table that has several.

    Returns:
        ``(rounds, workers)`` seconds, finite and >= 0.

    Raises:
        TableError: the file is missing, unreadable, empty, ragged, or holds a value that is no
            delay.
    """
    with _one_line(path):
        return _table(path, _choose(path, _parts(path), load))


def read_all_loads(path: str) -> dict[float | None, FloatArray]:
    """Read every load of a table of delays, by load; the key is ``None`` without a column load.

    Returns:
        ``(rounds, workers)`` seconds at each load, loads ascending.

    Raises:
        TableError: as ``read_delays``.
    """
    with _one_line(path):
        return {load: _table(path, part) for load, part in _parts(path).items()}


@contextmanager
def _one_line(path: str) -> Iterator[None]:
    """Turn whatever a damaged file raises into one ``TableError``."""
    try:
        yield
    except TableError:
        raise
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        zipfile.BadZipFile,
        zlib.error,
        pa.ArrowException,
    ) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        form = Path(path).suffix[1:]
        raise TableError(path, f"cannot be read as {form}: {reason}") from error


def _parts(path: str) -> dict[float | None, pd.DataFrame | FloatArray]:
    """What the file holds at each load, not yet checked cell by cell."""
    file = Path(path)
    if not file.is_file():
        raise TableError(path, "no such file")
    if file.stat().st_size == 0:
        raise TableError(path, "the file is empty")
    if file.name.endswith(".npz"):
        return {None: _from_npz(path)}
    if file.name.endswith(".parquet"):
        return _from_frame(path, pd.read_parquet(file))
    if file.name.endswith((".csv", ".csv.gz")):
        return _from_frame(path, _read_csv(file))
    raise TableError(path, "unknown ending; valid: .csv, .csv.gz, .parquet, .npz")


def _choose(path: str, parts: Mapping[float | None, T], load: float | None) -> T:
    if load is None and len(parts) == 1:
        return next(iter(parts.values()))
    if load in parts:
        return parts[load]
    if None in parts:
        raise TableError(path, "load was given, but the table has no column load (a long table)")
    if load is None:
        raise TableError(path, f"several loads are in the table; say which: load = {[*parts]}")
    raise TableError(path, f"no row has load = {load}; valid: {[*parts]}")


def _table(path: str, part: pd.DataFrame | FloatArray) -> FloatArray:
    table = part if isinstance(part, np.ndarray) else _pivot(path, part)
    _check(path, table)
    return table


def _read_csv(file: Path) -> pd.DataFrame:
    first = pd.read_csv(file, nrows=1, header=None, dtype=str)
    numbers = pd.to_numeric(first.iloc[0], errors="coerce").notna().all()
    header = None if numbers and not _counts([str(text) for text in first.iloc[0]]) else 0
    return pd.read_csv(file, header=header)


def _counts(names: list[str]) -> bool:
    """Whether a first row of numbers is a header all the same: 0, 1, 2, ... or 1, 2, 3, ..."""
    size = len(names)
    from_0, from_1 = list(map(str, range(size))), list(map(str, range(1, size + 1)))
    return (size >= 2 and names == from_0) or (size >= 3 and names == from_1)


def _from_npz(path: str) -> FloatArray:
    with np.load(path, allow_pickle=False) as archive:
        names = list(archive.files)
        name = "seconds" if "seconds" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise TableError(path, f"holds {sorted(names)}; valid: one array, or one named seconds")
        array = archive[name]
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise TableError(
            path,
            f"array {name} has shape {array.shape} and type {array.dtype}; "
            "valid: a 2-D table of numbers, rounds x workers",
        )
    return np.asarray(array, dtype=np.float64)


def _from_frame(path: str, frame: pd.DataFrame) -> dict[float | None, pd.DataFrame | FloatArray]:
    if frame.empty:
        raise TableError(path, "the table has no rows")
    if set(LONG_COLUMNS) <= set(frame.columns):
        return {**_by_load(path, frame)}
    for name in frame.columns:
        if frame[name].dtype.kind not in "fiu":
            bad = frame[name][pd.to_numeric(frame[name], errors="coerce").isna()]
            raise TableError(
                path, f"row {_row(bad)}, column {name}: {bad.iloc[0]!r} is not a number of seconds"
            )
    return {None: frame.to_numpy(dtype=np.float64)}


def _row(values: pd.Series) -> int:
    return int(values.index[0]) + 1


def _by_load(path: str, frame: pd.DataFrame) -> dict[float | None, pd.DataFrame]:
    names = [*LONG_COLUMNS, "load"] if "load" in frame.columns else LONG_COLUMNS
    for name in names:
        if frame[name].dtype.kind not in "fiu":
            raise TableError(path, f"column {name} holds something that is not a number")
    if "load" not in frame.columns:
        return {None: frame}
    if not np.isfinite(frame["load"]).all() or (frame["load"] < 0).any():
        raise TableError(path, "a load is missing, infinite or negative")
    loads: list[float] = sorted(frame["load"].unique().tolist())
    return {load: frame[frame["load"] == load] for load in loads}


def _pivot(path: str, frame: pd.DataFrame) -> FloatArray:
    """A long table as ``(rounds, workers)``; a missing cell is NaN."""
    twice = frame.duplicated(["worker", "round"])
    if twice.any():
        row = frame[twice].iloc[0]
        raise TableError(
            path, f"two rows for worker {row['worker']:g}, round {row['round']:g} (keep one)"
        )
    wide = frame.pivot(index="round", columns="worker", values="seconds").sort_index(axis=0)
    return wide.sort_index(axis=1).to_numpy(dtype=np.float64)


def _check(path: str, table: FloatArray) -> None:
    if table.size == 0:
        raise TableError(path, "the table has no cells")
    for bad, defect in (
        (np.isnan(table), "is missing or not a number (a short row?)"),
        (np.isinf(table), "is infinite"),
        (table < 0, "is negative"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise TableError(
                path,
                f"the delay of round {row}, worker {column} {defect}"
                f" ({int(bad.sum())} such cell(s)); valid: finite seconds >= 0",
            )
