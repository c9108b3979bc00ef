"""How much sooner ErasureHead reaches a loss than the schemes that wait for the exact gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..pictures import looks, style
from ..run.compute import CellResult
from ..run.records import interval_columns, ratio_interval
from . import base
from .base import WORKS, Effort, RunsFigure, interval, markdown_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

EXACT = ("uncoded", "cyclic_repetition", "fractional_repetition")


@final
@dataclass(frozen=True)
class Speedup(RunsFigure):
    """Time to a target loss, ErasureHead against exact schemes, paired 95 % intervals.

    The target is the loss of the exact gradient after half of the iterations.

    Attributes:
        loads: the values of d.
        wait_for: r.
    """

    name: ClassVar[str] = "speedup"
    title: ClassVar[str] = "Speed-up to a target loss"
    height: ClassVar[float] = 4.2

    loads: tuple[int, ...] = (2, 3, 5, 6)
    wait_for: int = 15

    def compute(self, effort: Effort) -> pd.DataFrame:
        """One row per load law, work, load and exact scheme that ErasureHead is compared with."""
        sections = base.BREAST_CANCER | base.clock("additive", base.QUICK_WORK)
        document = self.document(effort, **sections)
        target = base.half_way_loss(document, effort)
        rows = [
            row
            for law in base.LAWS
            for work in WORKS
            for load in self.loads
            for row in self._compare(law, work, load, target, effort)
        ]
        return pd.DataFrame(rows)

    def _compare(
        self, law: str, work: float, load: int, target: float, effort: Effort
    ) -> list[dict[str, Any]]:
        document = self.document(
            effort,
            schemes=[
                {"name": "uncoded"},
                {"name": "cyclic_repetition", "load": load},
                {"name": "fractional_repetition", "load": load},
                {"name": "erasurehead", "load": load, "wait_for": self.wait_for},
            ],
            target_loss=target,
            **base.BREAST_CANCER,
            **base.clock(law, work),
        )
        done = base.results(document, effort)
        results = {cell.scheme["name"]: result for cell, result in done}
        ours = results["erasurehead"]
        return [
            {
                "load_law": law,
                "work": work,
                "load": load,
                "scheme": scheme,
                "target": target,
                "replications": len(ours.replications),
                **interval_columns(
                    "speedup", ratio_interval(_seconds(results[scheme]), _seconds(ours))
                ),
                **interval_columns(
                    "per_iteration", ratio_interval(_iteration(results[scheme]), _iteration(ours))
                ),
                "iterations_to_target": _rounds(results[scheme], target),
                "iterations_to_target_erasurehead": _rounds(ours, target),
                "reached": float(np.isfinite(_seconds(ours)).mean()),
            }
            for scheme in EXACT
        ]

    def paint(self, figure: Figure, frame: pd.DataFrame) -> None:
        """Speed-up against load, one panel per load law."""
        panels = figure.subplots(1, 2, sharey=True)
        for axes, law in zip(panels, base.LAWS, strict=True):
            for work in WORKS:
                part = frame[(frame["load_law"] == law) & (frame["work"] == work)]
                for scheme, rows in part.groupby("scheme", sort=False):
                    _line(axes, rows, looks.look(str(scheme)), filled=work == WORKS[0])
            axes.axhline(1.0, color=looks.INK, lw=1)
            axes.set_xticks(sorted(frame["load"].unique()))
            axes.set_xlabel("load $d$")
            axes.set_title(base.LAW_TITLES[law])
        panels[0].set_ylim(0.9 * min(0.5, frame["speedup"].min()), 1.15 * frame["speedup"].max())
        style.log_axis(panels[0].yaxis, ticks=(1, 2, 5))
        panels[0].set_ylabel("times faster to the target loss")
        notes = [f"filled: work {WORKS[0]:g} s", f"open: work {WORKS[1]:g} s"]
        for note, fill in zip(notes, (looks.MUTED, "white"), strict=True):
            panels[0].plot([], [], "o", color=looks.MUTED, markerfacecolor=fill, label=note)
        style.legend_below(figure, 3, last=notes)

    def report(self, frame: pd.DataFrame) -> str:
        """The speed-ups with their intervals, and what they are made of."""
        rows = []
        for (law, work, load), part in frame.groupby(["load_law", "work", "load"], sort=False):
            ratios = [
                interval(row["speedup"], row["speedup_low"], row["speedup_high"])
                for _, row in part.iterrows()
            ]
            ours, exact = (
                f"{part[column].iloc[0]:.1f}"
                for column in ("iterations_to_target_erasurehead", "iterations_to_target")
            )
            rows.append([str(law), f"{work:g}", str(load), *ratios, ours, exact])
        header = [
            "load law",
            "work (s)",
            "d",
            *(f"over {looks.look(scheme).title}" for scheme in EXACT),
            "iterations, ErasureHead",
            "iterations, exact",
        ]
        slower = frame[(frame["scheme"] == "uncoded") & (frame["speedup_high"] < 1)]
        best = frame[frame["scheme"] == "uncoded"].sort_values("speedup").iloc[-1]
        over = frame[frame["scheme"] == "fractional_repetition"]
        ahead = sorted(over.loc[over["speedup_low"] > 1, "load"].unique())
        return (
            f"How many times sooner ErasureHead (r = {self.wait_for}, not rescaled) reaches a "
            f"training loss of {frame['target'].iloc[0]:.4g} on the breast cancer data than each "
            f"exact scheme: geometric mean over {int(frame['replications'].max())} pairs of runs "
            "on the same delays, with 95 % intervals of the paired ratio (mostly smaller than the "
            f"points). Delays are exponential with mean {1 / base.RATE:g} s; filled points have "
            f"{WORKS[0]:g} s of work per partition, open ones {WORKS[1]:g} s. The codes have the "
            "same load as ErasureHead, uncoded has load 1.\n\n"
            f"Against uncoded the speed-up is largest, {best['speedup']:.2f}, under the "
            f"{best['load_law']} law with {best['work']:g} s of work at d = {int(best['load'])}; "
            f"in {len(slower)} of {len(frame) // len(EXACT)} settings ErasureHead is slower than "
            f"uncoded{_where(slower)}. Against fractional repetition it is ahead, in some setting, "
            f"only at d = {', '.join(map(str, ahead))}: at larger loads every group is nearly "
            f"always covered before {self.wait_for} workers are heard, and both stop together. "
            "Erased groups also cost iterations (last columns).\n\n" + markdown_table(header, rows)
        )


def _seconds(result: CellResult) -> FloatArray:
    return result.replications["time_to_target"].to_numpy(dtype=float)


def _iteration(result: CellResult) -> FloatArray:
    return result.iterations.groupby("replication")["iteration_time"].mean().to_numpy(dtype=float)


def _rounds(result: CellResult, target: float) -> float:
    reached = result.iterations[result.iterations["train_loss"] <= target]
    return float(reached.groupby("replication")["iteration"].min().mean())


def _line(axes: Axes, rows: pd.DataFrame, look: looks.Look, filled: bool) -> None:
    middle = rows["speedup"]
    axes.errorbar(
        rows["load"],
        middle,
        yerr=[middle - rows["speedup_low"], rows["speedup_high"] - middle],
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        linewidth=1.4,
        markerfacecolor=look.colour if filled else "white",
        label=f"over {look.title}" if filled else None,
    )


def _where(slower: pd.DataFrame) -> str:
    if slower.empty:
        return ""
    places = [
        f"{law} law, {work:g} s of work, d = {', '.join(map(str, part['load']))}"
        for (law, work), part in slower.groupby(["load_law", "work"], sort=False)
    ]
    return f" ({'; '.join(places)})"


FIGURE = Speedup()
