"""Least squares: loss against iteration down to the noise floor, and against runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ....sim.engines.simulate import simulate
from ....sim.theory.decoding_error import (
    ErasureBound,
    GroupErasure,
    LeastSquaresSpectrum,
    gradient_descent_rate,
    least_squares_spectrum,
)
from ....sim.training.problems import Problem
from ....sim.training.steps import DecodedRounds
from ...config import build
from ...pictures import style
from ...pictures.kinds.losses import FRONT_LOOK, pareto
from ...pictures.looks import MUTED, Look, look, variants
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture
from ...run.compute import learn
from ...run.metrics import per_replication
from ...run.records import mean_and_error
from ...text import number_of, whole_percent
from .. import base
from ..base import Effort, Numbers, Words, curve_of, estimate_text, points_of, rows_at

BOUND_LOOK = Look(MUTED, "", (0, (1, 1)), "bound with E[V] of each step")
CONSTANT_BOUND_LOOK = Look(MUTED, "", (0, (4, 1.5)), "bound with the largest V")


@final
@dataclass(frozen=True)
class LossIterationFloor(base.RunsFigure):
    """Suboptimality against iteration on least squares, with the bound on its mean."""

    title: ClassVar[str] = "Loss against iteration, and the noise floor"

    arrivals: tuple[int, ...] = (15, 6, 10, 20)  # the values of r; the first has both bounds
    load: int = 3  # d
    iterations: int = 50
    replications: int = 128
    rows: int = 600  # N of the synthetic least-squares problem
    features: int = 100  # p

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per r and iteration; full gradient descent has r = n.
        Raises InvalidParameter: an r that is not less."""
        self.require_fewer(self.arrivals)
        problem = effort.problem(self._document(self.workers, 1.0, effort))
        spectrum = least_squares_spectrum(np.asarray(problem.X), problem.y)
        frames = [self._curve(r, spectrum, effort) for r in (self.workers, *self.arrivals)]
        return pd.concat(frames, ignore_index=True)

    def _document(self, arrivals: int, step: float, effort: Effort) -> dict[str, Any]:
        data: dict[str, Any] = {"loss": "least_squares", "dataset": "synthetic"}
        return self.document(
            effort,
            schemes=[{"name": "erasurehead", "load": self.load, "wait_for": arrivals}],
            problem=data | {"rows": self.rows, "features": self.features, "test_rows": 0},
            optimizer={"rule": "gd", "learning_rate": step},
            **base.delays_and_law("additive", base.QUICK_WORK),
        )

    def _curve(self, arrivals: int, spectrum: LeastSquaresSpectrum, effort: Effort) -> pd.DataFrame:
        erasure = GroupErasure(self.workers, self.load, arrivals)
        step = 1.0 / (spectrum.smoothness * erasure.heard)
        [cell] = effort.cells(self._document(arrivals, step, effort))
        run, learning = build.both(cell)
        steps = run.scheme.steps(simulate(run))
        assert learning is not None
        assert isinstance(learning.problem, Problem)
        assert isinstance(steps, DecodedRounds)
        gaps = learn(learning, steps, run.iterations).train_loss - spectrum.minimum
        # Not above, because it makes graphs: a tenth of a second that listing saves.
        from ...checks.verify.grid import group_spreads

        spreads = group_spreads(learning.problem, learning.initial, steps.weights, step, self.load)
        smooth, convex = spectrum.smoothness, spectrum.pl_constant
        largest, start = float(spreads.max()), float(gaps[0, 0])
        bound = ErasureBound(smooth, convex, erasure, step, largest, start)
        columns = {
            "arrivals": arrivals,
            "load": self.load,
            "iteration": np.arange(self.iterations + 1),
            "mean_gap": gaps.mean(axis=0),
            "standard_error": [mean_and_error(column)[1] for column in gaps.T],
            "bound": bound.bound_along(spreads.mean(axis=0)),
            "bound_constant": bound.bound(self.iterations),
            "heard": erasure.heard,
            "step": step,
            "rate": gradient_descent_rate(smooth, convex, 1 / smooth),
            "minimum": spectrum.minimum,
            "replications": len(gaps),
        }
        return pd.DataFrame(columns)

    def picture(self, frame: pd.DataFrame) -> Picture:
        """Left: one r with both bounds. Right: several r, each with the close bound."""
        full = int(frame["arrivals"].max())
        first = next(int(r) for r in frame["arrivals"].unique() if r != full)
        rows = rows_at(frame, arrivals=first)
        constant = curve_of(rows, "iteration", "bound_constant", CONSTANT_BOUND_LOOK, width=1.4)
        several = _arrivals(frame)
        pairs = [(_label(r, full), "erasurehead") for r in reversed(several)]
        own = variants([*pairs, (_label(full, full), "uncoded")])
        low = float(frame.loc[frame["arrivals"] != full, "mean_gap"].min()) / 30
        x, y = Axis("iteration"), Axis("mean loss above its minimum", True, low=low)
        left = [*_lines(frame, [first], own), constant, Curve(BOUND_LOOK, width=1.4)]
        panels = [
            Panel(x, y, left, f"r = {first}, with both bounds"),
            Panel(x, y, _lines(frame, several, own), "several r"),
        ]
        labels = (_label(r, full) for r in (*several, full))
        last = [*labels, BOUND_LOOK.title, CONSTANT_BOUND_LOOK.title]
        return Picture(panels, 2, style.TWO_PANELS, 4.1, share="y", last=last)

    def words(self, frame: pd.DataFrame) -> Words:
        """Rate, floors and bounds."""
        n = int(frame["arrivals"].max())
        ours = frame[frame["arrivals"] != n]
        rows = []
        for r in _arrivals(frame):
            final = rows_at(ours, arrivals=r).iloc[-1]
            gap = f"{final['mean_gap']:.3g} ± {final['standard_error']:.1g}"
            bounds = (f"{final[column]:.3g}" for column in ("bound", "bound_constant"))
            rows.append([str(r), f"{final['heard']:.3f}", f"{final['step']:.4g}", gap, *bounds])
        full = rows_at(frame, arrivals=n)
        start, *_, end = full["mean_gap"]
        header = ["r", "p", "step 1/(βp)", "loss above minimum", "bound", "bound, largest V"]
        last = int(full["iteration"].max())
        ends = ours[ours["iteration"] == last].sort_values("arrivals")
        gaps = ends["mean_gap"].to_numpy(float)
        lower = ", less with more arrivals" * bool(gaps.size > 1 and (np.diff(gaps) < 0).all())
        loose, close = (
            float((ends[bound] / ends["mean_gap"]).min()) for bound in ("bound_constant", "bound")
        )
        return (
            f"Least squares on synthetic data, {n} workers, load d = "
            f"{int(frame['load'].iloc[0])}; means of "
            f"{number_of(frame['replications'].max(), 'replication')} with 95 % bands. "
            "ErasureHead is not rescaled and takes the step 1/(βp), "
            "p the chance that a group is heard; full gradient descent takes 1/β. All start "
            f"{start:.3g} above the minimum of {full['minimum'].iloc[0]:.3g}. After {last} "
            f"iterations full descent is {end:.2g} above it, and ErasureHead, which has a noise "
            f"floor, {' to '.join(dict.fromkeys(f'{gap:.2g}' for gap in (gaps.min(), gaps.max())))}"
            f"{lower}.\n\n"
            "The bound (our derivation) has the rate of full descent in its slowest "
            f"direction, {full['rate'].iloc[0]:.3f} per iteration, and a floor in proportion to V, "
            "the sum of the groups' squared gradients. In the end it is at least "
            f"{loose:.3g} times what is measured with the largest V of the path, and "
            f"{close:.3g} times with the mean V of each step.\n\n"
            f"After {last} iterations:",
            Numbers(header, rows),
        )


