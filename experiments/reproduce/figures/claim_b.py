"""Iterations of ErasureHead over those of full descent, at every loss down to its noise floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.base.types import FloatArray
from ....sim.theory.decoding_error import GroupErasure, least_squares_spectrum
from ....sim.theory.mean_loss import grouped_least_squares
from ....sim.training.problems import Problem
from ...pictures import style
from ...pictures.looks import MUTED, SOLID, Look, variants
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Rules
from ...run.records import mean_and_error
from ...text import number_of
from .. import base
from ..base import Effort, Numbers, Section, Words, curve_of, rows_at

# kinds of rows: exact losses, simulated ones, means of both over several iterations, and the curve
LOSS, POINT, WINDOW, RATIO = "loss", "point", "window", "ratio"
TOLD_FLOORS = (1000.0, 100.0, 10.0, 3.0, 2.0, 1.1)  # multiples of the floor that a table shows
DIVIDED, UNDIVIDED = "divided by p", "not divided"


@final
@dataclass(frozen=True)
class Regression:
    """A least-squares problem, and how far its losses are followed."""

    title: str  # for people
    problem: Section
    iterations: int  # of the recursion: until the loss is close to its floor
    windows: tuple[int, ...]  # simulated iterations from each to the next are averaged


REGRESSIONS = {
    "synthetic": Regression(
        "Synthetic",
        {"dataset": "synthetic", "rows": 600, "features": 100, "test_rows": 0},
        60,
        (1, 4, 8, 16, 24, 40),
    ),
    "diabetes": Regression("Diabetes", {"dataset": "diabetes"}, 2000, (1, 10, 40, 120, 280)),
}


@final
@dataclass(frozen=True)
class ClaimBCurve(base.RunsFigure):
    """Iterations to a loss over those of full descent, exactly, down to the noise floor."""

    title: ClassVar[str] = "As quick as full descent, down to which loss?"
    held: ClassVar[tuple[str, ...]] = ("iterations",)

    arrivals: tuple[int, ...] = (15, 6, 10, 20)  # the values of r; the first is told first
    load: int = 3  # d

    def compute(self, effort: Effort) -> pd.DataFrame:
        """Rows of four kinds for each data set and r; of full descent, whose r is n, losses alone.
        Raises InvalidParameter: an r that is not less."""
        self.require_fewer(self.arrivals)
        rows = [row for name in REGRESSIONS for row in self._rows(name, effort)]
        return pd.DataFrame(rows)

    def _rows(self, name: str, effort: Effort) -> list[dict[str, Any]]:
        regression = REGRESSIONS[name]
        problem: Problem = effort.problem(self._document(name, self.arrivals[0], 1.0, effort))
        features = np.asarray(problem.X)
        spectrum = least_squares_spectrum(features, problem.y)
        grouped = grouped_least_squares(features, problem.y, self.workers, self.load)
        step = 1.0 / spectrum.smoothness
        plain = [GroupErasure(self.workers, self.load, r) for r in self.arrivals]
        divided = [replace(erasure, scale=1.0 / erasure.heard) for erasure in plain]
        full = GroupErasure(self.workers, self.load, self.workers)
        every = [full, *divided, *plain]
        losses = grouped.mean_losses(every, step, regression.iterations)
        floors = grouped.floors(every, step)
        exact = losses[0]
        shown = np.unique(np.geomspace(1, regression.iterations, 60).astype(int))
        rows: list[dict[str, Any]] = []
        for erasure, own, floor in zip(every, losses, floors, strict=True):
            facts: dict[str, Any] = {
                "dataset": name,
                "step": DIVIDED if erasure.scale != 1.0 or erasure is full else UNDIVIDED,
                "arrivals": erasure.arrivals,
                "load": self.load,
                "heard": erasure.heard,
                "floor": floor / exact[0],
            }
            rows += [
                facts | {"kind": LOSS, "iteration": t, "theory": own[t] / exact[0]}
                for t in (0, *shown)
            ]
            if erasure is full:
                continue
            facts["excess"] = excess(own, exact, floor)
            facts["charged"] = charged(own, exact, floor)
            for multiple in multiples(exact[0] / floor):
                iterations = base.crossing(own, multiple * floor)
                ratio = iterations / base.crossing(exact, multiple * floor)
                rows.append(facts | {"kind": RATIO, "floors": multiple, "ratio": ratio})
            if erasure.scale != 1.0:
                simulated = self._simulated(name, erasure.arrivals, step, effort)
                gaps = (simulated - spectrum.minimum) / exact[0]
                rows += [facts | row for row in beside(gaps, own / exact[0], regression.windows)]
        return rows

    def _document(self, name: str, arrivals: int, step: float, effort: Effort) -> Section:
        regression = REGRESSIONS[name]
        scheme = {"name": "erasurehead", "load": self.load, "wait_for": arrivals, "rescale": True}
        sections = base.delays_and_law("additive", base.QUICK_WORK) | {
            "iterations": regression.windows[-1],
            "schemes": [scheme],
            "problem": {"loss": "least_squares", **regression.problem},
            "optimizer": {"rule": "gd", "learning_rate": step},
        }
        return {**self.document(effort), **sections}

    def _simulated(self, name: str, arrivals: int, step: float, effort: Effort) -> FloatArray:
        """Training losses, ``(R, T + 1)``."""
        [(_, result)] = effort.results(self._document(name, arrivals, step, effort))
        [losses] = base.by_replication(result.iterations, "train_loss")
        return losses

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Above, losses of theory and of runs; below, the curve. A column for each data set."""
        names = list(dict.fromkeys(frame["dataset"]))
        full = int(frame["arrivals"].max())
        several = sorted({*map(int, frame["arrivals"])})[:-1]
        pairs = [(_label(r, full), "erasurehead") for r in reversed(several)]
        own = variants([*pairs, (_label(full, full), "uncoded")])
        above = [self._losses(rows_at(frame, dataset=name), name, own, full) for name in names]
        below = [self._curves(rows_at(frame, dataset=name), own, full) for name in names]
        last = [LINE_LOOK.title, DOTTED_LOOK.title]
        return Picture([*above, *below], len(names), style.TWO_PANELS, 7.4, share="rows", last=last)

    def _losses(self, frame: pd.DataFrame, name: str, own: Mapping[str, Look], full: int) -> Panel:
        divided = rows_at(frame, step=DIVIDED)
        marks: list[Mark] = []
        for r in sorted({*map(int, divided["arrivals"])}):
            rows = rows_at(divided, arrivals=r)
            look = own[_label(r, full)]
            losses = rows_at(rows, kind=LOSS)
            line = replace(look, marker="")
            marks.append(curve_of(losses[losses["iteration"] > 0], "iteration", "theory", line))
            seen = rows_at(rows, kind=POINT)
            dots = replace(look, line="none", title="")
            marks.append(base.points_of(seen, "iteration", "simulated", dots, "standard_error"))
        lowest = float(frame["floor"].where(frame["floor"] > 0).min())
        x = Axis("iteration", True)
        y = Axis("mean loss above its minimum,\nas a share of the start", True, low=lowest / 3)
        return Panel(x, y, marks, REGRESSIONS[name].title)

    def _curves(self, frame: pd.DataFrame, own: Mapping[str, Look], full: int) -> Panel:
        marks: list[Mark] = [Rules("", y=np.ones(1))]
        curves = rows_at(frame, kind=RATIO)
        for step, r in product((DIVIDED, UNDIVIDED), sorted({*map(int, curves["arrivals"])})):
            rows = rows_at(curves, step=step, arrivals=r)
            look = replace(own[_label(r, full)], marker="")
            if step == UNDIVIDED:
                look = replace(look, line=DOTTED_LOOK.line, title="")
            known = rows[np.isfinite(rows["ratio"])]
            marks.append(curve_of(known, "floors", "ratio", look, width=1.4))
        marks += [Curve(LINE_LOOK), Curve(DOTTED_LOOK)]
        x = Axis("loss above its minimum, in noise floors of the scheme", True, low=1000, high=1)
        y = Axis("iterations, ErasureHead\nover full descent", True, (1, 2, 3, 5), 0.95, 5.0)
        return Panel(x, y, marks)

    def words(self, frame: pd.DataFrame) -> Words:
        """The statement, and the curve in numbers, both ways."""
        n = int(frame["arrivals"].max())
        curves = rows_at(frame, kind=RATIO)
        many = int(frame["replications"].max())
        return (
            f"Mean loss of ErasureHead, {n} workers in groups of {int(frame['load'].iloc[0])}, on "
            "least squares with gradient descent at full descent's longest step 1/β. Lines are "
            "exact: the recursion of the second moment, for arrivals that are uniformly random and "
            "independent of the model. Points are means of "
            f"{number_of(many, 'replication')} with 95 % bars.\n\n"
            "Until full descent itself reaches the scheme's noise floor, the mean loss is at most "
            "(1 + a) times full descent's plus the floor; losses are above the minimum, floors in "
            "shares of the loss at the start. At the floor itself ErasureHead needs infinitely "
            "many iterations, which is what a floor is.",
            *self._table(rows_at(curves, step=DIVIDED), DIVIDED),
            *self._table(rows_at(curves, step=UNDIVIDED), UNDIVIDED),
            "Simulated means over windows of iterations, divided by p, beside the recursion's:",
            self._windows(rows_at(frame, kind=WINDOW)),
        )

    def _table(self, curves: pd.DataFrame, step: str) -> Words:
        rows = []
        for (name, r), own in curves.groupby(["dataset", "arrivals"], sort=False):
            first = own.iloc[0]
            ratios = own.set_index("floors")["ratio"]
            told = (ratio_at(ratios, multiple) for multiple in TOLD_FLOORS)
            row = [REGRESSIONS[str(name)].title, str(r), f"{first['heard']:.3f}"]
            rows.append([*row, f"{first['floor']:.3g}", f"{first['excess']:.3f}", *told, "∞"])
        header = ["data", "r", "p", "floor", "a", *(f"{m:g} floors" for m in TOLD_FLOORS)]
        header.append("the floor")
        title = f"Iterations over those of full descent, the step {step}"
        why = f"{title}, to a loss of" if step == DIVIDED else f"{title}: about 1/p times as many"
        return f"{why}:", Numbers(header, rows)

    def _windows(self, frame: pd.DataFrame) -> Numbers:
        rows = []
        for _, row in frame.iterrows():
            estimate = base.estimate_text(1e6 * row["simulated"], 1e6 * row["standard_error"])
            z = (row["simulated"] - row["theory"]) / row["standard_error"]
            span = f"{row['iteration']:.0f} to {row['last']:.0f}"
            title = REGRESSIONS[row["dataset"]].title
            rows.append([title, f"{row['arrivals']}, {span}", f"{1e6 * row['theory']:.5g}"])
            rows[-1] += [estimate, f"{z:+.1f}"]
        header = ["data", "r, iterations", "theory (millionths of the start)", "simulated", "z"]
        return Numbers(header, rows, names=2)


