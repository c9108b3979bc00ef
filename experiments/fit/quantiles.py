"""The Q-Q picture: measured quantiles against those of each fitted family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.fit.findings import Findings
from experiments.fit.looks import LOOKS
from experiments.pictures import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 400
MARKED = (0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
"""Levels that carry a marker."""

REACH = 3.0
"""How far fitted quantiles are shown beyond the measured ones."""


def delays(findings: Findings) -> str:
    """What the seconds of a picture are: with several loads, the load has been taken out."""
    return "delays" if findings.load is None else "unit delays"


def draw(findings: Findings) -> Figure:
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
        axes.plot([low / 10, high * 10], [low / 10, high * 10], color=style.MUTED, linewidth=1)
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
        what = delays(findings)
        axes.set_xlabel("quantile of the fitted law (s)")
        axes.set_ylabel(f"measured quantile of {what} (s)")
        shown = ", ".join(f"{m:g}" for m in MARKED)
        axes.set_title(f"best on the grey diagonal; markers at levels\n{shown}", fontsize=9.5)
        style.legend_below(figure, 2)
    return figure
