"""An attack in the terminal: for each code where it begins to lose something, and its table."""

from __future__ import annotations

import pandas as pd

from .. import terminal
from ..console import Column, show_columns
from .table import LOSS, beginning, rounding

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