LINE_LOOK = Look(MUTED, "", SOLID, f"step {DIVIDED} (above: lines exact, points simulated)")
DOTTED_LOOK = Look(MUTED, "", (0, (1, 1)), f"step {UNDIVIDED}")


def excess(losses: FloatArray, exact: FloatArray, floor: float) -> float:
    """a: until the exact losses are at the floor, these are at most (1 + a) times them plus it."""
    before = exact >= floor
    return float(np.max((losses[before] - floor) / exact[before]) - 1.0)


def charged(losses: FloatArray, exact: FloatArray, floor: float) -> float:
    """Iterations until the exact losses are at the floor, over theirs to the loss that ErasureHead
    has by then."""
    until = base.crossing(exact, floor)
    by_then = np.exp(np.interp(until, np.arange(len(losses)), np.log(losses)))
    return until / base.crossing(exact, float(by_then))


def multiples(most: float) -> FloatArray:
    """Losses in noise floors, from a thousand down to just above one, below the start's."""
    every = np.unique([*np.geomspace(1.02, 1000.0, 60), *TOLD_FLOORS])
    return np.asarray(every[every < 0.9 * most])


def ratio_at(ratios: pd.Series, multiple: float) -> str:
    """A ratio of the curve; a dash where the loss is above the start's."""
    if multiple not in ratios.index:
        return "–"
    ratio = float(ratios[multiple])
    return f"{ratio:.2f}" if np.isfinite(ratio) else "more than were computed"


def beside(gaps: FloatArray, theory: FloatArray, windows: tuple[int, ...]) -> list[dict[str, Any]]:
    """Rows of ``(R, T + 1)`` simulated losses: single iterations for the picture, and windows
    beside theory, since single iterations are too skew for a z."""
    facts = {"replications": len(gaps)}
    rows: list[dict[str, Any]] = []
    for t in np.unique(np.geomspace(1, windows[-1], 12).astype(int)):
        mean, error = mean_and_error(gaps[:, t])
        point = {"kind": POINT, "iteration": t, "simulated": mean, "standard_error": error}
        rows.append(facts | point)
    for first, after in pairwise(windows):
        mean, error = mean_and_error(gaps[:, first:after].mean(axis=1))
        row = {"kind": WINDOW, "iteration": first, "last": after - 1, "simulated": mean}
        expected = float(theory[first:after].mean())
        rows.append(facts | row | {"standard_error": error, "theory": expected})
    return rows


def _label(arrivals: int, full: int) -> str:
    return "full gradient" if arrivals == full else f"ErasureHead, r = {arrivals}"
