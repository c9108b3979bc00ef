"""Schemes without a barrier in the batch engine where workers depend on updates. Either every
update stops everybody, or whoever has delivered waits for the next one. So updates follow one
another; what is done for each is done for a group of replications at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import inf

import numpy as np

from ...base.errors import NeverEnough
from ...base.types import BoolArray, FloatArray, IntArray
from ...schemes.barrierless import Barrierless
from ..run import Run
from ..tapes import Tasks, task_columns
from ..updates import MOST_VAIN_MESSAGES, Accepted
from .arrivals import TASKS_AT_ONCE
from .traces import run_together


def rows_at_once(run: Run) -> int:
    """Rows that are read together: of a block of the tape, a short run needs only a part."""
    scheme = run.barrierless
    stopped = scheme.n if scheme.restarts_at_once else 0
    needed = run.updates * (scheme.gradients + stopped) * 5 // (4 * scheme.n)
    return min(run.tapes[0].block_rounds, needed + 16)  # some workers need more than others


def _tasks(run: Run, group: range) -> Tasks:
    return Tasks(run.tapes[group.start : group.stop], run.load_law, rows_at_once(run))


# With distinct workers an update comes with the K-th of the workers' first messages. What a worker
# sends after its own is dropped, and all that matters of it is how many rows of the tape it uses.


def distinct(run: Run, group: range, accepted: Accepted) -> None:
    """Fill in the messages of each update of a group of replications. Cost: a sort of n an update,
    and for each 8 tasks that the fastest worker does in it some ten NumPy calls over ``(R, 8, n)``.
    Raises ``NeverEnough``: too few workers ever deliver, or one does again and again in no time."""
    mine, scheme = slice(group.start, group.stop), run.barrierless
    tasks, now, k = _tasks(run, group), np.zeros(len(group)), scheme.gradients
    everyone = np.arange(len(group) * scheme.n).reshape(-1, scheme.n)
    for update in range(run.updates):
        seconds = tasks.ahead(1, everyone)[0]
        first = now[:, None] + seconds
        workers = np.argsort(first, axis=1, kind="stable")[:, :k]
        when, spent = (np.take_along_axis(table, workers, axis=1) for table in (first, seconds))
        accepted.view(mine, update).note(when, workers, update, spent)
        end = when[:, -1]
        iteration = run.iteration(update)
        if np.isinf(end).any():
            stuck = int(np.flatnonzero(np.isinf(end))[0])
            raise NeverEnough(iteration, np.flatnonzero(np.isinf(first[stuck])).tolist())
        _use_until(end, now, first, tasks, iteration)
        now = end


def _use_until(
    end: FloatArray, now: FloatArray, first: FloatArray, tasks: Tasks, iteration: int
) -> None:
    """Use the rows of all tasks that have begun by an update at ``(R,)`` instants, after the one
    before it; ``first``, ``(R, n)``, is when each worker's first task ends. A worker has begun one
    task more than have ended before the update: a message of its instant is decided with it, and
    its worker begins nothing before that."""
    r, n = first.shape
    depth = 8  # tasks of a worker that are looked at together
    reached, going = np.repeat(now[:, None], n, axis=1), np.ones((r, n), dtype=np.bool_)
    idle = np.zeros((r, n), dtype=np.int64)
    while going.any():
        finish = tasks.ahead(depth, np.arange(r * n).reshape(r, n))
        finish[0] += reached
        for task in range(1, depth):
            finish[task] += finish[task - 1]
        ended = np.count_nonzero(finish < end[:, None], axis=0)
        on = going & (ended == depth)
        tasks.use(np.where(going, ended + ~on, 0), depth)
        idle = np.where(on & (finish[-1] == reached), idle + depth, 0)
        if idle.max() > MOST_VAIN_MESSAGES:
            stuck, worker = (int(i) for i in np.argwhere(idle > MOST_VAIN_MESSAGES)[0])
            missing = np.flatnonzero(first[stuck] > reached[stuck, worker]).tolist()
            raise NeverEnough(iteration, missing, endless=worker)
        reached, going = finish[-1], on


def dependent(run: Run, accepted: Accepted, few: int = 6) -> None:
    """Fill in the messages of each update. Cost: that of ``distinct``, ``_stopped`` or
    ``_waiting``; that of ``_alone`` for fewer than ``few`` replications, and for those in which
    messages tie. Raises ``NeverEnough``: as if the replications ran one after the other."""
    scheme, replications = run.barrierless, len(run.tapes)
    size = max(few, TASKS_AT_ONCE // (rows_at_once(run) * scheme.n))
    for start in range(0, replications, size):
        group = range(start, min(start + size, replications))
        if scheme.distinct:
            run_together(lambda some: distinct(run, some, accepted), group)
            continue
        alone = np.ones(len(group), dtype=np.bool_)
        if len(group) >= few:
            together = _stopped if scheme.restarts_at_once else _waiting
            view = accepted.view(slice(group.start, group.stop))
            alone = together(scheme, _tasks(run, group), view)
        for r in start + np.flatnonzero(alone):
            _alone(run, int(r), accepted.view(int(r)))


# An update is a fresh start for all: only which rows of the tape are next passes on.


def _stopped(scheme: Barrierless, tasks: Tasks, accepted: Accepted) -> BoolArray:
    """Where every update stops everybody: fill in all replications but those that are returned, in
    which messages tie, or a message never comes: ``(R,)``. Cost: some forty NumPy calls an update,
    over ``(depth, R, min(n, K))`` tasks. Where a worker does more in one update, its replication is
    looked at again; depth grows where that is frequent."""
    (r, updates, _), n, k = accepted.when.shape, scheme.n, scheme.gradients
    everyone, now = np.arange(r * n).reshape(r, n), np.zeros(r)
    strange = np.zeros(r, dtype=np.bool_)
    depth, deepened, since = -(-k // n) + 2, 0, 0
    for update in range(updates):
        first, more = _first(tasks, everyone, now, k, depth), depth
        open_ = np.flatnonzero(first.short)
        since, deepened = since + 1, deepened + (len(open_) > 0)
        while len(open_):
            more *= 2
            deeper = _first(tasks, everyone[open_], now[open_], k, more)
            for name, better in vars(deeper).items():
                getattr(first, name)[open_] = better
            open_ = open_[deeper.short]
        strange |= first.strange
        if strange.all():
            break
        accepted.view(slice(None), update).note(first.when, first.cell % n, update, first.seconds)
        now = first.when[:, -1]
        begun = np.bincount(first.cell.ravel(), minlength=r * n) + 1  # what ended, and the next
        begun[first.cell[:, -1]] -= 1  # who sent the last is not under way
        tasks.use(begun.reshape(r, n), more)
        # Looking once more at some replications costs as much as 5000 cells.
        if deepened * 5000 > (since + 10) * r * min(n, k):
            depth, deepened, since = depth + 1, 0, 0
    return strange


@dataclass(frozen=True)
class First:
    """The first K messages after an update, in order."""

    when: FloatArray  # ``(R, K)`` when they arrive
    cell: IntArray  # ``(R, K)`` their workers, cells of ``(R, n)``
    seconds: FloatArray  # ``(R, K)`` how long they take
    strange: BoolArray  # ``(R,)`` where messages tie or never come: there the others mean nothing
    short: BoolArray  # ``(R,)`` where more tasks must be known


def _first(tasks: Tasks, workers: IntArray, now: FloatArray, k: int, depth: int) -> First:
    """The first K messages after an update of ``(R, n)`` workers, by cell, that begin at ``(R,)``
    instants; so many tasks of each are looked at. Of more than K workers only those of the K
    earliest first messages can have one among them. Cost: two partitions, a sort, ten passes."""
    strange = np.zeros(len(now), dtype=np.bool_)
    if k < workers.shape[1]:
        cells, strange = _earliest(tasks.ahead(1, workers)[0] + now[:, None], k)
        workers = workers.ravel().take(cells)
    r, m = workers.shape
    ahead = tasks.ahead(depth, workers)
    sums = ahead.copy()
    sums[0] += now[:, None]
    for step in range(1, depth):
        sums[step] += sums[step - 1]
    finish = sums.transpose(1, 0, 2).reshape(r, -1)
    cells, ties = _earliest(finish, k)
    cells, when = _in_order(cells, finish)
    task, column = np.divmod(cells - np.arange(0, r * depth * m, depth * m)[:, None], m)
    column += np.arange(0, r * m, m)[:, None]
    strange = strange | ties | (when[:, 1:] == when[:, :-1]).any(axis=1)
    short = (task == depth - 1).any(axis=1) & ~strange
    seconds = ahead.ravel().take(column + task * (r * m))
    return First(when, workers.ravel().take(column), seconds, strange, short)


def _earliest(finish: FloatArray, k: int) -> tuple[IntArray, BoolArray]:
    """``(R, K)`` cells with the K earliest of ``(R, cells)`` instants, cells of the whole array,
    ascending; ``(R,)`` where others come with the last, or it never does: there they are any K."""
    r = len(finish)
    end = np.partition(finish, k - 1, axis=1)[:, k - 1]
    due = finish <= end[:, None]
    cells, strange = np.flatnonzero(due), np.isinf(end)
    if len(cells) != r * k:
        strange |= np.count_nonzero(due, axis=1) != k
        due[strange] = np.arange(finish.shape[1]) < k
        cells = np.flatnonzero(due)
    return cells.reshape(r, k), strange


def _in_order(cells: IntArray, finish: FloatArray) -> tuple[IntArray, FloatArray]:
    """``(R, K)`` cells in order of their instants, the first one first where two tie; and these."""
    when = finish.ravel().take(cells)
    order = np.argsort(when, axis=1, kind="stable")
    order += np.arange(0, cells.size, cells.shape[1])[:, None]
    return cells.ravel().take(order), when.ravel().take(order)


def _waiting(scheme: Barrierless, tasks: Tasks, accepted: Accepted) -> BoolArray:
    """Where whoever has delivered waits: fill in all replications but those that are returned, in
    which messages tie, or no update comes: ``(R,)``. Cost: some twenty NumPy calls an update, over
    ``(R, n)`` workers."""
    (r, updates, _), n, k = accepted.when.shape, scheme.n, scheme.gradients
    seconds = tasks.begin(np.arange(r * n))
    finish, version = seconds.reshape(r, n).copy(), np.zeros(r * n, dtype=np.int32)
    strange = np.zeros(r, dtype=np.bool_)
    for update in range(updates):
        cells, ties = _earliest(finish, k)
        cells, when = _in_order(cells, finish)
        taken = cells % n, version.take(cells), seconds.take(cells)
        accepted.view(slice(None), update).note(when, *taken)
        begun, end = tasks.begin(cells), when[:, -1:]
        seconds[cells], version[cells] = begun, update + 1
        begun = begun + end
        finish.ravel()[cells] = begun
        strange |= ties
        strange |= (begun == end).any(axis=1)
        if strange.all():
            break
    return strange


Task = tuple[float, int, int, float, int]
"""When it ends, in which wave of that instant, its worker, its seconds, and its model's version."""


