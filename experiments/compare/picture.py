"""The picture of a comparison: iteration times against each other, and losses on the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..pictures import style
from ..pictures.kinds.losses import loss_axis
from ..pictures.looks import DASHED, MUTED, Look, variants
from ..pictures.shown import Axis, Curve, Mark, Panel, Picture, Points
from .pairs import Pair

MOST_POINTS = 300
"""Iterations of a scheme that are shown; of more, so many at equal distances."""

MARKS = 12
"""Points along a curve."""


def comparison_picture(pairs: Sequence[Pair], first: str, second: str) -> Picture:
    """Two panels, of the first point of a sweep.

    Args:
        pairs: of ``experiments.compare.pairs``.
        first, second: what the two results are called.
    """
    shown = [pair for pair in pairs if pair.swept == pairs[0].swept]
    looks = variants([(pair.label, pair.scheme) for pair in shown])
    panels = [_times(shown, looks, first, second)]
    if all("train_loss" in pair.first for pair in shown):
        panels.append(_losses(shown, looks, first, second))
    columns = len(panels)
    width = style.TWO_PANELS if columns == 2 else style.ONE_PANEL
    rows = -(-(len(shown) + 1) // 3)
    heading = ", ".join(f"{key} = {value}" for key, value in pairs[0].swept.items())
    return Picture(panels, columns, width, 3.2 + 0.22 * rows, heading=heading)


def _times(pairs: Sequence[Pair], looks: dict[str, Look], first: str, second: str) -> Panel:
    marks: list[Mark] = []
    ends = [np.inf, 0.0]
    for pair in pairs:
        a, b = (side["iteration_time"][:, 1:].ravel() for side in (pair.first, pair.second))
        taken = np.unique(np.linspace(0, a.size - 1, min(a.size, MOST_POINTS)).astype(int))
        x, y = a[taken], b[taken]
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        ends = [min(ends[0], float(low)), max(ends[1], float(high))]
        marks.append(Points(looks[pair.label], x, y, size=3.0))
    log = 0 < 10 * ends[0] < ends[1]
    low = ends[0] / 1.1 if log else 0.0
    line = np.array([low, ends[1] * 1.05])
    marks.append(Curve(Look(MUTED, "", DASHED, "equal"), line, line, width=1.0))
    ticks = (1.0, 2.0, 5.0) if log else ()
    x_axis = Axis(f"{first}: iteration time (s)", log, ticks, low, line[1])
    y_axis = Axis(f"{second}: iteration time (s)", log, ticks, low, line[1])
    return Panel(x_axis, y_axis, marks, "each iteration")


def _losses(pairs: Sequence[Pair], looks: dict[str, Look], first: str, second: str) -> Panel:
    """Means over replications; the second result as points on the first one's lines."""
    curves, marks = [], list[Mark]()
    for pair in pairs:
        look = replace(looks[pair.label], title="")
        t, loss = (pair.first[name].mean(axis=0) for name in ("time", "train_loss"))
        curves.append(Curve(replace(look, marker=""), t, loss))
        t, loss = (pair.second[name].mean(axis=0) for name in ("time", "train_loss"))
        taken = np.unique(np.linspace(0, len(t) - 1, MARKS).astype(int))
        marks.append(Points(look, t[taken], loss[taken], size=4.5, hollow=True))
    title = f"line: {first}; marks: {second}"
    return Panel(Axis("time (s)"), loss_axis(curves), [*curves, *marks], title)
