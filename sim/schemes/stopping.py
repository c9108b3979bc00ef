"""When the master stops waiting.

``FirstK``                          a number of arrivals: k-sync, MDS codes
``CoverGroups``                     every group of workers: fractional repetition
``CoverPartitions``                 every partition: partial work
``CoverSupport``, ``Decodable``     every partition, or nearly the exact gradient, of any code
``Deadline``, ``Window``            time is up, from the opening or from the first arrival
``FirstK(r) | CoverGroups(d)``      either: ErasureHead
``FirstK(r) & Window(mu)``          both: a window, but at least r arrivals

A rule says ``enough(arrived)`` for any set of arrivals, and that is all a new rule has to say. It
is monotone: more arrivals never turn a yes into a no. Engines ask in two ways that mean the same:
the batch engine asks ``stopping_delay`` for a whole table at once, the event engine holds a
``Tally`` and tells it of each arrival. Both have defaults made from ``enough``; fast rules override
them, and a contract test holds every override to the default.

Since rules are monotone, a combined rule ends at the earlier or the later of its parts' instants.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import final

import numpy as np
from typing_extensions import override

from ..numerics import row_max
from ..types import BoolArray, FloatArray, IntArray
from .assignments import Assignment, Pieces
from .decoders import Optimal, decoding_error

Opened = FloatArray | float
"""``(...)`` when each round started, in seconds on the clock of the arrivals."""


class Tally:
    """What has arrived in one round, as far as a rule cares.

    Life cycle: made when a round starts, told of each arrival and of each alarm, dropped when the
    round ends. Once it has answered True it goes on answering True: later messages of the same
    instant are still noted, and combined rules rely on it.

    This one keeps a mask and asks the rule; fast rules have tallies of their own.

    Attributes:
        alarms: seconds from now after which the tally wants to be asked again. The master looks
            here when the round opens and after each message, sets the alarms and empties the list.
    """

    def __init__(self, rule: StoppingRule, messages: int) -> None:
        self.alarms: list[float] = []
        self._rule = rule
        self._arrived = np.zeros(messages, dtype=np.bool_)
        if rule.enough(self._arrived):
            self.alarms.append(0.0)

    def arrive(self, message: int, now: float) -> bool:
        """Note a message; True when the master has enough.

        Args:
            message: its row in the encoding matrix. With m messages per worker, worker j sends
                messages j m, ..., j m + m - 1. No message is noted twice.
            now: the instant, on the clock of the round's opening.
        """
        self._arrived[message] = True
        return bool(self._rule.enough(self._arrived))

    def ring(self, now: float) -> bool:
        """Answer an alarm; True when the master has enough."""
        return bool(self._rule.enough(self._arrived))


class StoppingRule(ABC):
    """When the master has enough; abstract.

    n stands for the number of messages of a round: with several per worker, that of all of them.
    """

    @abstractmethod
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Whether these arrivals suffice, time aside: ``(..., n)`` bool -> ``(...)`` bool."""

    @property
    def timed(self) -> bool:
        """Whether the answer depends on time as well as on arrivals."""
        return False

    @property
    def only_timed(self) -> bool:
        """Whether it depends on time alone."""
        return False

    @property
    def needs_clock(self) -> bool:
        """Whether the delay depends on absolute instants, so that rounds cannot be solved alone."""
        return False

    @property
    def monotone(self) -> bool:
        """Whether earlier messages never end a round later; so it is unless a rule says no."""
        return True

    def of(self, replication: int) -> StoppingRule:
        """The rule of one replication, where its numbers differ between replications."""
        return self

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """When a round ends: ``(..., n)`` seconds -> ``(...)`` seconds.

        Always one of the given delays, the opening or a deadline, to the bit; infinite when the
        rule is never satisfied.

        Args:
            delays: when each message arrives, on any clock.
            opened: ``(...)`` when the round started on that clock.

        Cost: the default sorts once and asks ``enough`` log2(n) times.
        """
        return stopping_delay_by_bisection(self, delays, opened)

    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        """A fresh tally for one round of n = ``messages`` that opened at an instant."""
        return Tally(self, messages)

    @final
    def __or__(self, other: StoppingRule) -> AnyOf:
        return AnyOf(self, other)

    @final
    def __and__(self, other: StoppingRule) -> AllOf:
        return AllOf(self, other)


