"""How numbers are written: the same in the terminal, in Markdown, in HTML and in sentences.

What is for a table is a ``TableCell``; in a sentence it is its text: ``f"saves {percent(x)}"``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .content import TableCell

NOTHING = TableCell("-", np.nan)


def number(
    value: float, error: float = np.nan, unit: str = "", digits: int = 4, over: str = ""
) -> TableCell:
    """A number, with its standard error if it has one, and over what; ``-`` where there is none."""
    if pd.isna(value):
        return NOTHING
    text = f"{value:.{digits}g}"
    if not pd.isna(error) and error > 0:
        text += f" ± {error:.1g}"
    return TableCell((f"{text} {unit}" if unit else text) + over, float(value))


def interval(value: float, low: float, high: float, digits: int = 3) -> TableCell:
    """A number with the ends of an interval: ``1.23 (1.2 to 1.26)``."""
    if pd.isna(value):
        return NOTHING
    ends = "" if pd.isna(low) else f" ({low:.{digits}g} to {high:.{digits}g})"
    return TableCell(f"{value:.{digits}g}{ends}", float(value))


def theory_text(expected: float, z: float) -> TableCell:
    """A closed form, and how many standard errors a simulated mean is from it: ``1.49 (+0.4)``."""
    if pd.isna(expected):
        return NOTHING
    far = "" if pd.isna(z) else f" ({z:+.1f})"
    return TableCell(f"{expected:.4g}{far}", float(expected))


def percent(value: float, low: float = np.nan, high: float = np.nan) -> TableCell:
    """A share: ``38.2 %``, or with its interval ``38.2 % (36.1 to 40.3 %)``; never ``-0.0``."""
    if pd.isna(value):
        return NOTHING
    ends = "" if pd.isna(low) else f" ({_hundredfold(low)} to {_hundredfold(high)} %)"
    return TableCell(f"{_hundredfold(value)} %{ends}", float(value))


def _hundredfold(value: float) -> str:
    """In percent: one digit after the point, but for 100 and more none."""
    rounded = round(100 * float(value), 1) + 0.0  # the sum makes 0 of -0
    if np.isinf(rounded):
        return "infinite"
    return f"{rounded:.1f}" if abs(rounded) < 100 else f"{rounded:.0f}"


def plain_cell(value: object) -> TableCell:
    """Whatever a column holds."""
    if isinstance(value, bool | np.bool_):
        return TableCell("yes" if value else "no")
    if isinstance(value, int | float | np.number):
        return number(float(value))
    return TableCell("-" if value is None else str(value))
