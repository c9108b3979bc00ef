"""Schemes without a barrier in the event engine: workers never wait for each other. Cost: about one
SimPy timeout a message; ``benchmarks/barrierless.py`` reports the ratio to raw timeouts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import Any, final

import simpy
from simpy.events import Event, Timeout
from typing_extensions import override

from ...base.errors import NeverEnough
from ...base.types import Recorder, Trace
from ..run import Run
from ..tapes import task_columns
from ..updates import Decisions, Message, Trajectory
from .master import DECISION, END_OF_TIME, GIVING_UP, RECEPTION, Call, Crew
from .networked import MOST_CRASHES, Uplink

Hear = Callable[[int, int, float], None]
"""Tells the master of a message that arrives now: its worker, version, and seconds to compute."""


class BarrierlessWorkers(Crew, ABC):
    """The workers, as the master sees them; abstract."""

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        super().__init__(run, replication, recorder)
        tape = run.tapes[replication]
        self.versions = [0] * self.n  # of the model that each has, or that is on its way
        self.lost = set[int]()  # of whom nothing more comes, unless they are started anew
        self._resting = [False] * self.n
        self._tasks = task_columns(tape, run.load_law, tape.block_rounds)

    def employ(self, env: simpy.Environment, decisions: Decisions, hear: Hear) -> None:
        """Get to know the clock and the master; nobody starts yet."""
        self._env, self._decisions, self._hear = env, decisions, hear

    @abstractmethod
    def start(self, worker: int, version: int) -> None:
        """Have a worker begin its next task with a model, leaving whatever it was doing."""

    @abstractmethod
    def rest(self, worker: int) -> None:
        """Note that a worker that has delivered waits for the next update."""

    @abstractmethod
    def settle(self) -> None:
        """Record what is unfinished; the run ends now."""


@final
class IdealBarrierlessWorkers(BarrierlessWorkers):
    """Workers that never fail, behind a network that takes no time: one timeout per task."""

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        super().__init__(run, replication, recorder)
        n = self.n
        self._next = [iter(column) for column in self._tasks]
        self._under_way: list[Event | None] = [None] * n
        self._since, self._began = [0.0] * n, [0.0] * n

    @override
    def start(self, worker: int, version: int) -> None:
        """A task that was under way is dropped; its timeout fires later and is ignored."""
        if self.recorder is not None:
            self._ends(worker, "cancelled")
        if self._resting[worker]:
            self._resting[worker] = False
            self._since[worker] = self._env.now
        self.versions[worker] = version
        seconds = next(self._next[worker])
        self._under_way[worker] = None
        if seconds == inf:
            self.lost.add(worker)
        else:
            self.lost.discard(worker)
            self._under_way[worker] = task = Timeout(self._env, seconds, (worker, seconds))
            task.callbacks.append(self._arrive)

    def _arrive(self, task: Event) -> None:
        values: Any = task.value
        worker, seconds = values
        if task is self._under_way[worker]:
            if self.recorder is not None:
                self._ends(worker, "computing")
            self._hear(worker, self.versions[worker], seconds)

    @override
    def rest(self, worker: int) -> None:
        self.busy[worker] += self._env.now - self._since[worker]
        self._resting[worker] = True

    @override
    def settle(self) -> None:
        """A worker computes without a pause until it rests, so whole stretches are recorded."""
        for worker, resting in enumerate(self._resting):
            if not resting:
                self.busy[worker] += self._env.now - self._since[worker]
                if self.recorder is not None:
                    self._ends(worker, "cancelled")

    def _ends(self, worker: int, kind: str) -> None:
        """Record the span of a task; one that has ended already is empty."""
        assert self.recorder is not None
        now, version = self._env.now, self.versions[worker]
        if not self._resting[worker]:
            self.recorder.span(worker, kind, self._began[worker], now, version)
        self._began[worker] = now


@final
class NetworkedBarrierlessWorkers(BarrierlessWorkers):
    """Workers behind a network, that can crash and come back. A model is on its way for the
    downlink's seconds; it then ends whatever the worker was doing. A crash loses the task and the
    messages on their way; who comes back has the newest model at once."""

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        super().__init__(run, replication, recorder)
        n, network = self.n, run.cluster.network
        self._downlink = [0.0] * n if network is None else network.downlink(n).tolist()
        self._count, self._attempt = [0] * n, [0] * n
        self._began: list[float | None] = [None] * n
        self._on_its_way, self._endless = [False] * n, [False] * n
        self._crashed_at: list[float | None] = [None] * n
        self._crashes, self._crashes_of = [0] * n, [-1] * n

    @override
    def employ(self, env: simpy.Environment, decisions: Decisions, hear: Hear) -> None:
        super().employ(env, decisions, hear)
        self._uplink = Uplink(env, self)
        self.let_fail(env)

    @override
    def start(self, worker: int, version: int) -> None:
        if self._on_its_way[worker] and self.versions[worker] == version:
            return
        self._on_its_way[worker], self._resting[worker] = True, False
        self.versions[worker] = version
        if self._crashed_at[worker] is None:
            self.lost.discard(worker)

        def receive(_: Event) -> None:
            if self.versions[worker] == version and self._on_its_way[worker]:
                self._on_its_way[worker] = False
                if self._crashed_at[worker] is None:
                    self._begin(worker)

        Call(self._env, RECEPTION, receive, self._downlink[worker])

    def _begin(self, worker: int) -> None:
        self._stop(worker, "cancelled")
        env, row = self._env, self._count[worker]
        self._count[worker] += 1
        self._attempt[worker] += 1
        attempt, version, began = self._attempt[worker], self.versions[worker], env.now
        self._began[worker] = began
        seconds = self._tasks[worker][row]
        self._endless[worker] = seconds == inf
        if seconds == inf:
            if self.immortal[worker]:
                self.lost.add(worker)
            return

        def valid() -> bool:
            return attempt == self._attempt[worker]

        def computed(_: Event) -> None:
            if valid():
                self._stop(worker, "computing")

        def arrive(_: Event) -> None:
            if valid():
                if self.recorder is not None:
                    self.recorder.span(worker, "sending", began + seconds, env.now, version)
                self._hear(worker, version, seconds)

        Timeout(env, seconds).callbacks.append(computed)
        self._uplink.carry(worker, 0, row, 0, seconds, valid, arrive)

    @override
    def rest(self, worker: int) -> None:
        """It has nothing to do until the next model comes, also if it crashes meanwhile."""
        self._resting[worker] = True

    @override
    def settle(self) -> None:
        for worker, crashed_at in enumerate(self._crashed_at):
            self._stop(worker, "cancelled")
            if crashed_at is not None:
                self.record(worker, "dead", crashed_at, self._env.now, -1)

    def _stop(self, worker: int, kind: str) -> None:
        if (began := self._began[worker]) is not None:
            self._began[worker] = None
            self.record(worker, kind, began, self._env.now, self.versions[worker])

    @override
    def lives(self, worker: int, seconds: float) -> None:
        super().lives(worker, seconds)
        if self.immortal[worker] and self._endless[worker]:
            self.lost.add(worker)

    @override
    def crash(self, worker: int, seconds: float) -> None:
        self._stop(worker, "cancelled")
        self._attempt[worker] += 1
        self._on_its_way[worker] = False
        self._crashed_at[worker] = self._env.now
        self._endless[worker] = seconds == inf
        if seconds == inf:
            self.lost.add(worker)
        self.dead += 1
        self._count_crash(worker)

    @override
    def repair(self, worker: int) -> None:
        crashed_at, self._crashed_at[worker] = self._crashed_at[worker], None
        assert crashed_at is not None
        self.record(worker, "dead", crashed_at, self._env.now, -1)
        self.dead -= 1
        if not self._resting[worker]:
            self.versions[worker] = self._decisions.version
            self._on_its_way[worker] = False  # it has this model now
            self._begin(worker)

    def _count_crash(self, worker: int) -> None:
        """Every so often, see whether there is still hope; raises ``NeverEnough`` if not."""
        decisions = self._decisions
        version = decisions.version
        if self._crashes_of[worker] != version:
            self._crashes[worker], self._crashes_of[worker] = 0, version
        self._crashes[worker] += 1
        if self._crashes[worker] % MOST_CRASHES == 0:
            pairs = zip(self._crashes, self._crashes_of, strict=True)
            often = [crashes >= MOST_CRASHES and of == version for crashes, of in pairs]
            if all(often[j] or self._endless[j] for j in range(len(often))):
                crashes = self._crashes[worker]
                raise NeverEnough(decisions.iteration, decisions.missing(), crashes=crashes)


def event_barrierless(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.simulate.simulate``."""
    trajectory = Trajectory(run)
    kind = IdealBarrierlessWorkers if run.cluster.ideal else NetworkedBarrierlessWorkers
    for replication in range(len(run.tapes)):
        workers = kind(run, replication, recorder)
        master = BarrierlessMaster(run, workers)
        master.run()
        trajectory.add(master.decisions, workers.busy, master.dead, workers.down)
    return trajectory.trace("event", run.cluster.failures is not None)


