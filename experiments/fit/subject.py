"""What is fitted: unit delays, with the load taken out and the cold starts marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...delay_models.base import FloatArray
from .laws.cold import Cold, find_cold_starts
from .laws.load import unit_delays

FEWEST_ROUNDS = 3
"""Rounds without a cold start that are needed to compare order statistics with."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Unit delays of one load, or of all loads together.

    Attributes:
        label: the load, ``"all"`` for all of them, or ``""`` where the table has no loads.
        tables: ``(rounds, n)`` unit delays in seconds, one per load.
        cold: the cold starts among them.
    """

    label: str
    tables: tuple[FloatArray, ...]
    cold: Cold | None

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return int(self.tables[0].shape[1])

    @property
    def rounds(self) -> FloatArray:
        """All rounds, ``(R, n)`` seconds."""
        return np.concatenate(self.tables)

    @property
    def bulk_tables(self) -> list[FloatArray]:
        """Rounds without a cold start, per load and in their order; all, if nearly all are hit."""
        if self.cold is None:
            return list(self.tables)
        kept = [t[~cold.any(axis=1)] for t, cold in zip(self.tables, self.cold.cells, strict=True)]
        if sum(map(len, kept)) < FEWEST_ROUNDS:
            return list(self.tables)
        return [table for table in kept if len(table)]

    @property
    def bulk_rounds(self) -> FloatArray:
        """``bulk_tables`` in one, ``(R, n)`` seconds."""
        return np.concatenate(self.bulk_tables)

    @property
    def bulk(self) -> FloatArray:
        """Every delay that is not a cold start, ``(N,)`` seconds."""
        if self.cold is None:
            return self.rounds.ravel()
        return np.concatenate([t[~c] for t, c in zip(self.tables, self.cold.cells, strict=True)])


def subject(label: str, tables: Sequence[FloatArray]) -> Subject:
    """Mark the cold starts in ``(rounds, n)`` tables of unit delays."""
    return Subject(label, tuple(tables), find_cold_starts(tables))


def subjects(
    tables: Mapping[float | None, FloatArray], law: Mapping[str, Any], load: float | None
) -> list[Subject]:
    """Every subject of a table; the first one is what the config is made from.

    Args:
        tables: ``{load: (rounds, n) seconds}``.
        law: the load law.
        load: fit this load alone; ``None`` pools all loads.
    """
    units = {key: t if key is None else unit_delays(t, key, law) for key, t in tables.items()}
    each = [subject("" if key is None else f"{key:g}", [t]) for key, t in units.items()]
    if len(each) == 1:
        return each
    if load is None and law["kind"] != "per_partition":
        return [subject("all", list(units.values())), *each]
    wanted = load if load is not None else min(key for key in units if key)
    first = next(s for s, key in zip(each, units, strict=True) if key == wanted)
    return [first, *(s for s in each if s is not first)] if load is None else [first]
