"""Stopping rules of time: from the opening, from arrivals of this round or of past ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from ...base.fields import Seconds, Tolerance, WaitFor, require_at_most
from ...base.types import BoolArray, FloatArray, IntArray
from .assignments import Assignment
from .stopping import FirstK, Opened, StoppingRule, StoppingState


class _TimedAlone(StoppingRule):
    """A rule of time alone; abstract."""

    timed = only_timed = True

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.zeros(arrived.shape[:-1], dtype=np.bool_)


@final
@dataclass(frozen=True)
class Deadline(_TimedAlone):
    """A time from the opening, whoever has arrived.

    Args:
        deadline: seconds.
    """

    deadline: Seconds

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.full(delays.shape[:-1], np.asarray(opened) + self.deadline)

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        state = _TimeState(opened + self.deadline)
        if self.deadline < np.inf:
            state.alarms.append(self.deadline)
        return state


@final
@dataclass(frozen=True, eq=False)
class DeadlineEach(_TimedAlone):
    """Stop ``seconds[r]`` after the round started in replication r: ``(R,)``, may be infinite."""

    seconds: FloatArray

    @override
    def of(self, replication: int) -> Deadline:
        return Deadline(float(self.seconds[replication]))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.asarray(opened) + self.seconds


class _TimeState(StoppingState):
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
class Window(StoppingRule):
    """At (1 + window) times the first arrival, both counted from the opening.

    So the deadline moves with the fastest worker, lucky or not.

    Args:
        window: how much longer than the first message another may take.
        at_least: arrivals before which the round never ends.
    """

    timed = needs_clock = True
    window: Tolerance
    at_least: WaitFor = 1

    @override
    def on(self, code: Assignment) -> Window:
        require_at_most("stop.at_least", self.at_least, code.workers * code.messages)
        return self

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return FirstK(self.at_least).enough(arrived)

    @override
    def among(self, messages: IntArray) -> StoppingRule:
        least = FirstK(self.at_least).among(messages)
        if isinstance(least, FirstK):
            return Window(self.window, least.first)
        return Window(self.window) & least

    def closes(self, first: FloatArray, opened: Opened) -> FloatArray:
        """When the window closes, given the first arrival; one addition after it."""
        with np.errstate(invalid="ignore"):  # where nobody ever arrives
            extra = self.window * (first - opened)
        return np.where(np.isinf(first), np.inf, first + extra)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        closed = self.closes(np.asarray(delays.min(axis=-1)), opened)
        if self.at_least == 1:
            return closed
        return np.maximum(closed, FirstK(self.at_least).stopping_delay(delays, opened))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return WindowState(self, opened)


class WindowState(StoppingState):
    """Rings as the window closes; a subclass says what is ``enough`` then in ``ring``."""

    def __init__(self, rule: Window, opened: float) -> None:
        self.alarms = []
        self._window, self._missing, self._opened = rule.window, rule.at_least, opened
        self.closes = np.inf

    @override
    def arrive(self, message: int, now: float) -> bool:
        self._missing -= 1
        if self.closes == np.inf:
            extra = self._window * (now - self._opened)
            self.closes = now + extra
            if extra < np.inf:
                self.alarms.append(extra)
        return self.ring(now)

    @override
    def ring(self, now: float) -> bool:
        return now >= self.closes and self._missing <= 0


class WindowOrAll(StoppingRule):
    """At the end of a window, never earlier, if those who are late then may be: else once everybody
    has arrived; abstract."""

    timed = needs_clock = True
    monotone = False  # an early first arrival can make more workers late than may be

    @property
    @abstractmethod
    def closing(self) -> Window:
        """The window at whose end the master looks who is late."""

    @abstractmethod
    def allows(self, late: BoolArray) -> BoolArray:
        """Whether these may be late: ``(..., n)`` bool -> ``(...)`` bool."""

    def everybody(self, messages: int) -> FirstK:
        """The rule that waits for all, in a round of n = ``messages``."""
        return FirstK(messages)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.everybody(arrived.shape[-1]).enough(arrived)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        closes = self.closing.closes(np.asarray(delays.min(axis=-1)), opened)
        everybody = self.everybody(delays.shape[-1]).stopping_delay(delays)
        allowed = self.allows(delays > closes[..., None])
        return np.where(allowed, np.minimum(closes, everybody), everybody)

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return _WindowOrAllState(self, messages, opened)


class _WindowOrAllState(WindowState):
    def __init__(self, rule: WindowOrAll, messages: int, opened: float) -> None:
        super().__init__(rule.closing, opened)
        self._barrier, self._late = rule, np.ones(messages, dtype=np.bool_)
        self._over, self._still_out = False, rule.everybody(messages).first

    @override
    def arrive(self, message: int, now: float) -> bool:
        self._late[message] = False
        self._still_out -= 1
        return super().arrive(message, now)

    @override
    def ring(self, now: float) -> bool:
        allowed = now == self.closes and bool(self._barrier.allows(self._late))
        self._over = self._over or allowed or self._still_out <= 0
        return self._over


@final
@dataclass(frozen=True)
class WindowIfFew(WindowOrAll):
    """At the end of a window if few are late then, else once everybody has arrived."""

    window: float  # how much longer than the first message another may take
    late: int  # messages that may be late
    messages: int  # that are sent in a round; the others are not late

    @property
    @override
    def closing(self) -> Window:
        return Window(self.window)

    @override
    def allows(self, late: BoolArray) -> BoolArray:
        never_sent = late.shape[-1] - self.messages
        return np.asarray(np.count_nonzero(late, axis=-1) - never_sent <= self.late)

    @override
    def everybody(self, messages: int) -> FirstK:
        return FirstK(self.messages)


@final
@dataclass(frozen=True)
class Later(StoppingRule):
    """Stop some seconds after another rule would: the master has enough, and asks for it."""

    timed = needs_clock = True
    only_timed = False  # also a deadline's
    rule: StoppingRule
    seconds: float

    @property
    @override
    def _rules(self) -> tuple[StoppingRule, ...]:
        return (self.rule,)

    @override
    def each(self, change: Callable[[StoppingRule], StoppingRule]) -> Later:
        return Later(change(self.rule), self.seconds)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.rule.enough(arrived)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return self.rule.stopping_delay(delays, opened) + self.seconds

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return _LaterState(self.rule.stopping_state(messages, opened), self.seconds)


class _LaterState(StoppingState):
    def __init__(self, inner: StoppingState, seconds: float) -> None:
        self._inner, self._seconds, self._over = inner, seconds, np.inf
        self.alarms = inner.alarms

    @override
    def arrive(self, message: int, now: float) -> bool:
        return self._note(self._inner.arrive(message, now), now)

    @override
    def ring(self, now: float) -> bool:
        return self._note(self._inner.ring(now), now)

    def _note(self, enough: bool, now: float) -> bool:
        if enough and self._over == np.inf:
            self._over = now + self._seconds
            self.alarms.append(self._seconds)
        return now >= self._over


def robust_deadline(seconds: FloatArray, kappa: float) -> FloatArray:
    """median + kappa * MAD of each row, ``(R, N) -> (R,)``; infinite where half are infinite."""
    if seconds.shape[1] == 0:
        return np.full(len(seconds), np.inf)
    median = np.median(seconds, axis=1)
    known = np.isfinite(median)
    spread = np.median(np.abs(seconds - np.where(known, median, 0.0)[:, None]), axis=1)
    with np.errstate(invalid="ignore"):  # 0 times infinity, where the median is infinite anyway
        return np.where(known, median + kappa * spread, np.inf)


@final
@dataclass(frozen=True)
class PastDeadline(StoppingRule):
    """At a deadline that follows past arrivals, if enough have arrived by then. A plan has the rule
    that is ``given`` them.

    Args:
        kappa: how many MADs above the median of all times to arrival in past rounds. Who had not
            arrived counts as later than everybody.
        at_least: arrivals before which a round never ends.
        rounds: how many past rounds count.
    """

    timed = True
    kappa: Tolerance
    at_least: WaitFor = 1
    rounds: WaitFor = 10

    @property
    @override
    def remembers(self) -> int:
        return self.rounds

    @override
    def given(self, past: FloatArray | None) -> StoppingRule:
        deadline: StoppingRule = Deadline(np.inf)
        if past is not None:
            seconds = past[:, : self.rounds].reshape(len(past), -1)
            deadline = DeadlineEach(robust_deadline(seconds, self.kappa))
        return deadline & FirstK(self.at_least)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return FirstK(self.at_least).enough(arrived)


@final
@dataclass(frozen=True)
class Spread(StoppingRule):
    """At median + spread * MAD of the first arrivals' times, as soon as these have arrived.

    MAD is the median distance from the median.

    Args:
        first: q, arrivals whose times count, and before which the round never ends.
        spread: how many MADs above their median others may arrive.
    """

    timed = needs_clock = True
    monotone = False  # a first arrival that is still earlier can widen the spread
    first: WaitFor
    spread: Tolerance

    @override
    def on(self, code: Assignment) -> StoppingRule:
        plain = FirstK(self.first).on(code)
        everybody = self.first == code.workers * code.messages
        return self if self.spread and not everybody else plain

    @override
    def among(self, messages: IntArray) -> Spread:
        """Raises ValueError: fewer are sent than count, and not as many in each replication."""
        counts = np.unique(np.minimum(messages, self.first)).tolist()
        if len(counts) > 1:
            raise ValueError(f"Spread: replications send {counts} of {self.first} messages")
        return Spread(counts[0], self.spread)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return FirstK(self.first).enough(arrived)

    def beyond(self, seconds: FloatArray) -> FloatArray:
        """How long to wait on after the q-th arrival, ``(R,)``, given the times to the first q,
        ``(R, q)`` seconds, in any order."""
        last = seconds.max(axis=1)
        with np.errstate(invalid="ignore"):  # where fewer ever arrive
            extra = robust_deadline(seconds, self.spread) - last
        return np.where(np.isfinite(last), np.maximum(extra, 0.0), 0.0)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        ranked = np.partition(delays, self.first - 1, axis=-1)[..., : self.first]
        with np.errstate(invalid="ignore"):  # of a round that never opens
            seconds = (ranked - np.asarray(opened)[..., None]).reshape(-1, self.first)
        return np.asarray(ranked[..., -1] + self.beyond(seconds).reshape(delays.shape[:-1]))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return _SpreadState(self, opened)


class _SpreadState(_TimeState):
    def __init__(self, rule: Spread, opened: float) -> None:
        super().__init__(np.inf)
        self._spread, self._opened, self._seconds = rule, opened, list[float]()

    @override
    def arrive(self, message: int, now: float) -> bool:
        self._seconds.append(now - self._opened)
        if len(self._seconds) == self._spread.first:
            extra = float(self._spread.beyond(np.array([self._seconds]))[0])
            self.over = now + extra
            self.alarms.append(extra)
        return now >= self.over
