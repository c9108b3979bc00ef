"""Loss against time, against iterations, and the trade-off between time and accuracy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple, final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from typing_extensions import override

from ....sim.base.types import BoolArray, FloatArray
from ...pictures.picture import Chart
from ...run.metrics import METRICS
from ...run.reader import Records
from ...text import number_of
from ..base import PanelKind
from ..looks import DOTTED, INK, MUTED, SOLID, Look, shade
from ..picture import Axis, Band, Bars, Curve, Fill, Mark, Panel, Picture, Points, Rules, axis_of

# Many replications become one curve: losses at common instants, the middle and a band.
BAND_PERCENTILES = (10, 90)  # the band of quantiles holds four of five replications
# what a legend says of lines and bands
LOSS_BAND_NOTES: dict[Band, str] = {
    "quantiles": "line: median; band: 10th to 90th percentile",
    "ci": "line: mean; band: 95 % confidence interval",
}


def band_key(note: str) -> Bars:
    """The entry of the legend that says what bands are."""
    return Bars(Fill(shade(MUTED, 0.6), "", note))


class MiddleAndBand(NamedTuple):
    """Replications summed up: the middle and the ends of a band, each ``(G,)``."""

    middle: FloatArray
    low: FloatArray
    high: FloatArray


def band_of(values: FloatArray, band: Band) -> MiddleAndBand:
    """Over the first axis of ``(R, G)``; a value that is not finite counts as infinite."""
    known = np.where(np.isfinite(values), values, np.inf)
    if band == "quantiles":
        ordered, positions = np.sort(known, axis=0), np.array((10, 50, 90)) * (len(known) - 1) / 100
        share = (positions % 1)[:, None]
        low, high = (ordered[end(positions).astype(int)] for end in (np.floor, np.ceil))
        with np.errstate(invalid="ignore"):  # infinity less infinity, or times 0
            ends = np.where((share > 0) & (low < high), low + share * (high - low), low)
        return MiddleAndBand(ends[1], ends[0], ends[2])
    count, middle = len(known), known.mean(axis=0)
    if count == 1:
        return MiddleAndBand(middle, middle, middle)
    with np.errstate(invalid="ignore"):  # a band_of around an infinite mean
        error = known.std(axis=0, ddof=1) / np.sqrt(count)
    half = student(np.where(np.isfinite(error), error, 0.0), count)
    return MiddleAndBand(middle, middle - half, middle + half)


def half_interval(summary: pd.DataFrame, name: str) -> FloatArray:
    """Half of the confidence interval of each row's mean; NaN where it is not known."""
    columns = [f"{name}_se", "replications"]
    error, runs = summary.reindex(columns=columns).to_numpy(dtype=float).T
    return student(np.where(np.isfinite(error), error, np.nan), runs)


def student(error: ArrayLike, runs: FloatArray | int) -> FloatArray:
    """Half of Student's 95 % confidence interval of means of so many runs, from standard errors."""
    from scipy.special import stdtrit  # a tenth of a second that few pictures need

    return np.asarray(stdtrit(np.maximum(runs - 1, 1), 0.975) * np.asarray(error))


def instants_of(times: FloatArray) -> FloatArray:
    """``(201,)`` instants until the fastest replication ends, from the ends of iterations."""
    return np.linspace(0.0, float(times[:, -1].min()), 201)


def loss_at(times: FloatArray, losses: FloatArray, instants: FloatArray) -> FloatArray:
    """The loss of the newest model at each instant: ``(R, T + 1)`` twice and ``(G,) -> (R, G)``."""
    newest = [np.searchsorted(time, instants, side="right") - 1 for time in times]
    return np.take_along_axis(losses, np.stack(newest), axis=1)


