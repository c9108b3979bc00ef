"""What a person sees in the terminal while and after a run: progress, then results."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from experiments.run import Outcome, Report
from sim.metrics import METRICS

COLUMNS = {"label": "scheme"} | {m.name: m.heading for m in METRICS.values() if m.heading}


@contextmanager
def progress(unit: str) -> Iterator[Report]:
    """A progress bar on stderr; quiet when stderr is not a terminal."""
    if not sys.stderr.isatty():  # not Progress(disable=True): before rich 14 that prints a line
        yield lambda done, total: None
        return
    bar = Progress(
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show_outcome(outcome: Outcome, output: Path) -> None:
    """The summary as a table, then where the files are, then what failed."""
    console = Console()
    console.width = max(console.width, 160)  # a long line beats a number cut in half
    if outcome.finished:
        console.print(_summary(outcome.summary, _swept(outcome)))
        console.print(f"{len(outcome.seconds)} cell(s) computed, {len(outcome.finished)} in all")
    console.print(f"results in {output}/", soft_wrap=True)
    errors = Console(stderr=True)
    for line in outcome.warnings:
        errors.print(f"warning: {line}", markup=False, highlight=False, soft_wrap=True)
    for cell, reason in outcome.failed:
        place = ", ".join(f"{key}={value}" for key, value in cell.swept.items())
        errors.print(f"failed: {cell.label} [{place}]: {reason}", markup=False, soft_wrap=True)


def _swept(outcome: Outcome) -> list[str]:
    return list(dict.fromkeys(key for cell, _ in outcome.finished for key in cell.swept))


def _summary(summary: pd.DataFrame, swept: list[str]) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    names = [key for key in swept if not key.startswith("scheme.")]
    for key in names:
        table.add_column(key, no_wrap=True)
    shown = {k: v for k, v in COLUMNS.items() if k == "label" or f"{k}_mean" in summary}
    for key, title in shown.items():
        table.add_column(title, justify="left" if key == "label" else "right", no_wrap=True)
    for _, row in summary.iterrows():
        values = (row["label"] if key == "label" else _estimate(row, key) for key in shown)
        table.add_row(*(str(row[key]) for key in names), *values)
    return table


def _estimate(row: pd.Series, key: str) -> str:
    mean, error = row[f"{key}_mean"], row[f"{key}_se"]
    if pd.isna(mean):
        return "-"
    return f"{mean:.4g}" + ("" if pd.isna(error) else f" ±{error:.1g}")
