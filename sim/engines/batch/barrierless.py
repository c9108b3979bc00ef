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
        self.accepted = 0
        self._after = [0]  # updates after so many messages; only where messages are dropped

    def take(self, block: _Block) -> Accepted:
        """The accepted messages of a block, one after the other.

        Cost: nothing much where every message is accepted, else one turn of a loop per message.
        """
        if self._oldest == np.inf:
            self.accepted += len(block.when)
            return Accepted(block.when, block.worker, block.before // self._k, block.seconds)
        k, after, oldest = self._k, self._after, self._oldest
        kept, versions = [], []
        accepted, update = self.accepted, after[-1]
        for i, place in enumerate(block.before.tolist()):
            version = after[place]
            if update - version < oldest:
                kept.append(i)
                versions.append(version)
                accepted += 1
                if accepted % k == 0:
                    update += 1
            after.append(update)
        self.accepted = accepted
        version_of = np.array(versions, dtype=np.int64)
        return Accepted(block.when[kept], block.worker[kept], version_of, block.seconds[kept])


@dataclass(frozen=True)
class _Messages:
    """Messages in no order, not decided yet.

    Attributes:
        when, worker, seconds: as in ``_Block``.
        wave: which of the waves of its instant.
    """

    when: FloatArray
    worker: IntArray
    seconds: FloatArray
    wave: IntArray

    def __getitem__(self, which: object) -> _Messages:
        return _Messages(*(getattr(self, field.name)[which] for field in fields(self)))

    def joined(self, other: _Messages) -> _Messages:
        """These and those."""
        if not len(self.when):
            return other
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return _Messages(*(np.concatenate(pair) for pair in pairs))


def _arrivals(run: Run, n: int, replication: int) -> Iterator[_Block]:
    """All messages of one replication in order; ends when nothing more can arrive.

    Each block of tasks adds messages. Those up to the earliest of the workers' last messages are
    complete, since whatever a worker sends later comes after its own last one.
    """
    tape = CheckedTape(run.tapes[replication])
    size = tape.block_rounds
    loads, workers = np.ones(n, dtype=np.int64), np.tile(np.arange(n), size)
    last, wave = np.zeros(n), np.full(n, -1)
    before = np.zeros(n, dtype=np.int64)
    pending: _Messages | None = None
    decided, row = 0, 0
    while True:
        seconds = run.load_law.worker_times(tape, loads, row, row + size)
        row += size
        finish = np.add.accumulate(np.concatenate([last[None], seconds]), axis=0)
        waves = _waves(finish, wave)
        added = _Messages(finish[1:].ravel(), workers, seconds.ravel(), waves.ravel())
        pending = added if pending is None else pending.joined(added)
        last, wave = finish[-1], waves[-1]
        soonest = np.lexsort((wave, last))[0]
        horizon, top = last[soonest], wave[soonest]
        if np.isinf(horizon):  # every worker's next task never ends
            ready = np.isfinite(pending.when)
        else:
            ready = pending.when < horizon
            ready |= (pending.when == horizon) & (pending.wave <= top)
        block = _in_order(pending[np.flatnonzero(ready)], before, decided)
        decided += len(block.when)
        yield block
        if np.isinf(horizon):
            return
        pending = pending[np.flatnonzero(~ready & np.isfinite(pending.when))]


def _waves(finish: FloatArray, first: IntArray) -> IntArray:
    """``(rows, n)``: how many tasks of the worker have ended before at the very same instant.

    Args:
        finish: ``(1 + rows, n)`` when tasks end, the last one of the block before in front.
        first: ``(n,)`` wave of that one.
    """
    same = finish[1:] == finish[:-1]
    waves = np.zeros(same.shape, dtype=np.int64)
    if same.any():
        before = first
        for wave, again in zip(waves, same, strict=True):
            wave[again] = before[again] + 1
            before = wave
    return waves


def _in_order(ready: _Messages, before: IntArray, decided: int) -> _Block:
    """Sort messages, and find how many were decided when each one's worker got its model.

    Args:
        ready: the messages.
        before: ``(n,)`` messages decided up to the wave of each worker's latest; updated in place.
        decided: messages decided in earlier blocks.
    """
    order = np.argsort(ready.when)
    when = ready.when[order]
    ends = np.arange(1, len(when) + 1)  # of each message's wave
    if np.any(when[1:] == when[:-1]):
        order = np.lexsort((ready.worker, ready.wave, ready.when))
        when, wave = ready.when[order], ready.wave[order]
        ends = _ends_of_runs((when[1:] != when[:-1]) | (wave[1:] != wave[:-1]))
    ends += decided
    worker = ready.worker[order]
    by_worker = np.argsort(
        worker.astype(np.uint16) if len(before) < 2**16 else worker, kind="stable"
    )
    mine = worker[by_worker]
    first = np.ones(len(mine), dtype=np.bool_)
    first[1:] = mine[1:] != mine[:-1]
    places = ends[by_worker]
    earlier = np.empty_like(places)
    earlier[1:] = places[:-1]
    earlier[first] = before[mine[first]]
    seen = np.empty_like(earlier)
    seen[by_worker] = earlier
    last = np.flatnonzero(np.append(first[1:], True)) if len(mine) else np.empty(0, dtype=np.int64)
    before[mine[last]] = places[last]
    return _Block(when, worker, ready.seconds[order], seen)


def _ends_of_runs(changes: np.ndarray) -> IntArray:
    """For each place the end (exclusive) of its run; ``changes[i]``: a run ends after place i."""
    size = len(changes) + 1
    ends = np.append(np.flatnonzero(changes) + 1, size)
    return np.repeat(ends, np.diff(ends, prepend=0))
