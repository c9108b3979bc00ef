"""How pictures look, and the only place that imports matplotlib.

One scheme has one colour, marker and line style in every picture. Colours are the colour-blind-safe
ones of Okabe and Ito (2008). Nothing here touches matplotlib's global state: pictures are
``Figure`` objects without pyplot, painted and saved inside ``applied()``. The same frame gives the
same bytes: no dates in the files, and SVG identifiers from a fixed salt.

matplotlib is imported inside the functions, so that a module of figures can be listed without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from experiments.cells.files import write_bytes
from sim.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE_PANEL = 4.8
"""Inches that a picture of one panel is wide; readable down to 3.4 inches, a column of a paper."""

TWO_PANELS = 7.2
"""Inches that a picture of several panels in a row is wide."""

DOTS_PER_INCH = 200

INK, GRID, MUTED = "#222222", "#dddddd", "#888888"

SETTINGS: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "savefig.dpi": DOTS_PER_INCH,
    "svg.fonttype": "path",
    "svg.hashsalt": "erasurehead",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


@dataclass(frozen=True)
class Look:
    """How a scheme is drawn.

    Attributes:
        colour: a hex colour.
        marker: matplotlib's marker code.
        line: matplotlib's line style.
        title: the scheme's name for people.
    """

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    title: str


LOOKS: dict[str, Look] = {
    "uncoded": Look("#000000", "o", "-", "uncoded"),
    "ignore_stragglers": Look("#E69F00", "D", (0, (6, 1.5, 1.5, 1.5)), "ignore stragglers"),
    "fractional_repetition": Look("#0072B2", "s", (0, (5, 1.5)), "fractional repetition"),
    "cyclic_repetition": Look("#009E73", "^", (0, (1.5, 1.2)), "cyclic repetition"),
    "erasurehead": Look("#D55E00", "P", "-", "ErasureHead"),
    "multi_message": Look("#CC79A7", "v", (0, (3, 1, 1, 1, 1, 1)), "multi-message"),
}

OTHER_COLOURS = ("#CC79A7", "#56B4E9", "#A89A00")
OTHER_MARKERS = ("v", "X", "<", ">", "p", "h")
OTHER_LINES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)))


def look(scheme: str) -> Look:
    """The look of a scheme; one that is not in ``LOOKS`` gets a look from its name's checksum."""
    if scheme in LOOKS:
        return LOOKS[scheme]
    code = crc32(scheme.encode())
    return Look(
        OTHER_COLOURS[code % 3],
        OTHER_MARKERS[code // 3 % 6],
        OTHER_LINES[code // 18 % 3],
        scheme.replace("_", " "),
    )


def variants(pairs: Sequence[tuple[str, str]]) -> dict[str, Look]:
    """Looks of several variants of each scheme: its colour, lighter for each further one.

    Args:
        pairs: (label, scheme), each label once.
    """
    looks = {}
    for label, scheme in pairs:
        own = [name for name, other in pairs if other == scheme]
        place = own.index(label)
        base = look(scheme)
        marker = base.marker if place == 0 else OTHER_MARKERS[(place - 1) % len(OTHER_MARKERS)]
        lighter = 0.62 * place / max(2, len(own) - 1)
        looks[label] = Look(shade(base.colour, lighter), marker, base.line, label)
    return looks


def ramp(count: int) -> list[str]:
    """Colours from dark to light for ordered values: their order shows in grey too."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.85 * i / max(1, count - 1))) for i in range(count)]


@dataclass(frozen=True)
class Fill:
    """How bars of one kind are filled: the hatch tells kinds apart in print.

    Attributes:
        colour: a hex colour.
        hatch: matplotlib's pattern.
        title: the entry of the legend.
        height: share of the row that a bar takes.
    """

    colour: str
    hatch: str
    title: str
    height: float = 0.84


def bars(axes: Axes, rows: FloatArray, left: FloatArray, right: FloatArray, fill: Fill) -> None:
    """Horizontal bars, ``(N,)`` each, as one artist that stands in the legend."""
    from matplotlib.collections import PolyCollection

    low, high = rows - fill.height / 2, rows + fill.height / 2
    corners = np.stack([left, low, left, high, right, high, right, low], axis=1)
    axes.add_collection(
        PolyCollection(
            list(corners.reshape(-1, 4, 2)),
            facecolor=fill.colour,
            edgecolor=shade(INK, 0.25),
            linewidth=0.3,
            hatch=fill.hatch,
            label=fill.title,
        )
    )


def shade(colour: str, share: float) -> str:
    """Mix a hex colour with white: share 0 is the colour itself, share 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * share):02X}" for c in channels)


@contextmanager
def applied() -> Iterator[None]:
    """matplotlib's defaults with ``SETTINGS``, whatever the user's own settings are."""
    import matplotlib
    from matplotlib import rc_context

    with rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


def blank(width: float, height: float) -> Figure:
    """An empty figure, inches. Call it, and paint, inside ``applied()``."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def log_axis(axis: Any, ticks: Sequence[float] = ()) -> None:
    """Make an axis logarithmic.

    Args:
        axis: ``axes.xaxis`` or ``axes.yaxis``.
        ticks: mantissas of the labelled ticks, written as plain numbers; without them, powers
            of ten.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = axis.axes
    (axes.set_xscale if axis.axis_name == "x" else axes.set_yscale)("log")
    if ticks:
        axis.set_major_locator(LogLocator(subs=tuple(ticks)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def remark(axes: Axes, text: str) -> None:
    """A word about what is not as it seems, in the panel's upper right corner."""
    box: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    at = axes.transAxes
    axes.text(0.99, 0.98, text, ha="right", va="top", fontsize=8, bbox=box, transform=at, zorder=4)


def legend_below(figure: Figure, columns: int = 3, last: Sequence[str] = ()) -> None:
    """One legend for all panels, under them, so that it never covers data.

    Args:
        figure: its panels are painted.
        columns: entries side by side, where so many fit.
        last: labels that go to the end, where there are such.
    """
    entries: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    for label in last:
        if label in entries:
            entries[label] = entries.pop(label)
    if entries:
        columns = fitting(list(entries), columns, figure.get_figwidth())
        figure.legend(
            list(entries.values()), list(entries), loc="outside lower center", ncols=columns
        )


CHARACTER, HANDLE = 0.075, 0.65
"""Inches: a character of a legend, and what stands beside it in a column."""


def fitting(labels: Sequence[str], columns: int, width: float) -> int:
    """How many columns of a legend fit into a width in inches; entries go down the columns."""
    for count in range(min(columns, len(labels)), 1, -1):
        lengths = np.array_split([len(label) for label in labels], count)
        needed = sum(HANDLE + CHARACTER * column.max() for column in lengths)
        if needed <= width:
            return count
    return 1


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem.png`` and ``stem.svg``; the same figure gives the same bytes."""
    written = []
    with applied():
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
            sink = BytesIO()
            figure.savefig(sink, format=kind, metadata=metadata)
            content = sink.getvalue() if kind == "svg" else _smaller(sink)
            path = stem.with_name(f"{stem.name}.{kind}")
            write_bytes(path, content)
            written.append(path)
    return written


def _smaller(png: BytesIO) -> bytes:
    """The same picture in 256 colours, a third of the size; only edges are rounded."""
    from PIL import Image

    sink = BytesIO()
    colours = Image.open(png).convert("RGB")
    dots = colours.info.get("dpi", (DOTS_PER_INCH, DOTS_PER_INCH))
    palette = colours.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette.save(sink, "png", optimize=True, dpi=dots)
    return sink.getvalue()
