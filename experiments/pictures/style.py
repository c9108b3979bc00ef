"""Settings, legends, axes and files of matplotlib's pictures.

Nothing here touches matplotlib's global state: pictures are ``Figure`` objects without pyplot,
painted and saved inside ``applied()``. The same frame gives the same bytes: no dates in the files,
and SVG identifiers from a fixed salt. Functions import matplotlib: pages need none."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...sim.base.errors import at, escaped, in_ascii, one_of
from ..run.files import write_bytes
from ..text import shortened
from .looks import GRID_COLOUR, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox
    from PIL import Image

FONT = "DejaVu Sans"  # comes with matplotlib, so that pictures are the same on every machine
# asked in this order for what ``FONT`` lacks, where they are installed
MORE_FONTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Source Han Sans",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "IPAexGothic", "IPAGothic", "NanumGothic",
    "Droid Sans Fallback", "PingFang SC", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic",
    "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Emoji",
    "Symbola", "Unifont",
)  # fmt: skip

# Texts come from outside. matplotlib takes what stands between two dollar signs for mathematics,
# leaves entries of a legend out that begin with an underscore, and draws a box for a character
# that its font lacks; an SVG with a control character is no XML.


def drawable(words: str) -> str:
    """What matplotlib is told so that it draws these words; their lines stay lines."""
    return "\n".join(_line(line) for line in words.split("\n"))


def entry(words: str) -> str:
    """The same, for an entry of a legend."""
    text = drawable(words)
    return f" {text}" if text.startswith("_") else text


def _line(words: str, width: int = 60, most: int = 240) -> str:
    """At most so many characters of a text, in lines that are so wide."""
    plain = shortened(escaped(words), most)
    if not plain.isascii():
        known = characters()
        plain = "".join(c if c.isascii() or ord(c) in known else in_ascii(c) for c in plain)
    if len(plain) > width:
        plain = "\n".join(textwrap.wrap(plain, width, break_on_hyphens=False)) or plain
    return plain.replace("$", r"\$")


@cache
def fonts() -> tuple[str, ...]:
    """The fonts that are asked for a character, of those that are installed."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return (FONT, *(name for name in MORE_FONTS if name in installed))


@cache
def characters() -> frozenset[int]:
    """The characters that one of the fonts can draw."""
    from matplotlib import font_manager

    files = [font_manager.findfont(font, fallback_to_default=False) for font in fonts()]
    return frozenset().union(*(font_manager.get_font(file).get_charmap() for file in files))


# inches that a picture of one panel is wide; readable down to 3.4 inches, a column of a paper
ONE_PANEL = 4.8
TWO_PANELS = 7.2  # inches that a picture of several panels in a row is wide
DOTS_PER_INCH = 200

MATPLOTLIB_SETTINGS: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titley": 1.0,
    "figure.constrained_layout.use": True,
    "font.size": 10.5,
    "grid.color": GRID_COLOUR,
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "savefig.dpi": DOTS_PER_INCH,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "svg.fonttype": "path",
    "svg.hashsalt": "erasurehead",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


@cache
def _settings(scale: float) -> dict[str, Any]:
    """All of matplotlib's settings in this scale, but for the backend, which is the user's."""
    import matplotlib

    settings = matplotlib.rcParamsDefault.copy()
    settings.update(MATPLOTLIB_SETTINGS)
    sizes = [key for key in MATPLOTLIB_SETTINGS if key.endswith("size")]
    sizes.append("lines.linewidth")
    settings.update({key: scale * MATPLOTLIB_SETTINGS[key] for key in sizes})
    settings["font.family"] = list(fonts())
    return {key: value for key, value in dict.items(settings) if key != "backend"}


@contextmanager
def applied(scale: float = 1.0) -> Iterator[None]:
    """matplotlib's defaults with ``MATPLOTLIB_SETTINGS``, whatever the user's own settings are;
    letters, lines and markers in another scale."""
    import matplotlib

    with matplotlib.rc_context():
        settings: dict[Any, Any] = matplotlib.rcParams
        dict.update(settings, _settings(scale))  # checked when they were made
        yield


