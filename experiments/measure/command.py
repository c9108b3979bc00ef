"""``erasurehead measure``: real tasks on real workers, as a table that ``fit`` reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..cells import files
from ..config import build
from ..config.errors import ConfigError, at
from ..config.grid import cells
from .probe import measured
from .tasks import Workload, gradients, products

MOST_LOADS = 1000
LARGEST = 20_000
"""Rows of the matrices: three of them take 10 GB."""


def loads_of(text: str) -> list[int]:
    """Loads from ``1,2,3``.

    Raises:
        ConfigError: it is not that.
    """
    valid = "must be whole numbers from 1 on with commas between, such as 1,2,3, none twice"
    try:
        loads = [int(part) for part in text.split(",")]
    except ValueError:
        raise at("--loads", text, valid) from None
    if not loads or min(loads) < 1 or len(set(loads)) < len(loads) or len(loads) > MOST_LOADS:
        raise at("--loads", text, valid)
    return loads


def tasks_of(
    document: Mapping[str, Any] | None, data_dir: Path | None, workers: int | None, size: int
) -> Workload:
    """What to measure.

    Args:
        document: a config whose problem's gradients are the tasks; ``None``: products of matrices.
        data_dir: where the public data sets lie.
        workers: n; ``None``: that of the config, or 4.
        size: of the matrices.

    Raises:
        ConfigError: the config is bad or has no problem, or other workers.
    """
    if document is None:
        if not 1 <= size <= LARGEST:
            raise at("--size", size, f"must be from 1 to {LARGEST}")
        return products(size, workers or 4)
    cell = cells(document, data_dir)[0]
    own = cell.settings.workers
    if workers not in (None, own):
        raise at("--workers", workers, f"must be that of the config, {own}")
    learning = build.training(cell, data_dir)
    if learning is None:
        raise ConfigError("problem: missing; its gradients are the tasks")
    return gradients(learning, own)


def measure(
    tasks: Workload,
    loads: list[int],
    rounds: int,
    scheduler: str | None,
    slow: dict[int, float],
    output: Path,
    report: Callable[[int, int], None],
) -> pd.DataFrame:
    """Measure and write the table.

    Raises:
        ConfigError: the file cannot be written, or a load or worker does not exist.
        CannotEnd: a worker died.
    """
    if output.suffix != ".csv":
        raise at("--output", str(output), "must end in .csv")
    for worker in slow:
        if worker >= len(tasks.works):
            valid = f"must be a worker from 0 to {len(tasks.works) - 1}"
            raise at("--slow", worker, valid)
    files.require_file(output)
    table = measured(tasks, loads, rounds, scheduler, slow, report)
    files.write_bytes(output, table.to_csv(index=False).encode())
    return table
