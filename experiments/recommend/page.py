"""The findings as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import terminal
from ..console import Column, show_columns
from ..markdown import plain, table, wrapped
from ..pictures import style
from ..pictures.looks import INK, MUTED, look
from .answer import following, number, percent, verdict, why
from .candidates import LEFT_OUT
from .contender import MARGIN, mean, ratio
from .search import CLOCKED, SPACING, TRIAL, TUNED
from .study import Recommendation, tables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# The recommendation in the terminal.


LISTED = 12
"""Schemes that are listed."""


def show(found: Recommendation, config: str) -> None:
    """Print verdict, reasons, the ranking and what to do next."""
    terminal.say(verdict(found))
    terminal.say_all(why(found))
    terminal.say("")
    left_out = show_columns(_columns(found))
    terminal.say("")
    if left_out:
        titles = ", ".join(column.title for column in left_out)
        terminal.say(f"too narrow for {titles}: see ranking.csv")
    terminal.say_all(f"next: {text}" for text in following(found, config))


def _columns(found: Recommendation) -> list[Column]:
    rows = tables(found)["ranking"].head(LISTED).to_dict("records")
    return [
        Column.of("scheme", [str(row["label"]) for row in rows]),
        Column(found.question.goal.column, [number(row["value"]) for row in rows], 1),
        Column("relative", [number(row["ratio"]) for row in rows], 2),
        Column("95 % interval", [_range(row["ratio_low"], row["ratio_high"]) for row in rows], 3),
        Column("own rate", [number(row["rate"]) for row in rows], 4),
        Column("at common rate", [number(row["value_at_common_rate"]) for row in rows], 6),
        Column("s / iteration", [number(row["iteration_time"]) for row in rows], 7),
        Column("error", [number(row["error"], 3) for row in rows], 8),
        Column("held", [f"{row['load']:g}" for row in rows], 5),
    ]


def _range(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{low:.4f} to {high:.4f}"


# Three pictures: the ranking, the front, and how far the answer holds.


NAMES = ("ranking", "front", "sensitivity")
"""Of all pictures."""

FEW = 12
"""Schemes in a picture of the ranking."""

NAMED = 6
"""Schemes of the front that are named."""


def pictures(found: Recommendation) -> dict[str, Callable[[Recommendation], Figure]]:
    """Those that have something to show, by name: where the goal is never reached, none has."""
    shown: dict[str, Callable[[Recommendation], Figure]] = {}
    if tables(found)["ranking"]["ratio"].notna().any():
        shown["ranking"] = draw_ranking
    if not _measured(tables(found)["candidates"]).empty:
        shown["front"] = draw_front
    if tables(found)["sensitivity"]["ratio"].notna().any():
        shown["sensitivity"] = draw_sensitivity
    return shown


def _measured(candidates: pd.DataFrame) -> pd.DataFrame:
    """Candidates that have a place in the picture of the front."""
    return candidates[candidates["value"].notna() & candidates["error"].notna()]


def draw_ranking(found: Recommendation) -> Figure:
    """Ratios to the recommended scheme: filled at a scheme's own rate, open at the common one."""
    frame = tables(found)["ranking"]
    frame = frame[frame["ratio"].notna()].head(FEW)
    best = mean(found.winner.values)
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
        goal = found.question.goal
        what = "loss" if goal.kind == "budget" else "time"
        axes.set_xlabel(f"{what}, relative to the best (bars: 95 %)")
        if found.question.trains:
            rate = f"{found.question.common_rate:.3g}"
            axes.set_title(f"filled: own learning rate; open: {rate} for all", loc="right")
    return figure


def draw_front(found: Recommendation) -> Figure:
    """Time over decoding error; the darker, the fewer worker-seconds. Ringed: the front."""
    frame = _measured(tables(found)["candidates"])
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
        goal = found.question.goal
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


