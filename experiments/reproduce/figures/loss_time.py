"""Loss against simulated time on real data, and how much sooner ErasureHead reaches a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.errors import ConfigError
from ....sim.base.types import FloatArray
from ...pictures import looks, style
from ...pictures.kinds.losses import loss_axis
from ...pictures.picture import Axis, Mark, Panel, Picture, Points, Rules
from ...run.compute import CellResult
from ...run.metrics import time_to_target
from ...run.records import compared_times, ratio_interval
from ...text import interval_columns, number_of
from .. import base
from ..base import Effort, Numbers, Words, mean_text, median_curve, points_of, rows_at

# delay models: random draws for bands, and the one table that the authors' program draws
EXPONENTIAL, AUTHORS = "exponential", "authors_stream"
# what real workers run, to stand beside the simulations: a config in the folder
LIVE_CONFIG, LIVE_DATASET = "live.yaml", "breast_cancer"


@final
@dataclass(frozen=True)
class Experiment:
    """A data set, its loss and its learning rate."""

    title: str  # for people
    loss: str  # of the problem section
    # of the accelerated rule: for public data from the authors' experiments, else our choice
    learning_rate: float
    public: bool = False  # its file is the user's to bring
    decay: float = 1.0  # of the rate


EXPERIMENTS = {
    "breast_cancer": Experiment("Breast cancer (logistic)", "logistic", 0.1),
    "diabetes": Experiment("Diabetes (least squares)", "least_squares", 0.02),
    "amazon": Experiment("Amazon Employee Access (logistic)", "logistic", 10.0, public=True),
    "covertype": Experiment("Covertype (logistic)", "logistic", 0.1, public=True),
    "kc_housing": Experiment("KC House Sales (least squares)", "least_squares", 0.1, True, 0.98),
}


@final
@dataclass(frozen=True)
class LossTime(base.CodedFigure):
    """Loss against simulated time on real data, five schemes, delays of the authors' experiments.

    ``replications`` are those on the embedded data sets, which are small."""

    title: ClassVar[str] = "Loss against time on real data"

    replications_public: int = 16  # R on the public ones, in a full reproduction
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per data set, delays, scheme, replication and iteration.
        A data set that is left out is one row, with the reason."""
        wanted = [name for name, e in EXPERIMENTS.items() if effort.full or not e.public]
        frames = []
        for dataset in wanted:
            try:
                frames += [self._runs(dataset, delays, effort) for delays in (EXPONENTIAL, AUTHORS)]
            except ConfigError as error:
                if not EXPERIMENTS[dataset].public:
                    raise
                reason = str(error).removeprefix("problem.dataset: ")
                frames.append(pd.DataFrame({"dataset": [dataset], "left_out": [reason]}))
        return pd.concat(frames, ignore_index=True)

    def config(self) -> Mapping[str, Mapping[str, Any]]:
        """Twenty rounds of the authors' delays, for ``erasurehead live``."""
        document = self._document(LIVE_DATASET, AUTHORS, Effort())
        short = {"iterations": min(20, self.iterations), "seed": 0}
        return {LIVE_CONFIG: {"name": "paper"} | document | short}

    def _document(self, dataset: str, delays: str, effort: Effort) -> dict[str, Any]:
        experiment = EXPERIMENTS[dataset]
        many = self.replications_public if experiment.public else effort.times(self.replications)
        clock = base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        if delays == AUTHORS:
            clock["delay"] = {"model": "authors_stream", "scale": self.delay}
        rate = {"learning_rate": experiment.learning_rate, "decay": experiment.decay}
        return self.document(
            effort,
            replications=many if delays == EXPONENTIAL else 1,
            schemes=base.five_schemes(self.load, self.wait_for, self.workers),
            problem={"loss": experiment.loss, "dataset": dataset, "l2": "1/rows"},
            optimizer={"rule": "accelerated", **rate},
            **clock,
        )

    def _runs(self, dataset: str, delays: str, effort: Effort) -> pd.DataFrame:
        document = self._document(dataset, delays, effort)
        problem = effort.problem(document)
        size = {"rows": problem.rows, "features": problem.features}
        frames = []
        for cell, result in effort.results(document):
            kept = result.iterations[["replication", "iteration", "time", "train_loss"]]
            names = {"dataset": dataset, "delays": delays, "scheme": cell.scheme["name"]}
            frames.append(kept.assign(**names, **size, left_out=""))
        return pd.concat(frames, ignore_index=True)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One panel per data set."""
        by_dataset = rows_at(frame, left_out="", delays=EXPONENTIAL).groupby("dataset", sort=False)
        panels = [self._panel(str(dataset), rows) for dataset, rows in by_dataset]
        columns = min(2, len(panels))
        return Picture(panels, columns, style.TWO_PANELS, 3.1 * -(-len(panels) // columns) + 0.8)

    def _panel(self, dataset: str, frame: pd.DataFrame) -> Panel:
        curves, ends = [], []
        for scheme in frame["scheme"].unique():
            look = looks.look(scheme)
            curve = median_curve(look, *_runs_of(frame, scheme))
            curves.append(curve)
            end = replace(look, marker="|", title="")
            ends.append(Points(end, curve.x[-1:], curve.y[-1:], size=11))
        # from where the fastest scheme has ended three iterations, or half of them
        begins = min(3, frame["iteration"].max() // 2)
        first = frame.loc[(frame["iteration"] >= begins) & (frame["time"] > 0), "time"].min()
        x = Axis("simulated time (s)", log=True, ticks=(1,), low=first)
        y = loss_axis(curves, "training loss")
        return Panel(x, y, [*curves, *ends], EXPERIMENTS[dataset].title)

    def words(self, frame: pd.DataFrame) -> Words:
        """Seconds per iteration, time to the loss of half a run, final loss; what was left out."""
        drawn = frame[frame["left_out"] == ""]
        tables = [
            item for dataset in drawn["dataset"].unique() for item in self._table(drawn, dataset)
        ]
        notes = [
            f"{EXPERIMENTS[row['dataset']].title} was left out: {row['left_out']}."
            for _, row in frame[frame["left_out"] != ""].iterrows()
        ]
        runs = rows_at(drawn, delays=EXPONENTIAL).groupby("dataset")["replication"]
        many = sorted(set(runs.nunique()))
        return (
            f"{self.workers} workers, load d = {self.load} for the coded schemes, ErasureHead "
            f"stopping at r = {self.wait_for} arrivals or full cover, ignore stragglers at "
            f"{self.workers - self.load + 1} arrivals; {self.iterations} iterations of the "
            "accelerated rule with an L2 term of 1/N, all from the zero model. Every worker waits "
            f"an exponential time of mean {self.delay:g} s after computing, whatever its "
            f"load (additive law); a partition takes {base.QUICK_WORK:g} s, our choice. "
            "Unfinished work is cancelled at no cost: the figure on policies shows what that "
            f"leaves out. Lines are medians over {' or '.join(map(str, many))} "
            f"replication{'s' * (many != [1])} on common delays, bands the 10th to 90th "
            "percentile; a bar ends the fastest "
            "replication. On the logarithmic axis a speed-up is a shift to the left.\n\n"
            "The target in the tables is the loss that the exact gradient reaches after half of "
            "the iterations. Exact schemes take the same path and differ in the clock alone. "
            "`authors_stream` is the one sequence of delays that the authors' program draws, "
            "replayed exactly; the others are means ± standard errors over random delays, with a "
            "dash where a replication does not reach the target.",
            *tables,
            *notes,
        )

    def _table(self, drawn: pd.DataFrame, dataset: str) -> Words:
        own = rows_at(drawn, dataset=dataset)
        random, exact = (rows_at(own, delays=delays) for delays in (EXPONENTIAL, AUTHORS))
        target, seconds = target_of(random), reached(random, dataset)
        rows = []
        for scheme in random["scheme"].unique():
            times, losses = _runs_of(random, scheme)
            stream_times, stream_losses = _runs_of(exact, scheme)
            rounds = times.shape[1] - 1
            texts = map(mean_text, (times[:, -1] / rounds, seconds[scheme], losses[:, -1]))
            in_stream = mean_text(time_to_target(stream_times, stream_losses, target))
            row = [looks.look(scheme).title, *texts, f"{stream_times[0, -1] / rounds:.4f}"]
            rows.append([*row, in_stream, f"{stream_losses[0, -1]:.4g}"])
        header = ["scheme", "s / iteration", "s to target", "final loss"]
        stream = ["authors_stream: s / iteration", "s to target", "final loss"]
        size = f"{int(random['rows'].iloc[0]):,} × {int(random['features'].iloc[0]):,}"
        title = f"**{EXPERIMENTS[dataset].title}**, {size} training rows, target {target:.4g}:"
        return title, Numbers([*header, *stream], rows)


def _runs_of(frame: pd.DataFrame, scheme: str) -> tuple[FloatArray, FloatArray]:
    """Times and losses of a scheme, ``(R, T + 1)`` each."""
    times, losses = base.by_replication(rows_at(frame, scheme=scheme), "time", "train_loss")
    return times, losses


def target_of(runs: pd.DataFrame) -> float:
    """The loss that the exact gradient reaches after half of the iterations."""
    _, losses = _runs_of(runs, "uncoded")
    return base.as_target(float(losses[0, losses.shape[1] // 2]))


def reached(drawn: pd.DataFrame, dataset: str) -> dict[str, FloatArray]:
    """Seconds to the target loss of each scheme's runs, ``(R,)``; NaN if a run misses it."""
    own = rows_at(drawn, dataset=dataset)
    target, schemes = target_of(own), own["scheme"].unique()
    return {scheme: time_to_target(*_runs_of(own, scheme), target) for scheme in schemes}


