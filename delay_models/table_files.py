"""The files that a table of delays can be in, and what each must look like before it is read.

A CSV's first row is a header if it holds names, or if it numbers the workers: 0, 1, 2, ... or
1, 2, 3, ... A row that mixes names and numbers could be either, so it is an error. So is
everything that pandas would repair silently: a column without a name (an index that was written
too), two columns of one name, a row with more cells than the header.
"""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from delay_models.base import FloatArray

ENDINGS = (".csv", ".csv.gz", ".parquet", ".npz")
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


class TableError(ValueError):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, defect: str) -> None:
        super().__init__(f"{path}: {defect}")


@contextmanager
def as_table_error(path: str) -> Iterator[None]:
    """Turn every error that a damaged file raises into one ``TableError``."""
    try:
        yield
    except TableError:
        raise
    except (
        ValueError,
        TypeError,
        OSError,
        EOFError,
        KeyError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
        pa.ArrowException,
    ) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        form = next((ending for ending in ENDINGS if path.endswith(ending)), "")[1:]
        raise TableError(path, f"cannot be read as {form}: {reason}") from error


def read_file(path: str) -> pd.DataFrame | FloatArray:
    """Read the file as it is: an array from an NPZ, a frame from the others.

    Raises:
        TableError: the file is missing, empty, of an unknown kind, or not what its ending says.
    """
    file = Path(path)
    if not file.is_file():
        raise TableError(path, "no such file")
    if file.stat().st_size == 0:
        raise TableError(path, "the file is empty")
    with as_table_error(path):
        if path.endswith(".npz"):
            return _read_npz(path)
        if path.endswith(".parquet"):
            return pd.read_parquet(file)
        if path.endswith((".csv", ".csv.gz")):
            return _read_csv(path)
    raise TableError(path, f"unknown ending; valid: {', '.join(ENDINGS)}")


def _read_csv(path: str) -> pd.DataFrame:
    first = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False)
    header = 0 if _is_header(path, [str(text).strip() for text in first.iloc[0]]) else None
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, header=header, index_col=False, low_memory=False)
        except pd.errors.ParserWarning:
            raise TableError(path, "a row has more cells than the header") from None


def _is_header(path: str, cells: list[str]) -> bool:
    """Whether the first row names the columns; refuses one that could be either."""
    numbers = [not np.isnan(pd.to_numeric(cell, errors="coerce")) for cell in cells]
    names = [
        cell
        for cell, number in zip(cells, numbers, strict=True)
        if not number and cell.lower() not in MISSING
    ]
    if "" in cells and (names or _counts([cell for cell in cells if cell])):
        column = cells.index("") + 1
        raise TableError(path, f"column {column} has no name; an index must be left out")
    if names and any(numbers):
        raise TableError(
            path, f"the first row mixes names and numbers: {names[0]!r} is not a number"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise TableError(path, f"two columns are named {twice[0]!r}")
    return bool(names) or _counts(cells)


def _counts(cells: list[str]) -> bool:
    """Whether a row of numbers is a header: 0, 1, 2, ... or 1, 2, 3, ..."""
    size = len(cells)
    from_0, from_1 = list(map(str, range(size))), list(map(str, range(1, size + 1)))
    return (size >= 2 and cells == from_0) or (size >= 3 and cells == from_1)


def _read_npz(path: str) -> FloatArray:
    if not zipfile.is_zipfile(path):
        raise TableError(path, "is not an NPZ file (a ZIP archive of arrays)")
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
        names = list(archive.files)
        name = "seconds" if "seconds" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise TableError(path, f"holds {sorted(names)}; valid: one array, or one named seconds")
        array = archive[name]
    if not isinstance(array, np.ndarray):
        raise TableError(path, f"{name} is not an array")
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise TableError(
            path,
            f"array {name} has shape {array.shape} and type {array.dtype}; "
            "valid: a 2-D table of numbers, rounds x workers",
        )
    return np.asarray(array, dtype=np.float64)