def draw_sensitivity(found: Recommendation) -> Figure:
    """Ratios to the recommended scheme as one thing about the delays changes."""
    frame = tables(found)["sensitivity"]
    labels = list(dict.fromkeys(frame["label"]))
    with style.applied():
        figure = style.blank(style.TWO_PANELS + 1, 3.6 + 0.22 * len(labels))
        panels = figure.subplots(1, len(TITLES), sharey=True)
        for axes, (dial, (label, title)) in zip(panels, TITLES.items(), strict=True):
            part = frame[frame["dial"] == dial]
            for place, name in enumerate(labels):
                _line(axes, found, part[part["label"] == name], dial, name, place)
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


def _line(
    axes: Axes, found: Recommendation, rows: pd.DataFrame, dial: str, name: str, place: int
) -> None:
    """One scheme over one dial, with what it does on the delays as they are."""
    as_is = 0.0 if dial == "persistence" else 1.0
    entry = next(m.contender for m in found.sensitivities if m.contender.label == name)
    x = rows["times"].to_numpy(float)
    x = np.where(x < 0, -0.5, x)
    y, low, high = (rows[column].to_numpy(float) for column in ("ratio", "ratio_low", "ratio_high"))
    if entry.final is not None:
        now = ratio(entry.values, found.winner.values)
        x = np.append(x, as_is)
        y, low, high = (np.append(a, b) for a, b in zip((y, low, high), now, strict=True))
    order = np.argsort(x)
    x, y, low, high = x[order], y[order], low[order], high[order]
    mine = look(str(entry.section["name"]))
    shown: Any = {"color": mine.colour, "marker": ("o", "s", "^", "D", "v", "X")[place % 6]}
    dashes = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))[place % 3]
    axes.plot(x, y, label=style.text(name), linestyle=dashes, **shown)
    axes.fill_between(x, low, high, color=mine.colour, alpha=0.2, linewidth=0)


# ``report.md``: the answer, and everything behind it.


REPORT_LISTED = 25
"""Schemes that are listed of each kind; the tables have all."""

CAPTIONS = {
    "ranking": "The best schemes relative to the recommended one",
    "front": "Time over decoding error",
    "sensitivity": "Ratios on changed delays",
}


def markdown(found: Recommendation, config: str) -> str:
    """The whole report.

    Args:
        study: what was found.
        config: path of the ready config.
    """
    lines = [f"# Recommended for {plain(found.question.scenario.name)}", ""]
    lines += [f"**{plain(verdict(found))}**", ""]
    lines += [*(f"- {plain(text)}" for text in why(found)), ""]
    lines += ["## Next", "", *(f"- {text}" for text in following(found, config)), ""]
    lines += ["## Ranking", "", *_ranking(found), ""]
    lines += _picture(found, "ranking")
    lines += ["## Time, error and cost", "", *_front(found), "", *_picture(found, "front")]
    lines += ["## How far it holds", "", *_sensitivity(found), "", *_picture(found, "sensitivity")]
    lines += ["## Ruled out", "", *_ruled_out(found), ""]
    notes = found.question.scenario.notes
    lines += [*(f"- {plain(note)}" for note in notes), *([""] if notes else [])]
    return "\n".join(map(wrapped, [*lines, *_method(found)]))


def _picture(found: Recommendation, name: str) -> list[str]:
    return [f"![{CAPTIONS[name]}]({name}.png)", ""] if name in pictures(found) else []


def _ranking(found: Recommendation) -> list[str]:
    goal, rows = found.question.goal, []
    for row in tables(found)["ranking"].head(REPORT_LISTED).to_dict("records"):
        reached = row["reached"] == row["replications"]
        rows.append(
            [
                f"{row['rank']}",
                str(row["label"]) + (" (today)" if row["today"] else ""),
                number(row["value"]) if reached else f"{row['reached']} of {row['replications']}",
                _report_range(row, "ratio"),
                f"{row['rate']:.4g}" if found.question.trains else "-",
                number(row["value_at_common_rate"]),
                number(row["iteration_time"]),
                number(row["error"], 3),
                f"{row['load']:g}",
                number(row["worker_seconds"], 3),
                _remark(row),
            ]
        )
    header = ["rank", "scheme", f"{goal.column}", "relative (95 %)", "rate", "at common rate"]
    header += ["s an iteration", "decoding error", "partitions held", "worker-seconds", ""]
    return table(header, rows)


