"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ...sim.types import FloatArray
from ..records.estimates import mean_and_error


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], names: int = 1) -> str:
    """A table whose first columns are names, aligned to the left, and whose others are numbers."""
    rule = ["---"] * names + ["---:"] * (len(header) - names)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *rows)) + "\n"


def estimate_text(mean: float, error: float) -> str:
    """A mean with its standard error, to the digits that the error leaves.

    An error beyond the mean's fourth digit is not shown.
    """
    if not np.isfinite(mean):
        return "–"
    if not np.isfinite(error) or error < 1e-4 * abs(mean) or error <= 0:
        return f"{mean:.4g}"
    digits = max(0, 1 - int(np.floor(np.log10(error))))
    return f"{mean:.{digits}f} ± {error:.{digits}f}"


def mean_text(values: FloatArray) -> str:
    """Mean ± standard error of ``(R,)``; a dash when a replication has no value."""
    return "–" if np.isnan(values).any() else estimate_text(*mean_and_error(values))


def interval(middle: float, low: float, high: float) -> str:
    """A ratio and the ends of its interval."""
    if not np.isfinite(middle):
        return "–"
    return f"{middle:.2f} [{low:.2f}, {high:.2f}]"
