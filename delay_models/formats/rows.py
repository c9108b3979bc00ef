"""The rows of a file that count."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile, short
from .cells import numbers


def no_such(name: str, columns: Sequence[str]) -> None:
    """Raises UnusableFile: no column has this name."""
    raise UnusableFile(
        f"no column is named {short(name)!r}; there are {short(', '.join(columns[:20]))}"
    )


def rows_of(frame: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """The rows that count. Raises UnusableFile: there are none, or more follow after an empty one
    and nothing was said."""
    if wanted is None:
        filled = np.flatnonzero(frame.notna().any(axis=1))
        if len({*np.diff(filled)}) > 1 or (len(filled) and filled[0]):
            empty = int(np.argmax(filled != np.arange(len(filled))))  # evenly: between all lines
            text = f"row {empty + 1} is empty, and {len(filled) - empty} more follow"
            take = f"--rows 1:{empty} takes those before it" if empty else "leave it out"
            raise UnusableFile(f"{text}: {take}")
        return frame.iloc[filled] if 0 < len(filled) < len(frame) else frame
    name, equals, value = wanted.rpartition("=")
    if equals and name not in frame.columns:
        no_such(name, [*frame.columns])
    column = frame[name] if equals else None
    if column is not None:
        exact = column.map(lambda cell: str(cell).strip().removesuffix(".0")) == value.strip()
        if exact.any():
            return frame[exact].reset_index(drop=True)
    bounds = r"(\d{0,15}):(\d{0,15})(?::([1-9]\d{0,8}))?"
    if (matched := re.fullmatch(bounds, value.strip())) is None:
        if equals:
            raise UnusableFile(f"--rows {short(wanted)}: no cell of column {short(name)} is that")
        form = "A:B or A:B:STEP (from 1, both included), COLUMN=VALUE, or COLUMN=A:B"
        raise UnusableFile(f"--rows {short(wanted)}: must be {form}")
    labels = np.arange(1, len(frame) + 1) if column is None else numbers(column, "rows")[0]
    first = float(matched[1] or (1 if column is None else np.nanmin(labels)))
    chosen = (labels >= first) & (labels <= float(matched[2] or "inf"))
    chosen &= np.mod(labels - first, float(matched[3] or 1)) == 0
    if not chosen.any():
        raise UnusableFile(f"--rows {short(wanted)}: no row of {len(frame)} is there")
    return frame[chosen].reset_index(drop=True)
