"""Numbers of a drawing and of what a pointer reads: short, and the same on every machine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ....sim.types import FloatArray

DIGITS = 4
"""Of the values that a pointer reads."""


def place(value: float) -> str:
    """A place in a drawing, to a tenth of a unit."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text not in ("-0.0", "0.0") else "0"


def readable(values: Iterable[float] | FloatArray) -> list[float | int | None]:
    """Values for JSON, rounded to ``DIGITS`` digits; what is not finite is null."""
    return [_rounded(float(value)) for value in values]


def _rounded(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short == int(short) and abs(short) < 1e15 else short


def said(value: float) -> str:
    """A value for a reader."""
    return f"{value:.{DIGITS}g}" if np.isfinite(value) else "none"
