"""Delays that were measured: a table replayed or resampled, and the authors' own stream. A replay
is the same in every replication."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge, MinLen
from numpy.random import Generator
from numpy.typing import ArrayLike
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..sim.files import MOST_CELLS
from .base import (
    EXPONENTIAL_END,
    STRICT,
    DelayModel,
    Finite,
    FloatArray,
    PositiveSeconds,
    ReplayedDelays,
    Seconds,
)
from .tables.measured import (
    Decimal,
    Header,
    Measured,
    Missing,
    Reading,
    Retries,
    Role,
    TableError,
    Unit,
    as_fields,
)


@final
@dataclass(frozen=True, config=STRICT)
class MeasuredTrace(DelayModel):
    """A measured table of rounds x workers, replayed or resampled; docs/traces.md has the layouts.

    Args:
        path: a table of measured delays.
        resample: ``replay`` keeps the measured order, the same in every replication; ``rounds``
            draws whole rounds with replacement, which keeps what happens to several workers at
            once; ``cells`` draws single cells, as if they were independent.
        end: what happens after the last row of a replay; ``truncated`` ends the run there,
            ``cyclic`` begins again at the first.
        load: which load to take, for a long table that has several.
        most_cells: delays that the file may hold; a larger one is refused.
        hosts: ``all``: the run has as many workers as the table; ``first``: perhaps fewer, which
            read its first columns; or the names of those workers that take part, in order.
        columns: which column is the ``worker``, ``round``, ``seconds`` (or ``start`` and ``end``)
            and ``load`` of a long table, the time of its ``allreduce``, or its ``stages``; of a
            wide one which numbers the ``round``.
        drop: columns, or workers of a long table, that are left out.
        unit: of the times, where the columns' names do not say it: ``s``, ``ms``, ``us``, ``ns``,
            or how many seconds one is.
        missing: what a missing delay is: an error, a round that is dropped, or a worker that never
            arrives in that round.
        retries: what several rows of one worker and round are: an error, of which the last one
            counts, or whose seconds add up.
        keep: columns that are workers', whatever they look like.
        rows: rows of the file that count: ``A:B`` from 1, both included, ``A:B:STEP``, or
            ``COLUMN=VALUE``; ``":"``: all of them, whatever they look like.
        header: whether the first row of a text names the workers: ``"yes"``, ``"no"``, or as it
            looks.
        decimal: what stands before the fraction of a number in a text, ``"point"`` or ``"comma"``;
            the other one groups thousands.

    ``cells`` serves any number of workers, from the whole table. A measured round is the same for
    all tasks of a round: ``replay`` and ``rounds`` give all streams of the tape the same delays.

    Raises TableError: the file cannot be used (raised when the model is made)."""

    path: str
    resample: Literal["replay", "rounds", "cells"] = "replay"
    end: Literal["truncated", "cyclic"] = "truncated"
    load: float | None = None
    most_cells: Annotated[int, Ge(1)] = MOST_CELLS
    hosts: Literal["all", "first"] | tuple[str, ...] = "all"
    columns: dict[Role, str] | None = None
    drop: tuple[str, ...] = ()
    unit: Unit | PositiveSeconds | None = None
    missing: Missing = "refuse"
    retries: Retries = "refuse"
    keep: tuple[str, ...] = ()
    rows: str | None = None
    header: Header | None = None
    decimal: Decimal | None = None

    def __post_init__(self) -> None:
        """Read the file now, so that a bad one is refused before anything runs."""
        _ = self.measured

    @cached_property
    def measured(self) -> Measured:
        """What was measured at the load, with the workers' names and what was repaired."""
        from .tables.read import read_one_load  # imports pandas

        said = self.columns or {}, self.drop, self.unit, self.missing, self.retries, self.load
        reading = Reading(*said, self.keep, self.rows, self.header, self.decimal)
        try:
            found = read_one_load(self.path, reading, self.most_cells)
            return found if isinstance(self.hosts, str) else found.only(self.hosts)
        except TableError as error:
            raise TableError(error.path, as_fields(error.defect)) from None
        except ValueError as error:
            raise TableError(self.path, f"hosts: {error}") from None

    @cached_property
    def table(self) -> FloatArray:
        """The measured delays, ``(rounds, workers)`` seconds; infinite: never arrived."""
        (table,) = self.measured.tables.values()
        return table

    @property
    @override
    def independent(self) -> bool:
        return self.resample == "cells"

    row_by_row = independent

    @override
    def start(self, shared: Generator, workers: int) -> int | None:
        """The state of a replay is the next round's number."""
        return 0 if self.resample == "replay" else None

    @override
    def evolve(
        self, state: int | None, shared: Generator, rounds: int, workers: int
    ) -> tuple[FloatArray | None, int | None]:
        """The conditions are whole rows: the next ones of a replay, or rows drawn at random. A
        replay that has come to its end begins again; the run itself ends there when the trace is
        truncated: see ``rounds_available``."""
        if self.resample == "cells":
            return None, None
        if state is None:
            return self.table[shared.integers(len(self.table), size=rounds), :workers], None
        rows = np.arange(state, state + rounds) % len(self.table)
        return self.table[rows, :workers], state + rounds

    @override
    def delays(
        self, conditions: FloatArray | None, own: Generator, rounds: int, workers: int
    ) -> FloatArray:
        if conditions is not None:
            return conditions
        return self.table.ravel()[own.integers(self.table.size, size=(rounds, workers))]

    @override
    def rounds_available(self) -> int | None:
        return len(self.table) if (self.resample, self.end) == ("replay", "truncated") else None

    @override
    def workers_available(self) -> int | None:
        return None if self.resample == "cells" else int(self.table.shape[1])

    @override
    def workers_required(self) -> int | None:
        return None if self.hosts == "first" else self.workers_available()

    @cached_property
    def _sorted(self) -> FloatArray:
        return np.sort(self.table, axis=None)

    def _up_to(self, seconds: ArrayLike) -> FloatArray:
        x = np.asarray(seconds, dtype=np.float64)
        return np.asarray(np.searchsorted(self._sorted, x, side="right"), dtype=np.float64)

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray | None:
        """Share of the whole table's cells; ``None`` for a replay, which is not a law."""
        return None if self.resample == "replay" else self._up_to(seconds) / self._sorted.size

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray | None:
        if self.resample == "replay":
            return None
        return (self._sorted.size - self._up_to(seconds)) / self._sorted.size

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        if self.resample == "replay":
            return None
        q = np.asarray(probability, dtype=np.float64)
        return np.asarray(np.quantile(self._sorted, q, method="inverted_cdf"))

    @override
    def longest(self) -> float:
        finite = self._sorted[np.isfinite(self._sorted)]
        return float(finite[-1]) if finite.size else 0.0

    @override
    def warnings(self) -> tuple[str, ...]:
        return tuple(f"{self.path}: {as_fields(line)}" for line in self.measured.warnings)

    @override
    def mean(self) -> float | None:
        mean = float(self.table.mean())
        return None if self.resample == "replay" or np.isinf(mean) else mean


