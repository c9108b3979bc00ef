"""Who delayed us: how often each worker ended a round, and how many seconds that cost."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from experiments.pictures import style
from experiments.pictures.base import Kind
from experiments.pictures.records import Records
from sim.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 12
"""Schemes at points of the sweep that stay legible."""

WRAP = 37
"""Characters in a line of a row's name."""

NO_BREAK = "\N{NO-BREAK SPACE}"


@final
@dataclass(frozen=True, eq=False)
class Row:
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
class Workers(Kind):
    """One row per scheme and point, one column per worker; the darker, the more it cost.

    Each row is divided by its sum, which stands beside it in seconds: the picture is about who,
    and would otherwise be about which scheme.
    """

    name: ClassVar[str] = "workers"

    def obstacle(self, records: Records) -> str | None:
        """Needs the workers' table."""
        if records.workers is None or not {"last", "cost"} <= set(records.workers.columns):
            return "there is no workers.parquet with the columns last and cost"
        return None

    def draw(self, records: Records) -> Figure:
        """Both measures below each other."""
        rows = _rows(records)
        names = [_wrapped(row, "") for row in rows]
        costs = [_wrapped(row, f": {row.cost.sum():.3g}{NO_BREAK}s") for row in rows]
        with style.applied():
            height = 0.16 + 0.13 * max(name.count("\n") + 1 for name in costs)
            figure = style.blank(style.TWO_PANELS, 2 * (0.5 + height * len(rows)) + 0.5)
            ended, waited = figure.subplots(2, 1, sharex=True)
            _strip(ended, [row.last for row in rows], names)
            ended.set_title("share of the rounds that its message ended", fontsize=9.5, loc="left")
            _strip(waited, [row.cost for row in rows], costs)
            title = "share of the seconds waited for it alone (left: of all, per run)"
            waited.set_title(title, fontsize=9.5, loc="left")
            waited.set_xlabel("worker")
            if len(rows) < len(records.summary):
                more = len(records.summary) - len(rows)
                figure.suptitle(f"{more} more schemes or points of the sweep are not shown")
        return figure


def _rows(records: Records) -> list[Row]:
    rows = []
    for part in records.points():
        assert part.workers is not None
        for label, own in part.workers.groupby("label", sort=False):
            last, cost = (
                own.sort_values("worker")[column].to_numpy(dtype=float)
                for column in ("last", "cost")
            )
            rows.append(Row(str(label), part.title.replace("delay.", ""), last, cost))
    return rows[:MOST_ROWS]


def _wrapped(row: Row, suffix: str) -> str:
    point = row.point.replace(" = ", f"{NO_BREAK}={NO_BREAK}").replace("\n", ", ")
    return "\n".join(textwrap.wrap(row.name + suffix, WRAP) + textwrap.wrap(point, WRAP))


def _strip(axes: Axes, rows: list[FloatArray], names: list[str]) -> None:
    """Rows as shares of their sums; white beyond the workers that a row has."""
    most = max(len(row) for row in rows)
    table = np.full((len(rows), most), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row / row.sum() if row.sum() > 0 else 0.0
    top = float(np.nanmax(table))
    image = axes.imshow(
        table, aspect="auto", cmap="Blues", vmin=0.0, vmax=top or 1.0, interpolation="nearest"
    )
    axes.set_yticks(np.arange(1, len(rows)) - 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(visible=True, which="minor", axis="y", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.set_yticks(range(len(rows)), names, fontsize=8.5)
    axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
