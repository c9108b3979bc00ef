"""What the plots of losses share, diverged runs among them.

A run diverges where its step is too long: losses grow without bound, then they are no numbers. One
such scheme must not take the room of the others, so a line ends where the loss is ``DIVERGED``
times what it was at the start, at the top of the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from experiments.pictures import style
from experiments.pictures.kinds.curves import Band
from experiments.pictures.records import Records
from sim.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECADES_FOR_LOG = 0.8
"""From this many powers of ten on, losses are drawn on a logarithmic axis."""

DIVERGED = 1e3
"""Times the largest loss at the start: what is beyond has diverged."""

NUMBERS = (1e-100, 1e100)
"""What an axis can show; beyond, it could not compute its own margins."""

ENDS = "a line that ends at the top: diverged"


def needs_losses(records: Records) -> str | None:
    """Why losses cannot be drawn, or ``None``."""
    if "train_loss" not in records.iterations:
        return "the records hold no losses; it was a timing-only run (problem: null)"
    if ceiling(records) == 0:
        return "no run begins with a loss that is a number"
    return None


def ceiling(records: Records) -> float:
    """The largest loss that is drawn; 0 where no run begins with a number."""
    losses = records.iterations.loc[records.iterations["iteration"] == 0, "train_loss"]
    start = losses.to_numpy(dtype=float)
    start = start[np.abs(start) <= NUMBERS[1]]
    return DIVERGED * max(float(start.max()), NUMBERS[0]) if start.size else 0.0


def paint_losses(
    axes: Axes, curves: Iterable[tuple[FloatArray, Band, style.Look]], most: float
) -> None:
    """Every curve (where, which losses, which look) up to the loss ``most``; then the axis."""
    diverged = False
    for x, values, look in curves:
        paint_band(axes, x, cut(values, most), look)
        diverged |= bool(np.any(values.median > most))
    scale_for_losses(axes)
    if diverged:
        style.remark(axes, ENDS)


def cut(values: Band, most: float) -> Band:
    """The part of a band below ``most``; a median that goes beyond ends there."""
    median, low, high = (
        np.clip(v, -NUMBERS[1], None) for v in (values.median, values.low, values.high)
    )
    beyond = median > most
    leaves = beyond & ~np.append(True, beyond[:-1])
    return Band(
        np.where(leaves, most, np.where(beyond, np.nan, median)),
        np.where(low > most, np.nan, low),
        np.minimum(high, most),
    )


def paint_band(axes: Axes, x: FloatArray, values: Band, look: style.Look) -> None:
    """A median as a line with eight markers, and a band around it."""
    every = max(1, len(x) // 8)
    axes.fill_between(x, values.low, values.high, color=look.colour, alpha=0.18, linewidth=0)
    axes.plot(
        x,
        values.median,
        color=look.colour,
        linestyle=look.line,
        marker=look.marker,
        markevery=(every // 2, every),
        label=look.title,
    )


def scale_for_losses(axes: Axes) -> None:
    """Label the axis; make it logarithmic where the lines span orders of magnitude."""
    lines = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    axes.set_ylabel("training loss (mean over rows)")
    if not values.size or values.min() < NUMBERS[0]:
        return
    if np.log10(values.max() / values.min()) > DECADES_FOR_LOG:
        narrow = values.max() < 100 * values.min()
        style.log_axis(axes.yaxis, ticks=(1, 2, 5) if narrow else ())
