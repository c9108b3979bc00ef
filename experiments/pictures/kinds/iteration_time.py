"""How long iterations last: their distribution, not only their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from experiments.pictures import style
from experiments.pictures.base import Panels
from experiments.pictures.records import Records
from experiments.pictures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = np.linspace(0.0, 1.0, 401)
LONG_TAIL = 30.0
"""From this ratio of the 99.9 % quantile to the median on, the axis is logarithmic."""


@final
class IterationTime(Panels):
    """Empirical distribution over all iterations of all replications, one line per scheme."""

    name: ClassVar[str] = "iteration_time"

    def obstacle(self, records: Records) -> str | None:
        """Needs iteration times."""
        if "iteration_time" not in records.iterations:
            return "the records hold no column iteration_time"
        return None

    def paint(self, axes: Axes, records: Records, looks: Mapping[str, Look]) -> None:
        """Quantiles against their levels."""
        longest = 0.0
        for label, _ in records.labels():
            look = looks[label]
            seconds = records.runs(label, "iteration_time")[:, 1:]
            quantiles = np.quantile(seconds, LEVELS)
            longest = max(longest, float(quantiles[-2] / max(quantiles[200], 1e-300)))
            axes.plot(
                quantiles,
                LEVELS,
                color=look.colour,
                linestyle=look.line,
                marker=look.marker,
                markevery=(25, 50),
                label=look.title,
            )
        axes.set_xlabel("iteration time (s)")
        axes.set_ylabel("share of iterations done by then")
        axes.set_ylim(0, 1.02)
        if longest > LONG_TAIL:
            style.log_axis(axes.xaxis)
        else:
            axes.set_xlim(left=0)
