"""The report of a fit: which law, and how well it predicts the k-th arrival."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from typing_extensions import override

from ...fit.page import LOOKS
from ...fit.study import CONFIG
from ...page.answer import image_at, read_answer, table_at, text_at
from ...page.content import Chart, Page, Section, Table, TableCell, capped
from ...page.numbers import interval, number, percent, plain
from ...pictures import style
from ...pictures.looks import MUTED, SOLID, Look
from ...pictures.picture import Axis, Curve, Mark, Panel, Picture
from .base import ReportKind

WORKERS = "workers.parquet"
FIT, ORDERS, DELAY = "fit.parquet", "order_statistics.parquet", "delay.yaml"

MEASURED = Look(MUTED, "", SOLID, "measured")


@final
class FitReport(ReportKind):
    """The page on a fit to measured delays, the output of ``fit``."""

    name: ClassVar[str] = "fit"

    @override
    def holds(self, directory: Path) -> bool:
        return (directory / FIT).exists()

    @override
    def read(self, directory: Path) -> Page:
        answer = read_answer(directory)
        fits = table_at(directory / FIT, ("load", "family", "order_error", "aic", "ks"))
        orders = table_at(directory / ORDERS, ("load", "family", "k", "observed", "ratio"))
        ks = orders["k"]
        words = (
            "Left: mean seconds until k workers have answered. Right: the same, predicted over "
            "measured; 1 is right."
        )
        quantiles = (
            "Measured quantiles against those of each family. On the diagonal the law is right; "
            "beyond it the measured tail is longer, or shorter."
        )
        return Page(
            answer,
            question=[
                ("table", answer.subject),
                ("order statistics", f"k = {ks.min()} to {ks.max()}"),
                ("delays", f"{int(fits['delays'].iloc[0])}"),
                ("loads", ", ".join(filter(None, dict.fromkeys(map(str, fits["load"])))) or "one"),
            ],
            sections=[
                Section(
                    "pictures",
                    "How well each law predicts",
                    [
                        Chart(
                            "orders", "Waiting for the k-th arrival", words, orders_picture(orders)
                        ),
                        *image_at(directory / "qq.png", "quantiles", "Quantiles", quantiles),
                    ],
                ),
                Section("table", "Families", [families(fits)]),
                Section("workers", "Workers", [*workers(directory / WORKERS)]),
            ],
            provenance=[("made by", "erasurehead fit"), ("fitted", f"{len(fits)} laws")],
            config=text_at(directory / DELAY),
        )


def orders_picture(orders: pd.DataFrame) -> Picture:
    """Seconds until k arrivals, and predicted over measured, of the first subject."""
    own = orders[orders["load"] == orders["load"].iloc[0]]
    config = own[own["family"] == CONFIG]
    first: list[Mark] = [_curve(MEASURED, config, "observed", 3.6)]
    second: list[Mark] = []
    for family, rows in own.groupby("family", sort=False):
        look = LOOKS.get(str(family), Look(MUTED, "o", SOLID, str(family)))
        first.append(_curve(look, rows, "predicted"))
        second.append(_curve(look, rows, "ratio"))
    values = config["observed"].to_numpy(dtype=float)
    positive = values[values > 0]
    log = bool(positive.size and positive.max() > 20 * positive.min())
    seconds = Axis("mean k-th smallest delay (s)", log=log)
    k = Axis("arrivals waited for, k")
    ratio = Axis("predicted over measured", True, (1, 1.5, 2, 5, 7), 0.5, 2.0)
    return Picture(
        [
            Panel(k, seconds, first, "seconds"),
            Panel(k, ratio, second, "ratio"),
        ],
        2,
        style.TWO_PANELS,
        3.6,
    )  # fmt: skip


def _curve(look: Look, rows: pd.DataFrame, column: str, width: float = 1.8) -> Curve:
    y = rows[column].to_numpy(dtype=float)
    return Curve(
        look, rows["k"].to_numpy(dtype=float), np.where(np.isfinite(y), y, np.nan), width=width
    )


def families(fits: pd.DataFrame) -> Table:
    """The ranking, a row for each family and load."""
    columns = [
        "family",
        "load",
        "order error, held out",
        "order error",
        "AIC",
        "KS distance",
        "log-likelihood",
        "parameters",
    ]
    rows = [
        [
            plain(row["family"]),
            plain(row["load"]),
            percent(row.get("held_out", np.nan)),
            percent(row["order_error"]),
            number(row["aic"]),
            number(row["ks"]),
            number(row["log_likelihood"]),
            number(row["parameters"]),
        ]
        for row in fits.to_dict("records")
    ]
    note = (
        "Ranked by the order error on rounds that were held out: the mean over k of how far the "
        "predicted k-th arrival of a round is off. A small AIC or KS distance does not make a law "
        "good there."
    )
    return capped("families", "", columns, rows, FIT, note)


def workers(path: Path) -> Iterator[Table]:
    """How slow each worker is, and what it costs; nothing where a fit did not say."""
    if not path.exists():
        return
    table = table_at(path, ("host", "stands_out", "slower", "slow", "cost"))
    columns = [
        "host",
        "times as slow (95 %)",
        "share of rounds it is slow",
        "rounds at a stretch",
        "costs (s a round, 95 %)",
        "stands out",
    ]
    rows = [
        [
            plain(row["host"]),
            _interval(row, "slower"),
            percent(row["slow"], row.get("slow_low", np.nan), row.get("slow_high", np.nan)),
            _interval(row, "spell"),
            _interval(row, "cost"),
            plain(bool(row["stands_out"])),
        ]
        for row in table.to_dict("records")
    ]
    yield capped("workers-table", "", columns, rows, WORKERS)


def _interval(row: Mapping[Any, Any], name: str) -> TableCell:
    return interval(*(row.get(f"{name}{end}", np.nan) for end in ("", "_low", "_high")))


read = FitReport().read
