"""A real worker: what it holds, what it is told, and how it computes, sleeps and sends."""

from __future__ import annotations

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any, final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ....sim.base.numerics import one_thread
from ....sim.base.types import ComplexArray, FloatArray
from ....sim.engines.run import Policy, Run
from ....sim.schemes.across_rounds.stale_gradients import latest_of_each
from ....sim.schemes.barrierless import Barrierless
from ....sim.schemes.base import Fixed, Scheme
from ....sim.training.problems.objective import Objective
from ...run.pools import end_with_the_command

# A worker gets its ``Setup`` once, and then one ``Task`` after another; for each message of a task
# it answers with a ``Reply``. Instants and waits here are real seconds.

Vector = FloatArray | ComplexArray


@final
@dataclass(frozen=True)
class Task:
    """What a worker is to do next."""

    number: int  # tells tasks apart; later ones have larger numbers
    waits: tuple[float, ...]  # ``(m,)`` seconds before a message is sent; infinite: it never is
    argument: Any  # what the work needs besides the data: a model, or more
    empty: bool = False  # send the argument back at once: for measuring what a message costs


@final
@dataclass(frozen=True)
class Drop:
    """Forget every task, the current one too, and say how long you have been busy."""


Order = Task | Drop | None  # ``None``: the line has closed, and there is nobody to work for


@dataclass(frozen=True)
class Reply:
    """A message of a worker."""

    number: int  # of the task
    message: int  # which of the task's messages, from 0
    value: Vector  # what was computed
    seconds: float  # since the message before it, or since the task began
    late: bool  # whether computing took longer than the task's wait


@final
@dataclass(frozen=True)
class Idle:
    """The answer to ``Drop``: seconds that the worker has been busy since the one before."""

    busy: float


class Ended(Exception):
    """A newer order has ended the task."""


@final
@dataclass(frozen=True)
class Wanted:
    """The message that a worker is to compute."""

    message: int  # which of the task's messages
    argument: Any  # the task's
    done: dict[int, FloatArray]  # gradients that the task has computed, by partition
    listen: Callable[[], None]  # called between pieces of the work; raises ``Ended`` to stop it


class Computation(ABC):
    """What a worker holds and computes; abstract."""

    @abstractmethod
    def compute(self, wanted: Wanted) -> Vector:
        """The value of a message. Raises Ended: ``wanted.listen`` did."""


@final
@dataclass(frozen=True)
class Nothing(Computation):
    """No data: times alone are of interest. Messages are empty."""

    @override
    def compute(self, wanted: Wanted) -> Vector:
        return np.empty(0)


@dataclass(frozen=True, eq=False)
class HeldPartitions(Computation):
    """Partitions that a worker holds; abstract."""

    partitions: Mapping[int, Sequence[Objective]]  # rows of each partition, as small problems
    rows: int  # N, of all the data

    def gradient(self, partition: int, beta: FloatArray, wanted: Wanted) -> FloatArray:
        """``(1/N) g_i(beta)``, without L2: ``(p,) -> (p,)``; listens after some of the rows."""
        total: FloatArray = np.zeros(beta.shape)
        for rows in self.partitions[partition]:
            total += rows.summed_gradient(rows.X, rows.y, beta[:, None])[:, 0]
            wanted.listen()
        return total / self.rows


@final
@dataclass(frozen=True, eq=False)
class EncodedSum(HeldPartitions):
    """Message j is the sum of B_ji g_i over the partitions that it holds; the argument is beta."""

    code: sparse.csr_array  # the worker's rows of B, ``(m, k)``

    @override
    def compute(self, wanted: Wanted) -> Vector:
        """A partition that several of a task's messages carry is computed once."""
        beta, done = wanted.argument, wanted.done
        message: Vector = np.zeros(beta.shape, dtype=self.code.dtype)
        span = slice(*self.code.indptr[wanted.message : wanted.message + 2])
        row = zip(self.code.indices[span].tolist(), self.code.data[span], strict=True)
        for partition, weight in row:
            if partition not in done:
                done[partition] = self.gradient(partition, beta, wanted)
            message = message + weight * done[partition]
        return message