def pareto(*costs: FloatArray) -> BoolArray:
    """The points that no other beats in one cost and equals or beats in all: ``(P,)`` each ->
    ``(P,)`` bool. Of equal points all are on the front; a point that is not finite never is."""
    points = np.stack(costs)
    finite = np.isfinite(points).all(axis=0)
    others, mine = points[:, finite, None], points[:, None]
    beaten = (others <= mine).all(axis=0) & (others < mine).any(axis=0)
    return np.asarray(finite & ~beaten.any(axis=0))


# A run diverges where its step is too long: losses grow without bound, then they are not numbers
# any more. One such scheme must not take the room of the others, so a line ends where the loss is
# ``DIVERGED_FACTOR`` times what it was at the start, at the top of the picture.

DIVERGED_FACTOR = 1e3  # times the largest loss at the start: what is beyond has diverged
AXIS_RANGE = (1e-100, 1e100)  # what an axis can show; beyond, it could not compute its own margins


def ceiling(records: Records) -> float:
    """The largest loss that is drawn; 0 where no run begins with a number."""
    losses = records.iterations.loc[records.iterations["iteration"] == 0, "train_loss"]
    start = losses.to_numpy(dtype=float)
    start = start[np.abs(start) <= AXIS_RANGE[1]]
    return DIVERGED_FACTOR * max(float(start.max()), AXIS_RANGE[0]) if start.size else 0.0


class LossKind(PanelKind):
    """Losses of every scheme against something; abstract."""

    along: ClassVar[str]  # label of the horizontal axis; empty: that of times

    @abstractmethod
    def losses(self, records: Records, label: str) -> tuple[FloatArray, FloatArray]:
        """Where the losses of a scheme are drawn, ``(G,)``, and those, ``(R, G)``."""

    @override
    def obstacle(self, records: Records) -> str | None:
        if "train_loss" not in records.iterations:
            return "the records hold no losses; it was a timing-only run (problem: null)"
        return "no run begins with a loss that is a number" if ceiling(records) == 0 else None

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        most = ceiling(records)
        curves, diverged = [], False
        for label, _ in records.labels():
            x, runs = self.losses(records, label)
            losses = band_of(runs, band)
            curves.append(Curve(looks[label], x, *cut(losses, most)))
            diverged |= bool(np.any(losses.middle > most))
        keys = [band_key(LOSS_BAND_NOTES[band])] if records.replicated() else []
        x_axis = Axis(self.along or records.clock)
        remark = "a line that ends at the top: diverged" if diverged else ""
        least = [] if self.along else least_losses(records, band)
        marks: list[Mark] = [*curves, *least, *target_line(records, curves), *keys]
        return Panel(x_axis, loss_axis(curves), marks, records.title, remark)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (LOSS_BAND_NOTES[band],)

    @override
    def picture(self, records: Records, band: Band | None = None) -> Picture:
        """With a line of the legend more for the lowest line, and one for the target."""
        made = super().picture(records, band)
        known = not self.along and LEAST_TIME_COLUMN in records.summary
        return replace(made, height=made.height + 0.22 * (known + (records.target is not None)))


def target_line(records: Records, curves: Sequence[Curve]) -> Iterator[Rules]:
    """A line at the target loss, unless that is so low that it would take the others' room."""
    target, seen = records.target, np.concatenate([curve.y for curve in curves])
    if target is not None and np.nanmin(seen, initial=np.inf) <= 2 * target:
        yield Rules("target", y=np.array([target]))


# the column of the least mean time; a scheme without a barrier can come near it
LEAST_TIME_COLUMN = "least_iteration_time"
LOWEST_LOOK = Look(INK, "", DOTTED, "dotted: the best without a barrier, if nobody ever waited")


