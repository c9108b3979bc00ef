"""One worker without a process: its rows, a few at a time, and what ends its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, cast

import numpy as np
import pytest
from typing_extensions import override

from erasurehead.experiments.live.worker import (
    Drop,
    Employment,
    End,
    Ended,
    Idle,
    Listen,
    Order,
    Reply,
    Single,
    Task,
    Vector,
    Work,
    Worker,
    parts_of,
)
from erasurehead.sim.engines.cluster import Policy
from erasurehead.sim.types import FloatArray
from tests.live.simulated import nobody
from tests.live.test_masters import problem

DROPPED = -1
"""In the place of a task's number."""


@dataclass
class Overtaken(Work):
    """Orders come while it computes task 0; ``log`` has each half of its work."""

    orders: SimpleQueue[Order]
    coming: Sequence[Order]
    log: list[int] = field(default_factory=list)

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        self.log.append(argument)
        if argument == 0:
            for order in self.coming:
                self.orders.put(order)
        listen()
        self.log.append(argument)
        return np.empty(0)


class Finite(SimpleQueue[Order]):
    """A worker that waits for more than will ever come fails, and does not hang."""

    @override
    def get(self, block: bool = True, timeout: float | None = None) -> Order:
        return self.get_nowait()


@dataclass
class Line:
    """To a master that closes it after the answer to task 2, or to ``Drop``."""

    orders: SimpleQueue[Order]
    heard: list[int] = field(default_factory=list)

    def send(self, told: Reply | Idle) -> None:
        number = told.number if isinstance(told, Reply) else DROPPED
        self.heard.append(number)
        if number in (2, DROPPED):
            self.orders.put(End())


@pytest.mark.parametrize(
    ("policy", "log"),
    [
        (Policy.CANCEL, [0, 2, 2]),
        (Policy.FINISH, [0, 0, 2, 2]),
        (Policy.DRAIN, [0, 0, 2, 2]),
        (Policy.QUEUE, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_tasks_that_come_while_a_worker_computes(policy: Policy, log: list[int]) -> None:
    """Cancel stops in the middle; the others finish, and go on with the newest or the next."""
    orders = Finite()
    orders.put(Task(0, (0.0,), 0))
    line, work = Line(orders), Overtaken(orders, [Task(1, (0.0,), 1), Task(2, (0.0,), 2)])
    Worker(cast(Any, line), Employment(work, policy), orders).work()
    assert work.log == log
    assert line.heard == [number for number in range(3) if log.count(number) == 2]


@pytest.mark.parametrize("policy", list(Policy))
def test_drop_ends_a_task_in_the_middle_and_those_that_wait(policy: Policy) -> None:
    orders = Finite()
    orders.put(Task(0, (0.0,), 0))
    line, work = Line(orders), Overtaken(orders, [Task(1, (0.0,), 1), Drop()])
    Worker(cast(Any, line), Employment(work, policy), orders).work()
    assert work.log == [0]
    assert line.heard == [DROPPED]


def test_a_gradient_is_computed_a_few_rows_at_a_time() -> None:
    """80 rows of 5 features, in partitions of 27, 27 and 26 rows, four at a time."""
    learning = problem(3)
    beta = learning.initial
    pieces = parts_of(learning.problem, entries=20)
    assert [[each.rows for each in part] for part in pieces] == [
        [4] * 6 + [3],
        [4] * 6 + [3],
        [4] * 6 + [2],
    ]
    work = Single(dict(enumerate(pieces)), learning.problem.rows)
    for partition in range(3):
        whole = learning.problem.partition_gradient(partition, beta)
        found = work.compute(0, (partition, beta), {}, nobody)
        np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-15)
    left = iter(range(3))

    def ends() -> None:
        if next(left, None) is None:
            raise Ended

    with pytest.raises(Ended):
        work.compute(0, (0, beta), {}, ends)
