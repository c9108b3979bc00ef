"""Numbers as cells of a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..content import Cell, Table

MOST_ROWS = 400
"""Rows of a table that a page shows; the tables on disk have all."""


def number(value: float, error: float = np.nan, unit: str = "") -> Cell:
    """A number, with its standard error if it has one; ``-`` where there is none."""
    if pd.isna(value):
        return Cell("-", np.nan)
    text = f"{value:.4g}"
    if not pd.isna(error) and error > 0:
        text += f" ± {error:.1g}"
    return Cell(f"{text} {unit}" if unit else text, float(value))


def interval(value: float, low: float, high: float) -> Cell:
    """A number with the ends of an interval."""
    if pd.isna(value):
        return Cell("-", np.nan)
    ends = "" if pd.isna(low) else f" ({low:.3g} to {high:.3g})"
    return Cell(f"{value:.3g}{ends}", float(value))


def share(value: float, low: float = np.nan, high: float = np.nan) -> Cell:
    """A share, in percent."""
    if pd.isna(value):
        return Cell("-", np.nan)
    ends = "" if pd.isna(low) else f" ({100 * low:.1f} to {100 * high:.1f})"
    return Cell(f"{100 * value:.1f}{ends} %", float(value))


def plain(value: object) -> Cell:
    """Whatever a column holds."""
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float | np.number):
        return number(float(value))
    return Cell("-" if value is None else str(value))


def capped(
    ident: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    whole: str,
    note: str = "",
) -> Table:
    """A table of at most ``MOST_ROWS`` rows that says so; columns without a value are left out.

    Args:
        ident, title, columns, rows, note: as of a table.
        whole: the file that has all rows.
    """
    if len(rows) > MOST_ROWS:
        more = f"The first {MOST_ROWS} of {len(rows)} rows; `{whole}` has all."
        note = f"{note} {more}" if note else more
    used = [
        place
        for place in range(len(columns))
        if place == 0 or any(row[place].text not in ("-", "") for row in rows)
    ]
    columns = [columns[place] for place in used]
    shown = [[row[place] for place in used] for row in rows[:MOST_ROWS]]
    numbers = frozenset(
        place for place in range(len(columns)) if any(row[place].order is not None for row in shown)
    )
    return Table(ident, title, columns, shown, note, numbers)
