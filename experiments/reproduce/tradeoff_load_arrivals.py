"""Runtime against loss over load and arrivals: which (d, r) nothing beats."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.metrics import per_replication
from ...sim.theory.convergence import least_squares_spectrum
from ..pictures import style
from ..pictures.kinds.losses import pareto
from ..pictures.looks import MUTED, SOLID, Look, look, variants
from ..pictures.picture import Axis, Mark, Panel, Picture
from ..run.records import mean_and_error
from . import base
from .base import Effort, Numbers, RunsFigure, Words, curve_of, estimate_text, points_of, rows_at

FRONT_LOOK = Look(MUTED, "", SOLID, "Pareto front")
NEARLY_EXACT_FACTOR = (
    1.2  # the text names the fastest scheme whose loss is at most this many times the exact one
)


@final
@dataclass(frozen=True)
class TradeoffLoadArrivals(RunsFigure):
    """Seconds per iteration against final loss over (d, r), Pareto front marked, both load laws."""

    title: ClassVar[str] = "Runtime against loss over load and arrivals"

    loads: tuple[int, ...] = (1, 2, 3, 5, 6)  # the values of d; 1 is the rule of ignore stragglers
    arrivals: tuple[int, ...] = (6, 10, 15, 20, 25)  # the values of r
    replications: int = 32
    delay: float = base.MEAN_DELAY  # mean of the exponential delays, seconds

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, work and scheme."""
        frames = []
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
            rows = []
            for cell, result in effort.results(document):
                runs = per_replication(result)
                seconds, seconds_error = mean_and_error(runs["iteration_time"])
                loss, loss_error = mean_and_error(runs["final_train_loss"])
                d, r = cell.scheme.get("load", 1), cell.scheme.get("wait_for", self.workers)
                row = {"load_law": law, "work": work, "scheme": cell.scheme["name"]}
                row |= {"load": d, "arrivals": r}
                row |= {"iteration_time": seconds, "iteration_time_se": seconds_error}
                row |= {"loss_above_minimum": loss - minimum, "loss_se": loss_error}
                row |= {"replications": len(runs["iteration_time"]), "iterations": self.iterations}
                rows.append(row)
            frame = pd.DataFrame(rows)
            losses = np.array([float(f"{loss:.3g}") for loss in frame["loss_above_minimum"]])
            on_front = pareto(frame["iteration_time"].to_numpy(dtype=float), losses)
            frames.append(frame.assign(on_front=on_front))
        return pd.concat(frames, ignore_index=True)

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
        own = variants([(_label(load), "erasurehead") for load in loads])
        panels = [
            self._panel(law, work, frame, own) for work in base.WORKS for law in base.LAW_TITLES
        ]
        size = len(base.LAW_TITLES), style.TWO_PANELS, 6.8
        return Picture(panels, *size, share="y", last=[FRONT_LOOK.title])

    def _panel(self, law: str, work: float, frame: pd.DataFrame, own: dict[str, Look]) -> Panel:
        panel_rows = rows_at(frame, load_law=law, work=work)
        x, y = "iteration_time", "loss_above_minimum"
        front = panel_rows[panel_rows["on_front"]].sort_values("iteration_time")
        marks: list[Mark] = [
            curve_of(front, x, y, FRONT_LOOK, steps=True, width=1.0),
        ]
        ours = panel_rows["scheme"] == "erasurehead"
        for load, rows in panel_rows[ours].groupby("load"):
            marks.append(curve_of(rows, x, y, own[_label(load)], width=1.2))
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
            f"{self.workers} workers, exponential delays of mean {self.delay:g} s; means "
            f"of {int(frame['replications'].max())} replications. Each line joins r = "
            f"{', '.join(map(str, arrivals))} for one load of ErasureHead, rescaled so that all "
            "steps are equally long on average; load 1 is the rule of ignore stragglers. Circles "
            "mark what no point beats in both time and loss (to three digits); the grey line is "
            "the front.\n\n"
            f"To come within {NEARLY_EXACT_FACTOR - 1:.0%} of the exact gradient's loss, the least "
            f"time per iteration is {_bargains(frame)}. Redundancy pays where computing is cheap "
            "beside the delays and the delay does not grow with the load; else light loads that "
            "wait for more workers do as well or better.\n\n"
            "The fronts:",
            Numbers(header, rows, names=2),
        )


def _bargains(frame: pd.DataFrame) -> str:
    sentences = []
    for (work, law), rows in frame.groupby(["work", "load_law"], sort=False):
        exact = rows_at(rows, scheme="uncoded").iloc[0]
        close = rows[
            rows["loss_above_minimum"] <= NEARLY_EXACT_FACTOR * exact["loss_above_minimum"]
        ]
        best = close.sort_values("iteration_time", kind="stable").iloc[0]
        sentences.append(
            f"{best['iteration_time']:.3g} s with {_name(best)} ({law} law, {work:g} s of work; "
            f"uncoded {exact['iteration_time']:.3g} s)"
        )
    return "; ".join(sentences)


def _label(load: object) -> str:
    return f"ErasureHead, d = {load}"


def _name(row: pd.Series) -> str:
    load = "" if row["scheme"] == "uncoded" else f", d = {row['load']}"
    arrivals = f", r = {row['arrivals']}" if row["scheme"] == "erasurehead" else ""
    return f"{look(row['scheme']).title}{load}{arrivals}"
