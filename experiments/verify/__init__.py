"""Simulated against closed form: the simulator and the theory check each other.

``grid``     what is verified, and its simulation by either engine
``compare``  each comparison with a closed form, as a z-score
``table``    rows, verdicts, output

The two sides share the scheme's parameters, but no code that computes a time or a gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from ...sim.numerics import one_thread
from ...sim.theory import NoFormula
from ..config.cells import Cell, cells
from ..options import VerifyRequest
from ..page import terminal
from ..run.estimate import Room, free_memory, require_memory
from ..run.files import output_folder
from ..text import number_of
from . import compare, grid, table
from .table import TableRow, Verification

Compared = Callable[[grid.Case], compare.Quantities]
COMPARISONS: tuple[Compared, ...] = (
    compare.compare_iteration_time,
    compare.compare_law_engine,
    compare.compare_decoding_error,
    compare.compare_moments,
    compare.compare_losses,
)

Progress = Callable[[int, int], None]  # called with schemes done and schemes in all
# What is compared of a user's own schemes: what the tables of a run have closed forms of.
OF_A_CONFIG = (compare.compare_iteration_time, compare.compare_decoding_error)


def compare_settings(
    settings: Sequence[grid.Setting],
    asked: VerifyRequest,
    progress: Progress = lambda done, total: None,
    comparisons: Sequence[Compared] = COMPARISONS,
) -> Verification:
    """Simulate every scheme of every setting and compare it with the theory; ``progress`` is told
    of each. Cost: 80 s on one core for the grid and 200,000 rounds; 1.5 kB of memory per round."""
    total = sum(len(setting.labels) for setting in settings)
    rows: list[TableRow] = []
    done = 0
    progress(done, total)
    with one_thread():
        for setting in settings:
            names = setting.workers, setting.delay_label, setting.law_label
            for label, case in zip(setting.labels, grid.cases(setting, asked), strict=True):
                rows += [
                    TableRow(*names, label, name, outcome)
                    for compared in comparisons
                    for name, outcome in compared(case)
                ]
                done += 1
                progress(done, total)
    return Verification(rows)


def verify_grid(asked: VerifyRequest, document: Mapping[str, Any] | None = None) -> bool:
    """Verify the whole grid, or a config's, show the table and keep it; True when every row passes.
    Of a config the mean and a quantile of the iteration time and the mean decoding error are
    compared, in as many rounds as asked for. Raises ConfigError: a bad config, or so many
    replications do not fit into memory, unless ``allow_large``."""
    settings, others, compared = grid.whole_grid(), list[tuple[Cell, str]](), COMPARISONS
    if document is not None:
        of_config, others = grid.of_config(cells(document))
        settings, compared = tuple(of_config), OF_A_CONFIG
    room = Room() if asked.allow_large else Room(free_memory())
    what = f"--replications {asked.replications}"
    # bytes of a round of one scheme: 1500 at least, and 50 a worker
    most = max([1500, *(50 * setting.workers for setting in settings)])
    require_memory(most * asked.replications, room, what, "take fewer")
    if document is None:
        count = number_of(sum(len(setting.labels) for setting in settings), "scheme")
        alone = "the schemes of a config alone: verify CONFIG.yaml"
        terminal.say(f"{count}, {asked.replications} rounds each: one to five minutes; {alone}")
    began, output = time.monotonic(), asked.output
    with nullcontext() if output is None else output_folder(output, table.VERIFY_FILES):
        with terminal.progress("schemes") as progress:
            result = compare_settings(settings, asked, progress, compared)
        for cell, why in others:
            n, delay, law = cell.settings.workers, cell.settings.delay, cell.settings.load_law
            names = n, grid.delay_label(delay), law.kind, cell.label, "iteration time and error"
            result.rows.append(TableRow(*names, NoFormula(why)))
        table.show_verification(result, time.monotonic() - began)
        if output is not None:
            table.write_verification(result, output)
            terminal.say(f"results in {output}/")
    return not result.failed