def blank_figure(width: float, height: float) -> Figure:
    """An empty figure, inches. Call it, and paint, inside ``applied()``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from .layout import TrueTypeFigure, WholeLayout

    # so that the layout measures with what a PNG is drawn with
    figure = TrueTypeFigure(figsize=(width, height), layout=WholeLayout())
    return FigureCanvasAgg(figure).figure


def letters(points: float) -> float:
    """The size of letters that are so large where others are as in ``MATPLOTLIB_SETTINGS``."""
    from matplotlib import rcParams

    return float(points * rcParams["font.size"] / MATPLOTLIB_SETTINGS["font.size"])


def log_axis(axis: Any, ticks: Sequence[float] = ()) -> None:
    """Make ``axes.xaxis`` or ``axes.yaxis`` logarithmic. Ticks are mantissas, whose labels are
    plain numbers; without them, powers of ten are labelled."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = axis.axes
    (axes.set_xscale if axis.axis_name == "x" else axes.set_yscale)("log")
    if ticks:
        axis.set_major_locator(LogLocator(subs=tuple(ticks)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_under(axes: Axes, last: Sequence[str] = ()) -> None:
    """One legend under all that are drawn in the grid of a caller's figure, never over data, which
    names these axes, too; entries of ``last`` go to the end. Where somebody else arranges the
    figure, one under these axes, as wide as they are."""
    from matplotlib.transforms import ScaledTranslation

    from .layout import entries_of, whole_layout

    if (earlier := axes.get_legend()) is not None:
        earlier.remove()
    figure: Any = axes.get_figure(root=True)
    settings: Any = {"columnspacing": 1, "labelspacing": 0.3, "fontsize": 8}
    if (layout := whole_layout(figure)) is not None:
        layout.settings = settings
        layout.name([axes], last)
        return
    box, around, most = axes.get_window_extent(), axes.get_tightbbox() or axes.bbox, 3
    words = 0.05 + (box.y0 - around.y0) / figure.dpi  # inches of ticks and their label
    down = axes.transAxes + ScaledTranslation(0, -words, figure.dpi_scale_trans)
    settings |= {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": down}
    entries = entries_of([axes], last)  # two pictures on these axes share some
    settings |= {"borderaxespad": 0, "borderpad": 0}
    settings |= {"handles": [*entries.values()], "labels": [*entries]}
    while axes.legend(ncols=most, **settings).get_window_extent().width > box.width and most > 1:
        most -= 1


def entries_in_a_row(labels: Sequence[str], columns: int, width: float) -> int:
    """How many columns of a legend fit into a width in inches; entries go down the columns."""
    widths = [max(map(len, label.split("\n"))) for label in labels]
    for count in range(min(columns, len(labels)), 1, -1):
        lengths = np.array_split(widths, count)
        # inches of what stands beside an entry, and of a character of it
        if sum(0.65 + 0.075 * column.max() for column in lengths) <= width:
            return count
    return 1


# the formats of pictures, and what would make two files of the same figure differ
METADATA: dict[str, dict[str, None]] = {
    "png": {},
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
PICTURE_FORMATS = tuple(METADATA)


def check_formats(formats: Sequence[str]) -> None:
    """Raises ConfigError: one of these is none of ``PICTURE_FORMATS``."""
    for name in formats:
        if name not in PICTURE_FORMATS:
            raise at("--format", name, one_of(PICTURE_FORMATS, name))


def save(figure: Figure, stem: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write ``stem.png`` and so on; the same figure gives the same bytes."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in formats]
    for kind, path in zip(formats, paths, strict=True):
        write_bytes(path, rendered(figure, kind))
    return paths


def packed(
    pixels: bytes, size: tuple[int, int], seen: int = 40, near: int = 40, counted: int = 1000
) -> Image.Image:
    """The same picture in 256 colours is a third of the size; only edges are rounded.
    In all its colours, if one of ``seen`` pixels or more would be lost, changed by more than
    ``near`` in a channel: many shades may drive it out. Most pixels are like their neighbour, so
    colours are found among runs of equal pixels; ``counted`` pixels of a colour are enough to
    choose a palette."""
    from PIL import Image

    dots = np.frombuffer(pixels, dtype=np.uint32)
    starts = np.flatnonzero(np.append(True, dots[1:] != dots[:-1]))
    lengths = np.diff(starts, append=dots.size)
    of, colours = pd.factorize(dots[starts])
    counts = np.bincount(of, lengths).astype(np.int64)
    looked = np.minimum(counts, counted)
    row = Image.frombytes("RGBA", (looked.sum(), 1), np.repeat(colours, looked)).convert("RGB")
    quantized = row.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = np.array(quantized.getpalette(), dtype=np.int16).reshape(-1, 3)
    chosen = np.frombuffer(quantized.tobytes(), dtype=np.uint8)[looked.cumsum() - 1]
    away = np.abs(palette[chosen] - colours.view(np.uint8).reshape(-1, 4)[:, :3]).max(axis=1) > near
    if (counts[away] >= seen).any():
        return Image.frombytes("RGBA", size, pixels).convert("RGB")
    image = Image.frombytes("P", size, np.repeat(chosen[of], lengths))
    image.putpalette(palette.astype(np.uint8).tobytes())
    return image


def _guessed(axes: Axes, *_: Any, **__: Any) -> Bbox:
    """About the room of axes, for the first pass of constrained layout; the second one measures."""
    from matplotlib.transforms import Bbox

    del axes.__dict__["get_tightbbox"]
    return Bbox(axes.bbox.get_points() + DOTS_PER_INCH * np.array([[-0.6, -0.3], [0.1, 0.1]]))


def rendered(figure: Figure, kind: str) -> bytes:
    """A picture's file, as ``png``, ``svg`` or ``pdf``; the same figure gives the same bytes. The
    figure is arranged the first time, and has no layout engine afterwards. Cost: 0.1 to 0.5 s."""
    from matplotlib import rcParams

    sink = BytesIO()
    with applied():
        if (layout := figure.get_layout_engine()) is not None:
            figure.set_dpi(DOTS_PER_INCH)
            for axes in figure.axes:
                if axes.get_subplotspec():
                    axes.__dict__["get_tightbbox"] = partial(_guessed, axes)
            layout.execute(figure)
        # Otherwise None means the layout of the settings, which ``applied()`` restores.
        rcParams["figure.constrained_layout.use"] = False
        figure.set_layout_engine(None)
        if kind == "png":
            figure.savefig(sink, format="raw")
        else:
            figure.savefig(sink, format=kind, metadata=METADATA[kind])
        size = figure.canvas.get_width_height(physical=True)
    if kind != "png":
        return sink.getvalue()
    smaller, dots = BytesIO(), (DOTS_PER_INCH, DOTS_PER_INCH)
    # Level 6 packs in a seventh of the time of ``optimize``, which saves a tenth more.
    packed(sink.getvalue(), size).save(smaller, "png", compress_level=6, dpi=dots)
    return smaller.getvalue()
