"""Draws pictures with matplotlib. The other renderer is ``svg``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style
from .looks import INK, shade
from .picture import Axis, Bars, Curve, Heat, Mark, Panel, Picture, Points, Rules, Texts, mantissas
from .style import drawable, entry
from .svg.picture import row_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# markers without a face, and how much larger they are drawn to be as easily seen as the others
STROKES = {"x": 1.0, "+": 1.0, "|": 1.6, "1": 1.7, "2": 1.7, "3": 1.7, "4": 1.7}
STRONG_COLOUR = "#D55E00"  # of names that stand out


def figure(picture: Picture, scale: float = 1.0) -> Figure:
    """The whole picture as a new figure; ``scale`` is that of letters."""
    with style.applied(scale):
        drawn = style.blank_figure(picture.width, picture.height)
        rows = -(-len(picture.panels) // picture.columns)
        shared: Any = "row" if picture.share == "rows" else picture.share == "y"
        shape: Any = {"squeeze": False, "height_ratios": picture.heights or None}
        shape |= {"sharex": picture.share == "x", "sharey": shared}
        grid = drawn.subplots(rows, picture.columns, **shape)
        panels = list(grid.flat[: len(picture.panels)])
        for axes, own in zip(panels, picture.panels, strict=True):
            add_panel(axes, own, picture.names_left)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        if picture.share in ("y", "rows"):
            together = len(panels) if picture.share == "y" else picture.columns
            for start in range(0, len(panels), together):
                _same_limits(panels[start], picture.panels[start : start + together])
        if picture.share == "y":
            _one_scale(panels)
        if picture.share:
            _label_once(panels, picture)
        if picture.heading:
            drawn.suptitle(drawable(picture.heading), fontsize=style.letters(9.5))
        if picture.legend:
            layout: Any = drawn.get_layout_engine()
            layout.most = picture.legend
            layout.name(drawn.axes, [*map(entry, picture.last)])
    return drawn


PRINTED_LETTERS_POINTS = 8.0  # in a picture that is printed as wide as it is drawn


def printed(picture: Picture, width: float) -> Figure:
    """The picture for a place so many inches wide, in letters of the size that journals print:
    fewer panels in a row where it is narrow, and as high as its panels and legend need."""
    together = 1.6 if picture.share == "y" else 2.2  # inches of a panel beside others
    columns = max(1, min(picture.columns, int(width / together)))
    same = columns == picture.columns
    share = "" if picture.share == "rows" and not same else picture.share
    heights, rows = picture.heights if same else (), -(-len(picture.panels) // columns)
    beside = picture.legend and Picture.legend  # as many as fit in smaller letters
    shape = replace(picture, width=width, columns=columns, share=share, heights=heights)
    shape = replace(shape, legend=beside)
    scale = PRINTED_LETTERS_POINTS / style.MATPLOTLIB_SETTINGS["font.size"]
    drawn = figure(replace(shape, height=2.0 * rows + 2.0), scale=scale)
    for _ in range(2):  # names that wrap, or a legend in other letters, change the height again
        with style.applied(scale):
            drawn.draw_without_rendering()
        lacking = np.zeros((rows, columns))
        panels = zip(picture.panels, drawn.axes, strict=False)
        for number, (panel, axes) in enumerate(panels):
            wanted = _inches_high(panel, axes, width / columns)
            lacking.flat[number] = wanted - axes.bbox.height / drawn.dpi
        added = float(lacking.max(axis=1).sum())
        drawn.set_figheight(max(drawn.get_figheight() + added, 1.0))
    return drawn


def _inches_high(panel: Panel, axes: Axes, width: float) -> float:
    """What a panel of this width needs: room for the names of its rows, or a pleasant shape."""
    if not (rows := row_count(panel)):
        return float(np.clip(0.62 * width, 1.1, 3.2))
    names = [name.get_text() for name in axes.get_yticklabels()]
    lines = max((name.count("\n") + 1 for name in names), default=1)
    named = len(panel.y.names or ()) == rows
    return max(0.6, rows * (0.03 + 0.125 * lines if named else 0.036 if rows > 9 else 0.16))


def add_panel(axes: Axes, panel: Panel, names_left: bool = False) -> None:
    """Draw one panel on axes of any figure."""
    for mark in panel.marks:
        add_mark(axes, mark)
    _scale(axes.xaxis, panel.x)
    _scale(axes.yaxis, panel.y)
    if not panel.grid:
        axes.grid(visible=False)
    if panel.title:
        side: Any = "left" if names_left else "center"
        axes.set_title(drawable(panel.title), fontsize=style.letters(9.5), loc=side)
    if panel.remark:
        box: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
        corner: Any = {"ha": "right", "va": "top", "transform": axes.transAxes, "zorder": 4}
        corner["fontsize"] = style.letters(8)
        axes.text(0.99, 0.98, drawable(panel.remark), bbox=box, **corner)


def add_mark(axes: Axes, mark: Mark) -> None:
    """Draw one mark; its entry of the legend is its artist's label."""
    match mark:
        case Curve():
            _curve(axes, mark)
        case Points():
            _points(axes, mark)
        case Bars():
            _bars(axes, mark)
        case Rules():
            look: Any = {"color": INK, "lw": 0.9, "ls": mark.line, "label": entry(mark.title)}
            for draw, values in ((axes.axvline, mark.x), (axes.axhline, mark.y)):
                for at in values:
                    draw(at, **look)
        case Texts():
            font: Any = {"weight": "bold" if mark.bold else "normal"}
            font |= {"fontsize": style.letters(mark.size)}
            font |= {"color": mark.colour, "ha": mark.align, "va": "center"}
            for x, y, words in zip(mark.x, mark.y, mark.words, strict=True):
                axes.text(x, y, drawable(words), **font)
        case Heat():
            _heatmap(axes, mark)