def least_losses(records: Records, band: Band) -> list[Curve]:
    """The lowest line: no scheme without a barrier comes below it, or left of it, in the long run.
    After i iterations it has the lowest loss that one of them has, and it has that after i times
    the least seconds in which all workers together can do an iteration's n gradients."""
    table = records.summary.drop_duplicates("label").set_index("label")
    known = table.get(LEAST_TIME_COLUMN, pd.Series(dtype=float)).dropna()
    if known.nunique() != 1:
        return []
    runs = [band_of(records.runs(str(label), "train_loss"), band).middle for label in known.index]
    losses = np.min(runs, axis=0)
    lowest = cut(MiddleAndBand(losses, losses, losses), ceiling(records)).middle
    times = np.arange(len(losses), dtype=np.float64) * known.iloc[0]
    return [Curve(LOWEST_LOOK, times, lowest, width=1.2)]


def cut(losses: MiddleAndBand, most: float) -> MiddleAndBand:
    """The part below ``most``; a line that goes beyond ends there."""
    middle, low, high = (np.clip(values, -AXIS_RANGE[1], None) for values in losses)
    beyond = middle > most
    leaves = beyond & ~np.append(True, beyond[:-1])
    return MiddleAndBand(
        np.where(leaves, most, np.where(beyond, np.nan, middle)),
        np.where(low > most, np.nan, low),
        np.minimum(high, most),
    )


def loss_axis(curves: Sequence[Curve], label: str = "training loss (mean over rows)") -> Axis:
    """The axis of some curves, logarithmic where they span 0.7 powers of ten or more."""
    values = np.concatenate([curve.y for curve in curves])
    too_small = bool(np.any(values < AXIS_RANGE[0]))
    return Axis(label) if too_small else axis_of(label, values, 10**0.7)


@final
class LossTimeKind(LossKind):
    """One line per scheme, up to where its fastest replication ends."""

    name = "loss_time"
    title = "Loss against time"
    caption = "How far each scheme is after a given time. Lower and further left is better."
    rank = 10
    along = ""

    @override
    def losses(self, records: Records, label: str) -> tuple[FloatArray, FloatArray]:
        times, losses = (records.runs(label, name) for name in ("time", "train_loss"))
        instants = instants_of(times)
        return instants, loss_at(times, losses, instants)


@final
class LossIterationKind(LossKind):
    """One line per scheme; exact schemes lie on one line."""

    name = "loss_iteration"
    title = "Loss against iterations"
    caption = "The same losses by iteration: what an update is worth, however long."
    rank = 40
    along = "iteration"

    @override
    def losses(self, records: Records, label: str) -> tuple[FloatArray, FloatArray]:
        losses = records.runs(label, "train_loss")
        return np.arange(losses.shape[1], dtype=float), losses


COST = METRICS["iteration_time"]
# What a caption says besides of metrics whose size depends on how many partitions a scheme has.
OWN_PARTITIONS = {
    "decoding_error": " An error is a sum over the scheme's own partitions; where schemes have "
    "different numbers of them (`drop_compute`: workers x pieces), compare error / partitions."
}
FRONT_LOOK = Look(MUTED, "", SOLID, "Pareto front")
BAR_NOTES: dict[Band, str] = {
    "quantiles": "bars: 10th to 90th percentile of replications",
    "ci": "bars: 95 % confidence interval of the mean",
}


