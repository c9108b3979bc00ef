"""The masters of real workers: of schemes with rounds, and of those without. They ask the same
objects as the event engine. Their clock is a real one: no two messages come at the same instant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import final

import numpy as np
from typing_extensions import override

from ....sim.base.errors import Failed, NeverEnough
from ....sim.base.numerics import generator
from ....sim.base.types import BoolArray, FloatArray, IntArray
from ....sim.engines.run import Run
from ....sim.engines.tapes import CheckedTape, TapeColumn, task_columns
from ....sim.engines.updates import Decisions
from ....sim.schemes.barrierless import Barrierless
from ....sim.schemes.base import Fixed, RoundOutcome
from ...config.build import Training
from .worker import Task, Vector
from .workers import Arrival, ConnectedWorkers, Death


class CannotEnd(Failed):
    """An update that waits for the dead, who are named, or for messages that never come."""

    def __init__(self, never: NeverEnough, dead: Sequence[str] = ()) -> None:
        began = str(never).partition(":")[0]
        self.dead = tuple(dead)
        super().__init__(f"{began}: {', '.join(dead)} died" if dead else str(never))


def received(workers: ConnectedWorkers, messages: int, iteration: int) -> Iterator[Arrival]:
    """So many messages, as they come. Raises CannotEnd: a worker has died."""
    while messages > 0:
        for event in workers.hear(inf):
            if isinstance(event, Death):
                dead = [workers.names[event.worker]]
                raise CannotEnd(NeverEnough(iteration, [event.worker]), dead)
            messages -= 1
            yield event


@final
class Descent:
    """One model on its way; without a problem there is none, and updates are counted alone. The
    models that are kept: the start, and whatever ``keep`` was called for."""

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

    def update(self, gradient: Vector, iteration: int) -> None:
        """One step, in an iteration from 1, along a decoded gradient ``(1/N) sum_i w_i g_i``, to
        which L2 is added."""
        self.version += 1
        if self._learning is None:
            return
        problem, optimizer = self._learning.problem, self._learning.optimizer
        real = np.ascontiguousarray(gradient.real)
        real = real + problem.l2_gradient(optimizer.point(self._state, self.version))
        self._state = optimizer.within(iteration).step(self._state, real, self.version)

    def keep(self) -> None:
        """Remember the model as it is."""
        if self._learning is not None:
            self.visited.append(self._state[0])


@dataclass
class Session:
    """What the replications of a live run share."""

    run: Run  # what to run
    workers: ConnectedWorkers  # the real workers. Tests simulate them.
    training: Training | None = None  # ``None``: times alone are of interest
    injected: bool = True  # whether the config's delays are slept out
    progress: Callable[[], None] = lambda: None  # called after each iteration
    next_task: int = 0  # number of the next task
    died: dict[int, float] = field(default_factory=dict)  # when each dead one died, in seconds
    # of each dead one the replication, from 0, and the first update that it had no part in, from 1
    missed: dict[int, tuple[int, int]] = field(default_factory=dict)


class LiveMaster(ABC):
    """The parameter server of one replication on real workers; abstract. Life cycle: ``play`` it
    once; its attributes then say what happened. Seconds are those of the config."""

    busy: FloatArray  # ``(n,)`` seconds, as ``down``
    down: FloatArray

    def __init__(self, session: Session, replication: int) -> None:
        self._session, self._workers = session, session.workers
        self._replication = replication
        max_wait = session.run.cluster.max_wait
        self._max_wait = inf if max_wait is None else max_wait
        self.descent = Descent(session.training)  # the model, and where it has been
        self.dead: list[int] = []  # ``(U,)`` workers that were dead at each update
        self.late = self.messages = 0  # late because of their computing, and in all

    def play(self) -> None:
        """Make all updates. Raises CannotEnd: one waits for the dead, or beyond ``max_wait``."""
        died = self._session.died
        died.update(dict.fromkeys(died, 0.0))
        self._workers.start_clock()
        self._make_updates()
        now = self._workers.now()
        workers = range(self._session.run.scheme.workers)
        self.down = np.array([now - died.get(worker, now) for worker in workers])
        self.busy = self._workers.settle()

    def _note_death(self, death: Death) -> None:
        """A worker is gone, while the next update is waited for."""
        self._session.died[death.worker] = death.now
        self._session.missed.setdefault(death.worker, (self._replication, len(self.dead) + 1))

    @abstractmethod
    def _make_updates(self) -> None:
        """Give out tasks, hear messages and update, to the end."""

    def _cannot_end(self, never: NeverEnough) -> CannotEnd:
        names = [self._workers.names[worker] for worker in sorted(self._session.died)]
        return CannotEnd(never, names)


@final
class LiveRoundMaster(LiveMaster):
    """The master of a scheme with rounds; its arrays are as in ``Trace``, without the axis R."""

    def __init__(self, session: Session, scheme: Fixed, replication: int) -> None:
        super().__init__(session, replication)
        run = session.run
        rounds, n, m = run.updates, scheme.workers, scheme.messages
        self._scheme, self._m = scheme, m
        self._state = scheme.start(1)
        idle = np.asarray(scheme.assignment.loads == 0)
        # Seconds from a task's beginning before which each message is not sent, (T, n m); NaN:
        # there is none.
        self._offsets = np.tile(np.repeat(np.where(idle, np.nan, 0.0), m), (rounds, 1))
        if session.injected:
            tape = CheckedTape(run.tapes[replication])
            self._offsets = scheme.plan().message_times(run.load_law, tape, m, 0, rounds)
        self._first = session.next_task
        session.next_task += rounds
        self.times = np.empty(rounds)
        self.masks = np.zeros((rounds, n * m), dtype=np.bool_)
        self.useful = np.zeros(n)  # seconds that went into messages which arrived in time
        self.last = np.full(rounds, -1, dtype=np.int64)
        self.margin = np.zeros(rounds)
        self._finished = np.where(idle, rounds, -1)

    @override
    def _make_updates(self) -> None:
        for t in range(len(self.times)):
            self.descent.update(self._decoded(t, self._round(t)), iteration=t + 1)
            self.descent.keep()
            self._session.progress()
            if self._session.run.policy.drains and t + 1 < len(self.times):
                self._drain(t)

    def _round(self, t: int) -> Sequence[Vector | None]:
        """Broadcast, wait, decide; what had arrived by then, ``None`` for the rest. Raises
        CannotEnd: nobody who may still be heard can end the round, or ``max_wait`` is over."""
        plan = self._scheme.plan(self._state).among_senders(self._m)
        opened, self._rule = self._workers.now(), (rule := plan.stopping.of(0))
        arrival = np.full(self._offsets.shape[1], inf)
        values: list[Vector | None] = [None] * self._offsets.shape[1]
        state = rule.stopping_state(len(values), opened)
        alarms: list[float] = []
        point, m = self.descent.point, self._m
        for worker in np.flatnonzero(self._finished < t).tolist():
            waits = tuple(self._offsets[t, worker * m : (worker + 1) * m].tolist())
            self._workers.give(worker, Task(self._first + t, waits, point))
        before, decided = opened, inf
        for seconds in state.alarms:
            heappush(alarms, opened + seconds)
        state.alarms.clear()
        while True:
            until = min(alarms[0] if alarms else inf, opened + self._max_wait)
            for event in self._workers.hear(until):
                if isinstance(event, Death):
                    self._note_death(event)
                    continue
                message = self._note(event, t)
                if message is None or decided < inf:
                    continue
                values[message], arrival[message] = event.value, event.now - opened
                self.masks[t, message] = True
                self.useful[event.worker] += event.seconds
                if state.arrive(message, event.now):
                    decided = event.now
                    self.last[t], self.margin[t] = event.worker, decided - before
                for seconds in state.alarms:
                    heappush(alarms, event.now + seconds)
                state.alarms.clear()
                before = event.now
            now = self._workers.now()
            while decided == inf and alarms and alarms[0] <= now:
                if state.ring(heappop(alarms)):
                    decided = now
            if decided < inf:
                self.times[t] = decided
                took = np.array([decided - opened])
                outcome = RoundOutcome(took, self.masks[[t]], arrival=arrival[None])
                self._state = self._scheme.after(self._state, outcome)
                self.dead.append(len(self._session.died))
                return values
            if now >= opened + self._max_wait:
                raise self._never(t, self._max_wait)
            if not alarms and not self._hope(t):
                raise self._never(t)

    def _never(self, t: int, waited: float | None = None) -> CannotEnd:
        absent = ~self.masks[t] & (True if waited else ~self._may_come(t))
        absent &= ~np.isnan(self._offsets[t])
        missing = np.flatnonzero(absent.reshape(-1, self._m).any(axis=1)).tolist()
        unmet = self._scheme.workers, type(self._rule).__name__
        return self._cannot_end(NeverEnough(t + 1, missing, waited, unmet=unmet))

    def _note(self, event: Arrival, t: int) -> int | None:
        """Which message of round t has arrived; ``None`` for one of an earlier round."""
        of_round = event.number - self._first
        self.late += event.late
        self.messages += 1
        if event.message == self._m - 1:
            self._finished[event.worker] = of_round
        return event.worker * self._m + event.message if of_round == t else None

    def _drain(self, t: int) -> None:
        """Wait until every living worker has finished. Raises CannotEnd: one of them never will."""
        died, m = self._session.died, self._m
        never = np.isinf(self._offsets[t, m - 1 :: m])
        while late := [j for j in np.flatnonzero(self._finished < t).tolist() if j not in died]:
            if lost := [worker for worker in late if never[worker]]:
                raise CannotEnd(NeverEnough(t + 1, lost))
            for event in self._workers.hear(inf):
                if isinstance(event, Death):
                    self._note_death(event)
                else:
                    self._note(event, t)

    def _may_come(self, t: int) -> BoolArray:
        may_come: BoolArray = np.isfinite(self._offsets[t])
        for worker in self._session.died:
            may_come[worker * self._m : (worker + 1) * self._m] = False
        return may_come

    def _hope(self, t: int) -> bool:
        """Whether messages that may still come can end the round."""
        may_come, rule, arrived = self._may_come(t), self._rule, self.masks[t]
        return bool((may_come & ~arrived).any() if rule.timed else rule.enough(arrived | may_come))

    def _decoded(self, t: int, values: Sequence[Vector | None]) -> Vector:
        """``sum_j a_j message_j``, with the decoding vector a of what arrived."""
        vector = self._scheme.decoder.decoding_vector(self.masks[t])
        gradient: Vector = np.zeros(self.descent.point.shape)
        for weight, value in zip(vector, values, strict=True):
            if value is not None and weight != 0:
                gradient = gradient + weight * value
        return gradient


PARTITIONS_KEY = 2**32 - 3  # key of the random partitions; no other scheme that runs live uses it


@final
class LiveBarrierlessMaster(LiveMaster):
    """The master of a scheme without rounds: it hears real messages and asks ``Decisions``."""

    def __init__(self, session: Session, scheme: Barrierless, replication: int) -> None:
        super().__init__(session, replication)
        run, self._scheme = session.run, scheme
        self.decisions = Decisions(scheme, run.iterations)
        self._ended = 0  # iterations
        self._rng = generator(run.seed, PARTITIONS_KEY, replication)
        tape, waits = run.tapes[replication], list[TapeColumn]()
        if session.injected:
            waits = task_columns(tape, run.load_law, tape.block_rounds)
        self._waits = [iter(column) for column in waits] or None
        n = scheme.workers
        # Of the task that each worker was given last.
        self._number, self._version, self._partition = [-1] * n, [0] * n, [0] * n
        self._never = set[int]()  # workers whose task never ends
        self._accepted: list[int] = []
        self._sent = [0] * n  # accepted gradients of each worker
        self._opened = 0.0
        self._means = CycleMeans(n) if scheme.cycles else None
        self._gradients: list[Vector] = []

    @property
    def partitions(self) -> IntArray:
        """``(U, K)`` the partition of each accepted gradient."""
        return np.array(self._accepted, dtype=np.int64).reshape(-1, self._scheme.gradients)

    @override
    def _make_updates(self) -> None:
        for worker in range(self._scheme.workers):
            self._start(worker)
        while not self.decisions.done:
            for event in self._workers.hear(self._opened + self._max_wait):
                if isinstance(event, Death):
                    self._note_death(event)
                elif not self.decisions.done:
                    self._hear(event)
            if not self.decisions.done:
                self._require_hope()

    def _start(self, worker: int) -> None:
        """Give a worker its next task, with the newest model; whatever it was doing is void."""
        session, drawn = self._session, not self._scheme.own_data
        partition = int(self._rng.integers(0, self._scheme.partitions)) if drawn else worker
        number, session.next_task = session.next_task, session.next_task + 1
        self._number[worker], self._partition[worker] = number, partition
        self._version[worker] = self.decisions.version
        wait = 0.0 if self._waits is None else next(self._waits[worker])
        (self._never.add if wait == np.inf else self._never.discard)(worker)
        self._workers.give(worker, Task(number, (wait,), (partition, self.descent.point)))

    def _hear(self, event: Arrival) -> None:
        worker, decisions = event.worker, self.decisions
        if event.number != self._number[worker]:
            return  # of a task that has been stopped
        self.late += event.late
        self.messages += 1
        update, accepted = decisions.version, len(decisions.accepted)
        message = worker, self._version[worker], event.seconds
        starting, _ = decisions.decide([message], self._version, event.now)
        if len(decisions.accepted) > accepted:
            self._accepted.append(self._partition[worker])
            self._sent[worker] += 1
            self._gradients.append(event.value)
        if self._means:
            self._means.add(worker, event.value, update, decisions.version)
        if decisions.version > update:
            self._update(event.now)
        for starter in starting:
            self._start(starter)

    def _update(self, now: float) -> None:
        version, accepted = self.decisions.version, self.decisions.accepted
        gradient: Vector = np.zeros(self.descent.point.shape)
        if self._means:
            gradient = self._means.mean(version)
        else:
            last, counts = accepted[-self._scheme.gradients :], None
            versions = np.array([read for _, read, *_ in last])
            if self._scheme.rescale:
                counts = np.array([[len(accepted)], [self._sent[accepted[-1][0]]]])
            weights = self._scheme.weight(version - 1 - versions, counts)
            for weight, value in zip(weights, self._gradients, strict=True):
                gradient = gradient + weight * value
        self._gradients.clear()
        self.dead.append(len(self._session.died))
        self._opened = now
        self.descent.update(gradient, iteration=self._scheme.iteration(version - 1))
        run = self._session.run
        ended = min(self._scheme.iteration(version) - 1, run.iterations)
        for _ in range(ended - self._ended):
            self.descent.keep()
            self._session.progress()
        self._ended = ended

    def _require_hope(self) -> None:
        """Raises CannotEnd: no update can come any more, or none has come for ``max_wait``."""
        decisions = self.decisions
        lost = self._never | self._session.died.keys()
        nobody = len(lost.union(decisions.resting)) == self._scheme.workers
        never = decisions.hopeless(lost)
        waited = None if nobody or never else self._max_wait
        if waited is None or self._workers.now() >= self._opened + waited:
            missing = never or decisions.missing()
            raise self._cannot_end(NeverEnough(decisions.iteration, missing, waited))


@final
class CycleMeans:
    """Updates in cycles of n move along the sum of the means of each worker's gradients in it."""

    def __init__(self, workers: int) -> None:
        self._n = workers
        self._sums: dict[int, tuple[Vector, int]] = {}
        self._kept: list[tuple[int, Vector]] = []

    def add(self, worker: int, value: Vector, before: int, after: int) -> None:
        """Take a worker's gradient, decided when there were so many updates before and after it."""
        if after == before and before % self._n:
            self._kept.append((worker, value))
            return
        total, count = self._sums.get(worker, (0.0, 0))
        self._sums[worker] = total + value, count + 1

    def mean(self, version: int) -> FloatArray:
        """What the update moves along that made this version; the last of a cycle ends it."""
        total: FloatArray = np.sum([value / count for value, count in self._sums.values()], axis=0)
        if version % self._n == 0:
            kept, self._kept = self._kept, []
            self._sums.clear()
            for worker, value in kept:
                self.add(worker, value, version, version)
        return total
