"""The two masters on real workers: with rounds, and without a barrier."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from typing import final

import numpy as np
from typing_extensions import override

from ...sim.engines.cluster import Policy
from ...sim.engines.tapes import TapeColumn
from ...sim.schemes.barrierless import Barrierless, Stops
from ...sim.schemes.base import Fixed
from ...sim.types import BoolArray, FloatArray, IntArray
from ..config.build import Training
from .worker import Vector
from .workers import Arrival, Crew, Death

# What happened in one replication on real workers, and what a master raises.


class CannotEnd(RuntimeError):
    """An update that waits for workers which are gone.

    Args:
        iteration: counted from 1.
        names: how a person finds each dead worker that is waited for.
        waited: seconds after which the master gave up, if it did.
    """

    def __init__(self, iteration: int, names: list[str], waited: float | None = None) -> None:
        super().__init__(iteration, names, waited)
        self.iteration, self.names, self.waited = iteration, names, waited

    @override
    def __str__(self) -> str:
        dead = f"{', '.join(self.names)} died" if self.names else "no message will ever come"
        if self.waited is None:
            return f"iteration {self.iteration} can never end: {dead}"
        dead = f"; {dead}" if self.names else ""
        return f"iteration {self.iteration} has not ended after max_wait = {self.waited:g} s{dead}"


def arrivals(crew: Crew, messages: int, iteration: int) -> Iterator[Arrival]:
    """So many messages, as they come.

    Raises:
        CannotEnd: a worker has died.
    """
    while messages > 0:
        for event in crew.hear(inf):
            if isinstance(event, Death):
                raise CannotEnd(iteration, [crew.name(event.worker)])
            messages -= 1
            yield event


@dataclass(frozen=True, eq=False)
class Played:
    """One replication. Seconds are those of the config.

    Attributes:
        times: ``(U,)`` when each update happened.
        arrived: ``(U, n m)`` what had been heard, with rounds.
        messages: ``(3, U, K)`` worker, version and partition of each gradient, without rounds.
        busy, useful, down: ``(n,)`` seconds.
        last, margin, dead: ``(U,)`` as in ``sim.types.Work``.
        models: ``(T + 1, p)`` the start, and the model after each iteration; ``None`` without a
            problem.
        late: messages that were late because of their computing.
        heard: messages in all.
    """

    times: FloatArray
    arrived: BoolArray | None
    messages: IntArray | None
    busy: FloatArray
    useful: FloatArray
    down: FloatArray
    last: IntArray
    margin: FloatArray
    dead: IntArray
    models: FloatArray | None
    late: int
    heard: int


class Casualties:
    """Who is dead, and since when."""

    def __init__(self, workers: int) -> None:
        self._since = np.full(workers, inf)

    def new_clock(self) -> None:
        """The clock starts anew: who is dead was dead from the beginning."""
        self._since[~self.alive] = 0.0

    def note(self, death: Death) -> None:
        """Count a worker as dead from now on."""
        self._since[death.worker] = death.now

    @property
    def alive(self) -> BoolArray:
        """``(n,)`` who is not dead."""
        return np.asarray(np.isinf(self._since))

    def down(self, now: float) -> FloatArray:
        """``(n,)`` seconds that each has been dead."""
        return np.where(self.alive, 0.0, now - self._since)

    def names(self, crew: Crew) -> list[str]:
        """How a person finds the dead."""
        return [crew.name(int(worker)) for worker in np.flatnonzero(~self.alive)]


# The master's model: it moves along the gradients that were decoded, and remembers its way.


@final
class Descent:
    """One model on its way; without a problem there is none, and updates are counted alone.

    Attributes:
        version: updates so far.
        visited: the models that were kept: the start, and whatever ``keep`` was called for.
    """

    def __init__(self, learning: Training | None) -> None:
        self._learning = learning
        self.version = 0
        self.visited: list[FloatArray] = []
        if learning is not None:
            self._state = learning.optimizer.init(learning.initial)
        self.keep()

    @property
    def point(self) -> FloatArray:
        """``(p,)`` where the next gradient is taken; empty without a problem."""
        if self._learning is None:
            return np.empty(0)
        return self._learning.optimizer.point(self._state, self.version + 1)

    def update(self, gradient: Vector) -> None:
        """One step along a decoded gradient ``(1/N) sum_i w_i g_i``, to which L2 is added."""
        self.version += 1
        if self._learning is None:
            return
        problem, optimizer = self._learning.problem, self._learning.optimizer
        real = np.ascontiguousarray(gradient.real)
        if problem.l2 > 0:
            real = real + problem.l2_gradient(optimizer.point(self._state, self.version))
        self._state = optimizer.step(self._state, real, self.version)

    def keep(self) -> None:
        """Remember the model as it is."""
        if self._learning is not None:
            self.visited.append(self._state[0])


# The master of a scheme with rounds, on real workers.
#
# It asks the same objects as the event engine: the stopping rule's tally when to stop, the policy
# what becomes of unfinished work, the decoder for the decoding vector. Its clock is a real one, so
# that no two messages come at the same instant.


Report = Callable[[], None]
"""Called after each update."""


@final
class RoundMaster:
    """The parameter server of one replication.

    Life cycle: made with the run; ``play`` it once.

    Args:
        scheme: assignment, stopping rule and decoder.
        offsets: ``(T, n m)`` seconds of the config from a task's beginning before which each
            message is not sent.
        crew: the workers.
        descent: the model.
        policy: what workers do with unfinished work.
        max_wait: seconds that a round may take.
        dead: workers that were dead before.
        first: number of the first task.
        report: called after each round.
    """

    def __init__(
        self,
        scheme: Fixed,
        offsets: FloatArray,
        crew: Crew,
        descent: Descent,
        policy: Policy,
        max_wait: float | None,
        dead: Casualties,
        first: int,
        report: Report,
    ) -> None:
        rounds, messages = offsets.shape
        n = scheme.workers
        self._scheme, self._crew, self._descent, self._policy = scheme, crew, descent, policy
        self._offsets, self._max_wait = offsets, inf if max_wait is None else max_wait
        self._given_up = max_wait
        self._casualties, self._first, self._report = dead, first, report
        self._per_worker = messages // n
        self._times = np.empty(rounds)
        self._arrived = np.zeros((rounds, messages), dtype=np.bool_)
        self._useful = np.zeros(n)
        self._last = np.full(rounds, -1, dtype=np.int64)
        self._margin = np.zeros(rounds)
        self._dead = np.zeros(rounds, dtype=np.int64)
        self._late = self._heard = 0
        self._finished = np.full(n, -1)

    def play(self) -> Played:
        """All rounds.

        Raises:
            CannotEnd: a round waits for workers that are dead, or longer than ``max_wait``.
        """
        self._casualties.new_clock()
        self._crew.start_clock()
        for t in range(len(self._times)):
            values = self._round(t)
            self._descent.update(self._decoded(t, values))
            self._descent.keep()
            self._report()
            if self._policy.drains and t + 1 < len(self._times):
                self._drain(t)
        models = self._descent.visited
        now = self._crew.now()
        return Played(
            self._times,
            self._arrived,
            None,
            self._crew.settle(),
            self._useful,
            self._casualties.down(now),
            self._last,
            self._margin,
            self._dead,
            np.stack(models) if models else None,
            self._late,
            self._heard,
        )

    def _round(self, t: int) -> Sequence[Vector | None]:
        """Broadcast, wait, decide; what had arrived by then, ``None`` for the rest."""
        opened, rule = self._crew.now(), self._scheme.stopping
        values: list[Vector | None] = [None] * self._offsets.shape[1]
        tally = rule.tally(len(values), opened)
        alarms: list[float] = []
        self._broadcast(t)
        before, decided = opened, inf
        for seconds in tally.alarms:
            heappush(alarms, opened + seconds)
        tally.alarms.clear()
        while True:
            until = min(alarms[0] if alarms else inf, opened + self._max_wait)
            for event in self._crew.hear(until):
                if isinstance(event, Death):
                    self._casualties.note(event)
                    continue
                message = self._note(event, t)
                if message is None or decided < inf:
                    continue
                values[message] = event.value
                self._arrived[t, message] = True
                self._useful[event.worker] += event.seconds
                if tally.arrive(message, event.now):
                    decided = event.now
                    self._last[t], self._margin[t] = event.worker, decided - before
                for seconds in tally.alarms:
                    heappush(alarms, event.now + seconds)
                tally.alarms.clear()
                before = event.now
            now = self._crew.now()
            while decided == inf and alarms and alarms[0] <= now:
                if tally.ring(heappop(alarms)):
                    decided = now
            if decided < inf:
                self._times[t] = decided
                self._dead[t] = np.count_nonzero(~self._casualties.alive)
                return values
            if now >= opened + self._max_wait:
                raise CannotEnd(t + 1, self._casualties.names(self._crew), self._given_up)
            if not alarms and not self._hope(t):
                raise CannotEnd(t + 1, self._casualties.names(self._crew))

    def _broadcast(self, t: int) -> None:
        m, point = self._per_worker, self._descent.point
        for worker in range(self._scheme.workers):
            waits = self._offsets[t, worker * m : (worker + 1) * m].tolist()
            self._crew.give(worker, self._first + t, waits, point)

    def _note(self, event: Arrival, t: int) -> int | None:
        """Which message of round t has arrived; ``None`` for one of an earlier round."""
        of_round = event.number - self._first
        self._late += event.late
        self._heard += 1
        if event.place == self._per_worker - 1:
            self._finished[event.worker] = of_round
        return event.worker * self._per_worker + event.place if of_round == t else None

    def _hope(self, t: int) -> bool:
        """Whether messages that may still come can end the round."""
        alive = np.repeat(self._casualties.alive, self._per_worker)
        may_come = alive & np.isfinite(self._offsets[t])
        rule = self._scheme.stopping
        if not rule.timed:
            return bool(rule.enough(self._arrived[t] | may_come))
        return bool((may_come & ~self._arrived[t]).any())

    def _decoded(self, t: int, values: Sequence[Vector | None]) -> Vector:
        """``sum_j a_j message_j``, with the decoding vector a of what arrived."""
        arrived: BoolArray = self._arrived[t]
        vector = self._scheme.decoder.decoding_vector(arrived)
        gradient: Vector = np.zeros(self._descent.point.shape)
        for weight, value in zip(vector, values, strict=True):
            if value is not None and weight != 0:
                gradient = gradient + weight * value
        return gradient

    def _drain(self, t: int) -> None:
        """Wait until every living worker has finished."""
        m = self._per_worker
        ends = np.isfinite(self._offsets[t, m - 1 :: m])
        while (self._casualties.alive & (self._finished < t)).any():
            if not ends[self._casualties.alive].all():
                raise CannotEnd(t + 1, [])
            for event in self._crew.hear(inf):
                if isinstance(event, Death):
                    self._casualties.note(event)
                else:
                    self._note(event, t)


# The master of a scheme without a barrier, on real workers.
#
# The four choices are those of ``sim.schemes.barrierless``. No two messages come at one instant,
# so each is decided by itself. A worker draws the partition of its next task before the master
# knows whether the message will count; so the partitions are other draws than a simulation's, of
# the same law, and are noted.


@final
class FreeMaster:
    """The parameter server of one replication.

    Life cycle: made with the run; ``play`` it once.

    Args:
        scheme: its four choices.
        iterations: T.
        waits: each worker's tasks: seconds of the config before which its message is not sent;
            ``None``: sent at once.
        crew: the workers.
        descent: the model.
        max_wait: seconds that may pass between two updates.
        dead: workers that were dead before.
        first: number of the first task.
        rng: draws partitions.
        report: called after each iteration.
    """

    def __init__(
        self,
        scheme: Barrierless,
        iterations: int,
        waits: list[TapeColumn] | None,
        crew: Crew,
        descent: Descent,
        max_wait: float | None,
        dead: Casualties,
        first: int,
        rng: np.random.Generator,
        report: Report,
    ) -> None:
        n, updates, k = scheme.workers, scheme.updates(iterations), scheme.gradients
        self._scheme, self._crew, self._descent, self._waits = scheme, crew, descent, waits
        self._max_wait, self._given_up = inf if max_wait is None else max_wait, max_wait
        self._casualties, self._rng, self._report = dead, rng, report
        self._together = updates // iterations
        self._updates = updates
        self._tasks = [0] * n
        self._number = first
        self._current: list[tuple[int, int, int]] = [(-1, 0, 0)] * n
        """Number, version and partition of each worker's task."""
        self._messages = np.full((3, updates, k), -1, dtype=np.int64)
        self._values: list[Vector] = []
        self._resting: list[int] = []
        self._never = set[int]()
        self._times = np.empty(updates)
        self._useful = np.zeros(n)
        self._last = np.full(updates, -1, dtype=np.int64)
        self._margin = np.zeros(updates)
        self._dead = np.zeros(updates, dtype=np.int64)
        self._before = self._opened = 0.0
        self._late = self._heard = 0

    @property
    def next_number(self) -> int:
        """The number of the next task."""
        return self._number

    def play(self) -> Played:
        """All updates.

        Raises:
            CannotEnd: an update waits for workers that are dead, or longer than ``max_wait``.
        """
        self._casualties.new_clock()
        self._crew.start_clock()
        for worker in range(self._scheme.workers):
            self._start(worker)
        while self._descent.version < self._updates:
            for event in self._crew.hear(self._opened + self._max_wait):
                if isinstance(event, Death):
                    self._casualties.note(event)
                elif self._descent.version < self._updates:
                    self._hear(event)
            if self._descent.version < self._updates:
                self._require_hope()
        now = self._crew.now()
        models = self._descent.visited
        return Played(
            self._times,
            None,
            self._messages,
            self._crew.settle(),
            self._useful,
            self._casualties.down(now),
            self._last,
            self._margin,
            self._dead,
            np.stack(models) if models else None,
            self._late,
            self._heard,
        )

    def _require_hope(self) -> None:
        iteration = self._descent.version // self._together + 1
        alive = self._casualties.alive
        alive[self._resting] = False
        alive[list(self._never)] = False
        if not alive.any():
            raise CannotEnd(iteration, self._casualties.names(self._crew))
        if self._crew.now() >= self._opened + self._max_wait:
            names = self._casualties.names(self._crew)
            raise CannotEnd(iteration, names, self._given_up)

    def _start(self, worker: int) -> None:
        """Give a worker its next task, with the newest model; whatever it was doing is void."""
        scheme = self._scheme
        partition = worker
        if not scheme.own_data:
            partition = int(self._rng.integers(0, scheme.partitions))
        number, self._number = self._number, self._number + 1
        self._current[worker] = number, self._descent.version, partition
        wait = 0.0 if self._waits is None else self._waits[worker][self._tasks[worker]]
        self._tasks[worker] += 1
        (self._never.add if wait == inf else self._never.discard)(worker)
        self._crew.give(worker, number, [wait], (partition, self._descent.point))

    def _hear(self, event: Arrival) -> None:
        """Accept a message or drop it, and update if that is enough."""
        worker = event.worker
        number, version, partition = self._current[worker]
        if event.number != number:
            return  # of a task that has been stopped
        self._late += event.late
        self._heard += 1
        scheme, update = self._scheme, self._descent.version
        if update - version >= scheme.oldest:
            self._start(worker)
            return
        self._messages[:, update, len(self._values)] = worker, version, partition
        self._values.append(event.value)
        self._useful[worker] += event.seconds
        if len(self._values) < scheme.gradients:
            if scheme.restarts_at_once:
                self._start(worker)
            else:
                self._resting.append(worker)
            self._before = event.now
            return
        self._update(event)
        if self._descent.version == self._updates:
            return
        free = sorted({worker, *self._resting} | self._stopped())
        self._resting.clear()
        for each in free:
            self._start(each)

    def _stopped(self) -> set[int]:
        """Whose task the update stops."""
        workers = range(self._scheme.workers)
        match self._scheme.stops:
            case Stops.NOBODY:
                return set()
            case Stops.EVERYBODY:
                return set(workers)
        newest, oldest = self._descent.version, self._scheme.oldest
        return {each for each in workers if newest - self._current[each][1] >= oldest}

    def _update(self, event: Arrival) -> None:
        update = self._descent.version
        weights = self._scheme.weight(update - self._messages[1, update])
        gradient: Vector = np.zeros(self._descent.point.shape)
        for weight, value in zip(weights, self._values, strict=True):
            gradient = gradient + weight * value
        self._values.clear()
        self._times[update] = event.now
        self._last[update], self._margin[update] = event.worker, event.now - self._before
        self._dead[update] = np.count_nonzero(~self._casualties.alive)
        self._before = self._opened = event.now
        self._descent.update(gradient)
        if self._descent.version % self._together == 0:
            self._descent.keep()
            self._report()
