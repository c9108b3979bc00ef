"""Paired comparison: all schemes read one tape, so their differences are measured per replication.

Noise that both schemes share (a slow round is slow for all) cancels in the difference, which
makes intervals narrower than those of two independent samples.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...sim.metrics import METRICS
from ...sim.types import FloatArray
from .estimates import interval_columns, mean_interval, ratio_interval

COMPARED = sorted((m for m in METRICS.values() if m.compared), key=lambda m: m.unit != "s")
"""Seconds first."""


def comparison(mine: Mapping[str, FloatArray], base: Mapping[str, FloatArray]) -> dict[str, float]:
    """Compare two cells of one tape, replication by replication.

    Args:
        mine: metrics by name, ``(R,)`` each.
        base: the same for the scheme that others are compared with.

    Returns:
        For each compared metric that both have: ``<metric>_difference`` (mine minus base, in the
        metric's unit), ``<metric>_ratio`` (geometric mean of mine over base), each with ``_low``
        and ``_high``, the ends of a 95 % confidence interval; NaN with fewer than two replications
        that have the metric in both.
    """
    row: dict[str, float] = {}
    for metric in COMPARED:
        a, b = mine.get(metric.name), base.get(metric.name)
        if a is not None and b is not None:
            row |= interval_columns(f"{metric.name}_difference", mean_interval(a - b))
            row |= interval_columns(f"{metric.name}_ratio", ratio_interval(a, b))
    return row
