"""Refuses what this machine cannot hold, before anything is computed: one line, with the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.errors import ConfigError
from ..config.grid import Cell
from .estimate import Estimate, table_memory
from .machine import free_disk, free_memory

REMEDY = "or allow it with --allow-large (in Python allow_large=True)"

LONGEST = 24 * 3600.0
"""Seconds that a cell may take."""


@dataclass(frozen=True)
class Room:
    """What there is room for; ``None``: anything.

    Attributes:
        memory, disk: bytes.
        seconds: of a cell.
    """

    memory: int | None = None
    disk: int | None = None
    seconds: float | None = None

    @classmethod
    def here(cls, output: Path) -> Room:
        """That of this machine, with results going to ``output``."""
        return cls(free_memory(), free_disk(output), LONGEST)


def require_memory(needed: float, room: Room, what: str, remedy: str) -> None:
    """Refuse what needs more bytes than there are.

    Raises:
        ConfigError: with both numbers.
    """
    if room.memory is not None and needed > room.memory:
        raise ConfigError(
            f"{what} takes about {size(needed)} of memory, and {size(room.memory)} are free: "
            f"{remedy}, {REMEDY}"
        )


def require_fits(
    cells: Sequence[tuple[Cell, Estimate]], room: Room, jobs: int = 1, here: bool = True
) -> None:
    """Refuse cells that need more memory, disk or time than there is.

    Args:
        cells: with what each needs.
        room: what there is.
        jobs: how many are computed together.
        here: whether cells are computed on this machine, and not on a cluster.

    Raises:
        ConfigError: the largest, with its number.
    """
    if not cells:
        return
    cell, need = max(cells, key=lambda each: each[1].memory)
    if here:
        remedy = "take fewer workers, iterations or replications"
        require_memory(need.memory, room, _named(cell), remedy)
        together = sum(sorted((each.memory for _, each in cells), reverse=True)[:jobs])
        if len(cells) > 1 and jobs > 1:
            require_memory(together, room, f"{jobs} cells at a time", "take fewer --jobs")
    tables = sum(table_memory(each) for _, each in cells)
    require_memory(tables, room, f"the tables of {len(cells)} cells", "take fewer of them")
    disk = sum(each.disk for _, each in cells)
    if room.disk is not None and disk > room.disk:
        raise ConfigError(
            f"the results take about {size(disk)} of disk, and {size(room.disk)} are free: "
            f"take fewer cells, iterations or replications, {REMEDY}"
        )
    cell, need = max(cells, key=lambda each: each[1].seconds)
    if room.seconds is not None and need.seconds > room.seconds:
        days = need.seconds / 86400
        raise ConfigError(
            f"{_named(cell)} takes about {days:.3g} days on one core: take a smaller one, {REMEDY}"
        )


def _named(cell: Cell) -> str:
    settings = cell.settings
    sizes = f"{settings.workers} workers, {settings.iterations} iterations, "
    return f"{cell.label} ({sizes}{settings.replications} replications)"


def size(number: float) -> str:
    """Bytes for a reader."""
    unit, short = next(
        (pair for pair in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")) if number >= pair[0]),
        (1024, "KiB"),
    )
    return f"{number / unit:.3g} {short}" if number < 1e15 else f"{number / unit:.1e} {short}"
