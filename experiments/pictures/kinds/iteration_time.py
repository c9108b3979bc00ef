"""How long iterations last: their distribution, not only their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..base import PanelKind
from ..looks import Look
from ..records import Records
from ..shown import Axis, Band, Curve, Mark, Panel
from .curves import band_key, spread

LEVELS = np.linspace(0.0, 1.0, 401)
LONG_TAIL = 30.0
"""From this ratio of the 99.9 % quantile to the median on, the axis is logarithmic."""

BANDS: dict[Band, str] = {
    "quantiles": "band: 10th to 90th percentile of runs",
    "ci": "band: 95 % confidence interval over runs",
}


@final
class IterationTimeKind(PanelKind):
    """Empirical distribution over all iterations of all replications, one line per scheme."""

    name: ClassVar[str] = "iteration_time"

    @override
    def obstacle(self, records: Records) -> str | None:
        if "iteration_time" not in records.iterations:
            return "the records hold no column iteration_time"
        return None

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        """Quantiles against their levels."""
        longest = 0.0
        marks: list[Mark] = []
        for label, _ in records.labels():
            seconds = records.runs(label, "iteration_time")[:, 1:]
            quantiles = np.quantile(seconds, LEVELS)
            longest = max(longest, float(quantiles[-2] / max(quantiles[200], 1e-300)))
            if len(seconds) > 1:
                ends = spread(np.quantile(seconds, LEVELS, axis=1).T, band)
                bounds = (np.maximum(ends.low, quantiles[0]), ends.high)
                marks.append(Curve(looks[label], quantiles, LEVELS, *bounds, across="x"))
            else:
                marks.append(Curve(looks[label], quantiles, LEVELS))
        if records.replicated():
            marks.append(band_key(BANDS[band]))
        tail = longest > LONG_TAIL
        x = Axis("iteration time (s)", log=tail, low=None if tail else 0.0)
        y = Axis("share of iterations done by then", low=0.0, high=1.02)
        return Panel(x, y, marks, records.title)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (BANDS[band],)
