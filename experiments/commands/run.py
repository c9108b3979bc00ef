"""What ``run``, ``sweep`` and ``live`` say in the terminal: a plan's cells, a run's means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config.cells import Cell
from ..config.names import shown_cell, shown_in
from ..page import terminal
from ..page.terminal import Column, show_columns
from ..run.command import Outcome, Plan
from ..run.estimate import size_beside_program
from ..run.metrics import METRICS, Metric
from ..text import TOO_FEW_ROUNDS, number, number_of, theory_text

HEADINGS = {metric.name: metric.heading for metric in METRICS.values() if metric.heading}
# what no terminal is too narrow for: fast alone says nothing
STAYING = ("iteration_time", "decoding_error")
# titles of closed forms, which stand beside what was simulated
TIMES, ERRORS = "theory (z)", "error in theory (z)"
IN_THEORY = dict(zip(STAYING, (TIMES, ERRORS), strict=True))
# what is left when there is little space, the most important first
IMPORTANT = (*STAYING, TIMES, "time_to_target", "final_train_loss", ERRORS)
MAX_SHOWN_LETTERS = 24  # characters of a swept value that are shown: a whole section can be one


def show_outcome(outcome: Outcome, output: Path) -> None:
    """The summary as a table, then where the files are, then what failed."""
    if outcome.finished:
        summary = outcome.summary
        # what no row is asked for is the larger part
        others = "_difference|_ratio|_theory$|_z$|^costliest_worker|^code_"
        named = summary.columns[~summary.columns.str.contains(others)]
        rows = summary[named].to_dict("records")
        keys = _swept(outcome.finished)
        columns = [Column.of(key, [*map(_short, summary[key])]) for key in keys]
        columns.append(Column.of("scheme", [*map(shown_in, rows)]))
        too_few_rounds = False
        order = [*IMPORTANT, *(name for name in HEADINGS if name not in IMPORTANT)]
        for name, title in HEADINGS.items():
            if f"{name}_mean" in summary:
                rank, metric = 1 + order.index(name), METRICS[name]
                means = [_mean(metric, row) for row in rows]
                columns.append(Column(title, means, rank, stays=name in STAYING))
            if f"{name}_theory" in summary:
                of_theory = [f"{name}_theory", f"{name}_z", f"{name}_se"]
                known = summary[of_theory].itertuples(index=False)
                said = [str(theory_text(*numbers)) for numbers in known]
                too_few_rounds |= any(TOO_FEW_ROUNDS in cell for cell in said)
                # A line below says it once: in 80 columns there is no room beside the numbers.
                cells = [cell.replace(f" ({TOO_FEW_ROUNDS})", "") for cell in said]
                columns.append(Column(IN_THEORY[name], cells, 1 + order.index(IN_THEORY[name])))
        left_out = {column.title: column for column in show_columns(columns)}
        target = left_out.pop(HEADINGS["time_to_target"], None)
        terminal.say_all(terminal.not_shown("summary.parquet", [*left_out]))
        if target is not None:  # the config asks for it: it has a target
            show_columns([*columns[: len(keys) + 1], replace(target, stays=True)])
        if (summary["replications"] == 1).all():
            terminal.say("one replication has no standard error: no ±, and no z where times vary")
        if too_few_rounds:
            terminal.say(
                f"{TOO_FEW_ROUNDS}: for the tail of these times or errors, so there is no z"
            )
        computed = number_of(len(outcome.seconds), "cell")
        of = f" of {len(outcome.finished) + len(outcome.failed)}" * bool(outcome.failed)
        terminal.say(f"{computed} computed, {len(outcome.finished)}{of} in all")
    terminal.say(f"results in {output}/")
    for text in outcome.warnings:
        terminal.tell(f"warning: {text}")
    for cell, reason in outcome.failed:
        terminal.tell(f"failed: {cell.named}: {reason}")


def show_plan(planned: Plan) -> None:
    """The cells of a run before it runs: engine, what each will need, whether it is there."""
    known, jobs = planned.checked.estimates, planned.options.jobs
    rows = [(cell, known[cell.key]) for cell in planned.cells if cell.key in known]
    todo = {cell.key for cell in planned.todo}
    some = rows[:40]  # are shown
    keys = _swept([cell for cell, _ in some])
    columns = [Column.of(key, [_short(c.swept.get(key, "")) for c, _ in some]) for key in keys]
    columns += [
        Column.of("scheme", [shown_cell(cell) for cell, _ in some]),
        Column("engine", [need.engine for _, need in some], 2),
        Column("memory", [size_beside_program(need.memory) for _, need in some], 1),
    ]
    if any(there := ["" if cell.key in todo else "finished" for cell, _ in rows]):
        columns.append(Column("", there[: len(some)], 3))
    show_columns(columns)
    if len(rows) > len(some):
        terminal.say(f"... and {len(rows) - len(some)} more")
    for reason in dict.fromkeys(need.reason for _, need in rows if need.reason):
        terminal.say(f"event engine: {reason}")
    for cell in planned.cells:
        if cell.key in planned.checked.impossible:
            terminal.say(f"cannot run: {cell.named}: {planned.checked.impossible[cell.key]}")
    for text in planned.checked.warnings:
        terminal.say(f"warning: {text}")
    if planned.outdated:
        terminal.say(planned.outdated_line())
    if needs := [known[cell.key] for cell in planned.todo]:
        memory = sum(sorted((need.memory for need in needs), reverse=True)[:jobs])
        shared = f" with {jobs} jobs" if jobs > 1 else ""
        needed = f"{size_beside_program(memory)} of memory beside the program{shared}"
    else:
        needed = "all are finished"
    terminal.say(f"{len(needs)} of {number_of(len(rows), 'cell')} to compute: {needed}")
    terminal.say(f"nothing was computed or written; results would be in {planned.output}/")


def _swept(cells: Sequence[Cell]) -> list[str]:
    """The keys of the grid; what one scheme sweeps stands in its label."""
    keys = dict.fromkeys(key for cell in cells for key in cell.swept)
    return [key for key in keys if not key.startswith("scheme.")]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= MAX_SHOWN_LETTERS else f"{text[: MAX_SHOWN_LETTERS - 3]}..."


def _mean(metric: Metric, row: Mapping[Any, Any]) -> str:
    estimate = str(number(*metric.estimate(row))).replace("±", "±" if terminal.says("±") else "+-")
    return metric.in_words(row, estimate)
