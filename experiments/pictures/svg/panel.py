"""A panel as one SVG, with axes, what a screen reader says of it, and what a pointer reads."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from ...config.escape import escaped, shortened
from ..shown import Axis, Bars, Curve, Heat, Mark, Panel, Points
from .ends import Ends, ends
from .heat import colour_bar
from .marks import Place, draw
from .numbers import place, readable, said
from .scale import Scale, linear_ticks, log_ticks, tick_text
from .sheet import Sheet

CHARACTER = 6.3
"""Units that a character of a tick is wide."""

LINE = 13.0
"""Units between the lines of a name."""

MOST_SAID = 12
"""Schemes of which a description gives numbers."""

MOST_LEFT, BESIDE = 0.42, 16
"""Share of the width that names beside the axis take at most; units that they are away from it."""

LONGEST = 60
"""Characters of a name on an axis."""

TOP, BOTTOM, RIGHT = 26.0, 42.0, 14.0


@dataclass(frozen=True)
class Frame:
    """The size of a drawing, and the ends that its axes share with others."""

    width: float
    height: float
    x: Ends
    y: Ends
    x_log: bool
    y_log: bool


@dataclass(frozen=True)
class DrawnPanel:
    """A panel of a page.

    Attributes:
        ident: identifier of the SVG.
        title: above it, as lines.
        svg: the drawing.
        values: what a pointer reads.
        width: of the drawing, units.
    """

    ident: str
    title: tuple[str, ...]
    svg: Markup
    values: Mapping[str, Any]
    width: float


def draw_panel(
    panel: Panel, name: str, ident: str, frame: Frame, sheet: Sheet, owner: Mapping[str, str]
) -> DrawnPanel:
    """Draw a panel.

    Args:
        panel: what it shows.
        name: what the whole picture is called.
        ident: an identifier that no other part of the page has.
        frame: its size and ends.
        sheet: of the page.
        owner: titles of colours, for marks without a title.
    """
    room = int((MOST_LEFT * frame.width - BESIDE) / CHARACTER)
    ticks = [(at, _folded(lines, room)) for at, lines in _ticks(panel.y, frame.y, frame.y_log)]
    longest = max((len(line) for _, lines in ticks for line in lines), default=0)
    left = min(BESIDE + CHARACTER * longest, MOST_LEFT * frame.width)
    x = Scale(*frame.x, left, frame.width - RIGHT, frame.x_log)
    y = Scale(*frame.y, frame.height - BOTTOM, TOP, frame.y_log)
    at = Place(x, y, sheet, owner)
    drawn = [draw(mark, at, title) for mark, title in _titled(panel.marks, at)]
    title = tuple(escaped(line) for line in panel.title.split("\n") if line)
    label = ": ".join([name, ", ".join(title)] if title else [name])
    clip = f"{ident}-clip"
    heats = [mark for mark in panel.marks if isinstance(mark, Heat)]
    parts = [
        Markup('<desc id="{}-desc">{}</desc>').format(ident, described(panel, frame)),
        Markup('<clipPath id="{}"><rect x="{}" y="{}" width="{}" height="{}"/></clipPath>').format(
            clip, *map(place, (left - 1, TOP - 1, frame.width - RIGHT - left + 2,
                               frame.height - BOTTOM - TOP + 2)),
        ),
        *_axes(panel, x, y, ticks, frame),
        Markup('<g clip-path="url(#{})">{}</g>').format(
            clip, Markup("").join(each.svg for each in drawn)
        ),
        *(colour_bar(mark, frame.width - RIGHT, TOP - 9) for mark in heats[:1]),
    ]  # fmt: skip
    if panel.remark:
        parts.append(
            Markup('<text class="rm" text-anchor="end" x="{}" y="{}">{}</text>').format(
                place(frame.width - RIGHT - 4), place(TOP + 12), escaped(panel.remark)
            )
        )
    svg = Markup(
        '<svg id="{0}" class="panel" viewBox="0 0 {1} {2}" role="img" aria-label="{3}" '
        'aria-describedby="{0}-desc">{4}</svg>'
    ).format(
        ident, place(frame.width), place(frame.height), shortened(label), Markup("").join(parts)
    )
    values = {
        "x": _axis_values(panel.x, x),
        "y": _axis_values(panel.y, y),
        "marks": [each.values for each in drawn if each.values],
    }
    return DrawnPanel(ident, title, svg, values, frame.width)


def _titled(marks: Sequence[Mark], at: Place) -> Iterator[tuple[Mark, str]]:
    """Each mark with the entry of the legend under which it is hidden."""
    before = ""
    for mark in marks:
        match mark:
            case Curve() | Points():
                title = at.title(mark.look)
            case Bars():
                before = mark.fill.title or before
                title = before
            case _:
                title = ""
        yield mark, title


def frame_of(panel: Panel, width: float, height: float) -> Frame:
    """The ends of a panel that shares no axis."""
    return Frame(
        width,
        height,
        ends(panel.x, panel.marks, "x"),
        ends(panel.y, panel.marks, "y"),
        panel.x.log,
        panel.y.log,
    )


def _ticks(axis: Axis, reach: Ends, log: bool) -> list[tuple[float, list[str]]]:
    """Places and names, as lines."""
    if axis.names is not None:
        places = axis.places if axis.places is not None else range(len(axis.names))
        return [
            (float(at), [shortened(escaped(line), LONGEST) for line in name.split("\n")])
            for at, name in zip(places, axis.names, strict=False)
        ]
    if axis.places is not None:
        found = np.array(axis.places)
    else:
        found = log_ticks(*reach, axis.ticks) if log else linear_ticks(*reach)
    return [(float(at), [tick_text(float(at), log)]) for at in found]


def _folded(lines: list[str], room: int) -> list[str]:
    """The lines of a name, none of them longer than ``room`` characters."""
    return [
        part for line in lines for part in textwrap.wrap(line, room, break_on_hyphens=False) or [""]
    ]


def _axes(
    panel: Panel, x: Scale, y: Scale, ticks: list[tuple[float, list[str]]], frame: Frame
) -> Iterator[Markup]:
    bottom, right = y.start, x.end
    text = Markup('<text class="{}" text-anchor="{}" x="{}" y="{}">{}</text>')
    lines = []
    for value, name in _fitting(_ticks(panel.x, frame.x, frame.x_log), x):
        at = float(x(np.array([value]))[0])
        lines.append(f"M{place(at)} {place(bottom)}V{place(y.end)}")
        yield text.format("tk", "middle", place(at), place(bottom + 15), " ".join(name))
    for value, name in ticks:
        at = float(y(np.array([value]))[0])
        if not (y.end - 1 <= at <= y.start + 1):
            continue
        lines.append(f"M{place(x.start)} {place(at)}H{place(right)}")
        for number, part in enumerate(name):
            shift = 4 + LINE * (number - (len(name) - 1) / 2)
            yield text.format("tk", "end", place(x.start - 6), place(at + shift), part)
    if panel.grid:
        yield Markup('<path class="grid" d="{}"/>').format("".join(lines))
    yield Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(
        place(x.start), place(y.end), place(bottom), place(right)
    )
    middle = (x.start + right) / 2
    yield text.format("al", "middle", place(middle), place(bottom + 34), escaped(panel.x.label))
    if panel.y.label:
        yield text.format("al", "start", "6", place(TOP - 11), escaped(panel.y.label))


def _fitting(ticks: list[tuple[float, list[str]]], x: Scale) -> Iterator[tuple[float, list[str]]]:
    """The ticks on the axis whose names do not run into each other."""
    last = -np.inf
    for value, name in ticks:
        at = float(x(np.array([value]))[0])
        half = CHARACTER * len(" ".join(name)) / 2
        if x.start - 1 <= at <= x.end + 1 and at - half > last + 4:
            last = at + half
            yield value, name


def _axis_values(axis: Axis, scale: Scale) -> dict[str, Any]:
    values: dict[str, Any] = {
        "label": escaped(axis.label),
        "ends": [float(f"{v:.9g}") for v in (scale.low, scale.high)],
        "at": [round(scale.start, 1), round(scale.end, 1)],
    }
    if scale.log:
        values["log"] = 1
    if axis.names:
        names = [escaped(name).replace("\n", " ") for name in axis.names]
        values["names"] = [shortened(name, 2 * LONGEST) for name in names]
        if axis.places is not None:
            values["places"] = readable(np.array(axis.places, dtype=np.float64))
    return values


def described(panel: Panel, frame: Frame) -> str:
    """The panel in words, for who cannot see it: axes, and where every scheme begins and ends."""
    sentences = [_said_axis("Horizontal", panel.x, frame.x, frame.x_log)]
    sentences.append(_said_axis("Vertical", panel.y, frame.y, frame.y_log))
    spoken = [text for mark in panel.marks if (text := _said_mark(mark))]
    sentences += spoken[:MOST_SAID]
    if len(spoken) > MOST_SAID:
        sentences.append(f"And {len(spoken) - MOST_SAID} more.")
    if panel.remark:
        sentences.append(f"{escaped(panel.remark)}.")
    return " ".join(sentences)


def _said_axis(which: str, axis: Axis, reach: Ends, log: bool) -> str:
    scale = ", logarithmic" if log else ""
    label = escaped(axis.label) or "rows"
    if axis.names is not None:
        return f"{which}: {label}."
    return f"{which}: {label}, from {said(reach[0])} to {said(reach[1])}{scale}."


def _said_mark(mark: Mark) -> str:
    match mark:
        case Curve() if mark.look.title and len(mark.x):
            known = np.flatnonzero(np.isfinite(mark.x) & np.isfinite(mark.y))
            if not known.size:
                return ""
            first, last = known[0], known[-1]
            return (
                f"{escaped(mark.look.title)}: {said(float(mark.y[first]))} at "
                f"{said(float(mark.x[first]))}, {said(float(mark.y[last]))} at "
                f"{said(float(mark.x[last]))}."
            )
        case Points() if mark.look.title and len(mark.x) == 1:
            return (
                f"{escaped(mark.look.title)}: {said(float(mark.y[0]))} at {said(float(mark.x[0]))}."
            )
        case Points() if mark.look.title and len(mark.x):
            return f"{escaped(mark.look.title)}: {len(mark.x)} points."
        case Bars() if mark.fill.title and len(mark.rows) == 1:
            ends = f"{said(float(mark.start[0]))} to {said(float(mark.end[0]))}"
            return f"{escaped(mark.fill.title)}: {ends}."
        case Bars() if mark.fill.title and len(mark.rows):
            return f"{escaped(mark.fill.title)}: {len(mark.rows)} bars."
        case Heat():
            rows, columns = mark.values.shape
            low, high = mark.ends
            return f"{rows} rows of {columns} shades, from {said(low)} to {said(high)}."
        case _:
            return ""
