"""A picture for a page: its panels as SVG, what a screen reader says, and the legend."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup

from ....sim.base.errors import escaped
from ....sim.base.types import FloatArray
from ...text import shortened, unbroken
from ..looks import INK, MUTED
from ..picture import Axis, Bars, Curve, Heat, Looked, Mark, Panel, Picture, Points, Rules, Texts
from ..style import TWO_PANELS
from .marks import (
    LINE_UNITS,
    TEXT_TEMPLATE,
    UNITS_PER_POINT,
    PageStyle,
    PanelScales,
    colour_bar,
    draw_mark,
    hatched,
    stroke,
)
from .scale import (
    Limits,
    Scale,
    digits,
    finite_values,
    limits,
    linear_ticks,
    log_ticks,
    piece,
    readable,
    tick_text,
    whole_ticks,
)

# units that a character of a tick is wide, in the larger type of a narrow window
CHARACTER_UNITS = 8.2
# share of the width that names beside the axis take at most; units that they are away from it
MAX_LEFT_SHARE, NAME_GAP_UNITS = 0.42, 16
MAX_NAME_CHARACTERS = 160  # characters of a name on an axis
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
    narrow: float = 0.0  # height of a second drawing, for a narrow window, if there is one


@dataclass(frozen=True)
class DrawnPanel:
    """A panel of a page: its SVG, which is so many units wide, and what a pointer reads in it."""

    ident: str
    title: tuple[str, ...]
    svg: Markup
    values: Mapping[str, Any]
    width: float
    narrow: str = ""  # the SVG again, for a narrow window in place of a wide one


def draw_panel(
    panel: Panel,
    name: str,
    ident: str,
    layout: PanelLayout,
    page_style: PageStyle,
    owner: Mapping[str, str],
) -> DrawnPanel:
    """Draw a panel of the picture ``name``; no other part of the page has its ``ident``.
    ``owner`` is the title of each colour, under which marks without one are hidden."""
    y = Scale(*layout.y, layout.height - BOTTOM, TOP, layout.y_log)
    ticks = [(at, _folded(lines, layout.width)) for at, lines in _ticks(panel.y, y)]
    strong = panel.y.strong
    bold = 1.2  # times that a bold character is wider
    wide = (len(line) * (bold if at in strong else 1) for at, lines in ticks for line in lines)
    named = NAME_GAP_UNITS + CHARACTER_UNITS * max(wide, default=0)
    left = min(named, MAX_LEFT_SHARE * layout.width)
    x = Scale(*layout.x, left, layout.width - RIGHT, layout.x_log)
    at = PanelScales(x, y, page_style)
    drawn = [draw_mark(mark, at, title) for mark, title in _titled(panel.marks, owner)]
    title = tuple(escaped(line) for line in panel.title.split("\n") if line)
    label = ": ".join([name, ", ".join(title)] if title else [name])
    clip, inside = f"{ident}-clip", (left - 1, TOP - 1, x.end - left + 2, y.start - TOP + 2)
    rectangle = '<clipPath id="{}"><rect x="{}" y="{}" width="{}" height="{}"/></clipPath>'
    pieces = [
        piece('<desc id="{}-desc">{}</desc>', ident, alt_text(panel, at)),
        piece(rectangle, clip, *inside),
        *_axes(panel, at, ticks),
        piece('<g clip-path="url(#{})">{}</g>', clip, Markup("").join(svg for svg, _ in drawn)),
    ]
    heatmap = next((mark for mark in panel.marks if isinstance(mark, Heat)), None)
    if heatmap is not None and heatmap.bar:
        pieces.append(colour_bar(heatmap, x.end, TOP - 9))
    if panel.remark:
        pieces.append(piece(TEXT_TEMPLATE, "rm", "end", x.end - 4, TOP + 12, escaped(panel.remark)))
    svg = piece(
        '<svg id="{0}" class="panel{5}" viewBox="0 0 {1} {2}" role="img" aria-label="{3}" '
        'aria-describedby="{0}-desc">{4}</svg>',
        *(ident, layout.width, layout.height, shortened(label), Markup("").join(pieces)),
        "" if layout.width < ROWS_WIDTH else " broad" if layout.narrow else " labelled",
    )
    read = [values for _, values in drawn if values]
    values = {"x": _axis_values(panel.x, x), "y": _axis_values(panel.y, y), "marks": read}
    if not layout.narrow:
        return DrawnPanel(ident, title, svg, values, layout.width)
    small = replace(layout, width=ALONE_WIDTH, height=layout.narrow, narrow=0.0)
    small_panel = draw_panel(panel, name, f"{ident}-narrow", small, page_style, owner)
    values["narrow"] = {side: small_panel.values[side] for side in "xy"}
    return DrawnPanel(ident, title, svg, values, layout.width, small_panel.svg)


def _titled(marks: Sequence[Mark], owner: Mapping[str, str]) -> Iterator[tuple[Mark, str]]:
    """Each mark with the entry of the legend under which it is hidden."""
    before = ""
    for mark in marks:
        match mark:
            case Curve() | Points():
                yield mark, mark.title or owner.get(mark.colour, "")
            case Bars():
                before = mark.title or before
                yield mark, before
            case _:
                yield mark, ""


def _ticks(
    axis: Axis, scale: Scale, counted: FloatArray | None = None
) -> list[tuple[float, list[str]]]:
    """Places and names of ticks; whole numbers where all that is ``counted`` are."""
    if axis.names is not None:
        positions = axis.places if axis.places is not None else range(len(axis.names))
        return [(float(at), _lines(name)) for at, name in zip(positions, axis.names, strict=False)]
    reach = (scale.low, scale.high)
    fitted = log_ticks(*reach, axis.ticks) if scale.log else linear_ticks(*reach)
    if not (counted is None or scale.log or np.any(counted % 1)) and len(np.unique(counted)) > 2:
        fitted = whole_ticks(*reach, min(float(counted.max()), scale.high))
    values = fitted if axis.places is None else axis.places
    return [(float(at), [tick_text(float(at), scale.log)]) for at in values]


def _lines(name: str) -> list[str]:
    return [unbroken(shortened(escaped(line), MAX_NAME_CHARACTERS)) for line in name.split("\n")]


def _folded(lines: Sequence[str], width: float) -> list[str]:
    """The lines of a name beside a panel that is so wide; those of one are about as long."""
    room = int((MAX_LEFT_SHARE * width - NAME_GAP_UNITS) / CHARACTER_UNITS)
    folded_lines = list[str]()
    for line in lines:
        folded = textwrap.wrap(line, room, break_on_hyphens=False)
        least = max(len(line) // max(1, len(folded)), min(room, max(map(len, line.split(" ")))))
        tried = (textwrap.wrap(line, m, break_on_hyphens=False) for m in range(least, room))
        alike = (some for some in tried if len(some) == len(folded))
        folded_lines += next(alike, folded) or [""]
    return folded_lines


def _axes(panel: Panel, at: PanelScales, ticks: list[tuple[float, list[str]]]) -> Iterator[Markup]:
    x, y, lines = at.x, at.y, Markup("")
    bottom, right = y.start, x.end
    counted = finite_values(panel.marks, "x")
    for position, name in _fitting(_ticks(panel.x, x, counted), x):
        lines += piece("M{} {}V{}", position, bottom, y.end)
        yield piece(TEXT_TEMPLATE, "tk", "middle", position, bottom + 15, name)
    for value, names in ticks:
        height = float(y(np.array([value]))[0])
        if not (y.end - 1 <= height <= y.start + 1):
            continue
        lines += piece("M{} {}H{}", x.start, height, right)
        for number, line in enumerate(names):
            shift = 4 + LINE_UNITS * (number - (len(names) - 1) / 2)
            kind = "tk strong" if value in panel.y.strong else "tk"
            yield piece(TEXT_TEMPLATE, kind, "end", x.start - 6, height + shift, line)
    if panel.grid:
        yield piece('<path class="grid" d="{}"/>', lines)
    yield piece('<path class="axis" d="M{} {}V{}H{}"/>', x.start, y.end, bottom, right)
    label = _label(panel.x)
    middle = min((x.start + right) / 2, right + RIGHT - CHARACTER_UNITS * len(label) / 2)
    yield piece(TEXT_TEMPLATE, "al", "middle", middle, bottom + 34, label)
    if panel.y.label:
        yield piece(TEXT_TEMPLATE, "al", "start", 6.0, TOP - 11, _label(panel.y))


def _label(axis: Axis) -> str:
    """In one line: a page has room beside it, where a file breaks it."""
    return escaped(axis.label.replace("\n", " "))


def _fitting(ticks: list[tuple[float, list[str]]], x: Scale) -> Iterator[tuple[float, str]]:
    """Where the names stand that do not run into each other."""
    last = -np.inf
    for value, lines in ticks:
        position, name = float(x(np.array([value]))[0]), " ".join(lines)
        half = CHARACTER_UNITS * len(name) / 2
        if x.start - 1 <= position <= x.end + 1 and position - half > last + 4:
            last = position + half
            yield position, name


def _axis_values(axis: Axis, scale: Scale) -> dict[str, Any]:
    values: dict[str, Any] = {
        "label": _label(axis),
        "ends": [float(f"{v:.9g}") for v in (scale.low, scale.high)],
        "at": [round(scale.start, 1), round(scale.end, 1)],
    }
    if scale.log:
        values["log"] = 1
    if axis.names:
        names = [escaped(name).replace("\n", " ") for name in axis.names]
        values["names"] = [shortened(name, MAX_NAME_CHARACTERS) for name in names]
        if axis.places is not None:
            values["places"] = readable(np.array(axis.places, dtype=np.float64))
    return values


def alt_text(panel: Panel, at: PanelScales, most: int = 12) -> str:
    """The panel in words, for who cannot see it: axes, and where schemes begin and end, at most
    so many."""
    sentences = []
    for which, axis, scale in (("Horizontal", panel.x, at.x), ("Vertical", panel.y, at.y)):
        log = ", logarithmic" if scale.log else ""
        span = f", from {digits(scale.low)} to {digits(scale.high)}"
        ends = span if axis.names is None else ""
        sentences.append(f"{which}: {_label(axis) or 'rows'}{ends}{log if ends else ''}.")
    spoken = [text for mark in panel.marks if (text := _said_mark(mark))]
    sentences += spoken[:most]
    more = len(spoken) - most
    sentences += [f"And {more} more."] if more > 0 else []
    sentences += [f"{escaped(panel.remark)}."] if panel.remark else []
    return " ".join(sentences)


def _said_mark(mark: Mark) -> str:
    words = ""
    match mark:
        case Curve():
            known = np.flatnonzero(np.isfinite(mark.x) & np.isfinite(mark.y))
            ends = (*known[:1], *known[-1:])
            words = ", ".join(f"{digits(mark.y[end])} at {digits(mark.x[end])}" for end in ends)
        case Points() if len(mark.x) == 1:
            words = f"{digits(mark.y[0])} at {digits(mark.x[0])}"
        case Points() if len(mark.x):
            words = f"{len(mark.x)} points"
        case Bars() if len(mark.rows) == 1:
            words = f"{digits(mark.start[0])} to {digits(mark.end[0])}"
        case Bars() if len(mark.rows):
            words = f"{len(mark.rows)} bars"
        case Heat():
            rows, columns = mark.values.shape
            low, high = mark.limits
            return f"{rows} rows of {columns} shades, from {digits(low)} to {digits(high)}."
    return f"{escaped(mark.title)}: {words}." if mark.title and words else ""


# units that a panel is wide: alone, or of many rows
ALONE_WIDTH, ROWS_WIDTH = 480.0, 880.0


@dataclass(frozen=True)
class LegendEntry:
    """An entry of a legend: a small drawing and words. Its number is -1 where it hides nothing."""

    title: str
    swatch: Markup
    key: int


@dataclass(frozen=True)
class DrawnPicture:
    """A picture of a page: panels row by row. A wide one needs the width of the page."""

    panels: list[DrawnPanel]
    entries: list[LegendEntry]
    heading: str
    wide: bool


def draw_picture(picture: Picture, name: str, ident: str, page_style: PageStyle) -> DrawnPicture:
    """Draw a picture called ``name``; ``ident`` begins all identifiers of its own."""
    # the panels in which there is something to see; all if there is nothing anywhere
    seen = [panel for panel in picture.panels if any(map(_seen, panel.marks))]
    picture = replace(picture, panels=seen or picture.panels)
    several = len(picture.panels) > 1 and not any(map(row_count, picture.panels))
    wide = picture.columns == 1 and (several or picture.width >= TWO_PANELS)
    how = several and not wide, len(picture.panels) < 3, wide
    layouts = [_frame(panel, *how) for panel in picture.panels]
    layouts = _shared(picture, layouts)
    owner: dict[str, str] = {}
    for mark in (mark for panel in picture.panels for mark in panel.marks):
        if isinstance(mark, Looked) and mark.title and mark.colour not in (INK, MUTED):
            owner.setdefault(mark.colour, mark.title)
    pairs = enumerate(zip(picture.panels, layouts, strict=True), start=1)
    panels = [
        draw_panel(panel, name, f"{ident}-{number}", layout, page_style, owner)
        for number, (panel, layout) in pairs
    ]
    wide = len(picture.panels) > 1 or any(layout.width == ROWS_WIDTH for layout in layouts)
    return DrawnPicture(panels, _entries(picture, page_style), escaped(picture.heading), wide)


def _seen(mark: Mark) -> bool:
    match mark:
        case Curve() | Points():
            return bool(np.any(np.isfinite(mark.x) & np.isfinite(mark.y)))
        case Bars():
            return bool(len(mark.rows))
        case Heat():
            return bool(np.isfinite(mark.values).any())
        case Texts():
            return bool(len(mark.words))
    return False


def row_count(panel: Panel) -> int:
    """Rows of a panel that has names instead of numbers on its vertical axis; 0 for others."""
    if heatmap_rows := [len(mark.values) for mark in panel.marks if isinstance(mark, Heat)]:
        return heatmap_rows[0]
    if panel.y.log or any(position % 1 for position in panel.y.places or ()):  # names of numbers
        return 0
    if panel.y.names is None or panel.y.low is None or panel.y.high is None:
        return len(panel.y.names or ())
    return round(abs(panel.y.low - panel.y.high))


def _high(panel: Panel, rows: int, alone: bool, width: float) -> float:
    """The height of a panel of rows that is so wide: 330 units for all rows, 8 to 24 for each (15
    where there are three panels or more). Up to 40 rows have room for names of several lines."""
    most = 24.0 if alone else 15.0
    names = [_folded(_lines(name), width) for name in panel.y.names or ()]
    lines = max(map(len, names), default=1) if len(names) == rows else 1
    least = max(8.0, 330.0 / rows)
    high = min(most, least) if lines == 1 or rows > 40 else max(least, LINE_UNITS * lines + 4)
    return max(70 + rows * min(max(most, LINE_UNITS * lines + 4), high), 130.0)


def _frame(panel: Panel, several: bool, alone: bool, wide: bool) -> PanelLayout:
    """The size of a panel that shares no axis, and the ends of its axes."""
    width, height = (400.0, 268.0) if several else (ROWS_WIDTH if wide else ALONE_WIDTH, 310.0)
    narrow = height
    if rows := row_count(panel):
        few = rows <= 12 and not any(isinstance(mark, Heat) for mark in panel.marks)
        bars = sum(len(mark.rows) for mark in panel.marks if isinstance(mark, Bars))
        width = ALONE_WIDTH if few and bars <= max(3 * rows, 6) and not wide else ROWS_WIDTH
        height, narrow = (_high(panel, rows, alone, of) for of in (width, ALONE_WIDTH))
    x, y = limits(panel.x, panel.marks, "x"), limits(panel.y, panel.marks, "y")
    if width < ROWS_WIDTH or any(isinstance(mark, Texts) for mark in panel.marks):
        narrow = 0.0  # words in a panel would not fit
    return PanelLayout(width, height, x, y, panel.x.log, panel.y.log, narrow)


def _shared(picture: Picture, layouts: list[PanelLayout]) -> list[PanelLayout]:
    """The same ends where panels share an axis; one kind of horizontal axis beside each other."""
    if len(layouts) < 2:
        return layouts
    if picture.share == "rows":
        in_rows, size = [], picture.columns
        for start in range(0, len(layouts), size):
            row = replace(picture, panels=picture.panels[start : start + size], share="y")
            in_rows += _shared(row, layouts[start : start + size])
        return in_rows
    if picture.share == "y":
        turned = layouts[0].y[0] > layouts[0].y[1]
        low, high = (pick(end for f in layouts for end in f.y) for pick in (min, max))
        reach = (high, low) if turned else (low, high)
        logs = {layout.y_log for layout in layouts}
        log = logs == {True} or (True in logs and low > 0)
        layouts = [replace(layout, y=reach, y_log=log) for layout in layouts]
        if any(layout.x_log for layout in layouts):
            for number, panel in enumerate(picture.panels):
                axis = replace(panel.x, log=True, low=None, high=None)
                reach = limits(axis, panel.marks, "x")
                layouts[number] = replace(layouts[number], x=reach, x_log=True)
    if picture.share == "x":
        low, high = (pick(end for f in layouts for end in f.x) for pick in (min, max))
        layouts = [replace(layout, x=(low, high)) for layout in layouts]
    return layouts


def _entries(picture: Picture, page_style: PageStyle) -> list[LegendEntry]:
    marks: dict[str, Mark] = {}
    for panel in picture.panels:
        for mark in panel.marks:
            if mark.title and (picture.legend or mark.title in picture.last):
                marks.setdefault(mark.title, mark)  # without a legend, names stand on an axis
    last = [title for title in picture.last if title in marks]
    return [
        LegendEntry(
            shortened(escaped(title), 120),
            swatch(marks[title], page_style),
            -1 if title in last or isinstance(marks[title], Rules) else page_style.key(title),
        )
        for title in (*(title for title in marks if title not in last), *last)
    ]


def swatch(mark: Mark, page_style: PageStyle) -> Markup:
    """A small drawing of a mark, for a legend."""
    match mark:
        case Curve() | Points() if mark.look.marker:
            name = page_style.marker(mark.look.marker)
            size = 6.0 if isinstance(mark, Curve) or len(mark.x) else mark.size
            template = '<use href="#{}" transform="translate(14 8)scale({})"/>'
            drawing = piece(template, name, size * UNITS_PER_POINT)
            if isinstance(mark, Curve):
                drawing = stroke(mark.look, mark.width * UNITS_PER_POINT, "M1 8H27") + drawing
            elif mark.hollow:
                drawing = piece('<g class="hollow">{}</g>', drawing)
        case Curve():
            drawing = stroke(mark.look, mark.width * UNITS_PER_POINT, "M1 8H27")
        case Points():
            drawing = Markup('<path class="ln" stroke-width="1.8" d="M4 8H24"/>')
        case Bars():
            drawing = hatched(mark.fill, "M3 2H25V14H3Z", page_style)
        case Rules() if len(mark.y):
            drawing = Markup('<path class="rule" d="M1 8H27"/>')
        case _:
            drawing = Markup('<path class="rule" d="M14 1V15"/>')
    template = '<svg class="swatch {}" viewBox="0 0 28 16" aria-hidden="true">{}</svg>'
    return piece(template, page_style.ink(mark.colour), drawing)
