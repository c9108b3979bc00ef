"""Schemes without a barrier in the batch engine, where nobody is ever stopped or kept waiting.

There arrivals do not depend on decisions: a worker's messages arrive at the running sums of its
task times. They are sorted in blocks that stay in the cache, and decided in order. Messages of one
instant come in *waves*: a task that takes no time, begun after the instant's decision, arrives in
the next wave. So the order is (time, wave, worker), and a worker's next model is that after its
message's wave.

Where every update stops everybody, see ``sim.engines.batch.interrupted``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from sim.engines.batch.interrupted import interrupted
from sim.engines.batch.result import Accepted, blame, no_work
from sim.engines.tapes import CheckedTape
from sim.errors import NeverEnough
from sim.schemes.barrierless import Barrierless, Stops
from sim.types import FloatArray, IntArray, Messages, Trace, Work

if TYPE_CHECKING:
    from sim.engines.run import Run


def simulate(run: Run, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications; see ``sim.engines.run.simulate``.

    Cost: per message one draw, its place in two sorts of a block, and about fifteen array passes;
    where old messages are dropped also one turn of a Python loop. Where an update stops everybody,
    about thirty NumPy calls an update.
    """
    scheme = run.scheme
    assert isinstance(scheme, Barrierless)
    if scheme.stops is Stops.EVERYBODY:
        parts = interrupted(run, scheme)
    else:
        parts = [_undisturbed(run, scheme, r) for r in range(len(run.tapes))]
    times = np.stack([part.when[:, -1] for part in parts])
    noted = messages = None
    if work:
        noted = no_work((*times.shape, scheme.workers))
        for r, part in enumerate(parts):
            _note(part, noted, r)
    if heard:
        senders = np.stack([part.worker for part in parts])
        messages = Messages(senders, np.stack([part.version for part in parts]))
    return Trace(times, messages, noted, "batch", run.seed)


def _note(part: Accepted, work: Work, r: int) -> None:
    """Fill replication r's work: workers compute without a pause until the last update."""
    times = part.when[:, -1]
    work.busy[r] = times[-1]
    seconds, n = part.seconds.ravel(), work.busy.shape[1]
    work.useful[r] = np.bincount(part.worker.ravel(), seconds, minlength=n)
    opened = np.concatenate([[0.0], times[:-1]])
    one = Work(*(getattr(work, field.name)[r : r + 1] for field in fields(work)))
    blame(part.when[None], opened[None], times[None], one, 1)
    place = work.last[r, :, None]  # in the update; the worker stands there
    work.last[r] = np.take_along_axis(part.worker, place, axis=1)[:, 0]


