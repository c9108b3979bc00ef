"""Partial work of stragglers: every gradient sent at once, or one combination at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import ClassVar, Literal, TypeVar, final

import numpy as np
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import NotNegative, WaitFor, configured, require_at_most, require_divisor
from ..base.types import BoolArray, FloatArray
from .base import (
    Assigned,
    Fixed,
    Guarantees,
    KnownDelays,
    KnownDelaysFamily,
    OfWorkers,
    Round,
    RoundScheme,
    SchemeFamily,
    Sees,
    State,
)
from .codes.base import Loaded
from .parts.assignments import Pieces
from .parts.decoders import Conditioning, OnePerPartition
from .parts.stop import CoverPartitions, Stop, ending, refuse_beside
from .parts.stopping import Countdown, FirstK, Opened, StoppingRule, StoppingState

AnyArray = TypeVar("AnyArray", BoolArray, FloatArray)


@configured
class MultiMessage(Loaded):
    """A message per finished partition; stop when every partition is covered.

    Args:
        wait_for: r, messages (not workers) that end a round in any case, 1 to n d. The scheme is
            exact without it, and with r > (n - 1) d, when no partition can lack all d messages.
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.
        order: ``natural``: a worker begins with the first of its partitions. ``rotated``: worker j
            begins with the (j mod d)-th and goes on cyclically.
        stop: when a round ends that does not cover every partition, in place of ``wait_for``; it
            counts messages, not workers.

    Source: the multi-message scheme of Ozfatura, Gündüz, Ulukus (2018), with plain partitions and
    the cyclic schedule of Mohammadi Amiri, Gündüz (arXiv 1810.09992). A worker's i-th of d pieces
    is done when the load law says that i partitions are: at i X, or at X + i tau under
    ``additive``."""

    name: ClassVar[str] = "multi_message"
    wait_for: WaitFor | None = None
    assignment: Literal["cyclic", "fractional"] = "cyclic"
    order: Literal["natural", "rotated"] = "natural"
    stop: Stop | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """From one piece to all, ends by messages that leave partitions out or none, and orders."""
        whole = cls(load=3), cls(load=1), cls(load=12)
        ended = cls(load=3, wait_for=10), cls(load=3, wait_for=34), cls(load=1, wait_for=11)
        groups = cls(load=3, assignment="fractional")
        both = cls(load=4, assignment="fractional", order="rotated", wait_for=20)
        stopped = cls(load=3, stop=FirstK(first=9))
        return *whole, *ended, groups, both, cls(load=5, order="rotated"), stopped

    def build(self, workers: int) -> Fixed:
        """Any load up to workers; with groups, one that divides workers."""
        pieces = _pieces(self, workers)
        rule: StoppingRule = CoverPartitions(pieces)
        exact = None
        if self.stop is not None:
            refuse_beside("stop", wait_for=self.wait_for)
            rule = rule | ending(self.stop, pieces)
        else:
            if self.wait_for is not None:
                called = "the number of messages, "
                require_at_most("wait_for", self.wait_for, workers * self.load, called)
                rule = rule | FirstK(self.wait_for)
            exact = self.wait_for is None or self.wait_for > (workers - 1) * self.load
        guarantees = Guarantees(copies=self.load, tolerates=self.load - 1 if exact else None)
        return Fixed(self.name, pieces, rule, OnePerPartition(pieces), exact, guarantees=guarantees)


@configured
class PartialStragglers(Loaded):
    """As ``multi_message``, but a worker reports each partition and sends one sum when asked.

    A report takes the network's latency and no bandwidth. When every partition is reported the
    master asks the workers for their parts of the sum, which takes one more round trip: both
    latencies, and the transfer of one message a worker. On an ideal cluster, rounds equal those of
    ``multi_message`` to the bit. The gradient is exact.

    Args:
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.
        order: ``natural``: a worker begins with the first of its partitions. ``rotated``: worker j
            begins with the (j mod d)-th and goes on cyclically.

    Source: Ramamoorthy, Meng, Girimaji, Leveraging partial stragglers within gradient coding (arXiv
    2405.19509)."""

    name: ClassVar[str] = "partial_stragglers"
    assignment: Literal["cyclic", "fractional"] = "cyclic"
    order: Literal["natural", "rotated"] = "natural"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(load=3), cls(load=1), cls(load=4, assignment="fractional", order="rotated")

    @override
    def build(self, workers: int) -> Reporting:
        return Reporting(_pieces(self, workers))


def _pieces(family: MultiMessage | PartialStragglers, workers: int) -> Pieces:
    family.require_load(workers)
    fractional = family.assignment == "fractional"
    if fractional:
        require_divisor(family.load, workers)
    return Pieces(workers, family.load, fractional, family.order == "rotated")


@final
@dataclass(frozen=True)
class Reporting(Assigned):
    """Pieces that are reported, and fetched when they cover all; see ``PartialStragglers``."""

    assignment: Pieces
    name = "partial_stragglers"
    exact = True

    @property
    @override
    def guarantees(self) -> Guarantees:
        """Whatever one copy's worker does not report, the others do."""
        return Guarantees(copies=self.assignment.load, tolerates=self.assignment.load - 1)

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return (0.0,) * self.messages

    @override
    def plan(self, state: State = None) -> Round:
        return Round(self.assignment.loads, CoverPartitions(self.assignment), fetches=True)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return self._decoder.partition_weights(arrived)

    @cached_property
    def _decoder(self) -> OnePerPartition:
        return OnePerPartition(self.assignment)


