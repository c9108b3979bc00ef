"""Runs a config: every cell once, in parallel if asked, resumable at any moment.

What is on disk is always whole: each finished cell is its own file, and the tables are written
when all cells are there, from the cells' files alone. So a second run finishes what a killed one
left, and the tables do not depend on which run computed which cell, or with how many jobs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import yaml

from experiments import build, store
from experiments.compute import CellResult, compute
from experiments.config import Cell, cells, validate
from experiments.errors import ConfigError
from experiments.manifest import manifest, to_json
from experiments.records import Finished, iterations_table, summary_table, workers_table

UNORDERED = "generator_unordered"
"""Cells are kept as they finish; the tables are in the config's order all the same."""

Report = Callable[[int, int], None]
"""Called with cells done and cells in all."""


@dataclass(frozen=True)
class Options:
    """How to run; nothing here changes a number.

    Attributes:
        jobs: cells computed at the same time.
        data_dir: where the public data sets lie.
        report: progress.
        backend: a context in which joblib finds its workers (a Dask cluster); default processes.
    """

    jobs: int = 1
    data_dir: Path | None = None
    report: Report = field(default=lambda done, total: None)
    backend: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        finished: cells with their results, in the config's order.
        failed: cells with the reason.
        computed: how many cells were computed now (the others were on disk).
        summary: one row per finished cell.
    """

    finished: list[Finished]
    failed: list[tuple[Cell, str]]
    computed: int
    summary: pd.DataFrame


def run(document: Mapping[str, Any], output: Path, options: Options) -> Outcome:
    """Run every cell of a config and write the tables under ``output``.

    Raises:
        ConfigError: the config is bad; nothing has been written.
    """
    began = time.monotonic()
    grid = cells(document)
    impossible = _check(grid, options.data_dir)
    wanted = {cell.key: cell for cell in grid if cell.key not in impossible}
    todo = [cell for key, cell in wanted.items() if store.read_cell(output, key) is None]
    failed = impossible | _compute_all(todo, len(wanted), output, options)
    outcome = _collect(grid, failed, output, computed=len(todo))
    _write(document, output, outcome, time.monotonic() - began)
    return outcome


def _check(grid: list[Cell], data_dir: Path | None) -> dict[str, str]:
    """Build every cell before any runs; returns the impossible combinations of a sweep."""
    impossible: dict[str, str] = {}
    for cell in grid:
        try:
            build.timing(cell)
        except build.ImpossibleCell as error:
            impossible[cell.key] = str(error)
            if not cell.swept:
                raise
    problems = {str(cell.settings.problem): cell for cell in grid}
    for cell in problems.values():
        build.training(cell, data_dir)
    if len(impossible) == len({cell.key for cell in grid}):
        raise ConfigError(next(iter(impossible.values())))
    return impossible


def _compute_all(todo: list[Cell], total: int, output: Path, options: Options) -> dict[str, str]:
    """Compute cells; returns the reasons of those that failed."""
    done = total - len(todo)
    options.report(done, total)
    tasks = [joblib.delayed(_compute_one)(cell, options.data_dir) for cell in todo]
    failed: dict[str, str] = {}
    with options.backend(), joblib.Parallel(n_jobs=options.jobs, return_as=UNORDERED) as parallel:
        for key, result, seconds in parallel(tasks):
            if isinstance(result, str):
                failed[key] = result
            else:
                store.write_cell(output, key, result, seconds)
            done += 1
            options.report(done, total)
    return failed


def _compute_one(cell: Cell, data_dir: Path | None) -> tuple[str, CellResult | str, float]:
    """Compute one cell, here or on another machine; any error is that cell's alone."""
    began = time.monotonic()
    result: CellResult | str
    try:
        result = compute(cell, data_dir)
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    return cell.key, result, time.monotonic() - began


def _collect(grid: list[Cell], failed: dict[str, str], output: Path, computed: int) -> Outcome:
    finished: list[Finished] = []
    for cell in grid:
        if cell.key not in failed:
            found = store.read_cell(output, cell.key)
            assert found is not None
            finished.append((cell, found[0]))
    failures = {cell.key: cell for cell in grid if cell.key in failed}
    reasons = [(cell, failed[key]) for key, cell in failures.items()]
    return Outcome(finished, reasons, computed, summary_table(finished))


def _write(document: Mapping[str, Any], output: Path, outcome: Outcome, seconds: float) -> None:
    settings = validate(document)
    resolved = yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False)
    store.write_bytes(output / "config.yaml", resolved.encode())
    if outcome.finished:
        store.write_table(output / "iterations.parquet", iterations_table(outcome.finished))
        store.write_table(output / "summary.parquet", outcome.summary)
        store.write_table(output / "workers.parquet", workers_table(outcome.finished))
    entries = {
        cell.key: {"label": cell.label, "swept": cell.swept, "engine": result.engine}
        for cell, result in outcome.finished
    }
    facts = manifest(settings.seed, seconds, entries)
    store.write_bytes(output / "manifest.json", to_json(facts))
    store.remove_leftovers(output)
