"""What the plots of losses share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.plots import style
from experiments.plots.curves import Band
from experiments.plots.records import Records
from sim.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DECADES_FOR_LOG = 0.8
"""From this many powers of ten on, losses are drawn on a logarithmic axis."""


def needs_losses(records: Records) -> str | None:
    """Why losses cannot be drawn, or ``None``."""
    if "train_loss" not in records.iterations:
        return "the records hold no losses; it was a timing-only run (problem: null)"
    return None


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
    if not values.size or values.min() <= 0:
        return
    if np.log10(values.max() / values.min()) > DECADES_FOR_LOG:
        narrow = values.max() < 100 * values.min()
        style.log_axis(axes.yaxis, ticks=(1, 2, 5) if narrow else ())
