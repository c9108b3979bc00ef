"""The files that a table of delays can be in, and what each must look like before it is read.

A CSV's first row is a header if it holds names, or if it numbers the workers: 0, 1, 2, ... or
1, 2, 3, ... A row that mixes names and numbers could be either, so it is an error. So is
everything that pandas would repair silently: a column without a name (an index that was written
too), two columns of one name, a row with more cells than the header.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd

from delay_models.base import FloatArray
from sim.files import (
    MOST_CELLS,
    UnusableFile,
    floats,
    read_csv,
    read_npz,
    read_parquet,
    reading,
    require_regular,
    short,
)

ENDINGS = (".csv", ".csv.gz", ".parquet", ".npz")
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})


class TableError(ValueError):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, defect: str) -> None:
        super().__init__(f"{path}: {defect}")


def read_file(path: str, most: int | None = MOST_CELLS) -> pd.DataFrame | FloatArray:
    """Read the file as it is: an array from an NPZ, a frame from the others.

    Args:
        path: the file.
        most: cells that it may have; ``None``: any number.

    Raises:
        TableError: the file is missing, empty, of an unknown kind, too large, or not what its
            ending says.
    """
    file = Path(path)
    try:
        require_regular(file)
        if file.stat().st_size == 0:
            raise TableError(path, "the file is empty")
        if path.endswith(".npz"):
            return _read_npz(path, most)
        if path.endswith(".parquet"):
            return read_parquet(file, most)
        if path.endswith((".csv", ".csv.gz")):
            return _read_csv(path, most)
    except UnusableFile as error:
        raise TableError(path, str(error)) from error
    raise TableError(path, f"unknown ending; valid: {', '.join(ENDINGS)}")


def _read_csv(path: str, most: int | None) -> pd.DataFrame:
    file = Path(path)
    first = read_csv(file, most, nrows=1, header=None, dtype=str, keep_default_na=False)
    header = 0 if _is_header(path, [str(text).strip() for text in first.iloc[0]]) else None
    return read_csv(file, None, header=header, index_col=False)


def _is_header(path: str, cells: list[str]) -> bool:
    """Whether the first row names the columns; refuses one that could be either."""
    with reading("csv"):
        numbers = pd.to_numeric(pd.Series(cells), errors="coerce").notna().tolist()
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
            path, f"the first row mixes names and numbers: {short(names[0])!r} is not a number"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise TableError(path, f"two columns are named {short(twice[0])!r}")
    return bool(names) or _counts(cells)


def _counts(cells: list[str]) -> bool:
    """Whether a row of numbers is a header: 0, 1, 2, ... or 1, 2, 3, ..."""
    size = len(cells)
    from_0, from_1 = list(map(str, range(size))), list(map(str, range(1, size + 1)))
    return (size >= 2 and cells == from_0) or (size >= 3 and cells == from_1)


def _read_npz(path: str, most: int | None) -> FloatArray:
    def choose(names: list[str]) -> list[str]:
        name = "seconds" if "seconds" in names else names[0] if len(names) == 1 else None
        if name is None:
            raise UnusableFile(
                f"holds {short(sorted(names))}; valid: one array, or one named seconds"
            )
        return [name]

    ((name, array),) = read_npz(Path(path), choose, most).items()
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise TableError(
            path,
            f"array {name} has shape {array.shape} and type {array.dtype}; "
            "valid: a 2-D table of numbers, rounds x workers",
        )
    return floats(array)
