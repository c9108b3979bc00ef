"""How much sooner ErasureHead reaches a loss than the schemes that wait for the exact gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from ..pictures import looks, style
from ..pictures.picture import Axis, Mark, Panel, Picture, Points, Rules
from ..run.compute import CellResult
from ..run.records import compared_times, interval_columns, ratio_interval
from . import base
from .base import Effort, Numbers, RunsFigure, Words, interval_text, points_of, rows_at

EXACT_SCHEMES = ("uncoded", "cyclic_repetition", "fractional_repetition")
QUICK_LOOK = looks.Look(looks.MUTED, "o", "none", f"filled: work {base.WORKS[0]:g} s")
EVEN_LOOK = looks.Look(looks.MUTED, "o", "none", f"open: work {base.WORKS[1]:g} s")


@final
@dataclass(frozen=True)
class Speedup(RunsFigure):
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
        known = frame["speedup"][frame["speedup"] > 0]
        low, high = 0.9 * min(0.5, known.min()), 1.15 * known.max()
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
            ratios = [interval_text(row, "speedup") for _, row in own.iterrows()]
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
            f"exact scheme: geometric mean over {int(frame['replications'].max())} pairs of runs "
            "on the same delays, with 95 % intervals of the paired ratio (mostly smaller than the "
            f"points). Delays are exponential with mean {self.delay:g} s; filled points have "
            f"{base.WORKS[0]:g} s of work per partition, open ones {base.WORKS[1]:g} s. The codes "
            "have the same load as ErasureHead, uncoded has load 1.\n\n"
            "At large loads every group is nearly always covered before "
            f"{self.wait_for} workers are heard, and ErasureHead and fractional repetition stop "
            "together. "
            "Erased groups also cost iterations (last columns).",
            Numbers(header, rows),
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
        quick = work == base.WORKS[0]
        line = (
            replace(own, title=f"over {own.title}") if quick else replace(own, title="", marker="")
        )
        marks.append(base.interval_curve_of(rows, "load", "speedup", line, width=1.4))
        if not quick:
            own = replace(own, title="")
            marks.append(points_of(rows, "load", "speedup", own, hollow=True))
    return [*marks, Points(QUICK_LOOK), Points(EVEN_LOOK, hollow=True)]
