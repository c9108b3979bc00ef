"""Before any cell runs, everything that it needs is built once: a bad config writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.config import build
from experiments.config.errors import ConfigError
from experiments.config.grid import Cell
from sim.problems import Problem


@dataclass(frozen=True)
class Checked:
    """What the check found.

    Attributes:
        impossible: cells of a sweep whose values are each valid, but not together, by key.
        warnings: what the reader should know of the results, a line each.
        costs: about how many multiplications each of the other cells takes, by key.
    """

    impossible: Mapping[str, str]
    warnings: tuple[str, ...]
    costs: Mapping[str, float]


def check(grid: Sequence[Cell], data_dir: Path | None) -> Checked:
    """Build every cell.

    Raises:
        ConfigError: a section is wrong, data are missing, or no cell is possible.
    """
    sizes: dict[str, tuple[int, int | None]] = {}
    impossible: dict[str, str] = {}
    warnings: dict[str, None] = {}
    costs: dict[str, float] = {}
    for cell in grid:
        build.optimizer(cell)
        problem = _problem(cell)
        if problem not in sizes:
            learning = build.training(cell, data_dir)
            sizes[problem] = (0, None) if learning is None else _size(learning.problem)
        entries, features = sizes[problem]
        try:
            timing = build.timing(cell, features)
        except build.ImpossibleCell as error:
            if not cell.swept:
                raise
            impossible[cell.key] = str(error)
        else:
            warnings |= dict.fromkeys(timing.warnings)
            costs[cell.key] = _cost(timing, entries)
    if all(cell.key in impossible for cell in grid):
        raise ConfigError(next(iter(impossible.values())))
    return Checked(impossible, tuple(warnings), costs)


def _problem(cell: Cell) -> str:
    """Cells with the same one load the same data and cut it alike; the seed cannot be wrong."""
    settings = cell.settings
    return json.dumps([settings.problem, settings.workers], sort_keys=True, default=str)


def _size(problem: Problem) -> tuple[int, int]:
    """Entries of the data that a product reads, and features."""
    return int(problem.X.size), problem.features


def _cost(timing: build.Timing, entries: int) -> float:
    """Draws of the engine, and products with the data; exact replications share one model."""
    models = 1 if timing.scheme.exact else timing.replications
    draws = timing.replications * timing.scheme.workers
    return float(timing.iterations * (draws + 2 * models * entries))