EXACT_SCHEMES = ("uncoded", "cyclic_repetition", "fractional_repetition")
SAME_TIME = 0.02  # share of a time by which two that are called equal may differ
QUICK_LOOK = looks.Look(looks.MUTED, "o", "none", f"filled: work {base.WORKS[0]:g} s")
EVEN_LOOK = looks.Look(looks.MUTED, "o", "none", f"open: work {base.WORKS[1]:g} s")


@final
@dataclass(frozen=True)
class Speedup(base.RunsFigure):
    """Time to a target loss, ErasureHead against exact schemes, paired 95 % intervals.

    The target is the loss of the exact gradient after half of the iterations. Where some run does
    not reach it, a speed-up is the median over all pairs: 0 where half of ErasureHead's do not."""

    title: ClassVar[str] = "Speed-up to a target loss"

    loads: tuple[int, ...] = (2, 3, 5, 6)  # the values of d
    wait_for: int = 15  # r
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, work, load and exact scheme that ErasureHead is compared with."""
        sections = base.BREAST_CANCER | base.delays_and_law("additive", base.QUICK_WORK, self.delay)
        target = effort.half_way_loss(self.document(effort, **sections))
        grid = product(base.LAW_TITLES, base.WORKS, self.loads)
        rows = [row for setting in grid for row in self._compare(*setting, target, effort)]
        return pd.DataFrame(rows)

    def _compare(
        self, law: str, work: float, load: int, target: float, effort: Effort
    ) -> list[dict[str, Any]]:
        uncoded, _, *codes = base.five_schemes(load, self.wait_for)
        sections = base.BREAST_CANCER | base.delays_and_law(law, work, self.delay)
        sections |= {"schemes": [uncoded, *codes], "target_loss": target}
        document = self.document(effort, **sections)
        results = {cell.scheme["name"]: result for cell, result in effort.results(document)}
        seconds = {n: r.replications["time_to_target"].to_numpy(float) for n, r in results.items()}
        runs = {name: result.iterations.groupby("replication") for name, result in results.items()}
        rounds = {n: own["iteration_time"].mean().to_numpy(dtype=float) for n, own in runs.items()}
        ours, setting = "erasurehead", {"load_law": law, "work": work, "load": load}
        return [
            {
                **setting,
                "scheme": scheme,
                "target": target,
                "replications": seconds[ours].size,
                **interval_columns("speedup", compared_times(seconds[scheme], seconds[ours])[1]),
                **interval_columns("per_iteration", ratio_interval(rounds[scheme], rounds[ours])),
                "iterations_to_target": _rounds(results[scheme], target),
                "iterations_to_target_erasurehead": _rounds(results[ours], target),
                "reached": float(np.isfinite(seconds[ours]).mean()),
            }
            for scheme in EXACT_SCHEMES
        ]

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Speed-up against load, one panel per load law."""
        ticks = sorted(frame["load"].unique())
        x = Axis("load d", names=tuple(map(str, ticks)), places=tuple(ticks))
        known = [ratio for ratio in frame["speedup"] if 0 < ratio < np.inf]
        low, high = 0.9 * min([0.5, *known]), 1.15 * max([1.0, *known])
        y = Axis("ErasureHead: times as fast\nto the target loss", True, (1, 2, 5), low, high)
        panels = [
            Panel(x, y, _marks(rows_at(frame, load_law=law)), base.LAW_TITLES[law])
            for law in base.LAW_TITLES
        ]
        last = [QUICK_LOOK.title, EVEN_LOOK.title]
        return Picture(panels, 2, style.TWO_PANELS, 4.2, share="y", last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """The speed-ups with their intervals, and what they are made of."""
        rows = []
        for (law, work, load), own in frame.groupby(["load_law", "work", "load"], sort=False):
            ratios = [base.interval_text(row, "speedup") for _, row in own.iterrows()]
            both = ("iterations_to_target_erasurehead", "iterations_to_target")
            iterations = (own[column].iloc[0] for column in both)
            counts = ("–" if np.isnan(count) else f"{count:.1f}" for count in iterations)
            rows.append([str(law), f"{work:g}", str(load), *ratios, *counts])
        over = (f"over {looks.look(name).title}" for name in EXACT_SCHEMES)
        header = ["load law", "work (s)", "d", *over]
        header += ["iterations, ErasureHead", "iterations, exact"]
        return (
            f"How many times sooner ErasureHead (r = {self.wait_for}, not rescaled) reaches a "
            f"training loss of {frame['target'].iloc[0]:.4g} on the breast cancer data than each "
            f"exact scheme: geometric mean over "
            f"{number_of(frame['replications'].max(), 'pair')} of runs on the same delays, with "
            "95 % intervals of the paired ratio (mostly smaller than the "
            f"points). Delays are exponential with mean {self.delay:g} s; filled points have "
            f"{base.WORKS[0]:g} s of work per partition, open ones {base.WORKS[1]:g} s. The codes "
            "have the same load as ErasureHead, uncoded has load 1.\n\n"
            f"{self._stops_together(frame)}Erased groups may cost iterations, too (last columns).",
            Numbers(header, rows),
        )

    def _stops_together(self, frame: pd.DataFrame) -> str:
        """At which loads every group is covered before r workers are heard, if at any."""
        apart = (rows_at(frame, scheme="fractional_repetition")["per_iteration"] - 1).abs()
        farthest = apart.groupby(frame["load"]).max()
        loads = ", ".join(str(load) for load, far in farthest.items() if far < SAME_TIME)
        return (
            f"With d = {loads} ErasureHead and fractional repetition take equally long for an "
            f"iteration, to {100 * SAME_TIME:g} %: nearly always all groups are covered before "
            f"{self.wait_for} workers are heard. "
            if loads
            else ""
        )


def _rounds(result: CellResult, target: float) -> float:
    """Mean iterations to the target; NaN where a run does not reach it."""
    reached = result.iterations[result.iterations["train_loss"] <= target]
    first = reached.groupby("replication")["iteration"].min()
    return float(first.mean()) if len(first) == len(result.replications) else np.nan


def _marks(frame: pd.DataFrame) -> list[Mark]:
    """A line for each work and exact scheme: with filled markers where work is quick, else open."""
    marks: list[Mark] = [Rules("", y=np.ones(1))]
    for (work, scheme), rows in frame.groupby(["work", "scheme"], sort=False):
        own = looks.look(str(scheme))
        quick, unnamed = work == base.WORKS[0], replace(own, title="")
        line = replace(own, title=f"over {own.title}") if quick else replace(unnamed, marker="")
        marks.append(base.interval_curve_of(rows, "load", "speedup", line, width=1.4))
        if not quick:
            marks.append(points_of(rows, "load", "speedup", unnamed, hollow=True))
    return [*marks, Points(QUICK_LOOK), Points(EVEN_LOOK, hollow=True)]
