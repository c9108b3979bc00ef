"""Updates that come in cycles, in the batch engine: arrivals first, then decisions.

Nobody is stopped or kept waiting, so arrivals depend on no decision: see
``engines.batch.arrivals``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless
from ...types import FloatArray, IntArray, Trace
from ..accepted import Accepted
from ..cycle import Cycle
from ..distinct import Standstill
from ..streams import Streams
from .arrivals import Block, arrivals
from .result import unresting

if TYPE_CHECKING:
    from ..run import Run


def cycles(run: Run, scheme: Barrierless, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications.

    Cost: that of ``arrivals``, and a turn of a Python loop for each message.

    Raises:
        NeverEnough: nobody is left whose message makes an update, or time stands still.
    """
    accepted = Accepted.empty((len(run.tapes), run.updates, 1), seconds=False)
    streams = Streams(scheme.workers)
    for r in range(len(run.tapes)):
        decisions = _Decisions(scheme.workers, run.updates, run.iterations)
        for block in arrivals(run, scheme, r, work):
            decisions.take(block)
            if not decisions.missing:
                break
        decisions.finish(accepted.replication(r), streams)
    noted = unresting(accepted, streams.useful) if work else None
    return Trace(accepted.times, streams.heard if heard else None, noted, "batch", run.seed)


@final
class _Decisions:
    """Which messages of a replication make updates.

    Life cycle: ``take`` each block until no update is ``missing``; then ``finish``.

    Attributes:
        missing: updates that have not happened yet.
    """

    def __init__(self, workers: int, updates: int, iterations: int) -> None:
        self._cycle, self._standstill = Cycle(workers), Standstill()
        self._updates, self.missing = updates, updates
        self._per_iteration = updates // iterations
        self._ends: list[int] = []
        self._decided = 0
        self._when: list[FloatArray] = []
        self._worker: list[IntArray] = []
        self._before: list[IntArray] = []
        self._seconds: list[FloatArray] = []

    def take(self, block: Block) -> None:
        """Decide the messages of a block.

        Raises:
            NeverEnough: no update can come after them.
        """
        workers, when = block.worker[block.order], block.when[block.order]
        cycle, standstill = self._cycle, self._standstill
        leaving = self._leaving(workers, block) if block.lost.any() else None
        for place, (worker, now) in enumerate(zip(workers.tolist(), when.tolist(), strict=True)):
            self._decided += 1
            if cycle.hear(worker):
                self._ends.append(self._decided)
                self.missing -= 1
                standstill.clear()
                if not self.missing:
                    break
            else:
                standstill.note(worker, now)
                if standstill.endless is not None:
                    raise NeverEnough(self._iteration, sorted(cycle.needed), endless=worker)
            if leaving is not None:
                self._require_hope(leaving[place])
        self._when.append(when)
        self._worker.append(workers)
        self._before.append(block.before[block.order])
        if block.seconds is not None:
            self._seconds.append(block.seconds[block.order])
        if self.missing and block.lost.all():
            raise NeverEnough(self._iteration, sorted(cycle.needed))

    def _leaving(self, workers: IntArray, block: Block) -> list[set[int] | None]:
        """Who is lost after each message; ``None`` within a wave, which is decided as a whole."""
        lost = set(np.flatnonzero(block.lost).tolist())
        last = {worker: place for place, worker in enumerate(workers.tolist()) if worker in lost}
        gone = lost - last.keys()
        after: list[set[int] | None] = []
        for place, (worker, end) in enumerate(
            zip(workers.tolist(), block.last.tolist(), strict=True)
        ):
            if last.get(worker) == place:
                gone = gone | {worker}
            after.append(gone if end == place else None)
        return after

    def _require_hope(self, lost: set[int] | None) -> None:
        """Nothing more comes of the lost.

        Raises:
            NeverEnough: and so no update can come.
        """
        never = self._cycle.hopeless(lost) if lost else []
        if never:
            raise NeverEnough(self._iteration, never)

    @property
    def _iteration(self) -> int:
        return (self._updates - self.missing) // self._per_iteration + 1

    def finish(self, accepted: Accepted, streams: Streams) -> None:
        """Write the updates and their messages down."""
        ends, used = np.array(self._ends), slice(self._decided)
        worker, when = np.concatenate(self._worker)[used], np.concatenate(self._when)
        before = np.concatenate(self._before)[used]
        accepted.when[:, 0] = when[ends - 1]
        accepted.worker[:, 0] = worker[ends - 1]
        happened = np.zeros(self._decided + 1, dtype=np.int64)
        happened[ends] = 1
        version = np.cumsum(happened)[before]
        seconds = np.concatenate(self._seconds)[used] if self._seconds else None
        streams.add(worker, version, seconds, ends)
