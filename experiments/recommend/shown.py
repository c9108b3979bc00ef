"""The recommendation in the terminal."""

from __future__ import annotations

import numpy as np

from ..page import terminal
from ..page.terminal import Column, show_columns
from .frames import ranking_table
from .study import Study
from .words import following, number, verdict, why

LISTED = 12
"""Schemes that are listed."""


def show(study: Study, config: str) -> None:
    """Print verdict, reasons, the ranking and what to do next."""
    terminal.say(verdict(study))
    terminal.say_all(why(study))
    terminal.say("")
    left_out = show_columns(_columns(study))
    terminal.say("")
    if left_out:
        titles = ", ".join(column.title for column in left_out)
        terminal.say(f"too narrow for {titles}: see ranking.csv")
    terminal.say_all(f"next: {text}" for text in following(study, config))


def _columns(study: Study) -> list[Column]:
    rows = ranking_table(study).head(LISTED).to_dict("records")
    return [
        Column.of("scheme", [str(row["label"]) for row in rows]),
        Column(study.asked.goal.column, [number(row["value"]) for row in rows], 1),
        Column("relative", [number(row["ratio"]) for row in rows], 2),
        Column("95 % interval", [_range(row["ratio_low"], row["ratio_high"]) for row in rows], 3),
        Column("own rate", [number(row["rate"]) for row in rows], 4),
        Column("at common rate", [number(row["value_at_common_rate"]) for row in rows], 6),
        Column("s / iteration", [number(row["iteration_time"]) for row in rows], 7),
        Column("error", [number(row["error"], 3) for row in rows], 8),
        Column("held", [f"{row['load']:g}" for row in rows], 5),
    ]


def _range(low: float, high: float) -> str:
    return "-" if np.isnan(low) else f"{low:.4f} to {high:.4f}"
