"""When the master stops waiting: what a stopping rule is, and the rules that count arrivals.

``FirstK(r) | CoverGroups(d)`` ends at the earlier of two rules' instants, ``&`` at the later one.

A rule says ``enough(arrived)`` for any set of arrivals, and that is all a new rule has to say. It
is monotone: more arrivals never turn a yes into a no. Engines ask ``stopping_delay`` and a
``StoppingState``, which have defaults made from it (``docs/design.md``)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ...base.fields import STRICT, WaitFor, require_at_most
from ...base.numerics import kth_smallest, row_max
from ...base.types import BoolArray, FloatArray, IntArray
from .assignments import Assignment

Opened = FloatArray | float  # ``(...)`` when each round started, in seconds on the arrivals' clock


class StoppingState:
    """What has arrived in one round, as far as a rule cares; this one keeps a mask and asks it.

    Life cycle: made when a round starts, told of each arrival and of each alarm, dropped when the
    round ends. Once it has answered True it goes on answering True: later messages of the same
    instant are still noted, and combined rules rely on it.

    Attributes:
        alarms: seconds from now after which the state wants to be asked again. The master looks
            here when the round opens and after each message, sets the alarms and empties the list.
    """

    def __init__(self, rule: StoppingRule, messages: int) -> None:
        self.alarms: list[float] = []
        self._rule = rule
        self._arrived = np.zeros(messages, dtype=np.bool_)
        if rule.enough(self._arrived):
            self.alarms.append(0.0)

    def arrive(self, message: int, now: float) -> bool:
        """Note a message, its row in the encoding matrix, that comes ``now`` on the clock of the
        round's opening; True when the master has enough. With m messages per worker, worker j sends
        messages j m, ..., j m + m - 1. No message is noted twice."""
        self._arrived[message] = True
        return bool(self._rule.enough(self._arrived))

    def ring(self, now: float) -> bool:
        """Answer an alarm; True when the master has enough."""
        return bool(self._rule.enough(self._arrived))


class StoppingRule(ABC):
    """When the master has enough; abstract. n is the number of messages of a round. Of rules that a
    config can name (``parts.stop``) the fields are keys, checked by pydantic."""

    __pydantic_config__ = STRICT

    def on(self, code: Assignment) -> StoppingRule:
        """This rule, adapted to a code that the config asks it of (``parts.stop``). Raises
        ``InvalidParameter``: it can never be satisfied by the code's messages."""
        return self

    @abstractmethod
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Whether these arrivals suffice, time aside: ``(..., n)`` bool -> ``(...)`` bool."""

    @property
    def _rules(self) -> tuple[StoppingRule, ...]:
        """The rules that it is made of, which decide the following unless they are overridden."""
        return ()

    @property
    def timed(self) -> bool:
        """Whether the answer depends on time as well as on arrivals."""
        return any(rule.timed for rule in self._rules)

    @property
    def only_timed(self) -> bool:
        """Whether it depends on time alone."""
        return bool(self._rules) and all(rule.only_timed for rule in self._rules)

    @property
    def needs_clock(self) -> bool:
        """Whether the delay depends on absolute instants, so that rounds cannot be solved alone."""
        return any(rule.needs_clock for rule in self._rules)

    @property
    def monotone(self) -> bool:
        """Whether earlier messages never end a round later."""
        return all(rule.monotone for rule in self._rules)

    @property
    def remembers(self) -> int:
        """How many past rounds decide the next one's rule."""
        return max((rule.remembers for rule in self._rules), default=0)

    def each(self, change: Callable[[StoppingRule], StoppingRule]) -> StoppingRule:
        """This rule with each that it is made of changed; itself where it is made of none."""
        return self

    def of(self, replication: int) -> StoppingRule:
        """The rule of one replication, where its numbers differ between replications."""
        return self.each(lambda rule: rule.of(replication))

    def among(self, messages: IntArray) -> StoppingRule:
        """The rule where so many messages are ever sent, ``()`` or ``(R,)``: what asks for more is
        met by all of them. Rules that count overrule it."""
        return self.each(lambda rule: rule.among(messages))

    def given(self, past: FloatArray | None) -> StoppingRule:
        """The next round's rule after past ones, the newest first: ``(R, rounds, m)`` seconds to
        each message, infinite where it came too late. ``None``: nothing is known."""
        return self.each(lambda rule: rule.given(past))

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """When a round ends, ``(...)`` seconds, from when it ``opened``, ``(...)``, and when each
        message arrives, ``(..., n)``, on any clock. Always one of the given delays, the opening or
        a deadline, to the bit; infinite when the rule is never satisfied. Cost: the default sorts
        once and asks ``enough`` log2(n) times."""
        return stopping_delay_by_bisection(self, delays, opened)

    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        """A fresh state for one round of n = ``messages`` that opened at an instant."""
        return StoppingState(self, messages)

    @final
    def __or__(self, other: StoppingRule) -> AnyOf:
        return AnyOf(self, other)

    @final
    def __and__(self, other: StoppingRule) -> AllOf:
        return AllOf(self, other)