@final
@dataclass(frozen=True)
class PartlyUncoded(RoundScheme):
    """Each worker first computes a share of its own partition, then its part of a code. A share of
    every partition is not coded. A worker sends two messages: the gradient of the share of its own
    partition, which everybody must deliver, and its coded result for the rest of the data, which
    stragglers need not. So whoever is merely slow does something useful, and the load is share + (1
    - share) d instead of d; but nobody may fail. Source: Tandon, Lei, Dimakis, Karampatziakis,
    Gradient Coding (arXiv 1612.03301), partial straggler schemes."""

    sees: ClassVar[Sees] = Sees.NOTHING
    code: Fixed  # an exact code with n partitions and equal loads
    share: float  # of the data that is not coded, in (0, 1]
    exact = True
    guarantees = Guarantees(tolerates=0)

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the code."""
        return self.code.name

    @property
    @override
    def workers(self) -> int:
        return self.code.workers

    messages = 2

    @property
    def load(self) -> float:
        """Partitions that a worker computes."""
        return self.share + (1 - self.share) * float(self.code.assignment.loads[0])

    @override
    def plan(self, state: State = None) -> Round:
        both = PerPlace((FirstK(self.workers), self.code.stopping))
        shares = np.array([self.share / self.load, 1.0])
        return Round(np.full(self.workers, self.load), both, shares=shares)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        uncoded, coded = arrived[..., 0::2], arrived[..., 1::2]
        rest = self.code.decoder.partition_weights(coded)
        return np.asarray(self.share * uncoded + (1 - self.share) * rest)

    @override
    def conditioning(self) -> Conditioning | None:
        return self.code.conditioning()


def partly_uncoded(code: Fixed, share: float) -> PartlyUncoded:
    """An exact code for what a share of the data leaves; ``InvalidParameter``: it is not exact."""
    if not code.exact:
        valid = "must be 0 with a stop or with a decoder that is not optimal"
        raise InvalidParameter("partial", share, valid, {"partial": 0})
    return PartlyUncoded(code, share)


@configured
class BlockCoordinate(KnownDelaysFamily):
    """The gradient's coordinates in levels s = 0, 1, ...; level s is coded against s stragglers.

    A share x_s of the coordinates is level s; a worker computes it for s + 1 partitions, which
    takes (s + 1) x_s of its time for one whole partition. Workers do the levels in order and send
    each when it is done, and the round ends when every level s has n - s results. So what a slow
    worker finishes in time still counts, for the first levels. The load is sum_s (s + 1) x_s
    partitions.

    ``split: optimal`` is the split of the source, from the mean times of the j-th fastest of n
    workers under the run's delay model and load law, in closed form or simulated.

    Args:
        split: ``optimal``, or x_0, x_1, ...: up to n numbers in proportion to the shares.

    Source: Wang, Cui, Li, Zou, Xiong, Optimization-Based Block Coordinate Gradient Coding for
    Mitigating Partial Stragglers in Distributed Learning (arXiv 2109.08933, 2206.02450)."""

    name: ClassVar[str] = "block_coordinate"
    split: Literal["optimal"] | tuple[NotNegative, ...] = "optimal"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        given = (1.0,), (0.0, 0.0, 1.0), (0.3, 0.1, 0.2, 0.0, 0.4)
        return cls(), *(cls(split=split) for split in given)

    @override
    def build_for(self, workers: int, known_delays: KnownDelays) -> Levels:
        if self.split == "optimal":
            times = known_delays.order_statistics(workers)
            if not times[0] > 0:
                valid = "must be a list of numbers where workers need no time at all"
                raise InvalidParameter("split", self.split, valid)
            return Levels(workers, tuple(optimal_split(times).tolist()))
        given = np.array(self.split, dtype=np.float64)
        if not 0 < len(given) <= workers or not given.sum() > 0:
            valid = f"must be optimal or 1 to {workers} numbers of at least 0, not all 0"
            raise InvalidParameter("split", self.split, valid)
        shares = np.zeros(workers)
        shares[: len(given)] = given / given.sum()
        return Levels(workers, tuple(shares.tolist()))


def optimal_split(times: FloatArray) -> FloatArray:
    """Shares x_s of the levels s = 0, ..., n - 1 from the mean seconds t_1, ..., t_n, ascending,
    the last of which may be infinite: ``(n,) -> (n,)``."""
    c = 1.0 / times[::-1]
    shares = np.diff(c, prepend=0.0) / np.arange(1, len(c) + 1)
    return np.asarray(shares / shares.sum())


@final
@dataclass(frozen=True)
class Levels(OfWorkers):
    """Levels with ``(n,)`` shares x_s, each with its own gradient code; see ``BlockCoordinate``."""

    sees: ClassVar[Sees] = Sees.NOTHING
    split: tuple[float, ...]
    name = "block_coordinate"
    exact = True

    @property
    @override
    def guarantees(self) -> Guarantees:
        """The first level that has coordinates needs the most workers."""
        return Guarantees(tolerates=self.levels[0])

    @property
    def levels(self) -> tuple[int, ...]:
        """The levels that have coordinates."""
        return tuple(s for s, share in enumerate(self.split) if share > 0)

    @property
    @override
    def messages(self) -> int:
        return len(self.levels)

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return tuple(self.split[s] for s in self.levels)

    @override
    def plan(self, state: State = None) -> Round:
        done = np.cumsum([(s + 1) * self.split[s] for s in self.levels])
        needed = PerPlace(tuple(FirstK(self.n - s) for s in self.levels))
        return Round(np.full(self.n, done[-1]), needed, shares=done / done[-1])

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """The share of the coordinates that can be decoded, which is 1 at the end of a round. Which
        are missing before makes no difference to the weights, which know none."""
        by_level = arrived.reshape(*arrived.shape[:-1], self.n, self.messages)
        decoded = np.count_nonzero(by_level, axis=-2) >= self.n - np.array(self.levels)
        share = np.where(decoded.all(axis=-1), 1.0, decoded @ np.array(self.message_sizes))
        return np.repeat(share[..., None], self.n, axis=-1)


@final
@dataclass(frozen=True)
class PerPlace(StoppingRule):
    """Stop when the rule of each place of m is met by the workers' messages at that place; ``None``
    asks for none. The rules know no time."""

    rules: tuple[StoppingRule | None, ...]

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        answers = [rule.enough(at_place) for rule, at_place in self._asked(arrived)]
        return np.asarray(np.all(answers or [np.ones(arrived.shape[:-1], np.bool_)], axis=0))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the places' instants."""
        ended = [rule.stopping_delay(at_place, opened) for rule, at_place in self._asked(delays)]
        if not ended:
            return FirstK(0).stopping_delay(delays, opened)
        return np.asarray(reduce(np.maximum, ended))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return _PlacesState(self.rules, messages // len(self.rules))

    def _asked(self, values: AnyArray) -> list[tuple[StoppingRule, AnyArray]]:
        """The rules, each with the columns of its place."""
        m = len(self.rules)
        return [(rule, values[..., p::m]) for p, rule in enumerate(self.rules) if rule is not None]


class _PlacesState(Countdown):
    def __init__(self, rules: Sequence[StoppingRule | None], workers: int) -> None:
        states = [None if rule is None else rule.stopping_state(workers) for rule in rules]
        unmet = [None if state is None or state.ring(0.0) else state for state in states]
        super().__init__(len(unmet) - unmet.count(None))
        self._unmet = unmet

    @override
    def arrive(self, message: int, now: float) -> bool:
        m = len(self._unmet)
        p = message % m
        state = self._unmet[p]
        if state is not None and state.arrive(message // m, now):
            self._unmet[p] = None
            self.missing -= 1
        return self.missing <= 0
