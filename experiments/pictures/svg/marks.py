"""Each mark of a panel as SVG, and the values that a pointer reads there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from markupsafe import Markup

from ....sim.types import FloatArray
from ...config.errors import escaped
from ..looks import INK, LineStyle, Look, shade
from ..picture import Bars, Curve, Fill, Heat, Mark, Points, Rules, Texts
from .scale import Scale, kept, readable, tenth

# Markers, line styles and hatches of matplotlib as SVG. A page defines each once.


PLAIN_DASHES = {"--": (3.7, 1.6), ":": (1.0, 1.65)}
"""matplotlib's own line styles that are given by a sign, in widths of the line."""

HATCHES = {
    "/": '<path d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5"/>',
    "\\": '<path d="M-1 -1L7 7M5 -1L7 1M-1 5L1 7"/>',
    ".": '<circle cx="3" cy="3" r=".9" class="dot"/>',
    "x": '<path d="M-1 7L7 -1M-1 -1L7 7"/>',
}
"""By the first sign of matplotlib's pattern, on a tile of 6 by 6."""


def dashes(line: LineStyle, width: float) -> str:
    """The value of ``stroke-dasharray``; empty for a solid line."""
    pattern = PLAIN_DASHES.get(line, ()) if isinstance(line, str) else line[1]
    return " ".join(f"{part * width:.3g}" for part in pattern)


CLOSE = 79
"""matplotlib's code for the end of a closed path."""


@dataclass
class Symbols:
    """The markers and hatches that a page uses."""

    markers: dict[str, str] = field(default_factory=dict)
    hatches: dict[str, str] = field(default_factory=dict)

    def marker(self, code: str) -> str:
        """The identifier of a marker, of about one unit."""
        return self.markers.setdefault(code, f"m{len(self.markers)}")

    def hatch(self, pattern: str) -> str:
        """The identifier of a hatch."""
        return self.hatches.setdefault(pattern[:1], f"h{len(self.hatches)}")

    def definitions(self) -> Markup:
        """What stands once in the page."""
        parts = [_marker(code, name) for code, name in self.markers.items()]
        parts += [
            f'<pattern id="{name}" class="hatch" width="6" height="6" '
            f'patternUnits="userSpaceOnUse">{HATCHES.get(sign, HATCHES["/"])}</pattern>'
            for sign, name in self.hatches.items()
        ]
        return Markup("".join(parts))


def _marker(code: str, name: str) -> str:
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(code)
    path = style.get_path().transformed(style.get_transform())
    steps = []
    signs = {1: "M", 2: "L", 3: "Q", 4: "C", CLOSE: "Z"}
    for points, step in path.iter_segments(curves=True, simplify=False):
        pairs = np.asarray(points).reshape(-1, 2)
        numbers = " ".join(f"{x:.3g} {-y:.3g}" for x, y in pairs)
        steps.append(signs[int(step)] + (numbers if int(step) != CLOSE else ""))
    kind = "face" if style.is_filled() else "stroke"
    if code.startswith("$"):
        kind = "letter"
    return f'<path id="{name}" class="{kind}" d="{"".join(steps)}"/>'


# Colours are classes of the style sheet, so that a page has a light and a dark form.


DARK = "#15181d"
"""The page's background in dark mode; the style sheet has the same."""

LEAST = 3.5
"""Contrast of a line with a dark background; WCAG 2.2 asks for 3."""

GREY = 16
"""Channels that differ by less make a grey."""


@dataclass
class PageColours:
    """The colours of a page, each with the name of a class of the style sheet."""

    known: dict[str, str] = field(default_factory=dict)

    def name(self, colour: str) -> str:
        """The class of a hex colour."""
        return self.known.setdefault(colour.upper(), f"i{len(self.known)}")

    def css(self) -> tuple[str, str]:
        """Rules for a light page, and for a dark one."""
        light = "".join(f".{name}{{--c:{colour}}}" for colour, name in self.known.items())
        dark = "".join(f".{name}{{--c:{on_dark(colour)}}}" for colour, name in self.known.items())
        return light, dark


