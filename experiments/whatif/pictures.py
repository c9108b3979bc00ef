"""The pictures: who was slow when, and how much sooner the ideal would end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...delay_models.base import FloatArray
from ..pictures import style
from ..pictures.looks import GRID
from .study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CALLS, LAST = "#0072B2", "#D55E00"
"""Blue and vermilion of Okabe and Ito: a worker's task, and the one that ends the round."""

ALL, SOME = 128, 64
"""Workers that have a line each; of more, so many are shown, those to blame most."""

COLUMNS = 400
"""Rounds that have a column each; of more, means of as many consecutive ones as need be."""

HIGHEST, ROW, LABEL = 4.4, 0.17, 0.125
"""Inches: of a heat map at most, of a worker if there are few, and of a name."""

NAMED = 4
"""Hosts that a title names."""

DARKEST = 100.0
"""Delays below the median over this have one colour."""

ROUNDS, LINES = 20, 16
"""Rounds and workers of a timeline."""


def draw_heat_map(study: Study) -> Figure:
    """Workers over rounds, the colour the delay in seconds on a logarithmic scale."""
    from matplotlib.colors import LogNorm

    hosts = in_heat_map(study)
    values, run = means_of_rounds(study.table[:, hosts].T)
    low = max(float(values.min()), study.typical / DARKEST)
    high = max(float(values.max()), 1.001 * low)
    with style.applied():
        height = min(HIGHEST, max(4, len(hosts)) * ROW)
        figure = style.blank(style.ONE_PANEL, 0.9 + height)
        axes = figure.subplots()
        image = axes.imshow(
            np.maximum(values, low),
            aspect="auto",
            cmap="viridis",
            norm=LogNorm(low, high),
            interpolation="nearest",
            extent=(0, len(study.table), len(hosts) - 0.5, -0.5),
        )
        axes.grid(visible=False)
        _name_rows(axes, study, hosts, len(hosts) * LABEL / height)
        axes.set_xlabel("round" + (f" (means of {run})" if run > 1 else ""))
        bar = figure.colorbar(image, ax=axes, fraction=0.06, pad=0.02)
        bar.set_label("delay (s)")
        style.log_axis(bar.ax.yaxis, _mantissas(high / low))
        axes.set_title(_heat_title(study, len(hosts)), fontsize=9.5)
    return figure