@final
@dataclass(frozen=True, config=STRICT)
class MeasuredRounds(DelayModel):
    """Rounds that were measured, drawn at random: whatever happens to several workers stays so.

    Nothing takes longer than what was measured. ``fit`` writes it where no law of single delays
    predicts the rounds that it has not seen as well.

    Args:
        seconds: the delays, a list of workers for each round; a run with fewer workers takes the
            first ones.
        stretch: how many successive rounds are drawn together in the mean, so that what lasts for
            some rounds still does; after the last round comes the first.

    A measured round is the same for all tasks of a round, as in ``trace``. There is no ``cdf``:
    each worker has its own.

    Raises ValueError: rounds with different numbers of workers."""

    seconds: Annotated[tuple[Annotated[tuple[Seconds, ...], MinLen(1)], ...], MinLen(1)]
    stretch: Annotated[Finite, Ge(1)] = 1.0

    def __post_init__(self) -> None:
        sizes = {len(row) for row in self.seconds}
        if len(sizes) > 1:
            text = f"{min(sizes)} workers in one round and {max(sizes)} in another"
            raise ValueError(f"{text}; must be as many in each")

    @cached_property
    def table(self) -> FloatArray:
        """What was measured, ``(rounds, workers)`` seconds."""
        return np.array(self.seconds)

    @override
    def start(self, shared: Generator, workers: int) -> int:
        """The state is the round that comes next where a stretch goes on."""
        return int(shared.integers(len(self.seconds)))

    @override
    def evolve(
        self, state: int, shared: Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, int]:
        """Rows of the table: where a stretch begins one at random, else the one that follows."""
        begins = shared.random(rounds) < 1 / self.stretch
        first, place = shared.integers(len(self.seconds), size=rounds), np.arange(rounds)
        last = np.maximum.accumulate(np.where(begins, place, -1))
        rows = np.where(last < 0, state + place, first[last] + place - last) % len(self.seconds)
        return self.table[rows, :workers], int(rows[-1] + 1)

    @override
    def delays(self, table: FloatArray, own: Generator, rounds: int, workers: int) -> FloatArray:
        return table

    @override
    def workers_available(self) -> int:
        return len(self.seconds[0])

    @override
    def longest(self) -> float:
        return float(self.table.max())

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        rounds = np.random.default_rng(0).gamma(4.0, 0.25, (12, 64)).round(3)
        return (MeasuredRounds(seconds=tuple(map(tuple, rounds.tolist())), stretch=3.0),)


@final
@dataclass(frozen=True, config=STRICT)
class AuthorsStream(ReplayedDelays):
    """The delays of the authors' experiments, to the bit.

    In round t (from 0) every worker draws ``np.random.seed(t); np.random.exponential(scale, n)``
    and sleeps its own entry.

    Source: facts read from the authors' public code (2019); they used scale 0.5 s."""

    row_cost: ClassVar[float] = 5e-5  # a generator of its own for each row

    scale: PositiveSeconds = 0.5

    @override
    def replay(self, start: int, stop: int, workers: int) -> FloatArray:
        """One legacy generator per round; ``RandomState(t)`` is the stream of ``seed(t)``."""
        table = np.empty((stop - start, workers))
        for row, t in zip(table, range(start, stop), strict=True):
            row[:] = np.random.RandomState(t).exponential(self.scale, workers)
        return table

    @override
    def longest(self) -> float:
        return EXPONENTIAL_END * self.scale

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (AuthorsStream(scale=0.5),)
