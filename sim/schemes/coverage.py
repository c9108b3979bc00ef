"""Stopping rules that ask what the messages carry, or that look at one message of each worker.

``CoverPartitions``   every partition has arrived
``Decodable``         nearly the exact gradient can be decoded
``AtPlace``           another rule, for the messages at one place
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import final

import numpy as np
from typing_extensions import override

from ..numerics import row_max
from ..types import BoolArray, FloatArray, IntArray
from .assignments import Assignment
from .decoders import Optimal, decoding_error
from .stopping import CoverTally, Opened, StoppingRule, Tally


@final
@dataclass(frozen=True)
class CoverPartitions(StoppingRule):
    """Stop when every partition has arrived in at least one message; one that nobody holds never
    has."""

    code: Assignment

    @cached_property
    def _carriers(self) -> IntArray | None:
        """``(k, most)`` the messages that carry each partition, its first again where there are
        fewer; ``None`` if one is in no message."""
        by_partition = self.code.encoding.tocsc()
        by_partition.sort_indices()
        counts = np.diff(by_partition.indptr)
        if not counts.all():
            return None
        place = np.arange(counts.max())
        place = np.where(place < counts[:, None], place, 0)
        return np.asarray(by_partition.indices[by_partition.indptr[:-1, None] + place])

    @cached_property
    def carried(self) -> list[list[int]]:
        """The partitions that each message carries."""
        b = self.code.encoding
        return [b.indices[start:stop].tolist() for start, stop in pairwise(b.indptr)]

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        if self._carriers is None:
            return np.zeros(arrived.shape[:-1], dtype=np.bool_)
        return np.asarray(arrived[..., self._carriers].any(axis=-1).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: a gather for each copy."""
        if self._carriers is None:
            return np.full(delays.shape[:-1], np.inf)
        first, *others = self._carriers.T
        earliest = delays[..., first]
        for messages in others:
            np.minimum(earliest, delays[..., messages], out=earliest)
        return row_max(earliest)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return CoverTally(self.code.partitions, self.carried)


@final
@dataclass(frozen=True)
class Decodable(StoppingRule):
    """Stop when least squares over what arrived leaves ||w - 1||^2 <= ``error``. Monotone, since
    another message can always be given the weight 0. Cost: log2(n) least-squares solutions a round,
    and one per arrival in the event engine."""

    code: Assignment
    error: float

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return decoding_error(self._decoder.partition_weights(arrived)) <= self.error

    @cached_property
    def _decoder(self) -> Optimal:
        return Optimal(self.code)


@final
@dataclass(frozen=True)
class AtPlace(StoppingRule):
    """A rule for one message a worker that does not depend on time, for those at one of m
    ``places``."""

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