def heat_map_table(studies: Sequence[Study]) -> pd.DataFrame:
    """What the heat maps show: one row per load, host and round (or run of consecutive rounds).

    Columns: ``load``, ``host``, ``worker``, ``round`` (the first of the run), ``seconds`` (their
    mean). Hosts stand in the picture's order.
    """
    frames = []
    for study in studies:
        hosts = in_heat_map(study)
        values, run = means_of_rounds(study.table[:, hosts].T)
        columns = values.shape[1]
        frames.append(
            pd.DataFrame(
                {
                    "load": np.nan if study.load is None else float(study.load),
                    "host": np.repeat([study.names[host] for host in hosts], columns),
                    "worker": np.repeat(hosts, columns),
                    "round": np.tile(np.arange(columns) * run, len(hosts)),
                    "seconds": values.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def draw_timeline(study: Study) -> Figure:
    """Some rounds as they were, and if every task took the typical time, on one time axis."""
    start = typical_window(study)
    rounds = study.table[start : start + ROUNDS]
    hosts = _in_timeline(study)
    ideal = np.full_like(rounds, study.typical)
    with style.applied():
        figure = style.blank(style.ONE_PANEL, 1.8 + 2 * 0.14 * max(4, len(hosts)))
        real, other = figure.subplots(2, 1, sharex=True)
        first = f"measured, rounds {start} to {start + len(rounds) - 1}"
        second = f"every task typical, {study.typical:.3g} s"
        for axes, delays, title in ((real, rounds, first), (other, ideal, second)):
            end = _gantt(axes, delays, hosts)
            _name_rows(axes, study, hosts, 1.0)
            axes.axvline(end, color=LAST, linewidth=1.2)
            axes.set_title(f"{title}: {end:.3g} s", fontsize=9.5)
            axes.grid(visible=False)
        real.set_xlim(0, 1.01 * rounds.max(axis=1).sum())
        other.set_xlabel("time (s)")
        style.legend_below(figure, 3)
    return figure


def typical_window(study: Study) -> int:
    """The first of ``ROUNDS`` consecutive rounds whose slowdown is nearest to that of all."""
    real = study.table.max(axis=1)
    if len(real) <= ROUNDS:
        return 0
    sums = np.cumsum(np.concatenate([[0.0], real]))
    means = (sums[ROUNDS:] - sums[:-ROUNDS]) / ROUNDS
    return int(np.argmin(np.abs(means - study.seconds)))


def _gantt(axes: Axes, delays: FloatArray, hosts: Sequence[int]) -> float:
    """Bars of each worker's tasks, one round after the other; returns when the last one ends."""
    from matplotlib.collections import PolyCollection

    lengths = delays.max(axis=1)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    place = np.arange(len(hosts))
    shown = delays[:, hosts]
    late = shown >= lengths[:, None]
    late &= ~late.all(axis=1)[:, None]  # where all are equal, nobody waits for anybody

    def bars(where: Any, left: FloatArray, right: FloatArray, colour: str, label: str) -> None:
        low, high = place - 0.4, place + 0.4
        rows = np.broadcast_to(place, shown.shape)[where]
        corners = [left[where], low[rows], left[where], high[rows]]
        corners += [right[where], high[rows], right[where], low[rows]]
        shapes = list(np.stack(corners, axis=1).reshape(-1, 4, 2))
        own = PolyCollection(shapes, facecolor=colour, edgecolor="white", linewidth=0.3)
        own.set_label(label)
        axes.add_collection(own)

    begin = np.broadcast_to(starts[:, None], shown.shape)
    finish = begin + shown
    close = np.broadcast_to(ends[:, None], shown.shape)
    bars(~late, begin, finish, CALLS, "computing")
    bars(late, begin, finish, LAST, "the slowest of the round")
    bars(~late, finish, close, GRID, "waiting")
    axes.set_ylim(len(hosts) - 0.4, -0.6)
    return float(ends[-1])


def in_heat_map(study: Study) -> list[int]:
    """Workers that have a row each, from above."""
    n = study.workers
    return list(range(n)) if n <= ALL else list(study.host.order[:SOME])


def _in_timeline(study: Study) -> list[int]:
    """All workers, or half those to blame most and half any others, in the table's order."""
    n, half = study.workers, LINES // 2
    if n <= LINES:
        return list(range(n))
    others = sorted(study.host.order[half:])
    some = [others[int(i)] for i in np.linspace(0, len(others) - 1, LINES - half)]
    return sorted([*study.host.order[:half], *some])


def means_of_rounds(table: FloatArray) -> tuple[FloatArray, int]:
    """At most ``COLUMNS`` columns, and how many rounds each is the mean of."""
    rounds = table.shape[1]
    run = -(-rounds // COLUMNS)
    starts = np.arange(0, rounds, run)
    sizes = np.diff(starts, append=rounds)
    return np.add.reduceat(table, starts, axis=1) / sizes, run


def _name_rows(axes: Axes, study: Study, hosts: Sequence[int], apart: float) -> None:
    """Name those that stand out, and others, names so many lines apart at least."""
    own = [place for place, host in enumerate(hosts) if host in set(study.host.standing)]
    chosen = list[int]()
    for place in (*own, *np.arange(0, len(hosts), max(1, int(np.ceil(apart)))).tolist()):
        if all(abs(place - other) >= apart for other in chosen):
            chosen.append(place)
    chosen.sort()
    axes.set_yticks(chosen, [_short(study.names[hosts[place]]) for place in chosen])
    for tick, place in zip(axes.get_yticklabels(), chosen, strict=True):
        tick.set_fontsize(8)
        if place in own:
            tick.set_color(LAST)
            tick.set_fontweight("bold")
    axes.tick_params(axis="y", length=2)


LONGEST = 16


def _short(name: str) -> str:
    """A host's name, the end of a long one: that is where names differ."""
    plain = style.text(name).replace("\n", " ")
    return plain if len(name) <= LONGEST else f"...{style.text(name[3 - LONGEST :])}"


def _heat_title(study: Study, shown: int) -> str:
    title = (
        "" if shown == study.workers else f"{shown} of {study.workers} workers, most to blame first"
    )
    if study.host.standing:
        names = ", ".join(_short(study.names[host]) for host in study.host.standing[:NAMED])
        more = ", ..." if len(study.host.standing) > NAMED else ""
        title += ("\n" if title else "") + f"stand out from chance: {names}{more}"
    return title


def _mantissas(ratio: float) -> tuple[float, ...]:
    """Which numbers are labelled on a logarithmic axis that spans this ratio."""
    if ratio > 100:
        return (1,)
    if ratio > 8:
        return (1, 2, 5)
    if ratio > 2.5:
        return (1, 1.5, 2, 3, 4, 6, 8)
    return (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.3, 2.6, 3, 3.5, 4, 5, 6, 7, 8, 9)
