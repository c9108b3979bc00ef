"""Three pictures: the ranking, the front, and how far the answer holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..pictures import style
from ..pictures.looks import INK, MUTED, look
from .frames import candidates_table, ranking_table, sensitivity_table
from .study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("ranking", "front", "sensitivity")
"""Of all pictures."""

FEW = 12
"""Schemes in a picture of the ranking."""

NAMED = 6
"""Schemes of the front that are named."""


def pictures(study: Study) -> dict[str, Callable[[Study], Figure]]:
    """Those that have something to show, by name: where the goal is never reached, none has."""
    shown: dict[str, Callable[[Study], Figure]] = {}
    if ranking_table(study)["ratio"].notna().any():
        shown["ranking"] = draw_ranking
    if not _measured(candidates_table(study)).empty:
        shown["front"] = draw_front
    if sensitivity_table(study)["ratio"].notna().any():
        shown["sensitivity"] = draw_sensitivity
    return shown


def _measured(candidates: pd.DataFrame) -> pd.DataFrame:
    """Candidates that have a place in the picture of the front."""
    return candidates[candidates["value"].notna() & candidates["error"].notna()]


def draw_ranking(study: Study) -> Figure:
    """Ratios to the recommended scheme: filled at a scheme's own rate, open at the common one."""
    frame = ranking_table(study)
    frame = frame[frame["ratio"].notna()].head(FEW)
    best = study.value(study.winner)
    with style.applied():
        figure = style.blank(style.TWO_PANELS, 1.5 + 0.34 * max(2, len(frame)))
        axes = figure.subplots()
        for y, row in enumerate(frame.to_dict("records")):
            mine = look(str(row["scheme"]))
            axes.plot((row["ratio_low"], row["ratio_high"]), (y, y), color=mine.colour)
            axes.plot(row["ratio"], y, marker="o", color=mine.colour, linestyle="none")
            untuned = row["value_at_common_rate"] / best
            if np.isfinite(untuned):
                axes.plot(
                    untuned, y, marker="o", color=mine.colour, markerfacecolor="white",
                    linestyle="none",
                )  # fmt: skip
        axes.axvline(1, color=MUTED, linewidth=1, zorder=0)
        axes.set_yticks(range(len(frame)), [style.text(str(x)) for x in frame["label"]])
        axes.set_ylim(len(frame) - 0.5, -0.5)
        if frame[["ratio", "value_at_common_rate"]].max().max() > 4 * frame["ratio"].min():
            style.log_axis(axes.xaxis, (1, 2, 5))
        goal = study.asked.goal
        what = "loss" if goal.kind == "budget" else "time"
        axes.set_xlabel(f"{what}, relative to the best (bars: 95 %)")
        if study.asked.trains:
            rate = f"{study.asked.common:.3g}"
            axes.set_title(f"filled: own learning rate; open: {rate} for all", loc="right")
    return figure


def draw_front(study: Study) -> Figure:
    """Time over decoding error; the darker, the fewer worker-seconds. Ringed: the front."""
    frame = _measured(candidates_table(study))
    cost = frame["worker_seconds"].notna()
    with style.applied():
        figure = style.blank(style.TWO_PANELS, 4.9)
        axes = figure.subplots()
        error = np.maximum(frame["error"].to_numpy(float), FLOOR)
        value = frame["value"].to_numpy(float)
        axes.plot(
            error[~cost], value[~cost], marker="o", linestyle="none", color=MUTED, markersize=3
        )
        if cost.any():
            from matplotlib.colors import LogNorm

            seconds = np.maximum(frame.loc[cost, "worker_seconds"].to_numpy(float), 1e-12)
            spread = seconds.max() > seconds.min()
            shown = axes.scatter(
                error[cost], value[cost], c=seconds, cmap="viridis", s=22,
                norm=LogNorm() if spread else None, zorder=3,
            )  # fmt: skip
            figure.colorbar(shown, label="worker-seconds")
        front = frame[frame["front"]].sort_values("value")
        axes.scatter(
            np.maximum(front["error"], FLOOR), front["value"], s=70, facecolors="none",
            edgecolors=INK, zorder=4,
        )  # fmt: skip
        for place, row in enumerate(front.head(NAMED).to_dict("records"), 1):
            at = (max(float(row["error"]), FLOOR), float(row["value"]))
            axes.annotate(str(place), at, xytext=(7, 4), textcoords="offset points", fontsize=9)
            title = f"{place}: {style.text(str(row['label']))}"
            axes.plot([], [], linestyle="none", label=title)
        style.log_axis(axes.xaxis)
        style.log_axis(axes.yaxis, (1, 2, 5))
        axes.set_xlabel(f"mean decoding error (left edge: exact, at {FLOOR:g})")
        goal = study.asked.goal
        axes.set_ylabel(
            "loss after the budget" if goal.kind == "budget" else "time to the goal (s)"
        )
        axes.set_title("grey: known by theory alone; ringed: no other better in all three")
        style.legend_below(figure, 2)
    return figure


FLOOR = 1e-3
"""Where an exact scheme stands on an axis of powers of 10."""


TITLES = {
    "load": ("cost of further\npartitions (times)", "load law"),
    "tail": ("delays beyond\nthe median (times)", "tail"),
    "persistence": ("a delay stays\nwith probability", "persistence"),
}


def draw_sensitivity(study: Study) -> Figure:
    """Ratios to the recommended scheme as one thing about the delays changes."""
    frame = sensitivity_table(study)
    labels = list(dict.fromkeys(frame["label"]))
    with style.applied():
        figure = style.blank(style.TWO_PANELS + 1, 3.6 + 0.22 * len(labels))
        panels = figure.subplots(1, len(TITLES), sharey=True)
        for axes, (dial, (label, title)) in zip(panels, TITLES.items(), strict=True):
            part = frame[frame["dial"] == dial]
            for place, name in enumerate(labels):
                _line(axes, study, part[part["label"] == name], dial, name, place)
            if dial != "persistence":
                axes.set_xscale("log", base=2)
                axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            else:
                axes.set_xticks([-0.5, 0, 0.5, 0.9], ["anew", "as is", "0.5", "0.9"])
            axes.set_xlabel(label)
            axes.set_title(title)
        panels[0].set_ylabel("relative to the best as is")
        style.log_axis(panels[0].yaxis, (1, 2, 5))
        style.legend_below(figure, 2)
    return figure


def _line(axes: Axes, study: Study, rows: pd.DataFrame, dial: str, name: str, place: int) -> None:
    """One scheme over one dial, with what it does on the delays as they are."""
    as_is = 0.0 if dial == "persistence" else 1.0
    entry = next(m.entry for m in study.moved if m.entry.label == name)
    x = rows["times"].to_numpy(float)
    x = np.where(x < 0, -0.5, x)
    y, low, high = (rows[column].to_numpy(float) for column in ("ratio", "ratio_low", "ratio_high"))
    if entry.final is not None:
        now = study.ratio(entry, study.winner)
        x = np.append(x, as_is)
        y, low, high = (np.append(a, b) for a, b in zip((y, low, high), now, strict=True))
    order = np.argsort(x)
    x, y, low, high = x[order], y[order], low[order], high[order]
    mine = look(str(entry.section["name"]))
    shown: Any = {"color": mine.colour, "marker": ("o", "s", "^", "D", "v", "X")[place % 6]}
    dashes = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))[place % 3]
    axes.plot(x, y, label=style.text(name), linestyle=dashes, **shown)
    axes.fill_between(x, low, high, color=mine.colour, alpha=0.2, linewidth=0)
