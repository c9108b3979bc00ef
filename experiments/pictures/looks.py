"""How each scheme looks: one colour, marker and line style in every picture.

The first colours are the colour-blind-safe ones of Okabe and Ito (2008). No set of twenty colours
can be told apart by all, so markers differ too, and lines of schemes that are often compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from ..config.cells import Cell

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


SCHEME_LOOKS: dict[str, Look] = {
    "uncoded": Look("#000000", "o", SOLID, "uncoded"),
    "ignore_stragglers": Look("#E69F00", "D", LONG_DASHED, "ignore stragglers"),
    "fractional_repetition": Look("#0072B2", "s", DASHED, "fractional repetition"),
    "cyclic_repetition": Look("#009E73", "^", DOTTED, "cyclic repetition"),
    "erasurehead": Look("#D55E00", "P", SOLID, "ErasureHead"),
    "multi_message": Look("#CC79A7", "v", DOT_DOT, "multi-message"),
    "drop_compute": Look("#0DCFBF", "1", DASHED, "drop compute"),
    "mindflayer": Look("#D5D70D", "$M$", DOT_DOT, "MindFlayer"),
    "speculative": Look("#C35A56", "$2$", LONG_DASHED, "speculative"),
    "balanced": Look("#58B782", "$=$", DASHED, "balanced"),
    "block_coordinate": Look("#801B06", "$B$", SOLID, "block coordinate"),
    "partial_stragglers": Look("#500406", "$P$", DOTTED, "partial stragglers"),
    "window": Look("#56B4E9", "X", SOLID, "window"),
    "adaptive_deadline": Look("#A43BD5", "2", LONG_DASHED, "adaptive deadline"),
    "adaptive_k": Look("#882255", "d", LONG_DASHED, "adaptive k"),
    "sequential": Look("#999933", "h", DASHED, "sequential"),
    "local_sgd": Look("#0F0456", "$L$", DASHED, "local SGD"),
    "cyclic_mds": Look("#117733", "<", DASHED, "cyclic MDS"),
    "generalized_fractional_repetition": Look("#710E0D", "$F$", DOT_DOT, "generalized repetition"),
    "heterogeneity_aware": Look("#6D21D3", "$A$", DOT_DOT, "heterogeneity-aware"),
    "communication_efficient": Look("#CCB2A1", "$C$", LONG_DASHED, "communication-efficient"),
    "bernoulli": Look("#4F2D45", "$R$", DASHED, "Bernoulli"),
    "stochastic_block": Look("#A4B578", "$K$", DOT_DOT, "stochastic block"),
    "regular_graph": Look("#D57CCE", "$G$", LONG_DASHED, "regular graph"),
    "expander": Look("#55254B", "$E$", DOT_DOT, "expander"),
    "block_design": Look("#4331D0", "$D$", DOTTED, "block design"),
    "graph_assignment": Look("#52CE79", "$V$", SOLID, "graph assignment"),
    "stochastic_gradient_coding": Look("#702F11", "$S$", LONG_DASHED, "stochastic gradient coding"),
    "heterogeneous_split": Look("#3A2478", "$H$", LONG_DASHED, "heterogeneous split"),
    "ignore_arbitrary": Look("#A55A0F", "$I$", DOT_DOT, "ignore arbitrary"),
    "matrix": Look("#5F3B40", "$X$", SOLID, "own matrix"),
    "asynchronous": Look("#332288", "*", SOLID, "asynchronous"),
    "k_async": Look("#AA4499", "p", DOTTED, "K-async"),
    "k_batch_async": Look("#7570B3", ">", DOT_DOT, "K-batch-async"),
    "k_batch_sync": Look("#66A61E", "8", DOTTED, "K-batch-sync"),
    "ssp": Look("#5A7B87", "$T$", DASHED, "SSP"),
    "rennala": Look("#A6761D", "H", LONG_DASHED, "Rennala"),
    "ringmaster": Look("#E7298A", "x", SOLID, "Ringmaster"),
    "ringleader": Look("#B4B103", "|", DOT_DOT, "Ringleader"),
    "malenia": Look("#0B18C7", "3", LONG_DASHED, "Malenia"),
    "pipelined": Look("#4A1A7F", "4", DOTTED, "pipelined"),
    "gradient_table": Look("#3E0DC7", "+", DASHED, "gradient table"),
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
    return Look(OTHER_COLOURS[colour], OTHER_MARKERS[marker], line, scheme.replace("_", " "))


# how a field stands beside a scheme's name; others by their own names
FIELD_FORMATS = {
    "load": "d = {}",
    "degree": "d = {}",
    "wait_for": "r = {}",
    "tolerance": "μ = {}",
    "kappa": "κ = {}",
    "patience": "τ = {} s",
    "trials": "B = {}",
    "stragglers": "λ = {}",
    "cut": "cut: {}",
    "assignment": "{}",
    "rescale": "rescaled",
}


def field_as_read(key: str, value: object) -> str:
    """A field as a person reads it: ``d = 3``."""
    value = f"{value:g}" if isinstance(value, float) else value
    return FIELD_FORMATS.get(key, f"{key.replace('_', ' ')} = {{}}").format(value)


def shown_name(label: str, scheme: str) -> str:
    """A scheme as a person reads it: ``ErasureHead (d = 3, r = 6)`` of the label that the config
    makes of its fields; a label that somebody gave stays."""
    first, *fields = re.split(r"(?<!,) (?=\w+[=(])", label)
    if first != scheme:
        return label
    shown = [
        re.sub(r"[=(_]", lambda sign: {"=": " = ", "(": " (", "_": " "}[sign[0]], own)
        if "(" in own
        else field_as_read(*own.split("=", 1))
        for own in fields
    ]
    return f"{look(scheme).title} ({', '.join(shown)})" if shown else look(scheme).title


def shown_in(row: Mapping[Any, Any]) -> str:
    """The same of a row of a table with the columns ``label`` and ``scheme``."""
    return shown_name(str(row["label"]), str(row["scheme"]))


def shown_cell(cell: Cell) -> str:
    """The same of a cell's scheme."""
    return shown_name(cell.label, str(cell.scheme["name"]))


def shown_point(cell: Cell) -> str:
    """The same with the point of the grid: ``uncoded [workers=12]``."""
    return shown_cell(cell) + cell.named.removeprefix(cell.label)


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
