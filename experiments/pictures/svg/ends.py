"""How far an axis reaches: what it asks for, or around its marks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from ....sim.types import FloatArray
from ..shown import Axis, Bars, Curve, Heat, Mark, Points, Rules

MARGIN = 0.05

Ends = tuple[float, float]


def ends(axis: Axis, marks: Sequence[Mark], along: Literal["x", "y"]) -> Ends:
    """Low and high end of an axis; the low one is the larger where the axis is turned around."""
    low, high = axis.low, axis.high
    if axis.log:
        low = low if low is None or low > 0 else None
    if low is not None and high is not None and low != high:
        return float(low), float(high)
    for mark in marks:
        if isinstance(mark, Heat):  # without a margin, the first row on top
            return mark.sides if along == "x" else (len(mark.values) - 0.5, -0.5)
    found = np.concatenate([np.empty(0), *(values.ravel() for values in _values(marks, along))])
    found = found[np.isfinite(found) & (found > 0 if axis.log else True)]
    least, most = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    fitted = _around(least, most, axis.log)
    return (fitted[0] if low is None else float(low), fitted[1] if high is None else float(high))


def _around(least: float, most: float, log: bool) -> Ends:
    if log:
        if least <= 0:
            return 0.1, 1.0
        share = (most / least) ** MARGIN if most > least else 1.5
        return least / share, most * share
    gap = MARGIN * (most - least) or 0.05 * abs(most) or 0.5
    return least - gap, most + gap


def _values(marks: Sequence[Mark], along: Literal["x", "y"]) -> Iterator[FloatArray]:
    for mark in marks:
        match mark:
            case Curve():
                yield mark.x if along == "x" else mark.y
                if mark.across == along and mark.low is not None and mark.high is not None:
                    yield mark.low
                    yield mark.high
            case Points():
                middle = mark.x if along == "x" else mark.y
                bars = mark.dx if along == "x" else mark.dy
                yield middle
                if bars is not None:
                    yield middle - bars[0]
                    yield middle + bars[1]
            case Bars() if along == "x":
                yield mark.start
                yield mark.end
            case Bars():
                yield mark.rows - 0.5
                yield mark.rows + 0.5
            case Rules() if along == "x":
                yield mark.x