def _remark(row: Mapping[Any, Any]) -> str:
    if row["breaks"]:
        return f"breaks a limit: {row['breaks']}"
    if row["left"]:
        return f"left the race after {row['replications']} replications"
    return "cannot be told apart" if row["tied"] and row["rank"] > 1 else ""


def _report_range(row: Mapping[Any, Any], name: str) -> str:
    if not np.isfinite(row[name]):
        return "-"
    return f"{row[name]:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"


def _front(found: Recommendation) -> list[str]:
    frame = tables(found)["candidates"]
    front = frame[frame["front"]].sort_values("value").head(REPORT_LISTED)
    rows = [
        [
            str(row["label"]),
            number(row["value"]),
            number(row["error"], 3),
            number(row["worker_seconds"], 3),
            f"{row['load']:g}",
        ]
        for row in front.to_dict("records")
    ]
    head = ["scheme", found.question.goal.column, "decoding error", "worker-seconds"]
    text = "No other scheme is better in all three: time, error and worker-seconds."
    return [text, "", *table([*head, "partitions held"], rows)]


def _sensitivity(found: Recommendation) -> list[str]:
    frame = tables(found)["sensitivity"]
    if frame.empty:
        return ["Not asked: the goal is not reached."]
    rows = [
        [
            str(row["dial"]),
            "shuffled" if row["times"] < 0 else f"{row['times']:g}",
            str(row["label"]),
            number(row["value"]),
            _report_range(row, "ratio"),
        ]
        for row in frame.to_dict("records")
    ]
    text = (
        "load: what partitions beyond the first add to a worker's time, times this; tail: what a "
        "delay exceeds the median by, times this; persistence: a worker keeps the delay of its "
        "round before with this probability, or the delays of a round are shuffled. Learning "
        "rates stay as they are. There is no value where a scheme does not reach the goal in every "
        "run, and no relative one where it or the recommended one does not."
    )
    return [text, "", *table(["changed", "to", "scheme", "value", "relative (95 %)"], rows)]


def _ruled_out(found: Recommendation) -> list[str]:
    frame = tables(found)["candidates"]
    frame = frame[frame["stage"] != "stayed"]
    counts = Counter(frame["stage"])
    told = ", ".join(f"{count} {stage}" for stage, count in counts.items())
    lines = [f"{len(found.contenders)} schemes were looked at; {told}.", ""]
    shown = frame[frame["stage"] != "cannot be built"].sort_values("value").head(REPORT_LISTED)
    rows = [[str(r["label"]), str(r["stage"]), str(r["reason"])] for r in shown.to_dict("records")]
    if rows:
        lines += [*table(["scheme", "left", "why"], rows), ""]
    lines += [f"- {name} was not searched: {reason}" for name, reason in LEFT_OUT.items()]
    return lines


def _method(found: Recommendation) -> list[str]:
    text = (
        "Closed forms rule out who is slower than a scheme with gradients at least as good by more "
        f"than {percent(min(MARGIN.values()))}; where there is none, the clock of {CLOCKED} runs, "
        f"with {percent(max(MARGIN.values()))}. "
    )
    if found.question.trains:
        text += (
            f"Learning rates are chosen on trial delays (the seed after the config's): {TRIAL} "
            f"replications by factors of {SPACING}, then {TUNED} by factors of 2, on one grid for "
            "all, around the best rate of the exact gradient. "
        )
    text += (
        "Then all race on common delays, those of the config's seed: after each heat whoever is "
        "surely behind the leader (99.9 % paired interval of the ratio) leaves, and the last where "
        f"too many are left. The last heat has {len(found.winner.values)} replications. "
        "Intervals are 95 %, of the paired ratio of geometric means; the best of several is "
        "flattered a little. "
        "Cannot be told apart: the interval does not exclude 1."
    )
    return ["## How it was found", "", text, ""]
