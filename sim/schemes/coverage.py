"""Stopping rules that ask what the messages carry, or which of a worker's messages they are.

``CoverPartitions``, ``CoverSupport``   every partition has arrived
``Decodable``                           nearly the exact gradient can be decoded
``PerPlace``, ``AtPlace``               so many workers' first, second, ... messages

A message's *place* is its number among those of its worker, from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np
from typing_extensions import override

from ..numerics import row_max
from ..types import BoolArray, FloatArray, IntArray
from .assignments import Assignment, Pieces
from .decoders import Optimal, decoding_error
from .stopping import CoverTally, FirstK, Opened, StoppingRule, Tally


@final
@dataclass(frozen=True)
class CoverPartitions(StoppingRule):
    """Stop when every partition has arrived in at least one message.

    Args:
        pieces: which messages carry each partition.
    """

    pieces: Pieces

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived[..., self.pieces.carriers].any(axis=-1).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: one gather, d passes."""
        carriers = self.pieces.carriers
        earliest = delays[..., carriers[:, 0]]
        for messages in carriers.T[1:]:
            np.minimum(earliest, delays[..., messages], out=earliest)
        return row_max(earliest)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return CoverTally(self.pieces.partitions, self.pieces.carried)


@final
@dataclass(frozen=True)
class CoverSupport(StoppingRule):
    """Stop when every partition is held by somebody who arrived; ``cover_of`` makes it.

    A partition that nobody holds is never covered.

    Args:
        holders: the messages that carry partition 0, then those of partition 1, and so on.
        starts: ``(k + 1,)`` where each partition's part of ``holders`` begins.
    """

    holders: tuple[int, ...]
    starts: tuple[int, ...]

    @cached_property
    def _arrays(self) -> tuple[IntArray, IntArray]:
        return np.array(self.holders, dtype=np.int64), np.array(self.starts, dtype=np.int64)

    @property
    def _possible(self) -> bool:
        return bool(np.all(np.diff(self._arrays[1]) > 0))

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        if not self._possible:
            return np.zeros(arrived.shape[:-1], dtype=np.bool_)
        holders, starts = self._arrays
        heard = np.logical_or.reduceat(arrived[..., holders], starts[:-1], axis=-1)
        return np.asarray(heard.all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: one gather of nnz(B)."""
        if not self._possible:
            return np.full(delays.shape[:-1], np.inf)
        holders, starts = self._arrays
        return row_max(np.minimum.reduceat(delays[..., holders], starts[:-1], axis=-1))

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _SupportTally(len(self.starts) - 1, self._carried)

    @cached_property
    def _carried(self) -> tuple[tuple[int, ...], ...]:
        """The partitions that each message carries."""
        holders, starts = self._arrays
        carried: list[list[int]] = [[] for _ in range(int(holders.max(initial=-1)) + 1)]
        for partition, (start, stop) in enumerate(pairwise(starts)):
            for message in holders[start:stop]:
                carried[message].append(partition)
        return tuple(map(tuple, carried))


def cover_of(code: Assignment) -> CoverSupport:
    """The rule that stops when every partition of a code is covered."""
    by_partition = code.encoding.tocsc()
    by_partition.sort_indices()
    return CoverSupport(tuple(by_partition.indices.tolist()), tuple(by_partition.indptr.tolist()))


class _SupportTally(Tally):
    """Keeps the partitions not yet covered."""

    def __init__(self, partitions: int, carried: Sequence[Sequence[int]]) -> None:
        self.alarms = []
        self._carried = carried
        self._missing = set(range(partitions))

    @override
    def arrive(self, message: int, now: float) -> bool:
        if message < len(self._carried):
            self._missing.difference_update(self._carried[message])
        return not self._missing

    @override
    def ring(self, now: float) -> bool:
        return not self._missing


@final
@dataclass(frozen=True)
class Decodable(StoppingRule):
    """Stop when least squares over what arrived leaves ||w - 1||^2 <= ``error``.

    Monotone, since another message can always be given the weight 0.

    Args:
        code: the encoding matrix.
        error: the largest decoding error.

    Cost: log2(n) least-squares solutions a round, and one per arrival in the event engine.
    """

    code: Assignment
    error: float

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return decoding_error(self._decoder.partition_weights(arrived)) <= self.error

    @cached_property
    def _decoder(self) -> Optimal:
        """Kept, since it makes the matrix dense."""
        return Optimal(self.code)


@final
@dataclass(frozen=True)
class PerPlace(StoppingRule):
    """Stop when ``needed[p]`` workers' messages at place p have arrived, for every place p.

    Args:
        needed: arrivals at each place, 0 to n.
    """

    needed: tuple[int, ...]

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        by_place = arrived.reshape(*arrived.shape[:-1], -1, len(self.needed))
        return np.asarray((np.count_nonzero(by_place, axis=-2) >= self.needed).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the places' instants. Cost: one partial sort."""
        m = len(self.needed)
        ended = [
            FirstK(count).stopping_delay(delays[..., place::m], opened)
            for place, count in enumerate(self.needed)
            if count
        ]
        if not ended:
            return FirstK(0).stopping_delay(delays, opened)
        return ended[0] if len(ended) == 1 else row_max(np.stack(ended, axis=-1))

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _PlaceTally(self.needed)


class _PlaceTally(Tally):
    """Counts down at each place."""

    def __init__(self, needed: tuple[int, ...]) -> None:
        self._missing = list(needed)
        self._open = sum(count > 0 for count in needed)
        self.alarms = [] if self._open else [0.0]

    @override
    def arrive(self, message: int, now: float) -> bool:
        place = message % len(self._missing)
        self._missing[place] -= 1
        self._open -= self._missing[place] == 0
        return self._open == 0

    @override
    def ring(self, now: float) -> bool:
        return self._open == 0


@final
@dataclass(frozen=True)
class AtPlace(StoppingRule):
    """A rule for one message a worker, applied to those at one place.

    Args:
        rule: the rule; one that does not depend on time.
        place: of the messages, from 0.
        places: m.
    """

    rule: StoppingRule
    place: int
    places: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.rule.enough(arrived[..., self.place :: self.places])

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return self.rule.stopping_delay(delays[..., self.place :: self.places], opened)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _AtPlaceTally(self, self.rule.tally(messages // self.places, opened))


class _AtPlaceTally(Tally):
    """Tells another tally of the messages at its place."""

    def __init__(self, rule: AtPlace, inner: Tally) -> None:
        self._at, self._inner = rule, inner
        self.alarms = inner.alarms

    @override
    def arrive(self, message: int, now: float) -> bool:
        worker, place = divmod(message, self._at.places)
        if place == self._at.place:
            return self._inner.arrive(worker, now)
        return self._inner.ring(now)

    @override
    def ring(self, now: float) -> bool:
        return self._inner.ring(now)


def last_of_each(workers: int, messages: int) -> PerPlace:
    """Every worker's last message, after which it is done, whatever it has left out before."""
    return PerPlace((0,) * (messages - 1) + (workers,))
