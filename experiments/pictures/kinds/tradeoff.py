"""Time against accuracy: one point per scheme, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from experiments.pictures import style
from experiments.pictures.base import Panels
from experiments.pictures.kinds.curves import pareto
from experiments.pictures.kinds.losses import ceiling
from experiments.pictures.records import Records
from experiments.pictures.style import Look
from sim.types import BoolArray, FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACCURACY = {
    "final_train_loss": "final training loss",
    "decoding_error": "mean decoding error",
}
"""The summary's column, the first that it has, and the axis' label."""

FRONT = "Pareto front"

LEAST_SPAN = 0.1
"""The vertical axis spans at least this share of its values: a small difference looks small."""


@final
class Tradeoff(Panels):
    """Mean iteration time against final loss (or decoding error); the Pareto front is ringed."""

    name: ClassVar[str] = "tradeoff"
    remarks: ClassVar[tuple[str, ...]] = (FRONT,)

    def obstacle(self, records: Records) -> str | None:
        """Needs at least two points."""
        if _accuracy(records) is None or "iteration_time_mean" not in records.summary:
            return "the summary holds no pair of iteration time and loss or decoding error"
        if len(records.labels()) < 2:
            return "there is one scheme; a trade-off needs at least two"
        drawn = records.summary.loc[_drawn(records), "label"].nunique()
        if drawn < 2:
            return f"{drawn} scheme(s) end with a loss that can be drawn; the others diverged"
        return None

    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """One point with error bars (95 %) per scheme; a line through the front."""
        column = _accuracy(records)
        assert column is not None
        table = records.summary.drop_duplicates("label").set_index("label")
        x, dx = _estimate(table["iteration_time_mean"], table["iteration_time_se"])
        drawn = _drawn(replace(records, summary=table))
        y, dy = _estimate(*(table[f"{column}_{what}"].where(drawn) for what in ("mean", "se")))
        front = pareto(x, y)
        order = np.flatnonzero(front)[np.argsort(x[front])]
        axes.plot(
            x[order],
            y[order],
            color=style.MUTED,
            lw=1,
            drawstyle="steps-post",
            label=FRONT,
        )
        for i, (label, _) in enumerate(records.labels()):
            look = looks[label]
            axes.errorbar(
                x[i],
                y[i],
                xerr=dx[i],
                yerr=dy[i],
                color=look.colour,
                marker=look.marker,
                markersize=8 if front[i] else 6,
                markeredgecolor=style.INK if front[i] else look.colour,
                linestyle="none",
                label=look.title,
            )
        axes.set_xlabel("mean iteration time (s)")
        axes.set_ylabel(ACCURACY[column])
        axes.margins(0.12)
        low, high = axes.get_ylim()
        missing = LEAST_SPAN * float(np.abs(y[drawn]).mean() if drawn.any() else 0.0) - (high - low)
        if missing > 0:
            axes.set_ylim(low - missing / 2, high + missing / 2)
        if not drawn.all():
            style.remark(axes, f"not shown: {int((~drawn).sum())} that diverged")


def _accuracy(records: Records) -> str | None:
    return next((name for name in ACCURACY if f"{name}_mean" in records.summary), None)


def _drawn(records: Records) -> BoolArray:
    """Which rows of the summary have a point: those that did not diverge."""
    column = _accuracy(records)
    values = np.abs(records.summary[f"{column}_mean"].to_numpy(dtype=float))
    return np.asarray(values <= (ceiling(records) if column == "final_train_loss" else np.inf))


def _estimate(mean: object, error: object) -> tuple[FloatArray, FloatArray]:
    """Means and half-widths of their 95 % intervals, 0 where there is none."""
    centre = np.asarray(mean, dtype=float)
    centre = np.where(np.isfinite(centre), centre, np.nan)
    width = np.asarray(error, dtype=float)
    return centre, 1.96 * np.where(np.isfinite(width), width, 0.0)
