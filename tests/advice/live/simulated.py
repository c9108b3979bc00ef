"""Live workers that are simulated: real gradients, a virtual clock, no processes."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from erasurehead.experiments.advice.live import worker, workers
from erasurehead.plugins import FloatArray
from erasurehead.sim.engines.run import Policy


def nobody() -> None:
    """Nothing ends a task while it computes."""


@dataclass
class Person:
    """A worker: its task, the tasks that wait, and when it was last free."""

    computation: worker.Computation
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
        computations: Sequence[worker.Computation],
        policy: Policy,
        deaths: dict[int, float] | None = None,
    ) -> None:
        self.people = [Person(each) for each in computations]
        self.names = [f"worker {j}" for j in range(len(computations))]
        self.policy = policy
        self.busy = np.zeros(len(computations))
        self.clock = 0.0
        self.heap: list[tuple[float, int, int, int, float, Any]] = []
        self.deaths = deaths or {}

    def start_clock(self) -> None:
        self.clock = 0.0
        for j, instant in self.deaths.items():
            heapq.heappush(self.heap, (instant, -1, j, 0, 0.0, None))

    def now(self) -> float:
        return self.clock

    def give(self, j: int, task: worker.Task) -> None:
        person = self.people[j]
        if not person.alive:
            return
        if self.policy.interrupts:
            self._book(j)
        elif not self.policy.in_order:
            person.waiting.clear()
        person.waiting.append((task.number, task.waits, task.argument))
        if person.began == inf:
            self._begin(j)

    def _begin(self, j: int) -> None:
        person = self.people[j]
        number, waits, argument = person.waiting.popleft()
        person.task, person.began = number, self.clock
        done: dict[int, FloatArray] = {}
        since = 0.0
        for place, wait in enumerate(waits):
            if wait < inf:
                value = person.computation.compute(worker.Wanted(place, argument, done, nobody))
                last = place + 1 == len(waits)
                content = (place, wait - since, value, last)
                heapq.heappush(self.heap, (self.clock + wait, j, number, place, wait, content))
                since = wait

    def _book(self, worker: int) -> None:
        person = self.people[worker]
        if person.began < inf:
            self.busy[worker] += self.clock - person.began
        person.task, person.began = -1, inf

    def hear(self, until: float) -> Sequence[workers.Event]:
        while self.heap and self.heap[0][0] <= until:
            instant, worker, number, _, _, content = heapq.heappop(self.heap)
            if worker < 0:
                self.clock = instant
                self._book(number)
                self.people[number].alive = False
                return [workers.Death(number, instant)]
            person = self.people[worker]
            if person.task != number or not person.alive:
                continue
            self.clock = instant
            place, seconds, value, last = content
            if last:
                self._book(worker)
                if person.waiting:
                    self._begin(worker)
            return [workers.Arrival(number, place, value, seconds, worker == 0, worker, instant)]
        assert until < inf, "the master waits for what will never come"
        self.clock = max(self.clock, until)
        return []

    def settle(self) -> FloatArray:
        for j, person in enumerate(self.people):
            self._book(j)
            person.waiting.clear()
        self.heap.clear()
        busy, self.busy = self.busy, np.zeros(len(self.people))
        return busy