def stopping_delay_by_bisection(
    rule: StoppingRule, delays: FloatArray, opened: Opened = 0.0
) -> FloatArray:
    """``stopping_delay`` of any rule from ``enough`` alone: bisect on the sorted prefix.
    Raises TypeError: ``enough`` has one answer for many rows."""
    none = np.asarray(rule.enough(np.zeros(delays.shape, dtype=np.bool_)))
    if none.shape != (rows := delays.shape[:-1]):
        what = f"{type(rule).__name__}.enough of {delays.shape} arrivals has shape {none.shape}"
        raise TypeError(f"{what}: must be {rows}, one answer for each row (axis=-1)")
    ranked = np.sort(delays, axis=-1)
    n = delays.shape[-1]
    low, high = np.zeros(rows, dtype=np.int64), np.full(rows, n)  # n: not even everyone is enough
    while np.any(low < high):
        middle = (low + high) // 2
        bound = np.take_along_axis(ranked, np.minimum(middle, n - 1)[..., None], axis=-1)
        yes = rule.enough((delays <= bound) & np.isfinite(delays))
        high = np.where(yes & (low < high), middle, high)
        low = np.where(~yes & (low < high), middle + 1, low)
    ended = np.take_along_axis(ranked, np.minimum(low, n - 1)[..., None], axis=-1)[..., 0]
    return np.where(none, opened, np.where(low < n, ended, np.inf))


@dataclass(frozen=True)
class _Pair(StoppingRule):
    needed: ClassVar[int]
    left: StoppingRule
    right: StoppingRule

    @property
    @override
    def _rules(self) -> tuple[StoppingRule, ...]:
        return self.left, self.right

    @override
    def each(self, change: Callable[[StoppingRule], StoppingRule]) -> StoppingRule:
        left, right = change(self.left), change(self.right)
        return self if left is self.left and right is self.right else type(self)(left, right)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        ends = [rule.stopping_delay(delays, opened) for rule in self._rules]
        return np.asarray(np.minimum(*ends) if self.needed == 1 else np.maximum(*ends))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return _PairState(self, messages, opened)


@final
@dataclass(frozen=True)
class AnyOf(_Pair):
    """Stop as soon as either rule says so; write ``left | right``."""

    needed: ClassVar[int] = 1

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.left.enough(arrived) | self.right.enough(arrived)


