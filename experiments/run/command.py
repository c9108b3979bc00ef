"""Run a config: plan its cells, compute them and write the tables."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any

import pandas as pd

from ...sim.base.errors import Option, at
from ...sim.base.numerics import one_thread
from ..config.build import SharedTapes, require_delays
from ..config.cells import Cell, cells, resolved
from ..config.code import Carried, carried
from ..config.document import write_yaml
from ..config.installed import code_fingerprint
from ..config.names import shown_point
from ..text import number_of
from . import files, outputs, timeline
from .compute import (
    CellResult,
    Done,
    compute_cell,
    read_cell,
    with_target,
    write_cell,
)
from .estimate import Checked, Room, check, require_fits
from .files import cells_there, remove_leftovers
from .pools import Died, Pool, map_unordered, open_pool, tell_nobody
from .records import (
    Finished,
    biased,
    diverged,
    iterations_table,
    out_of_reach,
    reached_at_once,
    summary_table,
    workers_table,
)

# called with cells done, parts of running ones included, and cells in all
Progress = Callable[[float, int], None]
MAX_SHARED_DELAYS = 2**23  # of a point's tapes that its cells share: 64 MiB


@dataclass(frozen=True)
class RunOptions:
    """How to run; nothing here changes a number."""

    jobs: int = 1  # cells computed at the same time, each in a process of its own if more than one
    scheduler: Any = None  # address or client of a Dask cluster that computes instead
    data_dir: Path | None = None  # where the public data sets lie
    # what each worker did is recorded: for a trace viewer in this file, or in the tables alone
    timeline: Path | bool = False
    reads: Sequence[Path] = ()  # files that must not be replaced
    allow_large: bool = False  # run also what this machine seems too small for
    csv: bool = False  # also write each table as CSV
    progress: Progress = tell_nobody  # called as cells are done
    # called with a line that the user should see while the run goes on
    tell: Callable[[str], None] = tell_nobody


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    finished: list[Cell]  # in the config's order
    failed: list[tuple[Cell, str]]  # cells with the reason
    seconds: Mapping[str, float]  # of each cell that was computed now, by key; others were on disk
    summary: pd.DataFrame  # one row per finished cell
    warnings: tuple[str, ...]  # what the reader should know of the results, a line each
    results: Sequence[Finished] = ()  # the finished cells with theirs; none where tables are there
    workers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # ``Pool.workers``


@dataclass(frozen=True)
class Plan:
    """What a run is going to do."""

    output: Path | None  # where it writes; ``None``: nowhere
    options: RunOptions  # how it runs
    cells: list[Cell]  # all cells, in the config's order
    checked: Checked  # what is known of them before they run
    # what is not on disk yet, the costliest first: none is left alone; cells of one key are one
    todo: list[Cell]
    kept: Mapping[str, CellResult]  # the results of the others, by key; none where all is there
    carried: Carried = field(
        default_factory=Carried
    )  # the resolved config, where there is a folder
    known: tuple[str, ...] | None = None  # where all is there, cells and tables: its warnings
    outdated: Sequence[str] = ()  # keys of cells in the folder that other code has computed

    def require_room(self) -> None:
        """Refuse a plan for which this machine is too small, unless that is allowed.
        Raises ConfigError: with the number and the remedy."""
        if not self.options.allow_large:
            needs = [(cell, self.checked.estimates[cell.key]) for cell in self.todo]
            jobs = self.options.jobs if self.options.scheduler is None else 0
            require_fits(needs, Room.here(self.output), jobs)

    def outdated_line(self) -> str:
        """What becomes of the cells that other code has computed."""
        count = number_of(len(self.outdated), "cell")
        return (
            f"{self.output} holds {count} computed by other code or libraries than are installed "
            "here: this run computes its own, and removes those at its end"
        )

    def pool(self) -> AbstractContextManager[Pool | None]:
        """Where to compute; no more processes than would have something to do."""
        if not self.todo:
            return nullcontext()
        if self.options.scheduler is not None:
            from .dask import cluster

            inputs = {file for cell in self.todo for file in cell.inputs}
            return cluster(self.options.scheduler, self.options.tell, inputs)
        return open_pool(min(self.options.jobs, max(len(self.todo), 2)))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage: among 100,000 cells, which are none, that takes a third of the time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@_uncollected()
def plan(document: Mapping[str, Any], output: Path | None, options: RunOptions) -> Plan:
    """Check every cell of a config, and find out which are on disk. Writes nothing.
    Raises ConfigError: the config is bad, or its data are too large."""
    if options.jobs > 1 and options.scheduler is not None:
        raise at(
            Option("jobs"),
            options.jobs,
            "must be left out beside ",
            Option("scheduler"),
            ": its workers compute",
        )
    room = Room() if options.allow_large else Room.here(output)
    grid = cells(document, options.data_dir)
    if options.timeline:
        for cell in timeline.shown(grid):
            require_delays(cell, "a timeline")
    if output is not None and isinstance(options.timeline, Path):
        tables = (output / name for name in outputs.RUN_FILES if name != outputs.TIMELINE_EVENTS)
        inputs = {file.path for cell in grid for file in cell.inputs}
        timeline.require_apart(options.timeline, [*tables, *inputs])
    checked = check(grid, room)
    possible = {cell.key: cell for cell in grid if cell.key not in checked.impossible}
    kept = dict[str, CellResult]()
    outdated = list[str]()
    in_folder = Carried()
    if output is not None:
        in_folder = carried(resolved(document), output)
        there = cells_there(output)
        code = code_fingerprint()
        outdated = [key for key in there if not key.endswith(code)]
        known = None
        if not options.csv:
            known = outputs.warnings_of_whole(output, in_folder.config, possible)
        if known is not None:
            return Plan(output, options, grid, checked, [], {}, in_folder, known, outdated)
        results = {key: read_cell(output, key) for key in possible if key in there}
        kept = {key: result for key, result in results.items() if result is not None}
    todo = [cell for key, cell in possible.items() if key not in kept]
    todo.sort(key=lambda cell: checked.estimates[cell.key].cost, reverse=True)
    return Plan(output, options, grid, checked, todo, kept, in_folder, outdated=outdated)


def run(document: Mapping[str, Any], output: Path | None, options: RunOptions) -> Outcome:
    """Run every cell of a config and write the tables under ``output``; without one, nothing is
    written. Raises ConfigError: the config is bad, this machine is too small, no scheduler answers,
    or another command writes to ``output``, and nothing has been written; or ``output`` cannot be
    written."""
    began = time.monotonic()
    planned = plan(document, output, options)
    planned.require_room()
    if output is None:
        with planned.pool() as pool, one_thread():
            return _computed(planned, pool)
    config = planned.carried.config
    folder = output / "cells"
    with (
        files.output_folder(output, outputs.RUN_FILES, options.reads) as keep,
        files.folder_made(folder),
        planned.pool() as pool,
        one_thread(),
    ):
        files.require_writable(folder)
        if outputs.make_way(output, config):
            options.tell(f"{output} held another run: its tables and pictures go, its cells stay")
        if planned.outdated:
            options.tell(planned.outdated_line())
        outputs.write_code(planned.carried, output)
        files.write_bytes(output / outputs.CONFIG, write_yaml(config).encode())
        if planned.known is not None:
            outcome = _known(planned, output, planned.known)
        else:
            outcome = _computed(planned, pool)
            write_result(config, output, outcome, time.monotonic() - began, csv=options.csv)
            outcome = replace(outcome, results=())
        if options.timeline:
            file = outputs.TIMELINE_EVENTS if options.timeline is True else options.timeline
            timeline.write_timeline(outcome.finished, output / file, output)
        keep()
        files.remove(files.cell_path(output, key) for key in planned.outdated)
    return outcome


def _known(planned: Plan, output: Path, warnings: tuple[str, ...]) -> Outcome:
    """What a run that came to its end has written."""
    count, impossible = len(planned.checked.estimates), planned.checked.impossible
    planned.options.progress(count, count)
    finished = [cell for cell in planned.cells if cell.key not in impossible]
    failed = [(cell, impossible[cell.key]) for cell in planned.cells if cell.key in impossible]
    summary = files.as_frame(files.read_arrow(output / outputs.SUMMARY))
    return Outcome(finished, failed, {}, summary, warnings)


def _computed(planned: Plan, pool: Pool | None) -> Outcome:
    """Compute what is left of a plan; each cell that is done is written where results go."""
    known, output, options = planned.checked, planned.output, planned.options
    failed = dict(known.impossible)
    seconds = dict[str, float]()
    results = dict(planned.kept)
    before = len(known.estimates) - len(planned.todo)

    def progress(done: float) -> None:
        options.progress(before + done, len(known.estimates))

    progress(0)
    todo, task = planned.todo, compute_cell
    if pool is None and len({cell.point for cell in todo}) < len(todo):
        todo = sorted(todo, key=attrgetter("point"))  # whose cells read the same delays
        task = partial(compute_cell, tapes=SharedTapes(MAX_SHARED_DELAYS, max_keys=1))
    for cell, done in map_unordered(task, todo, pool, progress):
        result = done.reason if isinstance(done, Died) else _trusted(cell, done)
        if isinstance(done, Died) or isinstance(result, str):
            failed[cell.key] = str(result)
        else:
            results[cell.key] = with_target(result, None)
            if output is not None:
                write_cell(output, cell.key, results[cell.key])
            seconds[cell.key] = round(done.seconds, 3)
    finished = [
        (cell, with_target(results[cell.key], cell.settings.target_loss))
        for cell in planned.cells
        if cell.key not in failed
    ]
    lost = [(cell, failed[cell.key]) for cell in planned.cells if cell.key in failed]
    summary = summary_table(finished)
    warnings = (
        *known.warnings,
        *reached_at_once(finished),
        *out_of_reach(finished),
        *diverged(finished, shown_point),
        *biased(finished, shown_point),
    )
    workers = {} if pool is None else pool.workers()
    cells = [cell for cell, _ in finished]
    return Outcome(cells, lost, seconds, summary, warnings, finished, workers)


def _trusted(cell: Cell, done: Done) -> CellResult | str:
    """The numbers of a cell if they may be kept under its key; otherwise why not."""
    if done.code != code_fingerprint():
        return "computed by other code, or other versions of the libraries, than are installed here"
    changed = [str(file.path) for file in cell.inputs if not file.unchanged()]
    return f"changed while the run was going on: {', '.join(changed)}" if changed else done.result


def tables_of(outcome: Outcome) -> dict[str, Iterable[pd.DataFrame]]:
    """The tables of a run by the names of their files, each in frames of the same columns."""
    if not outcome.results:
        return {}
    return {
        outputs.ITERATIONS: iterations_table(outcome.results),
        outputs.SUMMARY: [outcome.summary],
        # of these nothing is known where the clock alone was recorded
        outputs.WORKERS: workers_table(outcome.results),
    }


@files.postponed()
def write_result(
    config: dict[str, Any],
    output: Path,
    outcome: Outcome,
    seconds: float,
    live: Mapping[str, Any] | None = None,
    csv: bool = False,
) -> None:
    """Make tables and manifest; those of other cells go first, and the manifest comes last.
    ``seconds`` is how long all of it took; ``live`` is what a run on real workers says besides its
    tables, ``None`` for a simulation; with ``csv`` each table is also a CSV file."""
    keys = [cell.key for cell in outcome.finished]
    identity = outputs.result_id(config, keys, live)
    if outputs.id_of(output) != identity:
        outputs.clear(output)
    for name, frames in tables_of(outcome).items():
        files.write_table(output / name, frames, {outputs.ID: identity.encode()}, csv)
    made = {
        cell.key: {
            "label": cell.label,
            "swept": cell.swept,
            "engine": result.engine,
            "seconds": outcome.seconds.get(cell.key),
        }
        for cell, result in outcome.results
    }
    where = outputs.provenance()
    facts = {  # the only file that differs between equal runs
        "versions": where.pop("versions"),
        "seed": config["seed"],
        "seeds": sorted({cell.settings.seed for cell in outcome.finished}),
        **where,
        "wall_seconds": round(seconds, 3),
        "warnings": list(outcome.warnings),
        "id": identity,
        "cells": made,
        "failed": {cell.named: reason for cell, reason in outcome.failed},
    }
    if outcome.workers:
        facts["workers"] = outcome.workers
    if live is not None:
        facts["live"] = live
    else:
        facts["checksum"] = outputs.checksum_of(output, keys)
    files.write_bytes(output / outputs.MANIFEST, outputs.to_json(facts))
    remove_leftovers(output)
