"""The first rounds of a run as a picture: who computed what and when, and who ended each round."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
import pandas as pd

from experiments.pictures import style
from experiments.pictures.base import Kind
from experiments.pictures.records import Records
from experiments.pictures.style import Fill

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

ENDER, ENDS = "whose message ended it", "a round ends"

LEAST_HEIGHT, ROW = 0.7, 0.036
"""Inches of a panel, and of a row in it where there are many."""


@final
class Gantt(Kind):
    """One panel per scheme, one row per worker, all on one clock.

    Reads ``timeline.parquet``: the first replication at the first point of a sweep.
    """

    name: ClassVar[str] = "gantt"

    def obstacle(self, records: Records) -> str | None:
        """Needs a timeline."""
        if records.timeline is None:
            where = records.directory
            return (
                f"there is no timeline.parquet; to write it: erasurehead run {where}/config.yaml "
                f"--output {where} --timeline {where}/timeline.json"
            )
        return None

    def draw(self, records: Records) -> Figure:
        """Panels below each other."""
        assert records.timeline is not None
        spans = classified(records.timeline)
        labels = list(dict.fromkeys(spans["label"]))
        shown = labels[:MOST_SCHEMES]
        spans = spans[spans["label"].isin(shown)]
        end = horizon(spans)
        workers = shown_workers(spans, end)
        notes = _notes(records, spans, len(labels) - len(shown), len(workers))
        with style.applied():
            height = len(shown) * (0.3 + max(LEAST_HEIGHT, ROW * len(workers)))
            figure = style.blank(style.ONE_PANEL, height + 1.3 + 0.22 * len(notes))
            grid = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
            for axes, label in zip(grid, shown, strict=True):
                _panel(axes, spans[spans["label"] == label], workers, end)
            grid[-1].set_xlabel("simulated time (s)")
            if notes:
                figure.suptitle("\n".join(notes), fontsize=9.5)
            style.legend_below(figure, 2, [*(fill.title for fill in FILLS.values()), ENDS, ENDER])
        return figure


def classified(timeline: pd.DataFrame) -> pd.DataFrame:
    """The spans, those that computed beyond the end of their own round as kind ``late``."""
    master = timeline[timeline["worker"] < 0]
    ends = master[["label", "iteration", "end"]].rename(columns={"end": "round_end"})
    spans = timeline.merge(ends, on=["label", "iteration"], how="left")
    late = (spans["kind"] == "computing") & (spans["end"] > spans["round_end"])
    return spans.assign(kind=spans["kind"].mask(late, "late"))


def horizon(spans: pd.DataFrame) -> float:
    """Seconds that are drawn: a few rounds of the slowest scheme, not too many of the fastest."""
    rounds = spans[spans["worker"] < 0]
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
        notes.append(f"{schemes} more schemes are not shown")
    workers = spans.loc[spans["worker"] >= 0, "worker"].nunique()
    if rows < workers:
        notes.append(f"{rows} of {workers} workers are shown, those that ended rounds among them")
    return notes


def _panel(axes: Axes, spans: pd.DataFrame, workers: list[int], end: float) -> None:
    row_of = {worker: row for row, worker in enumerate(workers)}
    begun = spans[(spans["start"] < end) & spans["worker"].isin(workers)]
    for kind, fill in FILLS.items():
        own = begun[begun["kind"] == kind]
        if not own.empty:
            rows = np.array([row_of[worker] for worker in own["worker"]], dtype=np.float64)
            left, right = (own[c].to_numpy(dtype=float) for c in ("start", "end"))
            style.bars(axes, rows, left, np.minimum(right, end), fill)
    rounds = spans[(spans["worker"] < 0) & (spans["end"] <= end)]
    for instant in rounds["end"]:
        axes.axvline(instant, color=style.INK, lw=0.9, label=ENDS)
    ended = rounds[rounds["ended_by"].isin(workers)]
    axes.plot(
        ended["end"],
        ended["ended_by"].map(row_of),
        "D",
        color=style.INK,
        markerfacecolor="white",
        markersize=3.6,
        markeredgewidth=1.1,
        label=ENDER,
        clip_on=False,
        zorder=3,
    )
    every = 1 if len(workers) <= 10 else 5
    places = range(0, len(workers), every)
    axes.set_yticks(list(places), [str(workers[place]) for place in places], fontsize=8.5)
    axes.grid(visible=False)
    axes.set_xlim(0, end)
    axes.set_ylim(len(workers) - 0.4, -0.6)
    axes.set_ylabel("worker")
    number = len(rounds)
    title = f"{spans['label'].iloc[0]}: {number} round{'' if number == 1 else 's'}"
    axes.set_title(title, fontsize=9.5, loc="left")
