"""Live workers that are simulated: real gradients, a virtual clock, no processes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from erasurehead.experiments.advice.live.worker import Computation, Task, Wanted
from erasurehead.experiments.advice.live.workers import Arrival, Death, Event
from erasurehead.plugins import FloatArray
from erasurehead.sim.engines.run import Policy


def nobody() -> None:
    """Nothing ends a task while it computes."""


@dataclass
class Person:
    """A worker: its task, the tasks that wait, and when it was last free."""

    computation: Computation
    task: int = -1
    began: float = inf
    waiting: deque[tuple[int, Sequence[float], Any]] = field(default_factory=deque)
    alive: bool = True


class SimulatedWorkers:
    """Workers that follow a policy to the letter; messages take no time, and worker 0 is late.

    Args:
        computations: of each worker.
        policy: what it does with unfinished work.
        deaths: instants at which workers die, by worker.
    """

    def __init__(
        self,
        computations: Sequence[Computation],
        policy: Policy,
        deaths: dict[int, float] | None = None,
    ) -> None:
        self.people = [Person(each) for each in computations]
        self.names = [f"worker {worker}" for worker in range(len(computations))]
        self.policy = policy
        self.busy = np.zeros(len(computations))
        self.clock = 0.0
        self.heap: list[tuple[float, int, int, int, float, Any]] = []
        self.deaths = deaths or {}

    def start_clock(self) -> None:
        self.clock = 0.0
        for worker, instant in self.deaths.items():
            heapq.heappush(self.heap, (instant, -1, worker, 0, 0.0, None))

    def now(self) -> float:
        return self.clock

    def give(self, worker: int, task: Task) -> None:
        person = self.people[worker]
        if not person.alive:
            return
        if self.policy.interrupts:
            self._book(worker)
        elif not self.policy.in_order:
            person.waiting.clear()
        person.waiting.append((task.number, task.waits, task.argument))
        if person.began == inf:
            self._begin(worker)

    def _begin(self, worker: int) -> None:
        person = self.people[worker]
        number, waits, argument = person.waiting.popleft()
        person.task, person.began = number, self.clock
        done: dict[int, FloatArray] = {}
        since = 0.0
        for place, wait in enumerate(waits):
            if wait < inf:
                value = person.computation.compute(Wanted(place, argument, done, nobody))
                last = place + 1 == len(waits)
                content = (place, wait - since, value, last)
                heapq.heappush(self.heap, (self.clock + wait, worker, number, place, wait, content))
                since = wait

    def _book(self, worker: int) -> None:
        person = self.people[worker]
        if person.began < inf:
            self.busy[worker] += self.clock - person.began
        person.task, person.began = -1, inf

    def hear(self, until: float) -> Sequence[Event]:
        while self.heap and self.heap[0][0] <= until:
            instant, worker, number, _, _, content = heapq.heappop(self.heap)
            if worker < 0:
                self.clock = instant
                self._book(number)
                self.people[number].alive = False
                return [Death(number, instant)]
            person = self.people[worker]
            if person.task != number or not person.alive:
                continue
            self.clock = instant
            place, seconds, value, last = content
            if last:
                self._book(worker)
                if person.waiting:
                    self._begin(worker)
            return [Arrival(number, place, value, seconds, worker == 0, worker, instant)]
        assert until < inf, "the master waits for what will never come"
        self.clock = max(self.clock, until)
        return []

    def settle(self) -> FloatArray:
        for worker, person in enumerate(self.people):
            self._book(worker)
            person.waiting.clear()
        self.heap.clear()
        busy, self.busy = self.busy, np.zeros(len(self.people))
        return busy
