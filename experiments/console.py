"""What a person sees in the terminal while and after a run: progress, then results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..sim.metrics import METRICS, Metric
from .config.cells import Cell
from .page import terminal
from .page.numbers import number_of
from .page.terminal import Column, show_columns
from .run.command import Outcome, Plan

COLUMNS = {"label": "scheme"} | {m.name: m.heading for m in METRICS.values() if m.heading}


def show_outcome(outcome: Outcome, output: Path) -> None:
    """The summary as a table, then where the files are, then what failed."""
    if outcome.finished:
        left_out = show_columns(_summary(outcome))
        if left_out:
            titles = ", ".join(column.title for column in left_out)
            terminal.say(f"too narrow for {titles}: see summary.parquet")
        computed = number_of(len(outcome.seconds), "cell")
        terminal.say(f"{computed} computed, {len(outcome.finished)} in all")
    terminal.say(f"results in {output}/")
    for text in outcome.warnings:
        terminal.tell(f"warning: {text}")
    for cell, reason in outcome.failed:
        terminal.tell(f"failed: {cell.label}{_place(cell)}: {reason}")


MOST_ROWS = 40
"""Rows of a plan that are shown."""


def show_plan(planned: Plan, output: Path, jobs: int) -> None:
    """The cells of a run before it runs: engine, what each will need, whether it is there."""
    known = planned.checked.estimates
    rows = [(cell, known[cell.key]) for cell in planned.cells if cell.key in known]
    todo = {cell.key for cell in planned.todo}
    some = rows[:MOST_ROWS]
    keys = _keys(cell for cell, _ in some)
    columns = [
        Column.of(key, [_short(cell.swept.get(key, "")) for cell, _ in some]) for key in keys
    ]
    columns += [
        Column.of("scheme", [cell.label for cell, _ in some]),
        Column("engine", [need.engine for _, need in some], 2),
        Column("about", [_duration(need.seconds) for _, need in some], 1),
        Column("memory", [_size(need.memory) for _, need in some], 3),
    ]
    if len(todo) < len(rows):
        columns.append(Column("", ["" if c.key in todo else "finished" for c, _ in some], 4))
    show_columns(columns)
    if len(rows) > len(some):
        terminal.say(f"... and {len(rows) - len(some)} more")
    for reason in dict.fromkeys(need.reason for _, need in rows if need.reason):
        terminal.say(f"event engine: {reason}")
    for cell in planned.cells:
        if cell.key in planned.checked.impossible:
            reason = planned.checked.impossible[cell.key]
            terminal.say(f"cannot run: {cell.label}{_place(cell)}: {reason}")
    for text in planned.checked.warnings:
        terminal.say(f"warning: {text}")
    needs = [known[cell.key] for cell in planned.todo]
    if needs:
        seconds = max(sum(need.seconds for need in needs) / jobs, needs[0].seconds)
        memory = sum(sorted((need.memory for need in needs), reverse=True)[:jobs])
        shared = f" with {jobs} jobs" if jobs > 1 else ""
        cost = f"about {_duration(seconds)}{shared}, {_size(memory)} beside the program"
    else:
        cost = "all are finished"
    terminal.say(f"{len(needs)} of {number_of(len(rows), 'cell')} to compute: {cost}")
    terminal.say(f"nothing was computed or written; results would be in {output}/")


def _keys(chosen: Iterable[Cell]) -> list[str]:
    """The swept keys that are columns; a scheme's own stand in its label."""
    keys = dict.fromkeys(key for cell in chosen for key in cell.swept)
    return [key for key in keys if not key.startswith("scheme.")]


LONGEST = 24
"""Characters of a swept value that are shown: a whole section can be one."""


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _duration(seconds: float) -> str:
    """To one digit or two: an estimate is no better."""
    if seconds < 120:
        return f"{seconds:.1g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _size(memory: int) -> str:
    if memory < 2**20:
        return "< 1 MiB"
    return f"{memory / 2**20:.0f} MiB" if memory < 2**30 else f"{memory / 2**30:.1f} GiB"


def _place(cell: Cell) -> str:
    values = ", ".join(f"{key}={value}" for key, value in cell.swept.items())
    return f" [{values}]" if values else ""


def _summary(outcome: Outcome) -> list[Column]:
    summary, keys = outcome.summary, _keys(cell for cell, _ in outcome.finished)
    names = [Column.of(key, [*map(_short, summary[key])]) for key in keys]
    metrics = {name: title for name, title in COLUMNS.items() if f"{name}_mean" in summary}
    rows = summary.to_dict("records")
    order = [*IMPORTANT, *(name for name in COLUMNS if name not in IMPORTANT)]
    return [
        *names,
        Column.of(COLUMNS["label"], [*summary["label"]]),
        *(
            Column(title, [_estimate(row, METRICS[name]) for row in rows], 1 + order.index(name))
            for name, title in metrics.items()
        ),
    ]


IMPORTANT = ("iteration_time", "time_to_target", "final_train_loss", "decoding_error")
"""What is left when there is little space, the most important first."""


def _estimate(row: Mapping[Any, Any], metric: Metric) -> str:
    mean, error = metric.estimate(row)
    if pd.isna(mean):
        return "-"
    sign = "±" if terminal.says("±") else "+-"
    return f"{mean:.4g}" + ("" if pd.isna(error) else f" {sign}{error:.1g}")
