"""What the workers' time was spent on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..base import PanelKind
from ..looks import GRID, INK, Look, shade
from ..records import Records
from ..shown import Axis, Band, Bars, Fill, Mark, Panel, Points, legend_key

HEIGHT = 0.7
HATCH = "///"

WASTED = Fill(GRID, HATCH, "hatched: wasted")
IDLE = Fill("#FFFFFF", "", "blank: idle", HEIGHT)
ERROR = "bars: 95 % confidence interval"


@final
class UtilisationKind(PanelKind):
    """Share of the workers' time spent on messages that arrived in time, on others, and idle.

    The error bar is that of computing in all, whatever ``band`` says: the tables hold no single
    replications of it.
    """

    name: ClassVar[str] = "utilisation"

    @override
    def obstacle(self, records: Records) -> str | None:
        if "utilisation_mean" not in records.summary or "wasted_mean" not in records.summary:
            return "the summary holds no utilisation"
        return None

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        """One bar per scheme, in three parts that add up to one."""
        table = records.summary.drop_duplicates("label").set_index("label")
        busy, share, error = (
            table[name].to_numpy(dtype=float)
            for name in ("utilisation_mean", "wasted_mean", "utilisation_se")
        )
        wasted = busy * share
        rows = np.arange(len(busy), dtype=float)
        used = busy - wasted
        marks: list[Mark] = []
        for y, (label, _) in enumerate(records.labels()):
            look, row = looks[label], rows[y : y + 1]
            ends = (used[y : y + 1], busy[y : y + 1])
            marks += [
                Bars(Fill(look.colour, "", look.title, HEIGHT), row, np.zeros(1), ends[0]),
                Bars(Fill(shade(look.colour, 0.6), HATCH, "", HEIGHT), row, *ends),
                Bars(Fill(IDLE.colour, "", "", HEIGHT), row, ends[1], np.maximum(ends[1], 1.0)),
            ]
        marks += [legend_key(WASTED), legend_key(IDLE)]
        if np.isfinite(error).any():
            half = 1.96 * np.where(np.isfinite(error), error, 0.0)
            marks.append(
                Points(Look(INK, "", "none", ERROR), busy, rows, dx=np.stack([half, half]))
            )
        return Panel(
            Axis("share of the workers' time", low=0.0, high=1.0),
            Axis("scheme", low=len(rows) - 0.5, high=-0.5, names=()),
            marks,
            records.title,
        )

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (WASTED.title, IDLE.title, ERROR)
