"""Schemes without a barrier: which messages are accepted, when the model is updated, who restarts.
``Decisions`` is the master's mind as one state machine, and ``Trajectory`` what is kept of it."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import final

import numpy as np

from ..base.numerics import summed_by
from ..base.types import FloatArray, IntArray, Messages, Stream, Trace, Work
from ..schemes.barrierless import Barrierless, Cycle, Stops
from .run import Run

Message = tuple[int, int, float]
"""A gradient that has come: its worker, the version of its model, and seconds to compute it."""

Heard = tuple[int, int, float, float]
"""A decided message: worker, version, seconds to compute, and the instant of its arrival."""


@dataclass(frozen=True)
class Accepted:
    """Messages in the order in which they counted, ``(R, U, K)``; filled in place."""

    # Instants of arrival; ``(R, U, 1)``, each update's last, where ``seconds`` are not recorded.
    when: FloatArray
    # Who sent them and which model they were computed on, or ``None``: not recorded.
    heard: Messages | None
    # How long they took to compute, or ``None`` where that is not recorded.
    seconds: FloatArray | None

    @classmethod
    def empty(cls, shape: tuple[int, int, int], heard: bool, work: bool) -> Accepted:
        """Arrays for (R, U, K): of the updates' instants alone, unless more is wanted."""
        short = Messages(np.empty(shape, dtype=np.int32), np.empty(shape, dtype=np.int32))
        when = np.empty(shape if work else (*shape[:2], 1))
        return cls(when, short if heard or work else None, np.empty(shape) if work else None)

    def view(self, *where: int | slice) -> Accepted:
        """Views of some replications, or also of some of their updates."""
        heard = self.heard and Messages(self.heard.message[where], self.heard.version[where])
        seconds = None if self.seconds is None else self.seconds[where]
        return Accepted(self.when[where], heard, seconds)

    def note(
        self,
        when: FloatArray,
        worker: IntArray | FloatArray,
        version: IntArray | FloatArray | int,
        seconds: FloatArray,
    ) -> None:
        """Fill in all messages of a part, ``(..., K)`` each: what is recorded of them."""
        self.when[:] = when[..., -self.when.shape[-1] :]
        if self.heard is not None:
            self.heard.message[:], self.heard.version[:] = worker, version
        if self.seconds is not None:
            self.seconds[:] = seconds

    def fill(self, messages: Sequence[Heard]) -> None:
        """Fill in all messages of a part of one replication."""
        flat = np.fromiter(chain.from_iterable(messages), np.float64, count=4 * len(messages))
        worker, version, seconds, when = flat.reshape(len(self.when), -1, 4).transpose(2, 0, 1)
        self.note(when, worker, version, seconds)

    @property
    def times(self) -> FloatArray:
        """``(R, U)`` when each update happened."""
        return np.ascontiguousarray(self.when[:, :, -1])

    def useful(self, n: int) -> FloatArray:
        """``(R, n)`` seconds of each worker that went into messages which counted."""
        assert self.heard is not None
        assert self.seconds is not None
        r = len(self.when)
        worker, seconds = self.heard.message.reshape(r, -1), self.seconds.reshape(r, -1)
        sums, together = list[FloatArray](), max(1, 2**17 // worker.shape[1])
        for start in range(0, r, together):
            own, spent = worker[start : start + together], seconds[start : start + together]
            if together > 1:  # short replications are added up as if they were one
                own = own + n * np.arange(len(own))[:, None]
            sums.append(summed_by(own.ravel(), spent.ravel(), n * len(own)))
        return np.concatenate(sums).reshape(r, n)

    def blame(self) -> tuple[IntArray, FloatArray]:
        """``last`` and ``margin`` of each update, ``(R, U)``; see ``base.types.Work``. Of single
        messages they take the place of ``seconds``, which may not be asked for afterwards."""
        assert self.heard is not None
        times, worker = self.times, self.heard.message
        if self.when.shape[2] == 1:
            margin = np.empty_like(times) if self.seconds is None else self.seconds[:, :, 0]
            margin[:, :1] = times[:, :1]
            np.subtract(times[:, 1:], times[:, :-1], out=margin[:, 1:])
            return worker[:, :, 0], margin
        before = self.when[:, :, -2].copy()  # at the same instant: neither is alone
        last = np.where(before < times, worker[:, :, -1], -1)
        np.maximum(before[:, 1:], times[:, :-1], out=before[:, 1:])
        return last, times - before


MOST_VAIN_MESSAGES = 100_000  # of a worker at one instant: nothing more is expected


@final
class Standstill:
    """Notices a worker that delivers again and again while time stands still: ``endless``."""

    def __init__(self) -> None:
        self._again: dict[int, tuple[float, int]] = {}
        self.endless: int | None = None

    def note(self, worker: int, now: float) -> None:
        """Note a message that made no update."""
        instant, times = self._again.get(worker, (now, 0))
        times = times + 1 if instant == now else 0
        self._again[worker] = now, times
        if times > MOST_VAIN_MESSAGES and self.endless is None:
            self.endless = worker

    def clear(self) -> None:
        """Forget the messages noted so far: an update was made."""
        self._again.clear()


@final
class Streams:
    """Messages of n workers: ``add`` each replication in turn; then ``heard`` and ``useful``."""

    def __init__(self, workers: int) -> None:
        self._n, self._decided = workers, 0
        self._worker: list[IntArray] = []
        self._version: list[IntArray] = []
        self._ends: list[IntArray] = []
        self._useful: list[FloatArray] = []

    def add(
        self, worker: IntArray, version: IntArray, seconds: FloatArray | None, ends: IntArray
    ) -> None:
        """The next replication: ``(M_r,)`` messages, and ``(U,)`` how many up to each update."""
        self._worker.append(worker.astype(np.int32))
        self._version.append(version.astype(np.int32))
        self._ends.append(ends + self._decided)
        self._decided += len(worker)
        if seconds is not None:
            self._useful.append(summed_by(worker, seconds, self._n))

    @property
    def heard(self) -> Stream:
        """The messages of all replications, one replication after the other."""
        worker, version = np.concatenate(self._worker), np.concatenate(self._version)
        return Stream(worker, version, np.stack(self._ends))

    @property
    def useful(self) -> FloatArray:
        """``(R, n)`` seconds of each worker that went into these messages."""
        return np.stack(self._useful)


@final
class Pace:
    """Who may start while nobody is more than ``ahead`` gradients ahead of the slowest: ``deliver``
    is told who has delivered, instant after instant, and those who must wait are ``held``."""

    def __init__(self, workers: int, ahead: int) -> None:
        self.held = set[int]()
        self._count, self._ahead = [0] * workers, ahead
        self._least, self._at_least = 0, workers  # and how many have delivered no more than that

    def deliver(self, workers: Sequence[int]) -> tuple[list[int], list[int]]:
        """Workers that start, and those of the given ones that do not. Cost: O(1) a message."""
        count, asked = self._count, set(workers)
        for worker in workers:
            self._at_least -= count[worker] == self._least
            count[worker] += 1
        if not self._at_least:
            self._least = min(count)
            self._at_least = count.count(self._least)
            asked |= self.held
        starting = {worker for worker in asked if count[worker] - self._least <= self._ahead}
        self.held = (self.held | asked) - starting
        return sorted(starting), [worker for worker in workers if worker not in starting]


@final
class Decisions:
    """Which messages are accepted, when the model is updated, and who starts anew. It hears
    messages and knows neither a clock nor a network nor a model. The event engine and the master of
    ``live`` ask it, so they decide alike. Life cycle: ``decide`` each instant until ``done``."""

    def __init__(self, scheme: Barrierless, iterations: int) -> None:
        self.scheme = scheme
        self.version = 0  # updates so far; whoever starts anew gets the model of this version
        self.accepted: list[Heard] = []  # in the order in which they were; K make an update
        self.heard: list[Heard] = []  # where updates come in cycles: every message
        self.ends: list[int] = []  # messages of ``heard`` up to each update
        self.endless: int | None = None  # a worker that delivers in vain while time stands still
        self._updates = scheme.updates(iterations)
        self._missing = scheme.gradients
        self._senders: set[int] | None = set() if scheme.distinct else None
        self._cycle = Cycle(scheme.workers) if scheme.cycles else None
        self._standstill = Standstill() if scheme.distinct or scheme.cycles else None
        # Read for each message: attributes of the scheme would cost a second look-up.
        self._k, self._oldest = scheme.gradients, scheme.oldest
        self._restarts, self._stops = scheme.restarts_at_once, scheme.stops is not Stops.NOBODY
        self._pace = Pace(scheme.workers, int(scheme.ahead)) if scheme.ahead < inf else None

    def decide(
        self, messages: Sequence[Message], given: Sequence[int], now: float
    ) -> tuple[list[int], list[int]]:
        """Decide all messages of one instant, in the order of workers; ``given``, ``(n,)``, is the
        version of the model that each was given last. Returns the workers that start anew with the
        newest model, in order, those whose task an update stopped among them; and workers that have
        delivered and are idle."""
        before, oldest, restarts = self.version, self._oldest, self._restarts
        senders, cycle, standstill = self._senders, self._cycle, self._standstill
        starting: list[int] = []
        resting: list[int] = []
        for worker, version, seconds in sorted(messages) if len(messages) > 1 else messages:
            if cycle:
                self.heard.append((worker, version, seconds, now))
            if (
                self.version - version >= oldest
                or (senders is not None and worker in senders)
                or (cycle and not cycle.hear(worker))
            ):
                starting.append(worker)
                if standstill:
                    standstill.note(worker, now)
                    self.endless = standstill.endless
                continue
            self.accepted.append((worker, version, seconds, now))
            if senders is not None:
                senders.add(worker)
            if restarts:
                starting.append(worker)
            else:
                resting.append(worker)
            self._missing -= 1
            if not self._missing:
                if not restarts:
                    starting += self.resting
                self.version += 1
                self._missing = self._k
                if senders is not None:
                    senders.clear()
                if cycle:
                    self.ends.append(len(self.heard))
                if standstill:
                    standstill.clear()
                if self.version == self._updates:
                    return [], resting
        if self._pace:
            starting, resting = self._pace.deliver(starting)
        if self._stops and self.version > before:
            starting = self._stopped(starting, given)
        return (sorted(starting) if len(starting) > 1 else starting), resting

    @property
    def done(self) -> bool:
        """Whether the last update has been made."""
        return self.version == self._updates

    @property
    def iteration(self) -> int:
        """The iteration that the next update belongs to, from 1."""
        return self.scheme.iteration(self.version)

    @property
    def resting(self) -> list[int]:
        """Workers that have delivered and wait for the next update."""
        if self._pace:
            return sorted(self._pace.held)
        if self.scheme.restarts_at_once:
            return []
        return [worker for worker, *_ in self.accepted[self.version * self._k :]]

    def missing(self) -> list[int]:
        """Workers of whom nothing was accepted since the last update; of a cycle, who is needed."""
        if self._cycle:
            return sorted(self._cycle.needed)
        heard = {worker for worker, *_ in self.accepted[self.version * self._k :]}
        return [worker for worker in range(self.scheme.workers) if worker not in heard]

    def hopeless(self, lost: Set[int]) -> list[int]:
        """Workers that block the next update for ever while others go on, if nothing more comes of
        the ``lost`` unless they are started anew; none if it can come."""
        if self._cycle:
            return self._cycle.hopeless(lost)
        if self._senders is None:
            return []
        never = lost - self._senders
        left = self.scheme.workers - len(self._senders) - len(never)
        return sorted(never) if left < self._missing else []

    def _stopped(self, starting: list[int], given: Sequence[int]) -> list[int]:
        if self.scheme.stops is Stops.EVERYBODY:
            return list(range(self.scheme.workers))
        delivered = set(starting)
        oldest = self.version - self.scheme.oldest
        stale = (worker for worker, version in enumerate(given) if version <= oldest)
        return starting + [worker for worker in stale if worker not in delivered]


@final
class Trajectory:
    """The trace of a run without a barrier: ``add`` each replication in order; then ``trace``."""

    def __init__(self, run: Run) -> None:
        scheme, self._run, self._n = run.barrierless, run, run.scheme.workers
        shape = len(run.tapes), run.updates, scheme.gradients
        self._accepted = Accepted.empty(shape, heard=True, work=True)
        self._streams = Streams(scheme.workers) if scheme.cycles else None
        self._workers: list[tuple[FloatArray, list[int], FloatArray]] = []

    def add(self, made: Decisions, busy: FloatArray, dead: list[int], down: FloatArray) -> None:
        """The next replication: what was decided, to the last update, ``(n,)`` seconds, and
        ``(U,)`` workers that were down at each update."""
        self._accepted.view(len(self._workers)).fill(made.accepted)
        if self._streams:
            worker, version, seconds, _ = np.array(made.heard).T
            self._streams.add(worker.astype(np.int64), version, seconds, np.array(made.ends))
        self._workers.append((busy, dead, down))

    def trace(self, engine: str, fails: bool) -> Trace:
        """The trace, once every replication is there."""
        accepted, streams = self._accepted, self._streams
        busy, dead, down = zip(*self._workers, strict=True)
        useful = streams.useful if streams else accepted.useful(self._n)
        work = Work(np.stack(busy), useful, *accepted.blame(), np.array(dead), np.stack(down))
        heard = streams.heard if streams else accepted.heard
        return Trace(accepted.times, heard, work, engine, self._run.seed, fails)
