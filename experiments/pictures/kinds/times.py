"""Iteration times, the workers' time, and which workers made others wait."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from typing_extensions import override

from ....sim.types import FloatArray
from ...text import left_out
from .. import style
from ..base import PanelKind, PictureKind
from ..looks import GRID, INK, Look, shade
from ..picture import Axis, Band, Bars, Curve, Fill, Heat, Mark, Panel, Picture, Points
from ..records import Records
from .losses import band_key, spread

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

    name = "iteration_time"
    title = "Iteration time"
    caption = "Share of iterations that took at most this long; steep and left is fast."
    rank = 30

    @override
    def obstacle(self, records: Records) -> str | None:
        known = "iteration_time" in records.iterations
        return None if known else "the records hold no column iteration_time"

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

    name = "utilisation"
    title = "Workers' time"
    caption = "What the workers' time was spent on."
    rank = 50

    @override
    def obstacle(self, records: Records) -> str | None:
        known = {"utilisation_mean", "wasted_mean"} <= {*records.summary.columns}
        return None if known else "the summary holds no utilisation"

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        """One bar per scheme, in three parts that add up to one."""
        table = records.summary.drop_duplicates("label").set_index("label")
        columns = ["utilisation_mean", "wasted_mean", "utilisation_se"]
        busy, share, error = table[columns].to_numpy(dtype=float).T
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
        marks += [Bars(WASTED), Bars(IDLE)]
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

    @override
    def page_picture(self, records: Records) -> Picture:
        """Rows have the names of schemes, where there is one panel."""
        picture = self.picture(records)
        if len(picture.panels) > 1:
            return picture
        (panel,) = picture.panels
        names = tuple(label for label, _ in records.labels())
        named = replace(panel, y=replace(panel.y, label="", names=names))
        return replace(picture, panels=[named])


MOST_ROWS = 12
"""Schemes at points of the sweep that stay legible."""

WRAP = 37
"""Characters in a line of a row's name."""

ENDED = "share of the rounds (or updates) that its message ended"
WAITED = "share of the seconds waited for it alone (left: of all, per run)"

NO_BREAK = "\N{NO-BREAK SPACE}"


@final
@dataclass(frozen=True, eq=False)
class WorkersRow:
    """One scheme at one point of the sweep.

    Attributes:
        name: the scheme's label.
        point: the point, as lines; empty for a plain run.
        last: ``(workers,)`` share of rounds that each worker's message ended.
        cost: ``(workers,)`` seconds per run between that message and the one before.
    """

    name: str
    point: str
    last: FloatArray
    cost: FloatArray


@final
class WorkersKind(PictureKind):
    """One row per scheme and point, one column per worker; the darker, the more it cost.

    Each row is divided by its sum, which stands beside it in seconds: the picture is about who,
    and would otherwise be about which scheme.
    """

    name = "workers"
    title = "Which workers caused delays"
    caption = "Which workers made others wait; darker is more. Each row is divided by its sum."
    rank = 70
    section = "workers-and-rounds"

    @override
    def obstacle(self, records: Records) -> str | None:
        known = records.workers is not None and {"last", "cost"} <= {*records.workers.columns}
        return None if known else "there is no workers.parquet with the columns last and cost"

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """Both measures below each other; the tables hold no replications to show a spread of."""
        rows = _rows(records)
        names = tuple(_wrapped(row, "") for row in rows)
        costs = tuple(_wrapped(row, f": {row.cost.sum():.3g}{NO_BREAK}s") for row in rows)
        height = 0.16 + 0.13 * max(name.count("\n") + 1 for name in costs)
        more = len(records.summary) - len(rows)
        ended = Heat(_shares([row.last for row in rows]))
        waited = Heat(_shares([row.cost for row in rows]))
        return Picture(
            panels=[
                Panel(Axis("worker"), Axis("", names=names), [ended], ENDED, grid=False),
                Panel(Axis("worker"), Axis("", names=costs), [waited], WAITED, grid=False),
            ],
            columns=1,
            width=style.TWO_PANELS,
            height=2 * (0.5 + height * len(rows)) + 0.5,
            share="x",
            heading=left_out(more, "row"),
            names_left=True,
        )


def _rows(records: Records) -> list[WorkersRow]:
    rows = []
    for part in records.points():
        assert part.workers is not None
        for label, own in part.workers.groupby("label", sort=False):
            last, cost = own.sort_values("worker")[["last", "cost"]].to_numpy(dtype=float).T
            rows.append(WorkersRow(str(label), part.title.replace("delay.", ""), last, cost))
    return rows[:MOST_ROWS]


def _wrapped(row: WorkersRow, suffix: str) -> str:
    point = row.point.replace(" = ", f"{NO_BREAK}={NO_BREAK}").replace("\n", ", ")
    return "\n".join(textwrap.wrap(row.name + suffix, WRAP) + textwrap.wrap(point, WRAP))


def _shares(rows: list[FloatArray]) -> FloatArray:
    """Rows as shares of their sums; NaN, which is white, beyond the workers that a row has."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row / row.sum() if row.sum() > 0 else 0.0
    return table
