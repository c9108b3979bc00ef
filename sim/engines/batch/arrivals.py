"""When messages arrive where nobody is ever stopped: it depends on no decision. Where nobody waits
either, a worker's messages arrive at the running sums of its task times. They are sorted in blocks
that stay in the cache, by time, *wave* ("Without a barrier" in docs/design.md) and worker; a
worker's next model is that after its message's wave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, takewhile
from math import inf, isqrt
from typing import final

import numpy as np

from ...base.errors import NeverEnough
from ...base.types import BoolArray, FloatArray, IntArray
from ..run import Run
from ..tapes import CheckedTape, RoundOfAll, Tasks
from ..updates import Accepted


@dataclass(frozen=True)
class Block:
    """Messages that follow those of the block before; its arrays are good until the next block."""

    order: IntArray  # positions in the other arrays, in the order in which messages are decided
    # Instants of arrival, and who sent them.
    when: FloatArray
    worker: IntArray
    before: IntArray  # how many messages of the run had been decided when the worker got its model
    # How long they took to compute, or ``None`` where that was not asked for.
    seconds: FloatArray | None
    last: IntArray  # for each position in ``order``, the last one of its wave
    lost: BoolArray  # ``(n,)`` of which workers nothing more comes


def rows_needed(run: Run) -> int:
    """Tasks of each worker that a run needs, if most are about equally fast. In ``oldest`` updates
    at most n messages grow too old, and about a third of that does."""
    scheme = run.barrierless
    accepted = -(-run.updates * scheme.gradients // scheme.n)
    mean = accepted + min(int(run.updates / (3 * scheme.oldest)), 2 * accepted)
    return mean * 9 // 8 + 3 * isqrt(mean) + 4


def arrival_blocks(run: Run, replication: int, seconds: bool) -> Iterator[Block]:
    """All messages of one replication; ends when nothing more can arrive. Cost: per message a draw,
    a sort of a block, and about fifteen passes over arrays that stay in the cache."""
    tape, n = CheckedTape(run.tapes[replication]), run.scheme.workers
    loads, size = np.ones(n, dtype=np.int64), tape.block_rounds
    # Of the tape's first block a short run needs only a part; if it was too short, twice of it.
    piece = min(size, rows_needed(run))
    shorter = takewhile(lambda stop: stop <= size // 2, (piece << i for i in count()))
    queues, done = _Queues(n, seconds), 0
    for stop in chain(shorter, count(size, size)):
        start = done // size * size
        table = run.load_law.worker_times(tape, loads, start, stop)
        for row in range(done - start, stop - start, piece):
            queues.add(table[row : row + piece])
            yield queues.take()
            if queues.ended:
                return
        done = stop


def first_blocks(
    run: Run, seconds: bool, every: Accepted | None = None
) -> Iterator[tuple[int, Block | None]]:
    """Each replication, and its first messages if the run is short and no two of them tie. They are
    found for many replications at once, since a block of few messages costs as much as one of a
    thousand. Where all messages count, ``every`` is filled in, and replications that this completes
    are left out. Cost: per task of the tables that are read a draw, a sort, and ten passes."""
    n, rows, replications = run.scheme.workers, rows_needed(run), len(run.tapes)
    if rows * n > 2**13 or replications == 1:  # enough tasks for a sort of their own
        yield from ((r, None) for r in range(replications))
        return
    loads, together = np.ones(n, dtype=np.int64), max(1, 2**17 // (rows * n))
    for start in range(0, replications, together):
        some = slice(start, min(start + together, replications))
        tapes, table = run.tapes[some], np.empty((some.stop - start, rows, n))
        if rows < len(table):  # the load law is asked for each row, or for each replication
            of_all = RoundOfAll(tapes, rows)
            for t in range(rows):
                of_all.round = t
                table[:, t] = run.load_law.worker_times(of_all, loads, 0, len(table))
        else:
            for own, tape in zip(table, map(CheckedTape, tapes), strict=True):
                own[:] = run.load_law.worker_times(tape, loads, 0, rows)
        first = _First(table)
        left: Iterable[int] = range(len(table))
        if every is not None:
            left = first.fill(every.view(some), run.barrierless.gradients)
        for r in left:
            yield start + r, first.block(r, seconds)


class _First:
    """The first tasks of some replications, ``(R, rows, n)`` seconds."""

    def __init__(self, seconds: FloatArray) -> None:
        r, rows, n = seconds.shape
        finish = seconds.copy()
        for row in range(1, rows):
            finish[:, row] += finish[:, row - 1]
        when = finish.reshape(r, -1)
        order = np.argsort(when, axis=1)
        ordered = np.take_along_axis(when, order, axis=1)
        strange = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1) | np.isinf(ordered[:, -1])
        ranks, before = np.empty_like(order), np.zeros((r, rows, n), dtype=np.int64)
        np.put_along_axis(ranks, order, np.arange(rows * n)[None], axis=1)
        before[:, 1:] = ranks.reshape(r, rows, n)[:, :-1] + 1
        complete = np.count_nonzero(when < finish[:, -1].min(axis=1)[:, None], axis=1)
        self._when, self._order, self._before = when, order, before.reshape(r, -1)
        self._seconds, self._worker = seconds.reshape(r, -1), np.tile(np.arange(n), rows)
        self._nobody: BoolArray = np.zeros(n, dtype=np.bool_)
        self._complete = np.where(strange, 0, complete)  # where messages may tie, none is known

    def block(self, r: int, seconds: bool) -> Block | None:
        """A replication's messages, if they are known."""
        if not (total := int(self._complete[r])):
            return None
        order, last = self._order[r, :total], np.arange(total)
        tables = self._when[r], self._worker, self._before[r], self._seconds[r] if seconds else None
        return Block(order, *tables, last, self._nobody)

    def fill(self, accepted: Accepted, k: int) -> list[int]:
        """Fill in the K messages of each update; returns the replications in which some are not
        known: what is filled into these means nothing."""
        shape = (*accepted.when.shape[:2], k)
        cells = self._order[:, : shape[1] * k]
        tables = self._when, self._before // k, self._seconds
        taken = (np.take_along_axis(table, cells, axis=1) for table in tables)
        when, version, seconds = (part.reshape(shape) for part in taken)
        accepted.note(when, self._worker.take(cells).reshape(shape), version, seconds)
        return np.flatnonzero(self._complete < cells.shape[1]).tolist()


