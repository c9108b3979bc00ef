"""Pictures that only the page of a run has: a sweep at one glance, and workers over rounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ...sim.metrics import METRICS
from ...sim.types import FloatArray
from ..page.content import Chart
from ..page.numbers import left_out
from ..pictures import style
from ..pictures.kinds.gantt import without_rounds
from ..pictures.looks import Look, variants
from ..pictures.picture import Axis, Curve, Heat, Panel, Picture
from ..pictures.records import Records, short_text

OVERVIEW = ("time_to_target", "iteration_time", "final_train_loss")
"""Metrics of an overview, those that the summary has."""

MOST_PANELS = 6

LONG = 10
"""From this ratio of swept values on, their axis is logarithmic."""

BAND = "bands: 95 % confidence interval of the mean"


def overview(records: Records) -> Iterator[Chart]:
    """A picture for each metric, with a panel for each point of the other swept keys."""
    keys = [key for key in records.swept() if not key.startswith("scheme.")]
    lengths = {key: records.summary[key].astype(str).nunique() for key in keys}
    keys = [key for key in keys if lengths[key] > 1]
    if not keys:
        return
    along = max(keys, key=lambda key: (is_numeric_dtype(records.summary[key]), lengths[key]))
    others = [key for key in keys if key != along]
    for name in OVERVIEW:
        if f"{name}_mean" in records.summary:
            metric = METRICS[name]
            title = f"{metric.title[:1].upper()}{metric.title[1:]} over {along}"
            words = f"Means over replications; {BAND}."
            ident = f"overview-{name.replace('_', '-')}"
            yield Chart(ident, title, words, _picture(records, name, along, others))


def _picture(records: Records, name: str, along: str, others: list[str]) -> Picture:
    summary = records.summary
    pairs = summary[["label", "scheme"]].drop_duplicates("label")
    looks = variants([(str(a), str(b)) for a, b in pairs.itertuples(index=False)])
    values = list(dict.fromkeys(summary[along]))
    numeric = is_numeric_dtype(summary[along])
    if numeric:
        values = sorted(values)
    groups = [("", summary)]
    if others:
        said = summary[others].map(short_text)
        names = said.apply(
            lambda row: "\n".join(f"{k} = {v}" for k, v in zip(others, row, strict=True)), axis=1
        )
        groups = [(str(title), summary[names == title]) for title in dict.fromkeys(names)]
    positive = numeric and min(values) > 0
    log = bool(positive and max(values) >= LONG * min(values))
    axis = Axis(along, log=log, ticks=(1, 2, 5) if log and max(values) < 100 * min(values) else ())
    if not numeric:
        texts = tuple(short_text(value) for value in values)
        axis = Axis(along, names=texts)
    where = dict(zip(values, values if numeric else range(len(values)), strict=True))
    panels = [
        Panel(axis, Axis(METRICS[name].label), _curves(own, name, along, where, looks), title)
        for title, own in groups[:MOST_PANELS]
    ]
    spans = [c.y for p in panels for c in p.marks if isinstance(c, Curve)]
    known = np.concatenate([y[np.isfinite(y)] for y in spans]) if spans else np.empty(0)
    if known.size and known.min() > 0 and known.max() > 30 * known.min():
        ticks = (1, 2, 5) if known.max() < 100 * known.min() else ()
        y = Axis(METRICS[name].label, log=True, ticks=ticks)
        panels = [Panel(panel.x, y, panel.marks, panel.title) for panel in panels]
    more = len(groups) - len(panels)
    columns = min(3, len(panels))
    return Picture(
        panels,
        columns,
        style.ONE_PANEL if columns == 1 else style.TWO_PANELS,
        3.2 * -(-len(panels) // columns),
        share="y" if len(panels) > 1 else "",
        heading=left_out(more, "point", "of the sweep"),
    )


def _curves(
    table: pd.DataFrame, name: str, along: str, where: dict[Any, float], looks: dict[str, Look]
) -> list[Curve]:
    curves = []
    for label, rows in table.groupby("label", sort=False):
        x = np.array([where[value] for value in rows[along]], dtype=np.float64)
        order = np.argsort(x, kind="stable")
        y, error = (_column(rows, f"{name}_{end}")[order] for end in ("mean", "se"))
        half = 1.96 * np.nan_to_num(error)
        curves.append(Curve(looks[str(label)], x[order], y, y - half, y + half))
    return curves


def _column(rows: pd.DataFrame, name: str) -> FloatArray:
    values = rows[name].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


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
