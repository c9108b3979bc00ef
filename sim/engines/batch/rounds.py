"""Schemes with rounds in the batch engine.

Where rounds are independent (a plan that never changes, an ideal cluster, policies ``cancel`` and
``drain``) there is no loop over them: stopping delays come first, a cumulative sum gives the clock,
and absolute times give the masks. Elsewhere one loop over rounds, vectorised over replications and
workers, carries what passes from round to round (``coupled``, ``network``); a scheme whose plan
changes is asked for it in that loop.

Memory: the result plus a working set under ``BUDGET`` bytes, whatever R, T and n are. On a network
the working set holds at least one replication's whole run, 64 bytes per worker and round, since a
worker's last task is booked when it is known when the run ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ...errors import NeverEnough
from ...schemes.base import Round, RoundScheme, Sees
from ...types import FloatArray, Trace
from ..plans import plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape
from .booking import all_in, book, check
from .coupled import CoupledRounds
from .network import NetworkedRounds
from .result import TraceArrays

if TYPE_CHECKING:
    from ..run import Course, Run

BUDGET = 512 * 2**20
"""Bytes of working memory."""

BYTES_PER_CELL = 64
"""Working memory for one worker in one round: its time, and eight-byte temporaries of it."""

CACHED = 2**15
"""Cells of independent rounds that are worked on together: 256 KiB stay in the cache."""


def simulate(
    run: Run, scheme: RoundScheme, heard: bool = True, work: bool = True, budget: int = BUDGET
) -> Trace:
    """Run all replications; see ``engines.run.simulate``.

    Args:
        run: what to simulate.
        scheme: its scheme.
        heard, work: what to record.
        budget: bytes of working memory, more on a network; the result does not depend on it.

    Cost: per worker and round one draw, one pass of the stopping rule, with ``heard`` one
    addition and one comparison, and with ``work`` about ten passes more.
    """
    if scheme.sees is not Sees.NOTHING:
        return to_the_end(course(run, scheme, heard, work))
    plan = plan_of(run, scheme, scheme.start(len(run.tapes)))
    ideal, policy, rounds = run.cluster.ideal, run.policy, run.updates
    result = TraceArrays.empty(
        (len(run.tapes), rounds, scheme.workers), scheme.messages, heard, work
    )
    independent = ideal and not policy.couples_rounds and not plan.stopping.needs_clock
    block = run.tapes[0].block_rounds if ideal else rounds
    cells = min(block, rounds) * scheme.workers * scheme.messages
    most = budget // BYTES_PER_CELL
    if independent:
        most = min(most, CACHED)
    together = max(1, most // cells)

    def offsets(tape: CheckedTape, start: int, stop: int) -> FloatArray:
        return plan.message_times(run.load_law, tape, scheme.messages, start, stop)

    def run_group(group: range) -> None:
        tapes = [CheckedTape(tape) for tape in run.tapes[group.start : group.stop]]
        whole = result.part(group, 0, rounds, run.cluster.max_wait)
        loop = None if independent else _loop(run, scheme, whole, group)
        now = np.zeros(len(group))
        for start in range(0, rounds, block):
            stop = min(start + block, rounds)
            table = np.stack([offsets(tape, start, stop) for tape in tapes])
            if loop is None:
                part = result.part(group, start, stop, run.cluster.max_wait)
                now = _independent_rounds(plan, table, now, part, policy.drains)
                continue
            for t in range(start, stop):
                loop.advance(t, plan.stopping, table[:, t - start])
        if loop is not None:
            loop.finish()

    for first in range(0, len(run.tapes), together):
        _run_group(run_group, range(first, min(first + together, len(run.tapes))))
    return result.trace(run.seed)


def course(run: Run, scheme: RoundScheme, heard: bool = True, work: bool = True) -> Course:
    """All replications together, a round at a time; see ``engines.run.rounds``.

    Cost: about thirty NumPy calls a round beside the passes of ``simulate``.
    """
    shape = (len(run.tapes), run.updates, scheme.workers)
    result = TraceArrays.empty(shape, scheme.messages, heard, work)
    group = range(len(run.tapes))
    loop = _loop(run, scheme, result.part(group, 0, run.updates, run.cluster.max_wait), group)
    yield from play_rounds(run, scheme, loop.round)
    loop.finish()
    return result.trace(run.seed)


def _loop(
    run: Run, scheme: RoundScheme, whole: TraceArrays, group: range
) -> CoupledRounds | NetworkedRounds:
    if run.cluster.ideal:
        return CoupledRounds(whole, run.policy, scheme.workers)
    sizes = scheme.message_sizes
    return NetworkedRounds(whole, run.policy, scheme.workers, run.cluster, group, sizes)


def _independent_rounds(
    plan: Round, offsets: FloatArray, now: FloatArray, part: TraceArrays, drains: bool
) -> FloatArray:
    """Rounds that start anew: ``offsets (r, t, n m)``; returns ``(r,)`` when the next one opens."""
    delay = plan.stopping.stopping_delay(offsets)
    # A deadline can be later than the last message.
    length = np.maximum(all_in(offsets, part.messages), delay) if drains else delay
    instants = np.add.accumulate(np.concatenate([now[:, None], length], axis=1), axis=1)
    opened, after = instants[:, :-1], instants[:, 1:]
    np.add(opened, delay, out=part.times)
    drained = after if drains else None
    check(part, opened, drained, lambda r, t: opened[r, t] + offsets[r, t])
    if part.arrived is not None or part.work is not None:
        book(part, opened, None, opened[:, :, None] + offsets, drained)
    return np.asarray(after[:, -1].copy())


def _run_group(run: Callable[[range], None], group: range) -> None:
    """Run replications together; errors are those of replications that run one by one."""
    try:
        run(group)
    except NeverEnough:
        if len(group) > 1:
            for r in group:
                run(range(r, r + 1))
        raise
