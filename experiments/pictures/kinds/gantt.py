"""Single workers: who computed what and when in the first rounds, and who made others wait."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd
from typing_extensions import override

from ....sim.base.errors import shell_word
from ....sim.base.types import FloatArray
from ...pictures.picture import Chart
from ...run.reader import Records
from ...text import enumerated, left_out, number_of, percent, whole_percent
from .. import style
from ..base import PictureKind
from ..looks import INK, Look
from ..picture import Axis, Band, Bars, Fill, Heat, Mark, Panel, Picture, Points, Rules

# in the order in which they are painted; sending may overlap with computing
SPAN_FILLS = {
    "computing": Fill("#56B4E9", "", "computing, in time"),
    "late": Fill("#CC79A7", "\\\\\\\\", "computing, too late"),
    "cancelled": Fill("#F0C878", "////", "computing, broken off"),
    "sending": Fill("#009E73", "......", "sending", height=0.4),
    "dead": Fill("#777777", "xxxx", "dead"),
}
ROUND_END_TITLE = "a round or update ends"
ENDER_LOOK = Look(INK, "D", "none", "whose message ended it")


@final
class GanttKind(PictureKind):
    """One panel per scheme, one row per worker, all on one clock.
    Reads ``timeline.parquet``: the first replication at the first point of a sweep."""

    name = "gantt"
    title = "Timeline"
    caption = "What every worker did in the first rounds of one replication, all on one clock."
    rank = 60
    section = "timeline"

    @override
    def obstacle(self, records: Records) -> str | None:
        if records.timeline is not None:
            lack = "the timeline is that of the sweep's first point, which is not in this part"
            return lack if records.timeline.empty else None
        if (records.config or {}).get("engine") == "law":
            return "engine: law drew how long iterations took, and no worker's time"
        return (
            "there is no timeline of this run; run its config.yaml again with "
            f"--output {shell_word(str(records.directory))} --timeline timeline.json"
        )

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        assert records.timeline is not None
        free = without_rounds(records.iterations)
        spans = classified(records.timeline, free)
        labels = list(dict.fromkeys(spans["label"]))
        drawn = labels[:6]  # more panels are not legible
        spans = spans[spans["label"].isin(drawn)]
        end = horizon(spans)
        workers = shown_workers(spans, end)
        point = records.points()[0].title.replace("\n", ", ")
        every = spans.loc[spans["worker"] >= 0, "worker"].nunique()
        some = f"{len(workers)} of {every} workers are shown, those that ended rounds among them"
        hidden = left_out(len(labels) - len(drawn), "scheme"), some if len(workers) < every else ""
        notes = [*filter(None, (f"first point of the sweep: {point}" if point else "", *hidden))]
        height = len(drawn) * (0.3 + max(0.7, 0.036 * len(workers)))  # inches
        names = {label: "update" if label in free else "round" for label in drawn}
        panels = [
            panel(spans[spans["label"] == label], workers, end, name, records.shown(label))
            for label, name in names.items()
        ]
        size = 1, style.ONE_PANEL, height + 1.3 + 0.22 * len(notes)
        last = [*(fill.title for fill in SPAN_FILLS.values()), ROUND_END_TITLE, ENDER_LOOK.title]
        return Picture(panels, *size, "x", "\n".join(notes), legend=2, last=last, names_left=True)


def without_rounds(iterations: pd.DataFrame) -> set[str]:
    """Labels of schemes that use messages of several models.
    Their iterations have several updates, or a mean staleness that is not a whole number."""
    if "staleness" not in iterations:
        return set()
    rows = iterations[iterations["iteration"] > 0]
    free = (rows["updates"] > 1) | (rows["staleness"] % 1 > 0)
    return {str(label) for label in rows.loc[free, "label"].unique()}


def classified(timeline: pd.DataFrame, free: Collection[str] = ()) -> pd.DataFrame:
    """The spans, those that computed beyond the end of their own round as kind ``late``.
    ``free`` are labels of schemes without rounds, for which no message is late."""
    master = timeline[timeline["worker"] < 0]
    ends = master[["label", "iteration", "end"]].rename(columns={"end": "round_end"})
    spans = timeline.merge(ends, on=["label", "iteration"], how="left")
    late = (spans["kind"] == "computing") & (spans["end"] > spans["round_end"])
    late &= ~spans["label"].isin(free)
    return spans.assign(kind=spans["kind"].mask(late, "late"))


def horizon(spans: pd.DataFrame) -> float:
    """Seconds that are drawn: until the slowest scheme has done four rounds or the fastest ten, but
    not before each has done two."""
    rounds = spans[spans["worker"] < 0]
    if rounds.empty:
        return float(spans["end"].max()) or 1.0
    instants = []
    for _, own in rounds.groupby("label", sort=False):
        ends = np.sort(own["end"].to_numpy(dtype=float))
        instants.append([ends[min(count, len(ends)) - 1] for count in (2, 4, 10)])
    first, slow, fast = np.array(instants).T
    return float(max(min(slow.max(), fast.min()), first.max())) or 1.0


def shown_workers(spans: pd.DataFrame, end: float, most: int = 48) -> list[int]:
    """At most so many as stay legible: those that ended a round by ``end``, then the first ones."""
    everyone = sorted({int(worker) for worker in spans["worker"] if worker >= 0})
    seen = spans[(spans["worker"] < 0) & (spans["end"] <= end) & (spans["ended_by"] >= 0)]
    enders = [int(worker) for worker in dict.fromkeys(seen["ended_by"])]
    others = [worker for worker in everyone if worker not in enders]
    return sorted((enders + others)[:most])


def panel(spans: pd.DataFrame, workers: list[int], end: float, what: str, name: str) -> Panel:
    """A scheme of this name on its clock: ``classified`` spans up to ``end``, of a ``round`` or
    ``update``."""
    row_of = {worker: row for row, worker in enumerate(workers)}
    begun = spans[(spans["start"] < end) & spans["worker"].isin(workers)]
    marks: list[Mark] = []
    for kind, fill in SPAN_FILLS.items():
        own = begun[begun["kind"] == kind]
        if not own.empty:
            rows = np.array([row_of[worker] for worker in own["worker"]], dtype=np.float64)
            left, right = (own[c].to_numpy(dtype=float) for c in ("start", "end"))
            marks.append(Bars(fill, rows, left, np.minimum(right, end)))
    rounds = spans[(spans["worker"] < 0) & (spans["end"] <= end)]
    marks.append(Rules(ROUND_END_TITLE, rounds["end"].to_numpy(dtype=float)))
    ended = rounds[rounds["ended_by"].isin(workers)]
    enders = np.array([row_of[worker] for worker in ended["ended_by"]], dtype=np.float64)
    ends = ended["end"].to_numpy(dtype=float)
    marks.append(Points(ENDER_LOOK, ends, enders, hollow=True, size=3.6))
    ticks = range(0, len(workers), 1 if len(workers) <= 10 else 5)
    x, names = Axis("simulated time (s)", low=0.0, high=end), tuple(str(workers[i]) for i in ticks)
    y = Axis("worker", low=len(workers) - 0.4, high=-0.6, names=names, places=tuple(ticks))
    title = f"{name}: {number_of(len(rounds), what)}"
    return Panel(x, y, marks, title, grid=False)


NO_BREAK = "\N{NO-BREAK SPACE}"
MANY_ROUNDS = 30  # a worker: of fewer, its share differs from the others' by a fifth by chance


@final
@dataclass(frozen=True, eq=False)
class WorkersRow:
    """One scheme at one point of the sweep."""

    name: str  # the scheme's, as a person reads it
    point: str  # the point, as lines; empty for a plain run
    last: FloatArray  # ``(workers,)`` share of rounds that each worker's message ended
    cost: FloatArray  # ``(workers,)`` seconds per run between that message and the one before
    rounds: float  # how many such messages ended, in all replications


@final
class WorkersKind(PictureKind):
    """One row per scheme and point, one column per worker; the darker, the more it cost. Each row
    is divided by its sum, which stands beside it in seconds: it shows who, and not which scheme."""

    name = "workers"
    title = "Which workers caused delays"
    caption = "Which workers made others wait; darker is more. Each row is divided by its sum."
    rank = 70
    section = "workers-and-rounds"

    @override
    def obstacle(self, records: Records) -> str | None:
        if records.workers is None or not {"last", "cost"} <= {*records.workers.columns}:
            return "there is no workers.parquet with the columns last and cost"
        sizes = ("workers", "iterations", "replications")
        lacking = [name for name in sizes if name not in records.summary]
        return f"summary.parquet has no column {lacking[0]}" if lacking else None

    @override
    def charts(self, records: Records) -> Iterator[Chart]:
        sizes = sorted(records.summary["workers"].unique())
        chance = ", ".join(f"{percent(1 / n)} (of {n} workers)" for n in sizes[:4])
        nobody = "Rounds that a deadline or several messages at once end count for nobody; a "
        nobody += "white row has no others."
        few = [row.name for row in _rows(records) if 0 < row.rounds < MANY_ROUNDS * len(row.last)]
        if named := enumerated([*dict.fromkeys(few)], 4):
            nobody += f" Uneven by chance, of fewer than {MANY_ROUNDS} rounds a worker: {named}."
        caption = f"{self.caption} By chance each would have {chance}. {nobody}"
        yield Chart(self.name, self.title, caption, self.picture(records))

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """Both measures below each other; the tables hold no replications to show a spread of."""
        rows = _rows(records)
        names = tuple(_wrapped(row, f": {whole_percent(row.last.sum())}") for row in rows)
        costs = tuple(_wrapped(row, f": {row.cost.sum():.3g}{NO_BREAK}s") for row in rows)
        height = 0.16 + 0.13 * max(name.count("\n") + 1 for name in costs)
        more = len(records.summary) - len(rows)
        ended, waited = _shares([row.last for row in rows]), _shares([row.cost for row in rows])
        titles = (
            "share of the rounds (or updates) that its message alone ended (left: of all)",
            "share of the seconds waited for it alone (left: of all, per run)",
        )
        panels = [
            Panel(Axis("worker"), Axis("", names=names), [ended], titles[0], grid=False),
            Panel(Axis("worker"), Axis("", names=costs), [waited], titles[1], grid=False),
        ]
        size = 1, style.TWO_PANELS, 2 * (0.5 + height * len(rows)) + 0.5
        return Picture(panels, *size, "x", left_out(more, "row"), names_left=True)


def _rows(records: Records) -> list[WorkersRow]:
    rows = []
    for point in records.points():
        assert point.workers is not None
        sizes = point.summary.drop_duplicates("label").set_index("label")
        count = sizes["iterations"] * sizes["replications"]
        for label, own in point.workers.groupby("label", sort=False):
            last, cost = own.sort_values("worker")[["last", "cost"]].to_numpy(dtype=float).T
            name = records.shown(str(label))
            where = point.title.replace("delay.", "")
            rows.append(WorkersRow(name, where, last, cost, last.sum() * count[label]))
    return rows[:12]  # more are not legible


def _wrapped(row: WorkersRow, suffix: str, width: int = 37) -> str:
    point = row.point.replace(" = ", f"{NO_BREAK}={NO_BREAK}").replace("\n", ", ")
    return "\n".join(textwrap.wrap(row.name + suffix, width) + textwrap.wrap(point, width))


def _shares(rows: list[FloatArray]) -> Heat:
    """Rows as shares of their sums; NaN, which is white, of a row of zeros and beyond the workers
    that a row has. Shades go at least to four times chance, so that chance alone looks even."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for line, row in zip(table, rows, strict=True):
        line[: len(row)] = row / (row.sum() or np.nan)
    even = 4.0 / max(4, table.shape[1])
    return Heat(table, high=max(even, np.nanmax(table, initial=0.0)))