def _undisturbed(run: Run, scheme: Barrierless, replication: int) -> Accepted:
    """One replication: arrivals first, then decisions."""
    k, needed = scheme.gradients, run.updates * scheme.gradients
    parts: list[Accepted] = []
    decisions = _Decisions(scheme)
    for block in _arrivals(run, scheme.workers, replication):
        parts.append(decisions.take(block))
        if decisions.accepted >= needed:
            break
    joined = [
        np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Accepted)
    ]
    if decisions.accepted < needed:
        update = decisions.accepted // k
        heard = set(joined[1][update * k :].tolist())
        missing = [worker for worker in range(scheme.workers) if worker not in heard]
        raise NeverEnough(update // (run.updates // run.iterations) + 1, missing)
    return Accepted(*(array[:needed].reshape(-1, k) for array in joined))


@dataclass(frozen=True)
class _Block:
    """Messages in the order in which they are decided.

    Attributes:
        when, worker, seconds: of each message; seconds are those that it took to compute.
        before: how many messages of the run had been decided when its worker got its model.
    """

    when: FloatArray
    worker: IntArray
    seconds: FloatArray
    before: IntArray


class _Decisions:
    """Which messages are accepted, and at which version each was computed.

    Life cycle: ``take`` each block in order.
    """

    def __init__(self, scheme: Barrierless) -> None:
        self._k, self._oldest = scheme.gradients, scheme.oldest
        self._decided = 0
        self._updated_after = [0]  # messages decided when the model had 0, 1, 2, ... updates
        self.accepted = 0

    def take(self, block: _Block) -> Accepted:
        """The accepted messages of a block, one after the other.

        Cost: one pass where every message is accepted, else one turn of a loop per message.
        """
        if self._oldest == np.inf:
            self.accepted += len(block.when)
            version = block.before if self._k == 1 else block.before // self._k
            return Accepted(block.when, block.worker, version, block.seconds)
        kept = self._accept(block.before.tolist())
        updated = np.array(self._updated_after)
        version = np.searchsorted(updated, block.before[kept], side="right") - 1
        return Accepted(block.when[kept], block.worker[kept], version, block.seconds[kept])

    def _accept(self, before: list[int]) -> list[int]:
        """Places of the accepted messages.

        A message is fresh enough if its worker got its model after the update that is ``oldest``
        updates back from the next one.
        """
        k, oldest, updated_after = self._k, int(self._oldest), self._updated_after
        kept: list[int] = []
        missing = k - self.accepted % k
        fresh_from = updated_after[max(len(updated_after) - oldest, 0)]
        for place, decided in enumerate(before):
            if decided >= fresh_from:
                kept.append(place)
                missing -= 1
                if not missing:
                    missing = k
                    updated_after.append(self._decided + place + 1)
                    fresh_from = updated_after[max(len(updated_after) - oldest, 0)]
        self._decided += len(before)
        self.accepted += len(kept)
        return kept


def _arrivals(run: Run, n: int, replication: int) -> Iterator[_Block]:
    """All messages of one replication in order; ends when nothing more can arrive.

    The tasks that are known form a window of rows. Messages up to the earliest of the workers' last
    ones are complete, since whatever a worker sends later comes after its own last one; so they are
    sorted and decided, and rows in which every message is decided leave the window.
    """
    tape = CheckedTape(run.tapes[replication])
    loads, size = np.ones(n, dtype=np.int64), tape.block_rounds
    window = _Window(n)
    decided, row = 0, 0
    while True:
        window.add(run.load_law.worker_times(tape, loads, row, row + size))
        row += size
        places = window.ready()
        yield window.decide(places, decided)
        decided += len(places)
        if window.ended:
            return
        window.forget()


class _Window:
    """Tasks of all workers, ``(rows, n)``: the row above a cell is its worker's task before.

    Life cycle: ``add`` rows below, ``decide`` those that are ``ready``, ``forget`` rows on top.

    Attributes:
        finish: when each task ends; the top row may be older than the window's first task.
        seconds: how long each took to compute.
        wave: tasks of its worker that ended before it at the very same instant.
        place: messages decided up to the end of its wave; -1: not decided yet.
        ended: whether nothing more can arrive.
    """

    def __init__(self, n: int) -> None:
        self.finish, self.seconds = np.zeros((1, n)), np.zeros((1, n))
        self.wave = np.full((1, n), -1, dtype=np.int64)
        self.place = np.zeros((1, n), dtype=np.int64)
        self.ended = self._ties = False

    def add(self, seconds: FloatArray) -> None:
        """Tasks that follow those of the last row."""
        finish = np.concatenate([self.finish[-1:], seconds])
        np.add.accumulate(finish, axis=0, out=finish)
        wave = np.zeros(seconds.shape, dtype=np.int64)
        same = finish[1:] == finish[:-1]
        if same.any():
            self._ties, before = True, self.wave[-1]
            for mine, again in zip(wave, same, strict=True):
                mine[again] = before[again] + 1
                before = mine
        undecided = np.full(seconds.shape, -1, dtype=np.int64)
        self.finish = np.concatenate([self.finish, finish[1:]])
        self.seconds = np.concatenate([self.seconds, seconds])
        self.wave = np.concatenate([self.wave, wave])
        self.place = np.concatenate([self.place, undecided])

    def ready(self) -> IntArray:
        """Cells, counted row by row, whose messages are complete and not decided yet."""
        last, wave = self.finish[-1], self.wave[-1]
        soonest = np.lexsort((wave, last))[0]
        horizon, top = last[soonest], wave[soonest]
        self.ended = bool(np.isinf(horizon))  # every worker's next task never ends
        if self.ended:
            ready = np.isfinite(self.finish)
        elif self._ties:
            ready = self.finish < horizon
            ready |= (self.finish == horizon) & (self.wave <= top)
        else:
            ready = self.finish <= horizon
        ready &= self.place < 0
        return np.flatnonzero(ready)

    def decide(self, cells: IntArray, decided: int) -> _Block:
        """The messages of these cells in order, after ``decided`` others."""
        n = self.finish.shape[1]
        when = self.finish.ravel()[cells]
        order = np.argsort(when)
        when = when[order]
        places = np.arange(decided + 1, decided + 1 + len(when))
        if np.any(when[1:] == when[:-1]):
            waves = self.wave.ravel()[cells]
            order = np.lexsort((cells % n, waves, self.finish.ravel()[cells]))
            waves = waves[order]
            same = (when[1:] == when[:-1]) & (waves[1:] == waves[:-1])
            places = decided + _ends_of_runs(~same)
        cells = cells[order]
        self.place.ravel()[cells] = places
        before = self.place.ravel()[cells - n]
        return _Block(when, cells % n, self.seconds.ravel()[cells], before)

    def forget(self) -> None:
        """Drop rows that are decided, but for the lowest of them."""
        open_rows = np.flatnonzero((self.place < 0).any(axis=1))
        top = (open_rows[0] if len(open_rows) else len(self.place)) - 1
        if top > 0:
            self.finish, self.seconds = self.finish[top:], self.seconds[top:]
            self.wave, self.place = self.wave[top:], self.place[top:]


def _ends_of_runs(changes: np.ndarray) -> IntArray:
    """For each place the end (exclusive) of its run; ``changes[i]``: a run ends after place i."""
    size = len(changes) + 1
    ends = np.append(np.flatnonzero(changes) + 1, size)
    return np.repeat(ends, np.diff(ends, prepend=0))
