"""The master of a scheme without a barrier, on real workers.

The four choices are those of ``sim.schemes.barrierless``. No two messages come at one instant, so
each is decided by itself. A worker draws the partition of its next task before the master knows
whether the message will count; so the partitions are other draws than a simulation's, of the same
law, and are noted.
"""

from __future__ import annotations

from math import inf
from typing import final

import numpy as np

from ...sim.engines.tapes import TapeColumn
from ...sim.schemes.barrierless import Barrierless, Stops
from .crew import Arrival, Crew, Death
from .descent import Descent
from .played import CannotEnd, Casualties, Played
from .rounds import Report
from .tasks import Vector


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
