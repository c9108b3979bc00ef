"""Schemes without a barrier in the batch engine.

Where nobody is ever stopped or kept waiting, arrivals do not depend on decisions: see
``engines.batch.arrivals``; what is left is to decide them in order. Where every update stops
everybody, see ``engines.batch.interrupted``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless, Stops
from ...types import IntArray, Messages, Trace
from ..accepted import Accepted
from .arrivals import Block, arrivals
from .cycles import cycles
from .fresh import Fresh
from .interrupted import interrupted
from .result import unresting

if TYPE_CHECKING:
    from ..run import Run


def simulate(run: Run, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications; see ``engines.run.simulate``.

    Cost: that of ``arrivals``, and three passes to write a message down; where old messages are
    dropped also one turn of a Python loop. Where updates come in cycles, that of ``cycles``; where
    an update stops everybody, that of ``interrupted``.
    """
    scheme = run.scheme
    assert isinstance(scheme, Barrierless)
    if scheme.cycles:
        return cycles(run, scheme, heard, work)
    accepted = Accepted.empty((len(run.tapes), run.updates, scheme.gradients), work)
    if scheme.stops is Stops.EVERYBODY:
        interrupted(run, scheme, accepted)
    else:
        for r in range(len(run.tapes)):
            _undisturbed(run, scheme, r, accepted.replication(r))
    times = accepted.times
    messages = Messages(accepted.worker, accepted.version) if heard else None
    noted = unresting(accepted, accepted.useful(scheme.workers)) if work else None
    return Trace(times, messages, noted, "batch", run.seed)


def _undisturbed(run: Run, scheme: Barrierless, replication: int, accepted: Accepted) -> None:
    """One replication: arrivals first, then decisions.

    Raises:
        NeverEnough: nothing more can arrive, and the last update has not happened.
    """
    decisions = _Decisions(scheme, accepted)
    for block in arrivals(run, scheme, replication, accepted.seconds is not None):
        decisions.take(block)
        if decisions.missing == 0:
            return
    update, begun = divmod(decisions.filled, scheme.gradients)
    heard = set(accepted.worker[update, :begun].tolist())
    missing = [worker for worker in range(scheme.workers) if worker not in heard]
    raise NeverEnough(update // (run.updates // run.iterations) + 1, missing)


@final
class _Decisions:
    """Which messages are accepted, and at which version each was computed.

    Life cycle: ``take`` each block in order, until none is ``missing``.

    Args:
        scheme: its choices.
        accepted: where to write the messages down, ``(U, K)``.

    Attributes:
        filled: messages accepted so far.
    """

    def __init__(self, scheme: Barrierless, accepted: Accepted) -> None:
        self._k, self._accepted = scheme.gradients, accepted
        self._size = accepted.when.size
        self.filled = 0
        self._fresh = Fresh(scheme, len(accepted.when)) if scheme.oldest < np.inf else None

    @property
    def missing(self) -> int:
        """Messages that are not accepted yet."""
        return self._size - self.filled

    def take(self, block: Block) -> None:
        """Write down the messages of a block that are accepted.

        Cost: a pass for each array; where messages can be too old, also a turn of a loop for each.
        """
        if self._fresh is None:
            version = self._write(block, block.order[: self.missing])
            if self._k > 1:
                version //= self._k
        else:
            before = block.before[block.order]
            kept = self._fresh.take(before, self.missing)
            version = self._write(block, block.order[kept])
            version[:] = self._fresh.updates_after(before[kept])

    def _write(self, block: Block, chosen: IntArray) -> IntArray:
        """Write these messages down; returns where their versions go, now ``block.before``."""
        space = slice(self.filled, self.filled + len(chosen))
        self.filled += len(chosen)
        accepted = self._accepted
        np.take(block.when, chosen, out=accepted.when.ravel()[space], mode="clip")
        np.take(block.worker, chosen, out=accepted.worker.ravel()[space], mode="clip")
        if accepted.seconds is not None:
            assert block.seconds is not None
            np.take(block.seconds, chosen, out=accepted.seconds.ravel()[space], mode="clip")
        version = accepted.version.ravel()[space]
        version[:] = block.before.take(chosen)
        return version
