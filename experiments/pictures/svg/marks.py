"""Each mark of a panel as SVG, and the values that a pointer reads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from ....sim.types import FloatArray
from ..looks import INK, Look
from ..shown import Bars, Curve, Fill, Heat, Mark, Points, Rules
from .heat import heat_image
from .numbers import place, readable
from .scale import Scale
from .sheet import Sheet
from .symbols import dashes
from .thin import kept

UNIT = 1.25
"""Units of a drawing in a point of matplotlib's."""

MARKED = 8
"""Markers on a line."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Drawn:
    """A mark.

    Attributes:
        svg: the elements.
        values: what a pointer reads, ``{}`` for nothing; ``kind`` says how.
    """

    svg: Markup
    values: Values


@dataclass(frozen=True)
class Place:
    """Where a mark is drawn.

    Attributes:
        x, y: the scales.
        sheet: of the page.
        owner: the title under which a mark without one is hidden and read; by colour.
    """

    x: Scale
    y: Scale
    sheet: Sheet
    owner: Mapping[str, str]

    def title(self, look: Look | Fill) -> str:
        """The entry of the legend that a mark belongs to."""
        return look.title or self.owner.get(look.colour, "")


def draw(mark: Mark, at: Place, title: str) -> Drawn:
    """Draw a mark.

    Args:
        mark: what.
        at: where.
        title: the entry of the legend that it belongs to; empty for none.
    """
    group = Markup('<g class="mark {}"{}>{}</g>')
    key = Markup(' data-k="{}"').format(at.sheet.key(title)) if title else Markup("")
    match mark:
        case Curve():
            parts, values = _curve(mark, at)
            ink = at.sheet.inks.name(mark.look.colour)
        case Points():
            parts, values = _points(mark, at)
            ink = at.sheet.inks.name(mark.look.colour)
        case Bars():
            parts, values = _bars(mark, at)
            ink = at.sheet.inks.name(mark.fill.colour)
        case Rules():
            parts, values = _rules(mark, at), {}
            ink = at.sheet.inks.name(INK)
        case Heat():
            parts, values = heat_image(mark, at.x, at.y)
            ink = ""
    if values:
        values["t"] = title
        values["k"] = at.sheet.key(title) if title else -1
        values["i"] = ink
    return Drawn(group.format(ink, key, parts), values)


def _curve(mark: Curve, at: Place) -> tuple[Markup, Values]:
    x, y = at.x(mark.x), at.y(mark.y)
    ends = [(mark.low, mark.high)] if mark.low is not None and mark.high is not None else []
    scale, along, middle = (at.y, x, y) if mark.across == "y" else (at.x, y, x)
    band = [scale(end) for pair in ends for end in pair]
    places = [*range(len(x))] if mark.steps else kept(along, [middle, *band])
    parts = Markup("")
    if band:
        low, high = band
        parts += _band(along[places], low[places], high[places], mark.across)
    d = _line(x[places], y[places], mark.steps)
    pattern = dashes(mark.look.line, mark.width * UNIT)
    if mark.look.line != "none":
        parts += Markup('<path class="ln" stroke-width="{}"{} d="{}"/>').format(
            place(mark.width * UNIT), _dashed(pattern), d
        )
    if mark.look.marker:
        every = max(1, len(x) // MARKED)
        parts += _uses(mark.look, x[every // 2 :: every], y[every // 2 :: every], 5.5, at.sheet)
    values: Values = {"kind": "curve", "x": readable(mark.x[places]), "y": readable(mark.y[places])}
    if mark.steps:
        values["steps"] = 1
    if ends and mark.low is not None and mark.high is not None:
        values["low"], values["high"] = readable(mark.low[places]), readable(mark.high[places])
        if mark.across == "x":
            values["across"] = 1
    return parts, values if len(mark.x) else {}


def _dashed(pattern: str) -> Markup:
    return Markup(' stroke-dasharray="{}"').format(pattern) if pattern else Markup("")


def _line(x: FloatArray, y: FloatArray, steps: bool) -> str:
    """The commands of a path; a gap where a place is NaN."""
    parts, pen = [], False
    last = ""
    for px, py in zip(x, y, strict=True):
        if not (np.isfinite(px) and np.isfinite(py)):
            pen = False
            continue
        here = f"{place(px)} {place(py)}"
        if not pen:
            parts.append(f"M{here}")
        elif steps:
            parts.append(f"H{place(px)}V{place(py)}")
        elif here != last:
            parts.append(f"L{here}")
        pen, last = True, here
    return "".join(parts)


def _band(along: FloatArray, low: FloatArray, high: FloatArray, across: str) -> Markup:
    """Closed outlines, one for each stretch where both ends are known."""
    known = np.isfinite(along) & np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(known)) + 1
    d = ""
    for run in np.split(np.arange(len(along)), edges):
        if not (len(run) > 1 and known[run[0]]):
            continue
        a = np.concatenate([along[run], along[run][::-1]])
        b = np.concatenate([low[run], high[run][::-1]])
        x, y = (a, b) if across == "y" else (b, a)
        d += _line(x, y, steps=False) + "Z"
    return Markup('<path class="bd" d="{}"/>').format(d) if d else Markup("")


def _uses(look: Look, x: FloatArray, y: FloatArray, size: float, sheet: Sheet) -> Markup:
    name, scale = sheet.symbols.marker(look.marker), place(size * UNIT)
    use = Markup('<use href="#{}" transform="translate({} {})scale({})"/>')
    known = np.isfinite(x) & np.isfinite(y)
    return Markup("").join(
        use.format(name, place(px), place(py), scale)
        for px, py in zip(x[known], y[known], strict=True)
    )


def _points(mark: Points, at: Place) -> tuple[Markup, Values]:
    x, y = at.x(mark.x), at.y(mark.y)
    parts = Markup("")
    values: Values = {"kind": "points", "x": readable(mark.x), "y": readable(mark.y)}
    for name, lengths, middle, scale in (
        ("dx", mark.dx, mark.x, at.x),
        ("dy", mark.dy, mark.y, at.y),
    ):
        if lengths is None or not lengths.size:
            continue
        low, high = scale(middle - lengths[0]), scale(middle + lengths[1])
        values[name] = [readable(middle - lengths[0]), readable(middle + lengths[1])]
        known = np.isfinite(low) & np.isfinite(high) & (low != high)
        d = "".join(
            f"M{place(a)} {place(o)}H{place(b)}"
            if name == "dx"
            else f"M{place(o)} {place(a)}V{place(b)}"
            for a, b, o in zip(
                low[known], high[known], (y if name == "dx" else x)[known], strict=True
            )
        )
        if d:
            parts += Markup('<path class="ln" stroke-width="1.8" d="{}"/>').format(d)
    if mark.look.marker:
        size = mark.size + 2 * mark.ringed
        uses = _uses(mark.look, x, y, size, at.sheet)
        kind = "hollow" if mark.hollow else "ringed" if mark.ringed else ""
        parts += Markup('<g class="{}">{}</g>').format(kind, uses) if kind else uses
    return parts, values if len(mark.x) else {}


def _bars(mark: Bars, at: Place) -> tuple[Markup, Values]:
    """All bars of a kind as one path, and once more for the hatch."""
    if not len(mark.rows):
        return Markup(""), {}
    left, right = at.x(mark.start), at.x(mark.end)
    half = mark.fill.height / 2
    top, bottom = at.y(mark.rows - half), at.y(mark.rows + half)
    d = "".join(
        f"M{place(a)} {place(c)}H{place(b)}V{place(e)}H{place(a)}Z"
        for a, b, c, e in zip(left, right, top, bottom, strict=True)
        if np.isfinite([a, b, c, e]).all() and place(a) != place(b)
    )
    parts = Markup('<path class="br" d="{}"/>').format(d)
    if mark.fill.hatch:
        parts += Markup('<path fill="url(#{})" d="{}"/>').format(
            at.sheet.symbols.hatch(mark.fill.hatch), d
        )
    values: Values = {
        "kind": "bars",
        "r": readable(mark.rows),
        "s": readable(mark.start),
        "e": readable(mark.end),
    }
    return parts, values


def _rules(mark: Rules, at: Place) -> Markup:
    ends = f"{place(at.y.start)}V{place(at.y.end)}"
    d = "".join(f"M{place(x)} {ends}" for x in at.x(mark.x) if np.isfinite(x))
    return Markup('<path class="rule" d="{}"/>').format(d) if d else Markup("")