@final
class BarrierlessMaster:
    """The parameter server of a scheme without rounds: it lets time pass and asks ``Decisions``.
    Life cycle: made with the workers of a replication; ``run`` it once."""

    def __init__(self, run: Run, workers: BarrierlessWorkers) -> None:
        scheme = run.barrierless
        self.env = simpy.Environment()
        self.decisions = Decisions(scheme, run.iterations)
        self.dead: list[int] = []  # workers that were down at each update
        self._workers, self._updates = workers, run.updates
        self._may_stall = scheme.distinct or scheme.cycles
        self._max_wait = run.cluster.max_wait
        self._inbox: list[Message] = []
        Call(self.env, END_OF_TIME, self._nothing_more, inf)

    def run(self) -> None:
        """Let time pass until the last update; raises ``NeverEnough`` if there can be no more of
        them, or none has come for ``max_wait``."""
        workers, decisions, step = self._workers, self.decisions, self.env.step
        workers.employ(self.env, decisions, self.hear)
        for worker in range(decisions.scheme.workers):
            workers.start(worker, 0)
        self._watch()
        while decisions.version < self._updates:
            step()
        workers.settle()

    def hear(self, worker: int, version: int, seconds: float) -> None:
        """Hear a message: a gradient at a version, that took its worker ``seconds`` to compute."""
        env, inbox, message = self.env, self._inbox, (worker, version, seconds)
        now = env.now
        if not inbox:
            if env.peek() > now:  # nothing else comes at this instant
                self._decide([message], now)
                return
            Call(env, DECISION, self._decide_all)
        inbox.append(message)

    def _decide_all(self, _: Event) -> None:
        inbox, self._inbox = self._inbox, []
        self._decide(inbox, self.env.now)

    def _decide(self, messages: list[Message], now: float) -> None:
        decisions, workers = self.decisions, self._workers
        before = decisions.version
        starting, resting = decisions.decide(messages, workers.versions, now)
        for worker in resting:
            workers.rest(worker)
        version = decisions.version
        if version > before:
            self.dead += [workers.dead] * (version - before)
            if workers.recorder is not None:
                self._record(before, now, workers.recorder)
            self._watch()
            if version == self._updates:
                return
        for worker in starting:
            workers.start(worker, version)
        if self._may_stall:
            self._require_hope()

    def _require_hope(self) -> None:
        """Others go on for ever where one whose message is needed never sends it."""
        decisions = self.decisions
        if decisions.endless is not None:
            raise NeverEnough(decisions.iteration, decisions.missing(), endless=decisions.endless)
        if self._workers.lost and (never := decisions.hopeless(self._workers.lost)):
            raise NeverEnough(decisions.iteration, never)

    def _record(self, before: int, now: float, recorder: Recorder) -> None:
        """Note the waits for the updates of this instant, and whose message alone ended each."""
        accepted, k = self.decisions.accepted, self.decisions.scheme.gradients
        for update in range(before, self.decisions.version):
            opened = accepted[update * k - 1][3] if update else 0.0
            enders = [worker for worker, *_, heard in accepted[update * k :][:k] if heard == now]
            recorder.round_ended(update, opened, now, enders[0] if len(enders) == 1 else -1)

    def _watch(self) -> None:
        if self._max_wait is None:
            return
        decisions, version = self.decisions, self.decisions.version

        def give_up(_: Event) -> None:
            if decisions.version == version:
                raise NeverEnough(decisions.iteration, decisions.missing(), self._max_wait)

        Call(self.env, GIVING_UP, give_up, self._max_wait)

    def _nothing_more(self, _: Event) -> None:
        raise NeverEnough(self.decisions.iteration, self.decisions.missing())
