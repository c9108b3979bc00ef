"""A picture as data: panels, and the marks on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

import numpy as np

from ...sim.types import FloatArray
from .looks import INK, SOLID, LineStyle, Look

Band = Literal["quantiles", "ci"]
"""How the spread over replications is shown: their 10th to 90th percentile, or the 95 % confidence
interval of their mean."""

Align = Literal["left", "center", "right"]
"""What of a text is at its place."""


def nothing() -> FloatArray:
    """No places: a mark without any is an entry of the legend alone."""
    return np.empty(0)


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Attributes:
        label: what it measures, with the unit in parentheses.
        log: logarithmic.
        ticks: on a logarithmic axis, the mantissas of labelled ticks; powers of ten if empty.
        low, high: its ends; ``None`` to fit the marks. ``low > high`` turns it around.
        names: names at 0, 1, ... instead of numbers; ``None`` for numbers, ``()`` for none.
        places: where ticks stand, instead of where the renderer puts them.
        strong: the places whose names stand out, bold and red.
    """

    label: str
    log: bool = False
    ticks: tuple[float, ...] = ()
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] | None = None
    places: tuple[float, ...] | None = None
    strong: frozenset[float] = frozenset()


def axis_of(label: str, values: FloatArray, wide: float) -> Axis:
    """An axis of these values: logarithmic where they are positive and span this ratio or more."""
    known = values[np.isfinite(values)]
    if not (known.size and 0 < known.min() * wide <= known.max()):
        return Axis(label)
    return Axis(label, log=True, ticks=(1, 2, 5) if known.max() < 100 * known.min() else ())


@dataclass(frozen=True, eq=False)
class Looked:
    """A mark that looks as a scheme does; abstract.

    Attributes:
        look: how it is drawn; its title stands in the legend unless it is empty.
        x, y: ``(G,)`` places; NaN where there is none.
    """

    look: Look
    x: FloatArray = field(default_factory=nothing)
    y: FloatArray = field(default_factory=nothing)

    @property
    def title(self) -> str:
        """Its entry of the legend."""
        return self.look.title

    @property
    def colour(self) -> str:
        """What it is drawn in, a hex colour."""
        return self.look.colour


