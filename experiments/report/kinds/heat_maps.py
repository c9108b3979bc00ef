"""Workers over rounds: how long each worker computed in each round, from a run's timeline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...page.content import Chart
from ...pictures import style
from ...pictures.kinds.gantt import without_rounds
from ...pictures.picture import Axis, Heat, Panel, Picture
from ...pictures.records import Records

MOST_SCHEMES, MOST_WORKERS, MOST_ROUNDS = 3, 100, 200


def heat_maps(records: Records) -> Iterator[Chart]:
    """A picture with a panel for each of the first schemes with rounds; none without a timeline."""
    if records.timeline is None:
        return
    spans = records.timeline
    spans = spans[(spans["worker"] >= 0) & spans["kind"].isin(["computing", "cancelled"])]
    spans = spans.assign(seconds=spans["end"] - spans["start"])
    free = without_rounds(records.iterations)
    labels = [label for label in dict.fromkeys(spans["label"]) if label not in free]
    panels, cut = [], False
    for label in labels[:MOST_SCHEMES]:
        own = spans[spans["label"] == label]
        table = own.pivot_table(
            index="worker", columns="iteration", values="seconds", aggfunc="sum"
        )
        cut |= table.shape[0] > MOST_WORKERS or table.shape[1] > MOST_ROUNDS
        table = table.iloc[:MOST_WORKERS, :MOST_ROUNDS]
        values = table.to_numpy(dtype=np.float64)
        names = tuple(str(worker) for worker in table.index)
        rounds = (float(table.columns[0]) - 0.5, float(table.columns[-1]) + 0.5)
        step = max(1, len(names) // 12)
        places = tuple(range(0, len(names), step))
        axis = Axis("worker", names=names[::step], places=places)
        heat = Heat(values, "s", extent=rounds)
        panels.append(Panel(Axis("round"), axis, [heat], str(label), grid=False))
    if not panels:
        return
    words = (
        "Seconds that each worker computed in each round of the first replication, until it was "
        "done or cancelled. A dark row is a slow worker, a dark column a slow round."
    )
    if cut:
        words += f" The first {MOST_WORKERS} workers and {MOST_ROUNDS} rounds."
    if len(labels) > len(panels):
        words += f" The first {len(panels)} of {len(labels)} schemes with rounds."
    picture = Picture(panels, 1, style.TWO_PANELS, 3.0 * len(panels), names_left=True)
    yield Chart("heat-map", "Workers over rounds", words, picture)
