"""The report of a recommendation: which scheme, how sure that is, and what was ruled out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ....sim.types import FloatArray
from ...page.answer import json_at, read_answer, table_at, text_at
from ...page.content import Chart, Page, Section, Table, TableCell, capped
from ...page.numbers import counted, interval, number, plain
from ...pictures import style
from ...pictures.looks import DASHED, MUTED, Look, variants
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture, Points
from .base import ReportKind

RANKING, CANDIDATES = "ranking.parquet", "candidates.parquet"
SENSITIVITY, WINNER, MANIFEST = "sensitivity.csv", "winner.yaml", "manifest.json"

MOST_ROWS, MOST_POINTS, MOST_LINES = 16, 24, 6

WIDE = 4.0
"""Ratios that differ by more than this are drawn on a logarithmic axis."""

NO_DIFFERENCE = Look(MUTED, "", DASHED, "the recommended scheme")

DIALS = {
    "load": "partitions beyond the first cost so many times as much",
    "tail": "delays exceed their median so many times as far",
    "persistence": "probability that a worker keeps its delay (-1: shuffled each round)",
}


@final
class RecommendReport(ReportKind):
    """The page on a recommendation, the output of ``recommend``."""

    name: ClassVar[str] = "recommend"

    @override
    def holds(self, directory: Path) -> bool:
        return (directory / RANKING).exists() and (directory / CANDIDATES).exists()

    @override
    def read(self, directory: Path) -> Page:
        answer = read_answer(directory)
        manifest = json_at(directory / MANIFEST)
        wanted = ("scheme", "label", "goal", "value", "ratio", "ratio_low", "ratio_high")
        ranking = table_at(directory / RANKING, wanted)
        candidates = table_at(directory / CANDIDATES, ("scheme", "label", "stage", "error"))
        question = manifest.get("question") or {}
        asked = [
            (k.replace("_", " "), str(v))
            for k, v in question.items()
            if v not in (None, []) and k != "mark"
        ]
        sections = [
            Section("pictures", "The best schemes", [*_pictures(ranking, candidates)]),
            Section("table", "Ranked", [_ranked(ranking)]),
            Section("sensitivity", "How far it holds", [*_moved(directory / SENSITIVITY)]),
            Section("ruled-out", "All that was looked at", [_looked_at(candidates)]),
        ]
        versions = manifest.get("versions") or {}
        return Page(
            answer,
            question=[("subject", answer.subject), *asked],
            sections=sections,
            provenance=[
                ("seed", str(manifest.get("seed"))),
                ("commit", str(manifest.get("commit"))),
                ("computed in", f"{manifest.get('wall_seconds')} s"),
                ("versions", ", ".join(f"{name} {v}" for name, v in versions.items())),
            ],
            config=text_at(directory / WINNER),
        )


def _looks(table: pd.DataFrame) -> dict[str, Look]:
    pairs = table[["label", "scheme"]].drop_duplicates("label")
    return variants([(str(a), str(b)) for a, b in pairs.itertuples(index=False)])


def _values(table: pd.DataFrame, name: str) -> FloatArray:
    values = table[name].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _unit(ranking: pd.DataFrame) -> str:
    seconds = str(ranking["goal"].iloc[0]) == "seconds"
    return "time to the goal (s)" if seconds else "loss at the end of the budget"


def _pictures(ranking: pd.DataFrame, candidates: pd.DataFrame) -> Iterator[Chart]:
    behind = ranking[np.isfinite(_values(ranking, "ratio"))]
    measured = candidates[np.isfinite(candidates[["value", "error"]].to_numpy(dtype=float).sum(1))]
    measured = measured.sort_values(["front", "value"], ascending=[False, True], kind="stable")
    measured = measured.drop_duplicates("label")
    rows, points = behind.head(MOST_ROWS), measured.head(MOST_POINTS)
    looks = _looks(pd.concat([rows, points]))  # the same in both
    words = "Ratio to the recommended scheme on the same delays, with its 95 % interval."
    yield Chart("ranking", "How far behind", words, _behind(rows, looks, len(ranking) - len(rows)))
    words = "What was measured of each scheme; ringed: nobody is better in time, error and cost."
    front = _front(points, looks, _unit(ranking), len(measured) - len(points))
    yield Chart("front", "Time, error and cost", words, front)


def _behind(rows: pd.DataFrame, looks: Mapping[str, Look], more: int) -> Picture:
    x, low, high = (_values(rows, name) for name in ("ratio", "ratio_low", "ratio_high"))
    marks: list[Mark] = [
        Points(
            looks[str(label)],
            x[i : i + 1],
            np.array([float(i)]),
            dx=np.nan_to_num([[x[i] - low[i]], [high[i] - x[i]]]),
        )
        for i, label in enumerate(rows["label"])
    ]
    marks.insert(0, Curve(NO_DIFFERENCE, np.ones(2), np.array([-0.6, len(rows) - 0.4]), width=1.0))
    names = tuple(map(str, rows["label"]))
    y = Axis("", low=len(rows) - 0.4, high=-0.6, names=names)
    heading = _in_the_table(more)
    panel = Panel(Axis("ratio to the recommended scheme"), y, marks)
    return Picture([panel], 1, 4.8, 4.0, heading=heading, last=(NO_DIFFERENCE.title,))


def _in_the_table(more: int) -> str:
    if more == 0:
        return ""
    return f"{counted(more, 'more scheme is', 'more schemes are')} in the table"


def _front(rows: pd.DataFrame, looks: Mapping[str, Look], unit: str, more: int) -> Picture:
    marks = [
        Points(
            looks[str(row["label"])],
            np.array([row["value"]], dtype=np.float64),
            np.array([row["error"]], dtype=np.float64),
            ringed=bool(row["front"]),
        )
        for row in rows.to_dict("records")
    ]
    heading = _in_the_table(more)
    panel = Panel(Axis(unit), Axis("mean decoding error"), marks)
    return Picture([panel], 1, style.ONE_PANEL, 4.0, heading=heading)


def _moved(path: Path) -> Iterator[Chart | Table]:
    """Ratios over each dial; nothing where no dial was turned."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):
        return
    if table.empty or not {"dial", "times", "label", "scheme", "ratio"} <= {*table.columns}:
        return
    looks = _looks(table)
    labels = list(dict.fromkeys(table["label"]))[:MOST_LINES]
    whole = len(table)
    table = table[np.isfinite(_values(table, "ratio"))]
    if table.empty:
        return
    known = _values(table, "ratio")
    wide = bool(np.nanmax(known) > WIDE * np.nanmin(known))
    ticks = (1, 2, 5) if wide else ()
    y = Axis("ratio to the recommended scheme", log=wide, ticks=ticks)
    panels = []
    for dial, own in table.groupby("dial", sort=False):
        lines: list[Mark] = []
        for label in labels:
            rows = own[own["label"] == label].sort_values("times")
            times, ratio = _values(rows, "times"), _values(rows, "ratio")
            low, high = _values(rows, "ratio_low"), _values(rows, "ratio_high")
            lines.append(Curve(looks[str(label)], times, ratio, low, high))
        log = bool((own["times"] > 0).all())
        words = DIALS.get(str(dial), str(dial))
        x = Axis(str(dial), log=log, ticks=(1, 2.5, 5) if log else ())
        panels.append(Panel(x, y, lines, words))
    words = (
        "Below 1, another scheme is better than the recommended one. Bands: paired 95 % intervals."
    )
    if len(table) < whole:
        words += (
            " Nothing is shown where a scheme or the recommended one does not reach the goal in "
            "every run."
        )
    columns = min(3, len(panels))
    picture = Picture(panels, columns, style.TWO_PANELS, 3.4, share="y" if columns > 1 else "")
    yield Chart("moved", "What if the cluster differs", words, picture)