@final
@dataclass(frozen=True)
class AllOf(_Pair):
    """Stop when both rules say so; write ``left & right``."""

    needed: ClassVar[int] = 2

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Both; a deadline alone is ignored, since no arrival satisfies it."""
        untimed = [rule for rule in self._rules if not rule.only_timed]
        return np.asarray(np.all([rule.enough(arrived) for rule in untimed or [self.left]], axis=0))


class _PairState(StoppingState):
    def __init__(self, pair: _Pair, messages: int, opened: float) -> None:
        self.alarms, self._needed = [], pair.needed
        self._left, self._right = (r.stopping_state(messages, opened) for r in pair._rules)
        self._collect()

    @override
    def arrive(self, message: int, now: float) -> bool:
        yes = self._left.arrive(message, now) + self._right.arrive(message, now) >= self._needed
        self._collect()
        return yes

    @override
    def ring(self, now: float) -> bool:
        return self._left.ring(now) + self._right.ring(now) >= self._needed

    def _collect(self) -> None:
        for state in (self._left, self._right):
            if state.alarms:
                self.alarms += state.alarms
                state.alarms.clear()


@final
@dataclass(frozen=True)
class FirstK(StoppingRule):
    """A number of arrivals, whoever they are.

    Args:
        first: r, messages that end a round.
    """

    first: WaitFor  # a plan may also say 0: its round ends as it opens

    @override
    def on(self, code: Assignment) -> FirstK:
        require_at_most("stop.first", self.first, code.workers * code.messages)
        return self

    @override
    def among(self, messages: IntArray) -> StoppingRule:
        least = np.minimum(messages, self.first)
        return FirstK(int(least)) if np.ndim(least) == 0 else FirstKEach(least)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.first)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The r-th smallest delay. Cost: one partition, or one pass for the first and the last."""
        if self.first == delays.shape[-1]:
            return row_max(delays)
        if self.first == 1:
            return np.asarray(delays.min(axis=-1))
        if self.first == 0:
            return np.broadcast_to(np.asarray(opened, dtype=np.float64), delays.shape[:-1])
        return kth_smallest(delays, self.first)

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return Countdown(self.first)


@final
@dataclass(frozen=True, eq=False)
class FirstKEach(StoppingRule):
    """Stop at ``k[r]`` arrivals, 0 to n, in replication r."""

    k: IntArray

    @override
    def of(self, replication: int) -> FirstK:
        return FirstK(int(self.k[replication]))

    @override
    def among(self, messages: IntArray) -> FirstKEach:
        return FirstKEach(np.minimum(messages, self.k))

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.k)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        rank = np.maximum(self.k - 1, 0)[:, None]
        kth = np.take_along_axis(np.sort(delays, axis=-1), rank, axis=-1)[:, 0]
        return np.where(self.k == 0, opened, kth)


class Countdown(StoppingState):
    """Counts arrivals down; a subclass counts down something else in ``arrive``."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.alarms = [] if missing else [0.0]

    @override
    def arrive(self, message: int, now: float) -> bool:
        self.missing -= 1
        return self.missing <= 0

    @final
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
        """The latest of the groups' earliest delays. Cost: one pass. NumPy reduces a short last
        axis slowly, so short groups of many rounds are compared member by member."""
        size, groups = self.size, delays.shape[-1] // self.size
        if delays.size <= 2**11:  # so few that the number of NumPy calls matters most
            earliest = np.minimum.reduceat(delays, np.arange(0, size * groups, size), axis=-1)
            return np.asarray(np.maximum.reduce(earliest, axis=-1))
        if size > groups:
            return row_max(delays.reshape(*delays.shape[:-1], groups, size).min(axis=-1))
        members = delays.reshape(-1, size).T  # long rows, whatever the number of groups
        earliest = members[0].copy()
        for member in members[1:]:
            np.minimum(earliest, member, out=earliest)
        return row_max(earliest.reshape(*delays.shape[:-1], groups))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        groups = messages // self.size
        return GroupsState(groups, [1] * groups, _groups(messages, self.size))


@lru_cache(maxsize=32)  # every round asks
def _groups(messages: int, size: int) -> tuple[tuple[int], ...]:
    return tuple((message // size,) for message in range(messages))


class GroupsState(Countdown):
    """Counts down groups, of which so many are ``missing``; each is done after as many messages as
    are ``needed`` of it. ``groups`` has those that each message is in."""

    def __init__(
        self, missing: int, needed: Iterable[int], groups: Sequence[Sequence[int]]
    ) -> None:
        super().__init__(missing)
        self._needed, self._groups = list(needed), groups

    @override
    def arrive(self, message: int, now: float) -> bool:
        for group in self._groups[message]:
            self._needed[group] -= 1
            if not self._needed[group]:
                self.missing -= 1
        return self.missing <= 0
