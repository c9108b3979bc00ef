"""Where data files that users bring themselves are looked for. Nothing is ever downloaded."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from sim.errors import DataNotFound, InvalidParameter

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
        InvalidParameter: the file is not readable as what its name says.
    """
    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file)
        return pd.read_csv(file, header=0 if header else None)
    except (ValueError, OSError, EOFError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidParameter("dataset", dataset, f"{file} cannot be read: {reason}") from error


def require_columns(dataset: str, file: Path, table: pd.DataFrame, needed: list[str]) -> None:
    """The file must be the one that the loader was written for, with no empty cell.

    Raises:
        InvalidParameter: a column is missing or has empty cells.
    """
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise InvalidParameter(
            "dataset", dataset, f"{file} has no column {', '.join(missing)}; is it the right file?"
        )
    empty = [name for name in needed if table[name].isna().any()]
    if empty:
        raise InvalidParameter("dataset", dataset, f"{file} has empty cells in {', '.join(empty)}")
