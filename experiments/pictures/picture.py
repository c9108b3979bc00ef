"""A picture as data: panels, and the marks on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

import numpy as np

from ...sim.base.types import FloatArray
from .looks import INK, SOLID, LineStyle, Look

# the spread over replications: their 10th to 90th percentile, or the 95 % interval of their mean
Band = Literal["quantiles", "ci"]
Align = Literal["left", "center", "right"]  # what of a text is at its place


def nothing() -> FloatArray:
    """No places: a mark without any is an entry of the legend alone."""
    return np.empty(0)


@dataclass(frozen=True)
class Axis:
    """An axis of a panel."""

    label: str  # what it measures, with the unit in parentheses
    log: bool = False  # logarithmic
    ticks: tuple[float, ...] = ()  # labelled mantissas on a logarithmic axis; empty: powers of ten
    # low, high: its ends; ``None`` to fit the marks. ``low > high`` turns it around.
    low: float | None = None
    high: float | None = None
    # names at 0, 1, ... instead of numbers; ``None`` for numbers, ``()`` for none
    names: tuple[str, ...] | None = None
    places: tuple[float, ...] | None = None  # of ticks, instead of where the renderer puts them
    strong: frozenset[float] = frozenset()  # the places whose names stand out, bold and red


def axis_of(label: str, values: FloatArray, wide: float) -> Axis:
    """An axis of these values: logarithmic where they are positive and span this ratio or more."""
    known = values[np.isfinite(values)]
    if not (known.size and 0 < known.min() * wide <= known.max()):
        return Axis(label)
    return Axis(label, log=True, ticks=mantissas(float(known.max() / known.min())))


def mantissas(ratio: float) -> tuple[float, ...]:
    """Which numbers are labelled on a logarithmic axis that spans this ratio, so that three or more
    are; empty: powers of ten."""
    if ratio >= 100:
        return () if ratio >= 1000 else (1, 3)
    if ratio > 12:
        return (1, 2, 5)
    if ratio > 2.5:
        return (1, 1.5, 2, 3, 4, 6, 8)
    return (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.3, 2.6, 3, 3.5, 4, 5, 6, 7, 8, 9)


@dataclass(frozen=True, eq=False)
class Looked:
    """A mark that looks as a scheme does; abstract."""

    look: Look  # how it is drawn; its title stands in the legend unless it is empty
    # x, y: ``(G,)`` places; NaN where there is none
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
    """Points joined by a line that NaN interrupts, with the spread around it."""

    # low, high: ``(G,)`` ends of the spread, ``None`` without one
    low: FloatArray | None = None
    high: FloatArray | None = None
    across: Literal["x", "y"] = "y"  # the axis along which the spread extends
    steps: bool = False  # a staircase that changes at each point, instead of straight lines
    width: float = 1.8  # of the line, in points
    bars: bool = False  # the spread is a bar at each point (along the vertical axis), not a band
    marked: tuple[int, ...] = ()  # which points carry a marker; eight at equal distances if empty


@final
@dataclass(frozen=True, eq=False)
class Points(Looked):
    """Separate points, each with error bars."""

    # dx, dy: ``(2, G)`` lengths of the error bars below and above; ``None`` without
    dx: FloatArray | None = None
    dy: FloatArray | None = None
    ringed: bool = False  # whether the points stand out
    hollow: bool = False  # white marks with a coloured edge, above everything else
    beneath: bool = False  # hollow marks that later marks may cover
    size: float = 6.0  # of a marker, in points


@dataclass(frozen=True)
class Fill:
    """How bars of one kind are filled: the hatch tells kinds apart in print."""

    colour: str  # a hex colour
    hatch: str  # matplotlib's pattern
    title: str  # the entry of the legend; empty for none
    height: float = 0.84  # share of the row that a bar takes
    outline: bool = False  # only the outline is drawn


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
    """Lines across the panel."""

    title: str  # the entry of the legend; empty for none
    x: FloatArray = field(default_factory=nothing)  # where vertical ones stand, ``(N,)``
    y: FloatArray = field(default_factory=nothing)  # where horizontal ones lie, ``(M,)``
    line: LineStyle = SOLID  # matplotlib's line style
    colour: ClassVar[str] = INK


@dataclass(frozen=True, eq=False)
class Texts:
    """Words in a panel."""

    # x, y: ``(N,)`` where they stand; ``y`` is the middle of their height
    x: FloatArray
    y: FloatArray
    words: Sequence[str]  # ``N`` texts, whose lines stay lines
    align: Align = "left"  # what of a text is at ``x``
    bold: bool = False  # whether they stand out
    colour: str = INK  # a hex colour
    size: float = 8.5  # in points
    title: ClassVar[str] = ""


@dataclass(frozen=True, eq=False)
class Heat:
    """A table of values as shades."""

    values: FloatArray  # ``(rows, columns)``; NaN is left white
    label: str = ""  # what they are, with the unit
    log: bool = False  # shades are equal steps of the logarithm, from ``low`` or the least value on
    low: float | None = None  # what has the lightest shade, with ``log``
    high: float | None = None  # what has the darkest one; ``None``: the greatest value
    # where the columns begin and end; ``None``: the middle of each is at its number
    extent: tuple[float, float] | None = None
    bar: bool = True  # whether a bar beside it says which shade is which value
    names: tuple[str, ...] = ()  # of the columns, for who points at one; empty: their numbers
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
        top = self.high or (float(known.max()) if known.size else 0.0) or 1.0
        if not self.log:
            return 0.0, top
        positive = known[known > 0]
        least = float(positive.min()) if positive.size else top / 10
        low = least if self.low is None else self.low
        return (low, top) if low < top else (top / 1.001, top)


Mark = Curve | Points | Bars | Rules | Texts | Heat


@dataclass(frozen=True, eq=False)
class Panel:
    """Marks on two axes."""

    x: Axis
    y: Axis
    marks: Sequence[Mark]  # in the order in which they are drawn
    title: str = ""  # above the panel
    remark: str = ""  # a few words about what is not as it seems, in the upper right corner
    grid: bool = True  # whether lines at the ticks help reading


@dataclass(frozen=True, eq=False)
class Picture:
    """Panels with one legend."""

    panels: Sequence[Panel]  # row by row
    columns: int  # panels in a row
    width: float  # inches
    height: float  # inches, the legend included
    # the axis that all panels have in common, if any; ``rows``: the vertical one, those of a row
    share: Literal["x", "y", "rows", ""] = ""
    heading: str = ""  # above all panels
    legend: int = 3  # entries side by side, where so many fit; 0 for no legend in a file
    last: Sequence[str] = ()  # entries that stand at the end of the legend
    names_left: bool = False  # titles are set flush left
    heights: Sequence[float] = ()  # of the rows of panels, relative; empty where all are alike


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture with its words."""

    ident: str  # an identifier, unique in the page; the name of its file, where it has one
    title: str  # what it is
    words: str  # how to read it
    picture: Picture  # drawn by the writer
