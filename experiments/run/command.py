"""Run a config: plan its cells, compute them, write the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from ...sim.errors import EngineRefused, InvalidParameter, NeverEnough
from ..config.cells import Cell, cells, resolved
from ..config.document import write_yaml
from ..config.errors import ConfigError, is_memory, out_of_memory
from . import files, timeline
from .compute import (
    CellResult,
    cell_path,
    code_fingerprint,
    compute,
    read_cell,
    remove_leftovers,
    write_cell,
)
from .estimate import Checked, Room, check, require_fits
from .files import locked
from .lanes import Died, Lane, Share, map_unordered, open_lanes
from .outputs import (
    CONFIG,
    FILES,
    ITERATIONS,
    MANIFEST,
    SUMMARY,
    WORKERS,
    Origin,
    clear,
    make_way,
    manifest,
    origin_of,
    to_json,
)
from .records import Finished, iterations_table, summary_table, workers_table

# What a worker process does with one cell; any error is that cell's alone.


EXPECTED = (ConfigError, NeverEnough, EngineRefused, InvalidParameter)
"""Errors whose message says everything; of others the kind is said too."""


@dataclass(frozen=True)
class Done:
    """A cell that was computed, or failed.

    Attributes:
        result: its numbers, or why there are none.
        seconds: how long it took.
        code: fingerprint of the code that computed it, which may be on another machine.
    """

    result: CellResult | str
    seconds: float
    code: str


def compute_cell(data_dir: Path | None, cell: Cell, share: Share) -> Done:
    """Compute one cell, and say how far it is."""
    began = time.monotonic()
    result: CellResult | str
    try:
        result = compute(cell, data_dir, lambda done, total: share(done / total))
    except EXPECTED as error:
        result = str(error)
    except Exception as error:
        short = is_memory(error)
        result = out_of_memory(error) if short else f"{type(error).__name__}: {error}"
    return Done(result, time.monotonic() - began, code_fingerprint())


# Runs a config: every cell once, in parallel if asked, resumable at any moment.
#
# What is on disk is always whole: each finished cell is its own file, and the tables are written
# when all cells are there, from the cells' files alone. So a second run finishes what a killed one
# left, and the tables do not depend on which run computed which cell, or with how many jobs.


Progress = Callable[[float, int], None]
"""Called with cells done, parts of running ones included, and cells in all."""


def silent(done: float, total: int) -> None:
    """Progress progress to nobody."""


def tell_nobody(line: str) -> None:
    """Show a remark to nobody."""


@dataclass(frozen=True)
class RunOptions:
    """How to run; nothing here changes a number.

    Attributes:
        jobs: cells computed at the same time, each in a process of its own if more than one.
        scheduler: address of a Dask cluster that computes instead.
        data_dir: where the public data sets lie.
        allow_large: run also what this machine seems too small for.
        timeline: where to write what every worker did, for a trace viewer; not at all if ``None``.
        progress: called as cells are done.
        tell: called with a line that the user should see while the run goes on.
    """

    jobs: int = 1
    scheduler: str | None = None
    data_dir: Path | None = None
    timeline: Path | None = None
    allow_large: bool = False
    progress: Progress = silent
    tell: Callable[[str], None] = tell_nobody


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        finished: cells with their results, in the config's order.
        failed: cells with the reason.
        seconds: how long each cell took that was computed now, by key; the others were on disk.
        summary: one row per finished cell.
        warnings: what the reader should know of the results, a line each.
    """

    finished: list[Finished]
    failed: list[tuple[Cell, str]]
    seconds: Mapping[str, float]
    summary: pd.DataFrame
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What a run is going to do.

    Attributes:
        cells: all cells, in the config's order.
        checked: what is known of them before they run.
        todo: the cells that are not on disk yet, the longest first, so that none is left alone.
    """

    cells: list[Cell]
    checked: Checked
    todo: list[Cell]


def plan(document: Mapping[str, Any], output: Path, options: RunOptions) -> Plan:
    """Check every cell of a config, and find out which are on disk. Writes nothing.

    Raises:
        ConfigError: the config is bad, or its data are too large.
    """
    room = Room() if options.allow_large else Room.here(output)
    grid = cells(document, options.data_dir)
    checked = check(grid, options.data_dir, room)
    possible = {cell.key: cell for cell in grid if cell.key not in checked.impossible}
    todo = [cell for key, cell in possible.items() if read_cell(output, key) is None]
    todo.sort(key=lambda cell: checked.estimates[cell.key].seconds, reverse=True)
    return Plan(grid, checked, todo)


def require_room(planned: Plan, output: Path, options: RunOptions) -> None:
    """Refuse a plan for which this machine is too small, unless that is allowed.

    Raises:
        ConfigError: with the number and the remedy.
    """
    if not options.allow_large:
        needs = [(cell, planned.checked.estimates[cell.key]) for cell in planned.todo]
        require_fits(needs, Room.here(output), options.jobs, options.scheduler is None)


def run(document: Mapping[str, Any], output: Path, options: RunOptions) -> Outcome:
    """Run every cell of a config and write the tables under ``output``.

    Raises:
        ConfigError: the config is bad, this machine is too small, no scheduler answers, or
            another command writes to ``output``, and nothing has been written; or ``output``
            cannot be written.
    """
    began = time.monotonic()
    planned = plan(document, output, options)
    require_room(planned, output, options)
    config = resolved(document)
    text = write_yaml(config)
    failed = dict(planned.checked.impossible)
    seconds: dict[str, float] = {}
    place = output / "cells"
    with locked(output, FILES), files.folder_made(place), _lanes(planned, options) as lanes:
        files.require_writable(place)
        if make_way(output, config):
            options.tell(f"{output} held another run: its tables and pictures go, its cells stay")
        files.write_bytes(output / CONFIG, text.encode())
        for cell, done in _compute(planned, options, lanes):
            if isinstance(done, Died):
                failed[cell.key] = done.reason
            elif isinstance(result := _trusted(cell, done), CellResult):
                write_cell(output, cell.key, result)
                seconds[cell.key] = round(done.seconds, 3)
            else:
                failed[cell.key] = result
        finished = [(cell, _kept(output, cell)) for cell in planned.cells if cell.key not in failed]
        reasons = {c.key: (c, failed[c.key]) for c in planned.cells if c.key in failed}
        summary, warnings = summary_table(finished), planned.checked.warnings
        outcome = Outcome(finished, [*reasons.values()], seconds, summary, warnings)
        write_result(config, output, outcome, time.monotonic() - began)
        if options.timeline is not None:
            timeline.write_timeline(
                [c for c, _ in finished], options.timeline, output, options.data_dir
            )
    return outcome


def _lanes(planned: Plan, options: RunOptions) -> AbstractContextManager[Sequence[Lane]]:
    """Where to compute; no more lanes than would have something to do."""
    if not planned.todo:
        return nullcontext(())
    if options.scheduler is not None:
        from .dask import cluster

        return cluster(options.scheduler, options.tell)
    return open_lanes(min(options.jobs, max(len(planned.todo), 2)))


def _compute(
    planned: Plan, options: RunOptions, lanes: Sequence[Lane]
) -> Iterator[tuple[Cell, Done | Died]]:
    """Compute what is to do, and give each cell as it is done."""
    todo, total = planned.todo, len(planned.checked.estimates)
    before = total - len(todo)

    def progress(done: float) -> None:
        options.progress(before + done, total)

    progress(0)
    yield from map_unordered(partial(compute_cell, options.data_dir), todo, lanes, progress)


def _trusted(cell: Cell, done: Done) -> CellResult | str:
    """The numbers of a cell if they may be kept under its key; otherwise why not."""
    if done.code != code_fingerprint():
        return "computed by other code, or other versions of the libraries, than are installed here"
    changed = [str(file.path) for file in cell.inputs if not file.unchanged()]
    if changed:
        return f"changed while the run was going on: {', '.join(changed)}"
    return done.result


def _kept(output: Path, cell: Cell) -> CellResult:
    """A cell as it is on disk: tables do not depend on which run computed it."""
    result = read_cell(output, cell.key)
    if result is None:
        raise ConfigError(f"{cell_path(output, cell.key)}: vanished while the run was going on")
    return result


def write_result(
    config: dict[str, Any],
    output: Path,
    outcome: Outcome,
    seconds: float,
    live: Mapping[str, Any] | None = None,
) -> None:
    """Make tables and manifest; those of other cells go first, and the manifest comes last.

    Args:
        config: the resolved config.
        output: where they go.
        outcome: what became of the cells.
        seconds: how long all of it took.
        live: what a run on real workers says besides its tables; ``None`` for a simulation.
    """
    text = write_yaml(config)
    keys = [cell.key for cell, _ in outcome.finished]
    code = code_fingerprint()
    origin = Origin.of(config, keys, code if live is None else f"{code} live {live['began']}")
    if origin_of(output) != origin:
        clear(output)
    files.write_bytes(output / CONFIG, text.encode())
    if outcome.finished:
        tables = {
            ITERATIONS: iterations_table(outcome.finished),
            SUMMARY: outcome.summary,
            WORKERS: workers_table(outcome.finished),
        }
        for name, table in tables.items():
            files.write_table(output / name, table, origin.facts)
    entries = {
        cell.key: {
            "label": cell.label,
            "swept": cell.swept,
            "engine": result.engine,
            "seconds": outcome.seconds.get(cell.key),
        }
        for cell, result in outcome.finished
    }
    facts = manifest(config["seed"], seconds, outcome.warnings, entries, origin)
    if live is not None:
        facts["live"] = live
    files.write_bytes(output / MANIFEST, to_json(facts))
    remove_leftovers(output)
