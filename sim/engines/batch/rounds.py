"""Schemes with rounds in the batch engine, on ideal clusters and on networks."""

from __future__ import annotations

from typing import final

import numpy as np

from ...base.types import BoolArray, FloatArray, Trace
from ...schemes.arrivals import Arrivals, NoFormula, first_arrivals
from ...schemes.base import Fixed, Round, RoundOutcome, Sees
from ...schemes.parts.stopping import StoppingRule
from ..run import Course, Network, Policy, Run, plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape, RoundOfAll
from .fused import Fuse, Kernel, kernel, play_in_one_pass, record_in_one_pass, record_with
from .traces import (
    TraceArrays,
    all_in,
    blame,
    idle_of,
    record_rounds,
    require_enough,
    run_together,
    steps_ahead,
    useful_pieces,
)

# Rounds one after the other on an ideal cluster: for policies that carry a worker's backlog from
# round to round, for stopping rules that need the clock, and for schemes whose plan changes. Only
# what the next round depends on is done round by round; the rest is done for many rounds at once.

MESSAGES_AT_ONCE = 2**15  # that are recorded together: few enough to stay in the cache


@final
class CoupledRounds:
    """A group of replications on their way through the rounds. Life cycle: ``advance`` or ``round``
    for t = 0, 1, ... in order, then ``finish``. Cost: per round some eight NumPy calls and the
    stopping rule; per message the seven passes of ``record_rounds``."""

    def __init__(self, result: TraceArrays, run: Run) -> None:
        (r, rounds), n, m = result.times.shape, run.scheme.workers, result.messages
        self._result, self._policy = result, run.policy
        self._now, self._free = np.zeros((r, 1)), np.zeros((r, n))
        block = max(1, min(rounds, MESSAGES_AT_ONCE // (r * n * m)))
        # Of the rounds that are not recorded yet.
        self._first, self._count = 0, 0
        self._opened, self._ready = np.empty((r, block)), np.empty((r, block))
        self._begun, self._arrive = np.empty((r, block, n)), np.empty((r, block, n * m))
        self._idle = np.zeros((r, block, n), dtype=np.bool_)

    def advance(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> None:
        """Play round t; ``offsets (r, n m)`` seconds from beginning to each message. Raises
        ``NeverEnough``: naming the first round, of those not recorded yet, that never ends."""
        policy, now, i = self._policy, self._now, self._count
        if i == self._opened.shape[1]:
            self._record()
            i = 0
        self._count = i + 1
        begun, arrive = self._begun[:, i], self._arrive[:, i]
        begun[:] = policy.begins(now, self._free)  # never, behind a dead worker's task
        m = self._result.messages
        np.add(begun if m == 1 else np.repeat(begun, m, axis=1), offsets, out=arrive)
        opened, finish, sent = now[:, 0], arrive[:, m - 1 :: m], arrive
        self._idle[:, i] = False
        if (idle := idle_of(offsets, m)) is not None:
            self._idle[:, i], finish = idle, np.where(idle, begun, finish)
            sent = np.where(np.isnan(arrive), 0.0, arrive)
            arrive[np.isnan(arrive)] = np.inf
        ended = stopping.stopping_delay(arrive, opened)
        self._opened[:, i], self._result.times[:, t] = opened, ended
        ended = ended[:, None]
        skips = policy.skips(begun, ended)
        self._free = finish if skips is None else np.where(skips, self._free, finish)
        self._now = ended
        if policy.drains:
            self._now = np.maximum(ended, all_in(sent, m)[:, None])
            self._ready[:, i] = self._now[:, 0]

    def advance_by(self, play: Kernel, needs: Arrivals, first: int, offsets: FloatArray) -> None:
        """``advance`` through rounds from ``first`` on, of workers with a message each: ``play``
        takes as many ``offsets (r, t, n)`` in one call as there is room for."""
        asked = needs.low, needs.high, needs.size or 0
        done = 0
        while done < offsets.shape[1]:
            if (i := self._count) == self._opened.shape[1]:
                self._record()
                i = 0
            table = offsets[:, done : done + self._opened.shape[1] - i]
            ended = self._result.times[:, first + done : first + done + table.shape[1]]
            clock = self._now[:, 0], self._free
            room = self._opened, ended, self._begun, self._arrive
            play(table, asked, self._policy is Policy.FINISH, *clock, *room, i)
            self._count, done = i + table.shape[1], done + table.shape[1]

    def round(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        """Play round t, and say how it came out. Raises ``NeverEnough``: the round never ends."""
        opened = self._now[:, 0]
        self.advance(t, stopping, offsets)
        ended, arrive = self._result.times[:, t], self._arrive[:, self._count - 1]
        arrived, max_wait = arrive <= ended[:, None], self._result.max_wait
        late = ended > opened + (np.inf if max_wait is None else max_wait)
        if late.any() or not np.isfinite(self._now).all():
            self._record()
        arrival = np.where(arrived, arrive - opened[:, None], np.inf)
        return RoundOutcome(ended - opened, arrived, arrival=arrival)

    def finish(self) -> None:
        """Record what is left."""
        if self._count:
            self._record()

    def _record(self) -> None:
        rounds = slice(self._count)
        opened, ready = self._opened[:, rounds], self._ready[:, rounds]
        begun, arrive = self._begun[:, rounds], self._arrive[:, rounds]
        view = self._result.rounds(self._first, self._first + self._count)
        drained = ready if self._policy.drains else None
        idle = self._idle[:, rounds]
        asked = np.where(np.repeat(idle, view.messages, axis=2), np.nan, arrive)
        require_enough(view, opened, drained, lambda r, t: asked[r, t])
        since = begun if self._policy.couples_rounds else None
        record_rounds(view, opened, since, arrive, drained, idle if idle.any() else None)
        self._first, self._count = self._first + self._count, 0


@final
class NetworkedRounds:
    """The same on a network without contention, and with lost messages, for all policies: under
    ``cancel`` a worker goes on until the next model reaches it, so rounds are coupled here. A
    message arrives at ``begun + (computed + sent)``; the event engine adds the same numbers. Life
    cycle: ``round`` for t = 0, 1, ... in order, then ``finish``, which records the work."""

    def __init__(self, result: TraceArrays, run: Run, group: range) -> None:
        (r, rounds), n, m = result.times.shape, run.scheme.workers, result.messages
        around, network = run.cluster, run.cluster.network or Network()
        resends, self._gradients = around.resends, run.rounds.message_size
        self._result, self._policy = result, run.policy
        self._downlink = network.downlink(n)
        # What every message takes, unless the two after say what each takes.
        self._latency, self._sizes = network.uplink_latency, np.array(run.rounds.message_sizes)
        self._occupied = network.occupied * self._sizes
        self._fixed = np.tile(self._latency + self._occupied, n)
        self._uplink, self._transfer = (
            None if tapes is None else RoundOfAll([tapes[r] for r in group], rounds)
            for tapes in (around.uplink, around.transfer)
        )
        # ``(r, T, n)`` seconds that lost messages cost; ``None``: none are lost.
        self._resent: FloatArray | None = None
        if resends is not None:
            self._resent = np.stack([CheckedTape(resends[r]).rows(0, rounds) for r in group])
        self._now, self._free = np.zeros(r), np.zeros((r, n))
        self._begun, self._done, self._until = (np.empty((r, rounds, n)) for _ in range(3))
        self._useful = np.zeros((r, rounds, m, n))

    def round(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        """Play round t, ``offsets (r, n m)`` seconds from beginning to computing each message.
        Raises ``NeverEnough``: the round never ends."""
        policy, m, view = self._policy, self._result.messages, self._result.rounds(t, t + 1)
        opened = self._now[:, None]
        self._begun[:, t] = policy.begins(opened + self._downlink, self._free)
        sent = self._fixed
        if self._uplink is not None or self._transfer is not None:
            sent = self._sent_in(t)
        if self._resent is not None:
            sent = sent + np.repeat(self._resent[:, t], m, axis=1)
        asked = arrive = np.repeat(self._begun[:, t], m, axis=1) + (offsets + sent)
        all_sent = arrive
        if idle_of(offsets, m) is not None:  # they are free as soon as they have the model
            offsets = np.where(np.isnan(offsets), 0.0, offsets)
            all_sent, arrive = (np.where(np.isnan(asked), x, asked) for x in (0.0, np.inf))
        view.times[:, 0] = ended = stopping.stopping_delay(arrive, self._now)
        ready = np.maximum(ended, all_in(all_sent, m)) if policy.drains else ended
        drained = ready[:, None] if policy.drains else None
        require_enough(view, opened, drained, lambda r, _: asked[r])
        arrived = arrive <= view.times
        if view.arrived is not None:
            view.arrived[:, 0] = arrived
        if view.work is not None:
            blame(steps_ahead(arrive[:, None], view.times), opened, view.times, view.work)
        self._done[:, t] = self._begun[:, t] + offsets[:, m - 1 :: m]
        nothing = np.zeros((len(offsets), 1, 1))
        self._useful[:, t] = useful_pieces(offsets[:, None], nothing, arrived[:, None], m)[:, 1:]
        arrival = np.where(arrived, arrive - opened, np.inf)
        outcome = RoundOutcome(ended - self._now, arrived, arrival=arrival)
        self._now = ready
        reached = ready[:, None] + self._downlink
        self._until[:, t] = reached if policy.interrupts else np.inf
        if (skips := policy.skips(self._begun[:, t], reached)) is None:
            self._free = self._done[:, t].copy()
        else:
            np.copyto(self._free, self._done[:, t], where=~skips)
            self._begun[:, t][skips] = np.inf
            self._done[:, t][skips] = np.inf
        return outcome

    advance = round

    def _sent_in(self, t: int) -> FloatArray:
        """What messages of round t take from being computed to arriving, ``(r, n m)``."""
        sent, transfer = np.asarray(self._latency), self._occupied
        if self._uplink is not None:
            sent = self._drawn(self._uplink, t)
        if self._transfer is not None:
            whole = self._gradients * self._drawn(self._transfer, t)
            transfer = np.zeros_like(whole)  # also of a message without size that never comes
            np.multiply(whole, self._sizes, out=transfer, where=self._sizes > 0)
        return np.asarray((sent + transfer).reshape(len(self._now), -1))

    def _drawn(self, tapes: RoundOfAll, t: int) -> FloatArray:
        """What messages of round t draw, ``(r, n, m)``."""
        tapes.round, last = t, len(self._sizes) - 1
        # One without size only counts, and comes with the task's last one.
        streams = [i if size > 0 else last for i, size in enumerate(self._sizes)]
        return np.stack([tapes.rows(0, len(self._now), i) for i in streams], axis=-1)

    def finish(self) -> None:
        """Add up each worker's tasks, each from its begin until it is done, told, or the end."""
        if (work := self._result.work) is None:
            return
        end = self._result.times[:, -1, None]
        for t in range(self._begun.shape[1]):
            begun = self._begun[:, t]
            stopped = np.minimum(np.minimum(self._done[:, t], self._until[:, t]), end)
            np.add(work.busy, stopped - np.minimum(begun, end), out=work.busy, where=begun < end)
        flat = self._useful.reshape(len(end), -1, work.useful.shape[1])
        work.useful[:] = np.add.accumulate(flat, axis=1)[:, -1]


# Where rounds are independent (a plan that never changes, an ideal cluster, policies ``cancel``
# and ``drain``) there is no loop over them: stopping delays come first, a cumulative sum gives the
# clock, and absolute times give the masks. Elsewhere one loop carries what passes between rounds.
#
# Memory: the result plus a working set under ``MOST_WORKING_BYTES``, whatever R, T and n are. On a
# network the working set holds at least one replication's whole run, 64 bytes per worker and
# round, since a worker's last task is recorded when it is known when the run ends.

MOST_WORKING_BYTES = 512 * 2**20
BYTES_PER_CELL = 64  # of one worker in one round: its time, and eight-byte temporaries of it
# Independent rounds that are worked on together: blocks of a tape, and cells, 1 MiB. That is the
# second-level cache; fewer pay for more calls.
BLOCKS_AT_ONCE, CELLS_IN_CACHE = 4, 2**17


def at_once(block: int, width: int) -> int:
    """Independent rounds of one replication that are worked on together: blocks of a tape."""
    return block * max(1, min(BLOCKS_AT_ONCE, CELLS_IN_CACHE // (block * width)))


def batch_rounds(
    run: Run,
    heard: bool = True,
    work: bool = True,
    budget: int = MOST_WORKING_BYTES,
    fuse: Fuse | None = None,
) -> Trace:
    """Run all replications; see ``engines.simulate.simulate``. The result does not depend on the
    budget, bytes of working memory, more on a network, nor on what compiles loops (``None``:
    numba, if the run is large). Cost: per worker and round a draw, a pass of the stopping rule, an
    addition and a comparison for ``heard``, and for ``work`` seven passes, or a compiled one."""
    scheme, result = run.rounds, TraceArrays.empty(run, heard, work)
    if scheme.sees is not Sees.NOTHING:
        return to_the_end(_course(run, result))
    plan = plan_of(run, scheme.start(len(run.tapes)))
    ideal, policy, rounds = run.cluster.ideal, run.policy, run.updates
    independent = ideal and not policy.couples_rounds and not plan.stopping.needs_clock
    all_send = bool(plan.loads.all())
    width = scheme.workers * scheme.messages
    block = plan.together(run.tapes[0]) if ideal else rounds
    block = at_once(block, width) if independent else block
    cells = min(block, rounds) * width
    most = budget // BYTES_PER_CELL
    if independent:
        most = min(most, CELLS_IN_CACHE)
    together = max(1, most // cells)
    one_pass = None
    if independent and heard and work and scheme.messages == 1 and not policy.drains and all_send:
        one_pass = kernel(record_in_one_pass, len(run.tapes) * rounds * scheme.workers, fuse)
    carried = _carried(run, fuse) if all_send else None

    def run_group(group: range) -> None:
        tapes = [CheckedTape(tape) for tape in run.tapes[group.start : group.stop]]
        loop = None if independent else _loop(run, result.view(group, 0, rounds), group)
        now = np.zeros(len(group))
        for start in range(0, rounds, block):
            stop = min(start + block, rounds)
            span = scheme.messages, start, stop
            tables = [plan.message_times(run.load_law, tape, *span) for tape in tapes]
            table = np.stack(tables) if len(tables) > 1 else tables[0][None]
            if loop is None:
                view = result.view(group, start, stop)
                idle = None if all_send else idle_of(table, scheme.messages)
                now = _independent_rounds(plan, table, idle, now, view, policy.drains, one_pass)
            elif carried is not None and isinstance(loop, CoupledRounds):
                loop.advance_by(*carried, start, table)
            else:
                for t in range(start, stop):
                    loop.advance(t, plan.stopping, table[:, t - start])
        if loop is not None:
            loop.finish()

    for first in range(0, len(run.tapes), together):
        run_together(run_group, range(first, min(first + together, len(run.tapes))))
    return result.trace(run)


def _carried(run: Run, fuse: Fuse | None) -> tuple[Kernel, Arrivals] | None:
    """What plays rounds that carry work on, where their rule counts arrivals and groups alone."""
    scheme = run.rounds
    if not (run.cluster.ideal and run.policy.couples_rounds and scheme.messages == 1):
        return None
    play = kernel(play_in_one_pass, run.updates, fuse)
    if play is None or not isinstance(scheme, Fixed):
        return None
    needs = first_arrivals(scheme)
    return None if isinstance(needs, NoFormula) else (play, needs)


def batch_course(run: Run) -> Course:
    """All replications together, a round at a time; see ``engines.simulate.rounds``. Cost: about
    thirty NumPy calls a round beside the passes of ``batch_rounds``."""
    return _course(run, TraceArrays.empty(run, heard=True, work=True))


def _course(run: Run, result: TraceArrays) -> Course:
    loop = _loop(run, result, range(len(run.tapes)))
    yield from play_rounds(run, lambda t, plan, offsets: loop.round(t, plan.stopping, offsets))
    loop.finish()
    return result.trace(run)


def _loop(run: Run, whole: TraceArrays, group: range) -> CoupledRounds | NetworkedRounds:
    return CoupledRounds(whole, run) if run.cluster.ideal else NetworkedRounds(whole, run, group)


def _independent_rounds(
    plan: Round,
    offsets: FloatArray,
    idle: BoolArray | None,
    now: FloatArray,
    view: TraceArrays,
    drains: bool,
    one_pass: Kernel | None,
) -> FloatArray:
    """Rounds that start anew: ``offsets (r, t, n m)``, and who is ``idle``, as of ``idle_of``;
    returns ``(r,)`` when the next one opens."""
    asked, sent = offsets, offsets
    if idle is not None:
        sent, offsets = (np.where(np.isnan(asked), x, asked) for x in (0.0, np.inf))
    delay = plan.stopping.stopping_delay(offsets)
    # A deadline can be later than the last message.
    length = np.maximum(all_in(sent, view.messages), delay) if drains else delay
    instants = np.add.accumulate(np.concatenate([now[:, None], length], axis=1), axis=1)
    opened, after = instants[:, :-1], instants[:, 1:]
    np.add(opened, delay, out=view.times)
    drained = after if drains else None
    require_enough(view, opened, drained, lambda r, t: opened[r, t] + asked[r, t])
    if one_pass is not None:
        record_with(one_pass, view, opened, offsets)
    elif view.arrived is not None or view.work is not None:
        record_rounds(view, opened, None, opened[:, :, None] + offsets, drained, idle)
    return np.asarray(after[:, -1].copy())
