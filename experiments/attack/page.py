"""An attack in words for the terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..page import terminal
from ..page.terminal import Column, show_columns
from ..pictures import style
from ..pictures.looks import DASHED, DOTTED, MUTED, SOLID, Look, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from .study import LOSS, beginning, rounding

# An attack in the terminal: for each code where it begins to lose something, and its table.


MEMBERS = 8
"""Stragglers that are named."""


def show(frame: pd.DataFrame) -> None:
    """Print a line and a table for each code, with a row for each number of stragglers."""
    left_out = dict[str, None]()
    for (label, workers), rows in frame.groupby(["label", "workers"], sort=False):
        terminal.say(f"{label} ({workers} workers): {beginning(rows)}")
        if (lost := rounding(rows)) is not None:
            terminal.say(f"{label}: {lost}")
        left_out |= dict.fromkeys(column.title for column in show_columns(_columns(rows)))
        terminal.say("")
    if left_out:
        terminal.say(f"too narrow for {', '.join(left_out)}: see attack.csv")


def _columns(rows: pd.DataFrame) -> list[Column]:
    return [
        Column("stragglers", [str(s) for s in rows["stragglers"]], 1),
        Column("worst error", [_number(error) for error in rows["worst_error"]], 2),
        Column("which is", ["exact" if exact else "a lower bound" for exact in rows["exact"]], 4),
        Column("upper bound", [_number(bound) for bound in rows["bound"]], 5),
        Column("random sets", [_mean(row) for _, row in rows.iterrows()], 3),
        Column("found by", [*rows["found_by"]], 6),
        Column("the worst stragglers", [_members(text) for text in rows["worst_set"]], 7),
    ]


def _number(value: float) -> str:
    if pd.isna(value):
        return "-"
    return "0" if abs(value) <= LOSS else f"{value:.4g}"


def _mean(row: pd.Series) -> str:
    mean, error = row["random_mean"], row["random_se"]
    if error == 0 or pd.isna(error):
        return _number(mean)
    sign = "±" if terminal.says("±") else "+-"
    return f"{_number(mean)} {sign}{error:.1g}"


def _members(text: str) -> str:
    members = text.split()
    return " ".join(members[:MEMBERS]) + (" ..." if len(members) > MEMBERS else "")


# Worst, random and bound over the number of stragglers, from the table alone.


WORST = Look(MUTED, "", SOLID, "worst set (hollow: lower bound)")
RANDOM = Look(MUTED, "", DASHED, "mean of random sets")
BOUND = Look(MUTED, "", DOTTED, "upper bound")

PANEL, LINE = 3.3, 0.22
"""Inches: a panel, and a line of the legend."""

THIN, THICK = 1.6, 3.2
"""Points: of codes that decode alike, the first is the widest line and remains visible."""


def picture(frame: pd.DataFrame) -> Picture:
    """One panel for each number of workers, with the error per partition on a common axis."""
    labels = frame.drop_duplicates("label")[["label", "scheme"]]
    looks = variants([*labels.itertuples(index=False, name=None)])
    sizes = [*dict.fromkeys(frame["workers"])]
    panels = [_panel(frame[frame["workers"] == n], n, looks, len(sizes) > 1) for n in sizes]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width = style.ONE_PANEL if columns == 1 else style.TWO_PANELS
    abreast = columns + 1
    titles = [look.title for look in looks.values()] + [WORST.title, RANDOM.title, BOUND.title]
    lines = ceil(len(titles) / style.entries_in_a_row(titles, abreast, width))
    height = PANEL * rows + LINE * lines
    last = (WORST.title, RANDOM.title, BOUND.title)
    share = "y" if len(panels) > 1 else ""
    return Picture(panels, columns, width, height, share, legend=abreast, last=last)  # type: ignore[arg-type]


def _panel(frame: pd.DataFrame, workers: int, looks: Mapping[str, Look], titled: bool) -> Panel:
    own = {label: look for label, look in looks.items() if label in set(frame["label"])}
    marks = list[Mark]()
    for place, (label, look) in enumerate(own.items()):
        share = place / max(1, len(own) - 1)
        width = THICK + (THIN - THICK) * share
        marks += _marks(frame[frame["label"] == label], look, width)
    nothing = np.empty(0)
    marks += [Curve(look, nothing, nothing) for look in (WORST, RANDOM, BOUND)]
    top = 1.04 * max(float(frame["worst_relative"].max()), float(_random(frame).max()))
    return Panel(
        Axis("stragglers s" if titled else f"stragglers s of {workers} workers"),
        Axis("decoding error ‖w − 1‖² / k", low=-0.02 * top, high=top or 1.0),
        marks,
        f"{workers} workers" if titled else "",
    )


def _marks(rows: pd.DataFrame, look: Look, width: float) -> Iterator[Mark]:
    """The three lines of a code, its markers, and its entry in the legend."""
    s, worst = (rows[name].to_numpy(dtype=float) for name in ("stragglers", "worst_relative"))
    k = rows["partitions"].to_numpy(dtype=float)
    bound, mean = rows["bound"].to_numpy(dtype=float) / k, _random(rows)
    half = 1.96 * np.nan_to_num(rows["random_se"].to_numpy(dtype=float)) / k

    def plain(line: object) -> Look:
        return Look(look.colour, "", line, "")  # type: ignore[arg-type]

    yield Curve(plain(DOTTED), s, bound, width=1.0)
    yield Curve(plain(DASHED), s, mean, mean - half, mean + half, width=1.3)
    yield Curve(plain(SOLID), s, worst, width=width)
    exact = rows["exact"].to_numpy(dtype=bool)
    marker = Look(look.colour, look.marker, "none", "")
    for which, hollow in ((exact, False), (~exact, True)):
        if which.any():
            yield Points(marker, s[which], worst[which], hollow=hollow, size=4.5)
    yield Curve(Look(look.colour, look.marker, SOLID, look.title), s[:0], worst[:0])


def _random(rows: pd.DataFrame) -> FloatArray:
    return np.asarray(rows["random_mean"] / rows["partitions"], dtype=float)
