"""How each scheme looks: one colour, marker and line style in every picture.

The first colours are the colour-blind-safe ones of Okabe and Ito (2008). No set of twenty colours
can be told apart by all, so markers differ too, and lines of schemes that are often compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from ..config.names import scheme_title, shown_name

INK, GRID_COLOUR, MUTED = "#222222", "#dddddd", "#888888"
LineStyle = str | tuple[int, tuple[float, ...]]
SOLID, DASHED, DOTTED, LONG_DASHED = "-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5))
DOT_DOT = (0, (3, 1, 1, 1, 1, 1))


@dataclass(frozen=True)
class Look:
    """How a scheme is drawn."""

    colour: str  # a hex colour
    marker: str  # matplotlib's marker code; empty for none
    line: LineStyle  # matplotlib's line style, ``none`` for no line
    title: str  # the scheme's name for people


# colour, marker and line of each scheme; its title is in ``config.names``
COLOUR_MARKER_LINE: dict[str, tuple[str, str, LineStyle]] = {
    "uncoded": ("#000000", "o", SOLID),
    "ignore_stragglers": ("#E69F00", "D", LONG_DASHED),
    "fractional_repetition": ("#0072B2", "s", DASHED),
    "cyclic_repetition": ("#009E73", "^", DOTTED),
    "erasurehead": ("#D55E00", "P", SOLID),
    "multi_message": ("#CC79A7", "v", DOT_DOT),
    "drop_compute": ("#0DCFBF", "1", DASHED),
    "mindflayer": ("#D5D70D", "$M$", DOT_DOT),
    "speculative": ("#C35A56", "$2$", LONG_DASHED),
    "balanced": ("#58B782", "$=$", DASHED),
    "block_coordinate": ("#801B06", "$B$", SOLID),
    "partial_stragglers": ("#500406", "$P$", DOTTED),
    "window": ("#56B4E9", "X", SOLID),
    "adaptive_deadline": ("#A43BD5", "2", LONG_DASHED),
    "adaptive_k": ("#882255", "d", LONG_DASHED),
    "sequential": ("#999933", "h", DASHED),
    "local_sgd": ("#0F0456", "$L$", DASHED),
    "cyclic_mds": ("#117733", "<", DASHED),
    "generalized_fractional_repetition": ("#710E0D", "$F$", DOT_DOT),
    "heterogeneity_aware": ("#6D21D3", "$A$", DOT_DOT),
    "communication_efficient": ("#CCB2A1", "$C$", LONG_DASHED),
    "bernoulli": ("#4F2D45", "$R$", DASHED),
    "stochastic_block": ("#A4B578", "$K$", DOT_DOT),
    "regular_graph": ("#D57CCE", "$G$", LONG_DASHED),
    "expander": ("#55254B", "$E$", DOT_DOT),
    "block_design": ("#4331D0", "$D$", DOTTED),
    "graph_assignment": ("#52CE79", "$V$", SOLID),
    "stochastic_gradient_coding": ("#702F11", "$S$", LONG_DASHED),
    "heterogeneous_split": ("#3A2478", "$H$", LONG_DASHED),
    "ignore_arbitrary": ("#A55A0F", "$I$", DOT_DOT),
    "matrix": ("#5F3B40", "$X$", SOLID),
    "asynchronous": ("#332288", "*", SOLID),
    "k_async": ("#AA4499", "p", DOTTED),
    "k_batch_async": ("#7570B3", ">", DOT_DOT),
    "k_batch_sync": ("#66A61E", "8", DOTTED),
    "ssp": ("#5A7B87", "$T$", DASHED),
    "rennala": ("#A6761D", "H", LONG_DASHED),
    "ringmaster": ("#E7298A", "x", SOLID),
    "ringleader": ("#B4B103", "|", DOT_DOT),
    "malenia": ("#0B18C7", "3", LONG_DASHED),
    "pipelined": ("#4A1A7F", "4", DOTTED),
    "gradient_table": ("#3E0DC7", "+", DASHED),
}
SCHEME_LOOKS = {
    scheme: Look(colour, marker, line, scheme_title(scheme))
    for scheme, (colour, marker, line) in COLOUR_MARKER_LINE.items()
}
THEORY_LOOK = Look(MUTED, "", SOLID, "lines: theory")  # of the lines under simulated points
OTHER_COLOURS = ("#A89A00", "#661100", "#2CA6A4", "#3B4CC0", "#C04F3B", "#6B7F00", "#8C564B")
OTHER_MARKERS = ("v", "X", "<", ">", "p", "h")
OTHER_LINES: tuple[LineStyle, ...] = (SOLID, DASHED, DOTTED)


def look(scheme: str) -> Look:
    """The look of a scheme; without a line in ``SCHEME_LOOKS``, one from its name's checksum."""
    if scheme in SCHEME_LOOKS:
        return SCHEME_LOOKS[scheme]
    code, colour = divmod(crc32(scheme.encode()), len(OTHER_COLOURS))
    code, marker = divmod(code, len(OTHER_MARKERS))
    line = OTHER_LINES[code % len(OTHER_LINES)]
    return Look(OTHER_COLOURS[colour], OTHER_MARKERS[marker], line, scheme_title(scheme))


def variants(pairs: Sequence[tuple[str, str]], names: Mapping[str, str] = {}) -> dict[str, Look]:
    """Looks of (label, scheme) pairs: the scheme's colour, lighter for each further variant.
    ``names`` are what a reader shall see of labels in place of the schemes' own."""
    titles = {label: names.get(label, shown_name(label, scheme)) for label, scheme in pairs}
    looks = {}
    for label, scheme in pairs:
        own, base = [name for name, other in pairs if other == scheme], look(scheme)
        number = own.index(label)
        marker = base.marker if number == 0 else OTHER_MARKERS[(number - 1) % len(OTHER_MARKERS)]
        lighter = 0.62 * number / max(2, len(own) - 1)
        alone = [*titles.values()].count(titles[label]) == 1
        title = titles[label] if alone else label
        looks[label] = Look(shade(base.colour, lighter), marker, base.line, title)
    return looks


def shade(colour: str, share: float) -> str:
    """Mix a hex colour with white: share 0 is the colour itself, share 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * share):02X}" for c in channels)


def ramp(count: int) -> list[str]:
    """Colours from dark to light for ordered values: their order shows in grey too."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](0.85 * i / max(1, count - 1))) for i in range(count)]
