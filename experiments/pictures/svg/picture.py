"""A picture for a page: its panels as SVG, what a screen reader says, and the legend."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup

from ...config.errors import escaped, shortened
from ..looks import INK, MUTED, Look
from ..picture import Axis, Bars, Curve, Fill, Heat, Mark, Panel, Picture, Points, Rules
from .marks import LINE, PageStyle, PanelScales, colour_bar, dashes, draw_mark
from .scale import (
    Limits,
    Scale,
    limits,
    linear_ticks,
    log_ticks,
    readable,
    said,
    tenth,
    tick_text,
)

# A panel.


CHARACTER = 6.3
"""Units that a character of a tick is wide."""

MOST_SAID = 12
"""Schemes of which a description gives numbers."""

MOST_LEFT, BESIDE = 0.42, 16
"""Share of the width that names beside the axis take at most; units that they are away from it."""

LONGEST = 60
"""Characters of a name on an axis."""

TOP, BOTTOM, RIGHT = 26.0, 42.0, 14.0


@dataclass(frozen=True)
class PanelLayout:
    """The size of a drawing, and the ends that its axes share with others."""

    width: float
    height: float
    x: Limits
    y: Limits
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
    panel: Panel,
    name: str,
    ident: str,
    layout: PanelLayout,
    page_style: PageStyle,
    owner: Mapping[str, str],
) -> DrawnPanel:
    """Draw a panel.

    Args:
        panel: what it shows.
        name: what the whole picture is called.
        ident: an identifier that no other part of the page has.
        layout: its size and ends.
        page_style: of the page.
        owner: titles of colours, for marks without a title.
    """
    room = int((MOST_LEFT * layout.width - BESIDE) / CHARACTER)
    ticks = [(at, _folded(lines, room)) for at, lines in _ticks(panel.y, layout.y, layout.y_log)]
    longest = max((len(line) for _, lines in ticks for line in lines), default=0)
    left = min(BESIDE + CHARACTER * longest, MOST_LEFT * layout.width)
    x = Scale(*layout.x, left, layout.width - RIGHT, layout.x_log)
    y = Scale(*layout.y, layout.height - BOTTOM, TOP, layout.y_log)
    at = PanelScales(x, y, page_style, owner)
    drawn = [draw_mark(mark, at, title) for mark, title in _titled(panel.marks, at)]
    title = tuple(escaped(line) for line in panel.title.split("\n") if line)
    label = ": ".join([name, ", ".join(title)] if title else [name])
    clip = f"{ident}-clip"
    heats = [mark for mark in panel.marks if isinstance(mark, Heat)]
    parts = [
        Markup('<desc id="{}-desc">{}</desc>').format(ident, alt_text(panel, layout)),
        Markup('<clipPath id="{}"><rect x="{}" y="{}" width="{}" height="{}"/></clipPath>').format(
            clip, *map(tenth, (left - 1, TOP - 1, layout.width - RIGHT - left + 2,
                               layout.height - BOTTOM - TOP + 2)),
        ),
        *_axes(panel, x, y, ticks, layout),
        Markup('<g clip-path="url(#{})">{}</g>').format(
            clip, Markup("").join(each.svg for each in drawn)
        ),
        *(colour_bar(mark, layout.width - RIGHT, TOP - 9) for mark in heats[:1]),
    ]  # fmt: skip
    if panel.remark:
        parts.append(
            Markup('<text class="rm" text-anchor="end" x="{}" y="{}">{}</text>').format(
                tenth(layout.width - RIGHT - 4), tenth(TOP + 12), escaped(panel.remark)
            )
        )
    svg = Markup(
        '<svg id="{0}" class="panel" viewBox="0 0 {1} {2}" role="img" aria-label="{3}" '
        'aria-describedby="{0}-desc">{4}</svg>'
    ).format(
        ident,
        tenth(layout.width),
        tenth(layout.height),
        shortened(label),
        Markup("").join(parts),
    )
    values = {
        "x": _axis_values(panel.x, x),
        "y": _axis_values(panel.y, y),
        "marks": [each.values for each in drawn if each.values],
    }
    return DrawnPanel(ident, title, svg, values, layout.width)


def _titled(marks: Sequence[Mark], at: PanelScales) -> Iterator[tuple[Mark, str]]:
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


def layout_of(panel: Panel, width: float, height: float) -> PanelLayout:
    """The ends of a panel that shares no axis."""
    return PanelLayout(
        width,
        height,
        limits(panel.x, panel.marks, "x"),
        limits(panel.y, panel.marks, "y"),
        panel.x.log,
        panel.y.log,
    )


def _ticks(axis: Axis, reach: Limits, log: bool) -> list[tuple[float, list[str]]]:
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
    panel: Panel, x: Scale, y: Scale, ticks: list[tuple[float, list[str]]], layout: PanelLayout
) -> Iterator[Markup]:
    bottom, right = y.start, x.end
    text = Markup('<text class="{}" text-anchor="{}" x="{}" y="{}">{}</text>')
    lines = []
    for value, name in _fitting(_ticks(panel.x, layout.x, layout.x_log), x):
        at = float(x(np.array([value]))[0])
        lines.append(f"M{tenth(at)} {tenth(bottom)}V{tenth(y.end)}")
        yield text.format("tk", "middle", tenth(at), tenth(bottom + 15), " ".join(name))
    for value, name in ticks:
        at = float(y(np.array([value]))[0])
        if not (y.end - 1 <= at <= y.start + 1):
            continue
        lines.append(f"M{tenth(x.start)} {tenth(at)}H{tenth(right)}")
        for number, part in enumerate(name):
            shift = 4 + LINE * (number - (len(name) - 1) / 2)
            kind = "tk strong" if value in panel.y.strong else "tk"
            yield text.format(kind, "end", tenth(x.start - 6), tenth(at + shift), part)
    if panel.grid:
        yield Markup('<path class="grid" d="{}"/>').format("".join(lines))
    yield Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(
        tenth(x.start), tenth(y.end), tenth(bottom), tenth(right)
    )
    middle = (x.start + right) / 2
    yield text.format("al", "middle", tenth(middle), tenth(bottom + 34), escaped(panel.x.label))
    if panel.y.label:
        yield text.format("al", "start", "6", tenth(TOP - 11), escaped(panel.y.label))


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


def alt_text(panel: Panel, layout: PanelLayout) -> str:
    """The panel in words, for who cannot see it: axes, and where every scheme begins and ends."""
    sentences = [_said_axis("Horizontal", panel.x, layout.x, layout.x_log)]
    sentences.append(_said_axis("Vertical", panel.y, layout.y, layout.y_log))
    spoken = [text for mark in panel.marks if (text := _said_mark(mark))]
    sentences += spoken[:MOST_SAID]
    if len(spoken) > MOST_SAID:
        sentences.append(f"And {len(spoken) - MOST_SAID} more.")
    if panel.remark:
        sentences.append(f"{escaped(panel.remark)}.")
    return " ".join(sentences)


def _said_axis(which: str, axis: Axis, reach: Limits, log: bool) -> str:
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
            low, high = mark.limits
            return f"{rows} rows of {columns} shades, from {said(low)} to {said(high)}."
        case _:
            return ""


# A picture: its panels, which may share axes, and one legend.


ONE, SEVERAL, WIDE = 480.0, 400.0, 880.0
"""Units that a panel is wide: alone, beside others, or of many rows."""

TALL, LOW = 310.0, 268.0
"""Units that a panel is high: alone, or beside others."""

ROW = (8.0, 24.0)
"""Units that a row of bars or shades is high, at least and at most, where there is room."""

CROWDED = 15.0
"""Units that a row is high at most where there are three panels or more."""

ROWS = 330.0
"""Units for rows that ``ROW`` does not bound."""

MOST_TITLE = 120
"""Characters of an entry of a legend."""


@dataclass(frozen=True)
class LegendEntry:
    """An entry of a legend.

    Attributes:
        title: its words.
        swatch: a small drawing.
        key: its number on the page; -1 where it hides nothing.
    """

    title: str
    swatch: Markup
    key: int


@dataclass(frozen=True)
class DrawnPicture:
    """A picture of a page.

    Attributes:
        panels: row by row.
        entries: of the legend.
        heading: above all panels.
        wide: whether it needs the width of the page.
    """

    panels: list[DrawnPanel]
    entries: list[LegendEntry]
    heading: str
    wide: bool


def draw_picture(picture: Picture, name: str, ident: str, page_style: PageStyle) -> DrawnPicture:
    """Draw a picture.

    Args:
        picture: what it shows.
        name: what it is called.
        ident: an identifier that begins all of its own.
        page_style: of the page.
    """
    rows = any(_rows(panel) for panel in picture.panels)
    several = len(picture.panels) > 1 and not rows
    layouts = [_frame(panel, several, len(picture.panels) < 3) for panel in picture.panels]
    layouts = _shared(picture, layouts)
    owner = _owners(picture.panels)
    panels = [
        draw_panel(panel, name, f"{ident}-{place_}", layout, page_style, owner)
        for place_, (panel, layout) in enumerate(zip(picture.panels, layouts, strict=True), start=1)
    ]
    wide = len(picture.panels) > 1 or any(layout.width == WIDE for layout in layouts)
    return DrawnPicture(panels, _entries(picture, page_style), escaped(picture.heading), wide)


def _rows(panel: Panel) -> int:
    """Rows of a panel that has names instead of numbers on its vertical axis; 0 for others."""
    heats = [len(mark.values) for mark in panel.marks if isinstance(mark, Heat)]
    if heats:
        return heats[0]
    if panel.y.names is None or panel.y.low is None or panel.y.high is None:
        return len(panel.y.names or ())
    return round(abs(panel.y.low - panel.y.high))


def _frame(panel: Panel, several: bool, alone: bool) -> PanelLayout:
    rows = _rows(panel)
    if not rows:
        size = (SEVERAL, LOW) if several else (ONE, TALL)
        return layout_of(panel, *size)
    most = ROW[1] if alone else CROWDED
    height = 70 + rows * min(most, max(ROW[0], ROWS / rows))
    few = rows <= 12 and not any(isinstance(mark, Heat) for mark in panel.marks)
    bars = sum(len(mark.rows) for mark in panel.marks if isinstance(mark, Bars))
    return layout_of(panel, ONE if few and bars <= 3 * rows else WIDE, max(height, 130.0))


def _shared(picture: Picture, layouts: list[PanelLayout]) -> list[PanelLayout]:
    """The same ends where panels share an axis; one kind of horizontal axis beside each other."""
    if len(layouts) < 2:
        return layouts
    if picture.share == "rows":
        found, size = [], picture.columns
        for start in range(0, len(layouts), size):
            row = replace(picture, panels=picture.panels[start : start + size], share="y")
            found += _shared(row, layouts[start : start + size])
        return found
    if picture.share == "y":
        turned = layouts[0].y[0] > layouts[0].y[1]
        low, high = (pick(end for f in layouts for end in f.y) for pick in (min, max))
        reach = (high, low) if turned else (low, high)
        log = all(layout.y_log for layout in layouts) or (
            any(layout.y_log for layout in layouts) and low > 0
        )
        layouts = [replace(layout, y=reach, y_log=log) for layout in layouts]
        if any(layout.x_log for layout in layouts):
            layouts = [_logarithmic(p, f) for p, f in zip(picture.panels, layouts, strict=True)]
    if picture.share == "x":
        low, high = (pick(end for f in layouts for end in f.x) for pick in (min, max))
        layouts = [replace(layout, x=(low, high)) for layout in layouts]
    return layouts


def _logarithmic(panel: Panel, layout: PanelLayout) -> PanelLayout:
    axis = replace(panel.x, log=True, low=None, high=None)
    own = layout_of(replace(panel, x=axis), layout.width, layout.height)
    return replace(layout, x=own.x, x_log=True)


def _owners(panels: Sequence[Panel]) -> dict[str, str]:
    """Which title stands for a colour, where some marks of it have none."""
    owners: dict[str, str] = {}
    for panel in panels:
        for mark in panel.marks:
            if isinstance(mark, Curve | Points) and mark.look.title:
                owners.setdefault(mark.look.colour, mark.look.title)
    return {colour: title for colour, title in owners.items() if colour not in (INK, MUTED)}


def _entries(picture: Picture, page_style: PageStyle) -> list[LegendEntry]:
    marks: dict[str, Mark] = {}
    for panel in picture.panels:
        for mark in panel.marks:
            title = _title(mark)
            if title:
                marks.setdefault(title, mark)
    order = [title for title in marks if title not in picture.last]
    order += [title for title in picture.last if title in marks]
    fixed = set(picture.last)
    return [
        LegendEntry(
            shortened(escaped(title), MOST_TITLE),
            swatch(marks[title], page_style),
            -1 if title in fixed or isinstance(marks[title], Rules) else page_style.key(title),
        )
        for title in order
    ]


def _title(mark: Mark) -> str:
    match mark:
        case Curve() | Points():
            return mark.look.title
        case Bars():
            return mark.fill.title
        case Rules():
            return mark.title
        case _:
            return ""


def swatch(mark: Mark, page_style: PageStyle) -> Markup:
    """A small drawing of a mark, for a legend."""
    match mark:
        case Curve():
            parts = _line(mark.look, mark.width, page_style)
            ink = page_style.colours.name(mark.look.colour)
        case Points():
            parts = _line(replace(mark.look, line="none"), 1.0, page_style)
            if mark.hollow:
                parts = Markup('<g class="hollow">{}</g>').format(parts)
            if not mark.look.marker:
                parts = Markup('<path class="ln" stroke-width="1.8" d="M4 8H24"/>')
            ink = page_style.colours.name(mark.look.colour)
        case Bars():
            parts, ink = _box(mark.fill, page_style), page_style.colours.name(mark.fill.colour)
        case _:
            parts, ink = Markup('<path class="rule" d="M14 1V15"/>'), page_style.colours.name(INK)
    return Markup('<svg class="swatch {}" viewBox="0 0 28 16" aria-hidden="true">{}</svg>').format(
        ink, parts
    )


def _line(look: Look, width: float, page_style: PageStyle) -> Markup:
    parts = Markup("")
    if look.line != "none":
        pattern = dashes(look.line, width * 1.25)
        dashed = Markup(' stroke-dasharray="{}"').format(pattern) if pattern else ""
        parts += Markup('<path class="ln" stroke-width="{}"{} d="M1 8H27"/>').format(
            tenth(width * 1.25), dashed
        )
    if look.marker:
        name = page_style.symbols.marker(look.marker)
        parts += Markup('<use href="#{}" transform="translate(14 8)scale(7.5)"/>').format(name)
    return parts


def _box(fill: Fill, page_style: PageStyle) -> Markup:
    parts = Markup('<path class="{}" d="M3 2H25V14H3Z"/>').format("ol" if fill.outline else "br")
    if fill.hatch:
        name = page_style.symbols.hatch(fill.hatch)
        parts += Markup('<path fill="url(#{})" d="M3 2H25V14H3Z"/>').format(name)
    return parts


def titles(entries: Sequence[LegendEntry]) -> Iterator[str]:
    """Titles of the entries that can be hidden."""
    return (entry.title for entry in entries if entry.key >= 0)
