"""A column of a file as numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .error import TableError

NUMBERS = "fiu"
"""Kinds of numbers in NumPy: floats, integers, without a sign."""

GAPS = frozenset(
    (
        *("timeout", "timedout", "timed out", "time out", "time-out", "timed-out", "expired"),
        *("failed", "fail", "error", "err", "killed", "dead", "crashed", "oom", "cancelled"),
        *("canceled", "aborted", "lost", "missing", "-", "--", "---", "?", "x"),
    )
)
"""Texts that stand where a delay is missing, in small letters."""

NONE = np.empty(0, np.int64)

GROUPED = re.compile(r"\d{1,3}([,.' \u00a0\u202f]\d{3})*([.,]\d+)?")


def numbers(
    path: str, column: pd.Series, what: str, remedy: str = "", gaps: bool = False
) -> tuple[FloatArray, NDArray[np.int64]]:
    """The column as numbers, and the places of cells that say that something failed.

    Args:
        path: of the file, for errors.
        column: what was read.
        what: the numbers are of.
        remedy: what could be done about texts.
        gaps: read "timeout" and the like as NaN.

    Raises:
        TableError: naming the place of the first cell that is no number. Booleans and dates are no
            numbers.
    """
    if column.dtype.kind in NUMBERS:
        return column.to_numpy(dtype=np.float64, na_value=np.nan), NONE
    if column.dtype.kind == "O":
        try:
            with reading("numbers"):
                values = pd.to_numeric(column, errors="coerce")
        except UnusableFile as error:
            raise TableError(path, f"column {short(column.name)}: {error}") from error
        bad = np.flatnonzero(values.isna())
        failed = [place for place in bad if _failed(column.iloc[place])] if gaps else []
        absent = column.iloc[bad].isna().to_numpy() if gaps else np.zeros(len(bad), bool)
        bad = np.setdiff1d(bad[~absent], failed)
        if len(bad):
            raise TableError(path, _no_number(column, int(bad[0]), what, remedy))
        if gaps and values.dtype.kind in NUMBERS and not values.isna().all():
            return values.to_numpy(dtype=np.float64, na_value=np.nan), np.array(failed, np.int64)
    kind = f"column {short(column.name)} holds {short(column.dtype)}"
    raise TableError(path, f"{kind}; valid: numbers of {what}")


def _failed(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in GAPS


def _no_number(column: pd.Series, place: int, what: str, remedy: str) -> str:
    value = str(column.iloc[place])
    shown = value if len(value) <= 40 else f"{value[:40]}..."
    text = f"row {place + 1}, column {short(column.name)}: {shown!r} is not a number of {what}"
    if value == str(column.name):
        remedy = "the header again: two files in one? split it there"
    elif _failed(value):
        remedy = "--missing drop-rounds or never says what it means"
    elif GROUPED.fullmatch(value.strip()):
        remedy = "write it without separators of thousands"
    return f"{text}; {remedy}" if remedy else text
