"""What a master and its workers say to each other.

A worker gets its ``Work`` once, and then one ``Task`` after another; for each message of a task it
answers with a ``Reply``. Instants and waits here are real seconds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ...sim.engines.policy import Policy
from ...sim.problems.base import Problem
from ...sim.types import ComplexArray, FloatArray

Vector = FloatArray | ComplexArray


@final
@dataclass(frozen=True)
class Task:
    """What a worker is to do next.

    Attributes:
        number: tells tasks apart; later ones have larger numbers.
        waits: ``(m,)`` seconds after the task begins before which each message is not sent;
            infinite for one that never is.
        argument: what the work needs besides the data: a model, or more.
        empty: compute nothing and send the argument back; for measuring what a message costs.
    """

    number: int
    waits: tuple[float, ...]
    argument: Any
    empty: bool = False


@final
@dataclass(frozen=True)
class Drop:
    """Forget every task, the current one too, and say how long you have been busy."""


@final
@dataclass(frozen=True)
class End:
    """The line has closed: there is nobody to work for."""


Order = Task | Drop | End


@final
@dataclass(frozen=True)
class Reply:
    """A message of a worker.

    Attributes:
        number: of the task.
        place: which of the task's messages, from 0.
        value: what was computed.
        seconds: since the message before it, or since the task began.
        late: whether computing took longer than the task's wait.
    """

    number: int
    place: int
    value: Vector
    seconds: float
    late: bool


@final
@dataclass(frozen=True)
class Idle:
    """The answer to ``Drop``: seconds that the worker has been busy since the one before."""

    busy: float


class Ended(Exception):
    """A newer order has ended the task."""


Listen = Callable[[], None]
"""Called between pieces of the work; raises ``Ended`` to stop it."""


class Work(ABC):
    """What a worker holds and computes; abstract."""

    @abstractmethod
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        """The value of a message.

        Args:
            place: which of the task's messages.
            argument: the task's.
            done: gradients that the task has computed already, by partition; added to.
            listen: called between pieces of the work.

        Raises:
            Ended: ``listen`` did.
        """


@final
@dataclass(frozen=True)
class Nothing(Work):
    """No data: times alone are of interest. Messages are empty."""

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        return np.empty(0)


@dataclass(frozen=True, eq=False)
class Held(Work):
    """Partitions that a worker holds; abstract.

    Attributes:
        parts: each partition's rows, some at a time, as problems of their own.
        rows: N, of all the data.
    """

    parts: Mapping[int, Sequence[Problem]]
    rows: int

    def gradient(self, partition: int, beta: FloatArray, listen: Listen) -> FloatArray:
        """``(1/N) g_i(beta)``, without L2: ``(p,) -> (p,)``.

        Raises:
            Ended: ``listen`` did, after some of the rows.
        """
        total: FloatArray = np.zeros(beta.shape)
        for rows in self.parts[partition]:
            slopes = rows.slopes(rows.margins(beta[:, None]))
            total += rows.gradient_from_slopes(slopes)[:, 0]
            listen()
        return total / self.rows


@final
@dataclass(frozen=True, eq=False)
class Encoded(Held):
    """Message j is the sum of B_ji g_i over the partitions of its row of B; the argument is beta.

    Attributes:
        code: ``(m, k)`` the worker's rows of the encoding matrix.
    """

    code: sparse.csr_array

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        """A partition that several of a task's messages carry is computed once."""
        message: Vector = np.zeros(argument.shape, dtype=self.code.dtype)
        places = slice(self.code.indptr[place], self.code.indptr[place + 1])
        for i, weight in zip(self.code.indices[places], self.code.data[places], strict=True):
            partition = int(i)
            if partition not in done:
                done[partition] = self.gradient(partition, argument, listen)
            message = message + weight * done[partition]
        return message


@final
@dataclass(frozen=True, eq=False)
class Single(Held):
    """The gradient of one partition; the argument is the partition and beta."""

    @override
    def compute(
        self, place: int, argument: Any, done: dict[int, FloatArray], listen: Listen
    ) -> Vector:
        partition, beta = argument
        return self.gradient(partition, beta, listen)


@final
@dataclass(frozen=True, eq=False)
class Employment:
    """What a worker is told first.

    Attributes:
        work: what it computes.
        policy: what it does with unfinished work when the next task comes.
        slow: how many times as long its computing takes, at least 1; the rest of it waits.
    """

    work: Work = field(default_factory=Nothing)
    policy: Policy = Policy.CANCEL
    slow: float = 1.0