@final
@dataclass(frozen=True, eq=False)
class SingleGradient(HeldPartitions):
    """The gradient of one partition; the argument is the partition and beta."""

    @override
    def compute(self, wanted: Wanted) -> Vector:
        partition, beta = wanted.argument
        return self.gradient(partition, beta, wanted)


@final
@dataclass(frozen=True, eq=False)
class Setup:
    """What a worker is told first."""

    computation: Computation = field(default_factory=Nothing)  # what it computes
    policy: Policy = Policy.CANCEL  # what it does with unfinished work when the next task comes
    slow: float = 1.0  # times as long its computing takes, at least 1; the rest waits


ENTRIES = 2**18  # entries of X, 2 MiB: under a millisecond of work
SUPPORTED = (
    "every code with an encoding matrix (uncoded, ignore_stragglers, fractional_repetition, "
    "cyclic_repetition, erasurehead, ...) and asynchronous, k_async, k_batch_async, k_batch_sync, "
    "rennala, ringmaster, malenia, ringleader"
)


def refusal(run: Run, injected: bool) -> str | None:
    """Why real workers cannot run this, perhaps with delays to sleep out; ``None`` if they can."""
    if run.scheme.local_steps > 1:
        return f"{run.scheme.name} takes local steps, and live workers send gradients: {SUPPORTED}"
    if not supported(run.scheme):
        return f"{run.scheme.name} is not among what live runs: {SUPPORTED}"
    if not injected and isinstance(run.scheme, Fixed) and run.scheme.patience is not None:
        return f"{run.scheme.name} cuts off the config's delays; --no-injection has none"
    if not run.cluster.ideal:
        return "network and failures are real here: leave these sections out (max_wait may stay)"
    return None


def supported(scheme: Scheme) -> bool:
    """Whether a message is a sum of whole gradients, and a live master knows the updates."""
    whole = type(scheme) is Fixed and scheme.message_size >= 1
    return whole or (type(scheme) is Barrierless and scheme.updates_of is not latest_of_each)


def computations(scheme: Scheme, problem: Objective | None) -> list[Computation]:
    """What each worker computes; it holds all the data where partitions are drawn at random."""
    if problem is None:
        return [Nothing()] * scheme.workers
    by_partition = parts_of(problem)
    if isinstance(scheme, Fixed):
        code, m = sparse.csr_array(scheme.assignment.encoding), scheme.messages
        rows = [code[worker * m : (worker + 1) * m] for worker in range(scheme.workers)]
        held = [{int(i): by_partition[i] for i in np.unique(own.indices)} for own in rows]
        return [EncodedSum(h, problem.rows, own) for h, own in zip(held, rows, strict=True)]
    assert isinstance(scheme, Barrierless)
    if scheme.own_data:
        return [SingleGradient({i: rows}, problem.rows) for i, rows in enumerate(by_partition)]
    return [SingleGradient(dict(enumerate(by_partition)), problem.rows)] * scheme.workers


