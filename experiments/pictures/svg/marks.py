"""Each mark of a panel as SVG, and the values that a pointer reads there."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from markupsafe import Markup

from ....sim.base.errors import escaped
from ....sim.base.types import FloatArray
from ..looks import LineStyle, Look, shade
from ..picture import Bars, Curve, Fill, Heat, Mark, Points, Rules, Texts
from .scale import Scale, kept, piece, readable, tenth

# Markers, line styles and hatches of matplotlib as SVG. A page defines each once.

PLAIN_DASHES = {"--": (3.7, 1.6), ":": (1.0, 1.65)}  # given by a sign, in widths of the line
# by the first sign of matplotlib's pattern, on a tile of 6 by 6
HATCHES = {
    "/": '<path d="M-1 7L7 -1M-1 1L1 -1M5 7L7 5"/>',
    "\\": '<path d="M-1 -1L7 7M5 -1L7 1M-1 5L1 7"/>',
    ".": '<circle cx="3" cy="3" r=".9" class="dot"/>',
    "x": '<path d="M-1 7L7 -1M-1 -1L7 7"/>',
}


def dashed(line: LineStyle, width: float) -> Markup:
    """The attribute of a dashed line; empty for a solid one."""
    pattern = PLAIN_DASHES.get(line, ()) if isinstance(line, str) else line[1]
    lengths = " ".join(f"{dash * width:.3g}" for dash in pattern)
    return piece(' stroke-dasharray="{}"', lengths) if pattern else Markup("")


def stroke(look: Look, width: float, d: str) -> Markup:
    """The commands of a path as a line, so many units wide; nothing where a look has no line."""
    if look.line == "none":
        return Markup("")
    dashes = dashed(look.line, width)
    return piece('<path class="ln" stroke-width="{}"{} d="{}"/>', width, dashes, d)


def hatched(fill: Fill, d: str, page_style: PageStyle) -> Markup:
    """The commands of a path as a face, and once more for the hatch."""
    face = piece('<path class="{}" d="{}"/>', "ol" if fill.outline else "br", d)
    if not fill.hatch:
        return face
    return face + piece('<path fill="url(#{})" d="{}"/>', page_style.hatch(fill.hatch), d)


# one line of text, of a class of the style sheet: class, anchor, x, y, words
TEXT_TEMPLATE = '<text class="{}" text-anchor="{}" x="{}" y="{}">{}</text>'


def _marker(code: str, name: str) -> str:
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(code)
    path = style.get_path().transformed(style.get_transform())
    close = 79  # matplotlib's code for the end of a closed path
    steps, signs = [], {1: "M", 2: "L", 3: "Q", 4: "C", close: "Z"}
    for points, step in path.iter_segments(curves=True, simplify=False):
        pairs = np.asarray(points).reshape(-1, 2)
        numbers = " ".join(f"{x:.3g} {-y:.3g}" for x, y in pairs)
        steps.append(signs[int(step)] + (numbers if int(step) != close else ""))
    kind = "letter" if code.startswith("$") else "face" if style.is_filled() else "stroke"
    return f'<path id="{name}" class="{kind}" d="{"".join(steps)}"/>'


# Colours are classes of the style sheet, so that a page has a light and a dark form.

DARK_BACKGROUND = "#15181d"  # the page's background in dark mode; the style sheet has the same
MIN_CONTRAST = 4.5  # of a line with a dark background, as WCAG 2.2 asks of text
MIN_LIGHT_CONTRAST = 3.0  # of a line with white paper, as it asks of what is no text


def on_dark(colour: str) -> str:
    """The colour, mixed with as little white as makes it legible on ``DARK_BACKGROUND``.
    White itself, which stands for nothing, becomes the background; black and dark greys turn
    around, since what is drawn in ink stays the strongest."""
    if colour.upper() == "#FFFFFF":
        return DARK_BACKGROUND
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if max(channels) - min(channels) < 16 and max(channels) < 128:  # a dark grey
        return "#" + "".join(f"{232 - channel // 2:02X}" for channel in channels)
    shares = (step / 50 for step in range(51))
    return next(
        lighter
        for share in shares
        if contrast(lighter := shade(colour, share), DARK_BACKGROUND) >= MIN_CONTRAST
    )


def on_light(colour: str) -> str:
    """The colour, mixed with as little black as makes a line of it legible on white paper."""
    if colour.upper() == "#FFFFFF":
        return colour
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    darker = ("#" + "".join(f"{c * (50 - k) // 50:02X}" for c in channels) for k in range(51))
    return next(ink for ink in darker if contrast(ink, "#FFFFFF") >= MIN_LIGHT_CONTRAST)


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
    """What all pictures of one page share."""

    # markers, hatches: identifiers by matplotlib's code; inks: classes of the style sheet by colour
    markers: dict[str, str] = field(default_factory=dict)
    hatches: dict[str, str] = field(default_factory=dict)
    inks: dict[str, str] = field(default_factory=dict)
    # numbers of the legends' entries, by title: a scheme hides in all pictures of a page at once
    keys: dict[str, int] = field(default_factory=dict)

    def marker(self, code: str) -> str:
        """The identifier of a marker, of about one unit."""
        return self.markers.setdefault(code, f"m{len(self.markers)}")

    def hatch(self, pattern: str) -> str:
        """The identifier of a hatch."""
        return self.hatches.setdefault(pattern[:1], f"h{len(self.hatches)}")

    def ink(self, colour: str) -> str:
        """The class of a hex colour."""
        return self.inks.setdefault(colour.upper(), f"i{len(self.inks)}")

    def key(self, title: str) -> int:
        """The number of an entry."""
        return self.keys.setdefault(title, len(self.keys))

    def definitions(self) -> Markup:
        """Markers and hatches, which stand once in the page."""
        definitions = [_marker(code, name) for code, name in self.markers.items()]
        definitions += [
            f'<pattern id="{name}" class="hatch" width="6" height="6" '
            f'patternUnits="userSpaceOnUse">{HATCHES.get(sign, HATCHES["/"])}</pattern>'
            for sign, name in self.hatches.items()
        ]
        return Markup("".join(definitions))

    def css(self) -> tuple[str, str]:
        """Rules for a light page, and for a dark one: of lines and words, and of faces."""
        light, dark = "", ""
        for colour, name in self.inks.items():
            light += f".{name}{{--c:{on_light(colour)};--face:{colour}}}"
            dark += f".{name}{{--c:{on_dark(colour)};--face:var(--c)}}"
        return light, dark


# A table of values is a small image, a pixel for each value, which the browser stretches.
STRETCHED = Markup('preserveAspectRatio="none"')


def heatmap_image(mark: Heat, x: Scale, y: Scale) -> tuple[Markup, dict[str, Any]]:
    """The image, and its values row by row."""
    rows = len(mark.values)
    left, right = x(np.array(mark.sides, dtype=np.float64))
    top, bottom = y(np.array([-0.5, rows - 0.5], dtype=np.float64))
    box = min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)
    template = '<image class="heat" x="{}" y="{}" width="{}" height="{}" {} href="{}"/>'
    svg = piece(template, *box, STRETCHED, shades(mark.values, mark))
    for at in y(np.arange(1, rows, dtype=np.float64) - 0.5) if rows <= 24 else ():
        svg += piece('<path class="gap" d="M{} {}H{}"/>', left, at, right)
    if mark.values.size > 60_000:  # too many for a pointer to read
        return svg, {}
    read = [readable(row) for row in mark.values]
    data = {"kind": "heat", "v": read, "label": mark.label, "sides": mark.sides}
    return svg, data | ({"names": mark.names} if mark.names else {})


def shades(values: FloatArray, mark: Heat) -> str:
    """Values in the colours of a mark, one pixel each: a PNG as part of the page."""
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
    return f"data:image/png;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"


def colour_bar(mark: Heat, right: float, y: float) -> Markup:
    """Which shade is which value: flush right at a place, one line high."""
    low, high = mark.limits
    steps = np.geomspace(low, high, 48) if mark.log else np.linspace(low, high, 48)
    most = f"{high:.3g} {mark.label}".strip()
    left = right - 78 - 8.2 * len(most)
    template = '<image x="{}" y="{}" width="72" height="9" {} href="{}"/>'
    bar = piece(template, left, y - 8.5, STRETCHED, shades(steps[None, :], mark))
    least = piece(TEXT_TEMPLATE, "tk", "end", left - 5, y, f"{low:.3g}")
    return piece(TEXT_TEMPLATE, "tk", "end", right, y, most) + bar + least


UNITS_PER_POINT = 1.25  # units of a drawing in a point of matplotlib's
Values = dict[str, Any]  # what a pointer reads at a mark, ``{}`` for nothing; ``kind`` says how


@dataclass(frozen=True)
class PanelScales:
    """The scales of a panel in which a mark is drawn."""

    x: Scale
    y: Scale
    page_style: PageStyle


def draw_mark(mark: Mark, at: PanelScales, title: str) -> tuple[Markup, Values]:
    """Draw a mark that belongs to this entry of the legend; also what a pointer reads there."""
    number = at.page_style.key(title) if title else -1
    key = piece(' data-k="{}"', number) if title else ""
    match mark:
        case Curve():
            svg, values = _curve(mark, at)
        case Points():
            svg, values = _points(mark, at)
        case Bars():
            svg, values = _bars(mark, at)
        case Rules():
            svg, values = _rules(mark, at), {}
        case Texts():
            svg, values = _texts(mark, at), {}
        case Heat():
            svg, values = heatmap_image(mark, at.x, at.y)
    ink = at.page_style.ink(mark.colour) if mark.colour else ""
    if values:
        values |= {"t": title, "k": number, "i": ink}
    return piece('<g class="mark {}"{}>{}</g>', ink, key, svg), values


def _curve(mark: Curve, at: PanelScales) -> tuple[Markup, Values]:
    x, y = at.x(mark.x), at.y(mark.y)
    scale, along, middle = (at.y, x, y) if mark.across == "y" else (at.x, y, x)
    band = [scale(end) for end in (mark.low, mark.high) if end is not None]
    chosen = [*range(len(x))] if mark.steps or mark.bars else kept(along, [middle, *band])
    svg = Markup("")
    if band and mark.bars:
        svg += _bars_at("M{0} {1}V{2}", x, *band)
    elif band:
        low, high = band
        svg += _band(along[chosen], low[chosen], high[chosen], mark.across)
    d = _line(zip(x[chosen], y[chosen], strict=True), mark.steps)
    svg += stroke(mark.look, mark.width * UNITS_PER_POINT, d)
    if mark.look.marker:
        every = 1 if mark.bars else max(1, len(x) // 8)  # eight markers on a line
        marked = [*mark.marked] or slice(every // 2, None, every)
        svg += _uses(mark.look, x[marked], y[marked], 5.5, at.page_style)
    values: Values = {"kind": "curve", "x": readable(mark.x[chosen]), "y": readable(mark.y[chosen])}
    if mark.steps:
        values["steps"] = 1
    for name, ends in (("low", mark.low), ("high", mark.high)):
        if ends is not None:
            values[name] = readable(ends[chosen])
    if band and mark.across == "x":
        values["across"] = 1
    return svg, values if len(mark.x) else {}


def _line(points: Iterable[tuple[float, float]], steps: bool) -> str:
    """The commands of a path; a gap where a place is NaN."""
    commands, pen, last = [], False, ""
    for px, py in points:
        if not (np.isfinite(px) and np.isfinite(py)):
            pen = False
            continue
        here = f"{tenth(px)} {tenth(py)}"
        if not pen:
            commands.append(f"M{here}")
        elif steps:
            commands.append(f"H{tenth(px)}V{tenth(py)}")
        elif here != last:
            commands.append(f"L{here}")
        pen, last = True, here
    return "".join(commands)


def _band(along: FloatArray, low: FloatArray, high: FloatArray, across: str) -> Markup:
    """Closed outlines, one for each stretch where both ends are known."""
    known = np.isfinite(along) & np.isfinite(low) & np.isfinite(high)
    d = ""
    for run in np.split(np.arange(len(along)), np.flatnonzero(np.diff(known)) + 1):
        if not (len(run) > 1 and known[run[0]]):
            continue
        a = np.concatenate([along[run], along[run][::-1]])
        b = np.concatenate([low[run], high[run][::-1]])
        d += _line(zip(*((a, b) if across == "y" else (b, a)), strict=True), steps=False) + "Z"
    return piece('<path class="bd" d="{}"/>', d) if d else Markup("")


def _bars_at(command: str, at: FloatArray, low: FloatArray, high: FloatArray) -> Markup:
    """Bars of one direction, where place and ends are known; the command has them in this order."""
    known = np.isfinite(at) & np.isfinite(low) & np.isfinite(high) & (low != high)
    bars = zip(at[known], low[known], high[known], strict=True)
    d = Markup("").join(piece(command, *bar) for bar in bars)
    return piece('<path class="ln" stroke-width="1.8" d="{}"/>', d) if d else d


def _uses(look: Look, x: FloatArray, y: FloatArray, size: float, page_style: PageStyle) -> Markup:
    name, scale = page_style.marker(look.marker), tenth(size * UNITS_PER_POINT)
    use = '<use href="#{}" transform="translate({} {})scale({})"/>'
    known = np.isfinite(x) & np.isfinite(y)
    points = zip(x[known], y[known], strict=True)
    return Markup("").join(piece(use, name, px, py, scale) for px, py in points)


def _points(mark: Points, at: PanelScales) -> tuple[Markup, Values]:
    x, y = at.x(mark.x), at.y(mark.y)
    svg = Markup("")
    values: Values = {"kind": "points", "x": readable(mark.x), "y": readable(mark.y)}
    for name, lengths, middle, scale, command, other in (
        ("dx", mark.dx, mark.x, at.x, "M{1} {0}H{2}", y),
        ("dy", mark.dy, mark.y, at.y, "M{0} {1}V{2}", x),
    ):
        if lengths is not None and lengths.size:
            low, high = middle - lengths[0], middle + lengths[1]
            values[name] = [readable(low), readable(high)]
            svg += _bars_at(command, other, scale(low), scale(high))
    if mark.look.marker:
        uses = _uses(mark.look, x, y, mark.size + 2 * mark.ringed, at.page_style)
        kind = "hollow" if mark.hollow else "ringed" if mark.ringed else ""
        svg += piece('<g class="{}">{}</g>', kind, uses) if kind else uses
    return svg, values if len(mark.x) else {}


def _bars(mark: Bars, at: PanelScales) -> tuple[Markup, Values]:
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
    ends = {"r": readable(mark.rows), "s": readable(mark.start), "e": readable(mark.end)}
    return hatched(mark.fill, d, at.page_style), {"kind": "bars", **ends}


def _rules(mark: Rules, at: PanelScales) -> Markup:
    upright, level = at.x(mark.x), at.y(mark.y)
    lines = [(x, at.y.start, "V", at.y.end) for x in upright[np.isfinite(upright)]]
    lines += [(at.x.start, y, "H", at.x.end) for y in level[np.isfinite(level)]]
    d = Markup("").join(piece("M{} {}{}{}", *line) for line in lines)
    return piece('<path class="rule"{} d="{}"/>', dashed(mark.line, 1.0), d) if d else d


ANCHORS = {"left": "start", "center": "middle", "right": "end"}  # of matplotlib's alignments
LINE_UNITS = 15.0  # units between the lines of a text


def _texts(mark: Texts, at: PanelScales) -> Markup:
    template = '<text class="tx" text-anchor="{}" font-weight="{}" x="{}" y="{}">{}</text>'
    style, svg = (ANCHORS[mark.align], "bold" if mark.bold else "normal"), Markup("")
    for x, y, words in zip(at.x(mark.x), at.y(mark.y), mark.words, strict=True):
        lines = [*map(escaped, words.split("\n"))]
        for number, line in enumerate(lines):
            middle = y + 4 + LINE_UNITS * (number - (len(lines) - 1) / 2)
            svg += piece(template, *style, x, middle, line)
    return svg
