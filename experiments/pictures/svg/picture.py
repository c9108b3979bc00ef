"""A picture for a page: its panels, the entries of its legend, and its remarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from ...config.escape import escaped, shortened
from ..looks import INK, MUTED, Look
from ..shown import Bars, Curve, Fill, Heat, Mark, Panel, Picture, Points, Rules
from .numbers import place
from .panel import DrawnPanel, Frame, draw_panel, frame_of
from .sheet import Sheet
from .symbols import dashes

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
class Entry:
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
    entries: list[Entry]
    heading: str
    wide: bool


def draw_picture(picture: Picture, name: str, ident: str, sheet: Sheet) -> DrawnPicture:
    """Draw a picture.

    Args:
        picture: what it shows.
        name: what it is called.
        ident: an identifier that begins all of its own.
        sheet: of the page.
    """
    rows = any(_rows(panel) for panel in picture.panels)
    several = len(picture.panels) > 1 and not rows
    frames = [_frame(panel, several, len(picture.panels) < 3) for panel in picture.panels]
    frames = _shared(picture, frames)
    owner = _owners(picture.panels)
    panels = [
        draw_panel(panel, name, f"{ident}-{place_}", frame, sheet, owner)
        for place_, (panel, frame) in enumerate(zip(picture.panels, frames, strict=True), start=1)
    ]
    wide = len(picture.panels) > 1 or any(frame.width == WIDE for frame in frames)
    return DrawnPicture(panels, _entries(picture, sheet), escaped(picture.heading), wide)


def _rows(panel: Panel) -> int:
    """Rows of a panel that has names instead of numbers on its vertical axis; 0 for others."""
    heats = [len(mark.values) for mark in panel.marks if isinstance(mark, Heat)]
    if heats:
        return heats[0]
    if panel.y.names is None or panel.y.low is None or panel.y.high is None:
        return len(panel.y.names or ())
    return round(abs(panel.y.low - panel.y.high))


def _frame(panel: Panel, several: bool, alone: bool) -> Frame:
    rows = _rows(panel)
    if not rows:
        size = (SEVERAL, LOW) if several else (ONE, TALL)
        return frame_of(panel, *size)
    most = ROW[1] if alone else CROWDED
    height = 70 + rows * min(most, max(ROW[0], ROWS / rows))
    few = rows <= 12 and not any(isinstance(mark, Heat) for mark in panel.marks)
    bars = sum(len(mark.rows) for mark in panel.marks if isinstance(mark, Bars))
    return frame_of(panel, ONE if few and bars <= 3 * rows else WIDE, max(height, 130.0))


def _shared(picture: Picture, frames: list[Frame]) -> list[Frame]:
    """The same ends where panels share an axis; one kind of horizontal axis beside each other."""
    if len(frames) < 2:
        return frames
    if picture.share == "y":
        turned = frames[0].y[0] > frames[0].y[1]
        low, high = (pick(end for f in frames for end in f.y) for pick in (min, max))
        reach = (high, low) if turned else (low, high)
        log = all(frame.y_log for frame in frames) or (
            any(frame.y_log for frame in frames) and low > 0
        )
        frames = [replace(frame, y=reach, y_log=log) for frame in frames]
        if any(frame.x_log for frame in frames):
            frames = [_logarithmic(p, f) for p, f in zip(picture.panels, frames, strict=True)]
    if picture.share == "x":
        low, high = (pick(end for f in frames for end in f.x) for pick in (min, max))
        frames = [replace(frame, x=(low, high)) for frame in frames]
    return frames


def _logarithmic(panel: Panel, frame: Frame) -> Frame:
    axis = replace(panel.x, log=True, low=None, high=None)
    own = frame_of(replace(panel, x=axis), frame.width, frame.height)
    return replace(frame, x=own.x, x_log=True)


def _owners(panels: Sequence[Panel]) -> dict[str, str]:
    """Which title stands for a colour, where some marks of it have none."""
    owners: dict[str, str] = {}
    for panel in panels:
        for mark in panel.marks:
            if isinstance(mark, Curve | Points) and mark.look.title:
                owners.setdefault(mark.look.colour, mark.look.title)
    return {colour: title for colour, title in owners.items() if colour not in (INK, MUTED)}


def _entries(picture: Picture, sheet: Sheet) -> list[Entry]:
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
        Entry(
            shortened(escaped(title), MOST_TITLE),
            swatch(marks[title], sheet),
            -1 if title in fixed or isinstance(marks[title], Rules) else sheet.key(title),
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


def swatch(mark: Mark, sheet: Sheet) -> Markup:
    """A small drawing of a mark, for a legend."""
    match mark:
        case Curve():
            parts = _line(mark.look, mark.width, sheet)
            ink = sheet.inks.name(mark.look.colour)
        case Points():
            parts = _line(replace(mark.look, line="none"), 1.0, sheet)
            if mark.hollow:
                parts = Markup('<g class="hollow">{}</g>').format(parts)
            if not mark.look.marker:
                parts = Markup('<path class="ln" stroke-width="1.8" d="M4 8H24"/>')
            ink = sheet.inks.name(mark.look.colour)
        case Bars():
            parts, ink = _box(mark.fill, sheet), sheet.inks.name(mark.fill.colour)
        case _:
            parts, ink = Markup('<path class="rule" d="M14 1V15"/>'), sheet.inks.name(INK)
    return Markup('<svg class="swatch {}" viewBox="0 0 28 16" aria-hidden="true">{}</svg>').format(
        ink, parts
    )


def _line(look: Look, width: float, sheet: Sheet) -> Markup:
    parts = Markup("")
    if look.line != "none":
        pattern = dashes(look.line, width * 1.25)
        dashed = Markup(' stroke-dasharray="{}"').format(pattern) if pattern else ""
        parts += Markup('<path class="ln" stroke-width="{}"{} d="M1 8H27"/>').format(
            place(width * 1.25), dashed
        )
    if look.marker:
        name = sheet.symbols.marker(look.marker)
        parts += Markup('<use href="#{}" transform="translate(14 8)scale(7.5)"/>').format(name)
    return parts


def _box(fill: Fill, sheet: Sheet) -> Markup:
    parts = Markup('<path class="br" d="M3 2H25V14H3Z"/>')
    if fill.hatch:
        name = sheet.symbols.hatch(fill.hatch)
        parts += Markup('<path fill="url(#{})" d="M3 2H25V14H3Z"/>').format(name)
    return parts


def titles(entries: Sequence[Entry]) -> Iterator[str]:
    """Titles of the entries that can be hidden."""
    return (entry.title for entry in entries if entry.key >= 0)