def _lines(frame: pd.DataFrame, arrivals: Sequence[int], own: Mapping[str, Look]) -> list[Mark]:
    """Mean losses of some r and of full gradient descent, and the bounds of the former."""
    marks: list[Mark] = []
    full = int(frame["arrivals"].max())
    for r in (*arrivals, full):
        rows, look = rows_at(frame, arrivals=r), own[_label(r, full)]
        marks.append(curve_of(rows, "iteration", "mean_gap", look, "standard_error"))
        if r != full:
            dotted = replace(BOUND_LOOK, colour=look.colour, title="")
            marks.append(curve_of(rows, "iteration", "bound", dotted, width=1.4))
    return marks


def _arrivals(frame: pd.DataFrame) -> list[int]:
    return sorted(map(int, frame["arrivals"].unique()))[:-1]


def _label(arrivals: int, full: int) -> str:
    return "full gradient" if arrivals == full else f"ErasureHead, r = {arrivals}"


# the text names the fastest scheme whose loss is at most this many times the exact one
NEARLY_EXACT_FACTOR = 1.2


@final
@dataclass(frozen=True)
class TradeoffLoadArrivals(base.RunsFigure):
    """Seconds per iteration against final loss over (d, r), Pareto front marked, both load laws."""

    title: ClassVar[str] = "Runtime against loss over load and arrivals"

    loads: tuple[int, ...] = (1, 2, 3, 5, 6)  # the values of d; 1 is the rule of ignore stragglers
    arrivals: tuple[int, ...] = (6, 10, 15, 20, 25)  # the values of r
    replications: int = 32
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, work and scheme."""
        rows = []
        for work, law in product(base.WORKS, base.LAW_TITLES):
            document = self.document(
                effort,
                schemes=self._schemes(),
                problem={"loss": "least_squares", "dataset": "diabetes"},
                optimizer={"rule": "gd", "learning_rate": 0.1},
                **base.delays_and_law(law, work, self.delay),
            )
            problem = effort.problem(document)
            minimum = least_squares_spectrum(np.asarray(problem.X), problem.y).minimum
            for cell, result in effort.results(document):
                runs = per_replication(result)
                seconds = runs["iteration_time"]
                loss, loss_error = mean_and_error(runs["final_train_loss"])
                d, r = cell.scheme.get("load", 1), cell.scheme.get("wait_for", self.workers)
                row = {"load_law": law, "work": work, "scheme": cell.scheme["name"]}
                row |= {"load": d, "arrivals": r}
                row |= base.estimate_columns(seconds, "iteration_time", "iteration_time_se")
                row |= {"loss_above_minimum": loss - minimum, "loss_se": loss_error}
                row |= {"replications": len(seconds), "iterations": self.iterations}
                rows.append(row)
        frame, fronts = pd.DataFrame(rows), []
        for _, own in frame.groupby(["work", "load_law"], sort=False):
            losses = np.array([float(f"{loss:.3g}") for loss in own["loss_above_minimum"]])
            fronts.append(pareto(own["iteration_time"].to_numpy(dtype=float), losses))
        return frame.assign(on_front=np.concatenate(fronts))

    def _schemes(self) -> list[dict[str, Any]]:
        grid = [
            {"name": "erasurehead", "load": d, "wait_for": r, "rescale": True}
            for d, r in product(self.loads, self.arrivals)
        ]
        exact: list[dict[str, Any]] = [{"name": "uncoded"}]
        for name in ("fractional_repetition", "cyclic_repetition"):
            exact += [{"name": name, "load": d} for d in self.loads if d > 1]
        return exact + grid

    def picture(self, frame: pd.DataFrame) -> Picture:
        """One line per load along r, one panel per load law and work."""
        loads = sorted(rows_at(frame, scheme="erasurehead")["load"].unique())
        own = variants([(_load_label(load), "erasurehead") for load in loads])
        panels = [
            self._panel(law, work, frame, own) for work in base.WORKS for law in base.LAW_TITLES
        ]
        size = len(base.LAW_TITLES), style.TWO_PANELS, 6.8
        return Picture(panels, *size, share="y", last=[FRONT_LOOK.title])

    def _panel(self, law: str, work: float, frame: pd.DataFrame, own: dict[str, Look]) -> Panel:
        panel_rows = rows_at(frame, load_law=law, work=work)
        x, y = "iteration_time", "loss_above_minimum"
        front = panel_rows[panel_rows["on_front"]].sort_values("iteration_time")
        marks: list[Mark] = [curve_of(front, x, y, FRONT_LOOK, steps=True, width=1.0)]
        ours = panel_rows["scheme"] == "erasurehead"
        for load, rows in panel_rows[ours].groupby("load"):
            marks.append(curve_of(rows, x, y, own[_load_label(load)], width=1.2))
        for scheme, rows in panel_rows[~ours].groupby("scheme", sort=False):
            marks.append(points_of(rows, x, y, look(str(scheme))))
        title = base.LAW_TITLES[law] if work == base.WORKS[0] else ""
        label = f"loss above its minimum\nafter {self.iterations} iterations"
        seconds = frame[x].to_numpy(dtype=float)  # one range, so that panels can be compared
        ends = 0.85 * float(seconds.min()), 1.15 * float(seconds.max())
        across = Axis("mean iteration time (s)", True, (1, 2, 5), *ends)
        axes = across, Axis(label, True, (1, 2, 3, 5))
        return Panel(*axes, marks, f"{title}\nwork {work:g} s".strip())

    def words(self, frame: pd.DataFrame) -> Words:
        """Every point of the fronts, and the cheapest scheme that is nearly exact."""
        groups = list(frame[frame["on_front"]].groupby(["work", "load_law"], sort=False))
        rows = []
        for (work, law), front in groups:
            for _, row in front.sort_values("iteration_time").iterrows():
                seconds = estimate_text(row["iteration_time"], row["iteration_time_se"])
                loss = estimate_text(row["loss_above_minimum"], row["loss_se"])
                rows.append([f"{law}, {work:g} s", _name(row), seconds, loss])
        arrivals = sorted(set(rows_at(frame, scheme="erasurehead")["arrivals"]))
        header = ["law, work", "scheme", "s / iteration", "loss above minimum"]
        return (
            "Diabetes data (least squares), plain gradient descent, "
            f"{self.workers} workers, exponential delays of mean {self.delay:g} s; means of "
            f"{number_of(frame['replications'].max(), 'replication')}. Each line joins r = "
            f"{', '.join(map(str, arrivals))} for one load of ErasureHead, rescaled so that all "
            "steps are equally long on average; load 1 is the rule of ignore stragglers. The grey "
            "line is the front: what no point beats in both time and loss (to three digits).\n\n"
            f"To come within {whole_percent(NEARLY_EXACT_FACTOR - 1)} of the exact gradient's "
            f"loss, the least time per iteration is {_bargains(frame)}.\n\n"
            "The fronts:",
            Numbers(header, rows, names=2),
        )


def _bargains(frame: pd.DataFrame) -> str:
    """The fastest of those that are nearly exact in each setting, and where redundancy pays."""
    sentences, loaded = [], []
    for (work, law), rows in frame.groupby(["work", "load_law"], sort=False):
        exact = rows_at(rows, scheme="uncoded").iloc[0]
        most = NEARLY_EXACT_FACTOR * exact["loss_above_minimum"]
        close = rows[rows["loss_above_minimum"] <= most]
        best = close.sort_values("iteration_time", kind="stable").iloc[0]
        setting = f"{law} law, {work:g} s of work"
        loaded += [setting] if best["load"] > 1 else []
        sentences.append(
            f"{best['iteration_time']:.3g} s with {_name(best)} ({setting}; uncoded "
            f"{exact['iteration_time']:.3g} s)"
        )
    pays = "; ".join(loaded) or "none"
    return f"{'; '.join(sentences)}. The fastest of these have redundancy (d > 1) in: {pays}"


def _load_label(load: object) -> str:
    return f"ErasureHead, d = {load}"


def _name(row: pd.Series) -> str:
    load = "" if row["scheme"] == "uncoded" else f", d = {row['load']}"
    arrivals = f", r = {row['arrivals']}" if row["scheme"] == "erasurehead" else ""
    return f"{look(row['scheme']).title}{load}{arrivals}"
