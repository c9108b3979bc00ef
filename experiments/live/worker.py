"""A worker: it waits for a task, computes, sleeps out the task's delay, and sends its messages.

A delay is the time that a whole task takes: computing is part of it, and where computing takes
longer, the message is late. A worker listens while it sleeps, and between pieces of its work while
it computes: a new task ends the one before at once under ``cancel``, and is kept for later under
the other policies.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from math import inf
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import final

import numpy as np

from ...sim.threads import one_thread
from ...sim.types import FloatArray
from .tasks import Drop, Employment, End, Ended, Idle, Order, Reply, Task, Vector


def process(line: Connection) -> None:
    """A worker that is a process of this machine; it ends when its line closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's business
    serve(line, alone=True)


def serve(line: Connection, alone: bool = False) -> None:
    """Work until the line closes.

    Args:
        line: to the master.
        alone: whether to end this process at once then, whatever it computes.
    """
    try:
        employment: Employment = line.recv()
        orders: SimpleQueue[Order] = SimpleQueue()
        listening = threading.Thread(target=_read, args=(line, orders, alone), daemon=True)
        listening.start()
        with one_thread():
            Worker(line, employment, orders).work()
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
        orders.put(End())


@final
class Worker:
    """One worker.

    Life cycle: ``work`` until ``End`` comes.
    """

    def __init__(
        self, line: Connection, employment: Employment, orders: SimpleQueue[Order]
    ) -> None:
        self._line, self._orders = line, orders
        self._work, self._policy = employment.work, employment.policy
        self._slow = employment.slow
        self._waiting: deque[Order] = deque()

    def work(self) -> None:
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
                case End():
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
        ends = self._policy.interrupts or not isinstance(order, Task)
        if ends or not self._policy.in_order:
            self._waiting.clear()
        self._waiting.append(order)
        return ends

    def _perform(self, task: Task, began: float) -> None:
        """Send the task's messages.

        Raises:
            Ended: another order has ended the task.
        """
        done: dict[int, FloatArray] = {}
        since = began
        for place, wait in enumerate(task.waits):
            if wait == inf and place + 1 < len(task.waits):
                continue  # it gives up this message, and goes on to the next
            value: Vector = np.empty(0)
            if task.empty:
                value = task.argument
            elif wait < inf:
                computing = time.perf_counter()
                value = self._work.compute(place, task.argument, done, self._listen)
                spent = time.perf_counter() - computing
                if self._slow > 1:
                    self._sleep(computing + self._slow * spent)
            late = time.perf_counter() > began + wait
            self._sleep(began + wait)
            now = time.perf_counter()
            self._line.send(Reply(task.number, place, value, now - since, late))
            since = now

    def _listen(self) -> None:
        """Read what has come.

        Raises:
            Ended: it ends the task.
        """
        self._sleep(-inf)

    def _sleep(self, until: float) -> None:
        """Sleep until an instant, and read what comes.

        Raises:
            Ended: something came that ends the task.
        """
        while True:
            left = until - time.perf_counter()
            try:
                if left == inf:
                    order = self._orders.get()
                elif left > 0:
                    order = self._orders.get(timeout=min(left, 1e6))
                else:
                    order = self._orders.get_nowait()
            except Empty:
                if until <= time.perf_counter():
                    return
                continue
            if self._note(order):
                raise Ended