@final
class TradeoffKind(PanelKind):
    """Mean iteration time against final loss (or decoding error); the Pareto front is ringed."""

    name = "tradeoff"
    title = "Time against error"
    caption = "Seconds per iteration against error; ringed: no scheme is better in both."
    rank = 20
    band = "ci"

    @override
    def obstacle(self, records: Records) -> str | None:
        if _accuracy(records) is None or f"{COST.name}_mean" not in records.summary:
            return "the summary holds no pair of iteration time and loss or decoding error"
        if len(records.labels()) < 2:
            return "there is one scheme; a trade-off needs at least two"
        drawn = records.summary.loc[_drawn(records), "label"].nunique()
        ends = number_of(drawn, "scheme ends", "schemes end")
        lack = f"{ends} with a loss that can be drawn; the others diverged"
        return lack if drawn < 2 else None

    @override
    def charts(self, records: Records) -> Iterator[Chart]:
        """Its words say whether it is the loss or the decoding error."""
        name = _accuracy(records)
        assert name is not None
        what = METRICS[name].title.removeprefix("mean ")
        caption = f"Seconds per iteration against the {what}; ringed: no scheme is better in both."
        caption += OWN_PARTITIONS.get(name, "")
        yield Chart(self.name, f"Time against {what}", caption, self.picture(records))

    @override
    def panel(self, records: Records, looks: Mapping[str, Look], band: Band) -> Panel:
        name = _accuracy(records)
        assert name is not None
        table = records.summary.drop_duplicates("label").set_index("label")
        drawn = _drawn(replace(records, summary=table))
        x = _finite(table[f"{COST.name}_mean"])
        y = np.where(drawn, _finite(table[f"{name}_mean"].map(METRICS[name].rounded)), np.nan)
        dx, dy = _bars(records, COST.name, x, band), _bars(records, name, y, band)
        front = pareto(x, y)
        order = np.flatnonzero(front)[np.argsort(x[front])]
        points = []
        for i, (label, _) in enumerate(records.labels()):
            own, ringed = slice(i, i + 1), bool(front[i])
            ends = dx[:, own], dy[:, own]
            points.append(Points(looks[label], x[own], y[own], *ends, ringed=ringed))
        if records.replicated():
            bars = np.empty((2, 0))
            points.append(Points(Look(INK, "", "none", BAR_NOTES[band]), dx=bars, dy=bars))
        line = Curve(FRONT_LOOK, x[order], y[order], steps=True, width=1.0)
        gone = int((~drawn).sum())
        # the vertical axis spans at least 2 % of its values: round-off looks flat
        axes = axis_around(COST.label, x, dx, 0.0), axis_around(METRICS[name].label, y, dy, 0.02)
        remark = f"not shown: {gone} that diverged" if gone else ""
        return Panel(*axes, [line, *points], records.title, remark)

    @override
    def last(self, band: Band) -> tuple[str, ...]:
        return (FRONT_LOOK.title, BAR_NOTES[band])


def _accuracy(records: Records) -> str | None:
    names = ("final_train_loss", "decoding_error")
    return next((name for name in names if f"{name}_mean" in records.summary), None)


def _drawn(records: Records) -> BoolArray:
    """Which rows of the summary have a point: those that did not diverge."""
    column = _accuracy(records)
    values = np.abs(records.summary[f"{column}_mean"].to_numpy(dtype=float))
    return np.asarray(values <= (ceiling(records) if column == "final_train_loss" else np.inf))


def _finite(column: object) -> FloatArray:
    values = np.asarray(column, dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def _bars(records: Records, name: str, middle: FloatArray, band: Band) -> FloatArray:
    """Lengths below and above the means, ``(2, P)``; 0 where there are none."""
    if band == "ci":
        half = half_interval(records.summary.drop_duplicates("label"), name)
        ends = np.stack([half, half])
    else:
        runs = [METRICS[name].of(records.cell(label)) for label, _ in records.labels()]
        quantiles = [np.percentile(run, BAND_PERCENTILES) for run in runs if run is not None]
        low, high = np.stack(quantiles, axis=1)
        ends = np.stack([middle - low, high - middle])
    return np.where(np.isfinite(ends), np.maximum(ends, 0.0), 0.0)


def axis_around(label: str, middle: FloatArray, bars: FloatArray, least: float) -> Axis:
    """Around all bars, with a margin, and not below a share of the values themselves."""
    known = np.isfinite(middle)
    if not known.any():
        return Axis(label)
    low, high = (middle - bars[0])[known].min(), (middle + bars[1])[known].max()
    low, high = low - 0.12 * (high - low), high + 0.12 * (high - low)
    missing = least * float(np.abs(middle[known]).mean()) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    return Axis(label, low=float(low), high=float(high)) if high > low else Axis(label)