def on_dark(colour: str) -> str:
    """The colour, mixed with as little white as makes it legible on ``DARK``.

    White itself, which stands for nothing, becomes the background; black and dark greys turn
    around, since what is drawn in ink stays the strongest.
    """
    if colour.upper() == "#FFFFFF":
        return DARK
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if max(channels) - min(channels) < GREY and max(channels) < 128:
        return "#" + "".join(f"{232 - channel // 2:02X}" for channel in channels)
    shares = (step / 50 for step in range(51))
    return next(found for share in shares if contrast(found := shade(colour, share), DARK) >= LEAST)


def contrast(first: str, second: str) -> float:
    """Of two hex colours, 1 to 21. Source: WCAG 2.2, contrast ratio."""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@dataclass
class PageStyle:
    """What all pictures of one page share.

    Attributes:
        colours: its colours.
        symbols: its markers and hatches.
        keys: the number of each entry of the legends, by title: a scheme has one number on the
            whole page, so that it can be hidden in all pictures at once.
    """

    colours: PageColours = field(default_factory=PageColours)
    symbols: Symbols = field(default_factory=Symbols)
    keys: dict[str, int] = field(default_factory=dict)

    def key(self, title: str) -> int:
        """The number of an entry."""
        return self.keys.setdefault(title, len(self.keys))


# A table of values is a small image, a pixel for each value, which the browser stretches.


MOST_READ = 60_000
"""Values that a pointer can read; a larger table is a picture alone."""


def heat_image(mark: Heat, x: Scale, y: Scale) -> tuple[Markup, dict[str, Any]]:
    """The image, and its values row by row."""
    rows = len(mark.values)
    left, right = x(np.array(mark.sides, dtype=np.float64))
    top, bottom = y(np.array([-0.5, rows - 0.5], dtype=np.float64))
    image = Markup(
        '<image class="heat" x="{}" y="{}" width="{}" height="{}" preserveAspectRatio="none" '
        'href="{}"/>'
    ).format(
        *map(tenth, (min(left, right), min(top, bottom), abs(right - left), abs(bottom - top))),
        source(shades(mark.values, mark)),
    )
    lines = Markup("").join(
        Markup('<path class="gap" d="M{} {}H{}"/>').format(tenth(left), tenth(at), tenth(right))
        for at in y(np.arange(1, rows, dtype=np.float64) - 0.5)
        if rows <= 24
    )
    if mark.values.size > MOST_READ:
        return image + lines, {}
    values = {
        "kind": "heat",
        "v": [readable(row) for row in mark.values],
        "label": mark.label,
        "sides": mark.sides,
    }
    return image + lines, values


def shades(values: FloatArray, mark: Heat) -> bytes:
    """Values in the colours of a mark, as the bytes of a PNG, one pixel each."""
    from matplotlib import colormaps
    from PIL import Image

    low, high = mark.limits
    with np.errstate(invalid="ignore", divide="ignore"):
        if mark.log:
            values, low, high = np.log(np.maximum(values, low)), np.log(low), np.log(high)
        share = np.clip((values - low) / (high - low), 0.0, 1.0)
    pixels = colormaps["Blues"](np.nan_to_num(share), bytes=True)
    pixels[~np.isfinite(values)] = 0
    sink = BytesIO()
    Image.fromarray(pixels, "RGBA").save(sink, "png", optimize=True)
    return sink.getvalue()