@final
class _Queues:
    """Each worker's tasks in a row of its own, ``(n, room)``: those from ``head`` are undecided.
    Messages before the earliest of the workers' last known ones are complete, since whatever a
    worker sends later comes after its own last one. So of every message that is decided it is also
    known whether its worker sends another. Life cycle: ``add`` tasks, ``take`` what is complete."""

    def __init__(self, n: int, seconds: bool) -> None:
        self.ended = False  # whether nothing more can arrive
        self._workers = np.arange(n)
        self._numbers = np.arange(n, dtype=np.int32)
        self._tail, self._room, self._rows = 1, 1, 0
        self._head = np.ones(n, dtype=np.int64)
        self._finish = np.zeros((n, 1))  # when each task ends; the first column is time 0
        self._seconds = np.zeros((n, 1)) if seconds else None
        # Tasks of the worker that ended before it at the very same instant; all 0 before any has.
        self._wave: IntArray | None = None
        self._decided = 0
        self._before = np.zeros(n, dtype=np.int64)  # messages decided when a worker got its model
        self._buffers = _Buffers(0)

    def add(self, seconds: FloatArray) -> None:
        """Tasks that follow the last ones: ``(rows, n)``."""
        rows = self._rows = len(seconds)
        if self._tail + rows > self._room:
            self._make_room(rows)
        finish = self._finish[:, self._tail - 1 : self._tail + rows]
        np.add.accumulate(np.vstack([finish[:, 0], seconds]).T, axis=1, out=finish)
        if self._seconds is not None:
            self._seconds[:, self._tail : self._tail + rows] = seconds.T
        # A sum that grows by more than this is another number.
        if self._wave is not None or not seconds.min() > finish[:, -1].max() * 2.0**-52:
            self._note_waves(finish)
        self._tail += rows

    def _note_waves(self, finish: FloatArray) -> None:
        """Of the tasks after the first in ``finish``, which are known."""
        same = finish[:, 1:] == finish[:, :-1]
        if self._wave is None:
            if not same.any():
                return
            self._wave = np.zeros(self._finish.shape, dtype=np.int64)
            if self._decided == 0 and self._tail == 1:
                self._wave[:, 0] = -1  # time 0 is nobody's task
        task = np.arange(same.shape[1])
        first = np.where(same, -1 - self._wave[:, self._tail - 1, None], task)
        np.maximum.accumulate(first, axis=1, out=first)
        self._wave[:, self._tail : self._tail + len(task)] = task - first

    def take(self) -> Block:
        stop = self._complete()
        counts = stop - self._head
        ends = np.cumsum(counts)
        starts, total = ends - counts, int(ends[-1])
        if total > len(self._buffers.positions):
            self._buffers = _Buffers(total * 5 // 4)
        positions = self._buffers.positions[:total]
        cells = np.repeat(self._workers * self._room + self._head - starts, counts)
        cells += positions
        self._head = stop
        when = self._finish.ravel().take(cells, out=self._buffers.when[:total], mode="clip")
        if (order := self._buffers.order(total)) is None:
            order, positions = self._order_of_waves(when, cells)
        # What a worker computes next, it computes on the model after its message.
        before = self._buffers.before[: total + 1]
        before[1:][order] = positions
        some = counts > 0
        latest = before[ends[some]] + 1
        before += self._decided + 1
        before[starts[some]] = self._before[some]
        self._before[some] = latest + self._decided
        self._decided += total
        worker = np.repeat(self._numbers, counts)
        seconds = None if self._seconds is None else self._seconds.ravel().take(cells)
        return Block(order, when, worker, before[:-1], seconds, positions, np.isinf(self._upcoming))

    @property
    def _upcoming(self) -> FloatArray:
        """``(n,)`` when each worker's first undecided task ends, or the last one known."""
        return np.asarray(self._finish[self._workers, np.minimum(self._head, self._tail - 1)])

    def _complete(self) -> IntArray:
        """The end of each worker's messages that are complete: ``(n,)`` columns."""
        last = self._finish[:, self._tail - 1]
        horizon = last.min()
        self.ended = bool(np.isinf(horizon))  # every worker's next task never ends
        if self._wave is not None and not self.ended:
            top = self._wave[last == horizon, self._tail - 1].min()
            finish, waves = self._finish[:, : self._tail], self._wave[:, : self._tail]
            due = (finish < horizon) | ((finish == horizon) & (waves < top))
            stop: IntArray = np.asarray(np.count_nonzero(due, axis=1))
        else:
            stop = self._ended_before(horizon)
        return np.asarray(np.maximum(stop, self._head))  # of whom nothing comes, all is behind

    def _ended_before(self, horizon: float) -> IntArray:
        """The end of each worker's tasks that end before an instant; counted where the workers are
        about equally far, else by bisection."""
        head = int(self._head.min())
        if self._tail - head < 4 * self._rows:
            late = self._finish[:, head : self._tail] >= horizon
            return np.where(late[:, -1], head + late.argmax(axis=1), self._tail)
        finish, offset = self._finish.ravel(), self._workers * self._room
        stop, limit = offset + self._head, offset + self._tail
        step = 1 << (self._tail - head).bit_length()
        while step := step // 2:
            beyond = stop + step
            due = finish.take(beyond - 1, mode="clip") < horizon
            due &= beyond <= limit
            np.copyto(stop, beyond, where=due)
        return stop - offset

    def _order_of_waves(self, when: FloatArray, cells: IntArray) -> tuple[IntArray, IntArray]:
        """The order where messages tie, and the position of the last of each message's wave."""
        waves = np.zeros_like(cells) if self._wave is None else self._wave.ravel()[cells]
        order = np.lexsort((waves, when))  # stable, so by worker last
        changes = (np.diff(when[order]) > 0) | (np.diff(waves[order]) != 0)
        ends = np.append(np.flatnonzero(changes) + 1, len(order))
        return order, np.repeat(ends - 1, np.diff(ends, prepend=0))

    def _make_room(self, rows: int) -> None:
        """Drop tasks that everybody has behind, but for the latest of them."""
        self._head[np.isinf(self._upcoming)] = self._tail  # nothing to come: it holds up nobody
        drop = int(self._head.min()) - 1
        kept = self._tail - drop
        if 5 * (kept + rows) > 4 * self._room:
            self._room = 3 * (kept + rows) // 2
        self._finish = self._moved(self._finish, drop)
        if self._seconds is not None:
            self._seconds = self._moved(self._seconds, drop)
        if self._wave is not None:
            self._wave = self._moved(self._wave, drop)
        self._tail -= drop
        self._head -= drop

    def _moved(self, table: np.ndarray, drop: int) -> np.ndarray:
        moved = table
        if table.shape[1] != self._room:
            moved = np.empty((len(table), self._room), dtype=table.dtype)
        moved[:, : self._tail - drop] = table[:, drop : self._tail]
        return moved


class _Buffers:
    """Arrays of a block that are used again: fresh memory costs as much as what is done in it."""

    def __init__(self, size: int) -> None:
        self.positions = np.arange(size)
        self.when, self.scaled = np.empty(size), np.empty(size)
        self.key, self.before = np.empty(size, dtype=np.int64), np.empty(size + 1, dtype=np.int64)

    def order(self, total: int) -> IntArray | None:
        """The order of the first ``when``, or ``None`` where two messages (nearly) tie. NumPy sorts
        numbers faster than it finds their order. So instants become whole numbers, with positions
        in their low bits. Rounding never swaps two instants: what differs after it is in order.
        Cost: a sort and eight passes, two thirds of an argsort."""
        when, scaled, key = self.when[:total], self.scaled[:total], self.key[:total]
        latest = when.max(initial=0.0)
        if not 1e-290 < latest < np.inf:
            return None
        bits = total.bit_length()
        np.multiply(when, 2.0 ** (62 - bits) / latest, out=scaled)
        np.copyto(key, scaled, casting="unsafe")
        np.left_shift(key, bits, out=key)
        np.bitwise_or(key, self.positions[:total], out=key)
        key.sort()
        gaps = np.subtract(key[1:], key[:-1], out=scaled.view(np.int64)[1:])
        if gaps.min(initial=1 << bits) < 1 << bits:
            return None
        return np.bitwise_and(key, (1 << bits) - 1, out=key)


# Where no worker may be too far ahead of the slowest, arrivals depend on no decision either. Who
# has delivered c gradients starts the next one when everybody has delivered c - s (its own c-th
# included), so the instants of its messages follow from those of all workers, row by row:
#
#     F_j(c + 1) = max(F_j(c), max_i F_i(c - s)) + X_j(c + 1)
#
# Which messages make which update is then a matter of order.

TASKS_AT_ONCE = 2**21  # held at once by a group of replications: 16 MiB an array


def bounded(run: Run, accepted: Accepted) -> FloatArray | None:
    """Fill in the messages of each update; returns ``(R, n)`` seconds that each worker computed, or
    ``None`` where these are not recorded. Cost: some ten NumPy calls a row of ``(R, n)`` tasks, and
    a sort of each replication's messages. Memory: six arrays of a group's tasks. Raises
    ``NeverEnough``: somebody never delivers, and all others wait."""
    scheme = run.barrierless
    n, wanted = scheme.workers, run.updates * scheme.gradients
    busy = None if accepted.seconds is None else np.empty((len(run.tapes), n))
    # When so many messages have come, the slowest has sent at most their n-th part of them.
    rows = min(-(-wanted // n) + int(min(scheme.ahead, wanted)) + 1, wanted)
    size = max(1, TASKS_AT_ONCE // (rows * n))
    for start in range(0, len(run.tapes), size):
        mine = slice(start, min(start + size, len(run.tapes)))
        tasks = Tasks(run.tapes[mine], run.load_law, min(rows, run.tapes[0].block_rounds))
        table = _Messages(tasks, mine.stop - mine.start, n, rows, scheme.ahead)
        for r in range(mine.start, mine.stop):
            end = _decide(run, table, r - start, accepted.view(r))
            if busy is not None:
                busy[r] = table.busy(r - start, end)
    return busy


class _Messages:
    """Every message of a group of replications; arrays are ``(rows, R, n)``, row c the c-th ones:
    seconds to compute, since when and after which wave, and when and in which wave it arrives."""

    def __init__(self, tasks: Tasks, replications: int, n: int, rows: int, ahead: float) -> None:
        shape = (rows, replications, n)
        everyone = np.arange(replications * n).reshape(replications, n)
        self.seconds, self.since, self.when = (np.empty(shape) for _ in range(3))
        self.after, self.wave = (np.empty(shape, dtype=np.int32) for _ in range(2))
        now, wave = np.zeros(shape[1:]), np.full(shape[1:], -1, dtype=np.int32)
        for row in range(rows):
            if row > ahead:
                slow, last = self.when[row - int(ahead) - 1], self.wave[row - int(ahead) - 1]
                gate = slow.max(axis=1, keepdims=True)
                turn = np.where(slow == gate, last, -1).max(axis=1, keepdims=True)
                later = np.where(gate == now, np.maximum(wave, turn), wave)
                wave = np.where(gate > now, turn, later)
                now = np.maximum(now, gate)
            self.since[row], self.after[row] = now, wave
            self.seconds[row] = tasks.begin(everyone)
            now = now + self.seconds[row]
            wave = np.where(now == self.since[row], wave + 1, 0)
            self.when[row], self.wave[row] = now, wave

    def busy(self, r: int, end: float) -> FloatArray:
        """``(n,)`` seconds that each worker of a replication computed until an instant. A worker
        that goes on at once computes without a pause, so whole stretches are added up."""
        tables = self.since, self.after, self.when, self.wave
        since, after, when, wave = (table[:, r] for table in tables)
        paused = (since[1:] > when[:-1]) | ((since[1:] == when[:-1]) & (after[1:] > wave[:-1]))
        paused &= since[1:] <= end
        total, began, left = np.zeros(since.shape[1]), since[0], when[0]
        for row in range(1, len(when)):
            stopped = paused[row - 1]
            total[stopped] += (left - began)[stopped]
            began = np.where(stopped, since[row], began)
            left = np.where(since[row] <= end, when[row], left)
        return np.asarray(total + (np.minimum(left, end) - began))


def _decide(run: Run, table: _Messages, r: int, accepted: Accepted) -> float:
    """Write down a replication's messages in their order; returns the last update's instant."""
    n, k = run.scheme.workers, run.barrierless.gradients
    shape = len(accepted.when), k
    when, wave = table.when[:, r].ravel(), table.wave[:, r].ravel()
    worker = np.tile(np.arange(n), len(table.when))
    order = np.lexsort((worker, wave, when))[: len(accepted.when) * k]
    if when[order[-1]] == inf:
        come = int(np.searchsorted(when[order], inf))
        update = come // k
        heard = worker[order[update * k : come]]
        raise NeverEnough(run.iteration(update), np.setdiff1d(np.arange(n), heard).tolist())
    since, after = table.since[:, r].ravel()[order], table.after[:, r].ravel()[order]
    before = _decided(when[order], wave[order], since, after)
    at, spent = when[order].reshape(shape), table.seconds[:, r].ravel()[order].reshape(shape)
    accepted.note(at, worker[order].reshape(shape), (before // k).reshape(shape), spent)
    return float(at[-1, -1])


def _decided(when: FloatArray, wave: IntArray, since: FloatArray, after: IntArray) -> IntArray:
    """How many of the messages ``(when, wave)`` had been decided when each task was begun."""
    count = np.searchsorted(when, since, side="right")
    tied: BoolArray = np.zeros(len(when), dtype=np.bool_)
    tied[1:] = when[1:] == when[:-1]
    if not tied.any():
        return np.where((count > 0) & (after >= 0), count, 0)
    instants = np.unique(when)
    rank = np.searchsorted(instants, since, side="right") - 1
    most = int(wave.max()) + 2
    keys = np.searchsorted(instants, when) * most + wave
    wanted = rank * most + np.minimum(after, most - 2)
    same = (rank >= 0) & (instants[np.maximum(rank, 0)] == since)
    return np.where(same, np.searchsorted(keys, wanted, side="right"), count)
