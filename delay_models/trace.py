"""Delays that are replayed, not drawn: a measured table, and the authors' own stream.

A replay is the same in every replication: it is a fact, not a sample.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal, final

import numpy as np
from pydantic.dataclasses import dataclass

from delay_models.base import STRICT, DelayModel, FloatArray, Positive, ReplayedDelays
from delay_models.table import read_delays


@final
@dataclass(frozen=True, config=STRICT)
class Trace(ReplayedDelays):
    """Replays a measured table of rounds x workers, row by row from its first.

    Args:
        path: CSV, CSV.gz, Parquet or NPZ; see ``delay_models.table``.
        resample: how rows follow each other; ``replay`` keeps the measured order.
        end: what happens after the last row: ``truncated`` ends the run there, ``cyclic`` begins
            again at the first.
        load: which load to replay, for a long table that has several.

    A run with fewer workers than the table reads its first columns.

    Raises:
        TableError: the file cannot be used (raised when the model is made).
    """

    path: str
    resample: Literal["replay"] = "replay"
    end: Literal["truncated", "cyclic"] = "truncated"
    load: float | None = None

    def __post_init__(self) -> None:
        """Read the file now, so that a bad one is refused before anything runs."""
        _ = self.table

    @cached_property
    def table(self) -> FloatArray:
        """The measured delays, ``(rounds, workers)`` seconds."""
        return read_delays(self.path, self.load)

    def replay(self, start: int, stop: int, workers: int) -> FloatArray:
        """Rows of the table; past its end it begins again.

        The run itself ends there when the trace is truncated: see ``rounds_available``.
        """
        return self.table[np.arange(start, stop) % len(self.table), :workers]

    def rounds_available(self) -> int | None:
        """The table's length when truncated."""
        return len(self.table) if self.end == "truncated" else None

    def workers_available(self) -> int:
        """The table's width."""
        return int(self.table.shape[1])

    @classmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        """None: it needs a file."""
        return ()


@final
@dataclass(frozen=True, config=STRICT)
class AuthorsStream(ReplayedDelays):
    """The delays of the authors' experiments, to the bit.

    In round t (from 0) every worker draws ``np.random.seed(t); np.random.exponential(scale, n)``
    and sleeps its own entry.

    Source: facts read from the authors' public code (2019); they used scale 0.5 s.
    """

    scale: Positive = 0.5

    def replay(self, start: int, stop: int, workers: int) -> FloatArray:
        """One legacy generator per round; ``RandomState(t)`` is the stream of ``seed(t)``."""
        table = np.empty((stop - start, workers))
        for row, t in zip(table, range(start, stop), strict=True):
            row[:] = np.random.RandomState(t).exponential(self.scale, workers)
        return table

    @classmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        """For the contract tests."""
        return (AuthorsStream(scale=0.5),)