def source(png: bytes) -> str:
    """An image as part of the page."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def colour_bar(mark: Heat, right: float, y: float) -> Markup:
    """Which shade is which value: flush right at a place, one line high."""
    low, high = mark.limits
    steps = np.geomspace(low, high, 48) if mark.log else np.linspace(low, high, 48)
    return Markup(
        '<text class="tk" text-anchor="end" x="{0}" y="{1}">{2}</text>'
        '<image x="{3}" y="{4}" width="72" height="9" preserveAspectRatio="none" href="{5}"/>'
        '<text class="tk" text-anchor="end" x="{6}" y="{1}">{7}</text>'
    ).format(
        tenth(right),
        tenth(y),
        f"{high:.3g} {mark.label}".strip(),
        tenth(right - 78 - 6.0 * len(f"{high:.3g} {mark.label}".strip())),
        tenth(y - 8.5),
        source(shades(steps[None, :], mark)),
        tenth(right - 83 - 6.0 * len(f"{high:.3g} {mark.label}".strip())),
        f"{low:.3g}",
    )


# The marks.


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
class PanelScales:
    """Where a mark is drawn.

    Attributes:
        x, y: the scales.
        page_style: what all pictures of the page share.
        owner: the title under which a mark without one is hidden and read; by colour.
    """

    x: Scale
    y: Scale
    page_style: PageStyle
    owner: Mapping[str, str]

    def title(self, look: Look | Fill) -> str:
        """The entry of the legend that a mark belongs to."""
        return look.title or self.owner.get(look.colour, "")


def draw_mark(mark: Mark, at: PanelScales, title: str) -> Drawn:
    """Draw a mark.

    Args:
        mark: what.
        at: where.
        title: the entry of the legend that it belongs to; empty for none.
    """
    group = Markup('<g class="mark {}"{}>{}</g>')
    key = Markup(' data-k="{}"').format(at.page_style.key(title)) if title else Markup("")
    match mark:
        case Curve():
            parts, values = _curve(mark, at)
            ink = at.page_style.colours.name(mark.look.colour)
        case Points():
            parts, values = _points(mark, at)
            ink = at.page_style.colours.name(mark.look.colour)
        case Bars():
            parts, values = _bars(mark, at)
            ink = at.page_style.colours.name(mark.fill.colour)
        case Rules():
            parts, values = _rules(mark, at), {}
            ink = at.page_style.colours.name(INK)
        case Texts():
            parts, values = _texts(mark, at), {}
            ink = at.page_style.colours.name(mark.colour)
        case Heat():
            parts, values = heat_image(mark, at.x, at.y)
            ink = ""
    if values:
        values["t"] = title
        values["k"] = at.page_style.key(title) if title else -1
        values["i"] = ink
    return Drawn(group.format(ink, key, parts), values)


def _curve(mark: Curve, at: PanelScales) -> tuple[Markup, Values]:
    x, y = at.x(mark.x), at.y(mark.y)
    ends = [(mark.low, mark.high)] if mark.low is not None and mark.high is not None else []
    scale, along, middle = (at.y, x, y) if mark.across == "y" else (at.x, y, x)
    band = [scale(end) for pair in ends for end in pair]
    whole = mark.steps or mark.bars
    places = [*range(len(x))] if whole else kept(along, [middle, *band])
    parts = Markup("")
    if band and mark.bars:
        parts += _bars_at(x, *band)
    elif band:
        low, high = band
        parts += _band(along[places], low[places], high[places], mark.across)
    d = _line(x[places], y[places], mark.steps)
    pattern = dashes(mark.look.line, mark.width * UNIT)
    if mark.look.line != "none":
        parts += Markup('<path class="ln" stroke-width="{}"{} d="{}"/>').format(
            tenth(mark.width * UNIT), _dashed(pattern), d
        )
    if mark.look.marker:
        every = 1 if mark.bars else max(1, len(x) // MARKED)
        marked = [*mark.marked] or slice(every // 2, None, every)
        parts += _uses(mark.look, x[marked], y[marked], 5.5, at.page_style)
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
        here = f"{tenth(px)} {tenth(py)}"
        if not pen:
            parts.append(f"M{here}")
        elif steps:
            parts.append(f"H{tenth(px)}V{tenth(py)}")
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


def _bars_at(x: FloatArray, low: FloatArray, high: FloatArray) -> Markup:
    """Vertical bars, where both ends are known."""
    known = np.isfinite(x) & np.isfinite(low) & np.isfinite(high) & (low != high)
    d = "".join(
        f"M{tenth(at)} {tenth(a)}V{tenth(b)}"
        for at, a, b in zip(x[known], low[known], high[known], strict=True)
    )
    return Markup('<path class="ln" stroke-width="1.8" d="{}"/>').format(d) if d else Markup("")


def _uses(look: Look, x: FloatArray, y: FloatArray, size: float, page_style: PageStyle) -> Markup:
    name, scale = page_style.symbols.marker(look.marker), tenth(size * UNIT)
    use = Markup('<use href="#{}" transform="translate({} {})scale({})"/>')
    known = np.isfinite(x) & np.isfinite(y)
    return Markup("").join(
        use.format(name, tenth(px), tenth(py), scale)
        for px, py in zip(x[known], y[known], strict=True)
    )


def _points(mark: Points, at: PanelScales) -> tuple[Markup, Values]:
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
            f"M{tenth(a)} {tenth(o)}H{tenth(b)}"
            if name == "dx"
            else f"M{tenth(o)} {tenth(a)}V{tenth(b)}"
            for a, b, o in zip(
                low[known], high[known], (y if name == "dx" else x)[known], strict=True
            )
        )
        if d:
            parts += Markup('<path class="ln" stroke-width="1.8" d="{}"/>').format(d)
    if mark.look.marker:
        size = mark.size + 2 * mark.ringed
        uses = _uses(mark.look, x, y, size, at.page_style)
        kind = "hollow" if mark.hollow else "ringed" if mark.ringed else ""
        parts += Markup('<g class="{}">{}</g>').format(kind, uses) if kind else uses
    return parts, values if len(mark.x) else {}


def _bars(mark: Bars, at: PanelScales) -> tuple[Markup, Values]:
    """All bars of a kind as one path, and once more for the hatch."""
    if not len(mark.rows):
        return Markup(""), {}
    left, right = at.x(mark.start), at.x(mark.end)
    half = mark.fill.height / 2
    top, bottom = at.y(mark.rows - half), at.y(mark.rows + half)
    d = "".join(
        f"M{tenth(a)} {tenth(c)}H{tenth(b)}V{tenth(e)}H{tenth(a)}Z"
        for a, b, c, e in zip(left, right, top, bottom, strict=True)
        if np.isfinite([a, b, c, e]).all() and tenth(a) != tenth(b)
    )
    parts = Markup('<path class="{}" d="{}"/>').format("ol" if mark.fill.outline else "br", d)
    if mark.fill.hatch:
        parts += Markup('<path fill="url(#{})" d="{}"/>').format(
            at.page_style.symbols.hatch(mark.fill.hatch), d
        )
    values: Values = {
        "kind": "bars",
        "r": readable(mark.rows),
        "s": readable(mark.start),
        "e": readable(mark.end),
    }
    return parts, values


def _rules(mark: Rules, at: PanelScales) -> Markup:
    ends = f"{tenth(at.y.start)}V{tenth(at.y.end)}"
    d = "".join(f"M{tenth(x)} {ends}" for x in at.x(mark.x) if np.isfinite(x))
    d += "".join(
        f"M{tenth(at.x.start)} {tenth(y)}H{tenth(at.x.end)}" for y in at.y(mark.y) if np.isfinite(y)
    )
    dashed = _dashed(dashes(mark.line, 1.0))
    return Markup('<path class="rule"{} d="{}"/>').format(dashed, d) if d else Markup("")


ANCHORS = {"left": "start", "center": "middle", "right": "end"}
"""What SVG calls matplotlib's alignments."""

LINE = 13.0
"""Units between the lines of a text."""


def _texts(mark: Texts, at: PanelScales) -> Markup:
    """Each line of each text as an element of its own."""
    line = Markup('<text class="tx" text-anchor="{}" font-weight="{}" x="{}" y="{}">{}</text>')
    weight, parts = "bold" if mark.bold else "normal", Markup("")
    for x, y, words in zip(at.x(mark.x), at.y(mark.y), mark.words, strict=True):
        lines = [*map(escaped, words.split("\n"))]
        for number, part in enumerate(lines):
            middle = y + 4 + LINE * (number - (len(lines) - 1) / 2)
            parts += line.format(ANCHORS[mark.align], weight, tenth(x), tenth(middle), part)
    return parts
