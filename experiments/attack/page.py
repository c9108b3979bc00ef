"""The worst stragglers of each code as words, tables and a picture, from the table alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import pandas as pd

from ...sim.types import FloatArray
from ..page.answer import Answer
from ..page.content import Chart, Page, Section, capped, plain_cell
from ..pictures import style
from ..pictures.looks import DASHED, DOTTED, MUTED, SOLID, Look, variants
from ..pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from ..text import TableCell, number, number_of

LOSS = 1e-6  # an error up to here is rounding
MEMBERS = 8  # stragglers that are named
WORST = Look(MUTED, "", SOLID, "worst set (hollow: lower bound)")
RANDOM = Look(MUTED, "", DASHED, "mean of random sets")
BOUND = Look(MUTED, "", DOTTED, "upper bound")
PANEL, LINE = 3.3, 0.22  # inches: a panel, and a line of the legend
THIN, THICK = 1.6, 3.2  # points: of codes that decode alike, the first is the widest line


def attack_page(frame: pd.DataFrame, name: str, left_out: Sequence[str], command: str) -> Page:
    """What is said of an attack on the config ``name``; a line for each scheme ``left_out``."""
    # Codes that decode alike, such as fractional repetition and ErasureHead, share a table.
    alike = dict[tuple[Any, ...], tuple[list[str], pd.DataFrame]]()
    for (label, workers), rows in frame.groupby(["label", "workers"], sort=False):
        key = (workers, *map(str, _cells(rows)))
        alike.setdefault(key, ([], rows))[0].append(str(label))
    codes = {f"{', '.join(every)} ({key[0]} workers)": rows for key, (every, rows) in alike.items()}
    many = sum(len(labels) for labels, _ in alike.values())
    why = [f"{title}: {beginning(rows)}" for title, rows in codes.items()]
    why += [f"{title}: {lost}" for title, rows in codes.items() if (lost := rounding(rows))]
    verdict = f"The worst stragglers of {number_of(many, 'code')}."
    words = "Error per partition of the worst stragglers, of random ones, and the upper bound."
    chart = Chart("attack", "Decoding errors", words, picture(frame))
    columns = ["stragglers", "worst error", "random sets", "which is", "upper bound", "found by"]
    columns += ["the worst stragglers"]
    cells = {title: _cells(rows) for title, rows in codes.items()}
    tables = [capped(t, t, columns, rows, "attack.csv", "", range(40)) for t, rows in cells.items()]
    return Page(
        Answer("attack", name, verdict, (*why, *left_out), command=command),
        question=[("config", name), ("stragglers", f"up to {frame['stragglers'].max()}")],
        sections=[Section("picture", "Codes", [chart]), Section("table", "All numbers", tables)],
    )


def rounding(rows: pd.DataFrame) -> str | None:
    """From how many stragglers on a code's rounding costs more than its bound allows, in words."""
    above = rows.loc[rows["worst_error"] > rows["bound"] + LOSS, "stragglers"]
    text = "from s = {} on the decoder loses so many digits that errors exceed the upper bound"
    return None if above.empty else text.format(above.iloc[0])


def beginning(rows: pd.DataFrame) -> str:
    """From how many stragglers on a code loses something, in words, from the rows of this code."""
    lost = rows[rows["worst_error"] > LOSS]
    if lost.empty:
        most, proven = rows["stragglers"].max(), bool(rows["exact"].all())
        found = f"{'with' if proven else 'was found with'} up to {number_of(most, 'straggler')}"
        return f"no error {found}"
    first = lost.iloc[0]
    error = f"{first['worst_error']:.4g} of {first['partitions']}"
    if first["stragglers"] == 0:
        return f"an error of {error} without stragglers"
    before = rows[rows["stragglers"] < first["stragglers"]]
    if before.empty:
        return f"an error of {error} with {number_of(first['stragglers'], 'straggler')}"
    none = "no error" if bool(before["exact"].all()) else "no error was found"
    most, s = before["stragglers"].max(), first["stragglers"]
    few = f"with up to {number_of(most, 'straggler')}" if most else "without stragglers"
    gap = "" if s == most + 1 else f" ({most + 1} to {s - 1} not looked at)"
    worst = "straggler costs" if s == 1 else f"{s} stragglers cost"
    return f"{none} {few}{gap}; the worst {worst} an error of {error}"


def _cells(rows: pd.DataFrame) -> list[list[TableCell]]:
    return [
        [
            plain_cell(row["stragglers"]),
            _error(row["worst_error"]),
            _error(row["random_mean"], row["random_se"]),
            plain_cell("exact" if row["exact"] else "a lower bound"),
            _error(row["bound"]),
            plain_cell(row["found_by"]),
            plain_cell(" ".join(members[:MEMBERS] + ["..."] * (len(members) > MEMBERS))),
        ]
        for row in rows.to_dict("records")
        for members in [row["worst_set"].split()]
    ]


def _error(value: float, error: float = np.nan) -> TableCell:
    """A decoding error; what is rounding is 0."""
    return number(0.0 if abs(value) <= LOSS else value, error)


def picture(frame: pd.DataFrame) -> Picture:
    """One panel for each number of workers, with the error per partition on a common axis."""
    labels = frame.drop_duplicates("label")[["label", "scheme"]]
    looks = variants([*labels.itertuples(index=False, name=None)])
    sizes = [*dict.fromkeys(frame["workers"])]
    panels = [_panel(frame[frame["workers"] == n], n, looks, len(sizes) > 1) for n in sizes]
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    width = style.ONE_PANEL if columns == 1 else style.TWO_PANELS
    abreast, last = columns + 1, (WORST.title, RANDOM.title, BOUND.title)
    titles = [*(look.title for look in looks.values()), *last]
    lines = ceil(len(titles) / style.entries_in_a_row(titles, abreast, width))
    height = PANEL * rows + LINE * lines
    return Picture(panels, columns, width, height, "y", legend=abreast, last=last)


def _panel(frame: pd.DataFrame, workers: int, looks: Mapping[str, Look], titled: bool) -> Panel:
    own = {label: look for label, look in looks.items() if label in set(frame["label"])}
    marks = list[Mark]()
    for place, (label, look) in enumerate(own.items()):
        share = place / max(1, len(own) - 1)
        marks += _marks(frame[frame["label"] == label], look, THICK + (THIN - THICK) * share)
    marks += map(Curve, (WORST, RANDOM, BOUND))
    top = 1.04 * max(float(frame["worst_relative"].max()), float(_random(frame).max()))
    return Panel(
        Axis("stragglers s" if titled else f"stragglers s of {workers} workers"),
        Axis("decoding error ‖w − 1‖² / k", low=-0.02 * top, high=top or 1.0),
        marks,
        f"{workers} workers" if titled else "",
    )


def _marks(rows: pd.DataFrame, look: Look, width: float) -> Iterator[Mark]:
    columns = ["stragglers", "worst_relative", "partitions", "bound", "random_se"]
    s, worst, k, bound, error = rows[columns].to_numpy(dtype=float).T
    bound, mean, half = bound / k, _random(rows), 1.96 * np.nan_to_num(error) / k

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
