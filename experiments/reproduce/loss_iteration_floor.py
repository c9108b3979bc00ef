"""Loss against iteration: ErasureHead descends as full gradient descent does, down to a floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.engines.simulate import simulate
from ...sim.problems import Problem
from ...sim.steps import DecodedRounds
from ...sim.theory import least_squares_spectrum
from ...sim.theory.convergence import ErasureBound, LeastSquaresSpectrum, gradient_descent_rate
from ...sim.theory.decoding_error import GroupErasure
from ..config import build
from ..pictures import style
from ..pictures.looks import MUTED, Look, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture
from ..run.compute import learn
from .base import QUICK_WORK, Effort, Numbers, RunsFigure, Words, curve_of, delays_and_law, rows_at

BOUND_LOOK = Look(MUTED, "", (0, (1, 1)), "bound with E[V] of each step")
CONSTANT_BOUND_LOOK = Look(MUTED, "", (0, (4, 1.5)), "bound with the largest V")


@final
@dataclass(frozen=True)
class LossIterationFloor(RunsFigure):
    """Suboptimality against iteration on least squares, with the bound on its mean."""

    title: ClassVar[str] = "Loss against iteration, and the noise floor"

    arrivals: tuple[int, ...] = (15, 6, 10, 20)  # the values of r; the first has both bounds
    load: int = 3  # d
    iterations: int = 50
    replications: int = 128
    rows: int = 600  # N of the synthetic least-squares problem
    features: int = 100  # p

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per r and iteration; full gradient descent has r = n."""
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
            **delays_and_law("additive", QUICK_WORK),
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
        from ..verify.grid import group_spreads

        spreads = group_spreads(learning.problem, learning.initial, steps.weights, step, self.load)
        smooth, convex = spectrum.smoothness, spectrum.pl_constant
        largest, start = float(spreads.max()), float(gaps[0, 0])
        bound = ErasureBound(smooth, convex, erasure, step, largest, start)
        columns = {
            "arrivals": arrivals,
            "load": self.load,
            "iteration": np.arange(self.iterations + 1),
            "mean_gap": gaps.mean(axis=0),
            "standard_error": gaps.std(axis=0, ddof=1) / np.sqrt(len(gaps)),
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
        last = [
            *(_label(r, full) for r in (*several, full)),
            BOUND_LOOK.title,
            CONSTANT_BOUND_LOOK.title,
        ]
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
        factor = float((ours["bound"] / ours["mean_gap"])[ours["iteration"] == last].min())
        return (
            f"Least squares on synthetic data, {n} workers, load d = "
            f"{int(frame['load'].iloc[0])}; means of {int(frame['replications'].max())} "
            "replications with 95 % bands. ErasureHead is not rescaled and takes the step 1/(βp), "
            "p the chance that a group is heard; full gradient descent takes 1/β. All start "
            f"{start:.3g} above the minimum of {full['minimum'].iloc[0]:.3g} and descend side by "
            "side until ErasureHead meets its noise floor, which more arrivals lower; full descent "
            f"goes on to {end:.2g} above the minimum.\n\n"
            "The bound (our derivation) has the rate of full descent in its slowest "
            f"direction, {full['rate'].iloc[0]:.3f} per iteration, and a floor in proportion to V, "
            "the sum of the groups' squared gradients. With the largest V of the path, that of the "
            "start, the floor is far too high, since gradients shrink on the way, and the noise "
            f"with them; with the mean V of each step it is {factor:.0f} times what is measured or "
            "more.\n\n"
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