def stopping_delay_by_bisection(
    rule: StoppingRule, delays: FloatArray, opened: Opened = 0.0
) -> FloatArray:
    """``stopping_delay`` of any rule from ``enough`` alone: bisect on the sorted prefix."""
    ranked = np.sort(delays, axis=-1)
    n = delays.shape[-1]
    low = np.zeros(delays.shape[:-1], dtype=np.int64)
    high = np.full(delays.shape[:-1], n, dtype=np.int64)  # n: not even everyone is enough
    while np.any(low < high):
        middle = (low + high) // 2
        bound = np.take_along_axis(ranked, np.minimum(middle, n - 1)[..., None], axis=-1)
        yes = rule.enough((delays <= bound) & np.isfinite(delays))
        high = np.where(yes & (low < high), middle, high)
        low = np.where(~yes & (low < high), middle + 1, low)
    found = np.take_along_axis(ranked, np.minimum(low, n - 1)[..., None], axis=-1)[..., 0]
    found = np.where(low < n, found, np.inf)
    return np.where(rule.enough(np.zeros(delays.shape, dtype=np.bool_)), opened, found)


@dataclass(frozen=True)
class _Pair(StoppingRule):
    """Two rules as one; abstract."""

    left: StoppingRule
    right: StoppingRule

    @property
    @override
    def timed(self) -> bool:
        return self.left.timed or self.right.timed

    @property
    @override
    def only_timed(self) -> bool:
        return self.left.only_timed and self.right.only_timed

    @property
    @override
    def needs_clock(self) -> bool:
        return self.left.needs_clock or self.right.needs_clock

    @property
    @override
    def monotone(self) -> bool:
        return self.left.monotone and self.right.monotone

    @override
    def of(self, replication: int) -> StoppingRule:
        return type(self)(self.left.of(replication), self.right.of(replication))


@final
@dataclass(frozen=True)
class AnyOf(_Pair):
    """Stop as soon as either rule says so; write ``left | right``."""

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.left.enough(arrived) | self.right.enough(arrived)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.minimum(
            self.left.stopping_delay(delays, opened), self.right.stopping_delay(delays, opened)
        )

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        parts = self.left.tally(messages, opened), self.right.tally(messages, opened)
        return _PairTally(*parts, needed=1)


@final
@dataclass(frozen=True)
class AllOf(_Pair):
    """Stop when both rules say so; write ``left & right``."""

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Both, but a part of time alone does not count."""
        parts = [part for part in (self.left, self.right) if not part.only_timed]
        return np.asarray(np.all([part.enough(arrived) for part in parts or [self.left]], axis=0))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.maximum(
            self.left.stopping_delay(delays, opened), self.right.stopping_delay(delays, opened)
        )

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        parts = self.left.tally(messages, opened), self.right.tally(messages, opened)
        return _PairTally(*parts, needed=2)


class _PairTally(Tally):
    def __init__(self, left: Tally, right: Tally, needed: int) -> None:
        self.left, self.right, self.needed = left, right, needed
        self.alarms = []
        self._collect()

    @override
    def arrive(self, message: int, now: float) -> bool:
        yes = self.left.arrive(message, now) + self.right.arrive(message, now) >= self.needed
        self._collect()
        return yes

    @override
    def ring(self, now: float) -> bool:
        return self.left.ring(now) + self.right.ring(now) >= self.needed

    def _collect(self) -> None:
        for part in (self.left, self.right):
            if part.alarms:
                self.alarms += part.alarms
                part.alarms.clear()


@final
@dataclass(frozen=True)
class FirstK(StoppingRule):
    """Stop at k arrivals, whoever they are; k = 0: as soon as the round opens."""

    k: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.k)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The k-th smallest delay. Cost: one partition, or one pass for k = 1 and k = n."""
        n = delays.shape[-1]
        if self.k == n:
            return row_max(delays)
        if self.k == 1:
            return np.asarray(delays.min(axis=-1))
        if self.k == 0:
            return np.broadcast_to(np.asarray(opened, dtype=np.float64), delays.shape[:-1])
        return np.asarray(np.partition(delays, self.k - 1, axis=-1)[..., self.k - 1])

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _CountTally(self.k)