@final
@dataclass(frozen=True, eq=False)
class Curve(Looked):
    """Points joined by a line that NaN interrupts, with the spread around it.

    Attributes:
        low, high: ``(G,)`` ends of the spread, ``None`` without one.
        across: the axis along which the spread extends.
        steps: a staircase that changes at each point, instead of straight lines.
        width: of the line, in points.
        bars: the spread is a bar at each point (along the vertical axis), not a band.
        marked: which points carry a marker; eight at equal distances if empty.
    """

    low: FloatArray | None = None
    high: FloatArray | None = None
    across: Literal["x", "y"] = "y"
    steps: bool = False
    width: float = 1.8
    bars: bool = False
    marked: tuple[int, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Points(Looked):
    """Separate points, each with error bars.

    Attributes:
        dx, dy: ``(2, G)`` lengths of the error bars below and above; ``None`` without.
        ringed: whether the points stand out.
        hollow: white marks with a coloured edge, above everything else.
        beneath: hollow marks that later marks may cover.
        size: of a marker, in points.
    """

    dx: FloatArray | None = None
    dy: FloatArray | None = None
    ringed: bool = False
    hollow: bool = False
    beneath: bool = False
    size: float = 6.0


@dataclass(frozen=True)
class Fill:
    """How bars of one kind are filled: the hatch tells kinds apart in print.

    Attributes:
        colour: a hex colour.
        hatch: matplotlib's pattern.
        title: the entry of the legend; empty for none.
        height: share of the row that a bar takes.
        outline: only the outline is drawn.
    """

    colour: str
    hatch: str
    title: str
    height: float = 0.84
    outline: bool = False


@dataclass(frozen=True, eq=False)
class Bars:
    """Horizontal bars, ``(N,)`` each: the row, and where the bar starts and ends."""

    fill: Fill
    rows: FloatArray = field(default_factory=nothing)
    start: FloatArray = field(default_factory=nothing)
    end: FloatArray = field(default_factory=nothing)

    @property
    def title(self) -> str:
        """Its entry of the legend."""
        return self.fill.title

    @property
    def colour(self) -> str:
        """What it is drawn in, a hex colour."""
        return self.fill.colour


@dataclass(frozen=True, eq=False)
class Rules:
    """Lines across the panel.

    Attributes:
        title: the entry of the legend; empty for none.
        x: where vertical ones stand, ``(N,)``.
        y: where horizontal ones lie, ``(M,)``.
        line: matplotlib's line style.
    """

    title: str
    x: FloatArray = field(default_factory=nothing)
    y: FloatArray = field(default_factory=nothing)
    line: LineStyle = SOLID
    colour: ClassVar[str] = INK


@dataclass(frozen=True, eq=False)
class Texts:
    """Words in a panel.

    Attributes:
        x, y: ``(N,)`` where they stand; ``y`` is the middle of their height.
        words: ``N`` texts, whose lines stay lines.
        align: what of a text is at ``x``.
        bold: whether they stand out.
        colour: a hex colour.
        size: in points.
    """

    x: FloatArray
    y: FloatArray
    words: Sequence[str]
    align: Align = "left"
    bold: bool = False
    colour: str = INK
    size: float = 8.5
    title: ClassVar[str] = ""


@dataclass(frozen=True, eq=False)
class Heat:
    """A table of values as shades.

    Attributes:
        values: ``(rows, columns)``; NaN is left white.
        label: what they are, with the unit.
        log: shades are equal steps of the logarithm, from ``low`` or the least value on.
        low: what has the lightest shade, with ``log``.
        extent: where the columns begin and end on the horizontal axis; ``None``: the middle of
            each is at its number.
    """

    values: FloatArray
    label: str = ""
    log: bool = False
    low: float | None = None
    extent: tuple[float, float] | None = None
    title: ClassVar[str] = ""
    colour: ClassVar[str] = ""

    @property
    def sides(self) -> tuple[float, float]:
        """Where the columns begin and end on the horizontal axis."""
        return self.extent or (-0.5, self.values.shape[1] - 0.5)

    @property
    def limits(self) -> tuple[float, float]:
        """The values of the lightest and the darkest shade."""
        known = self.values[np.isfinite(self.values)]
        top = (float(known.max()) if known.size else 0.0) or 1.0
        if not self.log:
            return 0.0, top
        positive = known[known > 0]
        least = float(positive.min()) if positive.size else top / 10
        low = least if self.low is None else self.low
        return (low, top) if low < top else (top / 1.001, top)


Mark = Curve | Points | Bars | Rules | Texts | Heat


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on two axes.

    Attributes:
        x, y: the axes.
        marks: in the order in which they are drawn.
        title: above the panel.
        remark: a few words about what is not as it seems, in the upper right corner.
        grid: whether lines at the ticks help reading.
    """

    x: Axis
    y: Axis
    marks: Sequence[Mark]
    title: str = ""
    remark: str = ""
    grid: bool = True


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels with one legend.

    Attributes:
        panels: row by row.
        columns: panels in a row.
        width, height: inches, the legend included.
        share: the axis that all panels have in common, if any; ``rows``: the panels of a row have
            their vertical axis in common.
        heading: above all panels.
        legend: entries side by side, where so many fit; 0 for no legend in a file.
        last: entries that stand at the end of the legend.
        names_left: titles are set flush left.
        heights: of the rows of panels, relative to each other; empty where all are alike.
    """

    panels: Sequence[Panel]
    columns: int
    width: float
    height: float
    share: Literal["x", "y", "rows", ""] = ""
    heading: str = ""
    legend: int = 3
    last: Sequence[str] = ()
    names_left: bool = False
    heights: Sequence[float] = ()
