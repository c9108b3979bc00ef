"""The first rounds of a run as a picture: who computed what and when, and who ended each round."""

from __future__ import annotations

from collections.abc import Collection
from typing import final

import numpy as np
import pandas as pd
from typing_extensions import override

from ...text import left_out, number_of
from .. import style
from ..base import PictureKind
from ..looks import INK, Look
from ..picture import Axis, Band, Bars, Fill, Mark, Panel, Picture, Points, Rules
from ..records import Records

ROUNDS = (2, 4, 10)
"""The picture ends when the slowest scheme has done the second number of rounds or the fastest the
third, but not before each has done the first."""

MOST_SCHEMES, MOST_WORKERS = 6, 48
"""Panels and rows that stay legible."""

FILLS = {
    "computing": Fill("#56B4E9", "", "computing, in time"),
    "late": Fill("#CC79A7", "\\\\\\\\", "computing, too late"),
    "cancelled": Fill("#F0C878", "////", "computing, broken off"),
    "sending": Fill("#009E73", "......", "sending", height=0.4),
    "dead": Fill("#777777", "xxxx", "dead"),
}
"""In the order in which they are painted; sending may overlap with computing."""

ENDS = "a round or update ends"
ENDER = Look(INK, "D", "none", "whose message ended it")

LEAST_HEIGHT, ROW = 0.7, 0.036
"""Inches of a panel, and of a row in it where there are many."""


@final
class GanttKind(PictureKind):
    """One panel per scheme, one row per worker, all on one clock.

    Reads ``timeline.parquet``: the first replication at the first point of a sweep.
    """

    name = "gantt"
    title = "Timeline"
    caption = "What every worker did in the first rounds of one replication, all on one clock."
    rank = 60
    section = "timeline"

    @override
    def obstacle(self, records: Records) -> str | None:
        if records.timeline is not None:
            return None
        if (records.config or {}).get("engine") == "law":
            return "engine: law drew how long iterations took, and no worker's time"
        return (
            "there is no timeline of this run; run its config.yaml again with "
            f"--output {records.directory} --timeline timeline.json"
        )

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """Panels below each other; one replication has no spread."""
        assert records.timeline is not None
        free = without_rounds(records.iterations)
        spans = classified(records.timeline, free)
        labels = list(dict.fromkeys(spans["label"]))
        shown = labels[:MOST_SCHEMES]
        spans = spans[spans["label"].isin(shown)]
        end = horizon(spans)
        workers = shown_workers(spans, end)
        notes = _notes(records, spans, len(labels) - len(shown), len(workers))
        height = len(shown) * (0.3 + max(LEAST_HEIGHT, ROW * len(workers)))
        names = {label: "update" if label in free else "round" for label in shown}
        return Picture(
            panels=[
                panel(spans[spans["label"] == label], workers, end, name)
                for label, name in names.items()
            ],
            columns=1,
            width=style.ONE_PANEL,
            height=height + 1.3 + 0.22 * len(notes),
            share="x",
            heading="\n".join(notes),
            legend=2,
            last=[*(fill.title for fill in FILLS.values()), ENDS, ENDER.title],
            names_left=True,
        )


def without_rounds(iterations: pd.DataFrame) -> set[str]:
    """Labels of schemes that use messages of several models.

    Their iterations have several updates, or a mean staleness that is not a whole number.
    """
    if "staleness" not in iterations:
        return set()
    rows = iterations[iterations["iteration"] > 0]
    free = (rows["updates"] > 1) | (rows["staleness"] % 1 > 0)
    return {str(label) for label in rows.loc[free, "label"].unique()}


def classified(timeline: pd.DataFrame, free: Collection[str] = ()) -> pd.DataFrame:
    """The spans, those that computed beyond the end of their own round as kind ``late``.

    ``free`` are labels of schemes without rounds, for which no message is late.
    """
    master = timeline[timeline["worker"] < 0]
    ends = master[["label", "iteration", "end"]].rename(columns={"end": "round_end"})
    spans = timeline.merge(ends, on=["label", "iteration"], how="left")
    late = (spans["kind"] == "computing") & (spans["end"] > spans["round_end"])
    late &= ~spans["label"].isin(free)
    return spans.assign(kind=spans["kind"].mask(late, "late"))


def horizon(spans: pd.DataFrame) -> float:
    """Seconds that are drawn: a few rounds of the slowest scheme, not too many of the fastest."""
    rounds = spans[spans["worker"] < 0]
    if rounds.empty:
        return float(spans["end"].max()) or 1.0
    instants = []
    for _, own in rounds.groupby("label", sort=False):
        ends = np.sort(own["end"].to_numpy(dtype=float))
        instants.append([ends[min(count, len(ends)) - 1] for count in ROUNDS])
    first, slow, fast = np.array(instants).T
    return float(max(min(slow.max(), fast.min()), first.max())) or 1.0


def shown_workers(spans: pd.DataFrame, end: float) -> list[int]:
    """At most ``MOST_WORKERS``: those that ended a round by ``end``, then the first ones."""
    everyone = sorted({int(worker) for worker in spans["worker"] if worker >= 0})
    seen = spans[(spans["worker"] < 0) & (spans["end"] <= end) & (spans["ended_by"] >= 0)]
    enders = [int(worker) for worker in dict.fromkeys(seen["ended_by"])]
    others = [worker for worker in everyone if worker not in enders]
    return sorted((enders + others)[:MOST_WORKERS])


def _notes(records: Records, spans: pd.DataFrame, schemes: int, rows: int) -> list[str]:
    notes = []
    point = records.points()[0].title
    if point:
        notes.append("first point of the sweep: " + point.replace("\n", ", "))
    if schemes:
        notes.append(left_out(schemes, "scheme"))
    workers = spans.loc[spans["worker"] >= 0, "worker"].nunique()
    if rows < workers:
        notes.append(f"{rows} of {workers} workers are shown, those that ended rounds among them")
    return notes


def panel(spans: pd.DataFrame, workers: list[int], end: float, what: str) -> Panel:
    """One scheme on its clock: ``classified`` spans up to ``end``, of a ``round`` or ``update``."""
    row_of = {worker: row for row, worker in enumerate(workers)}
    begun = spans[(spans["start"] < end) & spans["worker"].isin(workers)]
    marks: list[Mark] = []
    for kind, fill in FILLS.items():
        own = begun[begun["kind"] == kind]
        if not own.empty:
            rows = np.array([row_of[worker] for worker in own["worker"]], dtype=np.float64)
            left, right = (own[c].to_numpy(dtype=float) for c in ("start", "end"))
            marks.append(Bars(fill, rows, left, np.minimum(right, end)))
    rounds = spans[(spans["worker"] < 0) & (spans["end"] <= end)]
    marks.append(Rules(ENDS, rounds["end"].to_numpy(dtype=float)))
    ended = rounds[rounds["ended_by"].isin(workers)]
    enders = np.array([row_of[worker] for worker in ended["ended_by"]], dtype=np.float64)
    marks.append(Points(ENDER, ended["end"].to_numpy(dtype=float), enders, hollow=True, size=3.6))
    places = range(0, len(workers), 1 if len(workers) <= 10 else 5)
    number = len(rounds)
    return Panel(
        Axis("simulated time (s)", low=0.0, high=end),
        Axis(
            "worker",
            low=len(workers) - 0.4,
            high=-0.6,
            names=tuple(str(workers[place]) for place in places),
            places=tuple(places),
        ),
        marks,
        f"{spans['label'].iloc[0]}: {number_of(number, what)}",
        grid=False,
    )