def _curve(axes: Axes, mark: Curve) -> None:
    """A line with eight markers and a band, or with a marker and a bar at each point."""
    look = mark.look
    drawn: Any = {"color": look.colour, "linestyle": look.line, "linewidth": mark.width}
    drawn |= {"marker": look.marker, "label": entry(look.title) or None}
    if mark.low is not None and mark.high is not None:
        if mark.bars:
            ends = np.maximum([mark.y - mark.low, mark.high - mark.y], 0.0)
            axes.errorbar(mark.x, mark.y, yerr=ends, **drawn)
            return
        fill = axes.fill_between if mark.across == "y" else axes.fill_betweenx
        along = mark.x if mark.across == "y" else mark.y
        # several may overlap
        fill(along, mark.low, mark.high, color=look.colour, alpha=0.18, linewidth=0)
    every = max(1, len(mark.x) // 8)
    marked = [*mark.marked] or (every // 2, every)
    steps = "steps-post" if mark.steps else "default"
    axes.plot(mark.x, mark.y, markevery=marked, drawstyle=steps, **drawn)


def _points(axes: Axes, mark: Points) -> None:
    look = mark.look
    drawn: Any = {"color": look.colour, "marker": look.marker, "linestyle": "none"}
    if mark.hollow:
        drawn |= {"markerfacecolor": "white", "markeredgewidth": 1.1}
        drawn["markersize"] = style.letters(mark.size)
        drawn |= {"label": entry(look.title), "zorder": 2 if mark.beneath else 3}
        # no points without clipping would spoil the layout
        axes.plot(mark.x, mark.y, clip_on=not len(mark.x), **drawn)
        return
    # markers without a face: their strokes are drawn thicker, and in the scheme's colour
    strokes = look.marker in STROKES
    wider = STROKES.get(look.marker, 1.0)
    drawn["markersize"] = style.letters(wider * mark.size + 2 * mark.ringed)
    drawn["markeredgecolor"] = INK if mark.ringed and not strokes else look.colour
    drawn["markeredgewidth"] = min(2.2, 0.4 * mark.size) if strokes else None
    drawn["label"] = entry(look.title) or None
    axes.errorbar(mark.x, mark.y, xerr=mark.dx, yerr=mark.dy, **drawn)


def _bars(axes: Axes, mark: Bars) -> None:
    from matplotlib.collections import PolyCollection

    fill = mark.fill
    low, high = mark.rows - fill.height / 2, mark.rows + fill.height / 2
    corners = [mark.start, low, mark.start, high, mark.end, high, mark.end, low]
    drawn: Any = {"facecolor": fill.colour, "edgecolor": shade(INK, 0.25), "linewidth": 0.3}
    if fill.outline:
        drawn = {"facecolor": "none", "edgecolor": fill.colour, "linewidth": 1.6}
    boxes = list(np.stack(corners, axis=1).reshape(-1, 4, 2))
    label = entry(fill.title) or None
    axes.add_collection(PolyCollection(boxes, hatch=fill.hatch, label=label, **drawn))


def _heatmap(axes: Axes, mark: Heat) -> None:
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    low, top = mark.limits
    norm: Any = (LogNorm if mark.log else Normalize)(low, top)
    values = np.maximum(mark.values, low) if mark.log else mark.values
    drawn: Any = {"cmap": "Blues", "norm": norm, "aspect": "auto", "interpolation": "nearest"}
    image = axes.imshow(values, extent=(*mark.sides, len(values) - 0.5, -0.5), **drawn)
    axes.grid(visible=False)
    if len(mark.values) <= 32:  # white lines between more rows would cover them
        axes.hlines(np.arange(1, len(mark.values)) - 0.5, *mark.sides, color="white", linewidth=2)
    if not mark.bar:
        return
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02, label=drawable(mark.label))
    if not (mark.log or top <= 1 or np.mod(mark.values[np.isfinite(mark.values)], 1).any()):
        bar.set_ticks(MaxNLocator(integer=True))  # they count something
    if mark.log and top < 100 * low:
        style.log_axis(bar.ax.yaxis, mantissas(top / low))


def _scale(axis: Any, asked: Axis) -> None:
    """Label, scale, ends and ticks of ``axes.xaxis`` or ``axes.yaxis``."""
    axis.set_label_text(drawable(asked.label))
    ends = axis.axes.set_xlim if axis.axis_name == "x" else axis.axes.set_ylim
    if asked.low is not None and asked.high is not None:
        ends(asked.low, asked.high)  # first: a logarithm finds no margins around 1e149
    if asked.log:
        style.log_axis(axis, asked.ticks)
    if asked.low is not None or asked.high is not None:
        ends(asked.low, asked.high)
    if asked.names is not None:
        positions = range(len(asked.names)) if asked.places is None else asked.places
        names, size = [*map(drawable, asked.names)], style.letters(8.5)
        ticks = axis.set_ticks(list(positions), names, fontsize=size)
        if all(map(str.isdigit, asked.names)):  # which ascend: the last is as wide as any
            for tick in ticks[1:-1]:
                tick.label1.set_in_layout(False)
        if asked.strong:
            for position, label in zip(positions, axis.get_ticklabels(), strict=True):
                if position in asked.strong:
                    label.set(color=STRONG_COLOUR, fontweight="bold")


def _same_limits(axes: Axes, panels: Sequence[Panel]) -> None:
    """Where panels share a vertical axis, it spans what each of them asks for."""
    lows = [panel.y.low for panel in panels if panel.y.low is not None]
    highs = [panel.y.high for panel in panels if panel.y.high is not None]
    if lows and not highs:  # the other end is that of all marks, and not of the first panel's
        axes.autoscale(axis="y")
        axes.set_ylim(bottom=min(lows))
    if lows and highs:
        turned = lows[0] > highs[0]
        axes.set_ylim(*((max(lows), min(highs)) if turned else (min(lows), max(highs))))


def _one_scale(panels: list[Axes]) -> None:
    """Where one panel's horizontal axis is logarithmic, all are, so that they can be compared."""
    if len({axes.get_xscale() for axes in panels}) == 1:
        return
    for axes in panels:
        axes.set_xscale("log")
        axes.autoscale(axis="x")
        low, high = axes.get_xlim()
        style.log_axis(axes.xaxis, ticks=(1, 2, 5) if high < 60 * low else ())


def _label_once(panels: list[Axes], picture: Picture) -> None:
    """A shared vertical axis is named in the first column, a horizontal one under each column."""
    for number, axes in enumerate(panels):
        if number % picture.columns and picture.share in ("y", "rows"):
            axes.set_ylabel("")
        below = picture.panels[number + picture.columns :][:1]
        if below and below[0].x.label == picture.panels[number].x.label:
            axes.set_xlabel("")
