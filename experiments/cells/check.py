"""Before any cell runs, everything that it needs is built once: a bad config writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.cells.estimate import Estimate, estimate
from experiments.config import build
from experiments.config.errors import ConfigError
from experiments.config.grid import Cell


@dataclass(frozen=True)
class Checked:
    """What the check found.

    Attributes:
        impossible: cells of a sweep whose values are each valid, but not together, by key.
        warnings: what the reader should know of the results, a line each.
        estimates: what each of the other cells will need, by key.
    """

    impossible: Mapping[str, str]
    warnings: tuple[str, ...]
    estimates: Mapping[str, Estimate]


def check(grid: Sequence[Cell], data_dir: Path | None) -> Checked:
    """Build every cell; what cells share (a problem, the warnings of a delay model) only once.

    Raises:
        ConfigError: a section is wrong, data are missing, or no cell is possible.
    """
    sizes: dict[tuple[int, int, int], tuple[int, int | None]] = {}
    impossible: dict[str, str] = {}
    warnings: dict[tuple[int, int], tuple[str, ...]] = {}
    estimates: dict[str, Estimate] = {}
    for cell in grid:
        settings = cell.settings
        try:
            cut = build.scheme_of(cell).partitions
            problem = (id(settings.problem), settings.workers, cut)  # the seed cannot be wrong
            if problem not in sizes:
                sizes[problem] = _size(build.training(cell, data_dir))
            entries, features = sizes[problem]
            run = build.timing(cell, features)
        except build.ImpossibleCell as error:
            if not cell.swept:
                raise
            impossible[cell.key] = str(error)
            continue
        delay = (id(settings.delay), settings.iterations)
        if delay not in warnings:
            warnings[delay] = build.warnings(settings)
        estimates[cell.key] = estimate(run, settings.engine, entries)
    if all(cell.key in impossible for cell in grid):
        raise ConfigError(next(iter(impossible.values())))
    lines = dict.fromkeys(line for each in warnings.values() for line in each)
    return Checked(impossible, tuple(lines), estimates)


def _size(learning: build.Training | None) -> tuple[int, int | None]:
    """Entries of the data that a product reads, and features."""
    if learning is None:
        return 0, None
    return int(learning.problem.X.size), learning.problem.features
