"""Signs that a table is not in seconds throughout: ratios that milliseconds among seconds show.

These are warnings, not errors: a worker may really be 300 times slower than another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .base import FloatArray

IMPLAUSIBLE = 200.0
"""Medians further apart than this look like two units; milliseconds are 1000 to the second."""

LONG = 1000.0
"""A median delay of more seconds than this looks like milliseconds."""


def unit_warnings(
    tables: Mapping[float | None, FloatArray], hosts: Sequence[str] | None = None
) -> list[str]:
    """One line for each implausible ratio in ``{load: (rounds, workers) seconds}``.

    Args:
        tables: infinite where a worker never arrived; such delays do not count.
        hosts: names of the workers; their numbers without.
    """
    lines: list[str] = []
    for load, table in tables.items():
        place = "" if load is None else f" at load {load:g}"
        before = len(lines)
        for axis, what in ((0, "worker"), (1, "round")):
            names = hosts if axis == 0 else None
            lines += _apart(_median(table, axis), what, place, names)
        middle = float(_median(table))
        if len(lines) == before and middle > 0:
            lines += _cells(table, middle, place)
        zeros = int(np.count_nonzero(table == 0))
        if zeros:
            lines.append(f"{zeros} delays{place} are exactly 0 s: were they measured?")
        if middle > LONG:
            lines.append(f"the median delay{place} is {middle:.4g} s; is this in milliseconds?")
    located = [load for load in tables if load is not None]
    if len(located) > 1:
        medians = np.array([_median(tables[load]) for load in located])
        lines += _apart(medians, "load", "", [f"{load:g}" for load in located])
    return lines


def _median(table: FloatArray, axis: int | None = None) -> FloatArray:
    """The median of the delays that are finite; infinity where there is none."""
    if np.isfinite(table).all():
        return np.asarray(np.median(table, axis=axis))
    import pandas as pd  # 0.3 s, and only tables with gaps need it

    known = np.where(np.isfinite(table), table, np.nan)
    columns = known.reshape(-1, 1) if axis is None else known if axis == 0 else known.T
    medians = np.nan_to_num(pd.DataFrame(columns).median().to_numpy(), nan=np.inf)
    return np.asarray(medians[0] if axis is None else medians)


def _apart(
    medians: FloatArray, what: str, place: str, names: Sequence[str] | None = None
) -> list[str]:
    medians = np.where(np.isfinite(medians), medians, 0.0)
    if not medians.any():
        return []
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    if medians[low] <= 0 or medians[high] / medians[low] <= IMPLAUSIBLE:
        return []
    label = names or [str(i) for i in range(len(medians))]
    return [
        f"the median of {what} {label[high]}{place} is {medians[high] / medians[low]:.0f} times "
        f"that of {what} {label[low]}: mixed units (milliseconds among seconds)?"
    ]


def _cells(table: FloatArray, middle: float, place: str) -> list[str]:
    lines = []
    for far, text in (
        ((table > IMPLAUSIBLE * middle) & np.isfinite(table), "over"),
        ((table > 0) & (table < middle / IMPLAUSIBLE), "under 1/"),
    ):
        if far.any():
            ratio = float(np.median(table[far])) / middle
            lines.append(
                f"{int(far.sum())} delays{place} are {text}{' ' if text == 'over' else ''}"
                f"{IMPLAUSIBLE:.0f} times the median (typically {ratio:.3g} times): "
                "mixed units (milliseconds among seconds)?"
            )
    return lines
