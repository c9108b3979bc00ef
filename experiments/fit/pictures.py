"""The pictures of a fit: quantiles against quantiles, and how long a master waits for k workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...delay_models.base import FloatArray
from ..pictures import style
from ..pictures.looks import GRID, MUTED, Look
from .findings import Findings
from .frames import CONFIG
from .laws.goodness import observed_order_statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOOKS: dict[str, Look] = {
    CONFIG: Look("#000000", "o", (0, (5, 1.5)), "fitted config"),
    "mixture": Look("#D55E00", "P", "-", "two lognormals"),
    "lognormal": Look("#0072B2", "s", (0, (5, 1.5)), "lognormal"),
    "gamma": Look("#009E73", "^", (0, (1.5, 1.2)), "gamma"),
    "weibull": Look("#CC79A7", "v", (0, (6, 1.5, 1.5, 1.5)), "Weibull"),
    "shifted_exponential": Look("#E69F00", "D", "-", "shifted exponential"),
    "exponential": Look("#56B4E9", "X", (0, (5, 1.5)), "exponential"),
    "pareto": Look("#A89A00", "<", (0, (1.5, 1.2)), "Pareto"),
    "empirical": Look("#7A7A7A", "*", (0, (3, 1)), "empirical"),
}
"""How a family is drawn: its own colour, line and marker in every picture."""

POINTS = 400
MARKED = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
"""Levels that carry a marker."""

REACH = 3.0
"""How far fitted quantiles are shown beyond the measured ones."""

SMALLEST = 1e-12
"""Seconds that stand for 0 on a logarithmic axis."""

LOWEST, HIGHEST = 0.5, 2.0
"""Ratios that are shown; larger and smaller ones are outside the picture."""


def draw_quantiles(findings: Findings) -> Figure:
    """Fitted quantiles on the horizontal axis, measured ones on the vertical, both logarithmic."""
    answer = findings.main
    sample = np.sort(answer.subject.bulk)
    size = len(sample)
    edge = 0.5 / size
    levels = np.concatenate([np.geomspace(edge, 0.5, POINTS), 1 - np.geomspace(0.5, edge, POINTS)])
    levels = np.unique(np.concatenate([levels, [m for m in MARKED if edge < m < 1 - edge]]))
    marks = [int(np.argmin(np.abs(levels - m))) for m in MARKED if edge < m < 1 - edge]
    measured = np.quantile(sample, levels, method="hazen")
    positive = sample[sample > 0]
    low, high = float(positive[0]), float(sample[-1])
    with style.applied():
        figure = style.blank(style.ONE_PANEL, 4.9)
        axes = figure.subplots()
        axes.plot([low / 10, high * 10], [low / 10, high * 10], color=MUTED, linewidth=1)
        for fit in answer.fits:
            look = LOOKS[fit.family.name]
            axes.plot(
                fit.law.isf(1 - levels),
                measured,
                color=look.colour,
                linestyle=look.line,
                marker=look.marker,
                markevery=marks,
                label=look.title,
            )
        for axis in (axes.xaxis, axes.yaxis):
            style.log_axis(axis, (1, 2, 5))
        axes.set_xlim(low / 1.15, high * REACH)
        axes.set_ylim(low / 1.15, high * 1.15)
        what = _delays(findings)
        axes.set_xlabel("quantile of the fitted law (s)")
        axes.set_ylabel(f"measured quantile of {what} (s)")
        shown = ", ".join(f"{m:g}" for m in MARKED)
        axes.set_title(f"best on the grey diagonal; markers at levels\n{shown}", fontsize=9.5)
        style.legend_below(figure, 2)
    return figure


def draw_order_statistics(findings: Findings) -> Figure:
    """Left: mean seconds until the k-th arrival. Right: predicted over measured."""
    subject = findings.main.subject
    ks = np.array(findings.ks)
    whole = np.maximum(observed_order_statistics(subject.rounds, findings.ks), SMALLEST)
    with style.applied():
        figure = style.blank(style.TWO_PANELS, 4.1)
        seconds, ratio = figure.subplots(1, 2)
        title = "measured" if subject.cold is None else "measured, all rounds"
        seconds.plot(ks, whole, color=MUTED, linewidth=4, label=title)
        if subject.cold is not None:
            bulk = observed_order_statistics(subject.bulk_rounds, findings.ks)
            label = "measured, no cold starts"
            seconds.plot(ks, bulk, color=GRID, linewidth=4, label=label)
        ratio.axhline(1.0, color=MUTED, linewidth=4)
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
        seconds.set_title(f"{_delays(findings)} of a round", fontsize=9.5)
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


def _delays(findings: Findings) -> str:
    """What the seconds of a picture are: with several loads, the load has been taken out."""
    return "delays" if findings.load is None else "unit delays"
