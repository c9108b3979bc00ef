"""The report of a comparison of two results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ...page.answer import image_at, read_answer, table_at
from ...page.content import Chart, Page, Section, Table, capped
from ...page.numbers import interval, left_out, number, plain
from ...pictures import style
from ...pictures.looks import DASHED, MUTED, Look, variants
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from .base import ReportKind

COMPARISON = "comparison.csv"

NUMBERS = ("first", "second", "difference", "ratio", "ratio_low", "ratio_high", "correlation")


@final
class CompareReport(ReportKind):
    """The page on two results side by side, the output of ``compare``."""

    name: ClassVar[str] = "compare"

    @override
    def holds(self, directory: Path) -> bool:
        return (directory / COMPARISON).exists()

    @override
    def read(self, directory: Path) -> Page:
        answer = read_answer(directory)
        table = table_at(directory / COMPARISON, ("label", "scheme", *NUMBERS))
        words = "Each iteration of both results, and their losses on the clock."
        return Page(
            answer,
            question=[
                ("results", answer.subject),
                ("iterations", str(int(table["iterations"].max()))),
                ("replications", str(int(table["replications"].max()))),
            ],
            sections=[
                Section(
                    "pictures",
                    "Side by side",
                    [
                        Chart(
                            "ratios",
                            "Second over first",
                            "Ratio of mean iteration times, with its 95 % interval.",
                            ratios(table),
                        ),
                        *image_at(directory / "comparison.png", "comparison", "Iterations", words),
                    ],
                ),
                Section("table", "All numbers", [_table(table)]),
            ],
            provenance=[("made by", "erasurehead compare")],
        )


MOST_ROWS = 30


def ratios(table: pd.DataFrame) -> Picture:
    """A row for each scheme (and point), its ratio with an interval."""
    rows = table.head(MOST_ROWS)
    pairs = rows[["label", "scheme"]].drop_duplicates("label")
    looks = variants([(str(a), str(b)) for a, b in pairs.itertuples(index=False)])
    marks: list[Mark] = []
    for place, row in enumerate(rows.to_dict("records")):
        x = np.array([row["ratio"]], dtype=float)
        ends = np.array([[row["ratio"] - row["ratio_low"]], [row["ratio_high"] - row["ratio"]]])
        look = looks[str(row["label"])]
        marks.append(Points(look, x, np.array([float(place)]), dx=np.nan_to_num(ends)))
    line = Look(MUTED, "", DASHED, "no difference")
    ends = np.array([-0.6, len(rows) - 0.4])
    marks.insert(0, Curve(line, np.ones(2), ends, width=1.0))
    more = len(table) - len(rows)
    names = tuple(_named(row) for row in rows.to_dict("records"))
    return Picture(
        [
            Panel(
                Axis("ratio of mean iteration times, second over first"),
                Axis("", low=len(rows) - 0.4, high=-0.6, names=names),
                marks,
            )
        ],
        1,
        style.ONE_PANEL,
        3.4,
        heading=left_out(more, "row"),
        last=(line.title,),
    )


def _swept(columns: Sequence[str]) -> Sequence[str]:
    """The keys of a sweep stand between the scheme and the replications."""
    return columns[2 : columns.index("replications")] if "replications" in columns else []


def _named(row: Mapping[Any, Any]) -> str:
    """The scheme, and its point of a sweep."""
    point = ", ".join(str(row[key]) for key in _swept([*row]))
    return f"{row['label']} ({point})" if point else str(row["label"])


def _table(table: pd.DataFrame) -> Table:
    own = [str(name) for name in table.columns]
    swept = _swept(own)
    losses = "loss_difference" in own
    columns = ["scheme", *swept, "first (s)", "second (s)", "ratio (95 %)", "correlation"]
    rows = [
        [
            plain(row["label"]),
            *(plain(row[key]) for key in swept),
            number(row["first"]),
            number(row["second"]),
            interval(row["ratio"], row["ratio_low"], row["ratio_high"]),
            number(row["correlation"]),
            *([number(row["loss_difference"])] if losses else []),
        ]
        for row in table.to_dict("records")
    ]
    columns += ["largest loss difference"] if losses else []
    return capped("comparison-table", "", columns, rows, COMPARISON)


read = CompareReport().read
