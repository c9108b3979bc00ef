"""Iteration times, the workers' time, and means over what was swept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, final

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from typing_extensions import override

from ....sim.base.errors import one_of
from ...pictures.picture import Chart
from ...run.metrics import METRICS
from ...run.reader import Records, names_of, texts_of
from ...text import left_out
from .. import style
from ..base import PanelKind, PictureKind
from ..looks import DOTTED, GRID_COLOUR, INK, MUTED, SOLID, THEORY_LOOK, Look, shade, variants
from ..picture import Axis, Band, Bars, Curve, Fill, Mark, Panel, Picture, Points, axis_of
from .losses import LEAST_TIME_COLUMN, OWN_PARTITIONS, band_key, band_of, half_interval

QUANTILE_LEVELS = np.linspace(0.0, 1.0, 401)
TIME_BAND_NOTES: dict[Band, str] = {
    "quantiles": "band: 10th to 90th percentile of runs",
    "ci": "band: 95 % confidence interval over runs",
}
LEAST_TIME_LOOK = Look(INK, "", DOTTED, "dotted: n gradients take at least this long on average")


@final
class IterationTimeKind(PanelKind):
    """Empirical distribution over all iterations of all replications, one line per scheme.
    Beside a scheme without a barrier, a dotted line is the mean that no method can be below that
    uses n gradients an iteration and finishes what it begins."""

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
        longest, marks = 0.0, list[Mark]()
        for label, _ in records.labels():
            seconds = records.runs(label, "iteration_time")[:, 1:]
            if "updates" in records.iterations:
                made = records.runs(label, "updates")[:, 1:]
                if np.ptp(made) > 0:  # rows are of other numbers of gradients than n
                    mean = METRICS["iteration_time"].of(records.cell(label))
                    assert mean is not None
                    used = (seconds.sum(axis=1) / mean / made.sum(axis=1))[:, None] * made
                    seconds = np.where(made > 0, seconds / np.where(made > 0, used, 1.0), np.nan)
            quantile = np.nanquantile if np.isnan(seconds).any() else np.quantile
            quantiles = quantile(seconds, QUANTILE_LEVELS)
            longest = max(longest, float(quantiles[-2] / max(quantiles[200], 1e-300)))
            if len(seconds) > 1:
                ends = band_of(quantile(seconds, QUANTILE_LEVELS, axis=1).T, band)
                bounds = (np.maximum(ends.low, quantiles[0]), ends.high)
                marks.append(Curve(looks[label], quantiles, QUANTILE_LEVELS, *bounds, across="x"))
            else:
                marks.append(Curve(looks[label], quantiles, QUANTILE_LEVELS))
        if records.replicated():
            marks.append(band_key(TIME_BAND_NOTES[band]))
        least = records.summary.get(LEAST_TIME_COLUMN, pd.Series()).dropna().unique()
        whole = np.array([0.0, 1.02])
        marks += [Curve(LEAST_TIME_LOOK, np.full(2, mean), whole, width=1.2) for mean in least]
        tail = longest > 30.0  # times the median, the 99.75 % quantile
        x = Axis("iteration time (s)", log=tail, low=None if tail else 0.0)
        y = Axis("share of iterations done by then", low=0.0, high=1.02)
        return Panel(x, y, marks, records.title)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (TIME_BAND_NOTES[band], LEAST_TIME_LOOK.title)


# metrics over what was swept that a report shows, those that the summary has
OVERVIEW_METRICS = ("time_to_target", "iteration_time", "final_train_loss", "decoding_error")
JOINED_LOOK = Look(MUTED, "", SOLID, "thin lines: means without a closed form")
JOINED_WIDTH = 0.7
NOT_REACHED_NOTE = "no scheme reaches the target loss in more than half of its runs"
THEORY_AT_POINTS_LOOK = replace(THEORY_LOOK, title="lines: theory, at the points")
MEANS_LOOK = Look(INK, "", "none", "bars: 95 % confidence interval of the mean")
SOME_LOOK = Look(MUTED, "o", "none", "hollow: not all runs reach it")
NEVER_LOOK = Look(MUTED, "^", "none", "at the top: half of them or more do not")
MEDIANS_LOOK = replace(MEANS_LOOK, title=MEANS_LOOK.title.replace("mean", "median"))


@final
@dataclass(frozen=True)
class AgainstKind(PictureKind):
    """A column of the summary over what was swept, a line per scheme; that of theory where known.

    There is a panel for each point of the other swept keys. What a scheme sweeps by itself
    (``scheme.load``) can be the axis, too; a scheme without that field is a level line.

    Args:
        x: a swept key; by default the one with the most values, numbers first.
        y: a metric, such as ``decoding_error``, or a column of the summary; by default the first of
            ``OVERVIEW_METRICS`` that is there."""

    name = "against"
    title = "Against what was swept"
    caption = (
        "Means over replications (medians, where not all of them reach the target) against a swept "
        "key; lines are closed forms where known."
    )
    rank = 5

    x: str = ""
    y: str = ""

    @property
    @override
    def file(self) -> str:
        named = f"{self.y or 'means'}_over_{self.x or 'swept'}"
        return re.sub(r"[^\w.-]", "_", named) if self.x or self.y else self.name

    @override
    def obstacle(self, records: Records) -> str | None:
        lengths = _swept(records)
        if not any(length > 1 for length in lengths.values()):
            return "nothing was swept; it needs a key with several values"
        if self.x and lengths.get(self.x, 0) < 2:
            keys = [key for key in lengths if lengths[key] > 1]
            return f"{self.x} was not swept; x {one_of(keys, self.x)}"
        columns = _columns(records)
        if self.y and self.y not in columns:
            missed = self.y == "time_to_target" and "target_reached" in records.summary
            lack = NOT_REACHED_NOTE if missed else f"the summary has no numbers {self.y}"
            return f"{lack}; y {one_of(columns, self.y)}"
        return None if columns else "the summary holds no means"

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """Bars are confidence intervals whatever ``band`` says: the summary has nothing else."""
        lengths = _swept(records)
        on_grid = records.swept()
        numeric = {
            key: is_numeric_dtype(own := records.summary[key])
            and not (key in on_grid and own.isna().any())  # null has no place among numbers
            for key in lengths
        }
        several = [key for key in lengths if lengths[key] > 1]
        x = self.x or max(several, key=lambda key: (numeric[key], lengths[key]))
        columns = _columns(records)
        y = self.y or next(name for name in (*OVERVIEW_METRICS, *columns) if name in columns)
        summary, median = _middles(records.summary, y)
        summary = summary.assign(label=_series(summary, x))
        looks = variants(replace(records, summary=summary).labels(), records.names)
        if not numeric[x]:
            has = summary[x].notna() | (x in on_grid)  # a scheme may lack the field
            summary = summary.assign(**{x: texts_of(summary[x]).where(has)})
        values = [value for value in dict.fromkeys(summary[x]) if pd.notna(value)]
        axis = Axis(x, names=tuple(map(str, values)))
        where = {value: float(number) for number, value in enumerate(values)}
        if numeric[x]:
            where = {value: float(value) for value in values}
            numbers = np.sort([*where.values()])
            # whether they are as 12, 24, 48
            even = len(numbers) > 2 and numbers[0] > 0 and np.ptp(np.diff(np.log(numbers))) < 1e-6
            axis = axis_of(x, numbers, 1 if even else 10)
            if len(where) <= 8:  # each has a tick
                ticks = tuple(sorted(where.values()))
                axis = replace(axis, names=tuple(f"{at:.4g}" for at in ticks), places=ticks)
        finite = summary.reindex(columns=[f"{y}_mean", f"{y}_high"]).to_numpy(dtype=float)
        top = 1.1 * float(np.max(finite, where=np.isfinite(finite), initial=0.0))
        others = [k for k in on_grid if k != x and lengths[k] > 1]
        groups = [("", summary)]
        if others:
            names = names_of(summary, others)
            groups = [(str(name), summary[names == name]) for name in dict.fromkeys(names)]
        titled = [
            (title, [*_series_marks(own, x, y, where, looks, top), *_least(own, x, y, where)])
            for title, own in groups[:6]
        ]
        drawn = [mark for _, marks in titled for mark in marks]
        heights = [mark.y for mark in drawn if isinstance(mark, Curve | Points)]
        title = METRICS[y].label if y in METRICS else y
        title = f"median {title}" if median else title
        numbers = np.concatenate([np.empty(0), *heights])
        scale = axis_of(title, numbers, 30)
        if (
            not scale.log
            and 0 <= np.nanmin(numbers, initial=1) <= np.nanmax(numbers, initial=0) / 2
        ):
            scale = replace(scale, low=0.0)  # else differences would look like multiples
        bars = MEDIANS_LOOK if median else MEANS_LOOK
        keys: list[Mark] = [Points(bars, dy=np.empty((2, 0)))]
        keys += [Points(key, hollow=True) for key in (SOME_LOOK, NEVER_LOOK)] if median else []
        known = summary.get(f"{y}_theory", pd.Series(np.nan, summary.index)).notna()
        keys += [Curve(THEORY_AT_POINTS_LOOK)] if known.any() else []
        every = known.groupby(summary["label"]).any().all()
        joined = replace(JOINED_LOOK, title="thin lines: medians") if median else JOINED_LOOK
        keys += [] if every else [Curve(joined, width=JOINED_WIDTH)]
        remark = NOT_REACHED_NOTE * bool(
            not self.y and y != "time_to_target" and "target_reached" in summary
        )
        panels = [Panel(axis, scale, [*marks, *keys], title, remark) for title, marks in titled]
        in_a_row = min(3, len(panels))
        width = style.ONE_PANEL if in_a_row == 1 else style.TWO_PANELS
        entries = [*(look.title for look in looks.values()), *(key.title for key in keys)]
        beside = style.entries_in_a_row(entries, Picture.legend, width)
        height = 3.2 * -(-len(panels) // in_a_row) + 0.22 * -(-len(entries) // beside)
        heading = left_out(len(groups) - len(panels), "point", "of the sweep")
        share: Literal["y", ""] = "y" if len(panels) > 1 else ""
        last = (*(key.title for key in keys), LEAST_TIME_LOOK.title)
        return Picture(panels, in_a_row, width, height, share, heading, last=last)

    @override
    def charts(self, records: Records) -> Iterator[Chart]:
        """One for each metric of an overview, if it is not 0 everywhere.
        None where at most a field of a scheme has two values: two points show no shape."""
        own = records.summary[[*_swept(records)]].map(str, na_action="ignore")
        several = own.groupby(records.summary["scheme"]).nunique()
        if not records.swept() and several.to_numpy().max() < 3:
            return
        columns = _columns(records)
        for y in OVERVIEW_METRICS:
            seen = _middles(records.summary, y)[0].get(f"{y}_mean", pd.Series(np.nan))
            if y in columns and bool((seen.abs() > METRICS[y].rounding).any()):
                picture = replace(self, y=y).picture(records)
                metric, x = METRICS[y].title, picture.panels[0].x.label
                title = f"{metric[:1].upper()}{metric[1:]} over {x}"
                words = f"{self.caption}{OWN_PARTITIONS.get(y, '')}"
                yield Chart(f"overview-{y.replace('_', '-')}", title, words, picture)


def _swept(records: Records) -> dict[str, int]:
    """How many values each swept key has, those of schemes included."""
    own = [str(name) for name in records.summary if str(name).startswith("scheme.")]
    on_grid = {key: records.summary[key].nunique(dropna=False) for key in records.swept()}
    return on_grid | {key: records.summary[key].dropna().astype(str).nunique() for key in own}


def _columns(records: Records) -> list[str]:
    """What can be drawn of the summary: metrics by their names, other numbers by their columns."""
    summary = records.summary
    known = (name for name in summary if is_numeric_dtype(summary[name]))
    numbers = [str(name) for name in known if np.isfinite(summary[name]).any()]
    middles = [name for name in numbers if name.endswith(("_mean", "_median"))]
    metrics = dict.fromkeys(name.rpartition("_")[0] for name in middles)
    ends, swept = ("_mean", "_median", "_se", "_low", "_high", "_theory", "_z"), _swept(records)
    return [*metrics, *(k for k in numbers if not k.endswith(ends) and k not in swept)]


def _middles(summary: pd.DataFrame, y: str) -> tuple[pd.DataFrame, bool]:
    """The table with medians and their intervals in place of means, where these are medians: those
    of times to a target that not all runs reach."""
    median = f"{y}_median"
    if f"{median}_low" not in summary or (summary["target_reached"] == 1).all():
        return summary, False
    low, high = summary[f"{median}_low"], summary[f"{median}_high"]
    own = {f"{y}_mean": summary[median], f"{y}_low": low, f"{y}_high": high}
    return summary.drop(columns=f"{y}_se", errors="ignore").assign(**own), True


def _series(summary: pd.DataFrame, x: str) -> pd.Series[str]:
    """The names of lines: labels, without what is on the axis."""
    if not x.startswith("scheme."):
        return summary["label"]
    others = [str(name) for name in summary if str(name).startswith("scheme.") and name != x]
    named, texts = [], {k: texts_of(summary[k]).where(summary[k].notna()) for k in others}
    for row in summary.assign(**texts).to_dict("records"):
        fields = (f"{k[7:]}={row[k]}" for k in others if pd.notna(row[k]))
        named.append(row["label"] if pd.isna(row[x]) else " ".join([row["scheme"], *fields]))
    return pd.Series(named, summary.index)


def _series_marks(
    table: pd.DataFrame,
    x: str,
    y: str,
    where: Mapping[Any, float],
    looks: Mapping[str, Look],
    top: float,
) -> list[Mark]:
    """Points, and the lines through their closed forms, or else through themselves; at ``top`` the
    medians of those of whom half do not reach the target."""
    marks: list[Mark] = []
    ends = [min(where.values()), max(where.values())]
    # a scheme without the field that is on the axis is level, the same whatever is there
    for (label, level), own in table.groupby(["label", table[x].isna()], sort=False):
        look = looks[str(label)]
        metric, rows = METRICS.get(y), own.to_dict("records")
        late = [metric.late(row) if metric else "" for row in rows]
        names = [f"{y}_mean", f"{y}_theory", f"{y}_low", f"{y}_high"]
        names[0] = names[0] if names[0] in own else y
        columns = own.reindex(columns=names).to_numpy(dtype=float)
        middle, theory, low, high = np.where(np.isfinite(columns), columns, np.nan).T
        never = np.isposinf(columns[:, 0]) & np.array([*map(bool, late)])
        if metric:
            middle = np.array([*map(metric.rounded, middle)])
        if np.isnan(middle).all() and not any(late):
            endless = metric is not None and any(map(metric.without_mean, rows))
            look = replace(look, title=f"{look.title} ({'no mean' if endless else 'no run'})")
        if level:
            at, height = np.array(ends), np.full(2, (middle if np.isnan(theory[0]) else theory)[0])
            if late[0]:
                title = f"{look.title} ({late[0]} runs)"
                look = replace(look, colour=shade(look.colour, 0.6), title=title)
            marks.append(Curve(replace(look, marker=""), at, height))
            continue
        at = np.array([where[value] for value in own[x]])
        order = np.argsort(at, kind="stable")
        half = half_interval(own, y)
        far = np.stack([middle - low, high - middle])
        far[:, np.isnan(far).any(axis=0)] = np.nan  # an interval without an end has no bar
        dy = np.maximum(np.nan_to_num(np.where(np.isnan(half), far, half)), 0.0)
        height, width = (middle, JOINED_WIDTH) if np.isnan(theory).all() else (theory, 1.6)
        line = replace(look, title="")
        marks.append(Curve(replace(line, marker=""), at[order], height[order], width=width))
        some = np.array([*map(bool, late)])  # where not all runs reach the target
        reached = np.where(some, np.nan, middle)
        marks.append(Points(look, at[order], reached[order], dy=dy[:, order]))
        highest = replace(line, marker=NEVER_LOOK.marker), np.full(len(at), top)
        for chosen, drawn, height in ((some & ~never, line, middle), (never, *highest)):
            if chosen.any():
                band_of = dy[:, chosen]
                marks.append(Points(drawn, at[chosen], height[chosen], dy=band_of, hollow=True))
    return marks


def _least(table: pd.DataFrame, x: str, y: str, where: Mapping[Any, float]) -> Iterator[Curve]:
    """The dotted line under iteration times, where it is known."""
    if y != "iteration_time" or LEAST_TIME_COLUMN not in table:
        return
    known = table.dropna(subset=[LEAST_TIME_COLUMN, x]).drop_duplicates(x)
    at = np.array([where[value] for value in known[x]])
    if len(at) > 1:
        order, least = np.argsort(at, kind="stable"), known[LEAST_TIME_COLUMN].to_numpy(float)
        yield Curve(LEAST_TIME_LOOK, at[order], least[order], width=1.2)


BAR_HEIGHT = 0.7
WASTED_HATCH = "///"
WASTED_FILL = Fill(GRID_COLOUR, WASTED_HATCH, "hatched: wasted")
IDLE_FILL = Fill("#FFFFFF", "", "blank: idle", BAR_HEIGHT)
INTERVAL_TITLE = "bars: 95 % confidence interval"


@final
class UtilisationKind(PanelKind):
    """Share of the workers' time spent on messages that arrived in time, on others, and idle. The
    error bar is that of computing in all, whatever ``band`` says: tables hold no replications."""

    name = "utilisation"
    title = "Workers' time"
    caption = "What the workers' time was spent on: the filled part of a bar on messages in time."
    rank = 50

    @override
    def obstacle(self, records: Records) -> str | None:
        known = {"utilisation_mean", "wasted_mean"} <= {*records.summary.columns}
        return None if known else "the summary holds no utilisation"

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        table = records.summary.drop_duplicates("label").set_index("label")
        busy, share = table[["utilisation_mean", "wasted_mean"]].to_numpy(dtype=float).T
        half = half_interval(table, "utilisation")
        rows, used = np.arange(len(busy), dtype=float), busy - busy * share
        marks: list[Mark] = []
        for y, (label, _) in enumerate(records.labels()):
            look, row = looks[label], rows[y : y + 1]
            ends = (used[y : y + 1], busy[y : y + 1])
            marks += [
                Bars(Fill(look.colour, "", "", BAR_HEIGHT), row, np.zeros(1), ends[0]),
                Bars(Fill(shade(look.colour, 0.6), WASTED_HATCH, "", BAR_HEIGHT), row, *ends),
                Bars(replace(IDLE_FILL, title=""), row, ends[1], np.maximum(ends[1], 1.0)),
            ]
        marks += [Bars(WASTED_FILL), Bars(IDLE_FILL)]
        if np.isfinite(half).any():
            both = np.nan_to_num(np.stack([half, half]))
            marks.append(Points(Look(INK, "", "none", INTERVAL_TITLE), busy, rows, dx=both))
        shares = Axis("share of the workers' time", low=0.0, high=1.0)
        names = tuple(looks[label].title for label, _ in records.labels())
        schemes = Axis("", low=len(rows) - 0.5, high=-0.5, names=names)
        return Panel(shares, schemes, marks, records.title)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (WASTED_FILL.title, IDLE_FILL.title, INTERVAL_TITLE)

    @override
    def points(self, records: Records) -> list[Records]:
        """Three at most: the others lie between them."""
        return records.points(3, apart=True)
