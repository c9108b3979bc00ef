"""Time against accuracy: one point per scheme, and the front of those that nothing beats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ....sim.metrics import METRICS
from ....sim.types import BoolArray, FloatArray
from ...page.numbers import counted
from ..base import PanelKind
from ..looks import INK, MUTED, SOLID, Look
from ..picture import Axis, Band, Curve, Panel, Points
from ..records import Records
from .losses import HIGH, LOW, ceiling, pareto

COST = METRICS["iteration_time"]
ACCURACY = (METRICS["final_train_loss"], METRICS["decoding_error"])
"""The first that the summary has is drawn."""

FRONT = Look(MUTED, "", SOLID, "Pareto front")

BARS: dict[Band, str] = {
    "quantiles": "bars: 10th to 90th percentile of replications",
    "ci": "bars: 95 % confidence interval of the mean",
}

LEAST_SPAN = 0.1
"""The vertical axis spans at least this share of its values: a small difference looks small."""

MARGIN = 0.12


@final
class TradeoffKind(PanelKind):
    """Mean iteration time against final loss (or decoding error); the Pareto front is ringed."""

    name: ClassVar[str] = "tradeoff"
    title: ClassVar[str] = "Time against error"
    caption: ClassVar[str] = (
        "Seconds per iteration against error; ringed: no scheme is better in both."
    )
    rank: ClassVar[int] = 20
    band: ClassVar[Band] = "ci"

    @override
    def obstacle(self, records: Records) -> str | None:
        if _accuracy(records) is None or f"{COST.name}_mean" not in records.summary:
            return "the summary holds no pair of iteration time and loss or decoding error"
        if len(records.labels()) < 2:
            return "there is one scheme; a trade-off needs at least two"
        drawn = records.summary.loc[_drawn(records), "label"].nunique()
        if drawn < 2:
            return (
                f"{counted(drawn, 'scheme ends', 'schemes end')} with a loss that can be drawn; "
                "the others diverged"
            )
        return None

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        name = _accuracy(records)
        assert name is not None
        table = records.summary.drop_duplicates("label").set_index("label")
        drawn = _drawn(replace(records, summary=table))
        x = _finite(table[f"{COST.name}_mean"])
        y = np.where(drawn, _finite(table[f"{name}_mean"]), np.nan)
        dx = _bars(records, COST.name, x, band)
        dy = _bars(records, name, y, band)
        front = pareto(x, y)
        order = np.flatnonzero(front)[np.argsort(x[front])]
        points = [
            Points(
                looks[label],
                x[i : i + 1],
                y[i : i + 1],
                dx[:, i : i + 1],
                dy[:, i : i + 1],
                ringed=bool(front[i]),
            )
            for i, (label, _) in enumerate(records.labels())
        ]
        if records.replicated():
            nothing, bars = np.empty(0), np.empty((2, 0))
            points.append(Points(Look(INK, "", "none", BARS[band]), nothing, nothing, bars, bars))
        line = Curve(FRONT, x[order], y[order], steps=True, width=1.0)
        gone = int((~drawn).sum())
        return Panel(
            _axis(COST.label, x, dx, 0.0),
            _axis(METRICS[name].label, y, dy, LEAST_SPAN),
            [line, *points],
            records.title,
            f"not shown: {gone} that diverged" if gone else "",
        )

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (FRONT.title, BARS[band])


def _accuracy(records: Records) -> str | None:
    names = (metric.name for metric in ACCURACY)
    return next((name for name in names if f"{name}_mean" in records.summary), None)


def _drawn(records: Records) -> BoolArray:
    """Which rows of the summary have a point: those that did not diverge."""
    column = _accuracy(records)
    values = np.abs(records.summary[f"{column}_mean"].to_numpy(dtype=float))
    return np.asarray(values <= (ceiling(records) if column == "final_train_loss" else np.inf))


def _finite(column: object) -> FloatArray:
    values = np.asarray(column, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def _bars(records: Records, name: str, middle: FloatArray, band: Band) -> FloatArray:
    """Lengths below and above the means, ``(2, P)``; 0 where there are none."""
    if band == "ci":
        table = records.summary.drop_duplicates("label")
        half = 1.96 * _finite(table[f"{name}_se"])
        ends = np.stack([half, half])
    else:
        runs = [METRICS[name].of(records.cell(label)) for label, _ in records.labels()]
        found = [np.percentile(run, (LOW, HIGH)) for run in runs if run is not None]
        low, high = np.stack(found, axis=1)
        ends = np.stack([middle - low, high - middle])
    return np.where(np.isfinite(ends), np.maximum(ends, 0.0), 0.0)


def _axis(label: str, middle: FloatArray, bars: FloatArray, least: float) -> Axis:
    """Around all bars, with a margin, and not below a share of the values themselves."""
    known = np.isfinite(middle)
    if not known.any():
        return Axis(label)
    low = float((middle - bars[0])[known].min())
    high = float((middle + bars[1])[known].max())
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    missing = least * float(np.abs(middle[known]).mean()) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    return Axis(label, low=low, high=high) if high > low else Axis(label)
