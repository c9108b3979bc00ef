"""How long a call took, from when it began and ended."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .cells import NUMBER_KINDS


def between(start: pd.Series, end: pd.Series, unit: str | float | None) -> tuple[FloatArray, bool]:
    """How long each call took, in the unit of the numbers, or in seconds of ISO time stamps; NaN
    where one is missing. And whether they are stamps. The difference is taken before anything is
    rounded: nanoseconds since 1970 are no doubles. Raises UnusableFile: they are no times, of two
    kinds, in an unknown unit, end before they start, or have a zone at one end alone."""
    numeric = [column.dtype.kind in NUMBER_KINDS for column in (start, end)]
    names = f"{short(start.name)} and {short(end.name)}"
    if any(numeric) and not all(numeric):
        raise UnusableFile(f"columns {names}: one holds numbers and one does not")
    if all(numeric):
        latest = max(float(start.max()), float(end.max()))
        if unit is None and latest > 1e11:  # seconds since 1970: in the year 5138
            text = f"column {short(start.name)} holds {start.max():.15g}, too large for seconds"
            raise UnusableFile(f"{text} since 1970: say with --unit what they are, ms, us or ns")
        taken = (end - start).to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        first, last = (_stamps(column) for column in (start, end))
        zones = [_zone(column) for column in (start, end)]
        taken = (last - first).to_numpy() / np.timedelta64(1, "s")
        utc = {"", "Z", "z", "UTC", "+00:00", "+0000", "+00"}  # without a zone it is read as UTC
        if "" in zones and {*zones} != {""} and ({*zones} - utc or np.any(taken < 0)):
            zoned, other = (end, start) if zones[0] == "" else (start, end)
            text = f"{short(zoned.name)} has a zone, {''.join(zones)}, and {short(other.name)} has"
            raise UnusableFile(f"{text} none, which is UTC: write a zone at both ends, or at none")
    if np.any(taken < 0):
        row = int(np.flatnonzero(taken < 0)[0]) + 1
        text = f"row {row}: {short(end.name)} is before {short(start.name)}; valid: end >= start"
        raise UnusableFile(text)
    return np.asarray(taken, dtype=np.float64), not all(numeric)


def _stamps(column: pd.Series) -> pd.Series:
    try:
        with reading("time stamps"):
            return pd.to_datetime(column, format="ISO8601", utc=True)
    except UnusableFile as error:
        valid = "valid: ISO 8601, 2026-01-31T12:00:00.5Z"
        raise UnusableFile(f"column {short(column.name)}: {error}; {valid}") from error


def _zone(column: pd.Series) -> str:
    """The zone of stamps, as the first of them is written; empty: it has none."""
    if column.dtype.kind == "M":
        return str(getattr(column.dtype, "tz", None) or "")
    known = column.dropna()
    zone = r":\d.*?([Zz]|[+-]\d\d(?::?\d\d)?)$"
    match = re.search(zone, str(known.iloc[0])) if len(known) else None
    return match[1] if match else ""
