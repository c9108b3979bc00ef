"""Fewer points for the same line."""

from __future__ import annotations

import numpy as np

from ....sim.types import FloatArray

TOLERANCE = 0.25
"""Units of the drawing that a line may move: not visible."""


def kept(x: FloatArray, lines: list[FloatArray], tolerance: float = TOLERANCE) -> list[int]:
    """Which points to keep so that none of several lines moves by more than the tolerance.

    Args:
        x: ``(G,)`` places, those of all lines.
        lines: ``(G,)`` each; NaN interrupts a line, and the points around a gap are kept.
        tolerance: the largest distance from what is left.

    Source: Ramer (1972); Douglas and Peucker (1973).

    Cost: about G log G a line.
    """
    if len(x) < 3:
        return list(range(len(x)))
    chosen = {0, len(x) - 1}
    for line in lines:
        finite = np.isfinite(x) & np.isfinite(line)
        edges = np.flatnonzero(np.diff(finite)) + 1
        for run in np.split(np.arange(len(x)), edges):
            if finite[run[0]]:
                chosen |= _of_run(x, line, int(run[0]), int(run[-1]), tolerance)
            else:
                chosen |= {int(run[0]), int(run[-1])}
    return sorted(chosen)


def _of_run(x: FloatArray, y: FloatArray, first: int, last: int, tolerance: float) -> set[int]:
    chosen, todo = {first, last}, [(first, last)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        dx, dy = x[b] - x[a], y[b] - y[a]
        inner = slice(a + 1, b)
        length = float(np.hypot(dx, dy))
        if length == 0:
            far = np.hypot(x[inner] - x[a], y[inner] - y[a])
        else:
            far = np.abs(dx * (y[inner] - y[a]) - dy * (x[inner] - x[a])) / length
        place = int(np.argmax(far))
        if far[place] > tolerance:
            middle = a + 1 + place
            chosen.add(middle)
            todo += [(a, middle), (middle, b)]
    return chosen
