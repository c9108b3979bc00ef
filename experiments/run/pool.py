"""Computes tasks in lanes: in this process, in processes of this machine, or on a cluster.

A lane takes tasks and computes them in the order in which it got them. A lane whose process died
says so, and is ready for the next task; the task at which it died is tried once more, when no other
task waits and the lane has nothing else to do: then there is no doubt which task is to blame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Generic

from .processes import Item, Lane, Result, Task, Tell

TRIES = 2
"""How often a task is started whose process dies."""

LOOK = 0.5
"""Seconds between two looks at how far the running tasks are."""


@dataclass(frozen=True)
class Died:
    """In place of a result: the process died each time it computed this task."""

    reason: str


def open_lanes(
    jobs: int = 1, scheduler: str | None = None, tell: Tell = lambda line: None
) -> AbstractContextManager[Sequence[Lane]]:
    """The lanes for so many jobs, or of a Dask cluster; none for one job: compute right here.

    Raises:
        ConfigError: no scheduler answers at this address.
    """
    if scheduler is not None:
        from .dask import cluster

        return cluster(scheduler, tell)
    if jobs > 1:
        from .processes import processes

        return processes(jobs)
    return nullcontext(())


def map_unordered(
    task: Task[Item, Result],
    items: Iterable[Item],
    lanes: Sequence[Lane],
    report: Callable[[float], None] = lambda done: None,
) -> Iterator[tuple[Item, Result | Died]]:
    """Compute ``task`` for every item; each result is given as soon as it is there.

    Args:
        task: a function of a module, if there are lanes; called with the item and with a function
            that takes the share of its work that is done.
        items: started in this order.
        lanes: where to compute; none means here, one after the other.
        report: called with the number of tasks done, parts of running ones included.

    Raises: whatever a task raises.

    At any time, a lane holds its running tasks and at most as many that wait for them to end.
    """
    if lanes:
        yield from _Work(task, items, lanes, report).results()
        return
    for done, item in enumerate(items):
        yield item, task(item, partial(_report_sum, report, done))
        report(done + 1)


def _report_sum(report: Callable[[float], None], done: int, share: float) -> None:
    report(done + share)


@dataclass
class _Attempt(Generic[Item]):
    item: Item
    deaths: int = 0


class _Work(Generic[Item, Result]):
    """Tasks that wait, and those that lanes have; the oldest of a lane comes first."""

    def __init__(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        lanes: Sequence[Lane],
        report: Callable[[float], None],
    ) -> None:
        self.task = task
        self.waiting = deque(_Attempt(item) for item in items)
        self.suspects = deque[_Attempt[Item]]()
        self.taken: dict[Lane, dict[Future[Result], _Attempt[Item]]] = {lane: {} for lane in lanes}
        self.report = report
        self.done = 0

    def results(self) -> Iterator[tuple[Item, Result | Died]]:
        self._hand_out()
        while futures := [future for taken in self.taken.values() for future in taken]:
            wait(futures, LOOK, FIRST_COMPLETED)
            found = [pair for lane in self.taken for pair in self._collect(lane)]
            self._hand_out()  # before the caller looks at the results, so that nobody waits for it
            for done, pair in enumerate(found, start=self.done + 1):
                yield pair
                self.done = done
            self.report(self.done + sum(lane.share() for lane in self.taken))

    def _hand_out(self) -> None:
        """One task for every free slot; then one to come next, unless few are left."""
        slots = {lane: lane.slots() for lane in self.taken}
        for ahead in (1, 2):
            for lane, taken in self.taken.items():
                least = 0 if ahead == 1 else sum(slots.values())  # a short queue is left to all
                while len(self.waiting) > least and len(taken) < ahead * slots[lane]:
                    self._give(lane, self.waiting.popleft())
        for lane, taken in self.taken.items():
            if self.suspects and not self.waiting and not taken:
                self._give(lane, self.suspects.popleft())

    def _give(self, lane: Lane, attempt: _Attempt[Item]) -> None:
        self.taken[lane][self._submit(lane, attempt.item)] = attempt

    def _submit(self, lane: Lane, item: Item) -> Future[Result]:
        while True:
            try:
                return lane.submit(self.task, item)
            except Exception as error:  # died while it had nothing to do: no task is to blame
                if not lane.is_death(error):
                    raise
                lane.revive()

    def _collect(self, lane: Lane) -> Iterator[tuple[Item, Result | Died]]:
        """The finished tasks of a lane; of those lost in a death, the oldest is to blame."""
        taken = self.taken[lane]
        errors = [future.exception() for future in taken if future.done()]
        reason = lane.revive() if any(map(lane.is_death, errors)) else ""
        lost = []
        for future in [future for future in taken if future.done()]:
            attempt = taken.pop(future)
            error = future.exception()
            if error is None:
                yield attempt.item, future.result()
            elif not lane.is_death(error):
                raise error
            else:
                lost.append(attempt)
        blamed = lost[:1] if lane.blames_one else lost
        for attempt in blamed:
            attempt.deaths += 1
            if attempt.deaths == TRIES:
                yield attempt.item, Died(reason)
            else:
                self.suspects.append(attempt)
        self.waiting.extendleft(reversed(lost[len(blamed) :]))