def parts_of(problem: Objective, entries: int = ENTRIES) -> list[list[Objective]]:
    """Each partition as problems of a few rows each, without test rows: so many entries of X (at
    least p, as each piece costs a sum of p numbers) are read before a worker listens."""
    most = max(1, max(entries, problem.parameters) * problem.rows // max(1, problem.X.size))
    ends = np.cumsum(problem.partition_sizes).tolist()
    whole = replace(problem, partitions=1, X_test=None, y_test=None)
    pieces = [
        [slice(first, min(first + most, end)) for first in range(start, end, most)]
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    return [[replace(whole, X=problem.X[i], y=problem.y[i]) for i in slices] for slices in pieces]


def process(line: Connection) -> None:
    """A worker that is a process of this machine; it ends when its line closes."""
    end_with_the_command()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's business
    serve(line, alone=True)


def serve(line: Connection, alone: bool = False) -> None:
    """Work until the line to the master closes; ``alone``: then end this process at once."""
    try:
        setup: Setup = line.recv()
        orders: SimpleQueue[Order] = SimpleQueue()
        threading.Thread(target=_read, args=(line, orders, alone), daemon=True).start()
        with one_thread():
            LiveWorker(line, setup, orders).serve()
    except (EOFError, OSError):  # the master is gone
        pass


def _read(line: Connection, orders: SimpleQueue[Order], alone: bool) -> None:
    """Always read, so that neither side ever waits for the other to read."""
    try:
        while True:
            orders.put(line.recv())
    except (EOFError, OSError):
        if alone:
            os._exit(0)  # nothing is left to tidy up
        orders.put(None)


@final
class LiveWorker:
    """A real worker: it waits for a task, computes, sleeps out its delay, and sends its messages. A
    delay is the time that a whole task takes: computing is part of it, and where computing takes
    longer, the message is late. A worker listens while it sleeps, and between pieces of its work: a
    new task ends the one before at once under ``cancel``, and is kept under the other policies.
    Life cycle: ``serve`` until the line has closed."""

    def __init__(self, line: Connection, setup: Setup, orders: SimpleQueue[Order]) -> None:
        self._line, self._setup, self._orders = line, setup, orders
        self._waiting: deque[Order] = deque()

    def serve(self) -> None:
        """One order after another."""
        busy = 0.0  # on tasks that were dropped, too
        while True:
            match self._next():
                case Task() as task:
                    began = time.perf_counter()
                    with suppress(Ended):
                        self._perform(task, began)
                    busy += time.perf_counter() - began
                case Drop():
                    self._line.send(Idle(busy))
                    busy = 0.0
                case None:
                    return

    def _next(self) -> Order:
        """The next order: in turn under ``queue``, else the newest of those that have come."""
        while True:
            try:
                while True:
                    self._note(self._orders.get_nowait())
            except Empty:
                if self._waiting:
                    return self._waiting.popleft()
            self._note(self._orders.get())

    def _note(self, order: Order) -> bool:
        """Keep an order for later; whether it ends the current task."""
        policy = self._setup.policy
        ends = policy.interrupts or not isinstance(order, Task)
        if ends or not policy.in_order:
            self._waiting.clear()
        self._waiting.append(order)
        return ends

    def _perform(self, task: Task, began: float) -> None:
        """Send the task's messages. Raises Ended: another order has ended the task."""
        done, since = dict[int, FloatArray](), began
        for message, wait in enumerate(task.waits):
            if wait == inf and message + 1 < len(task.waits):
                continue  # it gives up this message, and goes on to the next
            value: Vector = np.empty(0)
            if task.empty:
                value = task.argument
            elif wait < inf:
                computing = time.perf_counter()
                # While it computes, it reads what has come.
                wanted = Wanted(message, task.argument, done, lambda: self._sleep(-inf))
                value = self._setup.computation.compute(wanted)
                if self._setup.slow > 1:
                    self._sleep(computing + self._setup.slow * (time.perf_counter() - computing))
            late = time.perf_counter() > began + wait
            self._sleep(began + wait)
            now = time.perf_counter()
            self._line.send(Reply(task.number, message, value, now - since, late))
            since = now

    def _sleep(self, until: float) -> None:
        """Sleep until an instant, and read what comes. Raises Ended: an order ends the task."""
        while True:
            left = until - time.perf_counter()
            try:
                order = self._orders.get(timeout=min(max(left, 0.0), 1e6) if left < inf else None)
            except Empty:
                if until <= time.perf_counter():
                    return
                continue
            if self._note(order):
                raise Ended
