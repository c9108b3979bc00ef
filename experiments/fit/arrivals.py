"""The order-statistics picture: how long a master waits for k workers, measured and predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from delay_models.base import FloatArray
from experiments.fit.findings import Findings
from experiments.fit.frames import CONFIG
from experiments.fit.laws.goodness import observed_order_statistics
from experiments.fit.looks import LOOKS
from experiments.fit.quantiles import delays
from experiments.pictures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 1e-12
"""Seconds that stand for 0 on a logarithmic axis."""

LOWEST, HIGHEST = 0.5, 2.0
"""Ratios that are shown; what is further off leaves the picture."""


def draw(findings: Findings) -> Figure:
    """Left: mean seconds until the k-th arrival. Right: predicted over measured."""
    subject = findings.main.subject
    ks = np.array(findings.ks)
    whole = np.maximum(observed_order_statistics(subject.rounds, findings.ks), SMALLEST)
    with style.applied():
        figure = style.blank(style.TWO_PANELS, 4.1)
        seconds, ratio = figure.subplots(1, 2)
        title = "measured" if subject.cold is None else "measured, all rounds"
        seconds.plot(ks, whole, color=style.MUTED, linewidth=4, label=title)
        if subject.cold is not None:
            bulk = observed_order_statistics(subject.bulk_rounds, findings.ks)
            label = "measured, no cold starts"
            seconds.plot(ks, bulk, color=style.GRID, linewidth=4, label=label)
        ratio.axhline(1.0, color=style.MUTED, linewidth=4)
        for fit in findings.main.fits:
            _lines(seconds, ratio, fit.family.name, ks, fit.predicted, fit.ratio)
        _lines(
            seconds, ratio, CONFIG, ks, findings.chosen.predicted, findings.chosen.predicted / whole
        )
        seconds.set_ylim(whole.min() * 0.9, whole.max() * 1.6)
        style.log_axis(seconds.yaxis, (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8))
        ratio.set_ylim(LOWEST, HIGHEST)
        style.log_axis(ratio.yaxis)
        ticks = [0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0]
        ratio.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ratio.set_yticks([], minor=True)
        for axes in (seconds, ratio):
            axes.set_xlabel(f"arrivals waited for, k of {subject.workers}")
        seconds.set_ylabel("mean k-th smallest (s)")
        seconds.set_title(f"{delays(findings)} of a round", fontsize=9.5)
        ratio.set_ylabel("predicted / measured")
        style.legend_below(figure, 3)
    return figure


def _lines(
    seconds: Any, ratio: Any, name: str, ks: FloatArray, predicted: FloatArray, shares: FloatArray
) -> None:
    look = LOOKS[name]
    for axes, values in ((seconds, predicted), (ratio, shares)):
        axes.plot(
            ks,
            np.where(np.isfinite(values), values, np.nan),
            color=look.colour,
            linestyle=look.line,
            marker=look.marker,
            markevery=max(1, len(ks) // 6),
            label=look.title,
        )
