"""Who delayed us: how often each worker ended a round, and how many seconds that cost."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ....sim.types import FloatArray
from ...counted import left_out
from .. import style
from ..base import PictureKind
from ..records import Records
from ..shown import Axis, Band, Heat, Panel, Picture

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

    name: ClassVar[str] = "workers"

    @override
    def obstacle(self, records: Records) -> str | None:
        if records.workers is None or not {"last", "cost"} <= set(records.workers.columns):
            return "there is no workers.parquet with the columns last and cost"
        return None

    @override
    def show(self, records: Records, band: Band | None = None) -> Picture:
        """Both measures below each other; the tables hold no replications to show a spread of."""
        rows = _rows(records)
        names = [_wrapped(row, "") for row in rows]
        costs = [_wrapped(row, f": {row.cost.sum():.3g}{NO_BREAK}s") for row in rows]
        height = 0.16 + 0.13 * max(name.count("\n") + 1 for name in costs)
        more = len(records.summary) - len(rows)
        return Picture(
            panels=[
                _panel(ENDED, [row.last for row in rows], names),
                _panel(WAITED, [row.cost for row in rows], costs),
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
            last, cost = (
                own.sort_values("worker")[column].to_numpy(dtype=float)
                for column in ("last", "cost")
            )
            rows.append(WorkersRow(str(label), part.title.replace("delay.", ""), last, cost))
    return rows[:MOST_ROWS]


def _wrapped(row: WorkersRow, suffix: str) -> str:
    point = row.point.replace(" = ", f"{NO_BREAK}={NO_BREAK}").replace("\n", ", ")
    return "\n".join(textwrap.wrap(row.name + suffix, WRAP) + textwrap.wrap(point, WRAP))


def _panel(title: str, rows: list[FloatArray], names: list[str]) -> Panel:
    """Rows as shares of their sums; white beyond the workers that a row has."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row / row.sum() if row.sum() > 0 else 0.0
    return Panel(Axis("worker"), Axis("", names=tuple(names)), [Heat(table)], title, grid=False)