def _alone(run: Run, replication: int, accepted: Accepted) -> None:
    """Fill in one replication, also where messages tie. Cost: a turn of a Python loop and of a heap
    for each message, about 0.4 microseconds; if updates stop everybody, also 0.1 a worker."""
    scheme, tape = run.barrierless, run.tapes[replication]
    k, columns = scheme.gradients, task_columns(tape, run.load_law, rows_at_once(run))
    tasks = [iter(column) for column in columns]
    updates_of = _updates_that_stop if scheme.restarts_at_once else _updates_awaited
    noted: list[tuple[int, int, float, float]] = []
    for update, messages in zip(range(run.updates), updates_of(tasks, k), strict=False):
        if messages[-1][0] == inf:
            heard = {worker for when, _, worker, *_ in messages if when < inf}
            missing = [worker for worker in range(scheme.n) if worker not in heard]
            raise NeverEnough(run.iteration(update), missing)
        noted += [(worker, version, spent, when) for when, _, worker, spent, version in messages]
        done = update + 1
        if done % 256 == 0 or done == run.updates:  # written down together
            accepted.view(slice(done - len(noted) // k, done)).fill(noted)
            noted.clear()


def _updates_that_stop(tasks: list[Iterator[float]], k: int) -> Iterator[list[Task]]:
    """The messages of each update, if it stops everybody; the last never comes if one of them."""
    now, version, held = 0.0, 0, dict[int, float]()
    while True:
        begun = (held[j] if j in held else next(task) for j, task in enumerate(tasks))
        heap = [(now + spent, 0, worker, spent, version) for worker, spent in enumerate(begun)]
        heapify(heap)
        messages: list[Task] = []
        while len(messages) < k - 1 and heap[0][0] < inf:
            message = heap[0]
            messages.append(message)
            when, wave, worker, _, _ = message
            spent = next(tasks[worker])
            end = when + spent
            heapreplace(heap, (end, wave + 1 if end == when else 0, worker, spent, version))
        last = heap[0]
        messages.append(last)
        yield messages
        # Who was heard in the same wave has not begun anew: that task is still to come.
        now = last[0]
        beside = {message[2] for message in messages[:-1] if message[:2] == last[:2]}
        held = {worker: spent for _, _, worker, spent, _ in heap if worker in beside}
        version += 1


def _updates_awaited(tasks: list[Iterator[float]], k: int) -> Iterator[list[Task]]:
    """The messages of each update, if whoever was heard waits for it; a last one never comes."""
    heap: list[Task] = [(spent, 0, j, spent, 0) for j, spent in enumerate(map(next, tasks))]
    heapify(heap)
    heard, version = list[Task](), 0
    while True:
        while len(heard) < k:
            heard.append(heappop(heap))
        when, wave, *_ = heard[-1]
        while heap and heap[0][0] == when and heap[0][1] == wave:  # decided before anybody begins
            heard.append(heappop(heap))
        made = len(heard) // k
        for update in range(made):
            yield heard[update * k : update * k + k]
        version += made
        for _, _, worker, _, _ in heard[: made * k]:
            spent = next(tasks[worker])
            end = when + spent
            heappush(heap, (end, wave + 1 if end == when else 0, worker, spent, version))
        del heard[: made * k]
