"""Before any cell runs, everything that it needs is built once: a bad config writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments import build
from experiments.config import Cell
from experiments.errors import ConfigError


@dataclass(frozen=True)
class Checked:
    """What the check found.

    Attributes:
        impossible: cells of a sweep whose values are each valid, but not together, by key.
        warnings: what the reader should know of the results, a line each.
    """

    impossible: Mapping[str, str]
    warnings: tuple[str, ...]


def check(grid: Sequence[Cell], data_dir: Path | None) -> Checked:
    """Build every cell.

    Raises:
        ConfigError: a section is wrong, data are missing, or no cell is possible.
    """
    features: dict[str, int | None] = {}
    impossible: dict[str, str] = {}
    warnings: dict[str, None] = {}
    for cell in grid:
        build.optimizer(cell)
        problem = _problem(cell)
        if problem not in features:
            learning = build.training(cell, data_dir)
            features[problem] = None if learning is None else learning.problem.features
        try:
            timing = build.timing(cell, features[problem])
        except build.ImpossibleCell as error:
            if not cell.swept:
                raise
            impossible[cell.key] = str(error)
        else:
            warnings |= dict.fromkeys(timing.warnings)
    if all(cell.key in impossible for cell in grid):
        raise ConfigError(next(iter(impossible.values())))
    return Checked(impossible, tuple(warnings))


def _problem(cell: Cell) -> str:
    """Cells with the same one load the same data and cut it alike; the seed cannot be wrong."""
    settings = cell.settings
    return json.dumps([settings.problem, settings.workers], sort_keys=True, default=str)
