"""Seconds between a start and an end: numbers, or ISO time stamps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .error import TableError
from .names import A_SECOND
from .numbers import NUMBERS

LATEST = 1e11
"""Seconds since 1970: a larger number is another unit."""


def between(path: str, start: pd.Series, end: pd.Series, unit: str | None) -> FloatArray:
    """How long each call took; NaN where a stamp is missing.

    The difference is taken before anything is rounded: nanoseconds since 1970 are no doubles.

    Raises:
        TableError: they are no times, of two kinds, in an unknown unit, or end before they start.
    """
    kinds = [column.dtype.kind in NUMBERS for column in (start, end)]
    if all(kinds):
        if unit is None and max(float(start.max()), float(end.max())) > LATEST:
            raise TableError(
                path,
                f"column {short(start.name)} holds {start.max():.15g}, too large for seconds since "
                "1970: say --unit ms, us or ns",
            )
        seconds = (end - start).to_numpy(dtype=np.float64, na_value=np.nan)
        seconds = seconds / A_SECOND[unit or "s"]
    elif any(kinds):
        names = f"{short(start.name)} and {short(end.name)}"
        raise TableError(path, f"columns {names}: one holds numbers and one does not")
    else:
        gone = _stamps(path, end) - _stamps(path, start)
        seconds = gone.to_numpy() / np.timedelta64(1, "s")
    if np.any(seconds < 0):
        row = int(np.flatnonzero(seconds < 0)[0]) + 1
        raise TableError(
            path, f"row {row}: {short(end.name)} is before {short(start.name)}; valid: end >= start"
        )
    return np.asarray(seconds, dtype=np.float64)


def _stamps(path: str, column: pd.Series) -> pd.Series:
    try:
        with reading("time stamps"):
            return pd.to_datetime(column, format="ISO8601", utc=True)
    except UnusableFile as error:
        raise TableError(
            path, f"column {short(column.name)}: {error}; valid: ISO 8601, 2026-01-31T12:00:00.5Z"
        ) from error