def _ranked(ranking: pd.DataFrame) -> Table:
    columns = [
        "scheme", "rank", _unit(ranking), "ratio to the first (95 %)", "ratio to today's (95 %)",
        "learning rate", "rank at a common rate", "s / iteration", "load", "worker-seconds",
        "bytes", "error", "may be as good", "breaks",
    ]  # fmt: skip
    rows = [
        [
            plain(row["label"]),
            number(row.get("rank", np.nan)),
            *(_interval(row, name) for name in ("value", "ratio", "to_today")),
            *(
                number(row.get(name, np.nan))
                for name in (
                    "rate", "rank_at_common_rate", "iteration_time", "load", "worker_seconds",
                    "bytes", "error",
                )
            ),
            plain(row.get("tied")),
            plain(row.get("breaks") or "-"),
        ]
        for row in ranking.to_dict("records")
    ]  # fmt: skip
    return capped("ranked", "", columns, rows, RANKING)


def _interval(row: Mapping[Any, Any], name: str) -> TableCell:
    return interval(*(row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high")))


def _looked_at(candidates: pd.DataFrame) -> Table:
    columns = ["scheme", "left", "why", "value", "s / iteration", "known by", "load", "error"]
    rows = [
        [
            plain(row["label"]),
            plain(row["stage"]),
            plain(row.get("reason") or "-"),
            number(row.get("value", np.nan)),
            number(row.get("iteration_time", np.nan)),
            plain(row.get("known_by") or "-"),
            number(row.get("load", np.nan)),
            number(row.get("error", np.nan)),
        ]
        for row in candidates.to_dict("records")
    ]
    return capped("looked-at", "", columns, rows, CANDIDATES)


read = RecommendReport().read
