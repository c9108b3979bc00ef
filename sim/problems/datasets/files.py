"""Where data files that users bring themselves are looked for. Nothing is ever downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...errors import DataNotFound, InvalidParameter
from ...files import UnusableFile

if TYPE_CHECKING:
    import pandas as pd

DATA_VARIABLE = "ERASUREHEAD_DATA"
"""Environment variable that names the user's data directory; read when a data set is loaded."""


def find_file(dataset: str, names: tuple[str, ...], origin: str, data_dir: Path | None) -> Path:
    """Return the first file that matches one of ``names``.

    Looks in ``data_dir`` and then in the directory that ERASUREHEAD_DATA names; in each, first in
    the directory itself and then in its subdirectory ``datasets``; there, for each name in order,
    first the name itself and then the name with ``.gz``.

    Args:
        dataset: the data set's name in the config, for the error.
        names: glob patterns of file names, the preferred first.
        origin: where users get the file, for the error.
        data_dir: the directory that the caller was given, if any.

    Raises:
        DataNotFound: no such file.
    """
    given = os.environ.get(DATA_VARIABLE)
    roots = [data_dir] if data_dir is not None else []
    roots += [Path(given)] if given else []
    places = [place for root in roots for place in (root, root / "datasets")]
    for place in places:
        for name in names:
            for pattern in (name, name + ".gz"):
                matches = sorted(path for path in place.glob(pattern) if path.is_file())
                if matches:
                    return matches[0]
    raise DataNotFound(dataset, names, places, origin)


def read_data_file(dataset: str, file: Path, header: bool = True) -> pd.DataFrame:
    """Read a CSV (possibly gzipped) or Parquet file.

    Raises:
        InvalidParameter: the file is not readable as what its name says, or far too large.
    """
    from ...tables import read_csv, read_parquet

    try:
        if file.suffix == ".parquet":
            return read_parquet(file)
        return read_csv(file, header=0 if header else None)
    except UnusableFile as error:
        raise InvalidParameter("dataset", dataset, f"{file} {error}") from error


def require_columns(
    dataset: str,
    file: Path,
    table: pd.DataFrame,
    needed: Sequence[str | int],
    numbers: Sequence[str | int] = (),
) -> None:
    """The file must be the one that the loader was written for, with no empty cell.

    Args:
        dataset, file, table: what was read, and from where.
        needed: columns that must be there.
        numbers: those that must hold numbers.

    Raises:
        InvalidParameter: a column is missing, has empty cells, or text among its numbers.
    """
    missing = [name for name in needed if name not in table.columns]
    if missing:
        names = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise InvalidParameter("dataset", dataset, f"{file} has no column {names}; {WRONG_FILE}")
    empty = [name for name in needed if table[name].isna().any()]
    if empty:
        row = int(np.flatnonzero(table[empty[0]].isna())[0]) + 1
        names = ", ".join(map(str, empty[:5])) + (", ..." if len(empty) > 5 else "")
        text = f"{file} has empty cells in {names}, the first in row {row}; {CUT_SHORT}"
        raise InvalidParameter("dataset", dataset, text)
    for name in numbers:
        if table[name].dtype.kind not in "fiu" or not np.isfinite(table[name]).all():
            text = f"{file} holds other things than numbers in column {name}; {WRONG_FILE}"
            raise InvalidParameter("dataset", dataset, text)


WRONG_FILE = "is it the right file?"
CUT_SHORT = "was the download cut short?"