@final
@dataclass(frozen=True, eq=False)
class FirstKEach(StoppingRule):
    """Stop at ``k[r]`` arrivals in replication r.

    Args:
        k: ``(R,)`` arrivals, 0 to n.
    """

    k: IntArray

    @override
    def of(self, replication: int) -> FirstK:
        return FirstK(int(self.k[replication]))

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Each replication against its own k: ``(R, n)`` bool -> ``(R,)`` bool."""
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.k)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """``(R, n)`` -> ``(R,)``. Cost: one sort."""
        place = np.maximum(self.k - 1, 0)[:, None]
        found = np.take_along_axis(np.sort(delays, axis=-1), place, axis=-1)[:, 0]
        return np.where(self.k == 0, opened, found)


class _CountTally(Tally):
    """Counts arrivals down to zero."""

    def __init__(self, k: int) -> None:
        self.missing = k
        self.alarms = [] if k else [0.0]

    @override
    def arrive(self, message: int, now: float) -> bool:
        self.missing -= 1
        return self.missing <= 0

    @override
    def ring(self, now: float) -> bool:
        return self.missing <= 0


@final
@dataclass(frozen=True)
class CoverGroups(StoppingRule):
    """Stop when every group of ``size`` consecutive workers has at least one arrival."""

    size: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        grouped = arrived.reshape(*arrived.shape[:-1], -1, self.size)
        return np.asarray(grouped.any(axis=-1).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the groups' earliest delays. Cost: one pass."""
        return row_max(_earliest(delays, self.size))

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _CoverTally(messages // self.size, _groups(messages, self.size))


@lru_cache(maxsize=32)
def _groups(messages: int, size: int) -> tuple[int, ...]:
    """The group of each message; remembered, since every round asks."""
    return tuple(message // size for message in range(messages))


def _earliest(delays: FloatArray, size: int) -> FloatArray:
    """Each group's smallest delay: ``(..., n) -> (..., n / size)``.

    NumPy reduces a short last axis slowly, so short groups are compared member by member.
    """
    groups = delays.shape[-1] // size
    if size > groups:
        return np.asarray(delays.reshape(*delays.shape[:-1], groups, size).min(axis=-1))
    earliest = delays[..., ::size].copy()
    for member in range(1, size):
        np.minimum(earliest, delays[..., member::size], out=earliest)
    return earliest


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
        return _CoverTally(self.pieces.partitions, self.pieces.carried)


class _CoverTally(Tally):
    """Counts down the parts not yet covered; ``part_of`` gives each message's part."""

    def __init__(self, parts: int, part_of: Sequence[int]) -> None:
        self.alarms = []
        self.part_of = part_of
        self.covered = bytearray(parts)
        self.missing = parts

    @override
    def arrive(self, message: int, now: float) -> bool:
        part = self.part_of[message]
        if not self.covered[part]:
            self.covered[part] = 1
            self.missing -= 1
        return self.missing == 0

    @override
    def ring(self, now: float) -> bool:
        return self.missing == 0


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


class Clocked(StoppingRule):
    """A rule of arrivals and of absolute instants; abstract."""

    @property
    @override
    def timed(self) -> bool:
        return True

    @property
    @override
    def needs_clock(self) -> bool:
        return True


class _Timed(StoppingRule):
    """A rule of time alone; abstract."""

    @property
    @override
    def timed(self) -> bool:
        return True

    @property
    @override
    def only_timed(self) -> bool:
        return True

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Arrivals alone never satisfy it."""
        return np.zeros(arrived.shape[:-1], dtype=np.bool_)


@final
@dataclass(frozen=True)
class Deadline(_Timed):
    """Stop ``seconds`` after the round started, whoever has arrived."""

    seconds: float

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.full(delays.shape[:-1], np.asarray(opened) + self.seconds)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        tally = _TimeTally(opened + self.seconds)
        if self.seconds < np.inf:
            tally.alarms.append(self.seconds)
        return tally


@final
@dataclass(frozen=True, eq=False)
class DeadlineEach(_Timed):
    """Stop ``seconds[r]`` after the round started in replication r.

    Args:
        seconds: ``(R,)``; may be infinite.
    """

    seconds: FloatArray

    @override
    def of(self, replication: int) -> Deadline:
        return Deadline(float(self.seconds[replication]))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """Each replication's own deadline, whatever arrives: ``(R, n)`` -> ``(R,)`` seconds."""
        return np.asarray(opened) + self.seconds


class _TimeTally(Tally):
    """Over from an instant on."""

    def __init__(self, over: float) -> None:
        self.alarms = []
        self.over = over

    @override
    def arrive(self, message: int, now: float) -> bool:
        return now >= self.over

    @override
    def ring(self, now: float) -> bool:
        return now >= self.over


@final
@dataclass(frozen=True)
class Window(_Timed):
    """Stop at (1 + ``tolerance``) times the first arrival, both counted from the opening.

    So the deadline moves with the fastest worker, lucky or not.
    """

    tolerance: float

    @property
    @override
    def needs_clock(self) -> bool:
        return True

    def closes(self, first: FloatArray, opened: Opened) -> FloatArray:
        """When the window closes, given the first arrival; one addition after it."""
        with np.errstate(invalid="ignore"):  # where nobody ever arrives
            extra = self.tolerance * (first - opened)
        return np.where(np.isinf(first), np.inf, first + extra)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return self.closes(np.asarray(delays.min(axis=-1)), opened)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _WindowTally(self.tolerance, opened)


class _WindowTally(_TimeTally):
    """Sets its alarm at the first arrival."""

    def __init__(self, tolerance: float, opened: float) -> None:
        super().__init__(np.inf)
        self._tolerance, self._opened = tolerance, opened

    @override
    def arrive(self, message: int, now: float) -> bool:
        if self.over == np.inf:
            extra = self._tolerance * (now - self._opened)
            self.over = now + extra
            self.alarms.append(extra)
        return now >= self.over
