"""Before any cell runs, everything that it needs is built once: a bad config writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config import build
from ..config.errors import ConfigError
from ..config.grid import Cell
from .estimate import DATA, FLOAT, Data, Estimate, estimate
from .fits import Room, require_memory

ANYTHING = Room()


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


def check(grid: Sequence[Cell], data_dir: Path | None, room: Room = ANYTHING) -> Checked:
    """Build every cell; what cells share (a problem, the warnings of a delay model) only once.

    Args:
        grid: the cells.
        data_dir: where the public data sets lie.
        room: how large the data may be.

    Raises:
        ConfigError: a section is wrong, data are missing or too large, or no cell is possible.
    """
    sizes: dict[tuple[int, int, int], Data | None] = {}
    impossible: dict[str, str] = {}
    warnings: dict[tuple[int, int], tuple[str, ...]] = {}
    estimates: dict[str, Estimate] = {}
    for cell in grid:
        settings = cell.settings
        try:
            cut = build.scheme_of(cell).partitions
            problem = (id(settings.problem), settings.workers, cut)  # the seed cannot be wrong
            if problem not in sizes:
                sizes[problem] = _size(cell, data_dir, room)
            data = sizes[problem]
            run = build.timing(cell, None if data is None else data.features)
        except build.ImpossibleCell as error:
            if not cell.swept:
                raise
            impossible[cell.key] = str(error)
            continue
        delay = (id(settings.delay), settings.iterations)
        if delay not in warnings:
            warnings[delay] = build.warnings(settings)
        estimates[cell.key] = estimate(run, settings.engine, data)
    if all(cell.key in impossible for cell in grid):
        raise ConfigError(next(iter(impossible.values())))
    lines = dict.fromkeys(line for each in warnings.values() for line in each)
    return Checked(impossible, tuple(lines), estimates)


def _size(cell: Cell, data_dir: Path | None, room: Room) -> Data | None:
    """How large a cell's problem is; one that says so before it is made may be refused."""
    config = cell.settings.problem
    said = None if config is None else config.family.entries
    if config is not None and said is not None:
        what = f"problem.dataset = {config.family.name} ({said:.3g} numbers)"
        require_memory(DATA * FLOAT * said, room, what, "take fewer rows or features")
    learning = build.training(cell, data_dir)
    if learning is None:
        return None
    problem = learning.problem
    return Data(int(problem.X.size), problem.rows, problem.features)
